"""The WebSocket transport: what dials a hub, and what listens for members. `websockets` itself is loaded at first use.

No redirect is followed, no credentials are taken from an address, and a browser's page may dial only if its origin is listed.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Literal

from reconnect.errors import BadUrl
from reconnect.limits import MESSAGE_BYTES
from reconnect.ports import Transport
from reconnect.record import Record
from reconnect.transport.urls import check_url

__all__ = ["Listener", "WebSocketDialer", "check_url", "listen"]


class WebSocketDialer:
    """Opens WebSockets (ports.Dialer).

    `ssl` replaces the default context of wss:// addresses. `proxy` is an address, True for what the environment says, or None.
    `additional_headers` go with the handshake, as for a gateway. `wall` is Unix time, against which an HTTP date is read.
    """

    def __init__(
        self,
        *,
        ssl: SSLContext | None = None,
        proxy: str | Literal[True] | None = True,
        additional_headers: Mapping[str, str] | None = None,
        message_bytes: int = MESSAGE_BYTES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ssl = ssl
        self._proxy = proxy
        self._headers = additional_headers
        self._message_bytes = message_bytes
        self._wall = wall

    async def __call__(self, url: str) -> Transport:
        """Return an open transport; raise TransportFailed, or BadUrl for an address that can never be dialed."""
        check_url(url)
        if self._ssl and not url.startswith("wss:"):
            raise BadUrl(url, "an SSL context was given, and ws:// is not encrypted")
        from reconnect.transport.sockets import open_websocket

        return await open_websocket(
            url,
            ssl=self._ssl,
            proxy=self._proxy,
            additional_headers=self._headers,
            message_bytes=self._message_bytes,
            wall=self._wall,
        )


class Listener(Record, kw_only=True):
    """Where a hub listens: the first address it is bound to, and how to dial it."""

    host: str
    port: int
    url: str


@asynccontextmanager
async def listen(
    attend: Callable[[Transport], Awaitable[None]],
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ssl: SSLContext | None = None,
    message_bytes: int = MESSAGE_BYTES,
    origins: Sequence[str] = (),
) -> AsyncIterator[Listener]:
    """Let `attend` serve every WebSocket that asks for our protocol; port 0 takes a free one. OSError: the address is not free.

    `origins` are the web origins whose pages may dial, as `https://app.example`; programs send none and need no entry. Leaving
    the context closes what is open (4000) and waits until it is attended to no more.
    """
    from reconnect.transport.sockets import serve_websockets

    async with serve_websockets(attend, host, port, ssl=ssl, message_bytes=message_bytes, origins=origins) as (bound, number):
        dialed = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, bound)  # noqa: S104  # told, not bound
        name = f"[{dialed}]" if ":" in dialed else dialed
        yield Listener(host=bound, port=number, url=f"{'wss' if ssl else 'ws'}://{name}:{number}")
