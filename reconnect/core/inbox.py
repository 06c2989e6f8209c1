"""The reading side of the log: how far this member got, and what it has seen.

Two marks are kept, which mean something only with the epoch they count in: `received` drops repeats of the hub, `handled` says
what the application took over and is what a resume claims. A third, per sender, drops repeats of a sender that had to send
again.
"""

from __future__ import annotations

from collections import OrderedDict

from reconnect import limits
from reconnect.core.frames import Entry


class Inbox:
    """Positions and the last serial of each sender."""

    def __init__(self, *, senders: int = limits.SEEN_SENDERS) -> None:
        self.epoch = ""
        self.received = 0
        self.handled = 0
        self.credited = 0
        self._senders: OrderedDict[str, int] = OrderedDict()
        self._bound = senders

    def __repr__(self) -> str:
        return f"<Inbox {self.epoch[:8]} received={self.received} handled={self.handled}>"

    def restart(self, epoch: str, position: int) -> None:
        """Count from `position` of `epoch`: the two are replaced only as a pair."""
        self.epoch = epoch
        self.received = self.handled = self.credited = position

    def skip_to(self, position: int) -> None:
        """A snapshot replaced everything up to `position`."""
        self.received = self.handled = self.credited = max(self.received, position)

    def take(self, entry: Entry) -> bool:
        """Note an entry; return False where it had been received before."""
        if entry.position <= self.received:
            return False
        self.received = entry.position
        return True

    def is_repeat(self, sender: str, serial: int) -> bool:
        """Note a signal; return True where this or a later one of the same sender was taken before."""
        last = self._senders.get(sender, 0)
        if serial <= last:
            return True
        self._senders[sender] = serial
        self._senders.move_to_end(sender)
        if len(self._senders) > self._bound:
            self._senders.popitem(last=False)
        return False
