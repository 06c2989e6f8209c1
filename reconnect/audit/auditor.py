"""What is written down: effects of a core, and what it was fed, turned into records.

Rules: `sequence` counts the records of one Auditor without holes, so a hole in a journal is a record that was lost. `at` is the
instant on the session's clock at which it happened, `wall` the time of day when it was written; the `start` record has both of
the same moment. What happened is written before what followed from it. No field holds a payload, and a text that came from
elsewhere is cut and cleared of every secret that was concealed. A sink that cannot write is counted and logged, and a `gap`
record says so as soon as it can again; whether the session goes on without its audit is the sink's to say (`stops_session`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from reconnect.audit import spelling
from reconnect.audit.cleaning import Cleaner
from reconnect.audit.definition import definition
from reconnect.audit.entries import FORMAT, SHORT_SHA256
from reconnect.audit.facts import PYTHON, described, iso
from reconnect.audit.log import LOGGER
from reconnect.audit.traffic import Held, ranges
from reconnect.core import inputs
from reconnect.limits import AUDIT_HOLD_SECONDS, CHECKPOINT_RECORDS, CHECKPOINT_SECONDS
from reconnect.reasons import OutcomeStatus
from reconnect.version import __version__

if TYPE_CHECKING:
    from reconnect.chart.model import Statechart
    from reconnect.chart.run import Step
    from reconnect.core.effects import Note, Settle
    from reconnect.core.hub.effects import Announce
    from reconnect.ports import AuditSink, Clock, TimerHandle

_PLAIN: Final = frozenset({"input", "inputs", "definition", "settings", "serials", "pending", "outcomes"})  # made here, and clean

Ledger = Callable[[], Mapping[str, Any]]


class Auditor:
    """Writes the records of one session (or hub) to a sink.

    `ledger` says what a checkpoint holds; without one there are none. `begin` is what start() says. `takes_inputs` says whether
    the sink wants what the core is fed: a journal does, a log does not.
    """

    def __init__(
        self,
        sink: AuditSink,
        clock: Clock,
        *,
        session: str,
        charts: Iterable[Statechart] = (),
        source: str | None = None,
        ledger: Ledger | None = None,
        begin: Mapping[str, Any] | None = None,
    ) -> None:
        self.sequence = 0
        self.lost = 0
        self.takes_inputs: bool = getattr(sink, "takes_inputs", False)
        self.on_failure: Callable[[str], object] | None = None  # called where the session is not to go on without its audit
        self._sink, self._clock, self._session = sink, clock, session
        self._source = session if source is None else source
        self._charts = {chart.name: chart for chart in charts}
        self._hashes = {chart.name: chart.sha256[:SHORT_SHA256] for chart in self._charts.values()}
        self._cleaner = Cleaner()
        self._ledger, self._begin = ledger, dict(begin or {})
        self._held = Held()
        self._opening: dict[str, Any] = {}
        self._timer: TimerHandle | None = None
        self._runs = self._drawn = 0
        self._last_at = self._turn_at = 0.0
        self._checked_at, self._unchecked = 0.0, 0  # when the last checkpoint was, and the records since
        self._gap = 0  # records lost in a row
        self._problem = ""
        self._stopped = False

    def __repr__(self) -> str:
        return f"<Auditor {self._session} sequence={self.sequence} lost={self.lost}>"

    def conceal(self, secret: str) -> None:
        """Keep this token or secret out of every text from now on."""
        self._cleaner.conceal(secret)

    # -- beginning and end -------------------------------------------------------------------------------------------------------

    def start(self, **given: Any) -> None:
        """Write what holds from here on: `start`, a `chart` record for each chart, and what the retry policy says of itself.

        `policy` and `seed` are for the latter; everything else is a field of `start`.
        """
        facts = {**self._begin, **given}
        policy, seed = facts.pop("policy", None), facts.pop("seed", None)
        self._release()
        self._runs += 1
        facts |= self._opening if self._runs == 1 else self._account()
        fixed: dict[str, Any] = {"format": FORMAT, "library": "reconnect", "version": __version__, "python": PYTHON}
        self.write("start", **fixed, run=self._runs, clock=type(self._clock).__name__, **facts)
        for chart in self._charts.values():
            told = definition(chart) if self.takes_inputs else None
            self.write("chart", chart=chart.name, version=chart.version, sha256=chart.sha256, definition=told)
        if policy is not None:
            said = described(policy)
            self.write("policy", policy=type(policy).__qualname__, **said, seed=seed, drawn=self._drawn)

    def stop(self, **facts: Any) -> None:
        """Write the last record and close the sink, once; `lost` says how many could not be written.

        A record after it begins anew: a session that was left may be connected again.
        """
        if self._stopped:
            return
        self._release()
        self.write("stop", lost=self.lost, **facts, **self._account())
        self._stopped = True
        try:
            self._sink.close()
        except Exception as error:
            logging.getLogger(LOGGER).error("the audit of session %s could not be closed: %s", self._session, error)

    def opened(self) -> None:
        """What is written about is complete, and nothing has happened yet: this is what the first start() says of it."""
        self._opening = self._account()

    def _account(self) -> dict[str, Any]:
        return {} if self._ledger is None else dict(self._ledger())

    # -- what happened -----------------------------------------------------------------------------------------------------------

    def input(self, happened: inputs.Input) -> None:
        """Write what the core is about to be fed; what is frequent is held back for a moment. Never raises."""
        self._turn_at = happened.at
        if type(happened) is inputs.Verdict:
            self._drawn += 1
        try:
            item = spelling.short(happened, self._cleaner.text)
            told = None if item is not None else self._cleaner.tree(spelling.whole(happened, self._cleaner.text))
        except Exception as error:  # a dialect of the user's own may make frames of anything
            self.sequence += 1
            self._lose(error)
            return
        if item is not None:
            self._held.add(item)
            self._hold()
        else:
            self.write("input", at=happened.at, what=spelling.name_of(type(happened)), input=told)

    def submitted(
        self,
        serial: int,
        weight: int,
        *,
        ttl: float | None,
        keep: bool,
        at: float,
        alone: bool = False,
        session_only: bool = False,
    ) -> None:
        """A signal was taken into the outbox; `alone` where something follows from it at once."""
        self._held.submit(serial, weight, ttl=ttl, keep=keep, at=at, alone=alone, session_only=session_only)
        self._hold()

    def cancelled(self, serial: int, at: float) -> None:
        """A signal was taken back."""
        self._held.add(["cancel", at, serial])
        self._hold()

    def heard(self, at: float) -> None:
        """A stream frame arrived on the present transport."""
        self._held.heard(at)
        self._hold()

    # -- what followed -----------------------------------------------------------------------------------------------------------

    def note(self, effect: Note, *, connection: str | None = None, outbox: int | None = None) -> None:
        """Write a step of a chart, or what was ignored, counted or noticed."""
        step = effect.step
        where: dict[str, Any] = {"what": effect.what} if step is None else self._walked(step)
        self.write(
            "note" if step is None else "step",
            at=effect.at,
            connection=connection,
            machine=effect.machine,
            **where,
            reason=effect.reason,
            attempt=effect.attempt,
            retry_in=effect.retry_in,
            generation=effect.generation,
            outbox=outbox,
            detail=effect.detail,
        )

    def announce(self, effect: Announce) -> None:
        """Write what a hub announces, in the session that it is about."""
        where: dict[str, Any] = {} if effect.step is None else self._walked(effect.step)
        self.write(
            "note" if effect.step is None else "step",
            at=effect.at,
            session=effect.session or self._session,
            connection=effect.connection,
            client_id=effect.client_id,
            role=effect.role,
            what=effect.what,
            **where,
            link=effect.link,
            reason=effect.reason,
            detail=effect.detail,
        )

    def outcomes(self, effect: Settle, *, connection: str | None = None, outbox: int | None = None) -> None:
        """Write how signals ended; the serials as ranges, both ends included."""
        outcome = effect.outcome
        if self.takes_inputs and outcome.status is OutcomeStatus.DELIVERED:
            self._held.deliver(effect.serials, connection)
            self._hold()
            return
        self.write(
            "outcomes",
            at=self._turn_at if self.takes_inputs else None,
            connection=connection,
            status=outcome.status,
            reason=outcome.reason,
            code=outcome.code,
            possibly_sent=outcome.possibly_sent,
            stored=outcome.stored,
            serials=ranges(effect.serials),
            outbox=outbox,
        )

    def _walked(self, step: Step) -> dict[str, Any]:
        return {
            "chart": step.chart,
            "chart_sha256": self._hashes.get(step.chart),
            "event": step.event,
            "from": step.before,
            "to": step.after,
            "verdict": step.verdict,
            "row": step.row,
            "tells": step.tells,
            "actions": step.actions,
        }

    # -- what is held back -------------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        self._turn_at = self._held.at
        if self._held.is_full:
            self._release()
        elif self._timer is None:
            self._timer = self._clock.call_at(self._clock.now() + AUDIT_HOLD_SECONDS, self._due)

    def _due(self) -> None:
        """Enough was held back. No turn is under way, so the ledger agrees with what is written: the moment for a checkpoint."""
        self._release()
        enough = self._unchecked >= CHECKPOINT_RECORDS or self._last_at - self._checked_at >= CHECKPOINT_SECONDS
        if enough and self._ledger is not None:
            self._put("checkpoint", self._last_at, self._account())

    def _release(self) -> None:
        """Write what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held = self._held
        if held.inputs:
            self._put("traffic", held.at, {"inputs": held.take_inputs()})
        if held.delivered:
            fields = {"connection": held.connection, "status": OutcomeStatus.DELIVERED, "serials": held.take_delivered()}
            self._put("outcomes", held.at, fields)

    # -- writing -----------------------------------------------------------------------------------------------------------------

    def write(self, record: str, *, at: float | None = None, **fields: Any) -> None:
        """Write any record; `fields` are JSON values. Never raises what a sink raises."""
        if self._held:
            self._release()
        clean = self._cleaner.value
        told = {name: value if name in _PLAIN else clean(value) for name, value in fields.items()}
        self._put(record, self._clock.now() if at is None else at, told)

    def _put(self, record: str, at: float, fields: dict[str, Any]) -> None:
        self._stopped = False
        if self.takes_inputs and self._runs == 0:
            self.start()  # a call before the first connect() is a beginning, too: nothing stands in a journal before it
        # What was noticed within a turn may be written after what came later in it; the journal's times never go back.
        self._last_at = at = max(at, self._last_at)
        try:
            if self._gap:
                self._emit("gap", at, {"lost": self._gap, "problem": self._problem})
                self._gap = 0
            self._emit(record, at, fields)
        except Exception as error:
            self.sequence += 1  # a hole, for whoever counts
            self._lose(error)
        else:
            self._unchecked += 1
            if record in ("start", "checkpoint", "stop"):
                self._unchecked, self._checked_at = 0, at

    def _emit(self, record: str, at: float, fields: dict[str, Any]) -> None:
        whole: dict[str, Any] = {
            "record": record,
            "sequence": self.sequence + 1,
            "at": at,
            "wall": iso(self._clock.wall()),
            "session": self._session,
            "source": self._source,
        }
        whole.update(fields)
        self._sink.write(whole)
        self.sequence += 1

    def _lose(self, error: Exception) -> None:
        self.lost += 1
        self._gap += 1
        self._problem = self._cleaner.text(str(error))
        if self._gap > 1:  # said once for each run of losses
            return
        logging.getLogger(LOGGER).error("the audit of session %s loses records: %s", self._session, error)
        if self.on_failure is not None and getattr(self._sink, "stops_session", False):
            try:
                self.on_failure(self._problem)
            except RuntimeError as another:  # no loop runs, so nothing of the session does
                logging.getLogger(LOGGER).error("session %s could not be stopped: %s", self._session, another)
