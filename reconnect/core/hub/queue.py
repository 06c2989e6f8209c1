"""What waits for a session's log, in order, and what is to be done once the log answered.

One Append is under way at a time. What comes meanwhile waits and goes together with the next one, so a slow log costs latency and
not order. An item without entries is a barrier: it is done when everything before it was answered.
"""

from __future__ import annotations

from enum import StrEnum

from reconnect.core.frames import Entry, Rejection
from reconnect.record import Record


class Item(Record, kw_only=True):
    """The root of what waits."""

    entries: tuple[Entry, ...] = ()


class SignalItem(Item, kw_only=True):
    """Signals of one message: on the answer its link is told what was judged, up to `high`.

    `count` frames were read for it, of which some were refused or had come before.
    """

    link: int
    sender: str
    high: int
    count: int
    rejected: tuple[Rejection, ...] = ()
    repeats: tuple[int, ...] = ()


class ServerItem(Item, kw_only=True):
    """A signal of the application."""

    ticket: int


class MemberItem(Item, kw_only=True):
    """One entry about a member; tried again until the log has it, but for a joining, which then fails."""

    connection: str


class After(StrEnum):
    """What a barrier is for."""

    WELCOME = "welcome"
    GOODBYE = "goodbye"
    GOING_AWAY = "going_away"


class BarrierItem(Item, kw_only=True):
    """Do something on a link after all that was read from it is judged."""

    link: int
    then: After


class AppendQueue:
    """Items that wait, and those that are under way; `blocked` after a failure, until something new comes or the retry is due."""

    __slots__ = ("blocked", "under_way", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Item] = []
        self.under_way: list[Item] = []
        self.blocked = False

    def __repr__(self) -> str:
        return f"<AppendQueue waiting={len(self.waiting)} under_way={len(self.under_way)} blocked={self.blocked}>"

    def __bool__(self) -> bool:
        return bool(self.waiting or self.under_way)

    def put(self, item: Item) -> None:
        """Let an item wait for its turn."""
        self.waiting.append(item)
        self.blocked = False

    def put_back(self, items: list[Item]) -> None:
        """Let items that failed go first the next time, which is not now unless something else waits as well."""
        self.blocked = not self.waiting
        self.waiting[:0] = items

    def barriers(self) -> list[Item]:
        """Take out what needs no answer any more: items without entries with nothing before them."""
        done: list[Item] = []
        if not self.under_way:
            while self.waiting and not self.waiting[0].entries:
                done.append(self.waiting.pop(0))
        return done

    def next(self) -> tuple[Entry, ...]:
        """Send everything that waits on its way, and return its entries; nothing while something is under way, or blocked."""
        if self.under_way or self.blocked or not self.waiting:
            return ()
        self.under_way, self.waiting = self.waiting, []
        if len(self.under_way) == 1:
            return self.under_way[0].entries
        return tuple(entry for item in self.under_way for entry in item.entries)

    def answered(self) -> list[Item]:
        """Take out what was under way."""
        done, self.under_way = self.under_way, []
        return done

    def discard(self, connection: str) -> None:
        """Let go of entries about a member that the others were never told of."""
        self.waiting = [item for item in self.waiting if not (isinstance(item, MemberItem) and item.connection == connection)]
