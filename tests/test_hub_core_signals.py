"""The hub's core: signals on their way in, their judgement, and their way out."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest

from reconnect.core.frames import Accepted, Entry, EntryKind, Goodbye, Handled, Ping, Pong, Refused, SendSignal
from reconnect.core.hub.effects import SendEntries, SendTo
from reconnect.core.hub.inputs import ServerKick, ServerSignal
from reconnect.reasons import CloseCode, Reason, RejectCode
from reconnect.wire import HubDialect
from tests.scripted_hub import ROOM, ScriptedHub, raw


def verdicts(frame: Accepted) -> list[tuple[int, RejectCode]]:
    """Return the refusals of a judgement."""
    return [(refusal.serial, refusal.code) for refusal in frame.rejected]


# -- judgement -----------------------------------------------------------------------------------------------------------------


def test_signals_go_to_everybody_the_sender_included() -> None:
    """In the order sent, with what they carry."""
    hub = ScriptedHub()
    ann, bob = hub.join("ann"), hub.join("bob")
    hub.signal(ann, 1, 3, type="chat", data=raw({"x": 1}), repeat=True)
    for link in (ann, bob):
        told = [entry for entry in hub.told(link) if entry.what is EntryKind.SIGNAL]
        assert [(entry.serial, entry.type, bytes(entry.data), entry.repeat) for entry in told] == [
            (1, "chat", b'{"x":1}', True),
            (3, "chat", b'{"x":1}', True),
        ]
        assert {(entry.connection, entry.sender) for entry in told} == {(hub.connection(ann), "ann-box")}


def test_what_the_log_keeps_does_not_keep_its_message_alive() -> None:
    """One small signal would otherwise hold on to all that came with it."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.holding = True
    plain, directed = '{"frame":"signal","serial":1,"data":[1]}', '{"frame":"signal","serial":2,"data":[2],"ttl":9}'
    message = f'[{plain}, {directed}, {{"frame":"ping","padding":"{"x" * 100_000}"}}]'
    count = sys.getrefcount(message)
    hub.send(ann, *HubDialect("hub").decode(message))
    gc.collect()
    assert [bytes(entry.data) for entry in hub.appends[-1].entries] == [b"[1]", b"[2]"]
    assert sys.getrefcount(message) == count


def test_a_batch_is_one_append_and_one_judgement_before_its_echo() -> None:
    """A serial's accepted is written before its own entry comes back."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.order.clear()
    hub.holding = True
    hub.signal(ann, 1, 2, 3)
    assert len(hub.appends) == 1
    assert hub.sent(ann, Accepted) == [], "only the log makes it so"
    hub.log()
    written = [effect for effect in hub.order if isinstance(effect, SendTo | SendEntries)]
    assert [type(effect) for effect in written] == [SendTo, SendEntries]
    assert [frame.serial for frame in hub.sent(ann, Accepted)] == [3]


def test_signals_in_a_row_are_judged_together_whatever_stands_around_them() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    first, second, third = (SendSignal(serial=serial, data=raw(serial)) for serial in (1, 2, 3))
    hub.send(ann, first, Ping(), second, third)
    assert len(hub.sent(ann, Pong)) == 1
    assert [frame.serial for frame in hub.sent(ann, Accepted)] == [1, 3], "the two behind the ping in one"
    assert hub.serials(ann) == [1, 2, 3]


def test_a_judgement_and_a_pong_say_how_far_everything_was_sent() -> None:
    """Positions are those of entries for this member: a directed one to somebody else is no hole."""
    hub = ScriptedHub()
    ann, bob, cid = hub.join("ann"), hub.join("bob"), hub.join("cid")
    hub.signal(bob, 1, to=hub.connection(cid))
    hub.send(ann, Ping())
    assert hub.last(ann, Pong).position == hub.position(ann)
    before = hub.position(ann)
    hub.signal(ann, 1)
    assert hub.last(ann, Accepted).position == before, "what the echo is not yet part of"


def test_a_signal_to_one_connection_is_for_it_alone() -> None:
    """Not for its sender either; an away connection is known."""
    hub = ScriptedHub()
    ann, bob, cid = hub.join("ann"), hub.join("bob"), hub.join("cid")
    hub.signal(ann, 1, to=hub.connection(bob))
    assert (hub.serials(ann), hub.serials(bob), hub.serials(cid)) == ([], [1], [])
    hub.end(bob)
    hub.signal(ann, 2, to=hub.connection(bob))
    assert verdicts(hub.last(ann, Accepted)) == []
    back = hub.return_of(bob)
    assert hub.serials(back) == [2]
    hub.signal(ann, 3, to=hub.connection(ann))
    assert hub.serials(ann) == [3]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "no spaces"}, RejectCode.INVALID),
        ({"type": "x" * 129}, RejectCode.INVALID),
        ({"type": "ümlaut"}, RejectCode.INVALID),
        ({"type": "chat\n"}, RejectCode.INVALID),
        ({"data": raw("x" * 8_191)}, RejectCode.TOO_LARGE),
        ({"to": "nobody"}, RejectCode.NO_SUCH_CONNECTION),
        ({"ttl": 0.0}, RejectCode.EXPIRED),
        ({"ttl": -1.0}, RejectCode.EXPIRED),
        ({"ttl": float("nan")}, RejectCode.EXPIRED),
        ({"ttl": 1.0, "type": "?"}, RejectCode.INVALID),
    ],
)
def test_a_signal_that_the_hub_cannot_take_is_rejected_and_harms_nothing(fields: dict[str, Any], code: RejectCode) -> None:
    """Always a judgement, never a closed transport."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.send(ann, SendSignal(serial=1), SendSignal(serial=2, **fields), SendSignal(serial=3))
    accepted = hub.last(ann, Accepted)
    assert accepted.serial == 3
    assert verdicts(accepted) == [(2, code)]
    assert accepted.rejected[0].detail
    assert hub.serials(ann) == [1, 3]
    assert ann not in hub.closed


@pytest.mark.parametrize(
    "fields", [{"type": "x" * 128}, {"type": "A-Za-z0-9-_~."}, {"data": raw("x" * 8_190)}, {"ttl": 0.001}, {}]
)
def test_what_is_just_within_the_limits_is_taken(fields: dict[str, Any]) -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.signal(ann, 1, **fields)
    assert verdicts(hub.last(ann, Accepted)) == []
    assert hub.serials(ann) == [1]


def test_roles() -> None:
    """A49: a subscriber may not signal."""
    hub = ScriptedHub()
    links = {role: hub.join(role, role=role) for role in ("subscriber", "publisher", "moderator")}
    for link in links.values():
        hub.signal(link, 1)
    assert verdicts(hub.last(links["subscriber"], Accepted)) == [(1, RejectCode.FORBIDDEN)]
    assert hub.serials(links["subscriber"]) == [1, 1], "it hears the others"


# -- repeats -------------------------------------------------------------------------------------------------------------------


def test_a_repeat_is_answered_and_never_appended_again() -> None:
    """Q05: recognised by sender and serial, also on another connection."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(ann, 1, 2)
    hub.signal(ann, 1, 2, repeat=True)
    assert hub.last(ann, Accepted).serial == 2
    hub.end(ann)
    back = hub.return_of(ann)
    assert hub.welcome(back).accepted == 2
    hub.send(back, SendSignal(serial=2, repeat=True), SendSignal(serial=3))
    assert hub.last(back, Accepted).serial == 3
    new = hub.join("ann")
    assert hub.welcome(new).accepted == 3
    hub.signal(new, 3, 4, repeat=True)
    assert hub.serials(bob) == [1, 2, 3, 4]
    assert hub.core.statistics().repeats == 4


def test_one_message_that_says_the_same_twice() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.signal(ann, 1, 1, 2, 1)
    assert hub.serials(ann) == [1, 2]


def test_a_rejection_is_repeated_until_its_sender_has_heard_it() -> None:
    """A lost answer never turns into `delivered`: the welcome repeats what is above `settled`."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.send(ann, SendSignal(serial=1), SendSignal(serial=2, type="?"), SendSignal(serial=3, to="nobody"))
    hub.end(ann)
    back = hub.return_of(ann)
    assert hub.welcome(back).accepted == 3
    assert [refusal.serial for refusal in hub.welcome(back).rejected] == [2, 3]
    hub.send(back, Handled(position=0, settled=2))
    again = hub.return_of(back, settled=2)
    assert [refusal.serial for refusal in hub.welcome(again).rejected] == [3]
    last = hub.return_of(again, settled=3)
    assert hub.welcome(last).rejected == ()


def test_a_rejection_is_repeated_to_one_who_sends_the_same_again() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.send(ann, SendSignal(serial=1, type="?"), SendSignal(serial=2))
    hub.send(ann, SendSignal(serial=1), SendSignal(serial=2), SendSignal(serial=3, type="?"))
    assert verdicts(hub.last(ann, Accepted)) == [(1, RejectCode.INVALID), (3, RejectCode.INVALID)]
    assert hub.serials(ann) == [2]


def test_settled_beyond_what_was_judged_counts_up_to_there() -> None:
    """A member cannot know outcomes that there are not: later rejections are kept for it all the same."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.send(ann, Handled(position=0, settled=50))
    hub.send(ann, SendSignal(serial=3, type="?"))
    back = hub.return_of(ann)
    assert [refusal.serial for refusal in hub.welcome(back).rejected] == [3]


def test_a_sender_is_remembered_as_long_as_something_of_it_is_in_the_tail() -> None:
    """Q05, D05: then, and only then, its account is closed."""
    hub = ScriptedHub(log_seconds=80.0, grace_seconds=10.0)
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(ann, 1)
    hub.send(ann, Goodbye())
    for _ in range(12):
        hub.later(5.0)
        hub.send(bob, Ping())
    known = hub.join("ann")
    assert hub.welcome(known).accepted == 1
    hub.send(known, Goodbye())
    for _ in range(12):
        hub.later(5.0)
        hub.send(bob, Ping())
    assert hub.welcome(hub.join("ann")).accepted is None


def test_a_sender_that_comes_back_is_known_and_stays_so() -> None:
    """Q05: also when everything that it sent before has left the tail."""
    hub = ScriptedHub(log_signals=3)
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(ann, 1)
    hub.send(ann, Goodbye())
    again = hub.join("ann")
    hub.signal(bob, *range(1, 9))
    hub.signal(again, 1, 2)
    assert hub.last(again, Accepted).serial == 2
    assert [entry.serial for entry in hub.told(bob) if entry.sender == "ann-box"] == [1, 2]


def test_a_sender_that_never_signalled_is_forgotten_with_its_place() -> None:
    hub = ScriptedHub()
    hub.join("bob")
    ann = hub.join("ann")
    hub.send(ann, Goodbye())
    assert hub.welcome(hub.join("ann")).accepted is None


# -- flow ----------------------------------------------------------------------------------------------------------------------


def test_at_most_a_window_of_entries_beyond_what_was_handled() -> None:
    """Q16, D04: handled is credit; control frames do not wait for it."""
    hub = ScriptedHub(window=3)
    ann, bob = hub.join("ann"), hub.join("bob")
    for serial in range(1, 11):
        hub.signal(bob, serial)
        hub.handle(bob)
    assert hub.serials(ann) == [1, 2], "its own neighbour's joining took one"
    assert hub.serials(bob) == list(range(1, 11)), "one slow reader never slows the others"
    hub.send(ann, Ping())
    assert hub.sent(ann, Pong)
    hub.send(ann, Handled(position=hub.told(ann)[1].position))
    assert hub.serials(ann) == [1, 2, 3, 4]
    while hub.serials(ann) != list(range(1, 11)):
        hub.handle(ann)


def test_a_batch_that_is_larger_than_the_credit_is_cut() -> None:
    hub = ScriptedHub(window=4)
    ann, bob = hub.join("ann"), hub.join("bob")
    hub.signal(bob, *range(1, 8))
    assert hub.serials(bob) == [1, 2, 3, 4]
    hub.handle(bob)
    assert hub.serials(bob) == list(range(1, 8))
    assert hub.serials(ann) == [1, 2, 3]


def test_a_member_that_handled_more_than_it_was_sent_breaks_the_protocol() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.signal(ann, 1)
    hub.send(ann, Handled(position=2))
    assert ann not in hub.closed
    hub.send(ann, Handled(position=3))
    assert hub.closed[ann].code == CloseCode.PROTOCOL_ERROR
    assert "handled up to 3" in hub.last(ann, Refused).detail


def test_handled_is_cumulative_and_an_older_one_changes_nothing() -> None:
    """R06, Q13 on the hub's side."""
    hub = ScriptedHub(window=2)
    ann = hub.join("ann")
    hub.signal(ann, 1, 2, 3, 4)
    hub.send(ann, Handled(position=3), Handled(position=2), Handled(position=3))
    assert hub.serials(ann) == [1, 2, 3, 4]


def test_a_reader_that_fell_out_of_the_log_is_slow_and_comes_back_with_a_gap() -> None:
    """D04, R04, R05: bytes are a hard bound; what it gets after the return begins behind the gap that it was told."""
    hub = ScriptedHub(window=2, log_bytes=3_000)
    bob, ann = hub.join("bob"), hub.join("ann")
    for serial in range(1, 21):
        hub.signal(bob, serial, data=raw("x" * 300))
        hub.handle(bob)
    assert hub.closed[ann].code == CloseCode.SLOW
    assert hub.last(ann, Refused).code is Reason.SLOW
    assert hub.state(ann) == "away"
    heard = hub.serials(ann)
    back = hub.return_of(ann)
    welcome = hub.welcome(back)
    assert welcome.resumed
    assert welcome.gap is not None
    assert welcome.gap.first == hub.position(ann) + 1
    while len(hub.serials(back)) and hub.serials(back)[-1] < 20:
        hub.handle(back)
    replayed = hub.serials(back)
    assert replayed == list(range(replayed[0], 21))
    assert replayed[0] > heard[-1] + 1
    assert next(entry for entry in hub.told(bob) if entry.serial == replayed[0] - 1).position == welcome.gap.last


def test_entries_for_others_do_not_make_a_reader_slow() -> None:
    """Its credit is used up, and what the log lets go of was never for it."""
    hub = ScriptedHub(window=1, log_bytes=3_000)
    bob, cid, ann = hub.join("bob"), hub.join("cid"), hub.join("ann")
    hub.handle(bob)
    hub.signal(cid, 1, to=hub.connection(ann))
    for serial in range(1, 31):
        hub.signal(bob, serial, to=hub.connection(cid), data=raw("x" * 300))
        hub.handle(cid)
    assert ann not in hub.closed
    assert cid not in hub.closed
    hub.handle(ann)
    hub.signal(cid, 2, to=hub.connection(ann))
    assert hub.serials(ann) == [1, 2]


def test_age_is_a_hard_bound_for_a_reader_too() -> None:
    """D04: a reader without credit does not hold old entries for ever."""
    hub = ScriptedHub(window=1, log_seconds=40.0)
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.handle(bob)
    hub.signal(bob, 1, 2)
    for _ in range(12):
        hub.later(5.0)
        hub.send(ann, Ping())
        hub.handle(bob)
    assert hub.closed[ann].code == CloseCode.SLOW
    assert bob not in hub.closed


# -- the application -----------------------------------------------------------------------------------------------------------


def server_signal(hub: ScriptedHub, ticket: int, session: str = ROOM, **fields: Any) -> None:
    """Let the application send a signal."""
    signal = Entry(position=0, after=0, what=EntryKind.SIGNAL, **fields)
    hub.feed(ServerSignal(at=hub.now, ticket=ticket, session=session, signal=signal))


def test_a_signal_of_the_application() -> None:
    """It has a position, and no connection sent it."""
    hub = ScriptedHub()
    ann, bob = hub.join("ann"), hub.join("bob")
    server_signal(hub, 7, type="news", data=raw(1))
    server_signal(hub, 8, to=hub.connection(bob))
    assert hub.answers[7].position == 3
    assert hub.answers[8].position == 4
    assert [entry.position for entry in hub.told(bob)] == [3, 4]
    assert hub.told(ann)[-1].connection is None
    assert hub.told(ann)[-1].position == 3


@pytest.mark.parametrize(
    ("session", "fields", "code"),
    [
        ("elsewhere", {}, RejectCode.NO_SUCH_CONNECTION),
        (ROOM, {"to": "nobody"}, RejectCode.NO_SUCH_CONNECTION),
        (ROOM, {"type": "?"}, RejectCode.INVALID),
        (ROOM, {"data": raw("x" * 9_000)}, RejectCode.TOO_LARGE),
    ],
)
def test_what_the_application_may_not_send(session: str, fields: dict[str, Any], code: RejectCode) -> None:
    hub = ScriptedHub()
    hub.join("ann")
    server_signal(hub, 1, session, **fields)
    assert hub.answers[1].code is code
    assert hub.answers[1].position is None
    assert hub.answers[1].detail


def test_the_application_kicks() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.feed(ServerKick(at=hub.now, ticket=1, connection="nobody"))
    assert hub.answers[1].code is RejectCode.NO_SUCH_CONNECTION
    hub.feed(ServerKick(at=hub.now, ticket=2, connection=hub.connection(ann)))
    assert hub.answers[2].code is None
    assert hub.closed[ann].code == CloseCode.KICKED
