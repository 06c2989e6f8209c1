"""Reading charts: where they are found, how strictly they are read, and what is said of one that cannot be read."""

from __future__ import annotations

import importlib.resources
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.chart import EventKind, Ignore, Refusal, Timer, Transition, chart_names, charts_folder, load_chart, load_chart_text
from reconnect.chart.load import read_chart
from reconnect.errors import BadArgument, ChartError, ChartUnreadable

GOOD = """
chart = "door"
version = 2
initial = "shut"
why = "A door."
[events]
push = { kind = "call", why = "somebody pushes", data = ["force"], means = "open_requested" }
tick = { kind = "timer", why = "the spring is through" }
[timers]
spring = { event = "tick", seconds = "settings.spring", why = "it shuts by itself" }
[actions]
creak = "make a noise"
[states.shut]
role = "closed"
why = "Nobody passes."
[states.open]
role = "open"
entry = ["creak", "start:spring"]
exit = ["cancel:spring"]
why = "Whoever wants passes."
[[transitions]]
on = "push"
from = "shut"
to = "open"
why = "It is not locked."
[[transitions]]
on = "tick"
from = ["open"]
to = "shut"
why = "It shuts by itself."
[[ignores]]
on = "push"
in = "open"
why = "Open already."
[[refuses]]
on = ["tick"]
in = ["shut"]
why = "Cannot be: the spring is at rest."
"""
NAMES = ["member", "outbox", "publisher", "session", "signal", "subscriber"]


def test_the_librarys_charts_are_found_by_name() -> None:
    assert chart_names() == NAMES
    assert [load_chart(name).name for name in NAMES] == NAMES
    assert charts_folder().is_dir()


def test_the_folder_within_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = charts_folder()
    (tmp_path / "statecharts").mkdir()
    (tmp_path / "statecharts" / "door.toml").write_text(GOOD)
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    assert charts_folder() == tmp_path / "statecharts" != beside
    assert chart_names() == ["door"]
    assert load_chart("door").version == 2


def test_without_it_the_charts_lie_beside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    assert charts_folder() == Path(__file__).parents[1] / "statecharts"


@pytest.mark.parametrize("kind", [str, Path])
def test_a_chart_of_ones_own_is_given_by_its_path(tmp_path: Path, kind: type[str] | type[Path]) -> None:
    path = tmp_path / "door.toml"
    path.write_text(GOOD)
    assert load_chart(kind(path)).file == str(path)


def test_what_a_file_says_is_what_the_chart_has() -> None:
    chart = load_chart_text(GOOD, file="door.toml")
    assert (chart.name, chart.version, chart.why, chart.file, chart.initial) == ("door", 2, "A door.", "door.toml", "shut")
    push = chart.events["push"]
    assert (push.name, push.kind, push.data, push.means, push.why) == (
        "push", EventKind.CALL, ("force",), "open_requested", "somebody pushes",
    )  # fmt: skip
    assert chart.events["tick"].means == "tick"
    assert chart.timers == {"spring": Timer(name="spring", event="tick", seconds="settings.spring", why="it shuts by itself")}
    assert chart.actions == {"creak": "make a noise"}
    assert chart.transitions[1] == Transition(on="tick", sources=("open",), to="shut", why="It shuts by itself.")
    assert chart.ignores == (Ignore(on=("push",), states=("open",), why="Open already."),)
    assert chart.refuses == (Refusal(on=("tick",), states=("shut",), why="Cannot be: the spring is at rest."),)
    assert chart.state("open").entry == ("creak", "start:spring")


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "door.toml"
    path.write_bytes(GOOD.encode() + b"# a comment counts\n")
    assert load_chart(path).sha256 == sha256(path.read_bytes()).hexdigest() != load_chart_text(GOOD).sha256


def test_an_edited_file_is_read_anew_and_an_untouched_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "door.toml"
    path.write_text(GOOD)
    first = load_chart(path)
    assert load_chart(path) is first
    path.write_text(GOOD.replace("version = 2", "version = 3"))
    assert load_chart(path).version == 3


def test_a_text_without_a_file_is_named_so() -> None:
    with pytest.raises(ChartUnreadable, match=r"^<text>: "):
        load_chart_text("")


def unreadable(content: str | bytes, *, reader: str = "door.toml") -> str:
    with pytest.raises(ChartUnreadable) as caught:
        read_chart(content if isinstance(content, bytes) else content.encode(), reader)
    assert caught.value.file == reader
    return str(caught.value)


def test_a_name_that_is_no_chart(tmp_path: Path) -> None:
    with pytest.raises(ChartUnreadable) as caught:
        load_chart("sesion")
    assert str(caught.value) == (
        f"{charts_folder() / 'sesion.toml'}: the file cannot be read (No such file or directory); "
        "give the path of a chart, or one of the names member, outbox, publisher, session, signal, subscriber"
    )
    with pytest.raises(ChartUnreadable, match="Is a directory"):
        load_chart(tmp_path)


def test_a_file_that_is_not_toml() -> None:
    sentence = unreadable('chart = "door"\nwhy')
    assert sentence.startswith("door.toml: this is not TOML: Expected '=' after a key")
    assert sentence.endswith("; correct the place that is named")
    assert "this is not TOML: 'utf-8' codec can't decode" in unreadable(b"chart = \xff")
    assert "this is not TOML: maximum recursion depth exceeded" in unreadable("a = " + "[" * 50_000)


@pytest.mark.parametrize(
    ("old", "new", "place", "problem", "remedy"),
    [
        ("version = 2\n", "", "door.toml: ", "the key 'version' is missing", "add it"),
        ("version = 2", "version = 2\nextra = 1", "door.toml: ", "the key 'extra' is not known", "the keys here are chart"),
        ("version = 2", 'version = "two"', "door.toml: ", "expected `int`, got `str` (at version)", "correct its value"),
        ('to = "shut"', 'too = "shut"', "transitions[1] (tick from open): ",
         "the key 'too' is not known", "on, from, why, to, effects, tells"),
        ('to = "open"\nwhy = "It is not locked."', 'to = "open"', "transitions[0] (push from shut): ",
         "the key 'why' is missing", "add it"),
        ('from = ["open"]', "from = 3", "transitions[1] (tick from nothing): ", "expected `array`, got `int` (at from)", ""),
        ('on = "tick"', 'on = ["tick", "push"]', "transitions[1] (tick and 1 more from open): ",
         "expected `str`, got `array` (at on)", "correct"),
        ('on = "tick"\n', "", "transitions[1] (nothing from open): ", "the key 'on' is missing", "add it"),
        ('in = "open"', 'at = "open"', "ignores[0] (push in nothing): ", "the key 'at' is not known", "on, in, why"),
        ('in = ["shut"]', 'in = ["shut"]\ntells = "x"', "refuses[0] (tick in shut): ",
         "the key 'tells' is not known", "on, in, why"),
        ("[states.shut]", "[states.shut]\ncolour = 1", "states.shut: ", "the key 'colour' is not known", "entry"),
        ("[states.shut]", "[states.shut.states.in]\ncolour = 1\n[states.shut]", "states.shut.states.in: ",
         "the key 'colour'", "why"),
        ('entry = ["creak", "start:spring"]', "entry = [1]", "states.open: ", "expected `str`, got `int` (at entry[0])", ""),
        ('data = ["force"]', 'date = ["force"]', "events.push: ", "the key 'date' is not known", "kind, why, data, means"),
        ('kind = "call"', 'kind = "cal"', "events.push: ",
         "invalid enum value 'cal'", "the kinds are call, transport, timer, verdict, frame"),
        ('seconds = "settings.spring"', 'after = "1"', "timers.spring: ", "the key 'after' is not known", "event, seconds, why"),
        ('creak = "make a noise"', "creak = 1", "door.toml: ", "expected `str`, got `int` (at actions[...])", "correct"),
        ("[[refuses]]", "[[twins]]\nstate = 1\n[[refuses]]", "twins[0] (nothing): ",
         "the key 'state' is not known", "states, but, why"),
    ],
)  # fmt: skip
def test_each_error_names_the_file_the_row_and_the_key(old: str, new: str, place: str, problem: str, remedy: str) -> None:
    assert GOOD.count(old) >= 1
    sentence = unreadable(GOOD.replace(old, new, 1))
    assert sentence.startswith("door.toml")
    assert place in sentence
    assert problem in sentence
    assert remedy in sentence.partition("; ")[2]


def test_a_row_that_is_no_table() -> None:
    text = GOOD.replace("[[transitions]]", "[[transition]]").replace("[events]", "transitions = [1]\n[events]", 1)
    text = text.replace("[[transition]]", "[[ignores]]")
    assert unreadable(text).startswith("door.toml, transitions[0]: expected `object`, got `int`; ")


def test_a_single_name_stands_for_a_list_of_one() -> None:
    text = GOOD + '[[twins]]\nstates = "open"\nbut = "push"\nwhy = "w"\n'
    chart = read_chart(text.encode(), "door.toml")
    assert (chart.twins[0].states, chart.twins[0].but) == (("open",), ("push",))
    assert chart.transitions[0].sources == ("shut",)


@given(st.data())
def test_whatever_a_damaged_file_holds_only_a_chart_error_comes(data: st.DataObject) -> None:
    """A slice is cut out, doubled or overwritten: the chart loads, or one typed error says what is wrong."""
    text = data.draw(st.sampled_from([GOOD, (charts_folder() / "session.toml").read_text(encoding="utf-8")]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 60)))
    damaged = text[:start] + data.draw(st.sampled_from(["", text[start:end] * 2, "x", '"', "[", "1", "[]", "\n"])) + text[end:]
    raised: ChartError | None = None
    try:
        assert load_chart_text(damaged, file="damaged.toml").leaves
    except ChartError as error:
        raised = error
    if raised is not None:
        assert str(raised).startswith("damaged.toml")
        assert raised.problem
        assert raised.remedy


def test_the_error_keeps_what_a_program_needs() -> None:
    with pytest.raises(ChartUnreadable) as caught:
        load_chart_text(GOOD.replace('to = "shut"', 'too = "shut"'), file="door.toml")
    error = caught.value
    assert (error.file, error.row) == ("door.toml", "transitions[1] (tick from open)")
    assert error.problem == "the key 'too' is not known"
    assert error.remedy.startswith("remove or correct it; ")


@pytest.mark.parametrize("odd", [5, None, b"session"])
def test_what_is_no_name_and_no_path_is_the_callers_mistake(odd: Any) -> None:
    with pytest.raises(BadArgument, match=r"takes a chart's name or the path of its file, and this is"):
        load_chart(odd)
