"""The part of pytest that counts the rows which a run takes: what it counts, and when it fails a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconnect.chart import load_chart, runner_for
from tests.core_world import CoreWorld
from tests.row_coverage import RowCoverage

OWN = ("PYTEST_", "COV")  # of the run around this one
ROOT = Path(__file__).resolve().parent.parent
CONFTEST = "from tests import row_coverage\n\n\ndef pytest_configure(config):\n    row_coverage.register(config)\n"
SUITE = """
from tests.core_world import CoreWorld

def test_coming():
    CoreWorld().online()

def test_going():
    CoreWorld().online().disconnect()
"""
FIRST = "no test takes session: transitions[3] (attempt_failed from connecting.dialing and 1 more)"


def counted() -> RowCoverage:
    """Return what counts the rows of the session's chart from now on, within what counts those of the run."""
    return RowCoverage([load_chart("session")])


def test_it_counts_the_rows_that_the_library_takes() -> None:
    coverage = counted()
    coverage.start()
    try:
        CoreWorld().online()
    finally:
        coverage.stop()
    CoreWorld().online().disconnect()
    untaken = list(coverage.untaken())
    assert (coverage.taken, coverage.total, len(untaken)) == (3, 28, 25)
    assert untaken[0] == "session: transitions[3] (attempt_failed from connecting.dialing and 1 more)"
    assert "session: transitions[11] (disconnect_requested from connected)" in untaken


def test_a_step_of_a_test_does_not_count_nor_does_a_pair_that_is_ignored() -> None:
    coverage = counted()
    coverage.start()
    try:
        runner_for(load_chart("session")).step("disconnected", "connect_requested")
        CoreWorld().retry()
    finally:
        coverage.stop()
    assert coverage.taken == 0


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a suite of two tests, in a process of its own."""
    (folder / "suite").mkdir(exist_ok=True)
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = suite\n", encoding="utf-8")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (folder / "suite" / "test_it.py").write_text(SUITE, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


@pytest.mark.parametrize("arguments", [[], ["--numprocesses=2"]], ids=["in one process", "in two"])
def test_a_whole_run_that_leaves_a_row_untaken_fails_and_names_it(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 1, done.stdout
    assert "2 passed" in done.stdout
    assert FIRST in done.stdout
    assert "rows of the charts taken in this run: 4 of " in done.stdout
    assert "no test takes session: transitions[0]" not in done.stdout


@pytest.mark.parametrize("arguments", [["-k", "coming"], ["suite/test_it.py"]], ids=["by a word", "by a file"])
def test_a_run_of_some_tests_does_not_fail_for_it(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stdout
    assert "rows of the charts taken in this run: " in done.stdout
    assert "no test takes" not in done.stdout


def test_a_run_that_failed_has_other_worries(tmp_path: Path) -> None:
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "test_wrong.py").write_text("def test_wrong():\n    assert False\n", encoding="utf-8")
    done = run(tmp_path)
    assert done.returncode == 1
    assert "no test takes" not in done.stdout
