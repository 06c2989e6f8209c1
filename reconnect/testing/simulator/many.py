"""Many seeds, on all processors: each is run by itself, so how they are shared out changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from typing import Final

from reconnect.testing.simulator.plan import STEPS
from reconnect.testing.simulator.running import Simulation, simulate

SHARE: Final = 8  # seeds that a processor takes at a time


def simulate_many(
    seeds: Sequence[int], *, clients: int | None = None, steps: int = STEPS, jobs: int | None = None
) -> Iterator[Simulation]:
    """Yield what each seed came to, in the order given; `jobs` processes do the work, as many as there are processors."""
    run = partial(simulate, clients=clients, steps=steps)
    jobs = min(os.cpu_count() or 1 if jobs is None else jobs, 1 + len(seeds) // SHARE)
    if jobs == 1:
        yield from map(run, seeds)
        return
    # A fresh interpreter for each: what a process has loaded and patched by now is nobody else's.
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run, seeds, chunksize=SHARE)


def shortest_prefix(seed: int, *, clients: int | None = None, steps: int = STEPS) -> Simulation | None:
    """Return the run of the fewest first steps of a seed's plan that breaks something, None if none does.

    Every prefix is tried, from nothing on: whether one shows it says nothing of the next.
    """
    for length in range(steps + 1):
        simulation = simulate(seed, clients=clients, steps=length)
        if simulation.violations:
            return simulation
    return None
