"""Many seeds, on all processors: each is run by itself, so how they are shared out changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from typing import Final, Protocol, TypeVar

from reconnect.testing.simulator.plan import STEPS
from reconnect.testing.simulator.running import Simulation, simulate
from reconnect.testing.simulator.story import Line
from reconnect.testing.violations import Violation

SHARE: Final = 8  # seeds that a processor takes at a time


class Ran(Protocol):
    """What one seed came to, in whichever simulator."""

    @property
    def seed(self) -> int: ...
    @property
    def members(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def outages(self) -> int: ...
    @property
    def signals(self) -> int: ...
    @property
    def outcomes(self) -> Mapping[str, int]: ...
    @property
    def violations(self) -> tuple[Violation, ...]: ...
    @property
    def digest(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def lines(self) -> tuple[Line, ...]: ...


R = TypeVar("R", bound=Ran)


def simulate_many(
    seeds: Sequence[int], *, clients: int | None = None, steps: int = STEPS, jobs: int | None = None
) -> Iterator[Simulation]:
    """Yield what each seed came to, in the order given; `jobs` processes do the work, as many as there are processors."""
    return run_many(partial(simulate, clients=clients, steps=steps), seeds, jobs=jobs)


def shortest_prefix(seed: int, *, clients: int | None = None, steps: int = STEPS) -> Simulation | None:
    """Return the run of the fewest first steps of a seed's plan that breaks something, None if none does."""
    return shortest_run(partial(simulate, seed, clients=clients), steps=steps)


# -- in whichever simulator ----------------------------------------------------------------------------------------------------


def run_many(run: Callable[[int], R], seeds: Sequence[int], *, jobs: int | None = None) -> Iterator[R]:
    """Yield what each seed comes to in a simulator, in the order given; `run` can be sent to another process."""
    jobs = min(os.cpu_count() or 1 if jobs is None else jobs, 1 + len(seeds) // SHARE)
    if jobs == 1:
        yield from map(run, seeds)
        return
    # A fresh interpreter for each: what a process has loaded and patched by now is nobody else's.
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run, seeds, chunksize=SHARE)


def shortest_run(run: Callable[..., R], *, steps: int) -> R | None:
    """Return the run of the fewest `steps`, up to so many, that breaks something, None if none does.

    Every prefix is tried, from nothing on: whether one shows it says nothing of the next.
    """
    for length in range(steps + 1):
        ran = run(steps=length)
        if ran.violations:
            return ran
    return None
