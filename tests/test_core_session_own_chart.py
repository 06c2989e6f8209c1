"""A session's core on a chart that its user derived: a state, a timer, events and a name of the chart's own."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconnect.chart import Ignore, Refusal, Statechart
from reconnect.core.effects import CloseTransport
from reconnect.core.inputs import Called
from reconnect.core.notices import Attempt, Disconnected, Reconnected, Reconnecting, Told
from reconnect.errors import IllegalTransition
from reconnect.reasons import OutcomeStatus, Reason
from tests.core_world import CoreWorld, Script, shipped
from tests.derived_charts import SUSPENDING, derived
from tests.laws.behaviours import PATIENT

CHART = derived("session", SUSPENDING)


def suspended(*, chart: Statechart = CHART, **options: Any) -> CoreWorld:
    """Return a world whose session was connected and then suspended, after 100 s."""
    world = CoreWorld({**shipped(), "session": chart}, durations={"suspension": 45.0}, **options).online(heartbeat=PATIENT)
    world.advance(100.0)
    feed(world, "suspend_requested")
    return world


def feed(world: CoreWorld, event: str) -> None:
    world.feed(Called(at=world.now, event=event))


def test_what_the_user_feeds_is_a_step_like_any_other() -> None:
    world = suspended()
    assert (world.state, world.role) == ("suspended", "recovering")
    assert world.closed == [CloseTransport(generation=1, abort=False, code=1000)]
    assert world.core.at.timers.names == {"suspension"}
    assert world.core.wake_at() == world.now + 45.0
    assert world.notices(Told) == [
        Told(at=world.now, name="suspended", state="suspended", reason=Reason.OWN_CHART, detail="feed('suspend_requested')")
    ]
    (note,) = [note for note in world.notes("step") if note.step and note.step.event == "suspend_requested"]
    assert (note.reason, note.detail) == (Reason.OWN_CHART, "feed('suspend_requested')")
    assert world.notices(Reconnecting) == []


def test_it_comes_back_to_the_same_connection_and_sends_what_waited() -> None:
    world = suspended()
    kept, given_up = world.submit(1), world.submit(2, keep=False)
    assert world.outcomes[given_up].status is OutcomeStatus.DROPPED
    world.advance(10.0)
    feed(world, "wake_requested")
    assert (world.role, world.core.phase) == ("recovering", "dialing")
    world.opened()
    world.accept_again()
    (back,) = world.notices(Reconnected)
    assert (back.reason, back.attempt, back.elapsed, back.resumed) == (Reason.OWN_CHART, 1, 10.0, True)
    assert kept not in world.outcomes
    assert world.wire[-1].serial == kept  # type: ignore[attr-defined]  # the signal that waited


def test_an_attempt_that_fails_after_it_is_followed_by_the_second() -> None:
    world = suspended(policy=Script(then=1.0))
    feed(world, "wake_requested")
    world.lose()
    assert world.core.phase == "waiting"
    assert [notice.attempt for notice in world.notices(Attempt)] == [2]


def test_a_timer_of_the_chart_takes_as_long_as_the_user_said() -> None:
    world = suspended()
    assert world.wake() == 45.0
    assert world.role == "offline"
    (end,) = world.notices(Disconnected)
    assert (end.reason, end.elapsed) == (Reason.OWN_CHART, 45.0)


def test_it_can_be_left_like_any_other_state() -> None:
    world = suspended()
    world.disconnect()
    assert world.role == "offline"
    assert [end.reason for end in world.notices(Disconnected)] == [Reason.CLIENT_DISCONNECTED]


def test_what_the_chart_refuses_raises_and_changes_nothing() -> None:
    refusing = replace(
        CHART,
        ignores=tuple(row for row in CHART.ignores if "wake_requested" not in row.on or row.states != ("connected",)),
        refuses=(*CHART.refuses, Refusal(on=("wake_requested",), states=("connected",), why="Awake.")),
        sha256="refusing",
    )
    world = CoreWorld({**shipped(), "session": refusing}, durations={"suspension": 45.0}).online()
    with pytest.raises(IllegalTransition) as refused:
        feed(world, "wake_requested")
    assert (refused.value.state, refused.value.event) == ("connected", "wake_requested")
    assert world.role == "online"


def test_an_event_of_the_chart_that_ends_a_connect_is_its_cause() -> None:
    """Else connect() would say that disconnect() was called."""
    cancelling = tuple(
        Ignore(on=row.on, states=tuple(state for state in row.states if state != "connecting"), why=row.why)
        if row.on == ("suspend_requested", "wake_requested")
        else row
        for row in CHART.ignores
    )
    ignored = Ignore(on=("wake_requested",), states=("connecting",), why="Not asleep.")
    row = replace(CHART.transitions[9], on="suspend_requested")  # as `ended` does it
    chart = replace(
        CHART,
        ignores=(*cancelling, ignored),
        transitions=(*CHART.transitions, row),
        sha256="a connect() that is called off",
    )
    world = CoreWorld({**shipped(), "session": chart}, durations={"suspension": 45.0})
    world.connect()
    feed(world, "suspend_requested")
    assert world.role == "offline"
    cause = world.core.at.episode.last_error
    assert cause is not None
    assert (cause.reason, cause.detail) == (Reason.OWN_CHART, "feed('suspend_requested')")


def test_a_signal_is_not_blamed_for_a_link_that_was_given_up_on_purpose() -> None:
    """Two losses in a row right after resending it would be poison."""
    number = CHART.table["connected", "suspend_requested"].row
    at_once = replace(CHART.transitions[number], to="reconnecting.dialing")
    rows = (*CHART.transitions[:number], at_once, *CHART.transitions[number + 1 :])
    world = suspended(chart=replace(CHART, transitions=rows, sha256="another link, at once"))
    serial = world.submit(1)
    for _ in range(4):
        world.opened()
        world.accept_again()
        feed(world, "suspend_requested")
    assert serial not in world.outcomes
