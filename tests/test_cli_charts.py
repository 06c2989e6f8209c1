"""`reconnect charts list` and `check`: what they print, for people and for programs, and with which exit code they end."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconnect.chart import chart_names, load_chart
from reconnect.chart.load import charts_folder
from reconnect.cli import charts as command
from reconnect.errors import ChartUnreadable
from tests.derived_charts import ENDLESS, PAGE, SUSPENDING, derived_text
from tests.test_cli_app import call

BROKEN = ('entry = ["start:deadline", "send_join"]', 'entry = ["send_join"]')


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The file of a derived chart."""
    path = tmp_path / "my_session.toml"
    path.write_text(derived_text("session", SUSPENDING), encoding="utf-8")
    return path


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """The file of a chart in which a timer is missing."""
    path = tmp_path / "broken.toml"
    path.write_text(derived_text("session").replace(*BROKEN), encoding="utf-8")
    return path


def test_the_charts_are_listed() -> None:
    shown = call("charts", "list")
    assert shown.exit_code == 0
    head, *lines = shown.output.splitlines()
    assert head.split() == ["chart", "version", "states", "rows", "sha256"]
    assert [line.split()[0] for line in lines] == chart_names()
    for line in lines:
        chart = load_chart(line.split()[0])
        assert line.split()[1:] == [str(chart.version), str(len(chart.leaves)), str(len(chart.transitions)), chart.sha256]


def test_the_list_as_json() -> None:
    shown = call("charts", "list", "--json")
    listed = json.loads(shown.output)
    assert [one["name"] for one in listed] == chart_names()
    session = load_chart("session")
    assert {"name": "session", "version": session.version, "states": 9, "rows": 28, "sha256": session.sha256} in listed


def test_a_list_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ChartUnreadable("this is not TOML", file=f"{name}.toml")

    monkeypatch.setattr(command, "load_chart", fail)
    shown = call("charts", "list")
    assert (shown.exit_code, shown.output) == (1, "error: member.toml: this is not TOML\n")


def test_the_librarys_charts_are_checked_and_nothing_is_found() -> None:
    shown = call("charts", "check")
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert [Path(line.partition(": ")[0]) for line in lines] == [charts_folder() / f"{name}.toml" for name in chart_names()]
    assert all(": nothing found in " in line for line in lines)
    printed = json.loads(call("charts", "check", "--json").output)
    assert printed["ok"] is True
    assert [(one["chart"], one["findings"]) for one in printed["charts"]] == [(name, []) for name in chart_names()]


def test_a_chart_of_the_users_own_is_checked_alone(mine: Path) -> None:
    shown = call("charts", "check", str(mine))
    assert shown.exit_code == 0
    assert shown.output.startswith(f"{mine}: nothing found in ")
    assert len(shown.output.splitlines()) == 1


def test_one_of_the_librarys_charts_is_checked_by_its_name() -> None:
    shown = call("charts", "check", "member")
    assert shown.exit_code == 0
    assert re.fullmatch(r".*member\.toml: nothing found in .*\n", shown.output)


def test_one_of_the_librarys_charts_is_drawn_by_its_name(tmp_path: Path) -> None:
    assert call("charts", "draw", "member", "--out", str(tmp_path)).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member.dot", "member.md", "member.svg"]


def test_a_finding_is_told_with_its_row_and_the_shortest_way_and_the_exit_code_is_1(mine: Path, broken: Path) -> None:
    shown = call("charts", "check", str(mine), str(broken))
    assert shown.exit_code == 1
    lines = shown.output.splitlines()
    assert lines[1] == f"{broken}: 1 found"
    assert lines[2] == (
        f"  timers: {broken}, transitions[1] (transport_opened from connecting.dialing): connecting.joining waits for "
        "deadline_passed, and the timer deadline is not armed; start:deadline on entering it, or list deadline_passed under "
        "[[refuses]] there"
    )
    assert lines[3:5] == ["    1. connect()", "    2. transport 1 opens"]


def test_findings_as_json(broken: Path) -> None:
    shown = call("charts", "check", "--json", str(broken))
    assert shown.exit_code == 1
    printed = json.loads(shown.output)
    assert printed["ok"] is False
    (one,) = printed["charts"]
    assert (one["file"], one["chart"], one["kind"]) == (str(broken), "session", "session")
    assert one["findings"][0] == {
        "property": "timers",
        "cause": "not_armed",
        "words": "connecting.joining waits for deadline_passed, and the timer deadline is not armed",
        "chart": "session",
        "file": str(broken),
        "row": "transitions[1] (transport_opened from connecting.dialing)",
        "remedy": "start:deadline on entering it, or list deadline_passed under [[refuses]] there",
        "events": ["connect()", "transport 1 opens"],
    }


def test_what_the_loader_says_is_a_finding_and_all_of_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "typo.toml"
    path.write_text(derived_text("session").replace('to = "connected"', 'to = "conected"'), encoding="utf-8")
    shown = call("charts", "check", str(path))
    assert shown.exit_code == 1
    assert shown.output.count("it names the state 'conected', which is not there; did you mean 'connected'?") == 3


def test_a_file_that_is_not_there_is_a_finding() -> None:
    shown = call("charts", "check", "nowhere.toml")
    assert shown.exit_code == 1
    assert shown.output == (
        "nowhere.toml: 1 found\n"
        "  sound: nowhere.toml: the file cannot be read (No such file or directory); give the path of a chart, "
        f"or one of the names {', '.join(chart_names())}\n"
    )


def test_the_group_explains_itself() -> None:
    for words in (["charts"], ["charts", "--help"]):
        shown = call(*words)
        assert all(f" {name} " in shown.output for name in ("list", "check", "draw", "export"))
    text = " ".join(call("charts", "check", "--help").output.split())
    assert "Exit code 0 if nothing was found, 1 if something was." in text
    assert "--json" in text


def test_what_the_page_on_writing_charts_shows_is_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_session.toml").write_text(derived_text("session", ENDLESS), encoding="utf-8")
    shown = call("charts", "check", "my_session.toml")
    assert shown.exit_code == 1
    assert f"```text\n{shown.output}```" in PAGE.read_text(encoding="utf-8")
