"""The charts of a report: the picture of each with how often its arrows were taken, and each row with its count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from reconnect.chart import Statechart, StepVerdict
from reconnect.chart.dot import write_dot
from reconnect.chart.layout import lay_out
from reconnect.chart.shapes import Arrow, Kind, Piece, Sketch, Style, within
from reconnect.chart.sketch import sketch
from reconnect.chart.svg import draw_svg
from reconnect.evidence.printable import html, printable

Taken = Mapping[tuple[int, str], int]  # how often a row was taken, by its number and the leaf before


def picture(chart: Statechart, taken: Taken) -> str:
    """Return the picture of what happened as SVG; raise DrawingUnavailable without the extra that lays it out."""
    about = f"The chart {chart.name}, version {chart.version}, with how often each arrow was taken"
    return draw_svg(
        lay_out(write_dot(counted(sketch(chart, Kind.FULL), taken))), title=f"{chart.name}: what happened", about=about
    )


def counted(drawn: Sketch, taken: Taken) -> Sketch:
    """Return a sketch whose arrows say how often they were taken."""
    counts: Counter[int] = Counter()
    for (row, before), count in taken.items():
        number = _arrow_of(drawn, row, before)
        if number is not None:
            counts[number] += count
    return replace(drawn, arrows=tuple(_with_count(arrow, counts[number]) for number, arrow in enumerate(drawn.arrows)))


def _arrow_of(drawn: Sketch, row: int, before: str) -> int | None:
    """Return the arrow that stands for a row where it leaves this leaf: the one that begins nearest; None for an internal row."""
    said = drawn.chart.transitions[row] if row < len(drawn.chart.transitions) else None
    if said is None or said.to is None:
        return None
    ends = [number for number, arrow in enumerate(drawn.arrows) if arrow.head == said.to and within(before, arrow.tail)]
    named = [number for number in ends if any(said.on in piece.text for line in drawn.arrows[number].lines for piece in line)]
    return max(named, key=lambda number: len(drawn.arrows[number].tail), default=None)


def _with_count(arrow: Arrow, count: int) -> Arrow:
    words = Piece(text=f"{count:,} \u00d7", style=Style.NAME) if count else Piece(text="never", style=Style.WHERE)
    return replace(arrow, taken=count, lines=((words,), *arrow.lines))


def rows(chart: Statechart, taken: Taken) -> Iterator[str]:
    """Yield the table of a chart's rows, with how often each was taken."""
    counts: Counter[int] = Counter()
    for (taken_row, _), count in taken.items():
        counts[taken_row] += count
    most = max(counts.values(), default=1)
    yield '<div class="table"><table><thead><tr><th>row</th><th>in</th><th>when</th><th>leads to</th><th>tells</th>'
    yield '<th class="number">taken</th><th></th></tr></thead><tbody>'
    for number, row in enumerate(chart.transitions):
        count = counts[number]
        cells = (f"T{number}", ", ".join(row.sources), row.on, row.to or "(stays)", row.tells or "")
        title = html(f"{chart.row_name(StepVerdict.TAKEN, number)}: {row.why}")
        bar = (
            f'<svg class="bar" aria-hidden="true"><rect width="{100 * count / most:.1f}%" height="100%"/></svg>' if count else ""
        )
        shown = f"{count:,}" if count else "never"
        yield _row(cells, title, shown, bar, count)
    yield "</tbody></table></div>"


def _row(cells: tuple[str, ...], title: str, shown: str, bar: str, count: int) -> str:
    told = "".join(f"<td>{html(cell)}</td>" for cell in cells)
    never = "" if count else ' class="never"'
    return f'<tr{never} title="{title}">{told}<td class="number">{shown}</td><td>{bar}</td></tr>'


def heading(chart: Statechart, taken: Taken) -> str:
    """Return what of a chart was walked, in a sentence."""
    used = len({row for row, _ in taken})
    return f"{printable(chart.name)}, version {chart.version}: {used} of {len(chart.transitions)} rows were taken"
