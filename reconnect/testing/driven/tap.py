"""What stands between a member of a driven world and the network: it looks at every frame, and cuts a link where a seed says so.

A fuse is set to a number of messages in one direction: the link is cut behind the last of them, so that a seed can break a link
at every boundary between two messages.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from reconnect.core.frames import Frame
from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, Reason
from reconnect.transport.memory import MemoryTransport
from reconnect.wire import HubDialect

_BURNT = Cause(reason=Reason.CLOSED, detail="the network cut the link between two messages")


class Way(StrEnum):
    """A direction, as a member sees it."""

    UP = "up"
    DOWN = "down"


class Ears(Protocol):
    """Who is told of what passes."""

    def opened(self, tap: Tap) -> None: ...
    def passes(self, tap: Tap, way: Way, frames: tuple[Frame, ...]) -> None: ...


class Tap:
    """One transport that is looked at (ports.Transport); `number` counts a member's, `over` says that its owner ended it."""

    def __init__(self, number: int, transport: Transport, line: TappedLine) -> None:
        self.number, self.over = number, False
        self._transport, self._line = transport, line

    @property
    def is_living(self) -> bool:
        """True while neither its owner nor the network has ended it."""
        return not (self.over or (isinstance(self._transport, MemoryTransport) and self._transport.incoming.end))

    def __repr__(self) -> str:
        return f"<Tap {self.number}{' over' if self.over else ''} {self._transport!r}>"

    async def send(self, message: str | bytes) -> None:
        """Look at a message and pass it on."""
        if isinstance(message, str):
            self._line.ears.passes(self, Way.UP, self._line.hub.decode(message))
        await self._transport.send(message)
        if self._line.burns(Way.UP):
            self._transport.abort()
            raise TransportFailed(_BURNT)

    async def receive(self) -> str | bytes:
        """Pass the next message on and look at it."""
        message = await self._transport.receive()
        if isinstance(message, str) and not self.over:
            self._line.ears.passes(self, Way.DOWN, self._line.member.decode(message))
        if self._line.burns(Way.DOWN):
            self._transport.abort()
        return message

    async def close(self, code: int, detail: str) -> None:
        """End politely."""
        self.over = True
        await self._transport.close(code, detail)

    def abort(self) -> None:
        """End at once."""
        self.over = True
        self._transport.abort()


class TappedLine:
    """Dials, and taps what it opens (ports.Dialer)."""

    def __init__(self, dialer: Dialer, ears: Ears, *, narrow: Callable[[Transport], None]) -> None:
        self.ears = ears
        self.hub, self.member = HubDialect("hub"), HubDialect("member")
        self.fuses: dict[Way, int] = {}
        self._dialer, self._narrow = dialer, narrow
        self._opened = 0

    def __repr__(self) -> str:
        return f"<TappedLine opened={self._opened} fuses={len(self.fuses)}>"

    async def __call__(self, url: str) -> Transport:
        """Open a transport."""
        transport = await self._dialer(url)
        self._narrow(transport)
        self._opened += 1
        tap = Tap(self._opened, transport, self)
        self.ears.opened(tap)
        return tap

    def burns(self, way: Way) -> bool:
        """Count a message; True, once, where the fuse of this direction has burnt down."""
        left = self.fuses.pop(way, None)
        if left is None:
            return False
        if left > 1:
            self.fuses[way] = left - 1
        return left <= 1
