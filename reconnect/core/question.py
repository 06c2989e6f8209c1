"""What a retry policy is asked and what it answers: all that it may know, as data."""

from __future__ import annotations

from reconnect.reasons import Cause, Reason
from reconnect.record import Record


class RetryQuestion(Record, kw_only=True):
    """An attempt failed or an accepted transport died: go on, and when?

    `attempt` is the one that would be made next, from 1 within this outage; `streak` counts attempts since the last stable
    connection, this one included. `elapsed` is in seconds since the outage (or the connect()) began, `at` the instant of asking.
    `first_try_window` is what the hub advised, in seconds, None without a welcome. `renewable` says that the token can be fetched
    anew, `renewed` that it was tried already in this episode. `chance` seeds every draw of this decision.
    """

    cause: Cause
    attempt: int
    streak: int
    elapsed: float
    at: float
    initial: bool = False
    retry_initial: bool = False
    renewable: bool = False
    renewed: bool = False
    first_try_window: float | None = None
    chance: float = 0.0


class RetryAnswer(Record, kw_only=True):
    """Try again in `retry_in` seconds, or (None) end with `reason`. `renewal` marks the one try for a fresh token."""

    retry_in: float | None
    reason: Reason
    detail: str = ""
    renewal: bool = False
