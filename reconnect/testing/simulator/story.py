"""A run told as a story: what was done, and what the members were told of it, one line each.

A story is kept only where it is wanted: a thousand runs need none.
"""

from __future__ import annotations

from typing import Final

from reconnect.core import notices
from reconnect.core.notices import Notice, Outcome
from reconnect.ports import Clock
from reconnect.record import Record
from reconnect.testing.simulator.plan import Act
from reconnect.testing.violations import Violation

_OF_THE_NETWORK: Final = frozenset({Act.SWIZZLE, Act.BLACKOUT})
_QUIET: Final = (notices.ConnectionCreated, notices.StreamUpdated)


def subject(act: Act, life: str) -> str:
    """Return whom an act concerns: the network, the hub, or the member that it was drawn for."""
    if act in _OF_THE_NETWORK:
        return "network"
    return "hub" if act.startswith(("hub", "server")) else life


class Line(Record, kw_only=True):
    """One line: when, since the beginning; who; what happened; and in words what it means."""

    at: float
    who: str
    event: str
    words: str = ""


class Story:
    """The lines of one run."""

    def __init__(self, clock: Clock) -> None:
        self.lines: list[Line] = []
        self._clock = clock
        self._began = clock.now()

    def __repr__(self) -> str:
        return f"<Story lines={len(self.lines)}>"

    def say(self, who: str, event: str, words: str = "") -> None:
        """Add a line."""
        self.lines.append(Line(at=self._clock.now() - self._began, who=who, event=event, words=words))

    def told(self, who: str, notice: Notice) -> None:
        """A member was told something."""
        if not isinstance(notice, _QUIET):
            self.say(who, notice.name, _words(notice))

    def settled(self, who: str, serial: int, outcome: Outcome) -> None:
        """A signal has its outcome."""
        why = str(outcome.reason or outcome.code or "")
        unsure = ", possibly sent" if outcome.possibly_sent else ""
        self.say(who, str(outcome.status), f"signal {serial}{f' ({why})' if why else ''}{unsure}")

    def broke(self, violation: Violation) -> None:
        """A promise is broken."""
        self.say(violation.who, f"VIOLATION {violation.broken}", violation.detail)


def _words(notice: Notice) -> str:
    match notice:
        case notices.SignalReceived(signal=signal):
            return f"{signal.serial} of {signal.sender or 'the server'}, at {signal.position}{', a repeat' * signal.repeat}"
        case notices.Reconnecting() | notices.Attempt():
            return f"{notice.reason}; attempt {notice.attempt} in {notice.retry_in:.2f} s"
        case notices.Reconnected():
            kept = "same connection" if notice.resumed else f"new connection ({notice.not_resumed})"
            gap = f", missed {notice.gap.first} to {notice.gap.last or 'the end'}" if notice.gap is not None else ""
            return f"after {notice.elapsed:.2f} s, {kept}{gap}"
        case notices.PublicationNotice():
            return f"{notice.key} {getattr(notice, 'reason', '')}".strip()
        case notices.Updated():
            return str(notice.what)
        case notices.ConnectionInterrupted() | notices.ConnectionRestored() | notices.ConnectionDestroyed():
            return notice.member.connection
        case notices.StreamCreated() | notices.StreamInterrupted() | notices.StreamRestored() | notices.StreamDestroyed():
            return notice.stream.id
        case _:
            return str(getattr(notice, "reason", ""))
