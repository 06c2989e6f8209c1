"""The inbox: how far a member got in the log, and which signals it has seen."""

from __future__ import annotations

from typing import Any

from reconnect import limits
from reconnect.core.frames import Entry, EntryKind
from reconnect.core.inbox import Inbox


def said(number: int, **fields: Any) -> Entry:
    """A signal of ann's with this serial at this position, unless it is said otherwise."""
    usual: dict[str, Any] = {
        "position": number, "after": number - 1, "serial": number, "sender": "ann", "what": EntryKind.SIGNAL,
    }  # fmt: skip
    return Entry(**{**usual, **fields})


def test_r16_epoch_and_position_are_replaced_as_a_pair() -> None:
    """R16: all marks count in one life of the log."""
    inbox = Inbox()
    inbox.restart("epoch-one", 10)
    inbox.received = 12
    assert (inbox.epoch, inbox.received, inbox.handled, inbox.credited) == ("epoch-one", 12, 10, 10)
    inbox.restart("e2", 3)
    assert (inbox.epoch, inbox.received, inbox.handled, inbox.credited) == ("e2", 3, 3, 3)


def test_what_goes_on_plainly_is_noted_at_once() -> None:
    """The next signals of one sender, each behind the one before; whatever else there is is looked at by itself."""
    inbox = Inbox()
    assert inbox.go_on([said(1), said(2)]) == 0, "nothing is known of this sender yet"
    inbox.is_repeat("ann", 1)
    inbox.received = 1
    assert inbox.go_on([said(2), said(3), said(4)]) == 3
    assert (inbox.received, inbox.is_repeat("ann", 4)) == (4, True)
    others: list[dict[str, Any]] = [
        {"serial": 7}, {"sender": "bob"}, {"sender": None}, {"after": 3}, {"after": 6}, {"position": 4},
        {"what": EntryKind.MUTED},
    ]  # fmt: skip
    for fields in others:
        inbox = Inbox()
        inbox.is_repeat("ann", 4)
        inbox.received = 4
        assert (inbox.go_on([said(5, **fields), said(6)]), inbox.received) == (0, 4), fields
        assert (inbox.go_on([said(5), said(6, **fields)]), inbox.received) == (1, 5), fields


def test_a_snapshot_replaces_what_it_covers() -> None:
    inbox = Inbox()
    inbox.restart("e1", 10)
    inbox.skip_to(40)
    assert (inbox.epoch, inbox.received, inbox.handled, inbox.credited) == ("e1", 40, 40, 40)


def test_a_sender_repeats_itself() -> None:
    """The last serial of each sender is known across connections and lives of the log."""
    inbox = Inbox()
    assert not inbox.is_repeat("ann", 5)
    assert not inbox.is_repeat("bob", 5)
    inbox.restart("e2", 0)
    assert inbox.is_repeat("ann", 5)
    assert not inbox.is_repeat("ann", 6)
    assert inbox.is_repeat("ann", 5)


def test_what_was_passed_over_may_come_late_and_once() -> None:
    """Q05: a hub that forgot everything logs again what its earlier life had refused, behind later ones; it is no repeat."""
    inbox = Inbox()
    for serial in (3, 4, 9):
        assert not inbox.is_repeat("ann", serial)
    assert inbox.is_repeat("ann", 2), "nobody said that it was sent again"
    for serial in (2, 7, 5, 6, 8, 1):
        assert not inbox.is_repeat("ann", serial, True), serial
    for serial in range(1, 10):
        assert inbox.is_repeat("ann", serial, True), serial
    assert not inbox.is_repeat("ann", 10)


def test_so_much_is_remembered_of_what_was_passed_over() -> None:
    """The oldest stretch is given up: what was in it counts as received."""
    inbox = Inbox()
    for serial in range(2, 2 * limits.PASSED_OVER + 4, 2):
        inbox.is_repeat("ann", serial)
    assert inbox.is_repeat("ann", 1, True)
    assert not inbox.is_repeat("ann", 3, True)
    inbox = Inbox()
    inbox.is_repeat("ann", 1_000)
    for serial in range(2, 200, 2):  # each splits a stretch in two
        inbox.is_repeat("ann", serial, True)
    assert inbox.is_repeat("ann", 101, True)
    assert not inbox.is_repeat("ann", 199, True)


def test_who_may_have_been_forgotten_passes_nothing_over() -> None:
    """What a sender that was forgotten had said before could be anything, so nothing of it is taken for news."""
    inbox = Inbox(senders=1)
    inbox.is_repeat("ann", 1)
    inbox.is_repeat("bob", 3)
    assert not inbox.is_repeat("bob", 2, True), "nobody was forgotten when bob came"
    inbox.is_repeat("ann", 5)
    assert inbox.is_repeat("ann", 4, True)


def test_senders_are_remembered_up_to_a_bound() -> None:
    """Whoever signalled longest ago is forgotten first."""
    inbox = Inbox(senders=2)
    for sender in ("ann", "bob", "ann", "carl"):
        inbox.is_repeat(sender, 1)
        inbox.is_repeat(sender, 2)
    inbox = Inbox(senders=2)
    inbox.is_repeat("ann", 1)
    inbox.is_repeat("bob", 1)
    inbox.is_repeat("ann", 2)
    inbox.is_repeat("carl", 1)
    assert inbox.is_repeat("ann", 2)
    assert not inbox.is_repeat("bob", 1)


def test_its_repr_is_one_line() -> None:
    inbox = Inbox()
    inbox.restart("0123456789abcdef", 4)
    assert repr(inbox) == "<Inbox 01234567 received=4 handled=4>"
