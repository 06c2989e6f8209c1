"""`session.svg`: the top states of `statecharts/session.toml`, drawn for people.

Where things stand is decided here by hand, by role; what stands there, states, edges and what is told, is read from the chart.
An edge that the chart has and the layout does not, or the other way round, is an error, so the picture cannot lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import pairwise

from docs.generate.source import GENERATED
from reconnect.chart import State, Statechart, load_chart
from reconnect.chart.dot import colours

WIDTH, HEIGHT = 1000, 352
INK, PALE, TOLD = "#202124", "#5f6368", "#1a56b0"

Box = tuple[int, int, int, int]
Point = tuple[int, int]

# By role: left, top, width, height, and what a reader should know of it.
BOXES: dict[str, tuple[Box, str]] = {
    "offline": ((20, 178, 170, 84), "each signal has its outcome"),
    "connecting": ((370, 42, 240, 98), "signals wait"),
    "online": ((730, 42, 250, 68), "signals and frames travel"),
    "recovering": ((730, 232, 250, 98), "signals wait or are dropped"),
    "closing": ((415, 206, 180, 62), "what was sent is answered"),
}

# By roles: the line, where its label stands, and which end of the label stands there.
EDGES: dict[tuple[str, str], tuple[list[Point], Point, str]] = {
    ("offline", "connecting"): ([(105, 178), (105, 90), (370, 90)], (115, 84), "start"),
    ("connecting", "online"): ([(610, 76), (730, 76)], (670, 70), "middle"),
    ("connecting", "offline"): ([(400, 140), (400, 192), (190, 192)], (394, 186), "end"),
    ("online", "recovering"): ([(800, 110), (800, 232)], (794, 176), "end"),
    ("recovering", "online"): ([(880, 232), (880, 110)], (886, 176), "start"),
    ("online", "closing"): ([(755, 110), (755, 150), (622, 150), (622, 237), (595, 237)], (628, 144), "start"),
    ("closing", "offline"): ([(415, 230), (190, 230)], (200, 224), "start"),
    ("online", "offline"): ([(855, 42), (855, 14), (50, 14), (50, 178)], (64, 30), "start"),
    ("recovering", "offline"): ([(730, 306), (105, 306), (105, 262)], (394, 300), "end"),
}
WRAPPED = 28  # characters of a label before it goes on below its line
ABOVE = 6  # how far a label stands above the line that it lies on


def session_picture() -> str:
    """Return the picture."""
    return draw(load_chart("session"))


def top_states(chart: Statechart) -> list[State]:
    """Return the states that are in no other."""
    return [state for state in chart.states if state.parent is None]


def top_edges(chart: Statechart) -> dict[tuple[str, str], tuple[list[str], list[str]]]:
    """Return the events that lead from one top state to another, and what is told on the way, by the roles of both ends."""
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for row in chart.transitions:
        for source in row.sources if row.to else ():
            ends = tuple(chart.role(chart.leaf(name)) for name in (source, str(row.to)))
            if ends[0] == ends[1]:
                continue
            events, told = found.setdefault((ends[0], ends[1]), ([], []))
            if row.on not in events:
                events.append(row.on)
            if row.tells and row.tells not in told:
                told.append(row.tells)
    return found


def draw(chart: Statechart) -> str:
    """Return the chart's top level as SVG; raise ValueError where it is not the one that was laid out."""
    edges, states = top_edges(chart), {state.role: state for state in top_states(chart)}
    if edges.keys() != EDGES.keys() or states.keys() != BOXES.keys():
        odd = sorted(map(str, (edges.keys() ^ EDGES.keys()) | (states.keys() ^ BOXES.keys())))
        raise ValueError(f"docs/generate/picture.py does not know this chart: {', '.join(odd)}; lay it out there")
    names = ", ".join(state.name for state in states.values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">',
        f"<!-- {GENERATED} -->",
        f"<title>A session and its states: {escape(names)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
    ]
    for ends, (events, told) in edges.items():
        lines += _edge(*EDGES[ends], events, told)
    for role, state in states.items():
        lines += _box(chart, state, *BOXES[role])
    return "\n".join([*lines, "</svg>"]) + "\n"


def _edge(points: list[Point], label: Point, anchor: str, events: list[str], told: list[str]) -> Iterator[str]:
    path = "M" + "L".join(f"{x} {y}" for x, y in points)
    yield f'<path d="{path}" fill="none" stroke="{PALE}" stroke-width="1.3"/>'
    yield f'<path d="{_head(*points[-2:])}" fill="{PALE}"/>'
    x, y = label
    lies_on_line = any(first[1] == second[1] == y + ABOVE for first, second in pairwise(points))
    for text, colour, style in _label(events, told):
        yield _text(x, y, text, size=11, colour=colour, anchor=anchor, style=style)
        y += ABOVE + 13 if lies_on_line and y == label[1] else 14


def _text(x: int, y: int, text: str, *, size: int, colour: str = INK, anchor: str = "middle", style: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _head(before: Point, tip: Point) -> str:
    """Return the outline of an arrow's head; lines run along the axes."""
    (x, y), along = tip, (_sign(tip[0] - before[0]), _sign(tip[1] - before[1]))
    back = x - 9 * along[0], y - 9 * along[1]
    aside = 4 * along[1], 4 * along[0]
    return f"M{x} {y}L{back[0] + aside[0]} {back[1] + aside[1]}L{back[0] - aside[0]} {back[1] - aside[1]}z"


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _label(events: list[str], told: list[str]) -> Iterator[tuple[str, str, str]]:
    line = ""
    for event in events:
        if line and len(line) + len(event) > WRAPPED:
            yield line + ",", INK, ""
            line = ""
        line = f"{line}, {event}" if line else event
    yield line, INK, ""
    if told:
        yield f"tells {', '.join(told)}", TOLD, ' font-style="italic"'


def _box(chart: Statechart, state: State, box: Box, meaning: str) -> Iterator[str]:
    x, y, width, height = box
    fill, border = colours(chart)[state.role]
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="9" fill="{fill}" stroke="{border}" stroke-width="1.6"/>'
    middle, first = x + width // 2, y + (25 if state.children else height // 2 - 5)
    yield _text(middle, first, state.name, size=15, style=' font-weight="600"')
    yield _text(middle, first + 18, meaning, size=11, colour=PALE)
    children = [child.rpartition(".")[2] for child in state.children]
    each = (width - 20) // len(children) if children else 0
    for number, child in enumerate(children):
        left = x + 10 + number * each
        pill = f'x="{left + 3}" y="{y + height - 40}" width="{each - 6}" height="26" rx="13"'
        yield f'<rect {pill} fill="#ffffff" stroke="{border}"/>'
        yield _text(left + each // 2, y + height - 23, child, size=11)
