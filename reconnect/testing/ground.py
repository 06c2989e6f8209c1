"""Where transports are checked: pairs of them, on a listener that comes with them, and the patience that they get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, TypeVar

from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause
from reconnect.testing.network import Attend

T = TypeVar("T")

Factory = Callable[[Attend], AbstractAsyncContextManager[tuple[Dialer, str]]]
"""Listens with what it is given, and yields a dialer and the url to dial."""

STALLED_SECONDS: Final = 0.25  # a write that takes longer than this waits for its reader
UNREAD_BYTES: Final = 64 * 1024 * 1024  # what goes out unread beyond this has no bound


class Broken(AssertionError):
    """A transport breaks a rule."""


def ensure(holds: bool, otherwise: str) -> None:
    """Raise Broken with this sentence where it does not hold."""
    if not holds:
        raise Broken(otherwise)


class Ground:
    """Makes pairs of transports, and waits for them only so long."""

    def __init__(self, factory: Factory, message_bytes: int, patience_seconds: float) -> None:
        self.listening = factory
        self.message_bytes, self.patience_seconds = message_bytes, patience_seconds

    def __repr__(self) -> str:
        return f"<Ground message_bytes={self.message_bytes} patience_seconds={self.patience_seconds:g}>"

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[tuple[Transport, Transport]]:
        """Yield the dialed and the accepted end of one link; both are aborted when the block is over."""
        accepted: asyncio.Queue[Transport] = asyncio.Queue()
        over = asyncio.Event()

        async def attend(transport: Transport) -> None:
            accepted.put_nowait(transport)
            await over.wait()

        async with self.listening(attend) as (dialer, url):
            here = await self.soon(dialer(url), "a dial")
            there = await self.soon(accepted.get(), "accepting a link that was dialed")
            try:
                yield here, there
            finally:
                over.set()
                here.abort()
                there.abort()
                await asyncio.sleep(0)  # let `attend` return: many a server complains of one that was cancelled

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let something happen beside the check."""
        return asyncio.get_running_loop().create_task(work)

    async def soon(self, work: Awaitable[T], what: str) -> T:
        """Return what comes of it; raise Broken where it takes too long."""
        try:
            return await asyncio.wait_for(work, self.patience_seconds)
        except TimeoutError:
            raise Broken(f"{what} takes longer than {self.patience_seconds:g} s") from None

    async def next(self, end: Transport) -> str | bytes:
        """Return the next message of a transport that is open."""
        try:
            return await self.soon(end.receive(), "a message that was sent")
        except TransportFailed as failure:
            raise Broken(f"the transport ended before a message that was sent had arrived: {failure}") from None

    async def end_of(self, call: Awaitable[Any], what: str) -> Cause:
        """Return the cause that a call raises on a transport that has ended."""
        try:
            came = await self.soon(call, what)
        except TransportFailed as failure:
            return failure.cause
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"{what} raises {type(error).__name__}, and no TransportFailed") from error
        raise Broken(f"{what} does not raise TransportFailed" + ("" if came is None else f", it returns {_shown(came)}"))

    async def fill(self, end: Transport) -> tuple[list[str], asyncio.Task[None] | None]:
        """Write until a write waits; return what was written, that one included, and the write. None: none ever waits."""
        size = min(self.message_bytes, 256 * 1024)
        sent: list[str] = []
        while len(sent) * size < UNREAD_BYTES:
            sent.append(f"{len(sent):08}".ljust(size, "x"))
            write = self.start(end.send(sent[-1]))
            if not (await asyncio.wait([write], timeout=STALLED_SECONDS))[0]:
                return sent, write
            await write
        return sent, None

    async def leave_nothing(self, before: set[asyncio.Task[Any]], what: str) -> None:
        """Return once no other tasks run than before; raise Broken where some do for too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience_seconds):
                while left := asyncio.all_tasks() - before:
                    await asyncio.wait(left)
        names = sorted(task.get_name() for task in asyncio.all_tasks() - before)
        ensure(not names, f"{what} leaves tasks running: {', '.join(names)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def alike(sent: object, got: object, what: str) -> None:
    """Raise Broken where something else arrived than was sent."""
    ensure(type(got) is type(sent) and got == sent, f"{what}: {_shown(sent)} was sent, and {_shown(got)} arrived")
