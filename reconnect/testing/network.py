"""A network in memory: named parties dial a hub, and a test makes the weather between them.

    network = MemoryNetwork()
    async with network.listen("ws://hub.test", hub.attend):
        transport = await network.dialer("alice")("ws://hub.test")
        network.half_open("alice")   # alice's link looks open and carries nothing

A fault holds for one party, or for all with None, for links that are open and for dials to come, until `restore`. It runs the
same in virtual and in real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from types import TracebackType

import msgspec

from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, Reason
from reconnect.record import Record
from reconnect.transport.memory import MemoryTransport, memory_pair

Attend = Callable[[Transport], Awaitable[None]]


class Direction(StrEnum):
    """Which way messages no longer pass."""

    TO_HUB = "to_hub"
    FROM_HUB = "from_hub"
    BOTH = "both"


class Weather(Record):
    """What one party's network does."""

    refusing: bool = False
    hanging: bool = False
    blocked: Direction | None = None
    delay: float = 0.0


class Dial(Record):
    """One attempt to reach the hub, and the loop's time at which it began."""

    party: str
    url: str
    at: float


class Link:
    """One open connection through the network."""

    def __init__(self, party: str, url: str) -> None:
        self.party, self.url = party, url
        self.client, self.hub = memory_pair()

    def feel(self, weather: Weather) -> None:
        """Let both directions do what the weather says."""
        for pipe, direction in ((self.hub.incoming, Direction.TO_HUB), (self.client.incoming, Direction.FROM_HUB)):
            pipe.stalled = weather.blocked in (direction, Direction.BOTH)
            pipe.delay = weather.delay
            pipe.flow()

    def cut(self) -> None:
        """Reset both ends at once; what is on the way is lost."""
        for end in (self.client, self.hub):
            end.incoming.cut(Cause(reason=Reason.CLOSED, detail="the network cut the link"))


class Listener:
    """A hub's place in the network; closing it resets its links and waits for what attends to them."""

    def __init__(self, network: MemoryNetwork, url: str, attend: Attend) -> None:
        self._network, self.url, self._attend = network, url, attend
        self._attending: dict[asyncio.Task[None], MemoryTransport] = {}

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        await self.close()

    def accept(self, link: Link) -> None:
        """Attend to a new link in a task of its own."""
        task = asyncio.get_running_loop().create_task(self._serve(link), name=f"attend {link.party}")
        self._attending[task] = link.hub
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._attending.pop(task, None)

    async def _serve(self, link: Link) -> None:
        try:
            await self._attend(link.hub)
        finally:
            link.hub.abort()
            self._network.forget(link)

    async def close(self) -> None:
        """Stop listening; raise what attending to a link raised."""
        self._network.unlisten(self.url)
        for transport in self._attending.values():
            transport.abort()
        tasks = list(self._attending)
        self._attending.clear()
        if tasks:
            await asyncio.gather(*tasks)


class MemoryNetwork:
    """Connects dialers to listeners; `dials` is every attempt so far."""

    def __init__(self) -> None:
        self.dials: list[Dial] = []
        self._links: dict[Link, None] = {}
        self._listeners: dict[str, Listener] = {}
        self._everyone = Weather()
        self._weather: dict[str, Weather] = {}
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<MemoryNetwork listeners={len(self._listeners)} links={len(self._links)}>"

    def listen(self, url: str, attend: Attend) -> Listener:
        """Let `attend` serve every transport that is dialed to `url`, from now until the listener is closed."""
        self._listeners[url] = Listener(self, url, attend)
        return self._listeners[url]

    def unlisten(self, url: str) -> None:
        """Let nobody be at `url` any more."""
        self._listeners.pop(url, None)

    def forget(self, link: Link) -> None:
        """A link's hub end is done."""
        del self._links[link]

    @property
    def links(self) -> tuple[Link, ...]:
        """The links that a hub still attends to, oldest first."""
        return tuple(self._links)

    async def dial(self, url: str) -> Transport:
        """Dial as the party named `client` (ports.Dialer)."""
        return await self.dialer("client")(url)

    def dialer(self, party: str) -> Dialer:
        """Return the dialer of one party (ports.Dialer)."""

        async def dial(url: str) -> Transport:
            self.dials.append(Dial(party=party, url=url, at=asyncio.get_running_loop().time()))
            await self._reach(party)
            listener = self._listeners.get(url)
            if listener is None or self.weather(party).refusing:
                raise TransportFailed(Cause(reason=Reason.UNREACHABLE, detail=f"nobody answers at {url}"))
            link = Link(party, url)
            link.feel(self.weather(party))
            self._links[link] = None
            listener.accept(link)
            return link.client

        return dial

    async def _reach(self, party: str) -> None:
        """Return when packets pass both ways; a dial takes a round trip."""
        while self.weather(party).hanging or self.weather(party).blocked:
            self._changed.clear()
            await self._changed.wait()
        if self.weather(party).delay:
            await asyncio.sleep(2 * self.weather(party).delay)

    # -- the weather ---------------------------------------------------------------------------------------------------------

    def weather(self, party: str) -> Weather:
        """Return what this party's network does."""
        return self._weather.get(party, self._everyone)

    def cut(self, party: str | None = None) -> None:
        """Reset the open links; new dials are as before."""
        for link in self.links:
            if party in (None, link.party):
                link.cut()

    def refuse(self, party: str | None = None) -> None:
        """Let dials fail at once."""
        self._change(party, refusing=True)

    def hang(self, party: str | None = None) -> None:
        """Let dials neither succeed nor fail."""
        self._change(party, hanging=True)

    def half_open(self, party: str | None = None, direction: Direction = Direction.BOTH) -> None:
        """Let links look open and carry nothing, one way or both; as on a real one, what was sent arrives if they recover."""
        self._change(party, blocked=direction)

    def delay(self, seconds: float, party: str | None = None) -> None:
        """Let messages take this long, each way."""
        self._change(party, delay=seconds)

    def restore(self, party: str | None = None) -> None:
        """End all faults; what waited arrives."""
        self._change(party, **msgspec.structs.asdict(Weather()))

    def _change(self, party: str | None, **change: object) -> None:
        if party is None:
            self._everyone = msgspec.structs.replace(self._everyone, **change)
        for name in [party] if party else list(self._weather):
            self._weather[name] = msgspec.structs.replace(self.weather(name), **change)
        for link in self.links:
            link.feel(self.weather(link.party))
        self._changed.set()
