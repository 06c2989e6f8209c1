"""The fresh machines that a journal is replayed on: a session's core where all that it was fed is there, else the chart alone.

Rules: the core is the one that runs, on the charts that the journal names, and it is fed nothing but what the journal says. What
follows from an input may be written after a later one, which came while it was performed: so what a core asks for waits in a
queue, and each record must be the next of it. Delivered signals are written in ranges that may end anywhere among them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from reconnect.audit.cleaning import CONCEALED, Cleaner
from reconnect.audit.entries import Checkpoint, Input, NoteEntry, Outcomes, Start, StepEntry, Stop, Traffic
from reconnect.audit.traffic import ranges
from reconnect.chart import Statechart, Step, runner_for
from reconnect.core import inputs
from reconnect.core.effects import Effect, Note, Settle
from reconnect.core.question import RetryQuestion
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.evidence.divergence import Diverged, compare
from reconnect.evidence.respelling import Cancelled, Fed, Heard, Submitted, Unfit, counted, inputs_of, pairs_of
from reconnect.reasons import OutcomeStatus

FROM_OUTSIDE: Final = frozenset({"observer_failed", "effect_failed", "unacknowledged"})  # notes that no core makes
NOT_THE_CORES: Final = frozenset({"outbox"})  # machines that no core runs: a file's, which lived before and goes on after
OVER: Final = frozenset({"ended", "gone", "offline"})  # roles after which a machine of the same name may begin anew

_clean: Final = Cleaner().value


class Charts(Protocol):
    """What says which charts are in force."""

    def get(self, source: str, name: str) -> Statechart | None: ...


class CoreReplay:
    """A session's core, fed again."""

    def __init__(self, start: Start, charts: Charts, hidden: frozenset[str]) -> None:
        self.counts: Counter[str] = Counter()
        self.core = _fresh(start, charts)
        self._hidden = hidden
        self._expected: deque[Note | Settle] = deque()
        self.last_at = start.at  # of the record before: a journal's times never go back

    @property
    def unwritten(self) -> int:
        """How much of what the core asked for is not in the journal, so far."""
        return len(self._expected)

    # -- feeding -----------------------------------------------------------------------------------------------------------------

    def feed(self, entry: Input | Traffic) -> None:
        """Feed what a record says that the core was fed."""
        try:
            for fed in inputs_of(entry):
                self._check_question(fed)
                self._expected += [effect for effect in self._perform(fed) if isinstance(effect, Note | Settle)]
                self.counts["inputs"] += 1
        except Unfit as error:
            raise Diverged(str(error), {"input": str(entry)}, {}) from error

    def _check_question(self, fed: Fed) -> None:
        """The core asks a question exactly where the journal has its answer, and it is this question."""
        asked = self.core.question
        told = fed.question if isinstance(fed, inputs.Verdict) else None
        if asked is None and told is None:
            return
        words = "the core puts another question to the retry policy"
        if asked is None or told is None:
            nothing: dict[str, Any] = {"question": None}
            raise Diverged(
                words, nothing if told is None else self._plain(told), nothing if asked is None else self._plain(asked)
            )
        compare(words, self._plain(told), self._plain(replace(asked, chance=told.chance)))

    def _plain(self, question: RetryQuestion) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(question)
        cause = told.pop("cause")
        flat = {**told, **{f"cause.{name}": value for name, value in cause.items()}}
        return {name: _clean(value) for name, value in flat.items() if name.rpartition(".")[2] not in self._hidden}

    def _perform(self, fed: Fed) -> list[Effect]:
        core = self.core
        try:
            match fed:
                case Submitted():
                    return self._submit(fed)
                case Cancelled():
                    return core.cancel(fed.serial)
                case Heard():
                    core.heard(core.at.generation, fed.at)
                    return []
                case _:
                    return core.feed(fed)
        except Diverged:
            raise
        except Exception as error:  # a journal can say what no driver would feed, and no core is made for that
            problem = {"outcome": f"{type(error).__name__}: {error}"}
            raise Diverged("the core cannot be fed this", {"input": type(fed).__name__}, problem) from error

    def _submit(self, run: Submitted) -> list[Effect]:
        """Submit signals that weigh as much; of one run none led to anything by its own weight."""
        effects: list[Effect] = []
        count = run.last - run.first + 1
        each, rest = divmod(run.weight, count)
        for wanted in range(run.first, run.last + 1):
            data = b" " * (each + (rest if wanted == run.first else 0))
            serial, more = self.core.submit(
                data=data, type="", to=None, ttl=run.ttl, keep=run.keep, at=run.at, session_only=run.session_only
            )
            compare("the outbox gives another serial", {"serial": wanted}, {"serial": serial})
            effects += more
        return effects

    # -- comparing ---------------------------------------------------------------------------------------------------------------

    def note(self, entry: StepEntry | NoteEntry) -> None:
        """A step, or what was noticed: it is the next that the core asked for."""
        recorded = msgspec.to_builtins(entry)
        effect = self._next(recorded)
        kind = "step" if isinstance(entry, StepEntry) else "note"
        told = self._told(effect) if isinstance(effect, Note) else _settled(effect)
        compare(f"the core made another {kind}", recorded, told)
        self.counts[f"{kind}s"] += 1

    def outcomes(self, entry: Outcomes) -> None:
        """Signals ended: the same ones, in the same way."""
        recorded = {**msgspec.to_builtins(entry), "serials": [list(pair) for pair in pairs_of(entry.serials)]}
        if entry.status == OutcomeStatus.DELIVERED:
            serials = self._take_delivered(counted(entry.serials))
            compare("other signals were delivered", recorded, {"status": entry.status, "serials": ranges(serials)})
        else:
            effect = self._next(recorded)
            told = self._told(effect) if isinstance(effect, Note) else _settled(effect)
            compare("other signals ended, or otherwise", recorded, {**told, "outbox": self.core.at.outbox.pending})
        self.counts["outcomes"] += counted(entry.serials)

    def ledger(self, entry: Start | Checkpoint | Stop) -> None:
        """The outbox has counted the same."""
        if entry.submitted is None:
            return
        recorded = msgspec.to_builtins(entry)
        recorded["pending"] = counted(entry.pending or [])
        outbox = self.core.at.outbox
        ended = {status.value: count for status, count in outbox.counts.items() if count}
        recorded["outcomes"] = {status: count for status, count in (entry.outcomes or {}).items() if count}
        facts = {"state": self.core.state, "generation": self.core.at.generation, "submitted": outbox.submitted}
        compare("the core counts otherwise", recorded, {**facts, "pending": outbox.pending, "outcomes": ended})
        self.counts["ledgers"] += 1

    def stop(self, entry: Stop) -> None:
        """It is over, and nothing is owed."""
        if self._expected:
            told = self._expected[0]
            replayed = self._told(told) if isinstance(told, Note) else _settled(told)
            raise Diverged("the core asked for more before it ended", {"record": "stop"}, replayed)
        self.ledger(entry)

    def _next(self, recorded: Mapping[str, Any]) -> Note | Settle:
        if not self._expected:
            shown = {name: value for name, value in recorded.items() if name in _SHOWN and value is not None}
            raise Diverged("nothing that the core was fed leads to this", shown, {})
        return self._expected.popleft()

    def _take_delivered(self, wanted: int) -> list[int]:
        """Return the serials of so many signals that were delivered next; fewer where there are not as many."""
        taken: list[int] = []
        while self._expected and len(taken) < wanted:
            effect = self._expected[0]
            if not isinstance(effect, Settle) or effect.outcome.status is not OutcomeStatus.DELIVERED:
                break
            self._expected.popleft()
            room = wanted - len(taken)
            taken += effect.serials[:room]
            if rest := effect.serials[room:]:
                self._expected.appendleft(replace(effect, serials=rest))
        return taken

    def _told(self, effect: Note) -> dict[str, Any]:
        """Return a note as the journal would have it."""
        told = {
            "machine": effect.machine,
            **(_walked(effect.step) if effect.step is not None else {"record": "note", "what": effect.what}),
            "reason": effect.reason, "attempt": effect.attempt, "retry_in": effect.retry_in, "generation": effect.generation,
            "connection": self.core.at.connection, "outbox": self.core.at.outbox.pending, "detail": effect.detail,
            "at": max(effect.at, self.last_at),
        }  # fmt: skip
        return {name: CONCEALED if name in self._hidden and value else _clean(value) for name, value in told.items()}


_SHOWN: Final = ("record", "machine", "event", "from", "to", "what", "status", "serials", "reason")


class ChartReplay:
    """Charts alone, stepped again: for a hub, and for a session of which not everything is there."""

    def __init__(self, charts: Charts, *, known: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.states: dict[tuple[str, str], str] = {}
        self._charts = charts
        self._known = known

    def step(self, entry: StepEntry) -> None:
        """Take the same step of a fresh machine, from where the last one led."""
        chart = self._charts.get(entry.source, entry.chart)
        if chart is None:
            raise Diverged(f"no chart {entry.chart} is in force, so nothing can be stepped", {"chart": entry.chart}, {})
        key = entry.session, entry.machine or entry.connection or ""
        state = self.states.get(key)
        if state is None:
            state = chart.initial if self._known and entry.machine not in NOT_THE_CORES else entry.before
        elif entry.before == chart.initial and state in chart.index and chart.role(state) in OVER:
            state = chart.initial
        recorded = msgspec.to_builtins(entry)
        if state not in chart.leaves or entry.event not in chart.events:
            raise Diverged("the chart knows nothing of this", {"from": state, "event": entry.event}, {})
        compare("the chart says otherwise", recorded, _clean_all(_walked(runner_for(chart).step(state, entry.event))))
        self.states[key] = entry.to
        self.counts["steps"] += 1


def _fresh(start: Start, charts: Charts) -> SessionCore:
    """Return a core as it was made; raise Diverged where none can be."""
    parts = {name: charts.get(start.source, name) for name in ("session", "publisher", "subscriber")}
    found = {name: chart for name, chart in parts.items() if chart is not None}
    lacking = [name for name in parts if name not in found]
    if lacking:
        raise Diverged("a chart is not there", {"charts": sorted(parts)}, {"charts": sorted(found)})
    try:
        return SessionCore(msgspec.convert(start.settings, SessionSettings), **found)
    except Exception as error:  # settings that no session has, a chart that no session runs on
        raise Diverged("no core can be made of this", {"settings": str(start.settings)}, {"outcome": str(error)}) from error


def _walked(step: Step) -> dict[str, Any]:
    return {
        "record": "step", "chart": step.chart, "event": step.event, "from": step.before, "to": step.after,
        "verdict": step.verdict, "row": step.row, "tells": step.tells, "actions": step.actions,
    }  # fmt: skip


def _settled(effect: Settle) -> dict[str, Any]:
    outcome = effect.outcome
    told = {"record": "outcomes", "status": outcome.status, "reason": outcome.reason, "code": outcome.code}
    facts = {"possibly_sent": outcome.possibly_sent, "stored": outcome.stored, "serials": ranges(effect.serials)}
    return {**_clean_all(told), **facts}


def _clean_all(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _clean(value) for name, value in told.items()}
