"""What an outbox file lacks is looked for behind the place where SQLite stopped reading its log.

File and log give several readings: without the frames that are damaged, with them, and with their bits turned back. One in which
everything adds up, and which is no older than the mark, is the truth. Where there is none, every good row of any of them is
taken, each by its own checksum: it may be one that had its outcome already, and then the hub recognises its serial.

What stays missing is told. The count is the highest that can be true. Of what the file held when it was last confirmed, nothing
is missing where number and checksums add up. Else a row that is there may be one that was gone by then, and counts for none: what
was held when SQLite stopped reading, or stored since then, and is not there may be missing, as far as the file held as many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import msgspec

from reconnect.errors import OutboxUnreadable
from reconnect.store import places, wal
from reconnect.store.held import StoredRow, encoded, seed_of
from reconnect.store.layout import MODULUS, PAGE, Account, Contents, read_all, read_carefully
from reconnect.store.mark import Mark

TRIED: Final = 512  # ways to turn bits back, of which one is looked for that makes sense: a page has a few hundred at most
TRIED_BYTES: Final = 2**28  # and how much is read for that, a second's worth
_JOINED: Final = 5  # readings: what SQLite sees, without the damaged frames, with them, and with what can be mended of them


def lacks(found: Contents, mark: Mark | None) -> bool:
    """True if commits that were confirmed are not in what was read."""
    return mark is not None and mark.is_of(found.account.sender) and found.account.commits < mark.commits


def hides(found: Contents, mark: Mark | None, path: str) -> bool:
    """True where no mark tells how far a file had come, and its log is damaged, so that SQLite may not have read all of it.

    A power cut may leave such a log as well; what stands behind the damage is then of a commit that nobody was told of.
    """
    if mark is not None and not mark.is_damaged:
        return False
    return found.account.commits > 0 and wal.read_log(places.log_of(path), PAGE).damaged > 0


def is_foreign(found: Contents, mark: Mark | None) -> bool:
    """True if the mark says that this is another sender's, unless nothing was in either."""
    return (
        mark is not None
        and not mark.is_damaged
        and not mark.is_of(found.account.sender)
        and bool(found.account.commits or found.rows or mark.held)
    )


def counted(found: Contents, mark: Mark | None) -> Contents:
    """Return what was read where no log can add to it, with how much is missing of it."""
    contents = _joined([found], mark, whole=True)
    contents.flaws = found.flaws
    return contents


def recovered(found: Contents | None, mark: Mark | None, base: bytes, log: bytes, path: str) -> Contents | None:
    """Return what file and log hold together, with what was wrong in its flaws, None if that is nothing.

    `found` is all that SQLite saw, None where it could not read that; `base` is the file.
    """
    readings = [] if found is None else [found]
    frames = wal.read_log(log, PAGE)
    for image in _images(base, frames):
        reading = _read(image, path)
        if reading is not None and is_foreign(reading, mark):
            continue  # the log is another file's
        if reading is not None and reading.told is not None and not reading.flaws and not lacks(reading, mark):
            whole = reading
            break
        if reading is not None and len(readings) < _JOINED:
            readings.append(reading)
    else:
        if not readings:
            return None
        whole = _joined(readings, mark, whole=found is not None)
    if mark is not None and lacks(whole, mark):
        stored = max(whole.account.stored, mark.stored)
        whole.account = msgspec.structs.replace(whole.account, commits=mark.commits, stored=stored)  # it is told once
    whole.flaws = [*_flaws(found, mark, frames), *(found.flaws if found is not None else ())]
    return whole


def _images(base: bytes, log: wal.Log) -> Iterator[bytes]:
    if not log.frames or not hasattr(sqlite3.Connection, "deserialize"):  # SQLite can be built without
        return
    plain = wal.image(base, log, with_damaged=False)
    yield plain
    if log.damaged:
        yield wal.image(base, log, with_damaged=True)
        for mended in wal.mended(log, min(TRIED, max(1, TRIED_BYTES // len(plain)))):
            yield wal.image(base, mended, with_damaged=False)
            if mended.damaged:
                yield wal.image(base, mended, with_damaged=True)


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


def _joined(readings: list[Contents], mark: Mark | None, *, whole: bool) -> Contents:
    """Return the newest reading, with the rows that it lacks from the others. `whole`: the first one is what SQLite reads."""
    newest = max(readings, key=lambda one: (one.account.commits, -one.missing, len(one.rows)))
    rows, damaged = dict(newest.rows), set(newest.damaged)
    damaged -= rows.keys()  # a damaged row may have the serial of another one, and then nobody knows which it was
    truth = newest.known
    if mark is not None and mark.is_of(truth.sender) and mark.commits > truth.commits:
        truth = msgspec.structs.replace(
            truth, held=mark.held, total=mark.total, stored=mark.stored, next_serial=mark.next_serial, commits=mark.commits
        )
    total = _total(truth, rows)
    if not _are_all(rows, total, truth):
        complete = newest.fits and not lacks(newest, mark)
        for other in readings:
            rows |= {serial: row for serial, row in other.rows if serial not in rows and (serial in damaged or not complete)}
        damaged -= rows.keys()
        total = _total(truth, rows)
    if _are_all(rows, total, truth):
        lost, damaged = 0, set()
    elif newest.fits and not lacks(newest, mark):
        lost = truth.held - len(rows)
    else:
        lost = _lost(readings[0], truth, len(rows), whole=whole)
    return Contents(
        account=msgspec.structs.replace(newest.account, held=len(rows), total=total),
        known=newest.known,
        told=newest.told,
        rows=sorted(rows.items()),
        damaged=tuple(sorted(damaged)),
        missing=max(0, lost - len(damaged)),
    )


def _total(truth: Account, rows: dict[int, StoredRow]) -> int:
    return sum(told for _, told, _ in encoded(seed_of(truth.sender), rows.items())) % MODULUS


def _are_all(rows: dict[int, StoredRow], total: int, truth: Account) -> bool:
    """True if these are the rows that were held."""
    return (len(rows), total) == (truth.held, truth.total)


def _lost(first: Contents, truth: Account, rows: int, *, whole: bool) -> int:
    """Return how many of the rows that were held are not among those that are there, at most."""
    lost = min(truth.held, truth.next_serial - 1 - rows)
    if whole and not first.mixed:  # the rows that are there were held when SQLite stopped reading, or stored since then
        lost = min(lost, first.known.held + truth.stored - first.known.stored - rows)
    return max(0, lost)


def _flaws(found: Contents | None, mark: Mark | None, log: wal.Log) -> Iterator[str]:
    if found is None:
        yield "SQLite cannot read it with its log"
    elif mark is not None and found.told is not None and lacks(found, mark):  # else it does not say how far it had come
        yield f"SQLite reads it up to {mark.commits - found.account.commits} commits before the last one that was confirmed"
    if log.damaged:
        yield f"{log.damaged} pages of its log are damaged"
    elif (found is not None and found.account.weak) or (mark is not None and mark.weak):
        yield "its log was damaged or cut, or a power cut took the end of it, which durability='full' protects from"
    else:
        yield "its log was damaged, cut or removed, or the file is an older copy"
