"""Pictures: what they show, and how that is said to Graphviz. Where it then stands is looked at in `test_chart_draw_layout`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, StepVerdict, chart_names, load_chart, load_chart_text
from reconnect.chart.dot import RED, colours, draw_dot
from reconnect.chart.layout import lay_out
from reconnect.chart.shapes import Arrow, Box, Frame, Kind, Line, Sketch, Style, names_of
from reconnect.chart.sketch import ends, sketch
from tests.odd_chart import ODD, odd

ENDS = {
    "session": {"disconnected"},
    "member": {"gone"},
    "publisher": {"ended"},
    "subscriber": {"destroyed"},
    "outbox": {"closed"},
}


def text_of(line: Line) -> str:
    return "".join(piece.text for piece in line)


def arrow(drawn: Sketch, tail: str, head: str) -> Arrow:
    found = [one for one in drawn.arrows if (one.tail, one.head) == (tail, head)]
    assert len(found) == 1, (tail, head)
    return found[0]


def lines(drawn: Sketch, tail: str, head: str) -> list[str]:
    return [text_of(line) for line in arrow(drawn, tail, head).lines]


# -- what is shown -------------------------------------------------------------------------------------------------------------


def drawn_steps(chart: Statechart) -> set[tuple[str, str, str]]:
    """Return leaf, event and target of everything that the arrows of the full picture say, by their words alone."""
    found = set()
    for one in sketch(chart, Kind.FULL).arrows:
        named: list[tuple[str, tuple[str, ...]]] = []
        for piece in (piece for line in one.lines for piece in line):
            if piece.style is Style.NAME:
                named.append((piece.text, chart.below(one.tail)))
            elif piece.style is Style.WHERE:
                states = [f"{one.tail}.{name}" for name in piece.text.removeprefix(" in ").split(", ")]
                named[-1] = (named[-1][0], tuple(leaf for state in states for leaf in chart.below(state)))
        found |= {(leaf, event, chart.leaf(one.head)) for event, leaves in named for leaf in leaves}
    return found


@pytest.mark.parametrize("name", [*chart_names(), "odd"])
def test_the_arrows_of_the_full_picture_are_the_rows_of_the_table(name: str) -> None:
    """U10: the edges of the diagram equal those of the table: none is missing, none is invented."""
    chart = odd() if name == "odd" else load_chart(name)
    taken = {pair: found for pair, found in chart.table.items() if found.verdict is StepVerdict.TAKEN and not found.internal}
    assert drawn_steps(chart) == {(leaf, event, found.target) for (leaf, event), found in taken.items()}
    for row in chart.transitions:
        for one in sketch(chart, Kind.FULL).arrows:
            if row.to == one.head and f"{row.on}: {row.why}" in one.whys:
                said = " ".join(text_of(line) for line in one.lines)
                assert all(effect in said for effect in row.effects)
                assert row.tells is None or f"tells {row.tells}" in said


@pytest.mark.parametrize("name", chart_names())
def test_the_full_picture_shows_every_state_with_what_it_asks_for(name: str) -> None:
    chart = load_chart(name)
    drawn = sketch(chart, Kind.FULL)
    assert set(names_of(drawn.places)) == {state.name for state in chart.states}
    held = {state.name: state for state in chart.states}
    for place in _boxes(drawn.places):
        asked = [text_of(line).strip() for part in place.compartments for line in part]
        asked = [text.removeprefix("entry / ").removeprefix("exit / ") for text in asked]
        assert {*held[place.name].entry, *held[place.name].exit} <= set(asked)
        inside = [row.on for row in chart.transitions if row.to is None and place.name in row.sources]
        assert set(inside) <= {piece.text for part in place.compartments for line in part for piece in line}


def _boxes(places: tuple[Box | Frame, ...]) -> Iterator[Box]:
    for place in places:
        if isinstance(place, Frame):
            yield from _boxes(place.boxes)
        else:
            yield place


def test_events_that_do_the_same_stand_together_and_effects_below_them() -> None:
    drawn = sketch(load_chart("session"), Kind.FULL)
    assert lines(drawn, "closing", "disconnected") == [
        "goodbye_answered",
        "  / close_transport",
        "close_due, transport_lost, ended",
        "  / abort_transport",
        "  tells disconnected",
    ]
    assert lines(drawn, "connected", "reconnecting") == [
        "transport_lost",
        "  / abort_transport, begin_outage",
        "  tells reconnecting",
    ]


def test_one_red_arrow_leads_from_each_outermost_state_to_the_end() -> None:
    for kind in Kind:
        drawn = sketch(load_chart("session"), kind)
        red = [(one.tail, one.head) for one in drawn.arrows if one.final]
        assert sorted(red) == [(tail, "disconnected") for tail in ("closing", "connected", "connecting", "reconnecting")]
    assert lines(sketch(load_chart("session"), Kind.FULL), "reconnecting", "disconnected") == [
        "ended,",
        "disconnect_requested in dialing, waiting",
        "  / abort_transport",
        "disconnect_requested in joining",
        "  / send_goodbye, close_transport",
        "  tells disconnected",
    ]


def test_red_leads_to_the_end_and_nothing_else_is_red() -> None:
    for name, where in ENDS.items():
        chart = load_chart(name)
        assert ends(chart) == where
        for one in sketch(chart, Kind.FULL).arrows:
            assert one.final == (chart.leaf(one.head) in where)
        reds = [line for line in draw_dot(chart).splitlines() if f'color = "{RED}"' in line and "->" in line]
        assert len(reds) == 2 * sum(one.final for one in sketch(chart, Kind.FULL).arrows) > 0
    assert ends(load_chart("signal")) == set(load_chart("signal").below("settled"))


def test_the_overview_draws_twins_once_in_a_frame_and_collapses_what_has_children() -> None:
    chart = load_chart("session")
    drawn = sketch(chart, Kind.OVERVIEW)
    frames = drawn.frames()
    assert list(frames) == ["twins0:"]
    assert text_of(frames["twins0:"].caption[0]) == "within connecting and reconnecting"
    assert [name for name in names_of(drawn.places) if ":" not in name] == [s.name for s in chart.states if s.parent is None]
    assert sorted(names_of(frames["twins0:"].boxes)) == ["twins0:dialing", "twins0:joining", "twins0:waiting"]
    assert frames["twins0:"].begins == (("twins0:dialing", "connecting"), ("twins0:waiting", "reconnecting"))
    assert lines(drawn, "twins0:waiting", "twins0:dialing") == ["retry_due, retry_requested"]
    inner = {(one.tail, one.head) for one in drawn.arrows if one.tail.startswith("twins0:")}
    assert len(inner) == len([one for one in drawn.arrows if one.tail.startswith("twins0:")]) == 4
    assert lines(drawn, "reconnecting", "connected")[0] == "resumed in joining"


def test_the_picture_of_states_has_events_and_what_is_told_and_no_effects() -> None:
    drawn = sketch(load_chart("session"), Kind.STATES)
    assert lines(drawn, "reconnecting", "connected") == ["resumed, joined", "  tells reconnected"]
    words = {piece.text for one in drawn.arrows for line in one.lines for piece in line}
    assert not words & set(load_chart("session").actions)
    assert all(not place.compartments or "entry" not in text_of(place.compartments[0][0]) for place in _boxes(drawn.places))


def test_long_lines_are_broken_and_further_ones_set_in() -> None:
    assert lines(sketch(odd(), Kind.FULL), "a.b", "a.c") == [
        "turn",
        "  / a_long_name_of_an_action,",
        "    another_name_that_is_longer_than_a_line_of_the_label",
        "  tells a_thing",
        "down",
    ]


def test_what_leads_back_runs_from_right_to_left() -> None:
    drawn = sketch(load_chart("session"), Kind.FULL)
    back = {(one.tail, one.head) for one in drawn.arrows if one.back}
    assert ("reconnecting.joining", "connected") in back
    assert ("disconnected", "connecting") in back
    assert ("connected", "reconnecting") not in back
    assert not any(one.back for one in drawn.arrows if one.final)
    states = sketch(load_chart("session"), Kind.STATES)
    assert {(one.tail, one.head) for one in states.arrows if one.back} >= {("closing", "disconnected")}
    assert not arrow(sketch(load_chart("member"), Kind.FULL), "present", "present").back
    assert {(one.tail, one.head) for one in sketch(odd(), Kind.FULL).arrows if one.back} == {
        ("a.c", "a"),
        ("d", "a.b"),
        ("d", "a"),
    }


# -- as DOT --------------------------------------------------------------------------------------------------------------------


def edges(dot: str) -> list[str]:
    return [line.strip() for line in dot.splitlines() if " -> " in line]


def test_arrows_of_a_parent_end_on_its_frame() -> None:
    dot = draw_dot(load_chart("session"))
    assert any('-> "reconnecting."' in line and 'lhead = "cluster_reconnecting"' in line for line in edges(dot))
    assert '"reconnecting." -> "reconnecting.waiting";' in edges(dot)
    cut = [line for line in edges(dot) if line.startswith('"reconnecting!"')]
    assert len(cut) == 1
    assert 'ltail = "cluster_reconnecting"' in cut[0]
    # The one that leads back is drawn from its head, which has the point.
    entering = [line for line in edges(dot) if line.startswith('"connecting!"') and "dir = back" in line]
    assert len(entering) == 1
    assert 'ltail = "cluster_connecting"' in entering[0]


def test_an_arrow_within_a_frame_is_not_cut_off_at_it() -> None:
    dot = draw_dot(odd())
    inner = [line for line in edges(dot) if '"a." ->' in line]
    assert any("dir = back" in line and "ltail" not in line for line in inner)
    rows = odd().transitions
    itself = replace(odd(), transitions=(*rows[:3], replace(rows[3], to="a")))
    loop = arrow(sketch(itself, Kind.FULL), "a", "a")
    assert not loop.back
    number = sketch(itself, Kind.FULL).arrows.index(loop)
    assert f'"a.c" -> "{number}:":w [arrowhead = none];' in edges(draw_dot(itself))
    assert f'"{number}:":e -> "a." [];' in edges(draw_dot(itself))
    assert lay_out(draw_dot(itself)).objects


def test_an_arrow_that_leads_back_from_a_frame_begins_at_its_dot_or_its_point() -> None:
    """Nothing enters the frame d as a whole, so that it has no dot."""
    assert any('-> "d!" [' in line and 'lhead = "cluster_d"' in line for line in edges(draw_dot(odd())))
    rows = odd().transitions
    entered = replace(odd(), transitions=(*rows[:4], replace(rows[4], to="d"), *rows[5:]))
    assert any('-> "d." [' in line and 'lhead = "cluster_d"' in line for line in edges(draw_dot(entered)))


def test_the_chart_begins_at_a_dot() -> None:
    assert '"." -> "offline";' in edges(draw_dot(load_chart("publisher")))
    # Where it also ends there, the dot stands on the other side; where it begins in a frame, at the frame.
    assert '"disconnected" -> "." [dir = back];' in edges(draw_dot(load_chart("session")))
    assert '"." -> "pending." [lhead = "cluster_pending"];' in edges(draw_dot(load_chart("signal")))
    assert '"." -> "disconnected";' in edges(draw_dot(load_chart("session"), Kind.STATES))
    inner = load_chart_text(ODD.replace('initial = "a"\nwhy', 'initial = "a.c"\nwhy', 1))
    assert '"." -> "a.c";' in edges(draw_dot(inner))


def test_boxes_have_compartments_and_internal_rows_are_no_arrows() -> None:
    dot = draw_dot(load_chart("session"))
    box = next(line for line in dot.splitlines() if line.strip().startswith('"connected" [label'))
    assert box.count("<HR/>") == 2
    assert "<B>stable</B>" in box
    assert "reset_streak" in box
    assert not any("reset_streak" in line for line in dot.splitlines() if '":' in line)
    plain = next(line for line in draw_dot(load_chart("publisher")).splitlines() if line.strip().startswith('"starting" [label'))
    assert "<HR/>" not in plain


def test_like_roles_look_alike_and_unknown_roles_have_a_colour_too() -> None:
    session, publisher, strange = (colours(chart) for chart in (load_chart("session"), load_chart("publisher"), odd()))
    assert session["online"] == publisher["live"]
    assert session["recovering"] == publisher["interrupted"] != session["online"]
    assert list(strange) == ["novel", "other", "last", "end"]
    assert len(set(strange.values())) == 4
