"""Seeded scheduling: every legal order comes up, no illegal one does, and a seed gives one of them for ever."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.testing import FakeClock, run

ROOT = Path(__file__).resolve().parent.parent
SEEDS = range(40)


def order_of_tasks(seed: int | None) -> str:
    seen: list[str] = []

    async def one(name: str) -> None:
        seen.append(name)

    async def story() -> None:
        await asyncio.gather(*map(one, "abc"))

    run(story(), seed=seed)
    return "".join(seen)


def test_tasks_that_are_ready_together_run_in_every_order() -> None:
    assert {order_of_tasks(seed) for seed in SEEDS} == {"abc", "acb", "bac", "bca", "cab", "cba"}
    assert {order_of_tasks(None) for _ in range(5)} == {"abc"}
    assert [order_of_tasks(seed) for seed in SEEDS] == [order_of_tasks(seed) for seed in SEEDS]


def test_a_race_is_found_that_one_order_hides() -> None:
    """What is written as if the reader always ran first is right in the usual order, and wrong in half of all."""

    def loses(seed: int | None) -> bool:
        async def story() -> bool:
            box: list[str] = []
            lost: list[bool] = []

            async def writer() -> None:
                box.append("letter")

            async def reader() -> None:
                lost.append(not box)

            await asyncio.gather(writer(), reader())
            return lost[0]

        return run(story(), seed=seed)

    assert not loses(None)
    assert 10 < sum(map(loses, SEEDS)) < 30


def test_timers_of_one_instant_are_called_in_every_order_and_none_is_early() -> None:
    def order(seed: int) -> str:
        clock, seen = FakeClock(), list[tuple[str, float]]()

        async def story() -> None:
            loop = asyncio.get_running_loop()
            for name in "ab":
                loop.call_later(1.0, lambda name=name: seen.append((name, clock.now())))  # type: ignore[misc]  # each its own
            loop.call_later(1.5, lambda: seen.append(("c", clock.now())))
            await asyncio.sleep(2)

        run(story(), clock, seed=seed)
        assert [at for _, at in seen] == [1_001.0, 1_001.0, 1_001.5]
        return "".join(name for name, _ in seen)

    assert {order(seed) for seed in SEEDS} == {"abc", "bac"}


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_a_tasks_steps_and_plain_callbacks_keep_their_order(seed: int, tasks: int) -> None:
    seen: list[tuple[int, int]] = []

    async def walker(number: int) -> None:
        for step in range(5):
            seen.append((number, step))
            await asyncio.sleep(0 if step % 2 else 0.25 * (number % 2))

    async def story() -> None:
        loop = asyncio.get_running_loop()
        for step in range(5):
            loop.call_soon(seen.append, (-1, step))
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(tasks):
                group.create_task(walker(number))

    run(story(), seed=seed)
    for number in range(-1, tasks):
        assert [step for who, step in seen if who == number] == list(range(5))


def test_an_interrupt_in_a_task_comes_through() -> None:
    async def stops() -> None:
        raise KeyboardInterrupt

    async def story() -> None:
        await asyncio.gather(stops())

    with pytest.raises(KeyboardInterrupt):
        run(story(), seed=1)


TRACE = """
import asyncio
from reconnect.testing import run
seen = []
async def walker(name):
    for step in range(9):
        await asyncio.sleep(hash(step) % 3 / 10)
        seen.append(name)
async def story():
    await asyncio.gather(*map(walker, "abcdefgh"))
run(story(), seed=7)
print("".join(seen))
"""


def test_the_order_does_not_hang_on_how_strings_are_hashed() -> None:
    """A1: another process, another PYTHONHASHSEED, the same order."""

    def trace(hashing: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hashing}
        command = [sys.executable, "-c", TRACE]
        return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout

    assert trace("1") == trace("2") != ""
