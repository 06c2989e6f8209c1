"""The outbox: its bound, what comes of everything in it when the session ends, and how to take something back."""

from __future__ import annotations

import pytest

from reconnect import NotConnected, Outbox, OutboxFull, Outcome, OutcomeStatus, Reason
from reconnect.core import frames
from tests.renamed import named
from tests.stories.stage import Stage, story

DELIVERED = Outcome(status=OutcomeStatus.DELIVERED)
OPTED_OUT = Outcome(status=OutcomeStatus.DROPPED, reason=Reason.OPTED_OUT)


# -- the bound -------------------------------------------------------------------------------------------------------------------


async def _away(stage: Stage, overflow: str) -> list[str]:
    """Send four signals into an outbox for three during an outage; return the outcomes when it is over."""
    anna = await stage.enter("anna", outbox=Outbox(max_signals=3, overflow=overflow))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in range(4):
        anna.signal(number)
    assert anna.session.statistics().pending == 3
    await anna.back()
    await anna.session.drain()
    await stage.until(lambda: len(anna.heard) == 3)
    return anna.outcomes


@story(Stage)
async def test_a_full_outbox_drops_the_oldest(stage: Stage) -> None:
    """Q08: by policy; each drop has its outcome."""
    assert await _away(stage, "drop_oldest") == ["dropped", "delivered", "delivered", "delivered"]


@story(Stage)
async def test_a_full_outbox_drops_the_newest(stage: Stage) -> None:
    """Q08: by policy; each drop has its outcome."""
    assert await _away(stage, "drop_newest") == ["delivered", "delivered", "delivered", "dropped"]


@story(Stage)
async def test_a_full_outbox_raises(stage: Stage) -> None:
    """Q08: the default; nothing of the refused signal stays behind."""
    anna = await stage.enter("anna", outbox=Outbox(max_signals=2))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal(0)
    anna.signal(1)
    with pytest.raises(
        OutboxFull, match=r"the outbox is full \(2 signals\): it holds 2 signals, 2 bytes; await session.wait_room"
    ):
        anna.signal(2)
    assert anna.session.statistics().submitted == 2
    await anna.back()
    await anna.session.drain()
    assert anna.outcomes == ["delivered", "delivered"]


@story(Stage)
async def test_a_full_outbox_by_bytes(stage: Stage) -> None:
    """Q08: the bound on bytes counts type and data."""
    anna = await stage.enter("anna", outbox=Outbox(max_bytes=20))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal("0123456789", type="chat")
    with pytest.raises(OutboxFull, match=r"the outbox is full \(20 bytes\): it holds 1 signals, 16 bytes"):
        anna.signal("abc")
    anna.signal(1, type="abc")
    await anna.back()


@story(Stage)
async def test_a_caller_that_waits_for_room(stage: Stage) -> None:
    """Q08: `wait_room()` returns when there is room, and not before."""
    anna = await stage.enter("anna", outbox=Outbox(max_signals=1, overflow="wait"))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    await anna.session.wait_room()
    anna.signal("first")
    with pytest.raises(OutboxFull):
        anna.signal("too much")
    waiting = stage.start(anna.session.wait_room())
    await stage.idle()
    assert not waiting.done()
    await waiting
    assert anna.outcomes == ["delivered"]
    assert (await anna.signal("second")).delivered


# -- leaving, and gone -----------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_leaving_sends_what_was_submitted_first(stage: Stage) -> None:
    """Q19: what was submitted before disconnect() is delivered; what comes after is refused."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    receipts = [anna.signal(number) for number in range(3)]
    leaving = stage.start(anna.session.disconnect())
    await anna.session.wait_for(named("closing"))
    with pytest.raises(NotConnected, match=rf"signal\(\) needs a connected session, and this one is {named('closing')}"):
        anna.session.signal("too late")
    await leaving
    assert [receipt.outcome for receipt in receipts] == [DELIVERED] * 3
    with pytest.raises(NotConnected, match=rf"this one is {named('disconnected')}; await session.connect\(\) first"):
        anna.session.signal("much too late")
    await stage.idle()
    assert ben.heard == [0, 1, 2]


@story(Stage)
async def test_on_entering_disconnected_nothing_stays_pending(stage: Stage) -> None:
    """Q06 Q12: everything has failed with the reason, in the same step; only what was sent may have arrived."""
    anna = await stage.enter("anna")
    stage.network.half_open("anna")
    sent = anna.signal("sent")
    await stage.idle()
    stage.network.cut("anna")
    stage.network.restore("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    queued = anna.signal("queued")
    await anna.session.disconnect()
    assert sent.outcome == Outcome(status=OutcomeStatus.FAILED, reason=Reason.CLIENT_DISCONNECTED, possibly_sent=True)
    assert queued.outcome == Outcome(status=OutcomeStatus.FAILED, reason=Reason.CLIENT_DISCONNECTED, possibly_sent=False)


@story(Stage)
async def test_the_serials_go_on_after_the_end(stage: Stage) -> None:
    """S05: the serial belongs to the outbox: the next connect() goes on with it."""
    anna = await stage.enter("anna")
    await anna.signal("before")
    await anna.session.disconnect()
    await anna.session.connect()
    await anna.signal("after")
    assert [signal.serial for signal in anna.wire.signals] == [1, 2]
    assert len({join.sender for join in anna.wire.joins}) == 1


# -- taking back, and waiting for all --------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_signal_can_be_taken_back_until_it_is_sent(stage: Stage) -> None:
    """`cancel()` is True once, for a signal that waits; False for one that was sent or has its outcome."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    taken_back, kept = anna.signal("no"), anna.signal("yes")
    assert taken_back.cancel() is True
    assert taken_back.outcome == Outcome(status=OutcomeStatus.CANCELLED, reason=Reason.CANCELLED)
    assert taken_back.cancel() is False
    await anna.back()
    await kept
    assert kept.cancel() is False
    await stage.idle()
    assert ben.heard == ["yes"]


@story(Stage)
async def test_a_signal_that_was_sent_cannot_be_taken_back(stage: Stage) -> None:
    """`cancel()` of a sent signal returns False, and changes nothing."""
    anna = await stage.enter("anna")
    stage.network.half_open("anna")
    receipt = anna.signal("on its way")
    await stage.idle()
    assert receipt.cancel() is False
    assert receipt.outcome is None
    stage.network.restore("anna")
    assert (await receipt).delivered


@story(Stage)
async def test_drain_waits_for_every_outcome(stage: Stage) -> None:
    """Q19: during an outage it waits for the return; what is submitted later is not waited for."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    receipts = [anna.signal(0), anna.signal(1), anna.signal(2, ttl=0.001)]
    draining = stage.start(anna.session.drain())
    await stage.idle()
    assert not draining.done()
    await draining
    assert all(receipt.outcome for receipt in receipts)
    assert anna.outcomes == ["delivered", "delivered", "expired"]


@story(Stage)
async def test_at_most_a_window_is_in_flight(stage: Stage) -> None:
    """Q16: after a reconnect no more than `in_flight` signals are sent and unjudged, and all arrive in order."""
    anna = await stage.enter("anna", outbox=Outbox(in_flight=4))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in range(20):
        anna.signal(number)
    stage.network.delay(0.1, "anna")
    await anna.back()
    judged = unjudged = 0
    await anna.session.drain()
    for frame in anna.wire.frames:
        if isinstance(frame, frames.SendSignal):
            unjudged = max(unjudged, frame.serial - judged)
        elif isinstance(frame, frames.Accepted):
            judged = frame.serial
    assert unjudged == 4
    await stage.until(lambda: anna.heard == list(range(20)))
