"""What a machine needs from the chart that it runs on: asked when the machine is made, told in words.

A session's chart may be the user's own. So it is looked at more closely: everything that an action needs comes with the event
of its row, and everything that is declared is fed, performed and told by somebody. How the rows work together is not asked
here; that is explored (`reconnect charts check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from reconnect.chart import ChartEvent, Decision, EventKind, Statechart, StepVerdict
from reconnect.chart.rows import START
from reconnect.core.notices import SESSION_NOTICES
from reconnect.core.settings import DURATIONS, GIVEN, REMAINING, RETRY_IN
from reconnect.errors import ChartError, ChartUnfit, UnknownAction
from reconnect.record import Record


class Needs(Record, kw_only=True):
    """What a machine needs of a chart, each at least once, and what it can do and tell for it."""

    who: str
    roles: frozenset[str]
    meanings: frozenset[str]
    actions: frozenset[str]
    tells: frozenset[str]
    phases: frozenset[str] = frozenset()


_ROLES: Final = frozenset({"offline", "connecting", "online", "recovering", "closing"})
_PHASES: Final = frozenset({"waiting", "dialing", "joining"})
_TELLS: Final = frozenset({"connected", "reconnecting", "reconnected", "disconnected"})
_KINDS: Final = {
    "connect_requested": EventKind.CALL, "disconnect_requested": EventKind.CALL, "retry_requested": EventKind.CALL,
    "transport_opened": EventKind.TRANSPORT, "resumed": EventKind.TRANSPORT, "joined": EventKind.TRANSPORT,
    "goodbye_answered": EventKind.TRANSPORT, "attempt_failed": EventKind.VERDICT, "transport_lost": EventKind.VERDICT,
    "ended": EventKind.VERDICT, "retry_due": EventKind.TIMER, "deadline_passed": EventKind.TIMER, "stable": EventKind.TIMER,
    "close_due": EventKind.TIMER,
}  # fmt: skip
MEANINGS: Final = frozenset(_KINDS)
"""What the events mean that a session feeds by itself."""

# What comes with an event of this meaning. In role closing no policy is asked, so no answer of it comes.
_WELCOME: Final = "a welcome"
_ANSWER: Final = "the answer of the retry policy"
_CAUSE: Final = "a cause"
_OWN_WORD: Final = "telling a word of the chart's own"
_BRINGS: Final[dict[str, tuple[str, ...]]] = {
    "resumed": (_WELCOME,), "joined": (_WELCOME,), "attempt_failed": (_CAUSE, _ANSWER), "transport_lost": (_CAUSE, _ANSWER),
    "deadline_passed": (_CAUSE, _ANSWER), "ended": (_CAUSE,),
}  # fmt: skip
_NEEDS: Final = {
    "adopt_connection": _WELCOME, "replace_connection": _WELCOME, "settle_judged": _WELCOME, "telling reconnected": _WELCOME,
    "announce_attempt": _ANSWER, "telling reconnecting": _ANSWER, "begin_outage": _CAUSE, _OWN_WORD: _CAUSE,
}  # fmt: skip
# What a row asks for that leads from one role to another: without it the counts of attempts are those of another time.
_BEGINNINGS: Final = {"offline": (frozenset(_ROLES - {"offline"}), "begin_episode"), "online": ({"recovering"}, "begin_outage")}


def is_fed_by_user(event: ChartEvent) -> bool:
    """True for an event that only this chart has, and that the user feeds."""
    return event.kind is EventKind.CALL and event.means not in MEANINGS


def own_tells(chart: Statechart) -> frozenset[str]:
    """Return the names that only this chart tells."""
    return frozenset(chart.tells) - _TELLS


@lru_cache(maxsize=64)  # a thousand sessions run on one chart
def check_session_chart(chart: Statechart, performed: frozenset[str], given: frozenset[str] | None = None) -> None:
    """Raise, with what to do, where a session could not run on this chart.

    `given` are the names of the durations that the user gives for its timers; None where it is not known what will be given.
    """
    tells = _TELLS | frozenset(chart.tells)
    check_chart(chart, Needs(who="session", roles=_ROLES, meanings=MEANINGS, actions=performed, tells=tells, phases=_PHASES))
    for problem in (*_words(chart), *_events(chart), *_durations(chart, given)):
        raise problem
    for (leaf, event), decision in chart.table.items():
        if decision.verdict is StepVerdict.TAKEN:
            _check_occasion(chart, leaf, event, decision)
            _check_beginning(chart, leaf, decision)


def check_chart(chart: Statechart, needs: Needs) -> None:
    """Raise, with what to do, where a machine with these needs could not run on this chart."""
    for kind, needed, there in (
        ("state has the role", needs.roles, {chart.role(leaf) for leaf in chart.leaves}),
        ("state has the phase", needs.phases, {chart.phase(leaf) for leaf in chart.leaves}),
        ("event means", needs.meanings, {event.means for event in chart.events.values()}),
    ):
        missing = ", ".join(sorted(needed - there))
        if missing:
            raise chart.wrong(ChartUnfit, None, f"no {kind} {missing}", f"a {needs.who} needs each of these at least once")
    for action in chart.actions:
        if action not in needs.actions:
            remedy = f"use {', '.join(sorted(needs.actions))}"
            raise chart.wrong(UnknownAction, f"actions.{action}", f"no {needs.who} performs {action!r}", remedy)
    for number, row in enumerate(chart.transitions):
        if row.tells is not None and row.tells not in needs.tells:
            place, remedy = chart.row_name(StepVerdict.TAKEN, number), f"tell one of {', '.join(sorted(needs.tells))}"
            if needs.who == "session":
                remedy += ", or declare it under [tells]"
            raise chart.wrong(ChartUnfit, place, f"a {needs.who} cannot tell {row.tells!r}", remedy)


def _words(chart: Statechart) -> Iterator[ChartError]:
    """Roles are those that the code knows; a name of the chart's own is no name of another event."""
    for leaf in chart.leaves:
        if chart.role(leaf) not in _ROLES:
            problem, remedy = f"no session knows the role {chart.role(leaf)!r}", f"use one of {', '.join(sorted(_ROLES))}"
            yield chart.wrong(ChartUnfit, chart.index[leaf].path, problem, remedy)
    for name in chart.tells:
        if name in {kind.name for kind in SESSION_NOTICES} - _TELLS:
            problem = f"{name!r} is told by every session, with other things in it"
            yield chart.wrong(ChartUnfit, f"tells.{name}", problem, "give it a name of its own")


def _events(chart: Statechart) -> Iterator[ChartError]:
    """Whoever feeds an event is there: the session by its meaning, the user by a call, or a timer of the chart."""
    timed = {timer.event for timer in chart.timers.values()}
    for event in chart.events.values():
        kind, place = _KINDS.get(event.means), f"events.{event.name}"
        if kind is not None and kind is not event.kind:
            problem = f"it means {event.means}, and is of the kind {event.kind}"
            yield chart.wrong(ChartUnfit, place, problem, f'write kind = "{kind}"')
        if kind is None and event.kind is not EventKind.CALL and event.name not in timed:
            remedy = 'let a timer feed it, give it kind = "call" and feed it yourself, or say what it means'
            yield chart.wrong(ChartUnfit, place, f"no session feeds the {event.kind} event {event.name!r}", remedy)


def _durations(chart: Statechart, given: frozenset[str] | None) -> Iterator[ChartError]:
    for name, timer in chart.timers.items():
        source, _, duration = timer.seconds.partition(".")
        if source == GIVEN and given is not None and duration not in given:
            remedy = f"say how long, as Session(..., durations={{{duration!r}: 60.0}})"
            yield chart.wrong(ChartUnfit, f"timers.{name}", f"no duration {duration!r} is given", remedy)
        elif source != GIVEN and timer.seconds not in (RETRY_IN, REMAINING, *DURATIONS):
            known = ", ".join([RETRY_IN, REMAINING, *sorted(DURATIONS)])
            remedy = f"use {known}, or {GIVEN}.NAME for one that you give"
            yield chart.wrong(ChartUnfit, f"timers.{name}", f"nobody knows {timer.seconds!r}", remedy)


def _check_occasion(chart: Statechart, leaf: str, event: str, decision: Decision) -> None:
    """Raise where a row asks for an action, and what that needs does not come with the row's event."""
    meaning = chart.events[event].means
    brought = _BRINGS.get(meaning, () if meaning in MEANINGS else (_CAUSE,))
    if chart.role(leaf) == "closing":
        brought = tuple(one for one in brought if one != _ANSWER)
    telling = _OWN_WORD if decision.tells in own_tells(chart) else f"telling {decision.tells}"
    for action in (*decision.actions, telling):
        timer = chart.timers.get(action.removeprefix(START))
        needed = _NEEDS.get(action) if timer is None else _ANSWER if timer.seconds == RETRY_IN else None
        if needed is not None and needed not in brought:
            problem = f"{action} needs {needed}, and {event} from {leaf} brings none"
            fitting = ", ".join(meaning for meaning, things in _BRINGS.items() if needed in things)
            fitting += ", or an event of the chart's own" if needed == _CAUSE else ""
            place = chart.row_name(StepVerdict.TAKEN, decision.row)
            raise chart.wrong(ChartUnfit, place, problem, f"ask for it only where one of {fitting} leads")


def _check_beginning(chart: Statechart, leaf: str, decision: Decision) -> None:
    """Raise where a row begins a connect() or an outage, and does not say so."""
    ends, action = _BEGINNINGS.get(chart.role(leaf), (frozenset[str](), ""))
    if chart.role(decision.target) in ends and action not in decision.actions:
        problem = f"it leads from {leaf} to {decision.target} without {action}"
        place = chart.row_name(StepVerdict.TAKEN, decision.row)
        raise chart.wrong(ChartUnfit, place, problem, f"add {action} to its effects: attempts are counted from there")
