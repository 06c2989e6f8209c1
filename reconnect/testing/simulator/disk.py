"""A disk of a simulated machine, for an outbox: what was written is safe once it was synced, and gone with the power before that.

A disk outlives the process that writes to it. `crash()` is the power going off: rows that were not synced vanish, and what was
promised about them is never said. A disk without delay syncs in the same turn.

One that fails refuses what it was to sync, and may have kept it all the same; until it is mended it takes nothing, and then it
forgets first what it refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from random import Random
from typing import Any, Final

from reconnect.errors import OutboxFailed
from reconnect.testing.simulator.timeline import Timeline

MENDED_SECONDS: Final = 5.0  # a disk that failed is well again by then


Stored = Callable[[int | OutboxFailed], None]


class SimulatedDisk:
    """Keeps an outbox's rows (ports.OutboxStore)."""

    def __init__(
        self, timeline: Timeline, chance: Random, *, sync_seconds: float = 0.0, fails: Callable[[], bool] = lambda: False
    ) -> None:
        self.synced: dict[int, Any] = {}  # by serial: what a crash leaves
        self.refused: set[int] = set()
        self.broken = False
        self.mended: Callable[[], object] = lambda: None  # whoever writes is told
        self._stored_up_to = 0
        self._fails = fails
        self._timeline, self._chance, self._sync_seconds = timeline, chance, sync_seconds
        self._written: list[tuple[tuple[Any, ...], Stored]] = []
        self._forgotten: set[int] = set()
        self._syncing = False
        self._power = 0  # counts the crashes: a sync that was under way then is never finished

    def __repr__(self) -> str:
        return f"<SimulatedDisk rows={len(self.synced)} unsynced={sum(len(rows) for rows, _ in self._written)}>"

    def is_stored(self, serial: int) -> bool:
        """True if it was said of this row that it is safe, or it was there after a crash."""
        return serial <= self._stored_up_to and serial not in self.refused

    def put(self, rows: Sequence[Any], stored: Stored) -> None:
        """Write rows; they are safe, and said to be, at the next sync."""
        self._written.append((tuple(copy(row) for row in rows), stored))
        if not self._sync_seconds:
            self._sync(self._power)
        else:
            self._sync_soon()

    def forget(self, serials: Sequence[int]) -> None:
        """Keep nothing of these; a crash before the next sync brings them back, as it does on a real one."""
        self._forgotten.update(serials)
        if not self._sync_seconds:
            self._erase()
        else:
            self._sync_soon()

    def crash(self) -> list[Any]:
        """The power goes off and comes back: return the rows that are there, in the order of their serials."""
        self._power += 1
        self._syncing = self.broken = False
        self._written.clear()
        self._forgotten.clear()
        self._stored_up_to = max(self._stored_up_to, *self.synced, 0)
        self.refused -= self.synced.keys()
        return [copy(self.synced[serial]) for serial in sorted(self.synced)]

    def _sync_soon(self) -> None:
        if not self._syncing:  # what is written while a sync waits goes along with it
            self._syncing = True
            self._timeline.later(self._chance.uniform(0.0, self._sync_seconds), self._sync, self._power)

    def _sync(self, power: int) -> None:
        if power != self._power:
            return
        self._syncing = False
        if self.broken or (self._written and self._fails()):
            self._refuse()
            return
        written, self._written = self._written, []
        for rows, _ in written:
            self.synced.update((row.serial, row) for row in rows)
            self._stored_up_to = max(self._stored_up_to, *(row.serial for row in rows))
        self._erase()
        for rows, stored in written:
            stored(rows[-1].serial)

    def _refuse(self) -> None:
        """What was written is not safe; nobody knows of it, or it is known not to be there."""
        certain = self.broken or self._chance.random() < 0.5
        if not self.broken:
            self.broken = True
            self._timeline.later(self._chance.uniform(0.0, MENDED_SECONDS), self._mend, self._power)
        written, self._written = self._written, []
        for rows, stored in written:
            serials = tuple(row.serial for row in rows)
            self.refused.update(serials)
            if not certain and self._chance.random() < 0.5:
                self.synced.update((row.serial, row) for row in rows)
                self._forgotten.update(serials)
            stored(OutboxFailed("disk", "it failed", "wait until it is mended", serials=serials, certain=certain))

    def _mend(self, power: int) -> None:
        if power == self._power:
            self.broken = False
            self._erase()
            self.mended()

    def _erase(self) -> None:
        if self.broken:
            return
        for serial in self._forgotten:
            self.synced.pop(serial, None)
        self._forgotten.clear()
