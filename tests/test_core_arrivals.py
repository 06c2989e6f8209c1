"""What arrives from the hub: each frame in each phase, and everything that a hub must not say."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from reconnect.core import frames
from reconnect.core.effects import Answer
from reconnect.core.frames import (
    Accepted,
    Done,
    Entry,
    EntryKind,
    Failed,
    Frame,
    Gap,
    GoingAway,
    Goodbye,
    Heartbeat,
    Kick,
    Limits,
    Member,
    Mute,
    Ping,
    Pong,
    Refused,
    Rejection,
    Snapshot,
    Unknown,
    WantAnswer,
)
from reconnect.core.inputs import RequestMade
from reconnect.core.notices import Disconnected, Reconnecting, SignalReceived
from reconnect.errors import RequestFailed
from reconnect.reasons import OutcomeStatus, Reason, RejectCode
from tests.core_world import CoreWorld, signal, welcome
from tests.laws.behaviours import is_over, place, reach

EVERY: tuple[Frame, ...] = (
    welcome(),
    Snapshot(page=0),
    Refused(code=Reason.OVERLOADED),
    Accepted(serial=0, position=0),
    signal(1),
    Done(request=1),
    Failed(request=1, code=RejectCode.INVALID),
    GoingAway(retry_after=0.0),
    Ping(),
    Pong(),
    Goodbye(),
)


def tag(frame: Frame) -> str:
    return str(frame.__struct_config__.tag)


def is_broken(world: CoreWorld, detail: str) -> bool:
    """Assert that the transport was dropped for a protocol error, retryably, and that it was counted and audited."""
    cause = world.script.asked[-1].cause
    assert (cause.reason, cause.final) == (Reason.PROTOCOL_ERROR, False)
    assert cause.detail == detail
    assert world.core.phase == "waiting"
    assert world.closed[-1].abort
    assert world.core.counts["protocol_errors"] == 1
    step = [note for note in world.notes("step") if note.machine == "session"][-1]
    assert (step.reason, step.detail) == (Reason.PROTOCOL_ERROR, detail)
    return True


# -- frames in the wrong phase -------------------------------------------------------------------------------------------------

ALLOWED = {
    "dialing": (),
    "joining": ("welcome", "snapshot", "refused", "going_away", "ping"),
    "online": ("accepted", "entry", "done", "failed", "ping", "pong", "refused", "going_away", "goodbye"),
}


@pytest.mark.parametrize("where", ALLOWED)
@pytest.mark.parametrize("frame", EVERY, ids=tag)
def test_a_frame_that_cannot_come_now_drops_the_transport(where: str, frame: Frame) -> None:
    """Every frame of a hub in every phase in which a transport exists."""
    world = CoreWorld().online() if where == "online" else reach(CoreWorld(), "recovering", where)
    world.receive(frame)
    if tag(frame) not in ALLOWED[where]:
        assert is_broken(world, f"{tag(frame)} cannot come while {where}")
    else:
        assert f"{tag(frame)} cannot come while {where}" not in [question.cause.detail for question in world.script.asked]


@pytest.mark.parametrize("frame", EVERY, ids=tag)
def test_a_frame_that_cannot_come_while_leaving_ends_at_once(frame: Frame) -> None:
    """Leaving accepts what a connected session accepts; anything else ends it, and the reason stays."""
    world = reach(CoreWorld(), "closing")
    world.receive(frame)
    if tag(frame) in ("welcome", "snapshot", "refused", "going_away", "goodbye"):
        assert is_over(world, Reason.CLIENT_DISCONNECTED)
    else:
        assert world.role == "closing"


def test_unknown_frames_are_ignored_and_counted_in_every_phase() -> None:
    """They come from a newer hub; each is written down."""
    for where in ALLOWED:
        world = CoreWorld().online() if where == "online" else reach(CoreWorld(), "recovering", where)
        before = place(world)
        world.receive(Unknown(kind="hologram"), Unknown(kind="smell"))
        assert place(world) == before
        assert world.core.counts["unknown_frames"] == 2
        assert [note.detail for note in world.notes("unknown_frame")] == ["hologram", "smell"]


def test_what_stands_behind_a_broken_frame_is_not_read() -> None:
    """The transport is over with it, in the middle of a message."""
    world = CoreWorld().online()
    world.receive(signal(1), welcome(), signal(2))
    assert is_broken(world, "welcome cannot come while online")
    assert [notice.signal.position for notice in world.notices(SignalReceived)] == [1]


# -- welcomes that cannot be ---------------------------------------------------------------------------------------------------


def unsound(**fields: Any) -> Any:
    return pytest.param(fields, "a welcome that nobody can live with", id=" ".join(fields))


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        pytest.param({"resumed": True, "connection": "c9"}, "the hub resumed a connection that was not claimed", id="another"),
        pytest.param({"resumed": True, "epoch": "e9"}, "the hub resumed a connection that was not claimed", id="another epoch"),
        pytest.param({"accepted": 3}, "the hub judged serial 3, which was never sent", id="a serial that was never sent"),
        unsound(heartbeat=Heartbeat(ping=0.0, silence=6.0)),
        unsound(heartbeat=Heartbeat(ping=2.0, silence=float("nan"))),
        unsound(heartbeat=Heartbeat(ping=6.0, silence=6.0)),
        unsound(heartbeat=Heartbeat(ping=2.0, silence=1e9)),
        unsound(first_try_window=-1.0),
        unsound(first_try_window=float("inf")),
        unsound(limits=Limits(message_bytes=0, data_bytes=8_192, window=256)),
        unsound(limits=Limits(message_bytes=1, data_bytes=8_192, window=0)),
        unsound(resumed=True, gap=Gap(epoch="e1", first=1, last=2)),
    ],
)
def test_a_welcome_that_cannot_be_drops_the_transport(fields: dict[str, Any], detail: str) -> None:
    """Q13, R15: nothing of it is believed: no state, no secret, no outcome."""
    world = CoreWorld().online()
    world.submit()
    world.lose()
    world.submit()
    world.submit()
    world.wake()
    world.join(**fields)
    assert is_broken(world, detail)
    assert world.core.at.secret == "s1"
    assert world.outcomes == {}
    assert world.told == ["connected", "reconnecting"]
    world.resume()
    assert world.role == "online"


def test_r15_a_first_connect_cannot_be_resumed() -> None:
    """R15: a client without state that is told so has met a broken hub."""
    world = CoreWorld()
    world.connect()
    world.join(resumed=True)
    assert is_broken(world, "the hub resumed a connection that was not claimed")
    assert world.told == []


def test_a_second_welcome_while_the_first_is_incomplete() -> None:
    """Pages are awaited: another welcome is one too many. On the next transport one is welcome again."""
    world = reach(CoreWorld(), "recovering", "joining")
    world.accept(snapshot_pages=2)
    assert world.core.phase == "joining"
    world.accept(snapshot_pages=2)
    assert is_broken(world, "a second welcome")
    world.wake()
    world.join(connection="c2", snapshot_pages=1)
    assert world.core.phase == "joining"
    world.receive(Snapshot(page=0))
    assert world.told[-1] == "reconnected"


def test_a_snapshot_page_out_of_order() -> None:
    """A page that was skipped, and pages without a welcome."""
    world = reach(CoreWorld(), "recovering", "joining")
    world.accept(Snapshot(page=0), Snapshot(page=2), snapshot_pages=3)
    assert is_broken(world, "a snapshot page out of order")
    world = reach(CoreWorld(), "recovering", "joining")
    world.receive(Snapshot(page=0))
    assert is_broken(world, "a snapshot page out of order")


def test_pages_of_an_old_transport_are_forgotten() -> None:
    """The welcome died with its transport; its pages do not continue on the next one."""
    world = reach(CoreWorld(), "recovering", "joining")
    world.accept(Snapshot(page=0), snapshot_pages=2)
    world.lose()
    world.wake()
    world.opened()
    world.receive(Snapshot(page=1))
    assert is_broken(world, "a snapshot page out of order")


def test_a_snapshot_comes_in_pages() -> None:
    """In one message or in several; the acceptance waits for the last one."""
    members = [Member(connection=f"c-{number}", client_id=f"m{number}") for number in range(3)]
    world = CoreWorld()
    world.connect()
    world.opened()
    world.accept(Snapshot(page=0, members=(members[0],)), snapshot_pages=3)
    world.receive(Snapshot(page=1, members=(members[1],)))
    assert world.told == []
    world.receive(Snapshot(page=2, members=(members[2],)), signal(1))
    assert world.order == ["connected", *["connection_created"] * 3, "signal"]
    assert list(world.core.at.roster.members.values()) == members


# -- judgements ----------------------------------------------------------------------------------------------------------------


def test_q13_a_judgement_of_what_was_never_sent_replaces_the_transport() -> None:
    """Q13: audited, and nothing is resent until a welcome says what is so."""
    world = CoreWorld().online()
    world.submit()
    world.receive(Accepted(serial=2, position=0))
    assert is_broken(world, "the hub judged serial 2, which was not sent on this connection")
    assert world.outcomes == {}
    sent = len(world.wire)
    world.wake()
    world.opened()
    assert [tag(frame) for frame in world.wire[sent:]] == ["join"]
    world.accept_again(accepted=1)
    assert world.outcomes[1].delivered


def test_q12_accepted_settles_by_its_refusals() -> None:
    """Q12, Q13: delivered but for those that are refused; again is no news."""
    world = CoreWorld().online()
    for _ in range(3):
        world.submit()
    for _ in range(2):
        world.receive(Accepted(serial=2, position=0, rejected=(Rejection(serial=1, code=RejectCode.TOO_LARGE),)))
    assert {serial: outcome.status for serial, outcome in world.outcomes.items()} == {
        1: OutcomeStatus.REJECTED,
        2: OutcomeStatus.DELIVERED,
    }
    assert world.outcomes[1].code is RejectCode.TOO_LARGE


# -- the log -------------------------------------------------------------------------------------------------------------------


def test_signals_are_told_in_order_with_all_that_they_carry() -> None:
    """R07: an entry's fields are the signal's; the server's have no connection and no sender."""
    world = CoreWorld().online()
    world.receive(
        signal(1, {"n": [1, None]}, sender="ann", serial=7, connection="c-ann", type="chat", repeat=True),
        signal(2, sender=None, connection=None, serial=0, type=""),
    )
    one, two = (notice.signal for notice in world.notices(SignalReceived))
    assert (one.type, one.data, one.sender, one.serial, one.position, one.connection, one.repeat) == (
        "chat", {"n": [1, None]}, "ann", 7, 1, "c-ann", True,
    )  # fmt: skip
    assert (two.sender, two.connection, two.data, two.repeat) == ("", None, "x", False)


def test_r06_what_was_received_already_is_not_told_again() -> None:
    """R06: counted, and nothing else; what is new behind it is told."""
    world = CoreWorld().online()
    world.receive(signal(1), signal(2))
    world.receive(signal(1), signal(2), signal(3))
    assert [notice.signal.position for notice in world.notices(SignalReceived)] == [1, 2, 3]
    assert world.core.counts["repeated_entries"] == 2


def test_a_signal_that_its_sender_had_to_send_again_is_told_once() -> None:
    """Same sender, same serial, another entry, maybe of another hub: dropped, counted and written down. A server's are not."""
    world = CoreWorld().online()
    world.receive(signal(1, serial=5), signal(2, serial=5, repeat=True), signal(3, serial=4), signal(4, serial=6))
    world.receive(signal(5, sender=None, serial=0), signal(6, sender=None, serial=0))
    assert [notice.signal.position for notice in world.notices(SignalReceived)] == [1, 4, 5, 6]
    assert world.core.counts["repeated_signals"] == 2
    assert [note.detail for note in world.notes("repeated_signal")] == ["peer 5", "peer 4"]


HOLES: dict[str, tuple[Frame, str]] = {
    "entry": (signal(9, after=7), "entry 9 follows 7, and 5 was the last to arrive"),
    "pong": (Pong(position=7), "everything up to 7 was sent, and 5 was the last to arrive"),
    "accepted": (Accepted(serial=0, position=7), "everything up to 7 was sent, and 5 was the last to arrive"),
}


@pytest.mark.parametrize("kind", HOLES)
def test_r05_a_hole_drops_the_transport_and_nothing_behind_it_is_told(kind: str) -> None:
    """R04, R05: filtered entries are no hole; a missing one is: retryable, and the log is read on from what was handled."""
    world = CoreWorld().online(position=3)
    world.receive(signal(5, after=3))
    frame, detail = HOLES[kind]
    world.receive(frame, signal(10, after=9))
    assert world.notices(Reconnecting)[0].reason is Reason.HOLE
    assert world.notices(Reconnecting)[0].detail == detail
    assert world.core.counts["holes"] == 1
    assert [notice.signal.position for notice in world.notices(SignalReceived)] == [5]
    world.wake()
    world.opened()
    claim = world.sent(frames.Join)[-1].resume
    assert claim is not None
    assert claim.position == 3


def test_positions_of_what_arrived_are_no_hole() -> None:
    world = CoreWorld().online(position=3)
    world.receive(signal(5, after=3), Pong(position=5), Accepted(serial=0, position=5), Pong(position=2), signal(9, after=5))
    assert place(world) == ("online", None)


def test_a_hole_while_leaving_is_nobodys_business() -> None:
    """What is behind it is not told either."""
    world = reach(CoreWorld(), "closing")
    world.receive(signal(9, after=7), Pong(position=7))
    assert world.role == "closing"
    assert world.notices(SignalReceived) == []
    assert world.core.counts["holes"] == 0


@pytest.mark.parametrize("data", [b"{", b"", b"[" * 200_000])
def test_data_that_is_not_json_drops_the_transport_once(data: bytes) -> None:
    """The entry is not read again after the return, or the loss would never end."""
    world = CoreWorld().online()
    world.receive(signal(1), msgspec.structs.replace(signal(2), data=msgspec.Raw(data)))
    assert is_broken(world, "the data of entry 2 is not JSON")
    world.resume(signal(2), signal(3), position=3)
    assert [notice.signal.position for notice in world.notices(SignalReceived)] == [1, 3]
    assert place(world) == ("online", None)


# -- answers, farewells and signs of life --------------------------------------------------------------------------------------


def request(world: CoreWorld, frame: Frame) -> None:
    world.feed(RequestMade(at=world.now, frame=frame))


def test_requests_are_answered_once() -> None:
    """Done gives the value, Failed the hub's code and words; an answer to nothing is counted."""
    world = CoreWorld().online()
    request(world, Kick(request=1, connection="c-ann"))
    request(world, Mute(request=2, stream="s-1"))
    world.receive(Done(request=1), Failed(request=2, code=RejectCode.FORBIDDEN, detail="a publisher may not mute"))
    assert world.answers[1] == Answer(request=1)
    error = world.answers[2].error
    assert isinstance(error, RequestFailed)
    assert str(error).startswith("mute failed: a publisher may not mute; ")
    assert (error.code, error.possibly_sent) == (RejectCode.FORBIDDEN, False)
    world.receive(Done(request=1), Failed(request=2, code=RejectCode.INVALID))
    assert world.core.counts["late_answers"] == 2
    assert world.order == []


def test_a_request_that_was_not_sent_says_why() -> None:
    world = reach(CoreWorld(), "recovering", "waiting")
    request(world, Kick(request=1, connection="c-ann"))
    assert str(world.answers[1].error) == "kick failed: the session is reconnecting.waiting"


def test_a_request_that_is_open_at_the_end_fails_with_the_reason() -> None:
    """Kicked before the answer came: it may have been done."""
    world = CoreWorld().online()
    request(world, Kick(request=1, connection="c-ann"))
    world.receive(Refused(code=Reason.KICKED))
    error = world.answers[1].error
    assert isinstance(error, RequestFailed)
    assert (error.code, error.possibly_sent) == (Reason.KICKED, True)


def test_a_want_that_is_granted_without_a_stream_is_asked_for_again() -> None:
    """Its caller would wait for ever."""
    world = CoreWorld().online()
    key = world.publish(1)
    world.receive(Done(request=1))
    assert is_broken(world, "a want is granted without a stream")
    world.wake()
    world.opened()
    assert [want.key for want in world.sent(frames.Join)[-1].wants] == [key]
    world.accept_again(answers=(WantAnswer(key=key, code=RejectCode.LIMIT),))
    assert world.answers[1].error is not None


@pytest.mark.parametrize("where", ["joining", "online", "closing"])
def test_a_ping_is_answered_with_what_was_received(where: str) -> None:
    world = CoreWorld().online(position=4)
    if where == "joining":
        world.lose()
        world.wake()
        world.opened()
    elif where == "closing":
        world.disconnect()
    world.receive(Ping(position=4))
    assert world.wire[-1] == Pong(position=4)


@pytest.mark.parametrize("where", ["joining", "online"])
def test_the_hub_goes_away(where: str) -> None:
    """D01 (the client's side): a loss with that retry_after; what the hub judged before is settled."""
    world = CoreWorld().online()
    world.submit()
    if where == "joining":
        world.lose()
        world.wake()
        world.opened()
        world.receive(GoingAway(retry_after=3.0))
    else:
        world.receive(Accepted(serial=1, position=0), GoingAway(retry_after=3.0))
        assert world.outcomes[1].delivered
    assert place(world) == ("recovering", "waiting")
    assert world.script.asked[-1].cause.retry_after == 3.0
    assert world.script.asked[-1].cause.reason is Reason.GOING_AWAY


def test_a_hub_that_says_goodbye_ends_the_session() -> None:
    world = CoreWorld().online()
    world.receive(Goodbye())
    assert is_over(world, Reason.SESSION_ENDED)
    assert world.notices(Disconnected)[0].detail == "the hub said goodbye"


def test_while_leaving_judgements_and_signals_still_count() -> None:
    """Everything that the hub reads before the goodbye has its outcome."""
    world = CoreWorld().online()
    world.submit()
    world.disconnect()
    world.receive(signal(1), Accepted(serial=1, position=1))
    assert world.outcomes[1].delivered
    assert [notice.signal.position for notice in world.notices(SignalReceived)] == [1]
    world.receive(Entry(position=2, after=1, what=EntryKind.JOINED, member=Member(connection="c-ann", client_id="ann")))
    assert world.order == ["connection_created"]


def test_every_frame_of_a_hub_has_its_place() -> None:
    """What is written twice is equal: the frames that a hub sends, and those that a session reads in some phase."""
    arrivals = CoreWorld().core._arrivals
    assert arrivals._joining.keys() | arrivals._accepted.keys() == set(get_args(frames.FromHub))
