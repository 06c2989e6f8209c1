"""The model that charts are explored with does what the real core does: each way through it is played on a core, step by step."""

from __future__ import annotations

from contextlib import suppress

import pytest

from reconnect.chart import StepVerdict, load_chart
from reconnect.core.actions import Actions
from reconnect.core.frames import Goodbye, Refused
from reconnect.core.inputs import Called, Woke
from reconnect.core.notices import Notice
from reconnect.errors import IllegalTransition
from reconnect.evidence.acting import SessionActing
from reconnect.evidence.examine import explore_session
from reconnect.evidence.scene import Answer, Link, Scene, Told, Turn, What
from reconnect.evidence.surroundings import CALLS
from reconnect.reasons import Reason
from tests.core_world import Charts, CoreWorld, shipped
from tests.derived_charts import SUSPENDING, derived
from tests.laws.behaviours import DENIED, KICKED, PATIENT
from tests.laws.test_rows import BEYOND_REACH

BELIEVED = {"connected": Told.CONNECTED, "reconnected": Told.CONNECTED, "reconnecting": Told.AWAY, "suspended": Told.AWAY}
FULL = Refused(code=Reason.OVERLOADED, detail="no room at the moment")
DERIVED = derived("session", SUSPENDING)


def play(world: CoreWorld, turn: Turn) -> None:
    """Let the same happen to a core."""
    move = turn.move
    if move.answer in (Answer.AGAIN, Answer.NO_MORE):
        world.script.answers.append(1.0 if move.answer is Answer.AGAIN else Reason.GAVE_UP)
    final = move.answer is Answer.FINAL
    match move.what:
        case What.CALL:
            call(world, move.name)
        case What.FORCED:
            world.retry(force=True)
        case What.OPENED:
            world.opened()
        case What.ENDED:
            world.lose(DENIED) if final else world.lose()
        case What.JOINED:
            world.accept(connection=f"c{world.core.at.generation}", heartbeat=PATIENT)
        case What.RESUMED:
            world.accept_again(heartbeat=PATIENT)
        case What.REFUSED:
            world.receive(KICKED if final else FULL)
        case What.GOODBYE:
            world.receive(Goodbye())
        case What.DUE:
            world.wake()
        case What.LATE_REPORT:
            report_late(world)
        case What.LATE_TIMER:
            world.feed(Woke(at=world.now - 0.001))  # a driver's timer of before: nothing is due yet that is armed now


def call(world: CoreWorld, name: str) -> None:
    calls = dict(zip(CALLS.values(), (world.connect, world.disconnect, world.retry), strict=True))
    with suppress(IllegalTransition):
        if name in calls:
            calls[name]()
        else:
            world.feed(Called(at=world.now, event=name.removeprefix("feed('").removesuffix("')")))


def report_late(world: CoreWorld) -> None:
    """Let transports that were given up report all that they can."""
    present, before = world.core.at.generation, world.core.counts["stale_reports"]
    late = range(1, present + 1 if world.transport is None else present)
    for generation in late:
        world.opened(generation)
        world.receive(Goodbye(), generation=generation)
        world.lose(DENIED, generation=generation)
    assert late
    assert world.core.counts["stale_reports"] == before + 3 * len(late)


def seen(world: CoreWorld) -> Scene:
    """Return the scene that a core is in, as far as it can be seen."""
    at, told = world.core.at, [notice.name for notice in world.notices(Notice) if notice.name in (*BELIEVED, "disconnected")]
    return Scene(
        leaf=world.state,
        fenced=at.fenced,
        claim=at.connection is not None,
        told=BELIEVED.get(told[-1], Told.NOTHING) if told else Told.NOTHING,
        armed=at.timers.names,
        link=Link.NONE if world.transport is None else Link.OPEN,
    )


def visible(scene: Scene) -> Scene:
    """Return what can be seen of a scene from outside."""
    return Scene(
        leaf=scene.leaf,
        fenced=scene.fenced,
        claim=scene.claim,
        told=scene.told,
        armed=scene.armed,
        link=Link.NONE if scene.link is Link.NONE else Link.OPEN,
    )


@pytest.mark.parametrize("charts", [shipped(), {**shipped(), "session": DERIVED}], ids=["shipped", "derived"])
def test_every_way_through_the_model_is_a_way_of_the_core(charts: Charts) -> None:
    explored = explore_session(charts["session"])
    assert explored.findings == []
    for scene, turns in explored.turns.items():
        way = explored.way_to(scene)
        for turn in turns:
            world = CoreWorld(charts, durations={"suspension": 45.0} if charts["session"] is DERIVED else {})
            for step in (*way, turn):
                play(world, step)
            assert seen(world) == visible(turn.after), [step.move for step in (*way, turn)]


def test_the_model_knows_every_action_that_a_session_performs() -> None:
    chart = load_chart("session")
    decision = chart.decide("disconnected", "connect_requested")
    assert SessionActing(chart, Scene(leaf="disconnected"), decision).names == Actions.names()


def test_the_model_takes_every_row_from_every_state_that_can_take_it() -> None:
    chart = load_chart("session")
    taken = {
        (scene.leaf, turn.decision.row)
        for scene, turns in explore_session(chart).turns.items()
        for turn in turns
        if turn.decision is not None and turn.decision.verdict is StepVerdict.TAKEN
    }
    rows = {
        (leaf, decision.row)
        for (leaf, event), decision in chart.table.items()
        if decision.verdict is StepVerdict.TAKEN and ("session", leaf, event) not in BEYOND_REACH
    }
    assert taken == rows
