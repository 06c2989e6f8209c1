"""What a hub's core asks for: imperative, plain data, performed by the shell in the order given."""

from __future__ import annotations

from enum import StrEnum

from reconnect.chart.run import Step
from reconnect.core.frames import Entry, Frame, Join
from reconnect.core.runs import Run
from reconnect.reasons import RejectCode
from reconnect.record import Record


class HubEffect(Record, kw_only=True):
    """The root of all effects."""


class Authenticate(HubEffect, kw_only=True):
    """Ask who this token speaks for; feed Authenticated or AuthenticationFailed. Read nothing from the link meanwhile."""

    link: int
    join: Join
    request: int | None = None


class SendTo(HubEffect, kw_only=True):
    """Hand control frames to a link, in order; they go ahead of entries."""

    link: int
    frames: tuple[Frame, ...]


class SendEntries(HubEffect, kw_only=True):
    """Hand these links a run of entries."""

    links: tuple[int, ...]
    run: Run


class CloseLink(HubEffect, kw_only=True):
    """End a link: after what was handed to it, or at once (`abort`)."""

    link: int
    code: int
    detail: str = ""
    abort: bool = False


class Append(HubEffect, kw_only=True):
    """Store these entries in the session's log, in order; feed Appended or AppendFailed. One at a time for each session."""

    session: str
    entries: tuple[Entry, ...]


class ForgetLog(HubEffect, kw_only=True):
    """Nobody is left who could read on in this session's log."""

    session: str


class Answer(HubEffect, kw_only=True):
    """Complete the application's request: the position of its signal (None for a kick), or why not."""

    ticket: int
    position: int | None = None
    code: RejectCode | None = None
    detail: str = ""


class News(StrEnum):
    """What an announcement is about."""

    STEP = "step"  # a member took a step of its chart
    REFUSED = "refused"  # a join was not accepted
    JOINED = "joined"
    DROPPED = "dropped"
    RETURNED = "returned"
    LEFT = "left"
    EXPIRED = "expired"  # a grace ended; the place was given up
    NOT_RESUMED = "not_resumed"  # a claim was not accepted
    SUPERSEDED_SECRET = "superseded_secret"  # noqa: S105
    LINK_CLOSED = "link_closed"  # the hub ended a link
    KICKED = "kicked"
    MUTED = "muted"
    LOG_FAILED = "log_failed"
    LOG_RECOVERED = "log_recovered"
    LOG_RESTARTED = "log_restarted"  # the log began a new life under a living session
    SESSION_FORGOTTEN = "session_forgotten"
    DRAINING = "draining"
    SLEPT = "slept"  # the hub's own machine was suspended


class Announce(HubEffect, kw_only=True):
    """Tell the operator: for the audit, and for whoever looks on. No token, secret or payload is ever in it.

    `client_id` and `role` are those of the connection's member, where it still has its place.
    """

    at: float
    what: News
    session: str | None = None
    connection: str | None = None
    client_id: str | None = None
    role: str | None = None
    link: int | None = None
    reason: str | None = None
    detail: str = ""
    step: Step | None = None
