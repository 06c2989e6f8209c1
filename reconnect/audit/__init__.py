"""Audit: every transition and every signal's outcome, written down. The only room of structlog.

`Auditor` turns effects into records; a sink keeps them: `LogSink`, `FileSink`, `TeeSink`, `MemorySink`, or anything with
`write(record)` and `close()`. `read_records` reads a file back.
"""

from __future__ import annotations

from reconnect.audit.auditor import Auditor
from reconnect.audit.file import FileSink, read_records
from reconnect.audit.log import LogSink
from reconnect.audit.sinks import BorrowedSink, MemorySink, TeeSink, audit_sink

__all__ = ["Auditor", "BorrowedSink", "FileSink", "LogSink", "MemorySink", "TeeSink", "audit_sink", "read_records"]
