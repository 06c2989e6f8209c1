"""The charts that a journal says were in force, and those that a reviewer holds against them.

Rules: a chart of the reviewer's replaces the journal's of the same name, and that the two are the same is checked by hash and by
content. It may lack rows, which is what a reviewer wants to find; what is wrong with it is a remark then. Without one the
journal's own definition is used; where its hash is that of a chart which this library has, the two must say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from reconnect.audit.definition import chart_of, definition
from reconnect.audit.entries import Chart
from reconnect.chart import Statechart, StepVerdict, load_chart
from reconnect.chart.check import problems
from reconnect.chart.load import read_chart
from reconnect.errors import ChartError, UndecidedPair, UnmetTells, UnreachableState, UnreadyTwins, UnusedName
from reconnect.evidence.objections import Objections, Rule

# What follows where a row is missing. Nothing could run such a chart, and a step can be held to it all the same.
_LACKING: Final = (UndecidedPair, UnmetTells, UnreachableState, UnreadyTwins, UnusedName)


class ChartsInForce:
    """Knows, for each source, the charts that its steps are to be held to."""

    def __init__(self, objections: Objections, reviewed: Iterable[Statechart]) -> None:
        self._objections = objections
        self._reviewed = {chart.name: chart for chart in reviewed}
        for chart in self._reviewed.values():
            for problem in problems(chart)[:1]:
                objections.remark(f"the chart that was given is not sound, and nothing could run it: {problem}")
        self._defined: dict[str, Statechart] = {}
        self._in_force: dict[tuple[str, str], Statechart] = {}
        self._told: dict[tuple[str, str], Statechart] = {}  # by the journal itself
        self._hashes: dict[tuple[str, str], str] = {}  # as the journal has them
        self._unreviewed: set[str] = set()
        self.all: dict[str, Statechart] = {}

    def get(self, source: str, name: str) -> Statechart | None:
        """Return the chart of this name that is in force for a source."""
        return self._in_force.get((source, name))

    def hash_of(self, source: str, name: str) -> str:
        """Return the hash that the journal says the chart of this name has."""
        return self._hashes.get((source, name), "")

    def rows_count(self, source: str, name: str) -> bool:
        """True if the chart that is held against this source numbers its rows as the one that ran did."""
        held, told = self._in_force.get((source, name)), self._told.get((source, name))
        return held is told or (held is not None and told is not None and held.transitions == told.transitions)

    def row_name(self, source: str, name: str, row: int) -> str:
        """Return what the row is called in the chart that ran."""
        told = self._told.get((source, name)) or self._in_force.get((source, name))
        return told.row_name(StepVerdict.TAKEN, row) if told and 0 <= row < len(told.transitions) else f"transitions[{row}]"

    def take(self, told: Chart) -> None:
        """A chart comes into force."""
        own = self._own(told)
        self._hashes[told.source, told.chart] = told.sha256
        if own is not None:
            self._told[told.source, told.chart] = own
        chart = self._reviewed.get(told.chart, own)
        if chart is None:
            problem = f"the chart {told.chart} {told.sha256[:12]} is named and not given, so no step of it can be checked"
            self._objections.add(Rule.CHART, problem)
            return
        if told.chart in self._reviewed:
            self._compare(told, own, chart)
        else:
            self._remark(told)
        self._in_force[told.source, told.chart] = self.all[told.chart] = chart

    def _remark(self, told: Chart) -> None:
        """Say once that a chart is neither the library's nor reviewed: it proves only that the session followed *a* chart."""
        ours = _ours(told.chart)
        if (ours is None or ours.sha256 != told.sha256) and told.sha256 not in self._unreviewed:
            self._unreviewed.add(told.sha256)
            which = f"the chart {told.chart} {told.sha256[:12]} is not this library's, and no reviewed copy of it was given"
            self._objections.remark(f"{which}: steps are held to what the journal says that it is")

    def _own(self, told: Chart) -> Statechart | None:
        """Return what the journal itself says that the chart is."""
        if told.definition is None:
            return self._defined.get(told.sha256)
        chart, problem = _read(msgspec.json.encode(told.definition), told.chart, told.sha256)
        if problem is not None:
            self._objections.add(Rule.CHART, problem)
        if chart is None:
            return None
        self._defined[told.sha256] = chart
        return chart

    def _compare(self, told: Chart, own: Statechart | None, reviewed: Statechart) -> None:
        if told.sha256 != reviewed.sha256:
            problem = f"the chart {told.chart} in force has the hash {told.sha256}, and the reviewed one {reviewed.sha256}"
            self._objections.add(Rule.CHART, problem)
        elif own is not None and definition(own) != definition(reviewed):
            problem = _differs(told.chart, "the reviewed file of that hash", definition(reviewed), definition(own))
            self._objections.add(Rule.CHART, problem)


def reviewed_chart(path: Path) -> Statechart:
    """Return the chart in this file, though rows be missing in it; raise ChartError where it is none to hold steps to.

    A bare name is a file's as well, and not the library's own.
    """
    try:
        return load_chart(path.absolute())
    except _LACKING:
        chart = read_chart(path.read_bytes(), str(path))
        for problem in problems(chart):
            if not isinstance(problem, _LACKING):
                raise problem from None
        return chart


@lru_cache(maxsize=64)  # a journal names its charts at every connect()
def _read(encoded: bytes, name: str, sha256: str) -> tuple[Statechart | None, str | None]:
    """Return the chart of a definition, and what is wrong with it."""
    told = msgspec.json.decode(encoded)
    try:
        chart = chart_of(told, sha256=sha256, file="the journal")
    except (msgspec.ValidationError, ChartError) as error:
        return None, f"the definition of the chart {name} is no chart: {error}"
    ours = _ours(name)
    if ours is not None and ours.sha256 == sha256 and definition(ours) != definition(chart):
        return chart, _differs(name, "the library's file of that hash", definition(ours), definition(chart))
    return chart, None


@lru_cache(maxsize=16)
def _ours(name: str) -> Statechart | None:
    """Return the library's own chart of this name."""
    try:
        return load_chart(name) if name.isidentifier() else None
    except ChartError:
        return None


def _differs(name: str, whose: str, theirs: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    parts = ", ".join(part for part in theirs if theirs[part] != told.get(part))
    return f"the definition of the chart {name} is not that of {whose}: it differs in {parts}"
