"""The loop around the core: whole turns whatever raises in them, one timer, one order of telling, and nothing left at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from reconnect import limits
from reconnect.chart import load_chart
from reconnect.client import Outbox, Session
from reconnect.core import effects as do
from reconnect.core import inputs
from reconnect.core.frames import Heartbeat, Join, SendSignal
from reconnect.core.notices import Attempt, Notice, Outcome, Updated, UpdateKind
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.driver import Driver
from reconnect.errors import IllegalTransition, TransportFailed
from reconnect.ports import TimerHandle, Transport
from reconnect.reasons import Cause, OutcomeStatus, Reason
from reconnect.retry import RetryPolicy
from reconnect.store import MemoryOutboxStore
from reconnect.testing import FakeClock, run
from reconnect.transport.memory import MemoryTransport, memory_pair
from reconnect.wire import HubDialect
from tests.bench import URL, Bench, Hand, on_bench, timers

CHARTS = {name: load_chart(name) for name in ("session", "publisher", "subscriber")}


class Ear:
    """A driver's listener and recorder that keep what they hear, and raise where a test wants it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.told: list[Notice] = []
        self.settled: list[tuple[tuple[int, ...], Outcome]] = []
        self.answers: list[Any] = []
        self.notes: list[do.Note] = []
        self.concealed: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.behind = False
        self.on_tell: Callable[[Notice], object] = lambda notice: None

    def deliver(self, signals: do.Deliver) -> None:
        for notice in signals.notices():
            self.tell(notice)

    def _hear(self, what: str) -> None:
        self.heard.append(what)
        if what in self.failing:
            raise self.failing[what]

    def tell(self, notice: Notice) -> None:
        self.told.append(notice)
        self._hear(f"tell {notice.name}")
        self.on_tell(notice)

    def settle(self, serials: tuple[int, ...], outcome: Outcome) -> None:
        self.settled.append((serials, outcome))
        self._hear("settle")

    def answer(self, request: int, value: Any, error: Exception | None) -> None:
        self.answers.append((request, value, error))
        self._hear("answer")

    def moved(self, state: str) -> None:
        self._hear(f"moved {state}")

    def stream_frame(self, key: str, payload: memoryview) -> None:
        self._hear("stream_frame")

    def taken_over(self, received: int) -> int:
        return 0 if self.behind else received

    def note(self, effect: do.Note, *, connection: str | None, outbox: int) -> None:
        self.notes.append(effect)
        self._hear(f"note {effect.what}")

    def outcomes(self, effect: do.Settle, *, connection: str | None, outbox: int) -> None:
        self._hear("outcomes")

    def conceal(self, secret: str) -> None:
        self.concealed.append(secret)


class CountingClock(FakeClock):
    """A clock that counts how often it was asked to call back."""

    def __init__(self) -> None:
        super().__init__()
        self.armed: list[float] = []
        self.broken = False

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        if self.broken:
            raise OSError("no timers")
        if getattr(callback, "__name__", "") == "_woke":
            self.armed.append(when)
        return super().call_at(when, callback)


class Rig:
    """A driver by itself: a real core, a link in memory, and an ear on both sides."""

    def __init__(self, **parts: Any) -> None:
        self.clock = CountingClock()
        self.ear = Ear()
        self.hands: list[Hand] = []
        self.store: Any = parts.get("store", MemoryOutboxStore())
        settings = SessionSettings(session="room-1", sender="me", **parts.get("settings", {}))
        self.core = SessionCore(settings, **CHARTS)
        self.driver = Driver(
            self.core,
            url=URL,
            token=parts.get("token", "token"),
            policy=parts.get("policy", RetryPolicy(first_try_seconds=0.5)),
            dialer=parts.get("dialer", self.dial),
            dialect=HubDialect("member"),
            clock=self.clock,
            store=self.store,
            recorder=self.ear,
            listener=self.ear,
            random=Random(1),
        )

    async def dial(self, url: str) -> Transport:
        ours, theirs = memory_pair()
        self.hands.append(Hand(theirs))
        self.tasks = getattr(self, "tasks", [])
        self.tasks.append(asyncio.ensure_future(self.hands[-1].attend()))
        return ours

    def connect(self) -> None:
        self.driver.feed(inputs.ConnectRequested(at=self.clock.now()))

    def leave(self) -> None:
        self.driver.feed(inputs.DisconnectRequested(at=self.clock.now()))

    async def online(self, **fields: Any) -> Hand:
        """Connect, and return the hub's end of the link."""
        self.connect()
        await self.clock.idle()
        await self.hands[-1].welcome(**fields)
        await self.clock.idle()
        assert self.core.role == "online"
        return self.hands[-1]

    def submit(self, data: bytes = b"1", *, keep: bool = True) -> int:
        serial, effects = self.core.submit(data=data, type="", to=None, ttl=None, keep=keep, at=self.clock.now())
        self.driver.perform(effects)
        self.driver.signals_submitted()
        return serial

    def play(self, story: Callable[[], Any]) -> None:
        """Run a story, leave, and see that nothing is left."""

        async def whole() -> None:
            await story()
            if self.core.role != "offline":
                self.leave()
                await self.clock.advance(limits.CLOSE_TIMEOUT_SECONDS + 1)
            assert self.core.role == "offline"
            await self.driver.settled()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert timers() == []

        run(whole(), self.clock)


def failures(rig: Rig) -> list[str]:
    """Return what the audit says failed."""
    return [note.detail for note in rig.ear.notes if note.what == "effect_failed"]


# -- a turn and what raises in it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "detail"),
    [
        ("outcomes", "Settle: ValueError"),
        ("settle", "Settle: ValueError"),
        ("note step", "Note: ValueError"),
        ("moved reconnecting.waiting", "Moved: ValueError"),
        ("tell reconnecting", "Tell: ValueError"),
        ("tell attempt", "Tell: ValueError"),
    ],
)
@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError()])
def test_whatever_raises_in_a_turn_the_rest_of_it_is_performed(
    failing: str, detail: str, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """U01: the link is lost, a signal that opted out is dropped, the user is told, the timer is armed; something of it raises."""
    rig = Rig()

    async def story() -> None:
        hub = await rig.online()
        rig.submit(b"sent")
        rig.submit(b"opted out", keep=False)
        rig.core.at.outbox.bounds  # noqa: B018  # the second one waits in the outbox: it was not flushed yet
        rig.ear.heard.clear()
        rig.ear.failing = {failing: error}
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        assert rig.core.state == "reconnecting.waiting"
        assert [heard for heard in rig.ear.heard if not heard.startswith("note")] == [
            "outcomes", "settle", "moved reconnecting.waiting", "tell reconnecting", "tell attempt",
        ]  # fmt: skip
        assert rig.driver._armed_for is not None
        assert rig.ear.settled[-1][1].status is OutcomeStatus.DROPPED
        steps = len([note for note in rig.ear.notes if note.what == "step"])
        expected = detail.replace("ValueError", type(error).__name__)
        assert failures(rig) == [expected] * (1 if failing != "note step" else len(failures(rig)))
        assert rig.core.counts["failed_effects"] == len(failures(rig)) >= 1
        assert steps >= 1
        lines = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert lines[0].getMessage() == f"{expected.partition(':')[0]} failed in session room-1"
        assert lines[0].exc_info is not None
        assert lines[0].exc_info[1] is error
        rig.ear.failing = {}
        await rig.clock.advance(1)
        assert len(rig.hands) == 2, "the attempt that was announced is made"
        assert (await hub.end()).reason is Reason.CLOSED

    rig.play(story)


def test_an_audit_that_raises_even_when_it_is_told_so_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()

    async def story() -> None:
        await rig.online()
        rig.ear.failing = {"note step": ValueError("no"), "note effect_failed": OSError("the disk is full")}
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        assert rig.core.state == "reconnecting.waiting"
        assert "tell reconnecting" in rig.ear.heard
        messages = [record.getMessage() for record in caplog.records]
        assert messages[:2] == ["Note failed in session room-1", "and so did the audit of it"]

    rig.play(story)


def test_a_timer_that_cannot_be_armed_is_reported_and_tried_again() -> None:
    rig = Rig()

    async def story() -> None:
        await rig.online()
        rig.clock.broken = True
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        assert failures(rig) == ["Arm: OSError"]
        assert [notice.name for notice in rig.ear.told[-2:]] == ["reconnecting", "attempt"]
        rig.clock.broken = False
        rig.submit()
        await rig.clock.advance(1)
        assert len(rig.hands) == 2

    rig.play(story)


class BrokenStore:
    """A store that raises."""

    def put(self, rows: Sequence[Any], stored: Callable[[int], None]) -> None:
        raise OSError("the disk is full")

    def forget(self, serials: Sequence[int]) -> None:
        raise OSError("the disk is full")


def test_a_store_that_raises_breaks_no_turn_and_loses_no_outcome() -> None:
    """Q06: what was not stored is not sent, and has its outcome when the session ends."""
    rig = Rig(store=BrokenStore())

    async def story() -> None:
        hub = await rig.online()
        rig.submit()
        await rig.clock.idle()
        assert failures(rig) == ["Store: OSError"]
        assert hub.all(SendSignal) == []
        rig.leave()
        await rig.clock.advance(6)  # goodbye waits for the store until the close timeout
        assert failures(rig) == ["Store: OSError", "Forget: OSError"]
        assert [(serials, outcome.status) for serials, outcome in rig.ear.settled] == [((1,), OutcomeStatus.FAILED)]

    rig.play(story)


class LateStore(MemoryOutboxStore):
    """A store that answers when a test lets it."""

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Callable[[int], None]]] = []
        self.forgotten: list[int] = []

    def put(self, rows: Sequence[Any], stored: Callable[[int], None]) -> None:
        self.waiting.append((rows[-1].serial, stored))

    def forget(self, serials: Sequence[int]) -> None:
        self.forgotten += serials

    def answer(self) -> None:
        serial, stored = self.waiting.pop(0)
        stored(serial)


def test_what_an_effect_reports_at_once_comes_after_the_present_effects() -> None:
    """The memory store answers within `put`: the turn that comes of it waits until this one is performed."""
    rig = Rig()

    async def story() -> None:
        await rig.online()
        order: list[str] = []
        rig.driver._perform[do.Send] = lambda effect: order.append("send")
        rig.driver._perform[do.Note] = lambda effect: order.append(effect.what)
        rig.core.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=rig.clock.now())
        effects = rig.core.feed(inputs.Flush(at=rig.clock.now()))
        assert [type(effect) for effect in effects] == [do.Store]
        rig.driver.perform([*effects, do.Note(at=rig.clock.now(), what="behind the store")])
        assert order == ["behind the store", "send"]

    rig.play(story)


def test_a_store_that_answers_later_holds_its_signals_and_nothing_else() -> None:
    """No serial reaches a transport before it is stored."""
    store = LateStore()
    rig = Rig(store=store)

    async def story() -> None:
        hub = await rig.online()
        rig.submit(b"1")
        rig.submit(b"2")
        await rig.clock.idle()
        rig.submit(b"3")
        await rig.clock.advance(5)
        assert (hub.heard, len(store.waiting)) == ([], 2)
        store.answer()
        await rig.clock.idle()
        assert hub.heard == [1, 2]
        hub.cut()
        await rig.clock.idle()
        store.answer()
        await rig.clock.advance(1)
        again = rig.hands[-1]
        await again.welcome(resumed=True, accepted=1)
        await rig.clock.idle()
        assert again.heard == [2, 3]
        await again.accept(3)
        await rig.clock.idle()
        assert sorted(store.forgotten) == [1, 2, 3]

    rig.play(story)


def test_a_store_may_answer_after_the_end() -> None:
    store = LateStore()
    rig = Rig(store=store)

    async def story() -> None:
        await rig.online()
        rig.submit()
        await rig.clock.idle()
        rig.leave()
        await rig.clock.advance(6)  # goodbye waits for the store until the close timeout
        assert rig.core.state == "disconnected"
        store.answer()
        assert rig.core.state == "disconnected"

    rig.play(story)


def test_a_refusal_is_raised_to_the_caller_when_its_turn_is_done() -> None:
    """S04: nothing was changed, the refusal is audited, and the timer is still armed."""
    rig = Rig()

    async def story() -> None:
        hub = await rig.online()
        hub.rude = True
        rig.leave()
        with pytest.raises(IllegalTransition, match="session does not take connect_requested in state closing"):
            rig.connect()
        assert rig.core.state == "closing"
        assert [str(note.step.verdict) for note in rig.ear.notes[-1:] if note.step] == ["refused"]
        assert rig.driver._armed_for is not None

    rig.play(story)


def test_an_effect_that_has_no_link_any_more_is_nothing() -> None:
    rig = Rig()

    async def story() -> None:
        hub = await rig.online()
        old = rig.core.at.generation
        frames = (SendSignal(serial=1),)
        rig.driver.perform([do.Send(generation=old + 1, frames=frames), do.CloseTransport(generation=old + 1, abort=True)])
        assert (hub.frames[1:], hub.ended) == ([], None)
        hub.cut()
        await rig.clock.idle()
        rig.driver.perform([do.Send(generation=old, frames=frames), do.CloseTransport(generation=old, abort=True)])
        assert failures(rig) == []
        assert rig.driver.send_stream_frame(1, b"frame") is False

    rig.play(story)


def test_an_interrupt_passes_and_leaves_the_driver_usable() -> None:
    rig = Rig()

    async def story() -> None:
        await rig.online()

        def interrupt(notice: Notice) -> None:
            rig.ear.on_tell = lambda notice: None
            raise KeyboardInterrupt

        rig.ear.on_tell = interrupt
        with pytest.raises(KeyboardInterrupt):
            rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        assert [notice.name for notice in rig.ear.told] == ["connected", "reconnecting"]
        rig.submit()
        await rig.clock.idle()
        assert [notice.name for notice in rig.ear.told] == ["connected", "reconnecting", "attempt"]

    rig.play(story)


# -- turns within turns -------------------------------------------------------------------------------------------------------


def test_what_an_observer_calls_is_a_turn_of_its_own_and_told_after_the_present_events() -> None:
    """A step never starts inside a step: everything of the first turn is done before the second begins."""
    rig = Rig()
    seen: list[tuple[str, str]] = []

    def hurry(notice: Notice) -> None:
        seen.append((notice.name, rig.core.state))
        if notice.name == "reconnecting":
            assert rig.driver._armed_for is not None
            rig.driver.feed(inputs.RetryRequested(at=rig.clock.now()))
            rig.submit(b"from an observer")
            seen.append(("the next observer of it", rig.core.state))

    async def story() -> None:
        rig.ear.on_tell = hurry
        await rig.online()
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        assert seen == [
            ("connected", "connected"),
            ("reconnecting", "reconnecting.waiting"),
            ("the next observer of it", "reconnecting.dialing"),
            ("attempt", "reconnecting.dialing"),
        ]

    rig.play(story)


class Meddler(RetryPolicy, kw_only=True):
    """A policy that calls the session while it is asked."""

    def decide(self, question: RetryQuestion) -> RetryAnswer:
        MEDDLE[0]()
        return RetryAnswer(retry_in=5.0, reason=question.cause.reason)


MEDDLE: list[Callable[[], object]] = [lambda: None]


def test_a_policy_that_calls_back_is_a_turn_of_its_own_too() -> None:
    rig = Rig(policy=Meddler())
    states: list[str] = []

    def meddle() -> None:
        states.append(rig.core.state)
        rig.driver.feed(inputs.RetryRequested(at=rig.clock.now()))
        rig.submit(b"dropped at once", keep=False)
        states.append(rig.core.state)

    async def story() -> None:
        await rig.online()
        MEDDLE[0] = meddle
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        MEDDLE[0] = lambda: None
        assert states == ["connected", "connected"], "the turn that asks is not over"
        assert rig.core.state == "reconnecting.dialing", "then the wait that it answered was cut short"
        assert failures(rig) == []

    rig.play(story)


def test_a_call_of_a_policy_that_is_refused_is_raised_like_any_other() -> None:
    rig = Rig(policy=Meddler())

    async def story() -> None:
        hub = await rig.online()
        hub.rude = True
        rig.submit()

        def ask_twice() -> None:
            rig.leave()
            rig.connect()

        MEDDLE[0] = ask_twice
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        MEDDLE[0] = lambda: None
        assert rig.core.role == "connecting", "it left, and came back"

    rig.play(story)


# -- one timer ----------------------------------------------------------------------------------------------------------------


def test_the_timer_is_armed_once_and_again_only_for_something_earlier() -> None:
    rig = Rig()

    async def story() -> None:
        await rig.online()
        armed = len(rig.clock.armed)
        for _ in range(100):
            rig.submit()
            await rig.clock.idle()
        assert len(rig.clock.armed) == armed, "what is sent postpones the ping, and an early timer may stand"
        serial, _ = rig.core.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=rig.clock.now())
        rig.driver.perform([])
        assert len(rig.clock.armed) == armed
        rig.driver.ended(rig.core.at.generation, Cause(reason=Reason.CLOSED))
        assert len(rig.clock.armed) == armed + 1
        assert rig.clock.armed[-1] == rig.core.wake_at()
        assert serial == 101

    rig.play(story)


def test_a_timer_that_comes_too_early_finds_nothing_to_do_and_arms_anew() -> None:
    rig = Rig()

    async def story() -> None:
        hub = await rig.online()
        armed = list(rig.clock.armed)
        await rig.clock.advance(1.9)
        rig.submit()
        await rig.clock.idle()
        await hub.accept(1)
        await rig.clock.idle()
        assert rig.clock.armed == armed
        stands = armed[-1]
        await rig.clock.advance(stands - rig.clock.now())
        assert rig.clock.armed[len(armed) :] == [rig.core.wake_at()]
        assert rig.core.state == "connected"

    rig.play(story)


def test_offline_no_timer_is_armed() -> None:
    """S05: however long one waits, nothing happens by itself."""
    rig = Rig()

    async def story() -> None:
        await rig.online()
        rig.leave()
        await rig.clock.advance(1)
        assert rig.driver._armed_for is None
        armed = len(rig.clock.armed)
        await rig.clock.advance(86_400)
        assert len(rig.clock.armed) == armed
        assert len(rig.hands) == 1

    rig.play(story)


@pytest.mark.parametrize("seconds", [6.1, 60.3, 3_600.7, 86_400.1])
def test_a_suspension_does_not_make_the_timer_spin(seconds: float) -> None:
    """The clock counts suspended time and the loop does not; roundings between the two must not re-arm for ever."""
    rig = Rig()

    async def story() -> None:
        hub = await rig.online(heartbeat=Heartbeat(ping=0.7, silence=6.1))
        for _ in range(20):
            rig.clock.suspend(seconds / 7)
            await rig.clock.advance(3.3)
        assert hub.ended is None
        assert len(rig.clock.armed) < 400

    rig.play(story)


# -- sleep --------------------------------------------------------------------------------------------------------------------


@on_bench
async def test_a_sleep_is_noticed_once_and_answered_by_a_probe(bench: Bench) -> None:
    """B17: connected: the hub is asked at once, and given up if it does not answer soon."""
    session, hub = await bench.online()
    await bench.later(0.3)
    pings = len(hub.frames)
    bench.clock.suspend(3_600)
    await bench.later(1)
    slept = [notice for notice in bench.told if isinstance(notice, Updated)]
    assert [(notice.what, round(notice.seconds)) for notice in slept] == [(UpdateKind.SLEPT, 3_600)]
    assert len(hub.frames) > pings
    assert session.state == "connected"
    assert len(bench.notes("resume_from_sleep")) == 1


@on_bench
async def test_a_sleep_that_the_driver_notices_first_is_told_once_as_well(bench: Bench) -> None:
    session, hub = await bench.online({"heartbeat": Heartbeat(ping=1.97, silence=6.0)})
    await bench.later(1.95)
    bench.clock.suspend(3_600)
    await bench.later(3)
    assert [notice.name for notice in bench.told] == ["connected", "updated"]
    assert session.state == "connected"
    assert hub.ended is None


@on_bench
async def test_after_a_sleep_a_waiting_session_tries_at_once(bench: Bench) -> None:
    """B17: waiting: the attempt is made now."""
    bench.network.refuse()
    session = bench.session(retry_initial=True, retry=RetryPolicy(first_try_seconds=None, wait=lambda state: 30.0))
    connecting = bench.start(session.connect())
    await bench.later(0.5)
    assert session.state == "connecting.waiting"
    bench.network.restore()
    bench.clock.suspend(20)
    await bench.later(0.6)
    assert session.state == "connecting.joining"
    await (await bench.hub()).welcome()
    await connecting


# -- policies -----------------------------------------------------------------------------------------------------------------


@on_bench
async def test_a_policy_that_raises_ends_the_episode_and_not_the_process(bench: Bench) -> None:
    """B09 S18: policy_error, told once; connect() works again."""

    class Raises(RetryPolicy, kw_only=True):
        def decide(self, question: RetryQuestion) -> RetryAnswer:
            raise ValueError("no idea")

    session, hub = await bench.online(retry=Raises())
    hub.cut()
    await session.wait_for("disconnected")
    assert bench.tale == ["connected", "disconnected"]
    assert (bench.told[-1].reason, bench.told[-1].detail) == (  # type: ignore[attr-defined]  # it is a Disconnected
        Reason.POLICY_ERROR,
        "the retry policy raised ValueError: no idea",
    )
    again = bench.start(session.connect())
    await (await bench.hub()).welcome()
    await again


@on_bench
async def test_the_announced_delay_is_the_time_to_the_attempt(bench: Bench) -> None:
    """B03: to the instant."""
    session, hub = await bench.online()
    hub.cut()
    await session.wait_for("reconnecting")
    attempt = bench.told[-1]
    assert isinstance(attempt, Attempt)
    await bench.back()
    assert bench.network.dials[-1].at == pytest.approx(attempt.at + attempt.retry_in, abs=1e-9)


# -- old links ----------------------------------------------------------------------------------------------------------------


def test_what_an_old_link_reports_changes_nothing_and_is_audited() -> None:
    """S11: opened, a message, a stream frame and an end of generation 1, while generation 2 is connected."""
    rig = Rig()

    async def story() -> None:
        hub = await rig.online()
        hub.cut()
        await rig.clock.advance(1)
        await rig.hands[-1].welcome(resumed=True, accepted=0)
        await rig.clock.idle()
        told, notes = len(rig.ear.told), len(rig.ear.notes)
        wake = rig.core.wake_at()
        await rig.clock.advance(0.1)
        rig.driver.opened(1)
        rig.driver.arrived(1, (Join(token="", session="", sender=""),))
        rig.driver.stream_frame(1, b"\0\0\0\7frame")
        rig.driver.ended(1, Cause(reason=Reason.CLOSED))
        assert (rig.core.state, len(rig.ear.told), rig.core.wake_at()) == ("connected", told, wake)
        assert [(note.what, note.detail) for note in rig.ear.notes[notes:]] == [
            ("stale_generation", "opened"),
            ("stale_generation", "message"),
            ("stale_generation", "ended: closed"),
        ]

    rig.play(story)


def test_the_hubs_limit_on_messages_is_kept() -> None:
    rig = Rig()

    async def story() -> None:
        await rig.online()
        link = rig.driver._link
        assert link is not None
        assert link._outlet is not None
        assert link._outlet.message_bytes == 1_000_000

    rig.play(story)


def test_credit_is_given_when_the_application_has_caught_up() -> None:
    rig = Rig()

    async def story() -> None:
        hub = await rig.online()
        rig.ear.behind = True
        for number in range(70):
            await hub.deliver(number)
        await rig.clock.idle()
        assert hub.credits == []
        rig.driver.consumed()
        assert rig.core.at.inbox.handled == 0
        rig.ear.behind = False
        rig.driver.consumed()
        await rig.clock.idle()
        assert hub.credits == [70]
        rig.driver.consumed()
        assert rig.core.at.inbox.handled == 70

    rig.play(story)


# -- tokens and tasks ---------------------------------------------------------------------------------------------------------


def test_tokens_and_secrets_are_concealed_before_they_travel() -> None:
    rig = Rig(token="the token")

    async def story() -> None:
        hub = await rig.online(secret="the secret")
        assert hub.all(Join)[0].token == "the token"
        hub.cut()
        await rig.clock.advance(1)
        assert rig.ear.concealed == ["the token", "", "the token", "the secret"]
        rig.driver.replace_token("a newer one")
        rig.hands[-1].cut()
        await rig.clock.advance(3)
        assert rig.ear.concealed[4:6] == ["a newer one", "the secret"]

    rig.play(story)


def test_it_shows_its_state_its_link_and_its_tasks() -> None:
    rig = Rig()

    async def story() -> None:
        assert repr(rig.driver) == "<Driver disconnected link=None tasks=0>"
        rig.connect()
        assert repr(rig.driver) == "<Driver connecting.dialing link=<Link generation=1 dialing> tasks=1>"
        await rig.clock.idle()
        assert repr(rig.driver) == "<Driver connecting.joining link=<Link generation=1 open> tasks=2>"
        assert rig.driver.now() == rig.clock.now()

    rig.play(story)


def test_a_task_that_dies_of_a_mistake_is_reported() -> None:
    rig = Rig()

    async def story() -> None:
        async def mistaken() -> None:
            raise ValueError("no")

        rig.driver.spawn(mistaken(), "mistake", 3)
        await rig.clock.idle()
        assert failures(rig) == ["reconnect-mistake-3: ValueError"]

    rig.play(story)


def test_what_does_not_end_when_it_is_told_to_holds_nobody_up_for_ever() -> None:
    rig = Rig()

    async def story() -> None:
        stubborn: list[str] = []

        async def never() -> None:
            for _ in range(2):
                try:
                    await asyncio.sleep(1_000)
                except asyncio.CancelledError:
                    stubborn.append("no")

        async def slow() -> None:
            await asyncio.sleep(8)

        async def newer() -> None:
            await asyncio.sleep(50)

        rig.driver.spawn(never(), "never", 1)
        rig.driver.spawn(slow(), "slow", 1)
        rig.driver.spawn(newer(), "newer", 2)
        before = rig.clock.now()
        await rig.driver.settled(1)
        assert rig.clock.now() - before == pytest.approx(20.0)
        assert (stubborn, failures(rig)) == (["no"], ["reconnect-never-1: TimeoutError"])
        await rig.driver.settled(0)
        assert repr(rig.driver).endswith("tasks=2>")
        await rig.clock.advance(2_000)

    rig.play(story)


@on_bench
async def test_a_dialer_that_comes_through_after_it_was_cancelled_leaves_nothing_open(bench: Bench) -> None:
    """S09: disconnect() returns, the late transport is closed, and its success is audited as stale."""
    opened: list[MemoryTransport] = []

    async def stubborn(url: str) -> Transport:
        ours, theirs = memory_pair()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        opened.extend((ours, theirs))
        return ours

    session = bench.session(transport=stubborn)
    connecting = bench.start(session.connect())
    await bench.idle()
    assert session.state == "connecting.dialing"
    before = bench.clock.now()
    await session.disconnect()
    assert bench.clock.now() - before == pytest.approx(1.0)
    with pytest.raises(Exception, match="client_disconnected"):
        await connecting
    assert opened[0].ended is not None
    with pytest.raises(TransportFailed):
        await opened[1].receive()
    assert [note["detail"] for note in bench.notes("stale_generation")] == ["opened"]
    assert session.state == "disconnected"


@on_bench
async def test_a_deadline_ends_a_dial_that_never_ends(bench: Bench) -> None:
    """B07: and the next attempt has a link of its own."""
    bench.network.hang()
    session = bench.session(retry_initial=True, attempt_deadline_seconds=3.0)
    connecting = bench.start(session.connect())
    await bench.later(3.001)
    assert session.state == "connecting.waiting"
    assert session.last_error == Cause(reason=Reason.DEADLINE, detail="the attempt neither succeeded nor failed in time")
    assert repr(session._driver).endswith("link=None tasks=0>")
    bench.network.restore()
    await (await bench.hub()).welcome()
    assert await connecting is session


@on_bench
async def test_a_silent_link_is_aborted_and_replaced(bench: Bench) -> None:
    """H01: 6 s of silence, on a deadline of our own."""
    session, hub = await bench.online()
    hub.silent = True
    before = bench.clock.now()
    await session.wait_for("reconnecting")
    assert bench.clock.now() - before == pytest.approx(6.0)
    assert hub.ended is None or hub.ended.reason is Reason.CLOSED
    await bench.back()
    assert bench.tale == ["connected", "reconnecting", "attempt", "reconnected"]


@on_bench
async def test_an_unstored_signal_of_a_user_store_is_reported_in_the_statistics(bench: Bench) -> None:
    box = Outbox()
    box.store = BrokenStore()
    session, hub = await bench.online(outbox=box)
    receipt = session.signal("hello")
    await bench.idle()
    assert session.statistics().counts["failed_effects"] == 1
    assert [note["detail"] for note in bench.notes("effect_failed")] == ["Store: OSError"]
    assert (receipt.outcome, hub.heard) == (None, [])
    assert isinstance(session, Session)


# -- the witness -----------------------------------------------------------------------------------------------------------------


class Eye:
    """Sees what a core is fed (reconnect.driver.driver.Witness)."""

    def __init__(self, core: SessionCore) -> None:
        self.core = core
        self.seen: list[tuple[str, str]] = []
        self.heard_at: list[float] = []

    def input(self, happened: inputs.Input) -> None:
        self.seen.append((type(happened).__name__, self.core.state))

    def heard(self, at: float) -> None:
        self.heard_at.append(at)


@on_bench
async def test_a_witness_sees_each_input_before_the_core_does_its_verdicts_included(bench: Bench) -> None:
    session, hand = await bench.online()
    driver = session._driver
    eye = driver._witness = Eye(driver.core)
    hand.cut()
    await bench.idle()
    assert eye.seen == [("TransportEnded", "connected"), ("Verdict", "connected")]


@on_bench
async def test_a_driver_can_be_halted_and_ends_in_a_turn_of_its_own(bench: Bench) -> None:
    session, _ = await bench.online()
    session._driver.halt("no space left on device")
    assert session.state == "connected"
    await bench.idle()
    assert session.state == "disconnected"
    assert session.last_error is not None
    assert (session.last_error.reason, session.last_error.detail) == (Reason.AUDIT_FAILED, "no space left on device")
