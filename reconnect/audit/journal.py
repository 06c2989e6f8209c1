"""The audit as a file that can be checked: JSON lines, each chained to the one before.

Rules: a record is one line and one write, so that a crash loses at most what was being written. A line is pure ASCII: no
character of a text can end it, for any reader. One writer at a time: the file is locked while it is open. It is made readable by
its owner alone. What was torn (a full disk, a killed process) is taken off before the next record, and a killed one is recorded.
Files are bounded and linked: the first line of each carries the hash of the last line of the one before.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from reconnect.audit.chain import ROOT, Head, check_key, hash_of, kind_of
from reconnect.audit.cleaning import CONCEALED
from reconnect.audit.entries import FORMAT
from reconnect.audit.facts import PYTHON
from reconnect.audit.heads import Publisher
from reconnect.audit.log import LOGGER
from reconnect.audit.rotation import drop_oldest, full_files
from reconnect.audit.tail import Tail, read_tail
from reconnect.errors import AuditFailed, BadArgument
from reconnect.limits import JOURNAL_FILE_BYTES
from reconnect.version import __version__

try:
    import fcntl
except ImportError:  # pragma: no cover  # a platform without it: two writers are then not noticed
    fcntl = None  # type: ignore[assignment]  # asked for before each use

_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_MODE: Final = 0o600
_MAKE_ROOM: Final = "make room on the disk"
_STANDING: Final = frozenset({"start", "chart", "policy"})  # what holds from there on, and so is repeated in a file that goes on
_ANCHORS: Final = frozenset({"checkpoint", "stop"})
HIDEABLE: Final = frozenset({"client_id", "detail", "role", "session", "url"})
_encode: Final = msgspec.json.Encoder().encode

Record = dict[str, Any]


class OnFailure(StrEnum):
    """What a session does whose journal cannot be written."""

    CONTINUE = "continue"  # it goes on; the loss is logged, counted and recorded
    STOP = "stop"  # it ends: no signal is sent that nobody can account for


class Journal:
    """Writes each record as one line of a chain; opens at once, so that a path that cannot be written is refused here.

    `key` makes the chain an HMAC. `publish` is called with each Head: at checkpoints, at rotations and at the end. `host` says
    where it is written, in your words; `hide` names fields whose values are concealed. A file is rotated once it has
    `file_bytes`; of the full ones `files` are kept, None all. `sync` has the disk confirm what was written before a head is
    published. `on_failure` says whether a session goes on without its journal.
    """

    takes_inputs = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        key: bytes | str | None = None,
        publish: Publisher | Sequence[Publisher] = (),
        host: str | None = None,
        hide: Iterable[str] = (),
        file_bytes: int = JOURNAL_FILE_BYTES,
        files: int | None = None,
        sync: bool = False,
        on_failure: OnFailure | str = OnFailure.CONTINUE,
    ) -> None:
        self.path = Path(path)
        self._key = check_key(key)
        self._hash = hash_of(self._key)
        self._publishers = tuple(publish) if isinstance(publish, list | tuple) else (publish,)
        self._hidden = frozenset(hide)
        self._host, self._sync = host, sync
        self._file_bytes, self._files = file_bytes, files
        _check(self._publishers, self._hidden, file_bytes, files, on_failure)
        self.stops_session = OnFailure(on_failure) is OnFailure.STOP
        self._file: int | None = None
        self._length = self._number = self._entry = 0
        self._head = ROOT
        self._wall = ""
        self._torn = False
        self._standing: dict[tuple[object, ...], Record] = {}
        self._defined: set[str] = set()  # the charts whose definitions this file has
        self._open()

    def __repr__(self) -> str:
        return f"<Journal {self.path} entry={self._entry}{'' if self._file is not None else ' closed'}>"

    @property
    def head(self) -> Head:
        """The hash of the last line."""
        return Head(path=str(self.path), file=self._number, entry=self._entry, sha256=self._head, wall=self._wall)

    def write(self, record: Record) -> None:
        """Append the record; raise AuditFailed if it cannot be. After close() the file is opened again."""
        if self._file is None:
            self._open()
        elif self._length >= self._file_bytes:
            self._rotate()
        kind = record.get("record")
        if kind in _STANDING:
            self._stand(record)
        elif kind == "stop":
            self._standing = {key: kept for key, kept in self._standing.items() if key[0] != record.get("source")}
        self._append(record)
        self._wall = record.get("wall", self._wall)
        if kind in _ANCHORS:
            self._publish()

    def close(self) -> None:
        """Give the descriptor and the lock back; calling it again does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    # -- lines -------------------------------------------------------------------------------------------------------------------

    def _append(self, record: Record) -> None:
        if record.get("record") != "chart":
            record = _hide(record, self._hidden) if self._hidden else record
        else:
            if record["sha256"] in self._defined:
                record = {**record, "definition": None}
            elif record.get("definition") is not None:
                self._defined.add(record["sha256"])
        own = {"prev": self._head, "entry": self._entry + 1}
        line = _line(self.path, {**own, **record, **own})  # in front, and nobody else's to say
        self._write_whole(line + b"\n")
        self._head = self._hash(line)
        self._entry += 1

    def _write_whole(self, line: bytes) -> None:
        assert self._file is not None, "opened before"
        try:
            if self._torn:
                os.ftruncate(self._file, self._length)
                self._torn = False
            written = os.write(self._file, line)
        except OSError as error:
            raise self._failed(error) from error
        if written < len(line):
            self._torn = True
            raise AuditFailed(self.path, f"only {written} of {len(line)} bytes were written", _MAKE_ROOM)
        self._length += written

    def _stand(self, record: Record) -> None:
        """Remember what holds from here on."""
        source, kind = record.get("source"), record.get("record")
        self._standing[source, kind, record.get("chart")] = record

    # -- files -------------------------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            file = os.open(self.path, _FLAGS, _MODE)
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._lock(file)
            tail = self._read_tail()
            if tail.torn:
                os.ftruncate(file, tail.length)
        except OSError as error:
            os.close(file)
            raise self._failed(error) from error
        except AuditFailed:
            os.close(file)
            raise
        self._file, self._torn = file, False
        self._length, self._number, self._entry, self._head = tail.length, tail.file, tail.entry, tail.head
        try:
            self._begin(tail)
        except AuditFailed:
            self.close()
            raise

    def _begin(self, tail: Tail) -> None:
        """Write what a fresh file begins with, and that a torn line was taken off."""
        if tail.length == 0:
            self._number += 1
            self._write_header()
        if tail.torn:
            self._append({"record": "repaired", "torn_bytes": len(tail.torn), "torn_sha256": sha256(tail.torn).hexdigest()})

    def _lock(self, file: int) -> None:
        if fcntl is None:  # pragma: no cover
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            remedy = "give each session a path of its own, or all of them one Journal"
            raise AuditFailed(self.path, "somebody else is writing to it", remedy) from error

    def _read_tail(self) -> Tail:
        """Return where to go on: in this file, behind the last full one, or at the root."""
        tail = read_tail(self.path, self._hash, kind_of(self._key))
        if tail is not None and tail.entry:
            return tail
        torn = b"" if tail is None else tail.torn
        for number, full in reversed(full_files(self.path)):
            before = read_tail(full, self._hash, kind_of(self._key))
            if before is not None and before.entry:
                return Tail(length=0, file=number, entry=before.entry, head=before.head, torn=torn)
        return Tail(length=0, file=0, entry=0, head=ROOT, torn=torn)

    def _rotate(self) -> None:
        """Put the full file away, and go on in a fresh one that can be read by itself."""
        self._publish()
        self.close()
        try:
            os.rename(self.path, f"{self.path}.{self._number}")
        except OSError as error:
            raise self._failed(error) from error
        self._open()
        for record in list(self._standing.values()):
            self._append({**record, "repeated": True})
        if self._files is not None:
            drop_oldest(self.path, self._files)

    def _write_header(self) -> None:
        self._defined.clear()
        self._append({
            "record": "journal", "format": FORMAT, "library": "reconnect", "version": __version__,
            "python": PYTHON, "chain": kind_of(self._key), "file": self._number,
            "host": self._host, "hidden": sorted(self._hidden),
        })  # fmt: skip

    def _publish(self) -> None:
        if self._sync and self._file is not None:
            os.fsync(self._file)
        for publish in self._publishers:
            try:
                publish(self.head)
            except Exception as error:  # whatever it is, the journal is written all the same
                logging.getLogger(LOGGER).error("the head of %s could not be published: %s", self.path, error)

    def _failed(self, error: OSError) -> AuditFailed:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = _MAKE_ROOM if full else "give a path in a folder that exists and can be written"
        return AuditFailed(self.path, error.strerror or str(error), remedy)


def _check(publishers: Sequence[object], hidden: frozenset[str], file_bytes: object, files: object, on_failure: object) -> None:
    """Raise BadArgument where an option of a journal is no such thing."""
    if not all(callable(publish) for publish in publishers):
        raise BadArgument(f"publish is a callable that takes a Head, or several of them, and this is {publishers!r}")
    if unknown := hidden - HIDEABLE:
        raise BadArgument(f"hide={sorted(unknown)!r} is not possible: give some of {', '.join(sorted(HIDEABLE))}")
    if not isinstance(file_bytes, int) or file_bytes < 1:
        raise BadArgument(f"file_bytes is {file_bytes!r}; give a positive number of bytes")
    if files is not None and (not isinstance(files, int) or files < 0):
        raise BadArgument(f"files is {files!r}; give how many full files are kept, or None for all")
    if on_failure not in tuple(OnFailure):
        raise BadArgument(f"on_failure is {on_failure!r}; give one of {', '.join(OnFailure)}")


def _hide(value: Any, hidden: frozenset[str]) -> Any:
    """Return a record with the values of these fields concealed, wherever in it they stand."""
    if isinstance(value, dict):
        return {
            key: CONCEALED if key in hidden and isinstance(item, str) and item else _hide(item, hidden)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_hide(item, hidden) for item in value]
    return value


def _line(path: Path, record: Record) -> bytes:
    try:
        line = _encode(record)
    except (TypeError, ValueError) as error:
        raise AuditFailed(
            path, f"a record is not made of JSON values ({error})", "give numbers, texts, lists and None"
        ) from error
    if not line.isascii():  # U+2028 and U+0085 end a line for many readers
        line = json.dumps(msgspec.json.decode(line), ensure_ascii=True, separators=(",", ":")).encode()
    return line
