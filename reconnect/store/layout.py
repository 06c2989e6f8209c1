"""What stands in an outbox file: its tables, its account, and how everything in it is read and found good or damaged.

    signals   serial, checksum and body of each signal that is held
    account   whose serials these are, which one comes next, how many rows there are and what their checksums add up to
    spare     a copy of the account from when the file was last opened or closed, on another page

A row that is damaged, hidden or brought back by a damaged page does not match the account, so no damage stays unnoticed. Numbers
and blobs only: nothing depends on an encoding that a flipped bit could change.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from reconnect.record import Record
from reconnect.store.failing import is_damage, unreadable
from reconnect.store.found import Found
from reconnect.store.held import StoredRow, decoded, seed_of

PAGE: Final = 4096
VERSION: Final = 1  # of this layout; a file of a later one is refused
APPLICATION: Final = 0x52436F78  # "RCox": tells an outbox from any other SQLite file
TABLES: Final = {
    "account": "CREATE TABLE account (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "signals": "CREATE TABLE signals (serial INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, body BLOB NOT NULL)",
    "spare": "CREATE TABLE spare (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
}
DAMAGE: Final = (sqlite3.DatabaseError, UnicodeDecodeError)  # the second where SQLite says what is wrong in words of the file
_ORDER: Final = ("out of order", "2nd reference", "never used")  # what it finds in pages that are whole, and of different times
_TWICE: Final = "a row is there twice"
_APART: Final = (_TWICE, "Failed to read ptrmap", "Bad ptr map")  # and in those of an older copy, of which some are missing
SERIALS_APART: Final = 2**32  # where an account was lost, the next serial is above any that the old life can have used
MODULUS: Final = 2**62  # of the sum of checksums


class Account(Record, kw_only=True):
    """Whose file it is, and what must be in it. `weak`: it was open with a weaker promise, and not closed since.

    `commits` grows with each commit. So the mark tells whether one is missing, and the first one of an opening is written like
    any other: SQLite writes nothing where nothing changes. `stored`: how many signals were ever stored.
    `found`: of what damage no session has told yet.
    """

    sender: str
    next_serial: int = 1
    held: int = 0
    total: int = 0
    weak: bool = False
    commits: int = 0
    stored: int = 0
    found: Found | None = None

    def packed(self) -> bytes:
        """Return it as it stands in the file, with a checksum."""
        body = msgspec.json.encode(self)
        return zlib.crc32(body).to_bytes(4, "big") + body


def unpacked(blob: Any) -> Account | None:
    """Return what a blob says, None if it is damaged."""
    if not isinstance(blob, bytes) or zlib.crc32(blob[4:]).to_bytes(4, "big") != blob[:4]:
        return None
    try:
        return msgspec.json.decode(blob[4:], type=Account)
    except msgspec.DecodeError:
        return None


@dataclass(slots=True)
class Contents:
    """What was read from a file. `damaged` are the serials of rows that cannot be believed, `missing` how many are not there.

    `account` fits these rows; `told` is the one that stands in the file, None if it is damaged, and `known` is that or its copy.
    `fits`: these are the rows of `told`, the damaged ones among them. `mixed`: rows that are not, and no page that looks damaged:
    then pages are of different times, and some of the rows may have been forgotten long ago.
    """

    account: Account
    known: Account
    told: Account | None
    rows: list[tuple[int, StoredRow]]
    damaged: tuple[int, ...] = ()
    missing: int = 0
    flaws: list[str] = field(default_factory=list)
    fits: bool = False
    mixed: bool = False


def read_carefully(connection: sqlite3.Connection) -> None:
    """Let a connection be used for a file that may be damaged."""
    connection.text_factory = _text
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def _text(value: bytes) -> str:
    """Read a text whatever its bytes: a flipped bit makes a blob a text, and such a row is to be found, and ends no reading."""
    return value.decode("utf-8", "replace")


def is_empty(connection: sqlite3.Connection) -> bool:
    """True if nothing was ever written: the file is new, or whoever made it was ended before it wrote its tables."""
    pages, application, tables = (
        _one(connection, question)
        for question in ("PRAGMA page_count", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
    )
    return bool(pages <= 1 and application == 0 and tables == 0)


def check_kind(connection: sqlite3.Connection, path: str) -> None:
    """Raise OutboxUnreadable where this is no outbox, or one of a later version."""
    if _one(connection, "PRAGMA application_id") != APPLICATION:
        raise unreadable(path, "it is no outbox", "name another file; nothing in this one was changed")
    version = _one(connection, "PRAGMA user_version")
    if version > VERSION:
        problem = f"it has version {version}, and this release reads {VERSION} at most"
        raise unreadable(path, problem, "use the release that wrote it, or a later one; nothing in it was changed")
    if version < 1:
        raise unreadable(path, f"it has version {version}, which never was")


def write_all(connection: sqlite3.Connection, account: Account, rows: list[tuple[int, int, bytes]]) -> None:
    """Make the tables and fill them, in one commit."""
    connection.execute("BEGIN IMMEDIATE")
    for table in TABLES.values():
        connection.execute(table)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.executemany("INSERT INTO signals VALUES (?, ?, ?)", rows)
    for table in ("account", "spare"):
        connection.execute(f"INSERT INTO {table} VALUES (1, ?)", (account.packed(),))  # noqa: S608  # one of two names
    connection.execute("COMMIT")


def prepare(connection: sqlite3.Connection) -> None:
    """Settle what stands in a new file for its life, before anything is written to it."""
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")


def read_all(connection: sqlite3.Connection, path: str) -> Contents:
    """Read and check everything; raise OutboxUnreadable where not even whose file it is can be read."""
    flaws = _flaws(connection)
    account, spare = (_account(connection, table) for table in ("account", "spare"))
    known = account or spare
    if known is None:
        raise unreadable(path, "it is damaged, and does not say any more whose signals it holds")
    mixed = all(any(word in flaw for word in _ORDER) for flaw in flaws)
    if account is None or spare is None:
        flaws.append("its account is damaged")
    rows: dict[int, StoredRow] = {}
    damaged: list[int] = []
    total, claimed, seed, sound = 0, 0, seed_of(known.sender), len(flaws)
    for serial, told, body in _readable(connection, flaws):
        row = decoded(seed, serial, told, body)
        if row is None:
            damaged.append(serial)
            claimed += told if isinstance(told, int) else 0
        elif serial in rows:
            flaws.append(_TWICE)  # a damaged page may lead to the same one again
        else:
            rows[serial] = row
            total += told
    mixed = (mixed and not damaged and len(flaws) == sound) or any(word in flaw for flaw in flaws for word in _APART)
    fits = account is not None and (len(rows) + len(damaged), (total + claimed) % MODULUS) == (account.held, account.total)
    if damaged:
        flaws.append("rows do not match their checksums")
    elif account is not None and not fits:
        flaws.append(f"it says that it holds {account.held} signals, and {len(rows)} good ones are there")
    next_serial = known.next_serial if account is not None else known.next_serial + SERIALS_APART
    return Contents(
        account=msgspec.structs.replace(known, next_serial=next_serial, held=len(rows), total=total % MODULUS),
        known=known,
        told=account,
        rows=sorted(rows.items()),
        damaged=tuple(damaged),
        missing=max(0, account.held - len(rows) - len(damaged)) if account is not None else 0,
        flaws=flaws,
        fits=fits,
        mixed=mixed and account is not None and not fits,
    )


def _flaws(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the file."""
    flaws: list[str] = []
    try:
        tables = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
        found = _one(connection, "PRAGMA quick_check(1)")
    except DAMAGE as error:
        tables, found = {}, str(error)
        _only_damage(error)
    if tables != TABLES and tables:
        flaws.append("its tables are not those of an outbox")
    if found != "ok":
        flaws.append(str(found).replace("\n", " "))
    return flaws


def _account(connection: sqlite3.Connection, table: str) -> Account | None:
    try:
        return unpacked(_one(connection, f"SELECT body FROM {table} WHERE id = 1"))  # noqa: S608  # one of two names
    except DAMAGE as error:
        _only_damage(error)
        return None


def _readable(connection: sqlite3.Connection, flaws: list[str]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the rows in order of their serials; where a page cannot be read, those before it and those behind it."""
    columns = "SELECT serial, checksum, body FROM signals"
    before: list[tuple[Any, Any, Any]] = []
    try:
        for row in connection.execute(f"{columns} ORDER BY serial"):
            before.append(row)
    except DAMAGE as error:
        _only_damage(error)
        flaws.append(str(error))
    else:
        yield from before
        return
    last = before[-1][0] if before else -1
    behind: list[tuple[Any, Any, Any]] = []
    try:
        for row in connection.execute(f"{columns} WHERE serial > ? ORDER BY serial DESC", (last,)):
            behind.append(row)
    except DAMAGE as error:
        _only_damage(error)
    yield from before
    yield from reversed(behind)


def _only_damage(error: sqlite3.DatabaseError | UnicodeDecodeError) -> None:
    """Raise again what is no damage of the file; a table that is missing is."""
    if isinstance(error, sqlite3.DatabaseError) and not is_damage(error) and "no such" not in str(error):
        raise error


def _one(connection: sqlite3.Connection, question: str) -> Any:
    row = connection.execute(question).fetchone()
    return row[0] if row is not None else None
