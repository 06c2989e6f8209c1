"""After the end nothing is left: no task, no timer, no socket, no object. The stage looks after each story; these look closer."""

from __future__ import annotations

import asyncio
import gc
import os
import weakref
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

import reconnect
from reconnect.testing import FakeClock, MemoryNetwork, run
from tests.renamed import named
from tests.stories.sockets import SocketStage, brisk
from tests.stories.stage import ROOM, SECRET, URL, Stage, story

CYCLES = 300


def descriptors() -> int:
    """Return how many files and sockets this process has open."""
    return len(os.listdir("/dev/fd"))


def receipts() -> int:
    """Return how many receipts there are."""
    gc.collect()
    return sum(isinstance(thing, reconnect.Receipt) for thing in gc.get_objects())


def census() -> Counter[str]:
    """Return how many objects of each type of ours, and of asyncio's, there are."""
    gc.collect()
    found = Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    return Counter({name: count for name, count in found.items() if name.startswith(("reconnect.", "asyncio", "_asyncio"))})


@story(Stage)
async def test_three_hundred_drops_leave_no_object_behind(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """U09: signals, streams and members go on through 300 outages; the number of objects does not grow with them."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await anna.session.publish("camera")
    subscriber = await ben.session.subscribe((await ben.next("stream_created")).stream)
    told: Counter[str] = Counter()
    subscriber.on("disconnected", lambda event: told.update([event.name]))

    async def cycle(number: int) -> None:
        stage.network.cut("anna")
        anna.session.signal(number)
        anna.session.signal(number, retry_after_reconnect=False)
        await anna.session.drain()
        with suppress(reconnect.RequestFailed):
            await anna.session.subscribe("no such stream")
        await stage.later(11.0)
        for member in (anna, ben):
            member.events.clear()
            member.audit.records.clear()
            for kept in (member.wire.frames, member.wire.sent, member.wire.received, member.wire.messages, member.wire.open):
                kept.clear()
        stage.hub_audit.records.clear()
        stage.network.dials.clear()

    for number in range(30):
        await cycle(number)
    before = census()
    for number in range(CYCLES - 30):
        await cycle(number)
    # Logs and caches fill up to their bounds meanwhile; what is left behind by each outage would be as many.
    grown = {name: count - before[name] for name, count in census().items() if count - before[name] > CYCLES // 2}
    assert grown == {}
    assert told == {"disconnected": CYCLES}
    assert anna.session.statistics().outcomes[reconnect.OutcomeStatus.DELIVERED] == CYCLES
    stage.members.remove(anna)  # its story was thrown away as it went
    stage.members.remove(ben)
    await anna.session.disconnect()
    await ben.session.disconnect()


def test_a_session_that_is_over_is_let_go() -> None:
    """U09: nothing holds on to a session, to its hub, or to any part of them once they are over and nobody needs them."""
    clock, network = FakeClock(), MemoryNetwork()
    watched: list[weakref.ref[Any]] = []

    async def life() -> None:
        hub = reconnect.Hub(secret=SECRET, clock=clock)
        async with network.listen(URL, hub.attend):
            token = reconnect.make_token(SECRET, session=ROOM, now=clock.wall())
            session = reconnect.Session(URL, session=ROOM, token=token, clock=clock, transport=network.dial)
            session.on("connected", lambda event: None)
            async with session:
                publisher = await session.publish("camera")
                await session.signal("hello")
                network.cut()
                await session.wait_for(named("reconnecting"))
                await session.wait_for(named("connected"))
            await hub.close()
        watched.extend(map(weakref.ref, (session, publisher, hub)))

    async def whole() -> None:
        await life()  # whatever is kept once for all, such as charts, is kept now
        await clock.idle()
        before = census()
        await life()
        await clock.idle()
        grown = {name: count - before[name] for name, count in census().items() if count > before[name]}
        assert [ref() for ref in watched] == [None] * 6
        assert grown == {}

    run(whole(), clock)


@story(Stage)
async def test_ten_thousand_signals_leave_nothing_pending(stage: Stage) -> None:
    """U09 Q09: receipts are let go with their outcomes."""
    anna = await stage.enter("anna")
    before = receipts()
    for _ in range(20):
        for number in range(500):
            anna.session.signal(number)
        await anna.session.drain()
        anna.events.clear()
    assert receipts() == before
    assert anna.session.statistics().outcomes[reconnect.OutcomeStatus.DELIVERED] == 10_000
    stage.members.remove(anna)
    await anna.session.disconnect()


@story(SocketStage)
async def test_real_sockets_are_closed(stage: SocketStage) -> None:
    """U09: after ten resets and the end, no descriptor of this process is left open that was not before."""
    before = descriptors()
    anna = await stage.enter("anna", retry=brisk())
    for _ in range(10):
        stage.proxies["anna"].reset()
        await anna.back()
    await anna.session.disconnect()
    proxy = stage.proxies["anna"]
    await stage.until(lambda: proxy.links == 0 and stage.hub.statistics().links == 0)
    await stage.until(lambda: descriptors() <= before + 1, "sockets are left")  # the proxy's own listener


@story(Stage)
@pytest.mark.parametrize("moment", ["dialing", "joining", "waiting", "connected", "closing"])
async def test_a_session_that_is_left_at_any_moment(stage: Stage, moment: str) -> None:
    """U09: no task and no timer of it runs on, at the instant at which disconnect() returns."""
    anna = stage.member("anna")
    stage.network.delay(0.1, "anna")
    if moment in ("dialing", "joining"):
        connecting = stage.start(anna.session.connect())
        await anna.session.wait_for(named(f"connecting.{moment}"))
        await anna.session.disconnect()
        with pytest.raises(reconnect.ConnectFailed):
            await connecting
    else:
        await anna.session.connect()
        if moment == "waiting":
            stage.network.cut("anna")
            await anna.session.wait_for(named("reconnecting.waiting"))
        await anna.session.disconnect()
    names = [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("reconnect-")]
    assert [name for name in names if "hub" not in name] == []
    await stage.later(1.0)
    await stage.hub.close()
    assert isinstance(stage.clock, FakeClock)
    assert stage.clock.timers == []
