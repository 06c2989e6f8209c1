"""Publisher and Subscriber: the user's ends of a stream.

Frames are bytes and are never queued for an outage: stale media is worth nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Protocol

from reconnect import limits
from reconnect.awaiting import advised
from reconnect.client.observers import Observed, Observers
from reconnect.core.frames import Stream
from reconnect.core.notices import (
    PUBLISHER_NOTICES,
    SUBSCRIBER_NOTICES,
    PublicationNotice,
    PublisherEnded,
    SubscriberDestroyed,
)
from reconnect.errors import BadArgument
from reconnect.reasons import Reason, RejectCode


class Desk(Protocol):
    """What a publisher and a subscriber need of their session."""

    def state_of(self, key: str) -> str: ...
    def stream_of(self, key: str) -> Stream | None: ...
    def is_live(self, key: str) -> bool: ...
    def send_frame(self, number: int, payload: bytes) -> bool: ...
    def give_up(self, key: str) -> Awaitable[None]: ...
    def observers(self, names: tuple[type, ...]) -> Observers: ...


class StreamEnd(Observed):
    """What a Publisher and a Subscriber share: a key, a stream, a state, and observers."""

    def __init__(self, key: str, desk: Desk, names: tuple[type, ...]) -> None:
        self.key = key
        self._desk = desk
        self._last: PublicationNotice | None = None
        self._observers = desk.observers(names)

    @property
    def state(self) -> str:
        """The state in the words of `statecharts/publisher.toml` or `subscriber.toml`."""
        present = "" if self._is_over else self._desk.state_of(self.key)
        return present or (self._last.name if self._last is not None else "")

    @property
    def stream(self) -> Stream | None:
        """The stream; another one after a new connection, from `reconnected` on."""
        present = None if self._is_over else self._desk.stream_of(self.key)
        return present or (self._last.stream if self._last is not None else None)

    @property
    def _is_over(self) -> bool:
        return isinstance(self._last, PublisherEnded | SubscriberDestroyed)

    @property
    def _why(self) -> RejectCode | Reason | None:
        """Why it is over, None while it is not."""
        return self._last.code or self._last.reason if isinstance(self._last, PublisherEnded | SubscriberDestroyed) else None

    def _tell(self, notice: PublicationNotice) -> None:
        """Take over what the notice says, then call the observers; only the session does."""
        self._last = notice
        self._observers.tell(notice)


class Publisher(StreamEnd):
    """A stream that this member publishes. Events: `live`, `interrupted` (reason), `ended` (reason, code)."""

    def __init__(self, key: str, name: str, desk: Desk) -> None:
        super().__init__(key, desk, PUBLISHER_NOTICES)
        self.name = name

    def __repr__(self) -> str:
        return f"<Publisher {self.name} {self.state}>"

    def send(self, frame: bytes | bytearray | memoryview) -> bool:
        """Send one frame to all subscribers; False, and the frame is gone, while interrupted or when too much is unwritten.

        False too for a frame that is larger than a message may be (1 MiB by default). Raises BadArgument for what is not bytes.
        """
        if not isinstance(frame, bytes | bytearray | memoryview):
            raise BadArgument(f"a frame is bytes, and this is {type(frame).__name__}; encode it first")
        stream = self.stream
        if stream is None or self._is_over or not self._desk.is_live(self.key):
            return False
        return self._desk.send_frame(stream.number, bytes(frame))

    @advised("write `await publisher.unpublish()`")
    async def unpublish(self) -> None:
        """End the stream on purpose; subscribers get `destroyed` at once. Nothing happens where it is over already."""
        await self._desk.give_up(self.key)


class Subscriber(StreamEnd):
    """A stream that this member subscribes to. Events: `connected`, `disconnected` (reason), `destroyed` (reason, code).

    Iterate over it for its frames; when `limits.SUBSCRIBER_BACKLOG` of them wait, the oldest is dropped and counted in
    `dropped`. The iteration goes on through an interruption and ends with `destroyed`, after the frames that wait.
    """

    def __init__(self, key: str, desk: Desk) -> None:
        super().__init__(key, desk, SUBSCRIBER_NOTICES)
        self.dropped = 0
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Subscriber {self.stream.name if self.stream else self.key} {self.state} waiting={len(self._frames)}>"

    def __aiter__(self) -> Subscriber:
        return self

    async def __anext__(self) -> bytes:
        while not self._frames:
            if self._is_over:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()

    @advised("write `await subscriber.unsubscribe()`")
    async def unsubscribe(self) -> None:
        """Take no more of this stream. Nothing happens where it is over already."""
        await self._desk.give_up(self.key)

    def _put(self, frame: bytes) -> None:
        """Let a frame wait for the iterator; the oldest makes room. Only the session does."""
        if len(self._frames) >= limits.SUBSCRIBER_BACKLOG:
            self._frames.popleft()
            self.dropped += 1
        self._frames.append(frame)
        self._arrived.set()

    def _tell(self, notice: PublicationNotice) -> None:
        """Take over what the notice says, then call the observers; only the session does."""
        super()._tell(notice)
        self._arrived.set()
