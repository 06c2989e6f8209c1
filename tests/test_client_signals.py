"""Iterating over signals: order, types, the end, and what happens while nobody reads."""

from __future__ import annotations

import asyncio
import gc
from itertools import chain
from typing import Any

import pytest

from reconnect import limits
from reconnect.client.signals import SignalStream
from reconnect.core.frames import EntryKind, Goodbye
from reconnect.core.notices import Signal
from reconnect.errors import BadSignal, ConnectFailed
from reconnect.reasons import Cause, Reason
from reconnect.testing import run
from tests.bench import Bench, on_bench


def signal(data: Any, type: str = "") -> Signal:
    return Signal(type=type, data=data, sender="other", serial=1, position=1)


async def read(stream: SignalStream) -> list[Any]:
    """Return the data of all signals to the end."""
    return [one.data async for one in stream]


def test_signals_come_in_order_and_of_the_type_that_was_asked_for() -> None:
    async def story() -> None:
        every, chats = SignalStream(None, caught_up=lambda: None), SignalStream("chat", caught_up=lambda: None)
        for stream in (every, chats):
            for number, type in enumerate(["chat", "", "move", "chat"]):
                stream._put(signal(number, type))
            stream._end()
        assert repr(chats) == "<SignalStream type='chat' waiting=2 ended>"
        assert await read(every) == [0, 1, 2, 3]
        assert await read(chats) == [0, 3]

    run(story())


def test_two_tasks_may_read_one_iterator() -> None:
    async def story() -> None:
        stream = SignalStream(None, caught_up=lambda: None)
        readers = [asyncio.ensure_future(read(stream)) for _ in range(2)]
        await asyncio.sleep(1)
        for number in range(10):
            stream._put(signal(number))
            await asyncio.sleep(0)
        stream._end()
        assert sorted(chain.from_iterable(await asyncio.gather(*readers))) == list(range(10))

    run(story())


def test_it_says_when_it_has_caught_up() -> None:
    async def story() -> None:
        caught: list[int] = []
        stream = SignalStream(None, caught_up=lambda: caught.append(1))
        for number in range(limits.CONSUMER_BACKLOG + 1):
            stream._put(signal(number))
        assert stream.is_behind
        await anext(stream)
        assert (stream.is_behind, caught) == (True, [])
        await anext(stream)
        assert (stream.is_behind, caught) == (False, [1])
        await anext(stream)
        assert caught == [1]

    run(story())


def test_one_that_is_closed_forgets_what_waits_and_ends() -> None:
    async def story() -> None:
        caught: list[int] = []
        stream = SignalStream(None, caught_up=lambda: caught.append(1))
        reading = asyncio.ensure_future(read(stream))
        await asyncio.sleep(0)
        stream.close()
        assert await reading == []
        stream._put(signal("late"))
        assert await read(stream) == []
        assert caught == []
        full = SignalStream(None, caught_up=lambda: caught.append(1))
        for number in range(limits.CONSUMER_BACKLOG):
            full._put(signal(number))
        full.close()
        assert (repr(full), caught) == ("<SignalStream type=None waiting=0 ended>", [1])

    run(story())


@on_bench
async def test_an_iterator_of_a_session_ends_when_it_is_disconnected(bench: Bench) -> None:
    session, hub = await bench.online()
    stream, chats = session.signals(), session.signals("chat")
    assert (repr(stream), repr(chats)) == ("<SignalStream type=None waiting=0>", "<SignalStream type='chat' waiting=0>")
    reading = bench.start(read(stream))
    await hub.deliver("one")
    await hub.deliver("two", type="chat")
    await bench.idle()
    await session.disconnect()
    assert await reading == ["one", "two"]
    assert await read(chats) == ["two"], "what waits is handed out first"


@on_bench
async def test_an_iterator_goes_on_through_an_outage(bench: Bench) -> None:
    session, hub = await bench.online()
    reading = bench.start(read(session.signals()))
    await hub.deliver("before")
    await bench.idle()
    hub.cut()
    again = await bench.hub()
    await again.welcome(resumed=True, position=1, accepted=0)
    again.position = 1
    await again.deliver("after")
    await bench.idle()
    assert not reading.done()
    await session.disconnect()
    assert await reading == ["before", "after"]


@on_bench
async def test_an_iterator_ends_when_the_first_connect_fails_and_nobody_is_told(bench: Bench) -> None:
    bench.network.refuse()
    session = bench.session()
    reading = bench.start(read(session.signals()))
    await bench.idle()
    with pytest.raises(ConnectFailed):
        await session.connect()
    assert await reading == []
    assert bench.told == []


@on_bench
async def test_one_made_while_offline_waits_for_the_next_connect(bench: Bench) -> None:
    session = bench.session()
    reading = bench.start(read(session.signals()))
    connecting = bench.start(session.connect())
    hub = await bench.hub()
    await hub.welcome()
    await connecting
    await hub.deliver("hello")
    await bench.idle()
    await session.disconnect()
    assert await reading == ["hello"]


@on_bench
async def test_an_ended_iterator_takes_nothing_of_a_later_connection(bench: Bench) -> None:
    session, _ = await bench.online()
    stream = session.signals()
    await session.disconnect()
    connecting = bench.start(session.connect())
    hub = await bench.hub()
    await hub.welcome()
    await connecting
    await hub.deliver("hello")
    await bench.idle()
    assert await read(stream) == []


@on_bench
async def test_a_type_that_no_signal_has_is_refused(bench: Bench) -> None:
    with pytest.raises(BadSignal, match=r"the type 'two words' has other characters than A-Z a-z 0-9 - _ ~ \."):
        bench.session().signals("two words")


@on_bench
async def test_the_hub_is_given_no_credit_while_an_iterator_is_behind(bench: Bench) -> None:
    """Back-pressure: what nobody reads does not pile up beyond the window."""
    session, hub = await bench.online()
    stream = session.signals("chat")
    for number in range(limits.CONSUMER_BACKLOG + 8):
        await hub.deliver(number, type="chat")
    await bench.idle()
    assert stream.is_behind
    await bench.later(60)
    assert max(hub.credits) == limits.CONSUMER_BACKLOG - 1, "pings tell what was taken before, and no more"
    for number in range(9):
        assert (await anext(stream)).data == number
    await bench.idle()
    await bench.later(2.5)
    assert max(hub.credits) == limits.CONSUMER_BACKLOG + 8


@on_bench
async def test_an_iterator_that_is_closed_or_forgotten_holds_nothing_up(bench: Bench) -> None:
    session, hub = await bench.online()
    kept, forgotten = session.signals(), session.signals()
    for number in range(limits.CONSUMER_BACKLOG + 8):
        await hub.deliver(number)
    await bench.idle()
    del forgotten
    gc.collect()
    await bench.later(60)
    assert max(hub.credits) == limits.CONSUMER_BACKLOG - 1
    kept.close()
    await bench.later(2.5)
    assert max(hub.credits) == limits.CONSUMER_BACKLOG + 8


@on_bench
async def test_signals_that_come_with_the_goodbye_are_handed_out(bench: Bench) -> None:
    session, hub = await bench.online()
    hub.rude = True
    stream = session.signals()
    leaving = bench.start(session.disconnect())
    await hub.next(Goodbye)
    await hub.deliver("last")
    await hub.say(Goodbye())
    await leaving
    assert await read(stream) == ["last"]


@on_bench
async def test_an_iterator_ends_when_the_hub_ends_the_session(bench: Bench) -> None:
    session, hub = await bench.online()
    reading = bench.start(read(session.signals()))
    await hub.tell(EntryKind.SIGNAL, sender="other", serial=1, connection="c9")
    await hub.say(Goodbye(reason=Reason.SESSION_ENDED))
    assert await reading == [None]
    assert session.last_error == Cause(reason=Reason.SESSION_ENDED, final=True, detail="the hub said goodbye")
