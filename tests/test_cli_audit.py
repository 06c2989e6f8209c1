"""`reconnect audit verify`: what it prints, what it is given, and how it exits."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from reconnect.audit import Journal, head_file
from reconnect.chart import load_chart
from reconnect.cli import audit_verdict
from reconnect.cli.app import app
from tests.journals import rechained, records, step_of, story, telling

KEY = "a key of more than sixteen bytes"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["audit", "verify", *map(str, arguments)], env={"COLUMNS": "200"})


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return written(tmp_path / "good.jsonl", list(story()))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    told = records()
    told[step_of(told, "transport_lost")]["to"] = "closing"
    return written(tmp_path / "bad.jsonl", rechained(told))


def test_a_journal_that_holds_is_summed_up_and_the_exit_is_0(good: Path) -> None:
    done = run(good)
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert f"journal {good}: {len(story())} entries, 1 source" in words
    assert "outages 2, the longest" in words
    assert "signals 35 submitted, 0 pending" in words
    assert "outcomes 1 cancelled, 31 delivered, 1 dropped, 1 expired, 1 rejected" in words
    assert f"good.jsonl holds: {len(story())} entries, head " in words


def test_one_that_does_not_hold_is_named_with_its_line_and_the_exit_is_1(bad: Path) -> None:
    done = run(bad)
    assert done.exit_code == 1
    line = step_of(records(), "transport_lost") + 1
    assert f"{bad}:{line} (entry {line}): legality: transport_lost led from connected to closing" in done.stdout
    assert f"bad.jsonl does not hold: the first objection is at line {line} of bad.jsonl" in done.stdout


def test_of_many_objections_a_person_is_shown_a_few(tmp_path: Path) -> None:
    done = run(written(tmp_path / "nonsense.jsonl", [b"nonsense"] * 50))
    assert done.exit_code == 1
    assert done.stdout.count("unreadable") == 10
    assert "... and 40 more; the first is the one that matters" in done.stdout


def test_json_is_one_object_with_everything(good: Path, bad: Path) -> None:
    done = run(good, bad, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [journal["holds"] for journal in told["journals"]] == [True, False]
    assert told["holds"] is False
    first, second = told["journals"]
    assert (first["submitted"], first["outcomes"]["delivered"], first["counts"]) == (35, 31, {})
    assert first["charts"]["session"]["rows"] == len(load_chart("session").transitions)
    assert first["charts"]["session"]["visited"]["disconnected"] == 1
    assert second["objections"][0]["kind"] == "legality"
    assert json.loads(run(good, "--json").stdout)["holds"] is True


def test_remarks_are_no_objections(tmp_path: Path) -> None:
    path = written(tmp_path / "audit.jsonl", list(story()[:30]))
    with path.open("ab") as file:
        file.write(b"{")
    done = run(path)
    assert done.exit_code == 0
    assert "remark: the last line is torn: 1 bytes" in done.stdout


def test_heads_and_the_key_are_given_by_files_and_hashes(tmp_path: Path) -> None:
    path, heads, key = tmp_path / "audit.jsonl", tmp_path / "heads.jsonl", tmp_path / "key"
    key.write_text(KEY + "\n")
    journal = Journal(path, key=KEY, publish=head_file(heads))
    telling(journal)
    head = journal.head.sha256
    assert run(path, "--key", key, "--heads", heads, "--head", head.upper()).exit_code == 0
    assert run(path).exit_code == 1
    lines = path.read_bytes().split(b"\n")[:-2]
    cut = written(tmp_path / "cut.jsonl", lines)
    assert run(cut, "--key", key).exit_code == 0
    assert "is not the head that was given" in run(cut, "--key", key, "--head", head).stdout
    assert "no line has the published hash" in run(cut, "--key", key, "--heads", heads).stdout


def test_a_reviewed_chart_is_held_against_the_journal(good: Path, tmp_path: Path) -> None:
    reviewed = Path(load_chart("session").file)
    assert run(good, "--chart", reviewed).exit_code == 0
    other = tmp_path / "session.toml"
    other.write_text(reviewed.read_text(encoding="utf-8").replace("version = 1", "version = 2"), encoding="utf-8")
    done = run(good, "--chart", other)
    assert done.exit_code == 1
    assert "chart: the chart session in force has the hash" in done.stdout


def without_a_row(event: str) -> str:
    """Return the session's chart without the first row of this event, as it is where a reviewer deletes it."""
    rows = Path(load_chart("session").file).read_text(encoding="utf-8").split("[[")
    lacking = next(row for row in rows if row.startswith(f'transitions]]\non = "{event}"'))
    return "[[".join(row for row in rows if row is not lacking)


def test_a_chart_that_lacks_a_row_is_held_against_the_journal_though_nothing_could_run_it(good: Path, tmp_path: Path) -> None:
    other = tmp_path / "session.toml"
    other.write_text(without_a_row("transport_lost"), encoding="utf-8")
    done = run(good, "--chart", other, "--json")
    assert done.exit_code == 1
    (told,) = json.loads(done.stdout)["journals"]
    hashes, *rows = told["objections"]
    assert hashes["kind"] == "chart"
    assert {one["problem"] for one in rows} == {
        "transport_lost led from connected to reconnecting.waiting by transitions[10] (transport_lost from connected), and the "
        "chart session has no row for transport_lost in connected"
    }
    assert "is not sound, and nothing could run it" in told["remarks"][0]
    other.write_text(without_a_row("transport_lost").replace('to = "connected"', 'to = "conected"'), encoding="utf-8")
    done = run(good, "--chart", other)
    assert done.exit_code == 2
    assert "it names the state 'conected', which is not there" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--head", "abc"], "a head is 64 hexadecimal digits, and this is 'abc'"),
        (["--heads", "none.jsonl"], "the heads in none.jsonl cannot be read: No such file or directory"),
        (["--key", "none"], "the key file none cannot be read: No such file or directory"),
        (["--chart", "session"], "the file cannot be read"),
    ],
)
def test_what_cannot_be_checked_exits_with_2(
    good: Path, options: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(good, *options)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())


def test_heads_that_are_none_and_a_journal_that_is_not_there(good: Path, tmp_path: Path) -> None:
    (tmp_path / "heads.jsonl").write_text("{}\n")
    done = run(good, "--heads", tmp_path / "heads.jsonl")
    assert (done.exit_code, "has a line that is no head" in done.output) == (2, True)
    done = run(tmp_path / "none.jsonl")
    assert (done.exit_code, "No such file or directory" in done.output) == (2, True)


def test_what_a_journal_says_moves_no_cursor(tmp_path: Path) -> None:
    """A54: a forged line may say anything; the terminal sees it spelled out."""
    told = records()
    told[step_of(told, "transport_lost")]["event"] = "\x1b[2J\r\u202e"
    done = run(written(tmp_path / "audit.jsonl", rechained(told)))
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J\\r\\u202e" in done.stdout


def test_a_terminal_sees_how_far_it_is_and_a_pipe_does_not(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with audit_verdict.progress([good]) as told:
        assert told is None
    seen = StringIO()
    monkeypatch.setattr(audit_verdict, "Console", lambda **_: Console(file=seen, force_terminal=True, width=80))
    with audit_verdict.progress([good]) as told:
        assert told is not None
        told(good.stat().st_size)
    assert "checking" in seen.getvalue()
