"""The meanings that travel between a member and a hub, as typed values; how they look on a wire is a dialect's business.

The hub dialect (`reconnect.wire`) writes each as a JSON object whose field `frame` is the name given here as its tag. Instants
never travel: durations are in seconds, positions count entries of one session's log and mean something only with their epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from reconnect.reasons import Reason, RejectCode, ResumeRefusal
from reconnect.record import Record

NULL: Final = msgspec.Raw(b"null")
NO_ECHO: Final = "no_echo"  # a feature of a join: do not hand this member its own signals

# A serial, a position, a page, a request id, a size: what JSON numbers hold exactly everywhere (RFC 8259, section 6).
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
# The number in a binary frame has four bytes.
StreamNumber = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]


class Guarded:
    """Keeps tokens and secrets out of every repr, and so out of tracebacks and logs."""

    def __repr__(self) -> str:
        names: tuple[str, ...] = getattr(self, "__struct_fields__", ())
        shown = (f"{name}={'...' if name in ('token', 'secret') else repr(getattr(self, name))}" for name in names)
        return f"{type(self).__name__}({', '.join(shown)})"


class Frame(Record, tag_field="frame", omit_defaults=True, kw_only=True):
    """One meaning that travels."""


# -- what frames are made of -------------------------------------------------------------------------------------------------


class ResumeClaim(Guarded, Record, kw_only=True):
    """A member asks for its connection back: it heard everything up to `position` of `epoch`."""

    connection: str
    secret: str
    epoch: str
    position: Count


class Want(Record, omit_defaults=True, kw_only=True):
    """What a member wants to have under a key of its own: a publication (`publish` is its name) or a subscription to a stream."""

    key: str
    publish: str | None = None
    subscribe: str | None = None
    data: str = ""


class Stream(Record, omit_defaults=True, kw_only=True):
    """A published stream: its id, the number its binary frames carry, its name, and the connection that publishes it."""

    id: str
    number: StreamNumber
    name: str
    connection: str
    data: str = ""
    muted: bool = False


class Member(Record, omit_defaults=True, kw_only=True):
    """A connection as the others see it; `away` while its transport is lost and its grace runs."""

    connection: str
    client_id: str
    role: str = "publisher"
    data: str = ""
    away: bool = False


class WantAnswer(Record, omit_defaults=True, kw_only=True):
    """The hub's answer to one want: the stream, or why not."""

    key: str
    stream: Stream | None = None
    code: RejectCode | None = None
    detail: str = ""


class Rejection(Record, omit_defaults=True, kw_only=True):
    """One signal that the hub did not take."""

    serial: Count
    code: RejectCode
    detail: str = ""


class Gap(Record, kw_only=True):
    """Entries that cannot be replayed: `first` to `last`, both included, of `epoch`; `last` is None where that life is over."""

    epoch: str
    first: Count
    last: Count | None = None


class Heartbeat(Record, kw_only=True):
    """Seconds without sending or hearing after which a member pings, and of silence after which either side gives up."""

    ping: float
    silence: float


class Limits(Record, kw_only=True):
    """What the hub takes: bytes of a message, bytes of a signal's data, entries beyond `handled`."""

    message_bytes: Count
    data_bytes: Count
    window: Count


class Capabilities(Record, kw_only=True):
    """What a dialect can do."""

    acknowledges: bool = True
    resumes: bool = True
    replays: bool = True
    streams: bool = True


class Program(Record, kw_only=True):
    """What program speaks."""

    name: str
    version: str


# -- from the member -----------------------------------------------------------------------------------------------------------


class Join(Guarded, Frame, tag="join", kw_only=True):
    """The first frame of a transport. `settled` is the own serial up to which outcomes are known.

    The one feature that there is is `no_echo`: the member is not handed its own signals, but for those that it sends to itself.
    """

    token: str
    session: str
    sender: str
    settled: Count = 0
    resume: ResumeClaim | None = None
    wants: tuple[Want, ...] = ()
    client: Program | None = None
    features: tuple[str, ...] = ()


# As an entry, one of a great many, and part of no cycle: the garbage collector need not look at it.
class SendSignal(Frame, tag="signal", kw_only=True, gc=False):
    """One signal; serials of a sender ascend, holes are allowed. `repeat` marks one that may have been sent before."""

    serial: Count
    type: str = ""
    data: msgspec.Raw = NULL
    to: str | None = None
    ttl: float | None = None
    repeat: bool = False


class Handled(Frame, tag="handled", kw_only=True):
    """The application took over everything up to `position`; outcomes are known up to own serial `settled`."""

    position: Count
    settled: Count = 0


class AddWant(Frame, tag="want", kw_only=True):
    """Ask for a want; answered by Done or Failed with the same request id."""

    request: Count
    want: Want


class DropWant(Frame, tag="unwant", kw_only=True):
    """Give a want up."""

    request: Count
    key: str


class Kick(Frame, tag="kick", kw_only=True):
    """A moderator removes a connection."""

    request: Count
    connection: str


class Mute(Frame, tag="mute", kw_only=True):
    """A moderator mutes a stream, or lets it speak again."""

    request: Count
    stream: str
    muted: bool = True


class RenewToken(Guarded, Frame, tag="token", kw_only=True):
    """A newer token for the living connection."""

    request: Count
    token: str


# -- from the hub --------------------------------------------------------------------------------------------------------------


class Welcome(Guarded, Frame, tag="welcome", kw_only=True):
    """The hub's acceptance; only this makes a connection.

    `position` is that of the last entry for this member at acceptance; entries up to it follow (a replay). Where `snapshot_pages`
    frames of Snapshot replace what the log no longer has (or, for a new connection, all of it), `position` is where they stand,
    and entries from there on follow. `accepted` is the own serial up to which the hub judged, None where it does not know this
    sender.
    """

    connection: str
    secret: str
    epoch: str
    position: Count
    resumed: bool
    grace: float
    heartbeat: Heartbeat
    limits: Limits
    gap: Gap | None = None
    accepted: Count | None = None
    rejected: tuple[Rejection, ...] = ()
    answers: tuple[WantAnswer, ...] = ()
    first_try_window: float = 0.0
    not_resumed: ResumeRefusal | None = None
    snapshot_pages: Count = 0
    features: tuple[str, ...] = ()


class Snapshot(Frame, tag="snapshot", kw_only=True):
    """One page of who and what is in the session at the welcome's position, away members included."""

    page: Count
    members: tuple[Member, ...] = ()
    streams: tuple[Stream, ...] = ()


class Refused(Frame, tag="refused", kw_only=True):
    """The hub does not take, or no longer keeps, this member; the close code that follows says whether to come back."""

    code: Reason
    detail: str = ""
    retry_after: float | None = None
    url: str | None = None


class Accepted(Frame, tag="accepted", kw_only=True):
    """All signals up to `serial` are judged: those in `rejected` refused, the others in the log.

    `position` is that up to which everything for this member has been sent.
    """

    serial: Count
    position: Count
    rejected: tuple[Rejection, ...] = ()


class EntryKind(StrEnum):
    """What an entry of the log tells."""

    SIGNAL = "signal"  # a member or the server said something
    JOINED = "joined"  # a member came
    DROPPED = "dropped"  # its transport was lost; its streams are interrupted
    RETURNED = "returned"  # it resumed
    LEFT = "left"  # it is gone for good; its streams are destroyed
    PUBLISHED = "published"  # a stream began
    UNPUBLISHED = "unpublished"  # a stream ended, and its publisher is still there
    MUTED = "muted"  # a stream's `muted` changed


class Entry(Frame, tag="entry", kw_only=True, gc=False):
    """One entry of the session's log. `after` is the position of the previous entry for this member.

    SIGNAL has connection (None from the server), sender, serial, type, data, to, and `echo`, False where its sender asked not
    to be handed what it sends to everyone. JOINED has member; DROPPED, RETURNED and LEFT have connection and reason; PUBLISHED
    and MUTED have stream; UNPUBLISHED has stream and reason.
    """

    position: Count
    after: Count
    what: EntryKind
    connection: str | None = None
    sender: str | None = None
    serial: Count = 0
    type: str = ""
    data: msgspec.Raw = NULL
    to: str | None = None
    repeat: bool = False
    echo: bool = True
    member: Member | None = None
    stream: Stream | None = None
    reason: Reason | None = None


class Done(Frame, tag="done", kw_only=True):
    """A request succeeded."""

    request: Count
    answer: WantAnswer | None = None


class Failed(Frame, tag="failed", kw_only=True):
    """A request did not succeed."""

    request: Count
    code: RejectCode
    detail: str = ""


class GoingAway(Frame, tag="going_away", kw_only=True):
    """The hub's last frame before it stops, after the Accepted of all that it read."""

    retry_after: float
    url: str | None = None


# -- from either side ------------------------------------------------------------------------------------------------------------


class Ping(Frame, tag="ping", kw_only=True):
    """Are you there? A member's ping says what it received."""

    position: Count = 0


class Pong(Frame, tag="pong", kw_only=True):
    """The answer; the hub's says the position up to which everything for this member has been sent."""

    position: Count = 0


class Goodbye(Frame, tag="goodbye", kw_only=True):
    """Leaving on purpose; the hub answers with the same after all that it read before."""

    reason: Reason = Reason.CLIENT_DISCONNECTED


class Unknown(Frame, tag="unknown", kw_only=True):
    """A frame kind that this version does not know: ignored and counted. Never sent."""

    kind: str


FromMember = Join | SendSignal | Handled | AddWant | DropWant | Kick | Mute | RenewToken | Ping | Pong | Goodbye
FromHub = Welcome | Snapshot | Refused | Accepted | Entry | Done | Failed | GoingAway | Ping | Pong | Goodbye
