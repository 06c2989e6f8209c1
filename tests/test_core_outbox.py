"""The outbox: what is held, sent, judged, dropped, and in which order; `laws/test_signal_chart.py` holds it to its chart."""

from __future__ import annotations

import pytest

from reconnect.core.bounds import Overflow
from reconnect.core.outbox import Outbox
from reconnect.errors import OutboxFull
from reconnect.reasons import OutcomeStatus, Reason, RejectCode
from tests.laws.signal_life import OutboxBench, raw

# -- sending and judging -------------------------------------------------------------------------------------------------------


def test_signals_are_sent_once_in_the_order_submitted() -> None:
    """A frame carries what was submitted, and the serials ascend from 1."""
    bench = OutboxBench()
    bench.submit({"n": 1}, type="chat", to="c-7")
    bench.submit([2])
    one, two = bench.release()
    assert (one.serial, one.type, raw(one), one.to, one.ttl, one.repeat) == (1, "chat", {"n": 1}, "c-7", None, False)
    assert (two.serial, two.type, raw(two), two.to) == (2, "", [2], None)
    assert bench.sent() == []


def test_nothing_is_sent_that_is_not_stored() -> None:
    """A serial reaches a transport only after the store confirmed it, and then in order."""
    bench = OutboxBench()
    bench.submit(store=False)
    bench.submit(store=False)
    assert bench.sent() == []
    rows = bench.outbox.unstored()
    assert [row.serial for row in rows] == [1, 2]
    assert bench.outbox.unstored() == ()
    bench.submit(store=False)
    bench.outbox.stored(1)
    assert bench.sent() == [1]
    bench.outbox.stored(2)
    bench.outbox.stored(1)
    assert bench.sent() == [2]
    assert bench.store() == [3]
    assert bench.sent() == [3]


def test_what_has_its_outcome_before_it_is_stored_is_never_stored() -> None:
    """A signal that was taken back in the same turn does not reach the store."""
    bench = OutboxBench()
    first, second = bench.submit(store=False), bench.submit(store=False)
    assert bench.cancel(second)
    assert bench.store() == [first]


def test_q13_acknowledgements_are_cumulative_and_repeats_change_nothing() -> None:
    """Q13: h acknowledges everything up to h; the same or a lower one again is no news."""
    bench = OutboxBench()
    for _ in range(4):
        bench.submit()
    bench.release()
    assert bench.judge(2)
    assert bench.statuses() == ["delivered", "delivered", "pending", "pending"]
    assert bench.judge(2)
    assert bench.judge(1)
    assert bench.judge(4)
    assert bench.statuses() == ["delivered"] * 4


def test_q13_what_was_never_sent_cannot_be_judged() -> None:
    """Q13: an acknowledgement above the highest serial that was sent is refused, and changes nothing."""
    bench = OutboxBench(in_flight=1)
    assert not bench.judge(1)
    bench.submit()
    bench.submit()
    bench.release()
    assert not bench.judge(2)
    assert bench.statuses() == ["pending", "pending"]
    assert bench.judge(1)
    bench.release()
    assert bench.judge(2)
    assert not bench.judge(3)


def test_a_hole_in_the_serials_can_be_judged() -> None:
    """What was dropped before it was sent leaves a hole that an acknowledgement may cover."""
    bench = OutboxBench()
    bench.submit()
    assert bench.cancel(bench.submit())
    bench.release()
    assert bench.judge(2)
    assert bench.statuses() == ["delivered", "cancelled"]


def test_a_refusal_is_told_with_its_code() -> None:
    """Q12: what the hub did not take is rejected, with the code; the others up to the serial are delivered."""
    bench = OutboxBench()
    for _ in range(3):
        bench.submit()
    bench.release()
    bench.judge(3, 2, 7)
    assert bench.statuses() == ["delivered", "rejected", "delivered"]
    assert bench.outcomes[2].code is RejectCode.FORBIDDEN
    assert not bench.outcomes[2].delivered
    assert bench.outcomes[1].delivered


def test_q16_at_most_a_window_is_in_flight() -> None:
    """Q16: after a return, too, only so many are unjudged at a time."""
    bench = OutboxBench(in_flight=2)
    for _ in range(5):
        bench.submit()
    assert bench.sent() == [1, 2]
    bench.judge(1)
    assert bench.sent() == [3]
    bench.lose()
    bench.welcome(1)
    assert bench.sent() == [2, 3]
    bench.judge(3)
    assert bench.sent() == [4, 5]


def test_without_acknowledgements_handing_over_is_all_that_is_known() -> None:
    """Q12: a dialect that confirms nothing leaves `written`, which says that it may have been sent."""
    bench = OutboxBench(acknowledged=False)
    bench.submit()
    assert bench.sent() == [1]
    assert bench.statuses() == ["written?"]
    assert bench.sent() == []


# -- outages -------------------------------------------------------------------------------------------------------------------


def test_q04_the_unjudged_go_out_again_before_the_queued() -> None:
    """Q04: after a return the order is the original one, each once."""
    bench = OutboxBench()
    for _ in range(3):
        bench.submit()
    bench.release()
    bench.lose()
    for _ in range(2):
        bench.submit()
    bench.welcome(1)
    assert bench.sent() == [2, 3, 4, 5]
    assert bench.statuses() == ["delivered", *["pending"] * 4]


def test_q05_a_resume_tells_what_the_hub_has_so_nothing_is_marked() -> None:
    """Q05: what the resumed hub does not have was not taken by anyone: sent again under its serial, not as a repeat."""
    bench = OutboxBench()
    bench.submit("a")
    bench.release()
    bench.lose()
    bench.welcome(0)
    (again,) = bench.release()
    assert (again.serial, raw(again), again.repeat) == (1, "a", False)


@pytest.mark.parametrize("accepted", [None, 1], ids=["unknown", "known"])
def test_q05_q14_not_resumed_the_unjudged_are_possible_repeats(accepted: int | None) -> None:
    """Q05, Q14: without a resume what opted in is sent again, marked; what did not has failed, and may have been sent."""
    bench = OutboxBench()
    bench.submit()
    bench.submit()
    bench.submit(keep=False)
    bench.release()
    bench.lose()
    bench.submit()
    bench.welcome(accepted, resumed=False)
    again = [(frame.serial, frame.repeat) for frame in bench.release()]
    first = [] if accepted else [(1, True)]
    assert again == [*first, (2, True), (4, False)]
    assert bench.statuses() == ["delivered" if accepted else "pending", "pending", "failed?", "pending"]
    assert bench.outcomes[3].reason is Reason.NOT_RESUMED


def test_a_doubt_stays_for_life() -> None:
    """Q12: what a hub's earlier life may have is sure again only once a hub has judged it, whatever a later resume says."""
    bench = OutboxBench(in_flight=1)
    bench.submit(ttl=10.0)
    bench.submit(ttl=10.0)
    bench.release()
    bench.lose()
    bench.welcome(None, resumed=False)
    assert [frame.repeat for frame in bench.release()] == [True]
    bench.lose(blameable=False)
    bench.welcome(0)
    assert [frame.repeat for frame in bench.release()] == [True]
    bench.lose(blameable=False)
    bench.pass_time(10.0)
    assert bench.statuses() == ["pending", "expired"]
    bench.welcome(0)
    assert bench.statuses() == ["failed?", "expired"]
    assert bench.outcomes[1].reason is Reason.TTL


def test_a_resume_with_a_hub_that_forgot_the_sender_is_no_certainty() -> None:
    """Q12: a hub that keeps the connection and not the sender cannot say that it does not have a signal."""
    bench = OutboxBench()
    bench.submit(keep=False)
    bench.release()
    bench.lose()
    bench.welcome(None, resumed=True)
    assert bench.statuses() == ["failed?"]


def test_a_sent_signal_that_opted_out_waits_for_the_resume() -> None:
    """The promise for a sent, unjudged signal that opted out: delivered if the hub had it, else dropped."""
    bench = OutboxBench()
    bench.submit(keep=False)
    bench.submit(keep=False)
    bench.release()
    bench.lose()
    assert bench.statuses() == ["pending", "pending"]
    bench.welcome(1)
    assert bench.statuses() == ["delivered", "dropped"]
    assert bench.outcomes[2].reason is Reason.OPTED_OUT
    assert bench.sent() == []


def test_q02_what_opted_out_and_waits_is_dropped_at_the_loss_and_while_away() -> None:
    """Q02: dropped at once, and never sent later."""
    bench = OutboxBench(in_flight=1)
    bench.submit()
    bench.submit(keep=False)
    bench.release()
    bench.lose()
    bench.submit(keep=False)
    assert bench.statuses() == ["pending", "dropped", "dropped"]
    bench.welcome(1)
    assert bench.sent() == []


def test_a_lost_answer_never_turns_into_delivered() -> None:
    """The welcome repeats refusals that may not have been heard, and those come before what was taken."""
    bench = OutboxBench()
    for _ in range(3):
        bench.submit()
    bench.release()
    bench.lose()
    bench.welcome(3, 2)
    assert bench.statuses() == ["delivered", "rejected", "delivered"]


def test_a_welcome_that_judges_what_was_never_sent_changes_nothing() -> None:
    """Q13: nobody can have judged what waits; nothing is settled by such a word."""
    bench = OutboxBench(in_flight=1)
    bench.submit()
    bench.submit()
    bench.release()
    bench.lose()
    assert not bench.welcome(2)
    assert bench.statuses() == ["pending", "pending"]
    assert bench.welcome(1)


# -- poison --------------------------------------------------------------------------------------------------------------------


def lose_again(bench: OutboxBench, *, after: float = 0.1, blameable: bool = True) -> None:
    """Come back, send, and lose the transport."""
    bench.welcome(0)
    bench.release()
    bench.pass_time(after)
    bench.lose(blameable=blameable)


def test_poison_is_set_aside() -> None:
    """Two losses in a row right after resending the same first signal: it has failed, and the others go on."""
    bench = OutboxBench()
    bench.submit("poison")
    bench.submit("good")
    bench.release()
    bench.lose()
    lose_again(bench)
    assert bench.statuses() == ["pending", "pending"]
    lose_again(bench)
    assert bench.statuses() == ["failed?", "pending"]
    assert bench.outcomes[1].reason is Reason.POISON
    lose_again(bench)
    assert bench.statuses() == ["failed?", "pending"], "the next one starts with a clean record"
    bench.welcome(0)
    assert bench.sent() == [2]


def test_a_loss_that_is_not_right_after_resending_is_not_blamed() -> None:
    """Poison kills at once; a transport that lasted a while died of something else, and so the row is broken."""
    bench = OutboxBench()
    bench.submit()
    bench.release()
    bench.lose()
    lose_again(bench)
    lose_again(bench, after=1.5)
    lose_again(bench)
    assert bench.statuses() == ["pending"]
    lose_again(bench)
    assert bench.statuses() == ["failed?"]


def test_a_loss_that_nothing_we_sent_can_cause_is_not_blamed() -> None:
    """A hub that goes away, or a loss that the user forced, says nothing about a signal."""
    bench = OutboxBench()
    bench.submit()
    bench.release()
    bench.lose()
    for _ in range(5):
        lose_again(bench, blameable=False)
    assert bench.statuses() == ["pending"]
    lose_again(bench)
    lose_again(bench)
    assert bench.statuses() == ["failed?"]


def test_progress_clears_a_suspect() -> None:
    """A transport on which anything was judged did not die of the first signal."""
    bench = OutboxBench()
    for _ in range(3):
        bench.submit()
    bench.release()
    bench.lose()
    lose_again(bench)
    bench.welcome(0)
    bench.release()
    bench.judge(1)
    bench.judge(1)
    bench.lose()
    bench.welcome(1)
    bench.release()
    bench.lose()
    assert bench.statuses() == ["delivered", "pending", "pending"]


def test_what_is_sent_later_does_not_renew_the_blame() -> None:
    """The time counts from the resending: a transport that survived that died of something else."""
    bench = OutboxBench()
    bench.submit()
    bench.release()
    bench.lose()
    for _ in range(3):
        bench.welcome(0)
        bench.release()
        bench.pass_time(1.5)
        bench.submit()
        bench.release()
        bench.lose()
    assert bench.status(1) == "pending"


def test_poison_is_found_again_after_an_end() -> None:
    """The outbox lives on with the next connect(), and its times begin anew."""
    bench = OutboxBench()
    bench.submit()
    bench.release()
    bench.end()
    bench.pass_time(60.0)
    bench.welcome(1, resumed=False)
    bench.submit()
    bench.release()
    bench.lose()
    bench.welcome(1)
    bench.release()
    bench.lose()
    bench.welcome(1)
    bench.release()
    bench.lose()
    assert bench.status(2) == "failed?"


# -- ttl -----------------------------------------------------------------------------------------------------------------------


def test_q10_a_signal_expires_at_its_instant_and_is_never_sent() -> None:
    """Q10: not at the return, but when its time runs out."""
    bench = OutboxBench(in_flight=1)
    bench.submit()
    bench.release()
    bench.submit(ttl=5.0)
    bench.submit(ttl=3.0)
    assert bench.outbox.wake_at() == bench.now + 3.0
    bench.pass_time(3.0)
    assert bench.statuses() == ["pending", "pending", "expired"]
    assert bench.outcomes[3].reason is Reason.TTL
    assert bench.outbox.wake_at() == bench.now + 2.0
    bench.pass_time(2.0)
    assert bench.statuses() == ["pending", "expired", "expired"]
    assert bench.outbox.wake_at() is None
    bench.judge(1)
    assert bench.sent() == []


def test_q10_a_signal_whose_time_is_over_is_not_sent_by_a_release_that_came_first() -> None:
    """Q10: a wake-up may come late; what ran out before it is not sent all the same."""
    bench = OutboxBench()
    bench.submit(ttl=1.0)
    bench.submit()
    bench.now += 1.5
    assert bench.sent() == [2]
    assert bench.statuses() == ["expired", "pending"]


def test_q10_once_written_a_ttl_applies_no_more() -> None:
    """Q10: in flight, only the hub's word counts."""
    bench = OutboxBench()
    bench.submit(ttl=1.0)
    bench.release()
    assert bench.outbox.wake_at() is None
    bench.pass_time(60.0)
    bench.judge(1)
    assert bench.statuses() == ["delivered"]


def test_q11_the_rest_of_the_ttl_travels() -> None:
    """Q11: the hub is told what is left of it."""
    bench = OutboxBench()
    bench.submit(ttl=10.0)
    bench.pass_time(4.0)
    assert [frame.ttl for frame in bench.release()] == [6.0]


def test_a_ttl_that_ran_out_in_flight_is_not_resent() -> None:
    """Sent and unjudged: it waits for the resume, and is expired only if the hub does not have it."""
    bench = OutboxBench()
    bench.submit(ttl=5.0)
    bench.submit(ttl=5.0)
    bench.release()
    bench.lose()
    bench.pass_time(10.0)
    assert bench.statuses() == ["pending", "pending"]
    bench.welcome(1)
    assert bench.statuses() == ["delivered", "expired"]


def test_a_ttl_that_ran_out_in_flight_and_no_resume_has_failed() -> None:
    """ttl lapsed, unjudged, not resumed: failed, possibly sent."""
    bench = OutboxBench()
    bench.submit(ttl=5.0)
    bench.release()
    bench.lose()
    bench.pass_time(10.0)
    bench.welcome(None, resumed=False)
    assert bench.statuses() == ["failed?"]
    assert bench.outcomes[1].reason is Reason.TTL


def test_a_ttl_that_runs_out_of_a_possible_repeat_has_failed() -> None:
    """Q12: it waits, but an earlier life of the hub may have it."""
    bench = OutboxBench()
    bench.submit(ttl=5.0)
    bench.release()
    bench.lose()
    bench.welcome(None, resumed=False)
    bench.pass_time(5.0)
    assert bench.statuses() == ["failed?"]
    assert bench.outcomes[1].reason is Reason.TTL


def test_a_signal_that_waits_again_still_has_its_ttl() -> None:
    """Sent and taken back by losses again and again: it runs out at its instant all the same, and once."""
    bench = OutboxBench(in_flight=1)
    bench.submit(ttl=9.0)
    bench.submit(ttl=5.0)
    bench.release()
    for _ in range(3):
        bench.lose(blameable=False)
        bench.welcome(0)
        assert bench.sent() == [1]
    bench.lose(blameable=False)
    bench.welcome(0)
    bench.pass_time(5.0)
    assert bench.statuses() == ["pending", "expired"]
    bench.pass_time(4.0)
    assert bench.statuses() == ["expired", "expired"]
    assert bench.outbox.wake_at() is None


# -- the user's second thoughts ------------------------------------------------------------------------------------------------


def test_cancel_takes_back_what_was_not_sent() -> None:
    """cancel() of a sent or settled signal says False."""
    bench = OutboxBench(in_flight=1)
    bench.submit()
    waiting = bench.submit()
    bench.release()
    assert not bench.cancel(1)
    assert bench.cancel(waiting)
    assert not bench.cancel(waiting)
    assert bench.outcomes[waiting].reason is Reason.CANCELLED
    assert not bench.cancel(99)


def test_cancel_is_too_late_for_what_may_have_been_sent() -> None:
    """A possible repeat that waits is not taken back: only the hub's word ends it."""
    bench = OutboxBench()
    bench.submit()
    bench.release()
    bench.lose()
    bench.welcome(None, resumed=False)
    assert not bench.cancel(1)


# -- bounds --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", [Overflow.RAISE, Overflow.WAIT])
def test_q08_a_full_outbox_raises(overflow: Overflow) -> None:
    """Q08: the bound on signals, and on bytes; nothing was taken. `wait` raises too: wait_room() is for its caller."""
    bench = OutboxBench(signals=2, size=100, overflow=overflow)
    bench.submit()
    assert bench.outbox.has_room_for(1)
    bench.submit()
    assert not bench.outbox.has_room_for(1)
    full_of_bytes = OutboxBench(signals=2, size=10)
    full_of_bytes.submit("a" * 8)
    assert not full_of_bytes.outbox.has_room_for(1)
    with pytest.raises(OutboxFull, match=r"the outbox is full \(2 signals\): it holds 2 signals, 6 bytes") as full:
        bench.submit()
    assert (full.value.signals, full.value.size) == (2, 6)
    assert bench.outbox.submitted == 2
    bench.release()
    bench.judge(1)
    with pytest.raises(OutboxFull, match=r"\(100 bytes\)"):
        bench.submit("x" * 100)
    bench.submit()


def test_q08_drop_oldest_makes_room_and_tells() -> None:
    """Q08: the oldest that can be dropped without doubt goes, as many as are needed."""
    bench = OutboxBench(signals=3, size=60, in_flight=1, overflow=Overflow.DROP_OLDEST)
    for _ in range(3):
        bench.submit("a" * 8)
    bench.release()
    bench.submit("b" * 8)
    assert bench.statuses() == ["pending", "dropped", "pending", "pending"]
    assert bench.outcomes[2].reason is Reason.OVERFLOW
    bench.submit("c" * 48)
    assert bench.statuses() == ["pending", "dropped", "dropped", "dropped", "pending"]


def test_q08_drop_oldest_fills_the_room_to_the_last_byte() -> None:
    """Q08: what just fits after the drop is taken."""
    bench = OutboxBench(signals=3, size=30, overflow=Overflow.DROP_OLDEST)
    bench.submit("a" * 8)
    bench.submit("b" * 8)
    bench.submit("c" * 18)
    assert bench.statuses() == ["dropped", "pending", "pending"]
    assert bench.outbox.size == 30


def test_q08_drop_oldest_does_not_drop_in_vain() -> None:
    """Q08: where even the end of all that may be dropped makes no room, the newest goes and the others stay."""
    bench = OutboxBench(signals=3, size=30, in_flight=1, overflow=Overflow.DROP_OLDEST)
    bench.submit("a" * 8)
    bench.release()
    bench.submit("b" * 8)
    bench.submit("c" * 25)
    assert bench.statuses() == ["pending", "pending", "dropped"]


def test_q08_drop_oldest_takes_nothing_back_from_the_transport() -> None:
    """Q08: what is in flight is not the outbox's to drop; where nothing older is, the newest goes, and nothing is raised."""
    bench = OutboxBench(signals=2, overflow=Overflow.DROP_OLDEST)
    bench.submit()
    bench.submit()
    bench.release()
    bench.submit()
    assert bench.statuses() == ["pending", "pending", "dropped"]
    assert bench.outcomes[3].reason is Reason.OVERFLOW


def test_q08_drop_oldest_spares_what_may_have_been_sent() -> None:
    """Q08: a possible repeat that waits is not the outbox's to drop."""
    bench = OutboxBench(signals=2, overflow=Overflow.DROP_OLDEST)
    bench.submit()
    bench.release()
    bench.lose()
    bench.welcome(None, resumed=False)
    bench.submit()
    bench.submit()
    assert bench.statuses() == ["pending", "dropped", "pending"]


def test_q08_drop_newest_drops_the_one_that_comes() -> None:
    """Q08: the one that finds the outbox full has its outcome at once, with a serial of its own."""
    bench = OutboxBench(signals=1, overflow=Overflow.DROP_NEWEST)
    bench.submit()
    assert bench.submit() == 2
    assert bench.statuses() == ["pending", "dropped"]
    assert bench.outcomes[2].reason is Reason.OVERFLOW


@pytest.mark.parametrize("overflow", list(Overflow))
def test_what_is_dropped_anyway_needs_no_room(overflow: Overflow) -> None:
    """Q02, Q08: a signal that opted out is dropped while away; it neither fills the outbox nor puts another one out."""
    bench = OutboxBench(signals=1, overflow=overflow)
    bench.lose()
    bench.submit()
    bench.submit(keep=False)
    assert bench.statuses() == ["pending", "dropped"]
    assert bench.outcomes[2].reason is Reason.OPTED_OUT


# -- the end -------------------------------------------------------------------------------------------------------------------


def test_q06_q12_at_the_end_everything_has_failed_and_says_whether_it_may_have_been_sent() -> None:
    """Q06, Q12: in one step nothing is pending; only what no hub can have says so."""
    bench = OutboxBench(in_flight=3)
    for _ in range(3):
        bench.submit()
    bench.release()
    bench.lose()
    bench.submit()
    bench.welcome(1, resumed=False)
    bench.submit(ttl=3.0)
    bench.end(Reason.KICKED)
    assert bench.statuses() == ["delivered", "failed?", "failed?", "failed", "failed"]
    assert {bench.outcomes[serial].reason for serial in (2, 3, 4, 5)} == {Reason.KICKED}
    assert bench.outbox.pending == bench.outbox.size == 0
    assert bench.outbox.wake_at() is None
    assert bench.submit() == 6, "serials go on for life"


def test_q06_what_was_taken_back_before_the_end_has_its_outcome_already() -> None:
    """Q06: it stood among those that waited, and is not counted again."""
    bench = OutboxBench()
    bench.submit()
    bench.cancel(bench.submit())
    bench.submit()
    bench.end()
    assert bench.statuses() == ["failed", "cancelled", "failed"]
    bench.submit()
    assert bench.outbox.pending == 1


def test_what_the_hub_said_it_does_not_have_was_not_sent() -> None:
    """Q12: after a resume the rest waits again, and its failure is sure."""
    bench = OutboxBench(in_flight=1)
    bench.submit()
    bench.release()
    bench.lose()
    bench.welcome(0)
    bench.end()
    assert bench.statuses() == ["failed"]


def test_its_repr_is_one_line_of_its_state() -> None:
    bench = OutboxBench(signals=10)
    bench.submit()
    bench.submit()
    bench.outbox.release(bench.now)
    bench.judge(1)
    assert repr(bench.outbox) == "<Outbox 1/10 flight=1 next=3>"
    assert bench.outbox.counts == {OutcomeStatus.DELIVERED: 1}
    assert repr(Outbox()) == "<Outbox 0/1000 flight=0 next=1>"


def test_nobody_has_to_watch() -> None:
    """Without a hook for its moves an outbox does the same."""
    outbox = Outbox()
    outbox.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=0.0, away=False)
    outbox.stored(outbox.unstored()[-1].serial)
    assert len(outbox.release(0.0)[0]) == 1
    assert outbox.judge(1, ()) is not None
    assert outbox.counts == {OutcomeStatus.DELIVERED: 1}


# -- for one connection only ---------------------------------------------------------------------------------------------------


def test_q18_what_is_for_one_connection_is_not_sent_on_another() -> None:
    """What waits is dropped; what was sent and not judged has failed, for it may have arrived."""
    bench = OutboxBench()
    for session_only in (True, False):
        bench.submit(session_only=session_only)
    bench.release()
    bench.submit(session_only=True)
    bench.lose()
    bench.submit(session_only=True)
    bench.welcome(None, resumed=False)
    assert bench.statuses() == ["failed?", "pending", "dropped", "dropped"]
    assert {bench.outcomes[serial].reason for serial in (1, 3, 4)} == {Reason.SESSION_LOST}
    assert bench.sent() == [2]


def test_q18_a_resume_and_a_first_connection_lose_nothing() -> None:
    bench = OutboxBench()
    bench.submit(session_only=True)
    bench.welcome(0, resumed=False)
    assert bench.sent() == [1], "the connection that it waited for"
    bench.submit(session_only=True)
    bench.lose()
    bench.welcome(0)
    assert bench.sent() == [1, 2]


def test_q18_the_hub_of_a_new_connection_may_have_judged_it_before() -> None:
    bench = OutboxBench()
    bench.submit(session_only=True)
    bench.release()
    bench.lose()
    bench.welcome(1, resumed=False)
    assert bench.statuses() == ["delivered"]
