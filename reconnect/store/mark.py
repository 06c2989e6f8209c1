"""The mark beside an outbox file: how far it had come when it last confirmed a commit, so that commits which vanish are missed.

SQLite takes the first damaged page of its log for the end of it, as after a power cut, and says nothing. The mark tells the two
apart: `outbox.db-mark` is overwritten in place after each commit that returned. It is flushed at the first one of an opening, and
not after that. Under `synchronous=FULL` the log is on the disk by then, so a power cut may leave the mark behind the file, and
never ahead of it; the end of a process leaves both. A mark that is ahead therefore means that commits are gone.

What must not be lost with the log stands in it as well: whose serials these are, and whether they were given out under a weaker
promise. It lies within one sector, so it is never torn. A mark of zeros, or an empty one, is one that a power cut kept from being
written, and is as none. Any other that does not match its checksum is damaged: it says nothing but that it was there.

Nothing but a regular file is read or written as a mark. One that cannot be read is an error: it may say that commits are gone.
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from struct import Struct
from typing import Final

from reconnect.errors import OutboxFailed, OutboxUnreadable
from reconnect.record import Record
from reconnect.store import places
from reconnect.store.failing import translated
from reconnect.store.layout import Account

_FORM: Final = Struct(">32sQQQQQ?")  # sender, commits, next serial, stored, held, total, weak; their checksum stands behind them
_CHECK: Final = Struct(">I")
_SIZE: Final = _FORM.size + _CHECK.size
_NO_FILE: Final = frozenset({errno.ELOOP, errno.EISDIR, errno.ENXIO})  # a link, a folder, a socket
_REGULAR: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # no link is followed, and nobody waits for a pipe's other end


class Mark(Record, kw_only=True):
    """What the account of the file said in the last commit that was confirmed."""

    sender: str
    commits: int = 0
    next_serial: int = 1
    stored: int = 0
    held: int = 0
    total: int = 0
    weak: bool = False

    def is_of(self, sender: str) -> bool:
        """True if it stands beside a file of this sender's."""
        return self.sender == sender

    @property
    def is_damaged(self) -> bool:
        """True if nobody knows what it said."""
        return not self.sender


DAMAGED: Final = Mark(sender="", weak=True)
"""A mark that does not match its checksum: any serial may have been given out, and any commit be gone."""


def read_mark(path: str) -> Mark | None:
    """Return the mark beside an outbox file, None where there is none; raise OutboxFailed where it cannot be read."""
    try:
        descriptor = _opened(path + places.MARK, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unread(path, error) from error
    try:
        told = os.read(descriptor, _SIZE + 1)
    except OSError as error:
        raise _unread(path, error) from error
    finally:
        os.close(descriptor)
    return _understood(told)


def _understood(told: bytes) -> Mark | None:
    body, check = told[: _FORM.size], told[_FORM.size :]
    if not any(told):
        return None
    if len(body) < _FORM.size or _CHECK.pack(zlib.crc32(body)) != check:
        return DAMAGED
    sender, commits, next_serial, stored, held, total, weak = _FORM.unpack(body)
    return Mark(
        sender=sender.rstrip(b"\0").decode("utf-8", "replace"),
        commits=commits,
        next_serial=next_serial,
        stored=stored,
        held=held,
        total=total,
        weak=weak,
    )


def _opened(path: str, flags: int) -> int:
    """Open a mark, and nothing that is none; raises OSError, and OutboxFailed for what it must not touch."""
    try:
        descriptor = os.open(path, flags | _REGULAR, places.MODE)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _no_file(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def _no_file(path: str) -> OutboxFailed:
    return OutboxFailed(path, "it is no regular file", "remove it: it is in the place of the outbox's mark; nothing was changed")


def _unread(path: str, error: OSError) -> OutboxFailed:
    why = translated(path + places.MARK, error)
    problem = f"its mark {path}{places.MARK} cannot be read ({why.problem})"
    return OutboxFailed(path, problem, "let this user read it: it tells whether anything is missing; nothing was changed")


def foreign(path: str) -> OutboxUnreadable:
    """Return the error for a file, or its log, beside the mark of another one."""
    problem = f"{path}{places.MARK} is of another outbox, so {path}, {path}{places.LOG} and it do not belong together"
    remedy = f"put back the one that is in the wrong place, or remove {path}{places.MARK} if the others are what you want"
    return OutboxUnreadable(path, problem, f"{remedy}; nothing was changed")


class MarkFile:
    """Writes the mark beside an outbox file that is open."""

    def __init__(self, path: str) -> None:
        """Nothing is made before the first commit."""
        self.path = path + places.MARK
        self._descriptor: int | None = None

    def __repr__(self) -> str:
        return f"<MarkFile {self.path}{'' if self._descriptor is None else ' open'}>"

    def write(self, account: Account) -> None:
        """Say that a commit with this account was confirmed; raises OSError, and OutboxFailed for what is no mark."""
        if self._descriptor is None:
            self._descriptor = _opened(self.path, os.O_RDWR | os.O_CREAT)
            os.ftruncate(self._descriptor, _SIZE)
            self._put(account)
            os.fsync(self._descriptor)  # its content and its name are there from now on; what it says later need not be
            places.sync_folder(self.path)
        else:
            self._put(account)

    def _put(self, account: Account) -> None:
        sender = account.sender.encode()
        body = _FORM.pack(sender, account.commits, account.next_serial, account.stored, account.held, account.total, account.weak)
        assert len(sender) <= 32, "senders are 32 digits"
        assert self._descriptor is not None, "it was made before"
        os.pwrite(self._descriptor, body + _CHECK.pack(zlib.crc32(body)), 0)

    def close(self) -> None:
        """Leave it as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
