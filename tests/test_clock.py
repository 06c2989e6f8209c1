"""The real clock, without waiting: which of the system's clocks it reads, and what it asks of the loop."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

import reconnect.clock
from reconnect.clock import SystemClock


def test_it_counts_suspended_time_where_the_system_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def clock_gettime(number: int) -> float:
        asked.append(number)
        return 1_234.5

    monkeypatch.setattr(time, "clock_gettime", clock_gettime, raising=False)
    monkeypatch.setattr(reconnect.clock, "_SUSPENDED_TOO", 7)
    assert (SystemClock().now(), asked) == (1_234.5, [7])
    assert repr(SystemClock()) == "<SystemClock 1234.500>"


def test_it_is_monotonic_where_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 77.25)
    monkeypatch.setattr(reconnect.clock, "_SUSPENDED_TOO", None)
    assert SystemClock().now() == 77.25


def test_the_clock_of_this_system() -> None:
    clock = SystemClock()
    readings = [clock.now() for _ in range(1_000)]
    assert readings == sorted(readings)
    assert re.fullmatch(r"<SystemClock \d+\.\d{3}>", repr(clock))
    assert getattr(time, "CLOCK_BOOTTIME", None) == reconnect.clock._SUSPENDED_TOO


def test_the_wall_is_unix_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.25)
    assert SystemClock().wall() == 1_700_000_000.25


def test_a_call_is_due_when_its_instant_comes_and_at_once_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    monkeypatch.setattr(clock, "now", lambda: 100.0)
    called: list[str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        later = clock.call_at(160.0, lambda: called.append("later"))
        assert isinstance(later, asyncio.TimerHandle)
        assert 60.0 <= later.when() - now <= 90.0
        later.cancel()
        reached = asyncio.Event()
        clock.call_at(50.0, reached.set)
        async with asyncio.timeout(30):
            await reached.wait()

    asyncio.run(story())
    assert called == []
