"""One signal as the outbox has it until its outcome is known."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Place(StrEnum):
    """Where a row is."""

    WAITING = "waiting"
    FLIGHT = "flight"
    GONE = "gone"


class Row(msgspec.Struct, gc=False):
    """One signal without an outcome."""

    serial: int
    type: str
    data: bytes
    to: str | None
    expires_at: float | None
    keep: bool  # retry_after_reconnect
    session_only: bool = False
    place: Place = Place.WAITING
    doubt: bool = False
    sends: int = 0
