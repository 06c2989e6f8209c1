"""The lint: each way to be wrong gives a typed error that names file, row and remedy, and mutants of our charts are caught."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, StepVerdict, chart_names, load_chart, load_chart_text
from reconnect.chart.check import check, problems
from reconnect.chart.load import read_chart
from reconnect.errors import (
    ChartError,
    ChartUnreadable,
    CrowdedLevel,
    DuplicateRow,
    OwnDescendant,
    UndecidedPair,
    UnfitTimer,
    UnknownAction,
    UnknownTarget,
    UnmetTells,
    UnreachableState,
    UnreadyTwins,
    UnusedName,
)

GOOD = """
chart = "line"
version = 1
initial = "off"
why = "A telephone line."
[events]
dial   = { kind = "call",      why = "the number is dialled", data = ["patience"] }
ring   = { kind = "transport", why = "somebody calls" }
answer = { kind = "frame",     why = "the other side lifts" }
give_up = { kind = "timer",    why = "nobody answered in time" }
hang_up = { kind = "call",     why = "the receiver is put down" }
[timers]
patience = { event = "give_up", seconds = "event.patience", why = "nobody waits for ever" }
[actions]
buzz   = "make a tone"
notify = "tell the event that the row names"
[states.off]
role = "idle"
entry = ["notify"]
why = "Nothing is going on."
[states.calling]
role = "busy"
initial = "tone"
why = "We called."
[states.calling.states.tone]
phase = "waiting"
entry = ["start:patience", "buzz"]
exit = ["cancel:patience"]
why = "Nobody answered yet."
[states.calling.states.talk]
why = "Speaking."
[states.called]
role = "busy"
initial = "tone"
why = "Somebody else called."
[states.called.states.tone]
phase = "waiting"
entry = ["start:patience", "buzz"]
exit = ["cancel:patience"]
why = "Nobody answered yet."
[states.called.states.talk]
why = "Speaking."
[[twins]]
states = ["calling", "called"]
but = ["hang_up"]
why = "Who called is told when it ends."
[[transitions]]
on = "dial"
from = "off"
to = "calling"
why = "A call begins."
[[transitions]]
on = "ring"
from = "off"
to = "called"
why = "A call begins."
[[transitions]]
on = "answer"
from = "calling.tone"
to = "calling.talk"
why = "Both are there."
[[transitions]]
on = "answer"
from = "called.tone"
to = "called.talk"
why = "Both are there."
[[transitions]]
on = "give_up"
from = ["calling.tone", "called.tone"]
to = "off"
why = "Nobody came."
[[transitions]]
on = "hang_up"
from = "calling"
to = "off"
tells = "ended"
why = "It is over."
[[transitions]]
on = "hang_up"
from = "called"
to = "off"
why = "It is over, and who called knows."
[[ignores]]
on = ["dial", "ring"]
in = ["calling", "called"]
why = "The line is taken."
[[ignores]]
on = "hang_up"
in = "off"
why = "Down already."
[[refuses]]
on = ["answer", "give_up"]
in = ["off", "calling.talk", "called.talk"]
why = "Cannot be: nobody waits."
"""
LINE, TWINS = "transitions[5] (hang_up from calling)", "twins[0] (calling and called)"


def crowd(size: int, prefix: str = "states") -> tuple[str, str]:
    """Return the edit that puts so many more states on a level."""
    head = "[states.off]" if prefix == "states" else "[states.calling.states.tone]"
    return head, "".join(f'[{prefix}.s{number}]\nrole = "r"\nwhy = "w"\n' for number in range(size)) + head


def edited(*edits: tuple[str, str]) -> Statechart:
    text = GOOD
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return read_chart(text.encode(), "line.toml")


def test_a_sound_chart_passes_and_is_returned() -> None:
    chart = edited()
    assert problems(chart) == []
    assert check(chart) is chart


@pytest.mark.parametrize("name", chart_names())
def test_the_librarys_charts_are_sound(name: str) -> None:
    assert problems(load_chart(name)) == []


ROW = '[[transitions]]\non = "dial"\nfrom = "off"\nto = "calling"\nwhy = "A call begins."\n'
CASES = [
    # Unknown targets: states and events that are not there, wherever they are named.
    ([('initial = "off"', 'initial = "of"')], UnknownTarget, None,
     "it names the state 'of', which is not there", "did you mean 'off'?"),
    ([('to = "calling"', 'to = "caling"')], UnknownTarget, "transitions[0] (dial from off)",
     "it names the state 'caling', which is not there", "did you mean 'calling'?"),
    ([('from = "off"', 'from = "on"')], UnknownTarget, "transitions[0] (dial from on)",
     "it names the state 'on', which is not there",
     "there are: off, calling, calling.tone, calling.talk, called, called.tone, called.talk"),
    ([('on = "dial"', 'on = "dail"')], UnknownTarget, "transitions[0] (dail from off)",
     "it names the event 'dail', which is not there", "did you mean 'dial'?"),
    ([('in = "off"', 'in = "ofd"')], UnknownTarget, "ignores[1] (hang_up in ofd)",
     "it names the state 'ofd', which is not there", "did you mean 'off'?"),
    ([('on = ["answer", "give_up"]', 'on = ["answer", "giveup"]')],
     UnknownTarget, "refuses[0] (answer and 1 more in off and 2 more)",
     "it names the event 'giveup', which is not there", "did you mean 'give_up'?"),
    ([('states = ["calling", "called"]', 'states = ["calling", "calld"]')], UnknownTarget, "twins[0] (calling and calld)",
     "it names the state 'calld', which is not there", "did you mean 'called'?"),
    ([('but = ["hang_up"]', 'but = ["hang"]')], UnknownTarget, TWINS,
     "it names the event 'hang', which is not there", "did you mean 'hang_up'?"),
    ([('event = "give_up"', 'event = "gave_up"')], UnknownTarget, "timers.patience",
     "it names the event 'gave_up', which is not there", "did you mean 'give_up'?"),
    ([('role = "busy"\ninitial = "tone"', 'role = "busy"\ninitial = "tune"')], UnknownTarget, "states.calling",
     "initial names 'tune', which is no child of it", "did you mean 'tone'?"),
    ([('role = "idle"', 'role = "idle"\ninitial = "on"')], UnknownTarget, "states.off",
     "initial names 'on', which is no child of it", "there are: none"),
    # What every part must have.
    ([('role = "busy"\ninitial = "tone"\n', 'role = "busy"\n')], ChartUnreadable, "states.calling",
     "the key 'initial' is missing", "name the child that entering it leads to: tone, talk"),
    ([('role = "idle"\n', "")], ChartUnreadable, "states.off",
     "the key 'role' is missing", "give the state or its parent the role that code asks for"),
    ([('why = "It is over."', 'why = " "')], ChartUnreadable, LINE,
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "A telephone line."', 'why = ""')], ChartUnreadable, None,
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "Speaking."', 'why = ""')], ChartUnreadable, "states.calling.states.talk",
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "somebody calls"', 'why = ""')], ChartUnreadable, "events.ring",
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "nobody waits for ever"', 'why = ""')], ChartUnreadable, "timers.patience",
     "the why is empty", "say in a sentence why it is so"),
    ([('buzz   = "make a tone"', 'buzz = ""')], ChartUnreadable, "actions.buzz",
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "The line is taken."', 'why = ""')], ChartUnreadable, "ignores[0] (dial and 1 more in calling and 1 more)",
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "Cannot be: nobody waits."', 'why = ""')], ChartUnreadable, "refuses[0] (answer and 1 more in off and 2 more)",
     "the why is empty", "say in a sentence why it is so"),
    ([('why = "Who called is told when it ends."', 'why = ""')], ChartUnreadable, TWINS,
     "the why is empty", "say in a sentence why it is so"),
    ([("[states.off]", '[states."o.f"]\nrole = "r"\nwhy = "w"\n[states.off]')], ChartUnreadable, "states.o.states.f",
     "'o.f' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('chart = "line"', 'chart = "a line"')], ChartUnreadable, None,
     "'a line' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('buzz   = "make', '"start:buzz" = "x"\nbuzz = "make')], ChartUnreadable, "actions.start:buzz",
     "'start:buzz' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([("[events]", '[events]\n"a b" = { kind = "call", why = "w" }')], ChartUnreadable, "events.a b",
     "'a b' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('role = "idle"', 'role = "not busy"')], ChartUnreadable, "states.off",
     "'not busy' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('phase = "waiting"', 'phase = "wait-ing"')], ChartUnreadable, "states.calling.states.tone",
     "'wait-ing' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('tells = "ended"', 'tells = "it ended"')], ChartUnreadable, LINE,
     "'it ended' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('data = ["patience"]', 'data = ["patience", "1st"]')], ChartUnreadable, "events.dial",
     "'1st' cannot be a name", "use letters, digits and underscores, a letter first"),
    # Actions and timers.
    ([('"buzz"]', '"buz"]')], UnknownAction, "states.calling.states.tone",
     "the action 'buz' is not declared under [actions]", "did you mean 'buzz'?"),
    ([('exit = ["cancel:patience"]', 'exit = ["buzzz"]')], UnknownAction, "states.calling.states.tone",
     "the action 'buzzz' is not declared under [actions]", "did you mean 'buzz'?"),
    ([('tells = "ended"', 'effects = ["click"]\ntells = "ended"')], UnknownAction, LINE,
     "the action 'click' is not declared under [actions]", "there are: buzz, notify"),
    ([('"start:patience"', '"start:patent"')], UnknownAction, "states.calling.states.tone",
     "'start:patent' names no timer", "did you mean 'patience'?"),
    ([('"cancel:patience"', '"cancel:x"')], UnknownAction, "states.calling.states.tone",
     "'cancel:x' names no timer", "there are: patience"),
    ([('buzz   = "make', 'click = "x"\nbuzz = "make')], UnusedName, "actions.click",
     "nothing asks for the action 'click'", "remove it, or ask for it"),
    ([("[actions]", '[tells]\nended = "the call is over"\nmissed = "nobody was there"\n[actions]')], UnusedName, "tells.missed",
     "no row tells 'missed'", "remove it, or let a row have tells = 'missed'"),
    ([("[actions]", '[tells]\nended = ""\n[actions]')], ChartUnreadable, "tells.ended",
     "the why is empty", "say in a sentence why it is so"),
    ([("[actions]", '[tells]\n"all over" = "the call is over"\n[actions]')], ChartUnreadable, "tells.all over",
     "'all over' cannot be a name", "use letters, digits and underscores, a letter first"),
    ([('"start:patience", ', ""), ('"start:patience", ', "")], UnusedName, "timers.patience",
     "nothing starts the timer 'patience'", "remove it, or ask for start:patience"),
    ([('event = "give_up"', 'event = "ring"')], UnfitTimer, "timers.patience",
     "its event ring is of the kind transport", 'name an event of kind = "timer"'),
    ([('seconds = "event.patience"', 'seconds = "event.delay"')], UnfitTimer, "timers.patience",
     "its seconds come from 'event.delay', which is nowhere",
     "write PLACE.NAME, as settings.grace; after event. a NAME that an event has in its data"),
    ([('seconds = "event.patience"', 'seconds = "10"')], UnfitTimer, "timers.patience",
     "its seconds come from '10', which is nowhere",
     "write PLACE.NAME, as settings.grace; after event. a NAME that an event has in its data"),
    ([('kind = "frame",', 'kind = "frame", means = "ring",')], DuplicateRow, "events.answer",
     "it means 'ring', as ring does", "give each event a meaning of its own"),
    ([crowd(7)], CrowdedLevel, None,
     "10 states stand on one level, and at most 9 may", "put those that belong together under a parent"),
    ([crowd(8, "states.calling.states")], CrowdedLevel, "states.calling",
     "10 states stand on one level, and at most 9 may", "put those that belong together under a parent"),
    # What the rows decide together.
    ([('on = "hang_up"\nin = "off"', 'on = "dial"\nin = "off"')], UndecidedPair, "states.off",
     "nothing decides hang_up in off", "add a row to [[transitions]], or list the pair under [[ignores]] or [[refuses]]"),
    ([("[[ignores]]", '[[transitions]]\non = "dial"\nfrom = "off"\nto = "calling"\nwhy = "A call begins."\n[[ignores]]')],
     DuplicateRow, "transitions[7] (dial from off)",
     "dial in off is decided by transitions[0] (dial from off) already",
     "keep one of the two; a child's row may not override its parent's"),
    ([('from = "calling.tone"', 'from = ["calling.tone", "calling.tone"]')],
     DuplicateRow, "transitions[2] (answer from calling.tone and 1 more)",
     "answer in calling.tone is decided by transitions[2] (answer from calling.tone and 1 more) already",
     "keep one of the two; a child's row may not override its parent's"),
    ([("[[ignores]]", '[[transitions]]\non = "hang_up"\nfrom = "calling.tone"\nwhy = "w"\n[[ignores]]')],
     DuplicateRow, "transitions[7] (hang_up from calling.tone)",
     "hang_up in calling.tone is decided by transitions[5] (hang_up from calling) already",
     "keep one of the two; a child's row may not override its parent's"),
    ([('on = "hang_up"\nin = "off"', 'on = ["hang_up", "dial"]\nin = "off"')],
     DuplicateRow, "ignores[1] (hang_up and 1 more in off)",
     "dial in off is decided by transitions[0] (dial from off) already",
     "keep one of the two; a child's row may not override its parent's"),
    ([('in = ["off", "calling.talk", "called.talk"]', 'in = ["off", "calling", "called.talk"]')],
     DuplicateRow, "refuses[0] (answer and 1 more in off and 2 more)",
     "answer in calling.tone is decided by transitions[2] (answer from calling.tone) already",
     "keep one of the two; a child's row may not override its parent's"),
    ([('to = "calling.talk"', 'to = "calling.tone"'), ('to = "called.talk"', 'to = "called.tone"')],
     UnreachableState, "states.calling.states.talk",
     "no events lead from off to calling.talk", "add a row that leads there, or remove it"),
    ([('from = "calling"\nto = "off"\ntells = "ended"', 'from = "calling"\nto = "calling.tone"')], OwnDescendant, LINE,
     "it leads from calling into its own descendant calling.tone", "list in from the leaves that it is meant to leave"),
    ([('entry = ["notify"]', ""), ('exit = ["cancel', 'exit = ["notify", "cancel')], UnmetTells, LINE,
     "it tells ended, and from calling.tone it enters what asks 0 times for notify",
     "let exactly one of the states that it enters have notify in its entry, or let it tell nothing"),
    ([('entry = ["notify"]', 'entry = ["notify", "notify"]')], UnmetTells, LINE,
     "it tells ended, and from calling.tone it enters what asks 2 times for notify",
     "let exactly one of the states that it enters have notify in its entry, or let it tell nothing"),
    ([('from = "called"\nto = "off"', 'from = "called"\ntells = "ended"')], UnmetTells, "transitions[6] (hang_up from called)",
     "it tells ended, and from called.tone it enters what asks 0 times for notify",
     "let exactly one of the states that it enters have notify in its entry, or let it tell nothing"),
    # Twins.
    ([('on = "answer"\nfrom = "calling.tone"\nto = "calling.talk"',
       'on = "answer"\nfrom = "calling.tone"\nto = "calling.talk"\neffects = ["buzz"]')],
     UnreadyTwins, TWINS,
     "answer differs between calling.tone, transitions[2] (answer from calling.tone), and called.tone, "
     "transitions[3] (answer from called.tone)",
     "make the rows equal, or list answer in but and say why"),
    ([('to = "called.talk"', 'to = "calling.talk"')], UnreadyTwins, TWINS,
     "answer differs between calling.tone, transitions[2] (answer from calling.tone), and called.tone, "
     "transitions[3] (answer from called.tone)",
     "make the rows equal, or list answer in but and say why"),
    ([('from = "called.tone"\nto = "called.talk"', 'from = "called.tone"')], UnreadyTwins, TWINS,
     "answer differs between calling.tone, transitions[2] (answer from calling.tone), and called.tone, "
     "transitions[3] (answer from called.tone)",
     "make the rows equal, or list answer in but and say why"),
    ([('from = "called"\nto = "off"', 'from = "called"\nto = "off"\ntells = "ended"')], UnreadyTwins, TWINS,
     "hang_up is listed as different and is the same", "take hang_up out of but"),
    ([('states = ["calling", "called"]', 'states = ["calling"]')], UnreadyTwins, "twins[0] (calling)",
     "twins are at least two states", "name the other one"),
    ([('phase = "waiting"', 'phase = "ringing"')], UnreadyTwins, TWINS,
     "calling.tone and called.tone differ in phase, entry or exit", "make them equal"),
    ([('"start:patience", "buzz"', '"buzz", "start:patience"')], UnreadyTwins, TWINS,
     "calling.tone and called.tone differ in phase, entry or exit", "make them equal"),
    ([("[states.called.states.talk]",
       "[states.called.states.speak]"),
      ('to = "called.talk"', 'to = "called.speak"'),
      ('"called.talk"]', '"called.speak"]')],
     UnreadyTwins, TWINS,
     "calling.talk has no twin called.talk", "give both the same children"),
    ([("[[twins]]", '[states.called.states.more]\nwhy = "w"\n[[twins]]')], UnreadyTwins, TWINS,
     "called.more has no twin calling.more", "give both the same children"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("edits", "kind", "row", "problem", "remedy"),
    CASES,
    ids=[f"{number}-{case[1].__name__}" for number, case in enumerate(CASES)],
)
def test_each_problem_is_a_typed_error_with_file_row_and_remedy(
    edits: list[tuple[str, str]], kind: type[ChartError], row: str | None, problem: str, remedy: str
) -> None:
    found = problems(edited(*edits))
    ours = [error for error in found if type(error) is kind and error.row == row]
    hits = [error for error in ours if (error.problem, error.remedy) == (problem, remedy)]
    assert hits, [f"{type(error).__name__}: {error}" for error in found]
    place = f"line.toml, {row}: " if row else "line.toml: "
    assert str(hits[0]).startswith(place)
    assert f"; {hits[0].remedy}" in str(hits[0])


def test_loading_raises_the_first_problem_and_notes_how_many_follow() -> None:
    with pytest.raises(UnknownTarget) as caught:
        load_chart_text(GOOD.replace('to = "off"', 'to = "of"'), file="line.toml")
    assert str(caught.value) == (
        "line.toml, transitions[4] (give_up from calling.tone and 1 more): "
        "it names the state 'of', which is not there; did you mean 'off'?"
    )
    assert caught.value.__notes__ == ["and 2 more: `reconnect charts check` lists them all"]


def test_one_more_is_noted_too() -> None:
    with pytest.raises(UnusedName) as caught:
        load_chart_text(GOOD.replace("[actions]", '[actions]\nclick = "x"\nclack = "x"'))
    assert caught.value.__notes__ == ["and 1 more: `reconnect charts check` lists them all"]


def test_nine_states_on_one_level_are_not_too_many() -> None:
    chart = edited(crowd(6), crowd(7, "states.calling.states"))
    assert CrowdedLevel not in kinds(chart)


def test_a_single_problem_has_no_note() -> None:
    with pytest.raises(UnusedName) as caught:
        load_chart_text(GOOD.replace("[actions]", '[actions]\nclick = "x"'))
    assert not hasattr(caught.value, "__notes__")


def test_what_rows_decide_is_not_asked_while_names_are_missing() -> None:
    found = problems(edited(('to = "calling"', 'to = "nowhere"')))
    assert {type(error) for error in found} == {UnknownTarget}


# -- mutants of the library's charts: whatever is taken away, doubled or misspelt is found ---------------------------------------


def with_row(chart: Statechart, number: int, **changes: object) -> Statechart:
    rows = chart.transitions
    return replace(chart, transitions=(*rows[:number], replace(rows[number], **changes), *rows[number + 1 :]))


def with_entry(chart: Statechart, name: str, entry: tuple[str, ...]) -> Statechart:
    return replace(chart, states=tuple(replace(state, entry=entry) if state.name == name else state for state in chart.states))


def kinds(chart: Statechart) -> set[type[ChartError]]:
    return {type(error) for error in problems(chart)}


@pytest.mark.parametrize("name", chart_names())
def test_no_row_can_be_missing_or_doubled(name: str) -> None:
    chart = load_chart(name)
    for field in ("transitions", "ignores", "refuses"):
        rows = getattr(chart, field)
        for number in range(len(rows)):
            before, row, after = rows[:number], rows[number : number + 1], rows[number + 1 :]
            assert UndecidedPair in kinds(replace(chart, **{field: before + after})), (field, number)
            assert DuplicateRow in kinds(replace(chart, **{field: before + row + row + after})), (field, number)


@pytest.mark.parametrize("name", chart_names())
def test_no_pair_can_be_missing_in_a_list(name: str) -> None:
    chart = load_chart(name)
    for field in ("ignores", "refuses"):
        rows = getattr(chart, field)
        for number, row in enumerate(rows):
            for key, value in (("on", row.on), ("states", row.states)):
                for gone in value if len(value) > 1 else ():
                    shorter = replace(row, **{key: tuple(word for word in value if word != gone)})
                    mutant = replace(chart, **{field: (*rows[:number], shorter, *rows[number + 1 :])})
                    assert UndecidedPair in kinds(mutant), (field, number, gone)


@pytest.mark.parametrize("name", chart_names())
def test_no_name_in_a_row_can_be_misspelt(name: str) -> None:
    chart = load_chart(name)
    for number, row in enumerate(chart.transitions):
        changes: list[tuple[dict[str, object], type[ChartError]]] = [
            ({"on": "x" + row.on}, UnknownTarget),
            ({"sources": ("x" + row.sources[0], *row.sources[1:])}, UnknownTarget),
            ({"effects": (*row.effects, "xx")}, UnknownAction),
            ({"effects": (*row.effects, "start:xx")}, UnknownAction),
            ({"why": ""}, ChartUnreadable),
        ]
        changes += [({"to": "x" + row.to}, UnknownTarget)] if row.to else []
        for change, wanted in changes:
            found = problems(with_row(chart, number, **change))
            assert any(type(error) is wanted and str(error.row).startswith(f"transitions[{number}] ") for error in found), change


@pytest.mark.parametrize("name", chart_names())
def test_no_declaration_can_be_missing(name: str) -> None:
    chart = load_chart(name)
    for field, wanted in (("actions", UnknownAction), ("timers", UnknownAction), ("events", UnknownTarget)):
        there = getattr(chart, field)
        for gone in there:
            mutant = replace(chart, **{field: MappingProxyType({key: value for key, value in there.items() if key != gone})})
            assert wanted in kinds(mutant), (field, gone)


@pytest.mark.parametrize("name", chart_names())
def test_no_way_can_be_missing(name: str) -> None:
    """Each leaf but the initial one: with all rows that lead to it turned elsewhere it is unreachable."""
    chart = load_chart(name)
    for leaf in chart.leaves:
        if leaf != chart.initial:
            rows = tuple(replace(row, to=None) if row.to and chart.leaf(row.to) == leaf else row for row in chart.transitions)
            found = problems(replace(chart, transitions=rows))
            assert chart.index[leaf].path in {error.row for error in found if type(error) is UnreachableState}, leaf


@pytest.mark.parametrize("name", chart_names())
def test_whoever_tells_needs_exactly_one_notify_where_it_leads(name: str) -> None:
    chart = load_chart(name)
    for number, row in enumerate(chart.transitions):
        if row.tells is not None:
            there = chart.state(str(row.to)).entry
            silent = with_entry(chart, str(row.to), tuple(action for action in there if action != "notify"))
            doubled = with_entry(chart, str(row.to), (*there, "notify"))
            for mutant in (silent, doubled, with_row(chart, number, to=None)):
                found = {error.row for error in problems(mutant) if type(error) is UnmetTells}
                assert mutant.row_name(StepVerdict.TAKEN, number) in found, number


def test_the_twins_of_the_session_cannot_drift_apart() -> None:
    """Each row of the twins' children that is no listed difference is changed in three ways: the lint finds each."""
    chart = load_chart("session")
    twins = chart.twins[0]
    alike = [
        number
        for number, row in enumerate(chart.transitions)
        if row.sources[0].partition(".")[0] in twins.states and row.on not in twins.but
    ]
    assert len(alike) >= 10
    for number in alike:
        for change in ({"effects": (*chart.transitions[number].effects, "notify")}, {"to": "disconnected"}, {"to": None}):
            assert UnreadyTwins in kinds(with_row(chart, number, **change)), (number, change)
