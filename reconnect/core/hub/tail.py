"""The part of a session's log that the hub keeps at hand, and how far back it reaches for each member.

There is no queue per member: a member is an index into this tail. Three bounds hold. The count of signals is soft: it never takes
an entry that a present member has still to be sent, and entries about members do not use it up. Bytes and age are hard.

An entry is for everybody, for one connection only (a signal with `to`), or for everybody but one connection (what is told of a
member is not told to it, nor what it said, if it asked for no echo). What was trimmed is remembered just far enough to say
exactly, for each connection, whether something for it is gone: there is a gap only then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Sequence
from operator import itemgetter

from reconnect import limits
from reconnect.core.frames import Entry, EntryKind
from reconnect.core.hub.settings import HubSettings

# (True, connection): for this one only; (False, connection): for all but this one; None: for all.
Audience = tuple[bool, str] | None

# Trimmed entries stay in the lists until there are this many: moving the rest down is then paid by them.
CHUNK = 256


def audiences(entries: Sequence[Entry]) -> list[Audience]:
    """Return whom entries are for: all of them signals, or one about a member."""
    if entries[0].what is not EntryKind.SIGNAL:
        return [_audience_of_change(entry) for entry in entries]
    whom: list[Audience] = []
    others: Audience = None  # than the connection that is speaking: one that says much says so once
    for signal in entries:
        if signal.to is not None:
            whom.append((True, signal.to))
        elif signal.echo or signal.connection is None:
            whom.append(None)
        else:
            if others is None or others[1] != signal.connection:
                others = (False, signal.connection)
            whom.append(others)
    return whom


class Tail:
    """Entries from `start` to `end`, both indices that count for ever; `head` and `floor` are positions of the log.

    `head` is the last entry's, `floor` that of the last one that was trimmed. `held` are the connections that still may read.
    """

    __slots__ = (
        "_all", "_at", "_base", "_bytes", "_directed", "_entries", "_held", "_others", "_settings", "_signals", "_sizes", "_whom",
        "floor", "head", "start",
    )  # fmt: skip

    def __init__(self, settings: HubSettings, held: Container[str]) -> None:
        self._settings = settings
        self._held = held
        self._entries: list[Entry] = []
        self._whom: list[Audience] = []
        self._sizes: list[int] = []
        self._at: list[float] = []
        self._base = self.start = self._bytes = self._signals = 0
        self.head = self.floor = 0
        # Highest positions trimmed: for all; for one only; and, for all but one, the last two with different ones.
        self._all = 0
        self._directed: dict[str, int] = {}
        self._others: tuple[tuple[int, str], tuple[int, str]] = ((0, ""), (0, ""))

    def __repr__(self) -> str:
        return f"<Tail {self.floor + 1}..{self.head} signals={self._signals} bytes={self._bytes}>"

    @property
    def end(self) -> int:
        """The index of the next entry to come."""
        return self._base + len(self._entries)

    @property
    def signals(self) -> int:
        """How many signals are kept."""
        return self._signals

    @property
    def size(self) -> int:
        """What the kept entries count against the bound on bytes."""
        return self._bytes

    # -- writing ---------------------------------------------------------------------------------------------------------------

    def add(self, entries: Sequence[Entry], at: float) -> None:
        """Take entries that the log stored; they are all signals, or one about a member."""
        self._whom += audiences(entries)
        if entries[0].what is EntryKind.SIGNAL:
            self._signals += len(entries)
        sizes = [len(entry.data) + limits.ENTRY_OVERHEAD_BYTES for entry in entries]
        self._sizes += sizes
        self._bytes += sum(sizes)
        self._at += [at] * len(entries)
        self._entries += entries
        self.head = entries[-1].position

    def trim(self, at: float, unsent: int) -> Sequence[Entry]:
        """Let go of what the bounds ask for, and return what told of members in it.

        `unsent` is the lowest index that somebody is still to be sent.
        """
        upto = max(self._hard(at), self._soft(unsent))
        if upto <= self.start:
            return ()
        low, high = self.start - self._base, upto - self._base
        gone = self._entries[low:high]
        self._bytes -= sum(self._sizes[low:high])
        self.floor = gone[-1].position
        changes = self._remember(gone, self._whom[low:high])
        self.start = upto
        if high >= CHUNK:
            self._base = upto
            del self._entries[:high]
            del self._whom[:high]
            del self._sizes[:high]
            del self._at[:high]
        return changes

    def forget(self, connection: str) -> None:
        """This connection will not read on."""
        self._directed.pop(connection, None)

    def _soft(self, unsent: int) -> int:
        """The index up to which the bound on signals asks to trim, at most `unsent`: there may be much behind that."""
        excess = self._signals - self._settings.log_signals
        index = self.start
        if self._signals == self.end - self.start:
            return min(index + max(excess, 0), unsent)
        while excess > 0 and index < unsent:
            if self._entries[index - self._base].what is EntryKind.SIGNAL:
                excess -= 1
            index += 1
        return index

    def _hard(self, at: float) -> int:
        """The index up to which bytes or age ask to trim."""
        low = self.start - self._base
        index = bisect_left(self._at, at - self._settings.log_seconds, low)
        left = self._bytes - sum(self._sizes[low:index])
        while left > self._settings.log_bytes:
            left -= self._sizes[index]
            index += 1
        return index + self._base

    def _remember(self, gone: list[Entry], audiences: list[Audience]) -> list[Entry]:
        """Count what was trimmed, and note for whom it was; return what was no signal."""
        only_signals = self._signals == self.end - self.start
        changes = [] if only_signals else [entry for entry in gone if entry.what is not EntryKind.SIGNAL]
        self._signals -= len(gone) - len(changes)
        # The last position for each audience is all that counts, in the order of positions.
        if len(set(audiences)) == 1:
            self._mark(self.floor, audiences[0])
            return changes
        last = dict(zip(audiences, [entry.position for entry in gone], strict=True))
        for whom, position in sorted(last.items(), key=itemgetter(1)):
            self._mark(position, whom)
        return changes

    def _mark(self, position: int, whom: Audience) -> None:
        if whom is None:
            self._all = position
        elif whom[0]:
            if whom[1] in self._held:
                self._directed[whom[1]] = position
        else:
            last, before = self._others
            self._others = ((position, whom[1]), before if last[1] == whom[1] else last)

    # -- reading ---------------------------------------------------------------------------------------------------------------

    def lost(self, connection: str) -> int:
        """Return the position of the last trimmed entry that was for this connection, 0 if there is none."""
        last, before = self._others
        other = before if last[1] == connection else last
        return max(self._all, self._directed.get(connection, 0), other[0])

    def after(self, position: int) -> int:
        """Return the index of the first kept entry behind this position."""
        return bisect_right(self._entries, position, self.start - self._base, key=_position) + self._base

    def before(self, index: int) -> int:
        """Return the position up to which everything stands before this index."""
        return self._entries[index - self._base - 1].position if index > self.start else self.floor

    def last_for(self, connection: str, cursor: int, default: int) -> int:
        """Return the position of the last entry for this connection at or behind the cursor."""
        for index in range(len(self._entries) - 1, cursor - self._base - 1, -1):
            who = self._whom[index]
            if who is None or (who[1] == connection) is who[0]:
                return self._entries[index].position
        return default

    def left_out(self, start: int) -> frozenset[str] | None:
        """Return for whom some entry from this index on is not; None if some entry is for one connection only."""
        special = [whom for whom in set(self._whom[start - self._base :]) if whom is not None]
        if any(only for only, _ in special):
            return None
        return frozenset(connection for _, connection in special)

    def since(self, start: int) -> tuple[Entry, ...]:
        """Return all entries from this index on."""
        return tuple(self._entries[start - self._base :])

    def take(self, cursor: int, connection: str, room: int) -> tuple[list[Entry], int]:
        """Return at most `room` entries for this connection from `cursor` on, and the cursor behind them.

        Entries that are not for it are passed over, also behind the last one that there was room for.
        """
        taken: list[Entry] = []
        entries, whom = self._entries, self._whom
        for index in range(cursor - self._base, len(entries)):
            who = whom[index]
            if who is None or (who[1] == connection) is who[0]:
                if room <= 0:
                    return taken, index + self._base
                room -= 1
                taken.append(entries[index])
        return taken, self.end


def _audience_of_change(entry: Entry) -> Audience:
    match entry.what:
        case EntryKind.MUTED:
            return None
        case EntryKind.PUBLISHED | EntryKind.UNPUBLISHED if entry.stream is not None:
            return (False, entry.stream.connection)
        case _:
            return (False, entry.connection or "")


def _position(entry: Entry) -> int:
    return entry.position
