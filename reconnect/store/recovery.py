"""What an outbox file lacks is looked for behind the place where SQLite stopped reading its log.

File and log give several readings: without the frames that are damaged, with them, and with their bits turned back. One in which
everything adds up, and which is no older than the mark, is the truth. Where there is none, every good row of any of them is
taken, each by its own checksum: it may be one that had its outcome already, and then the hub recognises its serial.

What stays missing is told. The count is the highest that can be true: of the serials that were given out since, as many as the
file then held.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from reconnect.errors import OutboxUnreadable
from reconnect.store import wal
from reconnect.store.held import encoded, seed_of
from reconnect.store.layout import MODULUS, PAGE, Contents, read_all, read_carefully
from reconnect.store.mark import Mark

TRIED_BYTES: Final = 2**30  # how much is read, a few seconds' worth, to find which bit makes sense
_JOINED: Final = 4  # readings: what SQLite sees, without the damaged frames, with them, and with what can be mended of them


def lacks(found: Contents, mark: Mark | None) -> bool:
    """True if commits that were confirmed are not in what was read."""
    return mark is not None and mark.is_of(found.account.sender) and found.account.commits < mark.commits


def recovered(found: Contents | None, mark: Mark | None, base: bytes, log: bytes, path: str) -> Contents | None:
    """Return what file and log hold together, with what was wrong in its flaws, None if that is nothing.

    `found` is all that SQLite saw, None where it could not read that; `base` is the file.
    """
    readings = [] if found is None else [found]
    frames = wal.read_log(log, PAGE)
    for image in _images(base, frames):
        reading = _read(image, path)
        if reading is not None and reading.told is not None and not reading.flaws and not lacks(reading, mark):
            whole = reading
            break
        if reading is not None and len(readings) < _JOINED:
            readings.append(reading)
    else:
        if not readings:
            return None
        whole = _joined(readings, mark)
    if mark is not None and lacks(whole, mark):
        whole.account = msgspec.structs.replace(whole.account, commits=mark.commits)  # it is told once
    whole.flaws = [*_flaws(found, mark, frames), *(found.flaws if found is not None else ())]
    return whole


def _images(base: bytes, log: wal.Log) -> Iterator[bytes]:
    if not log.frames or not hasattr(sqlite3.Connection, "deserialize"):  # SQLite can be built without
        return
    plain = wal.image(base, log, with_damaged=False)
    yield plain
    if log.damaged:
        yield wal.image(base, log, with_damaged=True)
        for mended in islice(wal.mended(log), max(1, TRIED_BYTES // len(plain))):
            yield wal.image(base, mended, with_damaged=False)


def _read(image: bytes, path: str) -> Contents | None:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        memory.deserialize(image)
        read_carefully(memory)
        return read_all(memory, path)
    except (OutboxUnreadable, sqlite3.Error):  # not even that much can be read
        return None
    finally:
        memory.close()


def _joined(readings: list[Contents], mark: Mark | None) -> Contents:
    """Return the newest reading, with the rows that it lacks from the others."""
    newest = max(readings, key=lambda one: (one.account.commits, -one.missing, len(one.rows)))
    rows, named = dict(newest.rows), set(newest.damaged)
    named -= rows.keys()  # a damaged row may have the serial of another one, and then nobody knows which it was
    unnamed = newest.missing + len(newest.damaged) - len(named)
    complete = newest.told is not None and not lacks(newest, mark) and not unnamed
    for other in readings:
        rows |= {serial: row for serial, row in other.rows if serial not in rows and (serial in named or not complete)}
    damaged = tuple(sorted(named - rows.keys()))
    missing = min(unnamed, _missing(newest, readings[0], len(rows) + len(damaged)))
    if mark is not None and lacks(newest, mark):
        behind = sum(serial >= newest.account.next_serial for serial in rows)
        missing += max(0, min(mark.held, mark.next_serial - newest.account.next_serial - behind))
    total = sum(told for _, told, _ in encoded(seed_of(newest.account.sender), rows.items())) % MODULUS
    return Contents(
        account=msgspec.structs.replace(newest.account, held=len(rows), total=total),
        told=newest.told,
        rows=sorted(rows.items()),
        damaged=damaged,
        missing=missing,
    )


def _missing(newest: Contents, first: Contents, known: int) -> int:
    """Return how many rows of the newest reading are not among those that are known, at most."""
    if newest.told is None or first.told is None:
        return sys.maxsize
    # So many rows went since the first reading; each may be among those that are known, brought back by an older page.
    gone = first.told.held + newest.told.next_serial - first.told.next_serial - newest.told.held
    return max(0, newest.told.held + max(0, gone) - known)


def _flaws(found: Contents | None, mark: Mark | None, log: wal.Log) -> Iterator[str]:
    if found is None:
        yield "SQLite cannot read it with its log"
    elif mark is not None and found.told is not None:  # else it does not say how far it had come
        yield f"SQLite reads it up to {mark.commits - found.account.commits} commits before the last one that was confirmed"
    if log.damaged:
        yield f"{log.damaged} pages of its log are damaged"
    elif found is not None and found.account.weak:
        yield "its log was damaged or cut, or a power cut took the end of it, which durability='full' protects from"
    else:
        yield "its log was damaged, cut or removed, or the file is an older copy"
