"""Explores a chart together with its surroundings, breadth first, and proves what must hold.

Theory of operation
-------------------
A scene is a state of the chart and of what surrounds it. From each scene everything is tried that can happen there, in any
order, until no new scene comes up: there are a few hundred, and so what holds in all of them holds always. A scene is found
first by one of the shortest ways to it, and this way is what a finding shows. What lies behind a scene that is wrong is not
looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from reconnect.chart import Statechart, StepVerdict
from reconnect.evidence.findings import Finding, Property
from reconnect.evidence.scene import Flaw, Scene, Turn, What

LATE = (What.LATE_REPORT, What.LATE_TIMER)


class World(Protocol):
    """What surrounds a chart."""

    chart: Statechart

    def start(self) -> Scene: ...
    def turns(self, scene: Scene) -> Iterable[Turn]: ...


class Exploration:
    """Every scene that can come about, how, and what is wrong."""

    def __init__(
        self,
        world: World,
        *,
        holds: Callable[[Statechart, Scene], Iterable[Flaw]],
        moves: Callable[[Statechart, Scene, Turn], Iterable[Flaw]],
    ) -> None:
        self.chart = world.chart
        self.ways: dict[Scene, tuple[Scene, Turn] | None] = {world.start(): None}
        self.turns: dict[Scene, tuple[Turn, ...]] = {}
        self.findings: list[Finding] = []
        self._seen: set[tuple[str, str]] = set()
        self._taken: set[int] = set()
        self._run(world, holds, moves)

    def __repr__(self) -> str:
        return f"<Exploration {self.chart.name} scenes={len(self.ways)} findings={len(self.findings)}>"

    @property
    def moves(self) -> int:
        """How many moves were tried."""
        return sum(map(len, self.turns.values()))

    @property
    def late(self) -> int:
        """How many of them came too late."""
        return sum(turn.move.what in LATE for turns in self.turns.values() for turn in turns)

    def way_to(self, scene: Scene) -> list[Turn]:
        """Return one of the shortest ways from the beginning to a scene."""
        way: list[Turn] = []
        step = self.ways[scene]
        while step is not None:
            way.append(step[1])
            step = self.ways[step[0]]
        return way[::-1]

    # -- exploring ---------------------------------------------------------------------------------------------------------------

    def _run(
        self,
        world: World,
        holds: Callable[[Statechart, Scene], Iterable[Flaw]],
        moves: Callable[[Statechart, Scene, Turn], Iterable[Flaw]],
    ) -> None:
        fresh = deque(self.ways)
        for flaw in holds(self.chart, fresh[0]):
            self.report(flaw, fresh[0])
        while fresh:
            scene = fresh.popleft()
            self.turns[scene] = tuple(world.turns(scene))
            for turn in self.turns[scene]:
                if turn.decision is not None and turn.decision.verdict is StepVerdict.TAKEN:
                    self._taken.add(turn.decision.row)
                flaws = [*turn.flaws, *moves(self.chart, scene, turn)]
                if turn.after not in self.ways:
                    flaws += holds(self.chart, turn.after)
                for flaw in flaws:
                    self.report(flaw, scene, turn)
                if turn.after not in self.ways and not flaws:
                    self.ways[turn.after] = scene, turn
                    fresh.append(turn.after)

    # -- what is asked of the whole --------------------------------------------------------------------------------------------

    def stuck(self, ends: Collection[str]) -> Iterator[Scene]:
        """Yield the scenes, nearest first, from which nothing that may happen leads to one of these leaves."""
        before: dict[Scene, list[Scene]] = {}
        for scene, turns in self.turns.items():
            for turn in turns:
                before.setdefault(turn.after, []).append(scene)
        good = {scene for scene in self.turns if scene.leaf in ends}
        fresh = list(good)
        while fresh:
            newly = set(before.get(fresh.pop(), ())) - good
            good |= newly
            fresh.extend(newly)
        yield from (scene for scene in self.turns if scene not in good)

    def unreached(self) -> Iterator[Finding]:
        """Yield the states that no way leads to, and the rows that no way takes."""
        leaves = {scene.leaf for scene in self.ways}
        for leaf in self.chart.leaves:
            if leaf not in leaves:
                words = f"whatever happens, nothing leads to {leaf}"
                yield self.finding(Property.REACHABLE, "unreached_state", words, self.chart.index[leaf].path)
        for number in range(len(self.chart.transitions)):
            if number not in self._taken:
                place = self.chart.row_name(StepVerdict.TAKEN, number)
                yield self.finding(Property.REACHABLE, "untaken_row", "whatever happens, the row is never taken", place)

    # -- findings ----------------------------------------------------------------------------------------------------------------

    def report(self, flaw: Flaw, scene: Scene, *further: Turn) -> None:
        """Keep a flaw that shows in a scene, or further on from there; once, by the first way that leads to it."""
        decision = further[-1].decision if further else None
        row = self.chart.row_name(decision.verdict, decision.row) if decision is not None else None
        if (flaw.cause, flaw.words) not in self._seen:
            self._seen.add((flaw.cause, flaw.words))
            events = in_words([*self.way_to(scene), *further])
            self.findings.append(self.finding(flaw.property, flaw.cause, flaw.words, row, flaw.remedy, events))

    def finding(
        self, property: Property, cause: str, words: str, row: str | None, remedy: str = "", events: tuple[str, ...] = ()
    ) -> Finding:
        """Return something that is wrong with this chart."""
        chart = self.chart
        return Finding(
            property=property, cause=cause, words=words, chart=chart.name, file=chart.file, row=row, remedy=remedy, events=events
        )


def in_words(way: list[Turn]) -> tuple[str, ...]:
    """Return a way as a sequence of events, its transports numbered as the session's audit would number them."""
    events, number = [], 0
    for turn in way:
        events.append(turn.move.in_words(number))
        number += turn.opens
    return tuple(events)
