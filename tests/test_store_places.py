"""Setting a damaged file aside: neither a kill at any step of it nor a disk that fails loses anything, and the log is kept."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconnect.errors import OutboxFailed, OutboxInUse
from reconnect.store import places
from reconnect.store.layout import is_empty
from tests.store_bench import opened
from tests.store_killed import HEAD, HEADER, LOG, MARK, NAME, PAGE, Files, Killed, lay, look, quick_folder

STEPS = ("link", "rename", "replace", "unlink", "fsync")
REAL = {name: getattr(os, name) for name in STEPS}


@pytest.fixture
def folder() -> Iterator[Path]:
    with quick_folder() as folder:
        yield folder


@pytest.fixture(params=[0, 3])
def damaged(folder: Path, request: pytest.FixtureRequest) -> tuple[Files, set[int]]:
    """What a killed writer left, with a damaged log that SQLite reads nothing of, or three pages; and what was stored."""
    killed = Killed(folder / "writer").put(1).put(2, 3).put(4).put(5, 6)
    files, held = killed.left(), set(killed.rows)
    killed.file.abandon()
    log = bytearray(files[LOG])
    at = HEADER + request.param * (HEAD + PAGE) + HEAD
    log[at + 3_000 : at + 3_008] = b"DAMAGED!"
    return {**files, LOG: bytes(log)}, held


def at_each_step(patch: pytest.MonkeyPatch, act: Callable[[str], None]) -> None:
    """Call `act` before every step on the disk that is not SQLite's."""
    for name in STEPS:
        real = getattr(os, name)

        def step(*arguments: Any, name: str = name, real: Any = real) -> Any:
            act(name)
            return real(*arguments)

        patch.setattr(os, name, step)


class Snapshot:
    """A folder as a kill leaves it; files with two names keep both."""

    def __init__(self, folder: Path) -> None:
        self.files = [(entry.name, entry.stat().st_ino, entry.read_bytes()) for entry in folder.iterdir()]

    def lay(self, folder: Path) -> Path:
        """Make it anew; return the outbox."""
        path = lay({}, folder)
        first: dict[int, str] = {}
        for name, number, content in self.files:
            if number in first:
                os.link(folder / first[number], folder / name)
            else:
                first[number] = name
                (folder / name).write_bytes(content)
        return path


def test_what_was_damaged_is_kept_as_it_was(damaged: tuple[Files, set[int]], folder: Path) -> None:
    """A33: file, log and mark, under a name of their own; the file has in it what SQLite read of the log."""
    files, held = damaged
    looked = look(lay(files, folder / "next"))
    assert set(looked.rows) == held
    assert looked.found is not None
    aside = Path(looked.found.aside)
    assert aside.name == f"{NAME}.damaged-1"
    assert Path(f"{aside}-wal").read_bytes() == files[LOG]
    assert Path(f"{aside}-mark").read_bytes() == files[MARK]
    assert {entry.name for entry in (folder / "next").iterdir()} == {
        NAME,
        *(f"{NAME}.damaged-1{side}" for side in ("", "-wal", "-mark")),
    }
    again = look(aside)
    assert (set(again.rows), again.found is not None) == (held, True), "an outbox like any other, and as damaged"


def test_a_damaged_file_with_a_good_log_is_kept_bit_for_bit(folder: Path) -> None:
    """A33: SQLite does not bring its log into it any more."""
    killed = Killed(folder / "writer").put(*range(1, 40))
    killed.file._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    killed.put(40)
    files = killed.left()
    killed.file.abandon()
    files[NAME] = files[NAME].replace(b"3 xxxx", b"3 XXXX", 1)
    looked = look(lay(files, folder / "next"))
    assert looked.found is not None
    assert {side: Path(looked.found.aside + side).read_bytes() for side in ("", "-wal", "-mark")} == {
        "": files[NAME],
        "-wal": files[LOG],
        "-mark": files[MARK],
    }


def test_a_kill_at_any_step_loses_nothing(damaged: tuple[Files, set[int]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A33: whoever opens it next finds all rows, whatever was done by then, and the log is somewhere."""
    files, held = damaged
    path = lay(files, folder / "next")
    left: list[tuple[str, Snapshot]] = []
    with monkeypatch.context() as patch:
        at_each_step(patch, lambda name: left.append((name, Snapshot(folder / "next"))))
        look(path)
    # SQLite deletes a log that it can read nothing of, and leaves one that it is kept from bringing into the file.
    assert {name for name, _ in left} | {"rename"} == set(STEPS)
    for number, (name, snapshot) in enumerate(left):
        looked = look(snapshot.lay(folder / "after"))
        assert set(looked.rows) == held, f"killed before step {number}, {name}"
        logs = [entry.read_bytes() for entry in (folder / "after").iterdir() if entry.name.endswith("-wal")]
        assert files[LOG] in logs, f"killed before step {number}, {name}"
        names = {entry.name for entry in (folder / "after").iterdir()}
        assert not {name for name in names if "kept" in name or "salvag" in name or "damaged-2" in name}, (
            f"killed before step {number}, {name}"
        )
        again = look(folder / "after" / NAME)
        assert (looked.found is not None, again.found) == (True, looked.found), f"killed before step {number}, {name}"


def test_a_disk_that_fails_at_any_step_loses_nothing(
    damaged: tuple[Files, set[int]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A31 A33: an error is raised, and SQLite does not get to delete the log that it cannot read."""
    files, held = damaged
    failures = step = 0
    while True:
        path, countdown = lay(files, folder / "next"), iter(range(step, -1, -1))

        def fail(name: str, countdown: Iterator[int] = countdown) -> None:
            if next(countdown, None) == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            at_each_step(patch, fail)
            try:
                looked = look(path)
            except OutboxFailed:
                failures += 1
        assert set(look(path).rows) == held, f"failed at step {step}"
        if next(countdown, None) is not None:
            break  # it took fewer steps than that
        step += 1
    assert looked.found is not None
    assert failures > 5


def test_a_log_that_is_on_its_way_back_is_brought_back(damaged: tuple[Files, set[int]], folder: Path) -> None:
    """A kill after SQLite deleted it under its own name."""
    files, held = damaged
    files[NAME + places.KEPT] = files.pop(LOG)
    assert set(look(lay(files, folder / "next")).rows) == held
    assert not (folder / "next" / (NAME + places.KEPT)).exists()


def test_no_log_is_lost_where_a_file_cannot_be_read(
    damaged: tuple[Files, set[int]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A30: the disk fails once SQLite has the lock, and has read the log as far as it can."""
    files, held = damaged
    path = lay(files, folder / "next")

    def failing(connection: sqlite3.Connection) -> bool:
        is_empty(connection)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("reconnect.store.file.is_empty", failing)
        with pytest.raises(OutboxFailed, match="the disk failed"):
            look(path)
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == files
    assert set(look(path).rows) == held


def test_a_second_name_of_a_log_is_forgotten_before_anything_is_written(folder: Path) -> None:
    """Brought back later, it would undo what was stored since."""
    killed = Killed(folder / "writer").put(1)
    files = killed.left()
    killed.file.abandon()
    path = lay({**files, NAME + places.KEPT: files[LOG]}, folder / "next")
    file = opened(path)
    assert {entry.name for entry in path.parent.iterdir()} == {NAME, LOG, MARK, NAME + places.LOCK}
    file.close()


def test_no_log_of_another_program_is_touched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A35: who is refused keeps its hands off."""
    monkeypatch.setattr("reconnect.limits.STORE_LOCK_SECONDS", 0.01)
    killed = Killed(folder / "writer").put(1)
    before = killed.left()
    assert _in_a_child(lambda: _look_from_outside(killed.folder / NAME)) == REFUSED
    assert killed.left() == before
    killed.file.abandon()


def test_nobody_else_gets_a_damaged_file_at_any_step_of_setting_it_aside(
    damaged: tuple[Files, set[int]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A33 A35: the file that is locked is not the one that stands there in the end; a lock on it alone would let two in."""
    monkeypatch.setattr("reconnect.limits.STORE_LOCK_SECONDS", 0.01)
    files, held = damaged
    path = lay(files, folder / "next")
    outcomes: list[tuple[str, int, bool]] = []

    def attempt(name: str) -> None:
        before = names(folder / "next")
        outcomes.append((name, _in_a_child(lambda: _look_from_outside(path)), names(folder / "next") == before))

    with monkeypatch.context() as patch:
        at_each_step(patch, attempt)
        file = opened(path)
        assert len(outcomes) > 15
        assert {(code, untouched) for _, code, untouched in outcomes} == {(REFUSED, True)}, outcomes
    assert {serial for serial, _ in file.take_rows()} == held
    assert _in_a_child(lambda: _look_from_outside(path)) == REFUSED
    file.close()
    assert _in_a_child(lambda: _look_from_outside(path)) == OPENED


# -- who has the path -----------------------------------------------------------------------------------------------------------


def test_a_path_is_had_by_one_and_given_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A35: before there is a file, in this process and in another one; nothing is left."""
    monkeypatch.setattr("reconnect.limits.STORE_LOCK_SECONDS", 0.01)
    path = str(folder / NAME)
    claim = places.Claim(path)
    assert repr(claim) == f"<Claim {path}>"
    with pytest.raises(OutboxInUse):
        places.Claim(path)
    assert _in_a_child(lambda: places.Claim(path)) == REFUSED
    assert _in_a_child(lambda: _claim_from_outside(path)) == REFUSED
    claim.release()
    claim.release()
    assert repr(claim) == f"<Claim {path} released>"
    assert list(folder.iterdir()) == []
    places.Claim(path).release()


def test_whoever_waits_for_a_path_gets_it_when_it_is_free(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A35: an outbox that is being closed; the lock is taken on a file that goes away, and then on the one that all come upon."""
    path, held = str(folder / NAME), os.pipe()
    ready = os.pipe()
    child = os.fork()
    if child == 0:
        claim = places.Claim(path)
        os.write(ready[1], b"x")
        os.read(held[0], 1)
        claim.release()
        os._exit(0)
    os.read(ready[0], 1)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        if not waited:
            os.write(held[1], b"x")
            os.waitpid(child, 0)
        waited.append(seconds)

    monkeypatch.setattr("time.sleep", sleep)
    claim = places.Claim(path)
    assert len(waited) == 1
    assert _in_a_child(lambda: _claim_from_outside(path)) == REFUSED
    claim.release()
    for end in (*held, *ready):
        os.close(end)


def test_a_lock_on_a_file_that_went_away_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A35: who had it before took its name away between opening and locking."""
    lockf, path = fcntl.lockf, str(folder / NAME)
    gone: list[int] = []

    def late(descriptor: int, *arguments: Any) -> None:
        if len(gone) < 2:
            os.unlink(path + places.LOCK)
            if gone:
                Path(path + places.LOCK).touch()
            gone.append(descriptor)
        lockf(descriptor, *arguments)

    monkeypatch.setattr(fcntl, "lockf", late)
    monkeypatch.setattr("time.sleep", lambda _: None)
    claim = places.Claim(path)
    assert len(gone) == 2
    assert _in_a_child(lambda: _claim_from_outside(path)) == REFUSED
    claim.release()


def test_a_path_that_cannot_be_locked_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "lockf", none)
        with pytest.raises(OutboxFailed, match="no locks available"):
            opened(folder / NAME)
    opened(folder / NAME).close()


def test_a_child_that_was_forked_gives_nothing_of_its_parents_back(folder: Path) -> None:
    claim = places.Claim(str(folder / NAME))
    assert _in_a_child(claim.release) == OPENED
    assert (folder / (NAME + places.LOCK)).exists()
    assert _in_a_child(lambda: _claim_from_outside(str(folder / NAME))) == REFUSED
    claim.release()


def test_a_file_that_is_read_without_sqlite_is_locked_as_sqlite_does(folder: Path) -> None:
    """A35: asked in another process, for locks are counted by process."""
    path = folder / NAME
    opened(path).close()
    with places.locked(str(path)) as file:
        assert file.read(6) == b"SQLite"
        assert _refused(path)
    assert not _refused(path)
    held = opened(path)
    assert _refused(path)
    held.close()


def _refused(path: Path) -> bool:
    def lock() -> None:
        with places.locked(str(path)):
            pass

    return _in_a_child(lock) == REFUSED


OPENED, REFUSED, FAILED = range(3)


def _in_a_child(act: Callable[[], object]) -> int:
    """Do this in another process, which knows nothing of what this one has open; return whether it was refused."""
    child = os.fork()
    if child == 0:
        code = FAILED
        try:
            for name, real in REAL.items():
                setattr(os, name, real)
            act()
            code = OPENED
        except OutboxInUse:
            code = REFUSED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _claim_from_outside(path: str) -> None:
    places._open.clear()
    places.Claim(path)


def _look_from_outside(path: Path) -> None:
    places._open.clear()
    look(path)


def names(folder: Path) -> list[tuple[str, int]]:
    """Return what is in a folder, and which file each of it is."""
    return sorted((entry.name, entry.stat().st_ino) for entry in folder.iterdir())
