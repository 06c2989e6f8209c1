"""The library's own waits: tenacity waits whose jitter is drawn from the question's chance, so that it can be replayed.

Rules: a wait is asked with a tenacity state whose `attempt_number` counts from 1. Under `RetryPolicy` the state carries a random
generator seeded by the question; under plain tenacity, where it does not, they draw from Python's own, as tenacity's waits do.
Every wait is finite, never negative, and spreads at its cap too: a jitter that the cap eats sends a fleet back in one slot.
"""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from typing import TYPE_CHECKING

from tenacity.wait import wait_base

from reconnect.errors import BadArgument
from reconnect.limits import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS

if TYPE_CHECKING:
    from tenacity import RetryCallState


class _Wait(wait_base):
    """A schedule in seconds, times a share drawn uniformly from `low` to `high`."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    @abstractmethod
    def scheduled(self, attempt: int) -> float:
        """Return the delay before jitter; `attempt` counts from 1."""

    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the delay to wait now."""
        seconds = self.scheduled(max(1, retry_state.attempt_number))
        generator = getattr(retry_state, "generator", random)
        return seconds * float(generator.uniform(self._low, self._high))

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_")]
        return f"{type(self).__name__}({', '.join(shown)})"


def _grown(initial: float, factor: float, maximum: float, attempt: int) -> float:
    """Return `initial * factor ** (attempt - 1)`, at most `maximum`, however large the attempt."""
    try:
        return min(maximum, initial * factor ** (attempt - 1))
    except OverflowError:
        return maximum


def _check(wait: str, **numbers: float) -> None:
    """Raise BadArgument for a number that can make no delay."""
    for name, value in numbers.items():
        if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= 0):
            raise BadArgument(f"{wait}({name}={value!r}) is not usable: give a finite number that is not negative")


class full_jitter(_Wait):
    """Anything from nothing to `initial`, then to twice that, up to `maximum` seconds: spreads a fleet best."""

    def __init__(self, initial: float = FIRST_WAIT_SECONDS, maximum: float = LONGEST_WAIT_SECONDS, factor: float = 2.0) -> None:
        _check("full_jitter", initial=initial, maximum=maximum, factor=factor)
        super().__init__(0.0, 1.0)
        self.initial, self.maximum, self.factor = initial, maximum, factor

    def scheduled(self, attempt: int) -> float:
        """Return the upper end of the range."""
        return _grown(self.initial, self.factor, self.maximum, attempt)


class proportional_jitter(_Wait):
    """`initial`, then `factor` times as long, capped at `maximum`, and only then spread by +- `jitter`, a share of the delay.

    The defaults are gRPC's (connection-backoff.md): 1 s, times 1.6, at most 120 s, +-20 %.
    """

    def __init__(self, initial: float = 1.0, factor: float = 1.6, maximum: float = 120.0, jitter: float = 0.2) -> None:
        _check("proportional_jitter", initial=initial, factor=factor, maximum=maximum, jitter=jitter)
        if jitter > 1:
            raise BadArgument(f"proportional_jitter(jitter={jitter!r}) is not usable: it is a share of the delay, from 0 to 1")
        super().__init__(1 - jitter, 1 + jitter)
        self.initial, self.factor, self.maximum, self.jitter = initial, factor, maximum, jitter

    def scheduled(self, attempt: int) -> float:
        """Return the middle of the range."""
        return _grown(self.initial, self.factor, self.maximum, attempt)


class steps(_Wait):
    """The delays that are listed, the last one for ever, each times a share drawn from `low` to `high`."""

    def __init__(self, *seconds: float, low: float = 1.0, high: float = 1.0) -> None:
        if not seconds:
            raise BadArgument("steps() needs at least one delay, as steps(0, 2, 10)")
        _check("steps", **{f"seconds[{index}]": value for index, value in enumerate(seconds)}, low=low, high=high)
        super().__init__(low, high)
        self.seconds, self.low, self.high = seconds, low, high

    def scheduled(self, attempt: int) -> float:
        """Return the delay of this attempt's step."""
        return self.seconds[min(attempt, len(self.seconds)) - 1]
