"""One attempt and its transport: the token, the dial, and every way in which either ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest

from reconnect import limits
from reconnect.core.frames import Frame, GoingAway, Goodbye, Ping, SendSignal
from reconnect.driver.links import READS_IN_A_ROW, Link, fetch_token
from reconnect.errors import BadUrl, TokenRejected, TransportFailed
from reconnect.ports import TokenSource, Transport
from reconnect.reasons import Cause, Reason
from reconnect.testing import FakeClock, run
from reconnect.transport.memory import MemoryTransport, memory_pair
from reconnect.wire import HubDialect, pack_stream_frame

URL = "ws://hub.test"


class Rig:
    """A link by itself, and everything that it reports."""

    def __init__(self, dialer: Any = None) -> None:
        self.reports: list[tuple[Any, ...]] = []
        self.tokens: list[str] = []
        self.ours, self.theirs = memory_pair()
        self.tasks: list[asyncio.Task[None]] = []
        self.dialed: list[str] = []
        self.link = Link(3, dialer=dialer or self.dial, dialect=HubDialect("member"), reports=self, spawn=self.spawn)

    async def dial(self, url: str) -> Transport:
        self.dialed.append(url)
        return self.ours

    def spawn(self, work: Coroutine[Any, Any, None], name: str, generation: int) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=f"{name}-{generation}")
        self.tasks.append(task)
        return task

    def fetched(self, token: str) -> None:
        self.tokens.append(token)

    def opened(self, generation: int) -> None:
        self.reports.append(("opened", generation))

    def ended(self, generation: int, cause: Cause) -> None:
        self.reports.append(("ended", generation, cause))

    def arrived(self, generation: int, frames: tuple[Frame, ...]) -> None:
        self.reports.append(("arrived", generation, *frames))

    def stream_frame(self, generation: int, message: bytes) -> None:
        self.reports.append(("stream_frame", generation, message))

    @property
    def cause(self) -> Cause:
        """Why it ended, which it reported once."""
        ends = [report[2] for report in self.reports if report[0] == "ended"]
        assert len(ends) == 1, self.reports
        assert isinstance(ends[0], Cause)
        return ends[0]


def story(play: Callable[[Rig, FakeClock], Coroutine[Any, Any, None]], dialer: Any = None) -> None:
    """Play with a link; abort it at last, and see that nothing is left."""
    clock = FakeClock()

    async def whole() -> None:
        rig = Rig(dialer)
        await play(rig, clock)
        rig.link.abort()
        await clock.idle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for task in rig.tasks:
            assert task.done()

    run(whole(), clock)


# -- tokens -------------------------------------------------------------------------------------------------------------------


async def an_async_source() -> str:
    await asyncio.sleep(1)
    return "from afar"


class Source:
    """A callable object that is async."""

    async def __call__(self) -> str:
        return "an object's"


@pytest.mark.parametrize(
    ("source", "token"),
    [("a value", "a value"), (lambda: "a callable's", "a callable's"), (an_async_source, "from afar"), (Source(), "an object's")],
)
def test_a_token_comes_from_a_value_or_a_callable(source: TokenSource, token: str) -> None:
    assert run(fetch_token(source)) == token


def raising(error: BaseException) -> Callable[[], str]:
    def source() -> str:
        raise error

    return source


async def raising_later() -> str:
    await asyncio.sleep(1)
    raise OSError("the secret is 12345")


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (
            raising(ValueError("the secret is 12345")),
            Cause(reason=Reason.TOKEN_UNAVAILABLE, detail="the token callable raised ValueError"),
        ),
        (raising_later, Cause(reason=Reason.TOKEN_UNAVAILABLE, detail="the token callable raised OSError")),
        (
            raising(TokenRejected(Reason.DENIED, "this account is closed")),
            Cause(reason=Reason.DENIED, final=True, detail="this account is closed"),
        ),
        (
            lambda: None,
            Cause(reason=Reason.TOKEN_UNAVAILABLE, detail="the token callable returned NoneType, not a string"),
        ),
        (lambda: b"token", Cause(reason=Reason.TOKEN_UNAVAILABLE, detail="the token callable returned bytes, not a string")),
        (
            lambda: "",
            Cause(
                reason=Reason.TOKEN_UNAVAILABLE, detail="the token callable returned a string that is empty or cannot be printed"
            ),
        ),
        (
            lambda: "\ud800",
            Cause(
                reason=Reason.TOKEN_UNAVAILABLE, detail="the token callable returned a string that is empty or cannot be printed"
            ),
        ),
    ],
)
def test_a_source_that_gives_no_token(source: TokenSource, cause: Cause) -> None:
    """What a source raises is not repeated: it may hold the secret."""

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, source)
        await clock.advance(2)
        assert rig.cause == cause
        assert (rig.dialed, repr(rig.link)) == ([], "<Link generation=3 new>")

    story(play)


# -- dialing ------------------------------------------------------------------------------------------------------------------


def test_a_dial_that_succeeds_is_read_and_written() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        assert repr(rig.link) == "<Link generation=3 new>"
        rig.link.send((Ping(),))
        rig.link.limit_messages(5)
        assert rig.link.send_stream_frame(1, b"frame") is False
        rig.link.dial(URL, "token")
        assert repr(rig.link) == "<Link generation=3 dialing>"
        await clock.idle()
        assert (rig.dialed, rig.reports, rig.link.token) == ([URL], [("opened", 3)], "token")
        assert repr(rig.link) == "<Link generation=3 open>"
        rig.link.send((SendSignal(serial=1),))
        rig.link.send((Ping(),))
        assert rig.link.send_stream_frame(7, b"frame") is True
        assert [await rig.theirs.receive() for _ in range(3)] == [
            '{"frame":"ping"}', '{"frame":"signal","serial":1}', pack_stream_frame(7, b"frame"),
        ]  # fmt: skip
        await rig.theirs.send('{"frame":"pong"}')
        await rig.theirs.send(b"\0\0\0\7frame")
        await clock.idle()
        assert rig.reports[1:] == [
            ("arrived", 3, HubDialect("member").decode('{"frame":"pong"}')[0]),
            ("stream_frame", 3, b"\0\0\0\7frame"),
        ]
        rig.link.limit_messages(12)
        assert rig.link.send_stream_frame(7, b"too large for it") is False
        rig.link.abort()
        assert repr(rig.link) == "<Link generation=3 over>"

    story(play)


def failing(error: BaseException) -> Callable[[str], Coroutine[Any, Any, Transport]]:
    async def dial(url: str) -> Transport:
        await asyncio.sleep(1)
        raise error

    return dial


CAUSE = Cause(reason=Reason.TLS_FAILED, final=True, detail="no")


@pytest.mark.parametrize(
    ("error", "advised", "cause"),
    [
        (TransportFailed(CAUSE), False, CAUSE),
        (OSError("no route"), False, Cause(reason=Reason.UNREACHABLE, detail="OSError: no route")),
        (KeyError("x"), False, Cause(reason=Reason.UNREACHABLE, detail="KeyError: 'x'")),
        (
            BadUrl("ws:", "it has no host"),
            False,
            Cause(
                reason=Reason.UNREACHABLE,
                final=True,
                detail="'ws:' is not usable: it has no host; write it as ws://host:port or wss://host",
            ),
        ),
        (
            BadUrl("ws:", "it has no host"),
            True,
            Cause(
                reason=Reason.UNREACHABLE, detail="'ws:' is not usable: it has no host; write it as ws://host:port or wss://host"
            ),
        ),
        (asyncio.CancelledError(), False, Cause(reason=Reason.UNREACHABLE, detail="the dialer was cancelled from within")),
    ],
)
def test_a_dial_that_fails_is_reported_once(error: BaseException, advised: bool, cause: Cause) -> None:
    """K04: a foreign exception is worth another attempt; our own says what it is, and an address from the hub is forgotten."""

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token", **({"advised": True} if advised else {}))
        await clock.advance(2)
        assert rig.cause == cause
        assert repr(rig.link) == "<Link generation=3 new>"

    story(play, failing(error))


def test_a_dial_that_is_aborted_reports_nothing() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.abort()
        await clock.advance(2)
        assert (rig.reports, rig.tasks[0].cancelled()) == ([], True)

    story(play, failing(OSError("late")))


def test_a_dial_that_is_closed_before_it_is_open_is_aborted() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.close(1000, "")
        await clock.advance(2)
        assert (rig.reports, repr(rig.link)) == ([], "<Link generation=3 over>")

    story(play, failing(OSError("late")))


def test_a_task_that_is_cancelled_from_outside_is_no_failure_of_the_dial() -> None:
    """A loop that is shut down cancels everything: U05, no cancellation is swallowed."""

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.tasks[0].cancel()
        await clock.idle()
        assert (rig.reports, rig.tasks[0].cancelled()) == ([], True)

    story(play, failing(OSError("late")))


def test_a_transport_that_comes_after_all_is_closed_at_once() -> None:
    """S09: the dialer swallowed its cancellation. The success is reported, for the core to audit as stale."""
    ours, theirs = memory_pair()

    async def stubborn(url: str) -> Transport:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return ours

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.abort()
        await clock.advance(6)
        assert rig.reports == [("opened", 3)]
        assert ours.ended is not None
        with pytest.raises(TransportFailed, match="reset by the other end"):
            await theirs.receive()
        assert len(rig.tasks) == 1, "nobody reads it and nobody writes it"

    story(play, stubborn)


def test_a_dialer_that_swallows_a_cancellation_from_within_its_own_failure() -> None:
    """One that raises a cancellation after it was aborted is over, and has nothing to report."""

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.abort()
        await clock.advance(6)
        assert rig.reports == []

    async def odd(url: str) -> Transport:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as cancelled:
            await asyncio.sleep(1)
            raise cancelled from None
        raise AssertionError("it was cancelled")

    story(play, odd)


# -- ends ---------------------------------------------------------------------------------------------------------------------


def test_the_end_of_the_transport_is_reported_with_its_cause() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        await rig.theirs.close(4001, "too slow")
        await clock.idle()
        assert rig.cause == Cause(reason=Reason.SLOW, code=4001, detail="too slow")

    story(play)


@pytest.mark.parametrize("waiting", [0, 1, READS_IN_A_ROW, 3 * READS_IN_A_ROW])
def test_what_arrived_before_the_end_is_reported_before_it_though_a_writer_finds_the_end_first(waiting: int) -> None:
    """B11: how long to stay away is in the last frame before the end, and a writer that fails must not hide it."""

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        for _ in range(waiting):
            await rig.theirs.send('{"frame":"pong"}')
        await rig.theirs.send('{"frame":"going_away","retry_after":7.0}')
        await rig.theirs.close(4000, "restart")
        rig.link.send((Ping(),))
        await clock.idle()
        assert rig.reports[-2:] == [
            ("arrived", 3, GoingAway(retry_after=7.0)),
            ("ended", 3, Cause(reason=Reason.GOING_AWAY, code=4000, detail="restart")),
        ]

    story(play)


def test_why_a_writer_gave_up_is_the_cause() -> None:
    """The reader finds no more than that the transport was aborted."""

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.send((Ping(),) * (limits.CONTROL_BACKLOG_BYTES // 8))
        await clock.idle()
        assert rig.cause.reason is Reason.SLOW

    story(play)


def test_a_message_that_is_none_is_a_protocol_error() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        await rig.theirs.send("[{]")
        await clock.idle()
        assert rig.cause.reason is Reason.PROTOCOL_ERROR
        assert rig.cause.detail.startswith("a message is not JSON")

    story(play)


class Broken(MemoryTransport):
    """A transport whose exceptions are its own."""

    async def receive(self) -> str | bytes:
        await asyncio.sleep(1)
        raise OSError("the line is gone")


def test_a_transport_that_raises_what_it_may_not_has_ended_all_the_same() -> None:
    """The mistake surfaces as the task's own, and the session goes on at once instead of waiting for silence."""
    ours, theirs = memory_pair()
    broken = Broken(ours.incoming, ours.outgoing)

    async def dial(url: str) -> Transport:
        return broken

    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.advance(2)
        assert rig.cause == Cause(reason=Reason.CLOSED, detail="reading failed: OSError")
        reader = rig.tasks[-1]
        assert str(reader.exception()) == "the line is gone"
        assert theirs.ended is None

    story(play, dial)


def test_what_a_report_raises_ends_the_link_too() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        def arrived(generation: int, frames: tuple[Frame, ...]) -> None:
            raise AssertionError("a mistake of ours")

        rig.arrived = arrived  # type: ignore[method-assign]  # the mistake
        rig.link.dial(URL, "token")
        await clock.idle()
        await rig.theirs.send('{"frame":"pong"}')
        await clock.idle()
        assert rig.cause == Cause(reason=Reason.CLOSED, detail="reading failed: AssertionError")
        assert isinstance(rig.tasks[-1].exception(), AssertionError)

    story(play)


def test_closed_politely_it_writes_what_was_sent_first() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.send((SendSignal(serial=1),))
        rig.link.close(1000, "bye")
        assert repr(rig.link) == "<Link generation=3 over>"
        before = clock.now()
        assert await rig.theirs.receive() == '{"frame":"signal","serial":1}'
        with pytest.raises(TransportFailed) as closed:
            await rig.theirs.receive()
        assert closed.value.cause == Cause(reason=Reason.CLOSED, code=1000, detail="bye")
        assert clock.now() == before, "nobody said goodbye, so no answer is waited for"
        rig.link.send((Ping(),))
        assert rig.link.send_stream_frame(1, b"frame") is False

    story(play)


@pytest.mark.parametrize("answers", [True, False])
def test_closed_after_a_goodbye_it_lets_the_hub_answer_and_end(answers: bool) -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.send((Goodbye(),))
        rig.link.close(1000, "bye")
        assert await rig.theirs.receive() == '{"frame":"goodbye"}'
        await clock.advance(1)
        assert rig.ours.ended is None
        if answers:
            await rig.theirs.send('{"frame":"goodbye"}')
            await rig.theirs.close(1000, "")
            await clock.idle()
        else:
            await clock.advance(limits.CLOSE_TIMEOUT_SECONDS)
        assert rig.ours.ended is not None
        assert rig.ours.ended.detail == "bye"

    story(play)


def test_closed_after_the_hub_said_goodbye_it_ends_at_once() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.send((Goodbye(),))
        await rig.theirs.send('{"frame":"goodbye"}')
        await clock.idle()
        rig.link.close(1000, "bye")
        await clock.idle()
        assert rig.ours.ended is not None
        assert rig.ours.ended.detail == "bye"

    story(play)


def test_aborted_it_sends_and_reports_nothing_more() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        rig.link.abort()
        rig.link.send((Ping(),))
        await clock.idle()
        assert [report[0] for report in rig.reports] == ["opened", "ended"], "the reader's end is the core's to call stale"
        assert rig.cause.detail == "aborted"

    story(play)


def test_a_link_that_never_stops_talking_lets_others_have_their_turn() -> None:
    async def play(rig: Rig, clock: FakeClock) -> None:
        rig.link.dial(URL, "token")
        await clock.idle()
        turns: list[int] = []

        async def other() -> None:
            for _ in range(3):
                turns.append(len(rig.reports))
                await asyncio.sleep(0)

        for _ in range(3 * READS_IN_A_ROW):
            await rig.theirs.send('{"frame":"pong"}')
        rig.tasks.append(asyncio.ensure_future(other()))
        await clock.idle()
        assert len(rig.reports) == 1 + 3 * READS_IN_A_ROW
        assert any(1 < read < 1 + 3 * READS_IN_A_ROW for read in turns), "somebody else ran in between"
        assert max(later - earlier for earlier, later in pairwise(turns)) <= READS_IN_A_ROW

    story(play)
