"""A power cut, as near as a program comes to it: an ext4 file system that forgets, from one moment on, all that was not flushed.

The file system stands in an image behind a loop device. An ioctl of ext4 (EXT4_IOC_SHUTDOWN, without flushing its journal) ends
it under traffic; then it is mounted anew, as after a reboot, and brings its journal into order.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.chaos.disks import PATIENCE_SECONDS, ROOT, Said, check_left, command, left, missing, needs_root, needs_strace

CUTS, CUTS_IN_FULL = 10, 40
IMAGE_BYTES = 24 * 1024 * 1024
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2

pytestmark = [needs_root, pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="mkfs.ext4 is not installed here")]


class Machine:
    """A file system whose power can be cut."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self.folder = image, folder

    def mount(self) -> str:
        """Mount it; return what went wrong."""
        done = subprocess.run(["mount", "-o", "loop", self.image, self.folder], capture_output=True, text=True, check=False)
        return done.stderr.strip() if done.returncode else ""

    def unmount(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", self.folder], check=True, capture_output=True)

    def cut(self) -> None:
        """From here on nothing reaches the disk any more."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(folder)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
    machine = Machine(image, folder)
    problem = machine.mount()
    if problem:
        pytest.skip(f"no loop device can be mounted here: {problem}")
    yield machine
    machine.unmount()


def cut_under_traffic(machine: Machine, name: str, puts: int, *before: str, **options: object) -> tuple[Path, Said]:
    """Let a writer work, cut the power after so many puts, and return its file and what it had said until then."""
    path = machine.folder / name
    writer = subprocess.Popen(
        [*before, *command(path, puts=10**9, **options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    said = Said()
    try:
        assert writer.stdout is not None
        while len(said.stored) < puts:
            line = writer.stdout.readline()
            assert line, "the writer ended"
            said.take(line)
        machine.cut()
    finally:
        os.killpg(writer.pid, signal.SIGKILL)  # with whatever runs it
        assert writer.stdout is not None
        rest = writer.stdout.read()  # with what readline() has taken already, which communicate() would leave behind
        writer.stdout.close()
        writer.wait(timeout=PATIENCE_SECONDS)
    # What was said around the cut may have been said before or after it; what is forgotten is not asked for.
    for line in rest.splitlines():
        if line.startswith("forgets"):
            said.take(line)
    machine.unmount()
    assert not machine.mount()
    return path, said


def test_after_a_power_cut_everything_that_was_confirmed_is_there(machine: Machine, request: pytest.FixtureRequest) -> None:
    """A28: with the usual settings nothing is missing, and no file is damaged."""
    cuts = CUTS_IN_FULL if request.config.getoption("--full") else CUTS
    random = Random(28)
    for number in range(cuts):
        path, said = cut_under_traffic(machine, f"{number}.db", random.randrange(5, 200), wal=64 * 1024, callers=1 + number % 3)
        check_left(path, said)
        path.unlink()


def test_with_a_weaker_promise_something_is_missing(machine: Machine) -> None:
    """A28: the same cuts are able to show a loss."""
    lost = 0
    for number in range(3):
        path, said = cut_under_traffic(machine, f"{number}.db", 150, durability="process", held=1_000)
        lost += len(missing(path, said))
    assert lost > 0


@needs_strace
def test_a_disk_that_only_says_that_it_flushed_is_found_out(machine: Machine) -> None:
    """A28: a promise is worth what the disk's word is worth, and this test would see it broken."""
    strace = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:retval=0")
    path, said = cut_under_traffic(machine, "0.db", 150, *strace, held=1_000)
    assert not path.exists() or said.safe - left(path)[0].keys()
