"""The history check: whatever happened, which promises does the history break?

    violations = check_history(history)

The check is a fold over the facts, in parts that do not know each other: receipts, what each member read, who lists whom, and the
grammar of the events. A member may expect exactly what the log took for it behind the place where it began to read, but for the
gaps that it was told of; what a receipt says must agree with what the log took. `over=False` checks a run that is still going on:
what is not yet there is then no violation.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable

from reconnect.testing.grammar import Grammar
from reconnect.testing.history import (
    Began,
    Ended,
    Fate,
    History,
    Kept,
    Listed,
    Logged,
    Missed,
    Received,
    Sent,
    Settled,
    Submitted,
    Told,
)
from reconnect.testing.violations import Broken, Violation

Signal = tuple[str, int]  # who sent it, and its serial


def check_history(history: History, *, over: bool = True) -> list[Violation]:
    """Return what of a history breaks a promise, in the order in which it was noticed."""
    receipts, reading, grammar, lists = _Receipts(), _Reading(), Grammar(), _Lists()
    parts = {
        Submitted: (receipts.submitted,),
        Sent: (receipts.sent,),
        Settled: (receipts.settled,),
        Ended: (receipts.ended, reading.ended),
        Kept: (receipts.kept,),
        Logged: (receipts.logged, reading.logged),
        Received: (reading.received,),
        Began: (reading.began,),
        Missed: (reading.missed,),
        Told: (grammar.told, reading.told, receipts.told),
        Listed: (lists.listed,),
    }
    for fact in history:
        for take in parts[type(fact)]:
            take(fact)  # type: ignore[operator]  # the table says which part takes which kind of fact
    found = [*receipts.found, *reading.found, *grammar.found]
    found += receipts.contradicted(reading.seen)
    found += reading.unlogged()
    if over:
        found += [*receipts.unfinished(), *reading.unread(), *lists.wrong()]
    return found


class _Receipts:
    """Each signal is submitted once and settled once, and what its receipt says agrees with the log."""

    def __init__(self) -> None:
        self.found: list[Violation] = []
        self._submitted: dict[Signal, Submitted] = {}
        self._fates: dict[Signal, Fate] = {}
        self._sent: dict[Signal, int] = {}
        self._outages: Counter[str] = Counter()
        self._at_outage: dict[Signal, int] = {}  # how many its sender had had when it was submitted
        self._logged: set[Signal] = set()
        self._in_life: set[tuple[int, str, int]] = set()
        self._log_is_known = False
        self._kept: set[Signal] = set()  # on disk; they may be settled once more, by whoever goes on with them
        self._gone: set[Signal] = set()
        self._waiting: set[Signal] = set()  # kept, and nobody is told of them any more

    def submitted(self, fact: Submitted) -> None:
        self._submitted[fact.who, fact.serial] = fact
        if not fact.keep:
            self._at_outage[fact.who, fact.serial] = self._outages[fact.who] - fact.away

    def told(self, fact: Told) -> None:
        self._outages[fact.who] += fact.name == "reconnecting"

    def sent(self, fact: Sent) -> None:
        """What opted out goes to one transport only, and never to one that opened later; a time to live is kept."""
        signal = fact.who, fact.serial
        submitted = self._submitted.get(signal)
        if submitted is None:
            return
        again = self._sent.setdefault(signal, fact.generation) != fact.generation
        if not submitted.keep and (again or self._at_outage[signal] != self._outages[fact.who]):
            self._add(Broken.STALE, signal, "it opted out of waiting, and was sent after an outage", fact.at)
        if submitted.expires_at is not None and fact.at >= submitted.expires_at:
            self._add(Broken.STALE, signal, f"its time was over at {submitted.expires_at:.3f}, and it was sent", fact.at)

    def settled(self, fact: Settled) -> None:
        signal = fact.who, fact.serial
        if signal in self._fates:
            if signal not in self._kept:
                self._add(Broken.SETTLED_TWICE, signal, f"{self._fates[signal]}, and then {fact.fate}", fact.at)
            return
        if signal not in self._submitted:
            self._add(Broken.PHANTOM, signal, "it has an outcome, and was never submitted", fact.at)
        self._fates[signal] = fact.fate

    def ended(self, fact: Ended) -> None:
        sender = fact.sender or fact.who
        self._kept |= {(sender, serial) for serial in fact.kept}
        mine = (signal for signal in self._submitted if signal[0] == sender and signal not in self._fates)
        self._gone |= {signal for signal in mine if signal[1] not in fact.kept}

    def kept(self, fact: Kept) -> None:
        self._kept.add((fact.who, fact.serial))
        self._waiting.add((fact.who, fact.serial))

    def logged(self, fact: Logged) -> None:
        signal = fact.sender, fact.serial
        self._log_is_known = True
        self._logged.add(signal)
        if (fact.life, *signal) in self._in_life and not fact.repeat:
            self._add(Broken.DUPLICATED, signal, f"logged again at {fact.position} of {fact.epoch}", fact.at)
        self._in_life.add((fact.life, *signal))

    def contradicted(self, seen: Iterable[Signal]) -> list[Violation]:
        """What receipts say against what the log took and what members received."""
        found = [
            Violation(broken=Broken.LOST, who=signal[0], detail=f"signal {signal[1]} was delivered, and no log has it")
            for signal, fate in self._fates.items()
            if fate is Fate.OK and self._log_is_known and signal not in self._logged
        ]
        for signal in sorted(self._logged.union(seen)):
            if signal not in self._submitted:
                detail = f"signal {signal[1]} was never submitted, and there it is"
            elif self._fates.get(signal) is Fate.FAILED and signal not in self._kept:
                # What a disk kept may go on after its end was told: the power went off before the erasure was synced.
                detail = f"signal {signal[1]} was certainly not taken, and there it is"
            else:
                continue
            found.append(Violation(broken=Broken.PHANTOM, who=signal[0], detail=detail))
        return found

    def unfinished(self) -> list[Violation]:
        """Who is alive has the outcome of everything."""
        return [
            Violation(broken=Broken.NEVER_SETTLED, who=signal[0], detail=f"signal {signal[1]} has no outcome")
            for signal in self._submitted
            if signal not in self._fates and signal not in self._gone and signal not in self._waiting
        ]

    def _add(self, broken: Broken, signal: Signal, detail: str, at: float) -> None:
        self.found.append(Violation(broken=broken, who=signal[0], detail=f"signal {signal[1]}: {detail}", at=at))


class _Stay:
    """From where to where one member reads in one life of the log, under one connection."""

    __slots__ = ("connection", "epoch", "first", "last", "seen", "upto")

    def __init__(self, connection: str, epoch: str, first: int) -> None:
        self.connection, self.epoch, self.first = connection, epoch, first
        self.upto: int | None = None  # where it stopped reading; None: at the end of the log
        self.last = first  # what was received last
        self.seen: set[int] = set()


class _Reading:
    """Members read in order, once, and without a hole that they were not told of."""

    def __init__(self) -> None:
        self.found: list[Violation] = []
        self.seen: set[Signal] = set()
        self._stays: dict[str, list[_Stay]] = defaultdict(list)
        self._gaps: dict[str, list[Missed]] = defaultdict(list)
        self._serials: dict[tuple[str, str], int] = {}
        self._has: dict[str, set[Signal]] = defaultdict(set)
        self._values: dict[tuple[str, int], Signal] = {}
        self._log: dict[str, list[Logged]] = defaultdict(list)
        self._meant_for: dict[tuple[str, int], str] = {}
        self._known: dict[tuple[str, str], float] = {}  # up to where a member received a log, or was told what is missing

    def logged(self, fact: Logged) -> None:
        if fact.to is not None:
            self._meant_for[fact.epoch, fact.position] = fact.to
        self._stands(fact.epoch, fact.position, (fact.sender, fact.serial), "the log", fact.at)
        self._log[fact.epoch].append(fact)

    def began(self, fact: Began) -> None:
        stays = self._stays[fact.who]
        if stays and stays[-1].upto is None:
            # It reads on: what lies between was replaced, and it must have been told where there is something.
            stays[-1].upto = fact.position if stays[-1].epoch == fact.epoch else None
        stays.append(_Stay(fact.connection, fact.epoch, fact.position))

    def told(self, fact: Told) -> None:
        if fact.name == "disconnected":
            self._stop(fact.who)

    def ended(self, fact: Ended) -> None:
        self._stop(fact.who)

    def _stop(self, who: str) -> None:
        """It reads no more."""
        if self._stays[who] and self._stays[who][-1].upto is None:
            self._stays[who][-1].upto = self._stays[who][-1].last

    def missed(self, fact: Missed) -> None:
        """A gap is told once, and before what follows it."""
        known = self._known.get((fact.who, fact.epoch), 0)
        if fact.first <= known:
            detail = f"told that {fact.first} of {fact.epoch} is missing, and it had got to {known:g}"
            self.found.append(Violation(broken=Broken.STALE, who=fact.who, detail=detail, at=fact.at))
        self._known[fact.who, fact.epoch] = max(known, math.inf if fact.last is None else fact.last)
        self._gaps[fact.who].append(fact)

    def received(self, fact: Received) -> None:
        signal = fact.sender, fact.serial
        self._stands(fact.epoch, fact.position, signal, fact.who, fact.at)
        self._keeps_order(fact, signal)
        self.seen.add(signal)
        stay = self._stays[fact.who][-1] if self._stays[fact.who] else None
        if stay is None or stay.epoch != fact.epoch:
            stay = _Stay("", fact.epoch, fact.position - 1)
            self._stays[fact.who].append(stay)
        meant_for = self._meant_for.get((fact.epoch, fact.position), stay.connection)
        if stay.connection and meant_for != stay.connection:
            detail = f"{stay.connection} received signal {fact.serial} of {fact.sender}, which is for {meant_for}"
            self.found.append(Violation(broken=Broken.PHANTOM, who=fact.who, detail=detail, at=fact.at))
        if stay.upto is not None:
            detail = f"received signal {fact.serial} of {fact.sender} after it was disconnected"
            self.found.append(Violation(broken=Broken.GRAMMAR, who=fact.who, detail=detail, at=fact.at))
        known = self._known.get((fact.who, fact.epoch), 0)
        self._known[fact.who, fact.epoch] = max(known, fact.position)
        if fact.position <= max(stay.last, known):
            detail = f"position {fact.position} of {fact.epoch} after {max(stay.last, known):g}"
            self.found.append(Violation(broken=Broken.STALE, who=fact.who, detail=detail, at=fact.at))
        stay.last = max(stay.last, fact.position)
        stay.seen.add(fact.position)

    def _keeps_order(self, fact: Received, signal: Signal) -> None:
        between = fact.who, fact.sender
        if signal in self._has[fact.who]:
            detail = f"received signal {fact.serial} of {fact.sender} twice"
            self.found.append(Violation(broken=Broken.DUPLICATED, who=fact.who, detail=detail, at=fact.at))
        elif fact.serial < self._serials.get(between, 0) and not fact.repeat:
            detail = f"received signal {fact.serial} of {fact.sender} after {self._serials[between]}"
            self.found.append(Violation(broken=Broken.REORDERED, who=fact.who, detail=detail, at=fact.at))
        self._has[fact.who].add(signal)
        self._serials[between] = max(fact.serial, self._serials.get(between, 0))

    def _stands(self, epoch: str, position: int, signal: Signal, who: str, at: float) -> None:
        other = self._values.setdefault((epoch, position), signal)
        if other != signal:
            detail = f"position {position} of {epoch} is signal {other[1]} of {other[0]}, and {signal[1]} of {signal[0]}"
            self.found.append(Violation(broken=Broken.TWO_VALUES, who=who, detail=detail, at=at))

    def unread(self) -> list[Violation]:
        """What the log took for a member that reads on, and that neither arrived nor was told to be missing."""
        found: list[Violation] = []
        for who, stays in self._stays.items():
            excused = self._has[who] | self._told_missing(who)
            for stay in stays:
                if stay.upto is None and stay is not stays[-1]:
                    stay.upto = self._log[stay.epoch][-1].position if self._log[stay.epoch] else stay.last
                for fact in self._between(stay.epoch, stay.first + 1, stay.upto):
                    if fact.to in (None, stay.connection) and (fact.sender, fact.serial) not in excused:
                        detail = f"never received signal {fact.serial} of {fact.sender}, at {fact.position} of {fact.epoch}"
                        found.append(Violation(broken=Broken.SILENT_GAP, who=who, detail=detail))
        return found

    def unlogged(self) -> list[Violation]:
        """What was received from places that the log does not have, where there is a log to compare with."""
        stands = {epoch: {fact.position for fact in log} for epoch, log in self._log.items() if log}
        return [
            Violation(broken=Broken.PHANTOM, who=who, detail=f"received {position} of {stay.epoch}, which no log has")
            for who, stays in self._stays.items()
            for stay in stays
            for position in (sorted(stay.seen - stands.get(stay.epoch, set())) if stands else ())
        ]

    def _told_missing(self, who: str) -> set[Signal]:
        """What stood in the gaps that a member was told of; one that is sent again after that comes too late for its order."""
        return {(fact.sender, fact.serial) for gap in self._gaps[who] for fact in self._between(gap.epoch, gap.first, gap.last)}

    def _between(self, epoch: str, first: int, last: int | None) -> list[Logged]:
        """Return what the log took from one position to another, both included; without `last`, to its end."""
        log = self._log[epoch]
        low = bisect_left(log, first, key=_position)
        return log[low:] if last is None else log[low : bisect_right(log, last, lo=low, key=_position)]


def _position(fact: Logged) -> int:
    return fact.position


class _Lists:
    """In the end everybody lists everybody else, and every stream of the others, and nothing else."""

    def __init__(self) -> None:
        self._listed: list[Listed] = []

    def listed(self, fact: Listed) -> None:
        self._listed.append(fact)

    def wrong(self) -> list[Violation]:
        there = frozenset(fact.connection for fact in self._listed)
        playing = frozenset().union(*(fact.publishes for fact in self._listed))
        found: list[Violation] = []
        for fact in self._listed:
            for kind, listed, real in (
                ("connection", fact.members, there - {fact.connection}),
                ("stream", fact.streams, playing - fact.publishes),
            ):
                for broken, names, verb in ((Broken.GHOST, listed - real, "lists"), (Broken.UNLISTED, real - listed, "misses")):
                    found += [
                        Violation(broken=broken, who=fact.who, detail=f"{verb} the {kind} {name}", at=fact.at)
                        for name in sorted(names)
                    ]
        return found
