"""The audit as log events: levels, what is bound, whose configuration counts, and that nothing is printed without one."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs
from transitions import Machine

from reconnect.audit import LogSink
from reconnect.audit.log import level_of
from reconnect.chart import Runner, load_chart

STEP: dict[str, Any] = {
    "record": "step", "source": "s1", "session": "room-1", "connection": "c1", "event": "transport_lost", "from": "connected",
    "to": "reconnecting.waiting", "verdict": "taken", "tells": "reconnecting", "attempt": 1,
}  # fmt: skip


@pytest.fixture
def configured() -> Iterator[None]:
    """An application that configured structlog, as its documentation shows."""
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    yield
    structlog.reset_defaults()


def test_levels_are_info_for_transitions_warning_for_failures_and_debug_for_details() -> None:
    taken, ignored = {"record": "step", "verdict": "taken"}, {"record": "step", "verdict": "ignored"}
    assert [level_of(record) for record in (taken, {"record": "start"}, {"record": "stop"}, {"record": "head"})] == [
        logging.INFO
    ] * 4
    assert [level_of(record) for record in (ignored, {"record": "note"}, {"record": "outcomes"}, {})] == [logging.DEBUG] * 4
    failures = ({"record": "note", "what": "observer_failed"}, {"record": "note", "what": "effect_failed"}, {"record": "gap"})
    assert [level_of(record) for record in failures] == [logging.WARNING] * 3


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


def test_session_connection_and_attempt_are_bound_to_every_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconnect")
    sink = LogSink()
    for record in (
        STEP,
        {"record": "note", "source": "s1", "what": "slept", "connection": None},
        {"record": "note", "source": "s2", "session": "room-2", "what": "slept"},
        {**STEP, "tells": "reconnected", "attempt": 2},
        {"record": "outcomes", "source": "s1"},
        {"record": "stop", "source": "s1"},
        {"record": "note", "source": "s1"},
    ):
        sink.write(record)
    bound = [
        {key: entry.__dict__["reconnect"].get(key) for key in ("session", "connection", "attempt")} for entry in caplog.records
    ]
    anna = {"session": "room-1", "connection": "c1"}
    assert bound == [
        {**anna, "attempt": 1},
        {**anna, "attempt": 1},
        {"session": "room-2", "connection": None, "attempt": None},
        {**anna, "attempt": 2},
        {**anna, "attempt": None},
        {**anna, "attempt": None},
        {"session": None, "connection": None, "attempt": None},
    ]


def test_of_a_hub_no_record_carries_what_another_members_did(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconnect")
    sink = LogSink()
    sink.write({**STEP, "source": "hub"})
    sink.write({"record": "stop", "source": "hub", "session": "hub"})
    said = caplog.records[-1].__dict__["reconnect"]
    assert said == {"record": "stop", "source": "hub", "session": "hub"}


def test_a_step_of_a_chart_is_one_line_and_machines_of_others_are_heard(caplog: pytest.LogCaptureFixture) -> None:
    """`transitions` logs each callback at INFO; of our machines that is filtered out, of an application's own it is not."""
    caplog.set_level(logging.DEBUG)
    Runner(load_chart("session")).step("disconnected", "connect_requested")
    assert [line for line in caplog.records if line.name.startswith("transitions")] == []
    machine = Machine(states=["a", "b"], initial="a", transitions=[["go", "a", "b"]], name="theirs")
    machine.trigger("go")
    assert any(line.name == "transitions.core" and line.getMessage().startswith("theirs") for line in caplog.records)


def test_charts_and_settings_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconnect")
    LogSink().write({"record": "chart", "chart": "session", "definition": {"states": []}, "settings": {}})
    assert caplog.messages == ["chart chart='session'"]


# -- the application's configuration -------------------------------------------------------------------------------------------


def test_an_applications_structlog_gets_every_event_with_its_context_bound() -> None:
    """Its processors, its renderer, its levels: there is no second way out of the process."""
    structlog.configure(processors=[])
    try:
        with capture_logs() as captured:
            sink = LogSink()
            sink.write({**STEP, "row": None})
            sink.write({"record": "note", "source": "s1", "what": "observer_failed"})
    finally:
        structlog.reset_defaults()
    context = {"session": "room-1", "connection": "c1", "attempt": 1}
    assert captured == [
        {
            **context, "event": "step", "trigger": "transport_lost", "from": "connected", "to": "reconnecting.waiting",
            "verdict": "taken", "tells": "reconnecting", "log_level": "info", "source": "s1",
        },
        {**context, "event": "note", "what": "observer_failed", "log_level": "warning", "source": "s1"},
    ]  # fmt: skip


@pytest.mark.usefixtures("configured")
def test_what_an_application_prints_is_what_it_configured(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="reconnect")
    LogSink().write(STEP)
    assert json.loads(capsys.readouterr().out)["trigger"] == "transport_lost"
    assert caplog.messages == [], "and not a second time"


def test_an_applications_structlog_may_itself_lead_to_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="reconnect")
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    try:
        LogSink().write(STEP)
        LogSink().write({"record": "note", "what": "a detail"})
    finally:
        structlog.reset_defaults()
    (entry,) = caplog.records
    assert (entry.name, entry.levelno, entry.getMessage()) == ("reconnect", logging.INFO, "step")
    assert (entry.__dict__["session"], entry.__dict__["trigger"]) == ("room-1", "transport_lost")


def test_nothing_is_printed_or_configured_and_structlog_is_loaded_only_when_it_is_on() -> None:
    program = """
import logging, sys
from reconnect.audit import Auditor, LogSink

class Clock:
    def now(self): return 1.0
    def wall(self): return 2.0

first, second = LogSink(), LogSink()
assert not logging.getLogger("reconnect").handlers
auditor = Auditor(first, Clock(), session="room-1")
auditor.start()
first.write({"record": "note", "what": "observer_failed"})
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
