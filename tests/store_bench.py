"""What tests of the durable outbox share: rows, a store that works on the calling thread, and answers that are kept."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from reconnect.core.rows import Row
from reconnect.errors import OutboxFailed
from reconnect.store.durability import Durability
from reconnect.store.file import FileSettings, OutboxFile, file_size
from reconnect.store.held import StoredRow
from reconnect.store.sqlite import SqliteOutboxStore

SENDER = "ab" * 16


def row(serial: int, data: bytes = b'"reading"', **fields: Any) -> Row:
    """Return a signal as the core hands it to a store."""
    return Row(
        serial,
        fields.pop("type", "reading"),
        data,
        fields.pop("to", None),
        fields.pop("expires_at", None),
        **{"keep": True, **fields},
    )


def stored_row(serial: int, size: int = 20) -> StoredRow:
    """Return a row whose payload tells its serial."""
    return StoredRow("reading", b'"%d %s"' % (serial, b"x" * size), None, None, True)


def settings(durability: Durability = Durability.FULL, *, signals: int = 1_000, size: int = 1 << 20) -> FileSettings:
    """Return how a file is opened."""
    return FileSettings(durability=durability, size=file_size(signals, size), sender=SENDER)


def opened(path: Path, **options: Any) -> OutboxFile:
    """Return an open file that took its first commit."""
    file = OutboxFile(os.path.realpath(path), settings(**options))
    file.mark_open()
    return file


def filled(path: Path, serials: Iterable[int], *, size: int = 20) -> None:
    """Make a file that holds these signals, and close it."""
    file = opened(path)
    for serial in serials:
        file.commit([(serial, stored_row(serial, size))], ())
    file.close()


class Inline:
    """A worker that works at once, on the calling thread (reconnect.store.worker.Worker)."""

    def __init__(self, work: Callable[[], float | None], name: str) -> None:
        self.work, self.name = work, name
        self.again: float | None = None
        self.held = False

    def wake(self) -> None:
        """Do the work, unless the test wants it to wait."""
        if not self.held:
            self.again = self.work()

    def stop(self) -> None:
        """Nothing runs."""


class StoreBench:
    """A store on the calling thread, with everything that it answered."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.path = path
        self.answers: list[int | OutboxFailed] = []
        self.workers: list[Inline] = []
        self.store = SqliteOutboxStore(path, worker=self._worker, **options)

    def _worker(self, work: Callable[[], float | None], name: str) -> Inline:
        self.workers.append(Inline(work, name))
        return self.workers[-1]

    @property
    def worker(self) -> Inline:
        """The store's worker."""
        return self.workers[-1]

    def put(self, *serials: int) -> int | OutboxFailed:
        """Put signals, and return what was answered."""
        self.store.put([row(serial) for serial in serials], self.answers.append)
        return self.answers[-1]

    def pending(self) -> list[int]:
        """Return the serials that the file holds."""
        return [held.serial for held in self.store.pending()]


class Breaking:
    """A connection of SQLite that fails at its n-th statement of a kind, and then works again."""

    def __init__(self, connection: sqlite3.Connection, word: str, code: int) -> None:
        self._connection, self._word, self._code = connection, word, code
        self.broken = True

    def execute(self, statement: str, *values: Any) -> Any:
        """Fail where the statement begins with the word."""
        if self.broken and statement.startswith(self._word):
            error = sqlite3.OperationalError("as the test wants it")
            error.sqlite_errorcode, error.sqlite_errorname = self._code, "SQLITE_TEST"
            raise error
        return self._connection.execute(statement, *values)

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def break_commit(store: SqliteOutboxStore, code: int = sqlite3.SQLITE_IOERR, word: str = "COMMIT") -> None:
    """Let the next commit of this store's file fail."""
    file = store._file
    assert file is not None
    file._connection = Breaking(file._connection, word, code)  # type: ignore[assignment]  # what a test puts in its place
