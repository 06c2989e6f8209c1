"""The watch for the machine's sleep: one tick for all, none for nobody, and each listener by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from reconnect import limits
from reconnect.driver.sleep import TICK_SECONDS, SleepWatch, sleep_watch
from reconnect.testing import FakeClock, run
from tests.bench import timers


def test_a_sleep_is_told_to_everyone_who_listens() -> None:
    """B17: a tick that comes far too late."""
    clock = FakeClock()
    told: list[tuple[str, float]] = []

    async def story() -> None:
        watch = SleepWatch(clock)
        assert repr(watch) == "<SleepWatch listeners=0>"
        watch.add("anna", lambda seconds: told.append(("anna", seconds)))
        watch.add("ben", lambda seconds: told.append(("ben", seconds)))
        assert (repr(watch), len(timers())) == ("<SleepWatch listeners=2>", 1)
        await clock.advance(10 * TICK_SECONDS)
        assert told == []
        clock.suspend(limits.SLEEP_NOTICED_SECONDS - 0.5)
        await clock.advance(2 * TICK_SECONDS)
        assert told == [], "no longer than a busy machine may be late"
        clock.suspend(60)
        await clock.advance(2 * TICK_SECONDS)
        assert [(who, round(seconds)) for who, seconds in told] == [("anna", 60), ("ben", 60)]
        watch.remove("anna")
        watch.remove("nobody")
        clock.suspend(60)
        await clock.advance(2 * TICK_SECONDS)
        assert [who for who, _ in told[2:]] == ["ben"]
        watch.remove("ben")
        watch.remove("ben")
        assert timers() == []
        watch.add("cleo", lambda seconds: told.append(("cleo", seconds)))
        clock.suspend(60)
        await clock.advance(2 * TICK_SECONDS)
        assert told[-1][0] == "cleo", "it ticks again for whoever comes later"
        watch.remove("cleo")

    run(story(), clock)


def test_an_owner_has_one_listener() -> None:
    clock = FakeClock()
    told: list[str] = []

    async def story() -> None:
        watch = SleepWatch(clock)
        watch.add("anna", lambda seconds: told.append("old"))
        watch.add("anna", lambda seconds: told.append("new"))
        clock.suspend(60)
        await clock.advance(2)
        watch.remove("anna")

    run(story(), clock)
    assert told == ["new"]


def test_one_that_fails_or_goes_meanwhile_keeps_nothing_from_the_others() -> None:
    clock = FakeClock()
    told: list[str] = []
    complaints: list[dict[str, Any]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        watch = SleepWatch(clock)

        def fails(seconds: float) -> None:
            watch.remove("gone")
            watch.add("late", lambda seconds: told.append("late"))
            raise ValueError("no")

        watch.add("fails", fails)
        watch.add("gone", lambda seconds: told.append("gone"))
        watch.add("stays", lambda seconds: told.append("stays"))
        clock.suspend(60)
        await clock.advance(2)
        for owner in ("fails", "stays", "late"):
            watch.remove(owner)

    run(story(), clock)
    assert told == ["stays"]
    assert [str(context["exception"]) for context in complaints] == ["no"]


class Plain:
    """A clock that is equal to any other, and cannot be hashed."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.now, self.wall, self.call_at = clock.now, clock.wall, clock.call_at

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]  # as a dataclass's would be


def test_each_loop_has_one_watch_for_each_clock() -> None:
    clock = FakeClock()
    seen: list[SleepWatch] = []

    async def story() -> None:
        watch = sleep_watch(clock)
        assert sleep_watch(clock) is watch
        assert sleep_watch(FakeClock()) is not watch
        one, other = Plain(clock), Plain(clock)
        assert sleep_watch(one) is sleep_watch(one)
        assert sleep_watch(one) is not sleep_watch(other)
        seen.append(watch)

    run(story(), clock)
    run(story(), clock)
    assert seen[0] is not seen[1]
