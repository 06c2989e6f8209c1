"""The benchmarks say on what machine they ran, and measure their baseline in the same run; here with the smallest sizes.

What they measure is no matter of tests. These only see that a table is complete, so that it does not rot unseen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
FACTS = ["cores", "processor", "ram_gb", "system", "python", "websockets"]


def run(name: str, *arguments: str) -> str:
    """Run a benchmark as one does from a clone; return what it printed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, timeout=100, check=True)
    return done.stdout


def told(name: str, *arguments: str) -> dict[str, Any]:
    """Run a benchmark; return what it says as JSON, the machine checked."""
    facts: dict[str, Any] = json.loads(run(name, *arguments, "--json"))
    assert list(facts["machine"]) == FACTS
    assert all(facts["machine"].values())
    return facts


def test_a_table_says_on_what_machine_it_was_measured() -> None:
    """In one line above the table; the baseline of imports is asyncio."""
    headline, _, *rows = run("imports", "--runs", "1").splitlines()
    assert f"Python {sys.version.split()[0]}, websockets " in headline
    assert " cores of " in headline
    assert " RAM, " in headline
    assert [row.split()[-1] for row in rows if row.startswith("asyncio ")] == ["1.0"]


@pytest.mark.slow
def test_delays_stand_beside_those_of_a_bare_relay() -> None:
    rows = told("latency", "--seconds", "0.2")["rows"]
    assert [row["name"] for row in rows] == ["bare relay", "reconnect"]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in rows)


@pytest.mark.slow
def test_sizes_stand_beside_those_of_a_deque_and_of_a_bare_connection() -> None:
    facts = told("memory", "--sessions", "40", "--signals", "20000")
    assert 0 < facts["deque_bytes_beyond_payload"] < facts["bytes_beyond_payload"]
    assert 0 < facts["bare_kilobytes_idle"] < facts["kilobytes_idle"]


@pytest.mark.slow
def test_a_recovery_stands_beside_that_of_a_bare_client_that_reconnects() -> None:
    """What the bare client was given while it was away never arrives; of ours all does, whatever the policy."""
    bare, *ours = told("recovery", "--runs", "1")["rows"]
    assert bare["kind"] == "bare"
    assert (bare["arrived"], bare["last"]) == (0, None)
    assert bare["meanwhile"] > 0
    assert bare["first"] > 0
    assert [row["kind"] for row in ours] == ["default", "tuned", "now"]
    assert all(row["arrived"] == row["meanwhile"] > 0 for row in ours)
