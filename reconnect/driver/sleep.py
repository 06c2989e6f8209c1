"""Notices that the machine slept: one tick a second for each event loop, however many sessions run on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from reconnect import limits
from reconnect.ports import Clock, TimerHandle

TICK_SECONDS: Final = 1.0


class SleepWatch:
    """Tells its listeners when a tick came far later than it was due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[object, Callable[[float], None]] = {}
        self._timer: TimerHandle | None = None
        self._due = 0.0

    def __repr__(self) -> str:
        return f"<SleepWatch listeners={len(self._listeners)}>"

    def add(self, owner: object, listener: Callable[[float], None]) -> None:
        """Call `listener` with the seconds slept, until `remove`."""
        self._listeners[owner] = listener
        if self._timer is None:
            self._arm()

    def remove(self, owner: object) -> None:
        """Stop telling this owner; without listeners nothing ticks."""
        self._listeners.pop(owner, None)
        if not self._listeners and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._due = self._clock.now() + TICK_SECONDS
        self._timer = self._clock.call_at(self._due, self._tick)

    def _tick(self) -> None:
        late = self._clock.now() - self._due
        self._arm()
        if late > limits.SLEEP_NOTICED_SECONDS:
            # Each in a turn of its own, so that one that fails keeps nothing from the others.
            for owner in self._listeners:
                asyncio.get_running_loop().call_soon(self._tell, owner, late)

    def _tell(self, owner: object, late: float) -> None:
        listener = self._listeners.get(owner)
        if listener is not None:
            listener(late)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, SleepWatch]] = WeakKeyDictionary()


def sleep_watch(clock: Clock) -> SleepWatch:
    """Return the watch of the running loop for this clock."""
    of_loop = _watches.setdefault(asyncio.get_running_loop(), {})
    # By id, for a clock of a user's own need not be hashable; its watch keeps it alive, so the id stays its own.
    return of_loop.setdefault(id(clock), SleepWatch(clock))
