"""Paths: makes an outbox file that only its owner can read, holds that one program opens it once, and sets a damaged one aside.

One program at a time has a path, from before it looks at what is there to the end (`Claim`): the lock is on a file of its own,
`FILE-lock`, for the outbox itself may be replaced while it is opened, and a lock on a file that was replaced keeps nobody out.
Only who has the path touches the file, its log, its mark, or what an opening left that was ended.

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
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import BinaryIO, Final

from reconnect import limits
from reconnect.errors import BadArgument, OutboxFailed
from reconnect.store.failing import in_use

MODE: Final = 0o600
LOG: Final = "-wal"
MARK: Final = "-mark"
SIDES: Final = (LOG, "-shm", "-journal", MARK)
KEPT: Final = ".kept-log"
LOCK: Final = "-lock"
_LOCKED: Final = 512, 0x40000000  # the bytes that SQLite's exclusive lock takes (https://www.sqlite.org/lockingv3.html)

_LOOK_AGAIN_SECONDS: Final = 0.01

_open: Final[set[str | tuple[int, int]]] = set()  # the paths, and the files, that this process has
_opening: Final = threading.RLock()  # a claim may be collected while one is made


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the one name of a file."""
    try:
        name = os.fspath(path)
    except TypeError:
        name = path  # type: ignore[assignment]  # said below
    if not isinstance(name, str) or not name or "\0" in name:
        raise BadArgument(f"path is the file of the outbox, as 'outbox.db', and this is {path!r}")
    return os.path.realpath(name)


def check_place(path: str) -> None:
    """Raise where no outbox can be; nothing is opened, and nothing changed. Raises OSError as well."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise OutboxFailed(path, "it is a folder", "name a file in it, as 'outbox.db'")
    if not stat.S_ISREG(mode):
        raise OutboxFailed(path, "it is no regular file", "name a file on a disk, as 'outbox.db'")
    if not os.access(path, os.R_OK | os.W_OK):  # SQLite would open it to read alone, and fail at its first lock
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def make(path: str) -> None:
    """Make an empty file if there is none; raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        return
    os.close(descriptor)
    sync_folder(path)


def is_bare(path: str) -> bool:
    """True if there is no file, or one without a byte: opening that through SQLite would delete the log beside it."""
    try:
        return os.path.getsize(path) == 0
    except FileNotFoundError:
        return True


def is_second_name(path: str) -> bool:
    """True if a file has other names, and neither log nor mark under this one: what it lacks may stand beside another name."""
    status = os.stat(path)
    return status.st_nlink > 1 and status.st_size > 0 and not any(os.path.exists(path + side) for side in (LOG, MARK))


def keep_private(path: str) -> None:
    """Keep others from reading what was found to be an outbox, and what stands beside it."""
    for side in ("", *SIDES):
        if os.path.isfile(path + side) and os.stat(path + side).st_mode & 0o077:
            os.chmod(path + side, MODE)


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


class Claim:
    """A path that this program alone has, until `release()` or for as long as this object is there."""

    def __init__(self, path: str) -> None:
        """Wait for whoever has it, STORE_LOCK_SECONDS at most; raises OutboxInUse or OSError."""
        self.path = path
        self._keys: list[str | tuple[int, int]] = []
        self._add(path)
        try:
            descriptor = _locked_alone(path)
        except BaseException:
            _open.discard(path)
            raise
        self._end = weakref.finalize(self, _let_go, path, self._keys, descriptor, os.getpid())
        self._end.atexit = False  # the system gives the lock back

    def __repr__(self) -> str:
        return f"<Claim {self.path}{'' if self._end.alive else ' released'}>"

    def take_file(self) -> None:
        """Take the file that is there now, too, in place of one before: it may have other names. Raises OutboxInUse."""
        status = os.stat(self.path)
        with _opening:
            _open.difference_update(self._keys[1:])
            del self._keys[1:]
        self._add((status.st_dev, status.st_ino))

    def _add(self, key: str | tuple[int, int]) -> None:
        with _opening:
            if key in _open:
                raise in_use(self.path)
            _open.add(key)
            self._keys.append(key)

    def is_there(self) -> bool:
        """True if the file at this path is still the one that was taken."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._keys[-1]

    def release(self) -> None:
        """Give it back."""
        self._end()


def _locked_alone(path: str) -> int:
    until = time.monotonic() + limits.STORE_LOCK_SECONDS
    while True:
        descriptor = os.open(path + LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, MODE)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it before has taken its name away by now, or else this is the file that all others come upon.
            if os.path.samestat(os.fstat(descriptor), os.stat(path + LOCK)):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                os.close(descriptor)
                raise
        os.close(descriptor)
        if time.monotonic() >= until:
            raise in_use(path)
        time.sleep(_LOOK_AGAIN_SECONDS)


def _let_go(path: str, keys: list[str | tuple[int, int]], descriptor: int, owner: int) -> None:
    if os.getpid() == owner:  # and not a child that was forked, whose parent goes on
        with suppress(OSError):
            os.unlink(path + LOCK)
    os.close(descriptor)
    with _opening:
        _open.difference_update(keys)


@contextmanager
def locked(path: str) -> Iterator[BinaryIO]:
    """Open a file that is not open through SQLite, and keep others from it; raise OutboxInUse where one has it."""
    with open(path, "r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, *_LOCKED)
        except OSError as error:
            raise in_use(path) from error
        yield file


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


def finish(path: str) -> None:
    """Bring to an end what was begun, if it was."""
    if not os.path.exists(path + LOG):  # whoever closed it was ended before it gave the log back
        with suppress(FileNotFoundError):
            os.rename(path + KEPT, path + LOG)
    if not os.path.exists(path + ".salvaged"):
        return
    aside = aside_of(path)
    if os.path.exists(path) and not os.path.exists(aside):
        os.link(path, aside)
    # A log that belongs to the old file must not meet the new one.
    for side in SIDES:
        if os.path.exists(path + side):
            os.replace(path + side, aside + side)
    sync_folder(path)
    os.replace(path + ".salvaged", path)
    sync_folder(path)


def aside_of(path: str) -> str:
    """Return the name under which the file is to be set aside; the same one until that is done."""
    return next(name for number in count(1) if _may_be(path, name := f"{path}.damaged-{number}"))


def _may_be(path: str, aside: str) -> bool:
    """True if the file may be set aside under this name, or was already when whoever did it was ended."""
    return not os.path.exists(aside) or (os.path.exists(path) and os.path.samefile(path, aside))


@contextmanager
def log_kept(path: str) -> Iterator[None]:
    """Let a file that is locked be closed without losing its log: SQLite deletes it, the part that it could not read as well."""
    try:
        if os.path.getsize(path + LOG):  # else SQLite has just made it
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
