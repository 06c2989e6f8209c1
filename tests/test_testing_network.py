"""The network in memory: who can dial, what a fault does to whom, and that it ends when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from reconnect.errors import BadArgument, TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.testing import Direction, FakeClock, MemoryNetwork, run
from reconnect.testing.network import DIALS_KEPT

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


# -- what an ordered transport may do to messages ------------------------------------------------------------------------------


async def counting(transport: Transport) -> None:
    """Send numbers, a stream frame behind each ten, until the transport ends."""
    with suppress(TransportFailed):
        for number in range(200):
            await transport.send(str(number))
            if number % 10 == 9:
                for part in range(5):
                    await transport.send(bytes([number, part]))
        await transport.close(CloseCode.GOING_AWAY, "all said")


def arrived(*, seed: int = 0, **faults: float) -> tuple[list[str | bytes], float]:
    """Return what a member gets in this weather, and how long it took."""
    clock, network = FakeClock(), MemoryNetwork(seed=seed)
    network.delay(0.05)
    for name, value in faults.items():
        getattr(network, name)(value)
    got: list[str | bytes] = []

    async def whole() -> float:
        async with network.listen(URL, counting):
            transport = await network.dial(URL)
            began = clock.now()
            with suppress(TransportFailed):
                while True:
                    got.append(await transport.receive())
            assert (await cause_of(transport.receive())).detail == "all said"
            return clock.now() - began

    return got, run(whole(), clock)


USUAL, USUALLY = arrived()
TEXTS = [message for message in USUAL if isinstance(message, str)]


@pytest.mark.parametrize("faults", [{"jitter": 0.5}, {"throttle": 200.0}, {"duplicate": 0.5}, {"reorder": 0.5}], ids=str)
def test_text_and_the_end_arrive_once_and_in_order_whatever_the_weather(faults: dict[str, float]) -> None:
    """A15: as TCP keeps them."""
    got, took = arrived(seed=0, **faults)
    assert [message for message in got if isinstance(message, str)] == TEXTS == [str(number) for number in range(200)]
    assert (got, took) == arrived(seed=0, **faults), "the same seed makes the same weather"


def test_jitter_makes_late_and_never_early() -> None:
    got, took = arrived(jitter=0.5)
    assert got == USUAL
    assert USUALLY < took <= USUALLY + 0.5 * 5  # it is ahead by a pipe's length at most, five times
    assert took != arrived(seed=1, jitter=0.5)[1]


def test_a_thin_line_carries_what_it_carries() -> None:
    """A16: nothing is lost, and it takes as long as there are bytes."""
    got, took = arrived(throttle=200.0)
    assert got == USUAL
    assert took == pytest.approx(0.05 + sum(map(len, USUAL)) / 200.0)


def test_stream_frames_may_come_twice() -> None:
    got, _ = arrived(duplicate=0.5)
    frames = [message for message in got if isinstance(message, bytes)]
    assert set(frames) == {message for message in USUAL if isinstance(message, bytes)}
    assert 120 < len(frames) < 180
    assert arrived(duplicate=1.0)[0].count(b"\x09\x00") == 2


def test_stream_frames_may_overtake_each_other_and_no_text() -> None:
    got, _ = arrived(reorder=0.5)
    assert got != USUAL
    assert sorted(map(repr, got)) == sorted(map(repr, USUAL))
    between = [index for index, message in enumerate(got) if isinstance(message, str)]
    assert between == [index for index, message in enumerate(USUAL) if isinstance(message, str)]


def test_a_limit_on_a_line_is_taken_away_again() -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        network.throttle(1.0)
        alice = await network.dial(URL)
        network.throttle(None)
        began = clock.now()
        assert await says(alice, "hello")
        assert clock.now() == began
        assert repr(network.links[0]) == f"<Link client {URL}>"

    story(play)


@pytest.mark.parametrize(
    ("fault", "value"),
    [("delay", -1.0), ("jitter", float("nan")), ("throttle", 0.0), ("throttle", -2.0), ("duplicate", 1.5), ("reorder", -0.1)],
)
def test_weather_that_there_is_not(fault: str, value: float) -> None:
    with pytest.raises(BadArgument, match=r"(seconds|bytes_per_second|share) is "):
        getattr(MemoryNetwork(), fault)(value)


# -- partitions, outages, and what is kept -------------------------------------------------------------------------------------


def test_a_partition_separates_parties_from_one_hub_and_no_other() -> None:
    """A12: links between the two look open, dials hang, and all comes through when it heals."""

    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        async with network.listen("ws://second.test", echo):
            alice, bob = network.dialer("alice"), network.dialer("bob")
            there, elsewhere, other = await alice(URL), await alice("ws://second.test"), await bob(URL)
            network.partition(["alice", "carol"], URL)
            network.partition("ws://second.test", "bob")
            await there.send("waits")
            answer, dial, second = start(there.receive()), start(alice(URL)), start(bob("ws://second.test"))
            await clock.advance(60)
            assert not any(task.done() for task in (answer, dial, second))
            assert await says(elsewhere, "hello")
            assert await says(other, "hello")
            network.restore("alice")  # the partition is not one party's weather
            await clock.idle()
            assert not dial.done()
            network.heal()
            assert await answer == "waits"
            assert await says(await dial, "hello")
            assert await says(await second, "hello")
            network.partition("alice", URL)
            network.restore()
            assert await says(there, "again")

    story(play)


def test_members_are_separated_from_hubs_and_never_from_each_other() -> None:
    with pytest.raises(BadArgument, match=r"no hub among \['alice', 'bob'\]; name it by its url"):
        MemoryNetwork().partition("alice", ["bob"])


@pytest.mark.parametrize("silent", [False, True])
def test_an_outage_lasts_as_long_as_its_block(silent: bool) -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        alice, bob = await network.dialer("alice")(URL), await network.dialer("bob")(URL)
        network.delay(0.25, "alice")
        with network.outage("alice", silent=silent):
            if silent:
                await alice.send("waits")
                dial = start(network.dialer("alice")(URL))
            else:
                assert (await cause_of(alice.receive())).reason is Reason.CLOSED
                assert (await cause_of(network.dialer("alice")(URL))).reason is Reason.UNREACHABLE
            await clock.advance(10)
            assert await says(bob, "hello")
        if silent:
            assert await alice.receive() == "waits"
            await dial
        assert await says(await network.dialer("alice")(URL), "hello")
        assert network.weather("alice").delay == 0.25, "other weather is as before"

    story(play)


def test_dials_are_counted_all_and_kept_to_a_bound() -> None:
    async def play(clock: FakeClock, network: MemoryNetwork) -> None:
        network.refuse("alice")
        dial = network.dialer("alice")
        for _ in range(DIALS_KEPT + 50):
            await cause_of(dial(URL))
            await clock.advance(1)
        assert (network.dialed, len(network.dials)) == (DIALS_KEPT + 50, DIALS_KEPT)
        assert (network.dials[0].at, network.dials[-1].at) == (1_050.0, 1_049.0 + DIALS_KEPT)

    story(play)
