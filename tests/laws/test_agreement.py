"""Three machines that know nothing of each other run each chart alike: states, actions in order, what is told, and the verdict.

The Runner steps through the chart's table. `transitions.HierarchicalMachine` is built from the file with its nesting. The reader
of python-statemachine is given nothing but our own SCXML export, and performs its `<log>` elements, which are what a chart asks
for. Each pair of a state and an event is tried on a fresh machine; then all walk 10,000 random steps, each on its own state.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from statemachine import StateChart
from statemachine.io import load
from transitions import MachineError

from reconnect.chart import Runner, Statechart, StepVerdict, chart_names, load_chart
from reconnect.chart.scxml import draw_scxml
from reconnect.chart.sketch import ends
from tests.test_chart_run import TEXTS, Hierarchy, Model, chart_of, seen

STEPS = 10_000
Seen = tuple[str, str, tuple[str, ...], str | None]
every_chart = pytest.mark.parametrize("name", TEXTS)


class Exported:
    """A machine of python-statemachine over the SCXML export of a chart."""

    def __init__(self, chart: Statechart) -> None:
        self._kind: type[StateChart[Any]] = load(draw_scxml(chart), format="scxml", name=chart.name)
        self._machine: StateChart[Any] | None = None

    def begin(self, leaf: str | None = None) -> str:
        """Start anew, in a leaf or where the document says; return the leaf."""
        with redirect_stdout(io.StringIO()):
            self._machine = self._kind() if leaf is None else self._kind(start_value=leaf)
        return self.leaf

    @property
    def leaf(self) -> str:
        """The innermost state that is active: the others are its ancestors."""
        assert self._machine is not None
        active = [str(value) for value in self._machine.configuration_values]
        deepest = max(active, key=len)
        assert all(f"{deepest}.".startswith(f"{name}.") for name in active), active
        return deepest

    def step(self, event: str) -> Seen:
        """Feed an event; return what the machine logged and where it is."""
        assert self._machine is not None
        with redirect_stdout(io.StringIO()) as out:
            self._machine.send(event)
        verdict, actions, told = "taken", [], None
        for label, name in logged(out.getvalue()):
            if label == "action":
                actions.append(name)
            elif label == "tells":
                told = name
            else:
                assert name == event
                verdict = label
        return verdict, self.leaf, tuple(actions), told


def logged(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found = re.fullmatch(r"(action|tells|ignored|refused): '(.+)'", line)
        assert found is not None, line
        yield found[1], found[2]


@every_chart
def test_every_pair_does_the_same_in_three_machines(name: str) -> None:
    """S03, S04: from a fresh machine in each state, with each event."""
    chart = chart_of(name)
    runner, hierarchy, exported = Runner(chart), Hierarchy(TEXTS[name]), Exported(chart)
    for leaf in chart.leaves:
        for event in chart.events:
            assert exported.begin(leaf) == leaf
            mine = seen(runner.step(leaf, event))
            assert mine == hierarchy.step(leaf, event), (leaf, event)
            assert mine == exported.step(event), (leaf, event)


class Walker(Hierarchy):
    """The hierarchical machine with one model that it keeps."""

    def begin(self, leaf: str) -> None:
        self.model = Model()
        self.machine.models.clear()
        self.machine.add_model(self.model, initial=leaf)

    def go(self, event: str) -> Seen:
        model = self.model
        model.exits, model.effects, model.entries, model.fired = [], [], [], None
        with suppress(MachineError):
            if event in self.machine.events:
                self.machine.trigger_event(model, event)
        verdict, told = model.fired or ("refused", None)
        return verdict, str(model.state), (*model.exits, *model.effects, *model.entries), told


def drawn(chart: Statechart, leaf: str, last: set[str], chance: Random) -> str:
    """Return a random event: any, or as often one that leads somewhere and not to where the chart ends, so that walks get far."""
    decisions = ((event, chart.decide(leaf, event)) for event in chart.events)
    lively = [event for event, found in decisions if found.verdict is StepVerdict.TAKEN and found.target not in last]
    return chance.choice(lively if lively and chance.random() < 0.8 else list(chart.events))


@pytest.mark.parametrize("name", chart_names())
def test_random_steps_do_the_same_in_three_machines(name: str) -> None:
    """S04: 10,000 of them; where nothing leads on, all begin anew."""
    chart, chance = chart_of(name), Random(f"agreement {name}")
    runner, walker, exported = Runner(chart), Walker(TEXTS[name]), Exported(chart)
    leaves: Counter[str] = Counter()
    last = ends(chart)
    mine = exported.begin()
    assert mine == chart.initial
    walker.begin(mine)
    for number in range(STEPS):
        if mine in last - {chart.initial} and chance.random() < 0.5:
            mine = exported.begin()
            walker.begin(mine)
        event = drawn(chart, mine, last, chance)
        first = seen(runner.step(mine, event))
        assert first == walker.go(event) == exported.step(event), (number, mine, event)
        mine = first[1]
        leaves[mine] += 1
    assert set(leaves) == set(chart.leaves), "the walk has missed a state"


@pytest.mark.parametrize("part", ["target", "effects", "tells", "entry", "exit", "verdict"])
def test_a_difference_in_any_part_is_seen(part: str) -> None:
    """The comparison can fail: an export that differs in one place from what runs."""
    chart = load_chart("session")
    number = next(n for n, row in enumerate(chart.transitions) if row.on == "transport_lost" and row.sources == ("connected",))
    row, states = chart.transitions[number], list(chart.states)
    place = next(n for n, state in enumerate(states) if state.name == "connected")
    match part:
        case "target":
            row = replace(row, to="closing")
        case "effects":
            row = replace(row, effects=row.effects[::-1])
        case "tells":
            row = replace(row, tells="disconnected")
        case "entry":
            waiting = next(n for n, state in enumerate(states) if state.name == "reconnecting.waiting")
            states[waiting] = replace(states[waiting], entry=states[waiting].entry[::-1])
        case "exit":
            states[place] = replace(states[place], exit=())
        case _:
            row = replace(row, sources=())
    rows = (*chart.transitions[:number], row, *chart.transitions[number + 1 :])
    exported = Exported(replace(chart, transitions=rows, states=tuple(states)))
    exported.begin("connected")
    assert exported.step("transport_lost") != seen(Runner(chart).step("connected", "transport_lost"))
