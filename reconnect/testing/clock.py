"""Time that a test owns: an event loop that never waits, and the clock that it turns.

When nothing is ready to run, the loop jumps to its next timer, so an hour of waiting takes no time and every run is the same.
When there is no timer either, nothing can ever happen again, and `run` says so instead of hanging. There are no sockets here and
no threads: what would go to a thread runs at once.

    clock = FakeClock()

    async def story() -> None:
        await clock.advance(60)   # everything that was due within a minute has happened

    run(story(), clock)

The loop keeps its timers itself, and needs nothing of asyncio's that is not public. With a `seed` it shuffles what may run in
any order (see `reconnect.testing.shuffling`).
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar, TypeVarTuple

from reconnect.ports import TimerHandle

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_SWEEP_AT: Final = 256  # timers that may lie about, cancelled, before they are looked through


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

    def pause(self, seconds: float) -> None:
        """Let the process stand still, as one that was stopped: time goes on, and what was due meanwhile is late."""
        self.loop_time += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back."""
        self._wall_offset += seconds

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """What is due later on the running loop, soonest first; a test looks here for what was left behind."""
        return self._loop().timers

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


class Timer(asyncio.TimerHandle):
    """A call that is due later."""

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], loop: VirtualLoop, context: Context | None
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self._call: Callable[[], object] | None = partial((context or copy_context()).run, callback, *args)

    def cancel(self) -> None:
        """Do not make the call, and keep nothing of it alive."""
        self._call = None
        super().cancel()

    def fire(self) -> None:
        """Make the call, unless it was cancelled since its instant came."""
        if self._call is not None:
            self._call()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose time is a FakeClock's."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._idle: deque[asyncio.Future[None]] = deque()
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._sweep_at = _SWEEP_AT
        super().__init__(_Leaper(self))

    def time(self) -> float:
        """Return virtual seconds."""
        return self.clock.loop_time

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """What is due later, soonest first."""
        return [timer for *_, timer in sorted(self._heap) if not timer.cancelled()]

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back in so many seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at an instant: exactly then, not a rounding earlier; at once where it has passed."""
        timer = Timer(when, callback, args, self, context)
        if when <= self.time():
            self.call_soon(timer.fire)
        else:
            heapq.heappush(self._heap, (when, next(self._order), timer))
            if len(self._heap) > self._sweep_at:
                self._sweep()
        return timer

    def _sweep(self) -> None:
        """Forget the timers that were cancelled before their instant: most deadlines are."""
        self._heap = [entry for entry in self._heap if not entry[2].cancelled()]
        heapq.heapify(self._heap)
        self._sweep_at = 2 * len(self._heap) + _SWEEP_AT

    async def idle(self) -> None:
        """Return when nothing else is ready at this instant."""
        waiter: asyncio.Future[None] = self.create_future()
        self._idle.append(waiter)
        await waiter

    def leap(self) -> None:
        """Nothing is ready: wake who waits for that, or go on to the next timer."""
        while self._heap and self._heap[0][2].cancelled():
            heapq.heappop(self._heap)
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        if not self._heap:
            waiting = ", ".join(sorted(_place(task) for task in asyncio.all_tasks(self)))
            raise Deadlock(f"nothing can happen any more: no timer is set, and these wait: {waiting}")
        self.clock.loop_time = max(self.time(), self._heap[0][0])
        due: list[Timer] = []
        while self._heap and self._heap[0][0] <= self.time():
            due.append(heapq.heappop(self._heap)[2])
        for timer in self.in_order(due):
            self.call_soon(timer.fire)

    def in_order(self, due: list[Timer]) -> list[Timer]:
        """Return timers of one instant in the order in which they are called."""
        return due

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
            self._loop.leap()
        return ready


def _place(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", repr(coroutine))


def run(coroutine: Coroutine[Any, Any, T], clock: FakeClock | None = None, *, seed: int | None = None) -> T:
    """Run a coroutine in virtual time and return its result; raise Deadlock where nothing can happen any more.

    With a `seed`, what is ready at the same instant runs in an order drawn from it: the same seed, the same order.
    """
    time = clock or FakeClock()

    def make() -> VirtualLoop:
        if seed is None:
            return VirtualLoop(time)
        from reconnect.testing.shuffling import ShuffledLoop

        return ShuffledLoop(time, seed)

    with asyncio.Runner(loop_factory=make) as runner:
        return runner.run(coroutine)
