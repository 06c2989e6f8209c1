"""The inbox: how far a member got in the log, and which signals it has seen."""

from __future__ import annotations

from reconnect.core.inbox import Inbox
from tests.core_world import signal


def test_positions_count_up_and_repeats_are_dropped() -> None:
    """R06: what was received is not taken twice."""
    inbox = Inbox()
    assert inbox.take(signal(3))
    assert not inbox.take(signal(3))
    assert not inbox.take(signal(2))
    assert inbox.take(signal(7))
    assert inbox.received == 7


def test_r16_epoch_and_position_are_replaced_as_a_pair() -> None:
    """R16: all marks count in one life of the log."""
    inbox = Inbox()
    inbox.restart("epoch-one", 10)
    inbox.take(signal(12))
    assert (inbox.epoch, inbox.received, inbox.handled, inbox.credited) == ("epoch-one", 12, 10, 10)
    inbox.restart("e2", 3)
    assert (inbox.epoch, inbox.received, inbox.handled, inbox.credited) == ("e2", 3, 3, 3)


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
    assert inbox.is_repeat("ann", 4)
    assert not inbox.is_repeat("ann", 6)


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
