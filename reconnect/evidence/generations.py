"""Were old reports and old timers disbelieved? Follows, for each source, the present transport and the timers that are armed.

Rules: a report of a transport counts only if its generation is the present one and not fenced; of any other there is a note, and
nothing follows from it. `open_transport` begins a generation. A timer's event is only believed where the step that armed it is
known, no step has cancelled it since, its time has come, and the core was woken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from reconnect.audit.entries import AnyEntry, Gap, Input, NoteEntry, Start, StepEntry, Traffic
from reconnect.chart import EventKind, Statechart
from reconnect.chart.rows import CANCEL, START
from reconnect.core.settings import GIVEN, REMAINING, RETRY_IN
from reconnect.evidence.charts import ChartsInForce
from reconnect.evidence.objections import Objections, Rule

STALE: Final = "stale_generation"
_REPORTS: Final = frozenset({"transport_opened", "transport_ended", "received"})
_FENCING: Final = frozenset({"abort_transport", "close_transport"})
_LOSSES: Final = frozenset({"transport_lost", "attempt_failed", "deadline_passed", "ended"})  # meanings


@dataclass(slots=True)
class _Link:
    """What is known of one source's transport and timers."""

    generation: int | None = None  # None: the journal begins in the middle, and no transport was opened since
    fenced: bool = True
    began_at: float = 0.0
    woken: bool = False
    owed: int | None = None  # a stale report's generation: the next record is its note
    settings: dict[str, Any] = field(default_factory=dict)
    armed: dict[str, float] | None = None  # None: not known


class GenerationCheck:
    """Holds reports and timers to the rule of generations."""

    def __init__(self, objections: Objections, charts: ChartsInForce) -> None:
        self._objections = objections
        self._charts = charts
        self._links: dict[str, _Link] = {}

    def start(self, entry: Start) -> None:
        """A connect() begins; a fresh core has opened no transport yet."""
        if entry.settings is None:
            return  # a hub, whose links are its members'
        link = self._links.get(entry.source)
        if entry.repeated:
            if link is None:
                self._links[entry.source] = _Link(settings=entry.settings)
        elif entry.run == 1 or link is None:
            known = entry.run == 1
            self._links[entry.source] = _Link(
                generation=0 if known else None, settings=entry.settings, armed={} if known else None
            )

    def gap(self, entry: Gap) -> None:
        """Records are missing: what holds now is not known."""
        link = self._links.get(entry.source)
        if link is not None:
            self._links[entry.source] = _Link(settings=link.settings)

    def input(self, entry: Input) -> None:
        """Something happened."""
        link = self._links.get(entry.source)
        if link is None:
            return
        self._pay(link, entry)
        if entry.what != "verdict":  # the answer to a question that a wake-up led to
            link.woken = False
        if entry.what in _REPORTS:
            self._report(link, entry.input.get("generation"))
            if entry.what == "transport_ended" and link.owed is None:
                link.fenced = True

    def traffic(self, entry: Traffic) -> None:
        """Things happened on the signals' path."""
        link = self._links.get(entry.source)
        if link is None:
            return
        self._pay(link, entry)
        for item in entry.inputs:
            if item[0] == "received":
                self._report(link, item[2])
        link.woken = bool(entry.inputs) and entry.inputs[-1][0] == "woke"

    def _report(self, link: _Link, generation: object) -> None:
        if link.generation is not None and (generation != link.generation or link.fenced):
            link.owed = generation if isinstance(generation, int) else -1

    def note(self, entry: NoteEntry) -> None:
        """Something was noticed; a stale report's note is owed right after it."""
        link = self._links.get(entry.source)
        if link is None:
            return
        if entry.what != STALE:
            return
        if link.owed is not None and entry.generation == link.owed:
            link.owed = None
        elif link.generation is not None:
            problem = f"a report of transport {entry.generation} was passed over as stale, and none such came"
            self._objections.add(Rule.GENERATION, problem)

    def other(self, entry: AnyEntry) -> None:
        """Something else was written."""
        link = self._links.get(entry.source)
        if link is not None:
            self._pay(link, entry)

    def _pay(self, link: _Link, entry: AnyEntry) -> None:
        """What follows a stale report must be its note."""
        if link.owed is not None:
            problem = (
                f"a report of transport {link.owed} was followed by this, while transport {link.generation} was the present one"
            )
            self._objections.add(Rule.GENERATION, problem + (", fenced" if link.fenced else ""))
            link.owed = None

    def step(self, entry: StepEntry) -> None:
        """A turn of a chart."""
        link = self._links.get(entry.source)
        if link is None:
            return
        self._pay(link, entry)
        if entry.machine != "session":
            return
        chart = self._charts.get(entry.source, entry.chart)
        event = None if chart is None else chart.events.get(entry.event)
        if chart is None or event is None:
            return
        if link.generation is not None and entry.generation != link.generation:
            problem = f"the step says transport {entry.generation}, and transport {link.generation} was the present one"
            self._objections.add(Rule.GENERATION, problem)
        if entry.verdict != "taken":
            return
        if event.kind is EventKind.TIMER:
            self._fire(link, entry, chart)
        if event.means in _LOSSES:
            link.fenced = True
        self._perform(link, entry, chart)

    def _fire(self, link: _Link, entry: StepEntry, chart: Statechart) -> None:
        """A timer's event was believed."""
        names = [name for name, timer in chart.timers.items() if timer.event == entry.event]
        if link.armed is None:
            return
        if not link.woken:
            self._objections.add(Rule.TIMER, f"{entry.event}: the core was not woken")
        due = [link.armed[name] for name in names if name in link.armed]
        if not due:
            self._objections.add(Rule.TIMER, f"{entry.event}: no timer of this event was armed")
        elif min(due) > entry.at:
            self._objections.add(Rule.TIMER, f"{entry.event} at {entry.at!r}, and its timer was due at {min(due)!r}")
        for name in names:
            link.armed.pop(name, None)

    def _perform(self, link: _Link, entry: StepEntry, chart: Statechart) -> None:
        """Do with link and timers what the step asked for."""
        for action in entry.actions:
            if action == "open_transport":
                link.generation = (entry.generation or 0) + 1
                link.fenced, link.began_at = False, entry.at
            elif action in _FENCING:
                link.fenced = True
            elif action.startswith(START):
                self._arm(link, action.removeprefix(START), entry, chart)
            elif action.startswith(CANCEL) and link.armed is not None:
                link.armed.pop(action.removeprefix(CANCEL), None)

    def _arm(self, link: _Link, name: str, entry: StepEntry, chart: Statechart) -> None:
        timer = chart.timers.get(name)
        if timer is None or link.armed is None:
            return
        source, _, attribute = timer.seconds.partition(".")
        seconds: object = None
        if timer.seconds == RETRY_IN:
            seconds = entry.retry_in
        elif timer.seconds == REMAINING:
            deadline = link.settings.get("attempt_deadline")
            seconds = link.began_at + deadline - entry.at if isinstance(deadline, int | float) else None
        elif source == "settings":
            seconds = link.settings.get(attribute)
        elif source == GIVEN:
            seconds = (link.settings.get("durations") or {}).get(attribute)
        if isinstance(seconds, int | float):
            link.armed[name] = entry.at + seconds
        else:
            self._objections.add(Rule.TIMER, f"{entry.event} starts the timer {name}, and nothing says for how long")
