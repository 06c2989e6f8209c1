"""Where heads are published: a file, the log, or any callable that takes a Head.

A head is only worth something where the writer of the journal cannot change it: another machine, another account, a mailbox.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from reconnect.audit.chain import Head
from reconnect.audit.log import LogSink

Publisher = Callable[[Head], object]


def head_file(path: str | os.PathLike[str]) -> Publisher:
    """Return a publisher that appends each head to a file, one JSON object a line."""
    target = Path(path)

    def publish(head: Head) -> None:
        file = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            os.write(file, msgspec.json.encode(head) + b"\n")
        finally:
            os.close(file)

    return publish


def head_log(sink: LogSink | None = None) -> Publisher:
    """Return a publisher that logs each head at INFO, where the application's own log collector takes it away."""
    log = LogSink() if sink is None else sink
    return lambda head: log.write({"record": "head", **msgspec.structs.asdict(head)})
