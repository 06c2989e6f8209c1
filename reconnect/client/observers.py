"""Observers: who is called when something is told, and what happens to one that fails.

The rules that it keeps: observers of one event are called in the order in which they came; one that was taken away meanwhile is
not called; one that raises is reported and changes nothing for the others; an async one gets its events one after another, in a
task of its own, and is cancelled and reported when one call takes longer than its limit.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from difflib import get_close_matches
from types import EllipsisType
from typing import Any, Final, TypeVar, overload

from reconnect.core.notices import SESSION_NOTICES, Notice, SignalReceived
from reconnect.core.submission import check_type
from reconnect.errors import BadArgument, UnknownEventName

Callback = TypeVar("Callback", bound=Callable[..., object])
Report = Callable[[str, Callable[..., object], BaseException], None]

PLATFORM_NAMES: Final[dict[str, str]] = {
    "sessionConnected": "connected",
    "sessionReconnecting": "reconnecting",
    "sessionReconnected": "reconnected",
    "sessionDisconnected": "disconnected",
    "streamCreated": "stream_created",
    "streamDestroyed": "stream_destroyed",
    "connectionCreated": "connection_created",
    "connectionDestroyed": "connection_destroyed",
}
"""The platform's names, which a session's `on()` takes as well."""

SESSION_NAMES: Final[frozenset[str]] = frozenset(kind.name for kind in SESSION_NOTICES)
LAST_SECONDS: Final = 1.0  # for an observer to end after it was cancelled; one that will not is left alone

# The task of the async observer that is calling; whatever that starts inherits it.
_at_work: ContextVar[asyncio.Task[None] | None] = ContextVar("reconnect_observer_at_work", default=None)


class Observer:
    """One callback; `active` until it is taken away."""

    __slots__ = ("active", "callback", "queue", "task")

    def __init__(self, callback: Callable[..., object]) -> None:
        self.callback = callback
        self.active = True
        self.queue: deque[Awaitable[object]] = deque()
        self.task: asyncio.Task[None] | None = None


class Observers:
    """The observers of one session, publisher or subscriber."""

    def __init__(self, names: Iterable[str], *, seconds: float | None, report: Report) -> None:
        self._names = frozenset(names)
        self._aliases = PLATFORM_NAMES if self._names >= SESSION_NAMES else {}
        self._seconds = seconds
        self._report = report
        self._by_name: dict[str, tuple[Observer, ...]] = {}
        self._tasks: dict[asyncio.Task[None], tuple[str, Observer]] = {}

    def __repr__(self) -> str:
        return f"<Observers {sum(map(len, self._by_name.values()))} running={len(self._tasks)}>"

    # -- coming and going --------------------------------------------------------------------------------------------------------

    def on(self, name: str, callback: Callable[..., object]) -> None:
        """Call `callback(event)` for each event of this name; raises UnknownEventName or BadArgument."""
        name = self.resolve(name)
        _check_callback(name, callback)
        self._by_name[name] = *self._by_name.get(name, ()), Observer(callback)

    def off(self, name: str, callback: Callable[..., object] | None) -> None:
        """Call this callback, or (None) all of this name, no more."""
        name = self.resolve(name)
        kept = []
        for observer in self._by_name.pop(name, ()):
            if callback is None or observer.callback == callback:
                observer.active = False
            else:
                kept.append(observer)
        if kept:
            self._by_name[name] = tuple(kept)

    def resolve(self, name: object) -> str:
        """Return the name of an event as it is told; raises UnknownEventName, or BadArgument for what is no name at all."""
        if not isinstance(name, str):
            example = "@session.on('reconnecting')"
            raise BadArgument(f"on() and off() take the name of an event first, as in {example}, and this is {name!r}")
        plain, colon, type = name.partition(":")
        plain = self._aliases.get(plain, plain)
        if plain not in self._names or (colon and (plain != SignalReceived.name or not type)):
            known = sorted(self._names)
            near = get_close_matches(plain, [*known, *self._aliases], n=1)
            raise UnknownEventName(name, known, near[0] if near else None)
        return plain + colon + check_type(type)

    # -- telling -----------------------------------------------------------------------------------------------------------------

    @property
    def hear_signals(self) -> bool:
        """True if somebody observes signals, all or of one type."""
        return any(name.startswith(SignalReceived.name) for name in self._by_name)

    def tell(self, notice: Notice) -> None:
        """Call the observers of this event."""
        self._call(notice.name, notice)

    def tell_signal(self, notice: SignalReceived) -> None:
        """Call the observers of a signal: of all, then of its type."""
        self._call("signal", notice)
        type = notice.signal.type
        if type:
            self._call(f"signal:{type}", notice)

    def _call(self, name: str, notice: Notice) -> None:
        for observer in self._by_name.get(name, ()):
            if not observer.active:
                continue
            try:
                result = observer.callback(notice)
            except (Exception, asyncio.CancelledError) as error:  # nothing is awaited here: a cancellation is the observer's own
                self._report(name, observer.callback, error)
                continue
            if result is not None and inspect.isawaitable(result):
                observer.queue.append(result)
                if observer.task is None:
                    self._run(name, observer)

    def _run(self, name: str, observer: Observer) -> None:
        task = asyncio.get_running_loop().create_task(self._work(name, observer), name=f"reconnect-observer-{name}")
        observer.task = task
        self._tasks[task] = name, observer
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _work(self, name: str, observer: Observer) -> None:
        _at_work.set(asyncio.current_task())
        try:
            while observer.queue and observer.active:
                try:
                    async with asyncio.timeout(self._seconds):
                        await observer.queue.popleft()
                except Exception as error:
                    self._report(name, observer.callback, error)
                except asyncio.CancelledError as error:
                    task = asyncio.current_task()
                    if task is None or task.cancelling():
                        raise
                    self._report(name, observer.callback, error)  # something that it awaited was cancelled, and not it
        finally:
            observer.task = None
            for awaitable in observer.queue:
                if asyncio.iscoroutine(awaitable):
                    awaitable.close()
            observer.queue.clear()

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def is_running_here(self) -> bool:
        """True if an async observer of these is calling: in its own task, or in one that it started."""
        return _at_work.get() in self._tasks

    async def settled(self) -> None:
        """Return once no async observer is at work; whatever is left of its events, all of it has the limit of one call."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(set(self._tasks), timeout=self._seconds)
        for task in late:
            name, observer = self._tasks[task]
            task.cancel()
            self._report(name, observer.callback, TimeoutError("it was still at work when the session was over"))
        if late:
            await asyncio.wait(late, timeout=LAST_SECONDS)


class Observed:
    """What has observers."""

    _observers: Observers

    @overload
    def on(self, name: str, callback: Callback) -> Callback: ...

    @overload
    def on(self, name: str) -> Callable[[Callback], Callback]: ...

    def on(self, name: str, callback: Callback | EllipsisType = ...) -> Callback | Callable[[Callback], Callback]:
        """Call `callback(event)` for each event of this name; without a callback, a decorator.

        A session also takes the platform's names (`sessionReconnecting` for `reconnecting`) and `signal:TYPE`. The callback may
        be async: it then gets its events one after another, and a call that takes longer than `observer_seconds` is cancelled.
        Raises UnknownEventName or BadArgument.
        """
        self._observers.resolve(name)
        if not isinstance(callback, EllipsisType):  # None is what `on(name, show())` gives
            self._observers.on(name, callback)
            return callback

        def decorate(given: Callback) -> Callback:
            self._observers.on(name, given)
            return given

        return decorate

    def off(self, name: str, callback: Callable[..., object] | None = None) -> None:
        """Call this callback, or all of this name, no more."""
        self._observers.off(name, callback)


def _check_callback(name: str, callback: Any) -> None:
    what = f"an observer of {name!r} is a function of one event"
    check_callable(callback, what, f"the {name!r} event", "event")


def check_callable(callback: Any, what: str, given: str, parameter: str) -> None:
    """Raise BadArgument where this cannot be called with one argument: `given`, which it may name `parameter`."""
    if callback is None:
        raise BadArgument(
            f"{what}, and this is None; give the function itself, as `show`, not what calling it returns, as `show()`"
        )
    if not callable(callback):
        raise BadArgument(f"{what}, and this is {callback!r}")
    called = name_of(callback)
    if inspect.isgeneratorfunction(callback) or inspect.isasyncgenfunction(callback):
        raise BadArgument(f"{called} has a `yield` in it, so that calling it runs nothing; an observer is a function without one")
    # Of a method that was written without `self` Python has no signature, and of its function it has.
    plain, taken, written = callback, [object()], f"({parameter})"
    if inspect.ismethod(callback):
        plain, taken, written = callback.__func__, [callback.__self__, object()], f"(self, {parameter})"
    try:
        inspect.signature(plain).bind(*taken)
    except TypeError as error:
        problem = f"{called} is called with one argument, {given}: {error}; write it as def show{written}"
        raise BadArgument(problem) from None
    except ValueError:  # a builtin without a signature: it is tried when its time comes
        return


def name_of(callback: Callable[..., object]) -> str:
    """Return what to call a callback in a sentence; never raises, as its own repr() might."""
    return str(getattr(callback, "__qualname__", type(callback).__name__))
