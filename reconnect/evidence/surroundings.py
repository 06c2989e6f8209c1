"""What can happen around a session's chart, in any order: the model of the core, the driver, the network, the hub and the user.

It keeps the rules that the core keeps (`reconnect.core.session`):

- a report counts if its transport is the present one and not fenced, a timer if it is armed: what comes later changes nothing;
- what ends a transport or an attempt fences it; then the retry policy is asked, but not by one who is leaving, and not where the
  end is final. The chart hears the answer;
- a hub answers a join, resumes only what was claimed, and answers goodbye. It may break off at any time, as a network may.

Whatever the surroundings do here, a test does to the real core, and both must end alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from reconnect.chart import EventKind, Statechart, StepVerdict
from reconnect.evidence.acting import SessionActing
from reconnect.evidence.findings import Property
from reconnect.evidence.scene import Answer, Flaw, Link, Move, Scene, Turn, What

CALLS: Final = {"connect_requested": "connect()", "disconnect_requested": "disconnect()", "retry_requested": "reconnect_now()"}
_ASKED: Final = (Answer.AGAIN, Answer.NO_MORE)


class Surroundings:
    """Everything around one session's chart."""

    def __init__(self, chart: Statechart) -> None:
        self.chart = chart
        calls = [event for event in chart.events.values() if event.kind is EventKind.CALL]
        self._calls = {CALLS.get(event.means, f"feed({event.name!r})"): event.means for event in calls}

    def start(self) -> Scene:
        """Return the scene in which a session is born."""
        return Scene(leaf=self.chart.initial)

    def turns(self, scene: Scene) -> Iterator[Turn]:
        """Yield everything that can happen in a scene, with what comes of it."""
        for call, meaning in self._calls.items():
            yield self._take(scene, Move(what=What.CALL, name=call), meaning)
        if self.chart.role(scene.leaf) == "online":
            yield self._take(replace(scene, fenced=True), Move(what=What.FORCED), "transport_lost")
        if scene.link.is_open and not scene.fenced:
            yield from self._reports(scene)
        for name in sorted(scene.armed):
            yield from self._due(scene, name)
        # What comes too late: the guard drops it, whatever the chart would have said.
        if scene.given_up:
            yield Turn(move=Move(what=What.LATE_REPORT), after=scene)
        for name in sorted(scene.cancelled):
            yield Turn(move=Move(what=What.LATE_TIMER, name=name), after=scene)

    # -- what transports report ------------------------------------------------------------------------------------------------

    def _reports(self, scene: Scene) -> Iterator[Turn]:
        link, closing = scene.link, self.chart.role(scene.leaf) == "closing"
        if link is Link.DIALING:
            yield self._take(replace(scene, link=Link.OPEN), Move(what=What.OPENED), "transport_opened")
        if link is Link.JOINING and self.chart.phase(scene.leaf) == "joining":
            yield self._take(replace(scene, link=Link.ACCEPTED), Move(what=What.JOINED), "joined")
            if scene.claim:
                yield self._take(replace(scene, link=Link.ACCEPTED), Move(what=What.RESUMED), "resumed")
        if link is Link.LEAVING and closing:
            yield self._take(scene, Move(what=What.GOODBYE), "goodbye_answered")
        if link is Link.ACCEPTED:
            yield self._lose(scene, Move(what=What.GOODBYE, answer=Answer.FINAL))
        for answer in (Answer.UNASKED, Answer.FINAL) if closing else (*_ASKED, Answer.FINAL):
            yield self._lose(replace(scene, link=Link.DEAD), Move(what=What.ENDED, answer=answer))
            if link in (Link.JOINING, Link.ACCEPTED, Link.LEAVING):
                yield self._lose(scene, Move(what=What.REFUSED, answer=answer))

    def _lose(self, scene: Scene, move: Move, meaning: str = "") -> Turn:
        """The present transport or attempt is over: it is fenced, and the chart hears whether it is tried again."""
        role = self.chart.role(scene.leaf)
        if role == "closing":
            meaning = "ended" if move.answer is Answer.FINAL else "transport_lost"
        elif move.answer is not Answer.AGAIN:
            meaning = "ended"
        else:
            meaning = meaning or ("transport_lost" if role == "online" else "attempt_failed")
        return self._take(replace(scene, fenced=True), move, meaning)

    # -- timers ----------------------------------------------------------------------------------------------------------------

    def _due(self, scene: Scene, name: str) -> Iterator[Turn]:
        event = self.chart.events[self.chart.timers[name].event]
        scene = replace(scene, armed=scene.armed - {name}, fired=scene.fired | {name})
        if event.means != "deadline_passed":
            yield self._take(scene, Move(what=What.DUE, name=name), event.means)
            return
        closing = self.chart.role(scene.leaf) == "closing"
        for answer in (Answer.UNASKED,) if closing else _ASKED:
            yield self._lose(scene, Move(what=What.DUE, name=name, answer=answer), "deadline_passed")

    # -- the chart -------------------------------------------------------------------------------------------------------------

    def _take(self, scene: Scene, move: Move, meaning: str) -> Turn:
        event = self.chart.events[self.chart.event_for(meaning)]
        decision = self.chart.decide(scene.leaf, event.name)
        if decision.verdict is StepVerdict.TAKEN:
            acting = SessionActing(self.chart, scene, decision)
            acting.perform()
            return Turn(move=move, after=acting.scene, decision=decision, opens=acting.opens, flaws=tuple(acting.flaws))
        flaws: tuple[Flaw, ...] = ()
        if decision.verdict is StepVerdict.REFUSED and event.kind is not EventKind.CALL:
            words = f"{event.name} is refused in {scene.leaf}, and it can happen there"
            remedy = "let a row take it, or list it under [[ignores]]"
            flaws = (Flaw(property=Property.POSSIBLE, cause="refused", words=words, remedy=remedy),)
        return Turn(move=move, after=scene, decision=decision, flaws=flaws)
