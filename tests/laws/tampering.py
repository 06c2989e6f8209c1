"""A chart with one of its rows tampered with, for the laws that want a behaviour to notice."""

from __future__ import annotations

from msgspec.structs import replace

from reconnect.chart import Ignore, Statechart, Transition


def without(chart: Statechart, row: int, source: str, *instead: Transition) -> Statechart:
    """Return the chart with one row, from one state, replaced by others, or ignored where there are none."""
    taken = chart.transitions[row]
    rest = tuple(state for state in taken.sources if state != source)
    kept = [replace(taken, sources=rest)] if rest else []
    rows = (*chart.transitions[:row], *kept, *instead, *chart.transitions[row + 1 :])
    ignores = () if instead else (Ignore(on=(taken.on,), states=(source,), why="tampered with"),)
    return replace(chart, transitions=rows, ignores=(*chart.ignores, *ignores), sha256=f"{row} {source} {instead}")
