"""Every row counts: with any one row of a chart replaced by an ignore, or led elsewhere, some behaviour fails.

Not the lint and not a hash: a chart that was tampered with is built past both, and the behaviours of `behaviours.py`,
`effect_behaviours.py` and `stream_behaviours.py` are played on it. The law is held for each pair of a state and an event that a
row decides, so that a row with several sources needs a behaviour for each; and, beyond the rows, for each single action that a
state or a row asks for.

The member's chart has the same law in `test_member_rows.py`, the outbox's in `test_outbox_rows.py`, the signal's, which nothing
runs, in `test_signal_chart.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from reconnect.chart import Ignore, Statechart, Step, StepVerdict, Transition, chart_names, load_chart
from reconnect.chart.run import Runner
from tests.core_world import Charts, shipped
from tests.laws.behaviours import Behaviour
from tests.laws.effect_behaviours import SESSION_BEHAVIOURS
from tests.laws.stream_behaviours import STREAM_BEHAVIOURS

Pair = tuple[str, str, str]  # chart, state, event

# Pairs that a row decides and nothing can bring about, each with its reason. A row from a parent stands for all its leaves.
BEYOND_REACH = {
    ("session", "connecting.waiting", "ended"): "no transport exists while waiting, so nothing can be final",
    ("session", "reconnecting.waiting", "ended"): "no transport exists while waiting, so nothing can be final",
}

# Actions that a row asks for and that have nothing to do in one of its states, each with its reason.
IDLE = {
    ("session", event, "abort_transport", leaf): "no transport exists while waiting"
    for event in ("disconnect_requested", "ended")
    for leaf in ("connecting.waiting", "reconnecting.waiting")
}


BEHAVIOURS = {"session": SESSION_BEHAVIOURS, "publisher": STREAM_BEHAVIOURS, "subscriber": STREAM_BEHAVIOURS}


def charts_with(chart: Statechart) -> Charts:
    """Return the shipped charts with one in place of its original."""
    return {**shipped(), chart.name: chart}


def taking(chart: str, monkeypatch: pytest.MonkeyPatch) -> dict[Pair, list[Behaviour]]:
    """Return for each pair the behaviours that take its row on the shipped charts."""
    found: dict[Pair, list[Behaviour]] = {}
    seen: set[Pair] = set()
    step = Runner.step

    def watch(runner: Runner, state: str, event: str) -> Step:
        result = step(runner, state, event)
        if result.verdict is StepVerdict.TAKEN:
            seen.add((result.chart, state, event))
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "step", watch)
        for behaviour in BEHAVIOURS[chart]:
            seen.clear()
            behaviour(charts_with(load_chart(chart)))
            for pair in seen:
                found.setdefault(pair, []).append(behaviour)
    return found


def without(chart: Statechart, row: Transition, leaf: str) -> tuple[Transition, ...]:
    """Return the rows with this one taken apart: it no longer stands for this leaf."""
    rest = tuple(other for source in row.sources for other in chart.below(source) if other != leaf)
    return tuple(replace(one, sources=rest) if one is row else one for one in chart.transitions)


def ignored(chart: Statechart, row: Transition, leaf: str) -> Statechart:
    """Return the chart with this row replaced by an ignore in this leaf."""
    ignores = (*chart.ignores, Ignore(on=(row.on,), states=(leaf,), why="tampered with"))
    return replace(
        chart, transitions=without(chart, row, leaf), ignores=ignores, sha256=f"{row.on} is ignored in {leaf} of {chart.name}"
    )


def led_elsewhere(chart: Statechart, row: Transition, leaf: str) -> Iterator[Statechart]:
    """Yield the chart with this row leading from this leaf to each leaf that it does not lead to."""
    target = chart.table[leaf, row.on].target
    for other in chart.leaves:
        if other != target:
            rows = (*without(chart, row, leaf), replace(row, sources=(leaf,), to=other))
            yield replace(chart, transitions=rows, sha256=f"{row.on} in {leaf} of {chart.name} leads to {other}")


def survives(charts: Charts, behaviours: list[Behaviour]) -> bool:
    """Return whether every behaviour still holds on these charts."""
    for behaviour in behaviours:
        try:
            behaviour(charts)
        except Exception:
            return False
    return True


def pairs(chart: Statechart) -> list[tuple[Transition, str]]:
    """Return every row with every leaf that it stands for."""
    return [(row, leaf) for row in chart.transitions for source in row.sources for leaf in chart.below(source)]


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let charts in that a session would refuse: here the behaviours are to notice."""
    monkeypatch.setattr("reconnect.core.session.check_session_chart", lambda *_: None)
    monkeypatch.setattr("reconnect.core.wants.check_stream_chart", lambda *_: None)


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.usefixtures("unchecked")
def test_every_row_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row, ignored or led to any other state, breaks a behaviour, from each state that it stands for."""
    chart = load_chart(name)
    takers = taking(name, monkeypatch)
    unnoticed = []
    for row, leaf in pairs(chart):
        pair = (name, leaf, row.on)
        if pair in BEYOND_REACH:
            assert pair not in takers, "it can be brought about after all"
            continue
        mutants = [ignored(chart, row, leaf), *led_elsewhere(chart, row, leaf)]
        unnoticed += [mutant.sha256 for mutant in mutants if survives(charts_with(mutant), takers.get(pair, []))]
    assert unnoticed == []


def lightened(chart: Statechart) -> Iterator[tuple[tuple[str, ...], Statechart]]:
    """Yield the chart with each single action left out, and where it stood."""
    for number, state in enumerate(chart.states):
        for part in ("entry", "exit"):
            for action in getattr(state, part):
                rest: dict[str, Any] = {part: tuple(other for other in getattr(state, part) if other != action)}
                states = (*chart.states[:number], replace(state, **rest), *chart.states[number + 1 :])
                where = (chart.name, part, action, state.name)
                yield where, replace(chart, states=states, sha256=f"without {where}")
    for row, leaf in pairs(chart):
        for action in row.effects:
            lighter = replace(row, sources=(leaf,), effects=tuple(other for other in row.effects if other != action))
            where = (chart.name, row.on, action, leaf)
            yield where, replace(chart, transitions=(*without(chart, row, leaf), lighter), sha256=f"without {where}")


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.usefixtures("unchecked")
def test_every_action_counts(name: str) -> None:
    """Each action of a state or a row, left out, breaks a behaviour."""
    behaviours = list(BEHAVIOURS[name])
    unnoticed = {where for where, mutant in lightened(load_chart(name)) if survives(charts_with(mutant), behaviours)}
    assert unnoticed == {where for where in IDLE if where[0] == name}


def test_every_chart_has_a_law() -> None:
    """A chart that is added needs behaviours."""
    assert chart_names() == sorted([*BEHAVIOURS, "member", "outbox", "signal"])
