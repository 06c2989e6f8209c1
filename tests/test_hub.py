"""The hub's shell: over transports in memory, in virtual time, and over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import pytest

import reconnect
from reconnect.audit import MemorySink
from reconnect.core.frames import (
    Accepted,
    AddWant,
    Done,
    Entry,
    EntryKind,
    Failed,
    Frame,
    GoingAway,
    Goodbye,
    Handled,
    Join,
    Ping,
    Pong,
    Refused,
    RenewToken,
    ResumeClaim,
    SendSignal,
    Want,
    Welcome,
)
from reconnect.core.hub.effects import HubEffect
from reconnect.core.hub.inputs import HubInput, LinkEnded
from reconnect.errors import BadArgument, BadSignal, HubClosed, RequestFailed, TokenRejected, TransportFailed
from reconnect.hub import Hub
from reconnect.hub.attending import MESSAGES_PER_TURN
from reconnect.limits import CONTROL_BACKLOG_BYTES
from reconnect.ports import Appended, Principal
from reconnect.reasons import CloseCode, Reason, RejectCode
from reconnect.store import MemorySessionLog
from reconnect.testing import FakeClock
from reconnect.testing import run as run_virtually
from reconnect.transport.memory import MemoryTransport, memory_pair
from reconnect.transport.websocket import WebSocketDialer
from reconnect.wire import HubDialect, pack_stream_frame, unpack_stream_frame

SECRET = "a secret that is long enough for a test"
F = TypeVar("F", bound=Frame)


def token(client_id: str = "ann", *, clock: FakeClock | None = None, **options: Any) -> str:
    """Return a token for a test's session."""
    now = clock.wall() if clock is not None else None
    return reconnect.make_token(SECRET, **({"session": "room", "client_id": client_id, "now": now} | options))


class RawMember:
    """The member's end of a transport, without a session: sends what it is told to and keeps what arrives."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.dialect = HubDialect("member")
        self.frames: list[Frame] = []
        self.stream_frames: list[tuple[int, bytes]] = []

    async def send(self, *frames: Frame) -> None:
        """Send one message."""
        for message in self.dialect.encode(frames, 1_000_000):
            await self.transport.send(message)

    async def next(self, kind: type[F]) -> F:
        """Return the next frame of this kind; keep everything before it."""
        while True:
            for place, frame in enumerate(self.frames):
                if isinstance(frame, kind):
                    del self.frames[: place + 1]
                    return frame
            await self.receive()

    async def receive(self) -> None:
        """Take in one message."""
        message = await self.transport.receive()
        if isinstance(message, bytes):
            number, payload = unpack_stream_frame(message)
            self.stream_frames.append((number, bytes(payload)))
        else:
            self.frames += self.dialect.decode(message)

    async def join(self, client_id: str = "ann", **fields: Any) -> Welcome:
        """Join, and return the welcome."""
        fields = {"token": token(client_id), "session": "room", "sender": f"{client_id}-box"} | fields
        await self.send(Join(**fields))
        return await self.next(Welcome)

    async def end(self) -> int | None:
        """Return the code with which the transport ends."""
        try:
            while True:
                await self.receive()
        except TransportFailed as failure:
            return failure.cause.code


class World:
    """A hub in virtual time, and the transports to it."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.sink = MemorySink()
        usual: dict[str, Any] = {"secret": SECRET, "clock": self.clock, "audit": self.sink, "random": Random(1)}
        self.hub = Hub(**usual | options)
        self.tasks: list[asyncio.Task[None]] = []
        self.ends: list[MemoryTransport] = []

    def dial(self) -> RawMember:
        """Open a transport to the hub."""
        here, there = memory_pair()
        self.ends.append(there)
        self.tasks.append(asyncio.get_running_loop().create_task(self.hub.attend(there)))
        return RawMember(here)

    async def member(self, client_id: str = "ann", **options: Any) -> RawMember:
        """Open a transport and join on it."""
        member = self.dial()
        await member.join(client_id, token=token(client_id, clock=self.clock, **options))
        return member

    @property
    def announced(self) -> list[Any]:
        """Return what the audit was told of, in order."""
        return [record.get("what") for record in self.sink.records]


def virtual(story: Callable[[World], Any], **options: Any) -> None:
    """Run a story in virtual time; afterwards the hub is closed and nothing is left running."""
    world = World(**options)

    async def whole() -> None:
        await story(world)
        await world.hub.close()
        await asyncio.gather(*world.tasks)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == [], "a closed hub leaves nothing running"

    run_virtually(whole(), world.clock)


# -- members ---------------------------------------------------------------------------------------------------------------------


def test_signals_travel_and_are_judged() -> None:
    async def story(world: World) -> None:
        ann, bob = await world.member("ann"), await world.member("bob")
        await ann.send(SendSignal(serial=1, type="chat"), SendSignal(serial=2))
        assert (await ann.next(Accepted)).serial == 2
        heard = [await bob.next(Entry), await bob.next(Entry)]
        assert [(entry.serial, entry.type) for entry in heard] == [(1, "chat"), (2, "")]
        assert repr(world.hub) == "<Hub idle sessions=1 members=2 away=0 links=2>"

    virtual(story)


def test_a_member_drops_and_resumes() -> None:
    """R02, P01: over a reset of the transport; connections and secrets have the bits that they need."""

    async def story(world: World) -> None:
        bob, ann = await world.member("bob"), world.dial()
        welcome = await ann.join("ann", token=token("ann", clock=world.clock))
        assert len(welcome.connection) >= 22, "128 bits"
        assert len(welcome.secret) >= 43, "256 bits"
        ann.transport.abort()
        dropped = None
        while dropped is None or dropped.what is not EntryKind.DROPPED:
            dropped = await bob.next(Entry)
        claim = ResumeClaim(connection=welcome.connection, secret=welcome.secret, epoch=welcome.epoch, position=welcome.position)
        back = world.dial()
        again = await back.join("ann", token=token("ann", clock=world.clock), resume=claim)
        assert again.resumed
        assert (await bob.next(Entry)).what is EntryKind.RETURNED

    virtual(story)


def test_silence_and_grace_run_on_the_hubs_clock() -> None:
    """R13, H01: six seconds without a word, then sixty without a return; told once."""

    async def story(world: World) -> None:
        ann = await world.member("ann")
        await world.clock.advance(5.9)
        await ann.send(Ping())
        await ann.next(Pong)
        await world.clock.advance(5.9)
        assert world.hub.statistics().away == 0
        await world.clock.advance(0.2)
        assert world.hub.statistics().away == 1
        assert await ann.end() is None, "aborted, not closed"
        await world.clock.advance(60.0)
        assert world.hub.statistics().members == 0
        assert world.announced.count("expired") == 1
        await world.clock.advance(300.0)
        assert world.hub.statistics().sessions == 0

    virtual(story)


def test_a_hub_whose_machine_slept_listens_first() -> None:
    """A20: a member that spoke meanwhile is not silent."""

    async def story(world: World) -> None:
        ann = await world.member("ann")
        world.clock.suspend(50.0)
        await world.clock.advance(7.0)
        assert "slept" in world.announced
        assert world.hub.statistics().away == 0
        await ann.send(Ping())
        await ann.next(Pong)

    virtual(story)


def test_a_transport_that_never_joins() -> None:
    async def story(world: World) -> None:
        link = world.dial()
        assert await link.end() == CloseCode.JOIN_DEADLINE

    virtual(story)


def test_what_is_no_frame_ends_the_link() -> None:
    """Malformed text, binary garbage: 4500, with a sentence that says what was wrong."""

    async def story(world: World) -> None:
        for garbage, detail in (("{", "a message is not JSON"), (b"\0\0", "a binary message needs at least 4 bytes")):
            ann = await world.member("ann")
            await ann.transport.send(garbage)
            refused = await ann.next(Refused)
            assert refused.code is Reason.PROTOCOL_ERROR
            assert detail in refused.detail
            assert await ann.end() == CloseCode.PROTOCOL_ERROR

    virtual(story)


@pytest.mark.parametrize("waiting", [0, 1, MESSAGES_PER_TURN, 3 * MESSAGES_PER_TURN])
def test_what_arrived_before_the_end_is_taken_although_the_writer_finds_the_end_first(waiting: int) -> None:
    """A member may send its last words and close at once, while the hub still answers what came before."""

    async def story(world: World) -> None:
        bob, ann = await world.member("bob"), await world.member("ann")
        await ann.send(Ping())
        await world.clock.idle()
        for _ in range(waiting):
            await ann.send(Ping())
        await ann.send(SendSignal(serial=1, type="last-words"), Goodbye())
        await ann.transport.close(1000, "")
        while (entry := await bob.next(Entry)).what is not EntryKind.SIGNAL:
            assert entry.what is EntryKind.JOINED
        assert entry.type == "last-words"
        assert (await bob.next(Entry)).what is EntryKind.LEFT, "the goodbye was read too"

    virtual(story)


def test_the_end_of_a_link_is_told_once_and_with_the_reason_of_a_writer_that_gave_up() -> None:
    async def story(world: World) -> None:
        ann = await world.member("ann")
        fed: list[LinkEnded] = []
        feed = world.hub._core.feed

        def watched(happened: HubInput) -> list[HubEffect]:
            if isinstance(happened, LinkEnded):
                fed.append(happened)
            return feed(happened)

        world.hub._core.feed = watched  # type: ignore[method-assign]  # looked at
        (attendance,) = world.hub._shell.attended.values()
        attendance.outlet.control((Pong(position=0),) * (CONTROL_BACKLOG_BYTES // 16))
        await world.clock.idle()
        assert [end.cause.reason for end in fed] == [Reason.SLOW]
        assert await ann.end() is None

    virtual(story)


def test_attendances_say_what_they_are() -> None:
    async def story(world: World) -> None:
        await world.member("ann")
        (attendance,) = world.hub._shell.attended.values()
        assert repr(attendance) == "<Attendance 1 <Outlet open control=0 waiting=0 stream=0>>"
        assert repr(world.hub._shell) == "<Shell <HubCore sessions=1 members=1 links=1> attended=1 pending=0>"

    virtual(story)


def test_goodbye() -> None:
    async def story(world: World) -> None:
        ann = await world.member("ann")
        await ann.send(SendSignal(serial=1), Goodbye())
        assert (await ann.next(Accepted)).serial == 1
        await ann.next(Goodbye)
        assert await ann.end() == 1000
        assert world.hub.statistics().members == 0

    virtual(story)


def test_a_member_that_never_stops_sending_lets_the_others_have_their_turn() -> None:
    async def story(world: World) -> None:
        ann, bob = await world.member("ann"), await world.member("bob")
        for serial in range(1, 60):
            await ann.send(SendSignal(serial=serial))
        await bob.send(Ping())
        await bob.next(Pong)
        assert (await ann.next(Accepted)).serial >= 1

    virtual(story)


# -- streams ---------------------------------------------------------------------------------------------------------------------


def test_stream_frames_are_relayed_untouched() -> None:
    """To subscribers alone; one without room loses the frame, and that is counted."""

    async def story(world: World) -> None:
        ann, bob = await world.member("ann"), await world.member("bob")
        await ann.send(AddWant(request=1, want=Want(key="cam", publish="camera")))
        answer = (await ann.next(Done)).answer
        assert answer is not None
        assert answer.stream is not None
        await bob.send(AddWant(request=1, want=Want(key="cam", subscribe=answer.stream.id)))
        await bob.next(Done)
        await ann.transport.send(pack_stream_frame(answer.stream.number, b"\x00frame"))
        await ann.transport.send(pack_stream_frame(99, b"nobody's"))
        await bob.receive()
        assert bob.stream_frames == [(answer.stream.number, b"\x00frame")]
        world.ends[1].outgoing.capacity = 0
        for _ in range(6):
            await ann.transport.send(pack_stream_frame(answer.stream.number, b"x" * 100_000))
        await world.clock.idle()
        statistics = world.hub.statistics()
        assert statistics.frames_relayed == 7
        assert statistics.frames_dropped > 0
        assert statistics.unknown_streams == 1

    virtual(story)


# -- authentication --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"token": "not a token"}, CloseCode.DENIED, Reason.DENIED),
        ({"session": "another"}, CloseCode.WRONG_SESSION, Reason.WRONG_SESSION),
    ],
)
def test_a_token_that_is_not_good(fields: dict[str, str], code: CloseCode, reason: Reason) -> None:
    async def story(world: World) -> None:
        link = world.dial()
        whole: dict[str, Any] = {"token": token(clock=world.clock), "session": "room", "sender": "box"} | fields
        await link.send(Join(**whole))
        assert (await link.next(Refused)).code is reason
        assert await link.end() == code

    virtual(story)


def test_an_expired_token() -> None:
    """R12: with the leeway of the authenticator; it may resume, and makes no new connection."""

    async def story(world: World) -> None:
        ann = world.dial()
        short = token("ann", clock=world.clock, lifetime_seconds=10.0)
        welcome = await ann.join("ann", token=short)
        for _ in range(10):
            await world.clock.advance(2.0)
            await ann.send(Ping())
        claim = ResumeClaim(connection=welcome.connection, secret=welcome.secret, epoch=welcome.epoch, position=welcome.position)
        assert (await world.dial().join("ann", token=short, resume=claim)).resumed
        new = world.dial()
        await new.send(Join(token=short, session="room", sender="new-box"))
        assert (await new.next(Refused)).code is Reason.TOKEN_EXPIRED
        assert await new.end() == CloseCode.TOKEN_EXPIRED

    virtual(story)


def test_a_strict_hub_ends_a_member_whose_token_runs_out() -> None:
    async def story(world: World) -> None:
        ann = await world.member("ann", lifetime_seconds=10.0)
        for _ in range(5):
            await world.clock.advance(2.0)
            await ann.send(Ping())
        assert await ann.end() == CloseCode.TOKEN_EXPIRED

    virtual(story, strict_tokens=True)


def test_an_authenticator_of_ones_own() -> None:
    """It is asked once for each join and each newer token; nothing is read meanwhile; its mistakes are answers too."""
    asked: list[Join] = []
    gate = asyncio.Event()

    async def who(join: Join) -> Principal:
        asked.append(join)
        if join.token == "slow":
            await gate.wait()
        if join.token == "broken":
            raise RuntimeError("canary-token")
        if join.token == "banned":
            raise TokenRejected(Reason.DENIED, "you know why")
        return Principal(client_id="ann", session=join.session, role="publisher")

    async def story(world: World) -> None:
        ann = world.dial()
        await ann.join("ann", token="good")
        await ann.send(RenewToken(request=1, token="better"))
        assert (await ann.next(Done)).request == 1
        await ann.send(RenewToken(request=2, token="banned"))
        assert (await ann.next(Failed)).detail == "you know why"
        await ann.send(RenewToken(request=3, token="slow"), Ping())
        await ann.next(Pong)
        assert "in time" in (await ann.next(Failed)).detail
        assert [join.token for join in asked] == ["good", "better", "banned", "slow"]
        for bad, detail in (("broken", "RuntimeError"), ("banned", "you know why"), ("slow", "within the deadline")):
            link = world.dial()
            await link.send(Join(token=bad, session="room", sender=bad))
            refused = await link.next(Refused)
            assert detail in refused.detail
            assert "canary" not in refused.detail
        assert not any("canary" in str(record) for record in world.sink.records)

    virtual(story, secret=None, authenticator=who, join_deadline_seconds=3.0)


def test_a_link_that_ends_while_the_authenticator_is_asked() -> None:
    """Whoever ends it: nobody waits for an answer that nobody wants."""
    asked: list[Join] = []

    async def who(join: Join) -> Principal:
        asked.append(join)
        if len(asked) > 1:
            await asyncio.Event().wait()
        return Principal(client_id="ann", session=join.session, role="publisher")

    async def story(world: World) -> None:
        ann = world.dial()
        await ann.join("ann", token="t")
        await ann.send(RenewToken(request=1, token="t"))
        link = world.dial()
        await link.send(Join(token="t", session="room", sender="box"))
        await world.clock.idle()
        ann.transport.abort()
        await world.clock.idle()
        assert world.hub.statistics().links == 1
        await world.hub.drain()
        assert world.hub.statistics().links == 0
        assert len(asked) == 3

    virtual(story, secret=None, authenticator=who)


class Stubborn(MemoryTransport):
    """A transport that does not end, whatever one does."""

    def __init__(self, other: MemoryTransport) -> None:
        super().__init__(other.incoming, other.outgoing)
        self.released = asyncio.Event()

    async def close(self, code: int, detail: str) -> None:
        await self.released.wait()

    def abort(self) -> None:
        if self.released.is_set():
            super().abort()


def test_a_transport_that_does_not_end_keeps_nobody_waiting_for_ever() -> None:
    async def story(world: World) -> None:
        stubborn = Stubborn(memory_pair()[0])
        world.tasks.append(asyncio.get_running_loop().create_task(world.hub.attend(stubborn)))
        await world.clock.idle()
        began = world.clock.now()
        await world.hub.close()
        assert world.clock.now() - began == 10.0
        stubborn.released.set()
        stubborn.abort()

    virtual(story)


# -- the log ---------------------------------------------------------------------------------------------------------------------


class ThinkingLog:
    """A log that answers when it is told to."""

    def __init__(self) -> None:
        self.inner = MemorySessionLog()
        self.waiting: list[tuple[str, Sequence[Entry], Callable[[Appended | Exception], None]]] = []
        self.raising: Exception | None = None

    def append(self, session: str, entries: Sequence[Entry], done: Callable[[Appended | Exception], None]) -> None:
        if self.raising is not None:
            raise self.raising
        self.waiting.append((session, entries, done))

    def forget(self, session: str) -> None:
        self.inner.forget(session)

    def answer(self) -> None:
        while self.waiting:
            self.inner.append(*self.waiting.pop(0))


def test_a_log_may_take_its_time_or_fail() -> None:
    """Nothing is welcomed or accepted before the log has it; a failure is a judgement."""
    log = ThinkingLog()

    async def story(world: World) -> None:
        ann = world.dial()
        joining = asyncio.get_running_loop().create_task(ann.join("ann", token=token("ann", clock=world.clock)))
        await world.clock.idle()
        assert not joining.done()
        log.answer()
        await joining
        await ann.send(SendSignal(serial=1))
        await world.clock.idle()
        assert ann.frames == [] or not any(isinstance(frame, Accepted) for frame in ann.frames)
        log.waiting.pop()[2](OSError("the disk is full"))
        assert [refusal.code for refusal in (await ann.next(Accepted)).rejected] == [RejectCode.LOG_FAILED]
        log.raising = OSError("gone")
        await ann.send(SendSignal(serial=2))
        assert [refusal.serial for refusal in (await ann.next(Accepted)).rejected] == [2]
        log.raising = None
        await ann.send(SendSignal(serial=3))
        await world.clock.idle()
        ending = asyncio.get_running_loop().create_task(world.hub.close())
        await world.clock.idle()
        log.answer()
        assert (await ann.next(Accepted)).serial == 3
        await ann.next(GoingAway)
        await ending

    virtual(story, log=log)


# -- the application -------------------------------------------------------------------------------------------------------------


def test_the_application_signals() -> None:
    async def story(world: World) -> None:
        ann = await world.member("ann")
        assert await world.hub.signal("room", {"x": [1, 2]}, type="news") == 2
        entry = await ann.next(Entry)
        assert (bytes(entry.data), entry.type, entry.connection) == (b'{"x":[1,2]}', "news", None)
        with pytest.raises(RequestFailed, match="nobody has joined this session"):
            await world.hub.signal("elsewhere", 1)
        world.hub.signal("elsewhere", "nobody asks what became of it")
        with pytest.raises(BadSignal, match="is no JSON value"):
            world.hub.signal("room", object())
        with pytest.raises(BadSignal, match="is no JSON number"):
            world.hub.signal("room", float("nan"))
        deep: Any = None
        for _ in range(200):
            deep = [deep]
        with pytest.raises(BadSignal, match="nested deeper than"):
            world.hub.signal("room", deep)
        cancelled = world.hub.signal("room", "never mind")
        cancelled.cancel()

    virtual(story)


def test_a_cancelled_request_of_the_application_is_not_answered() -> None:
    log = ThinkingLog()

    async def story(world: World) -> None:
        ann = world.dial()
        joining = asyncio.get_running_loop().create_task(ann.join("ann", token=token("ann", clock=world.clock)))
        await world.clock.idle()
        log.answer()
        await joining
        world.hub.signal("room", 1).cancel()
        waiting = world.hub.signal("room", 2)
        log.answer()
        log.answer()
        assert await waiting == 3
        left, forgotten = world.hub.signal("room", 3), world.hub.signal("room", 4)
        forgotten.cancel()
        ann.transport.abort()
        await world.clock.idle()
        await world.hub.close()
        with pytest.raises(HubClosed, match="closed before it could answer"):
            await left

    virtual(story, log=log)


def test_the_application_kicks() -> None:
    async def story(world: World) -> None:
        ann = world.dial()
        welcome = await ann.join("ann", token=token("ann", clock=world.clock))
        with pytest.raises(RequestFailed, match="there is no such connection"):
            world.hub.kick("nobody")
        world.hub.kick(welcome.connection)
        assert (await ann.next(Refused)).code is Reason.KICKED
        assert await ann.end() == CloseCode.KICKED

    virtual(story)


def test_no_secret_is_in_the_audit() -> None:
    """R11, A53: whatever is written down about a member, neither its token nor its secrets are in it."""

    async def story(world: World) -> None:
        ann = world.dial()
        mine = token("ann", clock=world.clock)
        welcome = await ann.join("ann", token=mine)
        ann.transport.abort()
        await world.clock.idle()
        claim = ResumeClaim(connection=welcome.connection, secret="canary", epoch=welcome.epoch, position=1)
        await world.dial().join("ann", token=mine, resume=claim)
        text = str(world.sink.records)
        assert "wrong_secret" in text
        for secret in (welcome.secret, mine, "canary", SECRET):
            assert secret not in text
            assert secret not in repr(world.hub)
        assert [record["record"] for record in world.sink.records][:2] == ["start", "chart"]

    virtual(story)


# -- the end ---------------------------------------------------------------------------------------------------------------------


def test_a_drain_judges_what_was_read_and_spreads_the_return() -> None:
    """D01, D02: nobody new, everybody away, each in a slot of its own."""

    async def story(world: World) -> None:
        members = [await world.member(f"m{number}") for number in range(10)]
        await members[0].send(SendSignal(serial=1))
        await world.clock.idle()
        draining = asyncio.get_running_loop().create_task(world.hub.drain(20.0))
        delays = []
        assert (await members[0].next(Accepted)).serial == 1
        for member in members:
            delays.append((await member.next(GoingAway)).retry_after)
            assert await member.end() == CloseCode.GOING_AWAY
        await draining
        assert sorted(int(delay / 2.0) for delay in delays) == list(range(10)), "one in each tenth"
        late = world.dial()
        await late.send(Join(token=token("late", clock=world.clock), session="room", sender="late"))
        refused = await late.next(Refused)
        assert refused.code is Reason.GOING_AWAY
        assert refused.retry_after is not None
        assert await late.end() == CloseCode.GOING_AWAY

    virtual(story)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 4_000.0])
def test_a_drain_over_no_time_that_there_is(seconds: float) -> None:
    async def story(world: World) -> None:
        with pytest.raises(BadArgument, match="seconds is"):
            await world.hub.drain(seconds)

    virtual(story)


def test_a_member_that_does_not_end_is_ended() -> None:
    """A27: the end has a deadline, whatever a member's link does."""

    async def story(world: World) -> None:
        ann = await world.member("ann")
        world.ends[0].outgoing.capacity = 0
        began = world.clock.now()
        await world.hub.close()
        assert world.clock.now() - began <= 10.0
        assert await ann.end() is None

    virtual(story)


def test_a_closed_hub() -> None:
    async def story(world: World) -> None:
        await world.member("ann")
        await world.hub.close()
        await world.hub.close()
        assert repr(world.hub) == "<Hub closed sessions=1 members=1 away=1 links=0>"
        assert world.sink.records[-1]["record"] == "stop"
        assert not world.sink.closed, "it is the caller's"
        with pytest.raises(HubClosed, match="the hub is closed; make a new one"):
            world.hub.signal("room", 1)
        with pytest.raises(HubClosed):
            world.hub.kick("x")
        with pytest.raises(HubClosed):
            await world.hub.drain()
        with pytest.raises(HubClosed):
            async with world.hub.serve():
                raise AssertionError("not reached")
        late = world.dial()
        assert await late.end() is None

    virtual(story)


def test_a_listener_that_is_cancelled_ends_its_links() -> None:
    async def story(world: World) -> None:
        await world.member("ann")
        world.tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await world.tasks.pop()
        assert world.hub.statistics().away == 1

    virtual(story)


# -- made wrongly ----------------------------------------------------------------------------------------------------------------


def test_a_hub_needs_to_know_who_may_join() -> None:
    async def who(join: Join) -> Principal:
        raise NotImplementedError

    for options in ({}, {"secret": None}):
        with pytest.raises(BadArgument) as neither:
            Hub(**options)  # type: ignore[arg-type]  # as of an environment variable that is not set
        assert str(neither.value).startswith(
            "a hub needs either a secret or an authenticator, to know who may join, and has neither: "
            "where it is read from the environment, the variable is not set; make one with: python -c "
        )
    with pytest.raises(BadArgument, match="either a secret or an authenticator, to know who may join; leave one of them out"):
        Hub(SECRET, authenticator=who)
    with pytest.raises(BadArgument, match="the secret has 5 bytes"):
        Hub("short")
    with pytest.raises(BadArgument, match="window is 0"):
        Hub(SECRET, window=0)


def test_a_chart_of_ones_own() -> None:
    chart = reconnect.load_chart("member")
    assert repr(Hub(SECRET, chart=chart)) == repr(Hub(SECRET, chart="member"))
    with pytest.raises(reconnect.ChartError):
        Hub(SECRET, chart="session")


# -- sockets ---------------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Hub, str]]:
    """Serve a hub on a free port."""
    hub = Hub(SECRET, **options)
    async with hub.serve() as server:
        assert server.url == f"ws://127.0.0.1:{server.port}"
        yield hub, server.url
    assert repr(hub).startswith("<Hub closed")


def test_sockets_carry_all_of_it(run: Callable[..., Any]) -> None:
    """Join, signal, stream, drop, resume, goodbye, over WebSockets on loopback."""

    async def story() -> None:
        async with served() as (hub, url):
            dial = WebSocketDialer(proxy=None)
            ann, bob = RawMember(await dial(url)), RawMember(await dial(url))
            welcome = await ann.join("ann")
            await bob.join("bob")
            await ann.send(SendSignal(serial=1, type="chat"), AddWant(request=1, want=Want(key="cam", publish="camera")))
            assert (await ann.next(Accepted)).serial == 1
            assert (await bob.next(Entry)).serial == 1
            stream = (await bob.next(Entry)).stream
            assert stream is not None
            await bob.send(AddWant(request=1, want=Want(key="cam", subscribe=stream.id)))
            await bob.next(Done)
            await ann.transport.send(pack_stream_frame(stream.number, b"frame"))
            await bob.receive()
            assert bob.stream_frames == [(1, b"frame")]
            ann.transport.abort()
            assert (await bob.next(Entry)).what is EntryKind.DROPPED
            back = RawMember(await dial(url))
            claim = ResumeClaim(
                connection=welcome.connection, secret=welcome.secret, epoch=welcome.epoch, position=welcome.position
            )
            want = Want(key="cam", publish="camera")
            assert (await back.join("ann", resume=claim, wants=(want,))).resumed
            assert (await bob.next(Entry)).what is EntryKind.RETURNED
            await back.send(Handled(position=welcome.position), Goodbye())
            await back.next(Goodbye)
            assert await back.end() == 1000
            assert (await bob.next(Entry)).what is EntryKind.LEFT
            assert hub.statistics().members == 1

    run(story())


def test_leaving_the_server_sends_everybody_away(run: Callable[..., Any]) -> None:
    """D01: also where the hub served on two addresses; the last one that is left closes it."""

    async def story() -> None:
        async with served() as (hub, url):
            async with hub.serve() as second:
                ann = RawMember(await WebSocketDialer(proxy=None)(second.url))
                await ann.join("ann")
                assert "serving" in repr(hub)
                await hub.signal("room", "still here")
            bob = RawMember(await WebSocketDialer(proxy=None)(url))
            await bob.join("bob")
        await bob.next(GoingAway)
        assert await bob.end() == CloseCode.GOING_AWAY

    run(story())


def test_a_message_that_is_too_large_ends_the_link(run: Callable[..., Any]) -> None:
    """A50: oversized frames are refused before they are read."""

    async def story() -> None:
        async with served(message_bytes=4_096) as (hub, url):
            ann = RawMember(await WebSocketDialer(proxy=None)(url))
            assert (await ann.join("ann")).limits.message_bytes == 4_096
            await ann.transport.send("x" * 5_000)
            assert await ann.end() == 1009
            bob = RawMember(await WebSocketDialer(proxy=None)(url))
            assert (await bob.join("bob")).snapshot_pages == 1
            while hub.statistics().away == 0:
                await bob.send(Ping())
                await bob.next(Pong)

    run(story())


def test_sessions_live_on_it(run: Callable[..., Any]) -> None:
    """The library's own client and its own hub, end to end."""

    async def story() -> None:
        async with served() as (hub, url):
            async with (
                reconnect.connect(url, session="room", token=token("ann")) as ann,
                reconnect.connect(url, session="room", token=token("bob")) as bob,
            ):
                heard: list[Any] = []
                arrived = asyncio.Event()

                def keep(event: reconnect.SignalReceived) -> None:
                    heard.append(event.signal.data)
                    arrived.set()

                bob.on("signal", keep)
                assert (await ann.signal("hello")).delivered
                await arrived.wait()
                assert heard == ["hello"]
            assert hub.statistics().members == 0

    run(story())
