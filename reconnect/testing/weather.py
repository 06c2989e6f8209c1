"""What a network does to one party's links: how long messages take, what gets through, and what looks open and is dead.

The rules that it keeps are those of an ordered transport, as TCP is one. Text messages and the end of a link arrive once and in
order, whatever the weather: a delay, jitter or a thin line makes them late, and late by as much as those before them. So jitter
moves links against each other, never the messages of one link. Only stream frames (bytes), which nobody waits for, may arrive
twice or overtake each other, as they do where a transport sends them as datagrams; none overtakes a text message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

from reconnect.reasons import Cause, Reason
from reconnect.record import Record
from reconnect.transport.memory import Item, MemoryTransport, Pipe


class Direction(StrEnum):
    """Which way messages no longer pass."""

    TO_HUB = "to_hub"
    FROM_HUB = "from_hub"
    BOTH = "both"


class Weather(Record, kw_only=True):
    """What one party's network does.

    `delay` is how many seconds a message takes, `jitter` how many more it takes at most; `bytes_per_second` is what a line
    carries, None for no limit. `duplicated` and `reordered` are the shares of stream frames that arrive twice, and that overtake
    another.
    """

    refusing: bool = False
    hanging: bool = False
    blocked: Direction | None = None
    delay: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float | None = None
    duplicated: float = 0.0
    reordered: float = 0.0


class RoughPipe(Pipe):
    """One direction of a link, in some weather; `chance` draws from 0 to 1."""

    def __init__(self, chance: Callable[[], float]) -> None:
        super().__init__()
        self._chance = chance
        self._weather = Weather()
        self._free_at = 0.0  # when the line has carried all that was put on it

    def feel(self, weather: Weather, direction: Direction) -> None:
        """Do what the weather says from now on; what is on the way arrives when it was to, or once nothing blocks it."""
        self._weather = weather
        self.delay = weather.delay
        self.stalled = weather.blocked in (direction, Direction.BOTH)
        self.flow()

    def put(self, item: Item) -> None:
        """Send an item on its way, in this weather."""
        if self.end:
            return
        weather = self._weather
        due = self._carried_at(item) + weather.delay
        if weather.jitter:
            due += weather.jitter * self._chance()
        if not isinstance(item, bytes):
            self._flight.append((due, item))
        elif weather.reordered and self._last_is_frame() and self._chance() < weather.reordered:
            before, overtaken = self._flight.pop()
            self._flight.extend(((before, item), (max(before, due), overtaken)))
        else:
            self._flight.append((due, item))
            if weather.duplicated and self._chance() < weather.duplicated:
                self._flight.append((due, item))
        self.flow()

    def _carried_at(self, item: Item) -> float:
        now = asyncio.get_running_loop().time()
        rate = self._weather.bytes_per_second
        if rate is None:
            return now
        size = 0 if isinstance(item, Cause) else len(item)
        self._free_at = max(now, self._free_at) + size / rate
        return self._free_at

    def _last_is_frame(self) -> bool:
        return bool(self._flight) and isinstance(self._flight[-1][1], bytes)


class Link:
    """One open connection through the network."""

    def __init__(self, party: str, url: str, chance: Callable[[], float]) -> None:
        self.party, self.url = party, url
        self._to_hub, self._from_hub = RoughPipe(chance), RoughPipe(chance)
        self.client = MemoryTransport(self._from_hub, self._to_hub)
        self.hub = MemoryTransport(self._to_hub, self._from_hub)

    def __repr__(self) -> str:
        return f"<Link {self.party} {self.url}>"

    def feel(self, weather: Weather) -> None:
        """Let both directions do what the weather says."""
        self._to_hub.feel(weather, Direction.TO_HUB)
        self._from_hub.feel(weather, Direction.FROM_HUB)

    def cut(self) -> None:
        """Reset both ends at once; what is on the way is lost."""
        for pipe in (self._from_hub, self._to_hub):
            pipe.cut(Cause(reason=Reason.CLOSED, detail="the network cut the link"))
