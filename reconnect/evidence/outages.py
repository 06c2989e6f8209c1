"""The outages in a journal, each from the loss that the user was told of to its end, numbered as they began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from reconnect.audit.entries import AnyEntry, Gap, Outcomes, Start, StepEntry, Traffic
from reconnect.evidence.respelling import Submitted, counted, signals_of
from reconnect.record import Record

_BEGINS: Final = "reconnecting"
_ENDS: Final = frozenset({"reconnected", "disconnected"})


class Outage(Record, kw_only=True):
    """One outage of one session. `end` is what the user was told last; None where the journal has no end of it."""

    number: int
    source: str
    session: str
    entry: int
    at: float
    wall: str
    reason: str
    detail: str
    end: str | None
    last_entry: int
    seconds: float  # as far as the journal goes
    attempts: int  # transports that were dialed
    resumed: bool | None  # the same connection went on; None where it did not come back
    held: int  # signals that waited when it ended
    submitted: int  # while it lasted
    outcomes: dict[str, int]  # of the signals that ended while it lasted


@dataclass(slots=True)
class _Open:
    """An outage that goes on."""

    number: int
    began: StepEntry
    last: AnyEntry
    attempts: int = 0
    submitted: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    end: StepEntry | None = None

    def done(self) -> Outage:
        """Return it as it is now."""
        began, end = self.began, self.end
        resumed = None if end is None or end.tells != "reconnected" else "replace_connection" not in end.actions
        return Outage(
            number=self.number,
            source=began.source,
            session=began.session,
            entry=began.entry,
            at=began.at,
            wall=began.wall,
            reason=began.reason or "",
            detail=began.detail or "",
            end=None if end is None else end.tells,
            last_entry=self.last.entry,
            seconds=max(0.0, self.last.at - began.at),
            attempts=self.attempts,
            resumed=resumed,
            held=0 if end is None else end.outbox or 0,
            submitted=self.submitted,
            outcomes=dict(self.outcomes),
        )


class Outages:
    """Follows the outages of every source."""

    def __init__(self) -> None:
        self.over: list[Outage] = []
        self._open: dict[str, _Open] = {}
        self._count = 0

    def number_of(self, source: str) -> int | None:
        """Return the number of the outage that a source is in."""
        found = self._open.get(source)
        return None if found is None else found.number

    def take(self, entry: AnyEntry) -> int | None:
        """Take the next record; return the number of the outage that it belongs to."""
        source = entry.source
        if isinstance(entry, StepEntry) and entry.machine == "session" and entry.verdict == "taken":
            return self._step(entry)
        if isinstance(entry, Gap) or (isinstance(entry, Start) and not entry.repeated):
            self._close(source)
            return None
        found = self._open.get(source)
        if found is None:
            return None
        if entry.at:
            found.last = entry
        if isinstance(entry, Traffic):
            found.submitted += sum(one.last - one.first + 1 for one in signals_of(entry) if isinstance(one, Submitted))
        elif isinstance(entry, Outcomes):
            found.outcomes[entry.status] += counted(entry.serials)
        return found.number

    def all(self) -> list[Outage]:
        """Return all outages, those that go on included, in the order in which they began."""
        return sorted([*self.over, *(found.done() for found in self._open.values())], key=lambda outage: outage.number)

    def _step(self, entry: StepEntry) -> int | None:
        source = entry.source
        if entry.tells == _BEGINS:
            self._close(source)
            self._count += 1
            self._open[source] = _Open(number=self._count, began=entry, last=entry)
        found = self._open.get(source)
        if found is None:
            return None
        found.last = entry
        found.attempts += "open_transport" in entry.actions
        if entry.tells in _ENDS:
            found.end = entry
            self._close(source)
        return found.number

    def _close(self, source: str) -> None:
        found = self._open.pop(source, None)
        if found is not None:
            self.over.append(found.done())


def outages_of(entries: Iterable[AnyEntry]) -> list[Outage]:
    """Return the outages of a journal."""
    outages = Outages()
    for entry in entries:
        outages.take(entry)
    return outages.all()
