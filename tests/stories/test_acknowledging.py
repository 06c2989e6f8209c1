"""Manual acknowledgement: what counts as handled, who gets again what was not acknowledged, and who does not."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from reconnect import AckSignal, AckStream, BadArgument, limits
from reconnect.core.frames import Handled
from tests.stories.stage import Member, Stage, story


async def _send(ben: Member, *data: Any, **options: Any) -> None:
    for one in data:
        await ben.signal(one, **options)


async def _take(stream: AckStream, count: int) -> list[AckSignal]:
    return [await anext(stream) for _ in range(count)]


def _data(signals: list[AckSignal]) -> list[Any]:
    return [signal.data for signal in signals]


async def _outage(stage: Stage, member: Member) -> int:
    """Let the member drop and come back; return the position that it claimed to have handled."""
    stage.network.cut(member.name)
    assert (await member.back()).resumed
    claim = member.wire.joins[-1].resume
    assert claim is not None
    await stage.idle()
    return claim.position


@story(Stage)
async def test_the_position_advances_when_it_is_acknowledged_and_in_any_order(stage: Stage) -> None:
    """R01: a resume claims what is below the lowest signal that is not acknowledged."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals(ack="manual")
    await _send(ben, 0, 1, 2, 3)
    one, two, three = await _take(stream, 3)
    assert (_data([one, two, three]), one.redelivered, stream.unacknowledged) == ([0, 1, 2], False, 3)
    assert await _outage(stage, anna) == one.position - 1
    assert three.ack()
    assert await _outage(stage, anna) == one.position - 1
    assert one.ack()
    assert not one.ack(), "it was acknowledged before"
    assert await _outage(stage, anna) == one.position
    assert two.ack()
    assert await _outage(stage, anna) == three.position
    (four,) = await _take(stream, 1)
    assert (four.data, repr(stream)) == (3, "<AckStream type=None waiting=0 unacknowledged=1>")
    four.ack()
    assert anna.heard == [0, 1, 2, 3], "observers hear each once, whoever acknowledges"


@story(Stage)
async def test_a_living_reader_gets_nothing_twice(stage: Stage) -> None:
    """R06: what the hub sends again after the resume was received before; who holds it still has it."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream, others = anna.session.signals(ack="manual"), anna.session.signals()
    await _send(ben, 0, 1, 2)
    held = await _take(stream, 2)
    await _outage(stage, anna)
    assert anna.session.statistics().counts["repeated_entries"] == 3
    assert _data(await _take(stream, 1)) == [2]
    for signal in held:
        assert signal.ack()
    await _send(ben, 3)
    assert _data(await _take(stream, 1)) == [3]
    assert [(await anext(others)).data for _ in range(4)] == [0, 1, 2, 3]


@story(Stage)
@pytest.mark.parametrize("end", ["cancelled", "failed"])
async def test_a_reader_that_dies_leaves_what_it_did_not_acknowledge(stage: Stage, end: str) -> None:
    """The next reader of the same iterator gets it first, after an outage or without one; others get nothing again."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream, other = anna.session.signals(ack="manual"), anna.session.signals(ack="manual")

    async def consume() -> None:
        async for signal in stream:
            if signal.data == 2:
                if end == "failed":
                    raise LookupError("a consumer's own mistake")
                await asyncio.Event().wait()
            if signal.data == 0:
                signal.ack()

    reader = asyncio.ensure_future(consume())
    await _send(ben, 0, 1, 2, 3)
    assert _data(await _take(other, 4)) == [0, 1, 2, 3]
    reader.cancel()
    await asyncio.wait([reader])
    position = await _outage(stage, anna)
    again = await _take(stream, 3)
    assert [(signal.data, signal.redelivered) for signal in again] == [(1, True), (2, True), (3, False)]
    assert position == again[0].position - 2, "what nobody acknowledged is claimed again"
    await _send(ben, 4)
    assert _data(await _take(other, 1)) == [4], "the other reader lives, and has all of it"


@story(Stage)
@pytest.mark.parametrize("end", ["closed", "forgotten", "died"])
async def test_the_next_iterator_of_its_type_begins_with_what_was_left(stage: Stage, end: str) -> None:
    """Closed, forgotten, or kept alive by the traceback of a task that failed: what it had is not lost, and its order holds."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream: AckStream | None = anna.session.signals("chat", ack="manual")
    other_type = anna.session.signals("other", ack="manual")
    await _send(ben, 0, 1, 2, type="chat")

    async def consume(from_here: AckStream) -> None:
        await _take(from_here, 2)
        raise LookupError("a consumer's own mistake")

    reader: asyncio.Task[None] | None = None
    assert stream is not None
    if end == "died":
        reader = asyncio.ensure_future(consume(stream))
        await asyncio.wait([reader])
    else:
        assert _data(await _take(stream, 2)) == [0, 1]
        if end == "closed":
            stream.close()
            stream.close()
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
    if end != "died":
        stream = None
    gc.collect()
    await _outage(stage, anna)
    await _send(ben, 3, type="chat")
    assert repr(other_type) == "<AckStream type='other' waiting=0 unacknowledged=0>"
    successor = anna.session.signals("chat", ack="manual")
    await _send(ben, 4, type="chat")
    # What arrives while there is no iterator of the type is nobody's; a reader that died left its iterator behind, which took it.
    rest = [2, 3, 4] if end == "died" else [2, 4]
    again = await _take(successor, 2 + len(rest))
    assert _data(again) == [0, 1, *rest]
    assert [signal.redelivered for signal in again] == [True, True, *[False] * len(rest)]
    for signal in again:
        assert signal.ack()
    assert await _outage(stage, anna) == again[-1].position
    if reader is not None:
        assert isinstance(reader.exception(), LookupError)
        assert stream is not None
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


@story(Stage)
async def test_a_late_acknowledgement_counts_and_nothing_is_handed_out_again(stage: Stage) -> None:
    """The dead reader's copy is as good as the one that waits."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals(ack="manual")
    await _send(ben, 0, 1)
    first, _ = await _take(stream, 2)
    stream.close()
    assert first.ack()
    again = await _take(anna.session.signals(ack="manual"), 1)
    assert _data(again) == [1]
    assert again[0].ack()


@story(Stage)
async def test_one_that_lets_go_of_everything(stage: Stage) -> None:
    """`close(discard=True)`: nothing is left to anybody, and nothing is held up."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals(ack="manual")
    await _send(ben, 0, 1)
    (first,) = await _take(stream, 1)
    stream.close(discard=True)
    assert not first.ack()
    successor = anna.session.signals(ack="manual")
    await _send(ben, 2)
    (second,) = await _take(successor, 1)
    assert second.data == 2
    assert await _outage(stage, anna) == second.position - 1


@story(Stage)
async def test_several_tasks_may_read_one_iterator(stage: Stage) -> None:
    """Each signal goes to one of them; what the one that dies had goes to the other, which waits for it."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals(ack="manual")
    seen: dict[str, list[tuple[Any, bool]]] = {"steady": [], "mortal": []}

    async def work(name: str) -> None:
        async for signal in stream:
            seen[name].append((signal.data, signal.redelivered))
            if name == "mortal":
                await asyncio.Event().wait()
            signal.ack()

    mortal = stage.start(work("mortal"))
    await stage.idle()
    await _send(ben, 0)
    await stage.idle()
    stage.start(work("steady"))
    await _send(ben, 1)
    await stage.idle()
    mortal.cancel()
    await stage.idle()
    assert seen == {"mortal": [(0, False)], "steady": [(1, False), (0, True)]}
    assert stream.unacknowledged == 0


@story(Stage)
async def test_who_acknowledges_nothing_stops_the_hub_after_its_window_and_is_told(stage: Stage) -> None:
    """Nothing piles up, nothing is lost, and it goes on as soon as somebody acknowledges."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals(ack="manual")
    many = limits.WINDOW_ENTRIES + 300
    for number in range(many):
        ben.signal(number)
        if number % 500 == 499:
            await ben.session.drain()
    await ben.session.drain()
    await stage.later(60.0)
    assert len(anna.heard) == limits.WINDOW_ENTRIES
    assert anna.tale == ["connected"], "the link lives all the while"
    (note,) = [line for line in anna.audit.records if line.get("what") == "unacknowledged"]
    assert "is not acknowledged, and the hub's window is used up" in note["detail"]
    for signal in await _take(stream, limits.WINDOW_ENTRIES):
        signal.ack()
    rest = await _take(stream, 300)
    assert _data(rest) == list(range(limits.WINDOW_ENTRIES, many))
    for signal in rest:
        signal.ack()
    await stage.later(5.0)
    assert anna.wire.all_sent(Handled)[-1].position == rest[-1].position


@story(Stage)
async def test_a_new_connection_forgets_positions_and_no_signal(stage: Stage) -> None:
    """R16: what is held from another life of the log holds nothing up in this one, and is acknowledged as before."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals(ack="manual")
    await _send(ben, "old", "older")
    (old,) = await _take(stream, 1)
    await stage.kill_hub()
    await stage.open()
    assert not (await anna.back()).resumed
    await ben.back()
    await stage.enter("carla")  # her coming takes the position that the old signal has in the other life
    await _send(ben, *range(9))
    older, *news = await _take(stream, 10)
    assert _data([older, *news]) == ["older", *range(9)]
    new = news[-1]
    assert all(signal.position != old.position for signal in news), "else it would prove nothing"
    assert all(signal.ack() for signal in news)
    assert await _outage(stage, anna) == new.position, "the two that are held count no more"
    assert (old.ack(), older.ack(), old.ack()) == (True, True, False)


@story(Stage)
async def test_at_the_end_what_waits_is_handed_out_and_what_was_left_is_forgotten(stage: Stage) -> None:
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream, closed = anna.session.signals(ack="manual"), anna.session.signals("chat", ack="manual")
    await _send(ben, 0, 1, type="chat")
    await _take(closed, 1)
    closed.close()
    (first,) = await _take(stream, 1)
    await anna.session.disconnect()
    assert _data([signal async for signal in stream]) == [1]
    assert first.ack()
    await anna.session.connect()
    successor = anna.session.signals("chat", ack="manual")
    await _send(ben, 2, type="chat")
    assert _data(await _take(successor, 1)) == [2]
    with pytest.raises(BadArgument, match="ack is 'auto' or 'manual', and this is 'sometimes'"):
        anna.session.signals(ack="sometimes")  # type: ignore[call-overload]  # the mistake that is to be told


@story(Stage)
async def test_an_observer_that_acknowledges_does_not_speak_for_what_comes_behind(stage: Stage) -> None:
    """R01: while signals of one message are still being told, only what was told can have been taken over."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stream = anna.session.signals("chat", ack="manual")
    await _send(ben, 0, type="chat")
    (first,) = await _take(stream, 1)
    anna.session.on("signal:other", lambda event: first.ack() and None)
    ben.signal("so be it", type="other")
    ben.signal(1, type="chat")
    (second,) = await _take(stream, 1)
    assert second.position == first.position + 2
    assert await _outage(stage, anna) == second.position - 1
