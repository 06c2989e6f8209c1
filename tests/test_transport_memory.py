"""Memory transports: they keep what a WebSocket keeps, and break as one breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.errors import TransportFailed
from reconnect.ports import Transport
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.testing import Deadlock, FakeClock, run
from reconnect.transport.memory import MemoryTransport, memory_pair


def virtual(story: Any) -> None:
    clock = FakeClock()
    run(story(clock), clock)


def start(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(coroutine)


async def cause_of(coroutine: Coroutine[Any, Any, Any]) -> Cause:
    with pytest.raises(TransportFailed) as caught:
        await coroutine
    return caught.value.cause


@given(st.lists(st.text(max_size=5) | st.binary(max_size=5)), st.integers(1, 5), st.floats(0, 1))
def test_messages_arrive_whole_and_in_order(messages: list[str | bytes], capacity: int, delay: float) -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair(capacity)
        there.incoming.delay = delay

        async def write() -> None:
            for message in messages:
                await here.send(message)
            await here.close(CloseCode.GOING_AWAY, "done")

        writer = start(write())
        got = [await there.receive() for _ in messages]
        assert got == messages
        assert (await cause_of(there.receive())).code == CloseCode.GOING_AWAY
        await writer

    virtual(story)


def test_a_writer_waits_for_its_reader() -> None:
    """What is unread has a bound."""

    async def story(clock: FakeClock) -> None:
        here, there = memory_pair(2)
        await here.send("1")
        await here.send("2")
        third = start(here.send("3"))
        await clock.idle()
        assert not third.done()
        assert await there.receive() == "1"
        await third
        assert [await there.receive(), await there.receive()] == ["2", "3"]

    virtual(story)


def test_a_close_arrives_behind_what_was_sent() -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        assert repr(here) == "<MemoryTransport open>"
        await here.send("last")
        await here.close(CloseCode.KICKED, "out")
        kicked = Cause(reason=Reason.KICKED, final=True, code=4503, detail="out")
        assert await there.receive() == "last"
        assert await cause_of(there.receive()) == kicked
        assert await cause_of(there.send("answer")) == kicked
        assert await cause_of(here.receive()) == kicked
        assert await cause_of(here.send("more")) == kicked
        await here.close(1000, "")
        there.abort()
        assert await cause_of(here.receive()) == kicked
        assert (repr(here), repr(there)) == ("<MemoryTransport ended kicked>", "<MemoryTransport ended closed>")

    virtual(story)


def test_an_abort_is_a_reset_that_takes_along_what_is_on_the_way() -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        await here.send("arrived")
        there.incoming.delay = 1.0
        await here.send("on the way")
        there.incoming.delay = 0.0
        here.abort()
        assert await there.receive() == "arrived"
        assert await cause_of(there.receive()) == Cause(reason=Reason.CLOSED, detail="reset by the other end")
        assert (await cause_of(here.receive())).detail == "aborted"

    virtual(story)


@pytest.mark.parametrize("end", ["here", "there"])
def test_an_end_wakes_who_waits(end: str) -> None:
    """Nobody is left waiting on a transport that is no more."""

    async def story(clock: FakeClock) -> None:
        here, there = memory_pair(1)
        await here.send("1")
        writer, reader = start(here.send("2")), start(here.receive())
        await clock.idle()
        (here if end == "here" else there).abort()
        detail = "aborted" if end == "here" else "reset by the other end"
        assert (await cause_of(writer)).detail == detail  # type: ignore[arg-type]  # a task is awaitable
        assert (await cause_of(reader)).detail == detail  # type: ignore[arg-type]  # a task is awaitable

    virtual(story)


def test_a_polite_close_wakes_a_writer_that_waits() -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair(1)
        there.incoming.stalled = True
        await here.send("1")
        writer = start(here.send("2"))
        await clock.idle()
        await here.close(1000, "bye")
        assert (await cause_of(writer)).detail == "bye"  # type: ignore[arg-type]  # a task is awaitable

    virtual(story)


def test_a_cancelled_reader_takes_nothing_with_it() -> None:
    """A24: the next reader gets the message."""

    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        reader = start(there.receive())
        await clock.idle()
        reader.cancel()
        await here.send("1")
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await there.receive() == "1"
        first = start(there.receive())
        await clock.idle()
        await here.send("2")
        first.cancel()  # woken and cancelled in one turn
        with pytest.raises(asyncio.CancelledError):
            await first
        assert await there.receive() == "2"

    virtual(story)


def test_a_stalled_pipe_keeps_even_the_end_to_itself() -> None:
    """A link that is dead looks open; when it flows again everything comes, in order."""

    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        there.incoming.stalled = True
        await here.send("1")
        await here.close(CloseCode.GOING_AWAY, "")
        reader = start(there.receive())
        await clock.advance(60)
        assert not reader.done()
        there.incoming.stalled = False
        there.incoming.flow()
        assert await reader == "1"
        assert (await cause_of(there.receive())).code == CloseCode.GOING_AWAY
        await cause_of(there.send("into the void"))

    virtual(story)


def test_what_is_sent_behind_an_end_that_nobody_heard_of_vanishes() -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair(1)
        there.incoming.stalled = True
        here.abort()
        for _ in range(10):
            await there.send("vanishes")
        assert not there.outgoing.full

    virtual(story)


def test_a_delay_counts_from_the_sending() -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        there.incoming.delay = 0.5
        began = clock.now()
        await here.send("1")
        await clock.advance(0.2)
        await here.send("2")
        assert await there.receive() == "1"
        assert clock.now() == pytest.approx(began + 0.5)
        assert await there.receive() == "2"
        assert clock.now() == pytest.approx(began + 0.7)

    virtual(story)


def test_a_cut_loses_what_is_on_the_way() -> None:
    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        there.incoming.delay = 0.5
        await here.send("1")
        there.incoming.cut(Cause(reason=Reason.CLOSED))
        there.incoming.cut(Cause(reason=Reason.SILENT))
        assert (await cause_of(there.receive())).reason is Reason.CLOSED
        await clock.advance(1)

    virtual(story)


@pytest.mark.parametrize("polite", [True, False])
@pytest.mark.parametrize("first", ["nobody", "there"])
def test_what_arrived_is_read_before_the_end_is_told_whoever_ended_it(polite: bool, first: str) -> None:
    """As on a WebSocket, where a writer may find the end before the reader has read what came before it."""

    async def story(clock: FakeClock) -> None:
        here, there = memory_pair()
        await there.send("last words")
        await there.send(b"\x00")
        if first == "there":
            await there.close(CloseCode.KICKED, "out")
        if polite:
            await here.close(CloseCode.GOING_AWAY, "bye")
        else:
            here.abort()
        assert [await here.receive(), await here.receive()] == ["last words", b"\x00"]
        told = "out" if first == "there" else "bye" if polite else "aborted"
        assert (await cause_of(here.receive())).detail == told
        assert (await cause_of(here.send("more"))).detail == told

    virtual(story)


@pytest.mark.parametrize("end", ["here", "there"])
def test_an_ended_link_leaves_no_timer(end: str) -> None:
    clock = FakeClock()

    async def story() -> None:
        here, there = memory_pair()
        there.incoming.delay = here.incoming.delay = 60.0
        await here.send("on the way")
        await there.send("on the way")
        there.incoming.delay = here.incoming.delay = 0.0
        (here if end == "here" else there).abort()
        await asyncio.Event().wait()  # for ever, as no timer is set

    with pytest.raises(Deadlock):
        run(story(), clock)
    assert clock.now() == 1_000.0


def test_it_is_a_transport() -> None:
    async def story(clock: FakeClock) -> None:
        here: Transport
        there: MemoryTransport
        here, there = memory_pair()
        here.abort()
        there.abort()

    virtual(story)
