"""The outbox whose signals outlive the process: what an outbox does, and what it does otherwise because they are on disk.

- What an earlier process left is taken up as if its transport had just been lost: the hub says what it had, and the rest is sent
  again with its serials, as possible repeats, ahead of everything newer. Nobody waits for these: they are `inherited`.
- Entering disconnected ends the receipts of what is stored (`failed`, still stored), and not the signals, which are inherited
  from then on and go on with the next connection. What is not stored yet keeps its receipt.
- What the store could not keep has failed and is never sent. While the store is faulty, nothing is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconnect.core import outcomes
from reconnect.core.effects import Effect, Settle
from reconnect.core.notices import Outcome
from reconnect.core.outbox import Outbox
from reconnect.core.rows import Place, Row
from reconnect.errors import OutboxFailed
from reconnect.reasons import OutcomeStatus, Reason


class DurableOutbox(Outbox):
    """The bounded queue of signals without an outcome, behind which stands a store that outlives the process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.fault: OutboxFailed | None = None
        self._inherited = self._next_serial - 1  # the highest serial that nobody here waits for

    def restore(self, rows: Iterable[Row]) -> None:
        """Take up what an earlier process left, in the order of the serials, all below the first one of this process."""
        for row in rows:
            row.place = Place.FLIGHT
            self._flight.append(row)
            self.size += len(row.data) + len(row.type)
            self._say((row,), "sent")
            self._say((row,), "lost")
        self.submitted += len(self._flight)
        self.pending += len(self._flight)

    def submit(self, *signal: Any, **named: Any) -> tuple[int, list[Effect]]:
        """Take one signal: return its serial and what follows at once. Raises OutboxFailed while the store is faulty."""
        if self.fault is not None:
            raise self.fault
        return super().submit(*signal, **named)

    def unkept(self, serials: Sequence[int], *, certain: bool) -> list[Effect]:
        """The store could not keep these: they have failed. Not `certain`: it may have kept them, for a later process."""
        failed = set(serials)
        rows = [row for row in self._waiting if row.serial in failed and row.place is Place.WAITING]
        return self._leave(rows, outcomes.UNKEPT if certain else outcomes.PERHAPS_KEPT, "unstored")

    def end(self, reason: Reason) -> list[Effect]:
        """The session entered disconnected: receipts of what is stored end, and the signals stay."""
        effects = self._drop_bound_to_session(reason)
        rows = [row for rows in (self._flight, self._waiting) for row in rows if self._inherited < row.serial <= self._stored]
        self._inherited = max(self._inherited, self._stored)
        self._suspicion.linked()
        for unsure in (True, False):
            serials = tuple(row.serial for row in rows if _is_pending(row) and _is_unsure(row) is unsure)
            if serials:
                outcome = Outcome(status=OutcomeStatus.FAILED, reason=reason, possibly_sent=unsure, stored=True)
                self.counts[OutcomeStatus.FAILED] += len(serials)
                self.submitted += len(serials)  # each goes on as another one, which nobody here waits for
                effects.append(Settle(serials=serials, outcome=outcome))
        return effects

    def _drop_bound_to_session(self, reason: Reason) -> list[Effect]:
        """End what is worth nothing in another connection, for good."""
        effects: list[Effect] = []
        for unsure in (True, False):
            outcome = Outcome(status=OutcomeStatus.FAILED, reason=reason, possibly_sent=unsure)
            rows = [
                row
                for row in (*self._flight, *self._waiting)
                if _is_pending(row) and (row.session_only or not row.keep) and _is_unsure(row) is unsure
            ]
            waiting = sum(row.place is Place.WAITING for row in rows)
            effects += self._settle(rows, outcome, "ended")
            self._gone_waiting += waiting
        for row in [row for row in self._flight if row.place is Place.GONE]:
            self._flight.remove(row)
        return effects


def _is_pending(row: Row) -> bool:
    return row.place is not Place.GONE


def _is_unsure(row: Row) -> bool:
    return row.place is Place.FLIGHT or row.doubt
