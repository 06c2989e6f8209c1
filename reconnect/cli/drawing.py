"""`reconnect charts draw` and `export`: the charts as pictures and pages, and for other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from reconnect.chart import chart_names, load_chart
from reconnect.chart.draw import HERE, Stale, default_folder, drawings, illegible, stale_drawings, stale_schema
from reconnect.chart.export import Format
from reconnect.chart.export import export as exported
from reconnect.cli.options import FAILED, chosen, fail, warn
from reconnect.errors import BadArgument, ChartError, DrawingUnavailable
from reconnect.evidence.printable import printable

DIFF_LINES: Final = 40


def draw(
    named: Annotated[
        list[str] | None, typer.Argument(metavar="CHART...", help="Files, or names of the library's; by default all of these.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; show what is stale and exit 1.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the drawings are; by default diagrams/ beside the charts.")
    ] = None,
) -> None:
    """Draw charts: for each NAME.dot, NAME.svg, and NAME.md for the reviewer.

    A chart with twins gets three pictures: NAME-states.svg to read at a glance, NAME-overview.svg, and NAME.svg for zooming. Of
    the library's own charts, drawings that have no chart any more are removed, and the JSON Schema beside the charts is kept.

    Needs the extra `diagrams`, which brings Graphviz in a version that gives the same pictures everywhere.

    Exit code 0 if all is up to date, or was brought up to date; 1 if --check finds something: a drawing that is stale, missing or
    of no chart, or letters too small to read at the width that a picture is meant for.
    """
    folder = out if out is not None else HERE if named else default_folder()
    try:
        drawn = _drawn(named or chart_names())
    except (BadArgument, ChartError, DrawingUnavailable) as error:
        fail(str(error))
    # Where the user's own charts are drawn as well, a drawing may have a chart that is not known here.
    stale = stale_drawings(folder, drawn, complete=not named and (out is not None or folder != HERE))
    stale += stale_schema() if not named and out is None else []
    for one in stale:
        if check:
            _show(one)
        else:
            try:
                one.mend()
            except OSError as error:
                fail(f"{one.path} cannot be brought up to date: {error.strerror or error}")
            print(printable(f"{one.path}: {'removed' if one.should is None else 'brought up to date'}"))
    if not stale:
        print(printable(f"{folder}: all drawings are up to date"))
    small = illegible(drawn)
    for sentence in small:
        warn(sentence)
    if check and (stale or small):
        raise typer.Exit(FAILED)


def export(
    chart: Annotated[str, typer.Argument(metavar="[CHART]", help="A chart's name, or the path of a file.")] = "session",
    to: Annotated[
        str, typer.Option(metavar="|".join(Format), help="What to write it as.", autocompletion=lambda: [*map(str, Format)])
    ] = str(Format.SCXML),
) -> None:
    """Print a chart for other tools: SCXML, Mermaid, or JSON with what is decided for each pair of state and event.

    In SCXML, what the chart asks for is written as <log>, which every interpreter performs in its order.
    """
    form = chosen(Format, to, "--to")
    try:
        sys.stdout.write(exported(load_chart(chart), form))
    except ChartError as error:
        fail(str(error))


def _drawn(charts: list[str]) -> dict[str, str]:
    drawn: dict[str, str] = {}
    for chart in map(load_chart, charts):
        if f"{chart.name}.svg" in drawn:
            raise BadArgument(
                f"{chart.file}: the chart before it is called {chart.name!r} too, and its drawings would be lost; "
                "give one of them another name, or draw each into a folder of its own with --out"
            )
        drawn |= drawings(chart)
    return drawn


def _show(stale: Stale) -> None:
    """Say how a file differs from what it should be, in not too many lines."""
    if stale.found is None:
        print(printable(f"{stale.path}: is not there"))
    elif stale.should is None:
        print(printable(f"{stale.path}: has no chart"))
    else:
        print(printable(f"{stale.path}: is not up to date"))
        for line in stale.diff[:DIFF_LINES]:
            print(printable(f"  {line}"))
        if len(stale.diff) > DIFF_LINES:
            print(f"  and {len(stale.diff) - DIFF_LINES} more lines")
