"""A crash at every write: the disk is made anew from a recorded log; what was not flushed is dropped, kept, torn or reordered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from tests.chaos.disks import Said, check_left, left, needs_strace
from tests.chaos.writelog import CRASHES, Disk, Move, recorded

POINTS, POINTS_IN_FULL = 500, 5_000
RUN = {"puts": 120, "wal": 40 * 1024, "size": 700, "held": 30}  # with forgetting, and with the log brought in every few commits


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder for what a crash left; in memory where there is such a place, for each crash is looked at once."""
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:  # ours alone
        yield Path(folder)


def crash_points(moves: list[Move], count: int, random: Random) -> Iterator[tuple[Said, dict[str, bytes], str]]:
    """Yield so many crashes, spread over the whole run: what had been said, what is left, and how."""
    disk, taken = Disk(), 0
    for number, move in enumerate(moves, 1):
        disk.take(move)
        while taken < count * number // len(moves):
            how = CRASHES[taken % len(CRASHES)]
            yield disk.said, disk.crashed(how, random), f"{how} after move {number} ({move.what} {move.name})"
            taken += 1


def lay_out(files: dict[str, bytes], folder: Path) -> Path:
    """Put files where there may be others of an earlier crash."""
    for entry in folder.iterdir():
        entry.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "outbox.db"


@needs_strace
def test_whatever_a_crash_leaves_what_was_confirmed_is_there(tmp_path: Path, disk: Path, request: pytest.FixtureRequest) -> None:
    """A29: every row that was confirmed and not given up, and never a file that is damaged."""
    source = tmp_path / "source"
    source.mkdir()
    moves = recorded(source, **RUN)
    assert sum(move.what == "flushed" and move.name == "outbox.db" for move in moves) > 5, "the log was brought in"
    assert sum(move.what == "wrote" and move.name == "outbox.db-mark" for move in moves) > RUN["puts"], "and the mark is followed"
    count = POINTS_IN_FULL if request.config.getoption("--full") else POINTS
    points = 0
    for said, files, how in crash_points(moves, count, Random(29)):
        path = lay_out(files, disk)
        try:
            check_left(path, said, size=700)
        except Exception as error:
            raise AssertionError(f"{how}: {error}") from error
        points += 1
    assert points == count


@needs_strace
def test_a_weaker_promise_does_lose_something(tmp_path: Path, disk: Path) -> None:
    """A29: the same crashes are able to show a loss."""
    source = tmp_path / "source"
    source.mkdir()
    moves = recorded(source, durability="process", **RUN)
    lost = 0
    for said, files, _ in crash_points(moves, 100, Random(29)):
        lost += bool(said.safe - left(lay_out(files, disk))[0].keys())
    assert lost > 10
