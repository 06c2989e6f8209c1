"""The file of an outbox: opened, locked and checked, written in commits, closed. It knows no threads and no life.

- One connection, with SQLite's exclusive lock from opening to closing: a second program is refused, and there is no file of
  shared memory that two versions of SQLite could disagree about.
- The log is written ahead (WAL) and flushed at each commit (`synchronous=FULL`), so that a commit that returned is on the disk as
  far as the disk keeps its word. A setting that does not take is an error, never a weaker promise in silence.
- Each commit is counted, and the mark beside the file (`mark`) says how many were confirmed: where the file has fewer, its log is
  damaged or lost, and what still stands in it is looked for (`recovery`).
- Until a file was checked its log is kept as it is, whatever happens.
- After an error the file is not written through any more: whoever has it calls `abandon()` and opens it anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import Final

import msgspec

from reconnect import limits
from reconnect.audit.traffic import ranges
from reconnect.errors import OutboxFailed
from reconnect.record import Record
from reconnect.store import places
from reconnect.store.durability import SYNCHRONOUS, Durability
from reconnect.store.failing import is_damage, translated
from reconnect.store.held import StoredRow, decoded, encoded, seed_of
from reconnect.store.layout import (
    MODULUS,
    PAGE,
    Account,
    Contents,
    check_kind,
    is_empty,
    prepare,
    read_all,
    read_carefully,
    write_all,
)
from reconnect.store.mark import Mark, MarkFile, read_mark
from reconnect.store.recovery import lacks, recovered

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
        self._mark = MarkFile(path)
        self._unchecked = False  # it is locked, and nobody knows yet whether SQLite reads all of its log
        try:
            aside = places.finish(path)
            places.make(path)
            self._key = places.claim(path)
        except OSError as error:
            raise translated(path, error) from error
        try:
            self._check()
            if aside and self.found is None:
                self.found = Found(serials=(), missing=0, aside=aside, flaws=("it was damaged when it was opened before",))
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError | sqlite3.Error):
                raise translated(path, error) from error
            raise
        self._unchecked = False
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
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA mmap_size = 0")
        read_carefully(connection)
        new = is_empty(connection)
        self._unchecked = True  # to read a log that is not shared is to lock the file
        if new:
            prepare(connection)
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
        places.drop_kept(path)
        if new:
            write_all(connection, Account(sender=self._settings.sender), [])
            # Whose file it is must not stand in the log alone, which may be damaged.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return connection

    def _check(self) -> None:
        """Read what the file and its log hold, and let a new file take its place where something is wrong."""
        mark = read_mark(self.path)
        try:
            self._connection = self._connect(self.path)
            contents = read_all(self._connection, self.path)
        except sqlite3.DatabaseError as error:
            if not is_damage(error) or not self._recover(None, mark):
                raise
            return
        if lacks(contents, mark):
            self._recover(contents, mark)
            return
        self._take(contents, mark)
        if contents.flaws:
            self._salvage()

    def _take(self, contents: Contents, mark: Mark | None) -> None:
        """Believe this, and give out no serial that may have been given out."""
        account = contents.account
        last = contents.rows[-1][0] if contents.rows else 0
        marked = mark.next_serial if mark is not None and mark.is_of(account.sender) else 0
        next_serial = max(account.next_serial, last + 1, marked) + (SERIALS_WEAK if account.weak else 0)
        contents.account = msgspec.structs.replace(account, next_serial=next_serial, weak=False)
        self._contents = contents

    def _recover(self, found: Contents | None, mark: Mark | None) -> bool:
        """Look behind the place where SQLite stopped reading the log; return whether something was found."""
        self._unchecked = True
        self._drop()
        with places.locked(self.path) as file:
            log = places.log_of(self.path)
            contents = recovered(found, mark, file.read() if log else b"", log, self.path)
            if contents is not None:
                self._take(contents, mark)
                self._salvage()
            return contents is not None

    def _salvage(self) -> None:
        """Write what is good into a new file, and let that one take the place of the damaged one."""
        contents = self._contents
        name = places.beginning(self.path)
        fresh = sqlite3.connect(name, isolation_level=None)
        try:
            prepare(fresh)
            fresh.execute("PRAGMA synchronous = EXTRA")
            write_all(fresh, contents.account, list(encoded(seed_of(contents.account.sender), contents.rows)))
        finally:
            fresh.close()
        places.decide(self.path)
        self._unchecked = False
        # A connection that is open leaves file and log alone when it is closed, for they are not where they were.
        aside = places.finish(self.path)
        self._drop()
        places.release(self._key)
        self._key = places.claim(self.path)
        flaws = tuple(dict.fromkeys(contents.flaws))
        self.found = Found(serials=contents.damaged, missing=contents.missing, aside=aside, flaws=flaws)
        self._connection = self._connect(self.path)
        self._take(read_all(self._connection, self.path), None)

    def mark_open(self) -> None:
        """Write the first commit of this opening, which says what promise was given; raises OutboxFailed."""
        weak = self._settings.durability is not Durability.FULL
        self._write(msgspec.structs.replace(self._account, weak=weak))

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
        commits = account.commits + 1
        account = msgspec.structs.replace(account, held=held, total=total % MODULUS, next_serial=next_serial, commits=commits)
        execute("UPDATE account SET body = ? WHERE id = 1", (account.packed(),))
        execute("COMMIT")
        self._confirm(account, tuple(serial for serial, _, _ in kept))

    def _insert(self, kept: list[tuple[int, int, bytes]]) -> None:
        """Insert many rows with few statements: around each of them SQLite lets the event loop's thread go first."""
        at = 0
        for chunk in _CHUNKS:
            while len(kept) - at >= chunk:
                values = [value for row in kept[at : at + chunk] for value in row]
                self._connection.execute(_INSERTS[chunk], values)
                at += chunk

    def _write(self, account: Account) -> None:
        account = msgspec.structs.replace(account, commits=account.commits + 1)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for table in ("account", "spare"):
                self._connection.execute(f"UPDATE {table} SET body = ? WHERE id = 1", (account.packed(),))  # noqa: S608
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translated(self.path, error) from error
        self._confirm(account)

    def _confirm(self, account: Account, serials: tuple[int, ...] = ()) -> None:
        """Say in the mark that a commit with this account has returned."""
        self._account = account
        try:
            self._mark.write(account)
        except OSError as error:
            why = translated(self._mark.path, error)
            problem = f"its mark {self._mark.path} cannot be written ({why.problem})"
            raise OutboxFailed(self.path, problem, why.remedy, serials=serials, certain=False) from error

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
            self._write(msgspec.structs.replace(self._account, weak=False))
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
        self._mark.close()
        connection = getattr(self, "_connection", None)
        if connection is not None:
            with suppress(sqlite3.Error), places.log_kept(self.path) if self._unchecked else nullcontext():
                connection.close()
        self._unchecked = False


def file_size(signals: int, size: int) -> int:
    """Return how large a file may grow that is to hold so many signals, and so many bytes of type and data."""
    return (size + signals * limits.STORE_ROW_BYTES) * 3 // 2 + 64 * PAGE
