"""SQLite's log, read to its end: what is damaged in it is known, and one flipped bit is turned back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reconnect.store.wal import Log, image, mended, read_log
from tests.store_killed import HEAD, HEADER, PAGE, flipped

COMMITS = 6
MOST = 512  # ways that are looked at
FRAME = HEAD + PAGE


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, bytes]:
    """A file as its log began, the log, and the file with the log brought in."""
    path = tmp_path_factory.mktemp("wal") / "some.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (f"PRAGMA page_size = {PAGE}", "PRAGMA journal_mode = wal", "CREATE TABLE some (number, text)"):
        connection.execute(statement).fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    base = path.read_bytes()
    for number in range(COMMITS):
        connection.execute("INSERT INTO some VALUES (?, ?)", (number, "x" * 1_000 * number))
    log = Path(f"{path}-wal").read_bytes()
    connection.close()
    return base, log, path.read_bytes()


def content(pages: bytes) -> list[tuple[int, int]]:
    """Return what stands in the table."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(pages)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT number, length(text) FROM some ORDER BY number").fetchall()
    finally:
        connection.close()


WHOLE = [(number, 1_000 * number) for number in range(COMMITS)]


def goods(log: Log) -> list[bool]:
    return [frame.good for frame in log.frames]


def test_a_whole_log_makes_the_file_that_sqlite_makes_of_it(written: tuple[bytes, bytes, bytes]) -> None:
    base, log, after = written
    read = read_log(log, PAGE)
    assert all(goods(read))
    assert (len(read.frames), read.damaged) == ((len(log) - HEADER) // FRAME, 0)
    pages = image(base, read, with_damaged=False)
    assert pages[PAGE:] == after[PAGE:]
    assert content(pages) == WHOLE
    assert content(image(base, read_log(b"", PAGE), with_damaged=True)) == []


def test_sums_may_have_been_made_in_either_order_of_bytes(written: tuple[bytes, bytes, bytes]) -> None:
    """The log of a machine of the other kind, written as the format says: the same pages, and other sums."""
    _, log, _ = written
    read = read_log(log, PAGE)
    other = bytearray(log)
    other[3] ^= 1  # the kind is told by the last bit of the first word
    order = "big" if other[3] & 1 else "little"

    def summed(data: bytes, first: int, second: int) -> tuple[int, int]:
        for at in range(0, len(data), 8):
            first = (first + int.from_bytes(data[at : at + 4], order) + second) % 2**32  # type: ignore[arg-type]  # one of two
            second = (second + int.from_bytes(data[at + 4 : at + 8], order) + first) % 2**32  # type: ignore[arg-type]
        return first, second

    def put(at: int, sums: tuple[int, int]) -> None:
        other[at : at + 8] = b"".join(value.to_bytes(4, "big") for value in sums)

    sums = summed(bytes(other[:24]), 0, 0)
    put(24, sums)
    for at in range(HEADER, len(log), FRAME):
        sums = summed(bytes(other[at : at + 8] + other[at + HEAD : at + FRAME]), *sums)
        put(at + 16, sums)
    swapped = read_log(bytes(other), PAGE)
    assert all(goods(swapped))
    assert [frame.content for frame in swapped.frames] == [frame.content for frame in read.frames]
    other[3] ^= 1
    assert all(goods(read_log(bytes(other), PAGE))), "though its head says otherwise"


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_damaged_page_is_known_and_those_behind_it_are_good(written: tuple[bytes, bytes, bytes], number: int) -> None:
    """A33: the checksum runs on, and each frame tells where it stood."""
    base, log, _ = written
    count = len(read_log(log, PAGE).frames)
    at = HEADER + number % count * FRAME
    read = read_log(flipped(log, 8 * (at + HEAD + 2_000)), PAGE)
    assert [index for index, good in enumerate(goods(read)) if not good] == [number % count]
    assert WHOLE in [content(image(base, better, with_damaged=False)) for better in mended(read, MOST)]


@pytest.mark.parametrize("place", [8, 12])
@pytest.mark.parametrize("number", [0, 1, 3, -1])
def test_a_damaged_salt_leaves_its_page_good(written: tuple[bytes, bytes, bytes], number: int, place: int) -> None:
    """A33: the checksum does not cover it, and goes on from the page before."""
    _, log, _ = written
    at = HEADER + number % len(read_log(log, PAGE).frames) * FRAME + place
    assert goods(read_log(flipped(log, 8 * at), PAGE)) == goods(read_log(log, PAGE))


def test_a_damaged_checksum_leaves_its_page_good(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: the next one goes on from what it should have been."""
    _, log, _ = written
    assert all(goods(read_log(flipped(log, 8 * (HEADER + FRAME + 16)), PAGE)))


def test_a_damaged_head_of_the_log_leaves_all_pages_good(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: each bit of it."""
    _, log, _ = written
    for bit in range(8 * HEADER):
        assert all(goods(read_log(flipped(log, bit), PAGE))), bit
        assert len(read_log(flipped(log, bit), PAGE).frames) == len(read_log(log, PAGE).frames)


def test_each_flipped_bit_is_among_the_ways_to_mend_it(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: for low bits of a word it is the only one, for the highest there are a few hundred."""
    log = written[1][: HEADER + 3 * FRAME]  # where its page stands in no later one
    at, whole = HEADER + 2 * FRAME + HEAD + 1_000, read_log(log, PAGE).frames[2]
    ways = {}
    for bit in range(64):
        found = list(mended(read_log(flipped(log, 8 * at + bit), PAGE), MOST))
        assert whole.content in [better.frames[2].content for better in found], bit
        ways[bit] = len(found)
    assert sorted(ways.values())[: 64 * 3 // 4] == [1] * 48
    assert 300 < max(ways.values()) < 400


@pytest.mark.parametrize(("new", "destroyed"), [(1, 0), (4, 0), (4, 512)])
def test_what_stands_behind_of_an_earlier_life_is_not_read(written: tuple[bytes, bytes, bytes], new: int, destroyed: int) -> None:
    """A log is begun anew over the old one, whose pages still match each other; the first of its salts grows."""
    _, log, _ = written
    older = bytearray(log)
    salts = (int.from_bytes(log[16:20], "big") - 1).to_bytes(4, "big") + b"luck"
    for at in [16, *range(HEADER + 8, len(log), FRAME)]:
        older[at : at + 8] = salts
    mixed = bytes(destroyed) + log[destroyed : HEADER + new * FRAME] + bytes(older[HEADER + new * FRAME :])
    mixed = flipped(mixed, 8 * (HEADER + new * FRAME + HEAD + 50))  # where the two meet, the chain is broken
    found = goods(read_log(mixed, PAGE))
    assert (len(found), found[2:]) == (new, [True] * (new - 2))


def test_numbers_that_cannot_be_are_not_followed(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: a damaged page number makes no file of terabytes, and a damaged size leaves what is there."""
    base, log, after = written
    at = HEADER + (len(read_log(log, PAGE).frames) - 1) * FRAME
    broken = log[:at] + b"\xff" * 8 + log[at + 8 :]
    for with_damaged in (False, True):
        assert len(image(base, read_log(broken, PAGE), with_damaged=with_damaged)) <= len(after)


def test_a_file_that_shrinks_is_cut_where_its_last_commit_says(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = wal", "CREATE TABLE some (number, text)"):
        connection.execute(statement).fetchall()
    for number in range(COMMITS):
        connection.execute("INSERT INTO some VALUES (?, ?)", (number, "x" * 1_000 * number))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    base = path.read_bytes()
    connection.execute("DELETE FROM some WHERE number > 1")
    connection.executescript("PRAGMA incremental_vacuum")
    log = Path(f"{path}-wal").read_bytes()
    connection.close()
    pages = image(base, read_log(log, PAGE), with_damaged=False)
    assert len(pages) == path.stat().st_size < len(base)
    assert content(pages) == WHOLE[:2]


def test_an_older_first_page_hides_nothing(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: it says how many pages there are; so does the end of the log."""
    base, log, _ = written
    frames = read_log(log, PAGE).frames
    last = max(number for number, frame in enumerate(frames) if frame.page == 1)
    at = HEADER + last * FRAME + HEAD
    read = read_log(log[: at + 16] + b"destroyed" * 9 + log[at + 97 :], PAGE)
    assert not read.frames[last].good
    assert content(image(base, read, with_damaged=False)) == WHOLE


def test_a_damaged_page_is_taken_or_left(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: whoever reads both sees what is only there, and what was there before."""
    base, log, _ = written
    last = len(read_log(log, PAGE).frames) - 1
    at = HEADER + last * FRAME + HEAD + 3_000
    read = read_log(log[:at] + b"destroyed" * 9 + log[at + 81 :], PAGE)
    assert b"destroyed" in image(base, read, with_damaged=True)
    assert b"destroyed" not in image(base, read, with_damaged=False)


def test_what_stands_in_a_later_page_is_not_mended(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: it does not matter, and a page costs as long as reading many."""
    base, log, _ = written
    frames = read_log(log, PAGE).frames
    superseded = [number for number, frame in enumerate(frames) if frame.page in {later.page for later in frames[number + 1 :]}]
    damaged = log
    for number in superseded:
        damaged = flipped(damaged, 8 * (HEADER + number * FRAME + HEAD + 2_003) + 7)
    read = read_log(damaged, PAGE)
    (better,) = mended(read, MOST)
    assert better.frames == read.frames
    assert content(image(base, better, with_damaged=False)) == WHOLE


def test_too_many_ways_are_not_tried(written: tuple[bytes, bytes, bytes]) -> None:
    """A33: of two pages with hundreds of ways each, neither is turned back; one that its checksum tells exactly is."""
    log = written[1]
    frames = read_log(log, PAGE).frames
    last = {frame.page: number for number, frame in enumerate(frames)}
    hard, *_, other = sorted(last.values())[-3:]  # two neighbours with the same bit would match each other

    def damaged(*places: tuple[int, int]) -> Log:
        content = log
        for number, bit in places:
            content = flipped(content, 8 * (HEADER + number * FRAME + HEAD + 2_003) + bit)
        return read_log(content, PAGE)

    assert len(list(mended(damaged((hard, 7)), MOST))) > 100
    (left,) = mended(damaged((hard, 7), (other, 7)), MOST)
    assert left.damaged == 2
    (left,) = mended(damaged((hard, 7), (other, 0)), 100)
    assert [number for number, good in enumerate(goods(left)) if not good] == [hard]
