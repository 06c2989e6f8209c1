"""What must hold in every scene of a session's chart, and of every move."""

from __future__ import annotations

from collections.abc import Iterator

from reconnect.chart import Statechart, StepVerdict
from reconnect.evidence.findings import Property
from reconnect.evidence.scene import Flaw, Link, Scene, Told, Turn, What
from reconnect.evidence.surroundings import CALLS

_BELIEF = {"offline": (Told.NOTHING,), "connecting": (Told.NOTHING,), "online": (Told.CONNECTED,), "recovering": (Told.AWAY,)}


def flaws_of(chart: Statechart, scene: Scene) -> Iterator[Flaw]:
    """Yield why this scene may not be."""
    yield from _transports(chart, scene)
    yield from misarmed(chart, scene)
    yield from _belief(chart, scene)


def flaws_of_move(chart: Statechart, before: Scene, turn: Turn) -> Iterator[Flaw]:
    """Yield why this move may not lead where it does."""
    role, after = chart.role(before.leaf), chart.role(turn.after.leaf)
    if after in ("offline", "closing"):
        return
    if role == "closing":
        words = f"who is leaving comes back: from {before.leaf} to {turn.after.leaf}"
        yield Flaw(property=Property.CLOSES, cause="comes_back", words=words, remedy="let the row lead out of the session")
    elif role != "offline" and turn.move.what is What.CALL and turn.move.name == CALLS["disconnect_requested"]:
        words = f"disconnect() in {before.leaf} does not leave"
        remedy = "add a row that leads to a state with the role closing or offline"
        yield Flaw(property=Property.CLOSES, cause="does_not_leave", words=words, remedy=remedy)


def _transports(chart: Statechart, scene: Scene) -> Iterator[Flaw]:
    leaf, role = scene.leaf, chart.role(scene.leaf)
    remedy = "let every row that leads there ask for abort_transport or close_transport"
    if role not in ("online", "closing") and chart.phase(leaf) not in ("dialing", "joining"):
        if scene.link.is_open:
            words = f"a transport is left open in {leaf}"
            yield Flaw(property=Property.ONE_TRANSPORT, cause="left_open", words=words, remedy=remedy)
        if not scene.fenced:
            words = f"{leaf} has no transport, and a report of the last one would be believed"
            yield Flaw(property=Property.NOTHING_STALE, cause="believed", words=words, remedy=remedy)
    elif scene.fenced or not scene.link.is_open:
        words = f"{leaf} needs a transport, and there is none that it hears"
        remedy = "lead elsewhere, or ask for open_transport"
        yield Flaw(property=Property.ONE_TRANSPORT, cause="no_transport", words=words, remedy=remedy)
    elif role == "online" and scene.link is not Link.ACCEPTED:
        words = f"{leaf} counts as connected, and the hub has not accepted"
        yield Flaw(property=Property.ONE_TRANSPORT, cause="not_accepted", words=words, remedy="lead there by a welcome alone")


def misarmed(chart: Statechart, scene: Scene) -> Iterator[Flaw]:
    """Yield each timer that is armed where its event leads nowhere, or not armed where it is waited for.

    One that came due and left the state as it was need not be armed again: it is armed once per entry.
    """
    for name, timer in chart.timers.items():
        decision = chart.table.get((scene.leaf, timer.event))
        waits = decision is not None and decision.verdict is StepVerdict.TAKEN
        if name in scene.armed and not waits:
            words = f"the timer {name} is armed in {scene.leaf}, which does not wait for it"
            remedy = f"cancel:{name} on leaving the state that started it, or add a row for {timer.event}"
            yield Flaw(property=Property.TIMERS, cause="armed_for_nothing", words=words, remedy=remedy)
        elif waits and name not in scene.armed | scene.fired:
            words = f"{scene.leaf} waits for {timer.event}, and the timer {name} is not armed"
            remedy = f"start:{name} on entering it, or list {timer.event} under [[refuses]] there"
            yield Flaw(property=Property.TIMERS, cause="not_armed", words=words, remedy=remedy)


def _belief(chart: Statechart, scene: Scene) -> Iterator[Flaw]:
    role = chart.role(scene.leaf)
    if scene.told not in _BELIEF.get(role, tuple(Told)):
        said = "the end was not told" if role == "offline" else "what happened was not told"
        words = f"in {scene.leaf} the user was last told of {_WORDS[scene.told]}: {said}"
        remedy = "let the row that leads there tell it, and the state ask for notify"
        yield Flaw(property=Property.TOLD_ONCE, cause="not_told", words=words, remedy=remedy)


_WORDS = {Told.NOTHING: "no connection", Told.CONNECTED: "a connection", Told.AWAY: "an outage"}
