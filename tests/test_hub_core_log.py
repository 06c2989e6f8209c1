"""The hub's core over a log that takes its time, fails, or begins a new life."""

from __future__ import annotations

from typing import Any

from reconnect.core.frames import (
    Accepted,
    EntryKind,
    GoingAway,
    Goodbye,
    Handled,
    Join,
    Ping,
    Pong,
    Refused,
    ResumeClaim,
    SendSignal,
    Want,
)
from reconnect.core.hub import wants
from reconnect.core.hub.effects import News
from reconnect.core.hub.inputs import DrainRequested, Woke
from reconnect.reasons import CloseCode, Reason, RejectCode
from tests.scripted_hub import ScriptedHub
from tests.test_hub_core_signals import server_signal, verdicts


def with_members(*names: str, **settings: Any) -> tuple[ScriptedHub, list[int]]:
    """Return a hub with these members, whose log answers from here on only when it is told to."""
    hub = ScriptedHub(**settings)
    links = [hub.join(name) for name in names]
    hub.holding = True
    return hub, links


# -- slow ----------------------------------------------------------------------------------------------------------------------


def test_one_append_is_under_way_and_what_comes_meanwhile_goes_together() -> None:
    """Two batches stay in order, and the second one waits."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.signal(ann, 1, 2)
    hub.signal(bob, 1)
    hub.signal(ann, 3)
    assert len(hub.appends) == 1
    hub.log()
    assert [frame.serial for frame in hub.sent(ann, Accepted)] == [2]
    assert [[entry.serial for entry in append.entries] for append in hub.appends] == [[1, 3]]
    hub.log()
    assert [frame.serial for frame in hub.sent(ann, Accepted)] == [2, 3]
    assert hub.serials(ann) == [1, 2, 1, 3]


def test_a_repeat_of_what_is_under_way_waits_for_its_judgement() -> None:
    """Q05: neither appended twice nor answered too early."""
    hub, (ann,) = with_members("ann")
    hub.signal(ann, 1, 2)
    hub.signal(ann, 1, 2)
    assert hub.sent(ann, Accepted) == []
    hub.log()
    assert [frame.serial for frame in hub.sent(ann, Accepted)] == [2, 2]
    assert hub.serials(ann) == [1, 2]


def test_a_resume_is_answered_when_what_was_read_before_is_judged() -> None:
    """Q04, R02: the answer to a signal under way is still to come, and only the hub knows: so the welcome waits."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.signal(ann, 1)
    hub.end(ann)
    back = hub.return_of(ann)
    assert hub.frames[back] == []
    hub.log()
    hub.log()
    assert hub.welcome(back).accepted == 1
    assert hub.serials(back) == [1]
    assert hub.kinds(bob)[-2:] == [EntryKind.DROPPED, EntryKind.RETURNED]


def test_a_resume_waits_for_all_that_was_read_before_and_not_for_the_first_of_it() -> None:
    hub, (ann,) = with_members("ann")
    hub.signal(ann, 1)
    hub.signal(ann, 2)
    hub.log()
    back = hub.return_of(ann)
    assert hub.frames[back] == []
    hub.log()
    assert hub.welcome(back).accepted == 2


def test_a_resume_whose_signals_fail_learns_that() -> None:
    hub, (ann,) = with_members("ann")
    hub.signal(ann, 1)
    back = hub.return_of(ann)
    hub.fail_log()
    welcome = hub.welcome(back)
    assert welcome.accepted == 1
    assert [(refusal.serial, refusal.code) for refusal in welcome.rejected] == [(1, RejectCode.LOG_FAILED)]


def test_nothing_but_a_goodbye_or_a_ping_before_the_welcome() -> None:
    hub, (ann,) = with_members("ann")
    hub.signal(ann, 1)
    back = hub.return_of(ann)
    hub.send(back, Ping(), Pong())
    assert hub.sent(back, Pong)
    hub.send(back, Handled(position=0))
    assert hub.closed[back].code == CloseCode.PROTOCOL_ERROR
    hub.log()
    assert hub.state(ann) == "away"


def test_a_welcome_that_was_overtaken_is_not_sent() -> None:
    """R09: a second resume before the first was answered: one of them is welcomed."""
    hub, (ann,) = with_members("ann")
    hub.signal(ann, 1)
    first = hub.return_of(ann)
    second = hub.return_of(ann)
    assert hub.closed[first].code == CloseCode.TAKEN_OVER
    hub.log()
    assert hub.welcome(second).resumed
    assert [type(frame) for frame in hub.frames[first]] == [Refused]


def test_what_is_read_behind_a_welcome_in_the_same_answer_comes_once() -> None:
    """The log answers to a signal, lets a resume pass, and answers to another signal, all at once."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.signal(ann, 1)
    hub.signal(bob, 1)
    back = hub.return_of(ann)
    hub.signal(bob, 2)
    hub.log()
    hub.log()
    assert hub.serials(back) == [1, 1, 2]


def test_nobody_can_claim_a_connection_that_is_still_joining() -> None:
    """Its secret was given to nobody, so whoever has it did not get it from us."""
    hub, _ = with_members("bob")
    hub.join("ann")
    claim = ResumeClaim(connection="c2", secret="s2", epoch="epoch-1", position=1)
    again = hub.join("ann", resume=claim)
    hub.log()
    hub.log()
    assert hub.welcome(again).not_resumed == "unknown_connection"


def test_no_frame_is_relayed_to_one_that_is_not_welcomed_or_is_leaving() -> None:
    hub, (ann, bob) = with_members("ann", "bob")
    hub.holding = False
    hub.publish(ann)
    hub.subscribe(bob, "c1.1")
    hub.holding = True
    hub.signal(bob, 1)
    back = hub.return_of(bob, wants=[Want(key="sub", subscribe="c1.1")])
    assert hub.core.relay(ann, 1, hub.now) == ()
    hub.log()
    assert hub.core.relay(ann, 1, hub.now) == (back,)
    hub.signal(bob, 2)
    hub.send(back, SendSignal(serial=3))
    hub.feed(DrainRequested(at=hub.now, seconds=1.0))
    assert wants.route(hub.core._hub.sessions["room-1"], "c1", 1) == ()


def test_frames_are_relayed_in_the_order_of_the_subscriptions() -> None:
    """U07: the order of a set of names would be another in each process."""
    names = ["ann", "bob", "carla", "dora", "emil", "fred", "gina", "hans"]
    hub, (ann, *others) = with_members(*names)
    hub.holding = False
    hub.publish(ann)
    for link in reversed(others):
        hub.subscribe(link, "c1.1")
    assert hub.core.relay(ann, 1, hub.now) == tuple(reversed(others))


def test_a_session_waits_for_the_answer_of_its_log_before_it_is_forgotten() -> None:
    hub, (ann,) = with_members("ann", log_seconds=8.0)
    hub.send(ann, Goodbye())
    hub.later(30.0)
    assert hub.forgotten == []
    hub.log()
    hub.later(30.0)
    assert hub.forgotten == ["room-1"]


def test_a_welcome_whose_link_was_lost_is_not_sent() -> None:
    hub, (ann,) = with_members("ann")
    hub.signal(ann, 1)
    back = hub.return_of(ann)
    hub.end(back)
    hub.log()
    assert hub.frames[back] == []
    assert hub.state(ann) == "away"


def test_a_goodbye_behind_a_resume_that_waits_is_answered_without_a_welcome() -> None:
    hub, (ann, bob) = with_members("ann", "bob")
    hub.signal(ann, 1)
    back = hub.return_of(ann, more=(Goodbye(),))
    hub.log()
    hub.log()
    assert [type(frame) for frame in hub.frames[back]] == [Goodbye]
    assert hub.kinds(bob)[-1] is EntryKind.LEFT


def test_a_goodbye_is_answered_after_all_that_was_read_before() -> None:
    """S10, R14: the others see the last signal and then the leaving; the member hears its judgement and then goodbye."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.send(ann, SendSignal(serial=1), Goodbye(), SendSignal(serial=2))
    assert hub.frames[ann][2:] == []
    hub.log()
    assert [type(frame) for frame in hub.frames[ann][2:]] == [Accepted, Goodbye]
    assert hub.closed[ann].code == 1000
    assert hub.kinds(bob) == [EntryKind.SIGNAL, EntryKind.LEFT]
    assert hub.serials(bob) == [1]
    assert hub.core.statistics().members == 1


def test_a_member_that_is_lost_while_it_joins_is_gone() -> None:
    """Nobody was given its secret, so nobody can come back; the others see it come and leave."""
    hub, (bob,) = with_members("bob")
    ann = hub.join("ann")
    hub.end(ann)
    hub.log()
    hub.log()
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.LEFT]
    assert hub.core.statistics().members == 1


def test_a_member_that_says_goodbye_while_it_joins_is_gone() -> None:
    hub, (bob,) = with_members("bob")
    ann = hub.join("ann", more=(Goodbye(),))
    hub.log()
    hub.log()
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.LEFT]
    assert [type(frame) for frame in hub.frames[ann]] == [Goodbye]


def test_a_member_that_is_replaced_while_it_joins() -> None:
    hub, (bob,) = with_members("bob")
    first, second = hub.join("ann"), hub.join("ann")
    assert hub.closed[first].code == CloseCode.TAKEN_OVER
    hub.log()
    hub.log()
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.LEFT, EntryKind.JOINED]
    assert hub.state(second) == "present"


def test_two_that_join_at_once_are_told_of_each_other_once() -> None:
    """A snapshot says what the log says up to the joining, whatever else waits for the log by then."""
    hub, (bob,) = with_members("bob")
    hub.publish(bob)
    ann, cid = hub.join("ann"), hub.join("cid")
    hub.end(bob)
    hub.log()
    hub.log()
    assert hub.snapshot(ann) == (["c1"], ["c1.1"])
    assert hub.kinds(ann) == [EntryKind.JOINED, EntryKind.DROPPED]
    assert hub.snapshot(cid) == (["c1", "c2"], ["c1.1"])
    assert hub.kinds(cid) == [EntryKind.DROPPED]


def test_a_signal_to_a_member_between_its_joining_and_its_welcome_arrives() -> None:
    hub, (bob,) = with_members("bob")
    ann = hub.join("ann")
    hub.signal(bob, 1, to="c2")
    hub.log()
    hub.log()
    assert hub.serials(ann) == [1]


def test_what_a_join_publishes_stands_behind_the_joining() -> None:
    hub, (bob,) = with_members("bob")
    ann = hub.join("ann", wants=[Want(key="cam", publish="camera")])
    hub.log()
    assert [answer.key for answer in hub.welcome(ann).answers] == ["cam"]
    hub.log()
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.PUBLISHED]
    assert hub.kinds(ann) == []


def test_too_many_signals_that_wait_for_the_log() -> None:
    """D04: refused, not piled up."""
    hub, (ann,) = with_members("ann", under_way=3)
    hub.signal(ann, 1, 2)
    hub.send(ann, SendSignal(serial=3), SendSignal(serial=4), SendSignal(serial=5, ttl=1.0))
    hub.log()
    hub.log()
    assert verdicts(hub.last(ann, Accepted)) == [(4, RejectCode.LIMIT), (5, RejectCode.LIMIT)]
    hub.signal(ann, 6)
    hub.log()
    assert hub.serials(ann) == [1, 2, 3, 6]


def test_the_application_cannot_signal_into_a_session_that_is_not_in_the_log_yet() -> None:
    hub, _ = with_members()
    hub.join("ann")
    server_signal(hub, 1)
    assert hub.answers[1].code is RejectCode.NO_SUCH_CONNECTION


def test_a_drain_waits_for_what_was_read() -> None:
    """D01: going_away is the last frame, after the accepted of all that the hub read; nothing is read behind the drain."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.signal(ann, 1)
    hub.feed(DrainRequested(at=hub.now, seconds=9.0, delays=((ann, 2.5),)))
    hub.signal(ann, 2)
    assert hub.sent(ann, GoingAway) == []
    joining = hub.join("cid")
    hub.log()
    assert [type(frame) for frame in hub.frames[ann][2:]] == [Accepted, GoingAway]
    assert hub.last(ann, GoingAway).retry_after == 2.5
    assert hub.last(bob, GoingAway).retry_after == 9.0
    assert hub.closed[ann].code == CloseCode.GOING_AWAY
    assert hub.last(joining, Refused).code is Reason.GOING_AWAY
    assert hub.entries[bob] == [], "nothing comes behind going_away"


def test_a_member_that_is_drained_while_it_joins() -> None:
    hub, (bob,) = with_members("bob")
    ann = hub.join("ann")
    hub.feed(DrainRequested(at=hub.now, seconds=1.0))
    hub.log()
    assert hub.sent(ann, GoingAway)
    hub.end(ann)
    hub.log()
    assert hub.state(ann) == "away"
    assert hub.core.wake_at() is not None
    assert hub.sent(bob, GoingAway)


# -- failing -------------------------------------------------------------------------------------------------------------------


def test_signals_that_the_log_could_not_store_are_rejected() -> None:
    """Retryable, and judged like any other; the members that wait for them learn it."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.send(ann, SendSignal(serial=1), SendSignal(serial=2, type="?"), SendSignal(serial=3))
    server_signal(hub, 5)
    hub.fail_log()
    assert verdicts(hub.last(ann, Accepted)) == [
        (1, RejectCode.LOG_FAILED),
        (2, RejectCode.INVALID),
        (3, RejectCode.LOG_FAILED),
    ]
    hub.fail_log()
    assert hub.answers[5].code is RejectCode.LOG_FAILED
    hub.signal(ann, 4)
    hub.log()
    assert hub.serials(bob) == [4]
    back = hub.return_of(ann)
    assert len(hub.welcome(back).rejected) == 3
    assert [news.detail for news in hub.announced(News.LOG_FAILED)] == ["the disk is full"] * 2


def test_a_members_drop_that_the_log_could_not_store_is_tried_again() -> None:
    """The record changes all the same, the session is marked stale until the entry is in the log."""
    hub, (ann, bob) = with_members("ann", "bob")
    hub.end(ann)
    hub.fail_log()
    assert hub.state(ann) == "away"
    assert hub.core.statistics().stale == 1
    assert hub.appends == [], "not at once: the log needs time"
    hub.later(0.9)
    assert hub.appends == []
    hub.later(0.2)
    hub.fail_log()
    hub.later(1.0)
    hub.log()
    assert hub.core.statistics().stale == 0
    assert len(hub.announced(News.LOG_RECOVERED)) == 1
    assert hub.kinds(bob) == [EntryKind.DROPPED]


def test_what_comes_meanwhile_takes_the_owed_entry_along_and_stands_behind_it() -> None:
    hub, (ann, bob) = with_members("ann", "bob")
    hub.end(ann)
    hub.signal(bob, 1)
    hub.fail_log()
    assert len(hub.appends) == 1
    hub.log()
    assert hub.kinds(bob) == [EntryKind.DROPPED, EntryKind.SIGNAL]
    hub.later(5.0)
    assert hub.appends == []


def test_a_member_whose_return_the_log_could_not_store_is_back_all_the_same() -> None:
    hub, (ann, bob) = with_members("ann", "bob")
    hub.end(ann)
    hub.log()
    back = hub.return_of(ann)
    assert hub.welcome(back).resumed
    hub.fail_log()
    assert hub.state(ann) == "present"
    hub.later(1.0)
    hub.log()
    assert hub.kinds(bob) == [EntryKind.DROPPED, EntryKind.RETURNED]


def test_a_goodbye_is_answered_though_the_log_fails() -> None:
    hub, (ann, bob) = with_members("ann", "bob")
    hub.send(ann, Goodbye())
    hub.fail_log()
    assert hub.sent(ann, Goodbye)
    assert hub.core.statistics().members == 1
    hub.later(1.0)
    hub.log()
    assert hub.kinds(bob) == [EntryKind.LEFT]


def test_a_joining_that_the_log_could_not_store_is_refused() -> None:
    """Nobody was told of it, so it has no place; it may try again."""
    hub, (bob,) = with_members("bob")
    ann = hub.join("ann", wants=[Want(key="cam", publish="camera")])
    hub.fail_log()
    assert hub.last(ann, Refused).code is Reason.HUB_ERROR
    assert hub.closed[ann].code == CloseCode.HUB_ERROR
    assert hub.core.statistics().members == 0 + 1
    assert hub.core.statistics().stale == 0
    again = hub.join("ann")
    hub.log()
    assert hub.kinds(bob) == [EntryKind.JOINED]
    assert hub.welcome(again).accepted is None


def test_a_joining_that_fails_after_its_link_was_lost_leaves_nothing() -> None:
    hub, (bob,) = with_members("bob")
    hub.signal(bob, 1)
    ann = hub.join("ann")
    hub.log()
    hub.end(ann)
    hub.fail_log()
    hub.later(5.0)
    hub.log()
    assert hub.kinds(bob) == [EntryKind.SIGNAL]
    assert hub.appends == []
    hub.end(bob)
    assert len(hub.appends) == 1


def test_a_joining_and_a_leaving_that_fail_together_leave_nothing() -> None:
    hub, (bob,) = with_members("bob")
    hub.signal(bob, 1)
    ann = hub.join("ann")
    hub.end(ann)
    hub.log()
    hub.fail_log()
    hub.later(5.0)
    assert hub.appends == []
    assert hub.kinds(bob) == [EntryKind.SIGNAL]


def test_a_replacement_that_the_log_could_not_store_ends_the_old_one_all_the_same() -> None:
    hub, (bob, old) = with_members("bob", "ann")
    new = hub.join("ann")
    hub.fail_log()
    assert hub.closed[old].code == CloseCode.TAKEN_OVER
    assert hub.closed[new].code == CloseCode.HUB_ERROR
    hub.later(1.0)
    hub.log()
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.LEFT]


# -- a new life ----------------------------------------------------------------------------------------------------------------


def test_a_log_that_begins_a_new_life_sends_everybody_back() -> None:
    """R16: epoch and position are replaced only as a pair; a claim of the old life is refused, and the snapshot is the truth."""
    hub, (ann, bob, cid) = with_members("ann", "bob", "cid", log_signals=3)
    hub.publish(cid)
    hub.log()
    hub.end(cid)
    hub.log()
    hub.signal(ann, 1)
    hub.epoch, hub.heads = "epoch-2", {}
    hub.log()
    for link in (ann, bob):
        assert hub.closed[link].code == CloseCode.HUB_ERROR
    assert len(hub.announced(News.LOG_RESTARTED)) == 1
    hub.log()
    back = hub.return_of(ann)
    hub.log()
    welcome = hub.welcome(back)
    assert welcome.not_resumed == "wrong_epoch"
    assert welcome.epoch == "epoch-2"
    assert welcome.accepted == 1
    assert hub.snapshot(back) == (["~c2", "~c3"], ["c3.1"])
    hub.holding = False
    hub.end(back)
    dan = hub.join("dan")
    hub.signal(dan, *range(1, 9))
    last = hub.return_of(back)
    assert hub.welcome(last).gap is not None
    assert "~c3" in hub.snapshot(last)[0], "what was there before the new life is in its first census"


def test_time_may_stand_still() -> None:
    """A wake-up that finds nothing to do does nothing."""
    hub, (ann,) = with_members("ann")
    assert hub.feed(Woke(at=hub.now)) == []
    assert ann not in hub.closed


def test_a_link_that_joins_while_the_hub_drains_is_sent_back() -> None:
    hub, _ = with_members()
    link = hub.open()
    asking = hub.open()
    hub.ask(asking, Join(token="t", session="room-1", sender="s"))
    hub.feed(DrainRequested(at=hub.now, seconds=4.0, url="ws://elsewhere"))
    for number in (link, asking):
        assert hub.last(number, GoingAway).url == "ws://elsewhere"
        assert hub.closed[number].code == CloseCode.GOING_AWAY
    late = hub.join("ann")
    assert hub.last(late, Refused).retry_after == 7.5
