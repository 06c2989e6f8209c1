"""Audit: every transition, every signal's outcome and all that led to them, written down. The only room of structlog.

`Auditor` turns effects and inputs into records; a sink keeps them: `Journal`, `LogSink`, `TeeSink`, `MemorySink`, or anything
with `write(record)` and `close()`. A Journal is a chain of lines that `reconnect.evidence` checks; its heads are published by
`head_file`, `head_log` or a callable of yours. `read_records` reads a file back.
"""

from __future__ import annotations

from reconnect.audit.auditor import Auditor
from reconnect.audit.chain import Head
from reconnect.audit.heads import head_file, head_log
from reconnect.audit.journal import Journal, OnFailure
from reconnect.audit.log import LogSink
from reconnect.audit.reading import read_records
from reconnect.audit.sinks import BorrowedSink, MemorySink, TeeSink, audit_sink

__all__ = [
    "Auditor", "BorrowedSink", "Head", "Journal", "LogSink", "MemorySink", "OnFailure", "TeeSink", "audit_sink", "head_file",
    "head_log", "read_records",
]  # fmt: skip
