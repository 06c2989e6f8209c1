"""A real hub on a network in memory, which a test starts, kills and starts again, and which makes what its members need.

    async with MemoryHub(network, clock) as hub:
        session = reconnect.Session(**hub.options("anna"))
        await hub.restart()   # every link is reset, and the new hub remembers nobody

What it leaves to chance follows its seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any, Final, TypeVar

from reconnect.auth import make_token
from reconnect.clock import SystemClock
from reconnect.errors import BadArgument, HubClosed
from reconnect.hub import Hub
from reconnect.ports import Clock
from reconnect.testing.clock import FakeClock, run
from reconnect.testing.network import Listener, MemoryNetwork

T = TypeVar("T")

SECRET: Final = "known to everyone, for a hub in the memory of a test"  # noqa: S105  # it opens nothing
TOKEN_SECONDS: Final = 30 * 86_400.0  # longer than the outages of any test that is not about tokens
VIRTUAL_SECONDS: Final = 6 * 3_600.0  # of one test: a session that waits pings for ever, and would never come to a deadlock


class MemoryHub:
    """A hub at `url` of a network, for members of `session`; `options` are those of reconnect.Hub.

    `clock` is that of the hub and of its members, the system's where none is given.
    """

    def __init__(
        self,
        network: MemoryNetwork,
        clock: Clock | None = None,
        *,
        url: str = "ws://hub.test",
        session: str = "room-1",
        seed: int = 0,
        **options: Any,
    ) -> None:
        if "://" not in url:
            raise BadArgument(f"url is {url!r}; give an address, as ws://hub.test")
        self.network, self.url, self.session = network, url, session
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._seed, self._options = seed, options
        self._lives = 0
        self._hub: Hub | None = None
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<MemoryHub {self.url} {'down' if self._hub is None else f'life={self._lives} {self._hub!r}'}>"

    # -- its life --------------------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """True while a hub is there."""
        return self._hub is not None

    @property
    def hub(self) -> Hub:
        """The hub that runs now; raises HubClosed where none does."""
        if self._hub is None:
            raise HubClosed(f"nobody is at {self.url}; start() it first")
        return self._hub

    async def start(self) -> None:
        """Start a hub that knows nobody, if none runs."""
        if self._hub is not None:
            return
        self._lives += 1
        usual: dict[str, Any] = {"clock": self._clock, "random": Random(f"{self._seed} {self._lives}")}
        if "authenticator" not in self._options:
            usual["secret"] = SECRET
        self._hub = Hub(**(usual | self._options))
        self._listener = self.network.listen(self.url, self._hub.attend)

    async def stop(self) -> None:
        """Send everybody away, to come back later, and stop."""
        if self._hub is not None:
            await self._hub.close()
            await self.kill()

    async def kill(self) -> None:
        """End without a word: every link is reset, and nobody answers any more."""
        hub, listener = self._hub, self._listener
        self._hub = self._listener = None
        if hub is not None and listener is not None:
            await listener.close()
            await hub.close()

    async def restart(self) -> None:
        """Kill it, and start one that remembers nobody."""
        await self.kill()
        await self.start()

    async def __aenter__(self) -> MemoryHub:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # -- its members -----------------------------------------------------------------------------------------------------------

    def token(self, name: str, **claims: Any) -> str:
        """Return a token for a member of this name; `claims` are the options of reconnect.make_token()."""
        usual: dict[str, Any] = {"session": self.session, "client_id": name, "lifetime_seconds": TOKEN_SECONDS}
        return make_token(SECRET, **({"now": self._clock.wall()} | usual | claims))

    def options(self, name: str, **more: Any) -> dict[str, Any]:
        """Return what reconnect.Session or reconnect.connect() needs for a member of this name; `more` goes along.

        The name is also that of its party in the network: `network.cut(name)` is its link.
        """
        usual: dict[str, Any] = {
            "url": self.url,
            "session": self.session,
            "token": self.token(name),
            "transport": self.network.dialer(name),
            "clock": self._clock,
            "seed": Random(f"{self._seed} {name}").getrandbits(32),
        }
        return usual | more


def play(
    story: Coroutine[Any, Any, T], *, hub: MemoryHub | None, clock: FakeClock, seed: int, seconds: float = VIRTUAL_SECONDS
) -> T:
    """Run a story in virtual time, beside a hub that runs as long as it does; fail where it is not over in so many seconds."""

    async def whole() -> T:
        if hub is not None:
            await hub.start()
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await story
        except TimeoutError:
            if limit.expired():
                raise AssertionError(f"it was not over within {seconds:,.0f} virtual seconds") from None
            raise
        finally:
            if hub is not None:
                await hub.stop()

    return run(whole(), clock, seed=seed)
