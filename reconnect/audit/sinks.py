"""Sinks that hold or share out records, and what the `audit` argument of a session may be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from reconnect.audit.journal import Journal
from reconnect.audit.log import LogSink
from reconnect.errors import BadArgument
from reconnect.ports import AuditSink

_INPUTS: Final = frozenset({"input", "traffic"})


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
    """Hands each record to several sinks. One that fails does not keep it from the others; then the first error is raised.

    What a core was fed goes to those that take inputs, as journals do.
    """

    def __init__(self, *sinks: AuditSink) -> None:
        self.sinks = sinks
        self.takes_inputs = any(getattr(sink, "takes_inputs", False) for sink in sinks)
        self.stops_session = any(getattr(sink, "stops_session", False) for sink in sinks)

    def __repr__(self) -> str:
        return f"<TeeSink {' '.join(map(repr, self.sinks))}>"

    def write(self, record: dict[str, Any]) -> None:
        for_all = record.get("record") not in _INPUTS
        taking = [sink for sink in self.sinks if for_all or getattr(sink, "takes_inputs", False)]
        _each(taking, lambda sink: sink.write(record))

    def close(self) -> None:
        _each(self.sinks, lambda sink: sink.close())


class BorrowedSink:
    """Someone else's sink: written to, and left open for its owner to close."""

    def __init__(self, sink: AuditSink) -> None:
        self.sink = sink
        self.takes_inputs = getattr(sink, "takes_inputs", False)
        self.stops_session = getattr(sink, "stops_session", False)

    def __repr__(self) -> str:
        return f"<BorrowedSink {self.sink!r}>"

    def write(self, record: dict[str, Any]) -> None:
        self.sink.write(record)

    def close(self) -> None:
        """Do nothing: the sink may serve other sessions."""


def audit_sink(audit: str | os.PathLike[str] | AuditSink | None) -> AuditSink:
    """Return the sink that is meant: None the log, a path the log and a Journal there, a sink itself, which stays its owner's.

    Raise BadArgument for anything else, and AuditFailed for a journal that cannot be written.
    """
    if audit is None:
        return LogSink()
    if isinstance(audit, (str, os.PathLike)):
        return TeeSink(LogSink(), Journal(audit))
    if callable(getattr(audit, "write", None)) and callable(getattr(audit, "close", None)):
        return BorrowedSink(audit)
    raise BadArgument(f"audit={audit!r} is not usable: give None, a path, or an object with write(record) and close()")


def _each(sinks: Iterable[AuditSink], do: Callable[[AuditSink], None]) -> None:
    """Do it with every sink, and raise the first error once all had their turn."""
    errors = []
    for sink in sinks:
        try:
            do(sink)
        except Exception as error:  # whatever it is, the other sinks come first
            errors.append(error)
    if errors:
        raise errors[0]
