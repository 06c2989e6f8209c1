"""What a killed writer leaves of its outbox, for tests that damage it, and what whoever opens it next finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reconnect.store.file import OutboxFile
from reconnect.store.found import Found
from reconnect.store.held import StoredRow
from tests.store_bench import opened, settings, stored_row

NAME, LOG, MARK = "outbox.db", "outbox.db-wal", "outbox.db-mark"
HEADER, HEAD, PAGE = 32, 24, 4096  # of the log: its header, the head of a frame, the page in it

Files = dict[str, bytes]


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where there is such a place: each opening flushes a dozen times."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:  # ours alone
        yield Path(name)


class Killed:
    """A writer, and what it would leave if it were killed now: file, log and mark."""

    def __init__(self, folder: Path, **options: Any) -> None:
        folder.mkdir()
        self.folder = folder
        self.file = opened(folder / NAME, **options)
        self.rows: dict[int, StoredRow] = {}

    def put(self, *serials: int, size: int = 300) -> Killed:
        """Store these in one commit."""
        rows = {serial: stored_row(serial, size) for serial in serials}
        self.file.commit(list(rows.items()), ())
        self.rows |= rows
        return self

    def forget(self, *serials: int) -> Killed:
        """Forget these."""
        self.file.commit((), serials)
        for serial in serials:
            del self.rows[serial]
        return self

    def work(self) -> Killed:
        """Store and forget, one by one and many at a time, on several pages."""
        for serial in range(1, 16):
            self.put(serial)
        self.forget(*range(1, 9)).put(*range(16, 46))
        return self.put(46, size=9_000).put(47).forget(*range(20, 25)).put(48)

    def left(self) -> Files:
        """Return what a kill leaves."""
        # The lock is not read: to close it would give it up.
        return {entry.name: entry.read_bytes() for entry in self.folder.iterdir() if not entry.name.endswith("-lock")}


@dataclass
class Looked:
    """What the next one to open an outbox gets."""

    rows: dict[int, StoredRow]
    found: Found | None
    next_serial: int

    @property
    def told(self) -> int:
        """How many signals were said to be lost."""
        return 0 if self.found is None else len(self.found.serials) + self.found.missing

    @property
    def flaws(self) -> str:
        """What was said to be wrong."""
        return "" if self.found is None else "; ".join(self.found.flaws)


def lay(files: Files, folder: Path) -> Path:
    """Put files where there may be others; return the outbox."""
    folder.mkdir(exist_ok=True)
    for entry in folder.iterdir():
        entry.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / NAME


def look(path: Path) -> Looked:
    """Open an outbox as the next process does, and leave it again."""
    file = OutboxFile(os.path.realpath(path), settings())
    looked = Looked(dict(file.take_rows()), file.found, file.next_serial)
    file.abandon()
    return looked


def flipped(content: bytes, bit: int) -> bytes:
    """Return it with one bit flipped."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
