"""The examples, run as what they are: programs of their own, with real sockets and real time.

They start together, so that all of them take no longer than the slowest.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
LONGEST = 90  # lines: an example that has to be scrolled through is none
PATIENCE_SECONDS = 60.0  # it only catches a hang

# What must stand in the output: patterns of whole lines, in this order, with other lines between them.
ESSENTIAL = {
    "sample_app": (
        "Ben   picture  playing",
        "Anna  camera   frame sent: True",
        r"Anna  status   connection lost, trying again in \d\.\d s",
        "Anna  camera   frame sent: False",
        "Anna  signal   with retry: waits; without: dropped",
        r"Anna  status   connected again after \d+\.\d s",
        r"Anna  chat     Anna\? Your picture stands still\.",
        "Anna  signal   with retry: delivered",
        r"Anna  status   left \(client_disconnected\)",
    ),
    "answering_bot": (
        r"bot    Norway: Oslo \(delivered\)",
        r"guest  Chile\? \(delivered\)",
        r"guest  Atlantis\? \(delivered\)",
        r"bot    back after \d+\.\d s",
        r"bot    Chile: Santiago \(delivered\)",
        r"bot    Kenya: Nairobi \(delivered\)",
        r"bot    Japan: Tokyo \(delivered\)",
        r"bot    Atlantis: I do not know \(delivered\)",
        "guest  has 5 answers to 5 questions",
    ),
    "robot": (
        "tunnel    begins",
        r"robot     lost \(silent\)",
        "tunnel    ends",
        r"robot     back after \d+\.\d s",
        r"position  (1\d|20) delivered, \d+ dropped",
        r"battery   \d+ delivered, \d+ expired",
        "alarm     1 delivered",
        r"pictures  \d+ sent, [1-9]\d* not",
    ),
    "field_device": (
        r"life 1  ended by SIGKILL after \d+ readings",
        r"life 5  ended by SIGTERM after \d+ readings",
        r"ledger  [1-9]\d+ stored, [1-9]\d+ arrived, 0 lost, 0 twice, in order",
    ),
    "own_policy": (
        r"  lost \(token_expired\)",
        r"  attempt 1 in 0\.00 s",
        "  back, resumed=True",
        r"  lost \(closed\)",
        r"  attempt 1 in 0\.(1\d|20) s",
        "  back, resumed=True",
        r"  lost \(closed\)",
        r"  attempt 4 in 0\.\d\d s",
        r"  over \(gave_up\): stop_after_attempt\(max_attempt_number=4\) said stop",
        "connected again",
        r"  over \(client_disconnected\): left",
    ),
}
# What must not: a line that matches anywhere.
FORBIDDEN = {
    "sample_app": "I am at the door",
    "answering_bot": "rejected|failed",
    "robot": "failed|alarm .*expired",
    "own_policy": "attempt 5",
    "field_device": "out of order",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Start all examples, each in a folder without the source."""
    folder = tmp_path_factory.mktemp("outside")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}
    started = {
        name: subprocess.Popen(
            [sys.executable, str(EXAMPLES / f"{name}.py")],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ESSENTIAL
    }
    yield started
    for program in started.values():
        if program.poll() is None:
            program.kill()
            program.communicate()


@pytest.mark.parametrize("name", ESSENTIAL)
def test_an_example_ends_well_and_shows_what_it_promises(name: str, running: dict[str, subprocess.Popen[str]]) -> None:
    output, complaints = running[name].communicate(timeout=PATIENCE_SECONDS)
    assert (running[name].returncode, complaints) == (0, ""), output + complaints
    lines = iter(output.splitlines())
    for pattern in ESSENTIAL[name]:
        assert any(re.fullmatch(pattern, line) for line in lines), f"{pattern!r} is missing, or too early, in:\n{output}"
    assert re.search(FORBIDDEN[name], output) is None, output


def test_every_example_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(ESSENTIAL)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_to_look_at(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    docstring = ast.get_docstring(ast.parse(text)) or ""
    assert "\nLook at " in docstring
    assert docstring.endswith(f"python examples/{path.name}")
