"""Asks a retry policy, which may be anyone's, and makes an answer of whatever it does.

A policy that raises, is asynchronous, or answers what is no answer, ends the episode with POLICY_ERROR and a sentence.
"""

from __future__ import annotations

import inspect
import math
from asyncio import CancelledError

from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.limits import POLICY_DETAIL_CHARACTERS
from reconnect.ports import RetryPolicy
from reconnect.reasons import Reason


def ask(policy: RetryPolicy, question: RetryQuestion) -> RetryAnswer:
    """Return the policy's answer; never raises what a policy raises."""
    try:
        answer: object = policy.decide(question)
    except (Exception, CancelledError) as error:  # nothing is awaited here, so a cancellation is the policy's own
        return _broken(f"the retry policy raised {_told(error)}")
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        return _broken("the retry policy is asynchronous, and a policy is asked synchronously")
    if not isinstance(answer, RetryAnswer):
        return _broken(f"the retry policy answered {type(answer).__name__}, not a RetryAnswer")
    if answer.retry_in is not None and not _is_delay(answer.retry_in):
        return _broken(f"the retry policy answered retry_in={answer.retry_in!r}, which is no delay")
    if not isinstance(answer.reason, Reason):
        return _broken(f"the retry policy answered reason={answer.reason!r}, which is no Reason")
    return answer


def _broken(detail: str) -> RetryAnswer:
    return RetryAnswer(retry_in=None, reason=Reason.POLICY_ERROR, detail=detail[:POLICY_DETAIL_CHARACTERS])


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # an error whose own __str__ raises
        return type(error).__name__


def _is_delay(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and math.isfinite(seconds) and seconds >= 0
