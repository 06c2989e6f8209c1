"""The log of a killed writer, damaged: what stands behind the damage is found, and what is not found is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from unittest.mock import Mock

import pytest

from reconnect.errors import OutboxUnreadable
from reconnect.store import Durability, recovery, wal
from reconnect.store.file import SERIALS_WEAK
from reconnect.store.layout import SERIALS_APART, Contents, read_all
from reconnect.store.mark import read_mark
from tests.store_bench import StoreBench, filled, opened, stored_row
from tests.store_killed import HEAD, HEADER, LOG, MARK, NAME, PAGE, Files, Killed, flipped, lay, look, quick_folder

FLIPS, BLOCKS = 150, 40


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def killed(folder: Path) -> Iterator[Killed]:
    writer = Killed(folder / "writer")
    yield writer
    writer.file.abandon()


def damaged_log(files: Files, log: bytes) -> Files:
    return {**files, LOG: log}


def check_flips(killed: Killed, folder: Path, bits: Iterable[int]) -> int:
    """Flip each of these bits of the log; check that nothing is lost, and return how often there was something to tell."""
    files, told = killed.left(), 0
    for bit in bits:
        looked = look(lay(damaged_log(files, flipped(files[LOG], bit)), folder / "next"))
        assert looked.rows == killed.rows, f"bit {bit}: {looked.flaws or 'a silent loss'}"
        assert looked.told == 0
        assert looked.next_serial == killed.file.next_serial
        told += looked.found is not None
    return told


# -- one bit ---------------------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_anywhere_in_the_log_costs_nothing(killed: Killed, folder: Path) -> None:
    """A33: SQLite ends at the first damaged page of its log, and would say nothing; everything is there, and it is told."""
    length, chance = 8 * len(killed.work().left()[LOG]), Random(33)
    assert check_flips(killed, folder, (chance.randrange(length) for _ in range(FLIPS))) == FLIPS


def test_no_bit_of_the_head_of_the_log_or_of_a_page_in_it_matters(killed: Killed, folder: Path) -> None:
    """A33: kind, order of bytes, size of pages, salts and checksums; a page's number, the end of a commit, salts, checksums."""
    log = killed.put(1).put(2, 3).put(4).left()[LOG]
    frames = (len(log) - HEADER) // (HEAD + PAGE)
    assert frames > 4
    heads = [HEADER + number * (HEAD + PAGE) for number in (0, frames - 2, frames - 1)]
    bits = [8 * start + bit for start, length in [(0, HEADER), *((head, HEAD) for head in heads)] for bit in range(8 * length)]
    # A last checksum that is damaged may be the end of the log only where the mark says that more was confirmed: it does.
    assert check_flips(killed, folder, bits[::3]) > len(bits[::3]) * 3 // 4


def test_a_flipped_bit_costs_nothing_where_the_log_was_begun_anew(
    killed: Killed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A33: behind what belongs to the file now stand pages of before, which match each other."""
    killed.work()
    killed.file._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    before = len(killed.left()[LOG])
    killed.put(49).put(50).put(51)
    assert len(killed.left()[LOG]) == before, "it was begun anew, in its place"
    written = 7 * (HEAD + PAGE)
    chance = Random(34)
    assert check_flips(killed, folder, (chance.randrange(8 * written) for _ in range(FLIPS // 3))) > FLIPS // 6


def test_a_log_that_is_in_the_file_already_is_not_needed(killed: Killed, folder: Path) -> None:
    """A33: brought in, and not begun anew: what SQLite reads of it undoes what it wrote to the file since."""
    killed.work().file._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    length, chance = 8 * len(killed.left()[LOG]), Random(35)
    assert check_flips(killed, folder, (chance.randrange(length) for _ in range(FLIPS // 3))) > FLIPS // 6


# -- more than a bit ----------------------------------------------------------------------------------------------------------


def check_blocks(killed: Killed, folder: Path, size: int) -> tuple[int, int, int]:
    """Overwrite blocks of the log; return how many rows were lost, how many were said to be, and how many came back."""
    files, chance = killed.left(), Random(size)
    lost = told = again = 0
    for _ in range(BLOCKS):
        log = bytearray(files[LOG])
        at = chance.randrange(len(log) - size)
        log[at : at + size] = chance.randbytes(size)
        looked = look(lay(damaged_log(files, bytes(log)), folder / "next"))
        gone = killed.rows.keys() - looked.rows.keys()
        assert looked.found is not None
        assert all(killed.rows.get(serial, row) == row for serial, row in looked.rows.items()), "a wrong payload"
        assert len(gone) <= looked.told, "a silent loss"
        assert looked.next_serial == killed.file.next_serial
        lost, told, again = lost + len(gone), told + looked.told, again + len(looked.rows.keys() - killed.rows.keys())
    return lost, told, again


@pytest.mark.parametrize("size", [16, 512, 2 * PAGE])
def test_a_block_of_the_log_that_is_overwritten_costs_what_stood_there(killed: Killed, folder: Path, size: int) -> None:
    """A33: no row says anything that it did not say, and those that are lost are told to the last one."""
    for first in range(1, 121, 30):
        killed.put(*range(first, first + 30))
    lost, told, again = check_blocks(killed, folder, size)
    assert 0 < lost == told
    assert again == 0
    assert lost < len(killed.rows) * BLOCKS // 4


@pytest.mark.parametrize("size", [512, 2 * PAGE])
def test_a_row_that_is_gone_may_come_back_and_hides_no_loss(killed: Killed, folder: Path, size: int) -> None:
    """A33: the hub recognises its serial."""
    for serial in range(1, 61):
        killed.put(serial)
        if serial % 10 == 0:
            killed.forget(*range(serial // 2 - 4, serial // 2 + 1))
    _, _, again = check_blocks(killed, folder, size)
    assert again < BLOCKS


def test_a_block_at_the_head_of_the_log_costs_nothing_else(killed: Killed, folder: Path) -> None:
    """A33: what marks the pages as this log's is known from the pages themselves."""
    files = killed.work().left()
    log = Random(5).randbytes(512) + files[LOG][512:]
    looked = look(lay(damaged_log(files, log), folder / "next"))
    assert (looked.rows, looked.told) == (killed.rows, 0)


def test_a_row_that_cannot_be_mended_is_named(killed: Killed, folder: Path) -> None:
    """A33 Q20: the others of its page go on."""
    files = killed.put(1, 2, 3, 4).left()
    log = bytearray(files[LOG])
    at = log.index(b"3 xxxx")
    log[at : at + 6] = b"3 XYZX"
    looked = look(lay(damaged_log(files, bytes(log)), folder / "next"))
    assert looked.found is not None
    assert (set(looked.rows), looked.found.serials, looked.found.missing) == ({1, 2, 4}, (3,), 0)
    assert looked.flaws == (
        "SQLite reads it up to 1 commits before the last one that was confirmed; 1 pages of its log are damaged"
    )


def test_a_row_is_taken_from_an_older_page_where_the_newest_is_damaged(killed: Killed, folder: Path) -> None:
    """A33: none is lost, and those that are gone since then do not come back, for the account says that only one is missing."""
    files = killed.put(*range(1, 22)).put(22).forget(1).left()
    log = bytearray(files[LOG])
    at = log.rindex(b"21 xxxx")
    log[at : at + 6] = b"21 XYZ"
    looked = look(lay(damaged_log(files, bytes(log)), folder / "next"))
    assert looked.flaws.startswith("SQLite reads it up to 2 commits before"), "when 1 was there"
    assert (looked.rows, looked.told) == (killed.rows, 0)


def test_a_row_that_came_back_counts_for_none_that_is_lost(killed: Killed, folder: Path) -> None:
    """A33: number by number nothing would be missing: one that was forgotten stands where one should be that is lost."""
    killed.put(1, 2, 3, 4).put(5)
    killed.file.commit([(6, stored_row(6, 300))], [2])  # on the page where 2 stood
    del killed.rows[2]
    killed.rows[6] = stored_row(6, 300)
    files = killed.left()
    last = len(files[LOG]) - 2 * (HEAD + PAGE)
    at = next(at for at in (last, last + HEAD + PAGE) if files[LOG][at + HEAD] == 13 and b"6 xxxx" in files[LOG][at : at + PAGE])
    log = files[LOG][: at + HEAD] + Random(9).randbytes(PAGE) + files[LOG][at + HEAD + PAGE :]
    looked = look(lay(damaged_log(files, log), folder / "next"))
    assert set(looked.rows) == {1, 2, 3, 4, 5}
    assert looked.told == 1


@pytest.mark.parametrize("count", [20, 200])
def test_an_older_copy_beside_the_newest_log_hides_no_loss(killed: Killed, folder: Path, count: int) -> None:
    """A33: the rows of the older pages are long gone, and none of them counts for one of those that are missing."""
    killed.put(*range(1, count + 1)).file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    older = killed.left()[NAME]
    killed.forget(*range(1, count + 1))
    for serial in range(count + 1, 2 * count + 1):
        killed.put(serial)
    killed.file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    killed.put(2 * count + 1)
    looked = look(lay({**killed.left(), NAME: older}, folder / "next"))
    lost = killed.rows.keys() - looked.rows.keys()
    assert len(lost) > count // 2
    assert len(lost) <= looked.told <= len(killed.rows)


def test_a_damaged_account_hides_no_loss(folder: Path) -> None:
    """A33: the mark knows how many there were, and what their checksums add up to."""
    path = folder / NAME
    filled(path, range(1, 101), size=300)
    pages, mark = bytearray(path.read_bytes()), (folder / MARK).read_bytes()
    account = pages.index(b'"next_serial":101') // PAGE * PAGE
    rows = pages.index(b'"50 xxx') // PAGE * PAGE
    pages[account : account + PAGE] = bytes(PAGE)
    path.write_bytes(pages)
    looked = look(path)
    assert (len(looked.rows), looked.told) == (100, 0), "nothing but the account is damaged"
    pages[rows : rows + PAGE] = bytes(PAGE)
    looked = look(lay({NAME: bytes(pages), MARK: mark}, folder / "next"))
    assert 0 < 100 - len(looked.rows) == looked.told


def test_tables_whose_text_is_damaged_are_damage(killed: Killed, folder: Path) -> None:
    """A33: SQLite says what is wrong with them in their own bytes, which need not be text."""
    files = killed.put(1).left()
    kinds: set[object] = set()
    start = files[NAME].index(b"table")
    for at in range(start, PAGE, 3):
        closed = {NAME: flipped(files[NAME], 8 * at + 7), MARK: files[MARK]}
        for broken in (closed, {**closed, LOG: files[LOG]}):
            try:
                kinds.add(look(lay(broken, folder / "next")).found is not None)
            except OutboxUnreadable as error:
                kinds.add(type(error))
    assert kinds >= {OutboxUnreadable, True}


@pytest.mark.parametrize("damaged", [2, 50])
def test_what_cannot_be_mended_is_not_tried_for_long(
    killed: Killed, folder: Path, monkeypatch: pytest.MonkeyPatch, damaged: int
) -> None:
    """A33: an opening holds up its caller: bits of several pages that could be turned back in hundreds of ways each are left."""
    for serial in range(1, 61):
        killed.put(serial)
    files = killed.left()
    log = files[LOG]
    frames = wal.read_log(log, PAGE).frames
    for number in range(len(frames) - 1, len(frames) - 1 - 2 * damaged, -2):
        log = flipped(log, 8 * (HEADER + number * (HEAD + PAGE) + HEAD + 2_003) + 7)
    readings, mended = Mock(side_effect=recovery._read), Mock(side_effect=wal._mended)
    monkeypatch.setattr(recovery, "_read", readings)
    monkeypatch.setattr(wal, "_mended", mended)
    looked = look(lay(damaged_log(files, log), folder / "next"))
    assert len(killed.rows.keys() - looked.rows.keys()) <= looked.told
    assert readings.call_count <= 2 * recovery.TRIED + 2
    assert mended.call_count <= 4


def test_a_log_that_is_cut_or_removed_is_told(killed: Killed, folder: Path) -> None:
    """A33 Q20: with how many signals can be missing, and no serial is used again."""
    files = killed.put(1).put(2).put(3, 4).left()
    path = lay(damaged_log(files, files[LOG][: -(HEAD + PAGE)]), folder / "next")
    looked = look(path)
    assert (set(looked.rows), looked.told, looked.next_serial) == ({1, 2}, 2, 5)
    assert looked.flaws == (
        "SQLite reads it up to 1 commits before the last one that was confirmed; "
        "its log was damaged, cut or removed, or the file is an older copy"
    )
    assert look(path).found == looked.found, "until a session has told it"
    del files[LOG]
    looked = look(lay(files, folder / "next"))
    assert (set(looked.rows), looked.told, looked.next_serial) == (set(), 4, 5)


def test_an_older_copy_of_the_file_is_told(folder: Path) -> None:
    """A33: it lacks what was stored since, and the serials of that are not used again."""
    path = folder / NAME
    file = opened(path)
    file.commit([], ())
    file.close()
    backup = path.read_bytes()
    bench = StoreBench(path)
    bench.put(1, 2, 3)
    bench.store.forget([1])
    bench.store.close()
    path.write_bytes(backup)
    looked = look(path)
    assert (looked.rows, looked.told, looked.next_serial) == ({}, 2, 4)


def test_with_a_weaker_promise_a_power_cut_is_named_as_well(folder: Path) -> None:
    """A33: the mark may have reached the disk before the log: commits are missing then, and that is told."""
    killed = Killed(folder / "writer", durability=Durability.PROCESS).put(1).put(2)
    files = killed.left()
    killed.file.abandon()
    looked = look(lay(damaged_log(files, files[LOG][: -(HEAD + PAGE)]), folder / "next"))
    assert (set(looked.rows), looked.told, looked.next_serial) == ({1}, 1, 3 + SERIALS_WEAK)
    assert looked.flaws.endswith("or a power cut took the end of it, which durability='full' protects from")


def test_two_damaged_pages(killed: Killed, folder: Path) -> None:
    """A33: one bit in each is turned back in each."""
    files, chance = killed.work().left(), Random(36)
    for _ in range(20):
        log = files[LOG]
        for _ in range(2):
            log = flipped(log, chance.randrange(8 * len(log)))
        looked = look(lay(damaged_log(files, log), folder / "next"))
        assert (looked.rows, looked.told) == (killed.rows, 0)


def test_an_account_that_is_lost_as_well(killed: Killed, folder: Path) -> None:
    """A33: damage in the file and in its log: what is there goes on, on serials that nobody had."""
    files = killed.put(1).put(2).left()
    path = lay(files, folder / "next")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE account SET body = x'00000000'")
    connection.close()
    looked = look(path)
    assert (looked.rows, looked.told) == (killed.rows, 0)
    assert looked.next_serial > SERIALS_APART
    assert "its account is damaged" in looked.flaws


# -- where little can be done ----------------------------------------------------------------------------------------------


def recovered(files: Files, folder: Path) -> Contents | None:
    """Return what is found, without setting anything aside."""
    path = lay(files, folder / "next")
    connection = sqlite3.connect(path)
    try:
        found, base = read_all(connection, str(path)), path.read_bytes()
    finally:
        connection.close()
    return recovery.recovered(found, read_mark(str(path)), base, files[LOG], str(path))


def test_an_sqlite_that_takes_no_pages_tells_what_is_missing(
    killed: Killed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be built without `deserialize`."""
    files = killed.put(1).put(2).left()
    files[LOG] = flipped(files[LOG], 8 * (len(files[LOG]) - 100))
    for plain, there in ((False, {1, 2}), (True, {1})):
        with monkeypatch.context() as patch:
            if plain:
                patch.setattr("reconnect.store.recovery.sqlite3.Connection", object)
            contents = recovered(files, folder)
        assert contents is not None
        assert contents.account.commits == 3, "what is made of it is not behind the mark"
        assert ({serial for serial, _ in contents.rows}, contents.missing) == (there, 2 - len(there))


def test_a_reading_that_is_no_file_at_all_is_passed_over(killed: Killed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = killed.put(1).put(2).left()
    files[LOG] = flipped(files[LOG], 8 * (len(files[LOG]) - 100))
    monkeypatch.setattr(wal, "image", lambda *_, **__: b"no file at all, and long enough to be taken for one" * 100)
    contents = recovered(files, folder)
    assert contents is not None
    assert ([serial for serial, _ in contents.rows], contents.missing) == ([1], 1)
    assert recovery.recovered(None, None, b"", files[LOG], NAME) is None


# -- how it travels --------------------------------------------------------------------------------------------------------


def test_it_is_told_as_any_damage_is(folder: Path) -> None:
    """A33: in the store's news, with the number that the statistics count."""
    killed = Killed(folder / "writer").put(1).put(2, 3)
    files = killed.left()
    killed.file.abandon()
    path = lay(damaged_log(files, files[LOG][: -(HEAD + PAGE)]), folder / "next")
    bench = StoreBench(path)
    (news,) = [news for news in bench.store.news if news.what == "damaged"]
    assert news.damaged == 2
    assert news.detail == (
        "the outbox file was damaged: 0 damaged signals were set aside, up to 2 are missing; "
        f"the damaged file is {bench.store.path}.damaged-1 "
        "(SQLite reads it up to 1 commits before the last one that was confirmed; "
        "its log was damaged, cut or removed, or the file is an older copy)"
    )
    assert (bench.pending(), bench.store.next_serial) == ([1], 4)
    assert (bench.put(4), bench.pending()) == (4, [1, 4])
    bench.store.close()
    assert MARK in {entry.name for entry in path.parent.iterdir()}
    assert look(path).found == news.found, "until a session has told it"
