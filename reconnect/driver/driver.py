"""The loop around the core: feeds what happened, performs what was decided, tells the user last.

A turn has three parts, each finished before the next begins:

1. the core takes one input, and where it has a question the policy is asked and its verdict fed at once;
2. the effects are performed in order; what they report at once (a memory store answers in the same turn) is a turn whose effects
   come after the present ones;
3. when all is done the timer is armed, and the user is told. What an observer calls is a turn of its own: a step never starts
   inside a step, and the state that an observer sees is settled.

Nothing that a policy, a store, a sink or an observer does can leave a turn half done. Each effect is performed by itself: one
that raises is counted (`failed_effects`), audited (`effect_failed`) and logged with its traceback, and the rest of the turn
goes on. A policy that raises, or answers what is no answer, has its defined end: POLICY_ERROR.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final, Protocol

from msgspec.structs import replace

from reconnect.core import effects as do
from reconnect.core import inputs
from reconnect.core.frames import Frame, Join
from reconnect.core.notices import Notice, Outcome
from reconnect.core.session import SessionCore
from reconnect.driver.asking import ask
from reconnect.driver.links import Link
from reconnect.driver.sleep import sleep_watch
from reconnect.errors import MalformedMessage, OutboxFailed
from reconnect.limits import CLOSE_TIMEOUT_SECONDS
from reconnect.ports import Clock, Dialect, Dialer, OutboxStore, RetryPolicy, TimerHandle, TokenSource
from reconnect.reasons import Cause, Reason
from reconnect.wire import unpack_stream_frame

PATIENCE_SECONDS: Final = 3 * CLOSE_TIMEOUT_SECONDS  # for tasks to end that were told to; a goodbye and a close take two at most

_log = logging.getLogger("reconnect")


class Listener(Protocol):
    """The user's side of a driver."""

    def tell(self, notice: Notice) -> None: ...
    def deliver(self, signals: do.Deliver) -> None: ...
    def settle(self, serials: tuple[int, ...], outcome: Outcome) -> None: ...
    def answer(self, request: int, value: Any, error: Exception | None) -> None: ...
    def moved(self, state: str) -> None: ...
    def stream_frame(self, key: str, payload: memoryview) -> None: ...
    def taken_over(self, received: int) -> int: ...


class Recorder(Protocol):
    """The audit's side of a driver."""

    def note(self, effect: do.Note, *, connection: str | None, outbox: int) -> None: ...
    def outcomes(self, effect: do.Settle, *, connection: str | None, outbox: int) -> None: ...
    def conceal(self, secret: str) -> None: ...


class Witness(Protocol):
    """Sees what the core is fed, before it is."""

    def input(self, happened: inputs.Input) -> None: ...
    def heard(self, at: float) -> None: ...


class Driver:
    """Runs one session's core on asyncio."""

    def __init__(
        self,
        core: SessionCore,
        *,
        url: str,
        token: TokenSource,
        policy: RetryPolicy,
        dialer: Dialer,
        dialect: Dialect,
        clock: Clock,
        store: OutboxStore,
        recorder: Recorder,
        listener: Listener,
        random: Random,
        witness: Witness | None = None,
    ) -> None:
        self.core = core
        self._url, self._token = url, token
        self._policy, self._dialer, self._dialect = policy, dialer, dialect
        self._clock, self._store, self._random = clock, store, random
        self._recorder, self._listener, self._witness = recorder, listener, witness
        self._link: Link | None = None
        self._inputs: deque[inputs.Input] = deque()
        self._effects: deque[do.Effect] = deque()
        self._notices: deque[Notice | do.Deliver] = deque()
        self._deciding = self._performing = self._telling = False
        self._state = core.state
        self._timer: TimerHandle | None = None
        self._armed_for: float | None = None
        self.flush_due = False
        self._tasks: dict[asyncio.Task[None], int] = {}  # with the generation that each belongs to
        self._perform: dict[type[do.Effect], Callable[[Any], None]] = {
            do.OpenTransport: self._open_transport,
            do.Send: self._send,
            do.CloseTransport: self._close_transport,
            do.Store: self._store_rows,
            do.Forget: self._forget,
            do.Settle: self._settle,
            do.Answer: self._answer,
            do.Note: self._note,
        }

    def __repr__(self) -> str:
        return f"<Driver {self.core.state} link={self._link} tasks={len(self._tasks)}>"

    # -- turns -------------------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the present instant on the session's clock."""
        return self._clock.now()

    def feed(self, happened: inputs.Input) -> None:
        """Take one turn; raises what the chart refuses to a caller."""
        if self._deciding:
            # The policy called back into the session. What it asks for is a turn of its own, after this one.
            self._inputs.append(happened)
            return
        self._deciding = True
        try:
            effects = self._decide(happened)
            while (asked := self.core.question) is not None:
                question = replace(asked, chance=self._random.random())
                effects += self._decide(inputs.Verdict(at=happened.at, question=question, answer=ask(self._policy, question)))
        finally:
            self._deciding = False
        try:
            self.perform(effects)
        finally:
            if self._inputs:
                self.feed(self._inputs.popleft())

    def _decide(self, happened: inputs.Input) -> list[do.Effect]:
        if self._witness is not None:
            self._witness.input(happened)
        return self.core.feed(happened)

    def perform(self, effects: list[do.Effect]) -> None:
        """Perform effects after those under way; then arm the timer and tell the user."""
        self._effects.extend(effects)
        if self._performing or self._deciding:
            return
        self._performing = True
        refused: Exception | None = None
        try:
            while self._effects:
                effect = self._effects.popleft()
                if type(effect) is do.Notify:
                    self._notices.append(effect.notice)
                elif type(effect) is do.Deliver:
                    self._notices.append(effect)
                elif type(effect) is do.Refuse:
                    refused = effect.error
                else:
                    self._guard(type(effect).__name__, self._perform[type(effect)], effect)
        finally:
            self._performing = False
        self._settle_turn()
        if refused is not None:
            raise refused

    def _settle_turn(self) -> None:
        self._guard("Arm", self._arm)
        if self.core.state != self._state:
            self._state = self.core.state
            self._guard("WatchSleep", self._watch_sleep)
            self._guard("Moved", self._listener.moved, self._state)
        if self._telling:
            return
        self._telling = True
        try:
            while self._notices:
                self._guard("Tell", self._tell_all)
        finally:
            self._telling = False

    def _tell_all(self) -> None:
        notices, listener = self._notices, self._listener
        while notices:
            notice = notices.popleft()
            if isinstance(notice, do.Deliver):
                listener.deliver(notice)
            else:
                listener.tell(notice)

    def _guard(self, name: str, call: Callable[..., object], *values: object) -> None:
        """Make a call into code that may be anyone's; what it raises is reported, and the turn goes on."""
        try:
            call(*values)
        except (Exception, asyncio.CancelledError) as error:  # nothing is awaited here, so a cancellation is not ours
            self._report(name, error)

    def _report(self, name: str, error: BaseException) -> None:
        """The one way in which an unexpected error surfaces: counted, audited by its type, logged with its traceback."""
        self.core.counts["failed_effects"] += 1
        _log.error("%s failed in session %s", name, self.core.at.settings.session, exc_info=error)
        try:
            self._note(do.Note(at=self.now(), what="effect_failed", detail=f"{name}: {type(error).__name__}"))
        except Exception as another:
            _log.error("and so did the audit of it", exc_info=another)

    def _arm(self) -> None:
        """Arm the one timer; an earlier one may stand, it finds nothing to do and arms anew."""
        due = self.core.wake_at()
        if due is None:
            self._disarm()
        elif self._armed_for is None or due < self._armed_for:
            self._disarm()
            self._timer = self._clock.call_at(due, self._woke)
            self._armed_for = due

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_for = None

    def _woke(self) -> None:
        self._timer = self._armed_for = None
        now = self.now()
        due = self.core.wake_at()
        if due is not None and due <= now:
            self.feed(inputs.Woke(at=now))
        else:
            self._arm()

    def _watch_sleep(self) -> None:
        watch = sleep_watch(self._clock)
        if self.core.role == "offline":
            watch.remove(self)
        else:
            watch.add(self, lambda seconds: self.feed(inputs.Slept(at=self.now(), seconds=seconds)))

    # -- signals -----------------------------------------------------------------------------------------------------------------

    def signals_submitted(self) -> None:
        """Flush once this loop turn is over, so that what it produced travels as one message."""
        if not self.flush_due:
            self.flush_due = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Store and send what was submitted, now."""
        if self.flush_due:
            self.flush_due = False
            self.feed(inputs.Flush(at=self.now()))

    def consumed(self) -> None:
        """The application caught up: what it took over is handled. What was received and not told yet, it did not take over."""
        inbox = self.core.at.inbox
        if inbox.received > inbox.handled and not self._telling:
            position = self._listener.taken_over(inbox.received)
            if position > inbox.handled:
                self.feed(inputs.HandledUpTo(at=self.now(), position=position))

    def replace_token(self, token: str) -> None:
        """Take a newer token for the attempts to come; a callable is asked anew anyway."""
        if isinstance(self._token, str):
            self._token = token

    def send_stream_frame(self, number: int, payload: bytes) -> bool:
        """Hand one stream frame to the transport; False where there is no room or no transport."""
        return self._link is not None and self._link.send_stream_frame(number, payload)

    # -- performing --------------------------------------------------------------------------------------------------------------

    def _open_transport(self, effect: do.OpenTransport) -> None:
        self._link = Link(effect.generation, dialer=self._dialer, dialect=self._dialect, reports=self, spawn=self.spawn)
        self._link.dial(effect.url or self._url, self._token, advised=effect.url is not None)

    def _send(self, effect: do.Send) -> None:
        link = self._link
        if link is None or link.generation != effect.generation:
            return
        frames = effect.frames
        if isinstance(frames[0], Join):
            # The token never enters the core, and so no journal: it joins the frame here.
            self._recorder.conceal(frames[0].resume.secret if frames[0].resume else "")
            frames = (replace(frames[0], token=link.token), *frames[1:])
        link.send(frames)

    def _close_transport(self, effect: do.CloseTransport) -> None:
        link = self._link
        if link is None or link.generation != effect.generation:
            return
        self._link = None
        if effect.abort:
            link.abort()
        else:
            link.close(effect.code, effect.detail)

    def _store_rows(self, effect: do.Store) -> None:
        self._store.put(effect.rows, self._stored)

    def _stored(self, answer: int | OutboxFailed) -> None:
        at = self.now()
        self.feed(inputs.Stored(at=at, serial=answer) if isinstance(answer, int) else inputs.store_failed(answer, at))

    def _forget(self, effect: do.Forget) -> None:
        self._store.forget(effect.serials)

    def _settle(self, effect: do.Settle) -> None:
        try:
            self._recorder.outcomes(effect, connection=self.core.at.connection, outbox=self.core.at.outbox.pending)
        finally:
            self._listener.settle(effect.serials, effect.outcome)  # no receipt waits for a recorder

    def _answer(self, effect: do.Answer) -> None:
        self._listener.answer(effect.request, effect.value, effect.error)

    def _note(self, effect: do.Note) -> None:
        self._recorder.note(effect, connection=self.core.at.connection, outbox=self.core.at.outbox.pending)

    def halt(self, problem: str) -> None:
        """The audit cannot be written, and the session is not to go on without it: it ends in a turn after the present one."""
        cause = Cause(reason=Reason.AUDIT_FAILED, final=True, detail=problem)
        asyncio.get_running_loop().call_soon(lambda: self.feed(inputs.Halted(at=self.now(), cause=cause)))

    # -- what links report -------------------------------------------------------------------------------------------------------

    def fetched(self, token: str) -> None:
        """A token is about to be used: whatever a dialer says of it, the audit does not repeat it."""
        self._recorder.conceal(token)

    def opened(self, generation: int) -> None:
        """The transport is open."""
        self.feed(inputs.TransportOpened(at=self.now(), generation=generation))

    def ended(self, generation: int, cause: Cause) -> None:
        """The dial failed or the transport ended."""
        self.feed(inputs.TransportEnded(at=self.now(), generation=generation, cause=cause))

    def arrived(self, generation: int, frames: tuple[Frame, ...]) -> None:
        """A message with these frames arrived."""
        self.feed(inputs.Received(at=self.now(), generation=generation, frames=frames))
        if self._link is not None and self._link.generation == generation:
            self._link.limit_messages(self.core.at.limits.message_bytes)
        self.consumed()

    def stream_frame(self, generation: int, message: bytes) -> None:
        """A binary message arrived: it proves that the hub lives, and goes to its subscriber if there is one."""
        now = self.now()
        if not self.core.heard(generation, now):
            return
        if self._witness is not None:
            self._witness.heard(now)
        try:
            number, payload = unpack_stream_frame(message)
        except MalformedMessage:
            self.core.counts["malformed_stream_frames"] += 1
            return
        key = self.core.at.wants.subscribed(number)
        if key is None:
            self.core.counts["unknown_stream_frames"] += 1
        else:
            self._listener.stream_frame(key, payload)

    # -- tasks -------------------------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None], name: str, generation: int) -> asyncio.Task[None]:
        """Run a coroutine as a task of this session, for the link of this generation."""
        task = asyncio.get_running_loop().create_task(work, name=f"reconnect-{name}-{generation}")
        self._tasks[task] = generation
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(task.get_name(), error)

    async def settled(self, generation: int | None = None) -> None:
        """Return once every task, or every task up to this generation, has ended.

        A dialer or a transport that does not end when it is told to is cancelled after PATIENCE_SECONDS, and then left alone.
        """
        tasks = {task for task, belongs_to in self._tasks.items() if generation is None or belongs_to <= generation}
        if not tasks:
            return
        _, stuck = await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
        for task in stuck:
            task.cancel()
            self._report(task.get_name(), TimeoutError(f"it did not end within {PATIENCE_SECONDS:g} s"))
        if stuck:
            await asyncio.wait(stuck, timeout=CLOSE_TIMEOUT_SECONDS)
