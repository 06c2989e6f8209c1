"""What a session counts, for whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping

from reconnect.reasons import OutcomeStatus
from reconnect.record import Record


class Statistics(Record, kw_only=True):
    """What a session has done since it was made.

    The conservation law holds at every moment: submitted = the sum of `outcomes` + pending. `counts` says how often things
    happened that change nothing: stale reports, repeats that were dropped, unknown frames, observers that failed.
    """

    submitted: int
    pending: int
    outcomes: Mapping[OutcomeStatus, int]
    counts: Mapping[str, int]
