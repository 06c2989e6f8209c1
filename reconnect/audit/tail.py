"""The end of a journal's file, which a writer goes on from: its last whole line, and what a killed process left behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from reconnect.audit.chain import Hash
from reconnect.errors import AuditFailed
from reconnect.record import Record

_BLOCK: Final = 64 * 1024
_UNKNOWN = "give the path of a journal that this version wrote, or of a file that is not there"


class _Last(msgspec.Struct):
    """What is needed of a line to go on from it."""

    prev: str
    entry: int


class _First(msgspec.Struct):
    record: str
    chain: str
    file: int


class Tail(Record, kw_only=True):
    """Where to go on: the length of the whole lines, the number of the file, the entry and the hash of its last line, and what
    was torn off behind it.
    """

    length: int
    file: int
    entry: int
    head: str
    torn: bytes = b""


def read_tail(path: Path, hash_of: Hash, kind: str) -> Tail | None:
    """Return the end of a journal's file, None where nothing is in it; raise AuditFailed for one that cannot be continued.

    `entry` is 0 where no line is whole.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return None
        block, start = b"", size
        while start and block.count(b"\n") < 3:  # two whole lines, and what ends the one before them
            start = max(0, start - max(_BLOCK, len(block)))
            file.seek(start)
            block = file.read(size - start)
        file.seek(0)
        first = file.readline()
    whole, newline, torn = block.rpartition(b"\n")
    if not newline:
        return Tail(length=0, file=0, entry=0, head="", torn=torn)
    lines = whole.split(b"\n")
    header = _decode(path, first, _First)
    if header.record != "journal" or header.chain != kind:
        problem = (
            f"its chain is {header.chain}, and this one would be {kind}" if header.record == "journal" else "it is no journal"
        )
        raise AuditFailed(path, problem, "give the key that it was written with, or another path")
    last = _decode(path, lines[-1], _Last)
    if len(lines) > 1 and last.prev != hash_of(lines[-2]):
        raise AuditFailed(path, "its last line does not continue the line before it", "check it, and go on in another file")
    return Tail(length=size - len(torn), file=header.file, entry=last.entry, head=hash_of(lines[-1]), torn=torn)


def _decode(path: Path, line: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise AuditFailed(path, f"it is no journal that can be continued ({error})", _UNKNOWN) from error
