"""`reconnect audit replay`: what a journal says that happened is done again, and compared."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reconnect.chart import load_chart
from reconnect.cli.audit_verdict import progress
from reconnect.cli.lines import printable
from reconnect.cli.options import FAILED, USAGE, fail
from reconnect.errors import AuditFailed, BadArgument, ChartError
from reconnect.evidence.divergence import Divergence
from reconnect.evidence.replay import Replayed, told_of
from reconnect.evidence.replay import replay as replay_journal
from reconnect.evidence.standing import Standing


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A journal; the full files beside it are read first.")],
    until: Annotated[
        int | None, typer.Option(metavar="ENTRY", min=1, help="Stop after this entry, and print where everything stands.")
    ] = None,
    chart: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A chart to run in place of the journal's own of that name.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, for programs.")] = False,
) -> None:
    """Do again what a journal says that happened, and compare every step, note and outcome.

    What a session was fed is fed to a fresh one of the same settings and charts, as fast as it can. Where the two part, both are
    shown side by side. Of a hub, and where records were lost, each step is taken again on a fresh machine of its chart.

    A replay says that the journal is what this program does; that nobody changed it is what reconnect audit verify says.

    Exit code 0 if it went the same way, 1 if it did not, 2 if it could not be replayed.
    """
    try:
        charts = [load_chart(path.absolute()) for path in chart or ()]
        with progress([file], "replaying") as told:
            replayed = replay_journal(file, until=until, charts=charts, told=told)
    except (AuditFailed, BadArgument, ChartError) as error:
        fail(str(error), USAGE)
    if json_:
        sys.stdout.write(json.dumps(told_of(replayed)) + "\n")
    else:
        _show(replayed, until)
    if not replayed.holds:
        raise typer.Exit(FAILED)


def _show(replayed: Replayed, until: int | None) -> None:
    out = Console(highlight=False)
    for divergence in replayed.divergences:
        _show_divergence(out, divergence)
    if until is not None:
        for standing in replayed.standings:
            out.print(_standing(standing, until))
    for remark in replayed.remarks:
        _say(out, f"remark: {remark}", style="yellow")
    counts = ", ".join(f"{count:,} {name if count != 1 else name[:-1]}" for name, count in replayed.compared.items())
    name = Path(replayed.files[-1]).name
    first = replayed.first
    verdict = f"{name} replays: " if first is None else f"{name} does not replay: it parts at entry {first.entry}; "
    _say(out, f"{verdict}{counts} up to entry {replayed.entries:,}", style="bold green" if replayed.holds else "bold red")


def _show_divergence(out: Console, divergence: Divergence) -> None:
    """Show the two sides of a divergence beside each other, what differs in red and with an arrow."""
    place = f"{divergence.file}:{divergence.line} (entry {divergence.entry})"
    _say(out, f"{place}: {divergence.words}", style="bold red")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("the journal", overflow="fold")
    table.add_column("the replay", overflow="fold")
    for name, one, other in divergence.rows():
        style = "red" if one != other else "dim"
        mark = "->" if one != other else "  "
        cells = (f"{mark} {printable(name)}", printable(one), printable(other))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    out.print(table)


def _standing(standing: Standing, until: int) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False, title=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    facts: dict[str, Any] = msgspec.to_builtins(standing)
    session = f"{facts.pop('session')} ({facts.pop('source')})"
    table.add_row("after entry", f"{until}")
    table.add_row("session", Text(printable(session)))
    for name, value in facts.items():
        if value not in (None, {}, ""):
            table.add_row(name.replace("_", " "), Text(printable(_words(value))))
    return table


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items())
    return str(value)


def _say(out: Console, sentence: str, *, style: str) -> None:
    out.print(Text(printable(sentence), style=style), soft_wrap=True)
