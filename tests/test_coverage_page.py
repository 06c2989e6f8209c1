"""docs/coverage.md is true: every claim has its test, every test's claim is there, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.coverage_page import NEEDED, PAGE, POINTS, claims, page

FOUND = claims()
ROWS = dict(re.findall(r"^\| ([A-Z]\d{1,2}) \|.*\| (covered|open) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_behaviour_is_listed_exactly_once() -> None:
    listed = re.findall(r"^\| ([A-Z]\d{1,2}) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == list(POINTS)
    assert len(listed) == len(set(listed)) >= 105
    assert sum(core for core, _ in POINTS.values()) >= 75


def test_no_test_claims_a_behaviour_that_is_not_there() -> None:
    assert {name: tests for name, tests in FOUND.items() if name not in POINTS} == {}


def test_the_status_is_what_the_tests_say() -> None:
    assert {name: "covered" if FOUND.get(name) else "open" for name in POINTS} == ROWS, (
        "run: python tests/coverage_page.py --write"
    )


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(FOUND), "run: python tests/coverage_page.py --write"


def test_what_is_needed_is_covered() -> None:
    assert [name for name in sorted(NEEDED) if name not in FOUND] == []


def test_claims_are_read_from_names_and_docstrings(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_one.py").write_text(
        '''
"""Module: S03 does not count."""
def test_s01_by_name(): ...
async def test_by_docstring():
    """B11: by docstring, and K05."""
def helper():
    """S02: no test."""
class TestStateful:
    """Q09: a class."""
    def test_inside(self):
        """Q09 too; ES01 and S011 are no ids."""
'''
    )
    (folder / "other.py").write_text("def test_r11(): ...")
    assert claims(folder) == {
        "S01": ["tests/test_one.py::test_s01_by_name"],
        "B11": ["tests/test_one.py::test_by_docstring"],
        "K05": ["tests/test_one.py::test_by_docstring"],
        "Q09": ["tests/test_one.py::TestStateful", "tests/test_one.py::test_inside"],
    }
