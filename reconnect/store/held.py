"""A signal as an outbox file holds it, and the checksum by which a damaged one is told from a good one.

The checksum covers the sender, the serial and everything else that a row says, so that no part of a row is believed that differs
from what was written. It is no signature: it protects from a failing disk, not from a person.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from reconnect.record import Record


class Held(Record, kw_only=True):
    """One signal that is held on disk. `expires_at` is Unix time; `retry_after_reconnect` as it was submitted."""

    serial: int
    type: str
    data: Any
    to: str | None = None
    expires_at: float | None = None
    retry_after_reconnect: bool = True


class StoredRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What stands in the body of a row; the serial stands beside it."""

    type: str
    data: bytes  # JSON, as it was submitted
    to: str | None
    expires_at: float | None  # Unix time
    keep: bool
    session_only: bool = False


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(StoredRow).decode


def seed_of(sender: str) -> int:
    """Return what the checksums of a sender's rows start from."""
    return zlib.crc32(sender.encode())


def checksum(seed: int, serial: int, body: bytes) -> int:
    """Return the checksum of a row."""
    return zlib.crc32(body, zlib.crc32(serial.to_bytes(8, "big", signed=True), seed))


def encoded(seed: int, rows: Iterable[tuple[int, StoredRow]]) -> Iterator[tuple[int, int, bytes]]:
    """Yield (serial, checksum, body) for signals."""
    for serial, row in rows:
        body = _encode(row)
        yield serial, checksum(seed, serial, body), body


def decoded(seed: int, serial: Any, told: Any, body: Any) -> StoredRow | None:
    """Return what a row says, or None if it is damaged."""
    if not isinstance(serial, int) or not isinstance(body, bytes) or checksum(seed, serial, body) != told:
        return None
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return None


def shown(serial: int, row: StoredRow) -> Held:
    """Return a row as people see it."""
    return Held(
        serial=serial,
        type=row.type,
        data=msgspec.json.decode(row.data),
        to=row.to,
        expires_at=row.expires_at,
        retry_after_reconnect=row.keep,
    )
