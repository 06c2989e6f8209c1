"""The history and its check: each promise that a history breaks is named rightly, and one that keeps them is left in peace."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from reconnect.core import notices
from reconnect.core.frames import Gap, Member, Stream
from reconnect.core.notices import Outcome, Signal
from reconnect.reasons import OutcomeStatus, Reason, RejectCode
from reconnect.testing import Broken, History, Violation, check_history
from reconnect.testing.history import (
    Began,
    Ended,
    Fact,
    Fate,
    Kept,
    Listed,
    Logged,
    Missed,
    Received,
    Sent,
    Settled,
    Submitted,
    Told,
    fate_of,
)


def said(serial: int, *, position: int | None = None, fate: Fate = Fate.OK, who: str = "anna", **fields: Any) -> list[Fact]:
    """Return one signal's whole way into the log, and out of its receipt."""
    place = serial if position is None else position
    return [
        Submitted(who=who, serial=serial, **fields),
        Sent(who=who, serial=serial, generation=1),
        Logged(epoch="e1", position=place, sender=who, serial=serial),
        Settled(who=who, serial=serial, fate=fate),
    ]


def heard(serial: int, *, position: int | None = None, who: str = "ben", sender: str = "anna", epoch: str = "e1") -> Received:
    """Return what a receiver was handed."""
    return Received(who=who, sender=sender, serial=serial, epoch=epoch, position=serial if position is None else position)


def began(who: str = "ben", position: int = 0, epoch: str = "e1") -> Began:
    """Return a receiver's new place."""
    return Began(who=who, connection=f"c-{who}", epoch=epoch, position=position)


def broken(*facts: Fact | list[Fact], over: bool = True) -> list[Broken]:
    """Return what the check names."""
    flat = [one for fact in facts for one in (fact if isinstance(fact, list) else [fact])]
    return [violation.broken for violation in check_history(History(*flat), over=over)]


CONNECTED = Told(who="ben", name="connected")


# -- histories that keep every promise -----------------------------------------------------------------------------------------


def test_a_history_in_which_nothing_happened_breaks_nothing() -> None:
    assert broken() == []


def test_a_history_in_which_all_went_well_breaks_nothing() -> None:
    """A10: two signals, submitted, logged, delivered, received in order."""
    assert broken(began(), CONNECTED, said(1), heard(1), said(2), heard(2)) == []


def test_what_was_told_to_be_missing_is_not_missed() -> None:
    """A10 A8: a gap that was announced excuses what stood in it, and nothing beyond."""
    facts = [began(), *said(1), *said(2), *said(3), Missed(who="ben", epoch="e1", first=1, last=2), heard(3)]
    assert broken(facts) == []
    assert broken(facts[:-1]) == [Broken.SILENT_GAP]


def test_what_was_missing_and_is_sent_again_comes_too_late_for_its_order() -> None:
    """A10: a repeat in another life of the log, of what a gap had covered, is dropped behind a later one of its sender."""
    lost = Missed(who="ben", epoch="e1", first=1, last=1)
    again = Logged(epoch="e2", position=1, sender="anna", serial=1, life=2, repeat=True)
    assert broken(began(), said(1), said(2), lost, heard(2), began(epoch="e2"), again) == []


def test_the_end_of_a_life_of_the_log_is_a_gap_without_an_end() -> None:
    """A10: what follows in the old life is excused by a gap without a last position."""
    read = [began(), *said(1), heard(1), *said(2)]
    assert broken(read, Missed(who="ben", epoch="e1", first=2), began(epoch="e2")) == []
    assert broken(read, began(epoch="e2")) == [Broken.SILENT_GAP]


def test_unknown_is_neither_lost_nor_phantom() -> None:
    """A10 A9: a signal whose end is not known may be in the log or not."""
    assert broken(said(1, fate=Fate.UNKNOWN)) == []
    assert broken(Submitted(who="anna", serial=1), Settled(who="anna", serial=1, fate=Fate.UNKNOWN)) == []


def test_a_signal_for_one_connection_is_missed_by_nobody_else() -> None:
    whisper = [
        Submitted(who="anna", serial=1),
        Logged(epoch="e1", position=1, sender="anna", serial=1, to="c-ben"),
        Settled(who="anna", serial=1, fate=Fate.OK),
    ]
    assert broken(began("carla"), whisper) == []
    assert broken(began("ben"), whisper) == [Broken.SILENT_GAP]


def test_who_left_or_was_killed_reads_no_more() -> None:
    assert broken(began(), CONNECTED, Told(who="ben", name="disconnected"), said(1)) == []
    assert broken(began(), Ended(who="ben"), said(1)) == []


def test_who_was_killed_owes_no_outcome() -> None:
    assert broken(Submitted(who="anna", serial=1), Ended(who="anna")) == []


def test_what_a_disk_kept_is_owed_by_the_process_that_follows() -> None:
    """What was not synced is gone with its process; what was is settled by the next one, or waits for another connect()."""
    both: list[Fact] = [Submitted(who="anna", serial=1), Submitted(who="anna", serial=2)]
    ended = Ended(who="anna", kept=frozenset({1}))
    assert broken(both, ended) == [Broken.NEVER_SETTLED]
    assert broken(both, ended, Settled(who="anna", serial=1, fate=Fate.OK)) == []
    assert broken(both, ended, Kept(who="anna", serial=1)) == []
    assert broken(both, Ended(who="anna.2", sender="anna", kept=frozenset({1, 2}))) == [Broken.NEVER_SETTLED] * 2


def test_an_erasure_that_was_not_synced_comes_back() -> None:
    """Its receipt said one thing, and the process that follows may come to another."""
    refused = [Submitted(who="anna", serial=1), Settled(who="anna", serial=1, fate=Fate.FAILED)]
    again = [Logged(epoch="e1", position=1, sender="anna", serial=1), Settled(who="anna", serial=1, fate=Fate.OK)]
    assert broken(refused, Ended(who="anna", kept=frozenset({1})), again) == []
    assert broken(refused, Ended(who="anna"), again) == [Broken.SETTLED_TWICE, Broken.PHANTOM]


def test_another_life_of_the_hub_may_log_a_signal_again() -> None:
    again = Logged(epoch="e1", position=2, sender="anna", serial=1, life=1, repeat=True)
    assert broken(said(1), again) == []


def test_a_run_that_goes_on_owes_nothing_yet() -> None:
    facts = [began(), Submitted(who="anna", serial=1), *said(2)]
    assert broken(facts, over=False) == []
    assert set(broken(facts)) == {Broken.NEVER_SETTLED, Broken.SILENT_GAP}


# -- histories that break one --------------------------------------------------------------------------------------------------

BROKEN: dict[str, tuple[Broken, list[Fact]]] = {
    "a signal was acknowledged and is in no log": (
        Broken.LOST,
        [*said(1), Submitted(who="anna", serial=2), Settled(who="anna", serial=2, fate=Fate.OK)],
    ),
    "a signal that nobody submitted": (Broken.PHANTOM, [began(), heard(1)]),
    "a signal that was certainly not sent": (Broken.PHANTOM, said(1, fate=Fate.FAILED)),
    "an outcome of what nobody submitted": (Broken.PHANTOM, [Settled(who="anna", serial=1, fate=Fate.UNKNOWN)]),
    "a receiver got it twice": (
        Broken.DUPLICATED,
        [
            began(),
            *said(1),
            heard(1),
            Logged(epoch="e1", position=2, sender="anna", serial=1, life=1, repeat=True),
            heard(1, position=2),
        ],
    ),
    "one life of the hub logged it twice": (
        Broken.DUPLICATED,
        [*said(1), Logged(epoch="e1", position=2, sender="anna", serial=1)],
    ),
    "an earlier one of its sender came later": (
        Broken.REORDERED,
        [began(), *said(1, position=2), *said(2, position=1), heard(2, position=1), heard(1, position=2)],
    ),
    "what was read came again from behind": (
        Broken.STALE,
        [began(), *said(1, position=2, who="carla"), *said(1), heard(1, position=2, sender="carla"), heard(1)],
    ),
    "what opted out was sent again after an outage": (
        Broken.STALE,
        [*said(1, keep=False), Sent(who="anna", serial=1, generation=2)],
    ),
    "what opted out waited through an outage": (
        Broken.STALE,
        [
            Told(who="anna", name="connected"),
            Submitted(who="anna", serial=1, keep=False),
            Told(who="anna", name="reconnecting"),
            Sent(who="anna", serial=1, generation=2),
            Settled(who="anna", serial=1, fate=Fate.UNKNOWN),
        ],
    ),
    "what opted out in an outage was sent": (Broken.STALE, said(1, keep=False, away=True)),
    "what had expired was sent": (
        Broken.STALE,
        [
            Submitted(who="anna", serial=1, expires_at=5.0),
            Sent(at=5.0, who="anna", serial=1, generation=1),
            Settled(who="anna", serial=1, fate=Fate.UNKNOWN),
        ],
    ),
    "a receiver got what is for another connection": (
        Broken.PHANTOM,
        [
            began("carla"),
            Submitted(who="anna", serial=1),
            Logged(epoch="e1", position=1, sender="anna", serial=1, to="c-ben"),
            Settled(who="anna", serial=1, fate=Fate.OK),
            heard(1, who="carla"),
        ],
    ),
    "a receiver got what no log has": (
        Broken.PHANTOM,
        [
            began(),
            *said(1),
            heard(1),
            Submitted(who="anna", serial=2),
            heard(2),
            Settled(who="anna", serial=2, fate=Fate.UNKNOWN),
        ],
    ),
    "a gap was told behind what follows it": (
        Broken.STALE,
        [began(), *said(1), *said(2), heard(2), Missed(who="ben", epoch="e1", first=1, last=1)],
    ),
    "a gap was told twice": (
        Broken.STALE,
        [began(), *said(1), *said(2), *[Missed(who="ben", epoch="e1", first=1, last=1)] * 2, heard(2)],
    ),
    "what was told to be missing came all the same": (
        Broken.STALE,
        [began(), *said(1), *said(2), Missed(who="ben", epoch="e1", first=1, last=1), heard(1), heard(2)],
    ),
    "something was received after the end": (
        Broken.GRAMMAR,
        [began(), CONNECTED, *said(1), Told(who="ben", name="disconnected"), heard(1)],
    ),
    "a hole that was not told of": (Broken.SILENT_GAP, [began(), *said(1), *said(2), heard(2)]),
    "the end of the log never arrived": (Broken.SILENT_GAP, [began(), *said(1), heard(1), *said(2)]),
    "a hole between two places in one log": (
        Broken.SILENT_GAP,
        [began(), *said(1), heard(1), *said(2), began(position=2), *said(3), heard(3)],
    ),
    "two signals at one position": (Broken.TWO_VALUES, [*said(1), *said(1, who="carla", position=1)]),
    "a receiver saw another signal at a position": (
        Broken.TWO_VALUES,
        [began(), *said(1), *said(1, who="carla", position=2), heard(1, sender="carla"), heard(1, position=2)],
    ),
    "an outcome was told twice": (Broken.SETTLED_TWICE, [*said(1), Settled(who="anna", serial=1, fate=Fate.OK)]),
    "an outcome was never told": (Broken.NEVER_SETTLED, [Submitted(who="anna", serial=1)]),
    "reconnected without reconnecting": (Broken.GRAMMAR, [CONNECTED, Told(who="ben", name="reconnected")]),
    "a stream that ends twice": (
        Broken.GRAMMAR,
        [Told(who="ben", name=f"stream_{event}", about="s1") for event in ("created", "destroyed", "destroyed")],
    ),
    "a subscription restored that stood not still": (
        Broken.GRAMMAR,
        [Told(who="ben", name="subscriber.connected", about="k")] * 2,
    ),
    "a stream left as a ghost": (
        Broken.GHOST,
        [
            Listed(who="anna", connection="c1", members=frozenset({"c2"}), publishes=frozenset({"s1"})),
            Listed(who="ben", connection="c2", members=frozenset({"c1"}), streams=frozenset({"s1", "s0"})),
        ],
    ),
    "a member that nobody lists": (
        Broken.UNLISTED,
        [Listed(who="anna", connection="c1"), Listed(who="ben", connection="c2", members=frozenset({"c1"}))],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_named(name: str) -> None:
    """A10: two dozen histories, written by hand, each named rightly and for nothing else."""
    expected, facts = BROKEN[name]
    assert set(broken(facts)) == {expected}, check_history(History(*facts))


def test_every_word_of_the_check_has_a_history() -> None:
    """What only a world can see, no history shows."""
    of_machines = {
        Broken.STUCK, Broken.CRASHED, Broken.REFUSED_REPORT, Broken.PROTOCOL, Broken.ORPHAN_TIMER, Broken.SECOND_TRANSPORT,
        Broken.WRONG_DELAY, Broken.LEFT_OVER, Broken.UNSTORED, Broken.UNBALANCED,
    }  # fmt: skip
    assert {expected for expected, _ in BROKEN.values()} == set(Broken) - of_machines


def test_a_violation_says_what_who_and_why() -> None:
    violation = Violation(broken=Broken.LOST, who="anna", detail="signal 2 was delivered, and no log has it")
    assert str(violation) == "lost (anna): signal 2 was delivered, and no log has it"


# -- noting --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (Outcome(status=OutcomeStatus.DELIVERED), Fate.OK),
        (Outcome(status=OutcomeStatus.REJECTED, code=RejectCode.INVALID), Fate.FAILED),
        (Outcome(status=OutcomeStatus.REJECTED, code=RejectCode.INVALID, possibly_sent=True), Fate.UNKNOWN),
        (Outcome(status=OutcomeStatus.EXPIRED, reason=Reason.TTL), Fate.FAILED),
        (Outcome(status=OutcomeStatus.FAILED, reason=Reason.NOT_RESUMED, possibly_sent=True), Fate.UNKNOWN),
        (Outcome(status=OutcomeStatus.WRITTEN, possibly_sent=True), Fate.UNKNOWN),
    ],
)
def test_what_an_outcome_says_of_a_signal(outcome: Outcome, fate: Fate) -> None:
    """A9: unknown is not failure."""
    assert fate_of(outcome) is fate


MEMBER = Member(connection="c1", client_id="anna")
STREAM = Stream(id="s1", number=1, name="camera", connection="c1")


def test_public_events_become_facts() -> None:
    history = History()
    signal = Signal(type="t", data=1, sender="anna", serial=4, position=9)
    ours = Signal(type="t", data=1, sender="", serial=0, position=10)
    for notice in (
        notices.Connected(at=1.0, connection="c2"),
        notices.SignalReceived(at=2.0, signal=signal),
        notices.SignalReceived(at=2.0, signal=ours),
        notices.StreamCreated(at=3.0, stream=STREAM),
        notices.ConnectionDestroyed(at=3.0, member=MEMBER, reason=Reason.KICKED),
        notices.PublisherLive(at=4.0, key="publish:camera"),
        notices.SubscriberDestroyed(at=4.0, key="subscribe:s1", reason=Reason.KICKED),
        notices.StreamUpdated(at=5.0, stream=STREAM),
        notices.Attempt(at=5.0, reason=Reason.CLOSED, attempt=1, retry_in=1.0, elapsed=0.0),
        notices.Reconnected(
            at=6.0, reason=Reason.CLOSED, attempt=1, elapsed=1.0, resumed=True, connection="c2",
            gap=Gap(epoch="e1", first=3, last=5),
        ),
    ):  # fmt: skip
        history.tell("ben", notice, epoch="e1")
    assert [(type(fact).__name__, *list(msgspec.structs.astuple(fact))[1:]) for fact in history] == [
        ("Told", "ben", "connected", ""),
        ("Received", "ben", "anna", 4, "e1", 9, False),
        ("Received", "ben", "the server in e1", 10, "e1", 10, False),
        ("Told", "ben", "stream_created", "s1"),
        ("Told", "ben", "connection_destroyed", "c1"),
        ("Told", "ben", "publisher.live", "publish:camera"),
        ("Told", "ben", "subscriber.destroyed", "subscribe:s1"),
        ("Missed", "ben", "e1", 3, 5),
        ("Told", "ben", "reconnected", ""),
    ]
    assert len(history) == 9
    assert repr(history) == "<History facts=9>"


def test_a_session_that_is_over_knows_of_nobody() -> None:
    """The next one is told anew of whom and what is there."""
    told = ["connected", "connection_created", "stream_created", "disconnected", "connected", "connection_created"]
    assert broken(*(Told(who="ben", name=name, about="" if "connected" in name else "x") for name in told)) == []
