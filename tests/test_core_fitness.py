"""What a session needs of its chart: one that it could not follow is an error at birth, told in words."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, load_chart
from reconnect.chart.load import read_chart
from reconnect.core.actions import Actions
from reconnect.core.fitness import MEANINGS, check_session_chart, is_fed_by_user, own_tells
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.core.wants import Wants
from reconnect.errors import ChartUnfit, UnknownAction
from tests.core_world import changed_chart
from tests.derived_charts import SUSPENDING, derived, derived_text


def refusal(error: type[Any], chart: Statechart) -> str:
    """Return the sentence with which a session refuses this chart."""
    charts = {"session": load_chart("session"), "publisher": load_chart("publisher"), "subscriber": load_chart("subscriber")}
    with pytest.raises(error) as refused:
        SessionCore(SessionSettings(session="s", sender="me"), **{**charts, chart.name: chart})
    assert refused.value.file == f"{chart.name}.toml"
    return str(refused.value)


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
        "settings.attempt_deadline, settings.close_timeout, settings.stable_after, or given.NAME for one that you give"
    )


def test_an_event_that_nobody_can_tell() -> None:
    assert refusal(ChartUnfit, changed_chart("session", ('tells = "connected"', 'tells = "hooray"'))) == (
        "session.toml, transitions[2] (joined from connecting.joining): a session cannot tell 'hooray'; "
        "tell one of connected, disconnected, reconnected, reconnecting, or declare it under [tells]"
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


# -- charts of one's own -------------------------------------------------------------------------------------------------------


def test_a_derived_chart_fits() -> None:
    chart = derived("session", SUSPENDING)
    check_session_chart(chart, Actions.names())
    check_session_chart(chart, Actions.names(), frozenset({"suspension"}))
    assert own_tells(chart) == {"suspended"}
    assert own_tells(load_chart("session")) == frozenset()
    assert [event.name for event in chart.events.values() if is_fed_by_user(event)] == ["suspend_requested", "wake_requested"]
    assert {event.means for event in load_chart("session").events.values()} == MEANINGS


OWN: list[tuple[str, str, str, str, str]] = [
    # What is changed in what is appended, then the place, the problem and the remedy.
    ('role = "recovering"', 'role = "suspended"', "states.suspended", "no session knows the role 'suspended'",
     "use one of closing, connecting, offline, online, recovering"),
    ('[tells]\nsuspended', '[tells]\nsignal = "x"\nsuspended', "tells.signal",
     "'signal' is told by every session, with other things in it", "give it a name of its own"),
    ('[events.suspension_over]\n', '[events.dusk]\nkind = "verdict"\nwhy = "x"\n[events.suspension_over]\n',
     "events.dusk", "no session feeds the verdict event 'dusk'",
     'let a timer feed it, give it kind = "call" and feed it yourself, or say what it means'),
    ('"given.suspension"', '"given.patience"', "timers.suspension", "no duration 'patience' is given",
     "say how long, as Session(..., durations={'patience': 60.0})"),
    ('effects = ["close_transport", "begin_outage"]', 'effects = ["close_transport"]',
     "transitions[28] (suspend_requested from connected)", "it leads from connected to suspended without begin_outage",
     "add begin_outage to its effects: attempts are counted from there"),
    ('to = "reconnecting.dialing"', 'to = "reconnecting.waiting"', "transitions[29] (wake_requested from suspended)",
     "start:retry needs the answer of the retry policy, and wake_requested from suspended brings none",
     "ask for it only where one of attempt_failed, transport_lost, deadline_passed leads"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "problem", "remedy"), OWN)
def test_what_a_session_has_against_a_derived_chart(old: str, new: str, place: str, problem: str, remedy: str) -> None:
    """Told in words when the session is made, never in the middle of it."""
    assert old in SUSPENDING
    text = derived_text("session", SUSPENDING.replace(old, new))
    chart = read_chart(text.encode(), "my_session.toml")
    with pytest.raises(ChartUnfit) as unfit:
        check_session_chart(chart, Actions.names(), frozenset({"suspension"}))
    assert (unfit.value.file, unfit.value.row, unfit.value.problem, unfit.value.remedy) == (
        "my_session.toml",
        place,
        problem,
        remedy,
    )


def test_an_event_whose_kind_is_not_that_of_its_meaning() -> None:
    """Else a user could feed what only a transport knows."""
    assert refusal(
        ChartUnfit,
        changed_chart("session", ('transport_opened     = { kind = "transport"', 'transport_opened     = { kind = "call"')),
    ) == ('session.toml, events.transport_opened: it means transport_opened, and is of the kind call; write kind = "transport"')


def test_a_connect_that_begins_nothing() -> None:
    sentence = refusal(
        ChartUnfit, changed_chart("session", ('effects = ["begin_episode"]\n', ""), ("begin_episode      = ", "# "))
    )
    assert sentence == (
        "session.toml, transitions[0] (connect_requested from disconnected): it leads from disconnected to connecting.dialing "
        "without begin_episode; add begin_episode to its effects: attempts are counted from there"
    )


def test_a_word_of_ones_own_needs_a_cause() -> None:
    late = '[tells]\nawake = "x"\n'
    chart = changed_chart(
        "session",
        ("[actions]\n", late + "[actions]\n"),
        ('on = "connect_requested"\nfrom = "disconnected"\nto = "connecting"\n',
         'on = "connect_requested"\nfrom = "disconnected"\nto = "connecting"\ntells = "awake"\n'),
        ('initial = "dialing"\n', 'initial = "dialing"\nentry = ["notify"]\n'),
    )  # fmt: skip
    assert refusal(ChartUnfit, chart) == (
        "session.toml, transitions[0] (connect_requested from disconnected): telling a word of the chart's own needs a cause, "
        "and connect_requested from disconnected brings none; ask for it only where one of attempt_failed, transport_lost, "
        "deadline_passed, ended, or an event of the chart's own leads"
    )
