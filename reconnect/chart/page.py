"""Writes a chart as a Markdown page: what a reviewer signs. The same chart gives the same text.

The page says everything that the file says, and what follows from it: the pictures with their hashes, the table of every state
and event with what decides the pair, a line for each of them that says in words what happens and why, and each row with its why.
Rows are named by list and number: `T3` is `transitions[3]`, `I0` is `ignores[0]`, `R2` is `refuses[2]`, as the audit counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from reconnect.chart.dot import GENERATED
from reconnect.chart.mermaid import draw_mermaid
from reconnect.chart.model import Statechart
from reconnect.chart.rows import Decision, State, StepVerdict

_LETTERS = {StepVerdict.TAKEN: "T", StepVerdict.IGNORED: "I", StepVerdict.REFUSED: "R"}


def draw_markdown(chart: Statechart, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the chart as a Markdown page; `pictures` are the files beside it with their SHA-256."""
    sections = [
        (f"# {chart.name}", [chart.why, _origin(chart)]),
        ("## Pictures", [_pictures(pictures)]),
        ("## Picture in Mermaid", [f"```mermaid\n{draw_mermaid(chart)}```"]),
        ("## What each pair does", [_LEGEND, _table(["event", *chart.leaves], _matrix(chart))]),
        ("## What happens in X when Y", [_LINES, _table(["in", "when", "then", "by", "why"], _lines(chart))]),
        ("## States", [_table(["state", "role", "phase", "initial", "entry", "exit", "why"], map(_state, chart.states))]),
        ("## Transitions", [_table(["row", "on", "from", "to", "effects", "tells", "why"], _transitions(chart))]),
        ("## Ignores", [_table(["row", "on", "in", "why"], _pairs(chart, StepVerdict.IGNORED))]),
        ("## Refusals", [_table(["row", "on", "in", "why"], _pairs(chart, StepVerdict.REFUSED))]),
        ("## Events", [_table(["event", "kind", "data", "means", "why"], _events(chart))]),
        ("## Timers", [_table(["timer", "feeds", "after", "why"], _timers(chart))]),
        ("## Actions", [_table(["action", "stands for"], ([_code([name]), why] for name, why in chart.actions.items()))]),
        ("## Tells", [_table(["event", "says"], ([_code([name]), why] for name, why in chart.tells.items()))]),
        ("## Twins", [_table(["states", "but", "why"], ([_code(row.states), _code(row.but), row.why] for row in chart.twins))]),
    ]
    return "\n\n".join("\n\n".join([title, *parts]) for title, parts in sections if all(parts)) + "\n"


_LEGEND = (
    "→ leads to the state that is named; *stays* performs its effects and leaves nothing; *ignored* is legal and changes "
    "nothing; *refused* is an error and changes nothing. After it stands what says so."
)
_LINES = (
    "A line for every state with every event: what happens, with all that is asked for in its order (on leaving, by the row, on "
    "entering), what is told, and why."
)


def _origin(chart: Statechart) -> str:
    file = Path(chart.file).name
    facts = [f"file `{file}`", f"version {chart.version}", f"begins in `{chart.initial}`", f"SHA-256 `{chart.sha256}`"]
    return "\n".join([*(f"- {fact}" for fact in facts), "", GENERATED])


def _pictures(pictures: Mapping[str, str]) -> str:
    """Return the pictures, the simplest first, and what fixes them for a signature."""
    shown = list(pictures)[::-1]
    images = [f"![{name.removesuffix('.svg')}]({name})" for name in shown]
    hashes = _table(["picture", "SHA-256"], ([f"[`{name}`]({name})", _code([pictures[name]])] for name in shown))
    return "\n\n".join([*images, hashes]) if shown else ""


def _matrix(chart: Statechart) -> Iterator[list[str]]:
    for event in chart.events:
        yield [_code([event]), *(_pair(chart.decide(leaf, event)) for leaf in chart.leaves)]


def _pair(decision: Decision) -> str:
    by = f"{_LETTERS[decision.verdict]}{decision.row}"
    if decision.verdict is not StepVerdict.TAKEN:
        return f"{decision.verdict} {by}"
    return f"stays {by}" if decision.internal else f"→ **{decision.target}** {by}"


def _lines(chart: Statechart) -> Iterator[list[str]]:
    for leaf in chart.leaves:
        for event in chart.events:
            decision = chart.decide(leaf, event)
            by = f"{_LETTERS[decision.verdict]}{decision.row}"
            yield [_code([leaf]), _code([event]), _words(decision), by, decision.why]


def _words(decision: Decision) -> str:
    """Return in words what a pair does."""
    if decision.verdict is StepVerdict.IGNORED:
        return "ignored: nothing changes"
    if decision.verdict is StepVerdict.REFUSED:
        return "refused: an error, nothing changes"
    leads = "stays" if decision.internal else f"leads to {_code([decision.target])}"
    does = f"; does {_code(decision.actions)}" if decision.actions else ""
    return leads + does + (f"; tells {_code([decision.tells])}" if decision.tells else "")


def _state(state: State) -> list[str]:
    initial = state.initial.rpartition(".")[2] if state.initial else None
    named = [_code([state.name]), state.role, state.phase or "", _code([initial])]
    return [*named, _code(state.entry), _code(state.exit), state.why]


def _transitions(chart: Statechart) -> Iterator[list[str]]:
    for number, row in enumerate(chart.transitions):
        target = _code([row.to]) or "stays"
        yield [f"T{number}", _code([row.on]), _code(row.sources), target, _code(row.effects), _code([row.tells]), row.why]


def _pairs(chart: Statechart, verdict: StepVerdict) -> Iterator[list[str]]:
    for row in chart.listed():
        if row.verdict is verdict:
            yield [f"{_LETTERS[verdict]}{row.row}", _code(row.on), _code(row.states), row.why]


def _events(chart: Statechart) -> Iterator[list[str]]:
    for event in chart.events.values():
        means = _code([event.means]) if event.means != event.name else ""
        yield [_code([event.name]), event.kind, _code(event.data), means, event.why]


def _timers(chart: Statechart) -> Iterator[list[str]]:
    for timer in chart.timers.values():
        yield [_code([timer.name]), _code([timer.event]), _code([timer.seconds]), timer.why]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, or nothing if it would have no rows."""
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *lines]) if lines else ""


def _code(names: Iterable[str | None]) -> str:
    return ", ".join(f"`{name}`" for name in names if name)
