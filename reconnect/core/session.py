"""The session's core: what happened comes in, what to do comes out.

Theory of operation
-------------------
The core is a value machine. `feed(input)` takes one thing that happened, with its instant, and returns the effects in the order
in which they are to be performed. It reads no clock, draws no number, opens nothing and never waits.

1. *Inputs become chart events.* A report of a transport counts only if its generation is the present one and not fenced; a timer
   only if it is still armed. What is dropped for that is noted, never believed.
2. *The chart decides.* `_take` runs one step of `statecharts/session.toml` and performs the actions that it names, in its order:
   exits, transition, entries. The code compares no state names; it asks for the state's role and phase.
3. *What has to be judged is judged outside.* When a transport dies the core fences its generation and has a `question`;
   the driver asks the retry policy at once and feeds the `Verdict`, which becomes `transport_lost`, `attempt_failed`,
   `deadline_passed` or `ended`. Nothing else is fed in between.
4. *Deadlines are one instant.* `wake_at()` is the earliest of the chart's timers, the link's liveness and the outbox's ttl.
   `Woke` looks at each in turn. A wake-up that comes far too late means that the machine slept: then silence proves nothing, and
   the hub is asked before it is given up.

The signal path runs no chart step: the outbox implements `statecharts/signal.toml`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec.structs import replace

from reconnect import limits
from reconnect.chart import EventKind, Statechart, Step, StepVerdict, runner_for
from reconnect.core import inputs
from reconnect.core.actions import Actions, Moment
from reconnect.core.arrivals import Arrivals
from reconnect.core.effects import Effect, Note, Notify, Refuse, Store
from reconnect.core.fitness import MEANINGS, check_session_chart
from reconnect.core.frames import AddWant, DropWant, Entry
from reconnect.core.liveness import Liveness
from reconnect.core.notices import Updated, UpdateKind
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.core.settings import SessionSettings
from reconnect.core.situation import Situation
from reconnect.errors import IllegalTransition, NotConnected
from reconnect.reasons import Cause, Reason

DEADLINE: Final = Cause(reason=Reason.DEADLINE, detail="the attempt neither succeeded nor failed in time")
FORCED: Final = Cause(reason=Reason.FORCED, detail="reconnect_now(force=True)")


class SessionCore:
    """One member's side of a session, without I/O."""

    def __init__(self, settings: SessionSettings, *, session: Statechart, publisher: Statechart, subscriber: Statechart) -> None:
        check_session_chart(session, Actions.names(), frozenset(settings.durations))
        self.chart = session
        self.state = self.role = ""
        self.phase: str | None = None
        self._enter(session.initial)
        self._runner = runner_for(session)
        self.at = Situation(settings, publisher=publisher, subscriber=subscriber)
        self._actions = Actions(self.at, session)
        self._arrivals = Arrivals(self.at, lose=self._lose, take=self._take)
        self.question: RetryQuestion | None = None
        self._again = ""
        self._awake_since = -math.inf
        self._kinds: dict[type[inputs.Input], Callable[[Any], None]] = {
            inputs.ConnectRequested: self._on_connect,
            inputs.DisconnectRequested: self._on_disconnect,
            inputs.RetryRequested: self._on_retry,
            inputs.Called: self._on_called,
            inputs.TransportOpened: self._on_opened,
            inputs.TransportEnded: self._on_ended,
            inputs.Received: self._on_received,
            inputs.Verdict: self._on_verdict,
            inputs.Woke: self._on_woke,
            inputs.Slept: self._on_slept,
            inputs.Halted: self._on_halted,
            inputs.Flush: self._on_flush,
            inputs.Stored: self._on_stored,
            inputs.StoreFailed: self.at.store_failed,
            inputs.StoreRecovered: self.at.store_recovered,
            inputs.HandledUpTo: self._on_handled,
            inputs.RequestMade: self._on_request,
            inputs.WantAdded: self._on_want_added,
            inputs.WantDropped: self._on_want_dropped,
        }

    def __repr__(self) -> str:
        return f"<SessionCore {self.at.settings.session} {self.state} generation={self.at.generation}>"

    # -- asking ----------------------------------------------------------------------------------------------------------------

    @property
    def counts(self) -> Counter[str]:
        """How often things happened that change nothing: stale reports, repeats, unknown frames."""
        return self.at.counts

    def wake_at(self) -> float | None:
        """Return the instant at which `Woke` is due, None if there is none."""
        times = [self.at.timers.wake_at(), self.at.outbox.wake_at()]
        if self.at.liveness is not None and self.role == "online":
            times.append(self.at.liveness.wake_at())
        return min((time for time in times if time is not None), default=None)

    # -- feeding ---------------------------------------------------------------------------------------------------------------

    def feed(self, happened: inputs.Input) -> list[Effect]:
        """Take one input and return what to do, in order."""
        assert (self.question is None) is not isinstance(happened, inputs.Verdict), (
            "a question is answered by its Verdict, at once"
        )
        self._kinds[type(happened)](happened)
        return self.at.take_effects()

    def heard(self, generation: int, at: float) -> bool:
        """A stream frame arrived: return True if it came on the present link, which it proves to be alive."""
        liveness = self.at.liveness
        if liveness is None or self.at.fenced or generation != self.at.generation:
            return False
        liveness.heard(at)
        return True

    def submit(
        self, data: bytes, type: str, to: str | None, ttl: float | None, keep: bool, at: float, session_only: bool = False
    ) -> tuple[int, list[Effect]]:
        """Take one signal into the outbox; return its serial. Raises NotConnected or OutboxFull; `Flush` is due afterwards."""
        role = self.role
        away = role == "recovering"
        if role == "offline" or role == "closing":
            if not self.at.settings.durable:
                raise NotConnected("signal()", self.state)
            away = True
        return self.at.outbox.submit(data, type, to, ttl, keep, at, away, session_only)

    def cancel(self, serial: int) -> list[Effect]:
        """Take a signal back that was not sent; no effect means that it is too late."""
        return self.at.outbox.cancel(serial)

    # -- calls -----------------------------------------------------------------------------------------------------------------

    def _on_connect(self, happened: inputs.ConnectRequested) -> None:
        self._call("connect_requested", happened.at)

    def _on_disconnect(self, happened: inputs.DisconnectRequested) -> None:
        self._call("disconnect_requested", happened.at, reason=Reason.CLIENT_DISCONNECTED)

    def _on_retry(self, happened: inputs.RetryRequested) -> None:
        if happened.force and self.role == "online":
            self.at.fenced = True
            self.at.episode.last_error = FORCED
            self.at.episode.streak += 1
            self._take("transport_lost", Moment(at=happened.at, cause=FORCED, reason=Reason.FORCED, attempt=1, retry_in=0.0))
        else:
            self._call("retry_requested", happened.at)

    def _on_called(self, happened: inputs.Called) -> None:
        cause = Cause(reason=Reason.OWN_CHART, detail=f"feed({happened.event!r})")
        self._call(self.chart.events[happened.event].means, happened.at, reason=Reason.OWN_CHART, cause=cause)

    def _call(self, meaning: str, at: float, *, reason: Reason | None = None, cause: Cause | None = None) -> None:
        step = self._take(meaning, Moment(at=at, reason=reason, cause=cause))
        if step.verdict is StepVerdict.REFUSED:
            error = IllegalTransition(chart=step.chart, state=step.before, event=step.event)
            self.at.do(Refuse(error=error))

    def _on_request(self, happened: inputs.RequestMade) -> None:
        request = cast(Any, happened.frame).request
        if self.role != "online":
            self._not_now(request, str(happened.frame.__struct_config__.tag))
            return
        self.at.requests[request] = str(happened.frame.__struct_config__.tag)
        self.at.send(happened.at, happened.frame)

    def _on_want_added(self, happened: inputs.WantAdded) -> None:
        if self.role in ("offline", "closing"):
            self._not_now(happened.request, "subscribe" if happened.publish is None else "publish")
        else:
            self._ask(self.at.add_want(happened), happened.at)

    def _on_want_dropped(self, happened: inputs.WantDropped) -> None:
        self._ask(self.at.drop_want(happened), happened.at)

    def _ask(self, frame: AddWant | DropWant, at: float) -> None:
        """Tell the hub at once, or right behind the join that is out already; the next join says it by itself."""
        if self.role == "online":
            self.at.ask(frame, at)
        elif self.phase == "joining":
            self.at.owed.append(frame)

    def _not_now(self, request: int, name: str) -> None:
        self.at.fail_request(request, name, code=None, possibly_sent=False, detail=f"the session is {self.state}")

    # -- the transport -----------------------------------------------------------------------------------------------------------

    def _is_present(self, generation: int, what: str, at: float) -> bool:
        if generation == self.at.generation and not self.at.fenced:
            return True
        self.at.counts["stale_reports"] += 1
        self.at.do(Note(at=at, what="stale_generation", generation=generation, detail=what))
        return False

    def _on_opened(self, happened: inputs.TransportOpened) -> None:
        if self._is_present(happened.generation, "opened", happened.at):
            self._take("transport_opened", Moment(at=happened.at))

    def _on_ended(self, happened: inputs.TransportEnded) -> None:
        if self._is_present(happened.generation, f"ended: {happened.cause.reason}", happened.at):
            self._lose(happened.cause, happened.at)

    def _on_received(self, happened: inputs.Received) -> None:
        if not self._is_present(happened.generation, "message", happened.at):
            return
        if self.at.liveness is not None:
            self.at.liveness.heard(happened.at)
        run: list[Entry] = []
        for frame in happened.frames:
            if type(frame) is Entry and self.role == "online":
                run.append(frame)
                continue
            if run:
                self._arrivals.take_entries(run, happened.at)
                run = []
                if self.at.fenced:
                    return
            self._arrivals.take_in(frame, happened.at, self.role, self.phase)
            if self.at.fenced:
                return
        if run:
            self._arrivals.take_entries(run, happened.at)
        if not self.at.fenced:
            self._release(happened.at)

    def _on_halted(self, happened: inputs.Halted) -> None:
        if self.role != "offline":
            self._lose(happened.cause, happened.at)

    def _lose(self, cause: Cause, at: float, *, meaning: str | None = None) -> None:
        """The present transport or attempt is over: fence it and ask, unless the user is leaving anyway."""
        self.at.fenced = True
        if self.role == "closing":
            self._take("ended" if cause.final else "transport_lost", Moment(at=at, cause=cause))
            return
        online = self.role == "online"
        self.at.episode.last_error = cause
        if cause.final:
            # A final answer stands whatever a policy would say.
            attempt = None if online else self.at.episode.attempt
            self._take("ended", Moment(at=at, cause=cause, reason=cause.reason, attempt=attempt, detail=cause.detail))
            return
        self._again = meaning or ("transport_lost" if online else "attempt_failed")
        self.question = self.at.episode.question(
            cause,
            at,
            online=online,
            retry_initial=self.at.settings.retry_initial,
            renewable=self.at.settings.renewable,
            window=self.at.first_try_window,
        )

    def _on_verdict(self, happened: inputs.Verdict) -> None:
        self.question = None
        question, answer = happened.question, happened.answer
        if answer.retry_in is not None and not 0.0 <= answer.retry_in < math.inf:
            detail = f"the policy answered {answer.retry_in!r}, which is no delay"
            answer = RetryAnswer(retry_in=None, reason=Reason.POLICY_ERROR, detail=detail)
        moment = Moment(
            at=happened.at,
            cause=question.cause,
            reason=answer.reason,
            attempt=question.attempt,
            retry_in=answer.retry_in,
            detail=answer.detail,
        )
        if answer.retry_in is None:
            moment.attempt = question.attempt - 1
            self.at.episode.last_error = replace(
                question.cause, reason=answer.reason, detail=answer.detail or question.cause.detail
            )
            self._take("ended", moment)
            return
        self.at.episode.schedule(question, renewal=answer.renewal)
        self.at.next_url = question.cause.url
        self._take(self._again, moment)

    # -- time ------------------------------------------------------------------------------------------------------------------

    def _on_woke(self, happened: inputs.Woke) -> None:
        expected = self.wake_at()
        if expected is not None and happened.at - expected > limits.SLEEP_NOTICED_SECONDS:
            self._sleep(happened.at, happened.at - expected)
        self.at.do(*self.at.outbox.expire(happened.at))
        for timer in self.at.timers.due(happened.at):
            if self.question is not None:
                return
            if not self.at.timers.is_current(timer):
                self.at.do(Note(at=happened.at, what="stale_timer", generation=timer.generation, detail=timer.name))
                continue
            self.at.timers.cancel(timer.name)
            self._timer_due(timer.name, happened.at)
        if self.question is None and self.role == "online" and self.at.liveness is not None:
            self._check_link(self.at.liveness, happened.at)

    def _timer_due(self, name: str, at: float) -> None:
        meaning = self.chart.events[self.chart.timers[name].event].means
        if meaning == "deadline_passed":
            self._lose(DEADLINE, at, meaning=meaning)
        elif meaning in MEANINGS:
            self._take(meaning, Moment(at=at))
        else:
            cause = Cause(reason=Reason.OWN_CHART, detail=f"the chart's timer {name} was due")
            self._take(meaning, Moment(at=at, reason=Reason.OWN_CHART, cause=cause))

    def _check_link(self, liveness: Liveness, at: float) -> None:
        if liveness.deadline <= at:
            self._lose(Cause(reason=Reason.SILENT, detail="nothing was heard from the hub until the deadline"), at)
        elif liveness.ping_at <= at:
            self.at.ping(at)

    def _on_slept(self, happened: inputs.Slept) -> None:
        self._sleep(happened.at, happened.seconds)

    def _sleep(self, at: float, seconds: float) -> None:
        """The machine was suspended: ask the hub at once, or try at once. Whoever says so next may mean the same sleep."""
        if at - seconds < self._awake_since:
            return
        self._awake_since = at
        self.at.do(Note(at=at, what="resume_from_sleep", detail=f"{seconds:.3f} s"))
        if self.role != "offline":
            self.at.do(Notify(notice=Updated(at=at, what=UpdateKind.SLEPT, seconds=seconds)))
        if self.role == "online" and self.at.liveness is not None:
            self.at.liveness.probe(at, limits.PROBE_SECONDS)
            self.at.ping(at)
        elif self.phase == "waiting":
            self._take("retry_requested", Moment(at=at))

    # -- signals ---------------------------------------------------------------------------------------------------------------

    def _on_flush(self, happened: inputs.Flush) -> None:
        rows = self.at.outbox.unstored()
        if rows:
            self.at.do(Store(rows=rows))  # and what is stored is sent

    def _on_stored(self, happened: inputs.Stored) -> None:
        self.at.outbox.stored(happened.serial)
        self._release(happened.at)

    def _release(self, at: float) -> None:
        """Send what waits: while connected, and while leaving until goodbye, which comes after all that was submitted."""
        if self.role == "online" or (self.role == "closing" and self.at.goodbye_owed):
            self.at.release(at)

    def _on_handled(self, happened: inputs.HandledUpTo) -> None:
        self.at.handled(happened.position, happened.at, online=self.role == "online")

    # -- the chart ---------------------------------------------------------------------------------------------------------------

    def _take(self, meaning: str, moment: Moment) -> Step:
        """Run one step; the only place where the session's state changes."""
        step = self._runner.step(self.state, self.chart.event_for(meaning))
        self.at.do(
            Note(
                at=moment.at,
                what="step",
                step=step,
                reason=moment.reason or (moment.cause.reason if moment.cause else None),
                attempt=moment.attempt,
                retry_in=moment.retry_in,
                generation=self.at.generation,
                detail=moment.detail or (moment.cause.detail if moment.cause else ""),
            )
        )
        if step.verdict is StepVerdict.TAKEN:
            if moment.reason is Reason.OWN_CHART:
                self.at.episode.last_error = moment.cause  # a connect() that it ends says why
            self._enter(step.after)
            for action in step.actions:
                self._actions.perform(action, moment, step)
        elif step.verdict is StepVerdict.REFUSED and self._kind(step.event) is EventKind.TRANSPORT and not self.at.fenced:
            # A report that cannot be is a defect of a transport or a hub: believe nothing more of it.
            self.at.counts["refused_reports"] += 1
            self._lose(Cause(reason=Reason.PROTOCOL_ERROR, detail=f"{step.event} cannot happen in {step.before}"), moment.at)
        return step

    def _enter(self, state: str) -> None:
        """Be in this state; `role` says what it is for, `phase` what an attempt is doing."""
        self.state, self.role, self.phase = state, self.chart.role(state), self.chart.phase(state)

    def _kind(self, event: str) -> EventKind:
        return self.chart.events[event].kind
