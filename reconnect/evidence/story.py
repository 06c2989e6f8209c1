"""What a journal tells, as a person would: an event for each thing that mattered, in words, with where it belongs.

Rules: every record becomes an event, but for inputs, of which only those are told that concern a signal of one's own: what the
others led to stands in the step or the note behind them. Nothing is judged here; `verify` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from reconnect.audit.entries import (
    AnyEntry,
    Chart,
    Checkpoint,
    Entry,
    Gap,
    Header,
    NoteEntry,
    Outcomes,
    Policy,
    Repaired,
    Start,
    StepEntry,
    Stop,
    Traffic,
)
from reconnect.evidence.outages import Outages
from reconnect.evidence.respelling import Cancelled, Submitted, counted, pairs_of, signals_of
from reconnect.record import Record

SESSION: Final = "session"


class Happening(Record, kw_only=True):
    """One event of the story."""

    entry: int
    at: float
    wall: str
    session: str
    source: str
    who: str  # `session`, the key of a stream, a member, `signals`, or `journal`
    event: str
    words: str
    before: str | None = None  # the session's state, and that in which it was before, where it is known
    state: str | None = None
    outage: int | None = None
    serials: tuple[tuple[int, int], ...] = ()  # the own signals that it is about


class Story:
    """Tells a journal, record by record."""

    def __init__(self) -> None:
        self.untold = 0  # inputs that are not told
        self.outages = Outages()
        self.visited: set[str] = set()  # states that sessions were in
        self._states: dict[str, str] = {}

    def take(self, entry: AnyEntry) -> Iterator[Happening]:
        """Yield what a record tells."""
        outage = self.outages.take(entry)
        before = state = self._states.get(entry.source)
        if isinstance(entry, StepEntry) and entry.machine == SESSION:
            before, state = entry.before, entry.to
            self._states[entry.source] = state
            self.visited |= {before, state}
        tell = _TELL.get(type(entry))
        if tell is None:
            self.untold += 1
            return
        for who, event, words, serials in tell(entry):
            yield Happening(
                entry=entry.entry,
                at=entry.at,
                wall=entry.wall,
                session=entry.session,
                source=entry.source,
                who=who,
                event=event,
                words=words,
                before=before,
                state=state,
                outage=outage,
                serials=serials,
            )


Serials = tuple[tuple[int, int], ...]
Told = tuple[str, str, str, Serials]


def _journal(entry: Header) -> Iterator[Told]:
    host = f" at {entry.host}" if entry.host else ""
    words = f"file {entry.file}{host}, written by {entry.library} {entry.version} on Python {entry.python}; {entry.chain}"
    yield "journal", "file", words, ()


def _repaired(entry: Repaired) -> Iterator[Told]:
    yield "journal", "repaired", f"{entry.torn_bytes} bytes that a killed process left of a line were taken off", ()


def _start(entry: Start) -> Iterator[Told]:
    again = "" if entry.run == 1 else f", run {entry.run}"
    yield SESSION, "start", ("repeated for this file" if entry.repeated else f"sender {entry.source}{again}"), ()


def _chart(entry: Chart) -> Iterator[Told]:
    yield SESSION, "chart", f"{entry.chart}, version {entry.version}, SHA-256 {entry.sha256[:16]}", ()


def _policy(entry: Policy) -> Iterator[Told]:
    facts = [entry.policy, entry.wait]
    facts += ["never gives up" if entry.give_up_after_seconds is None else f"gives up after {entry.give_up_after_seconds:g} s"]
    facts += [None if entry.seed is None else f"seed {entry.seed}"]
    yield SESSION, "policy", ", ".join(fact for fact in facts if fact), ()


def _step(entry: StepEntry) -> Iterator[Told]:
    at_hub = not entry.machine
    who = (entry.client_id or entry.connection or "member") if at_hub else entry.machine
    if entry.verdict != "taken":
        yield who, entry.event, _joined(f"{entry.verdict} in {entry.before}", entry.reason), ()
        return
    moved = f"{entry.before} to {entry.to}" if entry.before != entry.to else f"in {entry.to}"
    tell = _TOLD.get(entry.tells or "")
    yield who, entry.tells or entry.event, _joined(moved if tell is None else tell(entry), _why(entry)), ()


def _why(entry: StepEntry) -> str:
    why = entry.reason or ""
    if entry.retry_in is not None:
        why = _joined(why, f"attempt {entry.attempt} in {_seconds(entry.retry_in)}")
    return why


_TOLD: Final[dict[str, Callable[[StepEntry], str]]] = {
    "connected": lambda entry: "in the session",
    "reconnecting": lambda entry: "lost the hub",
    "reconnected": lambda entry: "back, " + ("new connection" if "replace_connection" in entry.actions else "same connection"),
    "disconnected": lambda entry: "left the session",
}


def _note(entry: NoteEntry) -> Iterator[Told]:
    who = entry.machine or entry.client_id or entry.connection or "hub"
    yield who, entry.what, _joined(entry.detail or "", entry.reason), ()


def _outcomes(entry: Outcomes) -> Iterator[Told]:
    count = counted(entry.serials)
    doubt = "may have been sent" if entry.possibly_sent else None
    words = _joined(f"{_signals(count)} ({spelled(entry.serials)})", entry.reason, entry.code, doubt)
    yield "signals", entry.status, words, pairs_of(entry.serials)


def _traffic(entry: Traffic) -> Iterator[Told]:
    """Yield runs of submitted signals; those that follow each other and are alike are one."""
    run: Submitted | None = None
    for one in signals_of(entry):
        if run is not None and isinstance(one, Submitted) and _alike(run, one):
            run = replace(run, last=one.last, weight=run.weight + one.weight)
            continue
        if run is not None:
            yield _submitted(run)
        run = one if isinstance(one, Submitted) else None
        if isinstance(one, Cancelled):
            yield "signals", "cancel", f"receipt.cancel() of {one.serial}", ((one.serial, one.serial),)
    if run is not None:
        yield _submitted(run)


def _alike(run: Submitted, one: Submitted) -> bool:
    return (run.last + 1, run.ttl, run.keep, run.session_only) == (one.first, one.ttl, one.keep, one.session_only)


def _submitted(run: Submitted) -> Told:
    late = None if run.keep else "worthless if late"
    here = "for this connection alone" if run.session_only else None
    within = None if run.ttl is None else f"to be sent within {run.ttl:g} s"
    serials = spelled([[run.first, run.last]])
    words = _joined(f"{_signals(run.last - run.first + 1)} ({serials}), {run.weight:,} bytes", late, here, within)
    return "signals", "submitted", words, ((run.first, run.last),)


def _checkpoint(entry: Checkpoint) -> Iterator[Told]:
    yield SESSION, "checkpoint", f"{entry.state}; {entry.submitted:,} submitted, {counted(entry.pending):,} pending", ()


def _gap(entry: Gap) -> Iterator[Told]:
    yield "journal", "gap", f"{entry.lost} records before this could not be written: {entry.problem}", ()


def _stop(entry: Stop) -> Iterator[Told]:
    ledger = None if entry.submitted is None else f"{entry.submitted:,} submitted, {counted(entry.pending or []):,} pending"
    lost = f"{entry.lost} records could not be written" if entry.lost else None
    yield SESSION, "stop", _joined("the end", ledger, entry.reason, lost), ()


_TELL: Final[dict[type[Entry], Callable[[Any], Iterator[Told]]]] = {
    Header: _journal,
    Repaired: _repaired,
    Start: _start,
    Chart: _chart,
    Policy: _policy,
    StepEntry: _step,
    NoteEntry: _note,
    Outcomes: _outcomes,
    Traffic: _traffic,
    Checkpoint: _checkpoint,
    Gap: _gap,
    Stop: _stop,
}


def spelled(ranges: Iterable[Sequence[int]]) -> str:
    """Return ranges of serials in words: 5 to 7, 11."""
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in pairs_of(ranges))


def _signals(count: int) -> str:
    return f"{count:,} signal" if count == 1 else f"{count:,} signals"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.1 or seconds == 0.0 else f"{1000 * seconds:.1f} ms"


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)
