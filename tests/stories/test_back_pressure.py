"""Back-pressure and draining: who waits for room, in what order, and what becomes of them in an outage and at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconnect import BadArgument, BadSignal, DrainTimedOut, NotConnected, Outbox, OutcomeStatus, Receipt, limits
from reconnect.core import frames
from tests.stories.stage import Member, Stage, story


async def _full(stage: Stage, **options: Any) -> Member:
    """Return a member that is away, and whose outbox for two signals is full."""
    anna = await stage.enter("anna", outbox=Outbox(**{"max_signals": 2, "overflow": "wait", **options}))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal(0)
    anna.signal(1)
    return anna


def _offer(stage: Stage, member: Member, *data: Any, **options: Any) -> list[asyncio.Task[Receipt]]:
    return [stage.start(member.session.signal_when_room(one, **options)) for one in data]


@story(Stage)
async def test_callers_that_wait_for_room_go_in_order_and_lose_nothing(stage: Stage) -> None:
    """Q08 Q03: nine callers wait through an outage for an outbox of two; all arrive, in the order in which they came."""
    anna = await _full(stage)
    waiting = _offer(stage, anna, *range(2, 11))
    await stage.idle()
    assert not any(task.done() for task in waiting)
    assert anna.session.statistics().submitted == 2, "what waits for room is in no statistics"
    await anna.back()
    receipts = [await task for task in waiting]
    assert [receipt.serial for receipt in receipts] == list(range(3, 12))
    await anna.session.drain()
    await stage.until(lambda: anna.heard == list(range(11)))


@story(Stage)
async def test_a_caller_that_is_cancelled_has_sent_nothing_and_lets_the_next_one_go(stage: Stage) -> None:
    """Q08: also where it is cancelled in the very turn in which there is room for it."""
    anna = await _full(stage)
    first, second, third = _offer(stage, anna, "first", "second", "third")
    await stage.idle()
    second.cancel()
    anna.receipts[0].cancel()
    first.cancel()
    assert (await third).outcome is None
    await anna.back()
    await anna.session.drain()
    await stage.until(lambda: anna.heard == [1, "third"])
    assert (first.cancelled(), second.cancelled()) == (True, True)
    assert anna.session.statistics().submitted == 3


@story(Stage)
async def test_a_small_signal_does_not_overtake_a_large_one(stage: Stage) -> None:
    """Q08: else whoever sends much would wait for ever."""
    anna = await _full(stage, max_signals=10, max_bytes=40)
    large, small = _offer(stage, anna, "x" * 37, 2)
    await stage.idle()
    assert (large.done(), small.done()) == (False, False)
    await anna.back()
    assert (await large).serial < (await small).serial


@story(Stage)
async def test_a_large_one_that_gives_up_lets_a_small_one_go_at_once(stage: Stage) -> None:
    """Q08: there was room for the small one all the while."""
    anna = await _full(stage, max_signals=10, max_bytes=40)
    large, small = _offer(stage, anna, "x" * 37, 2)
    await stage.idle()
    large.cancel()
    await stage.idle()
    assert small.done()
    await anna.back()


@story(Stage)
async def test_what_is_given_is_what_is_sent(stage: Stage) -> None:
    """A caller may go on with its data while it waits."""
    anna = await _full(stage)
    data = ["as it was"]
    (waiting,) = _offer(stage, anna, data)
    await stage.idle()
    data.append("changed")
    await anna.back()
    await waiting
    await stage.until(lambda: anna.heard[-1:] == [["as it was"]])


@story(Stage)
async def test_whoever_waits_when_the_session_is_left_is_told(stage: Stage) -> None:
    """Q06: nobody waits for a room that will not come."""
    anna = await _full(stage)
    waiting = _offer(stage, anna, 2, 3)
    await stage.idle()
    await anna.session.disconnect()
    for task in waiting:
        with pytest.raises(NotConnected):
            await task
    assert anna.session.statistics().submitted == 2


@story(Stage)
async def test_whoever_waits_is_told_as_soon_as_the_session_is_being_left(stage: Stage) -> None:
    """Q06: and not only when the goodbye was answered."""
    anna = await stage.enter("anna", outbox=Outbox(max_signals=1))
    stage.network.half_open("anna")
    anna.signal(0)
    waiting = _offer(stage, anna, 1, 2)
    await stage.idle()
    leaving = stage.start(anna.session.disconnect())
    await stage.idle()
    assert (leaving.done(), [task.done() for task in waiting]) == (False, [True, True])
    for task in waiting:
        with pytest.raises(NotConnected):
            await task
    await leaving


@story(Stage)
async def test_one_that_opted_out_does_not_wait_through_an_outage(stage: Stage) -> None:
    """Q02: it is dropped at once while away, and so is one that waits when the outage begins."""
    anna = await _full(stage)
    (late,) = _offer(stage, anna, "late", retry_after_reconnect=False)
    assert await (await late) == (await anna.session.signal(None, retry_after_reconnect=False))
    await anna.back()
    await anna.session.drain()
    stage.network.half_open("anna")
    anna.signal(2)
    anna.signal(3)
    (waiting,) = _offer(stage, anna, "worthless", retry_after_reconnect=False)
    await stage.idle()
    assert not waiting.done()
    stage.network.cut("anna")
    stage.network.restore("anna")
    await anna.next("reconnecting")
    outcome = await (await waiting)
    assert outcome.status is OutcomeStatus.DROPPED
    await anna.back()


@story(Stage)
async def test_a_policy_that_drops_drops_nothing_of_who_waits(stage: Stage) -> None:
    """Q08: `signal_when_room()` waits, whatever the policy says of `signal()`."""
    anna = await _full(stage, overflow="drop_oldest")
    (waiting,) = _offer(stage, anna, 2)
    await stage.idle()
    assert not waiting.done()
    await anna.back()
    await waiting
    await anna.session.drain()
    assert anna.outcomes == ["delivered", "delivered"]


@story(Stage)
async def test_what_never_fits_is_refused_at_once(stage: Stage) -> None:
    anna = await stage.enter("anna", outbox=Outbox(max_bytes=20))
    with pytest.raises(BadSignal, match="the signal has 32 bytes, and this outbox holds 20 at most"):
        await anna.session.signal_when_room("x" * 30)
    assert (await (await anna.session.signal_when_room("fits", ttl=5.0, type="chat"))).delivered


# -- drain -----------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_drain_with_a_limit_that_runs_out(stage: Stage) -> None:
    """Q19: the error says how many have no outcome; they stay, and are delivered later."""
    anna = await stage.enter("anna")
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    receipts = [anna.signal(0), anna.signal(1), anna.signal(2, ttl=1.0)]
    before = stage.now
    with pytest.raises(DrainTimedOut, match=r"drain\(\) waited 3 s, and 2 signals have no outcome yet") as late:
        await anna.session.drain(3.0)
    assert stage.now == before + 3.0
    assert (late.value.pending, late.value.seconds, isinstance(late.value, TimeoutError)) == (2, 3.0, True)
    stage.network.restore("anna")
    await anna.session.drain(timeout=120.0)
    assert [receipt.outcome.status for receipt in receipts if receipt.outcome] == ["delivered", "delivered", "expired"]


@story(Stage)
async def test_drain_then_leave(stage: Stage) -> None:
    """Q19: drain, then leave: what is left then has failed, and says whether it may have been sent."""
    anna = await stage.enter("anna")
    stage.network.half_open("anna")
    anna.signal("sent")
    await stage.idle()
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal("queued")
    with pytest.raises(DrainTimedOut):
        await anna.session.drain(2.0)
    await anna.session.disconnect()
    outcomes = [receipt.outcome for receipt in anna.receipts]
    ends = [(str(outcome.status), outcome.possibly_sent) for outcome in outcomes if outcome]
    assert ends == [("failed", True), ("failed", False)]


@story(Stage)
async def test_a_limit_that_is_none_is_refused(stage: Stage) -> None:
    anna = await stage.enter("anna")
    with pytest.raises(BadArgument, match="timeout is 0; give a positive number of seconds"):
        await anna.session.drain(0)
    await anna.session.drain()
    await anna.session.drain(1.0)


# -- a long backlog on a slow line ----------------------------------------------------------------------------------------------


@story(Stage, log_signals=200_000, log_bytes=1 << 30, log_seconds=86_400.0)
async def test_a_long_backlog_does_not_starve_the_heartbeat(stage: Stage) -> None:
    """Q16: 100,000 signals go out on a slow line, a window at a time, and nobody takes the link for dead."""
    anna = await stage.enter("anna", outbox=Outbox(max_signals=100_000, max_bytes=1 << 30))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in range(100_000):
        anna.session.signal(number)
    stage.network.throttle(64_000, "anna")
    await anna.back()
    began, frames_before = stage.now, len(anna.wire.frames)
    await anna.session.drain()
    took = stage.now - began
    assert took > 60.0, "the line is slow: ten times the silence that ends a link"
    assert anna.session.statistics().outcomes[OutcomeStatus.DELIVERED] == 100_000
    assert len(anna.told("reconnecting")) == 1
    judged = most = 0
    for frame in anna.wire.frames[frames_before:]:
        if isinstance(frame, frames.SendSignal):
            most = max(most, frame.serial - judged)
        elif isinstance(frame, frames.Accepted):
            judged = frame.serial
    assert most <= limits.IN_FLIGHT
    await stage.until(lambda: anna.heard[-1:] == [99_999])
    assert anna.heard == list(range(100_000))
    assert len(anna.told("reconnecting")) == 1
