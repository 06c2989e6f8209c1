"""Time that a test owns: an event loop that never waits, and the clock that it turns.

When nothing is ready to run, the loop jumps to its next timer, so an hour of waiting takes no time and every run is the same.
When there is no timer either, nothing can ever happen again, and `run` says so instead of hanging. There are no sockets here and
no threads: what would go to a thread runs at once.

    clock = FakeClock()

    async def story() -> None:
        await clock.advance(60)   # everything that was due within a minute has happened

    run(story(), clock)
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, TypeVarTuple

from reconnect.ports import TimerHandle

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Nothing is ready, no timer is set, and yet something waits."""


class FakeClock:
    """A clock that stands still but for the loop it belongs to (ports.Clock)."""

    def __init__(self, *, now: float = 1_000.0, wall: float = 1_700_000_000.0) -> None:
        self.loop_time = now
        self._suspended = 0.0
        self._wall_offset = wall - now

    def __repr__(self) -> str:
        return f"<FakeClock now={self.now():.3f}>"

    def now(self) -> float:
        """Return the instant, suspended time included."""
        return self.loop_time + self._suspended

    def wall(self) -> float:
        """Return Unix time."""
        return self.now() + self._wall_offset

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        """Call back at `when`; a suspension meanwhile makes the call late, as on a machine that slept."""
        due = when - self._suspended
        while due + self._suspended < when:  # a rounding: who is called must not find that it is too early, for ever
            due = math.nextafter(due, math.inf)
        return self._loop().call_at(due, callback)

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: `now()` and `wall()` jump, and the loop does not notice."""
        self._suspended += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._wall_offset += seconds

    async def advance(self, seconds: float) -> None:
        """Return when `seconds` have passed and all that was due by then has happened."""
        await asyncio.sleep(seconds)
        await self.idle()

    async def idle(self) -> None:
        """Return when all that can happen at this instant has happened."""
        await self._loop().idle()

    def _loop(self) -> VirtualLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop) or loop.clock is not self:
            raise RuntimeError("this clock turns only in reconnect.testing.run(coroutine, clock)")
        return loop


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time is a FakeClock's."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._idle: deque[asyncio.Future[None]] = deque()
        super().__init__(_Leaper(self))

    def time(self) -> float:
        """Return virtual seconds."""
        return self.clock.loop_time

    # asyncio runs a timer early by up to this. Here no timer is early, not even by a rounding: one that found itself so and was
    # set again would be run again at the same instant, for ever.
    @property
    def _clock_resolution(self) -> float:
        return math.ulp(self.clock.loop_time)

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """Ignore what asyncio read from the real clock."""

    async def idle(self) -> None:
        """Return when nothing else is ready at this instant."""
        waiter: asyncio.Future[None] = self.create_future()
        self._idle.append(waiter)
        await waiter

    def leap(self, timer_is_set: bool) -> None:
        """Nothing is ready: wake who waits for that, or go on to the next timer."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        if not timer_is_set:
            waiting = ", ".join(sorted(_place(task) for task in asyncio.all_tasks(self)))
            raise Deadlock(f"nothing can happen any more: no timer is set, and these wait: {waiting}")
        self.clock.loop_time = self._scheduled[0].when()

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run the function now: a thread would bring its own time along."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _Leaper(selectors.DefaultSelector):
    """Instead of waiting for sockets, lets the loop leap."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Take the loop's own pipe, which is how threads wake it, and nothing else."""
        if self.get_map():
            raise RuntimeError("there are no sockets in virtual time; use reconnect.testing.MemoryNetwork")
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return at once."""
        if timeout == 0:
            return []
        ready = super().select(0)
        if not ready:
            self._loop.leap(timeout is not None)
        return ready


def _place(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", repr(coroutine))


def run(coroutine: Coroutine[Any, Any, T], clock: FakeClock | None = None) -> T:
    """Run a coroutine in virtual time and return its result; raise Deadlock where nothing can happen any more."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock or FakeClock())) as runner:
        return runner.run(coroutine)
