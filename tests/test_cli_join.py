"""`reconnect join`: what is typed is done, what happens is told, and the exit code says whether all of it went well."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import StringIO
from typing import Any

import pytest
from typer.testing import CliRunner

import reconnect
from reconnect.cli.app import app
from reconnect.cli.cutting import CuttableDialer
from reconnect.cli.join import run_member
from reconnect.cli.member import MEMBER_EVENTS, OWN_EVENTS, STREAM_EVENTS, Member
from reconnect.cli.output import PrintFailed
from reconnect.cli.stdin import stdin_reader, typed_lines
from reconnect.cli.telling import JsonLines, TerminalLines, words
from reconnect.cli.typed import COMMANDS, Typed
from reconnect.core.notices import SESSION_NOTICES
from reconnect.errors import ConnectFailed, TransportFailed
from reconnect.ports import Transport
from reconnect.retry import full_jitter
from reconnect.transport.memory import MemoryTransport, memory_pair
from reconnect.transport.websocket import WebSocketDialer
from tests.conftest import Runner
from tests.terminals import SECRET, Command, Keyboard, Screen, Teletype, paper, without_styles

FOREVER = 3_600.0


def token(name: str, role: str = "publisher", session: str = "room-1") -> str:
    return reconnect.make_token(SECRET, session=session, client_id=name, role=role)


# -- cutting the link ------------------------------------------------------------------------------------------------------


class Network:
    """Opens memory transports, when it is let."""

    def __init__(self) -> None:
        self.opened: list[MemoryTransport] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, url: str) -> Transport:
        await self.may.wait()
        self.opened.append(memory_pair()[0])
        return self.opened[-1]


def is_open(transport: MemoryTransport) -> bool:
    return "open" in repr(transport)


def test_a_cut_is_a_reset_and_the_next_link_is_let_through(run: Runner) -> None:
    async def story() -> None:
        network = Network()
        link = CuttableDialer(network)
        link.cut()
        first = await link("ws://hub")
        assert is_open(network.opened[0])
        link.cut()
        with pytest.raises(TransportFailed, match="closed: aborted"):
            await first.receive()
        await link("ws://hub")
        assert [is_open(each) for each in network.opened] == [False, True]
        assert repr(link) == "<CuttableDialer cuts=2>"

    run(story())


def test_while_it_is_away_nothing_is_dialed(run: Runner) -> None:
    async def story() -> None:
        network = Network()
        link = CuttableDialer(network)
        link.cut(FOREVER)
        with pytest.raises(TransportFailed, match=r"unreachable: the link is cut for another 3[56]\d\d\.\d s"):
            await link("ws://hub")
        assert network.opened == []

    run(story())


@pytest.mark.parametrize(("seconds", "why"), [(0.0, "closed: the link was cut while it was opened"), (FOREVER, "unreachable")])
def test_a_link_that_was_being_opened_is_cut_as_well(run: Runner, seconds: float, why: str) -> None:
    async def story() -> None:
        network = Network()
        network.may.clear()
        link = CuttableDialer(network)
        dialing = asyncio.create_task(link("ws://hub"))
        await asyncio.sleep(0)
        link.cut(seconds)
        network.may.set()
        with pytest.raises(TransportFailed, match=why):
            await dialing
        assert not is_open(network.opened[0])

    run(story())


# -- reading what is typed -------------------------------------------------------------------------------------------------


async def lines_of(*chunks: bytes) -> list[str]:
    rest = iter([*chunks, b""])
    return [line async for line in typed_lines(lambda: next(rest))]


def test_lines_are_read_whatever_the_pieces(run: Runner) -> None:
    assert run(lines_of(b"one\ntw", b"o\r\n", b"\nthree")) == ["one", "two", "", "three"]
    assert run(lines_of()) == []
    assert run(lines_of(b"caf\xc3", b"\xa9 \xff\n")) == ["caf\u00e9 \ufffd"]


def test_nothing_is_read_ahead_of_what_was_taken(run: Runner) -> None:
    """A large file is not read into memory."""
    rest = iter([b"one\ntwo\n", b"three\n", b""])
    reads: list[bytes] = []

    def read() -> bytes:
        reads.append(next(rest))
        return reads[-1]

    async def story() -> list[tuple[str, int]]:
        seen = []
        async for line in typed_lines(read):
            await asyncio.to_thread(lambda: None)  # the reading thread may have its turn
            seen.append((line, len(reads)))
        return seen

    assert run(story()) == [("one", 1), ("two", 1), ("three", 2)]


def test_a_terminal_that_is_gone_is_the_end(run: Runner) -> None:
    def gone() -> bytes:
        raise OSError("the terminal is gone")

    async def story() -> list[str]:
        return [line async for line in typed_lines(gone)]

    assert run(story()) == []


def test_what_is_typed_after_the_end_of_the_loop_is_left_alone() -> None:
    keyboard = Keyboard("first", ends=False)

    async def story() -> str:
        return await anext(typed_lines(lambda: keyboard.read(1)))

    assert asyncio.run(story()) == "first"
    keyboard.type("too late")
    keyboard.close()


def test_a_stdin_that_was_closed_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert stdin_reader()() == b""
    monkeypatch.setattr(sys, "stdin", Keyboard("line"))
    read = stdin_reader()
    assert (read(), read()) == (b"line\n", b"")


# -- telling ---------------------------------------------------------------------------------------------------------------

SIGNAL = {"event": "signal", "type": "chat", "data": "hello", "repeat": False}
OUTCOME = {"event": "outcome", "status": "failed", "reason": None, "code": None, "possibly_sent": False, "text": "hello"}
STREAM = {"stream": "camera", "id": "s1", "number": 2, "muted": False}


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        (SIGNAL, "hello"),
        (SIGNAL | {"data": "two\nrows"}, "two\\nrows"),
        (SIGNAL | {"type": "position", "data": {"x": 1}}, 'position: {"x": 1}'),
        (SIGNAL | {"type": "", "data": None, "repeat": True}, "no type: null (possibly a repeat)"),
        (
            OUTCOME | {"reason": "gave_up", "possibly_sent": True},
            "failed (the hub could not be reached again; it may have been sent): hello",
        ),
        (OUTCOME | {"status": "dropped", "reason": "opted_out"}, "dropped (worthless if late, and the link was away): hello"),
        (
            OUTCOME | {"status": "rejected", "code": "forbidden"},
            "rejected (this token lets you receive only; a publisher's lets you send): hello",
        ),
        (OUTCOME | {"status": "rejected", "code": "too_large"}, "rejected (too_large): hello"),
        ({"event": "held", "text": "hello"}, "sent when the link is back: hello"),
        ({"event": "error", "sentence": "what went wrong"}, "what went wrong"),
        ({"event": "breaks", "words": "your link is cut"}, "your link is cut"),
        ({"event": "restored"}, "the link works again"),
        ({"event": "connected"}, "in the session"),
        ({"event": "disconnected", "reason": "client_disconnected", "detail": ""}, "left the session"),
        (
            {"event": "disconnected", "reason": "kicked", "detail": "you were removed"},
            "out of the session (kicked: you were removed)",
        ),
        ({"event": "disconnected", "reason": "kicked", "detail": ""}, "out of the session (kicked)"),
        (
            {"event": "disconnected", "reason": "gave_up", "detail": ""},
            "out of the session (gave_up); see that the hub runs, and join again",
        ),
        (
            {"event": "disconnected", "reason": "denied", "detail": "no such token"},
            "out of the session (denied: no such token); the hub may run with another secret by now; join again with a token of "
            "this one, as `reconnect serve --dev` prints, and `reconnect token` makes",
        ),
        ({"event": "updated", "what": "slept", "seconds": 7.4}, "this machine slept for 7 s"),
        ({"event": "updated", "what": "token", "seconds": 0.0}, "new token"),
        ({"event": "connection_created", "role": "publisher"}, "is in the session, as a publisher"),
        ({"event": "connection_interrupted", "reason": "silent"}, "lost its link (silent); its place is kept"),
        ({"event": "connection_interrupted", "reason": "going_away"}, "was sent away: the hub stops"),
        ({"event": "connection_restored"}, "is back"),
        ({"event": "connection_destroyed", "reason": "kicked"}, "is gone (kicked)"),
        (STREAM | {"event": "stream_created"}, "publishes camera; /subscribe 2 to receive it"),
        (STREAM | {"event": "stream_interrupted", "reason": "closed"}, "camera stands still (closed)"),
        (STREAM | {"event": "stream_restored"}, "camera plays again"),
        (STREAM | {"event": "stream_destroyed", "reason": "unpublished"}, "camera is over (unpublished)"),
        (STREAM | {"event": "stream_updated", "muted": True}, "camera is muted"),
        (STREAM | {"event": "stream_updated"}, "camera is not muted any more"),
        (STREAM | {"event": "publisher.live", "reason": None}, "camera: its stream is live"),
        (STREAM | {"event": "subscriber.disconnected", "reason": "closed"}, "camera: the stream stands still (closed)"),
        ({"event": "streams", "streams": []}, "nobody publishes a stream"),
    ],
)
def test_each_entry_is_told_in_words(entry: dict[str, Any], sentence: str) -> None:
    assert words(entry) == sentence


def test_lists_have_a_row_for_each_item() -> None:
    anna = {"name": "anna", "role": "publisher", "away": False, "you": True}
    bob = anna | {"name": "b\nob", "away": True, "you": False}
    assert words({"event": "members", "members": [anna, bob]}) == "anna, publisher, you\nb\\nob, publisher, away"
    stream = {"number": 1, "stream": "camera", "by": "anna", "away": True, "muted": True, "subscribed": True}
    assert words({"event": "streams", "streams": [stream]}) == "1  camera of anna, away, muted, subscribed"
    numbers = {"submitted": 3, "pending": 1, "outcomes": {"delivered": 2, "failed": 0}, "received": 1, "frames": 5, "outages": 1}
    assert words({"event": "statistics", "state": "connected", **numbers}).split("\n") == [
        "3 signals sent: 2 delivered, 1 pending", "1 signal and 5 stream frames received", "1 outage, now connected",
    ]  # fmt: skip


def test_every_event_of_a_session_is_told() -> None:
    assert {*OWN_EVENTS, *MEMBER_EVENTS, *STREAM_EVENTS, "signal"} == {notice.name for notice in SESSION_NOTICES}


def entry(event: str, who: str = "anna", **facts: Any) -> dict[str, Any]:
    return {"at": "2026-01-02T03:04:05.678Z", "who": who, "event": event, **facts}


def test_a_terminal_shows_aligned_lines_and_no_delivered_signal() -> None:
    lines, out = paper(200, columns=23)
    show = TerminalLines("anna", lines)
    for status in ("delivered", "failed"):
        show.event(entry("outcome") | OUTCOME | {"status": status})
    show.event(entry("connection_interrupted", "b\x1bob", reason="closed"))
    show.event(entry("publisher.live", stream="ca\x1bmera", reason=None))
    show.event(entry("breaks", "network", words="cut"))
    assert [row[10:] for row in without_styles(out.getvalue())] == [
        "anna       not delivered          failed (): hello",
        "b\\x1bob    connection interrupted lost its link (closed); its place is kept",
        "anna       stream live            ca\\x1bmera: its stream is live",
        "network    breaks                 cut",
    ]
    assert all(re.match(r"\d\d:04:05  ", row) for row in without_styles(out.getvalue()))


def test_help_fits_into_eighty_columns() -> None:
    lines, out = paper(80, terminal=True)
    TerminalLines("anna", lines).event(entry("help", commands=COMMANDS))
    printed = without_styles(out.getvalue())
    assert len(printed) == len(COMMANDS)
    assert max(map(len, printed)) <= 80


def test_json_lines_are_the_entries() -> None:
    out = StringIO()
    JsonLines(out).event(entry("connected"))
    assert json.loads(out.getvalue()) == entry("connected")


# -- members ---------------------------------------------------------------------------------------------------------------


class Room:
    """A hub, and members with screens."""

    def __init__(self, hub: reconnect.Hub, url: str) -> None:
        self.hub, self.url = hub, url
        self.members: list[Member] = []

    async def join(self, name: str, role: str = "publisher") -> tuple[Typed, Screen]:
        """Let a member join that comes back soon after a loss."""
        link, screen = CuttableDialer(WebSocketDialer()), Screen()
        retry = reconnect.RetryPolicy(wait=full_jitter(initial=0.05, maximum=0.2), first_try_seconds=0.05)
        session = reconnect.Session(self.url, session="room-1", token=token(name, role), transport=link, retry=retry)
        member = Member(session, link, screen, name=name, role=role)
        self.members.append(member)
        await session.connect()
        return Typed(member), screen


@asynccontextmanager
async def room() -> AsyncIterator[Room]:
    hub = reconnect.Hub(SECRET)
    async with hub.serve() as listener:
        opened = Room(hub, listener.url)
        try:
            yield opened
        finally:
            for member in opened.members:
                await member.leave()


Story = Callable[[Room], Awaitable[None]]


@pytest.fixture
def tell(run: Runner) -> Callable[[Story], None]:
    """Run a story in a room."""

    def teller(story: Story) -> None:
        async def whole() -> None:
            async with room() as opened:
                await story(opened)

        run(whole())

    return teller


def test_a_line_reaches_everyone_with_the_name_of_its_sender(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        _, at_bob = await room.join("bob")
        assert await anna.take("hello")
        assert await anna.take("//slash")
        assert await anna.take("   ")
        for screen in (at_anna, at_bob):
            told = await screen.until("signal", lambda entry: entry["data"] == "/slash")
            assert (told["who"], told["type"], told["repeat"]) == ("anna", "chat", False)
        assert [entry["data"] for entry in at_bob.entries if entry["event"] == "signal"] == ["hello", "/slash"]
        await room.hub.signal("room-1", {"from": "the hub"}, type="news")
        assert (await at_bob.until("signal", lambda entry: entry["type"] == "news"))["who"] == "hub"
        await at_anna.until("outcome", lambda entry: entry["text"] == "/slash" and entry["status"] == "delivered")
        assert anna.member.failures == 0

    tell(story)


def test_a_cut_link_is_an_outage_that_is_survived(tell: Callable[[Story], None]) -> None:
    """What is typed meanwhile is held, or dropped where it would be worthless; the others see a member that was away."""

    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        _, at_bob = await room.join("bob")
        await anna.take("/drop 0.2")
        assert (await at_anna.until("breaks"))["words"] == "your link is cut, and stays away for 0.2 s"
        await anna.take("held")
        await anna.take("/now dropped")
        told = await at_anna.until("reconnected")
        assert (told["resumed"], told["held"], told["dropped"], told["gap"]) == (True, 1, 1, False)
        assert (await at_bob.until("signal"))["data"] == "held"
        assert [event for event in at_bob.events if event.startswith("connection")] == [
            "connection_created", "connection_interrupted", "connection_restored",
        ]  # fmt: skip
        assert (await at_anna.until("reconnecting"))["reason"] == "closed"
        assert at_anna.events.index("restored") < at_anna.events.index("reconnected")
        assert all(entry["attempt"] > 1 for entry in at_anna.entries if entry["event"] == "attempt")
        assert next(entry["status"] for entry in at_anna.entries if entry["event"] == "outcome") == "dropped"
        assert anna.member.failures == 1
        assert anna.member.outages == 1

    tell(story)


def test_a_long_cut_is_told_in_words(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        await anna.take("/drop 99999999")
        assert (await at_anna.until("breaks"))["words"] == "your link is cut, and stays away for 99999999 s"

    tell(story)


def test_a_cut_ends_by_itself_or_with_the_next_cut(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        await anna.take("/drop 1h")
        await at_anna.until("attempt")
        await anna.take("/drop 1h")
        await anna.take("/drop")
        assert at_anna.entries[-1]["words"] == "your link is cut"
        await at_anna.until("reconnected")
        assert "restored" not in at_anna.events
        await anna.take("/drop 0.1")
        await anna.take("/drop 0.2")
        await at_anna.until("reconnected", lambda entry: entry["elapsed"] >= 0.2)
        assert at_anna.events.count("restored") == 1, "the second cut takes the place of the first"

    tell(story)


def test_streams_are_published_numbered_and_received(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        bob, at_bob = await room.join("bob", "subscriber")
        await anna.take("/publish camera")
        assert (await at_anna.until("publisher.live"))["stream"] == "camera"
        created = await at_bob.until("stream_created")
        assert (created["who"], created["stream"], created["number"]) == ("anna", "camera", 1)
        await bob.take("/subscribe")
        await at_bob.until("subscriber.connected")
        await bob.take("/subscribe camera")
        await bob.answered()
        assert at_bob.events.count("subscriber.connected") == 1, "the second time it is the same subscription"
        await bob.take("/streams")
        (stream,) = at_bob.entries[-1]["streams"]
        assert (stream["number"], stream["stream"], stream["by"], stream["subscribed"]) == (1, "camera", "anna", True)
        await anna.take("/drop 0.1")
        assert (await at_bob.until("subscriber.disconnected"))["reason"] == "closed"
        await at_bob.until("stream_restored")
        await at_anna.until("publisher.interrupted")

    tell(story)


def test_frames_are_counted(tell: Callable[[Story], None]) -> None:
    async def three() -> AsyncIterator[bytes]:
        for frame in (b"one", b"two", b"three"):
            yield frame

    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        stream: Any = three()
        await anna.member.count_frames(stream)
        await anna.take("/stats")
        assert at_anna.entries[-1]["frames"] == 3

    tell(story)


def test_a_stream_is_called_by_its_number_where_names_meet(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        bob, at_bob = await room.join("bob")
        for name in ("anna", "carl"):
            publisher, screen = await room.join(name)
            await publisher.take("/publish camera")
            await screen.until("publisher.live")
        await at_bob.until("stream_created", lambda entry: entry["number"] == 2)
        await bob.take("/subscribe camera")
        assert at_bob.entries[-1]["sentence"] == "there are several; /streams lists them, and /subscribe takes the number"
        await bob.take("/subscribe 3")
        assert at_bob.entries[-1]["sentence"].startswith("there is none of that number or name; /streams lists them")
        await bob.take("/subscribe 2")
        await bob.answered()
        assert bob.member.failures == 2
        assert [stream.id for _, stream in bob.member.numbered()][1] in bob.member.subscribed

    tell(story)


def test_a_moderator_mutes_and_removes(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        mia, at_mia = await room.join("mia", "moderator")
        anna, at_anna = await room.join("anna")
        await anna.take("/publish camera")
        await at_mia.until("stream_created")
        for muted in (True, False):
            await mia.take("/mute camera")
            await mia.answered()
            assert (await at_mia.until("stream_updated", last=True))["muted"] is muted
        await mia.take("/kick anna")
        assert (await at_anna.until("disconnected"))["reason"] == "kicked"
        assert (await at_mia.until("connection_destroyed"))["reason"] == "kicked"
        await mia.take("/kick anna")
        assert at_mia.entries[-1]["sentence"] == "nobody is called anna; /members lists who is here"

    tell(story)


def test_what_a_token_does_not_allow_is_a_sentence(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        bob, at_bob = await room.join("bob", "subscriber")
        await room.join("anna")
        await bob.take("hello")
        told = await at_bob.until("outcome")
        assert (told["status"], told["code"]) == ("rejected", "forbidden")
        await bob.take("/publish camera")
        await bob.take("/kick anna")
        await bob.answered()
        assert [entry["sentence"] for entry in at_bob.entries if entry["event"] == "error"] == [
            "publish 'camera' failed: a subscriber may not publish; make its token with the role publisher",
            "kick failed: a subscriber may not kick; moderators may",
        ]
        assert bob.member.failures == 3

    tell(story)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/hlep", "there is no command /hlep; /help lists them, and //hlep sends it as a line"),
        ("/now", "say what to send, as in: /now I am here"),
        ("/publish", "a stream needs a name, as in: /publish camera"),
        ("/subscribe", "nobody publishes a stream; somebody else can, with /publish camera"),
        ("/mute 1", "nobody publishes a stream; somebody else can, with /publish camera"),
        ("/kick", "say whom, as in: /kick anna"),
        ("/drop long", "'long' is no duration; write it as 90s, 15m, 1h, 1h30m or 7d, as in: /drop 3"),
        ("x" * 9_000, "the data has 9,002 bytes as JSON; at most 8,192 are allowed: send it in parts, or as frames of a stream"),
    ],
)
def test_what_was_typed_amiss_is_a_sentence(tell: Callable[[Story], None], line: str, sentence: str) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        assert await anna.take(line)
        assert at_anna.entries[-1]["sentence"] == sentence
        assert anna.member.failures == 1

    tell(story)


def test_questions_are_answered(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        _, at_bob = await room.join("bob")
        await anna.take("hello")
        await at_bob.until("signal")
        await at_anna.until("outcome")
        await at_anna.until("connection_created")
        await anna.take("/members")
        assert [(each["name"], each["you"]) for each in at_anna.entries[-1]["members"]] == [("anna", True), ("bob", False)]
        await anna.take("/stats")
        told = at_anna.entries[-1]
        assert (told["submitted"], told["outcomes"]["delivered"], told["state"]) == (1, 1, "connected")
        await anna.take("/streams")
        assert at_anna.entries[-1]["streams"] == []
        await anna.take("/help")
        assert at_anna.entries[-1]["commands"] == COMMANDS
        assert not await anna.take("/quit")

    tell(story)


def test_who_is_not_known_is_called_by_the_connection(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, _ = await room.join("anna")
        assert anna.member.name_of("0123456789") == "01234567"
        assert anna.member.name_of(anna.member.session.connection) == "anna"
        bob, _ = await room.join("bob")
        _, at_mia = await room.join("mia")
        connection = (await at_mia.until("connection_created", lambda entry: entry["who"] == "bob"))["connection"]
        assert room.members[-1].name_of(connection) == "bob"
        await bob.member.session.disconnect()
        await at_mia.until("connection_destroyed")
        assert room.members[-1].name_of(connection) == connection[:8]

    tell(story)


def test_after_the_end_nothing_can_be_sent(tell: Callable[[Story], None]) -> None:
    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        await anna.member.session.disconnect()
        await anna.take("too late")
        assert at_anna.entries[-1]["sentence"].startswith("signal() needs a connected session")

    tell(story)


def test_a_stream_that_ended_before_it_was_there_is_not_told_as_live(tell: Callable[[Story], None]) -> None:
    class Gone(reconnect.Publisher):
        @property
        def state(self) -> str:
            return "starting"

    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")
        anna.member.watch(Gone("publish:x", "x", anna.member.session._front.desk), "x")
        assert [event for event in at_anna.events if event.startswith("publisher")] == []

    tell(story)


def test_one_that_nobody_reads_says_so(tell: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr("reconnect.cli.member.forget_stdout", lambda: forgotten.append(True))

    async def story(room: Room) -> None:
        anna, at_anna = await room.join("anna")

        def closed(entry: dict[str, Any]) -> None:
            raise PrintFailed("Broken pipe", unheard=True)

        monkeypatch.setattr(at_anna, "event", closed)
        anna.member.tell("held", text="x")
        assert anna.member.unheard.is_set()
        assert anna.member.unprinted is not None
        assert forgotten == [True]

    tell(story)


# -- the command, within this process --------------------------------------------------------------------------------------


def joined(
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
    keyboard: Keyboard,
    drive: Callable[[Room, Screen], Awaitable[None]] | None = None,
    *,
    screen: Screen | None = None,
) -> tuple[bool, Screen]:
    """Run a member at this keyboard in a room of its own, and return whether all went well."""
    monkeypatch.setattr(sys, "stdin", keyboard)
    screen = screen or Screen()

    async def whole() -> bool:
        async with room() as opened:
            running = asyncio.create_task(
                run_member(opened.url, "room-1", token("anna"), me="anna", role="publisher", show=screen)
            )
            if drive is not None:
                await drive(opened, screen)
            return await running

    return run(whole()), screen


def test_a_pipe_is_sent_to_its_end_and_waited_for(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    well, screen = joined(run, monkeypatch, Keyboard("one", "/drop", "two", "/publish camera"))
    assert well
    assert [entry["text"] for entry in screen.entries if entry["event"] == "outcome"] == ["one", "two"]
    assert "publisher.live" in screen.events
    assert screen.events[-2:] == ["disconnected", "publisher.ended"]


def test_what_was_asked_at_the_end_of_a_pipe_is_waited_for(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    well, screen = joined(run, monkeypatch, Keyboard("/drop", "/publish camera"))
    assert well
    assert {"reconnected", "publisher.live"} <= set(screen.events)


def test_one_that_cannot_print_leaves_and_says_why(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Screen):
        def event(self, entry: dict[str, Any]) -> None:
            super().event(entry)
            if entry["event"] == "signal":
                raise PrintFailed("No space left on device", unheard=False)

    monkeypatch.setattr("reconnect.cli.member.forget_stdout", lambda: None)
    keyboard, screen = Keyboard("hello", ends=False), Broken()
    with pytest.raises(PrintFailed, match="No space left on device"):
        joined(run, monkeypatch, keyboard, screen=screen)
    keyboard.close()
    assert screen.entries[-1]["reason"] == "client_disconnected"


def test_one_line_that_is_not_delivered_is_told_by_the_exit_code(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    well, screen = joined(run, monkeypatch, Keyboard("/drop", "/now worthless", "fine"))
    assert not well
    assert sorted(entry["status"] for entry in screen.entries if entry["event"] == "outcome") == ["delivered", "dropped"]


def test_quitting_leaves_without_waiting_for_the_end_of_the_pipe(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    keyboard = Keyboard("one", "/quit", "never", ends=False)
    well, screen = joined(run, monkeypatch, keyboard)
    keyboard.close()
    assert well
    assert [entry["text"] for entry in screen.entries if entry["event"] == "outcome"] == ["one"]


def test_who_is_removed_ends_at_once_and_not_well(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def kick(room: Room, screen: Screen) -> None:
        room.hub.kick((await screen.until("connected"))["connection"])

    keyboard = Keyboard(ends=False)
    well, screen = joined(run, monkeypatch, keyboard, kick)
    keyboard.close()
    assert not well
    assert screen.events == ["connected", "disconnected"]


def test_ctrl_c_leaves_politely(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupt(room: Room, screen: Screen) -> None:
        await screen.until("connected")
        os.kill(os.getpid(), signal.SIGINT)

    keyboard = Keyboard(ends=False)
    well, screen = joined(run, monkeypatch, keyboard, interrupt)
    keyboard.close()
    assert well
    assert screen.entries[-1]["reason"] == "client_disconnected"


def test_ctrl_c_while_it_joins_gives_up(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard())

    async def story() -> bool:
        left = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            await reader.read()
            writer.close()
            left.set()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            well = await run_member(url, "room-1", token("anna"), me="anna", role="publisher", show=TerminalLines("anna", lines))
            await left.wait()
            return well

    lines, out = paper(100, terminal=True, columns=23)
    assert run(story()) is False
    space, told = without_styles(out.getvalue())
    assert space == "", "the terminal may have written ^C there"
    assert told[10:] == "anna       error                  told to leave before it was in the session"


def test_a_terminal_is_told_what_can_be_typed(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(tty=True))
    lines, out = paper(200, columns=23)

    async def story() -> bool:
        async with room() as opened:
            return await run_member(
                opened.url, "room-1", token("anna"), me="anna", role="publisher", show=TerminalLines("anna", lines)
            )

    assert run(story())
    assert "Type a line to send it to all; /help lists what else there is, /quit leaves." in out.getvalue()
    assert out.getvalue().rstrip().endswith("left the session")


def test_a_hub_that_is_not_there_raises(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConnectFailed, match="Connection refused; check host and port, and that a hub runs there"):
        run(run_member("ws://127.0.0.1:9", "room-1", token("anna"), me="anna", role="publisher", show=Screen()))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("serve", ["reconnect serve --dev", "export RECONNECT_SECRET=", "Ctrl-C or SIGTERM"]),
        ("token", ["export RECONNECT_TOKEN=$(reconnect token --session room-1 --name anna)", "--lifetime"]),
        ("join", ["/drop 3", "RECONNECT_TOKEN", "exit code is 0 only if all were delivered"]),
    ],
)
def test_help_teaches_and_fits_into_eighty_columns(command: str, words: list[str]) -> None:
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"})
    said = " ".join(done.output.split())
    assert done.exit_code == 0
    assert [word for word in words if word not in said] == []
    assert max(map(len, done.output.splitlines())) <= 80


# -- mistakes on the command line ------------------------------------------------------------------------------------------


NOWHERE = "ws://127.0.0.1:9"
NO_HUB = (
    f"error: could not connect to {NOWHERE} (unreachable): Connection refused; "
    "check host and port, and that a hub runs there: `reconnect serve --dev` starts one"
)
WITHOUT_TOKEN = (
    "error: a hub lets nobody in without a token; give one with --token or in RECONNECT_TOKEN: "
    "`reconnect serve --dev` prints some, and `reconnect token --session {}` makes one with the hub's secret"
)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([NOWHERE], 2, WITHOUT_TOKEN.format("room-1")),
        ([NOWHERE, "--session", "room-7"], 2, WITHOUT_TOKEN.format("room-7")),
        ([NOWHERE, "--token", "garbage"], 2, "error: the token does not say which session it is for; name it with --session"),
        (
            ["http://hub", "--token", token("anna")],
            2,
            "error: 'http://hub' is not usable: its scheme is 'http'; write it as ws://",
        ),
        ([NOWHERE, "--token", token("anna"), "--session", "x" * 300], 2, "error: session"),
        ([NOWHERE, "--token", token("anna")], 1, NO_HUB),
        ([NOWHERE, "--token", "garbage", "--session", "room-1", "--json"], 1, NO_HUB),
        ([], 2, "Usage: "),
    ],
)
def test_what_cannot_be_is_a_sentence(arguments: list[str], code: int, sentence: str) -> None:
    done = CliRunner().invoke(app, ["join", *arguments], env={"RECONNECT_TOKEN": None})
    said = " ".join(done.output.split())
    assert (done.exit_code, said[: len(sentence)]) == (code, sentence)


def test_the_token_says_the_session_and_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    async def remember(url: str, session: str, token: str, **options: Any) -> bool:
        seen.append((url, session, options["me"], options["role"]))
        return session != "room-1"

    monkeypatch.setattr("reconnect.cli.join.run_member", remember)
    mine = token("anna", "moderator", session="room-9")
    for arguments in (["--token", mine], ["--name", "me", "--session", "room-1"], ["--token", "opaque", "--session", "room-1"]):
        done = CliRunner().invoke(app, ["join", "ws://hub", *arguments], env={"RECONNECT_TOKEN": mine})
        assert done.exit_code == ("room-1" in arguments), "the exit code says whether all went well"
    assert seen == [
        ("ws://hub", "room-9", "anna", "moderator"),
        ("ws://hub", "room-1", "me", "moderator"),
        ("ws://hub", "room-1", "you", "member"),
    ]


# -- as processes of their own ---------------------------------------------------------------------------------------------


def test_a_hub_and_two_members_through_a_cut_link() -> None:
    """The whole, as by hand: a line is held while the link is away, and arrives."""
    with Command("serve", "--dev", "--port", "0", "--json") as hub:
        listening = hub.entry("listening")
        url, tokens = listening["url"], listening["tokens"]
        with (
            Command("join", url, "--token", tokens["publisher"]) as anna,
            Command("join", url, "--token", tokens["moderator"]) as mia,
        ):
            anna.until("connected              in the session")
            mia.until("anna       connection created")
            anna.type("hello")
            mia.until("anna       signal                 hello")
            anna.type("/drop 0.1", "said while away")
            mia.until("anna       connection interrupted")
            anna.until("held                   sent when the link is back: said while away")
            mia.until("anna       signal                 said while away")
            anna.until("back after")
            assert anna.end() == 0
            mia.until("anna       connection destroyed")
            mia.type("/quit")
            assert mia.end() == 0
        assert [hub.entry(event)["client_id"] for event in ("dropped", "returned")] == ["anna", "anna"]


def test_at_a_terminal_lines_fit_and_nothing_is_coloured_where_no_colour_is_wanted(run: Runner) -> None:
    async def story() -> None:
        async with room() as opened:
            terminal = Teletype("join", opened.url, RECONNECT_TOKEN=token("anna"))
            await asyncio.to_thread(terminal.until, "/quit leaves.")
            terminal.type("a line that is longer than what is left of the eighty columns of this terminal")
            await asyncio.to_thread(terminal.until, "columns of this\r\n" + " " * 44 + "terminal\r\n")
            terminal.interrupt()
            await asyncio.to_thread(terminal.until, "left the session")
            assert await asyncio.to_thread(terminal.end) == 0
            colours = re.findall(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])(?:;\d+)*m", terminal.shown)
            assert colours == []
            assert max(map(len, terminal.rows)) <= 80

    run(story())
