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
from reconnect.errors import OutboxFailed, OutboxInUse
from reconnect.record import Record
from reconnect.store import places
from reconnect.store.durability import SYNCHRONOUS, Durability
from reconnect.store.failing import is_damage, translated, unreadable
from reconnect.store.found import Found
from reconnect.store.held import StoredRow, decoded, encoded, seed_of
from reconnect.store.layout import (
    DAMAGE,
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
from reconnect.store.mark import Mark, MarkFile, foreign, read_mark
from reconnect.store.recovery import counted, hides, is_foreign, lacks, recovered

SERIALS_WEAK: Final = 2**20  # more than a power cut can have taken from a log that was not flushed
_CHUNKS: Final = (256, 32, 4, 1)  # rows of one INSERT: each is a statement that SQLite keeps prepared
_INSERTS: Final = {rows: f"INSERT INTO signals VALUES {', '.join(['(?, ?, ?)'] * rows)}" for rows in _CHUNKS}  # noqa: S608


class FileSettings(Record, kw_only=True):
    """How a file is opened: the promise, how large it may grow, and the sender and the next serial that a new one gets."""

    durability: Durability
    size: int
    sender: str
    next_serial: int = 1


class OutboxFile:
    """An outbox file that is open."""

    def __init__(self, path: str, settings: FileSettings) -> None:
        """Lock, open and check the file, or make it; `found` is what was wrong, and not told yet. Raises OutboxFailed."""
        self.path = path
        self._settings = settings
        self._mark = MarkFile(path)
        self._unchecked = False  # it is locked, and nobody knows yet whether SQLite reads all of its log
        try:
            places.check_place(path)
            self._claim = places.Claim(path)
        except OSError as error:
            raise translated(path, error) from error
        try:
            places.finish(path)
            self._check()
        except BaseException as error:
            self.abandon()
            if isinstance(error, OSError | sqlite3.Error):
                raise translated(path, error) from error
            raise
        self._unchecked = False
        self._account = self._contents.account
        self.found = self._account.found
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

    def _connect(self, path: str, mark: Mark | None) -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=limits.STORE_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection = connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA mmap_size = 0")
        read_carefully(connection)
        try:
            new = is_empty(connection)
        except sqlite3.Error as error:
            self._unchecked = not isinstance(translated(path, error), OutboxInUse)
            raise
        self._unchecked = True  # to read a log that is not shared is to lock the file
        if not new:
            check_kind(connection, path)
        elif mark is not None and _held(mark):
            raise _emptied(path)
        else:
            prepare(connection)
        places.keep_private(path)  # no sooner: a file that was named by mistake keeps its mode
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
            write_all(connection, Account(sender=self._settings.sender, next_serial=self._settings.next_serial), [])
            # Whose file it is must not stand in the log alone, which may be damaged.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return connection

    def _check(self) -> None:
        """Read what the file and its log hold, and let a new file take its place where something is wrong."""
        mark = read_mark(self.path)
        if mark is not None and _held(mark) and places.is_bare(self.path):
            self._bring_back(mark)
            return
        places.make(self.path)
        self._claim.take_file()
        if places.is_second_name(self.path):
            problem = "it has another name, and its log may stand beside that one"
            raise unreadable(self.path, problem, "open it by its first name, or copy it together with its -wal and its -mark")
        try:
            self._connection = self._connect(self.path, mark)
            contents = read_all(self._connection, self.path)
        except DAMAGE as error:
            if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                raise
            if not self._recover(None, mark):
                raise unreadable(self.path, f"it is damaged ({error})") from error
            return
        if is_foreign(contents, mark):
            raise foreign(self.path)
        if lacks(contents, mark) or hides(contents, mark, self.path):
            self._recover(contents, mark)
        elif contents.flaws:
            self._take(counted(contents, mark), mark)
            self._salvage()
        else:
            self._take(contents, mark)

    def _take(self, contents: Contents, mark: Mark | None) -> None:
        """Believe this, and give out no serial that may have been given out."""
        account = contents.account
        last = contents.rows[-1][0] if contents.rows else 0
        weak, marked, found = account.weak, 0, account.found
        if mark is None:
            weak = weak or account.commits > 0  # somebody has removed it: no kill does
        elif mark.is_damaged:
            weak, flaw = True, "its mark is damaged, so a log that was cut is not missed"
            found = Found(serials=(), missing=0, aside="", flaws=(flaw,)).after(account.found)
        elif mark.is_of(account.sender):
            weak, marked = weak or mark.weak, mark.next_serial
        next_serial = max(account.next_serial, last + 1, marked) + (SERIALS_WEAK if weak else 0)
        contents.account = msgspec.structs.replace(account, next_serial=next_serial, weak=False, found=found)
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

    def _bring_back(self, mark: Mark) -> None:
        """The file is gone, and held signals: its log may have all of it. SQLite would begin a new file, and delete the log."""
        contents = recovered(None, mark, b"", places.log_of(self.path), self.path)
        told = contents.told if contents is not None and not contents.damaged and not contents.missing else None
        if contents is None or told is None or told.commits < mark.commits:
            raise _emptied(self.path)
        places.make(self.path)
        self._take(contents, mark)
        self._salvage()

    def _salvage(self) -> None:
        """Write what is good into a new file, and let that one take the place of the damaged one.

        What was found stands in it: whoever is ended before it is told has not hidden it.
        """
        contents = self._contents
        flaws, aside = tuple(dict.fromkeys(contents.flaws)), places.aside_of(self.path)
        found = Found(serials=contents.damaged, missing=contents.missing, aside=aside, flaws=flaws)
        account = msgspec.structs.replace(contents.account, found=found.after(contents.account.found))
        name = places.beginning(self.path)
        fresh = sqlite3.connect(name, isolation_level=None)
        try:
            prepare(fresh)
            fresh.execute("PRAGMA synchronous = EXTRA")
            write_all(fresh, account, list(encoded(seed_of(contents.account.sender), contents.rows)))
        finally:
            fresh.close()
        places.decide(self.path)
        self._unchecked = False
        # A connection that is open leaves file and log alone when it is closed, for they are not where they were.
        places.finish(self.path)
        self._drop()
        self._claim.take_file()
        self._connection = self._connect(self.path, None)
        self._contents = read_all(self._connection, self.path)

    def mark_open(self) -> None:
        """Write the first commit of this opening, which says what promise was given; raises OutboxFailed."""
        weak = self._settings.durability is not Durability.FULL
        self._write(msgspec.structs.replace(self._account, weak=weak))

    def told(self, found: Found | None) -> None:
        """A session has told this: with the next commit the file says no more of it."""
        if self._account.found is not None and self._account.found == found:
            self._account = msgspec.structs.replace(self._account, found=None)

    # -- writing -----------------------------------------------------------------------------------------------------------------

    def commit(self, rows: Sequence[tuple[int, StoredRow]], gone: Iterable[int]) -> None:
        """Keep these rows, in the order of their serials, and forget those that are gone; return once that is on the disk."""
        kept = list(encoded(self._seed, rows))
        if not self._claim.is_there():
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
        account = msgspec.structs.replace(
            account,
            held=held,
            total=total % MODULUS,
            next_serial=next_serial,
            commits=commits,
            stored=account.stored + len(kept),
        )
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
        self._claim.release()

    def _drop(self) -> None:
        self._mark.close()
        connection = getattr(self, "_connection", None)
        if connection is not None:
            with suppress(sqlite3.Error), places.log_kept(self.path) if self._unchecked else nullcontext():
                if self._unchecked:
                    connection.interrupt()  # what nobody checked is not brought into the file
                connection.close()
        self._unchecked = False


def _held(mark: Mark) -> bool:
    """True if the file beside this mark held signals, or may have."""
    return mark.held > 0 or mark.is_damaged


def _emptied(path: str) -> OutboxFailed:
    problem = "it is gone or empty, and by its mark there are signals in it"
    remedy = f"put the file back, or remove {path}{places.MARK} to begin a new outbox; nothing was deleted"
    return unreadable(path, problem, remedy)


def file_size(signals: int, size: int) -> int:
    """Return how large a file may grow that is to hold so many signals, and so many bytes of type and data."""
    return (size + signals * limits.STORE_ROW_BYTES) * 3 // 2 + 64 * PAGE
