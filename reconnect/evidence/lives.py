"""Explores the charts of what lives within a session: streams, members, signals, and charts of which nothing more is known.

Any event that is not refused may come at any time; an event that a timer feeds comes when the timer is armed. It is proved that
each state and each row can be reached, that timers are armed exactly in the states that wait, and that every life can end: from
each state a final one can be reached, and what is over by its role stays over.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from reconnect.chart import Decision, Statechart, StepVerdict
from reconnect.evidence.acting import Acting
from reconnect.evidence.explore import Exploration
from reconnect.evidence.findings import Property
from reconnect.evidence.holding import misarmed
from reconnect.evidence.scene import Flaw, Move, Scene, Turn, What

OVER: Final = {
    "publisher": frozenset({"ended"}),
    "subscriber": frozenset({"ended"}),
    "member": frozenset({"gone"}),
    "signal": frozenset({"delivered", "rejected", "expired", "dropped", "cancelled", "failed", "written"}),
}
"""The roles that are over for good, by what the chart is for."""


class Life:
    """Everything that can happen to what lives by one chart."""

    def __init__(self, chart: Statechart) -> None:
        self.chart = chart
        self._timed = {timer.event for timer in chart.timers.values()}

    def start(self) -> Scene:
        """Return the scene of its birth."""
        return Scene(leaf=self.chart.initial)

    def turns(self, scene: Scene) -> Iterator[Turn]:
        """Yield everything that can happen in a scene, with what comes of it."""
        for event in self.chart.events:
            decision = self.chart.decide(scene.leaf, event)
            if event not in self._timed and decision.verdict is StepVerdict.TAKEN:
                yield self._take(scene, Move(what=What.CALL, name=event), decision)
        for name in sorted(scene.armed):  # in a state that waits for it: where none does, the scene itself is wrong
            due = replace(scene, armed=scene.armed - {name}, fired=scene.fired | {name})
            yield self._take(due, Move(what=What.DUE, name=name), self.chart.decide(scene.leaf, self.chart.timers[name].event))

    def _take(self, scene: Scene, move: Move, decision: Decision) -> Turn:
        acting = Acting(self.chart, scene, decision)
        acting.perform()
        return Turn(move=move, after=acting.scene, decision=decision)


def explore_life(chart: Statechart, kind: str | None = None) -> Exploration:
    """Explore a chart of this kind (`publisher`, `subscriber`, `member`, `signal`); None for any other chart."""
    exploration = Exploration(Life(chart), holds=misarmed, moves=lambda *_: ())
    over = OVER.get(kind or "", frozenset[str]())
    leaving = {leaf for (leaf, _), decision in chart.table.items() if decision.target != leaf}
    final = [leaf for leaf in chart.leaves if leaf not in leaving]
    for scene in exploration.ways:
        if scene.leaf in leaving and chart.role(scene.leaf) in over:
            words = f"{scene.leaf} is over by its role, {chart.role(scene.leaf)}, and a row leads out of it"
            flaw = Flaw(property=Property.COMES_TO_AN_END, cause="comes_back", words=words, remedy="remove the row")
            exploration.report(flaw, scene)
    if final or over:
        for scene in exploration.stuck(final):
            words = f"from {scene.leaf} nothing that may happen leads to an end"
            flaw = Flaw(
                property=Property.COMES_TO_AN_END, cause="stays", words=words, remedy="add a row that leads to a final state"
            )
            exploration.report(flaw, scene)
    if not exploration.findings:
        exploration.findings += exploration.unreached()
    return exploration
