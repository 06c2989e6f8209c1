"""What the disk tests share: running the writer, reading what it said, and looking at what it left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconnect.store.file import OutboxFile
from reconnect.store.found import Found
from reconnect.store.held import StoredRow
from tests.chaos.writer import payload
from tests.store_bench import settings

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 60.0  # it only catches a hang

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed here")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system")


@dataclass
class Said:
    """What a writer said, in order."""

    stored: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    forgotten: set[int] = field(default_factory=set)
    refused: bool = False
    recoveries: int = 0

    def take(self, line: str) -> None:
        """Note one line."""
        word, *rest = line.split()
        if word == "stored":
            self.stored.add(int(rest[0]))
        elif word == "failed":
            self.failed.add(int(rest[0]))
        elif word == "forgets":
            self.forgotten |= set(map(int, rest))
        elif word == "refused":
            self.refused = True
        elif word == "open":
            self.recoveries += 1

    @property
    def safe(self) -> set[int]:
        """What must be there: said to be stored, and not given up since."""
        return self.stored - self.forgotten


def heard(output: str) -> Said:
    """Return what was said; a line that was cut was not said."""
    said = Said()
    for line in output.splitlines(keepends=True):
        if line.endswith("\n"):
            said.take(line)
    return said


def command(path: Path, **options: Any) -> list[str]:
    """Return the command that runs the writer."""
    return [sys.executable, "-m", "tests.chaos.writer", str(path), json.dumps(options)]


def run_writer(path: Path, *before: str, **options: Any) -> Said:
    """Run the writer, under another command if one is given, and return what it said."""
    done = subprocess.run(
        [*before, *command(path, **options)], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return heard(done.stdout)


def left(path: Path) -> tuple[dict[int, StoredRow], Found | None]:
    """Return the rows of a file that nobody has open, and what was wrong with it."""
    file = OutboxFile(os.path.realpath(path), settings(signals=100_000, size=64 << 20))
    try:
        return dict(file.take_rows()), file.found
    finally:
        file.abandon()


def check_left(path: Path, said: Said, *, size: int = 100, also: Iterable[int] = ()) -> None:
    """Check that what was said holds: the safe ones are there, whole and in order, and none that had failed."""
    rows, found = left(path)
    assert found is None, str(found)
    assert said.safe <= rows.keys(), f"lost: {sorted(said.safe - rows.keys())}"
    assert not said.failed & rows.keys(), f"failed, and there: {sorted(said.failed & rows.keys())}"
    assert list(rows) == sorted(rows)
    for serial, row in rows.items():
        assert row.data == payload(serial, size)


def missing(path: Path, said: Said) -> Sequence[int]:
    """Return what was said to be safe and is not there."""
    return sorted(said.safe - left(path)[0].keys())
