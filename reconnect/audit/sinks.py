"""Sinks that hold or share out records, and what the `audit` argument of a session may be."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from reconnect.audit.file import FileSink
from reconnect.audit.log import LogSink
from reconnect.errors import BadArgument
from reconnect.ports import AuditSink


class MemorySink:
    """Keeps the records in a list; for tests."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.closed = False

    def __repr__(self) -> str:
        return f"<MemorySink records={len(self.records)}>"

    def write(self, record: dict[str, Any]) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed = True


class TeeSink:
    """Hands each record to several sinks. One that fails does not keep it from the others; then the first error is raised."""

    def __init__(self, *sinks: AuditSink) -> None:
        self.sinks = sinks

    def __repr__(self) -> str:
        return f"<TeeSink {' '.join(map(repr, self.sinks))}>"

    def write(self, record: dict[str, Any]) -> None:
        self._each(lambda sink: sink.write(record))

    def close(self) -> None:
        self._each(lambda sink: sink.close())

    def _each(self, do: Callable[[AuditSink], None]) -> None:
        errors = []
        for sink in self.sinks:
            try:
                do(sink)
            except Exception as error:  # whatever it is, the other sinks come first
                errors.append(error)
        if errors:
            raise errors[0]


class BorrowedSink:
    """Someone else's sink: written to, and left open for its owner to close."""

    def __init__(self, sink: AuditSink) -> None:
        self.sink = sink

    def __repr__(self) -> str:
        return f"<BorrowedSink {self.sink!r}>"

    def write(self, record: dict[str, Any]) -> None:
        self.sink.write(record)

    def close(self) -> None:
        """Do nothing: the sink may serve other sessions."""


def audit_sink(audit: str | os.PathLike[str] | AuditSink | None) -> AuditSink:
    """Return the sink that is meant: None the log, a path the log and that file, a sink itself, left for its owner to close.

    Raise BadArgument for anything else, and AuditFailed for a file that cannot be written.
    """
    if audit is None:
        return LogSink()
    if isinstance(audit, (str, os.PathLike)):
        return TeeSink(LogSink(), FileSink(audit))
    if callable(getattr(audit, "write", None)) and callable(getattr(audit, "close", None)):
        return BorrowedSink(audit)
    raise BadArgument(f"audit={audit!r} is not usable: give None, a path, or an object with write(record) and close()")
