"""`reconnect audit report`: a journal as one page for reviewers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconnect.audit.chain import read_key
from reconnect.cli.audit_verdict import progress
from reconnect.cli.lines import printable
from reconnect.cli.options import FAILED, USAGE, fail, warn
from reconnect.errors import AuditFailed, BadArgument, ChartError
from reconnect.evidence.charts import reviewed_chart
from reconnect.evidence.reading import journals_of
from reconnect.evidence.report import report as report_on


def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A journal; the full files beside it are read first.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page to write.")] = Path("report.html"),
    chart: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A reviewed chart, in place of the journal's own of that name.")
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="HASH", help="The published hash that the journal must end with.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the key that the journal was written with.")
    ] = None,
) -> None:
    """Write one page about a journal, for reviewers: no network, no other file, in any browser and on paper.

    It has the verdict of reconnect audit verify, the states over time, to be zoomed, the outages, how every signal ended, the
    charts with how often each row was taken, and the raw records. The pictures of charts need the extra `diagrams`.

    Exit code 0 if the journal holds, 1 if it does not (the page is written all the same, and says why), 2 without a page.
    """
    try:
        if out.resolve() in {one.resolve() for one in journals_of([file])[0]}:
            raise BadArgument(f"{out} is the journal itself, and a page would take its place; give another file to write")
        charts = [reviewed_chart(path) for path in chart or ()]
        secret = None if key is None else read_key(key)
        with progress([file, file], "reading") as told:
            made = report_on(file, charts=charts, heads=[text.strip().lower() for text in head or ()], key=secret, told=told)
        out.write_text(made.page, encoding="utf-8", newline="\n")
    except (AuditFailed, BadArgument, ChartError) as error:
        fail(str(error), USAGE)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror or error}", USAGE)
    if made.unavailable:
        warn(made.unavailable)
    first = made.verified.first
    print(
        printable(
            f"{out}: {made.verified.entries:,} records, {'the journal holds' if first is None else 'the journal does not hold'}"
        )
    )
    if first is not None:
        print(printable(f"first objection: {first}"))
        raise typer.Exit(FAILED)
