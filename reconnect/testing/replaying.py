"""Replays a journal within a test: what happened in the field becomes a test at the desk."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath

from reconnect.chart import Statechart
from reconnect.evidence.replay import Replayed, replay


def assert_replays(path: str | PathLike[str], *, charts: Iterable[Statechart] = ()) -> Replayed:
    """Replay the journal at this path, and raise AssertionError with the first divergence, side by side, where it goes otherwise.

    `charts` run in place of the journal's own of their names. Returns what came of it; raises AuditFailed for a file that cannot
    be read.
    """
    replayed = replay(fspath(path), charts=charts)
    if replayed.first is not None:
        raise AssertionError(f"the journal does not replay: {replayed.first}")
    return replayed
