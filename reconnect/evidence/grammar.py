"""Was the user told a story that can be? Per connect(): `connected (reconnecting reconnected)* (reconnecting? disconnected)?`.

A connect() that failed tells nothing. Outages are measured here as well, as the user was told of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconnect.audit.entries import Gap, Start, StepEntry
from reconnect.evidence.objections import Objections, Rule

_MAY_FOLLOW: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"connected"}),
    "connected": frozenset({"reconnecting", "disconnected"}),
    "reconnecting": frozenset({"reconnected", "disconnected"}),
    "reconnected": frozenset({"reconnecting", "disconnected"}),
}
_OVER: Final = "disconnected"


@dataclass(slots=True)
class _Tale:
    """What one source's user was told last."""

    last: str = ""
    known: bool = True
    away_since: float | None = None


class GrammarCheck:
    """Holds what was told to the grammar, and measures outages."""

    def __init__(self, objections: Objections) -> None:
        self._objections = objections
        self._tales: dict[str, _Tale] = {}
        self.outages = 0
        self.longest = self.away = 0.0  # seconds

    def start(self, entry: Start) -> None:
        """A connect() begins."""
        tale = self._tales.get(entry.source)
        if entry.repeated:
            if tale is None:
                self._tales[entry.source] = _Tale(known=False)
        elif entry.run == 1 or tale is None:
            self._tales[entry.source] = _Tale(known=entry.run == 1)
        elif tale.known and tale.last:
            self._objections.add(Rule.GRAMMAR, f"a connect() began, and the last that was told before it is {tale.last}")

    def gap(self, entry: Gap) -> None:
        """Records are missing: what was told last is not known."""
        self._tales[entry.source] = _Tale(known=False)

    def step(self, entry: StepEntry) -> None:
        """A turn that may tell something."""
        if entry.tells is None or entry.machine != "session" or entry.verdict != "taken":
            return
        tale = self._tales.get(entry.source)
        if tale is None:
            tale = self._tales[entry.source] = _Tale(known=False)
        if entry.tells != _OVER and entry.tells not in _MAY_FOLLOW:
            tale.known = False  # a chart of the user's own tells what it likes
            return
        if tale.known and entry.tells not in _MAY_FOLLOW.get(tale.last, ()):
            self._objections.add(Rule.GRAMMAR, f"{entry.tells} was told after {tale.last or 'nothing'}")
        tale.last, tale.known = "" if entry.tells == _OVER else entry.tells, True
        if entry.tells == "reconnecting":
            self.outages += 1
            tale.away_since = entry.at
        elif tale.away_since is not None:
            seconds = entry.at - tale.away_since
            self.longest = max(self.longest, seconds)
            self.away += seconds
            tale.away_since = None
