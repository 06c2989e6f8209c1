"""The audit as a file: JSON lines, appended.

Rules: a record is one line and one write, so that a crash loses at most what was being written, and several writers do not mix
lines. A line is pure ASCII: no character of a text can end it, for any reader. The file is made readable by its owner alone.
A line that was torn (a full disk, a killed process) is ended before the next record begins.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from reconnect.errors import AuditFailed

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_MODE: Final = 0o600
_encode = msgspec.json.Encoder().encode


class FileSink:
    """Writes each record as one line; opens at once, so that a path that cannot be written is refused here."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: int | None = None
        self._torn = _ends_in_mid_line(self.path)
        self._open()

    def __repr__(self) -> str:
        return f"<FileSink {self.path}{'' if self._file is not None else ' closed'}>"

    def write(self, record: dict[str, Any]) -> None:
        """Append the record; raise AuditFailed if it cannot be. After close() the file is opened again."""
        line = (b"\n" if self._torn else b"") + _line(self.path, record)
        file = self._open()
        try:
            written = os.write(file, line)
        except OSError as error:
            raise self._failed(error) from error
        self._torn = written < len(line)
        if self._torn:
            raise AuditFailed(self.path, f"only {written} of {len(line)} bytes were written", "make room on the disk")

    def close(self) -> None:
        """Give the descriptor back; calling it again does nothing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self.path, _FLAGS, _MODE)
            except OSError as error:
                raise self._failed(error) from error
        return self._file

    def _failed(self, error: OSError) -> AuditFailed:
        return AuditFailed(self.path, error.strerror or str(error), "give a path in a folder that exists and can be written")


def read_records(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a file. A last line without an end is one that is being written, and is left out.

    Raise AuditFailed for a file that cannot be read, and for a line that is no record.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise AuditFailed(path, error.strerror or str(error), "give the file that a session wrote") from error
    lines = text.split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            yield msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise AuditFailed(
                path, f"line {number} is no record ({error})", "it was torn while it was written, or edited"
            ) from error


def _line(path: Path, record: dict[str, Any]) -> bytes:
    try:
        line = _encode(record)
    except (TypeError, ValueError) as error:
        raise AuditFailed(
            path, f"a record is not made of JSON values ({error})", "give numbers, texts, lists and None"
        ) from error
    if not line.isascii():  # U+2028 and U+0085 end a line for many readers
        line = json.dumps(msgspec.json.decode(line), ensure_ascii=True, separators=(",", ":")).encode()
    return line + b"\n"


def _ends_in_mid_line(path: Path) -> bool:
    """Return True if a writer before us left a torn line. A file that cannot be read is taken as whole."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False
