"""What the user is told: the public events, each a frozen typed object, and the values they carry.

`name` is what `on()` takes. Instants (`at`) are on the session's clock, in seconds; durations are in seconds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

from reconnect.core.frames import Gap, Member, Stream
from reconnect.reasons import OutcomeStatus, Reason, RejectCode, ResumeRefusal
from reconnect.record import Record


class Outcome(Record, frozen=True, kw_only=True):
    """How a signal ended. `possibly_sent` says of one not delivered whether a byte of it may have reached the hub."""

    status: OutcomeStatus  # how it ended
    reason: Reason | None = None  # why, where it was neither delivered nor rejected
    code: RejectCode | None = None  # what the hub said, where it rejected it
    possibly_sent: bool = False  # it is not known to be delivered, and may have been
    stored: bool = False  # it is on disk all the same, and goes on with the next connect()

    @property
    def delivered(self) -> bool:
        """True if the signal is in the session's log."""
        return self.status is OutcomeStatus.DELIVERED


class Signal(Record, kw_only=True):
    """A signal that arrived.

    `connection` is the connection that sent it, None where the server did. `sender` and `serial` identify it for ever, `position`
    in this life of the session's log. `repeat` marks one that its sender had to send again without knowing whether it was needed.
    """

    type: str  # as it was sent; empty where none was given
    data: Any  # the JSON value
    sender: str  # the random id of the outbox that it came from, for life
    serial: int  # its number within that sender; with it the signal's identity
    position: int  # its place in the session's log
    connection: str | None = None  # the connection that sent it; None for the server's own
    repeat: bool = False  # it was sent again, and an earlier life of the hub may have handed it out


class Notice(Record, kw_only=True):
    """The root of the public events."""

    name: ClassVar[str]
    at: float  # the instant on the session's clock


class Connected(Notice, kw_only=True):
    """The hub accepted the first time since connect()."""

    name = "connected"
    connection: str  # the id of this member's place in the session


class Reconnecting(Notice, kw_only=True):
    """The connection dropped; the client comes back by itself. `retry_in` seconds from now attempt `attempt` starts."""

    name = "reconnecting"
    reason: Reason  # why the connection dropped
    attempt: int  # the one that comes next; the first of an outage is 1
    retry_in: float  # seconds from now until that attempt starts
    elapsed: float = 0.0  # 0: the outage has just begun
    detail: str = ""  # a sentence for people, or nothing


class Attempt(Notice, kw_only=True):
    """An attempt is scheduled; `initial` before the first `connected`."""

    name = "attempt"
    reason: Reason  # why the one before failed, or why the connection dropped
    attempt: int  # its number within this outage, or within this connect()
    retry_in: float  # seconds from now until it starts
    elapsed: float  # seconds since the outage, or the connect(), began
    initial: bool = False  # the session was not connected yet since connect()


class Reconnected(Notice, kw_only=True):
    """The session is connected again after `elapsed` seconds.

    `resumed`: the connection was kept. `gap`: what the hub could not replay, or None. `not_resumed`: why the connection is a new
    one.
    """

    name = "reconnected"
    reason: Reason  # why the connection had dropped
    attempt: int  # the one that succeeded
    elapsed: float  # seconds that the outage lasted
    resumed: bool  # the connection, its streams and its serials were kept
    connection: str  # the same as before where `resumed`, else a new one
    gap: Gap | None = None  # what cannot be replayed; None where nothing was missed
    not_resumed: ResumeRefusal | None = None  # why the connection is a new one


class Disconnected(Notice, kw_only=True):
    """The session is over until the next connect()."""

    name = "disconnected"
    reason: Reason  # why the session is over
    attempt: int = 0  # the last one of the outage that it ended in; 0 where there was none
    elapsed: float = 0.0  # seconds that this outage lasted
    detail: str = ""  # a sentence for people, or nothing


class Told(Notice, kw_only=True):
    """What only the session's own chart tells, under a name that it declares; `on()` takes that name."""

    name: str  # type: ignore[misc]  # here of the event itself, where the others have that of their class
    state: str  # the state that the session is in now
    reason: Reason  # why
    detail: str = ""  # a sentence for people, or nothing


class UpdateKind(StrEnum):
    """What an `updated` event is about."""

    TOKEN = "token"  # a newer token is in use; no session tells this yet  # noqa: S105
    LIMITS = "limits"  # the hub takes more or less than before; no session tells this yet
    SLEPT = "slept"  # the machine was suspended for `seconds`; the link is being probed


class Updated(Notice, kw_only=True):
    """Something changed and the state did not."""

    name = "updated"
    what: UpdateKind  # what it was
    seconds: float = 0.0  # for how long the machine slept


class SignalReceived(Notice, kw_only=True):
    """A signal arrived."""

    name = "signal"
    signal: Signal  # the signal itself


class StreamCreated(Notice, kw_only=True):
    """Somebody published a stream."""

    name = "stream_created"
    stream: Stream  # which one


class StreamInterrupted(Notice, kw_only=True):
    """The publisher of this stream dropped and may return."""

    name = "stream_interrupted"
    stream: Stream  # which one
    reason: Reason  # why its publisher dropped


class StreamRestored(Notice, kw_only=True):
    """The publisher of this stream is back."""

    name = "stream_restored"
    stream: Stream  # which one


class StreamDestroyed(Notice, kw_only=True):
    """This stream ended for good."""

    name = "stream_destroyed"
    stream: Stream  # which one
    reason: Reason  # why it ended


class StreamUpdated(Notice, kw_only=True):
    """A moderator muted this stream or lets it speak again; see `stream.muted`."""

    name = "stream_updated"
    stream: Stream  # as it is now


class ConnectionCreated(Notice, kw_only=True):
    """A member came."""

    name = "connection_created"
    member: Member  # who


class ConnectionInterrupted(Notice, kw_only=True):
    """A member's link dropped; its grace runs."""

    name = "connection_interrupted"
    member: Member  # who
    reason: Reason  # why its link dropped


class ConnectionRestored(Notice, kw_only=True):
    """A member is back within its grace."""

    name = "connection_restored"
    member: Member  # who


class ConnectionDestroyed(Notice, kw_only=True):
    """A member is gone for good."""

    name = "connection_destroyed"
    member: Member  # who
    reason: Reason  # why it is gone


class PublicationNotice(Notice, kw_only=True):
    """The root of what a Publisher or a Subscriber is told; `key` is the want's."""

    key: str  # of the want that it is about
    stream: Stream | None = None  # the stream; None where there never was one


class PublisherLive(PublicationNotice, kw_only=True):
    """The stream is published, or is so again."""

    name = "live"


class PublisherInterrupted(PublicationNotice, kw_only=True):
    """The own link dropped; frames are not sent until it is back."""

    name = "interrupted"
    reason: Reason  # why the link dropped


class PublisherEnded(PublicationNotice, kw_only=True):
    """The stream is over."""

    name = "ended"
    reason: Reason  # why it is over
    code: RejectCode | None = None  # what the hub said, where it refused


class SubscriberConnected(PublicationNotice, kw_only=True):
    """Frames arrive, or do so again."""

    name = "connected"


class SubscriberDisconnected(PublicationNotice, kw_only=True):
    """The publisher's link or the own one dropped; the stream may return."""

    name = "disconnected"
    reason: Reason  # why it stands still


class SubscriberDestroyed(PublicationNotice, kw_only=True):
    """The stream cannot be restored."""

    name = "destroyed"
    reason: Reason  # why it is over
    code: RejectCode | None = None  # what the hub said, where it refused


SESSION_NOTICES: tuple[type[Notice], ...] = (
    Connected, Reconnecting, Attempt, Reconnected, Disconnected, Updated, SignalReceived,
    StreamCreated, StreamInterrupted, StreamRestored, StreamDestroyed, StreamUpdated,
    ConnectionCreated, ConnectionInterrupted, ConnectionRestored, ConnectionDestroyed,
)  # fmt: skip
PUBLISHER_NOTICES: tuple[type[Notice], ...] = (PublisherLive, PublisherInterrupted, PublisherEnded)
SUBSCRIBER_NOTICES: tuple[type[Notice], ...] = (SubscriberConnected, SubscriberDisconnected, SubscriberDestroyed)
