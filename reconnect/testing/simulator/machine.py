"""The machine that a member's process runs on: it may be suspended, and what comes meanwhile waits.

When it wakes, what waited happens in the order in which it came, but that timers may go first, and whoever watches the clock may
notice the sleep before anything else does: which of it is so is chance, as it is on a real one.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from reconnect.testing.simulator.timeline import Timeline

Waiting = tuple[Callable[..., object], tuple[Any, ...]]


class Machine:
    """Makes calls while it is awake. `woke` is told of each sleep, `timer` is the call that a timer makes."""

    def __init__(
        self, timeline: Timeline, chance: Random, *, woke: Callable[[float, bool], object], timer: Callable[..., object]
    ) -> None:
        self.awake = True
        self.dead = False
        self._timeline, self._chance = timeline, chance
        self._woke, self._timer = woke, timer
        self._backlog: list[Waiting] = []

    def __repr__(self) -> str:
        return f"<Machine {'dead' if self.dead else 'awake' if self.awake else f'asleep waiting={len(self._backlog)}'}>"

    def run(self, call: Callable[..., object], *values: Any) -> None:
        """Make a call now, or as soon as the machine is awake again; a process that was killed makes none."""
        if self.dead:
            return
        if self.awake:
            call(*values)
        else:
            self._backlog.append((call, values))

    def sleep(self, seconds: float) -> None:
        """Be suspended for a while."""
        if self.awake and not self.dead:
            self.awake = False
            self._timeline.later(seconds, self._wake_up, seconds)

    def _wake_up(self, seconds: float) -> None:
        if self.dead:
            return
        self.awake = True
        self._woke(seconds, self._chance.random() < 0.5)
        backlog, self._backlog = self._backlog, []
        if self._chance.random() < 0.5:
            backlog.sort(key=lambda waiting: waiting[0] != self._timer)
        for call, values in backlog:
            self.run(call, *values)
