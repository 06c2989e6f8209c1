"""What a session's core is fed: what happened, with the instant at which it happened (`at`, seconds on the session's clock).

Reports of a transport carry its generation; the core drops those of an old one.
"""

from __future__ import annotations

from reconnect.core.frames import Frame
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.reasons import Cause
from reconnect.record import Record


class Input(Record):
    """The root of all inputs."""

    at: float


class ConnectRequested(Input):
    """connect() was called while offline."""


class DisconnectRequested(Input):
    """disconnect() was called."""


class RetryRequested(Input):
    """reconnect_now(), or a hint that the network is back. `force` replaces a living transport."""

    force: bool = False


class TransportOpened(Input):
    """The socket is open; nothing is accepted yet."""

    generation: int


class TransportEnded(Input):
    """The dial failed, or the transport ended."""

    generation: int
    cause: Cause


class Received(Input):
    """One message arrived with these frames."""

    generation: int
    frames: tuple[Frame, ...]


class Verdict(Input):
    """What the retry policy answered to the core's question."""

    question: RetryQuestion
    answer: RetryAnswer


class Woke(Input):
    """The instant that `wake_at()` named has come, or a later one."""


class Slept(Input):
    """The machine was suspended for `seconds`."""

    seconds: float


class Flush(Input):
    """A loop turn ended in which signals were submitted."""


class Stored(Input):
    """All signals up to `serial` are safe in the store."""

    serial: int


class HandledUpTo(Input):
    """The application took over every entry up to `position`."""

    position: int


class RequestMade(Input):
    """The user asks the hub for something; `frame` carries the request id."""

    frame: Frame


class WantAdded(Input):
    """publish() or subscribe()."""

    request: int
    key: str
    publish: str | None = None
    subscribe: str | None = None
    data: str = ""


class WantDropped(Input):
    """unpublish() or unsubscribe()."""

    request: int
    key: str
