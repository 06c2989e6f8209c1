"""Stores and logs that live in memory and answer in the same turn, behind the ports that a disk or a cluster can fill.

- The outbox keeps its rows itself until they have an outcome, so its memory store has nothing to keep.
- A log's positions start at 1 and count within its epoch; a log that was forgotten starts anew under another epoch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from reconnect.core.frames import Entry
from reconnect.ports import Appended


def random_epoch() -> str:
    """Return a name for a log's life that no other life has."""
    return secrets.token_hex(8)


class MemoryOutboxStore:
    """Says at once that every signal is as safe as this process (ports.OutboxStore)."""

    def put(self, rows: Sequence[Any], stored: Callable[[int], None]) -> None:
        """Confirm rows, which come in the order of their serials."""
        if rows:
            stored(rows[-1].serial)

    def forget(self, serials: Sequence[int]) -> None:
        """Keep nothing of these signals."""


class MemorySessionLog:
    """Gives entries their positions (ports.SessionLog); the hub keeps the tail that it replays from."""

    def __init__(self, epoch: Callable[[], str] = random_epoch) -> None:
        self._epoch = epoch
        self._heads: dict[str, tuple[str, int]] = {}

    def __repr__(self) -> str:
        return f"<MemorySessionLog sessions={len(self._heads)}>"

    def append(self, session: str, entries: Sequence[Entry], done: Callable[[Appended | Exception], None]) -> None:
        """Put entries behind the session's last one, and tell `done` their positions before returning."""
        epoch, head = self._heads.get(session) or (self._epoch(), 0)
        self._heads[session] = epoch, head + len(entries)
        placed = [replace(entry, position=position, after=position - 1) for position, entry in enumerate(entries, head + 1)]
        done(Appended(epoch=epoch, entries=tuple(placed)))

    def forget(self, session: str) -> None:
        """End this life of the session's log."""
        self._heads.pop(session, None)
