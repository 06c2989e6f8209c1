"""The books of manual acknowledgement; its stories are in tests/stories/test_acknowledging.py."""

from __future__ import annotations

import asyncio

import pytest

from reconnect.client.acknowledging import Acknowledgements
from reconnect.core.notices import Signal
from reconnect.testing import run


def signal(position: int, type: str = "") -> Signal:
    return Signal(type=type, data=position, sender="other", serial=position, position=position)


def test_the_lowest_position_is_that_of_the_slowest_iterator_of_the_type() -> None:
    async def story() -> None:
        asked: list[int | None] = []
        books = Acknowledgements(acknowledged=lambda: asked.append(books.lowest))
        assert not books
        every, chats = books.stream(None), books.stream("chat")
        for position, type in ((3, "chat"), (5, ""), (8, "chat")):
            books.put(signal(position, type))
        assert repr(books) == "<Acknowledgements iterators=2 left=0 lowest=3>"
        all_of_them = [await anext(every) for _ in range(3)]
        assert [one.ack() for one in reversed(all_of_them)] == [True, True, True]
        first, second = await anext(chats), await anext(chats)
        assert repr(first).endswith("redelivered=False, _delivery=<Delivery 1>)")
        assert [second.ack(), first.ack(), first.ack()] == [True, True, False]
        assert repr(first).endswith("_delivery=<Delivery 1 acknowledged>)")
        assert asked == [3, 3, 3, 3, None]
        assert books

    run(story())


def test_what_nobody_reads_is_not_kept() -> None:
    async def story() -> None:
        books = Acknowledgements(acknowledged=lambda: None)
        stream = books.stream("chat")
        books.put(signal(1, "other"))
        assert books.lowest is None
        stream.close()
        books.put(signal(2, "chat"))
        assert repr(books) == "<Acknowledgements iterators=0 left=0 lowest=None>"

    run(story())


def test_a_reader_that_ended_well_is_no_dead_one() -> None:
    """A task that reads one signal and ends, as a wait with a limit may start one, took it over."""

    async def story() -> None:
        books = Acknowledgements(acknowledged=lambda: None)
        stream = books.stream(None)
        for position in (1, 2):
            books.put(signal(position))
        first = await asyncio.ensure_future(anext_of(stream))
        await asyncio.sleep(1.0)
        second = await anext(stream)
        assert (first.position, second.position, second.redelivered) == (1, 2, False)
        assert books.stream(None).unacknowledged == 0

    async def anext_of(stream: object) -> Signal:
        return await anext(stream)  # type: ignore[call-overload, no-any-return]  # any iterator of signals

    run(story())


def test_a_reader_that_died_is_told_of_though_nobody_awaits_it(caplog: pytest.LogCaptureFixture) -> None:
    """Its task would say so itself, had the books not asked it how it ended."""

    async def story() -> None:
        books = Acknowledgements(acknowledged=lambda: None)
        stream = books.stream(None)
        books.put(signal(1))

        async def work() -> None:
            await anext(stream)
            raise RuntimeError("the machine is out of water")

        await asyncio.wait([asyncio.ensure_future(work())])
        again = await anext(stream)
        assert again.redelivered

    run(story())
    (told,) = caplog.records
    assert told.getMessage() == "a reader of signals died; what it had not acknowledged comes again"
    assert told.exc_info is not None
    assert str(told.exc_info[1]) == "the machine is out of water"
