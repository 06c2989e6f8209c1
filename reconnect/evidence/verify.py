"""Checks journals: was it written so, does it follow the charts, is every signal accounted for, were the delays the policy's.

It trusts neither the client nor whoever ran it: all it takes are the files, a head that was published, the reviewed charts, and
the key, as far as they are given. It reads each line once, in constant memory, names the first thing that is wrong and goes on
where it can. What it cannot know it says in a remark: that the journal begins in the middle, ends with a torn line, or goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from reconnect.audit.chain import Head
from reconnect.audit.entries import (
    AnyEntry,
    Chart,
    Checkpoint,
    Entry,
    Gap,
    Header,
    Input,
    NoteEntry,
    Outcomes,
    Policy,
    Repaired,
    Start,
    StepEntry,
    Stop,
    Traffic,
)
from reconnect.chart import Statechart
from reconnect.evidence.accounting import AccountingCheck
from reconnect.evidence.chain import ChainCheck, SequenceCheck
from reconnect.evidence.charts import ChartsInForce
from reconnect.evidence.delays import DelayCheck
from reconnect.evidence.generations import GenerationCheck
from reconnect.evidence.grammar import GrammarCheck
from reconnect.evidence.legality import LegalityCheck
from reconnect.evidence.objections import Objection, Objections
from reconnect.evidence.reading import Lines, base_of, decode, journals_of
from reconnect.record import Record

_MISSHAPEN: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Rows(Record, kw_only=True):
    """How much of a chart was walked."""

    taken: Mapping[int, int]  # how often each row was taken
    rows: int  # how many there are
    visited: Mapping[str, int]  # how often each state was entered


class Verified(Record, kw_only=True):
    """What is true of one journal."""

    files: tuple[str, ...]
    holds: bool
    objections: tuple[Objection, ...]
    counts: Mapping[str, int]  # of the objections, by rule
    remarks: tuple[str, ...]
    entries: int
    head: str  # the hash of the last line
    sources: int
    first_wall: str
    last_wall: str
    charts: Mapping[str, Rows]
    outages: int
    longest_outage: float
    seconds_away: float
    attempts: int  # transports that were dialed
    questions: int  # put to the retry policy
    recomputed: int  # of them whose answer was computed anew
    submitted: int
    outcomes: Mapping[str, int]
    pending: int

    @property
    def first(self) -> Objection | None:
        """The first thing that is wrong."""
        return self.objections[0] if self.objections else None


class Verifier:
    """Checks one journal, line by line."""

    def __init__(
        self,
        *,
        charts: Iterable[Statechart] = (),
        heads: Collection[str] = (),
        passes: Collection[Head | str] = (),
        key: bytes | None = None,
    ) -> None:
        self.objections = Objections()
        self._chain = ChainCheck(self.objections, key=key, heads=heads, passes=passes)
        self._order = SequenceCheck(self.objections)
        self._charts = ChartsInForce(self.objections, charts)
        self._legality = LegalityCheck(self.objections, self._charts)
        self._generations = GenerationCheck(self.objections, self._charts)
        self._delays = DelayCheck(self.objections)
        self._accounting = AccountingCheck(self.objections)
        self._grammar = GrammarCheck(self.objections)
        self._checks = self._table()
        self._entries = self._attempts = 0
        self._walls = ["", ""]
        self._sources: set[str] = set()
        self._live: set[str] = set()  # sources that began and did not stop

    def _table(self) -> dict[type[Entry], tuple[Callable[[Any], None], ...]]:
        legality, generations, delays = self._legality, self._generations, self._delays
        accounting, grammar = self._accounting, self._grammar
        return {
            Header: (legality.header,),
            Repaired: (self._repaired,),
            Start: (self._start, legality.start, generations.start, delays.start, accounting.start, grammar.start),
            Chart: (self._charts.take, legality.chart),
            Policy: (delays.policy,),
            Input: (generations.input, delays.input),
            Traffic: (generations.traffic, accounting.traffic),
            StepEntry: (legality.step, generations.step, delays.step, grammar.step, self._step),
            NoteEntry: (generations.note,),
            Outcomes: (generations.other, accounting.settle),
            Checkpoint: (generations.other, accounting.checkpoint),
            Gap: (legality.gap, generations.gap, delays.gap, accounting.gap, grammar.gap),
            Stop: (generations.other, accounting.stop, self._stop),
        }

    # -- reading -----------------------------------------------------------------------------------------------------------------

    def file(self, path: str, lines: Iterable[bytes]) -> None:
        """Take the lines of the next file."""
        objections, take_chain, take_order, checks = self.objections, self._chain.take, self._order.take, self._checks
        objections.file, objections.line = path, 0
        for raw in lines:
            objections.line += 1
            entry = self._read(raw)
            take_chain(raw, entry)
            if entry is None:
                continue
            take_order(entry)
            try:
                for check in checks[type(entry)]:
                    check(entry)
            except (
                _MISSHAPEN
            ) as error:  # whoever forges a line may write anything: it is an objection, and no end of the checking
                objections.unreadable(f"this says what no journal says ({type(error).__name__}: {error})")
        self._entries += objections.line

    def torn(self, rest: bytes, *, last: bool) -> None:
        """What follows the last line feed of a file: a line that was not finished when its process was killed, or not yet."""
        if rest and last:
            self.objections.remark(
                f"the last line is torn: {len(rest)} bytes of a line that was never finished, or is being written"
            )
        elif rest:
            self.objections.line += 1
            self.objections.entry = None
            self.objections.unreadable(f"{len(rest)} bytes of a torn line stand at the end of a file that another one continues")

    def end(self, files: Sequence[str]) -> Verified:
        """The journal is over: return what is true of it."""
        self._chain.end()
        if self._live:
            self.objections.remark(f"{len(self._live)} of its sources did not stop: they were killed, or are still at work")
        objections, grammar, accounting = self.objections, self._grammar, self._accounting
        return Verified(
            files=tuple(files),
            holds=not objections,
            objections=tuple(objections.kept),
            counts={rule.value: count for rule, count in objections.counts.items()},
            remarks=tuple(objections.remarks),
            entries=self._entries,
            head=self._chain.head,
            sources=len(self._sources),
            first_wall=self._walls[0],
            last_wall=self._walls[1],
            charts=self._walked(),
            outages=grammar.outages,
            longest_outage=grammar.longest,
            seconds_away=grammar.away,
            attempts=self._attempts,
            questions=self._delays.questions,
            recomputed=self._delays.recomputed,
            submitted=accounting.submitted,
            outcomes=dict(accounting.outcomes),
            pending=accounting.pending,
        )

    def _read(self, raw: bytes) -> AnyEntry | None:
        try:
            entry: AnyEntry = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.objections.entry = None
            self.objections.unreadable(f"this is no record: {error}")
            return None
        self.objections.entry = entry.entry
        if entry.wall:
            self._walls[0] = self._walls[0] or entry.wall
            self._walls[1] = entry.wall
        return entry

    # -- what is counted ---------------------------------------------------------------------------------------------------------

    def _repaired(self, entry: Repaired) -> None:
        problem = f"a torn line of {entry.torn_bytes} bytes, left by a killed process, was taken off before entry {entry.entry}"
        self.objections.remark(problem)

    def _start(self, entry: Start) -> None:
        if entry.repeated:
            return
        if entry.source in self._live:
            self.objections.remark(f"the process before entry {entry.entry} ended without a stop: it was killed")
        self._sources.add(entry.source)
        self._live.add(entry.source)

    def _stop(self, entry: Stop) -> None:
        self._live.discard(entry.source)

    def _step(self, entry: StepEntry) -> None:
        if "open_transport" in entry.actions:
            self._attempts += 1

    def _walked(self) -> dict[str, Rows]:
        walked = {}
        for name, chart in self._charts.all.items():
            taken: Counter[int] = self._legality.rows[name]
            visited = {leaf: self._legality.visited[name][leaf] for leaf in chart.leaves}
            walked[name] = Rows(taken=dict(sorted(taken.items())), rows=len(chart.transitions), visited=visited)
        return walked


def verify(
    paths: Sequence[str | Path],
    *,
    charts: Iterable[Statechart] = (),
    heads: Collection[str] = (),
    passes: Collection[Head | str] = (),
    key: bytes | None = None,
    told: Callable[[int], object] | None = None,
) -> list[Verified]:
    """Check the journals at these paths; raise AuditFailed for a file that cannot be read.

    `charts` are reviewed ones, `heads` the hashes that journals must end with, `passes` those that they must contain (a Head says
    at which entry); `told` is called with the number of bytes that were read.
    """
    reviewed = tuple(charts)
    verified = []
    for files in journals_of([Path(path) for path in paths]):
        own = _published_of(files[-1], passes)
        verifier = Verifier(charts=reviewed, heads=heads, passes=own, key=key)
        if len(own) < len(passes):
            verifier.objections.remark(f"passed over are published heads of other journals: {len(passes) - len(own)}")
        for path in files:
            lines = Lines(path, told)
            verifier.file(str(path), lines)
            verifier.torn(lines.torn, last=path == files[-1])
        verified.append(verifier.end([str(path) for path in files]))
    return verified


def _published_of(path: Path, passes: Collection[Head | str]) -> list[Head | str]:
    """Return what was published of this journal. A name is no proof: where none is of this name, all must be met."""
    base = base_of(path).name
    own = [head for head in passes if isinstance(head, str) or Path(head.path).name == base]
    return own if any(isinstance(head, Head) for head in own) else list(passes)
