"""What happened in a run, as plain facts: what everyone submitted, was told and received, and what the log took.

A history is modelled on what is recorded of queues elsewhere: each signal is invoked (`Submitted`), and then its end is known to
be good, known to be bad, or not known (`Settled` with its Fate). Beside that stand the facts that tell who could expect what: the
place in the log from which a member reads (`Began`), what it was told to be missing (`Missed`), and what the log took (`Logged`).

Nothing is judged here; `reconnect.testing.checking` does. Facts are noted in the order in which they happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from reconnect.core import notices
from reconnect.core.notices import Notice, Outcome
from reconnect.reasons import OutcomeStatus
from reconnect.record import Record


class Fate(StrEnum):
    """What is known of a signal when it is over."""

    OK = "ok"  # it is in the log
    FAILED = "failed"  # no log has it, or ever will
    UNKNOWN = "unknown"  # one of the two


def fate_of(outcome: Outcome) -> Fate:
    """Return what an outcome says; possibly sent is not failed."""
    if outcome.status is OutcomeStatus.DELIVERED:
        return Fate.OK
    return Fate.UNKNOWN if outcome.possibly_sent else Fate.FAILED


def author(sender: str | None, serial: int, epoch: str, position: int) -> tuple[str, int]:
    """Return what identifies a signal; the server's own have no sender, and are known by their places."""
    return (sender, serial) if sender else (f"the server in {epoch}", position)


class Fact(Record, kw_only=True):
    """The root of what happened, to a member or in the log."""

    at: float = 0.0


class Submitted(Fact, kw_only=True):
    """A member submitted a signal. `keep` is retry_after_reconnect; `away` says that the member was reconnecting."""

    who: str
    serial: int
    keep: bool = True
    expires_at: float | None = None
    away: bool = False


class Sent(Fact, kw_only=True):
    """A signal was handed to the transport of this generation."""

    who: str
    serial: int
    generation: int


class Settled(Fact, kw_only=True):
    """A signal's receipt has its outcome."""

    who: str
    serial: int
    fate: Fate


class Received(Fact, kw_only=True):
    """A signal was handed to the application; a `repeat` may come behind later ones of its sender."""

    who: str
    sender: str
    serial: int
    epoch: str
    position: int
    repeat: bool = False


class Began(Fact, kw_only=True):
    """A member has a new place: it reads what follows `position` of `epoch`, under this connection."""

    who: str
    connection: str
    epoch: str
    position: int


class Missed(Fact, kw_only=True):
    """A member was told of a gap; without `last`, everything from `first` on, for that life is over."""

    who: str
    epoch: str
    first: int
    last: int | None = None


class Told(Fact, kw_only=True):
    """A member was told a public event; `about` is the stream, the connection or the want that it is about."""

    who: str
    name: str
    about: str = ""


class Logged(Fact, kw_only=True):
    """The log took a signal, in the hub's life `life`; `to` is the connection that it is for, None for everyone.

    `repeat`: its sender had said that it may be there already.
    """

    epoch: str
    position: int
    sender: str
    serial: int
    to: str | None = None
    life: int = 0
    repeat: bool = False


class Listed(Fact, kw_only=True):
    """When all was quiet: whom and what a member lists, and what it is and publishes itself."""

    who: str
    connection: str
    members: frozenset[str] = frozenset()
    streams: frozenset[str] = frozenset()
    publishes: frozenset[str] = frozenset()


class Ended(Fact, kw_only=True):
    """A member's process was killed: its receipts, and whoever held them, are gone.

    So are its signals, but for the serials that its disk kept: those of `sender` (itself by default) go on in another process.
    """

    who: str
    sender: str = ""
    kept: frozenset[int] = frozenset()


class Kept(Fact, kw_only=True):
    """A signal's receipt has ended, or nobody has one, and the signal is on disk until its session connects again."""

    who: str
    serial: int


class History:
    """The facts of one run, in order. `sender` names are the members' names."""

    def __init__(self, *facts: Fact) -> None:
        self.facts: list[Fact] = list(facts)

    def __repr__(self) -> str:
        return f"<History facts={len(self.facts)}>"

    def __len__(self) -> int:
        return len(self.facts)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self.facts)

    def note(self, fact: Fact) -> None:
        """Add what happened last."""
        self.facts.append(fact)

    def tell(self, who: str, notice: Notice, *, epoch: str = "") -> None:
        """Note a public event that a member was told of; `epoch` is the life of the log that its positions count in."""
        if isinstance(notice, notices.SignalReceived):
            signal = notice.signal
            sender, serial = author(signal.sender, signal.serial, epoch, signal.position)
            self.note(
                Received(
                    at=notice.at,
                    who=who,
                    sender=sender,
                    serial=serial,
                    epoch=epoch,
                    position=signal.position,
                    repeat=signal.repeat,
                )
            )
            return
        if isinstance(notice, notices.Reconnected) and notice.gap is not None:
            gap = notice.gap
            self.note(Missed(at=notice.at, who=who, epoch=gap.epoch, first=gap.first, last=gap.last))
        about = _about(notice)
        if about is not None:
            self.note(Told(at=notice.at, who=who, name=f"{about[0]}{notice.name}", about=about[1]))


def _about(notice: Notice) -> tuple[str, str] | None:
    """Return whose grammar an event belongs to, and the name of what it is about there."""
    match notice:
        case notices.PublicationNotice():
            kind = "publisher" if isinstance(notice, notices.PUBLISHER_NOTICES) else "subscriber"
            return f"{kind}.", notice.key
        case notices.StreamCreated() | notices.StreamInterrupted() | notices.StreamRestored() | notices.StreamDestroyed():
            return "", notice.stream.id
        case (
            notices.ConnectionCreated()
            | notices.ConnectionInterrupted()
            | notices.ConnectionRestored()
            | notices.ConnectionDestroyed()
        ):
            return "", notice.member.connection
        case notices.Connected() | notices.Reconnecting() | notices.Reconnected() | notices.Disconnected():
            return "", ""
        case _:
            return None
