"""Writes a chart as a Mermaid flowchart, for pages that show it. Its arrows are those of the full picture, with events alone."""

from __future__ import annotations

from collections.abc import Iterator

from reconnect.chart.dot import RED, colours
from reconnect.chart.model import Statechart
from reconnect.chart.rows import State
from reconnect.chart.shapes import Arrow, Kind, Style, within
from reconnect.chart.sketch import sketch


def draw_mermaid(chart: Statechart) -> str:
    """Return the chart as Mermaid text."""
    lines = ["flowchart LR", "  begin(( ))"]
    for state in chart.states:
        if state.parent is None:
            lines += _node(chart, state, "  ")
    lines.append(f"  begin --> {_id(chart.initial)}")
    arrows = sketch(chart, Kind.FULL).arrows
    for arrow in arrows:
        tail, head = _ends(chart, arrow)
        lines.append(f'  {_id(tail)} -->|"{_label(arrow)}"| {_id(head)}')
    # The arrow from the beginning is number 0.
    final = ",".join(str(number) for number, arrow in enumerate(arrows, 1) if arrow.final)
    lines += [f"  linkStyle {final} stroke:{RED}"] if final else []
    for number, (role, (fill, border)) in enumerate(colours(chart).items()):
        nodes = ",".join(_id(leaf) for leaf in chart.leaves if chart.role(leaf) == role)
        lines += [f"  classDef role{number} fill:{fill},stroke:{border},color:#202124", f"  class {nodes} role{number}"]
    return "\n".join(lines) + "\n"


def _label(arrow: Arrow) -> str:
    lines = [line for line in arrow.lines if any(piece.style is Style.NAME for piece in line)]
    return "<br>".join("".join(piece.text for piece in line) for line in lines)


def _ends(chart: Statechart, arrow: Arrow) -> tuple[str, str]:
    """Return the ends of an arrow; one that begins within its target's frame ends at the leaf that is entered."""
    leaf = chart.leaf(arrow.head)
    tail = leaf if arrow.tail == arrow.head else arrow.tail
    return tail, leaf if within(arrow.tail, arrow.head) else arrow.head


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
