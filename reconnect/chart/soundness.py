"""Lints what the rows of a chart decide together. Asked only of a chart in which every name is there.

The table must be total and without contradiction: each pair of a leaf and an event is decided exactly once, so that a child's row
never overrides its parent's. Every leaf can be reached. A row that tells something meets exactly one `notify` among what it
enters. No row leads from a state into its own descendant, which SCXML and `transitions` read differently. Twins are equal but
for what they list, and list nothing that is equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from reconnect.chart.model import Statechart
from reconnect.chart.rows import NOTIFY, Claim, Decision, StepVerdict
from reconnect.errors import (
    ChartError,
    DuplicateRow,
    OwnDescendant,
    UndecidedPair,
    UnmetTells,
    UnreachableState,
    UnreadyTwins,
)


def unsound(chart: Statechart) -> Iterator[ChartError]:
    """Yield everything that is wrong with what the rows decide."""
    yield from _descendants(chart)
    yield from _duplicates(chart)
    yield from _undecided(chart)
    yield from _unreachable(chart)
    yield from _tells(chart)
    for number in range(len(chart.twins)):
        yield from _twins(chart, number)


def _descendants(chart: Statechart) -> Iterator[ChartError]:
    for number, row in enumerate(chart.transitions):
        for source in row.sources:
            if row.to is not None and row.to.startswith(source + "."):
                place = chart.row_name(StepVerdict.TAKEN, number)
                problem = f"it leads from {source} into its own descendant {row.to}"
                yield chart.wrong(OwnDescendant, place, problem, "list in from the leaves that it is meant to leave")


def _duplicates(chart: Statechart) -> Iterator[ChartError]:
    seen: dict[tuple[str, str], Claim] = {}
    for claim in chart.claims():
        first = seen.setdefault((claim.leaf, claim.event), claim)
        if first is not claim:
            problem = f"{claim.event} in {claim.leaf} is decided by {chart.row_name(first.verdict, first.row)} already"
            remedy = "keep one of the two; a child's row may not override its parent's"
            yield chart.wrong(DuplicateRow, chart.row_name(claim.verdict, claim.row), problem, remedy)


def _undecided(chart: Statechart) -> Iterator[ChartError]:
    for leaf, event in product(chart.leaves, chart.events):
        if (leaf, event) not in chart.table:
            remedy = "add a row to [[transitions]], or list the pair under [[ignores]] or [[refuses]]"
            yield chart.wrong(UndecidedPair, chart.index[leaf].path, f"nothing decides {event} in {leaf}", remedy)


def _unreachable(chart: Statechart) -> Iterator[ChartError]:
    reached, fresh = {chart.initial}, [chart.initial]
    while fresh:
        leaf = fresh.pop()
        targets = {decision.target for (source, _), decision in chart.table.items() if source == leaf} - reached
        reached |= targets
        fresh.extend(targets)
    for leaf in chart.leaves:
        if leaf not in reached:
            problem = f"no events lead from {chart.initial} to {leaf}"
            yield chart.wrong(UnreachableState, chart.index[leaf].path, problem, "add a row that leads there, or remove it")


def _tells(chart: Statechart) -> Iterator[ChartError]:
    told: set[int] = set()
    for (leaf, _), decision in chart.table.items():
        asked = decision.entry.count(NOTIFY)
        if decision.tells is not None and asked != 1 and decision.row not in told:
            told.add(decision.row)
            problem = f"it tells {decision.tells}, and from {leaf} it enters what asks {asked} times for {NOTIFY}"
            remedy = f"let exactly one of the states that it enters have {NOTIFY} in its entry, or let it tell nothing"
            yield chart.wrong(UnmetTells, chart.row_name(decision.verdict, decision.row), problem, remedy)


def _twins(chart: Statechart, number: int) -> Iterator[ChartError]:
    twins, place = chart.twins[number], chart.twins_name(number)
    if len(twins.states) < 2:
        yield chart.wrong(UnreadyTwins, place, "twins are at least two states", "name the other one")
    differing: set[str] = set()
    for other in twins.states[1:]:
        first = twins.states[0]
        yield from _children(chart, place, first, other)
        for leaf, event in _shared(chart, first, other):
            if _relative(chart, first, leaf, event) != _relative(chart, other, leaf, event):
                differing.add(event)
                if event not in twins.but:
                    yield _differ(chart, place, event, (first + leaf, other + leaf))
    for event in twins.but:
        if event not in differing:
            yield chart.wrong(UnreadyTwins, place, f"{event} is listed as different and is the same", f"take {event} out of but")


def _children(chart: Statechart, place: str, first: str, other: str) -> Iterator[ChartError]:
    """The children themselves: the same names, and the same phase, entry and exit."""
    for one, two in ((first, other), (other, first)):
        for leaf in chart.below(one):
            twin = two + leaf.removeprefix(one)
            if twin not in chart.leaves:
                yield chart.wrong(UnreadyTwins, place, f"{leaf} has no twin {twin}", "give both the same children")
    for leaf in chart.below(first):
        twin = other + leaf.removeprefix(first)
        mine, its = chart.index[leaf], chart.index.get(twin)
        if its is not None and (mine.phase, mine.entry, mine.exit) != (its.phase, its.entry, its.exit):
            yield chart.wrong(UnreadyTwins, place, f"{leaf} and {twin} differ in phase, entry or exit", "make them equal")


def _shared(chart: Statechart, first: str, other: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs that both twins decide: the leaf's name below its twin, and the event."""
    for leaf, event in product(chart.below(first), chart.events):
        below = leaf.removeprefix(first)
        if (leaf, event) in chart.table and (other + below, event) in chart.table:
            yield below, event


def _relative(chart: Statechart, twin: str, leaf: str, event: str) -> tuple[object, ...]:
    """Return what is decided, seen from within the twin."""
    decision: Decision = chart.table[twin + leaf, event]
    inside = decision.target in chart.below(twin)
    target = decision.target.removeprefix(twin) if inside else decision.target
    return decision.verdict, decision.internal, inside, target, decision.effects, decision.tells


def _differ(chart: Statechart, place: str, event: str, leaves: tuple[str, str]) -> ChartError:
    rows = [chart.row_name(found.verdict, found.row) for found in (chart.table[leaf, event] for leaf in leaves)]
    problem = f"{event} differs between {leaves[0]}, {rows[0]}, and {leaves[1]}, {rows[1]}"
    return chart.wrong(UnreadyTwins, place, problem, f"make the rows equal, or list {event} in but and say why")
