"""A network in memory: named parties dial a hub, and a test makes the weather between them.

    network = MemoryNetwork()
    async with network.listen("ws://hub.test", hub.attend):
        transport = await network.dialer("alice")("ws://hub.test")
        network.half_open("alice")   # alice's link looks open and carries nothing

A fault holds for one party, or for all with None, for links that are open and for dials to come, until `restore`. What it may do
to messages stands in `reconnect.testing.weather`. It runs the same in virtual and in real time, and the same seed makes the same
weather.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from random import Random
from types import TracebackType
from typing import Final

import msgspec

from reconnect.errors import BadArgument, TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, Reason
from reconnect.record import Record
from reconnect.testing.weather import Direction, Link, Weather
from reconnect.transport.memory import MemoryTransport

Attend = Callable[[Transport], Awaitable[None]]

DIALS_KEPT: Final = 1_000  # more than a test looks at; a simulation dials for hours


class Dial(Record, kw_only=True):
    """One attempt to reach the hub, and the loop's time at which it began."""

    party: str
    url: str
    at: float


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
    """Connects dialers to listeners; `dials` are the latest attempts, at most 1,000, and `dialed` is how many there were.

    A party is a name: a member's is what its dialer was asked for with, a hub's is its url. Chance follows `seed`.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.dials: list[Dial] = []
        self.dialed = 0
        self._chance = Random(seed)
        self._links: dict[Link, None] = {}
        self._listeners: dict[str, Listener] = {}
        self._everyone = Weather()
        self._weather: dict[str, Weather] = {}
        self._partitions: list[tuple[frozenset[str], frozenset[str]]] = []
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
            self._note(Dial(party=party, url=url, at=asyncio.get_running_loop().time()))
            await self._reach(party, url)
            listener = self._listeners.get(url)
            weather = self.weather(party, url)
            if listener is None or weather.refusing:
                raise TransportFailed(Cause(reason=Reason.UNREACHABLE, detail=f"nobody answers at {url}"))
            link = Link(party, url, self._chance.random)
            link.feel(weather)
            self._links[link] = None
            listener.accept(link)
            return link.client

        return dial

    def _note(self, dial: Dial) -> None:
        self.dialed += 1
        self.dials.append(dial)
        del self.dials[:-DIALS_KEPT]

    async def _reach(self, party: str, url: str) -> None:
        """Return when packets pass both ways; a dial takes a round trip."""
        while self.weather(party, url).hanging or self.weather(party, url).blocked:
            self._changed.clear()
            await self._changed.wait()
        weather = self.weather(party, url)
        if weather.delay or weather.jitter:
            await asyncio.sleep(2 * (weather.delay + weather.jitter * self._chance.random()))

    # -- the weather ---------------------------------------------------------------------------------------------------------

    def weather(self, party: str, url: str | None = None) -> Weather:
        """Return what this party's network does, on its way to a hub where one is named."""
        weather = self._weather.get(party, self._everyone)
        if url is not None and any(party in one and url in other for one, other in self._partitions):
            return msgspec.structs.replace(weather, blocked=Direction.BOTH)
        return weather

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

    @contextmanager
    def outage(self, party: str | None = None, *, silent: bool = False) -> Iterator[None]:
        """For as long as the block lasts, links are reset and dials refused; a `silent` outage looks open and carries nothing."""
        if silent:
            self.half_open(party)
        else:
            self.refuse(party)
            self.cut(party)
        try:
            yield
        finally:
            self._change(party, refusing=False, blocked=None)

    def half_open(self, party: str | None = None, direction: Direction = Direction.BOTH) -> None:
        """Let links look open and carry nothing, one way or both; as on a real one, what was sent arrives if they recover."""
        self._change(party, blocked=Direction(direction))

    def delay(self, seconds: float, party: str | None = None) -> None:
        """Let messages take this long, each way."""
        self._change(party, delay=_checked("seconds", seconds))

    def jitter(self, seconds: float, party: str | None = None) -> None:
        """Let each message take up to so many seconds more; those behind it on its link wait for it."""
        self._change(party, jitter=_checked("seconds", seconds))

    def throttle(self, bytes_per_second: float | None, party: str | None = None) -> None:
        """Let each direction of a link carry no more than this, and a writer wait; None takes the limit away."""
        if bytes_per_second is not None and not _checked("bytes_per_second", bytes_per_second):
            raise BadArgument("bytes_per_second is 0, and a line that carries nothing is half_open()")
        self._change(party, bytes_per_second=bytes_per_second)

    def duplicate(self, share: float, party: str | None = None) -> None:
        """Let this share of stream frames (bytes), from 0 to 1, arrive twice."""
        self._change(party, duplicated=_checked("share", share, most=1.0))

    def reorder(self, share: float, party: str | None = None) -> None:
        """Let this share of stream frames (bytes), from 0 to 1, overtake the one before, where both are on the way."""
        self._change(party, reordered=_checked("share", share, most=1.0))

    def partition(self, one: str | Collection[str], other: str | Collection[str]) -> None:
        """Let nothing pass between two groups of parties, members' names on one side and hubs' urls on the other, until heal().

        Links between them look open, as with half_open(), and dials hang. Raises BadArgument where no hub is named: members
        talk to hubs, and never to each other.
        """
        first, second = (frozenset([group] if isinstance(group, str) else group) for group in (one, other))
        if not any("://" in name for name in first | second):
            raise BadArgument(
                f"no hub among {sorted(first | second)}; name it by its url, as in partition('anna', 'ws://hub.test')"
            )
        self._partitions += [(first, second), (second, first)]
        self._feel()

    def heal(self) -> None:
        """End all partitions; what waited arrives."""
        self._partitions.clear()
        self._feel()

    def restore(self, party: str | None = None) -> None:
        """End all faults of one party, or with None all that there are, partitions among them; what waited arrives."""
        if party is None:
            self._partitions.clear()
        self._change(party, **msgspec.structs.asdict(Weather()))

    def _change(self, party: str | None, **change: object) -> None:
        if party is None:
            self._everyone = msgspec.structs.replace(self._everyone, **change)
        for name in [party] if party else list(self._weather):
            self._weather[name] = msgspec.structs.replace(self.weather(name), **change)
        self._feel()

    def _feel(self) -> None:
        for link in self.links:
            link.feel(self.weather(link.party, link.url))
        self._changed.set()


def _checked(name: str, value: float, most: float = math.inf) -> float:
    if not 0.0 <= value <= most or math.isinf(value):
        limit = "a finite number that is not negative" if most == math.inf else f"a number from 0 to {most:g}"
        raise BadArgument(f"{name} is {value!r}; give {limit}")
    return value
