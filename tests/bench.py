"""A session on a bench: virtual time, a network in memory, and a hub that is moved by hand.

    @on_bench
    async def test_a_signal_is_sent(bench: Bench) -> None:
        session, hub = await bench.online()
        session.signal("hello")
        assert (await hub.next(SendSignal)).data == b'"hello"'

When a test is over its sessions are left, and it is checked that no task, no timer and no listener of theirs remains.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import msgspec

from reconnect.audit import MemorySink
from reconnect.client import Session
from reconnect.core.frames import (
    Accepted,
    Entry,
    EntryKind,
    Frame,
    Goodbye,
    Handled,
    Heartbeat,
    Join,
    Limits,
    Ping,
    Pong,
    Rejection,
    SendSignal,
    Stream,
    Welcome,
)
from reconnect.core.notices import SESSION_NOTICES, Notice
from reconnect.driver.sleep import sleep_watch
from reconnect.errors import TransportFailed
from reconnect.ports import Transport
from reconnect.reasons import Cause
from reconnect.testing import FakeClock, MemoryNetwork, run
from reconnect.testing.clock import VirtualLoop
from reconnect.wire import HubDialect

P = ParamSpec("P")
F = TypeVar("F", bound=Frame)
T = TypeVar("T")

URL: Final = "ws://hub.test"
ROOM: Final = "room-1"
CAMERA: Final = Stream(id="s1", number=7, name="camera", connection="c9")
_USUAL: Final[dict[str, Any]] = {
    "connection": "c1",
    "secret": "secret-1",
    "epoch": "e1",
    "position": 0,
    "resumed": False,
    "grace": 60.0,
    "heartbeat": Heartbeat(ping=2.0, silence=6.0),
    "limits": Limits(message_bytes=1_000_000, data_bytes=8_192, window=256),
}


class Hand:
    """The hub's end of one link. It answers pings unless `silent`, and goodbyes unless `rude`; all else is the test's to say."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.frames: list[Frame] = []
        self.binary: list[bytes] = []
        self.messages = 0
        self.ended: Cause | None = None
        self.silent = self.rude = False
        self.position = 0
        self._read: dict[type[Frame], int] = {}
        self._dialect = HubDialect("hub")
        self._changed = asyncio.Event()

    async def attend(self) -> None:
        """Read until the other side ends the link."""
        try:
            while True:
                await self._take(await self.transport.receive())
                self._changed.set()
        except TransportFailed as failure:
            self.ended = failure.cause
            self._changed.set()

    async def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self.binary.append(message)
            return
        self.messages += 1
        for frame in self._dialect.decode(message):
            self.frames.append(frame)
            if isinstance(frame, Ping) and not self.silent:
                await self.say(Pong(position=self.position))
            elif isinstance(frame, Goodbye) and not self.rude:
                await self.say(Goodbye())

    def all(self, kind: type[F]) -> list[F]:
        """Return the frames of this kind that arrived."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def next(self, kind: type[F]) -> F:
        """Return the next frame of this kind that was not returned before."""
        while len(self.all(kind)) <= self._read.get(kind, 0):
            self._changed.clear()
            await self._changed.wait()
        self._read[kind] = self._read.get(kind, 0) + 1
        return self.all(kind)[self._read[kind] - 1]

    async def end(self) -> Cause:
        """Return why the link ended, once it has."""
        while self.ended is None:
            self._changed.clear()
            await self._changed.wait()
        return self.ended

    # -- speaking -------------------------------------------------------------------------------------------------------------

    async def say(self, *frames: Frame) -> None:
        """Send frames as one message."""
        for message in self._dialect.encode(frames, 1_000_000):
            await self.transport.send(message)

    async def welcome(self, *more: Frame, **fields: Any) -> Join:
        """Accept the next join, `more` frames following in the same message; return the join."""
        join = await self.next(Join)
        await self.say(Welcome(**(_USUAL | fields)), *more)
        return join

    async def accept(self, serial: int, *rejected: Rejection) -> None:
        """Judge all signals up to this serial."""
        await self.say(Accepted(serial=serial, position=self.position, rejected=rejected))

    async def tell(self, what: EntryKind, **fields: Any) -> None:
        """Send the next entry of the log."""
        self.position += 1
        await self.say(Entry(position=self.position, after=self.position - 1, what=what, **fields))

    async def deliver(self, data: Any, *, type: str = "", sender: str = "other") -> None:
        """Let a signal of another member arrive."""
        raw = msgspec.Raw(msgspec.json.encode(data))
        serial = self.position + 1
        await self.tell(EntryKind.SIGNAL, connection="c9", sender=sender, serial=serial, type=type, data=raw)

    def cut(self) -> None:
        """Reset the link."""
        self.transport.abort()

    @property
    def heard(self) -> list[Any]:
        """The data of the signals that arrived."""
        return [msgspec.json.decode(frame.data) for frame in self.all(SendSignal)]

    @property
    def credits(self) -> list[int]:
        """The positions up to which the member said that it handled everything."""
        return [frame.position for frame in self.all(Handled)]


class Bench:
    """Virtual time, a network, sessions on it, and a hub's end of every link that they open."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.network = MemoryNetwork()
        self.audit = MemorySink()
        self.sessions: list[Session] = []
        self.told: list[Notice] = []
        self.hands: list[Hand] = []
        self.complaints: list[dict[str, Any]] = []
        self._opened = asyncio.Event()
        self._taken = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- sessions -------------------------------------------------------------------------------------------------------------

    def session(self, **options: Any) -> Session:
        """Make a session; every event that it tells is kept in `told`."""
        usual: dict[str, Any] = {"session": ROOM, "token": "token", "clock": self.clock, "audit": self.audit, "seed": 1}
        usual["transport"] = self.network.dialer("member")
        url = options.pop("url", URL)
        session = Session(url, **(usual | options))
        self.sessions.append(session)
        for kind in SESSION_NOTICES:
            session.on(kind.name, self.told.append)
        return session

    async def online(self, welcome: dict[str, Any] | None = None, **options: Any) -> tuple[Session, Hand]:
        """Return a session that is connected, and the hub's end of its link."""
        session = self.session(**options)
        connecting = self.start(session.connect())
        hub = await self.hub()
        await hub.welcome(**(welcome or {}))
        await connecting
        return session, hub

    async def hub(self) -> Hand:
        """Return the hub's end of the next link that was opened."""
        while len(self.hands) <= self._taken:
            self._opened.clear()
            await self._opened.wait()
        self._taken += 1
        return self.hands[self._taken - 1]

    async def back(self, **fields: Any) -> Hand:
        """Resume the connection on the next link, and return the hub's end of it."""
        hub = await self.hub()
        await hub.welcome(**({"resumed": True, "secret": "secret-2", "accepted": 0} | fields))
        hub.position = fields.get("position", 0)
        await self.idle()
        return hub

    async def _attend(self, transport: Transport) -> None:
        hand = Hand(transport)
        self.hands.append(hand)
        self._opened.set()
        await hand.attend()

    @property
    def tale(self) -> list[str]:
        """The names of the events that were told, in order."""
        return [notice.name for notice in self.told]

    def notes(self, what: str) -> list[dict[str, Any]]:
        """Return the audit's notes of this kind."""
        return [record for record in self.audit.records if record.get("what") == what]

    # -- time -----------------------------------------------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let something happen beside the test."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    async def idle(self) -> None:
        """Let everything happen that can happen at this instant."""
        await self.clock.idle()

    async def later(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.advance(seconds)

    # -- the whole ------------------------------------------------------------------------------------------------------------

    async def play(self, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Play one test from beginning to end, and see that nothing is left."""
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.complaints.append(context))
        async with self.network.listen(URL, self._attend):
            try:
                await test()
            finally:
                for session in self.sessions:
                    await session.disconnect()
        for task in self._tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self.check()

    def check(self) -> None:
        """U09: fail where anything of a session is left."""
        for session in self.sessions:
            numbers = session.statistics()
            assert (session.role, numbers.pending) == ("offline", 0)
            assert numbers.submitted == sum(numbers.outcomes.values())
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert timers() == []
        assert repr(sleep_watch(self.clock)) == "<SleepWatch listeners=0>"
        assert self.complaints == []


def timers() -> list[asyncio.TimerHandle]:
    """Return what is due on the running loop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop), "real time has other timers as well"
    return loop.timers


def on_bench(told: Callable[Concatenate[Bench, P], Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine that takes a bench first, and whatever pytest gives it."""

    @wraps(told)
    def test(*args: P.args, **kwargs: P.kwargs) -> None:
        bench = Bench()
        run(bench.play(lambda: told(bench, *args, **kwargs)), bench.clock)

    parameters = list(inspect.signature(told).parameters.values())[1:]  # the bench is not pytest's to give
    test.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # pytest reads it
    return test
