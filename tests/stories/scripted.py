"""Both ends of a wire, spoken by hand: a hub that follows a script, and a member that says whatever a test wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from reconnect.core.frames import Frame, Heartbeat, Join, Limits, Welcome
from reconnect.errors import TransportFailed
from reconnect.ports import Transport
from reconnect.reasons import Cause
from reconnect.wire import HubDialect

F = TypeVar("F", bound=Frame)

LIMITS = Limits(message_bytes=1_000_000, data_bytes=8_192, window=256)
HEARTBEAT = Heartbeat(ping=2.0, silence=6.0)


class _End:
    """One end of a transport, frame by frame."""

    def __init__(self, transport: Transport, dialect: HubDialect) -> None:
        self.transport, self._dialect = transport, dialect
        self.heard: list[Frame] = []
        self._unread: list[Frame] = []

    async def say(self, *frames: Frame) -> None:
        """Send frames as one message."""
        for message in self._dialect.encode(frames, 1_000_000):
            await self.transport.send(message)

    async def say_raw(self, message: str | bytes) -> None:
        """Send a message as it is."""
        await self.transport.send(message)

    async def hear(self, kind: type[F]) -> F:
        """Return the next frame of this kind; what comes before it is kept in `heard`."""
        while True:
            while self._unread:
                frame = self._unread.pop(0)
                self.heard.append(frame)
                if isinstance(frame, kind):
                    return frame
            message = await self.transport.receive()
            if isinstance(message, str):
                self._unread.extend(self._dialect.decode(message))

    async def end(self) -> Cause:
        """Read until the other side ends the transport, and return why."""
        try:
            while True:
                await self.hear(Frame)
        except TransportFailed as failure:
            return failure.cause

    def all_heard(self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that were read."""
        return [frame for frame in self.heard if isinstance(frame, kind)]


class HubEnd(_End):
    """The hub's end of a link, for a hub that follows a script."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, HubDialect("hub"))

    async def welcome(self, **fields: Any) -> Join:
        """Wait for the join and accept it; return it."""
        join = await self.hear(Join)
        usual: dict[str, Any] = {
            "connection": "connection-1",
            "secret": "secret-1",
            "epoch": "epoch-1",
            "position": 0,
            "resumed": False,
            "grace": 60.0,
            "heartbeat": HEARTBEAT,
            "limits": LIMITS,
        }
        await self.say(Welcome(**(usual | fields)))
        return join


class RawMember(_End):
    """A member's end of a link to a hub, without a session behind it."""

    def __init__(self, transport: Transport, token: str) -> None:
        super().__init__(transport, HubDialect("member"))
        self.token = token

    async def join(self, **fields: Any) -> Welcome:
        """Join and return the hub's welcome."""
        usual: dict[str, Any] = {"token": self.token, "session": "room-1", "sender": "by hand"}
        await self.say(Join(**(usual | fields)))
        return await self.hear(Welcome)


Script = Callable[[HubEnd], Awaitable[None]]
