"""What is written down: the records, the sinks, and what must never be in them."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from reconnect import ports
from reconnect.audit import Auditor, FileSink, LogSink, MemorySink, TeeSink, audit_sink, read_records
from reconnect.audit.auditor import ranges
from reconnect.audit.log import level_of
from reconnect.chart.rows import StepVerdict
from reconnect.chart.run import Step
from reconnect.core.effects import Note, Settle
from reconnect.core.hub.effects import Announce, News
from reconnect.core.notices import Outcome
from reconnect.errors import AuditFailed, BadArgument
from reconnect.reasons import OutcomeStatus, Reason, RejectCode
from reconnect.retry import RetryPolicy
from reconnect.version import __version__

CANARY = "eyJhbGciOiJIUzI1NiJ9.canary"


class Still:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at, self.unix = 100.0, 1_700_000_000.5

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.unix

    def call_at(self, when: float, callback: Any) -> ports.TimerHandle:
        raise AssertionError("an audit has no timers")


class Charted:
    """What an Auditor needs of a chart."""

    name, version, sha256 = "session", 3, "ab" * 32


def auditor(sink: ports.AuditSink | None = None) -> tuple[Auditor, list[dict[str, Any]]]:
    memory = MemorySink()
    made = Auditor(sink or memory, Still(), session="room-1", charts=[Charted()])  # type: ignore[list-item]  # all that is asked for
    return made, memory.records


def step(verdict: StepVerdict = StepVerdict.TAKEN, **facts: Any) -> Step:
    usual: dict[str, Any] = {"before": "connected", "after": "reconnecting.waiting", "row": 12, "tells": "reconnecting"}
    return Step(
        chart="session", event="transport_lost", verdict=verdict, **{**usual, "actions": ("hold_outbox", "notify"), **facts}
    )


# -- records -------------------------------------------------------------------------------------------------------------------


def test_a_step_is_one_flat_record_with_all_that_an_auditor_asks_for() -> None:
    """U08: sequence, both times, from, to, trigger, reason, attempt, delay, session, generation, queue depth."""
    made, records = auditor()
    made.note(
        Note(at=99.25, what="step", step=step(), reason=Reason.SILENT, attempt=1, retry_in=0.7, generation=4, detail="quiet"),
        connection="c1",
        outbox=17,
    )
    assert records == [
        {
            "record": "step",
            "sequence": 1,
            "at": 99.25,
            "wall": "2023-11-14T22:13:20.500Z",
            "session": "room-1",
            "connection": "c1",
            "machine": "session",
            "chart": "session",
            "chart_sha256": "abababababab",
            "event": "transport_lost",
            "from": "connected",
            "to": "reconnecting.waiting",
            "verdict": "taken",
            "row": 12,
            "tells": "reconnecting",
            "actions": ["hold_outbox", "notify"],
            "reason": "silent",
            "attempt": 1,
            "retry_in": 0.7,
            "generation": 4,
            "outbox": 17,
            "detail": "quiet",
        }
    ]
    assert msgspec.json.decode(msgspec.json.encode(records[0])) == records[0]


def test_what_is_no_step_is_a_note() -> None:
    made, records = auditor()
    made.note(Note(at=99.0, what="stale_generation", generation=3, detail="transport_opened"))
    assert records[0]["record"] == "note"
    assert (records[0]["what"], records[0]["generation"], records[0]["detail"]) == ("stale_generation", 3, "transport_opened")
    assert "from" not in records[0]


def test_a_step_of_an_unknown_chart_has_no_hash() -> None:
    made, records = auditor()
    made.note(Note(at=1.0, what="step", machine="camera", step=msgspec.structs.replace(step(), chart="publisher")))
    assert (records[0]["chart"], records[0]["chart_sha256"], records[0]["machine"]) == ("publisher", None, "camera")


def test_outcomes_name_their_serials_as_ranges() -> None:
    made, records = auditor()
    outcome = Outcome(status=OutcomeStatus.REJECTED, code=RejectCode.FORBIDDEN, reason=Reason.DENIED, possibly_sent=True)
    made.outcomes(Settle(serials=(11, 5, 6, 7, 9, 8), outcome=outcome), connection="c1", outbox=2)
    assert records == [
        {
            "record": "outcomes",
            "sequence": 1,
            "at": 100.0,
            "wall": "2023-11-14T22:13:20.500Z",
            "session": "room-1",
            "connection": "c1",
            "status": "rejected",
            "reason": "denied",
            "code": "forbidden",
            "possibly_sent": True,
            "serials": [[5, 9], [11, 11]],
            "outbox": 2,
        }
    ]


@given(st.sets(st.integers(1, 60)))
def test_law_ranges_say_the_same_serials(serials: set[int]) -> None:
    found = ranges(tuple(serials))
    assert {serial for first, last in found for serial in range(first, last + 1)} == serials
    assert all(left[1] + 1 < right[0] for left, right in pairwise(found))


def test_the_header_ties_the_clocks_and_names_charts_and_policy() -> None:
    made, records = auditor()
    made.start(policy=RetryPolicy(), role="publisher")
    start, chart, policy = records
    assert (start["record"], start["library"], start["version"], start["format"]) == ("start", "reconnect", __version__, 1)
    assert (start["at"], start["wall"], start["role"]) == (100.0, "2023-11-14T22:13:20.500Z", "publisher")
    assert start["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {key: chart[key] for key in ("record", "chart", "version", "sha256")} == {
        "record": "chart", "chart": "session", "version": 3, "sha256": "ab" * 32,
    }  # fmt: skip
    assert (policy["record"], policy["policy"]) == ("policy", "RetryPolicy")
    assert {key: policy[key] for key in RetryPolicy().describe()} == RetryPolicy().describe()
    assert [record["sequence"] for record in records] == [1, 2, 3]
    made.start()
    assert [record["record"] for record in records[3:]] == ["start", "chart"]


class Mute:
    """A policy that can decide and says nothing of itself."""


class Confused:
    def describe(self) -> dict[str, Any]:
        raise RuntimeError("who am I")


class Greedy:
    def describe(self) -> dict[str, Any]:
        return {"sequence": 7, "session": "other", "delay": 2.0, "inner": object()}


def test_a_policy_that_cannot_describe_itself_is_named() -> None:
    made, records = auditor()
    for policy in (Mute(), Confused(), Greedy()):
        made.start(policy=policy)
    told = [record for record in records if record["record"] == "policy"]
    assert [record["policy"] for record in told] == ["Mute", "Confused", "Greedy"]
    assert (told[2]["session"], told[2]["delay"], told[2]["inner"]) == ("room-1", 2.0, "object")


def test_a_hubs_announcements_are_records_of_their_session() -> None:
    made, records = auditor()
    made.announce(Announce(at=9.0, what=News.DROPPED, session="room-2", connection="c7", link=3, reason="silent"))
    made.announce(Announce(at=9.0, what=News.STEP, session="room-2", connection="c7", step=step()))
    assert [(record["record"], record["session"], record["what"]) for record in records] == [
        ("note", "room-2", "dropped"),
        ("step", "room-2", "step"),
    ]
    assert records[1]["to"] == "reconnecting.waiting"
    made.announce(Announce(at=9.0, what=News.DRAINING))
    assert records[2]["session"] == "room-1"


def test_the_last_record_says_how_many_were_lost() -> None:
    made, records = auditor()
    made.lost = 3
    made.stop(reason=Reason.CLIENT_DISCONNECTED)
    assert (records[0]["record"], records[0]["lost"], records[0]["reason"]) == ("stop", 3, "client_disconnected")
    assert repr(made) == "<Auditor room-1 sequence=1 lost=3>"


def test_stopping_closes_the_sink_once_and_a_later_record_begins_anew(tmp_path: Path) -> None:
    """U09: no file stays open after the end."""
    sink = FileSink(tmp_path / "audit.jsonl")
    made, _ = auditor(sink)
    made.start()
    made.stop()
    made.stop()
    assert repr(sink).endswith(" closed>")
    made.start()
    made.stop()
    written = [record["record"] for record in read_records(sink.path)]
    assert written == ["start", "chart", "stop", "start", "chart", "stop"]


def test_a_sink_that_cannot_be_closed_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(MemorySink):
        def close(self) -> None:
            raise OSError("no")

    made, _ = auditor(Stuck())
    made.stop()
    assert caplog.messages == ["the audit of session room-1 could not be closed: no"]


# -- what must never be in them ------------------------------------------------------------------------------------------------


def test_what_is_concealed_never_appears(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """U08: tokens, resume secrets and payloads never appear, though others put them into their sentences."""
    caplog.set_level(logging.DEBUG)
    made, _ = auditor(TeeSink(LogSink(), FileSink(tmp_path / "audit.jsonl")))
    made.conceal(CANARY)
    made.conceal("")
    made.start(policy=RetryPolicy(), url=f"wss://host/?token={CANARY}")
    made.note(Note(at=1.0, what="note", detail=f"HTTP 401 for {CANARY}, twice {CANARY}"))
    made.note(Note(at=1.0, what="step", step=step(actions=(CANARY,))))
    made.announce(Announce(at=1.0, what=News.REFUSED, detail=CANARY))
    made.stop(reason=CANARY)
    written = (tmp_path / "audit.jsonl").read_text()
    assert "canary" not in written + caplog.text
    assert "HTTP 401 for [concealed], twice [concealed]" in written
    assert "?token=[concealed]" in written


def test_only_the_latest_secrets_are_looked_for() -> None:
    made, records = auditor()
    for number in range(33):
        made.conceal(f"secret-{number:02}")
        made.conceal(f"secret-{number:02}")
    made.note(Note(at=1.0, what="note", detail="secret-00 secret-01 secret-32"))
    assert records[0]["detail"] == "secret-00 [concealed] [concealed]"


def test_a_long_text_is_cut_and_what_is_no_json_is_only_named() -> None:
    made, records = auditor()
    made.write(
        "note", detail="x" * 501, exact="y" * 500, payload={"data": CANARY}, body=CANARY.encode(), lone="\ud800", nested=([1],)
    )
    record = records[0]
    assert (len(record["detail"]), record["detail"][-4:]) == (500, "x...")
    assert record["exact"] == "y" * 500
    assert (record["payload"], record["body"], record["lone"], record["nested"]) == ("dict", "bytes", "\\ud800", [[1]])


# -- a sink that fails ---------------------------------------------------------------------------------------------------------


class Failing(MemorySink):
    """Fails while it is told to."""

    broken = True

    def write(self, record: dict[str, Any]) -> None:
        if self.broken:
            raise OSError("disk full")
        super().write(record)


def test_a_sink_that_fails_stops_nothing_and_leaves_a_hole_that_shows(caplog: pytest.LogCaptureFixture) -> None:
    sink = Failing()
    made, _ = auditor(sink)
    for broken in (True, True, False, True, False):
        sink.broken = broken
        made.note(Note(at=1.0, what="note"))
    assert [record["sequence"] for record in sink.records] == [3, 5]
    assert made.lost == 3
    complaints = [entry.getMessage() for entry in caplog.records]
    assert complaints == ["the audit of session room-1 loses records: disk full"] * 2


def test_a_tee_serves_every_sink_before_it_complains() -> None:
    broken, whole = Failing(), MemorySink()
    tee = TeeSink(broken, whole)
    with pytest.raises(OSError, match="disk full"):
        tee.write({"record": "note"})
    assert whole.records == [{"record": "note"}]
    tee.close()
    assert broken.closed
    assert whole.closed
    assert repr(TeeSink(whole)) == "<TeeSink <MemorySink records=1>>"


# -- the file ------------------------------------------------------------------------------------------------------------------


def test_a_file_has_a_line_for_each_record_and_belongs_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(str(path))
    sink.write({"record": "one", "at": 1.5})
    assert path.read_text() == '{"record":"one","at":1.5}\n'  # at once, nothing is held back
    sink.write({"record": "two"})
    assert [record["record"] for record in read_records(path)] == ["one", "two"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert repr(sink) == f"<FileSink {path}>"
    sink.close()
    sink.close()
    assert repr(sink) == f"<FileSink {path} closed>"


def test_a_file_is_appended_to_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"record":"earlier"}\n')
    sink = FileSink(path)
    sink.write({"record": "now"})
    sink.close()
    sink.write({"record": "again"})
    sink.close()
    assert [record["record"] for record in read_records(path)] == ["earlier", "now", "again"]


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x00\x1b[31m", "a\u2028b", "a\u0085b", "a\x0bb\x0cc\x1cd", "é 日本 🎉"])
def test_no_character_ends_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    sink.write({"record": "note", "detail": text})
    sink.write({"record": "next"})
    sink.close()
    written = path.read_bytes()
    assert written.isascii()
    assert len(written.decode().splitlines()) == 2
    assert b"\x1b" not in written
    assert [record.get("detail") for record in read_records(path)] == [text, None]


def test_a_torn_line_is_ended_before_the_next_record(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"record":"whole"}\n{"record":"to')
    sink = FileSink(path)
    sink.write({"record": "next"})
    sink.close()
    assert path.read_text() == '{"record":"whole"}\n{"record":"to\n{"record":"next"}\n'


def test_a_short_write_is_an_error_and_the_next_record_has_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    sink = FileSink(path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[:7]))
        with pytest.raises(AuditFailed) as caught:
            sink.write({"record": "one"})
    assert str(caught.value) == f"audit file {path}: only 7 of 17 bytes were written; make room on the disk"
    sink.write({"record": "two"})
    sink.close()
    assert path.read_text() == '{"recor\n{"record":"two"}\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_typed_error() -> None:
    sink = FileSink("/dev/full")
    with pytest.raises(AuditFailed, match="No space left on device"):
        sink.write({"record": "one"})
    sink.close()


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "such" / "audit.jsonl"
    with pytest.raises(AuditFailed) as caught:
        FileSink(missing)
    assert str(caught.value) == (
        f"audit file {missing}: No such file or directory; give a path in a folder that exists and can be written"
    )
    assert (caught.value.path, caught.value.problem) == (str(missing), "No such file or directory")
    with pytest.raises(AuditFailed, match="Is a directory"):
        FileSink(tmp_path)


def test_a_record_that_is_no_json_is_a_typed_error(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "audit.jsonl")
    for value in (object(), "\ud800"):
        with pytest.raises(AuditFailed, match="not made of JSON values"):
            sink.write({"record": "note", "value": value})
    sink.close()


def test_reading_leaves_out_the_line_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"record":"one"}\n{"reco')
    assert list(read_records(path)) == [{"record": "one"}]


@pytest.mark.parametrize("line", ["{", "[1]", "", "17"])
def test_reading_names_the_line_that_is_no_record(tmp_path: Path, line: str) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text(f'{{"record":"one"}}\n{line}\n')
    with pytest.raises(AuditFailed, match="line 2 is no record"):
        list(read_records(path))


def test_reading_a_file_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match="No such file"):
        list(read_records(tmp_path / "none.jsonl"))


# -- the log -------------------------------------------------------------------------------------------------------------------


def test_levels_are_info_for_transitions_and_debug_for_details() -> None:
    taken, ignored = {"record": "step", "verdict": "taken"}, {"record": "step", "verdict": "ignored"}
    assert [level_of(record) for record in (taken, {"record": "start"}, {"record": "stop"})] == [logging.INFO] * 3
    assert [level_of(record) for record in (ignored, {"record": "note"}, {"record": "outcomes"}, {})] == [logging.DEBUG] * 4


def test_a_log_line_is_the_event_and_its_pairs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="reconnect")
    sink = LogSink()
    sink.write({"record": "step", "verdict": "taken", "from": "connected", "retry_in": 1.5, "row": None, "detail": "a\nb %s"})
    sink.write({"record": "note", "what": "a detail"})
    sink.close()
    (entry,) = caplog.records
    assert entry.getMessage() == "step verdict='taken' from='connected' retry_in=1.5 detail='a\\nb %s'"
    assert (entry.name, entry.levelno) == ("reconnect", logging.INFO)
    assert entry.__dict__["reconnect"] == {
        "record": "step", "verdict": "taken", "from": "connected", "retry_in": 1.5, "row": None, "detail": "a\nb %s",
    }  # fmt: skip
    assert repr(sink) == "<LogSink reconnect>"


def test_a_log_line_can_be_json(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="ours")
    LogSink("ours", as_json=True).write({"record": "note", "what": "slept"})
    assert json.loads(caplog.messages[0]) == {"record": "note", "what": "slept"}


def test_an_applications_structlog_configuration_changes_nothing_here(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconnect")

    def spoil(logger: object, method: str, event: Any) -> Any:
        raise AssertionError("this processor is the application's")

    structlog.configure(processors=[spoil])
    try:
        LogSink().write({"record": "note", "what": "slept"})
    finally:
        structlog.reset_defaults()
    assert caplog.messages == ["note what='slept'"]


def test_the_log_prints_and_configures_nothing_and_loads_structlog_only_when_it_is_on() -> None:
    program = """
import logging, sys
from reconnect.audit import Auditor, LogSink

class Clock:
    def now(self): return 1.0
    def wall(self): return 2.0

first, second = LogSink(), LogSink()
assert logging.getLogger("reconnect").handlers == []  # so that logging itself prints errors where nobody configured it
auditor = Auditor(first, Clock(), session="room-1")
auditor.start()
assert "structlog" not in sys.modules
assert not logging.getLogger().handlers
logging.getLogger("reconnect").setLevel(logging.DEBUG)
auditor.start()
auditor.stop()
import structlog
assert not structlog.is_configured()
assert not logging.getLogger().handlers
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


# -- what a session's `audit` may be -------------------------------------------------------------------------------------------


def test_none_is_the_log_and_a_path_is_the_log_and_that_file(tmp_path: Path) -> None:
    assert repr(audit_sink(None)) == "<LogSink reconnect>"
    for path in (tmp_path / "audit.jsonl", str(tmp_path / "audit.jsonl")):
        sink = audit_sink(path)
        assert repr(sink) == f"<TeeSink <LogSink reconnect> <FileSink {tmp_path / 'audit.jsonl'}>>"
        sink.close()


def test_an_own_sink_is_written_to_and_left_open() -> None:
    own = MemorySink()
    sink = audit_sink(own)
    sink.write({"record": "note"})
    sink.close()
    assert own.records == [{"record": "note"}]
    assert not own.closed
    assert repr(sink) == "<BorrowedSink <MemorySink records=1>>"


@pytest.mark.parametrize("value", [7, object(), ["a.jsonl"]])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(BadArgument, match="is not usable: give None, a path, or an object"):
        audit_sink(value)
