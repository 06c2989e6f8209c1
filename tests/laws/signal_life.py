"""Holds an outbox to `statecharts/signal.toml`: what it says of its signals is replayed on the chart, move by move.

The outbox does not run the chart, for speed; it tells its moves to a hook. A `SignalLife` takes them and keeps what was said, so
that the same record can be replayed on another chart. `OutboxBench` is an outbox with a clock, a store that is confirmed when the
test says so, and a `SignalLife`; every effect passes through it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from reconnect.chart import Statechart, StepVerdict, load_chart, runner_for
from reconnect.core.bounds import OutboxBounds, Overflow
from reconnect.core.durable import DurableOutbox
from reconnect.core.effects import Effect, Forget, Settle
from reconnect.core.frames import Rejection, SendSignal
from reconnect.core.notices import Outcome
from reconnect.core.outbox import Outbox
from reconnect.reasons import Reason, RejectCode

Move = tuple[int, str, bool]  # serial, an event or an outcome's status, and whether it is an outcome


class SignalLife:
    """The state of every signal on a chart, moved by what an outbox says."""

    def __init__(self, chart: Statechart) -> None:
        self._chart = chart
        self._states: dict[int, str] = {}
        self.record: list[Move] = []
        self.rows: set[int] = set()

    def move(self, serial: int, event: str) -> None:
        """The outbox says that this happened to a signal: it must be a row of the chart."""
        self.record.append((serial, event, False))
        step = runner_for(self._chart).step(self._states.get(serial, self._chart.initial), event)
        assert step.verdict is StepVerdict.TAKEN, f"signal {serial}: {event} in {step.before} is {step.verdict}"
        assert step.row is not None
        self._states[serial] = step.after
        self.rows.add(step.row)

    def settle(self, serial: int, status: str) -> None:
        """The outbox gave a signal its outcome: the chart must be in the final state of this name."""
        self.record.append((serial, status, True))
        state = self._states.get(serial, self._chart.initial)
        assert self._chart.role(state) == status, f"signal {serial} is {status}, and the chart says {state}"

    def pending(self, serials: Iterable[int]) -> set[int]:
        """Return those that have no outcome on the chart."""
        waiting = ("queued", "in_flight", "unsure")
        return {serial for serial in serials if self._chart.role(self._states.get(serial, self._chart.initial)) in waiting}


def replay(chart: Statechart, record: Iterable[Move]) -> SignalLife:
    """Replay what an outbox said on a chart, which raises at the first move that the chart does not know."""
    life = SignalLife(chart)
    for serial, what, is_outcome in record:
        (life.settle if is_outcome else life.move)(serial, what)
    return life


class OutboxBench:
    """An outbox under a clock that is moved by hand, held to the signal chart."""

    def __init__(
        self,
        *,
        signals: int = 1_000,
        size: int = 1_000_000,
        in_flight: int = 100,
        overflow: Overflow = Overflow.RAISE,
        acknowledged: bool = True,
        durable: bool = False,
    ) -> None:
        self.life = SignalLife(load_chart("signal"))
        bounds = OutboxBounds(signals=signals, size=size, in_flight=in_flight, overflow=overflow)
        self.outbox = (DurableOutbox if durable else Outbox)(bounds=bounds, acknowledged=acknowledged, trace=self.life.move)
        self.now = 100.0
        self.away = False
        self.was_linked = False  # a connection was accepted since the last end
        self.proves = True  # the link answers a ping
        self.submitted: list[int] = []
        self.outcomes: dict[int, Outcome] = {}
        self.stored: set[int] = set()

    # -- what is done ----------------------------------------------------------------------------------------------------------

    def submit(self, data: Any = "x", *, keep: bool = True, ttl: float | None = None, store: bool = True, **fields: Any) -> int:
        """Submit a signal, and have it stored at once unless told otherwise."""
        encoded = json.dumps(data).encode()
        usual = {"type": "", "to": None}
        serial, effects = self.outbox.submit(data=encoded, ttl=ttl, keep=keep, at=self.now, away=self.away, **{**usual, **fields})
        self.submitted.append(serial)
        self.take(effects)
        if store:
            self.store()
        return serial

    def store(self) -> list[int]:
        """Store what was submitted; return the serials."""
        rows = self.outbox.unstored()
        self.stored |= {row.serial for row in rows}
        if rows:
            self.outbox.stored(rows[-1].serial)
        return [row.serial for row in rows]

    def unkept(self, *serials: int, certain: bool = True) -> None:
        """The store could not keep these."""
        assert isinstance(self.outbox, DurableOutbox)
        self.take(self.outbox.unkept(serials, certain=certain))

    def release(self) -> list[SendSignal]:
        """Send what may be sent, once the link has answered where it is asked to."""
        self.was_linked = True
        if self.outbox.wants_proof and self.proves:
            self.outbox.prove()
        frames, effects = self.outbox.release(self.now)
        self.take(effects)
        return list(frames)

    def sent(self) -> list[int]:
        """Send what may be sent; return the serials."""
        return [frame.serial for frame in self.release()]

    def judge(self, serial: int, *rejected: int) -> bool:
        """The hub judged everything up to a serial; False where that cannot be."""
        return self._took(self.outbox.judge(serial, refusals(rejected)))

    def lose(self, *, blameable: bool = True) -> None:
        """The transport ended, and the session is coming back."""
        self.take(self.outbox.hold(self.now, blameable=blameable))
        self.away = True
        self.take(self.outbox.drop_opted_out())

    def welcome(self, accepted: int | None, *rejected: int, resumed: bool = True) -> bool:
        """The hub accepted; False where what it says it had judged cannot be."""
        lost = self.was_linked and not resumed
        took = self._took(self.outbox.resume(accepted, refusals(rejected), self.now, resumed=resumed, lost=lost))
        self.away = self.away and not took
        self.was_linked = self.was_linked or took
        return took

    def cancel(self, serial: int) -> bool:
        """Take a signal back; False where that is too late."""
        effects = self.outbox.cancel(serial)
        self.take(effects)
        return bool(effects)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; what runs out does so at its instant."""
        until = self.now + seconds
        while (due := self.outbox.wake_at()) is not None and due <= until:
            self.now = max(self.now, due)
            self.take(self.outbox.expire(self.now))
        self.now = until

    def end(self, reason: Reason = Reason.GAVE_UP) -> None:
        """The session entered disconnected."""
        self.take(self.outbox.end(reason))
        self.away = self.was_linked = False

    # -- what came of it -------------------------------------------------------------------------------------------------------

    def _took(self, effects: list[Effect] | None) -> bool:
        self.take(effects or [])
        return effects is not None

    def take(self, effects: list[Effect]) -> None:
        """Keep what came of a call, and look at what holds after every call."""
        forgotten: set[int] = set()
        for effect in effects:
            if isinstance(effect, Settle):
                for serial in effect.serials:
                    assert serial not in self.outcomes, f"signal {serial} has its outcome already"
                    self.outcomes[serial] = effect.outcome
                    self.life.settle(serial, effect.outcome.status)
            else:
                assert isinstance(effect, Forget)
                forgotten |= set(effect.serials)
        settled = {serial for effect in effects if isinstance(effect, Settle) for serial in effect.serials}
        assert self.stored & settled == forgotten, "the store keeps exactly what has no outcome"
        pending = set(self.submitted) - self.outcomes.keys()
        assert self.outbox.submitted == len(self.submitted)
        assert self.outbox.counts.total() == len(self.outcomes)
        assert self.outbox.pending == len(pending)
        assert self.life.pending(self.submitted) == pending
        assert self.outbox.settled_up_to == min(pending, default=len(self.submitted) + 1) - 1

    def status(self, serial: int) -> str:
        """Return a signal's outcome in a word, with a mark where it may have been sent; `pending` without one."""
        outcome = self.outcomes.get(serial)
        return f"{outcome.status}{'?' if outcome.possibly_sent else ''}" if outcome else "pending"

    def statuses(self) -> list[str]:
        """Return all, in the order submitted."""
        return [self.status(serial) for serial in self.submitted]


def refusals(serials: Iterable[int]) -> tuple[Rejection, ...]:
    """Return what a hub says of signals that it did not take."""
    return tuple(Rejection(serial=serial, code=RejectCode.FORBIDDEN) for serial in serials)


def raw(frame: SendSignal) -> Any:
    """Return the data of a frame."""
    return msgspec.json.decode(frame.data)
