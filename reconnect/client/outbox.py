"""The user's side of an outbox: its bounds, its policy, its sender and its store."""

from __future__ import annotations

import secrets
import time

from reconnect import limits
from reconnect.core.outbox import OutboxBounds, Overflow
from reconnect.core.submission import check_text
from reconnect.errors import BadArgument
from reconnect.ports import OutboxStore
from reconnect.store import MemoryOutboxStore


class Outbox:
    """Where signals wait that have no outcome yet; one for each Session.

    At most `max_signals` signals and `max_bytes` bytes of type and data (as JSON) are held. `overflow` says what happens to a
    signal that finds it full: `raise` OutboxFull, `drop_oldest` (of those not sent yet; where all were sent, the newest),
    `drop_newest`, or `wait`, which raises too and means that the caller awaits `session.wait_room()` first. `in_flight` bounds
    what is sent and not judged yet. `sender` is the random id by which hubs and receivers recognise repeats; it is made here, for
    life. A program that starts again may give the `sender` of its former life: its old place at the hub is then replaced at once,
    and its serials begin at the time of day in milliseconds, above those of that life.
    """

    def __init__(
        self,
        *,
        max_signals: int = limits.OUTBOX_SIGNALS,
        max_bytes: int = limits.OUTBOX_BYTES,
        overflow: str = Overflow.RAISE,
        in_flight: int = limits.IN_FLIGHT,
        sender: str | None = None,
    ) -> None:
        if overflow not in list(Overflow):
            raise BadArgument(f"overflow {overflow!r} is no policy; use one of {', '.join(Overflow)}")
        for name, value in (("max_signals", max_signals), ("max_bytes", max_bytes), ("in_flight", in_flight)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise BadArgument(f"{name} is {value!r}; give a whole number, at least 1")
        self.bounds = OutboxBounds(signals=max_signals, size=max_bytes, in_flight=in_flight, overflow=Overflow(overflow))
        if sender is not None:
            check_text(sender, "sender", "the id of this outbox", limits.NAME_CHARACTERS)
        self.sender = sender if sender is not None else secrets.token_hex(16)
        self.first_serial = 1 if sender is None else int(1_000 * time.time())
        self.store: OutboxStore = MemoryOutboxStore()
        self._taken = False

    def __repr__(self) -> str:
        return f"<Outbox {self.sender[:8]} max_signals={self.bounds.signals} overflow={self.bounds.overflow}>"

    def take(self) -> None:
        """Give this outbox to a session; two sessions would mix up their serials."""
        if self._taken:
            raise BadArgument("this Outbox belongs to another Session; make one Outbox for each Session")
        self._taken = True
