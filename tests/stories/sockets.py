"""The stage with real sockets and real time: a hub on loopback, and for each member a proxy that breaks its link."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import reconnect
from reconnect.clock import SystemClock
from reconnect.ports import Dialer
from reconnect.retry import full_jitter
from reconnect.testing.proxy import Proxy
from reconnect.transport.websocket import WebSocketDialer
from tests.stories.stage import Member, Stage


def brisk() -> reconnect.RetryPolicy:
    """Return the default policy on a shorter scale: these stories take real time."""
    return reconnect.RetryPolicy(wait=full_jitter(initial=0.05, maximum=0.3), first_try_seconds=0.1)


class SocketStage(Stage):
    """A hub that listens on 127.0.0.1; each member has a link of its own, through `proxies[name]`."""

    patience = 30.0
    glance = 0.02

    def __init__(self, **hub: Any) -> None:
        super().__init__(**hub)
        self.clock = SystemClock()
        self.proxies: dict[str, Proxy] = {}
        self.port = 0
        self._serving = AsyncExitStack()
        self._carrying = AsyncExitStack()

    def run(self, whole: Coroutine[Any, Any, None]) -> None:
        """Run a story on a loop of its own."""
        asyncio.run(whole)

    async def _listen(self) -> None:
        server = await self._serving.enter_async_context(self.hub.serve("127.0.0.1", 0))
        self.port = server.port

    async def proxy(self, name: str) -> Proxy:
        """Return the proxy that carries this member's link."""
        if name not in self.proxies:
            self.proxies[name] = await self._carrying.enter_async_context(Proxy("127.0.0.1", self.port))
        return self.proxies[name]

    async def enter(self, name: str, **options: Any) -> Member:
        """Make a member whose link goes through a proxy of its own, and let it connect."""
        await self.proxy(name)
        return await super().enter(name, **options)

    async def close(self) -> None:
        """Let everybody leave, then end the hub and the proxies."""
        await super().close()
        await self._serving.aclose()
        await self._carrying.aclose()

    def _dialer(self, name: str) -> Dialer:
        return WebSocketDialer(proxy=None)

    def _url_for(self, name: str) -> str:
        return f"ws://127.0.0.1:{self.proxies[name].port if name in self.proxies else self.port}"
