"""The only room of `websockets`, loaded when the first socket is opened: its connections as Transports (ports.Transport).

Compression is off (it costs 52 kB a connection instead of 15), and so are its pings: liveness is a deadline of the session and of
the hub, and `abort()` ends a transport whose peer is silent without asking it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl as tls
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, NegotiationError
from websockets.typing import Origin, Subprotocol

from reconnect.errors import TransportFailed
from reconnect.limits import CLOSE_TIMEOUT_SECONDS, CONTROL_BACKLOG_BYTES, JOIN_DEADLINE_SECONDS, LISTEN_BACKLOG, UNSENT_BYTES
from reconnect.ports import Transport
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.transport.causes import cause_of_closed, cause_of_failed_dial, unsupported
from reconnect.wire import SUBPROTOCOL

_OFFERED: Final = [Subprotocol(SUBPROTOCOL)]

# What `websockets` would log are headers and payloads, tokens among them. What matters is told as a Cause.
_SILENT: Final = logging.Logger("reconnect.websockets", logging.CRITICAL + 1)


class WebSocketTransport:
    """One WebSocket."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._aborted = False

    def __repr__(self) -> str:
        return f"<WebSocketTransport {self._connection.remote_address} {self._connection.state.name.lower()}>"

    async def send(self, message: str | bytes) -> None:
        """Write one message; return when there is room for another."""
        try:
            await self._connection.send(message)
        except ConnectionClosed as closed:
            raise self._failed(closed) from closed

    async def receive(self) -> str | bytes:
        """Return the next message."""
        try:
            return await self._connection.recv()
        except ConnectionClosed as closed:
            raise self._failed(closed) from closed

    async def close(self, code: int, detail: str) -> None:
        """Do the closing handshake; abort where it takes longer than CLOSE_TIMEOUT_SECONDS."""
        # RFC 6455, section 5.5: a control frame holds 125 bytes, two of them the code.
        reason = detail.encode()[:123].decode(errors="ignore")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self._connection.close(code, reason)
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """End at once, whatever the peer does."""
        self._aborted = True
        self._connection.transport.abort()

    def _failed(self, closed: ConnectionClosed) -> TransportFailed:
        if self._aborted and closed.rcvd is None:
            return TransportFailed(Cause(reason=Reason.CLOSED, detail="aborted"))
        return TransportFailed(cause_of_closed(closed))


def _watched(connection: Connection, ceiling: int) -> None:
    """Abort a connection whose peer makes us write and does not read: pings are answered without asking anyone."""
    if connection.transport.get_write_buffer_size() > ceiling:
        connection.transport.abort()


def _keep_short(connection: Connection) -> None:
    """Keep what waits where lanes still apply: the kernel's own queue would let bulk stand before control frames."""
    lane = connection.transport.get_extra_info("socket")
    if hasattr(socket, "TCP_NOTSENT_LOWAT") and lane is not None and lane.family in (socket.AF_INET, socket.AF_INET6):
        lane.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


# -- dialing -------------------------------------------------------------------------------------------------------------------


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follow no redirect: the token that the first frame carries is for the hub that was named, not for where it points."""
        return exc


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def open_websocket(
    url: str,
    *,
    ssl: tls.SSLContext | None,
    proxy: str | Literal[True] | None,
    additional_headers: Mapping[str, str] | None,
    message_bytes: int,
    wall: Callable[[], float],
) -> WebSocketTransport:
    """Return an open WebSocket whose other end speaks our protocol; raise TransportFailed."""

    class Client(ClientConnection):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            _watched(self, message_bytes + CONTROL_BACKLOG_BYTES)

    options: dict[str, Any] = {"ssl": ssl} if ssl else {}
    if not _is_address(urlsplit(url).hostname or ""):
        options["happy_eyeballs_delay"] = 0.25  # RFC 8305, section 8: a name whose first address is dead still answers soon
    try:
        connection = await _Connect(
            url,
            subprotocols=_OFFERED,
            compression=None,
            additional_headers=additional_headers,
            proxy=proxy,
            open_timeout=None,  # the attempt's deadline covers token, dial and join
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_SECONDS,
            max_size=message_bytes,
            logger=_SILENT,
            create_connection=Client,
            **options,
        )
    except Exception as error:
        raise TransportFailed(cause_of_failed_dial(error, wall)) from error
    if connection.subprotocol != SUBPROTOCOL:
        connection.transport.abort()
        raise TransportFailed(unsupported(f"the hub does not speak {SUBPROTOCOL}"))
    _keep_short(connection)
    return WebSocketTransport(connection)


# -- listening -----------------------------------------------------------------------------------------------------------------


def _select(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol:
    if SUBPROTOCOL not in offered:
        raise NegotiationError(f"this hub speaks {SUBPROTOCOL}; ask for it in Sec-WebSocket-Protocol")
    return _OFFERED[0]


@asynccontextmanager
async def serve_websockets(
    attend: Callable[[Transport], Awaitable[None]],
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext | None,
    message_bytes: int,
    origins: Sequence[str],
) -> AsyncIterator[tuple[str, int]]:
    """Serve every WebSocket with `attend`; yield the address. Leaving it ends what is open."""
    opened: set[ServerConnection] = set()
    attending: dict[asyncio.Task[Any], WebSocketTransport] = {}

    class Server(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            opened.add(self)

        def connection_lost(self, exc: Exception | None) -> None:
            opened.discard(self)
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            _watched(self, message_bytes + CONTROL_BACKLOG_BYTES)

    async def serve_one(connection: ServerConnection) -> None:
        task = asyncio.current_task()
        assert task is not None
        _keep_short(connection)
        transport = attending[task] = WebSocketTransport(connection)
        try:
            await attend(transport)
        except Exception as mistake:
            task.get_loop().call_exception_handler({"message": "attending to a transport failed", "exception": mistake})
            await transport.close(CloseCode.HUB_ERROR, "")
        finally:
            del attending[task]
            transport.abort()

    server = await serve(
        serve_one,
        host,
        port,
        ssl=ssl,
        origins=[None, *map(Origin, origins)],  # None: programs send no Origin; browsers always do
        subprotocols=_OFFERED,
        select_subprotocol=_select,
        compression=None,
        server_header=None,
        open_timeout=JOIN_DEADLINE_SECONDS,
        ping_interval=None,
        close_timeout=CLOSE_TIMEOUT_SECONDS,
        max_size=message_bytes,
        logger=_SILENT,
        create_connection=Server,
        backlog=LISTEN_BACKLOG,
    )
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close(close_connections=False)
        await asyncio.gather(*(transport.close(CloseCode.GOING_AWAY, "the hub stopped") for transport in attending.values()))
        if attending:
            await asyncio.wait(attending, timeout=CLOSE_TIMEOUT_SECONDS)
        for task in attending:
            task.cancel()
        for connection in list(opened):  # those that never finished their handshake
            connection.transport.abort()
        await server.wait_closed()
