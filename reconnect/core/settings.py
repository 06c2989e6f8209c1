"""What a session is made with, and what it needs from its chart."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from reconnect import limits
from reconnect.chart import Decision, Statechart, StepVerdict
from reconnect.chart.rows import START
from reconnect.core.frames import Capabilities
from reconnect.core.outbox import OutboxBounds
from reconnect.errors import ChartUnfit, UnknownAction
from reconnect.record import Record

DURATIONS: Final = frozenset({"settings.attempt_deadline", "settings.close_timeout", "settings.stable_after"})
RETRY_IN: Final = "event.retry_in"
REMAINING: Final = "attempt.remaining"


class Needs(Record):
    """What a machine needs of a chart, each at least once, and what it can do and tell for it."""

    who: str
    roles: frozenset[str]
    meanings: frozenset[str]
    actions: frozenset[str]
    tells: frozenset[str]
    phases: frozenset[str] = frozenset()


class SessionSettings(Record):
    """The values a session is made with; durations are in seconds.

    `retry_initial`: a first connect that fails asks the policy as well. `renewable`: the token can be fetched anew.
    """

    session: str
    sender: str
    first_serial: int = 1
    client_name: str = "reconnect"
    client_version: str = "0"
    attempt_deadline: float = limits.ATTEMPT_DEADLINE_SECONDS
    close_timeout: float = limits.CLOSE_TIMEOUT_SECONDS
    stable_after: float = limits.STABLE_AFTER_SECONDS
    retry_initial: bool = False
    renewable: bool = False
    bounds: OutboxBounds = OutboxBounds()
    capabilities: Capabilities = Capabilities()


_ROLES: Final = frozenset({"offline", "connecting", "online", "recovering", "closing"})
_PHASES: Final = frozenset({"waiting", "dialing", "joining"})
_TELLS: Final = frozenset({"connected", "reconnecting", "reconnected", "disconnected"})
_MEANINGS: Final = frozenset({
    "connect_requested", "disconnect_requested", "retry_requested", "transport_opened", "resumed", "joined", "attempt_failed",
    "transport_lost", "ended", "goodbye_answered", "retry_due", "deadline_passed", "stable", "close_due",
})  # fmt: skip

# What comes with an event of this meaning. In role closing no policy is asked, so no answer of it comes.
_WELCOME: Final = "a welcome"
_ANSWER: Final = "the answer of the retry policy"
_CAUSE: Final = "a cause"
_BRINGS: Final[dict[str, tuple[str, ...]]] = {
    "resumed": (_WELCOME,), "joined": (_WELCOME,), "attempt_failed": (_CAUSE, _ANSWER), "transport_lost": (_CAUSE, _ANSWER),
    "deadline_passed": (_CAUSE, _ANSWER), "ended": (_CAUSE,),
}  # fmt: skip
_NEEDS: Final = {
    "adopt_connection": _WELCOME, "replace_connection": _WELCOME, "settle_judged": _WELCOME, "telling reconnected": _WELCOME,
    "announce_attempt": _ANSWER, "telling reconnecting": _ANSWER, "begin_outage": _CAUSE,
}  # fmt: skip


@lru_cache(maxsize=64)  # a thousand sessions run on one chart
def check_session_chart(chart: Statechart, performed: frozenset[str]) -> None:
    """Raise, with what to do, where a session could not run on this chart."""
    check_chart(chart, Needs(who="session", roles=_ROLES, meanings=_MEANINGS, actions=performed, tells=_TELLS, phases=_PHASES))
    for name, timer in chart.timers.items():
        if timer.seconds not in (RETRY_IN, REMAINING, *DURATIONS):
            *names, last = [RETRY_IN, REMAINING, *sorted(DURATIONS)]
            remedy = f"use {', '.join(names)}, or {last}"
            raise chart.wrong(ChartUnfit, f"timers.{name}", f"nobody knows {timer.seconds!r}", remedy)
    for (leaf, event), decision in chart.table.items():
        if decision.verdict is StepVerdict.TAKEN:
            _check_occasion(chart, leaf, event, decision)


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
            raise chart.wrong(ChartUnfit, place, f"a {needs.who} cannot tell {row.tells!r}", remedy)


def _check_occasion(chart: Statechart, leaf: str, event: str, decision: Decision) -> None:
    """Raise where a row asks for an action, and what that needs does not come with the row's event."""
    brought = _BRINGS.get(chart.events[event].means, ())
    if chart.role(leaf) == "closing":
        brought = tuple(one for one in brought if one != _ANSWER)
    for action in (*decision.actions, f"telling {decision.tells}"):
        timer = chart.timers.get(action.removeprefix(START))
        needed = _NEEDS.get(action) if timer is None else _ANSWER if timer.seconds == RETRY_IN else None
        if needed is not None and needed not in brought:
            problem = f"{action} needs {needed}, and {event} from {leaf} brings none"
            fitting = ", ".join(meaning for meaning, things in _BRINGS.items() if needed in things)
            place = chart.row_name(StepVerdict.TAKEN, decision.row)
            raise chart.wrong(ChartUnfit, place, problem, f"ask for it only where one of {fitting} leads")
