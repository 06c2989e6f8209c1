"""Is anybody there? The deadlines of one accepted link, on the session's clock; only their verdicts are events.

A ping is due after `ping` seconds without sending or without hearing, whichever comes first, so that either side hears something
within each interval. The link is given up after `silence` seconds without any inbound message; what is sent does not count.
"""

from __future__ import annotations

from reconnect.core.frames import Heartbeat


class Liveness:
    """The deadlines of one link since its welcome."""

    __slots__ = ("_deadline", "_heard", "_heartbeat", "_pinged", "_sent")

    def __init__(self, heartbeat: Heartbeat, at: float) -> None:
        self._heartbeat = heartbeat
        self._heard = self._sent = self._pinged = at
        self._deadline = at + heartbeat.silence

    def __repr__(self) -> str:
        return f"<Liveness heard={self._heard:.3f} deadline={self._deadline:.3f}>"

    def heard(self, at: float) -> None:
        """Any message arrived."""
        self._heard = at
        self._deadline = at + self._heartbeat.silence

    def sent(self, at: float) -> None:
        """Anything was sent."""
        self._sent = at

    def pinged(self, at: float) -> None:
        """A ping was sent."""
        self._sent = self._pinged = at

    def probe(self, at: float, seconds: float) -> None:
        """After a sleep the old silence proves nothing: give the hub `seconds` from now to answer."""
        self._deadline = at + seconds

    @property
    def ping_at(self) -> float:
        """When a ping is due."""
        return max(min(self._sent, self._heard), self._pinged) + self._heartbeat.ping

    @property
    def deadline(self) -> float:
        """When the link is given up."""
        return self._deadline

    def wake_at(self) -> float:
        """Return the earlier of the two."""
        return min(self.ping_at, self._deadline)
