"""Gathers from a journal what a report shows: who was in which state when, which rows were taken, how signals ended, raw records.

It reads each line once. Of raw records so many are kept as a page can hold: first those that matter most, each kind from the
beginning of the journal; what is left out is known by its place, so that the page can say where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from reconnect.audit.entries import (
    AnyEntry,
    Chart,
    Entry,
    Gap,
    Header,
    NoteEntry,
    Outcomes,
    Repaired,
    Start,
    StepEntry,
    Stop,
    Traffic,
)
from reconnect.evidence.outages import Outage, Outages
from reconnect.evidence.reading import Lines, decode
from reconnect.evidence.respelling import Submitted, pairs_of, signals_of
from reconnect.evidence.spans import Spans
from reconnect.limits import REPORT_LEDGER_ROWS, REPORT_RECORDS, REPORT_STATES, REPORT_TRACKS
from reconnect.record import Record

_MATTERS: Final[tuple[tuple[type[Entry], ...], ...]] = ((Header, Repaired, Start, Gap, Stop), (StepEntry, NoteEntry), (Outcomes,))


@dataclass(slots=True)
class Stay:
    """A machine was in a state, from `at` (seconds of the day's clock, since 1970) until the next stay began."""

    state: str
    at: float
    entry: int
    event: str
    row: int | None


@dataclass(slots=True)
class Track:
    """The states of one machine, in the order in which it was in them."""

    source: str
    session: str
    machine: str
    chart: str
    stays: list[Stay] = field(default_factory=list)
    end: float = 0.0
    left_out: int = 0


class Settled(Record, kw_only=True):
    """Signals that ended otherwise than delivered, in one record."""

    entry: int
    wall: str
    source: str
    status: str
    serials: tuple[tuple[int, int], ...]
    reason: str
    code: str
    possibly_sent: bool
    outage: int | None


@dataclass(slots=True)
class Account:
    """The signals of one source."""

    source: str
    session: str
    submitted: int = 0
    pending: Spans = field(default_factory=Spans)
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Raw:
    """A record as it stands in its file."""

    entry: int
    file: str
    line: int
    kind: str
    text: str


@dataclass(slots=True)
class Gathered:
    """What was gathered."""

    entries: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    hosts: dict[str, None] = field(default_factory=dict)
    libraries: dict[str, None] = field(default_factory=dict)
    sessions: dict[str, None] = field(default_factory=dict)
    charts: dict[str, Chart] = field(default_factory=dict)
    tracks: dict[tuple[str, str, str], Track] = field(default_factory=dict)
    tracks_left_out: int = 0
    taken: Counter[tuple[str, int, str]] = field(default_factory=Counter)  # by chart, row and the state before
    accounts: dict[str, Account] = field(default_factory=dict)
    settled: list[Settled] = field(default_factory=list)
    settled_left_out: int = 0
    outages: list[Outage] = field(default_factory=list)
    began: dict[int, float] = field(default_factory=dict)  # when each outage did, in seconds of the day's clock
    raw: list[Raw] = field(default_factory=list)


class Gathering:
    """Takes one journal, line by line."""

    def __init__(self, named: Collection[int] = ()) -> None:
        """`named`: the entries that are objected to; they are shown in any case."""
        self._named = frozenset(named)
        self._outages = Outages()
        self._offsets: dict[str, float] = {}  # from a source's clock to the time of day
        self._kept: list[list[Raw]] = [[] for _ in range(len(_MATTERS) + 2)]
        self.gathered = Gathered()

    def take(self, raw: bytes, *, file: str, line: int) -> None:
        """Take the next line; one that is no record is counted and shown as it is."""
        gathered = self.gathered
        try:
            entry: AnyEntry | None = decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            entry = None
        number = gathered.entries + 1 if entry is None else entry.entry
        gathered.entries = number
        kind = "unreadable" if entry is None else str(entry.__struct_config__.tag)
        gathered.kinds[kind] += 1
        kept = self._kept[0 if number in self._named or entry is None else _weight(entry)]
        if len(kept) < REPORT_RECORDS:
            kept.append(Raw(entry=number, file=file, line=line, kind=kind, text=raw.decode("ascii", "backslashreplace")))
        if entry is not None:
            outage = self._outages.take(entry)
            self._note(entry, outage)

    def end(self) -> Gathered:
        """The journal is over: return what was gathered."""
        gathered = self.gathered
        gathered.outages = self._outages.all()
        room, chosen = REPORT_RECORDS, []
        for kept in self._kept:
            chosen += kept[:room]
            room = REPORT_RECORDS - len(chosen)
        gathered.raw = sorted(chosen, key=lambda one: (one.entry, one.line))
        return gathered

    # -- what is noted ---------------------------------------------------------------------------------------------------------

    def _note(self, entry: AnyEntry, outage: int | None) -> None:
        gathered = self.gathered
        if isinstance(entry, Header):
            gathered.libraries[f"{entry.library} {entry.version}, Python {entry.python}"] = None
            if entry.host:
                gathered.hosts[entry.host] = None
            return
        if entry.source and entry.session:
            gathered.sessions[entry.session] = None
        self._tie(entry)
        if outage is not None:
            gathered.began.setdefault(outage, self._time(entry))
        if isinstance(entry, Chart):
            gathered.charts.setdefault(f"{entry.chart} {entry.sha256}", entry)
        elif isinstance(entry, StepEntry):
            self._step(entry)
        elif isinstance(entry, Traffic):
            account = self._account(entry)
            for one in signals_of(entry):
                if isinstance(one, Submitted):
                    account.submitted += one.last - one.first + 1
                    account.pending.add(one.first, one.last)
        elif isinstance(entry, Outcomes):
            self._settle(entry, outage)
        for track in self._tracks_of(entry):
            track.end = self._time(entry)

    def _tie(self, entry: AnyEntry) -> None:
        """Tie a source's clock to the time of day; a process that begins has a clock of its own."""
        if entry.wall and (entry.source not in self._offsets or (isinstance(entry, Start) and not entry.repeated)):
            self._offsets[entry.source] = _seconds_of(entry.wall) - entry.at

    def _time(self, entry: AnyEntry) -> float:
        return entry.at + self._offsets.get(entry.source, 0.0)

    def _tracks_of(self, entry: AnyEntry) -> list[Track]:
        """Return the tracks of a source; that of its session says for all how far they go."""
        track = self.gathered.tracks.get((entry.source, entry.session, "session"))
        return [] if track is None else [track]

    def _step(self, entry: StepEntry) -> None:
        gathered = self.gathered
        if entry.verdict != "taken" or entry.row is None:
            return
        gathered.taken[entry.chart, entry.row, entry.before] += 1
        machine = entry.machine or entry.client_id or entry.connection or "member"
        key = entry.source, entry.session, entry.machine or entry.connection or ""
        track = gathered.tracks.get(key)
        time = self._time(entry)
        if track is None:
            if len(gathered.tracks) >= REPORT_TRACKS:
                gathered.tracks_left_out += 1
                return
            track = gathered.tracks[key] = Track(entry.source, entry.session, machine, entry.chart)
            track.stays.append(Stay(entry.before, time, entry.entry, "", None))
        track.end = time
        if track.stays[-1].state == entry.to:
            return  # an internal row, or one that leads back
        if len(track.stays) >= REPORT_STATES:
            track.left_out += 1
            return
        track.stays.append(Stay(entry.to, time, entry.entry, entry.event, entry.row))

    def _account(self, entry: AnyEntry) -> Account:
        accounts = self.gathered.accounts
        return accounts.setdefault(entry.source, Account(source=entry.source, session=entry.session))

    def _settle(self, entry: Outcomes, outage: int | None) -> None:
        account = self._account(entry)
        serials = pairs_of(entry.serials)
        for first, last in serials:
            account.pending.take(first, last)
            account.outcomes[entry.status] += last - first + 1
        if entry.status == "delivered":
            return
        if len(self.gathered.settled) >= REPORT_LEDGER_ROWS:
            self.gathered.settled_left_out += 1
            return
        self.gathered.settled.append(
            Settled(
                entry=entry.entry,
                wall=entry.wall,
                source=entry.source,
                status=entry.status,
                serials=serials,
                reason=entry.reason or "",
                code=entry.code or "",
                possibly_sent=entry.possibly_sent,
                outage=outage,
            )
        )


def _weight(entry: Entry) -> int:
    """Return how much a record matters: the lower, the more."""
    return next((place for place, kinds in enumerate(_MATTERS, 1) if isinstance(entry, kinds)), len(_MATTERS) + 1)


def _seconds_of(wall: str) -> float:
    """Return a time of day as seconds since 1970; what is none counts as the beginning."""
    try:
        return datetime.fromisoformat(wall).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def gather(files: Iterable[Path], named: Collection[int] = (), told: Callable[[int], object] | None = None) -> Gathered:
    """Gather from the files of a journal, in their order; raise AuditFailed for one that cannot be read."""
    gathering = Gathering(named)
    for file in files:
        for line, raw in enumerate(Lines(file, told), 1):
            gathering.take(raw, file=str(file), line=line)
    return gathering.end()
