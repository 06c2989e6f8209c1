"""Nothing but the chart's own table binds its names to the code: under other names it does the same, and its drawings change."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconnect.chart import Statechart, load_chart, load_chart_text
from reconnect.chart.dot import draw_dot
from reconnect.chart.page import draw_markdown
from reconnect.evidence.examine import examine_chart
from tests.renamed import named, other_names, renamed

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = load_chart("session")
TEXT = Path(SHIPPED.file).read_text(encoding="utf-8")
NAMES = other_names(TEXT)
PATIENCE_SECONDS = 280.0  # ten times what it takes on a quiet machine; it only catches a hang
OWN = ("PYTEST_", "COV")  # of the run around this one


def other() -> Statechart:
    return load_chart_text(renamed(TEXT), "renamed.toml")


def called(name: str) -> str:
    return ".".join(NAMES[part] for part in name.split("."))


def test_every_state_and_every_event_has_another_name() -> None:
    chart = other()
    assert {called(state.name) for state in SHIPPED.states} == set(chart.index)
    assert {NAMES[event] for event in SHIPPED.events} == set(chart.events)
    old = {part for name in (*SHIPPED.index, *SHIPPED.events) for part in name.split(".")}
    assert not old & {part for name in (*chart.index, *chart.events) for part in name.split(".")}


def test_it_decides_the_same() -> None:
    chart = other()
    for (leaf, event), decision in SHIPPED.table.items():
        its = chart.table[called(leaf), NAMES[event]]
        assert (its.verdict, its.row, its.target) == (decision.verdict, decision.row, called(decision.target))
        assert (its.actions, its.tells, its.why) == (decision.actions, decision.tells, decision.why)
        assert (chart.role(called(leaf)), chart.phase(called(leaf))) == (SHIPPED.role(leaf), SHIPPED.phase(leaf))
        assert chart.event_for(event) == NAMES[event]


def test_nothing_is_found_in_it() -> None:
    found, shipped = examine_chart(other()), examine_chart(SHIPPED)
    assert (found.findings, found.scenes, found.moves) == ((), shipped.scenes, shipped.moves)


def test_its_diagram_is_another_one() -> None:
    for draw in (draw_dot, draw_markdown):
        drawn, before = draw(other()), draw(SHIPPED)
        assert drawn != before
        words = set(re.findall(r"\w+", drawn))
        assert set(NAMES.values()) <= words


@pytest.mark.timeout(PATIENCE_SECONDS + 20.0)
def test_every_story_is_told_on_it_as_on_the_shipped_one() -> None:
    """All of them, in a process of their own, in which the session's chart is the renamed one."""
    command = [sys.executable, "-m", "pytest", "tests/stories", "--renamed", "-q", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 400


def test_without_the_option_names_are_those_of_the_chart_as_it_is_shipped() -> None:
    assert named("reconnecting.waiting") == "reconnecting.waiting"
    assert "reconnecting.waiting" in SHIPPED.leaves
