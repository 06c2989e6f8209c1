"""How much an outbox holds, and what happens to a signal that finds it full."""

from __future__ import annotations

from enum import StrEnum

from reconnect import limits
from reconnect.record import Record


class Overflow(StrEnum):
    """What happens to a signal that finds the outbox full."""

    RAISE = "raise"
    DROP_OLDEST = "drop_oldest"
    DROP_NEWEST = "drop_newest"
    WAIT = "wait"  # raises as well; `signal_when_room()` is for who would rather wait


class OutboxBounds(Record, kw_only=True):
    """How much an outbox holds, and what happens beyond it. `in_flight` bounds what is sent and unjudged."""

    signals: int = limits.OUTBOX_SIGNALS
    size: int = limits.OUTBOX_BYTES
    in_flight: int = limits.IN_FLIGHT
    overflow: Overflow = Overflow.RAISE
