"""What the hub's core keeps of one accepted transport, for as long as it lives. None of it outlives the link."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from reconnect.core.frames import Entry, Frame, Join, Want
from reconnect.core.hub.deadlines import Deadlines
from reconnect.reasons import ResumeRefusal

if TYPE_CHECKING:
    from reconnect.core.hub.ledger import Ledger
    from reconnect.core.hub.sessions import HubSession


class Link:
    """One link: whom it serves, and how far that member was sent the log.

    `asked` is the join that waits for the authenticator, `early` what came behind it in the same message. What the welcome says
    of the join waits in `claimed` (the position of an accepted claim), `not_resumed`, `secret`, `is_known` and `wants`. `echo`:
    the member wants to be handed its own signals. `unproven`: the member has not yet shown that it has its new secret.
    `renewing`: a newer token of it is being looked at. `deaf`: nothing is read from it any more. `closed`: nor written to it.

    `cursor` is an index into the tail; `last` the position of the last entry for it that was handed over, `told` the one up to
    which nothing more is to be, `handled` what the member said that it took over. `sent` holds the positions beyond that: the
    credit that it has used.
    """

    __slots__ = (
        "asked", "claimed", "closed", "connection", "cursor", "deaf", "early", "echo", "expires", "handled", "is_known", "last",
        "ledger", "not_resumed", "number", "renewing", "retry_after", "secret", "sent", "session", "silence", "template",
        "told", "unproven", "wants", "welcomed",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.session: HubSession | None = None
        self.connection = ""
        self.ledger: Ledger | None = None
        self.template: Entry | None = None
        self.asked: Join | None = None
        self.early: list[Frame] = []
        self.claimed: int | None = None
        self.not_resumed: ResumeRefusal | None = None
        self.secret = ""
        self.is_known = False
        self.wants: tuple[Want, ...] = ()
        self.echo = True
        self.welcomed = self.unproven = self.renewing = self.deaf = self.closed = False
        self.silence: Deadlines[int] | None = None
        self.expires = float("inf")
        self.retry_after = 0.0
        self.cursor = self.last = self.told = self.handled = 0
        self.sent: list[int] = []

    def __repr__(self) -> str:
        marks = [mark for mark in ("welcomed", "deaf", "closed") if getattr(self, mark)]
        where = f"{self.session.id} {self.connection[:8]}" if self.session else "nobody"
        return f"<Link {self.number} {where} {' '.join(marks) or 'open'} cursor={self.cursor} unhandled={len(self.sent)}>"

    def begin(self, cursor: int, position: int) -> None:
        """Read on at this index of the tail, behind this position."""
        self.cursor = cursor
        self.last = self.told = self.handled = position

    def handle(self, position: int) -> None:
        """The member took over everything up to `position`."""
        self.handled = max(self.handled, position)
        del self.sent[: bisect_right(self.sent, position)]
