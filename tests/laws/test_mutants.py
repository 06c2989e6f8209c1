"""Structural mutants of every chart of the library: whatever is missing, doubled or misspelt, the check names it, with its cause.

Here the check alone is to notice, without any behaviour: `test_rows.py` holds the other half of the law, in which the behaviours
alone must.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from reconnect.chart import Ignore, Refusal, State, Statechart, StepVerdict, Transition, chart_names, load_chart
from reconnect.evidence.examine import examine_chart
from reconnect.limits import STATES_PER_LEVEL
from tests.laws.test_rows import BEYOND_REACH, ignored, led_elsewhere, pairs

Mutant = tuple[str, Statechart, str, str]  # what was done, the chart, and the cause and a piece of the words that must come of it


def first_row(chart: Statechart) -> tuple[int, Transition]:
    """Return the first row that leads somewhere."""
    return next((number, row) for number, row in enumerate(chart.transitions) if row.to is not None)


def with_row(chart: Statechart, number: int, *instead: Transition) -> Statechart:
    """Return the chart with one row replaced."""
    return replace(chart, transitions=(*chart.transitions[:number], *instead, *chart.transitions[number + 1 :]))


def rows(chart: Statechart) -> Iterator[Mutant]:
    """Rows that are missing, doubled, misspelt, or tell what nobody announces."""
    number, row = first_row(chart)
    leaf = chart.below(row.sources[0])[0]
    yield "a row is missing", with_row(chart, number), "UndecidedPair", f"nothing decides {row.on} in {leaf}"
    twice = f"{row.on} in {leaf} is decided by {chart.row_name(StepVerdict.TAKEN, number)} already"
    yield "a row is there twice", with_row(chart, number, row, row), "DuplicateRow", twice
    nowhere = "it names the state 'nowhere', which is not there"
    yield "a row leads nowhere", with_row(chart, number, replace(row, to="nowhere")), "UnknownTarget", nowhere
    yield "a row comes from nowhere", with_row(chart, number, replace(row, sources=("nowhere",))), "UnknownTarget", nowhere
    never = "it names the event 'never', which is not there"
    yield "a row is for an unknown event", with_row(chart, number, replace(row, on="never")), "UnknownTarget", never
    quiet = next(one.row for one in chart.table.values() if one.verdict is StepVerdict.TAKEN and "notify" not in one.entry)
    surprising = replace(chart.transitions[quiet], tells="surprise")
    yield "a row tells what is not announced", with_row(chart, quiet, surprising), "UnmetTells", "it tells surprise"


def lists(chart: Statechart) -> Iterator[Mutant]:
    """Pairs that are forgotten, or both ignored and refused."""
    for name, said in (("ignores", chart.ignores), ("refuses", chart.refuses)):
        if said:
            leaf = chart.below(said[0].states[0])[0]
            words = f"nothing decides {said[0].on[0]} in {leaf}"
            yield f"the first of {name} is missing", replace(chart, **{name: said[1:]}), "UndecidedPair", words
    refused = chart.refuses[0]
    both = Ignore(on=refused.on[:1], states=refused.states[:1], why="Broken on purpose.")
    yield (
        "a pair is ignored and refused",
        replace(chart, ignores=(*chart.ignores, both)),
        "DuplicateRow",
        "is decided by ignores[",
    )


def states(chart: Statechart) -> Iterator[Mutant]:
    """States that nothing leads to, or too many."""
    lonely = State(name="lonely", role=chart.roles[0], why="Broken on purpose.")
    silent = Refusal(on=tuple(chart.events), states=("lonely",), why="Broken on purpose.")
    alone = replace(chart, states=(*chart.states, lonely), refuses=(*chart.refuses, silent))
    initial = chart.initial
    yield "nothing leads to a state", alone, "UnreachableState", f"no events lead from {initial} to lonely"
    crowd = tuple(replace(lonely, name=f"lonely{number}") for number in range(STATES_PER_LEVEL))
    yield "there are too many states", replace(chart, states=(*chart.states, *crowd)), "CrowdedLevel", "states stand on one level"
    last = next(leaf for leaf in reversed(chart.leaves) if leaf != initial and not leaf.startswith(initial))
    moved = replace(chart, initial=last)
    if any(not can_reach(chart, last, leaf) for leaf in chart.leaves):
        yield "it begins at its end", moved, "UnreachableState", f"no events lead from {last} to "


def can_reach(chart: Statechart, start: str, end: str) -> bool:
    """Return whether events lead from one leaf to another."""
    reached, fresh = {start}, [start]
    while fresh:
        leaf = fresh.pop()
        fresh += [one.target for (source, _), one in chart.table.items() if source == leaf and one.target not in reached]
        reached.update(fresh)
    return end in reached


def names(chart: Statechart) -> Iterator[Mutant]:
    """Actions that are not declared or not asked for, and events that mean the same."""
    action = next(iter(chart.actions))
    others = {name: why for name, why in chart.actions.items() if name != action}
    yield "an action is not declared", replace(chart, actions=others), "UnknownAction", f"the action {action!r} is not declared"
    more = {**chart.actions, "dance": "Broken on purpose."}
    yield "an action is not asked for", replace(chart, actions=more), "UnusedName", "nothing asks for the action 'dance'"
    one, other = list(chart.events.values())[:2]
    alike = {**chart.events, other.name: replace(other, means=one.means)}
    yield "two events mean the same", replace(chart, events=alike), "DuplicateRow", f"it means {one.means!r}, as {one.name} does"


def mutants(name: str) -> list[Mutant]:
    """Return the mutants of one chart."""
    chart = load_chart(name)
    return [mutant for kind in (rows, lists, states, names) for mutant in kind(chart)]


ALL = [(name, *mutant) for name in chart_names() for mutant in mutants(name)]


@pytest.mark.parametrize(("name", "done", "mutant", "cause", "words"), ALL, ids=[f"{one[0]}: {one[1]}" for one in ALL])
def test_a_mutant_is_named_with_its_cause(name: str, done: str, mutant: Statechart, cause: str, words: str) -> None:
    found = examine_chart(mutant).findings
    assert any(finding.cause == cause and words in finding.words for finding in found), [str(finding) for finding in found]


@pytest.mark.parametrize("name", chart_names())
def test_each_chart_has_ten_mutants_and_each_is_another_chart(name: str) -> None:
    made = mutants(name)
    assert len({done for done, *_ in made}) == len(made) >= 10
    chart = load_chart(name)
    assert all(mutant != chart for _, mutant, *_ in made)


# -- what only exploring can find ----------------------------------------------------------------------------------------------


def unnoticed(mutants: Iterator[Statechart]) -> list[str]:
    """Return the mutants in which nothing is found."""
    return [mutant.sha256 for mutant in mutants if not examine_chart(mutant).findings]


def test_every_row_of_the_sessions_chart_that_is_ignored_or_leads_elsewhere_is_found() -> None:
    """In any single state that it stands for, and by the check alone."""
    chart = load_chart("session")
    reachable = [(row, leaf) for row, leaf in pairs(chart) if ("session", leaf, row.on) not in BEYOND_REACH]
    assert unnoticed(ignored(chart, row, leaf) for row, leaf in reachable) == []
    assert unnoticed(mutant for row, leaf in pairs(chart) for mutant in led_elsewhere(chart, row, leaf)) == []
