"""The ports: what the library needs from the outside, as Protocols. Anyone's object with these methods will do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from reconnect.core.frames import Capabilities, Entry, Frame, Join
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.errors import OutboxFailed
from reconnect.record import Record


class TimerHandle(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call."""


class Clock(Protocol):
    """Instants in seconds. `now()` never goes back and counts suspended time; `wall()` is Unix time."""

    def now(self) -> float: ...
    def wall(self) -> float: ...
    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle: ...


class Transport(Protocol):
    """One socket, one life; it never reconnects. Messages are text (frames) or bytes (stream frames)."""

    async def send(self, message: str | bytes) -> None:
        """Write one message; return when there is room for another. Raise TransportFailed once it has ended."""

    async def receive(self) -> str | bytes:
        """Return the next message; raise TransportFailed with the cause once it has ended, behind all that arrived before."""

    async def close(self, code: int, detail: str) -> None:
        """End politely, within a short limit of its own."""

    def abort(self) -> None:
        """End at once, without blocking and without a goodbye."""


class Dialer(Protocol):
    """Opens transports."""

    async def __call__(self, url: str) -> Transport:
        """Return an open transport, or raise TransportFailed with the cause. Cancelling it leaves nothing open."""


class Dialect(Protocol):
    """Maps frames to messages and back; the core decides, the dialect only spells."""

    @property
    def capabilities(self) -> Capabilities: ...

    def encode(self, frames: Sequence[Frame], message_bytes: int) -> list[str]:
        """Return the messages for these frames, in order, each at most `message_bytes` long where frames allow it."""

    def decode(self, message: str | bytes) -> tuple[Frame, ...]:
        """Return the frames of a text message; raise MalformedMessage."""


class RetryPolicy(Protocol):
    """Decides, synchronously and without sleeping, whether and when to try again."""

    @property
    def stable_after_seconds(self) -> float: ...

    def decide(self, question: RetryQuestion) -> RetryAnswer: ...


class AuditSink(Protocol):
    """Keeps audit records, in the order given; each is a flat mapping of JSON values."""

    def write(self, record: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class OutboxStore(Protocol):
    """Keeps signals until they have an outcome.

    `put` calls `stored` with the highest safe serial, or with OutboxFailed about those that are not kept, in this turn or later.
    """

    def put(self, rows: Sequence[Any], stored: Callable[[int | OutboxFailed], None]) -> None: ...
    def forget(self, serials: Sequence[int]) -> None: ...


class Appended(Record, kw_only=True):
    """What a log answered: the entries with their positions, in its life `epoch`."""

    epoch: str
    entries: tuple[Entry, ...]


class SessionLog(Protocol):
    """Orders the entries of sessions: gives each its position within the session's epoch.

    `append` calls `done` with Appended, or with an exception where the entries could not be stored, in this turn or later.
    """

    def append(self, session: str, entries: Sequence[Entry], done: Callable[[Appended | Exception], None]) -> None: ...
    def forget(self, session: str) -> None: ...


class Principal(Record, kw_only=True):
    """Who a token speaks for: bound to one session. `expired` may resume, but makes no new connection."""

    client_id: str
    session: str
    role: str
    data: str = ""
    expires_at: float | None = None
    expired: bool = False


class Authenticator(Protocol):
    """Turns a join into a Principal or raises TokenRejected; called before any state is touched, at every join."""

    async def __call__(self, join: Join) -> Principal: ...


TokenSource = str | Callable[[], str] | Callable[[], Awaitable[str]]
