"""Running charts: totality, purity, and agreement with two oracles that know nothing of the Runner.

The first oracle is `transitions.HierarchicalMachine`, built straight from the file with the nesting as it stands there. The
second is a small interpreter below, which reads the file with `tomllib` and follows SCXML's rules. Each chart of the library, and
an example that nests deeper than they do, is compared pair by pair and over 2,000 random steps.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from transitions import MachineError
from transitions.extensions.nesting import HierarchicalMachine, NestedState

from reconnect.chart import (
    Runner,
    Statechart,
    Step,
    StepVerdict,
    chart_names,
    charts_folder,
    load_chart,
    load_chart_text,
    runner_for,
)
from reconnect.errors import BadArgument

# Three levels, a parent's row to itself, a child's row to its ancestor, internal rows of a parent, an event never taken.
DEEP = """
chart = "deep"
version = 1
initial = "a"
why = "An example."
events.go = { kind = "call", why = "w" }
events.turn = { kind = "call", why = "w" }
events.up = { kind = "call", why = "w" }
events.look = { kind = "call", why = "w" }
events.never = { kind = "call", why = "w" }
actions = { notify = "w", ina = "w", outa = "w", inb = "w", outb = "w", inc = "w", outc = "w", outd = "w", iny = "w", move = "w" }
[states.a]
role = "r"
initial = "b"
entry = ["ina"]
exit = ["outa"]
why = "w"
states.b = { initial = "c", entry = ["inb"], exit = ["outb"], why = "w", states.c = { entry = ["inc"], exit = ["outc"], why = "w" }, states.d = { entry = ["notify"], exit = ["outd"], why = "w" } }
[states.x]
role = "r"
initial = "y"
why = "w"
states.y = { entry = ["iny"], why = "w" }
[[transitions]]
on = "go"
from = "a"
to = "x"
effects = ["move"]
why = "w"
[[transitions]]
on = "go"
from = "x.y"
to = "a.b.d"
tells = "moved"
why = "w"
[[transitions]]
on = "turn"
from = "a.b"
to = "a.b"
effects = ["move"]
why = "w"
[[transitions]]
on = "turn"
from = "x"
to = "x"
why = "w"
[[transitions]]
on = "up"
from = ["a.b.c"]
to = "a.b.d"
effects = ["move"]
why = "w"
[[transitions]]
on = "up"
from = "a.b.d"
to = "a"
why = "w"
[[transitions]]
on = "look"
from = "a"
effects = ["move"]
why = "w"
[[ignores]]
on = ["up", "look"]
in = "x.y"
why = "w"
[[refuses]]
on = "never"
in = ["a", "x"]
why = "w"
"""  # noqa: E501
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(charts_folder().glob("*.toml"))} | {"deep": DEEP}
every_chart = pytest.mark.parametrize("name", TEXTS)
STEPS = 2_000


def chart_of(name: str) -> Statechart:
    return load_chart_text(TEXTS[name], file=f"{name}.toml")


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class Interpreter:
    """The second oracle: a chart's file, read with tomllib and stepped by the rules of SCXML, in the plainest way."""

    def __init__(self, text: str) -> None:
        self.file = tomllib.loads(text)
        self.states: dict[str, dict[str, Any]] = {}
        self._collect(self.file["states"], "")

    def _collect(self, states: dict[str, Any], prefix: str) -> None:
        for name, state in states.items():
            self.states[prefix + name] = state
            self._collect(state.get("states", {}), f"{prefix}{name}.")

    @property
    def leaves(self) -> list[str]:
        return [name for name, state in self.states.items() if "states" not in state]

    def ancestors(self, name: str) -> list[str]:
        """Return the state and its ancestors, innermost first."""
        return [name, *(self.ancestors(name.rpartition(".")[0]) if "." in name else [])]

    def step(self, leaf: str, event: str) -> tuple[str, str, tuple[str, ...], str | None]:
        """Return verdict, leaf after, actions and what is told."""
        for source in self.ancestors(leaf):
            for row in self.file["transitions"]:
                if row["on"] == event and source in listed(row["from"]):
                    return self.take(leaf, source, row)
            for verdict, key in (("ignored", "ignores"), ("refused", "refuses")):
                for row in self.file.get(key, []):
                    if event in listed(row["on"]) and source in listed(row["in"]):
                        return verdict, leaf, (), None
        raise AssertionError(f"undecided: {leaf}, {event}")

    def take(self, leaf: str, source: str, row: dict[str, Any]) -> tuple[str, str, tuple[str, ...], str | None]:
        effects, told = list(row.get("effects", [])), row.get("tells")
        if "to" not in row:
            return "taken", leaf, tuple(effects), told
        common = set(self.ancestors(source)[1:]) & set(self.ancestors(row["to"])[1:])
        left = [name for name in self.ancestors(leaf) if name not in common]
        entered = [name for name in reversed(self.ancestors(row["to"])) if name not in common]
        while "initial" in self.states[entered[-1]]:
            entered.append(f"{entered[-1]}.{self.states[entered[-1]]['initial']}")
        exits = [action for name in left for action in self.states[name].get("exit", [])]
        entries = [action for name in entered for action in self.states[name].get("entry", [])]
        return "taken", entered[-1], (*exits, *effects, *entries), told


class DottedState(NestedState):
    separator = "."


class DottedMachine(HierarchicalMachine):
    state_cls = DottedState


class Model:
    """What the hierarchical machine moves; its callbacks fill three buckets, because `before` runs ahead of the exits."""

    state: Any

    def __init__(self) -> None:
        self.exits: list[str] = []
        self.effects: list[str] = []
        self.entries: list[str] = []
        self.fired: tuple[str, str | None] | None = None


class Hierarchy:
    """The first oracle: `transitions.HierarchicalMachine` over the nesting as it stands in the file."""

    def __init__(self, text: str) -> None:
        self.file = tomllib.loads(text)
        self.machine = DottedMachine(
            model=None, states=self._states(self.file["states"]), initial=None, auto_transitions=False, send_event=True
        )
        for row in self.file["transitions"]:
            for source in listed(row["from"]):
                self.machine.add_transition(row["on"], source, row.get("to"), before=self._took(row))
        for row in self.file.get("ignores", []):
            for event in listed(row["on"]):
                for source in listed(row["in"]):
                    self.machine.add_transition(event, source, None, before=self._ignored)

    def _states(self, states: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "on_exit": [partial(self._asked, "exits", action) for action in state.get("exit", [])],
                "on_enter": [partial(self._asked, "entries", action) for action in state.get("entry", [])],
                **({"initial": state["initial"], "children": self._states(state["states"])} if "states" in state else {}),
            }
            for name, state in states.items()
        ]

    @staticmethod
    def _asked(bucket: str, action: str, event: Any) -> None:
        getattr(event.model, bucket).append(action)

    @staticmethod
    def _took(row: dict[str, Any]) -> Callable[[Any], None]:
        def note(event: Any) -> None:
            event.model.fired = ("taken", row.get("tells"))
            event.model.effects += row.get("effects", [])

        return note

    @staticmethod
    def _ignored(event: Any) -> None:
        event.model.fired = ("ignored", None)

    def step(self, leaf: str, event: str) -> tuple[str, str, tuple[str, ...], str | None]:
        model = Model()
        self.machine.add_model(model, initial=leaf)
        model.exits, model.entries = [], []
        try:
            if event in self.machine.events:
                self.machine.trigger_event(model, event)
        except MachineError:
            pass
        finally:
            self.machine.remove_model(model)
        verdict, told = model.fired or ("refused", None)
        return verdict, str(model.state), (*model.exits, *model.effects, *model.entries), told


def seen(step: Step) -> tuple[str, str, tuple[str, ...], str | None]:
    return str(step.verdict), step.after, step.actions, step.tells


@every_chart
def test_every_pair_is_decided_and_both_oracles_agree(name: str) -> None:
    """S03, S04: the table is total, and every (state, event) pair does what two independent readings of the file say."""
    runner, interpreter, hierarchy = Runner(chart_of(name)), Interpreter(TEXTS[name]), Hierarchy(TEXTS[name])
    assert interpreter.leaves == list(runner.chart.leaves)
    pairs = 0
    for leaf in interpreter.leaves:
        for event in interpreter.file["events"]:
            step = runner.step(leaf, event)
            assert seen(step) == interpreter.step(leaf, event), (leaf, event)
            assert seen(step) == hierarchy.step(leaf, event), (leaf, event)
            pairs += 1
    assert pairs == len(runner.chart.table) == len(runner.chart.leaves) * len(runner.chart.events) > 0


@every_chart
def test_random_walks_agree_with_both_oracles(name: str) -> None:
    """S04: 2,000 random steps from the initial state, each machine on its own state."""
    runner, interpreter, hierarchy = Runner(chart_of(name)), Interpreter(TEXTS[name]), Hierarchy(TEXTS[name])
    events, chance = list(runner.chart.events), Random(f"walk {name}")
    mine = its = theirs = runner.chart.initial
    for number in range(STEPS):
        # Where nothing leads on, the walk starts anew.
        taken = [event for event in events if runner.chart.decide(mine, event).verdict is StepVerdict.TAKEN]
        if not taken:
            mine = its = theirs = runner.chart.initial
        event = chance.choice(events)
        step, second, third = runner.step(mine, event), interpreter.step(its, event), hierarchy.step(theirs, event)
        assert seen(step) == second == third, (number, mine, event)
        mine, its, theirs = step.after, second[1], third[1]


@every_chart
def test_a_step_names_its_row_and_agrees_with_the_table(name: str) -> None:
    runner = runner_for(chart_of(name))
    for (leaf, event), decision in runner.chart.table.items():
        step = runner.step(leaf, event)
        assert (step.chart, step.event, step.before, step.verdict) == (name, event, leaf, decision.verdict)
        if decision.verdict is StepVerdict.TAKEN:
            assert (step.after, step.actions, step.tells, step.row) == (
                decision.target, decision.actions, decision.tells, decision.row,
            )  # fmt: skip
            assert runner.chart.transitions[decision.row].on == event


@every_chart
def test_ignored_and_refused_pairs_change_nothing(name: str) -> None:
    """S02, S04: neither a state nor an action nor a word to anyone, and a refusal does not raise here."""
    runner = Runner(chart_of(name))
    for leaf in runner.chart.leaves:
        for event in runner.chart.events:
            step = runner.step(leaf, event)
            if step.verdict is not StepVerdict.TAKEN:
                assert (step.before, step.after, step.row, step.actions, step.tells) == (leaf, leaf, None, (), None)


@every_chart
def test_a_step_is_pure(name: str) -> None:
    """The same chart, state and event give the same Step, whatever was stepped in between, and the chart stays what it was."""
    chart, chance = chart_of(name), Random(f"pure {name}")
    runner = Runner(chart)
    pairs = list(chart.table)
    first = {pair: runner.step(*pair) for pair in pairs}
    before = repr(chart.table)
    for pair in chance.choices(pairs, k=500):
        assert runner.step(*pair) == first[pair]
    assert repr(chart.table) == before
    assert Runner(chart_of(name)).step(*pairs[0]) == first[pairs[0]]


def test_threads_share_a_runner() -> None:
    """Eight threads step at once, over every pair in an order of their own; each gets what one alone gets."""
    runner = runner_for(load_chart("session"))
    pairs = list(runner.chart.table)
    expected = {pair: runner.step(*pair) for pair in pairs}
    together = threading.Barrier(8)
    wrong: list[tuple[str, str]] = []

    def work(seed: int) -> None:
        chosen = Random(seed).choices(pairs, k=400)
        together.wait(30)
        wrong.extend(pair for pair in chosen if runner.step(*pair) != expected[pair])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_an_event_that_no_row_takes_is_refused() -> None:
    assert runner_for(chart_of("deep")).step("x.y", "never").verdict is StepVerdict.REFUSED


@pytest.mark.parametrize(
    ("leaf", "event", "sentence"),
    [
        ("conected", "stable", "the chart session has no leaf state 'conected'; did you mean 'connected'?"),
        ("reconnecting", "ended", "the chart session has no leaf state 'reconnecting'; did you mean "),
        ("connected", "stabel", "the chart session has no event 'stabel'; did you mean 'stable'?"),
    ],
)
def test_a_state_or_an_event_that_is_not_there_is_the_callers_mistake(leaf: str, event: str, sentence: str) -> None:
    with pytest.raises(BadArgument, match=sentence.replace("?", r"\?")):
        runner_for(load_chart("session")).step(leaf, event)


def test_one_runner_serves_a_chart() -> None:
    assert runner_for(load_chart("session")) is runner_for(load_chart("session"))
    assert runner_for(load_chart("session")) is not runner_for(load_chart("signal"))


def test_to_change_a_row_is_to_change_the_step() -> None:
    text = TEXTS["session"]
    row = 'on = "retry_requested"\nfrom = "reconnecting.waiting"\nto = "reconnecting.dialing"'
    assert text.count(row) == 1
    text = text.replace(row, row.replace("dialing", "waiting"))
    other = load_chart_text(text.replace('but = ["', 'but = ["retry_requested", "'))
    assert runner_for(other).step("reconnecting.waiting", "retry_requested").after == "reconnecting.waiting"
    assert runner_for(load_chart("session")).step("reconnecting.waiting", "retry_requested").after == "reconnecting.dialing"


def test_reading_a_chart_does_not_import_transitions() -> None:
    code = (
        "import sys, reconnect.chart as c; chart = c.load_chart('session'); assert 'transitions' not in sys.modules; "
        "c.runner_for(chart); assert 'transitions' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], timeout=60)


# -- what the library's charts promise ------------------------------------------------------------------------------------------


def armed_sets(chart: Statechart) -> dict[str, set[frozenset[str]]]:
    """Return which timers can be armed in each leaf, over all orders of events: a due timer is no longer armed."""
    runner = runner_for(chart)
    found: dict[str, set[frozenset[str]]] = {}
    fresh: list[tuple[str, frozenset[str]]] = [(chart.initial, frozenset())]
    due = {timer.event: timer.name for timer in chart.timers.values()}
    while fresh:
        leaf, armed = fresh.pop()
        if armed in found.setdefault(leaf, set()):
            continue
        found[leaf].add(armed)
        for event in chart.events:
            if event in due and due[event] not in armed:
                continue
            now = set(armed) - {due.get(event)}
            step = runner.step(leaf, event)
            for action in step.actions:
                verb, _, timer = action.partition(":")
                if verb == "start":
                    assert timer not in now, (leaf, event, "started twice")
                    now.add(timer)
                if verb == "cancel":
                    now.discard(timer)
            fresh.append((step.after, frozenset(now)))
    return found


def test_a_timer_is_armed_exactly_in_the_states_that_wait() -> None:
    """Over all orders of events; `stable` alone may have fired already, as it is armed once per entry."""
    chart = load_chart("session")
    waits = {"waiting": "retry", "dialing": "deadline", "joining": "deadline", "closing": "close", "disconnected": None}
    for leaf, sets in armed_sets(chart).items():
        if leaf == "connected":
            assert sets == {frozenset({"stable"}), frozenset()}
        else:
            timer = waits[chart.phase(leaf) or leaf]
            assert sets == {frozenset({timer} if timer else ())}, leaf


def test_the_hub_counts_a_grace_exactly_while_a_member_is_away() -> None:
    chart = load_chart("member")
    assert armed_sets(chart) == {leaf: {frozenset({"grace"} if chart.role(leaf) == "away" else set())} for leaf in chart.leaves}


def test_whoever_ended_cannot_come_back() -> None:
    for name, roles in (("publisher", ["ended"]), ("subscriber", ["ended"]), ("member", ["gone"])):
        chart = load_chart(name)
        for leaf in (leaf for role in roles for leaf in chart.leaves_of(role)):
            assert {chart.decide(leaf, event).verdict for event in chart.events} <= {StepVerdict.IGNORED, StepVerdict.REFUSED}


def test_a_signal_settles_exactly_once() -> None:
    """Q09: every row into an outcome settles once, and no row leads out of an outcome."""
    chart = load_chart("signal")
    for (leaf, event), decision in chart.table.items():
        settled = decision.target in chart.below("settled")
        if leaf in chart.below("settled"):
            assert decision.verdict is not StepVerdict.TAKEN, (leaf, event)
        else:
            assert decision.actions.count("settle") == settled, (leaf, event)


def test_the_session_can_be_left_and_ended_from_everywhere() -> None:
    """K01, S08: leaving is a row or already done; `ended` leads to the offline role from every state but that one."""
    chart = load_chart("session")
    for leaf in chart.leaves:
        ended = chart.decide(leaf, chart.event_for("ended"))
        if chart.role(leaf) != "offline":
            assert (ended.verdict, chart.role(ended.target)) == (StepVerdict.TAKEN, "offline"), leaf
        leave = chart.decide(leaf, chart.event_for("disconnect_requested"))
        assert leave.verdict is not StepVerdict.REFUSED, leaf
        assert chart.role(leave.target) in ("offline", "closing"), leaf


def test_nothing_is_told_before_the_first_acceptance() -> None:
    """A failed first connect raises from connect() and tells nothing."""
    chart = load_chart("session")
    for leaf in chart.leaves_of("connecting"):
        told = {decision.tells for (source, _), decision in chart.table.items() if source == leaf}
        assert told <= {None, "connected"}, leaf


def test_every_chart_of_the_library_is_walked() -> None:
    assert list(TEXTS) == [*chart_names(), "deep"]
