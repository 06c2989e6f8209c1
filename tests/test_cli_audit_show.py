"""`reconnect audit show` and `replay`: what a person sees, what is filtered, and what programs get."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reconnect.audit.entries import (
    Chart,
    Checkpoint,
    Gap,
    Header,
    Input,
    NoteEntry,
    Outcomes,
    Policy,
    Repaired,
    Start,
    StepEntry,
    Stop,
    Traffic,
)  # fmt: skip
from reconnect.cli.app import app
from reconnect.cli.output import PrintFailed
from reconnect.evidence.outages import Outages, outages_of
from reconnect.evidence.reading import decode, entries_of
from reconnect.evidence.story import Story
from tests.journals import rechained, records
from tests.three_outages import written

HOSTILE = "\x1b[31mred\u202e\n<script>"


def called(*words: str | Path, code: int = 0, width: int = 200) -> str:
    done = CliRunner().invoke(app, ["audit", *map(str, words)], env={"COLUMNS": str(width), "NO_COLOR": "1", "TERM": "dumb"})
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return written(tmp_path)


# -- show ----------------------------------------------------------------------------------------------------------------------


def test_a_journal_is_told_line_by_line(journal: Path) -> None:
    lines = called("show", journal).splitlines()
    assert "written by reconnect" in lines[0]
    assert lines[1] == "2023-11-14, times in UTC"
    headings = [line for line in lines if line.startswith("Outage ")]
    assert len(headings) == 3
    assert re.fullmatch(r"Outage 2 of room-1: 15\.\d{3} s, closed, 4 attempts, came back with the same connection", headings[1])
    assert [line for line in lines if re.search(r"\| +\d+ .* session +reconnecting +lost the hub; closed; attempt 1 in", line)]
    assert [line for line in lines if re.search(r"signals +dropped +1 signal \(\d+\); opted_out", line)]
    assert [line for line in lines if re.search(r"^  +\d+ .* session +connected +in the session", line)]
    assert re.fullmatch(r"\d+ records of inputs not told by themselves", lines[-1])


def test_an_outage_ends_where_its_lines_do(journal: Path) -> None:
    lines = called("show", journal).splitlines()
    marked = [line for line in lines if line.startswith("|")]
    assert sum("reconnecting  " in line for line in marked) == 3
    assert sum(" reconnected " in line for line in marked) == 3
    place = next(number for number, line in enumerate(lines) if " reconnected " in line)
    assert lines[place + 1].startswith(" ")


def test_only_one_outage(journal: Path) -> None:
    lines = [line for line in called("show", journal, "--outage", "2").splitlines() if not line.startswith("2023")]
    assert lines[0].startswith("Outage 2 of room-1")
    assert all(line.startswith("|") for line in lines[1:-1])
    assert sum("attempt_failed" in line for line in lines) == 3


def test_only_one_signal(journal: Path) -> None:
    told = [json.loads(line) for line in called("show", journal, "--signal", "11", "--json").splitlines()]
    assert [one["event"] for one in told] == ["submitted", "cancel", "cancelled"]
    assert {one["outage"] for one in told} == {2}


def test_only_one_state_and_what_led_there_and_out(journal: Path) -> None:
    told = [json.loads(line) for line in called("show", journal, "--state", "reconnecting.dialing", "--json").splitlines()]
    steps = [one for one in told if one["before"] != one["state"]]
    assert {one["event"] for one in steps} == {"retry_due", "attempt_failed", "transport_opened"}
    assert all("reconnecting.dialing" in (one["before"], one["state"]) for one in told)
    parent = called("show", journal, "--state", "reconnecting", "--json").splitlines()
    assert len(parent) > len(told)


def test_filters_hold_together(journal: Path) -> None:
    told = called("show", journal, "--outage", "1", "--state", "reconnecting.joining", "--json").splitlines()
    assert [json.loads(line)["event"] for line in told] == ["transport_opened", "wanted", "reconnected"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--outage", "4"), "error: there is no outage 4: the journal has 3 outages"),
        (
            ("--state", "online"),
            "error: no session was in a state 'online'; they were in: closing, connected, connecting.dialing,",
        ),
        (("--signal", "4000"), "error: no signal with the serial 4000 is told of"),
        (("--outage", "1", "--signal", "1"), "error: no signal with the serial 1 is told of"),
        (("--outage", "1", "--state", "closing"), "error: nothing in the journal is all of that"),
    ],
)
def test_what_is_not_there_is_said(journal: Path, words: tuple[str, ...], sentence: str) -> None:
    assert sentence in called("show", journal, *words, code=1)


def test_eighty_columns_hold_every_line_of_a_terminal(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    done = CliRunner().invoke(app, ["audit", "show", str(journal)], env={"COLUMNS": "80", "NO_COLOR": "1", "FORCE_COLOR": "1"})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.output)
    assert max(map(len, plain.splitlines())) <= 80
    assert not re.search(r"\x1b\[3[0-9]", done.output)  # NO_COLOR: bold and dim are no colours


def test_a_pipe_gets_a_line_an_event_without_colours(journal: Path) -> None:
    assert "\x1b" not in called("show", journal, width=40)
    assert len(called("show", journal, width=40).splitlines()) == len(called("show", journal, width=200).splitlines())


def test_hostile_words_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    """A54: no text of a journal ends a line, moves a cursor or turns the writing."""
    told = records()
    for one in told:
        if one["record"] == "step":
            one["detail"], one["machine"] = HOSTILE, HOSTILE if one["machine"] != "session" else "session"
        if one["record"] == "note":
            one["what"] = one["detail"] = HOSTILE
        one["session"] = HOSTILE
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in rechained(told)))
    shown = called("show", path)
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[31mred\\u202e\\n<script>" in shown
    assert "\x1b" not in called("replay", path, code=1)
    assert "\x1b" not in called("replay", path, "--until", "20", code=1)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert "No such file" in called("show", tmp_path / "nothing", code=2)
    (tmp_path / "torn").write_bytes(b"{\n")
    assert "line 1 is no record" in called("show", tmp_path / "torn", code=2)
    assert "No such file" in called("replay", tmp_path / "nothing", code=2)


def test_a_reader_that_has_seen_enough_is_no_error(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unheard = True

    def broken(*values: object) -> None:
        raise PrintFailed("Broken pipe", unheard=unheard)

    monkeypatch.setattr("reconnect.cli.audit_show.print_json", broken)
    monkeypatch.setattr("reconnect.cli.audit_show.forget_stdout", lambda: None)
    assert called("show", journal, "--json") == ""
    unheard = False
    with pytest.raises(PrintFailed, match="what is printed cannot be written"):
        CliRunner().invoke(app, ["audit", "show", str(journal), "--json"], catch_exceptions=False)


# -- replay --------------------------------------------------------------------------------------------------------------------


def test_a_replay_says_what_it_compared(journal: Path) -> None:
    assert re.fullmatch(
        r"day\.jsonl replays: \d+ inputs, 39 steps, 2 notes, 28 outcomes, 1 ledger up to entry \d+\n", called("replay", journal)
    )
    assert json.loads(called("replay", journal, "--json"))["holds"] is True


def test_a_replay_stops_and_says_where_everything_stands(journal: Path) -> None:
    shown = called("replay", journal, "--until", "52")
    assert re.search(r"^state +reconnecting\.waiting *$", shown, re.MULTILINE)
    assert re.search(r"^timers +retry \d+\.\d+ *$", shown, re.MULTILINE)
    assert re.search(r"^machines +publish:camera interrupted *$", shown, re.MULTILINE)
    assert "error: the journal has no entry 1000; the last before it is" in called("replay", journal, "--until", "1000", code=2)


def test_a_divergence_is_shown_side_by_side(tmp_path: Path) -> None:
    told = records()
    next(one for one in told if one.get("event") == "transport_lost")["to"] = "closing"
    path = tmp_path / "changed.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in rechained(told)))
    shown = called("replay", path, code=1)
    assert re.search(r"^-> to +closing +reconnecting\.waiting *$", shown, re.MULTILINE)
    assert re.search(r"^   event +transport_lost +transport_lost *$", shown, re.MULTILINE)
    assert "changed.jsonl does not replay: it parts at entry" in shown
    assert json.loads(called("replay", path, "--json", code=1))["divergences"][0]["differs"] == ["to"]


def test_another_chart_can_be_run(journal: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "statecharts" / "session.toml").read_text(encoding="utf-8")
    chart = tmp_path / "session.toml"
    chart.write_text(text.replace('"hold_outbox", "drop_opted_out"', '"drop_opted_out", "hold_outbox"'), encoding="utf-8")
    shown = called("replay", journal, "--chart", chart, code=1)
    assert "-> actions" in shown
    assert "remark: the chart session in force has the hash" in shown
    chart.write_text("nothing", encoding="utf-8")
    assert "session.toml" in called("replay", journal, "--chart", chart, code=2)


# -- the story -----------------------------------------------------------------------------------------------------------------


def words(*entries: object) -> list[str]:
    story = Story()
    return [f"{one.who} {one.event}: {one.words}" for entry in entries for one in story.take(entry)]  # type: ignore[arg-type]


def test_every_kind_of_record_has_its_words() -> None:
    step: dict[str, Any] = {"machine": "session", "before": "a", "to": "b", "verdict": "taken"}
    assert words(
        Header(library="reconnect", version="1", python="3", host="here"),
        Repaired(torn_bytes=5),
        Start(source="s", run=2),
        Start(source="s", repeated=True),
        Chart(chart="session", version=1, sha256="ab" * 32),
        Policy(policy="RetryPolicy", wait="fixed(1)", give_up_after_seconds=120.0, seed=7),
        Policy(policy="Own"),
        StepEntry(event="x", **step),
        StepEntry(event="x", **(step | {"verdict": "ignored", "to": "a"})),
        StepEntry(event="x", **(step | {"to": "a"})),
        StepEntry(event="x", client_id="anna", **(step | {"machine": ""})),
        StepEntry(event="x", tells="reconnecting", reason="closed", attempt=1, retry_in=0.0021, **step),
        StepEntry(event="x", tells="reconnected", actions=["replace_connection"], **step),
        StepEntry(event="x", tells="disconnected", **step),
        NoteEntry(what="dropped", link=4, detail="x", reason="slow"),
        NoteEntry(what="stale_timer", machine="session"),
        Outcomes(status="failed", serials=[[1, 1], [3, 4]], reason="gave_up", possibly_sent=True),
        Checkpoint(state="connected", submitted=5, pending=[[4, 5]]),
        Gap(lost=3, problem="no room"),
        Stop(submitted=5, pending=[], lost=2, reason="x"),
        Stop(),
        Input(what="slept"),
    ) == [
        "journal file: file 1 at here, written by reconnect 1 on Python 3; sha256",
        "journal repaired: 5 bytes that a killed process left of a line were taken off",
        "session start: sender s, run 2",
        "session start: repeated for this file",
        "session chart: session, version 1, SHA-256 abababababababab",
        "session policy: RetryPolicy, fixed(1), gives up after 120 s, seed 7",
        "session policy: Own, never gives up",
        "session x: a to b",
        "session x: ignored in a",
        "session x: in a",
        "anna x: a to b",
        "session reconnecting: lost the hub; closed; attempt 1 in 2.1 ms",
        "session reconnected: back, new connection",
        "session disconnected: left the session",
        "hub dropped: x; slow",
        "session stale_timer: ",
        "signals failed: 3 signals (1, 3 to 4); gave_up; may have been sent",
        "session checkpoint: connected; 5 submitted, 2 pending",
        "journal gap: 3 records before this could not be written: no room",
        "session stop: the end; 5 submitted, 0 pending; x; 2 records could not be written",
        "session stop: the end",
    ]  # fmt: skip


def test_submitted_signals_that_are_alike_are_one_event() -> None:
    inputs = [
        ["submit", 1.0, 1, 3, 30, None, True], ["submit", 1.1, 4, 4, 5, None, True], ["submit", 1.1, 5, 5, 5, None, False],
        ["cancel", 1.2, 5], ["submit", 1.3, 6, 6, 1, 2.0, True], ["cancel", 1.4, 6], ["cancel", 1.4, 7], ["flush", 2.0],
    ]  # fmt: skip
    assert words(Traffic(inputs=inputs)) == [
        "signals submitted: 4 signals (1 to 4), 35 bytes",
        "signals submitted: 1 signal (5), 5 bytes; worthless if late",
        "signals cancel: receipt.cancel() of 5",
        "signals submitted: 1 signal (6), 1 bytes; to be sent within 2 s",
        "signals cancel: receipt.cancel() of 6",
        "signals cancel: receipt.cancel() of 7",
    ]


def test_outages_are_counted_with_all_that_happened_in_them(journal: Path) -> None:
    first, second, third = outages_of(entries_of(journal))
    assert [first.number, second.number, third.number] == [1, 2, 3]
    assert (second.reason, second.attempts, second.end, second.resumed, second.held) == ("closed", 4, "reconnected", True, 1)
    assert (second.submitted, second.outcomes) == (4, {"dropped": 1, "cancelled": 1, "expired": 1})
    assert (third.reason, third.detail) == ("silent", "nothing was heard from the hub until the deadline")


def test_an_outage_without_an_end_goes_as_far_as_the_journal(journal: Path) -> None:
    outages = Outages()
    entries = list(entries_of(journal))
    begun = next(number for number, one in enumerate(entries) if isinstance(one, StepEntry) and one.tells == "reconnecting")
    assert [outages.take(entry) for entry in entries[: begun + 2]][-2:] == [1, 1]
    (outage,) = outages.all()
    assert (outage.end, outage.resumed, outage.held) == (None, None, 0)
    assert outages.number_of(outage.source) == 1
    assert outages.take(Gap(source=outage.source, lost=1)) is None
    assert outages.number_of(outage.source) is None
    outages.take(entries[begun])
    outages.take(entries[begun])  # a loss within an outage that has no end: another one
    assert [one.number for one in outages.all()] == [1, 2, 3]
    assert isinstance(decode(b'{"record":"stop"}'), Stop)
