"""What a session's core is fed: what happened, with the instant at which it happened (`at`, seconds on the session's clock).

Reports of a transport carry its generation; the core drops those of an old one.
"""

from __future__ import annotations

from reconnect.core.frames import Frame
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.errors import OutboxFailed
from reconnect.reasons import Cause
from reconnect.record import Record


class Input(Record, kw_only=True):
    """The root of all inputs."""

    at: float


class ConnectRequested(Input, kw_only=True):
    """connect() was called while offline."""


class DisconnectRequested(Input, kw_only=True):
    """disconnect() was called."""


class RetryRequested(Input, kw_only=True):
    """reconnect_now(), or a hint that the network is back. `force` replaces a living transport."""

    force: bool = False


class Called(Input, kw_only=True):
    """feed() was called: the user asks for an event that only the session's own chart has; `event` is the chart's name of it."""

    event: str


class TransportOpened(Input, kw_only=True):
    """The socket is open; nothing is accepted yet."""

    generation: int


class TransportEnded(Input, kw_only=True):
    """The dial failed, or the transport ended."""

    generation: int
    cause: Cause


class Received(Input, kw_only=True):
    """One message arrived with these frames."""

    generation: int
    frames: tuple[Frame, ...]


class Verdict(Input, kw_only=True):
    """What the retry policy answered to the core's question."""

    question: RetryQuestion
    answer: RetryAnswer


class Woke(Input, kw_only=True):
    """The instant that `wake_at()` named has come, or a later one."""


class Slept(Input, kw_only=True):
    """The machine was suspended for `seconds`."""

    seconds: float


class Halted(Input, kw_only=True):
    """The session must not go on, whatever its transport does: something that it cannot be without has failed."""

    cause: Cause


class Flush(Input, kw_only=True):
    """A loop turn ended in which signals were submitted."""


class Stored(Input, kw_only=True):
    """All signals up to `serial` are safe in the store."""

    serial: int


class StoreFailed(Input, kw_only=True):
    """The store cannot keep anything at present: the file `path` has this problem, and `serials` were not kept."""

    path: str
    problem: str
    remedy: str
    serials: tuple[int, ...] = ()
    certain: bool = True


class StoreRecovered(Input, kw_only=True):
    """The store keeps signals again."""


class HandledUpTo(Input, kw_only=True):
    """The application took over every entry up to `position`."""

    position: int


class RequestMade(Input, kw_only=True):
    """The user asks the hub for something; `frame` carries the request id."""

    frame: Frame


class WantAdded(Input, kw_only=True):
    """publish() or subscribe()."""

    request: int
    key: str
    publish: str | None = None
    subscribe: str | None = None
    data: str = ""


class WantDropped(Input, kw_only=True):
    """unpublish() or unsubscribe()."""

    request: int
    key: str


def store_failed(why: OutboxFailed, at: float) -> StoreFailed:
    """Return the input that says what an error of the store says."""
    return StoreFailed(at=at, path=why.path, problem=why.problem, remedy=why.remedy, serials=why.serials, certain=why.certain)
