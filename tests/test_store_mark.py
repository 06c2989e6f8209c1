"""The mark beside an outbox file: it is never ahead of what the disk holds, and only one that says something is believed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from reconnect.errors import OutboxFailed, OutboxUnreadable
from reconnect.store import Durability
from reconnect.store.file import SERIALS_WEAK, OutboxFile
from reconnect.store.layout import Account
from reconnect.store.mark import Mark, MarkFile, read_mark
from reconnect.store.recovery import recovered
from tests.store_bench import SENDER, StoreBench, filled, opened, settings, stored_row
from tests.store_killed import HEAD, HEADER, LOG, MARK, NAME, PAGE, Files, Killed, flipped, lay, look, quick_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture
def killed(folder: Path) -> Iterator[Killed]:
    writer = Killed(folder / "writer")
    yield writer
    writer.file.abandon()


def left(path: Path) -> Files:
    """Return what stands there, but for the lock."""
    return {entry.name: entry.read_bytes() for entry in path.parent.iterdir() if not entry.name.endswith("-lock")}


def account(commits: int, **fields: Any) -> Account:
    return Account(sender=SENDER, commits=commits, next_serial=commits + 1, held=3, total=7, stored=commits + 4, **fields)


# -- what it is ----------------------------------------------------------------------------------------------------------------


def test_it_says_how_far_the_file_had_come(folder: Path) -> None:
    path = str(folder / NAME)
    assert read_mark(path) is None
    mark = MarkFile(path)
    assert repr(mark) == f"<MarkFile {path}-mark>"
    mark.write(account(1))
    assert repr(mark) == f"<MarkFile {path}-mark open>"
    for commits in (2, 300, 2**40):
        mark.write(account(commits, weak=commits == 300))
        told = read_mark(path)
        assert told == Mark(
            sender=SENDER,
            commits=commits,
            next_serial=commits + 1,
            stored=commits + 4,
            held=3,
            total=7,
            weak=commits == 300,
        )
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


@pytest.mark.parametrize("wrong", ["absent", "empty", "zeros", "short", "long", "flipped"])
def test_a_mark_that_cannot_be_believed_skips_serials(killed: Killed, folder: Path, wrong: str) -> None:
    """A33 A28: it may have known of more than a damaged log shows. One that was never written is no damage."""
    files = killed.put(1).put(2).left()
    whole = files[MARK]
    wrongs = {"empty": b"", "zeros": bytes(len(whole)), "short": whole[:-1], "long": whole + bytes(1 << 20)}
    files |= {MARK: wrongs.get(wrong, flipped(whole, 9))}
    if wrong == "absent":
        del files[MARK]
    path = lay(files, folder / "next")
    looked = look(path)
    assert (looked.rows, looked.told, looked.next_serial) == (killed.rows, 0, 3 + SERIALS_WEAK)
    told = "" if wrong in ("absent", "empty", "zeros") else "its mark is damaged, so a log that was cut is not missed"
    assert looked.flaws == told
    file = opened(path)
    sentence = f"the outbox file was damaged: 0 damaged signals were set aside, none is missing ({told})"
    assert str(file.found) == sentence or not told
    mark = read_mark(str(path))
    assert mark is not None
    assert (mark.is_of(SENDER), mark.next_serial, mark.held) == (True, 3 + SERIALS_WEAK, 2)
    file.close()
    assert look(path).next_serial == 3 + SERIALS_WEAK, "once"
    assert len((folder / "next" / MARK).read_bytes()) == len(whole)


@pytest.mark.parametrize("absent", [True, False])
def test_a_damaged_log_is_read_to_its_end_where_no_mark_tells(killed: Killed, folder: Path, *, absent: bool) -> None:
    """A33: nobody knows whether that was all, and no serial is given out twice."""
    for serial in range(1, 10):
        killed.put(serial)
    files = killed.left()
    files[LOG] = flipped(files[LOG], 8 * (HEADER + 3 * (HEAD + PAGE) + HEAD + 3_000))
    files[MARK] = flipped(files[MARK], 9)
    if absent:
        del files[MARK]
    looked = look(lay(files, folder / "next"))
    assert (looked.rows, looked.told, looked.next_serial) == (killed.rows, 0, 10 + SERIALS_WEAK)
    assert "1 pages of its log are damaged" in looked.flaws
    assert ("its mark is damaged" in looked.flaws) != absent


def test_serials_are_not_used_again_where_a_damaged_mark_stands_beside_a_log_that_was_cut(killed: Killed, folder: Path) -> None:
    """A33: what is gone cannot be known."""
    files = killed.put(1).put(2).put(3).left()
    looked = look(lay({**files, LOG: files[LOG][: -2 * (HEAD + PAGE)], MARK: flipped(files[MARK], 9)}, folder / "next"))
    assert set(looked.rows) == {1, 2}
    assert looked.next_serial == 3 + SERIALS_WEAK


def test_what_was_given_out_under_a_weaker_promise_is_not_given_out_again(folder: Path) -> None:
    """A28: a power cut took all of the log, which never was flushed; the mark was, before anything was promised."""
    killed = Killed(folder / "writer", durability=Durability.PROCESS)
    first = killed.left()
    files = killed.put(1, 2).put(3).left()
    assert files[NAME] == first[NAME], "all of it is in the log"
    killed.file.abandon()
    path = lay({NAME: first[NAME], MARK: first[MARK]}, folder / "next")
    looked = look(path)
    assert (looked.rows, looked.next_serial) == ({}, 1 + SERIALS_WEAK)
    assert looked.flaws.endswith("or a power cut took the end of it, which durability='full' protects from")


def test_a_file_that_was_closed_skips_nothing(folder: Path) -> None:
    """The mark says with which promise it was closed, and that is the end of it."""
    path = folder / NAME
    opened(path, durability=Durability.PROCESS).close()
    assert look(path).next_serial == 1
    mark = read_mark(str(path))
    assert mark is not None
    assert not mark.weak


# -- where it is another's -------------------------------------------------------------------------------------------------


def other_left(folder: Path) -> Files:
    """Return what a writer leaves of an outbox of another sender."""
    (folder / "other").mkdir()
    file = OutboxFile(os.path.realpath(folder / "other" / NAME), replace(settings(), sender="cd" * 16))
    file.mark_open()
    for serials in ((1,), (2, 3)):
        file.commit([(serial, stored_row(serial)) for serial in serials], ())
    files = {entry.name: entry.read_bytes() for entry in (folder / "other").iterdir()}
    file.abandon()
    return files


def test_the_log_of_another_outbox_is_not_believed(killed: Killed, folder: Path) -> None:
    """A33: nor brought into the file. Mark and file say whose it is, and either may be the one that is in the wrong place."""
    theirs, ours = other_left(folder), killed.put(1).left()
    for files in ({**ours, LOG: theirs[LOG]}, {**ours, MARK: theirs[MARK]}, {NAME: ours[NAME], MARK: theirs[MARK]}):
        path = lay(files, folder / "next")
        with pytest.raises(OutboxUnreadable, match=r"outbox.db-mark is of another outbox, .* or remove .*outbox.db-mark if"):
            look(path)
        assert left(path) == files
    path = lay({NAME: ours[NAME], LOG: ours[LOG]}, folder / "next")
    assert look(path).rows == killed.rows, "without the mark, as the error says"


def test_a_damaged_log_of_another_outbox_is_not_believed(killed: Killed, folder: Path) -> None:
    """A33: and what stands behind the damage in it is not looked for."""
    theirs, ours = other_left(folder), killed.put(1).left()
    contents = recovered(None, read_mark(str(killed.folder / NAME)), ours[NAME], theirs[LOG], NAME)
    assert contents is None


def test_no_flipped_bit_of_it_is_believed(killed: Killed, folder: Path) -> None:
    """A33: nothing is told that is not so."""
    files = killed.put(1).put(2).left()
    for bit in range(8 * len(files[MARK])):
        looked = look(lay({**files, MARK: flipped(files[MARK], bit)}, folder / "next"))
        assert (looked.rows, looked.told, looked.next_serial) == (killed.rows, 0, 3 + SERIALS_WEAK)
        assert "its mark is damaged" in looked.flaws


# -- where it cannot be read, or written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["open", "read"])
def test_a_mark_that_cannot_be_read_is_an_error(killed: Killed, folder: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A33: without it a damaged log would be taken for a short one, and what stands behind the damage would be deleted."""
    files = killed.put(1).put(2).put(3).left()
    files[LOG] = flipped(files[LOG], 8 * (HEADER + 3 * (HEAD + PAGE) + HEAD + 3_000))
    path = lay(files, folder / "next")
    real = getattr(os, call)

    def fail(what: Any, *rest: Any) -> Any:
        if str(what).endswith("-mark") or call == "read":
            raise OSError(5, "as the test wants it")
        return real(what, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OutboxFailed, match=r"its mark .*-mark cannot be read \(input/output error\); let this user read it"):
            look(path)
    assert left(path) == files
    assert look(path).rows == killed.rows


@pytest.mark.parametrize("what", ["folder", "link", "loop", "pipe", "socket"])
def test_what_is_no_file_is_no_mark(killed: Killed, folder: Path, what: str) -> None:
    """Nobody waits for the other end of a pipe, and what a link leads to is not written."""
    files = killed.put(1).left()
    del files[MARK]
    path = lay(files, folder / "next")
    mark, victim = folder / "next" / MARK, folder / "victim"
    victim.write_bytes(b"of somebody else")
    if what == "folder":
        mark.mkdir()
    elif what == "pipe":
        os.mkfifo(mark)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(mark))
    else:
        mark.symlink_to(victim if what == "link" else mark)
    for _ in range(2):
        with pytest.raises(OutboxFailed, match="-mark: it is no regular file; remove it"):
            look(path)
    with pytest.raises(OutboxFailed, match="it is no regular file"):
        MarkFile(str(path)).write(account(1))
    assert victim.read_bytes() == b"of somebody else"


def test_a_mark_that_cannot_be_made_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be read, and sent from; nothing is confirmed without a mark."""
    path = folder / NAME
    filled(path, [1])
    cut = os.ftruncate

    def fail(*_: object) -> None:
        raise OSError(28, "as the test wants it")

    monkeypatch.setattr(os, "ftruncate", fail)
    bench = StoreBench(path)
    assert bench.store.state == "faulty"
    assert [serial for serial, _ in bench.store.take_rows()] == [1]
    refused = bench.put(2)
    assert isinstance(refused, OutboxFailed)
    assert refused.problem == f"its mark {bench.store.path}-mark cannot be written (no space left on device)"
    monkeypatch.setattr(os, "ftruncate", cut)
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


def test_a_file_that_was_removed_is_waited_for(folder: Path) -> None:
    """A33: while its program has it; it goes on with the file that is put back, or anew where somebody wants that."""
    bench = StoreBench(folder / NAME)
    bench.put(1, 2, 3)
    os.rename(folder / NAME, folder / "moved")
    os.rename(folder / LOG, folder / "moved-wal")
    for _ in range(2):
        assert isinstance(bench.put(4), OutboxFailed)
        bench.worker.wake()
        assert bench.store.state == "faulty"
        assert "it was moved or removed while it was open; put it back" in str(bench.store.fault)
        assert not (folder / NAME).exists()
    os.rename(folder / "moved-wal", folder / LOG)
    os.rename(folder / "moved", folder / NAME)
    bench.worker.wake()
    assert (bench.put(5), bench.pending(), bench.store.found) == (5, [1, 2, 3, 5], [])
    for name in (NAME, LOG, MARK):
        (folder / name).unlink()
    assert isinstance(bench.put(6), OutboxFailed)
    bench.worker.wake()
    assert bench.pending() == []
    bench.store.close()
    later = StoreBench(folder / NAME)
    assert (later.store.next_serial, later.store.sender) == (7, bench.store.sender)
    later.store.close()
