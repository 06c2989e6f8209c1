"""Chance in the order of things: a virtual loop on which tasks that are ready together run in an order drawn from a seed.

Which of two tasks runs first is for the event loop to say, and a program that is right under one order only is wrong: it waits
for the day on which a faster network turns it round. The rules that this module keeps:

- A task's own steps stay in order, and each runs in the turn in which some task's would have run, or in an earlier one.
- Callbacks that are no task's steps keep their order, as `call_soon` promises it.
- Timers of one instant are called in any order; none is early.
- The same seed gives the same order, whatever PYTHONHASHSEED is: nothing is drawn from a set or from an address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from random import Random
from typing import TypeVarTuple

from reconnect.testing.clock import FakeClock, Timer, VirtualLoop

Ts = TypeVarTuple("Ts")


class ShuffledLoop(VirtualLoop):
    """A VirtualLoop with seeded scheduling."""

    def __init__(self, clock: FakeClock, seed: int) -> None:
        self._chance = Random(seed)
        self._steps: list[Callable[[], object]] = []
        super().__init__(clock)

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> asyncio.Handle:
        """Call back in the next turn; a task's step may change places with another task's."""
        if not isinstance(getattr(callback, "__self__", None), asyncio.Task):
            return super().call_soon(callback, *args, context=context)
        # Every step puts one place into the queue. Whichever step a place then gets, none is left over.
        self._steps.append(partial((context or copy_context()).run, callback, *args))
        return super().call_soon(self._step)

    def _step(self) -> None:
        # The last is put where the drawn one was: taking from the middle of a long list would cost its length.
        place = self._chance.randrange(len(self._steps))
        self._steps[place], step = self._steps[-1], self._steps[place]
        self._steps.pop()
        step()

    def in_order(self, due: list[Timer]) -> list[Timer]:
        """Return timers of one instant in the order in which they are called."""
        self._chance.shuffle(due)
        return due
