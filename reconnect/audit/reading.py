"""Reads records back as plain objects, without asking whether they are true; `reconnect audit verify` asks that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from reconnect.errors import AuditFailed


def read_records(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a file. A last line without an end is one that is being written, and is left out.

    Raise AuditFailed for a file that cannot be read, and for a line that is no record.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield msgspec.json.decode(line, type=dict[str, Any])
                except msgspec.DecodeError as error:
                    problem = f"line {number} is no record ({error})"
                    raise AuditFailed(path, problem, "it was torn while it was written, or edited") from error
    except OSError as error:
        raise AuditFailed(path, error.strerror or str(error), "give the file that a session wrote") from error
