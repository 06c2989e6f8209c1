"""The law of the rows, for the hub: the members' chart is what runs. Tamper with one thing in it, and a behaviour changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, load_chart
from tests.laws.member_behaviours import BEHAVIOURS, Behaviour
from tests.laws.tampering import without

CHART = load_chart("member")


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_the_chart_as_shipped(behaviour: Behaviour) -> None:
    """P01, P02, P03, R02, R09, R13, R14, R15."""
    behaviour(CHART)


def rows() -> Iterator[tuple[str, Statechart]]:
    """Yield every chart in which one row is ignored, or lacks one effect, or leads somewhere else."""
    for number, row in enumerate(CHART.transitions):
        for source in row.sources:
            name = f"{row.on} from {source}"
            yield f"{name}, ignored", without(CHART, number, source)
            for effect in row.effects:
                fewer = replace(row, sources=(source,), effects=tuple(other for other in row.effects if other != effect))
                yield f"{name}, without {effect}", without(CHART, number, source, fewer)
            for leaf in CHART.leaves:
                if leaf != row.to and not (row.to is None and leaf == source):
                    yield f"{name}, to {leaf}", without(CHART, number, source, replace(row, sources=(source,), to=leaf))


def states() -> Iterator[tuple[str, Statechart]]:
    """Yield every chart in which one state lacks one of its actions."""
    for place, state in enumerate(CHART.states):
        for kind in ("entry", "exit"):
            actions = getattr(state, kind)
            for action in actions:
                poorer = replace(state, **{kind: tuple(other for other in actions if other != action)})
                every = (*CHART.states[:place], poorer, *CHART.states[place + 1 :])
                yield f"{state.name} without {action}", replace(CHART, states=every, sha256=f"{state.name} {action}")


TAMPERED = dict((*rows(), *states()))


def survives(chart: Statechart) -> bool:
    """True if no behaviour notices."""
    for behaviour in BEHAVIOURS:
        try:
            behaviour(chart)
        except Exception:
            return False
    return True


@pytest.mark.parametrize("name", TAMPERED)
def test_whoever_tampers_with_the_chart_is_noticed(name: str) -> None:
    assert not survives(TAMPERED[name])


def renamed() -> Statechart:
    """Return the chart with other names for its states, and the same roles."""
    names = {leaf: f"{leaf}_by_another_name" for leaf in CHART.leaves}
    return replace(
        CHART,
        initial=names[CHART.initial],
        states=tuple(replace(state, name=names[state.name]) for state in CHART.states),
        transitions=tuple(
            replace(row, sources=tuple(names[name] for name in row.sources), to=names[row.to] if row.to else None)
            for row in CHART.transitions
        ),
        refuses=tuple(replace(row, states=tuple(names[name] for name in row.states)) for row in CHART.refuses),
        sha256="renamed",
    )


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_states_may_have_any_name(behaviour: Behaviour) -> None:
    """Code asks for a state's role, never for its name."""
    behaviour(renamed())
