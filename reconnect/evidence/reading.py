"""Reads journals line by line, in constant memory: files in the order in which they were written, lines as bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from reconnect.audit.entries import AnyEntry
from reconnect.audit.rotation import files_of
from reconnect.errors import AuditFailed

BLOCK_BYTES: Final = 1024 * 1024
LINE_BYTES: Final = 16 * 1024 * 1024  # a longer line is none of ours, and must not fill the memory

decode: Final = msgspec.json.Decoder(AnyEntry).decode

_FULL: Final = re.compile(r"(.+)\.[1-9]\d*")


def base_of(path: Path) -> Path:
    """Return the file that is written to of the journal that this file is of."""
    match = _FULL.fullmatch(path.name)
    return path if match is None else path.with_name(match[1])


def journals_of(paths: Iterable[Path]) -> list[list[Path]]:
    """Return the files of each journal among these paths, in order; the file that is written to stands for all of its journal."""
    named: dict[Path, set[Path]] = {}
    for path in paths:
        base = base_of(path)
        found = {path} if base != path else {file for file in files_of(base) if file == path or file.exists()}
        named.setdefault(base, set()).update(found)
    return [[file for file in files_of(base) if file in files] for base, files in named.items()]


class Lines:
    """The lines of one file. `torn` holds what follows the last line feed, once all were read."""

    def __init__(self, path: Path, told: Callable[[int], object] | None = None) -> None:
        self.path = path
        self.torn = b""
        self._told = told

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line without its line feed; raise AuditFailed where the file cannot be read."""
        rest = b""
        try:
            with self.path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    if self._told is not None:
                        self._told(len(block))
                    lines = (rest + block).split(b"\n")
                    rest = lines.pop()
                    yield from lines
                    if len(rest) > LINE_BYTES:
                        problem = f"it has a line of more than {LINE_BYTES:,} bytes"
                        raise AuditFailed(self.path, problem, "it is no journal, or was damaged")
        except OSError as error:
            raise AuditFailed(self.path, error.strerror or str(error), "give the file that a session wrote") from error
        self.torn = rest


def entries_of(path: Path) -> Iterator[AnyEntry]:
    """Yield the records of the journal at this path, those of the full files beside it first.

    Raise AuditFailed for a file that cannot be read, and for a line that is no record. A last line without an end is left out.
    """
    for file in journals_of([path])[0]:
        for number, line in enumerate(Lines(file), 1):
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                problem = f"line {number} is no record ({error})"
                raise AuditFailed(file, problem, "`reconnect audit verify` says what else is wrong with it") from error
