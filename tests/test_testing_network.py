"""The network in memory: who can dial, what a fault does to whom, and that it ends when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.testing import Direction, FakeClock, MemoryNetwork, run

URL = "ws://hub.test"


async def echo(transport: Transport) -> None:
    """Send back what comes, until the transport ends."""
    with suppress(TransportFailed):
        while True:
            await transport.send(await transport.receive())


def story(play: Any) -> None:
    """Run a play on a network with an echoing hub; see that nothing is left behind."""
    clock, network = FakeClock(), MemoryNetwork()

    async def whole() -> None:
        async with network.listen(URL, echo):
            await play(clock, network)
        await clock.idle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert network.links == ()

    run(whole(), clock)


def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(coroutine)


async def cause_of(coroutine: Coroutine[Any, Any, Any]) -> Cause:
    with pytest.raises(TransportFailed) as caught:
        await coroutine
    return caught.value.cause


async def says(transport: Transport, word: str) -> bool:
    await transport.send(word)
    return await transport.receive() == word


def test_parties_dial_and_are_answered() -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        alice: Dialer = network.dialer("alice")
        first, second = await alice(URL), await network.dial(URL)
        assert await says(first, "hello")
        assert await says(second, "hello")
        assert [(dial.party, dial.url, dial.at) for dial in network.dials] == [("alice", URL, 1_000.0), ("client", URL, 1_000.0)]
        assert [link.party for link in network.links] == ["alice", "client"]
        assert repr(network) == "<MemoryNetwork listeners=1 links=2>"

    story(play)


def test_it_runs_in_real_time_as_well() -> None:
    async def whole() -> None:
        network = MemoryNetwork()
        network.delay(0.001)
        async with network.listen(URL, echo), asyncio.timeout(30):
            assert await says(await network.dial(URL), "hello")

    asyncio.run(whole())


def test_nobody_listens() -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        cause = await cause_of(network.dial("ws://elsewhere.test"))
        assert cause == Cause(reason=Reason.UNREACHABLE, detail="nobody answers at ws://elsewhere.test")

    story(play)


def test_a_cut_resets_both_ends_of_one_party_and_loses_what_is_on_the_way() -> None:
    """An unexpected end without a word from the hub."""

    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        alice, bob = await network.dialer("alice")(URL), await network.dialer("bob")(URL)
        network.delay(1.0, "alice")
        await alice.send("lost")
        network.cut("alice")
        assert await cause_of(alice.receive()) == Cause(reason=Reason.CLOSED, detail="the network cut the link")
        await clock.idle()
        assert [link.party for link in network.links] == ["bob"]
        assert await says(bob, "hello")
        assert await says(await network.dialer("alice")(URL), "again")
        network.cut()
        assert (await cause_of(bob.receive())).reason is Reason.CLOSED

    story(play)


def test_refused_dials_fail_at_once_and_open_links_live_on() -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        alice = await network.dialer("alice")(URL)
        network.refuse()
        assert (await cause_of(network.dialer("alice")(URL))).reason is Reason.UNREACHABLE
        assert (await cause_of(network.dialer("newcomer")(URL))).reason is Reason.UNREACHABLE
        assert await says(alice, "hello")
        network.restore("newcomer")
        assert await says(await network.dialer("newcomer")(URL), "hello")
        assert (await cause_of(network.dialer("alice")(URL))).reason is Reason.UNREACHABLE
        network.restore()
        assert await says(await network.dialer("alice")(URL), "hello")

    story(play)


def test_a_hanging_dial_neither_succeeds_nor_fails() -> None:
    """The caller's deadline is what ends it; cancelling leaves nothing open."""

    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        network.hang("alice")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await network.dialer("alice")(URL)
        assert network.links == ()
        dial = start(network.dialer("alice")(URL))
        await clock.advance(10)
        network.delay(0.0, "bob")  # a change that is not the end of the fault
        await clock.idle()
        assert not dial.done()
        network.restore("alice")
        assert await says(await dial, "hello")

    story(play)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_half_open_link_looks_open_and_carries_nothing(direction: Direction) -> None:
    """No error, no message; when the link recovers what was sent arrives, as on a real one."""

    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        heard: list[str | bytes] = []

        async def listening(transport: Transport) -> None:
            with suppress(TransportFailed):
                while True:
                    heard.append(await transport.receive())
                    await transport.send("heard")

        ears = network.listen("ws://ears.test", listening)
        alice = await network.dialer("alice")("ws://ears.test")
        network.half_open("alice", direction)
        await alice.send("1")
        answer = start(alice.receive())
        await clock.advance(60)
        assert heard == (["1"] if direction is Direction.FROM_HUB else [])
        assert not answer.done()
        dial = start(network.dialer("alice")(URL))  # no dial gets through either
        await clock.idle()
        assert not dial.done()
        network.restore()
        assert await answer == "heard"
        assert await says(await dial, "hello")
        await ears.close()

    story(play)


def test_an_abort_on_a_half_open_link_is_heard_by_nobody() -> None:
    """The old transport still looks alive to the hub."""

    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        alice = await network.dialer("alice")(URL)
        network.half_open("alice")
        alice.abort()
        await clock.advance(60)
        assert [link.party for link in network.links] == ["alice"]
        network.restore()
        await clock.idle()
        assert network.links == ()

    story(play)


def test_a_delay_holds_each_way_and_for_the_dial() -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        network.delay(0.25)
        alice = await network.dialer("alice")(URL)
        assert clock.now() == 1_000.5
        assert await says(alice, "hello")
        assert clock.now() == 1_001.0
        assert network.weather("alice").delay == 0.25

    story(play)


def test_a_hub_that_returns_ends_its_transport() -> None:
    async def whole() -> None:
        network = MemoryNetwork()

        async def brief(transport: Transport) -> None:
            await transport.close(CloseCode.KICKED, "no")

        async with network.listen(URL, brief) as listener:
            assert (await cause_of((await network.dial(URL)).receive())).reason is Reason.KICKED
            await asyncio.sleep(0)
            assert not listener._attending  # what is over is not kept

    run(whole())


def test_closing_a_listener_resets_its_links_and_tells_what_went_wrong() -> None:
    """A22: a hub that dies takes its links along; another may take its place."""

    async def whole() -> None:
        network = MemoryNetwork()

        async def broken(transport: Transport) -> None:
            await transport.receive()
            raise ZeroDivisionError

        listener = network.listen(URL, broken)
        alice = await network.dial(URL)
        await alice.send("x")
        assert (await cause_of(alice.receive())).reason is Reason.CLOSED
        bob = await network.dial(URL)
        with pytest.raises(ZeroDivisionError):
            await listener.close()
        assert (await cause_of(bob.receive())).detail == "reset by the other end"
        await cause_of(network.dial(URL))
        async with network.listen(URL, echo):
            assert await says(await network.dial(URL), "hello")

    run(whole())
