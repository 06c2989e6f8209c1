"""How the verdict on a journal looks: for a person in a terminal, and for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from reconnect.cli.lines import printable
from reconnect.evidence.reading import journals_of
from reconnect.evidence.verify import Verified

SHOWN: Final = 10  # objections that a person is shown; all that are kept are in the JSON


@contextmanager
def progress(paths: Sequence[Path], doing: str = "checking") -> Iterator[Callable[[int], object] | None]:
    """Show on stderr how far the reading is, where somebody looks on; hand out what takes the number of bytes read."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    size = sum(file.stat().st_size for files in journals_of(paths) for file in files if file.exists())
    columns = (TextColumn(doing), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=size)
        yield lambda count: bar.advance(task, count)


def show_json(verified: Sequence[Verified]) -> None:
    """Print the verdicts as one JSON object."""
    told = {"holds": all(one.holds for one in verified), "journals": [_told(one) for one in verified]}
    sys.stdout.write(json.dumps(told) + "\n")


def _told(one: Verified) -> dict[str, Any]:
    charts = {
        name: {"rows": walked.rows, "taken": {str(row): count for row, count in walked.taken.items()}, "visited": walked.visited}
        for name, walked in one.charts.items()
    }
    return {**msgspec.to_builtins(one, str_keys=True), "charts": msgspec.to_builtins(charts)}


def show(verified: Sequence[Verified], console: Console | None = None) -> None:
    """Print the verdicts for a person."""
    out = console or Console(highlight=False)
    for one in verified:
        out.print(_table(one))
        for objection in one.objections[:SHOWN]:
            _say(out, str(objection), style="red")
        total = sum(one.counts.values())
        if total > SHOWN:
            _say(out, f"... and {total - SHOWN} more; the first is the one that matters", style="red")
        for remark in one.remarks:
            _say(out, f"remark: {remark}", style="yellow")
        _say(out, _verdict(one), style="bold green" if one.holds else "bold red")


def _say(out: Console, sentence: str, *, style: str) -> None:
    out.print(Text(printable(sentence), style=style), soft_wrap=True)


def _verdict(one: Verified) -> str:
    name = Path(one.files[-1]).name
    if one.first is None:
        return f"{name} holds: {one.entries:,} entries, head {one.head}"
    return f"{name} does not hold: the first objection is at line {one.first.line} of {Path(one.first.file).name}"


def _table(one: Verified) -> Table:
    """Return the summary: what was walked, what happened, and how the signals ended."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    files = f" in {len(one.files)} files" if len(one.files) > 1 else ""
    rows = {
        "journal": f"{one.files[-1]}: {one.entries:,} entries{files}, {one.sources} source{'' if one.sources == 1 else 's'}",
        "time": f"{one.first_wall} to {one.last_wall}",
        **{f"chart {name}": _walked(name, one) for name in one.charts if one.charts[name].taken},
        "outages": f"{one.outages}, the longest {one.longest_outage:.1f} s, {one.seconds_away:.1f} s in all",
        "attempts": f"{one.attempts} dialed; {one.questions} retry questions, {one.recomputed} of them computed anew",
        "signals": f"{one.submitted:,} submitted, {one.pending:,} pending",
        "outcomes": ", ".join(f"{count:,} {status}" for status, count in sorted(one.outcomes.items())) or "none",
    }
    for label, words in rows.items():
        table.add_row(label, Text(printable(words)))
    return table


def _walked(name: str, one: Verified) -> str:
    walked = one.charts[name]
    visited = [f"{state} {count}" for state, count in walked.visited.items() if count]
    return f"{len(walked.taken)} of {walked.rows} rows; entered {', '.join(visited)}"
