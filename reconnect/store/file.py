"""The file of an outbox: opened, locked and checked, written in commits, closed. It knows no threads and no life.

- One connection, with SQLite's exclusive lock from opening to closing: a second program is refused, and there is no file of
  shared memory that two versions of SQLite could disagree about.
- The log is written ahead (WAL) and flushed at each commit (`synchronous=FULL`), so that a commit that returned is on the disk as
  far as the disk keeps its word. A setting that does not take is an error, never a weaker promise in silence.
- After an error the file is not written through any more: whoever has it calls `abandon()` and opens it anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from reconnect import limits
from reconnect.audit.traffic import ranges
from reconnect.errors import OutboxFailed
from reconnect.record import Record
from reconnect.store import places
from reconnect.store.durability import SYNCHRONOUS, Durability
from reconnect.store.failing import translated
from reconnect.store.held import StoredRow, decoded, encoded, seed_of
from reconnect.store.layout import MODULUS, Account, Contents, check_kind, is_empty, read_all, write_all

PAGE: Final = 4096
SERIALS_WEAK: Final = 2**20  # more than a power cut can have taken from a log that was not flushed
_CHUNKS: Final = (256, 32, 4, 1)  # rows of one INSERT: each is a statement that SQLite keeps prepared
_INSERTS: Final = {rows: f"INSERT INTO signals VALUES {', '.join(['(?, ?, ?)'] * rows)}" for rows in _CHUNKS}  # noqa: S608


class FileSettings(Record, kw_only=True):
    """How a file is opened: the promise, how large it may grow, and the sender that a new one gets."""

    durability: Durability
    size: int
    sender: str


class Found(Record, kw_only=True):
    """What was wrong with a file: which rows were set aside, how many are missing, and where the damaged file is now."""

    serials: tuple[int, ...]
    missing: int
    aside: str
    flaws: tuple[str, ...]

    def __str__(self) -> str:
        lost = f"{len(self.serials)} damaged signals were set aside, {self.missing} are missing"
        return f"the outbox file was damaged: {lost}; the damaged file is {self.aside} ({'; '.join(self.flaws)})"


class OutboxFile:
    """An outbox file that is open."""

    def __init__(self, path: str, settings: FileSettings) -> None:
        """Open, lock and check the file, or make it; `found` is what was wrong with it. Raises OutboxFailed."""
        self.path = path
        self._settings = settings
        self.found: Found | None = None
        try:
            aside = places.finish(path)
            places.make(path)
            self._key = places.claim(path)
        except OSError as error:
            raise translated(path, error) from error
        try:
            self._connection = self._connect(path)
            self._contents = self._read()
            if self._contents.flaws:
                self._salvage()
            elif aside:
                self.found = Found(serials=(), missing=0, aside=aside, flaws=("it was damaged when it was opened before",))
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError | sqlite3.Error):
                raise translated(path, error) from error
            raise
        self._account = self._contents.account
        self._seed = seed_of(self._account.sender)

    def __repr__(self) -> str:
        return f"<OutboxFile {self.path} held={self._account.held} next={self._account.next_serial}>"

    @property
    def sender(self) -> str:
        """The random id whose serials these are, for the life of the file."""
        return self._account.sender

    @property
    def next_serial(self) -> int:
        """The serial that no signal of this sender had yet."""
        return self._account.next_serial

    def take_rows(self) -> list[tuple[int, StoredRow]]:
        """Return what the file held when it was opened, in order, once."""
        rows, self._contents.rows = self._contents.rows, []
        return rows

    # -- opening -----------------------------------------------------------------------------------------------------------------

    def _connect(self, path: str) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=limits.STORE_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.text_factory = _text
        for setting in ("locking_mode = EXCLUSIVE", "trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            connection.execute(f"PRAGMA {setting}")
        new = is_empty(connection)
        if new:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        else:
            check_kind(connection, path)
        synchronous = SYNCHRONOUS[self._settings.durability]
        for name, value in (("journal_mode", "wal"), ("synchronous", synchronous), ("fullfsync", 1), ("checkpoint_fullfsync", 1)):
            connection.execute(f"PRAGMA {name} = {value}").fetchone()
            (got,) = connection.execute(f"PRAGMA {name}").fetchone()
            if got != value:
                problem = f"SQLite keeps {name} at {got} where {value} was asked for, so nothing could be promised"
                raise OutboxFailed(path, problem, "put the file on a local disk")
        connection.execute(f"PRAGMA wal_autocheckpoint = {limits.STORE_WAL_BYTES // PAGE}")
        connection.execute(f"PRAGMA journal_size_limit = {limits.STORE_WAL_BYTES}")
        connection.execute(f"PRAGMA max_page_count = {self._settings.size // PAGE}")
        # A log of changes that was removed must not come back after a power cut: it would undo the change to this kind of log.
        places.sync_folder(path)
        # The lock is held from the first transaction on.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        if new:
            write_all(connection, Account(sender=self._settings.sender), [])
        return connection

    def _read(self) -> Contents:
        contents = read_all(self._connection, self.path)
        account = contents.account
        last = contents.rows[-1][0] if contents.rows else 0
        next_serial = max(account.next_serial, last + 1) + (SERIALS_WEAK if account.weak else 0)
        contents.account = msgspec.structs.replace(account, next_serial=next_serial)
        return contents

    def _salvage(self) -> None:
        """Write what is good into a new file, and let that one take the place of the damaged one."""
        contents = self._contents
        name = places.beginning(self.path)
        fresh = sqlite3.connect(name, isolation_level=None)
        try:
            fresh.execute(f"PRAGMA page_size = {PAGE}")
            fresh.execute("PRAGMA auto_vacuum = INCREMENTAL")
            fresh.execute("PRAGMA synchronous = EXTRA")
            write_all(fresh, contents.account, list(encoded(seed_of(contents.account.sender), contents.rows)))
        finally:
            fresh.close()
        self._drop()
        aside = places.completed(self.path)
        places.release(self._key)
        self._key = places.claim(self.path)
        flaws = tuple(dict.fromkeys(contents.flaws))
        self.found = Found(serials=contents.damaged, missing=contents.missing, aside=aside, flaws=flaws)
        self._connection = self._connect(self.path)
        self._contents = self._read()

    def mark_open(self) -> None:
        """Write the first commit of this opening, which says what promise was given; raises OutboxFailed."""
        weak = self._settings.durability is not Durability.FULL
        account = msgspec.structs.replace(self._account, weak=weak, openings=self._account.openings + 1)
        self._write(account, tables=("account", "spare"))

    # -- writing -----------------------------------------------------------------------------------------------------------------

    def commit(self, rows: Sequence[tuple[int, StoredRow]], gone: Iterable[int]) -> None:
        """Keep these rows, in the order of their serials, and forget those that are gone; return once that is on the disk."""
        kept = list(encoded(self._seed, rows))
        if not places.is_claimed(self.path, self._key):
            problem = "it was moved or removed while it was open"
            raise OutboxFailed(self.path, problem, "put it back", serials=tuple(serial for serial, _, _ in kept))
        try:
            self._write_rows(kept, list(gone))
        except sqlite3.Error as error:
            raise translated(self.path, error, serials=tuple(serial for serial, _, _ in kept)) from error

    def _write_rows(self, kept: list[tuple[int, int, bytes]], gone: list[int]) -> None:
        execute = self._connection.execute
        account = self._account
        held, total = account.held + len(kept), account.total + sum(told for _, told, _ in kept)
        execute("BEGIN IMMEDIATE")
        self._insert(kept)
        for first, last in ranges(gone):
            question = "SELECT count(*), coalesce(sum(checksum), 0) FROM signals WHERE serial BETWEEN ? AND ?"
            rows, sums = execute(question, (first, last)).fetchone()
            if rows:
                execute("DELETE FROM signals WHERE serial BETWEEN ? AND ?", (first, last))
                held, total = held - rows, total - sums
        next_serial = max(account.next_serial, kept[-1][0] + 1) if kept else account.next_serial
        account = msgspec.structs.replace(account, held=held, total=total % MODULUS, next_serial=next_serial)
        execute("UPDATE account SET body = ? WHERE id = 1", (account.packed(),))
        execute("COMMIT")
        self._account = account

    def _insert(self, kept: list[tuple[int, int, bytes]]) -> None:
        """Insert many rows with few statements: around each of them SQLite lets the event loop's thread go first."""
        at = 0
        for chunk in _CHUNKS:
            while len(kept) - at >= chunk:
                values = [value for row in kept[at : at + chunk] for value in row]
                self._connection.execute(_INSERTS[chunk], values)
                at += chunk

    def _write(self, account: Account, *, tables: Sequence[str]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for table in tables:
                self._connection.execute(f"UPDATE {table} SET body = ? WHERE id = 1", (account.packed(),))  # noqa: S608
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(self.path, error) from error
        self._account = account

    # -- reading, closing --------------------------------------------------------------------------------------------------------

    def rows(self) -> list[tuple[int, StoredRow]]:
        """Return the good rows that are in the file now, in order; raises OutboxFailed."""
        try:
            found = self._connection.execute("SELECT serial, checksum, body FROM signals ORDER BY serial").fetchall()
        except sqlite3.Error as error:
            raise translated(self.path, error) from error
        rows = ((serial, decoded(self._seed, serial, told, body)) for serial, told, body in found)
        return [(serial, row) for serial, row in rows if row is not None]

    def close(self) -> None:
        """Bring the log into the file, give free pages back, and hand the lock on."""
        try:
            self._write(msgspec.structs.replace(self._account, weak=False), tables=("account", "spare"))
            # It frees one page at each step, which execute() takes only one of.
            self._connection.executescript("PRAGMA incremental_vacuum")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise translated(self.path, error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without another write of ours, and hand the lock on. What was committed is in the file or in its log."""
        self._drop()
        if hasattr(self, "_key"):
            places.release(self._key)

    def _drop(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _text(value: bytes) -> str:
    """Read a text whatever its bytes: a flipped bit makes a blob a text, and such a row is to be found, and ends no reading."""
    return value.decode("utf-8", "replace")


def file_size(signals: int, size: int) -> int:
    """Return how large a file may grow that is to hold so many signals, and so many bytes of type and data."""
    return (size + signals * limits.STORE_ROW_BYTES) * 3 // 2 + 64 * PAGE
