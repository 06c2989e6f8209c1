"""Replays journals: feeds what a session was fed to a fresh one, and compares every step, note and outcome.

What `verify` holds to rules is here done again. Where all that a session was fed is in the journal, its whole core runs again, as
fast as it can. Of a hub the journal has no inputs, and of a session whose records have a gap, or begin in the middle, not all:
then each step is taken again on a fresh machine of its chart, and a remark says so. The first divergence of a source ends its
replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from reconnect.audit.entries import (
    AnyEntry,
    Chart,
    Checkpoint,
    Gap,
    Header,
    Input,
    NoteEntry,
    Outcomes,
    Start,
    StepEntry,
    Stop,
    Traffic,
)
from reconnect.chart import Statechart
from reconnect.errors import AuditFailed, BadArgument
from reconnect.evidence.charts import ChartsInForce
from reconnect.evidence.divergence import Diverged, Divergence
from reconnect.evidence.machines import FROM_OUTSIDE, NOT_THE_CORES, ChartReplay, CoreReplay
from reconnect.evidence.objections import Objections
from reconnect.evidence.reading import Lines, decode, journals_of
from reconnect.evidence.standing import Standing, standing_of
from reconnect.record import Record

_IN_PART: Final = "its steps are taken again on a fresh machine of each chart, one by one"


class Replayed(Record, kw_only=True):
    """What came of a replay."""

    files: tuple[str, ...]
    entries: int
    divergences: tuple[Divergence, ...]  # at most one for each source
    compared: Mapping[str, int]  # inputs that were fed; steps, notes, outcomes and ledgers that were compared
    remarks: tuple[str, ...]
    standings: tuple[Standing, ...]  # where each source stands at the end

    @property
    def holds(self) -> bool:
        """True if it went the way of the journal."""
        return not self.divergences

    @property
    def first(self) -> Divergence | None:
        """The first divergence."""
        return self.divergences[0] if self.divergences else None


class Replay:
    """Replays one journal, record by record."""

    def __init__(self, charts: Iterable[Statechart] = ()) -> None:
        self._objections = Objections()
        self._charts = ChartsInForce(self._objections, charts)
        self._machines: dict[str, CoreReplay | ChartReplay] = {}
        self._beside: dict[str, ChartReplay] = {}  # machines that no core runs
        self._starts: dict[str, Start] = {}  # of those whose core is not made yet: its charts follow
        self._sessions: dict[str, str] = {}
        self._ended: set[str] = set()  # sources that diverged
        self._stopped: set[str] = set()
        self._divergences: list[Divergence] = []
        self._compared: Counter[str] = Counter()
        self._remarks: list[str] = []
        self._hidden: frozenset[str] = frozenset()
        self._file, self._line, self.entries = "", 0, 0

    def take(self, entry: AnyEntry, *, file: str, line: int) -> None:
        """Take the next record."""
        self._file, self._line, self.entries = file, line, entry.entry
        if isinstance(entry, Header):
            self._hidden = frozenset(entry.hidden)
        elif isinstance(entry, Start):
            self._start(entry)
        elif isinstance(entry, Chart):
            self._charts.take(entry)
        elif isinstance(entry, Gap):
            self._gap(entry)
        elif entry.source and entry.source not in self._ended:
            try:
                self._replay(entry)
            except Diverged as diverged:
                self._diverge(entry.source, entry.entry, diverged)

    def unreadable(self, *, file: str, line: int, problem: str) -> None:
        """A line is no record: what follows from it is not known."""
        self._file, self._line = file, line
        self._diverge("", self.entries + 1, Diverged(f"this is no record: {problem}", {}, {}))
        self._ended |= set(self._machines) | set(self._starts)

    def end(self, files: Iterable[Path]) -> Replayed:
        """The journal is over, or it was to stop here."""
        for machine in (*self._machines.values(), *self._beside.values()):
            self._compared.update(machine.counts)
        for source in self._starts:
            self._remarks.append(f"{self._name(source)} began, and nothing happened to it")
        return Replayed(
            files=tuple(map(str, files)),
            entries=self.entries,
            divergences=tuple(self._divergences),
            compared={name: self._compared[name] for name in ("inputs", "steps", "notes", "outcomes", "ledgers")},
            remarks=tuple(dict.fromkeys([*self._remarks, *(one.problem for one in self._objections.kept)])),
            standings=tuple(standing_of(source, self._sessions[source], machine) for source, machine in self._machines.items()),
        )

    # -- what comes ------------------------------------------------------------------------------------------------------------

    def _start(self, entry: Start) -> None:
        source, known = entry.source, entry.source in self._machines or entry.source in self._starts
        self._sessions[source] = entry.session
        if entry.repeated and known:
            return
        if entry.repeated:
            self._in_part(source, "the journal begins in the middle of {}", known=False)
        elif entry.run == 1 and entry.settings is None:
            self._forget(source)
            self._in_part(source, "what {} was fed is not in the journal", known=True)
        elif entry.run == 1 and entry.pending:
            self._forget(source)
            why = "{} began with signals of an earlier process, of which the journal has the serials alone"
            self._in_part(source, why, known=True)
        elif entry.run == 1:
            self._forget(source)
            self._starts[source] = entry
        elif not known:
            self._in_part(source, "the journal begins in the middle of {}", known=False)
        else:
            self._account(entry)

    def _account(self, entry: Start) -> None:
        """A session connects again: its core goes on from where it was."""
        machine = self._machines.get(entry.source)
        if isinstance(machine, CoreReplay) and entry.source not in self._ended:
            try:
                machine.ledger(entry)
            except Diverged as diverged:
                self._diverge(entry.source, entry.entry, diverged)

    def _gap(self, entry: Gap) -> None:
        if entry.source not in self._ended:
            self._forget(entry.source)
            why = f"{entry.lost} records are lost before entry {entry.entry}, and so from there on of {{}}"
            self._in_part(entry.source, why, known=False)

    def _in_part(self, source: str, why: str, *, known: bool) -> None:
        self._machines[source] = ChartReplay(self._charts, known=known)
        self._remarks.append(f"{why.format(self._name(source))}: {_IN_PART}")

    def _forget(self, source: str) -> None:
        """A fresh machine begins, or the old one leads nowhere."""
        old = self._machines.pop(source, None)
        self._starts.pop(source, None)
        self._ended.discard(source)
        if old is not None:
            self._compared.update(old.counts)
            if isinstance(old, CoreReplay) and old.unwritten:
                self._remarks.append(self._killed(source, old))

    def _killed(self, source: str, machine: CoreReplay) -> str:
        unwritten = f"{machine.unwritten} effects that were not written"
        return f"the last that {self._name(source)} was fed led to {unwritten}: it was killed"

    def _replay(self, entry: AnyEntry) -> None:
        source = entry.source
        if source in self._starts and isinstance(entry, Input | Traffic | StepEntry | NoteEntry):
            start = self._starts.pop(source)
            self._machines[source] = CoreReplay(start, self._charts, self._hidden)
        machine = self._machines.get(source)
        if isinstance(machine, CoreReplay):
            self._on_core(machine, entry)
            machine.last_at = max(machine.last_at, entry.at)
        elif machine is not None and isinstance(entry, StepEntry):
            machine.step(entry)

    def _on_core(self, machine: CoreReplay, entry: AnyEntry) -> None:
        match entry:
            case Input() | Traffic():
                machine.feed(entry)
            case StepEntry() if entry.machine in NOT_THE_CORES:
                self._beside.setdefault(entry.source, ChartReplay(self._charts, known=False)).step(entry)
            case NoteEntry() if entry.what in FROM_OUTSIDE or entry.machine in NOT_THE_CORES:
                pass
            case StepEntry() | NoteEntry():
                machine.note(entry)
            case Outcomes():
                machine.outcomes(entry)
            case Checkpoint():
                machine.ledger(entry)
            case Stop():
                machine.stop(entry)

    def _diverge(self, source: str, entry: int, diverged: Diverged) -> None:
        self._ended.add(source)
        self._divergences.append(
            Divergence(
                file=self._file,
                line=self._line,
                entry=entry,
                source=source,
                words=diverged.words,
                recorded=diverged.recorded,
                replayed=diverged.replayed,
            )
        )

    def _name(self, source: str) -> str:
        session = self._sessions.get(source, "")
        return f"{session} ({source[:8]})" if session and session != source else source


def replay(
    path: str | Path,
    *,
    until: int | None = None,
    charts: Iterable[Statechart] = (),
    told: Callable[[int], object] | None = None,
) -> Replayed:
    """Replay the journal at this path, with the full files beside it; `until` stops after that entry.

    `charts` run in place of the journal's own of their names; `told` is called with the number of bytes that were read. Raises
    AuditFailed for a file that cannot be read, and BadArgument where the journal has no entry `until`.
    """
    again = Replay(charts)
    files = journals_of([Path(path)])[0]
    for file in files:
        for line, raw in enumerate(Lines(file, told), 1):
            try:
                entry = decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                again.unreadable(file=str(file), line=line, problem=str(error))
                return again.end(files)
            if until is not None and entry.entry > until:
                return _stopped(again, files, until)
            again.take(entry, file=str(file), line=line)
    if not again.entries:
        raise AuditFailed(files[-1], "there is no record in it", "give the file that a session wrote")
    return again.end(files) if until is None else _stopped(again, files, until)


def _stopped(again: Replay, files: list[Path], until: int) -> Replayed:
    if again.entries != until:
        raise BadArgument(f"the journal has no entry {until}; the last before it is {again.entries}")
    return again.end(files)


def told_of(replayed: Replayed) -> dict[str, Any]:
    """Return what came of a replay as JSON values, for programs."""
    told: dict[str, Any] = msgspec.to_builtins(replayed)
    for divergence, of in zip(told["divergences"], replayed.divergences, strict=True):
        divergence["differs"] = list(of.fields)
    return {"holds": replayed.holds, **told}
