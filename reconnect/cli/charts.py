"""`reconnect charts`: the charts, listed and checked. Drawing and exporting them are in `drawing`, in the same group."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Final

import typer
from msgspec import to_builtins

from reconnect.chart import Statechart, chart_names, find_chart, load_chart
from reconnect.cli.drawing import draw, export
from reconnect.cli.lines import printable
from reconnect.cli.options import FAILED, add_command, fail, reflowed
from reconnect.errors import ChartError
from reconnect.evidence.examine import Examination, examine

ABOUT: Final = """The charts: what may happen in which state, and what then follows.

They are data files; the code that runs, the pictures and the audit come from them.
"""

charts = typer.Typer(name="charts", help=reflowed(ABOUT), no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]


def list_charts(json_: Json = False) -> None:
    """List the library's charts: name, version, states, rows and SHA-256.

    The SHA-256 is that of the file's bytes. It stands on the chart's page in diagrams/ and in every audit.
    """
    try:
        rows = [_listed(load_chart(name)) for name in chart_names()]
    except ChartError as error:
        fail(str(error))
    if json_:
        _print_json(rows)
        return
    print(f"{'chart':<12}{'version':>8}{'states':>8}{'rows':>6}  sha256")
    for row in rows:
        print(f"{row['name']:<12}{row['version']:>8}{row['states']:>8}{row['rows']:>6}  {row['sha256']}")


def check(
    named: Annotated[
        list[str] | None, typer.Argument(metavar="CHART...", help="Files, or names of the library's; by default all of these.")
    ] = None,
    json_: Json = False,
) -> None:
    """Check charts: that they can be read, and that what they decide together is right.

    Beyond the file itself, a session's chart is explored together with a model of its surroundings: transports, timers, answers
    of the retry policy and of the hub, calls of the user, and reports that come too late, in any order. A finding names the
    file, the row, and the shortest sequence of events that shows it.

    Exit code 0 if nothing was found, 1 if something was.
    """
    found = [examine(find_chart(chart)) for chart in named or chart_names()]
    if json_:
        _print_json({"ok": not any(one.findings for one in found), "charts": [to_builtins(one) for one in found]})
    else:
        for one in found:
            _print_examination(one)
    if any(one.findings for one in found):
        raise typer.Exit(FAILED)


def _listed(chart: Statechart) -> dict[str, Any]:
    return {
        "name": chart.name,
        "version": chart.version,
        "states": len(chart.leaves),
        "rows": len(chart.transitions),
        "sha256": chart.sha256,
    }


def _print_examination(one: Examination) -> None:
    print(printable(str(one)))
    for finding in one.findings:
        print(printable(f"  {finding.property}: {finding}"))
        for number, event in enumerate(finding.events, 1):
            print(printable(f"    {number}. {event}"))


def _print_json(result: Any) -> None:
    sys.stdout.write(json.dumps(result) + "\n")


add_command(charts, list_charts, "list")
add_command(charts, check)
add_command(charts, draw)
add_command(charts, export)
