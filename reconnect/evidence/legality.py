"""Did every step follow the chart? Each is looked up in the table of the chart in force, and must begin where the last one ended.

Rules: a step that the chart does not have is named with its row. A machine that nobody has seen yet begins in its chart's initial
state, unless the journal itself begins in the middle; one that has ended may begin anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from reconnect.audit.entries import SHORT_SHA256, Chart, Gap, Header, Start, StepEntry
from reconnect.chart import Statechart, StepVerdict
from reconnect.evidence.charts import ChartsInForce
from reconnect.evidence.objections import Objections, Rule

_OVER: Final = frozenset({"ended", "gone", "offline"})  # roles after which a machine of the same name may begin anew

_OUTBOX: Final = "outbox"  # a file's machine, which lived before this session and goes on after it

Expected = tuple[str, str, int | None, str | None, list[str]]


class LegalityCheck:
    """Holds steps to charts."""

    def __init__(self, objections: Objections, charts: ChartsInForce) -> None:
        self._objections = objections
        self._charts = charts
        self._states: dict[tuple[str, str, str], str] = {}
        self._expected: dict[tuple[str, str, str | None, str, str], Expected] = {}
        self._unknown: set[str] = set()  # sources whose machines may be anywhere
        self._first = self._whole = True  # the journal begins with its first line
        self.visited: dict[str, Counter[str]] = defaultdict(Counter)
        self.rows: dict[str, Counter[int]] = defaultdict(Counter)

    def header(self, entry: Header) -> None:
        """A file begins; where it is not the first one, and is the first here, nobody knows where its machines are."""
        if self._first:
            self._whole, self._first = entry.entry == 1, False

    def chart(self, entry: Chart) -> None:
        """A chart comes into force: what was looked up in another is forgotten."""
        self._expected.clear()

    def start(self, entry: Start) -> None:
        """A fresh core begins with machines in their initial states."""
        if entry.run == 1 and not entry.repeated:
            self._unknown.discard(entry.source)
            self._forget(entry.source)
        elif entry.repeated and not self._whole:
            self._unknown.add(entry.source)

    def gap(self, entry: Gap) -> None:
        """Records are missing: where this source's machines are now is not known."""
        self._unknown.add(entry.source)
        self._forget(entry.source)

    def _forget(self, source: str) -> None:
        for key in [key for key in self._states if key[0] == source]:
            del self._states[key]

    def step(self, entry: StepEntry) -> None:
        """Hold one step to its chart."""
        key = (entry.source, entry.chart, entry.chart_sha256, entry.before, entry.event)
        expected = self._expected.get(key)
        if expected is None:
            expected = self._look_up(entry)
            if expected is None:
                return
            if self._is_in_force(entry):
                self._expected[key] = expected
        if expected != (entry.verdict, entry.to, entry.row, entry.tells, entry.actions):
            self._objections.add(Rule.LEGALITY, self._difference(entry, expected))
        if entry.verdict == "taken" and entry.row is not None:
            self.rows[entry.chart][entry.row] += 1
            self.visited[entry.chart][entry.to] += 1
        self._continue(entry)

    def _is_in_force(self, entry: StepEntry) -> bool:
        """Hold the hash that a step says its chart has to that of the chart in force."""
        said, told = entry.chart_sha256, self._charts.hash_of(entry.source, entry.chart)
        if said is None or (len(said) >= SHORT_SHA256 and told.startswith(said)):
            return True
        problem = f"the step is by a chart {entry.chart} {said}, and the one in force is {told[:SHORT_SHA256]}"
        self._objections.add(Rule.CHART, problem)
        return False

    def _look_up(self, entry: StepEntry) -> Expected | None:
        """Return what the chart says of this pair: verdict, target, row, what is told, actions."""
        chart = self._charts.get(entry.source, entry.chart)
        if chart is None:
            self._objections.add(Rule.CHART, f"no chart {entry.chart} is in force, so this step cannot be checked")
            return None
        decision = chart.table.get((entry.before, entry.event))
        if decision is None:
            said = f"{self._words(entry)}, and the chart {entry.chart}"
            self._objections.add(Rule.LEGALITY, f"{said} has no {_lacking(chart, entry)}")
            self._continue(entry)
            return None
        if decision.verdict is StepVerdict.TAKEN:
            actions = list(decision.actions)
            row = decision.row if self._charts.rows_count(entry.source, entry.chart) else entry.row
            return decision.verdict.value, decision.target, row, decision.tells, actions
        return decision.verdict.value, entry.before, None, None, []

    def _difference(self, entry: StepEntry, expected: Expected) -> str:
        verdict, to, row, tells, actions = expected
        chart = self._charts.get(entry.source, entry.chart)
        assert chart is not None, "looked up before"
        said = f"{self._words(entry)}, and the chart {entry.chart}"
        if entry.verdict != verdict:
            decision = chart.table[entry.before, entry.event]
            return f"{said} says {verdict}: {chart.row_name(decision.verdict, decision.row)}"
        if entry.to != to:
            return f"{said} leads to {to}"
        if entry.row != row:
            return f"{said} has {chart.row_name(StepVerdict.TAKEN, row) if row is not None else 'no row'} for it"
        if entry.tells != tells:
            return f"{said} tells {tells or 'nothing'}, not {entry.tells or 'nothing'}"
        return f"{said} asks for {', '.join(actions) or 'nothing'}, not for {', '.join(entry.actions) or 'nothing'}"

    def _words(self, entry: StepEntry) -> str:
        """Return a step in words, with the row that it says it took."""
        row = "" if entry.row is None else f" by {self._charts.row_name(entry.source, entry.chart, entry.row)}"
        return f"{entry.event} led from {entry.before} to {entry.to}{row}"

    def _continue(self, entry: StepEntry) -> None:
        """Let the machine go on from where it was."""
        key = (entry.source, entry.session, entry.machine or entry.connection or "")
        state = self._states.get(key)
        self._states[key] = entry.to
        if state == entry.before:
            return
        chart = self._charts.get(entry.source, entry.chart)
        assert chart is not None, "looked up before"
        if state is None and (entry.source in self._unknown or entry.machine == _OUTBOX):
            return
        anew = entry.before == chart.initial
        if not anew or (state is not None and (state not in chart.index or chart.role(state) not in _OVER)):
            was = "was never seen before" if state is None else f"was in {state}"
            self._objections.add(Rule.LEGALITY, f"{entry.machine or 'the member'} {was}, and {self._words(entry)}")


def _lacking(chart: Statechart, entry: StepEntry) -> str:
    """Return what a chart has not that decides nothing for a step."""
    if entry.before not in chart.leaves:
        return f"state {entry.before!r}"
    return f"event {entry.event!r}" if entry.event not in chart.events else f"row for {entry.event} in {entry.before}"
