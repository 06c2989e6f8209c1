"""A stream that is seen: Anna publishes, Ben watches."""

from __future__ import annotations

from typing import Any

from reconnect import Publisher, Subscriber
from tests.stories.stage import Member, Stage, record


class Showing:
    """Anna publishes, Ben watches; `hers` and `his` are the events of the two ends."""

    def __init__(self, anna: Member, ben: Member, publisher: Publisher, subscriber: Subscriber) -> None:
        self.anna, self.ben, self.publisher, self.subscriber = anna, ben, publisher, subscriber
        self.hers: list[Any] = record(publisher)
        self.his: list[Any] = record(subscriber)


async def show(stage: Stage) -> Showing:
    """Return a stream that is seen."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    publisher = await anna.session.publish("camera", data="front")
    created = await ben.next("stream_created")
    return Showing(anna, ben, publisher, await ben.session.subscribe(created.stream))


async def frames_of(subscriber: Subscriber, got: list[bytes]) -> None:
    """Keep what arrives."""
    async for frame in subscriber:
        got.append(frame)
