"""Transports without a socket: two ends joined by a pipe in each direction.

They keep what a WebSocket keeps: messages arrive whole and in order, a close code arrives behind all that was sent before it, an
abort arrives at once and takes what was still on the way with it, and a writer waits while the reader is behind. What arrived
before the end, whoever ended it, is received before the end is told. A pipe may have a `delay` of some seconds or be `stalled`,
as a link that is dead but looks open: what was sent waits, and so does the end, until it flows again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from reconnect.errors import TransportFailed
from reconnect.reasons import Cause, Reason, cause_of_close

PIPE_MESSAGES: Final = 64  # messages that a writer may be ahead of the reader

Item = str | bytes | Cause


class Pipe:
    """One direction: items that are on the way, items that arrived, and at last the cause of the end."""

    def __init__(self, capacity: int = PIPE_MESSAGES) -> None:
        self.capacity = capacity
        self.delay = 0.0
        self.stalled = False
        self.end: Cause | None = None
        self._flight: deque[tuple[float, Item]] = deque()
        self._arrived: deque[str | bytes] = deque()
        self._waiters: dict[asyncio.Future[None], None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: Item) -> None:
        """Send an item on its way; behind the end it goes nowhere."""
        if not self.end:
            self._flight.append((asyncio.get_running_loop().time() + self.delay, item))
            self.flow()

    def flow(self) -> None:
        """Let arrive what is due, unless the pipe is stalled."""
        loop = asyncio.get_running_loop()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._flight and not self.stalled and self._flight[0][0] <= loop.time():
            self._arrive(self._flight.popleft()[1])
        if self._flight and not self.stalled:
            self._timer = loop.call_at(self._flight[0][0], self.flow)

    def _arrive(self, item: Item) -> None:
        if self.end:
            return
        if isinstance(item, Cause):
            self.end = item
        else:
            self._arrived.append(item)
        self.wake()

    def lose(self) -> None:
        """Lose what is on the way."""
        self._flight.clear()
        self.flow()

    def cut(self, cause: Cause) -> None:
        """End now: nothing that is on the way arrives."""
        self.lose()
        self._arrive(cause)

    @property
    def full(self) -> bool:
        """True while a writer has to wait for the reader."""
        return not self.end and len(self._flight) + len(self._arrived) >= self.capacity

    async def get(self) -> str | bytes:
        """Return the next message; raise TransportFailed where the end has come."""
        while not self._arrived:
            if self.end:
                raise TransportFailed(self.end)
            await self.change()
        self.wake()
        return self._arrived.popleft()

    async def change(self) -> None:
        """Return when something arrived, was taken, or ended."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        finally:
            del self._waiters[waiter]

    def wake(self) -> None:
        """Let everyone who waits for a change look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class MemoryTransport:
    """One end of a memory link (ports.Transport)."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self.incoming, self.outgoing = incoming, outgoing
        self.ended: Cause | None = None  # from here; what is told is the end that came first

    def __repr__(self) -> str:
        ended = self.ended or self.incoming.end
        return f"<MemoryTransport {f'ended {ended.reason}' if ended else 'open'}>"

    async def send(self, message: str | bytes) -> None:
        """Write one message; wait while the reader is too far behind."""
        self._check()
        while self.outgoing.full:
            await self.outgoing.change()
            self._check()
        self.outgoing.put(message)

    async def receive(self) -> str | bytes:
        """Return the next message; what arrived before the end comes before it is told."""
        return await self.incoming.get()

    async def close(self, code: int, detail: str) -> None:
        """End with a close code, behind all that was sent."""
        self._finish(cause_of_close(code, detail), abrupt=False)

    def abort(self) -> None:
        """End at once; the other end sees a reset."""
        self._finish(Cause(reason=Reason.CLOSED, detail="aborted"), abrupt=True)

    def _finish(self, cause: Cause, *, abrupt: bool) -> None:
        if self.ended:
            return
        self.ended = cause
        self.incoming.cut(cause)
        if abrupt:
            self.outgoing.lose()
            cause = Cause(reason=Reason.CLOSED, detail="reset by the other end")
        self.outgoing.put(cause)
        self.outgoing.wake()

    def _check(self) -> None:
        if self.incoming.end:
            raise TransportFailed(self.incoming.end)


def memory_pair(capacity: int = PIPE_MESSAGES) -> tuple[MemoryTransport, MemoryTransport]:
    """Return two transports that are each other's peer."""
    there, back = Pipe(capacity), Pipe(capacity)
    return MemoryTransport(back, there), MemoryTransport(there, back)
