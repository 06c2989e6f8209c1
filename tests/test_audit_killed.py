"""A journal whose process is killed: at a hundred random moments, and at every byte that a kill could leave.

The writers are forked from one small process, so that a kill costs milliseconds. Each writes the records of a real day, over and
over, until it is killed; the next one goes on in the same journal.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from reconnect.audit import Journal, read_records
from reconnect.evidence.verify import verify
from tests.journals import records, story

KILLS = 100
PATIENCE_SECONDS = 100.0  # it only catches a hang

KILLING = """
import json, os, signal, sys
from random import Random
from reconnect.audit import Journal

path, kills, told = sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)
chance = Random(2)

def size():
    try:
        return os.path.getsize(path)
    except FileNotFoundError:  # it is being rotated
        return 0

for _ in range(kills):
    before, enough = size(), chance.randrange(60_000)
    writer = os.fork()
    if writer == 0:
        journal = Journal(path, file_bytes=400_000)
        while True:
            for record in told:
                journal.write(record)
    try:
        while before <= size() <= before + enough:  # until it has written a random number of bytes, in this file or the next
            assert os.waitpid(writer, os.WNOHANG) == (0, 0), "the writer ended by itself"
    finally:
        os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_hundred_kills_leave_a_journal_that_goes_on_and_holds(tmp_path: Path) -> None:
    """A34 U06: nothing but what was being written is lost, and each kill is remarked."""
    path = tmp_path / "audit.jsonl"
    told = json.dumps([record for record in records() if record["record"] != "journal"])
    command = [sys.executable, "-c", KILLING, str(path), str(KILLS)]
    done = subprocess.run(command, input=told, text=True, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = verify([path])
    assert found.holds, found.objections[:3]
    assert len(found.files) > 1
    Journal(path).close()
    (after,) = verify([path])
    assert after.holds, after.objections[:3]


def test_a_kill_may_leave_any_number_of_bytes(tmp_path: Path) -> None:
    """What was whole verifies up to the torn tail, which is recognised; the next process takes it off, says so, and goes on."""
    path, chance = tmp_path / "audit.jsonl", Random(3)
    whole = b"\n".join(story()) + b"\n"
    for _ in range(KILLS):
        cut = chance.randrange(1, len(whole) + 1)
        path.write_bytes(whole[:cut])
        torn = cut - (whole[:cut].rfind(b"\n") + 1)
        (found,) = verify([path])
        if torn < cut:
            assert found.holds, (cut, found.objections)
        assert any("the last line is torn" in remark for remark in found.remarks) == bool(torn)
        journal = Journal(path)
        for record in records()[1:]:
            journal.write(record)
        journal.close()
        (after,) = verify([path])
        assert after.holds, (cut, after.objections)
        repaired = [record["torn_bytes"] for record in read_records(path) if record["record"] == "repaired"]
        assert repaired == ([torn] if torn else [])
