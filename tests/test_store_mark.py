"""The mark beside an outbox file: it is never ahead of what the disk holds, and where it cannot be read it says nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from reconnect.errors import OutboxFailed
from reconnect.store.held import seed_of
from reconnect.store.layout import Account
from reconnect.store.mark import Mark, MarkFile, read_mark
from tests.store_bench import SENDER, StoreBench, filled, opened
from tests.store_killed import HEAD, LOG, MARK, NAME, PAGE, Killed, flipped, lay, look, quick_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def killed(folder: Path) -> Iterator[Killed]:
    writer = Killed(folder / "writer")
    yield writer
    writer.file.abandon()


def account(commits: int) -> Account:
    return Account(sender=SENDER, commits=commits, next_serial=commits + 1, held=3)


# -- what it is ----------------------------------------------------------------------------------------------------------------


def test_it_says_how_far_the_file_had_come(folder: Path) -> None:
    path = str(folder / NAME)
    assert read_mark(path) is None
    mark = MarkFile(path)
    assert repr(mark) == f"<MarkFile {path}-mark>"
    mark.write(account(1))
    assert repr(mark) == f"<MarkFile {path}-mark open>"
    for commits in (2, 300, 2**40):
        mark.write(account(commits))
        told = read_mark(path)
        assert told == Mark(seed=seed_of(SENDER), commits=commits, next_serial=commits + 1, held=3)
        assert told is not None
        assert (told.is_of(SENDER), told.is_of("cd" * 16)) == (True, False)
    mark.close()
    mark.close()
    assert stat.S_IMODE((folder / MARK).stat().st_mode) == 0o600


def test_it_is_flushed_when_it_is_made_and_never_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit costs one flush, its own."""
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    mark = MarkFile(os.path.realpath(folder / NAME))
    for commits in range(1, 5):
        mark.write(account(commits))
    mark.close()
    assert flushed == [mark.path, os.path.dirname(mark.path)]


def test_each_commit_is_counted_once_it_has_returned(killed: Killed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A28: never before: a power cut takes what was not flushed."""
    path = str(killed.folder / NAME)
    log = killed.folder / LOG
    sizes: list[tuple[int, int]] = []
    write = MarkFile.write

    def noting(mark: MarkFile, told: Account) -> None:
        before = read_mark(path)
        assert before is not None
        sizes.append((told.commits - before.commits, log.stat().st_size))
        write(mark, told)

    monkeypatch.setattr(MarkFile, "write", noting)
    before = log.stat().st_size
    killed.put(1).put(2, 3).forget(1)
    assert [step for step, _ in sizes] == [1, 1, 1]
    assert all(size > earlier for earlier, (_, size) in zip([before, *(size for _, size in sizes)], sizes, strict=False))
    mark = read_mark(path)
    assert mark is not None
    assert (mark.next_serial, mark.held) == (4, 2)


# -- where it says nothing -------------------------------------------------------------------------------------------------


def test_a_mark_that_is_behind_says_nothing(killed: Killed, folder: Path) -> None:
    """A28: it was written before the power went off, and the log after it had been flushed as well."""
    older = killed.put(1).left()[MARK]
    files = killed.put(2).left()
    assert look(lay({**files, MARK: older}, folder / "next")).found is None


def test_a_commit_that_a_power_cut_tears_is_none(killed: Killed, folder: Path) -> None:
    """A28: nobody was told that it is stored, and the mark does not know of it; whatever is left of it, it is no damage."""
    before, after, chance = killed.put(1).left(), killed.put(2, 3, 4).left(), Random(28)
    held = set(killed.rows) - {2, 3, 4}
    start = len(before[LOG])
    for _ in range(40):
        log = bytearray(after[LOG])
        for sector in range(start, len(log), 512):
            if chance.random() < 0.4:
                log[sector : sector + 512] = bytes(512)[: len(log) - sector]
        cut = chance.randrange(start, len(log) + 1)
        looked = look(lay({**before, LOG: bytes(log[:cut])}, folder / "next"))
        assert looked.found is None
        assert held <= set(looked.rows)


@pytest.mark.parametrize("wrong", ["absent", "empty", "short", "long", "zeros", "foreign"])
def test_a_mark_that_cannot_be_believed_says_nothing(killed: Killed, folder: Path, wrong: str) -> None:
    """A33: and it is written anew at the first commit."""
    files = killed.put(1).put(2).left()
    whole = files[MARK]
    (folder / "other").mkdir()
    with MarkWriter(folder / "other" / NAME) as other:
        other.write(Account(sender="cd" * 16, commits=1_000, next_serial=1_000, held=1_000))
        foreign = (folder / "other" / MARK).read_bytes()
    files |= {MARK: {"empty": b"", "short": whole[:-1], "long": whole + b"x", "zeros": bytes(32)}.get(wrong, foreign)}
    if wrong == "absent":
        del files[MARK]
    path = lay(files, folder / "next")
    looked = look(path)
    assert (looked.rows, looked.found, looked.next_serial) == (killed.rows, None, 3)
    file = opened(path)
    mark = read_mark(str(path))
    assert mark is not None
    assert mark.is_of(SENDER)
    assert (mark.next_serial, mark.held) == (3, 2)
    file.close()


class MarkWriter(MarkFile):
    """A MarkFile that is closed with its block."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))

    def __enter__(self) -> MarkFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_no_flipped_bit_of_it_is_believed(killed: Killed, folder: Path) -> None:
    """A33: nothing is told that is not so."""
    files = killed.put(1).put(2).left()
    for bit in range(8 * len(files[MARK])):
        looked = look(lay({**files, MARK: flipped(files[MARK], bit)}, folder / "next"))
        assert (looked.rows, looked.found, looked.next_serial) == (killed.rows, None, 3)


# -- where it cannot be written -------------------------------------------------------------------------------------------------


def test_a_mark_that_cannot_be_made_is_an_error(folder: Path) -> None:
    """The file may be read, and sent from; nothing is confirmed without a mark."""
    path = folder / NAME
    filled(path, [1])
    (folder / MARK).unlink()
    (folder / MARK).mkdir()
    bench = StoreBench(path)
    assert bench.store.state == "faulty"
    assert [serial for serial, _ in bench.store.take_rows()] == [1]
    refused = bench.put(2)
    assert isinstance(refused, OutboxFailed)
    assert refused.problem == f"its mark {bench.store.path}-mark cannot be written (is a directory)"
    (folder / MARK).rmdir()
    bench.worker.wake()
    assert (bench.put(3), bench.pending()) == (3, [1, 3])
    bench.store.close()


def test_a_mark_that_fails_fails_the_signals(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be on the disk: it is told to forget them once it is trusted again."""
    bench = StoreBench(folder / NAME)
    bench.put(1)

    def fail(*_: object) -> int:
        raise OSError(5, "as the test wants it")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        refused = bench.put(2)
    assert isinstance(refused, OutboxFailed)
    assert (refused.serials, refused.certain, bench.store.state) == ((2,), False, "faulty")
    assert "cannot be written (input/output error)" in str(refused)
    bench.worker.wake()
    assert (bench.store.state, bench.pending(), bench.store.found) == ("open", [1], [])
    bench.store.close()


# -- the file that is made anew ---------------------------------------------------------------------------------------------


def test_whose_file_it_is_never_stands_in_its_log_alone(folder: Path) -> None:
    """A33: otherwise one damaged page of the log would make a new file of it, with another sender."""
    killed = Killed(folder / "writer").put(1)
    files = killed.left()
    killed.file.abandon()
    looked = look(lay({**files, LOG: files[LOG][: 32 + HEAD + PAGE]}, folder / "next"))
    assert looked.next_serial == 2
    assert looked.told == 1


def test_a_file_that_was_removed_is_told(folder: Path) -> None:
    """A33: while its program has it, so that the new one has the same sender; serials go on."""
    bench = StoreBench(folder / NAME)
    bench.put(1, 2, 3)
    (folder / NAME).unlink()
    assert isinstance(bench.put(4), OutboxFailed)
    bench.worker.wake()
    assert [found.missing for found in bench.store.found] == [3]
    assert (bench.put(5), bench.pending()) == (5, [5])
    bench.store.close()
    later = StoreBench(folder / NAME)
    assert (later.store.next_serial, later.store.found) == (6, [])
    later.store.close()
