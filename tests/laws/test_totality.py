"""The session's core is total: whatever is fed, in whichever state and order, it takes it, ignores it, drops it or refuses it.

First every pair of a state and an event, one by one, through the input that would bring the event about and past all that is
checked before the chart sees it. Then random scripts of every input there is, sensible or not. After every turn the bench
(`CoreWorld.check`) looks at what must always hold; at the end the steps are held to the chart and what was told to its grammar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.chart import EventKind, StepVerdict, load_chart
from reconnect.core import inputs
from reconnect.core.actions import Moment
from reconnect.core.bounds import OutboxBounds, Overflow
from reconnect.core.effects import CloseTransport, Note, Refuse
from reconnect.core.frames import Goodbye, Stream, WantAnswer
from reconnect.core.notices import Attempt, Notice
from reconnect.errors import IllegalTransition
from reconnect.reasons import Reason
from tests.core_world import COMING_AND_GOING, CoreWorld, signal, welcome
from tests.laws.any_input import Move, get_on, moves
from tests.laws.behaviours import DENIED, reach

CHART = load_chart("session")
PLACES: Final = {leaf: (CHART.role(leaf), CHART.phase(leaf)) for leaf in CHART.leaves}


def world_in(leaf: str, **options: Any) -> CoreWorld:
    """Return a world in this state, with something in each of its parts."""
    world = CoreWorld(**{"bounds": OutboxBounds(in_flight=1), **options})
    role, phase = PLACES[leaf]
    if role == "offline":
        return world
    world.connect()
    world.submit()
    world.submit(keep=False)
    world.publish(1)
    if role != "connecting":
        stream = Stream(id="c1.1", number=1, name="camera", connection="c1")
        world.join(answers=(WantAnswer(key="publish:camera", stream=stream),))
        world.receive(signal(1))
    if role == "closing":
        world.disconnect()
    if role == "recovering" or phase == "waiting":
        world.lose()
    if role == "recovering" and phase != "waiting":
        world.wake()
    if phase == "joining":
        world.opened()
    assert world.state == leaf
    return world


def memory(world: CoreWorld) -> list[str]:
    """Return everything that a core remembers, but for what it counted."""
    at = world.core.at
    parts: list[Any] = [
        world.core, at.timers, at.outbox, sorted(at.outbox.counts.items()), at.inbox, at.inbox.credited, at.episode,
        at.episode.last_error, at.connection, at.secret, at.generation, at.fenced, at.liveness, at.limits, at.requests,
        at.want_requests, at.owed, at.replay_to, at.roster.members, at.roster.streams, at.next_url,
        [(wanted.want, wanted.state, sorted(wanted.interruptions)) for wanted in at.wants.all], world.core.question,
    ]  # fmt: skip
    return [repr(part) for part in parts]


# -- pair by pair, through the inputs ------------------------------------------------------------------------------------------


def wake_for(world: CoreWorld, timer: str) -> None:
    """Wake when this timer would be due; now if it is not armed."""
    due = [armed.due_at for armed in world.core.at.timers.due(float("inf")) if armed.name == timer]
    world.now = due[0] if due else world.now
    world.feed(inputs.Woke(at=world.now))


def resumed(world: CoreWorld) -> None:
    at = world.core.at
    world.receive(welcome(resumed=True, connection=at.connection or "c1", epoch=at.inbox.epoch, position=1))


BRINGING: Final[dict[str, Callable[[CoreWorld], object]]] = {
    "connect_requested": CoreWorld.connect,
    "disconnect_requested": CoreWorld.disconnect,
    "retry_requested": CoreWorld.retry,
    "transport_opened": lambda world: world.opened(world.core.at.generation),
    "resumed": resumed,
    "joined": lambda world: world.receive(welcome()),
    "attempt_failed": CoreWorld.lose,
    "transport_lost": CoreWorld.lose,
    "ended": lambda world: world.lose(DENIED),
    "goodbye_answered": lambda world: world.receive(Goodbye()),
    "retry_due": lambda world: wake_for(world, "retry"),
    "deadline_passed": lambda world: wake_for(world, "deadline"),
    "stable": lambda world: wake_for(world, "stable"),
    "close_due": lambda world: wake_for(world, "close"),
}


def steps(world: CoreWorld) -> Iterator[Any]:
    """Yield the session's steps of the last turn."""
    for effect in world.turn:
        if isinstance(effect, Note) and effect.step is not None and effect.machine == "session":
            yield effect.step


@pytest.mark.parametrize("event", BRINGING)
@pytest.mark.parametrize("leaf", CHART.leaves)
def test_s04_every_event_in_every_state(leaf: str, event: str) -> None:
    """S04: its input takes the row, is ignored, is dropped because nothing in this state can have sent it, or is refused."""
    world = world_in(leaf)
    before, had_transport = memory(world), world.transport is not None
    decision = CHART.table[leaf, event]
    if decision.verdict is StepVerdict.REFUSED and CHART.events[event].kind is EventKind.CALL:
        with pytest.raises(IllegalTransition) as refusal:
            BRINGING[event](world)
        assert (refusal.value.state, refusal.value.event) == (leaf, event)
    else:
        BRINGING[event](world)
    fed = [step.verdict for step in steps(world) if step.event == event]
    if decision.verdict is StepVerdict.TAKEN and fed:
        assert (fed[0], world.state) == (StepVerdict.TAKEN, decision.target)
    elif fed:
        assert fed[0] is decision.verdict
    else:
        assert not had_transport or decision.verdict is StepVerdict.REFUSED, f"{event} in {leaf} was not even tried"
    if all(step.verdict is not StepVerdict.TAKEN for step in steps(world)):
        assert memory(world) == before
    world.check()


def test_every_event_is_brought_about() -> None:
    """What is written twice is equal: the chart's events and those that are fed here."""
    assert list(BRINGING) == list(CHART.events)


# -- pair by pair, past every check before the chart ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "event"), [pair for pair, decision in CHART.table.items() if decision.verdict is not StepVerdict.TAKEN]
)
def test_s04_what_is_not_taken_changes_nothing(leaf: str, event: str) -> None:
    """S04: an ignored event and a refused one are audited and nothing else; a refused report ends the transport it came from."""
    world = world_in(leaf)
    before, had_transport = memory(world), world.transport is not None
    decision = CHART.table[leaf, event]
    world.turn = []
    world.core._take(event, Moment(at=world.now))
    world.perform(world._asked(world.core.at.take_effects()))
    first = world.turn[0]
    assert isinstance(first, Note)
    assert first.step is not None
    assert (first.step.event, first.step.verdict, first.step.after) == (event, decision.verdict, leaf)
    is_report = CHART.events[event].kind is EventKind.TRANSPORT
    if decision.verdict is StepVerdict.REFUSED and is_report and had_transport:
        closed = [effect for effect in world.turn if isinstance(effect, CloseTransport)]
        assert [effect.abort for effect in closed] == [True]
        assert world.core.counts["refused_reports"] == 1
    else:
        assert len(world.turn) == 1
        assert memory(world) == before
    world.check()


@pytest.mark.parametrize("event", ["connect_requested"])
def test_s04_a_refused_call_is_an_error_of_its_caller(event: str) -> None:
    """S04: the error comes as the last effect of its turn."""
    core = reach(CoreWorld(), "closing").core
    effects = core.feed(inputs.ConnectRequested(at=1_000.0))
    assert [type(effect) for effect in effects] == [Note, Refuse]
    assert effects[0].step.event == event  # type: ignore[attr-defined]  # a Note


# -- any script ----------------------------------------------------------------------------------------------------------------


LETTERS: Final = dict(zip(COMING_AND_GOING, "crRd", strict=True))
GRAMMAR: Final = re.compile(r"(?:c(?:rR)*r?d)*(?:c(?:rR)*r?)?")


def keeps_the_grammar(world: CoreWorld) -> bool:
    """Assert that what was told follows its grammar, and that it fits where the session stands."""
    told = "".join(LETTERS[type(notice)] for notice in world.notices(Notice) if type(notice) in LETTERS)
    assert GRAMMAR.fullmatch(told), f"{told} is no sequence of events"
    last = told[-1:]
    expected = {"online": "cR", "recovering": "r", "closing": "cR", "offline": "d", "connecting": "d"}[world.role]
    assert last in expected or (not last and world.role in ("offline", "connecting")), f"{told} does not end in {world.role}"
    for one in world.notices(Attempt):
        assert one.attempt >= 1
        assert one.retry_in >= 0.0
        assert one.elapsed >= 0.0
    return True


def keeps_to_the_chart(world: CoreWorld) -> bool:
    """Assert that the session's steps are the chart's, one after the other, and that nothing else moved its state."""
    state = CHART.initial
    for note in world.notes("step"):
        step = note.step
        if step is None or note.machine != "session":
            continue
        decision = CHART.table[step.before, step.event]
        assert step.before == state
        assert step.verdict is decision.verdict
        state = step.after
        assert state == (decision.target if decision.verdict is StepVerdict.TAKEN else step.before)
    assert world.state == state
    return True


@settings(max_examples=8 * settings().max_examples)
@given(
    leaf=st.sampled_from(CHART.leaves),
    script=st.lists(moves(), min_size=8, max_size=40),
    bounds=st.builds(OutboxBounds, signals=st.integers(2, 5), in_flight=st.integers(1, 3), overflow=st.sampled_from(Overflow)),
    stores=st.booleans(),
)
def test_s04_s13_any_script_keeps_every_law(leaf: str, script: list[Move], bounds: OutboxBounds, stores: bool) -> None:
    """S04, S13, Q09: no input in any order raises, breaks the chart, the grammar, or what holds after every turn."""
    world = world_in(leaf, stores=stores, bounds=bounds, stable_after=5.0, renewable=True)
    world.script.then = 2.0
    for move in script:
        move(world)
        assert world.core.question is None
    assert keeps_to_the_chart(world)
    assert keeps_the_grammar(world)
    while world.role != "offline":
        world.script.answers.clear()
        world.script.then = Reason.GAVE_UP
        get_on(world) if world.role == "connecting" else world.disconnect()
        if world.role == "closing":
            world.lose()
    assert world.outcomes.keys() == set(range(1, world.core.at.outbox.submitted + 1)), "a signal has no outcome"
    assert world.core.wake_at() is None
    assert keeps_the_grammar(world)
