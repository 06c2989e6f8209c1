"""Writes a chart as a Markdown page: what a reviewer signs. The same chart gives the same text.

The page says everything that the file says, and what follows from it: a picture (Mermaid, for readers that show it), the table of
every state and event with what decides the pair, the actions of each step in their order, and each row with its why. Rows are
named by their list and number: `T3` is `transitions[3]`, `I0` is `ignores[0]`, `R2` is `refuses[2]`, as the audit counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from reconnect.chart.dot import colours
from reconnect.chart.model import Statechart
from reconnect.chart.rows import Decision, State, StepVerdict

_LETTERS = {StepVerdict.TAKEN: "T", StepVerdict.IGNORED: "I", StepVerdict.REFUSED: "R"}


def draw_markdown(chart: Statechart) -> str:
    """Return the chart as a Markdown page."""
    sections = [
        (f"# {chart.name}", [chart.why, _origin(chart)]),
        ("## Picture", [draw_mermaid(chart)]),
        ("## What each pair does", [_LEGEND, _table(["event", *chart.leaves], _matrix(chart))]),
        ("## Steps", [_STEPS, _table(["event", "in", "leads to", "by", "actions, in order", "tells"], _steps(chart))]),
        ("## States", [_table(["state", "role", "phase", "initial", "entry", "exit", "why"], map(_state, chart.states))]),
        ("## Transitions", [_table(["row", "on", "from", "to", "effects", "tells", "why"], _transitions(chart))]),
        ("## Ignores", [_table(["row", "on", "in", "why"], _pairs(chart, StepVerdict.IGNORED))]),
        ("## Refusals", [_table(["row", "on", "in", "why"], _pairs(chart, StepVerdict.REFUSED))]),
        ("## Events", [_table(["event", "kind", "data", "means", "why"], _events(chart))]),
        ("## Timers", [_table(["timer", "feeds", "after", "why"], _timers(chart))]),
        ("## Actions", [_table(["action", "stands for"], ([_code([name]), why] for name, why in chart.actions.items()))]),
        ("## Twins", [_table(["states", "but", "why"], ([_code(row.states), _code(row.but), row.why] for row in chart.twins))]),
    ]
    return "\n\n".join("\n\n".join([title, *parts]) for title, parts in sections if all(parts)) + "\n"


_LEGEND = (
    "→ leads to the state that is named; *stays* performs its effects and leaves nothing; *ignored* is legal and changes "
    "nothing; *refused* is an error and changes nothing. After it stands what says so."
)
_STEPS = "Every pair that is a row, with all that it asks for: on leaving, by the row, on entering."


def draw_mermaid(chart: Statechart) -> str:
    """Return the picture as a fenced Mermaid block: a flowchart, whose edges may begin and end at a frame."""
    lines = ["```mermaid", "flowchart LR", "  begin(( ))"]
    for state in chart.states:
        if state.parent is None:
            lines += _node(chart, state, "  ")
    lines.append(f"  begin --> {_id(chart.initial)}")
    edges: dict[tuple[str, str], list[str]] = {}
    for row in chart.transitions:
        for source in row.sources if row.to is not None else ():
            edges.setdefault(_edge(chart, source, str(row.to)), []).append(row.on)
    lines += [f'  {_id(source)} -->|"{"<br>".join(events)}"| {_id(target)}' for (source, target), events in edges.items()]
    for number, (role, (fill, border)) in enumerate(colours(chart).items()):
        nodes = ",".join(_id(leaf) for leaf in chart.leaves if chart.role(leaf) == role)
        lines += [f"  classDef role{number} fill:{fill},stroke:{border},color:#202124", f"  class {nodes} role{number}"]
    return "\n".join([*lines, "```"])


def _edge(chart: Statechart, source: str, target: str) -> tuple[str, str]:
    """Return the ends of an edge; an edge that begins within its target's frame ends at the leaf that is entered."""
    leaf = chart.leaf(target)
    return (leaf if source == target else source, leaf if f"{source}.".startswith(f"{target}.") else target)


def _node(chart: Statechart, state: State, indent: str) -> Iterator[str]:
    short = state.name.rpartition(".")[2]
    if not state.children:
        yield f'{indent}{_id(state.name)}(["{short}"])'
        return
    yield f'{indent}subgraph {_id(state.name)}["{short}"]'
    for child in state.children:
        yield from _node(chart, chart.index[child], indent + "  ")
    yield f"{indent}end"


def _id(name: str) -> str:
    # With a prefix, because a state may be called `end`, which is a word of Mermaid.
    return "s_" + name.replace(".", "__")


def _origin(chart: Statechart) -> str:
    file = Path(chart.file).name
    facts = [f"file `{file}`", f"version {chart.version}", f"begins in `{chart.initial}`", f"SHA-256 `{chart.sha256}`"]
    note = f"Generated from `{file}` by `python -m reconnect.chart.draw`; the same picture for Graphviz is `{chart.name}.dot`."
    return "\n".join([*(f"- {fact}" for fact in facts), "", note])


def _matrix(chart: Statechart) -> Iterator[list[str]]:
    for event in chart.events:
        yield [_code([event]), *(_pair(chart.decide(leaf, event)) for leaf in chart.leaves)]


def _pair(decision: Decision) -> str:
    by = f"{_LETTERS[decision.verdict]}{decision.row}"
    if decision.verdict is not StepVerdict.TAKEN:
        return f"{decision.verdict} {by}"
    return f"stays {by}" if decision.internal else f"→ **{decision.target}** {by}"


def _steps(chart: Statechart) -> Iterator[list[str]]:
    for (leaf, event), step in chart.table.items():
        if step.verdict is StepVerdict.TAKEN:
            target = "stays" if step.internal else _code([step.target])
            yield [_code([event]), _code([leaf]), target, f"T{step.row}", _code(step.actions), _code([step.tells])]


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
