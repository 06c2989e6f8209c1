"""How a retry question is judged: one order of rules, and the first that ends the episode ends it.

 1. *The token.* A cause TOKEN_EXPIRED is final where the token cannot be fetched anew. Otherwise it earns one renewal in an
    episode, and from then on it is a failure like any other, so that a hub that finds every token expired is not hammered.
 2. *Final causes* end with their own reason, whatever the strategies say.
 3. *The first connect* ends with the cause's reason, for its caller to see at once, unless `retry_initial`. The one renewal
    still applies.
 4. *`retry`*, tenacity's predicate, where there is one: not true ends with the cause's reason.
 5. *The delay* is what the hub asked for (`retry_after`, exactly: no strategy is asked for another); or nothing for a renewal;
    or, for the first try of a streak, a draw over `first_try_seconds`; or what `wait` says. A hub's delay that is no delay ends
    with SERVER_SAID_STOP, a strategy's with POLICY_ERROR.
 6. *The budget.* No attempt starts later than `give_up_after_seconds` after the outage began; exactly then is allowed. GAVE_UP is
    said at once, not after a wait in vain.
 7. *`stop`*, tenacity's, asked after `wait` as tenacity does: true ends with GAVE_UP.

`wait` sees the streak (attempts since the last stable connection, not counting a first try), `stop` and `retry` see the attempts
already made in this outage; all see the time elapsed in it. A strategy that raises, or answers with a coroutine, ends with
POLICY_ERROR. Nothing is kept between two questions: the answer follows from the question alone, as far as the strategies do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn, SupportsFloat

from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.limits import FIRST_TRY_SECONDS, POLICY_DETAIL_CHARACTERS
from reconnect.reasons import Reason
from reconnect.retry.wording import strategy_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconnect.retry.policy import RetryPolicy, Wait
    from reconnect.retry.state import QuestionState


def judge(policy: RetryPolicy, question: RetryQuestion) -> RetryAnswer:
    """Return whether and when to try again; never raises."""
    try:
        return _Judgement(policy, question).answer()
    except _Ended as ended:
        return RetryAnswer(retry_in=None, reason=ended.reason, detail=ended.detail)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a CancelledError too: nothing is awaited here, so it is the strategy's and not ours
        return RetryAnswer(retry_in=None, reason=Reason.POLICY_ERROR, detail=_error_text(error))


def is_delay(seconds: object) -> bool:
    """Return True for a finite number that is not negative."""
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    return number and math.isfinite(seconds) and seconds >= 0  # type: ignore[arg-type, operator]  # narrowed above


class _Ended(Exception):  # not an error: the way out of a judgement
    """The judgement is over: no further attempt."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail


class _Judgement:
    """One question before one policy."""

    def __init__(self, policy: RetryPolicy, question: RetryQuestion) -> None:
        self.policy, self.question, self.cause = policy, question, question.cause
        self._state: QuestionState | None = None

    def answer(self) -> RetryAnswer:
        renewal = self._renewal()
        if self.policy.retry is not None and not self._ask(self.policy.retry, self.question.attempt - 1):
            raise _Ended(self.cause.reason, self.cause.detail)
        delay = self._delay(renewal)
        self._keep_budget(delay)
        if self.policy.stop is not None and self._ask(self.policy.stop, self.question.attempt - 1, upcoming_sleep=delay):
            raise _Ended(Reason.GAVE_UP, f"{strategy_text(self.policy.stop)} said stop")
        return RetryAnswer(retry_in=delay, reason=self.cause.reason, renewal=renewal)

    def _renewal(self) -> bool:
        """Return True where the token is to be fetched anew, by rules 1 to 3."""
        question, cause = self.question, self.cause
        if cause.reason == Reason.TOKEN_EXPIRED:
            if question.renewable and not question.renewed:
                return True
            final = not question.renewable
        else:
            final = cause.final
        if final or (question.initial and not question.retry_initial):
            raise _Ended(cause.reason, cause.detail)
        return False

    def _delay(self, renewal: bool) -> float:
        if self.cause.retry_after is not None:
            return self._obeyed(self.cause.retry_after)
        if renewal:
            return 0.0
        streak = max(1, self.question.streak)
        if self.policy.first_try_seconds is not None:
            if streak == 1:
                return self._first_try(self.policy.first_try_seconds)
            streak -= 1
        return self._checked(self._ask(_wait_of(self.policy), streak))

    def _obeyed(self, retry_after: float) -> float:
        """Return the hub's delay. One that no wait may have gives up rather than come back earlier than it was told to."""
        if not is_delay(retry_after):
            raise _Ended(Reason.SERVER_SAID_STOP, f"the hub's retry_after is no delay: {retry_after!r}")
        longest = self.policy.max_wait_seconds
        if retry_after > longest:
            raise _Ended(Reason.GAVE_UP, f"the hub asks for {retry_after:g} s, and max_wait_seconds is {longest:g}")
        return float(retry_after)

    def _first_try(self, width: float) -> float:
        """Draw the first try. The hub's window widens the default, but never beyond the budget: one try there shall be."""
        from random import Random

        advised = self.question.first_try_window
        if width == FIRST_TRY_SECONDS and advised is not None and is_delay(advised):
            width = max(width, advised)
        width = min(width, self.policy.max_wait_seconds)
        if self.policy.give_up_after_seconds is not None:
            width = min(width, max(0.0, self.policy.give_up_after_seconds - self.question.elapsed))
        return Random(self.question.chance).uniform(0.0, width)

    def _checked(self, answer: object) -> float:
        if isinstance(answer, bool) or not isinstance(answer, SupportsFloat):
            _broken(f"the wait answered {answer!r}, which is no number of seconds")
        seconds = float(answer)
        if not is_delay(seconds):
            _broken(f"the wait answered {answer!r}, which is no delay")
        if seconds > self.policy.max_wait_seconds:
            _broken(f"the wait answered {seconds:g} s, more than max_wait_seconds={self.policy.max_wait_seconds:g}")
        return seconds

    def _keep_budget(self, delay: float) -> None:
        elapsed, budget = self.question.elapsed, self.policy.give_up_after_seconds
        if budget is not None and elapsed + delay > budget:
            raise _Ended(
                Reason.GAVE_UP,
                f"{elapsed:.3g} s have passed, the next try would be {delay:.3g} s later, and {budget:g} s is the end",
            )

    def _ask(self, strategy: Callable[[Any], Any], attempts: int, upcoming_sleep: float = 0.0) -> Any:
        """Ask one of tenacity's strategies; tenacity is loaded here, when the first one is asked."""
        if self._state is None:
            from reconnect.retry.state import QuestionState

            policy = self.policy
            self._state = QuestionState(self.question, wait=_wait_of(policy), stop=policy.stop, retry=policy.retry)
        self._state.attempt_number, self._state.upcoming_sleep = max(0, attempts), upcoming_sleep
        answer = strategy(self._state)
        if hasattr(answer, "__await__"):  # it would count as true, and never run
            if hasattr(answer, "close"):
                answer.close()
            _broken(f"{strategy_text(strategy)} is asynchronous, and a policy is asked synchronously")
        return answer


def _wait_of(policy: RetryPolicy) -> Wait:
    if policy.wait is not None:
        return policy.wait
    from reconnect.retry.waits import full_jitter

    return full_jitter()


def _broken(detail: str) -> NoReturn:
    raise _Ended(Reason.POLICY_ERROR, detail[:POLICY_DETAIL_CHARACTERS])


def _error_text(error: BaseException) -> str:
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # an exception whose own __str__ raises
        text = type(error).__name__
    return text[:POLICY_DETAIL_CHARACTERS]
