"""Leaving: on purpose, because the hub goes away, because the session is over; and at which moment one leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from reconnect import ConnectFailed, Disconnected, HubClosed, Outbox, Reason, Reconnecting, RetryPolicy
from reconnect.core import frames
from reconnect.core.frames import Goodbye, Join, Refused
from reconnect.reasons import CloseCode
from reconnect.testing.scripted import HubEnd
from tests.renamed import named
from tests.stories.stage import Stage, names, story

# -- on purpose ------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_goodbye(stage: Stage) -> None:
    """S10 R14 P03: goodbye is answered, the place is given up at once, and the others are told that it was on purpose."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    before = stage.now
    await anna.session.disconnect()
    assert stage.now == before
    assert (await anna.next("disconnected")).reason is Reason.CLIENT_DISCONNECTED
    assert len(anna.wire.all_sent(Goodbye)) == len(anna.wire.all_received(Goodbye)) == 1
    await stage.idle()
    assert names(ben.told("connection_interrupted", "connection_destroyed")) == ["connection_destroyed"]
    assert ben.told("connection_destroyed")[0].reason is Reason.CLIENT_DISCONNECTED
    assert stage.hub.statistics().members == 1


@story(Stage)
async def test_goodbye_comes_after_all_that_was_submitted(stage: Stage) -> None:
    """S10: what waits behind the window is sent and judged before goodbye, however small the window is."""
    ben = await stage.enter("ben")
    anna = await stage.enter("anna", outbox=Outbox(in_flight=4))
    receipts = [anna.session.signal(number) for number in range(30)]
    await anna.session.disconnect()
    assert [receipt.outcome is not None and receipt.outcome.delivered for receipt in receipts] == [True] * 30
    await stage.idle()
    assert ben.heard == list(range(30))
    assert anna.wire.all_sent(Goodbye)


class SlowStore:
    """Keeps signals as a disk does: what it was given is safe a while later."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self._stage, self._seconds = stage, seconds

    def put(self, rows: Sequence[Any], stored: Callable[[int], None]) -> None:
        """Confirm later."""
        self._stage.clock.call_at(self._stage.now + self._seconds, lambda: stored(rows[-1].serial))

    def forget(self, serials: Sequence[int]) -> None:
        """Keep nothing."""


@story(Stage)
async def test_goodbye_waits_for_a_slow_store(stage: Stage) -> None:
    """S10: no serial reaches a transport before it is stored, and no goodbye overtakes one that is being stored."""
    outbox = Outbox()
    outbox.store = SlowStore(stage, 0.5)
    anna = await stage.enter("anna", outbox=outbox)
    receipt, before = anna.session.signal("last words"), stage.now
    await anna.session.disconnect()
    assert receipt.outcome is not None
    assert receipt.outcome.delivered
    assert stage.now - before == pytest.approx(0.5)


@story(Stage)
async def test_a_goodbye_that_is_never_answered(stage: Stage) -> None:
    """S10: politeness has a limit; the reason stays that of the request."""
    anna = await stage.enter("anna")
    stage.network.half_open("anna")
    before = stage.now
    await anna.session.disconnect()
    assert stage.now - before == pytest.approx(5.0)
    assert (await anna.next("disconnected")).reason is Reason.CLIENT_DISCONNECTED
    stage.network.restore("anna")


@story(Stage)
async def test_the_link_breaks_while_leaving(stage: Stage) -> None:
    """S10: never reconnecting: one `disconnected`, with the reason of the request."""
    anna = await stage.enter("anna")
    stage.network.half_open("anna")
    leaving = stage.start(anna.session.disconnect())
    await anna.session.wait_for(named("closing"))
    before = stage.now
    stage.network.cut("anna")
    await leaving
    assert stage.now == before, "and not after the limit of politeness"
    assert anna.tale == ["connected", "disconnected"]
    assert anna.told("disconnected")[0].reason is Reason.CLIENT_DISCONNECTED
    stage.network.restore("anna")


@story(Stage)
async def test_leaving_while_waiting_for_the_next_attempt(stage: Stage) -> None:
    """S08: at the same instant; no attempt, no timer, and one `disconnected`."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    await anna.session.wait_for(named("reconnecting.waiting"))
    before, dials = stage.now, len(stage.network.dials)
    await anna.session.disconnect()
    assert stage.now == before
    assert anna.tale == ["connected", "reconnecting", "disconnected"]
    await stage.later(3_600.0)
    assert len(stage.network.dials) == dials


@story(Stage)
async def test_leaving_while_dialing(stage: Stage) -> None:
    """S09: the dial is given up; that it would have succeeded later changes nothing."""
    anna = await stage.enter("anna")
    stage.network.hang("anna")
    stage.network.cut("anna")
    await anna.session.wait_for(named("reconnecting.dialing"))
    before = stage.now
    await anna.session.disconnect()
    assert stage.now == before
    stage.network.restore("anna")
    await stage.later(3_600.0)
    assert anna.tale == ["connected", "reconnecting", "disconnected"]
    assert len(anna.wire.joins) == 1
    assert len(anna.wire.open) == 1


@story(Stage)
async def test_leaving_while_joining(stage: Stage) -> None:
    """S09: the hub may have accepted already: goodbye on the way out, so that no ghost stays for the grace."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    stage.network.delay(0.5, "anna")
    await anna.session.wait_for(named("reconnecting.joining"))
    await anna.session.disconnect()
    assert anna.tale == ["connected", "reconnecting", "disconnected"]
    await stage.until(lambda: names(ben.told("connection_destroyed")) == ["connection_destroyed"])
    assert ben.told("connection_destroyed")[0].reason is Reason.CLIENT_DISCONNECTED
    assert stage.hub.statistics().members == 1


@story(Stage)
async def test_leaving_during_the_first_connect(stage: Stage) -> None:
    """S09: whoever waits for connect() gets its error, nothing is told, and the hub keeps nobody."""
    anna = stage.member("anna")
    stage.network.delay(0.5, "anna")
    connecting = stage.start(anna.session.connect())
    await anna.session.wait_for(named("connecting.joining"))
    await anna.session.disconnect()
    with pytest.raises(ConnectFailed, match=r"\(client_disconnected\): disconnect\(\) was called meanwhile"):
        await connecting
    assert anna.tale == []
    await stage.later(5.0)
    assert stage.hub.statistics().members == 0


@story(Stage)
async def test_leaving_twice(stage: Stage) -> None:
    """A second disconnect() waits for the same end; one after the end returns at once."""
    anna = await stage.enter("anna")
    stage.network.delay(0.2, "anna")
    first, second = stage.start(anna.session.disconnect()), stage.start(anna.session.disconnect())
    await second
    assert anna.session.state == named("disconnected")
    await first
    await anna.session.disconnect()
    assert anna.tale == ["connected", "disconnected"]


@story(Stage)
async def test_the_block_ends(stage: Stage) -> None:
    """Leaving `async with` leaves the session, also where its body raised."""
    anna = stage.member("anna")

    async def block() -> None:
        async with anna.session:
            assert anna.session.role == "online"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await block()
    assert anna.session.state == named("disconnected")
    assert stage.hub.statistics().members == 0


# -- the hub goes away -----------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_drain_sends_everybody_away_and_they_come_back_when_told(stage: Stage) -> None:
    """D01 B11 K02: `going_away` is a loss with the hub's own delay; nobody is disconnected, nothing is lost."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    publisher = await anna.session.publish("camera")
    receipts = [anna.signal(number) for number in range(10)]
    await stage.idle()
    await stage.hub.drain(20.0)
    lost: list[Reconnecting] = [await member.next("reconnecting") for member in (anna, ben)]
    drained = stage.now
    assert [event.reason for event in lost] == [Reason.GOING_AWAY] * 2
    assert all(0.0 <= event.retry_in <= 20.0 for event in lost)
    assert lost[0].retry_in != lost[1].retry_in, "each after a delay of its own"
    told = [member.wire.all_received(frames.GoingAway)[0].retry_after for member in (anna, ben)]
    assert [event.retry_in for event in lost] == told, "obeyed exactly"

    held = anna.signal("held")
    await stage.kill_hub()
    await stage.open()
    for member, delay in zip((anna, ben), told, strict=True):
        back = await member.back()
        assert back.at - drained == pytest.approx(delay)
    assert [(await receipt).delivered for receipt in (*receipts, held)] == [True] * 11
    assert publisher.state == "live"


@story(Stage)
async def test_a_drain_is_spread_over_its_window(stage: Stage) -> None:
    """D02: one member comes back in each of as many equal slots as there are members, whoever is first."""
    members = [await stage.enter(f"member {number}") for number in range(10)]
    await stage.hub.drain(20.0)
    delays = sorted([(await member.next("reconnecting")).retry_in for member in members])
    assert [int(delay // 2.0) for delay in delays] == list(range(10))
    assert delays != [member.told("reconnecting")[0].retry_in for member in members]


@story(Stage)
async def test_what_was_sent_before_the_drain_is_judged_before_going_away(stage: Stage) -> None:
    """D01: `going_away` is the hub's last frame, behind the judgement of all that it read."""
    anna = await stage.enter("anna")
    receipts = [anna.signal(number) for number in range(10)]
    await stage.hub.drain(1.0)
    await anna.next("reconnecting")
    judged = [frame for frame in anna.wire.received if isinstance(frame, frames.Accepted | frames.GoingAway)]
    assert isinstance(judged[-1], frames.GoingAway)
    for receipt in receipts:
        assert receipt.outcome is None or receipt.outcome.delivered


@story(Stage)
@pytest.mark.parametrize("pause", [0.0001, 0.001, 0.01])
async def test_the_delay_reaches_a_member_that_is_sending_all_the_time(stage: Stage, pause: float) -> None:
    """D01 B11: what arrived before the end is read, although writing fails already: the delay is obeyed by the busiest too."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.delay(0.01, "anna")

    async def chat() -> None:
        while anna.session.role == "online":
            anna.signal("busy")
            await asyncio.sleep(pause)

    chatting = stage.start(chat())
    await stage.until(lambda: len(ben.heard) > 3)
    stage.start(stage.hub.drain(20.0))
    lost = await anna.next("reconnecting")
    await chatting
    assert lost.reason is Reason.GOING_AWAY
    told = anna.wire.all_received(frames.GoingAway)
    assert [frame.retry_after for frame in told] == [lost.retry_in]
    await anna.session.disconnect()


@story(Stage)
async def test_a_hub_that_drains_takes_nobody(stage: Stage) -> None:
    """D01: who comes meanwhile is told to come later, and comes."""
    await stage.enter("anna")
    await stage.hub.drain(5.0)
    with pytest.raises(ConnectFailed, match=r"\(going_away\): the hub is going away") as caught:
        await stage.enter("ben")
    assert caught.value.cause.retry_after
    assert not caught.value.cause.final


@story(Stage)
async def test_a_closed_hub(stage: Stage) -> None:
    """Its methods say that it is closed; closing it twice changes nothing."""
    await stage.hub.close()
    await stage.hub.close()
    with pytest.raises(HubClosed, match="the hub is closed; make a new one"):
        stage.hub.signal("room-1", "hello")
    with pytest.raises(HubClosed, match="the hub is closed; make a new one"):
        await stage.hub.drain()


# -- the session is over ---------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_the_session_is_ended_for_all(stage: Stage) -> None:
    """K01: final: disconnected with that reason, and no retry although the policy would."""

    async def hub(end: HubEnd) -> None:
        await end.welcome()
        await end.say(Refused(code=Reason.SESSION_ENDED, detail="the call is over"))
        await end.transport.close(CloseCode.SESSION_ENDED, "the call is over")

    anna = await stage.enter("anna", url=stage.script(hub), retry=RetryPolicy.forever())
    over: Disconnected = await anna.next("disconnected")
    assert (over.reason, over.detail) == (Reason.SESSION_ENDED, "the call is over")
    await stage.later(3_600.0)
    assert len(anna.wire.joins) == 1


@story(Stage)
@pytest.mark.parametrize("code", list(CloseCode), ids=lambda code: code.name.lower())
async def test_what_a_close_code_means(stage: Stage, code: CloseCode) -> None:
    """K01 K02: 4000 to 4499 come back, 4500 to 4999 do not."""
    joins: list[Join] = []

    async def hub(end: HubEnd) -> None:
        joins.append(await end.welcome(resumed=len(joins) > 0))
        if len(joins) == 1:
            await end.transport.close(code, "")
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub), token=lambda: stage.token("anna"))
    if code < 4500:
        assert (await anna.back()).resumed
    else:
        await anna.next("disconnected")
        await stage.later(600.0)
        assert len(joins) == 1


@story(Stage)
async def test_a_hub_that_says_goodbye_by_itself(stage: Stage) -> None:
    """K01: it ends the session."""

    async def hub(end: HubEnd) -> None:
        await end.welcome()
        await end.say(Goodbye())
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    assert (await anna.next("disconnected")).reason is Reason.SESSION_ENDED
