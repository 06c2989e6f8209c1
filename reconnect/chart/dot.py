"""Draws a chart as Graphviz DOT: what a reviewer looks at. The same chart gives the same text.

The drawing shows the rows and nothing else; ignores and refusals stand in the table of the page (`page`). What is seen:

- Time runs from left to right. A box is a leaf: its name, then what it asks for on entry and exit, then its internal rows.
- A parent is a frame around its children; an edge that ends on the frame is a row from or to the parent, and its dot says
  where entering it leads.
- A colour is a role. An edge in red leads to where the chart ends.
- Rows between the same two states share one edge, a line each: `event / effects`, then what is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from textwrap import wrap

from reconnect.chart.model import Statechart
from reconnect.chart.rows import State, StepVerdict, Transition

_RED, _INK, _WIDTH = "#b3261e", "#3c4043", 34
# Fill and border. Roles that mean alike in several charts look alike; a role that is not listed takes one by its place.
_COLOURS = {
    "grey": ("#eceff1", "#78909c"),
    "blue": ("#e3f2fd", "#1e88e5"),
    "green": ("#e6f4ea", "#34a853"),
    "amber": ("#fff3e0", "#fb8c00"),
    "violet": ("#f3e5f5", "#8e24aa"),
    "rose": ("#fce8e6", "#d93025"),
}
_ROLES = {
    "offline": "grey", "queued": "grey", "gone": "rose", "ended": "rose",
    "connecting": "blue", "asked": "blue", "in_flight": "blue", "joining": "blue",
    "online": "green", "live": "green", "present": "green", "delivered": "green",
    "recovering": "amber", "interrupted": "amber", "unsure": "amber", "away": "amber",
    "closing": "violet", "written": "violet",
    "rejected": "rose", "failed": "rose", "expired": "grey", "dropped": "grey", "cancelled": "grey",
}  # fmt: skip


def draw_dot(chart: Statechart) -> str:
    """Return the chart as DOT text."""
    lines = [
        f'digraph "{chart.name}" {{',
        f"  label = <<B>{chart.name}</B> version {chart.version}, {chart.sha256[:12]}>; labelloc = t; fontsize = 16;",
        '  rankdir = LR; compound = true; nodesep = 0.35; ranksep = 0.6; fontname = "Helvetica";',
        '  node [shape = plain, fontname = "Helvetica", fontsize = 11];',
        f'  edge [fontname = "Helvetica", fontsize = 9, arrowsize = 0.7, color = "{_INK}", fontcolor = "{_INK}"];',
        *(f"  {line}" for state in chart.states if state.parent is None for line in _state(chart, state)),
        '  "." [shape = circle, style = filled, fillcolor = black, width = 0.14, label = ""];',
        # Where the chart ends where it began, that state stands at the right, and its dot beside it.
        f'  "{chart.initial}" -> "." [dir = back];' if chart.initial in ends(chart) else f'  "." -> "{chart.initial}";',
        *(f"  {line}" for line in _edges(chart)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def colours(chart: Statechart) -> dict[str, tuple[str, str]]:
    """Return fill and border for each role of the chart."""
    names = tuple(_COLOURS)
    return {role: _COLOURS[_ROLES.get(role, names[number % len(names)])] for number, role in enumerate(chart.roles)}


def _state(chart: Statechart, state: State) -> Iterator[str]:
    fill, border = colours(chart).get(state.role, ("#ffffff", _INK))
    if not state.children:
        yield f'"{state.name}" [label = <{_box(chart, state, fill, border)}>];'
        return
    yield f'subgraph "cluster_{state.name}" {{'
    yield f"  label = <{_frame(chart, state)}>; labeljust = l; fontsize = 11;"
    yield f'  style = rounded; color = "{border}"; penwidth = 1.4; margin = 14;'
    entered = any(row.to == state.name for row in chart.transitions)
    if entered:
        yield f'  "{state.name}." [shape = circle, style = filled, fillcolor = black, width = 0.12, label = ""];'
    for child in state.children:
        yield from (f"  {line}" for line in _state(chart, chart.index[child]))
    if entered:
        yield f'  "{state.name}." -> "{chart.leaf(state.name)}";'
    yield "}"


def _box(chart: Statechart, state: State, fill: str, border: str) -> str:
    inside = [row for row in chart.transitions if row.to is None and state.name in row.sources]
    name = f'<TR><TD ALIGN="CENTER"><B>{escape(state.name.rpartition(".")[2])}</B></TD></TR>'
    compartments = [_asked(state), [line for row in inside for line in _row(row)]]
    rows = name + "".join("<HR/>" + _cells(lines) for lines in compartments if lines)
    style = f'BORDER="1.4" CELLBORDER="0" CELLSPACING="0" CELLPADDING="3" STYLE="ROUNDED" BGCOLOR="{fill}" COLOR="{border}"'
    return f"<TABLE {style}>{rows}</TABLE>"


def _frame(chart: Statechart, state: State) -> str:
    inside = [row for row in chart.transitions if row.to is None and state.name in row.sources]
    lines = [f"<B>{escape(state.name)}</B>", *_asked(state), *(line for row in inside for line in _row(row))]
    return _table(_cells(lines))


def _table(rows: str, style: str = "") -> str:
    return f'<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1"{style}>{rows}</TABLE>'


def _cells(lines: list[str]) -> str:
    return "".join(f'<TR><TD ALIGN="LEFT">{line}</TD></TR>' for line in lines)


def _asked(state: State) -> list[str]:
    width = _WIDTH * 2 if state.children else _WIDTH
    asked = (("entry", state.entry), ("exit", state.exit))
    return [line for word, actions in asked if actions for line in _wrapped(f"{word} / {', '.join(actions)}", width)]


def _row(row: Transition) -> list[str]:
    """Return the lines of a row's label, with the event in bold."""
    effects = f" / {', '.join(row.effects)}" if row.effects else ""
    text = row.on + effects + (f" ▸\N{NO-BREAK SPACE}{row.tells}" if row.tells else "")
    first, *others = _wrapped(text)
    return [f"<B>{escape(row.on)}</B>{first.removeprefix(escape(row.on))}", *others]


def _wrapped(text: str, width: int = _WIDTH) -> list[str]:
    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [escape(line) if number == 0 else "&nbsp;" * 4 + escape(line) for number, line in enumerate(lines)]


def _edges(chart: Statechart) -> Iterator[str]:
    """Yield one edge for each pair of states that has rows."""
    merged: dict[tuple[str, str], list[Transition]] = {}
    for row in chart.transitions:
        for source in row.sources:
            if row.to is not None:
                merged.setdefault((source, row.to), []).append(row)
    last = ends(chart)
    for (source, target), rows in merged.items():
        # On white, so that a frame behind the label does not strike it through.
        label = _table(_cells([line for row in rows for line in _row(row)]), ' BGCOLOR="white"')
        style = [f"label = <{label}>"]
        tail, head = chart.below(source)[-1], f"{target}." if chart.index[target].children else target
        # An edge is cut off at a frame only from outside of it.
        if chart.index[source].children and not f"{head}.".startswith(f"{source}."):
            style.append(f'ltail = "cluster_{source}"')
        if chart.index[target].children and not tail.startswith(f"{target}."):
            style.append(f'lhead = "cluster_{target}"')
        if chart.leaf(target) in last:
            style.append(f'color = "{_RED}", fontcolor = "{_RED}"')
        yield f'"{tail}" -> "{head}" [{", ".join(style)}];'


def ends(chart: Statechart) -> set[str]:
    """Return where the chart ends: the leaves that nothing leaves; the initial leaf where there are none."""
    taken = ((leaf, decision) for (leaf, _), decision in chart.table.items() if decision.verdict is StepVerdict.TAKEN)
    return set(chart.leaves) - {leaf for leaf, decision in taken if not decision.internal} or {chart.initial}
