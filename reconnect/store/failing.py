"""What SQLite and the operating system say, translated: the one place where a failing outbox file becomes an error of ours."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import Final

from reconnect.errors import OutboxFailed, OutboxInUse, OutboxUnreadable

_IN_USE: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_DAMAGED_FORM: Final = "unsupported file format"  # a number in the header that no release of SQLite writes; it has no code
_PROBLEMS: Final[dict[int, tuple[str, str]]] = {
    sqlite3.SQLITE_FULL: (
        "no space is left for it",
        "make room on the disk; nothing that was stored is lost",
    ),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "give this user the right to write the file and its folder"),
    sqlite3.SQLITE_PERM: ("it cannot be written", "give this user the right to write the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "name a file in a folder that exists and that this user may write"),
    sqlite3.SQLITE_IOERR: ("the disk failed", "look at the disk; the file is checked anew before it is trusted again"),
}
_ALIKE: Final = {
    errno.EACCES: sqlite3.SQLITE_PERM,
    errno.EPERM: sqlite3.SQLITE_PERM,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.ENOSPC: sqlite3.SQLITE_FULL,
}


def in_use(path: str) -> OutboxInUse:
    """Return the error for a file that is open elsewhere."""
    return OutboxInUse(path, "it is open in another program, or in another Outbox of this one", "close that one first")


def unreadable(path: str, problem: str, remedy: str = "") -> OutboxUnreadable:
    """Return the error for a file that is not to be touched."""
    return OutboxUnreadable(path, problem, remedy or "move it away, and look at it with `sqlite3 FILE .recover`")


def code_of(error: sqlite3.Error) -> int:
    """Return the primary result code, 0 where SQLite gave none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """True if the file itself is the problem."""
    return code_of(error) in _DAMAGED or _DAMAGED_FORM in str(error)


def translated(path: str, error: sqlite3.Error | OSError, *, serials: tuple[int, ...] = ()) -> OutboxFailed:
    """Return what an error means for an outbox; signals in a commit that the disk failed in may be there all the same."""
    if isinstance(error, OSError):
        _, remedy = _PROBLEMS[_ALIKE.get(error.errno or 0, sqlite3.SQLITE_CANTOPEN)]
        return OutboxFailed(path, os.strerror(error.errno or 0).lower(), remedy, serials=serials)
    code = code_of(error)
    if code in _IN_USE:
        return in_use(path)
    if is_damage(error):
        return unreadable(path, f"it is damaged ({error})")
    unexpected = f"SQLite failed ({error})", "look at the file with `sqlite3 FILE 'PRAGMA quick_check'`"
    problem, remedy = _PROBLEMS.get(code, unexpected)
    named = getattr(error, "sqlite_errorname", "") or type(error).__name__
    return OutboxFailed(path, f"{problem} ({named})", remedy, serials=serials, certain=code != sqlite3.SQLITE_IOERR)
