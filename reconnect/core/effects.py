"""What a session's core asks for: imperative, plain data, performed by a driver in the order given."""

from __future__ import annotations

from typing import Any

from reconnect.chart import Step
from reconnect.core.frames import Frame
from reconnect.core.notices import Notice, Outcome
from reconnect.reasons import CloseCode, Reason
from reconnect.record import Record


class Effect(Record):
    """The root of all effects."""


class OpenTransport(Effect):
    """Fetch the token and dial. Report TransportOpened or TransportEnded with this generation."""

    generation: int
    url: str | None = None


class Send(Effect):
    """Hand frames to the transport of this generation, in order."""

    generation: int
    frames: tuple[Frame, ...]


class CloseTransport(Effect):
    """End the transport of this generation (or its dial): politely after what was sent, or at once (`abort`)."""

    generation: int
    abort: bool
    code: int = CloseCode.GOING_AWAY
    detail: str = ""


class Store(Effect):
    """Keep these signals; feed Stored with the highest serial that is safe."""

    rows: tuple[Any, ...]


class Forget(Effect):
    """These signals have their outcome; the store need not keep them."""

    serials: tuple[int, ...]


class Settle(Effect):
    """Tell the receipts of these signals their outcome."""

    serials: tuple[int, ...]
    outcome: Outcome


class Notify(Effect):
    """Tell the user."""

    notice: Notice


class Answer(Effect):
    """Complete the caller's request: with a value, or with an error to raise."""

    request: int
    value: Any = None
    error: Exception | None = None


class Refuse(Effect):
    """The chart refuses this call: raise the error to its caller, after everything else was performed."""

    error: Exception


class Note(Effect):
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
