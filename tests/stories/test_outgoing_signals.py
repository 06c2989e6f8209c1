"""What becomes of a signal that is sent, row by row of the table of promises: one outcome, in every case, and the right one."""

from __future__ import annotations

import pytest

from reconnect import NotConnected, Outbox, OutboxFull, Outcome, OutcomeStatus, Reason, RejectCode
from reconnect.core import frames
from tests.stories.stage import Stage, story

DELIVERED = Outcome(status=OutcomeStatus.DELIVERED)
OPTED_OUT = Outcome(status=OutcomeStatus.DROPPED, reason=Reason.OPTED_OUT)


# -- connected, and on the way ---------------------------------------------------------------------------------------------------


@story(Stage)
async def test_connected_signals_are_sent_at_once_in_order(stage: Stage) -> None:
    """Q12: everyone hears them in order, the sender included; `delivered` says that they are in the session's log."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    before = stage.now
    receipts = [anna.signal(number) for number in range(5)]
    outcomes = [await receipt for receipt in receipts]
    assert outcomes == [DELIVERED] * 5
    assert stage.now == before, "no waiting"
    await stage.idle()
    assert anna.heard == ben.heard == list(range(5))


@story(Stage)
async def test_what_one_turn_produced_travels_as_one_message(stage: Stage) -> None:
    """Batching: a hundred signals of one loop turn are one message."""
    anna = await stage.enter("anna")
    messages = len(anna.wire.messages)
    for number in range(100):
        anna.signal(number)
    await stage.until(lambda: len(anna.heard) == 100)
    assert len(anna.wire.messages) == messages + 1


@story(Stage)
async def test_while_connecting_signals_are_queued(stage: Stage) -> None:
    """Q01: before the first acceptance a signal waits, whether it opted out or not."""
    anna = stage.member("anna", retry_initial=True)
    stage.network.refuse("anna")
    connecting = stage.start(anna.session.connect())
    await anna.next("attempt")
    kept, opted_out = anna.signal("kept"), anna.signal("opted out", retry_after_reconnect=False)
    assert (kept.outcome, opted_out.outcome) == (None, None)
    stage.network.restore("anna")
    await connecting
    assert [await kept, await opted_out] == [DELIVERED, DELIVERED]
    await stage.until(lambda: anna.heard == ["kept", "opted out"])


@story(Stage)
async def test_while_reconnecting_signals_wait_in_order_and_go_first(stage: Stage) -> None:
    """Q01 Q03: nothing is written meanwhile; after the acceptance they go out as submitted, ahead of anything submitted later."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.session.on("reconnected", lambda event: anna.signal("from the handler") and None)
    stage.network.cut("anna")
    await anna.next("reconnecting")
    held = [anna.signal(number) for number in range(3)]
    await stage.idle()
    assert anna.wire.signals == []
    await anna.back()
    assert [await receipt for receipt in held] == [DELIVERED] * 3
    anna.signal("later")
    await stage.until(lambda: ben.heard == [0, 1, 2, "from the handler", "later"])


@story(Stage)
async def test_while_reconnecting_one_that_opted_out_is_dropped_at_once(stage: Stage) -> None:
    """Q02: `retry_after_reconnect=False`: dropped in the same step, and never sent later."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    receipt = anna.signal("worthless if late", retry_after_reconnect=False)
    assert receipt.outcome == OPTED_OUT
    await anna.back()
    await anna.signal("later")
    await stage.idle()
    assert ben.heard == ["later"]
    assert len(anna.wire.signals) == 1


# -- sent, unjudged at the drop --------------------------------------------------------------------------------------------------


@story(Stage)
async def test_unjudged_at_the_drop_and_the_hub_had_them(stage: Stage) -> None:
    """Q04 Q05: resumed: what the hub had is settled and not sent again."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.wire.lose_received(frames.Accepted)
    receipts = [anna.signal(0), anna.signal(1, retry_after_reconnect=False)]
    await anna.next("reconnecting")
    assert anna.outcomes == ["pending", "pending"], "nobody knows yet"
    assert (await anna.back()).resumed
    assert [receipt.outcome for receipt in receipts] == [DELIVERED, DELIVERED]
    await stage.idle()
    assert anna.heard == ben.heard == [0, 1]
    assert [signal.serial for signal in anna.wire.signals] == [1, 2]


@story(Stage)
async def test_unjudged_at_the_drop_and_the_hub_did_not_have_them(stage: Stage) -> None:
    """Q02 Q04 Q05: resumed: sent again with the same serials ahead of the queued; what opted out is dropped only now."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.wire.lose_sent(frames.SendSignal)
    sent = [anna.signal(0), anna.signal(1, retry_after_reconnect=False), anna.signal(2)]
    await anna.next("reconnecting")
    queued = anna.signal(3)
    assert anna.outcomes == ["pending"] * 4
    assert (await anna.back()).resumed
    assert [await receipt for receipt in (*sent, queued)] == [DELIVERED, OPTED_OUT, DELIVERED, DELIVERED]
    await stage.idle()
    assert anna.heard == ben.heard == [0, 2, 3]
    assert [signal.serial for signal in anna.wire.signals] == [1, 2, 3, 1, 3, 4]
    assert not any(signal.repeat for signal in anna.wire.signals), "the hub said that it had none of them"


@story(Stage)
async def test_unjudged_and_not_resumed(stage: Stage) -> None:
    """Q05 Q12 Q14 R03: a new hub knows nothing: opted in is sent again and marked, opted out has failed, possibly sent."""
    anna = await stage.enter("anna")
    anna.wire.lose_received(frames.Accepted)
    kept, opted_out = anna.signal("kept"), anna.signal("opted out", retry_after_reconnect=False)
    await anna.next("reconnecting")
    await stage.kill_hub()
    await stage.open()
    assert not (await anna.back()).resumed
    assert await opted_out == Outcome(status=OutcomeStatus.FAILED, reason=Reason.NOT_RESUMED, possibly_sent=True)
    assert await kept == DELIVERED
    first, again = anna.wire.signals[0], anna.wire.signals[-1]
    assert (first.serial, first.repeat) == (1, False)
    assert (again.serial, again.repeat) == (1, True)
    assert {join.sender for join in anna.wire.joins} == {anna.sender}
    await stage.until(lambda: [signal.repeat for signal in anna.signals] == [True])


@story(Stage, grace_seconds=5.0)
async def test_unjudged_and_not_resumed_by_a_hub_that_remembers(stage: Stage) -> None:
    """Q05: the grace is over, but the log still has the sender's signals: the repeat is recognised, and nobody hears it twice."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.wire.lose_received(frames.Accepted)
    receipt = anna.signal("once")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    await stage.later(10.0)
    stage.network.restore("anna")
    assert not (await anna.back()).resumed
    assert await receipt == DELIVERED
    await anna.signal("afterwards")
    await stage.idle()
    assert ben.heard == ["once", "afterwards"]


@story(Stage)
async def test_a_rejection_whose_answer_was_lost(stage: Stage) -> None:
    """Q13: the welcome repeats what was refused, so a lost answer never turns into `delivered`."""
    anna = await stage.enter("anna")
    anna.wire.lose_received(frames.Accepted)
    refused, taken = anna.signal("to nobody", to="no such connection"), anna.signal("to all")
    await anna.next("reconnecting")
    assert (await anna.back()).resumed
    assert await refused == Outcome(status=OutcomeStatus.REJECTED, code=RejectCode.NO_SUCH_CONNECTION)
    assert await taken == DELIVERED
    await stage.idle()
    assert anna.heard == ["to all"]


@story(Stage)
async def test_a_rejection_lost_again_and_again(stage: Stage) -> None:
    """The hub repeats a refusal until it knows that the sender heard it."""
    anna = await stage.enter("anna")
    anna.wire.lose_received(frames.Accepted)
    refused = anna.signal("to nobody", to="no such connection")
    await anna.next("reconnecting")
    for _ in range(3):
        anna.wire.lose_received(frames.Welcome)
        await anna.next("attempt")
    await anna.back()
    assert (await refused).code is RejectCode.NO_SUCH_CONNECTION


# -- time to live ----------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_ttl_that_runs_out_while_queued(stage: Stage) -> None:
    """Q10: expired at that moment, not at the return; never sent."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    began = stage.now
    receipt = anna.signal("soon worthless", ttl=3.0)
    outcome = await receipt
    assert outcome == Outcome(status=OutcomeStatus.EXPIRED, reason=Reason.TTL)
    assert stage.now - began == pytest.approx(3.0)
    assert anna.session.role == "recovering"
    stage.network.restore("anna")
    await anna.back()
    await anna.signal("later")
    await stage.idle()
    assert ben.heard == ["later"]


@story(Stage)
async def test_the_rest_of_the_ttl_travels(stage: Stage) -> None:
    """Q11: what is left of it when the signal is sent."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    began = stage.now
    receipt = anna.signal("good for a while", ttl=60.0)
    await stage.later(5.0)
    stage.network.restore("anna")
    await anna.back()
    assert (await receipt).delivered
    assert anna.wire.signals[-1].ttl == pytest.approx(60.0 - (stage.now - began))


@story(Stage)
async def test_a_ttl_that_runs_out_while_sent_and_unjudged(stage: Stage) -> None:
    """Q10: it is not sent again and waits for the resume to tell: here the hub did not have it."""
    anna = await stage.enter("anna")
    anna.wire.lose_sent(frames.SendSignal)
    receipt = anna.signal("sent once", ttl=1.0)
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    await stage.later(5.0)
    assert receipt.outcome is None
    stage.network.restore("anna")
    assert (await anna.back()).resumed
    assert await receipt == Outcome(status=OutcomeStatus.EXPIRED, reason=Reason.TTL)
    assert len(anna.wire.signals) == 1


@story(Stage)
async def test_a_ttl_counts_the_time_that_the_machine_slept(stage: Stage) -> None:
    """Q10 B17: the clock counts suspended time."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    receipt = anna.signal("for a minute", ttl=60.0)
    stage.suspend(3_600.0)
    assert (await receipt).status is OutcomeStatus.EXPIRED


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
    await anna.session.wait_for("closing")
    with pytest.raises(NotConnected, match=r"signal\(\) needs a connected session, and this one is closing"):
        anna.session.signal("too late")
    await leaving
    assert [receipt.outcome for receipt in receipts] == [DELIVERED] * 3
    with pytest.raises(NotConnected, match=r"this one is disconnected; await session.connect\(\) first"):
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


# -- what a hub cannot take ------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_signal_that_the_hub_cannot_take_is_rejected(stage: Stage) -> None:
    """Q12: rejected with a code; the transport stays."""
    anna = await stage.enter("anna")
    outcome = await anna.signal("hello", to="no such connection")
    assert outcome == Outcome(status=OutcomeStatus.REJECTED, code=RejectCode.NO_SUCH_CONNECTION)
    assert (await anna.signal("to all")).delivered
    assert anna.tale == ["connected"]


@story(Stage)
async def test_a_signal_that_kills_the_link_is_set_aside(stage: Stage) -> None:
    """Two losses in a row right after resending the same first signal: failed (poison), and the others go on."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    poison, good = anna.signal("poison"), anna.signal("good")
    anna.wire.lose_sent(frames.SendSignal)
    for _ in range(2):
        await anna.next("reconnecting")
        anna.wire.lose_sent(frames.SendSignal)
    await anna.next("reconnecting")
    assert poison.outcome == Outcome(status=OutcomeStatus.FAILED, reason=Reason.POISON, possibly_sent=True)
    await anna.back()
    assert await good == DELIVERED
    await stage.until(lambda: ben.heard == ["good"])


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
