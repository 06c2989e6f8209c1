"""Examines a chart: reads it, holds it against the machine that would run it, and explores it.

Each step is taken only if the one before found nothing: what cannot be read cannot be run, and what cannot be run does nothing
that could be explored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reconnect.chart import Statechart, chart_names, load_chart
from reconnect.chart.check import problems
from reconnect.chart.load import content_of, read_chart
from reconnect.core.actions import Actions
from reconnect.core.fitness import check_session_chart
from reconnect.core.hub import HubCore, HubSettings
from reconnect.core.wants import Wants
from reconnect.errors import ChartError
from reconnect.evidence.ending import report_endless
from reconnect.evidence.explore import Exploration
from reconnect.evidence.findings import Finding, finding_of
from reconnect.evidence.holding import flaws_of, flaws_of_move
from reconnect.evidence.lives import explore_life
from reconnect.evidence.surroundings import Surroundings
from reconnect.record import Record
from reconnect.store.life import check_outbox_chart

SESSION: Final = "session"


class Examination(Record, kw_only=True):
    """What was examined, and what was found.

    `kind` is the chart of the library that it is held to (`session`, `member`, ...), None where it is like none of them; `scenes`
    and `moves` are what was explored, `late` the moves that came too late and changed nothing.
    """

    file: str
    chart: str
    kind: str | None = None
    scenes: int = 0
    moves: int = 0
    late: int = 0
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        explored = f"{self.scenes} scenes, {self.moves} moves" + (f", {self.late} of them too late" if self.late else "")
        if self.findings:
            return f"{self.file}: {len(self.findings)} found"
        return f"{self.file}: nothing found in {explored}"


def examine(path: str | Path) -> Examination:
    """Return what is wrong with the chart in this file."""
    file = str(path)
    try:
        return examine_chart(read_chart(content_of(Path(path)), file))
    except ChartError as error:
        return Examination(file=file, chart="", findings=(finding_of(error, ""),))


def examine_chart(chart: Statechart) -> Examination:
    """Return what is wrong with a chart that was read, checked or not."""
    kind = kind_of(chart)
    found = tuple(finding_of(error, chart.name) for error in (problems(chart) or _unfit(chart, kind)))
    if found:
        return Examination(file=chart.file, chart=chart.name, kind=kind, findings=found)
    explored = explore(chart, kind)
    return Examination(
        file=chart.file,
        chart=chart.name,
        kind=kind,
        scenes=len(explored.ways),
        moves=explored.moves,
        late=explored.late,
        findings=tuple(explored.findings),
    )


def explore(chart: Statechart, kind: str | None) -> Exploration:
    """Explore a chart that can be run, by what it is for."""
    return explore_session(chart) if kind == SESSION else explore_life(chart, kind)


def explore_session(chart: Statechart) -> Exploration:
    """Explore a session's chart with everything that can happen around it."""
    exploration = Exploration(Surroundings(chart), holds=flaws_of, moves=flaws_of_move)
    # Of a whole that was not looked at to the end nothing more can be said.
    if not exploration.findings:
        report_endless(exploration)
    if not exploration.findings:
        exploration.findings += exploration.unreached()
    return exploration


def kind_of(chart: Statechart) -> str | None:
    """Return the chart of the library that this one is derived from: by its name, or by what most of its events mean."""
    if chart.name in chart_names():
        return chart.name
    meanings = _meanings(chart)
    shared = {name: len(meanings & _meanings(load_chart(name))) / len(load_chart(name).events) for name in chart_names()}
    best = max(shared, key=lambda name: shared[name])
    return best if shared[best] > 0.5 else None


def _meanings(chart: Statechart) -> set[str]:
    return {event.means for event in chart.events.values()}


def _unfit(chart: Statechart, kind: str | None) -> list[ChartError]:
    """Return what the machine that runs such a chart has against it: at most one thing, for it does not look further."""
    try:
        if kind == SESSION:
            check_session_chart(chart, Actions.names())
        elif kind == "publisher":
            Wants(chart, load_chart("subscriber"))
        elif kind == "subscriber":
            Wants(load_chart("publisher"), chart)
        elif kind == "member":
            HubCore(HubSettings(), chart)
        elif kind == "outbox":
            check_outbox_chart(chart)
    except ChartError as error:
        return [error]
    return []
