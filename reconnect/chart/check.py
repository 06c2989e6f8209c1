"""Lints a chart: whether what a file says can be run, and is what its author meant.

Each problem is a typed ChartError that names the file, the row, the problem and the remedy. First comes what the file names
(this module): words, names, states, targets, actions, timers. Only if all of that is there can it be asked what the rows decide
together (`soundness`): a chart with a misspelt target has no table to speak of. An action that nothing asks for, and a key that
no reader knows, are errors as well: each is most often one misspelt where it was meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from reconnect.chart.model import Statechart, nearest
from reconnect.chart.rows import CANCEL, START, EventKind, StepVerdict
from reconnect.chart.soundness import unsound
from reconnect.errors import (
    ChartError,
    ChartUnreadable,
    CrowdedLevel,
    DuplicateRow,
    UnfitTimer,
    UnknownAction,
    UnknownTarget,
    UnusedName,
)
from reconnect.limits import STATES_PER_LEVEL

# A dot parts a state from its parent, a colon `start` and `cancel` from a timer; neither may be in a name.
_NAME: Final = re.compile(r"[A-Za-z]\w*", re.ASCII)
_SECONDS: Final = re.compile(r"([A-Za-z]\w*)\.([A-Za-z]\w*)", re.ASCII)


def check(chart: Statechart) -> Statechart:
    """Return the chart if it is sound; raise the first problem, with a note of how many more there are."""
    found = problems(chart)
    if not found:
        return chart
    if len(found) > 1:
        found[0].add_note(f"and {len(found) - 1} more: `reconnect charts check` lists them all")
    raise found[0]


def problems(chart: Statechart) -> list[ChartError]:
    """Return everything that is wrong with the chart; an empty list for a sound one."""
    named = [*_words(chart), *_states(chart), *_targets(chart), *_actions(chart), *_events(chart)]
    return named or [*_unused(chart), *unsound(chart)]


def _words(chart: Statechart) -> Iterator[ChartError]:
    """What every part must have: a name that can be one, and a why."""
    parts: list[tuple[str | None, str, str]] = [(None, chart.name, chart.why)]
    parts += [(state.path, state.name.removeprefix(f"{state.parent}."), state.why) for state in chart.states]
    parts += [(f"events.{name}", name, event.why) for name, event in chart.events.items()]
    parts += [(f"timers.{name}", name, timer.why) for name, timer in chart.timers.items()]
    parts += [(f"actions.{name}", name, why) for name, why in chart.actions.items()]
    parts += [(f"tells.{name}", name, why) for name, why in chart.tells.items()]
    parts += [(chart.row_name(row.verdict, row.row), "row", row.why) for row in chart.listed()]
    parts += [(chart.twins_name(number), "twins", twins.why) for number, twins in enumerate(chart.twins)]
    for state in chart.states:
        parts += [(state.path, word, state.why) for word in (state.role, state.phase) if word]
    for event in chart.events.values():
        parts += [(f"events.{event.name}", word, event.why) for word in (event.means, *event.data)]
    for number, taken in enumerate(chart.transitions):
        parts += [(chart.row_name(StepVerdict.TAKEN, number), taken.tells, taken.why)] if taken.tells else []
    for place, name, why in parts:
        if not _NAME.fullmatch(name):
            remedy = "use letters, digits and underscores, a letter first"
            yield chart.wrong(ChartUnreadable, place, f"{name!r} cannot be a name", remedy)
        if not why.strip():
            yield chart.wrong(ChartUnreadable, place, "the why is empty", "say in a sentence why it is so")


def _states(chart: Statechart) -> Iterator[ChartError]:
    """States: roles, initials, and how many stand beside each other."""
    for state in chart.states:
        children = tuple(child.rpartition(".")[2] for child in state.children)
        if not children and not state.role:
            remedy = "give the state or its parent the role that code asks for"
            yield chart.wrong(ChartUnreadable, state.path, "the key 'role' is missing", remedy)
        if children and state.initial is None:
            remedy = f"name the child that entering it leads to: {', '.join(children)}"
            yield chart.wrong(ChartUnreadable, state.path, "the key 'initial' is missing", remedy)
        if state.initial is not None and state.initial not in state.children:
            name = state.initial.removeprefix(state.name + ".")
            problem = f"initial names {name!r}, which is no child of it"
            yield chart.wrong(UnknownTarget, state.path, problem, nearest(name, children))
    for parent, number in Counter(state.parent for state in chart.states).items():
        if number > STATES_PER_LEVEL:
            place = chart.index[parent].path if parent else None
            problem = f"{number} states stand on one level, and at most {STATES_PER_LEVEL} may"
            yield chart.wrong(CrowdedLevel, place, problem, "put those that belong together under a parent")


def _targets(chart: Statechart) -> Iterator[ChartError]:
    """Every state and every event that is named is there."""
    states: list[tuple[str | None, str]] = [(None, chart.initial)]
    events: list[tuple[str | None, str]] = [(f"timers.{timer.name}", timer.event) for timer in chart.timers.values()]
    for row in chart.listed():
        place = chart.row_name(row.verdict, row.row)
        states += [(place, state) for state in row.states]
        events += [(place, event) for event in row.on]
    for number, taken in enumerate(chart.transitions):
        if taken.to is not None:
            states.append((chart.row_name(StepVerdict.TAKEN, number), taken.to))
    for number, twins in enumerate(chart.twins):
        states += [(chart.twins_name(number), state) for state in twins.states]
        events += [(chart.twins_name(number), event) for event in twins.but]
    for kind, named, known in (("state", states, tuple(chart.index)), ("event", events, tuple(chart.events))):
        for where, name in named:
            if name not in known:
                problem = f"it names the {kind} {name!r}, which is not there"
                yield chart.wrong(UnknownTarget, where, problem, nearest(name, known))


def _actions(chart: Statechart) -> Iterator[ChartError]:
    """Every action that is asked for is declared."""
    timers, actions = tuple(chart.timers), tuple(chart.actions)
    for place, action in _asked(chart):
        timer = action.removeprefix(START).removeprefix(CANCEL)
        if timer != action and timer not in timers:
            yield chart.wrong(UnknownAction, place, f"{action!r} names no timer", nearest(timer, timers))
        if timer == action and action not in actions:
            problem = f"the action {action!r} is not declared under [actions]"
            yield chart.wrong(UnknownAction, place, problem, nearest(action, actions))


def _unused(chart: Statechart) -> Iterator[ChartError]:
    """Every action, every timer and every name to tell that is declared is asked for."""
    used = {action for _, action in _asked(chart)}
    for name in chart.actions:
        if name not in used:
            yield chart.wrong(UnusedName, f"actions.{name}", f"nothing asks for the action {name!r}", "remove it, or ask for it")
    for name in chart.timers:
        if START + name not in used:
            remedy = f"remove it, or ask for {START}{name}"
            yield chart.wrong(UnusedName, f"timers.{name}", f"nothing starts the timer {name!r}", remedy)
    for name in chart.tells:
        if all(row.tells != name for row in chart.transitions):
            remedy = f"remove it, or let a row have tells = {name!r}"
            yield chart.wrong(UnusedName, f"tells.{name}", f"no row tells {name!r}", remedy)


def _asked(chart: Statechart) -> Iterator[tuple[str, str]]:
    """Yield each action with the place that asks for it."""
    for state in chart.states:
        yield from ((state.path, action) for action in (*state.entry, *state.exit))
    for number, row in enumerate(chart.transitions):
        yield from ((chart.row_name(StepVerdict.TAKEN, number), action) for action in row.effects)


def _events(chart: Statechart) -> Iterator[ChartError]:
    """No two events mean the same; timers feed events of their kind, after a time that comes from somewhere."""
    meanings: dict[str, str] = {}
    for event in chart.events.values():
        other = meanings.setdefault(event.means, event.name)
        if other != event.name:
            problem = f"it means {event.means!r}, as {other} does"
            yield chart.wrong(DuplicateRow, f"events.{event.name}", problem, "give each event a meaning of its own")
    for timer in chart.timers.values():
        place, fed = f"timers.{timer.name}", chart.events.get(timer.event)
        if fed is not None and fed.kind is not EventKind.TIMER:
            problem = f"its event {timer.event} is of the kind {fed.kind}"
            yield chart.wrong(UnfitTimer, place, problem, 'name an event of kind = "timer"')
        if not _known_source(chart, timer.seconds):
            remedy = "write PLACE.NAME, as settings.grace; after event. a NAME that an event has in its data"
            yield chart.wrong(UnfitTimer, place, f"its seconds come from {timer.seconds!r}, which is nowhere", remedy)


def _known_source(chart: Statechart, seconds: str) -> bool:
    source = _SECONDS.fullmatch(seconds)
    if source is None:
        return False
    return source[1] != "event" or any(source[2] in event.data for event in chart.events.values())
