"""A chart as a journal keeps it: all that its file says, as JSON values, so that months later the journal needs no other file."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from reconnect.chart.check import check
from reconnect.chart.model import Statechart

_DERIVED: Final = frozenset({"leaves", "index", "table"})  # from the rows
_ELSEWHERE: Final = frozenset({"file", "sha256"})  # the path is the machine's own; the hash stands beside the definition


@lru_cache(maxsize=64)  # thousands of sessions run on one chart
def definition(chart: Statechart) -> dict[str, Any]:
    """Return what a chart says."""
    told: dict[str, Any] = {}
    for name in chart.__struct_fields__:
        if name not in _DERIVED | _ELSEWHERE:
            value = getattr(chart, name)
            told[name] = msgspec.to_builtins(dict(value) if hasattr(value, "items") else value)
    return told


def chart_of(told: dict[str, Any], *, sha256: str, file: str) -> Statechart:
    """Return the chart of a definition, checked as any other; raises msgspec.ValidationError or a ChartError."""
    return check(msgspec.convert({**told, "sha256": sha256, "file": file}, Statechart))
