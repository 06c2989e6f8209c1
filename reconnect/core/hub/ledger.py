"""What the hub judged of one sender: the highest serial, and the refusals that the sender may not have heard of.

A serial is `taken` from when it goes to the log, `judged` from when the log answered. One at or below `taken` is a repeat and is
never appended again. `rejected` keeps refusals above the sender's `settled`, so that a lost answer never turns into `delivered`.
"""

from __future__ import annotations

from reconnect import limits
from reconnect.core.frames import Rejection


class Ledger:
    """One sender's account within a session."""

    __slots__ = ("judged", "last_position", "rejected", "sender", "settled", "taken", "under_way")

    def __init__(self, sender: str) -> None:
        self.sender = sender
        self.taken = self.judged = self.settled = 0
        self.under_way = 0
        self.last_position = 0
        self.rejected: dict[int, Rejection] = {}

    def __repr__(self) -> str:
        return f"<Ledger judged={self.judged} taken={self.taken} rejected={len(self.rejected)} under_way={self.under_way}>"

    def settle(self, serial: int) -> None:
        """The sender knows the outcome of everything up to `serial`; it cannot know more than was judged."""
        serial = min(serial, self.judged)
        if serial <= self.settled:
            return
        self.settled = serial
        for known in [key for key in self.rejected if key <= serial]:
            del self.rejected[known]

    def judge(self, high: int, rejections: tuple[Rejection, ...]) -> None:
        """Everything up to `high` is judged; these were not taken."""
        self.judged = max(self.judged, high)
        for rejection in rejections:
            if rejection.serial > self.settled:
                self.rejected[rejection.serial] = rejection
        while len(self.rejected) > limits.REJECTIONS_KEPT:
            del self.rejected[next(iter(self.rejected))]

    def unheard(self) -> tuple[Rejection, ...]:
        """Return the refusals that a welcome repeats."""
        return tuple(self.rejected.values())
