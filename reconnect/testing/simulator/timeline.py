"""Time in a simulated world: calls that are due, in order, and a clock that jumps from one to the next.

Nothing waits. Two calls for the same instant are made in the order in which they were asked for. A world in which time does not
get on is stopped: it would run for ever.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count
from typing import Any, Final

from reconnect.ports import TimerHandle

AT_ONCE: Final = 20_000  # calls at one instant; more means that something feeds itself
TICK: Final = 0.125  # of a coarse clock


class TimeStands(Exception):
    """Things go on happening, and time does not get on."""


class Due:
    """A call that is due (ports.TimerHandle)."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], object] | None) -> None:
        self.call = call

    def cancel(self) -> None:
        """Do not make it."""
        self.call = None


class Timeline:
    """A clock for everybody in one world (ports.Clock)."""

    def __init__(self, *, now: float = 1_000.0, wall: float = 1_700_000_000.0, coarse: bool = False) -> None:
        self.time = now
        self._wall_offset = wall - now
        self._coarse = coarse
        self._due: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._order = count()

    def __repr__(self) -> str:
        return f"<Timeline now={self.time:.3f} due={len(self._due)}>"

    # -- asking ----------------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the instant."""
        return self.time

    def wall(self) -> float:
        """Return the time of day."""
        return self.time + self._wall_offset

    def step_wall(self, seconds: float) -> None:
        """Set the time of day forward or back; it stays within what a calendar has."""
        self._wall_offset = min(max(self._wall_offset + seconds, 0.0), 4_000_000_000.0)

    # -- what is due -------------------------------------------------------------------------------------------------------------

    def at(self, when: float, call: Callable[..., object], *values: Any) -> float:
        """Make a call at an instant, or as soon as the clock can tell; return when."""
        when = max(when, self.time)
        if self._coarse:
            when = math.ceil(when / TICK) * TICK
        heapq.heappush(self._due, (when, next(self._order), call, values))
        return when

    def later(self, seconds: float, call: Callable[..., object], *values: Any) -> float:
        """Make a call after some seconds; return when."""
        return self.at(self.time + seconds, call, *values)

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        """Call back at an instant, unless the handle is cancelled."""
        due = Due(callback)
        self.at(when, lambda: due.call and due.call())
        return due

    # -- going on --------------------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.run_until(lambda: False, seconds)

    def run_until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until something holds, for so many seconds at most; say whether it does."""
        end, due, at_once = self.time + seconds, self._due, 0
        while not holds():
            if not due or due[0][0] > end:
                self.time = end
                return holds()
            when, _, call, values = heapq.heappop(due)
            at_once = 0 if when > self.time else at_once + 1
            if at_once > AT_ONCE:
                raise TimeStands(f"{AT_ONCE} things happened at {self.time:.3f}, and there is no end to it")
            self.time = when
            call(*values)
        return True
