"""One session at the hub: its members, its tail, its streams and its senders.

`members` holds a record for every connection whose place is kept; `keep` is the only place that puts one in, `drop` the only
one that takes one out. Everything else here is an index over the records, or a fold of the log.
"""

from __future__ import annotations

from reconnect.core.frames import Entry, EntryKind, Stream
from reconnect.core.hub.census import Census
from reconnect.core.hub.ledger import Ledger
from reconnect.core.hub.links import Link
from reconnect.core.hub.queue import AppendQueue
from reconnect.core.hub.records import MemberRecord
from reconnect.core.hub.settings import HubSettings
from reconnect.core.hub.tail import Tail


class HubSession:
    """What the hub holds of one session.

    `links` are those attached to a member, `streams` what is published now, `subscribers` who wants each stream. `now` is the
    census at the head of the log, `then` the one at the tail's floor. `tombstones` hold the senders of kicked connections.
    `stale`: the log owes an entry about a member.
    """

    __slots__ = (
        "_orphans", "epoch", "id", "ledgers", "links", "members", "next_number", "now", "numbers", "queue", "senders", "settings",
        "stale", "streams", "subscribers", "tail", "then", "tombstones",
    )  # fmt: skip

    def __init__(self, session: str, settings: HubSettings) -> None:
        self.id = session
        self.settings = settings
        self.epoch = ""
        self.members: dict[str, MemberRecord] = {}
        self.senders: dict[str, str] = {}
        self.links: dict[str, Link] = {}
        self.tail = Tail(settings, self.members)
        self.now, self.then = Census(), Census()
        self.queue = AppendQueue()
        self.ledgers: dict[str, Ledger] = {}
        self._orphans: set[str] = set()
        self.streams: dict[str, Stream] = {}
        self.numbers: dict[int, str] = {}
        self.next_number = 1
        self.subscribers: dict[str, dict[str, None]] = {}  # in the order in which they came: it is seen in what goes out
        self.tombstones: dict[str, str] = {}
        self.stale = False

    def __repr__(self) -> str:
        counts = f"members={len(self.members)} links={len(self.links)} streams={len(self.streams)}"
        return f"<HubSession {self.id} {counts} {self.tail!r}>"

    # -- members ---------------------------------------------------------------------------------------------------------------

    def keep(self, record: MemberRecord) -> None:
        """Let this be what is known of its connection."""
        self.members[record.connection] = record
        self.senders[record.sender] = record.connection

    def drop(self, record: MemberRecord) -> None:
        """Nothing is known of this connection any more."""
        del self.members[record.connection]
        if self.senders.get(record.sender) == record.connection:
            del self.senders[record.sender]
            self._orphans.add(record.sender)
            self._bury(record.sender)
        self.tail.forget(record.connection)

    def ledger(self, sender: str) -> Ledger:
        """Return the account of this sender, a new one if there is none."""
        self._orphans.discard(sender)
        found = self.ledgers.get(sender)
        if found is None:
            found = self.ledgers[sender] = Ledger(sender)
        return found

    # -- the log ---------------------------------------------------------------------------------------------------------------

    def add(self, entries: tuple[Entry, ...], at: float) -> None:
        """The log has these entries: all signals, or one about a member."""
        self.tail.add(entries, at)
        if entries[0].what is not EntryKind.SIGNAL:
            for entry in entries:
                self.now.apply(entry)

    def trim(self, at: float, unsent: int) -> None:
        """Keep the tail within its bounds, and let go of senders of whom nothing is left."""
        start = self.tail.start
        for change in self.tail.trim(at, unsent):
            self.then.apply(change)
        for sender in [*self._orphans] if self.tail.start > start else ():
            self._bury(sender)

    def restart(self, epoch: str, position: int) -> None:
        """The log began a new life behind `position`: nothing of the old one can be read any more."""
        self.epoch = epoch
        self.tail = Tail(self.settings, self.members)
        self.tail.head = self.tail.floor = position
        self.then = self.now.copy()
        for ledger in self.ledgers.values():
            ledger.last_position = 0

    @property
    def is_over(self) -> bool:
        """True if nobody and nothing is left that somebody could come back for."""
        return not (self.members or self.tombstones or self.queue) and self.tail.start == self.tail.end

    def _bury(self, sender: str) -> None:
        """Let go of a sender's account if nothing of it is in the tail, in the queue, or held."""
        ledger = self.ledgers.get(sender)
        if ledger is None or (ledger.last_position <= self.tail.floor and not ledger.under_way):
            self._orphans.discard(sender)
            self.ledgers.pop(sender, None)
