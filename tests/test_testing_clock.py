"""Virtual time: hours in no time, the same in every run, and an error instead of a hang."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconnect.ports import Clock
from reconnect.testing import Deadlock, FakeClock, run
from reconnect.testing.clock import VirtualLoop


def test_waiting_takes_no_time_and_lands_on_the_exact_instant() -> None:
    """What is due at an instant runs at that instant, not about then."""
    clock = FakeClock(now=0.1)
    seen: list[float] = []

    async def story() -> None:
        for delay in (0.2, 0.3, 3_600.0):
            clock.call_at(clock.now() + delay, lambda: seen.append(clock.now()))
        await asyncio.sleep(86_400 * 3)

    run(story(), clock)
    assert seen == [0.1 + 0.2, 0.1 + 0.3, 0.1 + 3_600.0]
    assert clock.now() == 0.1 + 86_400 * 3


def test_the_result_and_the_error_of_the_story_come_back() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> None:
        raise ZeroDivisionError

    assert run(answer()) == 42
    with pytest.raises(ZeroDivisionError):
        run(fail())


def test_advance_returns_after_all_that_was_due() -> None:
    clock = FakeClock()
    done: list[str] = []

    async def chain() -> None:
        for step in ("a", "b", "c"):
            await asyncio.sleep(1)
            await asyncio.sleep(0)
            done.append(step)

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(chain())
        await clock.advance(2)
        assert done == ["a", "b"]
        await clock.advance(0)
        assert done == ["a", "b"]
        await task

    run(story(), clock)
    assert clock.now() == 1_003.0


def test_idle_waits_for_everything_at_this_instant_and_for_nothing_later() -> None:
    clock = FakeClock()
    ran: list[int] = []

    async def busy() -> None:
        for turn in range(50):
            ran.append(turn)
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        ran.append(99)

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(busy())
        await asyncio.gather(clock.idle(), clock.idle())
        assert ran == list(range(50))
        assert clock.now() == 1_000.0
        forgotten = asyncio.get_running_loop().create_task(clock.idle())
        await asyncio.sleep(0)
        forgotten.cancel()
        await clock.idle()
        await task

    run(story(), clock)


def test_a_deadlock_is_told_with_who_waits() -> None:
    """Never stuck without a timer; a test sees it instead of hanging."""

    async def never() -> None:
        await asyncio.get_running_loop().create_future()

    async def story() -> None:
        await asyncio.gather(never(), asyncio.Event().wait())

    with pytest.raises(Deadlock, match=r"no timer is set, and these wait: .*Event\.wait, .*never, .*story"):
        run(story())


def test_a_suspension_jumps_the_clock_and_not_the_loop() -> None:
    """The machine slept; timers are late by what it slept."""
    clock = FakeClock(now=0.0, wall=500.0)
    fired: list[float] = []

    async def story() -> None:
        clock.call_at(10.0, lambda: fired.append(clock.now()))
        await clock.advance(4)
        clock.suspend(100)
        assert (clock.now(), clock.wall()) == (104.0, 604.0)
        clock.call_at(105.0, lambda: fired.append(clock.now()))
        await clock.advance(6)

    run(story(), clock)
    assert fired == [105.0, 110.0]


@example(22.1, [97.6])  # where taking away what was slept rounds down
@given(st.floats(0, 1e6), st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=5))
def test_a_call_is_never_early_whatever_was_slept(slept: float, delays: list[float]) -> None:
    clock = FakeClock(now=0.1)
    calls: list[tuple[float, float]] = []

    async def story() -> None:
        clock.suspend(slept)
        for delay in delays:
            due = clock.now() + delay
            clock.call_at(due, lambda due=due: calls.append((due, clock.now())))  # type: ignore[misc]  # each its own
            await clock.advance(delay / 3)
        await clock.advance(1e5)

    run(story(), clock)
    assert len(calls) == len(delays)
    assert all(now >= due for due, now in calls)
    assert all(now == pytest.approx(due) for due, now in calls)


def test_the_wall_clock_can_be_set_without_touching_the_other() -> None:
    """A6: steps of the wall clock."""
    clock = FakeClock(now=10.0, wall=1_000.0)
    clock.step_wall(-3_600)
    assert (clock.now(), clock.wall()) == (10.0, -2_600.0)
    assert repr(clock) == "<FakeClock now=10.000>"


def test_a_timer_can_be_cancelled() -> None:
    clock: Clock
    fake = clock = FakeClock()

    async def story() -> None:
        timer = clock.call_at(clock.now() + 1, lambda: pytest.fail("cancelled"))
        timer.cancel()
        await fake.advance(2)

    run(story(), fake)


def test_the_clock_turns_only_in_its_own_loop() -> None:
    clock = FakeClock()

    async def story() -> None:
        with pytest.raises(RuntimeError, match=r"run\(coroutine, clock\)"):
            clock.call_at(0.0, lambda: None)

    asyncio.run(story())
    run(story(), FakeClock())


def test_years_pass_as_easily() -> None:
    """A timer so far away that a float cannot hold a nanosecond beside it still fires."""

    async def story() -> None:
        await asyncio.sleep(1e9)
        await asyncio.sleep(1e-9)

    clock = FakeClock()
    run(story(), clock)
    assert clock.now() == pytest.approx(1e9 + 1_000)


def test_no_timer_is_early_not_even_by_a_rounding() -> None:
    """A timer that sets itself again because its instant has not come ends all the same."""
    clock = FakeClock(now=0.1)
    wakes: list[float] = []

    async def story() -> None:
        due = clock.now() + 1 + 1e-13

        def wake() -> None:
            wakes.append(clock.now())
            if clock.now() < due:
                clock.call_at(due, wake)

        clock.call_at(clock.now() + 1, wake)
        await clock.advance(2)
        assert wakes == [1.1, due]

    run(story(), clock)


def test_what_would_go_to_a_thread_runs_at_once() -> None:
    async def story() -> None:
        assert await asyncio.to_thread(threading.get_ident) == threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)

    run(story())


def test_another_thread_can_wake_the_loop() -> None:
    async def story() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, "woken"))
        thread.start()
        thread.join()
        woken = await future
        await asyncio.sleep(1)  # time goes on after that
        return woken

    assert run(story()) == "woken"


def test_there_are_no_sockets() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            with pytest.raises(RuntimeError, match=r"no sockets in virtual time; use reconnect\.testing\.MemoryNetwork"):
                await asyncio.get_running_loop().sock_recv(ours, 1)

    run(story())


def test_two_runs_are_the_same() -> None:
    """A1: same story, same trace."""

    def trace() -> list[tuple[float, int]]:
        clock, seen = FakeClock(), list[tuple[float, int]]()

        async def walker(number: int) -> None:
            for step in range(20):
                await asyncio.sleep((number * 7 + step * 3) % 11 / 10)
                seen.append((clock.now(), number))

        async def story() -> None:
            await asyncio.gather(*map(walker, range(9)))

        run(story(), clock)
        return seen

    assert trace() == trace()


def test_a_pause_of_the_process_makes_everything_late_and_nothing_lost() -> None:
    """A20, A21: the process was stopped, and time went on."""
    clock = FakeClock(now=0.0, wall=500.0)
    fired: list[tuple[str, float]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, lambda: fired.append(("a", clock.now())))
        loop.call_later(2.0, lambda: fired.append(("b", clock.now())))
        loop.call_later(9.0, lambda: fired.append(("c", clock.now())))
        clock.pause(5.0)
        assert (clock.now(), clock.wall(), loop.time()) == (5.0, 505.0, 5.0)
        await clock.advance(10.0)

    run(story(), clock)
    assert fired == [("a", 5.0), ("b", 5.0), ("c", 9.0)]


def test_what_is_due_already_runs_in_the_next_turn_although_others_are_busy() -> None:
    async def story() -> None:
        loop, fired = asyncio.get_running_loop(), list[str]()
        loop.call_later(-1.0, fired.append, "late")
        cancelled = loop.call_later(0.0, fired.append, "cancelled")
        cancelled.cancel()
        for _ in range(3):  # the loop is never idle
            await asyncio.sleep(0)
        assert fired == ["late"]

    run(story())


def test_timers_are_known_while_they_are_due_and_no_longer() -> None:
    """U09: what is left behind can be seen."""
    clock = FakeClock()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert clock.timers == []
        second, first = loop.call_later(2, print), clock.call_at(clock.now() + 1, lambda: None)
        assert clock.timers == [first, second]
        second.cancel()
        assert clock.timers == [first]
        await clock.advance(1)
        assert clock.timers == []

    run(story(), clock)


def test_deadlines_that_were_kept_do_not_pile_up() -> None:
    """Most timers are cancelled long before their instant, and a simulation sets millions."""
    clock = FakeClock()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        kept = [loop.call_later(3_600 + number, print) for number in range(10)]
        for _ in range(5_000):
            loop.call_later(60.0, print).cancel()
        assert len(loop._heap) < 1_000
        assert clock.timers == kept
        for timer in kept:
            timer.cancel()

    run(story(), clock)


def test_a_callback_runs_in_its_context_and_its_error_is_told_to_the_loop() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="outside")
    seen: list[str] = []
    complaints: list[dict[str, Any]] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        there = copy_context()
        there.run(variable.set, "there")
        loop.call_later(1, lambda: seen.append(variable.get()), context=there)
        variable.set("here")
        loop.call_later(1, lambda: seen.append(variable.get()))
        loop.call_later(1, divmod, 1, 0)
        variable.set("elsewhere")
        await asyncio.sleep(2)

    run(story())
    assert seen == ["there", "here"]
    assert [type(complaint["exception"]) for complaint in complaints] == [ZeroDivisionError]
