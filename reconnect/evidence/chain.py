"""Is this what was written? Every line hashed, compared with what the next line says of it, and the last with the published head.

Rules: where the chain breaks it is taken up again with the next line, so that each break is told once. A line that was changed is
named itself where the numbers go on; where they do not, the line at which they do not. A chain that was computed anew is whole:
the first line whose hash is not the published one is named then, and the last before it that is as it was published.
"""

from __future__ import annotations

from collections.abc import Collection

from reconnect.audit.chain import ROOT, Head, hash_of, kind_of
from reconnect.audit.entries import FORMAT, AnyEntry, Entry, Gap, Header, Start
from reconnect.evidence.objections import Objections, Rule


class ChainCheck:
    """Follows the chain of one journal."""

    def __init__(
        self, objections: Objections, *, key: bytes | None, heads: Collection[str], passes: Collection[Head | str]
    ) -> None:
        self._objections = objections
        self._keyed, self._hash = key is not None, hash_of(key)
        self._kind = kind_of(key)
        self._heads = frozenset(heads)
        self._passes = _by_hash(passes)
        self._wanted = self._heads | self._passes.keys()
        self._met: dict[str, int] = {}
        self._published = {entry for entry in self._passes.values() if entry is not None}
        self._first = 0  # the entry that the journal begins with
        self._denied = 0  # the first whose hash is not the published one
        self._previous: str | None = None  # the hash of the line before
        self._entry = 0
        self._file = 0
        self._blamed: int | None = None  # the objection to the line before last
        self._unkeyed = False  # it was written with a key that nobody gave
        self.head = ROOT

    def take(self, raw: bytes, entry: AnyEntry | None) -> None:
        """Take the next line; None where it could not be read as a record."""
        if entry is not None:
            if type(entry) is Header:
                self._begin(entry)
            self._follow(entry)
        else:
            self._entry += 1
        self.head = self._previous = self._hash(raw)
        self._meet(self.head, self._entry)

    def _meet(self, head: str, entry: int) -> None:
        """An entry has this hash: is it the one that was published?"""
        if head in self._wanted:
            self._met[head] = entry
        elif entry in self._published and not self._denied:
            self._denied = entry
            known = max((met for met in self._met.values() if met < entry), default=self._first - 1)
            which = f"an entry from {known + 1} to {entry} was changed" if known + 1 < entry else "it was changed"
            self._objections.add(Rule.HEAD, f"the hash of entry {entry} is {head}, and another one was published: {which}")

    def _begin(self, header: Header) -> None:
        """A file begins: it goes on from the one before, or says so where that is not there."""
        if header.format != FORMAT:
            self._objections.add(Rule.UNREADABLE, f"its format is {header.format}, and this version reads {FORMAT}")
        if header.chain != self._kind:
            self._unkeyed = not self._keyed
            remedy = "give the key" if self._unkeyed else "it was written without one"
            self._objections.add(Rule.CHAIN, f"the chain is {header.chain}, and was checked as {self._kind}: {remedy}")
        if self._previous is None:
            self._previous, self._first = ROOT, 1
            if header.file > 1 and header.entry > 1:
                begins = f"the journal begins at entry {header.entry} of file {header.file}: what came before is not here"
                self._objections.remark(begins)
                self._previous, self._entry, self._first = header.prev, header.entry - 1, header.entry
                self._meet(header.prev, header.entry - 1)
        elif self._file and header.file != self._file + 1:
            self._objections.add(Rule.ORDER, f"file {header.file} follows file {self._file}")
        self._file = header.file

    def _follow(self, entry: Entry) -> None:
        if self._previous is None:
            self._objections.add(Rule.CHAIN, "the first line is no header of a journal")
        elif entry.prev != self._previous and not self._unkeyed:
            self._broken(entry)
            return
        elif entry.entry != self._entry + 1:
            self._objections.add(Rule.ORDER, f"entry {entry.entry} follows entry {self._entry}")
        self._entry, self._blamed = entry.entry, None

    def _broken(self, entry: Entry) -> None:
        """The chain breaks before this line. Whether the line before was changed or this one shows with the next."""
        blamed, self._blamed = self._blamed, None
        follows, self._entry = entry.entry == self._entry + 1 and self._entry > 0, entry.entry
        if type(entry) is Header:
            self._objections.add(Rule.CHAIN, f"file {entry.file} does not continue the last line of the file before it")
        elif not follows:
            problem = f"entry {entry.entry} stands where another belongs: lines were taken out, put in or moved"
            self._objections.add(Rule.CHAIN, problem)
        elif blamed is not None:
            # The next line does not vouch for it either, so it was the one. Whether the one before it was, too, nobody can say.
            problem = "this line fits neither the one before nor the one after it: it was changed, or the one before was, too"
            self._objections.move(blamed, problem)
        else:
            problem = "this line is not what the line beside it says that it was: it was changed, or is not of this journal"
            self._blamed = self._objections.add(Rule.CHAIN, problem, lines_back=1)

    def end(self) -> None:
        """The journal is over: compare its head with what was published."""
        if self._previous is None:
            self._objections.add(Rule.UNREADABLE, "there is no record in it")
        if self._heads and self.head not in self._heads:
            if self._blamed is not None:
                self._objections.move(self._blamed, "this line fits neither the line before it nor the head: it was changed")
            met = [self._met[head] for head in self._heads if head in self._met]
            if met:
                problem = f"{self._entry - max(met)} entries follow entry {max(met)}, whose hash is the head that was given"
            else:
                problem = (
                    f"it ends with the hash {self.head}, which is not the head that was given: its end was cut off or changed"
                )
            self._objections.add(Rule.HEAD, problem)
        for head, entry in sorted(self._passes.items(), key=lambda one: (one[1] or 0, one[0])):
            if head not in self._met and not self._is_told(entry):
                place = "" if entry is None else f" of entry {entry}"
                self._objections.add(Rule.HEAD, f"no line has the published hash {head}{place}")

    def _is_told(self, entry: int | None) -> bool:
        """True if it was said already why this entry's hash is not met: it is changed, or stands in a file that is not here."""
        return entry is not None and (entry < self._first - 1 or 0 < self._denied <= entry <= self._entry)


def _by_hash(passes: Collection[Head | str]) -> dict[str, int | None]:
    """Return the entry of each published hash, None where nobody said it."""
    return {head.sha256 if isinstance(head, Head) else head: head.entry if isinstance(head, Head) else None for head in passes}


class SequenceCheck:
    """Are all records there, and do the clocks go forward? Each source counts for itself."""

    def __init__(self, objections: Objections) -> None:
        self._objections = objections
        self._last: dict[str, tuple[int, float]] = {}
        self._wall = ""
        self._set_back = False

    def take(self, entry: AnyEntry) -> None:
        """Take the next record of a source."""
        if entry.sequence == 0:
            return  # the journal's own, which no source counts
        if getattr(entry, "repeated", False):
            self._last.setdefault(entry.source, (0, 0.0))
            return
        if type(entry) is Gap:  # one of nothing as well: nobody writes it, and it would excuse what follows
            self._objections.add(Rule.GAP, f"{entry.lost} records could not be written: {entry.problem}")
        last = self._last.get(entry.source)
        fresh = type(entry) is Start and entry.run == 1
        if last is not None and not fresh and last[0]:
            self._compare(entry, *last)
        elif last is None and not fresh:
            self._objections.add(Rule.ORDER, f"the first record of {entry.source} is no start, but its number {entry.sequence}")
        elif fresh and entry.sequence != 1:
            self._objections.add(Rule.ORDER, f"a source that begins counts from 1, and this is number {entry.sequence}")
        self._last[entry.source] = (entry.sequence, entry.at)
        if entry.wall < self._wall:
            if not self._set_back:
                self._objections.remark(f"the time of day was set back from {self._wall} to {entry.wall} at entry {entry.entry}")
            self._set_back = True  # said once
        self._wall = entry.wall

    def _compare(self, entry: AnyEntry, sequence: int, at: float) -> None:
        lost = entry.lost if type(entry) is Gap else 0
        if entry.sequence != sequence + 1 + lost:
            self._objections.add(Rule.ORDER, f"record {entry.sequence} of {entry.source} follows record {sequence}")
        if entry.at < at:
            self._objections.add(Rule.TIME, f"the session's clock went back from {at!r} to {entry.at!r}")
