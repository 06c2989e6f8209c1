"""The reading side of the log: how far this member got, and what it has seen.

Two marks are kept, which mean something only with the epoch they count in: `received` drops repeats of the hub, `handled` says
what the application took over and is what a resume claims. A third, per sender, drops repeats of a sender that had to send
again. Beside it stand the serials that it passed over: another life of the hub may log a signal that an earlier one refused or
lost, behind later ones that were received, and to whoever never got it that is no repeat.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from reconnect import limits
from reconnect.core.frames import Entry, EntryKind


class Inbox:
    """Positions and the last serial of each sender."""

    def __init__(self, *, senders: int = limits.SEEN_SENDERS) -> None:
        self.epoch = ""
        self.received = 0
        self.handled = 0
        self.credited = 0
        self._senders: OrderedDict[str, int] = OrderedDict()
        self._latest = ""  # the sender that stands last
        self._passed_over: dict[str, list[tuple[int, int]]] = {}  # first and last of each stretch, ascending
        self._forgot = False  # some sender: who seems new may not be
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

    def is_repeat(self, sender: str, serial: int, sent_again: bool = False) -> bool:
        """Note a signal; return True where it was taken before. Only what was sent again may come behind a later one."""
        senders = self._senders
        last = senders.get(sender, 0)
        if serial <= last:
            return not (sent_again and self._comes_late(sender, serial))
        if serial != last + 1 and (last or not self._forgot):
            self._pass_over(sender, last + 1, serial - 1)
        senders[sender] = serial
        if sender != self._latest:
            senders.move_to_end(sender)
            self._latest = sender
            if len(senders) > self._bound:
                self._passed_over.pop(senders.popitem(last=False)[0], None)
                self._forgot = True
        return False

    def go_on(self, entries: Sequence[Entry]) -> int:
        """Note the signals at the front that are plainly the next ones of one sender, which most are; return how many."""
        received, sender, count = self.received, entries[0].sender, 0
        serial = last = self._senders.get(sender, 0) if sender is not None and sender == self._latest else 0
        if not last:
            return 0
        for entry in entries:
            serial += 1
            position = entry.position
            if entry.serial != serial or entry.sender != sender or not entry.after == received < position:
                break
            if entry.what is not EntryKind.SIGNAL:
                break
            received = position
            count += 1
        if count:
            self.received = received
            self._senders[self._latest] = last + count
        return count

    def _pass_over(self, sender: str, first: int, last: int) -> None:
        stretches = self._passed_over.setdefault(sender, [])
        stretches.append((first, last))
        del stretches[: -limits.PASSED_OVER]

    def _comes_late(self, sender: str, serial: int) -> bool:
        """True, once, for a serial that was passed over."""
        stretches = self._passed_over.get(sender, [])
        for index, (first, last) in enumerate(stretches):
            if first <= serial <= last:
                around = ((first, serial - 1), (serial + 1, last))
                stretches[index : index + 1] = [stretch for stretch in around if stretch[0] <= stretch[1]]
                del stretches[: -limits.PASSED_OVER]
                return True
        return False
