"""What a hub's core is fed: what happened, with the instant at which it happened (`at`, seconds on the hub's clock).

Whatever needs chance comes in as data, drawn outside: ids, secrets, delays. A link is one accepted transport; its number is the
shell's and never used twice.
"""

from __future__ import annotations

from reconnect.core.frames import Entry, Frame
from reconnect.reasons import Cause, Reason
from reconnect.record import Record


class HubInput(Record, kw_only=True):
    """The root of all inputs."""

    at: float


class Bearer(Record, kw_only=True):
    """Who an accepted token speaks for.

    It expires in `expires_in` seconds from now; one that is `expired` may resume, but makes no new connection.
    """

    client_id: str
    session: str
    role: str
    data: str = ""
    expires_in: float | None = None
    expired: bool = False


class Fresh(Record, kw_only=True):
    """What a join may need of chance: a connection's id, a secret of 256 bits, and a draw from 0 to 1."""

    connection: str
    secret: str
    draw: float = 0.0


class LinkOpened(HubInput, kw_only=True):
    """A transport was accepted; nobody has joined on it."""

    link: int


class FramesReceived(HubInput, kw_only=True):
    """One message arrived with these frames."""

    link: int
    frames: tuple[Frame, ...]


class MessageRefused(HubInput, kw_only=True):
    """A message arrived that cannot be read."""

    link: int
    detail: str


class LinkEnded(HubInput, kw_only=True):
    """The transport ended."""

    link: int
    cause: Cause


class Authenticated(HubInput, kw_only=True):
    """The answer to an Authenticate: the token is good."""

    link: int
    bearer: Bearer
    fresh: Fresh
    request: int | None = None


class AuthenticationFailed(HubInput, kw_only=True):
    """The answer to an Authenticate: it is not, or nobody could tell (`reason` HUB_ERROR)."""

    link: int
    reason: Reason
    detail: str = ""
    request: int | None = None


class Appended(HubInput, kw_only=True):
    """The log took what was under way for this session, and gave positions in its life `epoch`."""

    session: str
    epoch: str
    entries: tuple[Entry, ...]


class AppendFailed(HubInput, kw_only=True):
    """The log did not take what was under way for this session."""

    session: str
    detail: str = ""


class ServerSignal(HubInput, kw_only=True):
    """The application sends a signal; answered by an Answer with the same ticket."""

    ticket: int
    session: str
    signal: Entry


class ServerKick(HubInput, kw_only=True):
    """The application removes a connection; answered by an Answer with the same ticket."""

    ticket: int
    connection: str


class DrainRequested(HubInput, kw_only=True):
    """Send everybody away: each link to come back after its own delay, or after `seconds` where none was drawn for it."""

    seconds: float
    delays: tuple[tuple[int, float], ...] = ()
    url: str | None = None


class Woke(HubInput, kw_only=True):
    """The instant that `wake_at()` named has come, or a later one."""
