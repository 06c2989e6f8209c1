"""Observers: who is called, in which order, and what becomes of one that fails, hangs or goes."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest

from reconnect.client.observers import PLATFORM_NAMES, SESSION_NAMES, Observed, Observers
from reconnect.core.frames import SendSignal
from reconnect.core.notices import (
    PUBLISHER_NOTICES,
    SESSION_NOTICES,
    Connected,
    Notice,
    Signal,
    SignalReceived,
    Updated,
    UpdateKind,
)
from reconnect.errors import BadArgument, BadSignal, UnknownEventName
from reconnect.testing import run
from tests.bench import Bench, on_bench

CONNECTED = Connected(at=0.0, connection="c1")


def slept(seconds: float) -> Updated:
    return Updated(at=0.0, what=UpdateKind.SLEPT, seconds=seconds)


def received(type: str, data: Any = None) -> SignalReceived:
    return SignalReceived(at=0.0, signal=Signal(type=type, data=data, sender="other", serial=1, position=1))


class Bunch(Observers):
    """Observers that keep what is reported."""

    def __init__(self, names: Any = SESSION_NAMES, *, seconds: float | None = 5.0) -> None:
        self.failures: list[tuple[str, Callable[..., object], BaseException]] = []
        super().__init__(names, seconds=seconds, report=lambda *failure: self.failures.append(failure))

    @property
    def failed(self) -> list[tuple[str, str]]:
        return [(name, type(error).__name__) for name, _, error in self.failures]


def in_loop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a story, and see that it leaves no task."""

    async def whole() -> None:
        await story()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(whole())


# -- names --------------------------------------------------------------------------------------------------------------------


def test_every_event_has_a_name_that_on_takes() -> None:
    calls: list[str] = []
    bunch = Bunch()
    for kind in SESSION_NOTICES:
        bunch.on(kind.name, lambda event: calls.append(event.name))
    assert repr(bunch) == f"<Observers {len(SESSION_NOTICES)} running=0>"
    bunch.tell(CONNECTED)
    bunch.tell(received(""))
    assert calls == ["connected", "signal"]


@pytest.mark.parametrize(("platform", "ours"), PLATFORM_NAMES.items())
def test_the_platforms_names_are_taken(platform: str, ours: str) -> None:
    assert ours in SESSION_NAMES
    bunch = Bunch()
    assert bunch.resolve(platform) == ours


def test_the_platforms_names_are_those_of_its_sample() -> None:
    assert set(PLATFORM_NAMES) == {
        "sessionConnected", "sessionReconnecting", "sessionReconnected", "sessionDisconnected",
        "streamCreated", "streamDestroyed", "connectionCreated", "connectionDestroyed",
    }  # fmt: skip


def test_signals_of_one_type_are_observed_by_it() -> None:
    calls: list[str] = []
    bunch = Bunch()
    bunch.on("signal:chat", lambda event: calls.append("chat"))
    bunch.on("signal", lambda event: calls.append("any"))
    for type in ("chat", "move", ""):
        bunch.tell_signal(received(type))
    assert calls == ["any", "chat", "any", "any"]
    bunch.off("signal:chat", None)
    bunch.tell(received("chat"))
    assert calls[4:] == ["any"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("reconecting", "there is no event named 'reconecting'; did you mean 'reconnecting'?"),
        ("sessionReconecting", "there is no event named 'sessionReconecting'; did you mean 'sessionReconnecting'?"),
        ("connected:chat", "there is no event named 'connected:chat'; did you mean 'connected'?"),
        ("signal:", "there is no event named 'signal:'; did you mean 'signal'?"),
        ("", f"there is no event named ''; there are: {', '.join(sorted(SESSION_NAMES))}"),
        ("xyz", f"there is no event named 'xyz'; there are: {', '.join(sorted(SESSION_NAMES))}"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, sentence: str) -> None:
    for call in (Bunch().on, Bunch().off):
        with pytest.raises(UnknownEventName) as refused:
            call(name, print)
        assert str(refused.value) == sentence


def test_a_publisher_knows_neither_the_sessions_names_nor_the_platforms() -> None:
    bunch = Bunch([kind.name for kind in PUBLISHER_NOTICES])
    with pytest.raises(UnknownEventName) as refused:
        bunch.on("streamCreated", print)
    assert str(refused.value) == "there is no event named 'streamCreated'; there are: ended, interrupted, live"


def test_a_type_that_no_signal_has_is_refused() -> None:
    with pytest.raises(BadSignal, match="the type 'two words' has other characters"):
        Bunch().on("signal:two words", print)


# -- what may be an observer --------------------------------------------------------------------------------------------------


class Caller:
    def method(self, event: Notice) -> None: ...

    def selfless() -> None: ...  # type: ignore[misc]  # the mistake

    def eventless(self) -> None: ...

    @classmethod
    def of_the_class(cls, event: Notice) -> None: ...

    @staticmethod
    def of_nobody(event: Notice) -> None: ...

    def __call__(self, event: Notice) -> None: ...


@pytest.mark.parametrize(
    "callback",
    [
        print,
        [].append,
        Caller(),
        Caller().method,
        Caller.of_the_class,
        Caller().of_nobody,
        partial(print, "told"),
        partial(Caller.method, Caller()),
        lambda event, more=1: None,
        lambda *all: None,
        dict,
    ],
)
def test_anything_that_takes_one_argument_observes(callback: Any) -> None:
    Bunch().on("connected", callback)


def test_a_builtin_without_a_signature_is_tried_when_its_time_comes() -> None:
    with pytest.raises(ValueError, match="no signature found"):
        inspect.signature(iter)
    bunch = Bunch()
    bunch.on("connected", iter)
    bunch.tell(CONNECTED)
    assert bunch.failed == [("connected", "TypeError")]


HOW = "; write it as def show(event)"


def nothing() -> None: ...


def two(event: Notice, other: int) -> None: ...


def plain_generator(event: Notice) -> Iterator[Notice]:
    yield event


async def async_generator(event: Notice) -> AsyncIterator[Notice]:
    yield event


@pytest.mark.parametrize(
    ("callback", "sentence"),
    [
        (
            None,
            "an observer of 'connected' is a function of one event, and this is None; "
            "give the function itself, as `show`, not what calling it returns, as `show()`",
        ),
        ("show", "an observer of 'connected' is a function of one event, and this is 'show'"),
        (nothing, f"nothing is called with one argument, the 'connected' event: too many positional arguments{HOW}"),
        (two, f"two is called with one argument, the 'connected' event: missing a required argument: 'other'{HOW}"),
        (
            Caller().selfless,  # type: ignore[misc]  # the mistake
            "Caller.selfless is called with one argument, the 'connected' event: too many positional arguments; "
            "write it as def show(self, event)",
        ),
        (
            Caller().eventless,
            "Caller.eventless is called with one argument, the 'connected' event: too many positional arguments; "
            "write it as def show(self, event)",
        ),
        (
            plain_generator,
            "plain_generator has a `yield` in it, so that calling it runs nothing; an observer is a function without one",
        ),
        (
            async_generator,
            "async_generator has a `yield` in it, so that calling it runs nothing; an observer is a function without one",
        ),
    ],
)
def test_what_cannot_observe_is_refused_at_once(callback: Any, sentence: str) -> None:
    bunch = Bunch()
    with pytest.raises(BadArgument) as refused:
        bunch.on("connected", callback)
    assert str(refused.value) == sentence
    assert repr(bunch) == "<Observers 0 running=0>"


def test_an_object_without_a_name_goes_by_its_kind() -> None:
    class Deaf:
        def __repr__(self) -> str:
            raise RuntimeError("no name")

        def __call__(self) -> None: ...

    with pytest.raises(BadArgument, match="Deaf is called with one argument"):
        Bunch().on("connected", Deaf())


def test_on_is_a_decorator_and_hands_the_function_back() -> None:
    class Thing(Observed):
        def __init__(self) -> None:
            self._observers = Bunch()

    thing, calls = Thing(), []

    @thing.on("connected")
    def show(event: Connected) -> None:
        calls.append(event)

    assert thing.on("connected", calls.append) == calls.append
    with pytest.raises(BadArgument, match=r"and this is None; give the function itself, as `show`, not what calling it returns"):
        thing.on("connected", show(CONNECTED))  # type: ignore[call-overload]  # the mistake
    calls.clear()
    thing._observers.tell(CONNECTED)
    assert calls == [CONNECTED, CONNECTED]
    thing.off("connected", show)
    thing._observers.tell(CONNECTED)
    assert len(calls) == 3
    thing.off("connected")
    thing._observers.tell(CONNECTED)
    assert len(calls) == 3


def test_a_decorator_without_the_name_is_refused_before_it_swallows_the_function() -> None:
    """`@session.on` in place of `@session.on("reconnecting")` would register nothing, silently."""

    class Thing(Observed):
        def __init__(self) -> None:
            self._observers = Bunch()

    def show(event: Connected) -> None: ...

    with pytest.raises(BadArgument) as refused:
        Thing().on(show)  # type: ignore[call-overload]  # the mistake that is shown here
    assert str(refused.value).startswith(
        "on() and off() take the name of an event first, as in @session.on('reconnecting'), and this is <function"
    )
    with pytest.raises(UnknownEventName):
        Thing().on("nonsense")


# -- calling ------------------------------------------------------------------------------------------------------------------


def test_observers_are_called_in_the_order_in_which_they_came() -> None:
    calls: list[str] = []
    bunch = Bunch()
    bunch.on("sessionConnected", lambda event: calls.append("first"))
    bunch.on("connected", lambda event: calls.append("second"))
    bunch.tell(CONNECTED)
    assert calls == ["first", "second"]


def test_the_same_function_twice_is_called_twice_and_taken_away_at_once() -> None:
    calls: list[Notice] = []
    bunch = Bunch()
    bunch.on("connected", calls.append)
    bunch.on("connected", calls.append)
    bunch.tell(CONNECTED)
    assert len(calls) == 2
    bunch.off("connected", calls.append)
    bunch.off("connected", calls.append)
    bunch.tell(CONNECTED)
    assert len(calls) == 2


def test_one_that_is_taken_away_meanwhile_is_not_called_and_one_that_comes_meanwhile_waits() -> None:
    calls: list[str] = []
    bunch = Bunch()

    def late(event: Notice) -> None:
        calls.append("late")

    def gone(event: Notice) -> None:
        calls.append("gone")

    def first(event: Notice) -> None:
        calls.append("first")
        bunch.off("connected", gone)
        bunch.on("connected", late)

    bunch.on("connected", first)
    bunch.on("connected", gone)
    bunch.tell(CONNECTED)
    assert calls == ["first"]


class BadError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("error", [ValueError("no"), BadError(), asyncio.CancelledError(), TimeoutError()])
def test_one_that_raises_is_reported_and_changes_nothing_for_the_others(error: BaseException) -> None:
    """U01: a plain observer that raises, be it a cancellation that it met in somebody's future."""
    calls: list[Notice] = []
    bunch = Bunch()

    def fails(event: Notice) -> None:
        raise error

    bunch.on("connected", fails)
    bunch.on("connected", calls.append)
    bunch.tell(CONNECTED)
    assert calls == [CONNECTED]
    assert bunch.failures == [("connected", fails, error)]


def test_an_interrupt_is_no_failure_of_an_observer() -> None:
    bunch = Bunch()

    def interrupted(event: Notice) -> None:
        raise KeyboardInterrupt

    bunch.on("connected", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bunch.tell(CONNECTED)
    assert bunch.failures == []


# -- async observers ----------------------------------------------------------------------------------------------------------


def test_an_async_one_gets_its_events_one_after_another() -> None:
    calls: list[Any] = []
    bunch = Bunch()

    async def slow(event: Any) -> None:
        calls.append(("begins", event.seconds))
        await asyncio.sleep(1)
        calls.append(("ends", event.seconds))

    async def story() -> None:
        bunch.on("updated", slow)
        bunch.on("updated", lambda event: calls.append(("plain", event.seconds)))
        for number in range(3):
            bunch.tell(slept(number))
        assert repr(bunch) == "<Observers 2 running=1>"
        await asyncio.sleep(10)
        assert repr(bunch) == "<Observers 2 running=0>"
        bunch.tell(slept(3))
        await asyncio.sleep(10)

    in_loop(story)
    plain = [entry for entry in calls if entry[0] == "plain"]
    assert plain == [("plain", number) for number in range(4)]
    assert calls[:3] == plain[:3], "a plain observer does not wait for an async one"
    asynchronous = [entry for entry in calls if entry[0] != "plain"]
    assert asynchronous == [(what, number) for number in range(4) for what in ("begins", "ends")]


def test_two_async_ones_do_not_wait_for_each_other() -> None:
    calls: list[tuple[str, float]] = []
    bunch = Bunch()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def observer(name: str, seconds: float) -> Callable[[Notice], Coroutine[Any, Any, None]]:
            async def observe(event: Notice) -> None:
                await asyncio.sleep(seconds)
                calls.append((name, loop.time() - began))

            return observe

        bunch.on("connected", observer("slow", 4))
        bunch.on("connected", observer("quick", 1))
        bunch.tell(CONNECTED)
        await bunch.settled()

    in_loop(story)
    assert calls == [("quick", 1.0), ("slow", 4.0)]


def test_an_awaitable_that_is_no_coroutine_is_awaited_too() -> None:
    bunch = Bunch()

    async def story() -> None:
        future = asyncio.get_running_loop().create_future()
        bunch.on("connected", lambda event: future)
        bunch.tell(CONNECTED)
        await asyncio.sleep(1)
        future.set_exception(ValueError("no"))
        await bunch.settled()

    in_loop(story)
    assert bunch.failed == [("connected", "ValueError")]


def test_an_async_one_that_raises_gets_its_next_event() -> None:
    """U01: an async observer that raises, or meets a cancellation that is not its own."""
    calls: list[float] = []
    bunch = Bunch()

    async def fails(event: Updated) -> None:
        calls.append(event.seconds)
        if event.seconds == 0:
            raise ValueError("no")
        if event.seconds == 1:
            cancelled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            cancelled.cancel()
            await cancelled

    async def story() -> None:
        bunch.on("updated", fails)
        for number in range(3):
            bunch.tell(slept(number))
        await bunch.settled()

    in_loop(story)
    assert calls == [0, 1, 2]
    assert bunch.failed == [("updated", "ValueError"), ("updated", "CancelledError")]


def test_an_async_one_that_hangs_is_cancelled_and_gets_its_next_event() -> None:
    """U04: a call that takes longer than its limit is cancelled and reported."""
    calls: list[tuple[float, float]] = []
    bunch = Bunch(seconds=5.0)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def hangs(event: Updated) -> None:
            calls.append((event.seconds, loop.time() - began))
            await asyncio.sleep(3_600)

        bunch.on("updated", hangs)
        bunch.tell(slept(0))
        bunch.tell(slept(1))
        await asyncio.sleep(20)

    in_loop(story)
    assert calls == [(0, 0.0), (1, 5.0)]
    assert bunch.failed == [("updated", "TimeoutError")] * 2


def test_without_a_limit_it_may_take_as_long_as_it_likes() -> None:
    calls: list[str] = []
    bunch = Bunch(seconds=None)

    async def patient(event: Notice) -> None:
        await asyncio.sleep(3_600)
        calls.append("done")

    async def story() -> None:
        bunch.on("connected", patient)
        bunch.tell(CONNECTED)
        await bunch.settled()

    in_loop(story)
    assert (calls, bunch.failed) == (["done"], [])


def test_off_meanwhile_lets_the_call_end_and_begins_no_other() -> None:
    """What waits for an async observer that was taken away is not called, and no coroutine is left un-awaited."""
    calls: list[Any] = []
    bunch = Bunch()

    async def slow(event: Updated) -> None:
        calls.append(event.seconds)
        await asyncio.sleep(1)
        calls.append("ended")

    async def story() -> None:
        bunch.on("updated", slow)
        for number in range(3):
            bunch.tell(slept(number))
        bunch._by_name["updated"][0].queue.append(asyncio.get_running_loop().create_future())
        await asyncio.sleep(0.5)
        bunch.off("updated", slow)
        await bunch.settled()

    in_loop(story)
    assert calls == [0, "ended"]


def test_one_that_takes_itself_away() -> None:
    calls: list[float] = []
    bunch = Bunch()

    async def once(event: Updated) -> None:
        calls.append(event.seconds)
        bunch.off("updated", once)

    async def story() -> None:
        bunch.on("updated", once)
        bunch.tell(slept(0))
        bunch.tell(slept(1))
        await bunch.settled()

    in_loop(story)
    assert calls == [0]


def test_a_task_that_is_cancelled_from_outside_ends() -> None:
    """A loop that is shut down cancels everything; nothing is reported then, and nothing swallowed."""
    bunch = Bunch()

    async def hangs(event: Notice) -> None:
        await asyncio.sleep(3_600)

    async def story() -> None:
        bunch.on("connected", hangs)
        bunch.tell(CONNECTED)
        bunch.tell(CONNECTED)
        await asyncio.sleep(1)
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(story)
    assert bunch.failed == []


# -- the end ------------------------------------------------------------------------------------------------------------------


def test_settled_waits_for_all_calls_together_no_longer_than_for_one() -> None:
    """U04: a hundred events of an observer that hangs hold nobody up for a hundred limits."""
    bunch = Bunch(seconds=5.0)

    async def hangs(event: Notice) -> None:
        await asyncio.sleep(3_600)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        bunch.on("updated", hangs)
        for number in range(100):
            bunch.tell(slept(number))
        began = loop.time()
        await bunch.settled()
        assert loop.time() - began <= 6.0

    in_loop(story)
    assert 1 <= len(bunch.failed) <= 3
    assert str(bunch.failures[-1][2]) == "it was still at work when the session was over"


def test_one_that_refuses_to_be_cancelled_is_left_alone() -> None:
    bunch = Bunch(seconds=5.0)

    async def stubborn(event: Notice) -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                continue

    async def story() -> None:
        loop = asyncio.get_running_loop()
        bunch.on("connected", stubborn)
        bunch.tell(CONNECTED)
        began = loop.time()
        await bunch.settled()
        assert loop.time() - began <= 7.0
        await asyncio.sleep(60)

    in_loop(story)
    assert ("connected", "TimeoutError") in bunch.failed


def test_nothing_at_work_is_nothing_to_wait_for() -> None:
    async def story() -> None:
        bunch = Bunch()
        await bunch.settled()
        assert not bunch.is_running_here()

    in_loop(story)


def test_an_observer_and_what_it_starts_know_that_they_are_inside() -> None:
    """Inside an observer nobody can wait for it to end, in a task of its own neither."""
    bunch, other = Bunch(), Bunch()
    inside: list[bool] = []

    async def ask() -> None:
        await asyncio.sleep(1)
        inside.append(bunch.is_running_here())

    async def story() -> None:
        started: list[asyncio.Task[None]] = []

        async def observer(event: Notice) -> None:
            inside.append(bunch.is_running_here())
            inside.append(other.is_running_here())
            await asyncio.wait_for(ask(), 3)
            started.append(asyncio.create_task(ask()))

        bunch.on("connected", observer)
        bunch.tell(CONNECTED)
        await bunch.settled()
        await started[0]
        inside.append(bunch.is_running_here())

    in_loop(story)
    assert inside == [True, False, True, False, False]


# -- on a session -------------------------------------------------------------------------------------------------------------


@on_bench
async def test_failures_are_counted_audited_and_logged_without_what_travelled(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """U01 U08: one audit line with the observer and the kind of its error; its words may quote a payload, and are only logged."""
    session, hub = await bench.online()

    def fails(event: SignalReceived) -> None:
        raise ValueError(f"cannot read {event.signal.data}")

    session.on("signal", fails)
    await hub.deliver("the payload")
    await bench.idle()
    assert session.statistics().counts["failed_observers"] == 1
    (note,) = bench.notes("observer_failed")
    assert note["detail"] == f"{fails.__qualname__} on 'signal': ValueError"
    assert "the payload" not in str(bench.audit.records)
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == f"an observer of 'signal' failed: {fails.__qualname__}"
    assert line.exc_info is not None
    assert "the payload" in str(line.exc_info[1])


@on_bench
async def test_an_observer_without_a_name_or_words_is_reported_all_the_same(bench: Bench) -> None:
    class Nameless:
        def __repr__(self) -> str:
            raise RuntimeError("no name")

        def __call__(self, event: Notice) -> None:
            raise BadError

    session, hub = await bench.online()
    session.on("signal", Nameless())
    heard: list[Any] = []
    session.on("signal", lambda event: heard.append(event.signal.data))
    await hub.deliver("one")
    await bench.idle()
    assert heard == ["one"]
    assert [note["detail"] for note in bench.notes("observer_failed")] == ["Nameless on 'signal': BadError"]


@on_bench
async def test_a_session_goes_on_whatever_its_observers_do(bench: Bench) -> None:
    """U01 U04: raising and hanging observers of every event; outage, return and end are as without them."""
    session = bench.session()

    def raises(event: Notice) -> None:
        raise ValueError("no")

    async def hangs(event: Notice) -> None:
        await asyncio.sleep(3_600)

    for kind in SESSION_NOTICES:
        session.on(kind.name, raises)
        session.on(kind.name, hangs)
    connecting = bench.start(session.connect())
    hub = await bench.hub()
    await hub.welcome()
    await connecting
    receipt = session.signal("one")
    await hub.next(SendSignal)
    hub.cut()
    again = await bench.back()
    await again.next(SendSignal)
    await again.accept(1)
    assert (await receipt).delivered
    before = bench.clock.now()
    await session.disconnect()
    assert bench.clock.now() - before <= 7.0
    assert bench.tale == ["connected", "reconnecting", "attempt", "reconnected", "disconnected"]
    assert session.statistics().counts["failed_observers"] >= 10


@on_bench
async def test_an_async_observer_may_disconnect_its_own_session(bench: Bench) -> None:
    session, hub = await bench.online()
    done: list[str] = []

    async def leave(event: SignalReceived) -> None:
        await asyncio.wait_for(session.disconnect(), 3)
        done.append(session.state)

    session.on("signal:bye", leave)
    await hub.deliver(None, type="bye")
    await session.wait_for("disconnected")
    await bench.idle()
    assert done == ["disconnected"]
    assert "failed_observers" not in session.statistics().counts
