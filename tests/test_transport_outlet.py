"""The outlet: what goes first, what travels together, what is never queued, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from reconnect import limits
from reconnect.core.frames import (
    Accepted,
    Entry,
    EntryKind,
    Frame,
    GoingAway,
    Goodbye,
    Handled,
    Ping,
    Pong,
    SendSignal,
)
from reconnect.core.runs import Run
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.testing import Deadlock, FakeClock, ScriptedTransport, run
from reconnect.transport.outlet import Outlet
from reconnect.wire import HubDialect, unpack_stream_frame

MEMBER, HUB = HubDialect("member"), HubDialect("hub")


class Stage:
    """An outlet with its writer running, on a scripted transport."""

    def __init__(self, dialect: HubDialect = MEMBER, message_bytes: int = limits.MESSAGE_BYTES) -> None:
        self.transport = ScriptedTransport()
        self.told: list[Cause] = []
        self.outlet = Outlet(self.transport, dialect, message_bytes=message_bytes, on_ended=self.told.append)
        self.writer = asyncio.get_running_loop().create_task(self.outlet.run())

    async def ended(self) -> None:
        """Return when the writer is done, and see that it left nothing behind."""
        await self.writer
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}


def signal(serial: int, size: int = 1) -> SendSignal:
    return SendSignal(serial=serial, data=msgspec.Raw(b'"' + b"x" * size + b'"'))


def entry(position: int, size: int = 1) -> Entry:
    data = msgspec.Raw(b'"' + b"x" * size + b'"')
    return Entry(position=position, after=position - 1, what=EntryKind.SIGNAL, data=data)


def in_a_row(after: int, *entries: Entry) -> Run:
    return Run(after=after, entries=entries)


def kinds(messages: list[list[Frame | bytes]]) -> list[str]:
    return [" ".join(type(frame).__name__ for frame in message) for message in messages]


def virtual(story: Any) -> None:
    clock = FakeClock()
    run(story(clock), clock)


# -- order ---------------------------------------------------------------------------------------------------------------------


def test_what_one_turn_produced_travels_together_control_first() -> None:
    """A16: signals of one turn are one message; control frames and stream frames keep their places around it."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        assert stage.outlet.stream_frame(7, b"media")
        stage.outlet.signals([signal(1), signal(2)])
        stage.outlet.control([Ping()])
        stage.outlet.signals([signal(3)])
        stage.outlet.control([Handled(position=4)])
        await clock.idle()
        assert kinds(stage.transport.read(HUB)) == ["Ping Handled", "SendSignal SendSignal SendSignal", "bytes"]
        assert unpack_stream_frame(stage.transport.sent[2])[0] == 7  # type: ignore[arg-type]  # the third one is binary
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


GIVEN: dict[str, Callable[[Outlet], object]] = {
    "control": lambda outlet: outlet.control([Ping()]),
    "signals": lambda outlet: outlet.signals([Ping()]),
    "entries": lambda outlet: outlet.entries(in_a_row(0, entry(1))),
    "stream frame": lambda outlet: outlet.stream_frame(1, b"media"),
}


@pytest.mark.parametrize("what", GIVEN)
def test_a_writer_that_has_nothing_to_do_wakes_for_everything(what: str) -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        await clock.idle()
        GIVEN[what](stage.outlet)
        await clock.idle()
        assert len(stage.transport.sent) == 1
        stage.outlet.close(1000, "bye")
        await stage.ended()
        assert stage.transport.ends == ["close 1000 bye"]

    virtual(story)


def test_nothing_is_written_for_nothing() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        stage.outlet.control([])
        stage.outlet.signals([])
        stage.outlet.entries(in_a_row(0))
        await clock.idle()
        assert stage.transport.sent == []
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_a_line_that_takes_bulk_at_once_is_given_larger_messages() -> None:
    """And the smallest again as soon as it makes us wait: a control frame must find its turn."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        lengths: list[int] = []
        for _ in range(4):
            stage.outlet.signals([signal(serial, 5_000) for serial in range(1, 81)])
            await clock.idle()
            lengths.append(max(map(len, stage.transport.sent)))
            stage.transport.sent.clear()
        assert lengths[0] <= limits.BATCH_BYTES < lengths[1] < lengths[2] <= limits.MOST_BATCH_BYTES
        assert lengths[3] <= limits.MOST_BATCH_BYTES
        stage.transport.hold()
        stage.outlet.signals([signal(81, 5_000)])
        await clock.advance(2 * limits.PROMPT_SECONDS)
        stage.transport.release()
        await clock.idle()
        stage.transport.sent.clear()
        stage.outlet.signals([signal(serial, 5_000) for serial in range(82, 120)])
        await clock.idle()
        assert max(map(len, stage.transport.sent)) <= limits.BATCH_BYTES
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_control_frames_pass_what_waits() -> None:
    """A16: between two messages of bulk the control frames that came meanwhile are written."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.transport.hold()
        stage.outlet.signals([signal(serial, 5_000) for serial in range(1, 8)])
        await clock.idle()
        fives = " ".join(["SendSignal"] * 5)  # what fits into a batch
        assert kinds(stage.transport.read(HUB)) == [fives]
        stage.outlet.stream_frame(1, b"media")
        stage.outlet.control([Ping()])
        stage.transport.release()
        await clock.idle()
        assert kinds(stage.transport.read(HUB)) == [fives, "Ping", "SendSignal SendSignal", "bytes"]
        serials = [f.serial for message in stage.transport.read(HUB) for f in message if isinstance(f, SendSignal)]
        assert serials == [1, 2, 3, 4, 5, 6, 7]
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_a_small_limit_of_the_peer_is_kept() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.outlet.message_bytes = 100
        stage.outlet.signals([signal(serial) for serial in range(1, 9)])
        stage.outlet.control([Ping(), Ping(), Ping(), Ping(), Ping(), Ping(), Ping()])
        await clock.idle()
        assert all(len(message) <= 100 for message in stage.transport.sent)
        assert len(stage.transport.sent) == 6
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_entries_and_signals_keep_the_order_in_which_they_were_given() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        stage.outlet.entries(in_a_row(0, entry(1), entry(2)))
        stage.outlet.signals([Ping()])
        stage.outlet.entries(in_a_row(2, entry(5)))
        stage.outlet.entries(in_a_row(0))
        await clock.idle()
        assert kinds(stage.transport.read(MEMBER)) == ["Entry Entry", "Ping", "Entry"]
        assert [f.after for message in stage.transport.read(MEMBER) for f in message if isinstance(f, Entry)] == [0, 1, 2]
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


@pytest.mark.parametrize("farewell", [Goodbye(), GoingAway(retry_after=1.0)])
def test_the_farewell_comes_behind_all_that_was_given_before(farewell: Frame) -> None:
    """A goodbye that overtook a signal would lose it."""

    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB if isinstance(farewell, GoingAway) else MEMBER)
        stage.outlet.signals([Ping(position=1)])
        stage.outlet.control([farewell])
        await clock.idle()
        reader = MEMBER if isinstance(farewell, GoingAway) else HUB
        assert kinds(stage.transport.read(reader)) == [f"Ping {type(farewell).__name__}"]
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_a_claim_that_overtakes_is_no_lie() -> None:
    """A member that reads `position` above its own believes in a hole, so what is ahead of entries claims less."""

    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        stage.transport.hold()
        stage.outlet.entries(in_a_row(10, *[entry(position, 9_000) for position in (11, 12, 13)]))
        await clock.idle()
        stage.outlet.entries(in_a_row(13, entry(20)))
        stage.outlet.control([Accepted(serial=1, position=20), Pong(position=9), Pong(position=20)])
        stage.transport.release()
        await clock.idle()
        received = 10
        for frame in (frame for message in stage.transport.read(MEMBER) for frame in message):
            if isinstance(frame, Entry):
                received = frame.position
            elif isinstance(frame, Accepted | Pong):
                assert frame.position <= received
        assert received == 20
        # With nothing waiting the claim stands as it was made.
        stage.outlet.control([Pong(position=20)])
        await clock.idle()
        assert stage.transport.read(MEMBER)[-1] == [Pong(position=20)]
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_a_claim_counts_from_the_entries_that_came_while_a_batch_was_written() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        stage.transport.hold()
        stage.outlet.signals([Ping()])
        stage.outlet.entries(in_a_row(10, entry(11)))
        await clock.idle()  # the ping is being written
        stage.outlet.signals([Ping()])
        stage.outlet.entries(in_a_row(11, entry(12)))
        stage.transport.release()
        await clock.idle()
        stage.transport.hold()
        stage.outlet.signals([Ping()])
        await clock.idle()
        stage.outlet.entries(in_a_row(12, entry(13)))
        stage.outlet.control([Pong(position=13)])
        stage.transport.release()
        await clock.idle()
        frames = [frame for message in stage.transport.read(MEMBER) for frame in message]
        assert [frame.position for frame in frames if isinstance(frame, Entry | Pong)] == [11, 12, 12, 13]
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


# -- bounds --------------------------------------------------------------------------------------------------------------------


def test_stream_frames_are_not_queued_beyond_their_bound() -> None:
    """Stale media is worth nothing, so `send()` is False while the line is behind."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.transport.hold()
        taken = [stage.outlet.stream_frame(1, b"x" * 65_532) for _ in range(6)]
        assert taken == [True] * 4 + [False] * 2
        assert stage.outlet.stream_backlog == limits.FRAME_BACKLOG_BYTES
        await clock.idle()
        assert not stage.outlet.stream_frame(1, b"late")  # what is being written is not written yet
        stage.transport.release()
        await clock.idle()
        assert stage.outlet.stream_backlog == 0
        assert len(stage.transport.sent) == 4
        assert stage.outlet.stream_frame(1, b"in time")
        stage.outlet.abort()
        await stage.ended()
        assert not stage.outlet.stream_frame(1, b"too late")

    virtual(story)


def test_a_large_stream_frame_travels_when_nothing_is_before_it() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage()
        large = b"x" * (limits.FRAME_BACKLOG_BYTES + 1)
        assert stage.outlet.stream_frame(1, large)
        assert not stage.outlet.stream_frame(1, b"")
        await clock.idle()
        assert stage.outlet.stream_frame(1, b"")
        await clock.idle()
        assert not stage.outlet.stream_frame(1, b"x" * (limits.MESSAGE_BYTES - 3))  # no peer would take it
        assert stage.outlet.stream_frame(1, b"x" * (limits.MESSAGE_BYTES - 4))
        stage.outlet.abort()
        await stage.ended()

    virtual(story)


def test_one_packed_message_serves_many_outlets() -> None:
    async def story(clock: FakeClock) -> None:
        first, second = Stage(HUB), Stage(HUB)
        message = b"\x00\x00\x00\x01media"
        assert first.outlet.relay(message)
        assert second.outlet.relay(message)
        await clock.idle()
        assert first.transport.sent[0] is second.transport.sent[0] is message
        first.outlet.abort()
        second.outlet.abort()
        await first.writer
        await second.writer

    virtual(story)


def test_a_peer_that_reads_no_control_frames_is_given_up() -> None:
    """The backlog of control frames has a bound, and breaking it ends the transport."""

    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        stage.transport.hold()
        bulky = [Accepted(serial=1, position=1)] * quarter_of_the_bound()
        while not stage.transport.ends:
            assert stage.outlet.control_backlog <= limits.CONTROL_BACKLOG_BYTES
            assert not stage.told
            stage.outlet.control(bulky)
        await stage.ended()
        (cause,) = stage.told
        assert cause.reason is Reason.SLOW
        assert not cause.final
        assert "bytes of control frames unread" in cause.detail
        assert stage.transport.ends == ["abort"]
        stage.outlet.control([Ping()])
        assert len(stage.transport.sent) == 0

    virtual(story)


def quarter_of_the_bound() -> int:
    """Return how many small frames make a quarter of the bound."""
    return limits.CONTROL_BACKLOG_BYTES // 4 // len('{"frame":"accepted","serial":1,"position":1},')


def test_why_it_gave_up_is_told_before_the_reader_can_find_the_end() -> None:
    """The reader finds no more than that the transport was aborted."""

    async def story(clock: FakeClock) -> None:
        stage = Stage(HUB)
        known: list[int] = []

        def abort() -> None:
            known.append(len(stage.told))

        stage.transport.abort = abort  # type: ignore[method-assign]  # looked at
        stage.outlet.control([Accepted(serial=1, position=1)] * (5 * quarter_of_the_bound()))
        assert known == [1]
        stage.outlet.abort()
        await stage.ended()
        assert [cause.reason for cause in stage.told] == [Reason.SLOW]

    virtual(story)


# -- the end -------------------------------------------------------------------------------------------------------------------


def test_a_failing_transport_is_told_once() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage()
        cause = Cause(reason=Reason.GOING_AWAY, code=4000)
        stage.transport.fail(cause)
        stage.outlet.control([Ping()])
        stage.outlet.signals([signal(1)])
        await stage.ended()
        stage.outlet.control([Ping()])
        stage.outlet.signals([signal(2)])
        stage.outlet.entries(in_a_row(0, entry(1)))
        stage.outlet.close(1000, "")
        stage.outlet.abort()
        assert stage.told == [cause]
        assert repr(stage.outlet) == "<Outlet ended control=0 waiting=0 stream=0>"

    virtual(story)


def test_close_writes_what_was_given_first() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.outlet.stream_frame(1, b"media")
        stage.outlet.signals([signal(1)])
        stage.outlet.close(CloseCode.GOING_AWAY, "bye")
        assert repr(stage.outlet) == "<Outlet closing control=0 waiting=1 stream=9>"
        stage.outlet.signals([signal(2)])
        stage.outlet.entries(in_a_row(0, entry(1)))
        stage.outlet.control([Ping()])
        stage.outlet.close(CloseCode.KICKED, "a second time")
        assert not stage.outlet.stream_frame(1, b"too late")
        await stage.ended()
        assert kinds(stage.transport.read(HUB)) == ["SendSignal", "bytes"]
        assert stage.transport.ends == ["close 4000 bye"]
        assert stage.told == []
        await clock.advance(2 * limits.CLOSE_TIMEOUT_SECONDS)
        assert stage.transport.ends == ["close 4000 bye"]  # no timer was left

    virtual(story)


@pytest.mark.parametrize("stuck", ["writing", "closing"])
def test_close_has_an_end(stuck: str) -> None:
    """A peer that does not read, or does not answer the close, holds nobody up."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.transport.hold(closing=stuck == "closing")
        stage.outlet.signals([signal(1)])
        began = clock.now()
        stage.outlet.close(CloseCode.GOING_AWAY, "bye")
        await stage.ended()
        assert clock.now() == began + limits.CLOSE_TIMEOUT_SECONDS
        assert stage.transport.ends[0] == "abort"
        assert stage.told == []

    virtual(story)


@pytest.mark.parametrize("aborted", [False, True])
def test_an_outlet_that_has_ended_leaves_no_timer(aborted: bool) -> None:
    clock = FakeClock()

    async def story() -> None:
        stage = Stage()
        stage.outlet.close(1000, "bye")
        if aborted:
            stage.outlet.abort()
        await stage.ended()
        await asyncio.Event().wait()  # for ever, as no timer is set

    with pytest.raises(Deadlock):
        run(story(), clock)
    assert clock.now() == 1_000.0


def test_a_failure_while_closing_is_not_told() -> None:
    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.transport.hold()
        stage.outlet.signals([signal(1)])
        stage.outlet.close(1000, "")
        await clock.idle()
        stage.transport.fail(Cause(reason=Reason.CLOSED))
        await stage.ended()
        assert stage.told == []

    virtual(story)


def test_abort_ends_at_once_and_says_nothing() -> None:
    """What the owner ended itself is not reported to it."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        stage.transport.hold()
        stage.outlet.stream_frame(1, b"media")
        await clock.idle()
        stage.outlet.stream_frame(1, b"more media")
        stage.outlet.signals([signal(1)])
        stage.outlet.abort()
        await stage.ended()
        assert not stage.outlet._stream.messages  # what will never be written is not kept
        assert len(stage.transport.sent) == 1
        assert stage.transport.ends == ["abort"]
        assert stage.outlet.stream_backlog == 0
        assert stage.told == []

    virtual(story)


def test_a_cancelled_writer_aborts() -> None:
    """A24: whoever cancels the task leaves no transport open behind it."""

    async def story(clock: FakeClock) -> None:
        stage = Stage()
        await clock.idle()
        assert repr(stage.outlet) == "<Outlet open control=0 waiting=0 stream=0>"
        stage.writer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stage.writer
        assert stage.transport.ends == ["abort"]
        assert stage.told == []

    virtual(story)


def test_a_mistake_while_writing_is_told_and_raised() -> None:
    class Broken(HubDialect):
        def encode(self, frames: Sequence[Frame], message_bytes: int) -> list[str]:
            raise ZeroDivisionError

    async def story(clock: FakeClock) -> None:
        stage = Stage(Broken("member"))
        stage.outlet.control([Ping()])
        with pytest.raises(ZeroDivisionError):
            await stage.writer
        assert stage.told == [Cause(reason=Reason.CLOSED, detail="writing failed: ZeroDivisionError")]
        assert stage.transport.ends == ["abort"]

    virtual(story)
