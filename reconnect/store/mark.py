"""The mark beside an outbox file: how far it had come when it last confirmed a commit, so that commits which vanish are missed.

SQLite takes the first damaged page of its log for the end of it, as after a power cut, and says nothing. The mark tells the two
apart: `outbox.db-mark` is overwritten in place after each commit that returned, and is not flushed. Under `synchronous=FULL` the
log is on the disk by then, so a power cut may leave the mark behind the file, and never ahead of it; the end of a process
leaves both. A mark that is ahead therefore means that commits are gone.

A mark that is damaged, cut short, absent or of another sender says nothing, and is written anew. It lies within one sector.
"""

from __future__ import annotations

import os
import zlib
from struct import Struct
from typing import Final

from reconnect.record import Record
from reconnect.store import places
from reconnect.store.held import seed_of
from reconnect.store.layout import Account

_FORM: Final = Struct(">IQQQ")  # the sender's seed, commits, next serial, rows held; their checksum stands behind them
_CHECK: Final = Struct(">I")


class Mark(Record, kw_only=True):
    """What the account of the file said in the last commit that was confirmed. `seed` tells its sender."""

    seed: int
    commits: int
    next_serial: int
    held: int

    def is_of(self, sender: str) -> bool:
        """True if it stands beside a file of this sender's."""
        return self.seed == seed_of(sender)


def read_mark(path: str) -> Mark | None:
    """Return the mark beside an outbox file, None where it says nothing."""
    try:
        with open(path + places.MARK, "rb") as file:
            told = file.read()
    except OSError:
        return None
    body, check = told[: _FORM.size], told[_FORM.size :]
    if len(body) < _FORM.size or _CHECK.pack(zlib.crc32(body)) != check:
        return None
    seed, commits, next_serial, held = _FORM.unpack(body)
    return Mark(seed=seed, commits=commits, next_serial=next_serial, held=held)


class MarkFile:
    """Writes the mark beside an outbox file that is open."""

    def __init__(self, path: str) -> None:
        """Nothing is made before the first commit."""
        self.path = path + places.MARK
        self._descriptor: int | None = None
        self._seed = 0

    def __repr__(self) -> str:
        return f"<MarkFile {self.path}{'' if self._descriptor is None else ' open'}>"

    def write(self, account: Account) -> None:
        """Say that a commit with this account was confirmed; raises OSError."""
        if self._descriptor is None:
            self._descriptor = self._made(seed_of(account.sender))
            self._put(account)
            os.fsync(self._descriptor)  # its content and its name are there from now on; what it says later need not be
            places.sync_folder(self.path)
        else:
            self._put(account)

    def _made(self, seed: int) -> int:
        self._seed = seed
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, places.MODE)
        os.ftruncate(descriptor, _FORM.size + _CHECK.size)
        return descriptor

    def _put(self, account: Account) -> None:
        body = _FORM.pack(self._seed, account.commits, account.next_serial, account.held)
        assert self._descriptor is not None, "it was made before"
        os.pwrite(self._descriptor, body + _CHECK.pack(zlib.crc32(body)), 0)

    def close(self) -> None:
        """Leave it as it is."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
