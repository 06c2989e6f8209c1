"""The journals of a run: what the real audit writes of each member and of the hub, and one digest over all of it.

Two runs of a seed must write the same, byte for byte, in the same order; the digest says so without keeping any of it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode


class Journals:
    """Takes the records of everybody; `kept` holds them by writer where they are wanted."""

    def __init__(self, *, keep: bool = False, takes_inputs: bool = False) -> None:
        self.records = 0
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self._keep, self._takes_inputs = keep, takes_inputs
        self._digest = sha256()

    def __repr__(self) -> str:
        return f"<Journals records={self.records} {self.digest[:12]}>"

    @property
    def digest(self) -> str:
        """What was written so far, in 64 characters."""
        return self._digest.hexdigest()

    def sink(self, writer: str) -> JournalSink:
        """Return the sink of one writer."""
        return JournalSink(self, writer, takes_inputs=self._takes_inputs)

    def take(self, writer: str, record: Any) -> None:
        """Count one record in."""
        self.records += 1
        written = _encode(record)
        self._digest.update(writer.encode())
        self._digest.update(written)
        if self._keep:
            self.kept.setdefault(writer, []).append(msgspec.json.decode(written))


class JournalSink:
    """One writer's way to the journals (ports.AuditSink); some take what is fed as well, as a journal in a file does."""

    def __init__(self, journals: Journals, writer: str, *, takes_inputs: bool) -> None:
        self._journals, self._writer = journals, writer
        self.takes_inputs = takes_inputs

    def write(self, record: Any) -> None:
        """Take one record."""
        self._journals.take(self._writer, record)

    def close(self) -> None:
        """Nothing is open."""
