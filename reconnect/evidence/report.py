"""Makes the report on a journal: checks it, gathers what it tells, draws its charts, and puts it all into one page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from reconnect.audit.definition import chart_of
from reconnect.audit.entries import Chart
from reconnect.chart import Statechart
from reconnect.errors import ChartError, DrawingUnavailable
from reconnect.evidence.gathering import Gathered, gather
from reconnect.evidence.page import Page
from reconnect.evidence.page_chart import picture
from reconnect.evidence.reading import journals_of
from reconnect.evidence.verify import Verified, verify
from reconnect.record import Record


class Report(Record, kw_only=True):
    """A report: the page, the verdict in it, and why there are no pictures, where there are none."""

    page: str
    verified: Verified
    unavailable: str


def report(
    path: str | Path,
    *,
    charts: Iterable[Statechart] = (),
    heads: Collection[str] = (),
    key: bytes | None = None,
    told: Callable[[int], object] | None = None,
) -> Report:
    """Return the report on the journal at this path, with the full files beside it; `told` hears of the bytes read, twice over.

    Without the extra `diagrams` there are no pictures, and the page says so. Raises AuditFailed for a file that cannot be read.
    """
    reviewed = tuple(charts)
    files = journals_of([Path(path)])[0]
    verified = verify(files, charts=reviewed, heads=heads, key=key, told=told)[0]
    named = {one.entry for one in verified.objections if one.entry is not None}
    gathered = gather(files, named, told)
    in_force = _charts(gathered)
    for chart in reviewed:  # a row's number is its place in the chart that ran, and a reviewed one may number them otherwise
        if chart.name not in in_force or chart.transitions == in_force[chart.name].transitions:
            in_force[chart.name] = chart
    pictures, unavailable = _pictures(in_force, gathered)
    page = Page(verified, gathered, in_force, pictures, unavailable)
    return Report(page=page.html(), verified=verified, unavailable=unavailable)


def _charts(gathered: Gathered) -> dict[str, Statechart]:
    """Return the charts that the journal defines; of several of one name the last."""
    found: dict[str, Statechart] = {}
    for told in gathered.charts.values():
        chart = _chart(told, told.definition)
        if chart is not None:
            found[told.chart] = chart
    return found


def _chart(told: Chart, definition: dict[str, Any] | None) -> Statechart | None:
    if definition is None:
        return None
    try:
        return chart_of(definition, sha256=told.sha256, file="the journal")
    except (msgspec.ValidationError, ChartError):  # the verdict says so
        return None


def _pictures(charts: dict[str, Statechart], gathered: Gathered) -> tuple[dict[str, str], str]:
    """Return the pictures of the charts that were walked, and why there are none."""
    pictures: dict[str, str] = {}
    for name, chart in charts.items():
        taken = {(row, before): count for (of, row, before), count in gathered.taken.items() if of == name}
        if taken:
            try:
                pictures[name] = picture(chart, taken)
            except DrawingUnavailable as error:
                return pictures, str(error)
    return pictures, ""
