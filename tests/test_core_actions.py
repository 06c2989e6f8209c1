"""What a session does on the chart's word: claims, resumes, replaces, catches up, gives credit, and says what it missed."""

from __future__ import annotations

import pytest

from reconnect.core.actions import Actions
from reconnect.core.effects import Note, Notify
from reconnect.core.frames import (
    Accepted,
    Entry,
    EntryKind,
    Gap,
    Handled,
    Join,
    Limits,
    Member,
    Ping,
    Program,
    Rejection,
    ResumeClaim,
    SendSignal,
    Snapshot,
    Stream,
)
from reconnect.core.inputs import HandledUpTo, Slept
from reconnect.core.notices import Disconnected, Reconnected, Reconnecting, SignalReceived
from reconnect.reasons import Cause, OutcomeStatus, Reason, RejectCode, ResumeRefusal
from tests.core_world import LIMITS, CoreWorld, signal
from tests.laws.behaviours import DENIED, PATIENT, is_over, reach

ANN = Member(connection="c-ann", client_id="ann")
BOB = Member(connection="c-bob", client_id="bob")
FILM = Stream(id="c-bob.3", number=3, name="film", connection="c-bob")


def handle(world: CoreWorld, position: int) -> None:
    """The application took over everything up to a position."""
    world.feed(HandledUpTo(at=world.now, position=position))


def positions(world: CoreWorld) -> list[int]:
    """Return the positions of the signals that were told."""
    return [notice.signal.position for notice in world.notices(SignalReceived)]


def returned(world: CoreWorld) -> Reconnected:
    """Return the last return that was told."""
    return world.notices(Reconnected)[-1]


# -- the join ------------------------------------------------------------------------------------------------------------------


def test_r01_a_join_says_who_one_is_and_what_one_claims() -> None:
    """R01: connection, secret, and what the application handled; not what merely arrived. No token ever enters the core."""
    world = CoreWorld(client_name="robot", client_version="7")
    world.online(position=10)
    world.receive(signal(11), signal(12), signal(13))
    handle(world, 12)
    world.submit()
    world.lose()
    world.wake()
    world.opened()
    first, second = world.sent(Join)
    assert (first.resume, first.settled) == (None, 0)
    assert second == Join(
        token="", session="room-1", sender="me", settled=0, client=Program(name="robot", version="7"),
        resume=ResumeClaim(connection="c1", secret="s1", epoch="e1", position=12),
    )  # fmt: skip


def test_a_join_says_up_to_which_serial_outcomes_are_known() -> None:
    """So that the hub need not remember refusals for ever."""
    world = CoreWorld().online()
    world.submit()
    world.submit()
    world.lose()
    world.resume(accepted=2)
    world.lose()
    world.wake()
    world.opened()
    assert world.sent(Join)[-1].settled == 2


def test_r08_a_position_of_zero_and_a_long_idle_session_are_claimed_too() -> None:
    """R08: nothing received yet, or nothing for a day: a position is a counter, not a look-up."""
    world = CoreWorld().online(heartbeat=PATIENT)
    world.now += 86_400.0
    world.lose()
    world.resume()
    claim = world.sent(Join)[-1].resume
    assert claim == ResumeClaim(connection="c1", secret="s1", epoch="e1", position=0)
    assert returned(world).resumed


def test_r16_k08_epoch_and_position_are_replaced_as_a_pair() -> None:
    """R16, K08: a hub that restarted cannot resume; its new connection counts anew, and the old claim is gone."""
    world = CoreWorld().online(position=10)
    world.receive(signal(11))
    handle(world, 11)
    world.lose()
    world.wake()
    world.join(connection="c2", secret="s2", epoch="e2", position=3, not_resumed=ResumeRefusal.UNKNOWN_CONNECTION)
    assert returned(world) == Reconnected(
        at=world.now, reason=Reason.CLOSED, attempt=1, elapsed=1.0, resumed=False, connection="c2",
        gap=Gap(epoch="e1", first=12), not_resumed=ResumeRefusal.UNKNOWN_CONNECTION,
    )  # fmt: skip
    world.receive(signal(4))
    world.lose()
    world.wake()
    world.opened()
    assert world.sent(Join)[-1].resume == ResumeClaim(connection="c2", secret="s2", epoch="e2", position=3)


def test_r02_each_resume_brings_a_new_secret() -> None:
    """R02: taken at the welcome; a welcome that never came leaves the old one."""
    world = CoreWorld().online()
    world.lose()
    world.resume(secret="s2")
    world.lose()
    world.wake()
    world.opened()
    world.lose()
    world.wake()
    world.opened()
    claims = [join.resume for join in world.sent(Join)]
    assert [claim.secret if claim else None for claim in claims] == [None, "s1", "s2", "s2"]


# -- gaps and snapshots --------------------------------------------------------------------------------------------------------


def test_r07_what_was_missed_comes_after_reconnected_in_order() -> None:
    """R07: replayed behind the welcome, also in the same message; what arrived and was not handled comes again, untold."""
    world = CoreWorld().online()
    world.receive(signal(1), signal(2))
    handle(world, 1)
    world.lose()
    world.resume(signal(2), signal(3), signal(4), position=4)
    assert world.order == ["reconnected", "signal", "signal"]
    world.receive(signal(5))
    assert positions(world) == [1, 2, 3, 4, 5]
    assert (returned(world).resumed, returned(world).gap) == (True, None)


def test_r05_resumed_with_a_gap_keeps_the_connection_and_tells_what_is_missing() -> None:
    """R05: the gap is told with `reconnected`, a snapshot replaces what was missed, and reading goes on behind it."""
    world = CoreWorld().online()
    world.receive(Entry(position=1, after=0, what=EntryKind.JOINED, member=ANN), signal(2))
    serial = world.submit()
    world.lose()
    snapshot = Snapshot(page=0, members=(BOB,), streams=(FILM,))
    world.resume(snapshot, signal(41, after=40), position=40, gap=Gap(epoch="e1", first=1, last=38), snapshot_pages=1, accepted=0)
    assert world.order == ["reconnected", "connection_destroyed", "connection_created", "stream_created", "signal"]
    assert returned(world).resumed
    assert returned(world).gap == Gap(epoch="e1", first=3, last=38), "what had arrived is not missing"
    assert returned(world).connection == "c1"
    assert [frame.serial for frame in world.sent(SendSignal)] == [serial, serial]
    handle(world, 41)
    world.lose()
    world.wake()
    world.opened()
    assert world.sent(Join)[-1].resume == ResumeClaim(connection="c1", secret="s1'", epoch="e1", position=41)


@pytest.mark.parametrize("position", [3, 5])
def test_r05_what_arrived_and_was_not_handled_is_no_gap(position: int) -> None:
    """R05: the hub counts from what was handled; a snapshot from before the last arrival would undo what it told."""
    world = CoreWorld().online()
    world.receive(signal(1), signal(2), signal(3), signal(4))
    world.receive(Entry(position=5, after=4, what=EntryKind.JOINED, member=BOB))
    world.lose()
    world.resume(Snapshot(page=0), signal(6), position=position, gap=Gap(epoch="e1", first=1, last=3), snapshot_pages=1)
    assert world.order == ["reconnected", "signal"]
    assert returned(world).gap is None
    assert list(world.core.at.roster.members) == ["c-bob"]
    assert positions(world) == [1, 2, 3, 4, 6]


def test_r05_a_gap_of_nothing_that_is_for_us_is_none() -> None:
    """R05: the snapshot is news and the gap is not: all that was trimmed had arrived."""
    world = CoreWorld().online()
    world.receive(signal(1), signal(2))
    world.lose()
    world.resume(Snapshot(page=0, members=(BOB,)), position=9, gap=Gap(epoch="e1", first=1, last=2), snapshot_pages=1)
    assert returned(world).gap is None
    assert world.order == ["reconnected", "connection_created"]
    assert world.core.at.inbox.received == 9


def test_a_snapshot_without_a_gap_is_news_all_the_same() -> None:
    world = CoreWorld().online()
    world.lose()
    world.resume(Snapshot(page=0, members=(BOB,)), position=9, snapshot_pages=1)
    assert returned(world).gap is None
    assert world.order == ["reconnected", "connection_created"]


def test_a_gap_without_an_end_is_told_from_where_it_begins() -> None:
    world = CoreWorld().online()
    world.receive(signal(1))
    world.lose()
    world.resume(Snapshot(page=0), position=9, gap=Gap(epoch="e1", first=1), snapshot_pages=1)
    assert returned(world).gap == Gap(epoch="e1", first=2)


@pytest.mark.parametrize(("position", "gap"), [(6, Gap(epoch="e1", first=3, last=6)), (2, None)])
def test_r03_a_new_connection_in_the_same_life_tells_what_lies_between(position: int, gap: Gap | None) -> None:
    """R03: from what had arrived to the new connection's beginning, once; nothing where nothing lies between."""
    world = CoreWorld().online()
    world.receive(signal(1), signal(2))
    world.lose()
    world.wake()
    world.join(connection="c2", position=position)
    assert (returned(world).resumed, returned(world).gap) == (False, gap)
    assert world.core.at.episode.last_error == Cause(reason=Reason.NOT_RESUMED), "the hub did not say why"
    world.receive(signal(7, after=position))
    assert positions(world) == [1, 2, 7]


def test_p05_a_new_connection_without_a_page_has_nobody_beside_it() -> None:
    """P05: no ghosts, also where the hub has nothing to tell."""
    world = CoreWorld().online()
    world.receive(
        Entry(position=1, after=0, what=EntryKind.JOINED, member=BOB),
        Entry(position=2, after=1, what=EntryKind.PUBLISHED, stream=FILM),
    )
    world.lose()
    world.wake()
    world.join(connection="c2", epoch="e2")
    assert world.order == ["reconnected", "stream_destroyed", "connection_destroyed"]


def test_p05_nobody_is_known_any_more_after_the_end() -> None:
    """P05: a new connect() tells everybody anew, and none who is not there."""
    world = CoreWorld().online()
    world.receive(
        Entry(position=1, after=0, what=EntryKind.JOINED, member=BOB),
        Entry(position=2, after=1, what=EntryKind.PUBLISHED, stream=FILM),
    )
    world.disconnect()
    world.lose()
    assert (world.core.at.roster.members, world.core.at.roster.streams) == ({}, {})
    world.connect()
    world.join(Snapshot(page=0, members=(BOB,)), snapshot_pages=1)
    assert world.order == ["connected", "connection_created"]


def test_a_first_connect_has_no_gap() -> None:
    """However long the log is: nothing was promised from before."""
    world = CoreWorld().online(position=1_000)
    world.disconnect()
    world.lose()
    world.online(position=5_000, epoch="e7")
    world.lose()
    world.resume()
    assert returned(world).gap is None


# -- what is told --------------------------------------------------------------------------------------------------------------


def test_s13_a_fallback_to_a_new_connection_is_the_same_outage() -> None:
    """S13: one `reconnecting`, one `reconnected`, with resumed=False and the outage's length."""
    world = CoreWorld().online()
    world.lose(Reason.SILENT)
    world.wake()
    world.script.then = 3.0
    world.lose()
    world.wake()
    world.join(connection="c2")
    assert world.told == ["connected", "reconnecting", "reconnected"]
    assert (returned(world).reason, returned(world).attempt, returned(world).elapsed) == (Reason.SILENT, 2, 4.0)


def test_disconnected_says_how_far_it_came() -> None:
    """From an outage: attempts and its length. From a connected session: neither."""
    world = reach(CoreWorld(), "recovering", "dialing")
    world.disconnect()
    assert world.notices(Disconnected) == [Disconnected(at=world.now, reason=Reason.CLIENT_DISCONNECTED, attempt=1, elapsed=1.0)]
    assert world.notices(Reconnecting)[0].elapsed == 0.0


def test_no_reason_that_the_hub_gives_while_one_leaves_replaces_the_own() -> None:
    world = CoreWorld().online()
    serial = world.submit()
    world.disconnect()
    world.lose(Reason.SILENT)
    assert is_over(world, Reason.CLIENT_DISCONNECTED)
    assert world.outcomes[serial].reason is Reason.CLIENT_DISCONNECTED
    assert world.outcomes[serial].possibly_sent


def test_the_audit_of_a_loss_that_ends_a_living_session_counts_no_attempts() -> None:
    """S03: the attempts of an outage that is over are not those of this end."""
    world = reach(CoreWorld(), "recovering", "dialing")
    world.lose()
    world.resume()
    world.lose(DENIED)
    note = next(effect for effect in world.turn if isinstance(effect, Note))
    assert (note.reason, note.attempt) == (Reason.DENIED, None)
    assert (world.notices(Disconnected)[0].attempt, world.notices(Disconnected)[0].elapsed) == (0, 0.0)


def test_refusals_are_settled_before_what_was_taken() -> None:
    """A lost answer never turns into `delivered`, and all is settled before anything is told."""
    world = CoreWorld().online()
    for _ in range(3):
        world.submit()
    world.lose()
    world.resume(accepted=3, rejected=(Rejection(serial=2, code=RejectCode.FORBIDDEN),))
    assert [outcome.status for _, outcome in sorted(world.outcomes.items())] == [
        OutcomeStatus.DELIVERED, OutcomeStatus.REJECTED, OutcomeStatus.DELIVERED,
    ]  # fmt: skip
    kinds = [type(effect).__name__ for effect in world.turn]
    assert kinds.index("Notify") > max(index for index, kind in enumerate(kinds) if kind == "Settle")


def test_q05_a_new_connection_repeats_what_opted_in_and_says_so() -> None:
    """Q05, Q14: also to a hub that says what it judged, for it may be another life of it."""
    world = CoreWorld().online()
    kept, worthless = world.submit(), world.submit(keep=False)
    world.lose()
    world.wake()
    world.join(connection="c2", epoch="e2", accepted=0)
    assert [(frame.serial, frame.repeat) for frame in world.sent(SendSignal)] == [(1, False), (2, False), (kept, True)]
    outcome = world.outcomes[worthless]
    assert (outcome.status, outcome.reason, outcome.possibly_sent) == (OutcomeStatus.FAILED, Reason.NOT_RESUMED, True)


# -- credit --------------------------------------------------------------------------------------------------------------------


def test_credit_is_given_when_it_is_worth_a_frame() -> None:
    """A quarter of the window at once; what is left goes along with the next ping."""
    world = CoreWorld().online(limits=Limits(message_bytes=1_000, data_bytes=100, window=8))
    for position in range(1, 6):
        world.receive(signal(position))
        handle(world, position)
    assert world.sent(Handled) == [Handled(position=2), Handled(position=4)]
    world.advance(2.0)
    assert world.wire[-2:] == [Handled(position=5), Ping(position=5)]
    world.receive(signal(6))
    world.advance(2.0)
    assert world.wire[-1] == Ping(position=6)
    assert len(world.sent(Handled)) == 3


def test_credit_says_up_to_which_serial_outcomes_are_known() -> None:
    world = CoreWorld().online(limits=Limits(message_bytes=1_000, data_bytes=100, window=1))
    world.submit()
    world.submit()
    world.receive(Accepted(serial=1, position=0), signal(1))
    handle(world, 1)
    assert world.sent(Handled) == [Handled(position=1, settled=1)]


def test_what_is_handled_while_away_is_claimed() -> None:
    """And never more than what arrived, never less than before."""
    world = CoreWorld().online()
    world.receive(signal(1), signal(2))
    world.lose()
    handle(world, 2)
    handle(world, 99)
    handle(world, 1)
    assert world.sent(Handled) == []
    world.wake()
    world.opened()
    claim = world.sent(Join)[-1].resume
    assert claim is not None
    assert claim.position == 2


def test_b17_a_probe_carries_the_credit() -> None:
    """B17: a hub that withholds entries for want of credit answers a probe all the same."""
    world = CoreWorld().online(limits=LIMITS)
    world.receive(signal(1))
    handle(world, 1)
    world.feed(Slept(at=world.now, seconds=20.0))
    assert world.wire[-2:] == [Handled(position=1), Ping(position=1)]


def test_the_table_of_actions_is_complete() -> None:
    """Each action that may stand in a chart is a method."""
    assert all(hasattr(Actions, f"_{name}") for name in Actions.names())
    assert any(isinstance(effect, Notify) for effect in CoreWorld().online().effects)
