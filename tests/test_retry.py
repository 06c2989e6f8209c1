"""When to try again: the order of the rules, the waits, the bounds, and what happens to a broken strategy."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from statistics import mean
from typing import Any

import msgspec
import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from reconnect import ports
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.errors import BadArgument, TransportFailed
from reconnect.limits import GIVE_UP_AFTER_SECONDS, MAX_WAIT_SECONDS, STABLE_AFTER_SECONDS
from reconnect.reasons import Cause, Reason
from reconnect.retry import RetryPolicy, full_jitter, proportional_jitter, steps
from reconnect.retry.wording import strategy_text

LOST = Cause(reason=Reason.SILENT, detail="nothing was heard")
FINAL = Cause(reason=Reason.KICKED, final=True, detail="bye")
EXPIRED = Cause(reason=Reason.TOKEN_EXPIRED)


def ask(cause: Cause = LOST, **facts: Any) -> RetryQuestion:
    """Return a question about the second try of an outage that began 3 s ago, but for what is said."""
    usual: dict[str, Any] = {"attempt": 2, "streak": 2, "elapsed": 3.0, "at": 1_003.0, "chance": 0.25}
    return RetryQuestion(cause=cause, **{**usual, **facts})


def first(**facts: Any) -> RetryQuestion:
    """Return the question about the first try of an outage."""
    return ask(**{"attempt": 1, "streak": 1, "elapsed": 0.0, "at": 1_000.0, **facts})


def fixed(seconds: float, **options: Any) -> RetryPolicy:
    return RetryPolicy(wait=tenacity.wait_fixed(seconds), **options)


def again(retry_in: float, reason: Reason = Reason.SILENT, *, renewal: bool = False) -> RetryAnswer:
    return RetryAnswer(retry_in=retry_in, reason=reason, renewal=renewal)


def ended(answer: RetryAnswer) -> Reason:
    """Return why it ended, and see that it did."""
    assert answer.retry_in is None
    assert not answer.renewal
    return answer.reason


def delay(answer: RetryAnswer) -> float:
    assert answer.retry_in is not None, answer
    return answer.retry_in


# -- the order of the rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        pytest.param(ask(EXPIRED), (None, Reason.TOKEN_EXPIRED, False), id="expired and not renewable"),
        pytest.param(ask(EXPIRED, renewable=True), (0.0, Reason.TOKEN_EXPIRED, True), id="expired: one renewal, at once"),
        pytest.param(
            ask(Cause(reason=Reason.TOKEN_EXPIRED, final=True), renewable=True),
            (0.0, Reason.TOKEN_EXPIRED, True),
            id="final or not",
        ),
        pytest.param(ask(EXPIRED, renewable=True, renewed=True), (7.0, Reason.TOKEN_EXPIRED, False), id="expired again"),
        pytest.param(
            ask(Cause(reason=Reason.TOKEN_EXPIRED, retry_after=4.0), renewable=True),
            (4.0, Reason.TOKEN_EXPIRED, True),
            id="renewal not before the hub wants it",
        ),
        pytest.param(ask(EXPIRED, initial=True, renewable=True), (0.0, Reason.TOKEN_EXPIRED, True), id="first connect: renewal"),
        pytest.param(
            ask(EXPIRED, initial=True, renewable=True, renewed=True), (None, Reason.TOKEN_EXPIRED, False), id="then it raises"
        ),
        pytest.param(ask(FINAL), (None, Reason.KICKED, False), id="final"),
        pytest.param(
            ask(Cause(reason=Reason.DENIED, final=True, retry_after=1.0)), (None, Reason.DENIED, False), id="final comes first"
        ),
        pytest.param(ask(initial=True), (None, Reason.SILENT, False), id="first connect raises"),
        pytest.param(ask(initial=True, retry_initial=True), (7.0, Reason.SILENT, False), id="first connect retries if asked to"),
        pytest.param(ask(Cause(reason=Reason.OVERLOADED, retry_after=9.5)), (9.5, Reason.OVERLOADED, False), id="retry_after"),
        pytest.param(
            first(cause=Cause(reason=Reason.GOING_AWAY, retry_after=9.5)), (9.5, Reason.GOING_AWAY, False), id="and the first try"
        ),
        pytest.param(ask(Cause(reason=Reason.OVERLOADED, retry_after=0.0)), (0.0, Reason.OVERLOADED, False), id="at once"),
        pytest.param(ask(), (7.0, Reason.SILENT, False), id="the wait"),
        pytest.param(ask(attempt=1, streak=5, elapsed=0.0), (7.0, Reason.SILENT, False), id="a new outage, but no new streak"),
        pytest.param(ask(elapsed=113.0), (7.0, Reason.SILENT, False), id="exactly at the end of the budget"),
        pytest.param(ask(elapsed=113.5), (None, Reason.GAVE_UP, False), id="beyond the budget"),
        pytest.param(ask(EXPIRED, renewable=True, elapsed=121.0), (None, Reason.GAVE_UP, False), id="nor a renewal"),
    ],
)
def test_the_order_of_the_rules(question: RetryQuestion, expected: tuple[float | None, Reason, bool]) -> None:
    """K05 (an expired token), B11 (retry_after), B08 (the budget), K01, K02: what the policy says to each."""
    answer = fixed(7).decide(question)
    assert (answer.retry_in, answer.reason, answer.renewal) == expected


def test_an_end_by_the_cause_keeps_its_sentence() -> None:
    assert fixed(7).decide(ask(FINAL)).detail == "bye"
    assert RetryPolicy.none().decide(ask()).detail == "nothing was heard"


@pytest.mark.parametrize("retry_after", [-0.1, math.nan, math.inf, -math.inf, "soon", True])
def test_a_retry_after_that_is_no_delay_ends(retry_after: Any) -> None:
    """B11: negative or unparsable means that the hub said stop."""
    answer = RetryPolicy.forever().decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=retry_after)))
    assert ended(answer) is Reason.SERVER_SAID_STOP
    assert repr(retry_after) in answer.detail


def test_a_retry_after_beyond_the_budget_gives_up_at_once() -> None:
    """B11: not after a wait in vain; exactly at the end is allowed."""
    policy = RetryPolicy(give_up_after_seconds=120.0)
    assert ended(policy.decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=117.5), elapsed=3.0))) is Reason.GAVE_UP
    assert delay(policy.decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=117.0), elapsed=3.0))) == 117.0


def test_a_retry_after_longer_than_any_wait_may_be_gives_up() -> None:
    policy = RetryPolicy(give_up_after_seconds=None, max_wait_seconds=60.0)
    answer = policy.decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=61.0)))
    assert ended(answer) is Reason.GAVE_UP
    assert answer.detail == "the hub asks for 61 s, and max_wait_seconds is 60"


def test_after_an_obeyed_retry_after_the_policy_starts_over() -> None:
    """B11: nothing of it is kept in the policy; a streak begun anew waits as the first one did."""
    policy = RetryPolicy()
    before = policy.decide(first())
    policy.decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=50.0)))
    assert policy.decide(first()) == before


# -- the budget and the stop ---------------------------------------------------------------------------------------------------


def schedule(policy: RetryPolicy, *, tries: int = 1_000, dial: float = 0.0, stable: bool = False) -> list[float]:
    """Return the instants, from the loss on, at which attempts start against a hub that refuses; each dial takes `dial`."""
    now, starts = 0.0, []
    chances = random.Random(11)
    for attempt in range(1, tries + 1):
        answer = policy.decide(
            ask(attempt=attempt, streak=1 if stable else attempt, elapsed=now, at=1_000.0 + now, chance=chances.random())
        )
        if answer.retry_in is None:
            break
        now += answer.retry_in
        starts.append(now)
        now += dial
    return starts


def test_no_attempt_starts_after_the_budget() -> None:
    """B08: with the default the last one starts within 120 s, however long the dials take."""
    for dial in (0.0, 0.3, 10.0):
        starts = schedule(RetryPolicy(), dial=dial)
        assert 3 < len(starts) < 1_000
        assert starts[-1] <= GIVE_UP_AFTER_SECONDS


def test_giving_up_says_why() -> None:
    answer = fixed(30).decide(ask(elapsed=100.0))
    assert answer.detail == "100 s have passed, the next try would be 30 s later, and 120 s is the end"


def test_a_budget_of_none_never_gives_up() -> None:
    assert delay(RetryPolicy.forever().decide(ask(elapsed=1e9, attempt=10**6, streak=10**6))) <= 30.0


@pytest.mark.parametrize("count", [1, 3, 10])
def test_a_stop_counts_the_attempts_of_this_outage(count: int) -> None:
    """B08: stop_after_attempt(N) lets N attempts start, and no more."""
    policy = fixed(1, stop=tenacity.stop_after_attempt(count), give_up_after_seconds=None)
    assert len(schedule(policy)) == count
    answer = policy.decide(ask(attempt=count + 1, streak=1))
    assert ended(answer) is Reason.GAVE_UP
    assert answer.detail == f"stop_after_attempt(max_attempt_number={count}) said stop"


def test_a_stop_does_not_see_the_streak() -> None:
    policy = fixed(1, stop=tenacity.stop_after_attempt(3))
    assert delay(policy.decide(ask(attempt=3, streak=50))) == 1.0


def test_tenacitys_stops_see_the_time_elapsed_and_the_wait_before_them() -> None:
    """B08: wait is asked before stop, as tenacity does, so that stop_before_delay can look ahead."""
    after = fixed(5, stop=tenacity.stop_after_delay(10))
    assert delay(after.decide(ask(elapsed=9.9))) == 5.0
    assert ended(after.decide(ask(elapsed=10.0))) is Reason.GAVE_UP
    before = fixed(5, stop=tenacity.stop_before_delay(10))
    assert delay(before.decide(ask(elapsed=4.9))) == 5.0
    assert ended(before.decide(ask(elapsed=5.0))) is Reason.GAVE_UP


def test_a_stop_is_asked_about_a_hubs_delay_and_a_renewal_too() -> None:
    stop = fixed(1, stop=tenacity.stop_after_attempt(1))
    assert ended(stop.decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=2.0)))) is Reason.GAVE_UP
    assert ended(stop.decide(ask(EXPIRED, renewable=True))) is Reason.GAVE_UP


# -- the first try -------------------------------------------------------------------------------------------------------------


def spread(policy: RetryPolicy, **facts: Any) -> list[float]:
    chances = random.Random(5)
    return [delay(policy.decide(first(chance=chances.random(), **facts))) for _ in range(2_000)]


def test_the_first_try_is_spread_over_a_second() -> None:
    draws = spread(RetryPolicy())
    assert 0.0 <= min(draws) < 0.01
    assert 0.99 < max(draws) <= 1.0
    assert 0.47 < mean(draws) < 0.53


def test_the_hubs_window_widens_a_default_first_try_only() -> None:
    assert 9.8 < max(spread(RetryPolicy(), first_try_window=10.0)) <= 10.0
    assert max(spread(RetryPolicy(), first_try_window=0.2)) > 0.9
    assert max(spread(RetryPolicy(first_try_seconds=0.5), first_try_window=10.0)) <= 0.5
    assert max(spread(RetryPolicy(first_try_seconds=0.0), first_try_window=10.0)) == 0.0


@pytest.mark.parametrize("window", [math.nan, math.inf, -3.0])
def test_a_window_that_is_none_is_not_followed(window: float) -> None:
    assert max(spread(RetryPolicy(), first_try_window=window)) <= 1.0


def test_a_window_beyond_the_budget_or_any_wait_still_leaves_a_try() -> None:
    assert max(spread(RetryPolicy(), first_try_window=1e9)) <= GIVE_UP_AFTER_SECONDS
    assert max(spread(RetryPolicy.forever(), first_try_window=1e9)) <= MAX_WAIT_SECONDS


def test_without_a_first_try_the_wait_is_asked_for_it() -> None:
    seen = Seen()
    policy = RetryPolicy(wait=seen, first_try_seconds=None)
    policy.decide(first())
    policy.decide(ask(streak=5))
    assert seen.attempts == [1, 5]


def test_with_a_first_try_the_wait_counts_from_the_second() -> None:
    seen = Seen()
    policy = RetryPolicy(wait=seen)
    policy.decide(first())
    policy.decide(ask(streak=2))
    policy.decide(ask(streak=6, attempt=3))
    assert seen.attempts == [1, 5]


def test_accepting_and_closing_at_once_earns_no_earlier_retry() -> None:
    """B05: until a connection was stable the streak goes on, and the waits grow as against a hub that refuses."""
    refusing = schedule(RetryPolicy.grpc(), tries=20)
    assert [gap > 90 for gap in gaps(refusing)][-3:] == [True] * 3
    assert max(gaps(schedule(RetryPolicy.grpc(), tries=20, stable=True))) <= 1.2  # what an early reset would do
    assert RetryPolicy().stable_after_seconds == STABLE_AFTER_SECONDS


# -- the waits -----------------------------------------------------------------------------------------------------------------


class Seen:
    """A wait that writes down what it was asked with."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds, self.attempts, self.states = seconds, list[int](), list[tenacity.RetryCallState]()

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        self.attempts.append(retry_state.attempt_number)
        self.states.append(retry_state)
        return self.seconds


def gaps(starts: list[float]) -> list[float]:
    return [later - earlier for earlier, later in zip([0.0, *starts], starts, strict=False)]


def test_grpcs_numbers() -> None:
    """B01: gap k lies in [0.8, 1.2] x min(1.6^k, 120), and its spread is not eaten by the cap."""
    policy = RetryPolicy.grpc()
    for k, gap in enumerate(gaps(schedule(policy, tries=13))):
        middle = min(1.6**k, 120.0)
        assert 0.8 * middle <= gap <= 1.2 * middle
    at_cap = [delay(policy.decide(ask(streak=40, chance=n / 500))) for n in range(500)]
    assert min(at_cap) < 100.0 < 120.0 < 140.0 < max(at_cap) <= 144.0


def test_ablys_numbers() -> None:
    """B02: 15 s x [1, 4/3, 5/3, 2, 2 ...] x U(0.8, 1); the first try is made at once."""
    policy = RetryPolicy.ably()
    assert delay(policy.decide(first())) == 0.0
    for streak, coefficient in [(2, 1.0), (3, 4 / 3), (4, 5 / 3), (5, 2.0), (6, 2.0), (99, 2.0)]:
        chances = random.Random(streak)
        shares = [delay(policy.decide(ask(streak=streak, chance=chances.random()))) / (15.0 * coefficient) for _ in range(1_000)]
        assert 0.8 <= min(shares) < 0.81
        assert 0.99 < max(shares) <= 1.0
        assert 0.85 < mean(shares) < 0.95


def test_signalrs_numbers() -> None:
    assert gaps(schedule(RetryPolicy.signalr())) == [0.0, 2.0, 10.0, 30.0]


def test_the_platforms_numbers() -> None:
    """It tries without a delay, and gives up after 30 s, judged when an attempt fails."""
    policy = RetryPolicy.vonage()
    assert schedule(policy, dial=7.0) == [0.0, 7.0, 14.0, 21.0, 28.0]
    assert delay(policy.decide(ask(elapsed=30.0))) == 0.0
    assert ended(policy.decide(ask(elapsed=30.1))) is Reason.GAVE_UP


def test_the_default_wait_is_full_jitter_from_one_to_thirty_seconds() -> None:
    policy = RetryPolicy()
    for streak, most in [(2, 1.0), (3, 2.0), (4, 4.0), (6, 16.0), (7, 30.0), (5_000, 30.0)]:
        chances = random.Random(streak)
        draws = [delay(policy.decide(ask(streak=streak, chance=chances.random()))) for _ in range(1_000)]
        assert 0.0 <= min(draws) < most * 0.02
        assert most * 0.98 < max(draws) <= most
    assert strategy_text(full_jitter()) == RetryPolicy().describe()["wait"]


def test_never_retries() -> None:
    """`none()` ends with the cause's own reason, and renews nothing."""
    policy = RetryPolicy.none()
    assert ended(policy.decide(ask())) is Reason.SILENT
    assert ended(policy.decide(ask(EXPIRED, renewable=True))) is Reason.TOKEN_EXPIRED
    assert ended(policy.decide(ask(Cause(reason=Reason.OVERLOADED, retry_after=1.0)))) is Reason.OVERLOADED


def test_our_waits_are_tenacity_waits() -> None:
    """They add up, and they work under plain tenacity, where they draw from Python's own generator."""
    both = full_jitter() + tenacity.wait_fixed(3)
    assert 3.0 <= delay(RetryPolicy(wait=both).decide(ask())) <= 4.0
    state = tenacity.RetryCallState(tenacity.Retrying(), fn=None, args=(), kwargs={})
    assert 0.8 <= proportional_jitter()(state) <= 1.2
    assert steps(2.0)(state) == 2.0


def test_chance_comes_from_the_question_and_not_from_pythons_generator() -> None:
    policy = RetryPolicy()
    answers = []
    for seed in (1, 2):
        random.seed(seed)
        answers.append([policy.decide(q) for q in (first(), ask(streak=5), first(chance=0.75), ask(streak=5, chance=0.75))])
    assert answers[0] == answers[1]
    assert len({answer.retry_in for answer in answers[0]}) == 4


def test_any_wait_of_tenacity_works_as_it_is() -> None:
    """B01, B09: waits that look at the attempt, the exception or nothing at all; a plain function is a wait, too."""
    by_cause = tenacity.wait_exception(lambda error: 42.0 if isinstance(error, TransportFailed) and error.cause == LOST else 0.0)
    cases: list[tuple[Any, float]] = [
        (tenacity.wait_fixed(timedelta(seconds=2)), 2.0),
        (tenacity.wait_none(), 0.0),
        (tenacity.wait_exponential(multiplier=1, max=100), 8.0),
        (tenacity.wait_incrementing(start=1, increment=10), 31.0),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(2)), 2.0),
        (by_cause, 42.0),
        (lambda retry_state: 6, 6.0),
        (lambda retry_state: Decimal("1.5"), 1.5),
    ]
    for wait, expected in cases:
        assert delay(RetryPolicy(wait=wait).decide(ask(streak=5))) == expected
    ranged = delay(RetryPolicy(wait=tenacity.wait_random(3, 4)).decide(ask()))
    assert 3.0 <= ranged <= 4.0


def test_the_state_tells_the_sessions_time() -> None:
    seen = Seen()
    question = ask(elapsed=0.1 + 0.2, at=1_000.3)
    RetryPolicy(wait=seen).decide(question)
    (state,) = seen.states
    assert state.seconds_since_start == question.elapsed
    assert state.start_time == pytest.approx(1_000.0)
    assert state.outcome_timestamp == 1_000.3
    assert state.outcome is not None
    assert state.outcome.failed
    error = state.outcome.exception()
    assert isinstance(error, TransportFailed)
    assert error.cause == LOST


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: full_jitter(initial=-1), "full_jitter(initial=-1)"),
        (lambda: full_jitter(maximum=math.inf), "full_jitter(maximum=inf)"),
        (lambda: proportional_jitter(jitter=1.1), "from 0 to 1"),
        (lambda: proportional_jitter(factor=math.nan), "factor=nan"),
        (lambda: steps(), "at least one"),
        (lambda: steps(1.0, -2.0), "seconds[1]=-2.0"),
        (lambda: steps(1.0, high=math.inf), "high=inf"),
    ],
)
def test_waits_refuse_what_makes_no_delay(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(BadArgument) as caught:
        make()
    assert problem in str(caught.value)


# -- predicates ----------------------------------------------------------------------------------------------------------------


def test_a_predicate_of_tenacity_decides_what_is_worth_another_try() -> None:
    def worth(error: BaseException) -> bool:
        return isinstance(error, TransportFailed) and error.cause.reason is not Reason.HUB_ERROR

    policy = fixed(7, retry=tenacity.retry_if_exception(worth))
    assert delay(policy.decide(ask())) == 7.0
    assert ended(policy.decide(ask(Cause(reason=Reason.HUB_ERROR)))) is Reason.HUB_ERROR


def test_a_predicate_cannot_bring_back_what_is_final() -> None:
    assert ended(fixed(7, retry=tenacity.retry_always).decide(ask(FINAL))) is Reason.KICKED


# -- broken strategies ---------------------------------------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[object], Any]:
    def strategy(retry_state: object) -> Any:
        raise error

    return strategy


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def asynchronous(retry_state: object) -> float:
    return 1.0


class Awaitable:
    """Awaitable, but with nothing to close."""

    def __await__(self) -> Any:
        yield


@pytest.mark.parametrize(
    ("wait", "detail"),
    [
        (raising(ValueError("no idea")), "ValueError: no idea"),
        (raising(KeyError("x")), "KeyError: 'x'"),
        (raising(GeneratorExit()), "GeneratorExit: "),
        (raising(Unspeakable()), "Unspeakable"),
        (lambda s: None, "the wait answered None, which is no number of seconds"),
        (lambda s: "3", "the wait answered '3', which is no number of seconds"),
        (lambda s: True, "the wait answered True, which is no number of seconds"),
        (lambda s: -0.001, "the wait answered -0.001, which is no delay"),
        (lambda s: math.nan, "the wait answered nan, which is no delay"),
        (lambda s: math.inf, "the wait answered inf, which is no delay"),
        (lambda s: 10**400, "OverflowError: int too large to convert to float"),
        (lambda s: 3_600.5, "the wait answered 3600.5 s, more than max_wait_seconds=3600"),
        (asynchronous, "test_retry.asynchronous is asynchronous, and a policy is asked synchronously"),
        (lambda s: Awaitable(), "is asynchronous"),
    ],
)
def test_a_broken_wait_ends_the_episode_and_not_the_process(wait: Any, detail: str) -> None:
    """B09: raises, or answers None, negative, NaN, infinite, too much, no number or a coroutine."""
    policy = RetryPolicy(wait=wait, give_up_after_seconds=None)
    answer = policy.decide(ask())
    assert ended(answer) is Reason.POLICY_ERROR
    assert detail in answer.detail
    assert delay(policy.decide(first())) <= 1.0  # the policy itself goes on


@pytest.mark.parametrize("name", ["stop", "retry"])
@pytest.mark.parametrize(("strategy", "detail"), [(raising(OSError("x")), "OSError: x"), (asynchronous, "asynchronous")])
def test_a_broken_stop_or_predicate_ends_the_episode(name: str, strategy: Any, detail: str) -> None:
    """B09: an asynchronous one would count as true and never run."""
    answer = fixed(1, **{name: strategy}).decide(ask())
    assert ended(answer) is Reason.POLICY_ERROR
    assert detail in answer.detail


def test_a_cancellation_out_of_a_strategy_is_the_strategys() -> None:
    import asyncio

    assert ended(RetryPolicy(wait=raising(asyncio.CancelledError())).decide(ask())) is Reason.POLICY_ERROR


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_is_let_through(error: type[BaseException]) -> None:
    with pytest.raises(error):
        RetryPolicy(wait=raising(error())).decide(ask())


def test_what_a_broken_strategy_says_is_cut() -> None:
    assert len(RetryPolicy(wait=raising(ValueError("x" * 5_000))).decide(ask()).detail) == 300
    assert len(RetryPolicy(wait=lambda s: "x" * 5_000).decide(ask()).detail) == 300  # type: ignore[arg-type, return-value]


# -- the value -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"wait": 5}, "wait=5"),
        ({"wait": tenacity.wait_none}, "wait=<class"),
        ({"stop": "never"}, "stop='never'"),
        ({"retry": 1}, "retry=1"),
        ({"first_try_seconds": -1}, "first_try_seconds=-1"),
        ({"give_up_after_seconds": math.inf}, "or None"),
        ({"give_up_after_seconds": math.nan}, "give_up_after_seconds=nan"),
        ({"stable_after_seconds": None}, "stable_after_seconds=None"),
        ({"max_wait_seconds": True}, "max_wait_seconds=True"),
    ],
)
def test_a_policy_that_cannot_be_judged_by_is_refused_at_birth(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadArgument) as caught:
        RetryPolicy(**options)
    assert problem in str(caught.value)


def test_a_policy_is_a_value() -> None:
    policy: ports.RetryPolicy = RetryPolicy()
    assert policy == RetryPolicy()
    assert hash(RetryPolicy.forever()) == hash(RetryPolicy.forever())
    with pytest.raises(AttributeError):
        policy.stable_after_seconds = 3.0  # type: ignore[misc]
    assert msgspec.structs.replace(RetryPolicy(), max_wait_seconds=5.0).max_wait_seconds == 5.0
    with pytest.raises(BadArgument):
        msgspec.structs.replace(RetryPolicy(), max_wait_seconds=-5.0)


def test_a_policy_says_in_one_line_what_it_does() -> None:
    assert repr(RetryPolicy()) == (
        "RetryPolicy(wait=full_jitter(initial=1.0, maximum=30.0, factor=2.0), first_try_seconds=1.0, give_up_after_seconds=120.0)"
    )
    assert repr(fixed(2, stop=tenacity.stop_after_attempt(3), stable_after_seconds=1.0)) == (
        "RetryPolicy(wait=wait_fixed(wait_fixed=2.0), stop=stop_after_attempt(max_attempt_number=3), "
        "first_try_seconds=1.0, give_up_after_seconds=120.0, stable_after_seconds=1.0)"
    )


def test_a_policy_describes_itself_flat_and_without_addresses_or_strings() -> None:
    combined = tenacity.wait_fixed(1) + proportional_jitter()
    predicate = tenacity.retry_if_exception_message(message="hunter2-canary")
    policy = RetryPolicy(wait=combined, stop=tenacity.stop_after_delay(9) | tenacity.stop_never, retry=predicate)
    told = policy.describe()
    assert all(value is None or isinstance(value, (str, float)) for value in told.values())
    assert json.loads(json.dumps(told)) == told
    assert " at 0x" not in str(told)
    assert "canary" not in str(told)
    assert told["wait"] == "wait_combine(wait_funcs=[wait_fixed(wait_fixed=1.0), " + repr(proportional_jitter()) + "])"
    assert told["stop"] == "stop_any(stops=[stop_after_delay(max_delay=9.0), _stop_never()])"


def test_a_strategy_that_holds_itself_is_told_in_finite_words() -> None:
    wait = tenacity.wait_combine(tenacity.wait_fixed(1))
    wait.wait_funcs = (wait,)
    assert len(strategy_text(wait)) < 200
    loop: list[object] = []
    loop.append(loop)
    assert len(strategy_text(loop)) < 200
    assert strategy_text(object()) == "object"


# -- laws ----------------------------------------------------------------------------------------------------------------------

seconds = st.floats(0, 1e5)
any_float = st.floats()
causes = st.builds(
    Cause,
    reason=st.sampled_from([Reason.SILENT, Reason.TOKEN_EXPIRED, Reason.OVERLOADED, Reason.KICKED]),
    final=st.booleans(),
    retry_after=st.none() | any_float,
)
questions = st.builds(
    RetryQuestion,
    cause=causes,
    attempt=st.integers(1, 10**6),
    streak=st.integers(1, 10**6),
    elapsed=seconds,
    at=seconds,
    initial=st.booleans(),
    retry_initial=st.booleans(),
    renewable=st.booleans(),
    renewed=st.booleans(),
    first_try_window=st.none() | any_float,
    chance=st.floats(0, 1),
)
waits = st.sampled_from([None, full_jitter(0.1, 5.0), proportional_jitter(), steps(0.0, 1.0, low=0.5), tenacity.wait_fixed(3)])
policies = st.builds(
    RetryPolicy,
    wait=waits,
    stop=st.sampled_from([None, tenacity.stop_after_attempt(5), tenacity.stop_after_delay(30)]),
    first_try_seconds=st.none() | st.floats(0, 10),
    give_up_after_seconds=st.none() | st.floats(0, 1_000),
    max_wait_seconds=st.floats(0, 10_000),
)


@given(policies, questions)
def test_law_every_answer_is_an_end_or_a_delay_within_all_bounds(policy: RetryPolicy, question: RetryQuestion) -> None:
    """B03, B08: a delay is finite, not negative, at most max_wait_seconds, and starts no attempt after the budget."""
    answer = policy.decide(question)
    if answer.retry_in is None:
        assert not answer.renewal
        return
    assert math.isfinite(answer.retry_in)
    assert 0.0 <= answer.retry_in <= policy.max_wait_seconds
    if policy.give_up_after_seconds is not None:
        assert question.elapsed + answer.retry_in <= policy.give_up_after_seconds
    assert answer.reason == question.cause.reason
    if question.cause.retry_after is not None:
        assert answer.retry_in == question.cause.retry_after


@given(policies, questions)
def test_law_the_same_question_gets_the_same_answer(policy: RetryPolicy, question: RetryQuestion) -> None:
    """Nothing is kept between two questions, and no other chance than the question's plays a part."""
    answer = policy.decide(question)
    policy.decide(ask(chance=0.9))
    assert policy.decide(question) == answer


@given(waits, st.lists(any_float | st.none(), min_size=1), questions)
def test_law_a_policy_never_raises(wait: Any, answers: list[float | None], question: RetryQuestion) -> None:
    """B09: whatever a foreign wait answers."""
    policy = RetryPolicy(wait=lambda state: answers[state.attempt_number % len(answers)])
    answer = policy.decide(question)
    assert answer.retry_in is None or 0.0 <= answer.retry_in <= MAX_WAIT_SECONDS


# -- loading -------------------------------------------------------------------------------------------------------------------


def test_tenacity_is_loaded_when_a_strategy_is_asked_and_not_before() -> None:
    program = """
import sys
from reconnect.retry import RetryPolicy
from reconnect.core.question import RetryQuestion
from reconnect.reasons import Cause, Reason

def ask(streak):
    return RetryQuestion(cause=Cause(reason=Reason.CLOSED), attempt=streak, streak=streak, elapsed=0.0, at=0.0)

policy = RetryPolicy()
policy.decide(ask(1))
repr(policy)
assert "tenacity" not in sys.modules
policy.decide(ask(2))
assert "tenacity" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_room_has_no_other_names() -> None:
    import reconnect.retry

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = reconnect.retry.nonsense
