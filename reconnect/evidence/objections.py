"""What is wrong with a journal, and where.

The first objection is the one that matters: what comes after it may only follow from it. A few are kept, all are counted, so
that a journal of any size can be bad in every line.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from reconnect.record import Record

KEPT: Final = 100  # objections that are listed; the others are counted


class Rule(StrEnum):
    """Which rule was broken."""

    UNREADABLE = "unreadable"  # a line is no record
    CHAIN = "chain"  # the bytes are not those that were written, in the order in which they were written
    HEAD = "head"  # the journal does not end as the published head says
    ORDER = "order"  # a number is missing, or there twice
    TIME = "time"  # a clock went back
    GAP = "gap"  # records were lost while it was written
    CHART = "chart"  # no chart to check against, or another than the reviewed one
    LEGALITY = "legality"  # a step that the chart does not have
    GENERATION = "generation"  # a report of an old transport was believed
    TIMER = "timer"  # a timer fired that was not armed, or too early
    DELAY = "delay"  # a delay that is not the policy's
    ACCOUNTING = "accounting"  # a signal without, or with more than one, outcome
    GRAMMAR = "grammar"  # the user was told events in an order that cannot be


class Objection(Record, kw_only=True):
    """One thing that is wrong: where it stands, and what it is."""

    kind: Rule
    file: str
    line: int  # of the file, from 1
    entry: int | None  # as the line says it; None where it says none
    problem: str

    def __str__(self) -> str:
        entry = "" if self.entry is None else f" (entry {self.entry})"
        return f"{self.file}:{self.line}{entry}: {self.kind}: {self.problem}"


class Objections:
    """Collects what is wrong; `file`, `line` and `entry` say where the reader is."""

    __slots__ = ("counts", "entry", "file", "kept", "line", "remarks")

    def __init__(self) -> None:
        self.file, self.line = "", 0
        self.entry: int | None = None
        self.kept: list[Objection] = []
        self.counts: Counter[Rule] = Counter()
        self.remarks: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.counts)

    def add(self, kind: Rule, problem: str, *, lines_back: int = 0) -> int | None:
        """Note an objection here, or so many lines before; return its place among those that are kept."""
        self.counts[kind] += 1
        if len(self.kept) == KEPT:
            return None
        entry = None if self.entry is None else self.entry - lines_back
        self.kept.append(Objection(kind=kind, file=self.file, line=self.line - lines_back, entry=entry, problem=problem))
        return len(self.kept) - 1

    def move(self, place: int, problem: str) -> None:
        """An objection was to the line behind the one that was named, and is this."""
        moved = self.kept[place]
        entry = None if moved.entry is None else moved.entry + 1
        self.kept[place] = replace(moved, line=moved.line + 1, entry=entry, problem=problem)

    def remark(self, sentence: str) -> None:
        """Note something that is no objection, and that a reader should know."""
        if len(self.remarks) < KEPT:
            self.remarks.append(sentence)

    def unreadable(self, problem: str) -> None:
        """Note a line that is no record."""
        self.add(Rule.UNREADABLE, problem)
