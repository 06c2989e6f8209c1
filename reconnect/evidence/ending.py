"""Proves that what has to end does end, whatever the network does: attempts to come in or to come back, and leaving.

An endless run would have to stay in finitely many scenes, and so go round in some of them (a strongly connected component). It
is assumed to be fair in three things: a timer that is armed comes due at last, a retry policy does not say `again` for ever,
and a user does not call for ever. So an episode ends if, without calls and without `again`, no way leads from a scene back to
itself, and if no scene waits without a timer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from reconnect.chart.rows import START
from reconnect.evidence.explore import Exploration
from reconnect.evidence.findings import Property
from reconnect.evidence.scene import Answer, Flaw, Scene, Turn, What

EPISODES: Final = frozenset({"connecting", "recovering", "closing"})


def report_endless(exploration: Exploration) -> None:
    """Report every scene of an episode in which a session may stay, and the nearest round in which it may go for ever."""
    chart = exploration.chart
    episodes = [scene for scene in exploration.turns if chart.role(scene.leaf) in EPISODES]
    for scene in episodes:
        property = Property.CLOSES if chart.role(scene.leaf) == "closing" else Property.COMES_TO_AN_END
        if not any(turn.move.what is What.DUE for turn in exploration.turns[scene]):
            words = f"a session may stay in {scene.leaf} for ever: nothing leads out of it but the network or the user"
            exploration.report(Flaw(property=property, cause="stays", words=words, remedy="let a timer lead out of it"), scene)
        round = _round(exploration, scene)
        if round:
            leaves = " to ".join(turn.after.leaf for turn in round)
            words = f"from {scene.leaf} a session may go round for ever, asking no policy: to {leaves}"
            remedy = "let one of these rows lead out, or through a state that waits for the policy's delay"
            exploration.report(Flaw(property=property, cause="goes_round", words=words, remedy=remedy), scene, *round)
            return


def _round(exploration: Exploration, start: Scene) -> list[Turn]:
    """Return the shortest way from a scene back to itself within an episode; an empty one if there is none."""
    ways: dict[Scene, list[Turn]] = {start: []}
    fresh = deque([start])
    while fresh:
        scene = fresh.popleft()
        for turn in _onward(exploration, scene):
            if turn.after == start:
                return [*ways[scene], turn]
            if turn.after not in ways:
                ways[turn.after] = [*ways[scene], turn]
                fresh.append(turn.after)
    return []


def _onward(exploration: Exploration, scene: Scene) -> Iterator[Turn]:
    """Yield what may happen for ever: neither a call nor `again`, and something that moves on, or puts off what is due."""
    for turn in exploration.turns[scene]:
        if turn.move.what is What.CALL or turn.move.answer is Answer.AGAIN:
            continue
        if exploration.chart.role(turn.after.leaf) not in EPISODES:
            continue
        restarts = turn.decision is not None and any(action.startswith(START) for action in turn.decision.actions)
        if turn.after != scene or restarts:
            yield turn
