"""Refused cleanly: addresses, ports, certificates, HTTP answers and protocols that lead to no hub; real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve

import reconnect
from reconnect import BadUrl, ConnectFailed, Reason
from reconnect.transport.websocket import WebSocketDialer
from tests.renamed import named
from tests.stories.sockets import SocketStage, brisk
from tests.stories.stage import SECRET, Stage, story

PHRASES = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 503: "Service Unavailable"}


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


async def failure(stage: Stage, url: str, **options: Any) -> ConnectFailed:
    """Return the error of a connect() to this address, and see that it left nothing behind."""
    member = stage.member("anna", url=url, **options)
    with pytest.raises(ConnectFailed) as caught:
        await member.session.connect()
    assert member.events == []
    assert member.session.state == named("disconnected")
    assert member.session.last_error == caught.value.cause
    return caught.value


@asynccontextmanager
async def answering(answer: str) -> AsyncIterator[str]:
    """Answer every request with this HTTP head; the address is given."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode() + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


# -- the address -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://hub.test", "'http://hub.test' is not usable: its scheme is 'http'; write it as ws://host:port or wss://host"),
        ("hub.test:8470", "'hub.test:8470' is not usable: it has no scheme; write it as ws://host:port or wss://host"),
        ("", "'' is not usable: it has no scheme; write it as ws://host:port or wss://host"),
        ("ws://", "'ws://' is not usable: it has no host; write it as ws://host:port or wss://host"),
        ("ws://hub.test:99999", "'ws://hub.test:99999' is not usable: its host or port cannot be read"),
        ("ws://anna:secret@hub.test", "'ws://hub.test' is not usable: it contains credentials, which would end up in logs"),
    ],
    ids=["scheme", "no scheme", "empty", "no host", "port", "credentials"],
)
def test_a_wrong_url(url: str, sentence: str) -> None:
    """Told when the session is made, before anything is opened; nothing secret of it is repeated."""
    with pytest.raises(BadUrl) as caught:
        reconnect.Session(url, session="room-1", token="token")
    assert str(caught.value).startswith(sentence)
    assert "secret" not in str(caught.value)


@story(SocketStage)
async def test_a_refused_port(stage: SocketStage) -> None:
    """K04: nobody listens: unreachable, worth another attempt, and connect() raises at once."""
    port = free_port()
    error = await failure(stage, f"ws://127.0.0.1:{port}")
    assert (error.reason, error.cause.final) == (Reason.UNREACHABLE, False)
    assert str(error).startswith(f"could not connect to ws://127.0.0.1:{port} (unreachable): ")


@story(SocketStage)
async def test_a_refused_port_that_is_served_later(stage: SocketStage) -> None:
    """S17: with `retry_initial` the session is there as soon as the hub is."""
    port = free_port()
    anna = stage.member("anna", url=f"ws://127.0.0.1:{port}", retry_initial=True, retry=brisk())
    connecting = stage.start(anna.session.connect())
    await anna.next("attempt")
    hub = reconnect.Hub(secret=SECRET)
    async with hub.serve("127.0.0.1", port):
        await connecting
        await anna.session.disconnect()


@story(SocketStage)
async def test_a_host_that_does_not_exist(stage: SocketStage) -> None:
    """K04: the name cannot be looked up: unreachable."""
    error = await failure(stage, "ws://hub.invalid:8470")
    assert (error.reason, error.cause.final) == (Reason.UNREACHABLE, False)


# -- TLS -------------------------------------------------------------------------------------------------------------------------


@story(SocketStage)
@pytest.mark.parametrize(
    ("names", "trusted", "detail"),
    [
        (["localhost", "127.0.0.1"], False, "the certificate is not acceptable: "),
        (["elsewhere.test"], True, "the certificate is not acceptable: IP address mismatch"),
    ],
    ids=["nobody vouches for it", "another host's"],
)
async def test_a_certificate_that_is_not_acceptable(stage: SocketStage, names: list[str], trusted: bool, detail: str) -> None:
    """TLS failure: refused by default, and said what is wrong with the certificate."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert(*names).configure_cert(server)
    if trusted:
        authority.configure_trust(client)
    hub = reconnect.Hub(secret=SECRET)
    async with hub.serve("127.0.0.1", 0, ssl=server) as listener:
        error = await failure(stage, listener.url, transport=WebSocketDialer(ssl=client, proxy=None))
    assert error.reason is Reason.TLS_FAILED
    assert error.cause.detail.startswith(detail)


@story(SocketStage)
async def test_a_certificate_that_is_acceptable(stage: SocketStage) -> None:
    """The same with a certificate that fits, so that the stories above fail for the reason that they say."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    hub = reconnect.Hub(secret=SECRET)
    async with hub.serve("127.0.0.1", 0, ssl=server) as listener:
        anna = stage.member("anna", url=listener.url, transport=WebSocketDialer(ssl=client, proxy=None))
        await anna.session.connect()
        assert (await anna.signal("over TLS")).delivered
        await anna.session.disconnect()


@story(SocketStage)
async def test_tls_to_a_port_that_speaks_none(stage: SocketStage) -> None:
    """wss:// to a hub that serves ws://: it hangs up on the handshake, which may pass."""
    error = await failure(stage, f"wss://127.0.0.1:{stage.port}")
    assert error.reason in (Reason.TLS_FAILED, Reason.UNREACHABLE, Reason.CLOSED), "it cannot know what was wrong with it"
    assert not error.cause.final


# -- something else answers ------------------------------------------------------------------------------------------------------


@story(SocketStage)
@pytest.mark.parametrize(
    ("status", "reason", "final"),
    [
        (401, Reason.DENIED, True),
        (403, Reason.DENIED, True),
        (404, Reason.UPGRADE_REFUSED, False),
        (503, Reason.OVERLOADED, False),
    ],
)
async def test_an_http_answer_in_place_of_the_upgrade(stage: SocketStage, status: int, reason: Reason, final: bool) -> None:
    """K01 K02 K04: 401 and 403 are final; 404 and 503 may pass."""
    async with answering(f"HTTP/1.1 {status} {PHRASES[status]}") as url:
        error = await failure(stage, url)
    assert (error.reason, error.cause.code, error.cause.final) == (reason, status, final)
    assert str(error).startswith(f"could not connect to {url} ({reason}): HTTP {status} {PHRASES[status]}")


@story(SocketStage)
async def test_the_delay_of_a_busy_gateway_is_obeyed(stage: SocketStage) -> None:
    """B11: `Retry-After` is the hub's delay."""
    async with answering("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7") as url:
        error = await failure(stage, url)
        assert error.cause.retry_after == 7.0
        anna = stage.member("anna", url=url, retry_initial=True)
        connecting = stage.start(anna.session.connect())
        assert (await anna.next("attempt")).retry_in == 7.0
        connecting.cancel()
        await anna.session.disconnect()


@story(SocketStage)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_gateway_that_denies_during_an_outage(stage: SocketStage, status: int) -> None:
    """K01: it ends the session, and everything pending with it; nobody hammers a door that is locked."""
    anna = await stage.enter("anna", retry=brisk())
    async with answering(f"HTTP/1.1 {status} {PHRASES[status]}") as url:
        proxy = stage.proxies["anna"]
        proxy.retarget(int(url.rpartition(":")[2]))
        accepted = proxy.accepted
        proxy.reset()
        await anna.next("reconnecting")
        held = anna.signal("held")
        assert (await anna.next("disconnected")).reason is Reason.DENIED
        assert (await held).reason is Reason.DENIED
        assert proxy.accepted == accepted + 1


@story(SocketStage)
async def test_a_redirect_is_not_followed(stage: SocketStage) -> None:
    """The token is for the hub that was named, not for where it points."""
    async with answering(f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{stage.port}") as url:
        error = await failure(stage, url)
    assert (error.reason, error.cause.code) == (Reason.UPGRADE_REFUSED, 302)
    assert stage.hub.statistics().joined == 0


@story(SocketStage)
@pytest.mark.parametrize("subprotocols", [None, ["chat.v1"]], ids=["none at all", "another one"])
async def test_a_server_that_speaks_another_protocol(stage: SocketStage, subprotocols: list[str] | None) -> None:
    """Wrong subprotocol: unsupported, and final."""

    async def quiet(connection: ServerConnection) -> None:
        await connection.wait_closed()

    def select(connection: object, offered: object) -> object:
        return subprotocols[0] if subprotocols else None

    async with serve(quiet, "127.0.0.1", 0, subprotocols=subprotocols, select_subprotocol=select) as server:  # type: ignore[arg-type]
        error = await failure(stage, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (error.reason, error.cause.final) == (Reason.UNSUPPORTED, True)


@story(SocketStage)
async def test_a_server_that_speaks_no_websocket(stage: SocketStage) -> None:
    """An answer that is no HTTP, and a connection that is closed without one."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n\r\n")
        writer.close()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for talk, reason in ((nonsense, Reason.UPGRADE_REFUSED), (mute, Reason.CLOSED)):
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            error = await failure(stage, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            assert (error.reason, error.cause.final) == (reason, False)
