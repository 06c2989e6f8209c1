"""The WebSocket transport on real sockets: every way in which a dial or a link can fail, told as one Cause."""

from __future__ import annotations

import asyncio
import base64
import email.utils
import hashlib
import logging
import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidProxy, InvalidStatus

from reconnect.errors import BadUrl, TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.transport import sockets
from reconnect.transport.causes import cause_of_failed_dial
from reconnect.transport.websocket import WebSocketDialer, check_url, listen
from reconnect.wire import SUBPROTOCOL

Run = Callable[..., Any]
NOW = 1_700_000_000.0
AUTHORITY = trustme.CA()
DIRECT = WebSocketDialer(proxy=None, wall=lambda: NOW)


async def echo(transport: Transport) -> None:
    """Send back what comes, until the transport ends."""
    with suppress(TransportFailed):
        while True:
            await transport.send(await transport.receive())


async def cause_of(coroutine: Awaitable[Any]) -> Cause:
    with pytest.raises(TransportFailed) as caught:
        await coroutine
    return caught.value.cause


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1", "::1").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script, **options: Any) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that reads a request's head and does what the script says; yield its port and the requests it saw."""
    seen: list[str] = []
    tasks: set[asyncio.Task[Any]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            seen.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await script(reader, writer, seen[-1])
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, **options)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def answering(answer: str) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
        writer.write(answer.encode())
        await writer.drain()

    return script


def accepting(*headers: str, then: Script | None = None) -> Script:
    """Accept the handshake with these headers beside the necessary ones."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
        key = next(line.partition(": ")[2] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        writer.write("\r\n".join([*head, f"Sec-WebSocket-Accept: {accept}", *headers, "", ""]).encode())
        await writer.drain()
        if then:
            await then(reader, writer, request)
        else:
            await reader.read()

    return script


OURS = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}"


def http(status: str, *headers: str) -> str:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""])


# -- it carries ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("secure", [False, True])
def test_messages_travel_both_ways(run: Run, host: str, secure: bool) -> None:
    async def story() -> None:
        async with listen(echo, host, ssl=server_context() if secure else None) as listener:
            shown = f"[{host}]" if ":" in host else host
            assert listener.url == f"{'wss' if secure else 'ws'}://{shown}:{listener.port}"
            assert listener.host == host
            dialer: Dialer = WebSocketDialer(proxy=None, ssl=client_context() if secure else None)
            transport = await dialer(listener.url)
            for message in ("text \u00e9", b"\x00binary", "", b""):
                await transport.send(message)
                assert await transport.receive() == message
            assert "open" in repr(transport)
            await transport.close(1000, "")

    run(story())


def test_a_hub_that_listens_everywhere_is_dialed_here(run: Run) -> None:
    async def story() -> None:
        async with listen(echo, "0.0.0.0") as listener:
            assert listener.url == f"ws://127.0.0.1:{listener.port}"
            assert listener.host == "0.0.0.0"
            await (await DIRECT(listener.url)).close(1000, "")

    run(story())


def test_an_address_in_use_is_the_callers_error(run: Run) -> None:
    async def story() -> None:
        async with listen(echo) as listener:
            with pytest.raises(OSError, match="in use"):
                async with listen(echo, port=listener.port):
                    pytest.fail("it listened")

    run(story())


@pytest.mark.parametrize("code", [CloseCode.GOING_AWAY, CloseCode.TAKEN_OVER, CloseCode.PROTOCOL_ERROR, 1000])
def test_close_codes_arrive_as_causes(run: Run, code: int) -> None:
    """What the hub says when it closes decides whether to come back."""

    async def story() -> None:
        causes: list[Cause] = []

        async def attend(transport: Transport) -> None:
            await transport.receive()
            await transport.close(code, "because \u00e9" * 40)
            causes.append(await cause_of(transport.receive()))

        async with listen(attend) as listener:
            transport = await DIRECT(listener.url)
            await transport.send("go")
            cause = await cause_of(transport.receive())
            assert cause.code == code
            assert cause.final is (4500 <= code < 5000)
            assert cause.detail.startswith("because")
            assert len(cause.detail.encode()) <= 123
            assert await cause_of(transport.send("more")) == cause
            assert await cause_of(transport.receive()) == cause
            transport.abort()
        assert causes[0].code == code

    run(story())


def test_a_close_of_ones_own_is_told_to_oneself_with_its_own_code(run: Run) -> None:
    async def story() -> None:
        async with listen(echo) as listener:
            transport = await DIRECT(listener.url)
            await transport.close(CloseCode.HOLE, "a hole")
            assert await cause_of(transport.receive()) == Cause(reason=Reason.HOLE, code=4006, detail="a hole")

    run(story())


# -- dials that fail -----------------------------------------------------------------------------------------------------------


def test_a_refused_port(run: Run) -> None:
    async def story() -> None:
        with socket.socket() as taken:  # bound and not listening
            taken.bind(("127.0.0.1", 0))
            cause = await cause_of(DIRECT(f"ws://127.0.0.1:{taken.getsockname()[1]}"))
        assert (cause.reason, cause.final) == (Reason.UNREACHABLE, False)

    run(story())


def test_a_name_that_nobody_knows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def story() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        cause = await cause_of(DIRECT("ws://hub.invalid"))
        assert cause == Cause(reason=Reason.UNREACHABLE, detail="Name or service not known")

    run(story())


def test_a_dead_first_address_does_not_hold_a_dial_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A19: a name with a dead address and a good one (RFC 8305)."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        async with listen(echo) as listener:
            with socket.socket() as dead, socket.socket() as first, socket.socket() as second:
                dead.bind(("127.0.0.2", listener.port))
                dead.listen(0)
                for filler in (first, second):  # its queue is full now, and it answers nobody any more
                    filler.setblocking(False)
                    filler.connect_ex(dead.getsockname())

                async def both(host: str, port: int, **options: Any) -> Any:
                    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
                    return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

                monkeypatch.setattr(loop, "getaddrinfo", both)
                transport = await DIRECT(f"ws://hub.example:{listener.port}")
                await transport.send("hello")
                assert await transport.receive() == "hello"
                await transport.close(1000, "")

    asyncio.run(asyncio.wait_for(story(), 30))


@pytest.mark.parametrize("trusted", [True, False])
def test_a_certificate_that_is_not_acceptable(run: Run, trusted: bool) -> None:
    """A55: self-signed, or for another host; the default context is strict."""

    async def story() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert("other.example").configure_cert(context)
        async with listen(echo, ssl=context) as listener:
            dialer = WebSocketDialer(proxy=None, ssl=client_context() if trusted else None)
            cause = await cause_of(dialer(listener.url))
            assert (cause.reason, cause.final) == (Reason.TLS_FAILED, False)
            assert cause.detail.startswith("the certificate is not acceptable: ")
            assert ("IP address mismatch" in cause.detail) is trusted

    run(story())


def test_a_hub_without_tls_behind_a_wss_address(run: Run) -> None:
    async def story() -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read(1)
            writer.close()

        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            cause = await cause_of(WebSocketDialer(proxy=None)(f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
            assert cause.reason is Reason.TLS_FAILED
            assert cause.detail == "wrong version number"

    run(story())


def test_a_hub_with_tls_behind_a_ws_address(run: Run) -> None:
    async def story() -> None:
        async with listen(echo, ssl=server_context()) as listener:
            cause = await cause_of(DIRECT(listener.url.replace("wss:", "ws:")))
            assert cause.reason in (Reason.UPGRADE_REFUSED, Reason.CLOSED)
            assert not cause.final

    run(story())


DATE = email.utils.formatdate(NOW + 90, usegmt=True)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (http("401 Unauthorized"), Cause(reason=Reason.DENIED, final=True, code=401, detail="HTTP 401 Unauthorized")),
        (http("403 Forbidden"), Cause(reason=Reason.DENIED, final=True, code=403, detail="HTTP 403 Forbidden")),
        (http("404 Not Found"), Cause(reason=Reason.UPGRADE_REFUSED, code=404, detail="HTTP 404 Not Found")),
        (http("200 OK"), Cause(reason=Reason.UPGRADE_REFUSED, code=200, detail="HTTP 200 OK")),
        (http("500 canary"), Cause(reason=Reason.UPGRADE_REFUSED, code=500, detail="HTTP 500 Internal Server Error")),
        (http("599 canary"), Cause(reason=Reason.UPGRADE_REFUSED, code=599, detail="HTTP 599")),
        (
            http("429 Slow Down", "Retry-After: 7"),
            Cause(reason=Reason.OVERLOADED, code=429, detail="HTTP 429 Too Many Requests", retry_after=7.0),
        ),
        (
            http("503 Busy", f"Retry-After: {DATE}"),
            Cause(reason=Reason.OVERLOADED, code=503, detail="HTTP 503 Service Unavailable", retry_after=90.0),
        ),
        (
            http("503 Busy", "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT"),
            Cause(reason=Reason.OVERLOADED, code=503, detail="HTTP 503 Service Unavailable", retry_after=0.0),
        ),
        (
            http("503 Busy", "Retry-After: soon"),
            Cause(reason=Reason.OVERLOADED, code=503, detail="HTTP 503 Service Unavailable"),
        ),
        (
            http("503 Busy", "Retry-After: -7"),
            Cause(reason=Reason.OVERLOADED, code=503, detail="HTTP 503 Service Unavailable"),
        ),
        (
            http("503 Busy"),
            Cause(reason=Reason.OVERLOADED, code=503, detail="HTTP 503 Service Unavailable"),
        ),
        ("SSH-2.0-canary\r\n\r\n", Cause(reason=Reason.UPGRADE_REFUSED, detail="the answer is not a WebSocket handshake")),
        (
            http("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: canary"),
            Cause(reason=Reason.UPGRADE_REFUSED, detail="the answer is not a WebSocket handshake"),
        ),
        ("", Cause(reason=Reason.CLOSED, detail="the connection was closed before the WebSocket was open")),
    ],
)
def test_an_answer_in_place_of_the_upgrade(run: Run, answer: str, cause: Cause) -> None:
    """A18: who may come back, and when."""

    async def story() -> None:
        async with scripted(answering(answer)) as (port, _):
            assert await cause_of(DIRECT(f"ws://127.0.0.1:{port}")) == cause

    run(story())


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ([], f"the hub does not speak {SUBPROTOCOL}"),
        (["Sec-WebSocket-Protocol: reconnect.v9"], "the hub chose something else than it was offered"),
        ([OURS, "Sec-WebSocket-Extensions: permessage-deflate"], "the hub chose something else than it was offered"),
    ],
)
def test_a_hub_that_speaks_something_else(run: Run, headers: list[str], detail: str) -> None:
    """No common protocol is a final answer."""

    async def story() -> None:
        async with scripted(accepting(*headers)) as (port, seen):
            cause = await cause_of(DIRECT(f"ws://127.0.0.1:{port}"))
            assert cause == Cause(reason=Reason.UNSUPPORTED, final=True, detail=detail)
        assert OURS in seen[0]
        assert "permessage-deflate" not in seen[0]

    run(story())


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_no_redirect_is_followed(run: Run, status: str) -> None:
    """A18: a token never reaches where a redirect points."""

    async def story() -> None:
        async with scripted(accepting(OURS)) as (elsewhere, visited):
            async with scripted(answering(http(status, f"Location: ws://127.0.0.1:{elsewhere}/"))) as (port, seen):
                cause = await cause_of(DIRECT(f"ws://127.0.0.1:{port}"))
            assert (cause.reason, cause.final, cause.code) == (Reason.UPGRADE_REFUSED, False, int(status[:3]))
            assert len(seen) == 1
            assert visited == []

    run(story())


def test_a_cancelled_dial_leaves_nothing_open(run: Run) -> None:
    """A24: the attempt's deadline cancels the dial."""

    async def story() -> None:
        arrived, gone = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
            arrived.set()
            with suppress(ConnectionError):
                await reader.read()
            gone.set()

        async with scripted(silent) as (port, _):
            dial = asyncio.ensure_future(DIRECT(f"ws://127.0.0.1:{port}"))
            await arrived.wait()
            dial.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dial
            await gone.wait()

    run(story())


def test_headers_for_a_gateway_go_along(run: Run) -> None:
    async def story() -> None:
        dialer = WebSocketDialer(proxy=None, additional_headers={"X-Gateway": "yes"})
        async with scripted(answering(http("404 Not Found"))) as (port, seen):
            await cause_of(dialer(f"ws://127.0.0.1:{port}/path?query"))
        assert "X-Gateway: yes" in seen[0]
        assert seen[0].startswith("GET /path?query HTTP/1.1")

    run(story())


def test_a_proxy_that_refuses(run: Run) -> None:
    async def story() -> None:
        async with scripted(answering(http("407 Proxy Authentication Required"))) as (port, seen):
            dialer = WebSocketDialer(proxy=f"http://127.0.0.1:{port}")
            cause = await cause_of(dialer("ws://hub.example:8470"))
            assert (cause.reason, cause.final) == (Reason.UNREACHABLE, False)
            assert cause.detail == "the proxy cannot be used: InvalidProxyStatus"
        assert seen[0].startswith("CONNECT hub.example:8470 ")

    run(story())


TWO_REFUSALS = "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 111] Connect call failed ('127.0.0.1', 1)"


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (ssl.SSLError(), Reason.TLS_FAILED, "the handshake failed"),
        (InvalidProxy("canary", "scheme"), Reason.UNREACHABLE, "the proxy cannot be used: InvalidProxy"),
        (ImportError("python-socks"), Reason.UNREACHABLE, "the proxy cannot be used: ImportError"),
        (TimeoutError(), Reason.UNREACHABLE, "TimeoutError"),
        (OSError(113, "No route to host"), Reason.UNREACHABLE, os.strerror(113)),
        (OSError(TWO_REFUSALS), Reason.UNREACHABLE, os.strerror(111)),
        (OSError("something else"), Reason.UNREACHABLE, "something else"),
        (ConnectionAbortedError("canary"), Reason.CLOSED, "the connection was closed before the WebSocket was open"),
        (ConnectionResetError(104, "Connection reset by peer"), Reason.UNREACHABLE, "Connection reset by peer"),
        (ZeroDivisionError("canary"), Reason.UNREACHABLE, "ZeroDivisionError"),
    ],
)
def test_what_is_not_classified_may_pass(error: Exception, reason: Reason, detail: str) -> None:
    """K04: one documented default, retryable."""
    assert cause_of_failed_dial(error, lambda: NOW) == Cause(reason=reason, detail=detail)


# -- links that break ----------------------------------------------------------------------------------------------------------


def test_a_reset_in_the_middle(run: Run) -> None:
    """An end without a word."""

    async def story() -> None:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
            writer.write(b"\x81\x05hello\x81\x7e")  # one message, and the beginning of another
            await writer.drain()
            await reader.read(1)
            lane = writer.get_extra_info("socket")
            lane.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        async with scripted(accepting(OURS, then=reset)) as (port, _):
            transport = await DIRECT(f"ws://127.0.0.1:{port}")
            assert await transport.receive() == "hello"
            await transport.send("go")
            cause = await cause_of(transport.receive())
            assert (cause.reason, cause.final, cause.code) == (Reason.CLOSED, False, None)
            assert cause.detail in ("Connection reset by peer", "the connection was lost")
            assert (await cause_of(transport.send("more"))).reason is Reason.CLOSED

    run(story())


def test_an_abort_is_a_reset_for_the_other_end(run: Run) -> None:
    async def story() -> None:
        causes: list[Cause] = []
        told = asyncio.Event()

        async def attend(transport: Transport) -> None:
            causes.append(await cause_of(transport.receive()))
            told.set()

        async with listen(attend) as listener:
            transport = await DIRECT(listener.url)
            transport.abort()
            transport.abort()
            assert await cause_of(transport.receive()) == Cause(reason=Reason.CLOSED, detail="aborted")
            await told.wait()
        assert (causes[0].reason, causes[0].code) == (Reason.CLOSED, None)

    run(story())


def test_a_system_that_cannot_keep_its_queue_short_does_without(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_NOTSENT_LOWAT", raising=False)

    async def story() -> None:
        async with listen(echo) as listener:
            await (await DIRECT(listener.url)).close(1000, "")

    run(story())


async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
    """Read nothing any more, and say nothing."""
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads
    await asyncio.Event().wait()


async def fill(transport: Transport) -> asyncio.Task[None]:
    """Write until the line takes no more; return the write that waits."""
    loop = asyncio.get_running_loop()
    while True:
        write = loop.create_task(transport.send(b"x" * 500_000))
        await asyncio.wait([write], timeout=0.2)
        if not write.done():
            return write


def test_an_abort_works_on_a_peer_that_is_silent(run: Run) -> None:
    """Whoever waits on a silent transport is released at once, with its buffers full."""

    async def story() -> None:
        async with scripted(accepting(OURS, then=deaf)) as (port, _):
            transport = await DIRECT(f"ws://127.0.0.1:{port}")
            write = await fill(transport)
            read = asyncio.get_running_loop().create_task(transport.receive())
            await asyncio.sleep(0)
            transport.abort()
            assert (await cause_of(read)).detail == "aborted"
            with suppress(TransportFailed):
                await write
            assert (await cause_of(transport.send("more"))).detail == "aborted"

    run(story())


def test_a_polite_close_ends_although_the_peer_is_silent(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Politeness has an end, also with full buffers."""
    monkeypatch.setattr(sockets, "CLOSE_TIMEOUT_SECONDS", 0.05)

    async def story() -> None:
        async with scripted(accepting(OURS, then=deaf)) as (port, _):
            transport = await DIRECT(f"ws://127.0.0.1:{port}")
            write = await fill(transport)
            await transport.close(1000, "")
            with suppress(TransportFailed):
                await write
            assert (await cause_of(transport.receive())).reason is Reason.CLOSED

    run(story())


def test_messages_beyond_the_limit_end_the_transport_in_both_directions(run: Run) -> None:
    """A50: 1009, and the receiver never holds the message."""

    async def story() -> None:
        causes: list[Cause] = []

        async def attend(transport: Transport) -> None:
            message = await transport.receive()
            if message == "large":
                await transport.send("x" * 1_001)
            causes.append(await cause_of(transport.receive()))

        async with listen(attend, message_bytes=1_000) as listener:
            transport = await DIRECT(listener.url)
            await transport.send("x" * 1_000)
            await transport.send("x" * 1_001)
            cause = await cause_of(transport.receive())
            assert (cause.reason, cause.code, cause.final) == (Reason.PROTOCOL_ERROR, 1009, False)
            transport = await WebSocketDialer(proxy=None, message_bytes=1_000)(listener.url)
            await transport.send("large")
            assert (await cause_of(transport.receive())).code == 1009
        assert [cause.code for cause in causes] == [1009, 1009]

    run(story())


def test_text_that_is_not_utf8_is_a_protocol_error(run: Run) -> None:
    async def story() -> None:
        async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
            writer.write(b"\x81\x02\xff\xfe")
            await reader.read(1)

        async with scripted(accepting(OURS, then=garbage)) as (port, _):
            transport = await DIRECT(f"ws://127.0.0.1:{port}")
            cause = await cause_of(transport.receive())
            assert (cause.reason, cause.code) == (Reason.PROTOCOL_ERROR, 1007)

    run(story())


@pytest.mark.parametrize("side", ["hub", "member"])
def test_pings_that_are_answered_and_never_read_do_not_pile_up(run: Run, monkeypatch: pytest.MonkeyPatch, side: str) -> None:
    """A50: the flood that grew a server by 149 MB ends in an abort."""
    monkeypatch.setattr(sockets, "CONTROL_BACKLOG_BYTES", 100_000)
    monkeypatch.setattr(sockets, "_keep_short", lambda connection: None)

    async def flood(writer: asyncio.StreamWriter, ping: bytes) -> int:
        """Send pings and read nothing, until it is reset; return how many bytes went out."""
        sent = 0
        with suppress(ConnectionError):
            while sent < 500_000_000:
                writer.write(ping * 500)
                sent += len(ping) * 500
                await writer.drain()
        return sent

    async def story() -> None:
        sent = asyncio.get_running_loop().create_future()

        async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: str) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads
            sent.set_result(await flood(writer, b"\x89\x7d" + b"x" * 125))

        if side == "member":
            async with scripted(accepting(OURS, then=flooding)) as (port, _):
                transport = await WebSocketDialer(proxy=None, message_bytes=1_000)(f"ws://127.0.0.1:{port}")
                assert (await cause_of(transport.receive())).reason is Reason.CLOSED
                assert await sent < 500_000_000
            return
        async with listen(echo, message_bytes=1_000) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(handshake(listener.port, OURS))
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads
            assert await flood(writer, b"\x89\xfd\x00\x00\x00\x00" + b"x" * 125) < 500_000_000
            writer.close()

    run(story(), seconds=60)


# -- listening -----------------------------------------------------------------------------------------------------------------


def handshake(port: int, *headers: str) -> bytes:
    """Return a WebSocket request with these headers beside the necessary ones."""
    head = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    key = ["Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Version: 13"]
    return "\r\n".join([*head, *key, *headers, "", ""]).encode()


async def answer_to(port: int, request: bytes) -> str:
    """Return the head and the body of what a listener answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = "" if " 101 " in head else (await reader.read()).decode()
    writer.close()
    return head + body


@pytest.mark.parametrize("offer", [[], ["Sec-WebSocket-Protocol: mqtt, reconnect.v2"]])
def test_a_client_that_does_not_offer_our_protocol_is_told(run: Run, offer: list[str]) -> None:
    async def story() -> None:
        async with listen(echo) as listener:
            answer = await answer_to(listener.port, handshake(listener.port, *offer))
            assert answer.startswith("HTTP/1.1 400 ")
            assert f"this hub speaks {SUBPROTOCOL}; ask for it in Sec-WebSocket-Protocol" in answer
            assert "Server:" not in answer
            with pytest.raises(InvalidStatus):
                await connect(listener.url, subprotocols=["mqtt"], proxy=None)  # type: ignore[list-item]  # a NewType

    run(story())


def test_a_browser_that_opens_the_address_is_told(run: Run) -> None:
    async def story() -> None:
        async with listen(echo) as listener:
            answer = await answer_to(listener.port, f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{listener.port}\r\n\r\n".encode())
            assert answer.startswith("HTTP/1.1 426 ")
            assert "You need a WebSocket client" in answer

    run(story())


ALLOWED = "https://app.example"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        (ALLOWED, 101),
        ("null", 403),
        ("", 403),
        ("*", 403),
        ("http://app.example", 403),
        ("https://app.example:443", 403),
        ("https://app.example:8443", 403),
        ("https://APP.example", 403),
        ("https://app.example.evil", 403),
        ("https://evil-app.example", 403),
        ("https://sub.app.example", 403),
        ("https://app.example/", 403),
        ("https://app.example@evil", 403),
        (f"{ALLOWED} https://evil.example", 403),
        (f"{ALLOWED}\r\nOrigin: https://evil.example", 400),
    ],
)
def test_browsers_dial_only_from_listed_origins(run: Run, origin: str | None, status: int) -> None:
    """A45: look-alikes are others."""

    async def story() -> None:
        headers = [OURS] if origin is None else [OURS, f"Origin: {origin}"]
        async with listen(echo, origins=[ALLOWED]) as listener:
            assert (await answer_to(listener.port, handshake(listener.port, *headers))).startswith(f"HTTP/1.1 {status} ")
        if origin is not None:
            async with listen(echo) as listener:
                assert not (await answer_to(listener.port, handshake(listener.port, *headers))).startswith("HTTP/1.1 101 ")

    run(story())


def test_what_attending_raises_is_told_to_the_loop_and_closes_the_transport(run: Run) -> None:
    async def story() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        async def broken(transport: Transport) -> None:
            await transport.receive()
            raise ZeroDivisionError

        async with listen(broken) as listener:
            transport = await DIRECT(listener.url)
            await transport.send("go")
            cause = await cause_of(transport.receive())
            assert (cause.reason, cause.code, cause.detail) == (Reason.HUB_ERROR, 4003, "")
        assert [type(context["exception"]) for context in told] == [ZeroDivisionError]

    run(story())


def test_leaving_closes_what_is_open_and_waits(run: Run) -> None:
    """Nothing listens, serves or waits afterwards, whatever state it was in."""

    async def story() -> None:
        ended: list[Cause] = []

        async def attend(transport: Transport) -> None:
            cause = await cause_of(transport.receive())
            await asyncio.sleep(0)
            ended.append(cause)

        async with listen(attend) as listener:
            transport = await DIRECT(listener.url)
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)  # and says nothing
            writer.write(b"GET")
            await writer.drain()
            receiving = asyncio.get_running_loop().create_task(cause_of(transport.receive()))
        assert (await receiving) == Cause(reason=Reason.GOING_AWAY, code=4000, detail="the hub stopped")
        assert ended[0].code == 4000
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert (await cause_of(DIRECT(listener.url))).reason is Reason.UNREACHABLE

    run(story())


def test_leaving_does_not_wait_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "CLOSE_TIMEOUT_SECONDS", 0.05)

    async def story() -> None:
        attended, cancelled = asyncio.Event(), asyncio.Event()

        async def stubborn(transport: Transport) -> None:
            attended.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async with listen(stubborn) as listener:
            await DIRECT(listener.url)
            await attended.wait()
        await cancelled.wait()

    run(story())


def test_a_transport_that_is_attended_to_no_more_is_ended(run: Run) -> None:
    async def story() -> None:
        async def brief(transport: Transport) -> None:
            await transport.receive()

        async with listen(brief) as listener:
            transport = await DIRECT(listener.url)
            await transport.send("go")
            assert (await cause_of(transport.receive())).reason is Reason.CLOSED

    run(story())


# -- what is said and what is not ------------------------------------------------------------------------------------------------


def test_nothing_that_travels_is_logged(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A53: not even where somebody listens to everything."""
    caplog.set_level(logging.DEBUG)

    async def story() -> None:
        async with listen(echo) as listener:
            dialer = WebSocketDialer(proxy=None, additional_headers={"Authorization": "canary"})
            transport = await dialer(f"{listener.url}/?token=canary")
            await transport.send("canary")
            assert await transport.receive() == "canary"
            await transport.close(1000, "")

    run(story())
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("hub.example", "'hub.example' is not usable: it has no scheme; write it as ws://host:port or wss://host"),
        ("http://hub.example", "'http://hub.example' is not usable: its scheme is 'http'"),
        ("", "'' is not usable: it has no scheme"),
        ("ws://", "'ws://' is not usable: it has no host"),
        ("ws:///path", "'ws:///path' is not usable: it has no host"),
        ("ws://:8470", "'ws://:8470' is not usable: it has no host"),
        ("ws://hub:0", "'ws://hub:0' is not usable: its port is 0"),
        ("ws://hub:65536", "'ws://hub:65536' is not usable: its host or port cannot be read; a port is a number"),
        ("ws://hub:http", "'ws://hub:http' is not usable: its host or port cannot be read"),
        ("ws://[::1", "'ws://[::1' is not usable: its host or port cannot be read"),
        ("ws://canary:canary@hub/?canary", "'ws://hub/?...' is not usable: it contains credentials"),
        ("ws://canary@hub", "'ws://hub' is not usable: it contains credentials"),
        ("ws://canary@[::1?canary", "'[::1' is not usable: its host or port cannot be read"),
        ("ws://hub/#part", "'ws://hub/#part' is not usable: it has a fragment"),
        ("ws://hub/#", "'ws://hub/#' is not usable: it has a fragment"),
        ("ws://hub ", "'ws://hub ' is not usable: it contains a space or a character that cannot be printed"),
        ("ws://hub\r\nX: y", "is not usable: it contains a space"),
        ("ws://hub\x00", "is not usable: it contains a space"),
        ("ws://a..b", "'ws://a..b' is not usable: its host name cannot be looked up"),
        (f"ws://{'x' * 64}.example", "its host name cannot be looked up"),
    ],
)
def test_an_address_that_cannot_be_dialed_is_told_before(run: Run, url: str, problem: str) -> None:
    """The sentence says what is wrong and how to write it, and repeats no credentials and no query."""
    with pytest.raises(BadUrl) as caught:
        check_url(url)
    assert problem in str(caught.value)
    assert "canary" not in str(caught.value) + repr(caught.value.url)
    with pytest.raises(BadUrl):
        run(DIRECT(url))


@pytest.mark.parametrize(
    "url", ["ws://hub", "wss://hub.example/path?query", "ws://[::1]:8470", "WS://hub", "ws://b\u00fccher.example"]
)
def test_an_address_that_can_be_dialed_is_let_through(url: str) -> None:
    check_url(url)


def test_an_ssl_context_for_an_open_address_is_a_mistake(run: Run) -> None:
    with pytest.raises(BadUrl, match="an SSL context was given, and ws:// is not encrypted"):
        run(WebSocketDialer(ssl=client_context())("ws://127.0.0.1:1"))


def test_websockets_is_loaded_at_the_first_socket() -> None:
    code = (
        "import sys, reconnect.transport.websocket as w; w.WebSocketDialer(); "
        "assert not [name for name in sys.modules if name.startswith('websockets')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
