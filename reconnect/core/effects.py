"""What a session's core asks for: imperative, plain data, performed by a driver in the order given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconnect.chart import Step
from reconnect.core.frames import Entry, Frame
from reconnect.core.notices import Notice, Outcome, Signal, SignalReceived
from reconnect.reasons import CloseCode, Reason
from reconnect.record import Record


class Effect(Record, kw_only=True):
    """The root of all effects."""


class OpenTransport(Effect, kw_only=True):
    """Fetch the token and dial. Report TransportOpened or TransportEnded with this generation."""

    generation: int
    url: str | None = None


class Send(Effect, kw_only=True):
    """Hand frames to the transport of this generation, in order."""

    generation: int
    frames: tuple[Frame, ...]


class CloseTransport(Effect, kw_only=True):
    """End the transport of this generation (or its dial): politely after what was sent, or at once (`abort`)."""

    generation: int
    abort: bool
    code: int = CloseCode.GOING_AWAY
    detail: str = ""


class Store(Effect, kw_only=True):
    """Keep these signals; feed Stored with the highest serial that is safe."""

    rows: tuple[Any, ...]


class Forget(Effect, kw_only=True):
    """These signals have their outcome; the store need not keep them."""

    serials: tuple[int, ...]


class Settle(Effect, kw_only=True):
    """Tell the receipts of these signals their outcome."""

    serials: tuple[int, ...]
    outcome: Outcome


class Notify(Effect, kw_only=True):
    """Tell the user."""

    notice: Notice


class Deliver(Effect, kw_only=True):
    """Tell the user of signals that arrived in a row: entries of the log, each with the value of its data."""

    at: float
    entries: tuple[Entry, ...]
    values: tuple[Any, ...]

    def notices(self) -> Iterator[SignalReceived]:
        """Return what the user is told, one signal at a time; nobody need make them where nobody listens."""
        for entry, value in zip(self.entries, self.values, strict=True):
            signal = Signal(
                type=entry.type,
                data=value,
                sender=entry.sender or "",
                serial=entry.serial,
                position=entry.position,
                connection=entry.connection,
                repeat=entry.repeat,
            )
            yield SignalReceived(at=self.at, signal=signal)


class Answer(Effect, kw_only=True):
    """Complete the caller's request: with a value, or with an error to raise."""

    request: int
    value: Any = None
    error: Exception | None = None


class Refuse(Effect, kw_only=True):
    """The chart refuses this call: raise the error to its caller, after everything else was performed."""

    error: Exception


class Note(Effect, kw_only=True):
    """Write into the audit what was done or dropped.

    `what` is `step` with the chart's Step, or the name of what was ignored, counted or noticed.
    """

    at: float
    what: str
    machine: str = "session"
    step: Step | None = None
    reason: Reason | None = None
    attempt: int | None = None
    retry_in: float | None = None
    generation: int | None = None
    detail: str = ""


def told(effect: Effect) -> Iterator[Notice]:
    """Return what the user is told by an effect."""
    if isinstance(effect, Notify):
        yield effect.notice
    elif isinstance(effect, Deliver):
        yield from effect.notices()
