"""The retry policy as a value: tenacity's strategies and the few numbers that they cannot say.

A policy never sleeps, reads no clock, keeps nothing between two questions and never raises once it is made. How it judges stands
in `judge`; a value that cannot be judged by is refused here, at birth.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.errors import BadArgument
from reconnect.limits import FIRST_TRY_SECONDS, GIVE_UP_AFTER_SECONDS, MAX_WAIT_SECONDS, STABLE_AFTER_SECONDS
from reconnect.record import Record
from reconnect.retry.judge import is_delay, judge
from reconnect.retry.wording import strategy_text

# What takes a tenacity.RetryCallState; tenacity loads later, so the type of the state cannot stand here.
Wait = Callable[[Any], float]
Predicate = Callable[[Any], bool]

_DEFAULT_WAIT: Final = (
    "full_jitter(initial=1.0, maximum=30.0, factor=2.0)"  # a test holds it equal to the class, which loads later
)


class RetryPolicy(Record, kw_only=True):
    """Whether and when to try again; `wait`, `stop` and `retry` are tenacity's, or any callable that takes its RetryCallState.

    `wait=None` is full jitter from 1 to 30 s. `first_try_seconds`: the first try of a streak comes after a random part of it (the
    default is widened to the window that the hub advised; None asks `wait` for that try too). `give_up_after_seconds=None` never
    gives up. `stable_after_seconds`: a connection that lasted this long starts a new streak. A wait above `max_wait_seconds` is
    an error of the policy.
    """

    wait: Wait | None = None
    stop: Predicate | None = None
    retry: Predicate | None = None
    first_try_seconds: float | None = FIRST_TRY_SECONDS
    give_up_after_seconds: float | None = GIVE_UP_AFTER_SECONDS
    stable_after_seconds: float = STABLE_AFTER_SECONDS
    max_wait_seconds: float = MAX_WAIT_SECONDS

    def __post_init__(self) -> None:
        for name in ("wait", "stop", "retry"):
            strategy = getattr(self, name)
            if isinstance(strategy, type) or not (strategy is None or callable(strategy)):
                raise BadArgument(
                    f"RetryPolicy({name}={strategy!r}) is not usable: give one of tenacity's strategies, as "
                    "tenacity.wait_fixed(2), or a function of a tenacity.RetryCallState"
                )
        for name, optional in _NUMBERS.items():
            seconds = getattr(self, name)
            if not (is_delay(seconds) or (optional and seconds is None)):
                raise BadArgument(
                    f"RetryPolicy({name}={seconds!r}) is not usable: give a finite number of seconds that is not negative"
                    + (", or None" if optional else "")
                )

    @classmethod
    def forever(cls) -> RetryPolicy:
        """Return the default policy without its end: for devices that nobody restarts."""
        return cls(give_up_after_seconds=None)

    @classmethod
    def none(cls) -> RetryPolicy:
        """Return a policy that never tries again: every loss ends with its own reason."""
        return cls(retry=never)

    @classmethod
    def vonage(cls) -> RetryPolicy:
        """Return what the Vonage Video web SDK 2.35 does: at once, again and again, for 30 s. It spreads nothing: no fleets."""
        from reconnect.retry.waits import steps

        return cls(wait=steps(0.0), first_try_seconds=None, give_up_after_seconds=30.0)

    @classmethod
    def grpc(cls) -> RetryPolicy:
        """Return gRPC's connection back-off: 1 s, times 1.6, up to 120 s, +-20 %, without end."""
        from reconnect.retry.waits import proportional_jitter

        return cls(wait=proportional_jitter(), first_try_seconds=None, give_up_after_seconds=None)

    @classmethod
    def ably(cls) -> RetryPolicy:
        """Return Ably's (features RTB1): at once, then 15, 20, 25, 30 s times a random 0.8 to 1, without end."""
        from reconnect.retry.waits import steps

        return cls(wait=steps(15.0, 20.0, 25.0, 30.0, low=0.8), first_try_seconds=0.0, give_up_after_seconds=None)

    @classmethod
    def signalr(cls) -> RetryPolicy:
        """Return SignalR's default: after 0, 2, 10 and 30 s, then never again. It spreads nothing: no fleets."""
        from tenacity import stop_after_attempt

        from reconnect.retry.waits import steps

        four = stop_after_attempt(4)
        return cls(wait=steps(0.0, 2.0, 10.0, 30.0), stop=four, first_try_seconds=None, give_up_after_seconds=None)

    def decide(self, question: RetryQuestion) -> RetryAnswer:
        """Return whether and when to try again, at once; never raises."""
        return judge(self, question)

    def describe(self) -> dict[str, Any]:
        """Return the policy as flat JSON values, the same in every run; for the audit's header."""
        return {
            "wait": _DEFAULT_WAIT if self.wait is None else strategy_text(self.wait),
            "stop": None if self.stop is None else strategy_text(self.stop),
            "retry": None if self.retry is None else strategy_text(self.retry),
            **{name: getattr(self, name) for name in _NUMBERS},
        }

    def __repr__(self) -> str:
        usual = {"stop": None, "retry": None, "stable_after_seconds": STABLE_AFTER_SECONDS, "max_wait_seconds": MAX_WAIT_SECONDS}
        told = (f"{name}={value}" for name, value in self.describe().items() if name not in usual or value != usual[name])
        return f"RetryPolicy({', '.join(told)})"


# The durations of a policy, and whether None is a value of theirs.
_NUMBERS: Final = {
    "first_try_seconds": True, "give_up_after_seconds": True, "stable_after_seconds": False, "max_wait_seconds": False,
}  # fmt: skip


def never(state: Any) -> bool:
    """Say that nothing is worth another try."""
    return False
