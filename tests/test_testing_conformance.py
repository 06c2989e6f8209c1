"""The kit for transports: ours pass it, and each of many broken ones is found out by the check that is about its fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reconnect.errors import BadArgument, TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, Reason
from reconnect.testing import (
    TRANSPORT_CHECKS,
    Direction,
    MemoryNetwork,
    NotATransport,
    check_transport,
    run,
)
from reconnect.testing.network import Attend
from reconnect.transport import sockets
from reconnect.transport.websocket import WebSocketDialer, listen

URL = "ws://hub.test"


@asynccontextmanager
async def memory(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
    """A network in memory."""
    network = MemoryNetwork()
    async with network.listen(URL, attend):
        yield network.dial, URL


@asynccontextmanager
async def rough(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
    """A network in memory in such weather as an ordered transport may have."""
    network = MemoryNetwork(seed=1)
    network.delay(0.01)
    network.jitter(0.05)
    async with network.listen(URL, attend):
        yield network.dial, URL


@asynccontextmanager
async def websocket(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
    """Sockets on loopback."""
    async with listen(attend) as listener:
        yield WebSocketDialer(proxy=None), listener.url


# -- ours ----------------------------------------------------------------------------------------------------------------------


def test_who_serves_a_link_is_let_go_and_not_cancelled() -> None:
    """A server of asyncio's streams complains of each connection whose callback was cancelled, and so buries what was found."""
    ended: list[str] = []

    @asynccontextmanager
    async def watched(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
        async def serve(transport: Transport) -> None:
            ended.append("cancelled")
            await attend(transport)
            ended[-1] = "let go"

        network = MemoryNetwork()
        await network.listen(URL, serve).__aenter__()  # and never waits for those that it serves, as such a server does not
        yield network.dial, URL

    check_transport(watched, run=run, only=("order", "close_codes", "last_words"))
    assert set(ended) == {"let go"}


@pytest.mark.parametrize("check", TRANSPORT_CHECKS)
@pytest.mark.parametrize("factory", [memory, rough])
def test_memory_transports_are_transports(factory: Any, check: str) -> None:
    check_transport(factory, only=[check], run=run)


@pytest.mark.parametrize("check", TRANSPORT_CHECKS)
def test_websockets_are_transports(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "CLOSE_TIMEOUT_SECONDS", 0.25)
    check_transport(websocket, only=[check])


def test_it_runs_in_real_time_as_well() -> None:
    check_transport(memory)


def test_every_check_says_what_it_is_about() -> None:
    assert all(rule.endswith(".") and len(rule) < 130 for rule in TRANSPORT_CHECKS.values()), TRANSPORT_CHECKS
    with pytest.raises(BadArgument, match="there is no check odour; the checks are integrity, order, "):
        check_transport(memory, only=["odour"])


# -- broken ones ---------------------------------------------------------------------------------------------------------------


class Sound:
    """A transport that passes everything on; what is broken is a subclass's."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def send(self, message: str | bytes) -> None:
        await self.inner.send(message)

    async def receive(self) -> str | bytes:
        message: str | bytes = await self.inner.receive()
        return message

    async def close(self, code: int, detail: str) -> None:
        await self.inner.close(code, detail)

    def abort(self) -> None:
        self.inner.abort()


class Shouting(Sound):
    """Changes text."""

    async def receive(self) -> str | bytes:
        message = await super().receive()
        return message.upper() if isinstance(message, str) else message


class Typeless(Sound):
    """Makes text of bytes."""

    async def receive(self) -> str | bytes:
        message = await super().receive()
        return message.decode("latin-1") if isinstance(message, bytes) else message


class Swapping(Sound):
    """Sends every seventh message behind the eighth."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.kept: list[str | bytes] = []
        self.count = 0

    async def send(self, message: str | bytes) -> None:
        self.count += 1
        if self.count % 7 == 0:
            self.kept.append(message)
            return
        await super().send(message)
        while self.kept:
            await super().send(self.kept.pop())


class Stuttering(Sound):
    """Sends one message twice."""

    count = 0

    async def send(self, message: str | bytes) -> None:
        self.count += 1
        if self.count == 50:
            await super().send(message)
        await super().send(message)


class HalfDuplex(Sound):
    """Sends nothing while it receives."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.lock = asyncio.Lock()

    async def send(self, message: str | bytes) -> None:
        async with self.lock:
            await super().send(message)

    async def receive(self) -> str | bytes:
        async with self.lock:
            return await super().receive()


class Short(Sound):
    """Cuts what is long."""

    async def send(self, message: str | bytes) -> None:
        await super().send(message[:500_000])


class Codeless(Sound):
    """Closes with 1000, whatever the code is."""

    async def close(self, code: int, detail: str) -> None:
        await super().close(1000, detail)


class Hasty(Sound):
    """Takes what is on the way along when it closes."""

    async def close(self, code: int, detail: str) -> None:
        self.inner.outgoing._arrived.clear()
        await super().close(code, detail)


class Forgetful(Sound):
    """Drops what had arrived when it is aborted."""

    def abort(self) -> None:
        self.inner.incoming._arrived.clear()
        super().abort()


class Amnesiac(Sound):
    """Tells its end once, and then waits for ever."""

    told = False

    async def receive(self) -> str | bytes:
        if self.told:
            await asyncio.Event().wait()
        try:
            return await super().receive()
        except TransportFailed:
            self.told = True
            raise


class Fickle(Sound):
    """Tells another cause each time."""

    times = 0

    async def receive(self) -> str | bytes:
        try:
            return await super().receive()
        except TransportFailed as failure:
            self.times += 1
            raise TransportFailed(Cause(reason=failure.cause.reason, code=failure.cause.code, detail="x" * self.times)) from None


class Selfless(Sound):
    """Does not know why it was closed when it was closed from here."""

    over = False

    async def close(self, code: int, detail: str) -> None:
        await super().close(code, detail)
        self.over = True

    async def send(self, message: str | bytes) -> None:
        if not self.over:
            await super().send(message)


class Lazy(Sound):
    """Aborts once there is time for it: when nobody writes any more."""

    writing = 0

    async def send(self, message: str | bytes) -> None:
        self.writing += 1
        await super().send(message)
        self.writing -= 1

    def abort(self) -> None:
        if not self.writing:
            super().abort()


class Polite(Sound):
    """Says goodbye when it is aborted."""

    def abort(self) -> None:
        self.inner._finish(Cause(reason=Reason.CLOSED, code=1000), abrupt=False)


class Rude(Sound):
    """Raises what is no TransportFailed."""

    async def receive(self) -> str | bytes:
        try:
            return await super().receive()
        except TransportFailed as failure:
            raise ConnectionError(str(failure)) from None


class Boundless(Sound):
    """Never waits for a reader."""

    async def send(self, message: str | bytes) -> None:
        self.inner._check()
        self.inner.outgoing.put(message)


class Endless(Sound):
    """Closes when all was read, whenever that is."""

    async def close(self, code: int, detail: str) -> None:
        while self.inner.outgoing.full:
            await self.inner.outgoing.change()
        await super().close(code, detail)


class Grabbing(Sound):
    """A cancelled receive takes its message along."""

    async def receive(self) -> str | bytes:
        message = await super().receive()
        await asyncio.sleep(0)
        return message


class Piecemeal(Sound):
    """Sends in pieces, and a cancelled send leaves some of them behind."""

    async def send(self, message: str | bytes) -> None:
        if len(message) < 200_000:
            await super().send(message)
            return
        self.inner._check()
        self.inner.outgoing.put(message)
        try:
            while self.inner.outgoing.full:
                await self.inner.outgoing.change()
                self.inner._check()
        except asyncio.CancelledError:
            place = self.inner.outgoing._arrived
            place[-1] = place[-1][: len(place[-1]) // 2]
            raise


class Touchy(Sound):
    """Cannot be ended twice."""

    over = False

    def abort(self) -> None:
        if self.over:
            raise RuntimeError("it was aborted already")
        self.over = True
        super().abort()

    async def close(self, code: int, detail: str) -> None:
        if not self.over:
            await super().close(code, detail)


class Haunted(Sound):
    """Starts a task that never ends."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.ghost = asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="ghost")


@asynccontextmanager
async def leaky(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
    """A dial that goes on although it was cancelled."""
    async with memory(attend) as (dialer, url):

        async def dial(url: str) -> Transport:
            opening: asyncio.Task[Transport] = asyncio.ensure_future(slow(url))
            return await asyncio.shield(opening)

        async def slow(url: str) -> Transport:
            for _ in range(5):
                await asyncio.sleep(0)
            return await dialer(url)

        yield dial, url


@asynccontextmanager
async def foreign(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
    """A dialer whose failures are its own."""
    async with memory(attend) as (dialer, url):

        async def dial(url: str) -> Transport:
            try:
                return await dialer(url)
            except TransportFailed as failure:
                raise OSError(str(failure)) from None

        yield dial, url


@asynccontextmanager
async def stiff(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
    """A dial that never ends."""
    async with memory(attend) as (_, url):

        async def dial(url: str) -> Transport:
            await asyncio.Event().wait()
            raise AssertionError

        yield dial, url


def of(kind: Callable[[Any], Transport]) -> Any:
    """Return a factory of such transports, at both ends."""

    @asynccontextmanager
    async def factory(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
        async with memory(lambda transport: attend(kind(transport))) as (dialer, url):

            async def dial(url: str) -> Transport:
                return kind(await dialer(url))

            yield dial, url

    factory.__name__ = getattr(kind, "__name__", "")
    return factory


FAULTS = [
    (of(Shouting), "integrity", "a message is changed: 'plain' was sent, and 'PLAIN' arrived"),
    (of(Typeless), "integrity", "a message is changed: b'"),
    (of(Swapping), "order", "the order is broken: "),
    (of(Stuttering), "order", "the order is broken: "),
    (of(HalfDuplex), "concurrency", "sending while both ends receive takes longer than 10 s"),
    (of(Short), "large_messages", "a large message is changed: "),
    (of(Codeless), "close_codes", "close(4503) is told as closed (code 1000, not final, 'because'), and not as kicked"),
    (of(Hasty), "last_words", "the transport ended before a message that was sent had arrived: "),
    (of(Forgetful), "failed_send", "the transport ended before a message that was sent had arrived: "),
    (of(Forgetful), "own_abort", "the transport ended before a message that was sent had arrived: "),
    (of(Amnesiac), "end_stays", "a second receive after the end was told takes longer than 10 s"),
    (of(Fickle), "end_stays", "a second receive after the end tells "),
    (of(Selfless), "own_close", "a send after close() does not raise TransportFailed"),
    (of(Touchy), "ending_twice", "it raises RuntimeError: it was aborted already"),
    (of(Lazy), "abort_at_once", "a receive that waited when abort() was called takes longer than 10 s"),
    (of(Polite), "abort_is_a_reset", "an abort is told as closed (code 1000, not final, '')"),
    (of(Rude), "close_codes", "a receive after the other end was closed raises ConnectionError, and no TransportFailed"),
    (of(Boundless), "back_pressure", "67,108,864 bytes were sent that nobody read, and no send waited"),
    (of(Endless), "close_has_an_end", "close() while the other end does not read takes longer than 10 s"),
    (of(Grabbing), "cancelled_receive", "a message that a cancelled receive left behind takes longer than 10 s"),
    (of(Piecemeal), "cancelled_send", "a cancelled send is sent in part: "),
    (leaky, "cancelled_dial", "a cancelled dial leaves tasks running: attend client"),
    (foreign, "refused_dial", "a dial that nobody answers raises OSError, and no TransportFailed"),
    (stiff, "order", "a dial takes longer than 10 s"),
    (of(Haunted), "nothing_left", "a link that is over leaves tasks running: ghost"),
]


def test_the_sound_one_passes() -> None:
    """So that what is found below is the fault and not the wrapper."""
    check_transport(of(Sound), run=run)


@pytest.mark.parametrize(("factory", "check", "problem"), FAULTS, ids=[f"{fault[0].__name__}-{fault[1]}" for fault in FAULTS])
def test_a_fault_is_found_by_the_check_that_is_about_it(factory: Any, check: str, problem: str) -> None:
    with pytest.raises(NotATransport) as caught:
        check_transport(factory, only=[check], run=run)
    (finding,) = caught.value.findings
    assert finding.check == check
    assert finding.problem.startswith(problem)
    assert str(caught.value).startswith(f"1 of 1 checks of this transport failed:\n  {check}: {problem[:20]}")


def test_every_check_finds_something() -> None:
    assert {check for _, check, _ in FAULTS} == set(TRANSPORT_CHECKS)


def test_all_that_is_found_is_told_together() -> None:
    with pytest.raises(NotATransport, match=rf"of {len(TRANSPORT_CHECKS)} checks of this transport failed") as caught:
        check_transport(of(Codeless), run=run)
    assert {finding.check for finding in caught.value.findings} == {"close_codes", "last_words", "failed_send", "own_close"}


def test_a_network_that_loses_what_is_on_the_way_is_no_fault_of_a_transport() -> None:
    """A half-open link is not conforming, and says so by its patience."""

    @asynccontextmanager
    async def dead(attend: Attend) -> AsyncIterator[tuple[Dialer, str]]:
        network = MemoryNetwork()
        async with network.listen(URL, attend):

            async def dial(url: str) -> Transport:
                transport = await network.dial(url)
                network.half_open(direction=Direction.TO_HUB)
                return transport

            yield dial, URL

    with pytest.raises(NotATransport, match=r"a message that was sent takes longer than 3 s"):
        check_transport(dead, only=["integrity"], patience_seconds=3.0, run=run)
