"""A session's core on a bench: time stands still until the test moves it, and what the core asks for is kept by kind.

The bench does what a driver does, and in a driver's order: it answers the core's question at once, confirms what is to be stored
in the same turn, and raises a refusal when everything else is done. After each turn it looks at what must always hold: at most
one transport, a timer exactly in the states that wait, no outcome twice, and signals submitted = outcomes + pending.

The charts are a parameter, so that the same behaviours can be tried on charts that were tampered with.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from functools import cache
from itertools import count
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from reconnect.chart import Statechart, StepVerdict, load_chart, load_chart_text
from reconnect.chart.load import charts_folder
from reconnect.core import effects as do
from reconnect.core import inputs
from reconnect.core.frames import Entry, EntryKind, Frame, Heartbeat, Limits, Welcome
from reconnect.core.notices import Attempt, Connected, Disconnected, Notice, Outcome, PublicationNotice, Reconnected, Reconnecting
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.reasons import Cause, Reason

Charts = Mapping[str, Statechart]
F = TypeVar("F", bound=Frame)
N = TypeVar("N", bound=Notice)

START: Final = 1_000.0
HEARTBEAT: Final = Heartbeat(ping=2.0, silence=6.0)
LIMITS: Final = Limits(message_bytes=1_000_000, data_bytes=8_192, window=256)
RESET: Final = Cause(reason=Reason.CLOSED, detail="connection reset by peer")
COMING_AND_GOING: Final = (Connected, Reconnecting, Reconnected, Disconnected)
TURNS: Final = 1_000  # in which time must get on; only a chart that was tampered with needs more

# Which timer is armed in the states of each phase or role; `stable` may have fired already. No state of the library's own chart
# is `recovering` without a phase; in `derived_charts` one is.
ARMED: Final = {
    "waiting": "retry", "dialing": "deadline", "joining": "deadline", "closing": "close", "online": "stable",
    "recovering": "suspension",
}  # fmt: skip


@cache
def shipped() -> Charts:
    """Return the charts as they are shipped."""
    return {name: load_chart(name) for name in ("session", "publisher", "subscriber")}


def changed_chart(name: str, *changes: tuple[str, str]) -> Statechart:
    """Return a shipped chart with changes to its text, read and checked as any chart."""
    text = (charts_folder() / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"the chart {name} has no {old!r}"
        text = text.replace(old, new)
    return load_chart_text(text, f"{name}.toml")


class Policy(Protocol):
    """What a retry policy is."""

    def decide(self, question: RetryQuestion) -> RetryAnswer: ...


class Script:
    """A policy that answers as told: first what is listed, then `then`. A number is a delay, a Reason the end."""

    def __init__(self, *answers: float | Reason, then: float | Reason = 1.0) -> None:
        self.answers = deque(answers)
        self.then = then
        self.asked: list[RetryQuestion] = []

    def decide(self, question: RetryQuestion) -> RetryAnswer:
        """Answer with what is next in the script."""
        self.asked.append(question)
        answer = self.answers.popleft() if self.answers else self.then
        if isinstance(answer, Reason):
            return RetryAnswer(retry_in=None, reason=answer)
        return RetryAnswer(retry_in=answer, reason=question.cause.reason)


def raw(value: Any) -> msgspec.Raw:
    """Return a JSON value as it travels."""
    return msgspec.Raw(json.dumps(value).encode())


def signal(position: int, data: Any = "x", *, after: int | None = None, serial: int | None = None, **fields: Any) -> Entry:
    """Return the entry of a peer's signal; its serial is its position unless given."""
    usual = {"connection": "c-peer", "sender": "peer", "type": "chat", "data": raw(data)}
    return Entry(
        position=position,
        after=position - 1 if after is None else after,
        what=EntryKind.SIGNAL,
        serial=position if serial is None else serial,
        **{**usual, **fields},
    )


def welcome(**fields: Any) -> Welcome:
    """Return a hub's welcome to a new connection, but for what is given."""
    usual: dict[str, Any] = {
        "connection": "c1", "secret": "s1", "epoch": "e1", "position": 0, "resumed": False,
        "grace": 60.0, "heartbeat": HEARTBEAT, "limits": LIMITS,
    }  # fmt: skip
    return Welcome(**{**usual, **fields})


class CoreWorld:
    """One session's core, a clock that is moved by hand, and everything that the core asked for."""

    def __init__(
        self, charts: Charts | None = None, *, policy: Policy | None = None, stores: bool = True, **settings: Any
    ) -> None:
        charts = charts or shipped()
        self.now = START
        self.script = Script()
        self.policy: Policy = policy or self.script
        self.stores = stores
        self.core = SessionCore(
            SessionSettings(session="room-1", sender="me", **settings),
            session=charts["session"],
            publisher=charts["publisher"],
            subscriber=charts["subscriber"],
        )
        self.turn: list[do.Effect] = []
        self.effects: list[do.Effect] = []
        self.outcomes: dict[int, Outcome] = {}
        self.answers: dict[int, do.Answer] = {}
        self.dialed: list[do.OpenTransport] = []
        self.closed: list[do.CloseTransport] = []
        self.requests = count(100)
        self.transport: int | None = None  # the generation that is dialed or open
        self.is_open = False

    # -- turns -----------------------------------------------------------------------------------------------------------------

    def feed(self, happened: inputs.Input) -> list[do.Effect]:
        """Take one turn as a driver does; return its effects, and raise what was refused."""
        self.turn = []
        self.perform(self._asked(self.core.feed(happened)))
        refused = [effect.error for effect in self.turn if isinstance(effect, do.Refuse)]
        self.check()
        if refused:
            raise refused[0]
        return self.turn

    def _asked(self, effects: list[do.Effect]) -> list[do.Effect]:
        while self.core.question is not None:
            question = replace(self.core.question, chance=0.5)
            effects += self.core.feed(inputs.Verdict(at=self.now, question=question, answer=self.policy.decide(question)))
        return effects

    def perform(self, effects: list[do.Effect]) -> None:
        """Keep effects by kind, in order; what must be stored is confirmed behind them."""
        waiting = deque(effects)
        while waiting:
            effect = waiting.popleft()
            self.turn.append(effect)
            self.effects.append(effect)
            match effect:
                case do.OpenTransport(generation=generation):
                    assert self.transport is None, f"transport {self.transport} is there still"
                    self.transport, self.is_open = generation, False
                    self.dialed.append(effect)
                case do.CloseTransport(generation=generation):
                    self.closed.append(effect)
                    if generation == self.transport:
                        self.transport, self.is_open = None, False
                case do.Send(generation=generation):
                    assert self.is_open, "frames are sent where no transport is open"
                    assert generation == self.transport, "frames are sent on an old transport"
                case do.Settle(serials=serials, outcome=outcome):
                    for serial in serials:
                        assert serial not in self.outcomes, f"signal {serial} has its outcome already"
                        self.outcomes[serial] = outcome
                case do.Answer(request=request):
                    assert request not in self.answers, f"request {request} was answered already"
                    self.answers[request] = effect
                case do.Store(rows=rows) if self.stores:
                    waiting.extend(self._asked(self.core.feed(inputs.Stored(at=self.now, serial=rows[-1].serial))))

    def check(self) -> None:
        """Look at what holds after every turn."""
        at, core = self.core.at, self.core
        expected, armed = ARMED.get(core.phase or core.role), list(at.timers.names)
        fits = armed == ([expected] if expected else []) or (core.role == "online" and not armed)
        assert fits, f"{core.state} has the timers {armed}"
        assert at.fenced is (self.transport is None), f"{core.state} listens to {self.transport}: {not at.fenced}"
        assert at.outbox.submitted == sum(at.outbox.counts.values()) + at.outbox.pending, "a signal is lost"
        assert at.outbox.counts.total() == len(self.outcomes), "an outcome was not told"
        steps = [effect.step for effect in self.turn if isinstance(effect, do.Note) and effect.step is not None]
        wrong = [step for step in steps if step.event in ("interrupted", "restored") and step.verdict is StepVerdict.REFUSED]
        assert not wrong, "the set of what interrupts a stream and its chart disagree"

    # -- what happens ----------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Call connect()."""
        self.feed(inputs.ConnectRequested(at=self.now))

    def disconnect(self) -> None:
        """Call disconnect()."""
        self.feed(inputs.DisconnectRequested(at=self.now))

    def retry(self, *, force: bool = False) -> None:
        """Call reconnect_now()."""
        self.feed(inputs.RetryRequested(at=self.now, force=force))

    def opened(self, generation: int | None = None) -> None:
        """The dial succeeded."""
        if generation is None:
            assert self.transport is not None, "nothing is dialed"
            generation = self.transport
        self.is_open = self.is_open or generation == self.transport
        self.feed(inputs.TransportOpened(at=self.now, generation=generation))

    def receive(self, *frames: Frame, generation: int | None = None) -> None:
        """One message of the hub arrives."""
        generation = self.core.at.generation if generation is None else generation
        self.feed(inputs.Received(at=self.now, generation=generation, frames=frames))

    def lose(self, cause: Cause | Reason = RESET, *, generation: int | None = None) -> None:
        """The dial failed or the transport ended."""
        cause = Cause(reason=cause) if isinstance(cause, Reason) else cause
        generation = self.core.at.generation if generation is None else generation
        self.feed(inputs.TransportEnded(at=self.now, generation=generation, cause=cause))

    def accept(self, *more: Frame, **fields: Any) -> None:
        """The hub accepts, as a new connection unless `resumed` is given; in one message with what follows."""
        self.receive(welcome(**fields), *more)

    def join(self, *more: Frame, **fields: Any) -> None:
        """The socket opens and the hub accepts."""
        self.opened()
        self.accept(*more, **fields)

    def online(self, **fields: Any) -> CoreWorld:
        """Connect for the first time."""
        self.connect()
        self.join(**fields)
        return self

    def accept_again(self, *more: Frame, **fields: Any) -> None:
        """The hub resumes the connection."""
        at = self.core.at
        usual = {"connection": at.connection, "epoch": at.inbox.epoch, "secret": at.secret + "'", "position": at.inbox.received}
        self.accept(*more, **{"resumed": True, "accepted": 0, **usual, **fields})

    def resume(self, *more: Frame, **fields: Any) -> None:
        """Wait for the next attempt, in which the hub resumes the connection."""
        self.wake()
        self.opened()
        self.accept_again(*more, **fields)

    def wake(self) -> float:
        """Jump to the next instant that the core wants to be woken at; return the seconds that passed."""
        due = self.core.wake_at()
        assert due is not None, f"nothing is due in {self.core.state}"
        assert due >= self.now, "what was due was not done"
        passed, self.now = due - self.now, due
        self.feed(inputs.Woke(at=self.now))
        return passed

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the core whenever it wants to be."""
        until = self.now + seconds
        for _ in range(TURNS):
            due = self.core.wake_at()
            if due is None or due > until:
                self.now = until
                return
            self.wake()
        raise AssertionError(f"time does not get on in {self.core.state}")

    def oversleep(self, seconds: float) -> None:
        """Let time pass without waking the core before it is over."""
        self.now += seconds
        self.feed(inputs.Woke(at=self.now))

    # -- what the user does ----------------------------------------------------------------------------------------------------

    def submit(self, data: Any = "x", *, keep: bool = True, flush: bool = True, **fields: Any) -> int:
        """Call signal(); its loop turn ends at once unless `flush` is False."""
        usual: dict[str, Any] = {"type": "chat", "to": None, "ttl": None}
        serial, effects = self.core.submit(data=bytes(raw(data)), keep=keep, at=self.now, **{**usual, **fields})
        self.turn = []
        self.perform(effects)
        if flush:
            self.flush()
        return serial

    def flush(self) -> None:
        """The loop turn ends."""
        self.feed(inputs.Flush(at=self.now))

    def publish(self, request: int, name: str = "camera") -> str:
        """Call publish(); return the want's key."""
        key = f"publish:{name}"
        self.feed(inputs.WantAdded(at=self.now, request=request, key=key, publish=name))
        return key

    def subscribe(self, request: int, stream: str = "s-1") -> str:
        """Call subscribe(); return the want's key."""
        key = f"subscribe:{stream}"
        self.feed(inputs.WantAdded(at=self.now, request=request, key=key, subscribe=stream))
        return key

    # -- what was asked for ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The session's state."""
        return self.core.state

    @property
    def role(self) -> str:
        """The session's role."""
        return self.core.role

    @property
    def told(self) -> list[str]:
        """What the user was told of the session's own coming and going so far."""
        return [notice.name for notice in self.notices(Notice) if type(notice) in COMING_AND_GOING]

    @property
    def order(self) -> list[str]:
        """The names of everything that was told in this turn, with the keys of publications and subscriptions."""
        told = [notice for effect in self.turn for notice in do.told(effect)]
        return [f"{one.key} {one.name}" if isinstance(one, PublicationNotice) else one.name for one in told]

    @property
    def wire(self) -> list[Frame]:
        """Every frame that was sent, on whichever transport."""
        return [frame for effect in self.effects if isinstance(effect, do.Send) for frame in effect.frames]

    @property
    def delays(self) -> list[float]:
        """What was announced of each attempt: how long it would wait."""
        return [notice.retry_in for notice in self.notices(Attempt)]

    def sent(self, kind: type[F]) -> list[F]:
        """Return the frames of one kind that were sent so far."""
        return [frame for frame in self.wire if isinstance(frame, kind)]

    def notices(self, kind: type[N]) -> list[N]:
        """Return what was told so far, of one kind."""
        return [notice for effect in self.effects for notice in do.told(effect) if isinstance(notice, kind)]

    def notes(self, what: str) -> list[do.Note]:
        """Return what was written down under this name."""
        return [effect for effect in self.effects if isinstance(effect, do.Note) and effect.what == what]
