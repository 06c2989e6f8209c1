"""What is written down: the records, the sinks, and what must never be in them."""

from __future__ import annotations

import logging
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect import ports
from reconnect.audit import Auditor, Journal, LogSink, MemorySink, TeeSink, audit_sink, read_records
from reconnect.audit.entries import FORMAT
from reconnect.audit.traffic import ranges
from reconnect.chart import load_chart
from reconnect.chart.rows import StepVerdict
from reconnect.chart.run import Step
from reconnect.core.effects import Note, Settle
from reconnect.core.hub.effects import Announce, News
from reconnect.core.notices import Outcome
from reconnect.errors import BadArgument
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
        raise AssertionError("an audit whose sink takes no inputs has no timers")


CHART = msgspec.structs.replace(load_chart("session"), version=3, sha256="ab" * 32)


def auditor(sink: ports.AuditSink | None = None) -> tuple[Auditor, list[dict[str, Any]]]:
    memory = MemorySink()
    made = Auditor(sink or memory, Still(), session="room-1", charts=[CHART])
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
            "source": "room-1",
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
            "source": "room-1",
            "connection": "c1",
            "status": "rejected",
            "reason": "denied",
            "code": "forbidden",
            "possibly_sent": True,
            "stored": False,
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
    assert (start["record"], start["library"], start["version"], start["format"]) == ("start", "reconnect", __version__, FORMAT)
    assert (start["at"], start["wall"], start["role"]) == (100.0, "2023-11-14T22:13:20.500Z", "publisher")
    assert start["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {key: chart[key] for key in ("record", "chart", "version", "sha256")} == {
        "record": "chart", "chart": "session", "version": 3, "sha256": "ab" * 32,
    }  # fmt: skip
    assert (policy["record"], policy["policy"]) == ("policy", "RetryPolicy")
    assert {key: policy[key] for key in RetryPolicy().describe()} == RetryPolicy().describe()
    assert (policy["seed"], policy["drawn"]) == (None, 0)
    assert [record["sequence"] for record in records] == [1, 2, 3]
    made.start()
    assert [record["record"] for record in records[3:]] == ["start", "chart"]
    assert [record["run"] for record in records if record["record"] == "start"] == [1, 2]


class Mute:
    """A policy that can decide and says nothing of itself."""


class Confused:
    def describe(self) -> dict[str, Any]:
        raise RuntimeError("who am I")


class Greedy:
    def describe(self) -> dict[str, Any]:
        return {"sequence": 7, "session": "other", "prev": "0", "seed": 3, "delay": 2.0, "inner": object()}


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
    sink = Journal(tmp_path / "audit.jsonl")
    made, _ = auditor(sink)
    made.start()
    made.stop()
    made.stop()
    assert repr(sink).endswith(" closed>")
    made.start()
    made.stop()
    written = [record["record"] for record in read_records(sink.path)]
    assert written == ["journal", "start", "chart", "stop", "start", "chart", "stop"]


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
    made, _ = auditor(TeeSink(LogSink(), Journal(tmp_path / "audit.jsonl")))
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


def test_a_sink_that_fails_stops_nothing_and_leaves_a_gap_that_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    sink = Failing()
    made, _ = auditor(sink)
    for broken in (True, True, False, True, False):
        sink.broken = broken
        made.note(Note(at=1.0, what="note"))
    kept = [(record["record"], record["sequence"]) for record in sink.records]
    assert kept == [("gap", 3), ("note", 4), ("gap", 6), ("note", 7)]
    assert [record["lost"] for record in sink.records if record["record"] == "gap"] == [2, 1]
    assert sink.records[0]["problem"] == "disk full"
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


# -- what a session's `audit` may be -------------------------------------------------------------------------------------------


def test_none_is_the_log_and_a_path_is_the_log_and_that_file(tmp_path: Path) -> None:
    assert repr(audit_sink(None)) == "<LogSink reconnect>"
    for path in (tmp_path / "audit.jsonl", str(tmp_path / "audit.jsonl")):
        sink = audit_sink(path)
        assert repr(sink) == f"<TeeSink <LogSink reconnect> <Journal {tmp_path / 'audit.jsonl'} entry=1>>"
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
