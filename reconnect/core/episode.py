"""Attempts: what is counted from a connect() or a loss until the session is connected again or over.

`attempt` counts tries to open a transport within this outage, from 1, and is what users see. `streak` counts tries since the last
stable connection and is what a wait is computed from, so that a hub that accepts and closes at once is not hammered.
"""

from __future__ import annotations

from reconnect.core.question import RetryQuestion
from reconnect.reasons import Cause, Reason


class Episode:
    """The counters and causes of one connect() and of the outage within it."""

    __slots__ = ("attempt", "began_at", "initial", "last_error", "reason", "renewed", "streak")

    def __init__(self) -> None:
        self.attempt = 0
        self.streak = 0
        self.began_at = 0.0
        self.initial = True
        self.renewed = False
        self.reason = Reason.CLIENT_DISCONNECTED
        self.last_error: Cause | None = None

    def __repr__(self) -> str:
        return f"<Episode attempt={self.attempt} streak={self.streak} reason={self.reason}>"

    def begin(self, at: float) -> None:
        """A connect() begins: its first attempt starts at once."""
        self.attempt = self.streak = 1
        self.began_at = at
        self.initial = True
        self.renewed = False
        self.last_error = None

    def begin_outage(self, at: float, reason: Reason) -> None:
        """An accepted transport was lost."""
        self.attempt = 0
        self.began_at = at
        self.initial = False
        self.reason = reason

    def schedule(self, question: RetryQuestion, *, renewal: bool) -> None:
        """The attempt that was asked about will be made; after a wait that the hub ordered the policy starts anew."""
        ordered = question.cause.retry_after is not None and not renewal
        self.attempt, self.streak = question.attempt, 0 if ordered else question.streak
        self.renewed = self.renewed or renewal

    def accepted(self) -> None:
        """The hub accepted: the token was good."""
        self.renewed = False
        self.last_error = None

    def elapsed(self, at: float) -> float:
        """Return the seconds since the connect() or the outage began."""
        return max(0.0, at - self.began_at)

    def question(
        self, cause: Cause, at: float, *, online: bool, retry_initial: bool, renewable: bool, window: float | None
    ) -> RetryQuestion:
        """Return what the policy is asked after `cause`; `online` says that an accepted transport was lost just now."""
        return RetryQuestion(
            cause=cause,
            attempt=1 if online else self.attempt + 1,
            streak=self.streak + 1,
            elapsed=0.0 if online else self.elapsed(at),
            at=at,
            initial=self.initial and not online,
            retry_initial=retry_initial,
            renewable=renewable,
            renewed=self.renewed,
            first_try_window=window,
        )
