"""Does the first signal end the transports that it is sent on? Poison is found here, and a flapping line is told apart from it.

- A loss counts only if the other side may have meant what was sent, within POISON_SECONDS of resending, without any judgement in
  between. Of several signals that were resent the first is the suspect: the hub reads them in order.
- A suspect is tried before it is blamed. On the next link nothing is sent until a ping was answered, and then the suspect alone.
  A line that drops by itself rarely does so in the very round trip that follows, and poison always does.
- The second loss in a row sets the suspect aside. Any judgement clears it, as does a link that lasted.
"""

from __future__ import annotations

from typing import Final

POISON_LOSSES: Final = 2  # one loss right after a resend may be chance; as many in a row are not
POISON_SECONDS: Final = 1.0  # a loss later than this after resending is not blamed on what was resent


class Suspicion:
    """What is held against one signal."""

    __slots__ = ("_asked", "_progress", "_proven", "_sent_at", "losses", "serial")

    def __init__(self) -> None:
        self.serial = 0
        self.losses = 0
        self.linked()

    def __repr__(self) -> str:
        return f"<Suspicion {self.serial} losses={self.losses}{' proven' if self._proven else ''}>"

    def linked(self) -> None:
        """A new link, on which nothing was sent, judged or answered yet."""
        self._sent_at: float | None = None
        self._progress = self._proven = self._asked = False

    def sent(self, at: float) -> None:
        """Signals were sent; what counts is when this began."""
        if self._sent_at is None:
            self._sent_at = at

    def judged(self) -> None:
        """The hub has judged something that was sent on this link: it does not die of it."""
        self._progress = True
        self.serial = self.losses = 0

    # -- the trial ---------------------------------------------------------------------------------------------------------------

    @property
    def wants_proof(self) -> bool:
        """True once, where the link is to be asked for a sign of life before the suspect is sent."""
        asks = self.losses > 0 and not self._asked
        self._asked = self._asked or asks
        return asks

    def prove(self) -> None:
        """A ping was answered on this link."""
        self._proven = True

    def room(self, first: int, room: int) -> int:
        """Return how many signals may be sent while `first` is the first one without a judgement."""
        if first != self.serial:
            self.serial = self.losses = 0  # it has its outcome by now
            return room
        return 1 if self._proven else 0

    # -- losses ------------------------------------------------------------------------------------------------------------------

    def lost(self, first: int, at: float, *, resent: bool, blameable: bool) -> bool:
        """The link ended while `first` was the first unjudged one on it, 0 if none was; True if that is poison."""
        soon = self._sent_at is not None and at - self._sent_at <= POISON_SECONDS
        if self._progress:
            self.serial = self.losses = 0
        elif first == 0:
            return False  # nothing was sent: this link says nothing for or against a suspect
        elif blameable and resent:
            # A transport that lasted for a while was not killed by what was resent on it, and breaks the row.
            before = self.losses if first == self.serial else 0
            self.serial, self.losses = first, before + 1 if soon else 0
        return self.losses >= POISON_LOSSES
