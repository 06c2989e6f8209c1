"""Paths: makes an outbox file that only its owner can read, holds that one program opens it once, and sets a damaged one aside.

Setting aside survives a power cut at any moment. The new file is complete and on disk under the name `FILE.salvaged` before the
old one is touched, and whoever opens the outbox next finishes what was begun; the old file keeps its content under a name of its
own, `FILE.damaged-1`, and is never deleted here; its log and its mark go with it. A log that SQLite cannot read to its end has a
second name, `FILE.kept-log`, while a connection is closed that would delete it.

A file that is open through SQLite is never opened in another way: closing any descriptor of it would give up the locks that
POSIX counts per process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import BinaryIO, Final

from reconnect.errors import BadArgument, OutboxFailed
from reconnect.store.failing import in_use

MODE: Final = 0o600
LOG: Final = "-wal"
MARK: Final = "-mark"
SIDES: Final = (LOG, "-shm", "-journal", MARK)
KEPT: Final = ".kept-log"
_LOCKED: Final = 512, 0x40000000  # the bytes that SQLite's exclusive lock takes (https://www.sqlite.org/lockingv3.html)

_open: Final[set[tuple[int, int]]] = set()
_opening: Final = threading.Lock()


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the one name of a file."""
    try:
        name = os.fspath(path)
    except TypeError:
        name = path  # type: ignore[assignment]  # said below
    if not isinstance(name, str) or not name or "\0" in name:
        raise BadArgument(f"path is the file of the outbox, as 'outbox.db', and this is {path!r}")
    return os.path.realpath(name)


def make(path: str) -> None:
    """Make an empty file if there is none, and keep others from reading what is there; raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        if os.path.isdir(path):
            raise OutboxFailed(path, "it is a folder", "name a file in it, as 'outbox.db'") from None
        if not os.access(path, os.R_OK | os.W_OK):  # SQLite would open it to read alone, and fail at its first lock
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path) from None
        for side in ("", *SIDES):
            if os.path.exists(path + side) and os.stat(path + side).st_mode & 0o077:
                os.chmod(path + side, MODE)
    else:
        os.close(descriptor)
        sync_folder(path)


def log_of(path: str) -> bytes:
    """Return the log that stands beside a file, empty where there is none: no lock is taken on it."""
    try:
        with open(path + LOG, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def sync_folder(path: str) -> None:
    """Bring the names in the folder of a file to the disk."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def claim(path: str) -> tuple[int, int]:
    """Take a file for this process; raise OutboxInUse where it has it open already."""
    status = os.stat(path)
    key = status.st_dev, status.st_ino
    with _opening:
        if key in _open:
            raise in_use(path)
        _open.add(key)
    return key


def is_claimed(path: str, key: tuple[int, int]) -> bool:
    """True if the file at this path is still the one that was claimed."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == key


@contextmanager
def locked(path: str) -> Iterator[BinaryIO]:
    """Open a file that is not open through SQLite, and keep others from it; raise OutboxInUse where one has it."""
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, *_LOCKED)
        except OSError as error:
            raise in_use(path) from error
        yield file


def release(key: tuple[int, int]) -> None:
    """Give a file back."""
    with _opening:
        _open.discard(key)


def beginning(path: str) -> str:
    """Return a name for a new file that is to take the place of a damaged one; nothing is there."""
    name = path + ".salvaging"
    for side in ("", *SIDES):
        if os.path.exists(name + side):
            os.unlink(name + side)
    make(name)
    return name


def decide(path: str) -> None:
    """The new file is whole: from here on it is to take the place of the damaged one, whatever happens."""
    sync_folder(path)
    os.replace(path + ".salvaging", path + ".salvaged")
    sync_folder(path)


def finish(path: str) -> str:
    """Bring to an end what was begun, if it was; return where the damaged file is now."""
    if not os.path.exists(path + LOG):  # whoever closed it was ended before it gave the log back
        with suppress(FileNotFoundError):
            os.rename(path + KEPT, path + LOG)
    if not os.path.exists(path + ".salvaged"):
        return ""
    aside = next(name for number in count(1) if _may_be(path, name := f"{path}.damaged-{number}"))
    if os.path.exists(path) and not os.path.exists(aside):
        os.link(path, aside)
    # A log that belongs to the old file must not meet the new one.
    for side in SIDES:
        if os.path.exists(path + side):
            os.replace(path + side, aside + side)
    sync_folder(path)
    os.replace(path + ".salvaged", path)
    sync_folder(path)
    return aside


def _may_be(path: str, aside: str) -> bool:
    """True if the file may be set aside under this name, or was already when whoever did it was ended."""
    return not os.path.exists(aside) or (os.path.exists(path) and os.path.samefile(path, aside))


@contextmanager
def log_kept(path: str) -> Iterator[None]:
    """Let a file that is locked be closed without losing its log: SQLite deletes it, the part that it could not read as well."""
    try:
        os.link(path + LOG, path + KEPT)
    except OSError:
        with suppress(OSError):  # there is none, or no room for a second name
            os.rename(path + LOG, path + KEPT)
    yield
    with suppress(FileNotFoundError):  # also where another program was quicker to bring it back
        if os.path.exists(path + LOG):
            os.unlink(path + KEPT)
        else:
            os.rename(path + KEPT, path + LOG)


def drop_kept(path: str) -> None:
    """The file is locked and has its log: a second name for that is of no use any more, and would soon be out of date."""
    with suppress(FileNotFoundError):
        os.unlink(path + KEPT)
