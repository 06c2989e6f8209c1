"""A member's wire: what its transports carried, frame by frame, and what is to get lost on the way.

It stands between a session and its dialer, so that a story can look at the order of frames, or lose exactly one welcome, as a
network does that breaks at the wrong instant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from reconnect.core import frames
from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, Reason
from reconnect.transport.memory import MemoryTransport
from reconnect.wire import HubDialect

F = TypeVar("F", bound=frames.Frame)

LOST = Cause(reason=Reason.CLOSED, detail="the link broke before this arrived")


class Wire:
    """Dials, and keeps what travels (ports.Dialer)."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self.sent: list[frames.Frame] = []
        self.received: list[frames.Frame] = []
        self.frames: list[frames.Frame] = []  # both, in the order in which they passed
        self.messages: list[str | bytes] = []  # those that were sent
        self.dialed: list[str] = []
        self.open: list[Tap] = []
        self.aborts_are_lost = False  # as on a dead line: the hub goes on believing in the old transport
        self._losing_sent: type[frames.Frame] | None = None
        self._losing_received: type[frames.Frame] | None = None

    async def __call__(self, url: str) -> Transport:
        """Open a transport."""
        self.dialed.append(url)
        tap = Tap(self, await self._dialer(url))
        self.open.append(tap)
        return tap

    @property
    def joins(self) -> list[frames.Join]:
        """The joins that were sent, oldest first."""
        return self.all_sent(frames.Join)

    @property
    def welcomes(self) -> list[frames.Welcome]:
        """The welcomes that arrived, oldest first."""
        return self.all_received(frames.Welcome)

    @property
    def signals(self) -> list[frames.SendSignal]:
        """The signals that were sent, each as often as it was."""
        return self.all_sent(frames.SendSignal)

    def all_sent(self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that were sent."""
        return [frame for frame in self.sent if isinstance(frame, kind)]

    def all_received(self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that arrived."""
        return [frame for frame in self.received if isinstance(frame, kind)]

    def lose_received(self, kind: type[frames.Frame]) -> None:
        """Let the link break just before the next message with such a frame arrives, which the hub has sent."""
        self._losing_received = kind

    def lose_sent(self, kind: type[frames.Frame]) -> None:
        """Let the link break just before the next message with such a frame reaches the hub."""
        self._losing_sent = kind

    def is_lost(self, message: Sequence[frames.Frame], *, sent: bool) -> bool:
        """True, once, for the message that is to be lost."""
        kind = self._losing_sent if sent else self._losing_received
        if kind is None or not any(isinstance(frame, kind) for frame in message):
            return False
        if sent:
            self._losing_sent = None
        else:
            self._losing_received = None
        return True


class Tap:
    """A transport that is looked at (ports.Transport)."""

    def __init__(self, wire: Wire, transport: Transport) -> None:
        self._wire, self.transport = wire, transport
        self._hub, self._member = HubDialect("hub"), HubDialect("member")

    async def send(self, message: str | bytes) -> None:
        """Keep a message and pass it on, or lose it."""
        wire = self._wire
        wire.messages.append(message)
        content = _read(self._hub.decode, message)
        wire.sent.extend(content)
        wire.frames.extend(content)
        if wire.is_lost(content, sent=True):
            self.transport.abort()
            raise TransportFailed(LOST)
        await self.transport.send(message)

    async def receive(self) -> str | bytes:
        """Keep the next message and pass it on, or lose it."""
        message = await self.transport.receive()
        content = _read(self._member.decode, message)
        if self._wire.is_lost(content, sent=False):
            self.transport.abort()
            raise TransportFailed(LOST)
        self._wire.received.extend(content)
        self._wire.frames.extend(content)
        return message

    async def close(self, code: int, detail: str) -> None:
        """End politely."""
        await self.transport.close(code, detail)

    def abort(self) -> None:
        """End at once, so that the hub hears of it, or not."""
        if self._wire.aborts_are_lost:
            assert isinstance(self.transport, MemoryTransport), "only a network in memory loses a reset"
            self.transport.incoming.cut(Cause(reason=Reason.CLOSED, detail="aborted"))
        else:
            self.transport.abort()


def _read(decode: Callable[[str | bytes], tuple[frames.Frame, ...]], message: str | bytes) -> tuple[frames.Frame, ...]:
    return decode(message) if isinstance(message, str) else ()
