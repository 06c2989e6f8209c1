"""The ledger of the demo, on histories written by hand: what is wrong is found, and what is right balances."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconnect.cli.ledger import Ledger

MEMBERS = ("anna", "ben")


class History:
    """A ledger, and short words to write one."""

    def __init__(self) -> None:
        self.ledger = Ledger(members=MEMBERS)

    def sent(self, sender: str, *numbers: int, waits: bool = True, away: bool = False) -> None:
        for number in numbers:
            self.ledger.note_sent(sender, number, waits=waits, away=away)

    def ended(self, sender: str, status: str, *numbers: int, possibly_sent: bool = False) -> None:
        for number in numbers:
            self.ledger.note_outcome(sender, number, status, possibly_sent=possibly_sent)

    def seen(self, receiver: str, sender: str, *numbers: int) -> None:
        for number in numbers:
            self.ledger.note_seen(receiver, sender, number)


def good() -> History:
    """Anna sends five; one was dropped in an outage, one expired."""
    history = History()
    history.sent("anna", 0, 1, 2)
    history.sent("anna", 3, waits=False, away=True)
    history.sent("anna", 4)
    history.ended("anna", "delivered", 0, 1, 2)
    history.ended("anna", "dropped", 3)
    history.ended("anna", "expired", 4)
    for receiver in MEMBERS:
        history.seen(receiver, "anna", 0, 1, 2)
    return history


def wrong(ledger: Ledger) -> dict[str, int]:
    """Return everything that does not add up."""
    counts = {
        "lost": ledger.lost,
        "duplicated": ledger.duplicated,
        "out_of_order": ledger.out_of_order,
        "phantoms": ledger.phantoms,
        "unaccounted": ledger.unaccounted,
        "contradictions": len(ledger.contradictions),
    }
    return {name: count for name, count in counts.items() if count}


def test_a_good_history_balances() -> None:
    ledger = good().ledger
    assert (wrong(ledger), ledger.balances) == ({}, True)
    assert (ledger.missing, ledger.unsettled) == ([], [])
    assert ledger.by_status == {"delivered": 3, "dropped": 1, "expired": 1}
    assert ledger.while_away == {("anna", 3)}


def test_a_failed_signal_may_have_been_seen_if_its_outcome_says_so() -> None:
    history = good()
    history.sent("anna", 5, 6)
    history.ended("anna", "failed", 5, 6, possibly_sent=True)
    history.seen("ben", "anna", 5)
    assert history.ledger.balances


def test_two_senders_have_an_order_of_their_own() -> None:
    history = good()
    history.sent("ben", 0, 1)
    history.ended("ben", "delivered", 0, 1)
    for receiver in MEMBERS:
        history.seen(receiver, "ben", 0, 1)
    assert history.ledger.balances


def lost(history: History) -> None:
    history.sent("anna", 5)
    history.ended("anna", "delivered", 5)
    history.seen("anna", "anna", 5)


def lost_twice(history: History) -> None:
    history.sent("anna", 5)
    history.ended("anna", "delivered", 5)


def unsettled(history: History) -> None:
    history.sent("anna", 5)


def duplicated(history: History) -> None:
    history.seen("ben", "anna", 2)


def duplicated_early(history: History) -> None:
    history.seen("ben", "anna", 0)


def swapped(history: History) -> None:
    history.sent("anna", 5, 6)
    history.ended("anna", "delivered", 5, 6)
    history.seen("anna", "anna", 5, 6)
    history.seen("ben", "anna", 6, 5)


def never_sent(history: History) -> None:
    history.seen("ben", "anna", 99)


def dropped_and_seen(history: History) -> None:
    history.seen("ben", "anna", 3)


def expired_and_seen(history: History) -> None:
    history.seen("ben", "anna", 4)


def rejected_and_seen(history: History) -> None:
    history.sent("anna", 5)
    history.ended("anna", "rejected", 5)
    history.seen("ben", "anna", 5)


def failed_for_certain_and_seen(history: History) -> None:
    history.sent("anna", 5)
    history.ended("anna", "failed", 5)
    history.seen("ben", "anna", 5)


def two_outcomes(history: History) -> None:
    history.ended("anna", "delivered", 4)
    for receiver in MEMBERS:
        history.seen(receiver, "anna", 4)


def outcome_of_nothing(history: History) -> None:
    history.ended("anna", "expired", 77)


def opted_out_and_delivered(history: History) -> None:
    history.sent("anna", 5, waits=False, away=True)
    history.ended("anna", "delivered", 5)
    for receiver in MEMBERS:
        history.seen(receiver, "anna", 5)


def opted_out_and_forgotten(history: History) -> None:
    history.sent("anna", 5, waits=False, away=True)


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        (lost, {"lost": 1}),
        (lost_twice, {"lost": 2}),
        (unsettled, {"lost": 1}),
        (duplicated, {"duplicated": 1}),
        (duplicated_early, {"duplicated": 1, "out_of_order": 1}),
        (swapped, {"out_of_order": 1}),
        (never_sent, {"phantoms": 1}),
        (dropped_and_seen, {"phantoms": 1}),
        (expired_and_seen, {"phantoms": 1}),
        (rejected_and_seen, {"phantoms": 1}),
        (failed_for_certain_and_seen, {"phantoms": 1}),
        (two_outcomes, {"contradictions": 1}),
        (outcome_of_nothing, {"contradictions": 1}),
        (opted_out_and_delivered, {"unaccounted": 1}),
        (opted_out_and_forgotten, {"lost": 1, "unaccounted": 1}),
    ],
)
def test_what_is_wrong_is_found(mistake: Callable[[History], None], found: dict[str, int]) -> None:
    history = good()
    mistake(history)
    assert (wrong(history.ledger), history.ledger.balances) == (found, False)


def test_a_receiver_that_saw_nothing_at_all_missed_everything() -> None:
    history = History()
    history.sent("anna", 0, 1)
    history.ended("anna", "delivered", 0, 1)
    history.seen("anna", "anna", 0, 1)
    assert history.ledger.missing == [("ben", "anna", 0), ("ben", "anna", 1)]
    assert not history.ledger.balances


def test_what_is_contradictory_is_named() -> None:
    history = good()
    two_outcomes(history)
    outcome_of_nothing(history)
    assert history.ledger.contradictions == [
        "anna 4: two outcomes, expired and delivered",
        "anna 77: an outcome, and it was not sent",
    ]


def test_a_history_in_which_nothing_was_sent_proves_nothing() -> None:
    assert not History().ledger.balances


def test_what_is_printed() -> None:
    ledger = good().ledger
    ledger.outages, ledger.audits = 4, ["/tmp/anna.jsonl", "/tmp/ben.jsonl"]
    ledger.frames_sent, ledger.frames_refused, ledger.frames_seen = 10, 2, 9
    ledger.events.append({"at": 0.5, "who": "anna", "event": "connected"})
    assert ledger.as_json() == {
        "balances": True,
        "sent": 5,
        "delivered": 3,
        "rejected": 0,
        "expired": 1,
        "dropped": 1,
        "cancelled": 0,
        "failed": 0,
        "written": 0,
        "lost": 0,
        "duplicated": 0,
        "out_of_order": 0,
        "phantoms": 0,
        "opted_out_while_away": 1,
        "opted_out_unaccounted": 0,
        "contradictions": [],
        "outages": 4,
        "frames": {"sent": 10, "refused_while_interrupted": 2, "seen": 9},
        "events": [{"at": 0.5, "who": "anna", "event": "connected"}],
        "audit": "/tmp/anna.jsonl",
        "audits": ["/tmp/anna.jsonl", "/tmp/ben.jsonl"],
    }
    assert Ledger().as_json()["audit"] is None
