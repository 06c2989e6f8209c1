"""What becomes of a signal that is sent, row by row of the table of promises: one outcome, in every case, and the right one."""

from __future__ import annotations

import pytest

from reconnect import Outbox, Outcome, OutcomeStatus, Reason, RejectCode
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
async def test_who_asked_for_no_echo_is_not_handed_its_own_signals(stage: Stage) -> None:
    """The others are, whatever happens meanwhile; nothing is missed, and what one says to oneself is no echo."""
    anna, ben = await stage.enter("anna", echo=False), await stage.enter("ben")
    receipts = [anna.signal(number) for number in range(300)]
    ben.signal("from ben")
    stage.network.cut("anna")
    await stage.until(lambda: anna.session.role == "recovering")
    receipts += [anna.signal(number) for number in range(300, 310)]
    stage.network.restore("anna")
    anna.session.reconnect_now()
    assert {(await receipt).status for receipt in receipts} == {OutcomeStatus.DELIVERED}
    receipts.append(anna.signal("to myself", to=anna.session.connection))
    await stage.until(lambda: "to myself" in anna.heard)
    assert [data for data in ben.heard if data != "from ben"] == list(range(310))
    assert anna.heard == ["from ben", "to myself"]
    assert anna.told("reconnected")[0].gap is None
    assert anna.session.statistics().counts.get("holes", 0) == 0


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


@story(Stage)
async def test_one_that_opted_out_and_still_waits_at_the_drop(stage: Stage) -> None:
    """Q02: connected, but not sent yet, for the window was full: dropped in the step that loses the link."""
    anna, ben = await stage.enter("anna", outbox=Outbox(in_flight=1)), await stage.enter("ben")
    stage.network.half_open("anna")
    first = anna.signal("in flight")
    waiting, kept = anna.signal("worthless if late", retry_after_reconnect=False), anna.signal("kept")
    await stage.idle()
    stage.network.cut("anna")
    await anna.next("reconnecting")
    assert (first.outcome, waiting.outcome, kept.outcome) == (None, OPTED_OUT, None)
    stage.network.restore("anna")
    assert [await first, await kept] == [DELIVERED, DELIVERED]
    await stage.until(lambda: ben.heard == ["in flight", "kept"])


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


@story(Stage)
async def test_a_line_that_flaps_sets_no_innocent_signal_aside(stage: Stage) -> None:
    """Q04: whatever resets every link right after the welcome proves nothing against what was to be sent on it."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.wire.lose_sent(frames.SendSignal)
    first, second = anna.signal("first"), anna.signal("second")
    await anna.next("reconnecting")
    anna.wire.lose_sent(frames.SendSignal)  # resent, and lost within the second: from now on the first one is a suspect
    await anna.next("reconnecting")
    for _ in range(5):
        anna.wire.lose_sent(frames.Ping)
        await anna.next("reconnecting")
    assert (first.outcome, second.outcome) == (None, None)
    await anna.back()
    assert await first == await second == DELIVERED
    await stage.until(lambda: ben.heard == ["first", "second"])


# -- for one connection only -----------------------------------------------------------------------------------------------------


@story(Stage)
async def test_what_is_for_this_connection_alone_survives_a_resume(stage: Stage) -> None:
    """Q18: the connection is kept, and so is what was meant for it."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    receipt = anna.signal("still true", session_only=True)
    assert (await anna.back()).resumed
    assert await receipt == DELIVERED
    await stage.until(lambda: ben.heard == ["still true"])


@story(Stage)
async def test_what_was_for_the_lost_connection_alone_is_dropped(stage: Stage) -> None:
    """Q18: not resumed: what waited is dropped, what may have been sent has failed, and others go on in the new connection."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.half_open("anna")
    sent = anna.signal("sent", session_only=True)
    await stage.idle()
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    waiting, other = anna.signal("waiting", session_only=True), anna.signal("for whoever is there")
    await stage.later(65.0)
    stage.network.restore("anna")
    assert not (await anna.back()).resumed
    assert sent.outcome == Outcome(status=OutcomeStatus.FAILED, reason=Reason.SESSION_LOST, possibly_sent=True)
    assert waiting.outcome == Outcome(status=OutcomeStatus.DROPPED, reason=Reason.SESSION_LOST)
    assert await other == DELIVERED
    await stage.until(lambda: ben.heard == ["for whoever is there"])
    records = [line for line in anna.audit.records if line.get("reason") == Reason.SESSION_LOST]
    assert [(line["status"], line["serials"]) for line in records] == [("failed", [[1, 1]]), ("dropped", [[2, 2]])]
