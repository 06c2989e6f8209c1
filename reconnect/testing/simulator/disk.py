"""A disk of a simulated machine, for an outbox: what was written is safe once it was synced, and gone with the power before that.

A disk outlives the process that writes to it. `crash()` is the power going off: rows that were not synced vanish, and what was
promised about them is never said. A disk without delay syncs in the same turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from random import Random
from typing import Any

from reconnect.testing.simulator.timeline import Timeline


class SimulatedDisk:
    """Keeps an outbox's rows (ports.OutboxStore)."""

    def __init__(self, timeline: Timeline, chance: Random, *, sync_seconds: float = 0.0) -> None:
        self.synced: dict[int, Any] = {}  # by serial: what a crash leaves
        self.stored_up_to = 0
        self._timeline, self._chance, self._sync_seconds = timeline, chance, sync_seconds
        self._written: list[tuple[tuple[Any, ...], Callable[[int], None]]] = []
        self._forgotten: set[int] = set()
        self._syncing = False
        self._power = 0  # counts the crashes: a sync that was under way then is never finished

    def __repr__(self) -> str:
        return f"<SimulatedDisk rows={len(self.synced)} unsynced={sum(len(rows) for rows, _ in self._written)}>"

    def put(self, rows: Sequence[Any], stored: Callable[[int], None]) -> None:
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
        self._syncing = False
        self._written.clear()
        self._forgotten.clear()
        return [copy(self.synced[serial]) for serial in sorted(self.synced)]

    def _sync_soon(self) -> None:
        if not self._syncing:  # what is written while a sync waits goes along with it
            self._syncing = True
            self._timeline.later(self._chance.uniform(0.0, self._sync_seconds), self._sync, self._power)

    def _sync(self, power: int) -> None:
        if power != self._power:
            return
        self._syncing = False
        written, self._written = self._written, []
        for rows, _ in written:
            self.synced.update((row.serial, row) for row in rows)
            self.stored_up_to = max(self.stored_up_to, *(row.serial for row in rows))
        self._erase()
        for rows, stored in written:
            stored(rows[-1].serial)

    def _erase(self) -> None:
        for serial in self._forgotten:
            self.synced.pop(serial, None)
        self._forgotten.clear()
