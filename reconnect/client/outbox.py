"""The user's side of an outbox: its bounds, its policy, its sender, and its file if it has one."""

from __future__ import annotations

import os
import secrets
import time
import weakref
from typing import TYPE_CHECKING

from reconnect import limits
from reconnect.core.bounds import OutboxBounds, Overflow
from reconnect.core.submission import check_text
from reconnect.errors import BadArgument
from reconnect.ports import Clock, OutboxStore
from reconnect.store import Durability, MemoryOutboxStore

if TYPE_CHECKING:
    from reconnect.audit import Auditor
    from reconnect.chart import Statechart
    from reconnect.client.keeping import Keeping
    from reconnect.client.receipt import Receipt
    from reconnect.driver import Driver
    from reconnect.store.held import Held


class Outbox:
    """Where signals wait that have no outcome yet; one for each Session.

    With a `path` they wait in a file, and outlive the process: what was not delivered goes on in the next one, in order and with
    the same serials. `durability` says what a signal survives once `await receipt.stored` returned: `full` also a power cut,
    `process` the end of the process alone, for which nobody waits for the disk. Without a path it is `memory`.

    At most `max_signals` signals and `max_bytes` bytes of type and data (as JSON) are held. `overflow` says what happens to a
    signal that finds it full: `raise` OutboxFull, `drop_oldest` (of those not sent yet; where all were sent, the newest),
    `drop_newest`, or `wait`, which raises too and means that the caller awaits `session.signal_when_room()`. `in_flight` bounds
    what is sent and not judged yet. `sender` is the random id by which hubs and receivers recognise repeats; it is made here, for
    life, and a file keeps it. A program without a file that starts again may give the `sender` of its former life: its old place
    at the hub is then replaced at once, and its serials begin at the time of day in milliseconds, above those of that life.

    Raises BadArgument, and for a file OutboxInUse, OutboxUnreadable or OutboxFailed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        durability: str = Durability.FULL,
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
        self._taken = False
        self._keeping: Keeping | None = None
        self.store: OutboxStore
        if path is None:
            self.durability = Durability.MEMORY
            self.store = MemoryOutboxStore()
            self.sender = sender if sender is not None else secrets.token_hex(16)
            self.first_serial = 1 if sender is None else int(1_000 * time.time())
        else:
            if sender is not None:
                raise BadArgument("the file of an outbox has a sender of its own; give either a path or a sender")
            self.durability = _promise(durability)
            self._open(path)

    def _open(self, path: str | os.PathLike[str]) -> None:
        from reconnect.client.keeping import Keeping
        from reconnect.store.sqlite import SqliteOutboxStore

        file = SqliteOutboxStore(path, durability=self.durability, signals=self.bounds.signals, size=self.bounds.size)
        self.store = self._keeping = Keeping(file)
        self.sender, self.first_serial = file.sender, file.next_serial
        # A program that ends without close() still has what is queued written, and the file closed.
        self._close = weakref.finalize(self, file.close)

    def __repr__(self) -> str:
        where = "" if self._keeping is None else f" {self._keeping.file.path} {self._keeping.file.state}{self._damage()}"
        return f"<Outbox{where} {self.sender[:8]} max_signals={self.bounds.signals} overflow={self.bounds.overflow}>"

    def _damage(self) -> str:
        """What to say of damage that this opening came upon."""
        found = [] if self._keeping is None else self._keeping.file.found
        return f" damaged_signals={sum(one.lost for one in found)}" if found else ""

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- the file ----------------------------------------------------------------------------------------------------------------

    def pending(self) -> tuple[Held, ...]:
        """Return the signals that the file holds now, in order; none for an outbox in memory. Raises OutboxFailed."""
        return () if self._keeping is None else self._keeping.file.pending()

    def close(self) -> None:
        """Write what is queued and close the file, so that another program may have it. Raises OutboxFailed if that fails.

        Disconnect its session first: outcomes that come later are not written any more.
        """
        if self._keeping is not None:
            self._close.detach()
            self._keeping.file.close()

    async def _wait_stored(self, receipt: Receipt) -> None:
        """Return once a signal is safe on disk; `receipt.stored` is this. Raises OutboxFailed or BadArgument."""
        if self._keeping is None:
            raise BadArgument("this outbox keeps signals in memory alone; one with a file, as Outbox('outbox.db'), stores them")
        await self._keeping.wait_stored(receipt)

    # -- what a session does with it ---------------------------------------------------------------------------------------------

    @property
    def _chart(self) -> Statechart | None:
        """The chart that the file's life follows, None for an outbox in memory."""
        return None if self._keeping is None else self._keeping.file.chart

    def _take(self) -> None:
        """Give this outbox to a session; two sessions would mix up their serials."""
        if self._taken:
            raise BadArgument("this Outbox belongs to another Session; make one Outbox for each Session")
        self._taken = True

    def _attach(self, driver: Driver, auditor: Auditor, clock: Clock) -> None:
        """The session is made: it gets what the file held."""
        if self._keeping is not None:
            self._keeping.attach(driver, auditor, clock)

    def _check_open(self) -> None:
        """Raise OutboxFailed where the file was closed: what is sent then, the file would still hold for the next program."""
        if self._keeping is not None:
            self._keeping.file.check_open()

    def _speak(self) -> None:
        """The session is in use: it hears what befalls the file."""
        if self._keeping is not None:
            self._keeping.speak()


def _promise(durability: object) -> Durability:
    if durability not in (Durability.FULL, Durability.PROCESS):
        raise BadArgument(f"durability is '{Durability.FULL}' or '{Durability.PROCESS}' for a file, and this is {durability!r}")
    return Durability(str(durability))
