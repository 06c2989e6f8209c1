"""What a session is made with, and what it refuses to run on: a chart that it could not follow is an error at birth."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconnect import limits
from reconnect.chart import Statechart, load_chart
from reconnect.core.actions import Actions
from reconnect.core.frames import Capabilities
from reconnect.core.outbox import OutboxBounds
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings, check_session_chart
from reconnect.core.wants import Wants
from reconnect.errors import ChartUnfit, UnknownAction
from tests.core_world import changed_chart


def refusal(error: type[Any], chart: Statechart) -> str:
    """Return the sentence with which a session refuses this chart."""
    charts = {"session": load_chart("session"), "publisher": load_chart("publisher"), "subscriber": load_chart("subscriber")}
    with pytest.raises(error) as refused:
        SessionCore(SessionSettings(session="s", sender="me"), **{**charts, chart.name: chart})
    assert refused.value.file == f"{chart.name}.toml"
    return str(refused.value)


def test_the_defaults_are_the_named_limits() -> None:
    settings = SessionSettings(session="room-1", sender="me")
    assert settings.attempt_deadline == limits.ATTEMPT_DEADLINE_SECONDS
    assert settings.close_timeout == limits.CLOSE_TIMEOUT_SECONDS
    assert settings.stable_after == limits.STABLE_AFTER_SECONDS
    assert settings.bounds == OutboxBounds(
        signals=limits.OUTBOX_SIGNALS, size=limits.OUTBOX_BYTES, in_flight=limits.IN_FLIGHT, overflow=settings.bounds.overflow
    )
    assert settings.capabilities == Capabilities(acknowledges=True, resumes=True, replays=True, streams=True)
    assert not settings.retry_initial
    assert not settings.renewable


def test_the_shipped_charts_are_fit() -> None:
    check_session_chart(load_chart("session"), Actions.names())
    Wants(load_chart("publisher"), load_chart("subscriber"))


def test_every_action_of_the_code_is_asked_for() -> None:
    """What is written twice is equal: the actions that a session performs are those that its chart declares."""
    assert set(load_chart("session").actions) == Actions.names()


def test_a_role_or_a_phase_that_is_missing() -> None:
    assert refusal(ChartUnfit, changed_chart("session", ('role = "closing"', 'role = "leaving"'))) == (
        "session.toml: no state has the role closing; a session needs each of these at least once"
    )
    assert refusal(ChartUnfit, changed_chart("session", ('phase = "joining"', 'phase = "entering"'))) == (
        "session.toml: no state has the phase joining; a session needs each of these at least once"
    )
    assert refusal(ChartUnfit, changed_chart("subscriber", ('role = "live"', 'role = "alive"'))) == (
        "subscriber.toml: no state has the role live; a subscription needs each of these at least once"
    )


def test_an_event_that_is_missing() -> None:
    stable = 'stable               = { kind = "timer",'
    assert refusal(ChartUnfit, changed_chart("session", (stable, stable + ' means = "settled",'))) == (
        "session.toml: no event means stable; a session needs each of these at least once"
    )
    wanted = 'wanted      = { kind = "call",'
    assert refusal(ChartUnfit, changed_chart("publisher", (wanted, wanted + ' means = "asked_for",'))) == (
        "publisher.toml: no event means wanted; a publication needs each of these at least once"
    )


def test_an_action_that_nobody_performs() -> None:
    sentence = refusal(UnknownAction, changed_chart("session", ("reset_streak", "ring_the_bell")))
    assert sentence.startswith("session.toml, actions.ring_the_bell: no session performs 'ring_the_bell'; use abort_transport, ")
    sentence = refusal(UnknownAction, changed_chart("publisher", ("adopt_stream", "praise_stream")))
    assert sentence == (
        "publisher.toml, actions.praise_stream: no publication performs 'praise_stream'; use adopt_stream, forget_stream, notify"
    )


@pytest.mark.parametrize("seconds", ["settings.patience", "event.attempt", "attempt.elapsed", "elsewhere.close_timeout"])
def test_a_duration_that_nobody_knows(seconds: str) -> None:
    sentence = refusal(ChartUnfit, changed_chart("session", ("settings.close_timeout", seconds)))
    assert sentence == (
        f"session.toml, timers.close: nobody knows {seconds!r}; use event.retry_in, attempt.remaining, "
        "settings.attempt_deadline, settings.close_timeout, or settings.stable_after"
    )


def test_an_event_that_nobody_can_tell() -> None:
    assert refusal(ChartUnfit, changed_chart("session", ('tells = "connected"', 'tells = "hooray"'))) == (
        "session.toml, transitions[2] (joined from connecting.joining): a session cannot tell 'hooray'; "
        "tell one of connected, disconnected, reconnected, reconnecting"
    )
    assert refusal(ChartUnfit, changed_chart("publisher", ('tells = "live"', 'tells = "on_air"'))) == (
        "publisher.toml, transitions[1] (answered from starting): a publication cannot tell 'on_air'; "
        "tell one of ended, interrupted, live"
    )


@pytest.mark.parametrize(
    ("event", "leaf", "change", "problem"),
    [
        ("resumed", "reconnecting.joining", {"to": "reconnecting.waiting"}, "start:retry needs the answer of the retry policy"),
        ("stable", "connected", {"effects": ("announce_attempt",)}, "announce_attempt needs the answer of the retry policy"),
        ("retry_due", "connecting.waiting", {"to": "connected"}, "settle_judged needs a welcome"),
        ("connect_requested", "disconnected", {"effects": ("begin_outage",)}, "begin_outage needs a cause"),
        ("transport_lost", "closing", {"to": "reconnecting"}, "start:retry needs the answer of the retry policy"),
        ("attempt_failed", "connecting.dialing", {"tells": "reconnected"}, "telling reconnected needs a welcome"),
    ],
)
def test_an_action_where_what_it_needs_does_not_come(event: str, leaf: str, change: dict[str, Any], problem: str) -> None:
    """A chart that would fail in the middle of a session is refused when the session is made."""
    chart = load_chart("session")
    number = chart.table[leaf, event].row
    rows = list(chart.transitions)
    rows[number] = replace(rows[number], **change)
    sentence = refusal(
        ChartUnfit, replace(chart, transitions=tuple(rows), file="session.toml", sha256=f"{event} {leaf} {change}")
    )
    assert sentence.startswith(f"session.toml, transitions[{number}] ({event} from ")
    assert f"{problem}, and {event} from {leaf} brings none; ask for it only where one of " in sentence
