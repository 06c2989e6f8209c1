"""Where a session keeps its publishers and subscribers: asks for them, gives them up, and passes on what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

from reconnect import limits
from reconnect.client.observers import Observers
from reconnect.client.streams import Publisher, StreamEnd, Subscriber
from reconnect.client.waits import Calls, Conditions
from reconnect.core.frames import Stream
from reconnect.core.inputs import WantAdded, WantDropped
from reconnect.core.notices import PublicationNotice, PublisherEnded, SubscriberDestroyed
from reconnect.core.submission import check_text
from reconnect.driver import Driver
from reconnect.errors import BadArgument, NotConnected, RequestFailed


class StreamDesk:
    """The publishers and subscribers of one session, by the key of their want."""

    def __init__(
        self, driver: Driver, *, calls: Calls, conditions: Conditions, observers: Callable[[tuple[type, ...]], Observers]
    ) -> None:
        self._driver, self._core = driver, driver.core
        self._calls, self._conditions = calls, conditions
        self._new_observers = observers
        self._ends: dict[str, StreamEnd] = {}

    def __repr__(self) -> str:
        return f"<StreamDesk {' '.join(sorted(self._ends))}>"

    # -- asking ----------------------------------------------------------------------------------------------------------------

    async def publish(self, name: str, data: str) -> Publisher:
        """Publish a stream under this name."""
        check_text(name, "name", "that of a stream", limits.NAME_CHARACTERS)
        if data != "":
            check_text(data, "data", "what others are told of the stream", limits.MEMBER_DATA_CHARACTERS)
        key = _key("publish", name)
        if key in self._ends:
            raise BadArgument(f"this session publishes {name!r} already; give the second stream another name")
        publisher = Publisher(key, name, self)
        await self._want("publish()", publisher, publish=name, data=data)
        return publisher

    async def subscribe(self, stream: Stream | str) -> Subscriber:
        """Subscribe to a stream, or share the subscription that there is."""
        stream_id = stream.id if isinstance(stream, Stream) else stream
        check_text(stream_id, "stream", "a Stream or its id", limits.NAME_CHARACTERS)
        key = _key("subscribe", stream_id)
        known = self._ends.get(key)
        if isinstance(known, Subscriber):
            await self._conditions.until(lambda: known.stream is not None or key not in self._ends)
            if known.stream is None:
                raise RequestFailed(f"subscribe {stream_id!r}", code=known._why)
            return known
        subscriber = Subscriber(key, self)
        await self._want("subscribe()", subscriber, subscribe=stream_id)
        return subscriber

    async def _want(
        self, call: str, end: StreamEnd, *, publish: str | None = None, subscribe: str | None = None, data: str = ""
    ) -> None:
        if self._core.role in ("offline", "closing"):
            raise NotConnected(call, self._core.state)
        self._ends[end.key] = end
        request = self._calls.number()
        want = WantAdded(at=self._driver.now(), request=request, key=end.key, publish=publish, subscribe=subscribe, data=data)
        try:
            await self._calls.ask(request, lambda: self._driver.feed(want))
        except asyncio.CancelledError:
            self._drop(end.key)
            raise

    async def give_up(self, key: str) -> None:
        """End a publication or a subscription; nothing happens where it is over already."""
        self._drop(key)

    def _drop(self, key: str) -> None:
        if key in self._core.at.wants:
            self._driver.feed(WantDropped(at=self._driver.now(), request=self._calls.number(), key=key))

    # -- what a Publisher and a Subscriber need (reconnect.client.streams.Desk) --------------------------------------------------

    def state_of(self, key: str) -> str:
        """Return the state in the chart's words, empty where it is over."""
        wants = self._core.at.wants
        return wants[key].state if key in wants else ""

    def stream_of(self, key: str) -> Stream | None:
        """Return the stream that the hub gave, None where it is over or unanswered."""
        wants = self._core.at.wants
        return wants[key].stream if key in wants else None

    def is_live(self, key: str) -> bool:
        """True while frames of this publication may be sent."""
        wants = self._core.at.wants
        return key in wants and wants[key].role == "live"

    def send_frame(self, number: int, payload: bytes) -> bool:
        """Send one stream frame."""
        return self._driver.send_stream_frame(number, payload)

    def observers(self, names: tuple[type, ...]) -> Observers:
        """Return observers for the events of these kinds."""
        return self._new_observers(names)

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def tell(self, notice: PublicationNotice) -> None:
        """Pass an event on to the publisher or subscriber that it is about."""
        end = self._ends.get(notice.key)
        if end is not None:
            # What was told in the same turn before it ended is still for this end.
            if isinstance(notice, PublisherEnded | SubscriberDestroyed):
                del self._ends[notice.key]
            end._tell(notice)
            self._conditions.check()

    def stream_frame(self, key: str, payload: memoryview) -> None:
        """Pass a frame on to its subscriber."""
        end = self._ends.get(key)
        if isinstance(end, Subscriber):
            end._put(bytes(payload))


def _key(verb: str, name: str) -> str:
    """Return the key of a want: readable, and no longer than a hub takes."""
    key = f"{verb}:{name}"
    if len(key) <= limits.NAME_CHARACTERS:
        return key
    return f"{key[:180]}...{sha256(name.encode()).hexdigest()}"
