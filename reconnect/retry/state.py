"""What a tenacity `wait`, `stop` or `retry` is asked with: tenacity's own state, filled from a question instead of from a clock.

Rules: no clock is read and nothing sleeps. `seconds_since_start` is the question's `elapsed`, exactly; `outcome` is the attempt
that just failed, with a TransportFailed that carries the cause; `generator` draws from the question's `chance` alone.
"""

from __future__ import annotations

from random import Random
from typing import Any

from tenacity import Future, RetryCallState, Retrying, retry_always, stop_never

from reconnect.core.question import RetryQuestion
from reconnect.errors import TransportFailed


class QuestionState(RetryCallState):
    """A RetryCallState that tells the time of the session, not of the machine."""

    def __init__(self, question: RetryQuestion, *, wait: Any, stop: Any, retry: Any) -> None:
        retrying = Retrying(wait=wait, stop=stop or stop_never, retry=retry or retry_always)
        super().__init__(retrying, fn=None, args=(), kwargs={})
        self.question = question
        self.generator = Random(question.chance)
        self.start_time = question.at - question.elapsed
        self.outcome_timestamp = question.at
        self.attempt_number = max(0, question.attempt - 1)
        self.outcome = Future.construct(self.attempt_number, TransportFailed(question.cause), has_exception=True)

    @property
    def seconds_since_start(self) -> float:
        """How long this outage lasts; not computed from two instants, which would round."""
        return self.question.elapsed
