"""The time of day jumps under a session and a hub that run for real, on sockets and on the machine's own clocks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.jumping import LONGEST_WAIT_SECONDS, OFFSETS

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(__file__).with_name("jumping.py")
# Where the system has it; another place can be named.
LIBRARY = next(map(str, Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), os.environ.get("LIBFAKETIME", ""))

pytestmark = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed here")


def test_real_sessions_do_not_notice_the_time_of_day(tmp_path: Path) -> None:
    """A6: an hour and ten years, back and forth: no wait is negative or too long, and everything arrives."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "LD_PRELOAD": LIBRARY,
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(offset)], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [round(jump) for jump in told["jumps"]] == [side * seconds for seconds in OFFSETS for side in (1, -1)]
    assert len(told["waits"]) >= len(told["elapsed"]) == len(OFFSETS)
    assert all(0.0 <= wait <= LONGEST_WAIT_SECONDS for wait in told["waits"])
    assert all(0.0 <= elapsed < 5.0 for elapsed in told["elapsed"])
    assert told["arrived"] == [number for number in range(len(OFFSETS)) for _ in "ab"]
    assert told["outcomes"] == ["delivered"] * 2 * len(OFFSETS)
