"""The hub's core: what it needs of its chart, and what it does with one that does not fit."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reconnect.chart import StepVerdict, Timer, load_chart
from reconnect.core.hub import HubCore, HubSettings
from reconnect.core.hub.effects import News
from reconnect.errors import ChartUnfit, UnknownAction
from tests.scripted_hub import ScriptedHub

CHART = load_chart("member")


def test_every_step_is_announced_with_its_row() -> None:
    """Every transition is recorded, with what it did."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.end(ann)
    steps = [(news.step.event, news.step.before, news.step.after) for news in hub.announced(News.STEP) if news.step]
    assert steps == [
        ("admitted", "joining", "joining"),
        ("entered", "joining", "present"),
        ("link_lost", "present", "away"),
    ]
    assert hub.announced(News.STEP)[-1].reason == "closed"
    assert hub.announced(News.STEP)[-1].connection == hub.connection(ann)


def test_what_the_chart_refuses_changes_nothing_and_is_announced() -> None:
    rows = tuple(row for row in CHART.transitions if row.on != "goodbye")
    refused = next(row for row in CHART.transitions if row.on == "goodbye")
    rule = replace(CHART.refuses[0], on=("goodbye",), states=refused.sources)
    hub = ScriptedHub(replace(CHART, transitions=rows, refuses=(*CHART.refuses, rule), sha256="stubborn"))
    from reconnect.core.frames import Goodbye, Ping, Pong

    ann = hub.join("ann")
    hub.send(ann, Goodbye(), Ping())
    assert hub.state(ann) == "present"
    assert hub.sent(ann, Pong)
    step = hub.announced(News.STEP)[-1].step
    assert step is not None
    assert step.verdict is StepVerdict.REFUSED


def test_a_chart_without_a_role() -> None:
    states = tuple(replace(state, role="nowhere") if state.name == "away" else state for state in CHART.states)
    with pytest.raises(ChartUnfit, match=r"no state has the role away; a hub needs each of these at least once"):
        HubCore(HubSettings(), replace(CHART, states=states))


def test_a_chart_without_an_event() -> None:
    events = {name: event for name, event in CHART.events.items() if name != "kicked"}
    with pytest.raises(ChartUnfit, match="no event means kicked"):
        HubCore(HubSettings(), replace(CHART, events=events))


def test_a_chart_with_an_action_that_no_hub_performs() -> None:
    with pytest.raises(UnknownAction, match=r"actions\.dance: no hub performs 'dance'; use announce_expired, answer_goodbye"):
        HubCore(HubSettings(), replace(CHART, actions={**CHART.actions, "dance": "merrily"}))


@pytest.mark.parametrize("seconds", ["settings.patience", "settings.strict_tokens_", "event.delay"])
def test_a_chart_with_a_timer_of_no_known_length(seconds: str) -> None:
    timer = Timer(name="grace", event="grace_over", seconds=seconds, why="")
    with pytest.raises(ChartUnfit, match=rf"timers\.grace: a hub has no {seconds}; name a duration of the hub's settings"):
        HubCore(HubSettings(), replace(CHART, timers={"grace": timer}))


def test_the_length_of_a_timer_is_the_charts_choice() -> None:
    timer = Timer(name="grace", event="grace_over", seconds="settings.join_deadline_seconds", why="shorter")
    hub = ScriptedHub(replace(CHART, timers={"grace": timer}, sha256="short"), join_deadline_seconds=3.0)
    ann = hub.join("ann")
    hub.end(ann)
    hub.later(2.9)
    assert hub.state(ann) == "away"
    hub.later(0.2)
    assert hub.state(ann) is None
