"""Hands charts to other tools: as SCXML, as Mermaid, or as JSON with the table that follows from the rows."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from msgspec import to_builtins

from reconnect.chart.mermaid import draw_mermaid
from reconnect.chart.model import Statechart
from reconnect.chart.scxml import draw_scxml


class Format(StrEnum):
    """What a chart can be exported to."""

    SCXML = "scxml"
    MERMAID = "mermaid"
    JSON = "json"


def export(chart: Statechart, form: Format) -> str:
    """Return the chart in another form."""
    if form is Format.JSON:
        return json.dumps(_plain(chart), indent=2) + "\n"
    return draw_scxml(chart) if form is Format.SCXML else draw_mermaid(chart)


def _plain(chart: Statechart) -> dict[str, Any]:
    """Return the chart as plain values: what its file says, and for each pair what is decided."""
    said = ("name", "version", "why", "sha256", "initial", "states", "transitions", "ignores", "refuses", "twins", "leaves")
    plain = {key: to_builtins(getattr(chart, key)) for key in said}
    plain |= {key: to_builtins(dict(getattr(chart, key))) for key in ("events", "timers", "actions", "tells")}
    pairs = ((leaf, event, decision) for (leaf, event), decision in chart.table.items())
    plain["table"] = [{"state": leaf, "event": event, **to_builtins(decision)} for leaf, event, decision in pairs]
    return plain
