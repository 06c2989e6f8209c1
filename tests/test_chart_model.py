"""The chart's model: names, roles, and the table of decisions with its order of actions."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, StepVerdict, load_chart, load_chart_text
from reconnect.chart.load import read_chart
from reconnect.chart.model import lineage, nearest
from reconnect.chart.rows import shortened
from reconnect.errors import BadArgument, ChartUnfit

# Three levels deep; every state says its name on entry and exit, so that an order can be read off.
NESTED = """
chart = "nested"
version = 3
initial = "a"
why = "An example."
[events]
across = { kind = "call", why = "w" }
beside = { kind = "call", why = "w" }
again  = { kind = "call", why = "w" }
up     = { kind = "call", why = "w" }
inside = { kind = "call", why = "w" }
hush   = { kind = "call", why = "w", means = "silence" }
never  = { kind = "call", why = "w" }
[actions]
"+a" = "w"
[states.a]
role = "outer"
initial = "b"
entry = ["+a"]
exit = ["-a"]
why = "w"
[states.a.states.b]
initial = "c"
entry = ["+b"]
exit = ["-b"]
why = "w"
[states.a.states.b.states.c]
phase = "deep"
entry = ["+c"]
exit = ["-c"]
why = "w"
[states.a.states.b.states.d]
role = "inner"
entry = ["+d"]
exit = ["-d"]
why = "w"
[states.x]
role = "outer"
initial = "y"
entry = ["+x"]
exit = ["-x"]
why = "w"
[states.x.states.y]
entry = ["+y"]
exit = ["-y"]
why = "w"
[[transitions]]
on = "across"
from = "a"
to = "x"
effects = ["go"]
why = "the way out"
[[transitions]]
on = "across"
from = "x.y"
to = "a.b.d"
why = "w"
[[transitions]]
on = "beside"
from = ["a.b.c", "a.b.d"]
to = "a.b.d"
effects = ["go"]
tells = "moved"
why = "w"
[[transitions]]
on = "again"
from = "a.b"
to = "a.b"
why = "w"
[[transitions]]
on = "up"
from = "a.b.d"
to = "a"
effects = ["go"]
why = "w"
[[transitions]]
on = "inside"
from = "a"
effects = ["look"]
why = "w"
[[ignores]]
on = ["hush", "beside", "again", "up", "inside"]
in = "x"
why = "nothing to do"
[[ignores]]
on = ["up", "hush"]
in = "a.b.c"
why = "w"
[[refuses]]
on = "never"
in = ["a", "x"]
why = "never"
[[refuses]]
on = "hush"
in = "a.b.d"
why = "w"
[[twins]]
states = ["a.b.c", "a.b.d"]
but = ["up"]
why = "w"
"""


def nested() -> Statechart:
    # Read without the lint: its actions are not declared, because only their order matters here.
    return read_chart(NESTED.encode(), "nested.toml")


def actions(leaf: str, event: str) -> str:
    return " ".join(nested().decide(leaf, event).actions)


def test_states_have_full_names_and_leaves_are_those_without_children() -> None:
    chart = nested()
    assert [state.name for state in chart.states] == ["a", "a.b", "a.b.c", "a.b.d", "x", "x.y"]
    assert chart.leaves == ("a.b.c", "a.b.d", "x.y")
    assert chart.state("a.b").children == ("a.b.c", "a.b.d")
    assert chart.state("a.b").parent == "a"
    assert chart.state("a.b.d").path == "states.a.states.b.states.d"
    assert chart.initial == "a.b.c"


def test_the_initial_descent_ends_in_a_leaf() -> None:
    chart = nested()
    assert [chart.leaf(name) for name in ("a", "a.b", "a.b.c", "x")] == ["a.b.c", "a.b.c", "a.b.c", "x.y"]


def test_roles_are_inherited_from_the_nearest_state_that_names_one_and_phases_are_not() -> None:
    chart = nested()
    assert [chart.role(leaf) for leaf in chart.leaves] == ["outer", "inner", "outer"]
    assert [chart.phase(leaf) for leaf in chart.leaves] == ["deep", None, None]
    assert chart.roles == ("outer", "inner")


@pytest.mark.parametrize(
    ("name", "leaves"),
    [
        ("a.b.c", ("a.b.c",)),
        ("a", ("a.b.c", "a.b.d")),
        ("a.b", ("a.b.c", "a.b.d")),
        ("outer", ("a.b.c", "x.y")),
        ("inner", ("a.b.d",)),
    ],
)
def test_leaves_of_takes_a_leaf_a_parent_or_a_role(name: str, leaves: tuple[str, ...]) -> None:
    assert nested().leaves_of(name) == leaves


def test_a_state_wins_over_a_role_of_its_name() -> None:
    chart = load_chart("session")
    assert chart.leaves_of("closing") == ("closing",)
    assert (
        chart.leaves_of("recovering")
        == chart.leaves_of("reconnecting")
        == tuple(f"reconnecting.{phase}" for phase in ("waiting", "dialing", "joining"))
    )
    assert chart.leaves_of("online") == ("connected",)


def test_a_name_that_only_begins_like_a_state_is_none() -> None:
    assert nested().below("a.b.") == nested().below("a.") == nested().below("") == ()


def test_leaving_and_entering_outermost_parents() -> None:
    """The order is exit innermost first, then the row, then entry outermost first, down to the initial leaf."""
    assert actions("a.b.d", "across") == "-d -b -a go +x +y"
    assert actions("x.y", "across") == "-y -x +a +b +d"
    assert nested().decide("x.y", "across").target == "a.b.d"


def test_shared_parents_are_not_left() -> None:
    assert actions("a.b.c", "beside") == "-c go +d"


def test_a_row_to_itself_leaves_and_enters_anew() -> None:
    assert actions("a.b.d", "beside") == "-d go +d"
    # A parent's row to itself leaves the parent too, and starts from its initial leaf.
    assert actions("a.b.d", "again") == "-d -b +b +c"


def test_a_row_from_a_child_to_its_ancestor_enters_the_ancestor_anew() -> None:
    assert actions("a.b.d", "up") == "-d -b -a go +a +b +c"
    assert nested().decide("a.b.d", "up").target == "a.b.c"


def test_an_internal_row_leaves_and_enters_nothing() -> None:
    decision = nested().decide("a.b.d", "inside")
    assert (decision.actions, decision.target, decision.internal) == (("look",), "a.b.d", True)
    assert decision.verdict is StepVerdict.TAKEN


def test_ignored_and_refused_pairs_ask_for_nothing() -> None:
    ignored, refused = nested().decide("x.y", "up"), nested().decide("a.b.c", "never")
    assert ignored.internal
    assert refused.internal
    assert (ignored.verdict, ignored.row, ignored.target, ignored.actions, ignored.why) == (
        StepVerdict.IGNORED, 0, "x.y", (), "nothing to do",
    )  # fmt: skip
    assert (refused.verdict, refused.row, refused.target, refused.actions, refused.why) == (
        StepVerdict.REFUSED, 0, "a.b.c", (), "never",
    )  # fmt: skip


def test_a_decision_names_its_row_and_what_it_tells() -> None:
    decision = nested().decide("a.b.c", "beside")
    assert (decision.row, decision.tells, nested().decide("a.b.c", "across").why) == (2, "moved", "the way out")


def test_rows_are_named_by_list_number_and_content() -> None:
    chart = nested()
    assert chart.row_name(StepVerdict.TAKEN, 0) == "transitions[0] (across from a)"
    assert chart.row_name(StepVerdict.TAKEN, 2) == "transitions[2] (beside from a.b.c and 1 more)"
    assert chart.row_name(StepVerdict.IGNORED, 0) == "ignores[0] (hush and 4 more in x)"
    assert chart.row_name(StepVerdict.REFUSED, 0) == "refuses[0] (never in a and 1 more)"
    assert chart.twins_name(0) == "twins[0] (a.b.c and a.b.d)"
    assert shortened(()) == "nothing"


def test_an_event_is_found_by_what_it_means() -> None:
    chart = nested()
    assert chart.event_for("silence") == "hush"
    assert chart.event_for("across") == "across"
    with pytest.raises(ChartUnfit) as caught:
        chart.event_for("hush")
    assert str(caught.value) == (
        "nested.toml: no event means 'hush'; declare it under [events], or give the event that stands for it means = 'hush'"
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda chart: chart.state("a.b.cc"), "the chart nested has no state 'a.b.cc'; did you mean 'a.b.c'?"),
        (lambda chart: chart.leaf("q"), "the chart nested has no state 'q'; there are: a, a.b, a.b.c, a.b.d, x, x.y"),
        (lambda chart: chart.role("q"), "the chart nested has no state 'q'; there are: a, a.b, a.b.c, a.b.d, x, x.y"),
        (lambda chart: chart.phase("q"), "the chart nested has no state 'q'; there are: a, a.b, a.b.c, a.b.d, x, x.y"),
        (lambda chart: chart.leaves_of("oter"), "the chart nested has no state or role 'oter'; did you mean 'outer'?"),
        (lambda chart: chart.decide("a", "across"), "the chart nested has no leaf state 'a'; there are: a.b.c, a.b.d, x.y"),
        (lambda chart: chart.decide("x.y", "acros"), "the chart nested has no event 'acros'; did you mean 'across'?"),
    ],
)
def test_a_name_that_is_not_there_is_the_callers_mistake(call: Any, sentence: str) -> None:
    with pytest.raises(BadArgument) as caught:
        call(nested())
    assert str(caught.value) == sentence


def test_nearest_says_what_there_is() -> None:
    assert nearest("q", ()) == "there are: none"


def test_lineage_is_outermost_first() -> None:
    assert lineage("a.b.c") == ["a", "a.b", "a.b.c"]


def test_the_table_follows_from_the_rows() -> None:
    chart = nested()
    without = replace(chart, transitions=chart.transitions[1:])
    assert ("a.b.c", "across") in chart.table
    assert ("a.b.c", "across") not in without.table


def test_the_first_word_on_a_pair_counts_until_the_lint_has_refused_the_second() -> None:
    chart = nested()
    doubled = replace(chart, transitions=(*chart.transitions, replace(chart.transitions[0], to=None)))
    assert doubled.decide("a.b.c", "across").target == "x.y"
    assert sum(1 for claim in doubled.claims() if (claim.leaf, claim.event) == ("a.b.c", "across")) == 2


def test_a_chart_cannot_be_changed() -> None:
    chart: Any = load_chart("session")
    with pytest.raises(AttributeError):
        chart.version = 2
    for mapping in (chart.events, chart.timers, chart.actions, chart.index, chart.table):
        with pytest.raises(TypeError):
            mapping["new"] = None


def test_charts_with_the_same_bytes_hash_alike_and_one_line_says_which_it_is() -> None:
    chart = nested()
    assert chart == nested()
    assert len({chart, nested(), load_chart("session")}) == 2
    assert repr(chart) == f"<Statechart nested version=3 sha256={chart.sha256[:12]} leaves=3>"


def test_a_chart_without_events_is_one_too() -> None:
    head = 'chart = "still"\nversion = 1\ninitial = "s"\nwhy = "w"\n'
    chart = load_chart_text(head + 'events = {}\ntransitions = []\nstates.s = { role = "r", why = "w" }')
    assert (chart.leaves, dict(chart.table), chart.initial) == (("s",), {}, "s")
