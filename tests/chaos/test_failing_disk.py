"""A disk that fails, is full, or is slow, with a real process and a real file: nothing is confirmed that does not hold."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconnect.errors import OutboxFailed, OutboxInUse
from reconnect.store.sqlite import SqliteOutboxStore
from tests.chaos.disks import PATIENCE_SECONDS, ROOT, Said, check_left, command, needs_root, needs_strace, run_writer
from tests.chaos.writer import Writer
from tests.conftest import Runner
from tests.store_bench import filled

FAILING = range(1, 41)  # the flush that fails, counted in the thread that writes
STEP = 8  # in the usual run one process has every eighth fail, so that all forty places are met in eight processes


@needs_strace
def test_a_flush_that_fails(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A30: EIO at any fdatasync: not confirmed, not believed afterwards, and the file is opened anew."""
    full = request.config.getoption("--full")
    whens = [str(n) for n in FAILING] if full else [f"{n}+{STEP}" for n in range(1, STEP + 1)]
    recoveries = 0
    for number, when in enumerate(whens):
        path = tmp_path / f"{number}.db"
        strace = (
            "strace",
            "-f",
            "-qq",
            "-o",
            os.devnull,
            "-e",
            "trace=fdatasync",
            "-e",
            f"inject=fdatasync:error=EIO:when={when}",
        )
        said = run_writer(path, *strace, puts=45, wal=64 * 1024)
        if not said.refused:
            check_left(path, said)
        recoveries += said.recoveries
    # Where the log is brought into the file a flush may fail unseen: SQLite tries again, and the log has everything until then.
    assert recoveries > len(whens) // 2


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """A31: the limit on the size of files is met, and lifted."""
    path = tmp_path / "outbox.db"
    said = run_writer(path, puts=400, limit=200 * 1024, size=1_000, held=200)
    assert said.failed
    assert said.recoveries
    assert len(said.stored) > 300
    check_left(path, said, size=1_000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def make_room(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", folder], check=True)


@needs_root
def test_a_full_disk(run: Runner, small_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A31: a typed error to the caller; outcomes are remembered though they cannot be written; all is well once there is room."""
    path = small_disk / "outbox.db"

    writer = Writer(str(path), size=4_000, held=10_000)
    writer.store._retry_seconds = 3_600.0  # not before the test wants it

    async def fill() -> tuple[list[int], list[int]]:
        while await writer.put():
            pass
        assert not await writer.put()
        assert writer.store.state == "faulty"
        with pytest.raises(OutboxFailed):
            writer.store.pending()
        acknowledged, writer.stored = writer.stored[:20], writer.stored[20:]
        writer.store.forget(acknowledged)
        make_room(small_disk)
        writer.store._worker.wake()
        await writer.recovered()
        assert await writer.put()
        kept = [held.serial for held in writer.store.pending()]
        writer.store.close()
        return writer.stored, kept

    stored, kept = run(fill(), seconds=PATIENCE_SECONDS)
    assert stored
    assert kept == stored
    assert "failed" in capfd.readouterr().out


@needs_root
def test_a_program_that_starts_on_a_full_disk_sends_what_it_has(run: Runner, small_disk: Path) -> None:
    """A31: nothing is taken, and everything that was stored is handed out."""
    path = small_disk / "outbox.db"
    filled(path, [1, 2, 3])
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 512):
            pass
    store = SqliteOutboxStore(path)
    assert store.state == "faulty"
    assert [serial for serial, _ in store.take_rows()] == [1, 2, 3]
    ballast.unlink()
    store.close()


@needs_strace
def test_a_slow_disk(run: Runner, tmp_path: Path) -> None:
    """A32: 200 ms for each flush: the loop goes on, and batches grow instead of waits."""
    script = tmp_path / "slow.py"
    script.write_text(_SLOW, encoding="utf-8")
    strace = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_exit=200000")
    done = subprocess.run(
        [*strace, sys.executable, str(script), str(tmp_path / "outbox.db")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    puts, lag = map(float, done.stdout.split())
    assert puts > 200.0, "one at a time it would be five"
    assert lag < 0.1, f"the loop was held up for {lag} s"


_SLOW = """
import asyncio, sys, time
from reconnect.store.sqlite import SqliteOutboxStore
from tests.store_bench import row

async def main():
    store, loop, done = SqliteOutboxStore(sys.argv[1], signals=100_000), asyncio.get_running_loop(), []
    end, lags = loop.time() + 2.0, []

    async def caller(first):
        for serial in range(first, first + 1_000_000, 200):
            answer = loop.create_future()
            store.put([row(serial)], answer.set_result)
            await answer
            done.append(serial)
            if loop.time() > end:
                return

    async def tick():
        while loop.time() < end:
            began = loop.time()
            await asyncio.sleep(0.002)
            lags.append(loop.time() - began - 0.002)

    began = loop.time()
    await asyncio.gather(tick(), *(caller(first) for first in range(1, 201)))
    print(len(done) / (loop.time() - began), sorted(lags)[int(len(lags) * 0.99)])

asyncio.run(main())
"""


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """A35: within a second of asking, and the first goes on."""
    path = tmp_path / "outbox.db"
    store = SqliteOutboxStore(path)
    said = run_writer(path, puts=1)
    assert said.refused
    with pytest.raises(OutboxInUse):
        SqliteOutboxStore(path)
    store.close()
    said = run_writer(path, puts=1)
    assert said.stored == {1}


def test_the_second_process_waits_for_less_than_a_second(tmp_path: Path) -> None:
    """A35: measured inside of it, for an interpreter takes its time to start."""
    path = tmp_path / "outbox.db"
    holder = subprocess.Popen(command(path, puts=10**9), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "opened open\n"
        began = time.monotonic()
        with pytest.raises(OutboxInUse):
            SqliteOutboxStore(path)
        assert time.monotonic() - began < 1.0
        said = Said()
        while len(said.stored) < 50:
            said.take(holder.stdout.readline())
        assert not said.failed
    finally:
        holder.kill()
        holder.communicate()
