"""Drawings: complete, the same each time, and in step with the charts."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, StepVerdict, chart_names, charts_folder, load_chart, load_chart_text
from reconnect.chart.dot import colours, ends
from reconnect.chart.draw import draw_dot, draw_markdown, draw_mermaid, main, write_drawings

HOUSE = Path(__file__).parents[1]
DIAGRAMS = HOUSE / "diagrams"
ENDS = {"session": {"disconnected"}, "member": {"gone"}, "publisher": {"ended"}, "subscriber": {"destroyed"}}
every_chart = pytest.mark.parametrize("name", chart_names())

# What the library's charts do not have: frames that are entered from within, internal rows and exits of a frame, marks of HTML.
ODD = """
chart = "odd"
version = 1
initial = "a"
why = "An example | with a bar."
[events]
turn = { kind = "call", why = "w", means = "rotate" }
up = { kind = "call", why = "w" }
down = { kind = "call", why = "w" }
[actions]
notify = "w"
a_long_name_of_an_action = "w"
another_name_that_is_longer_than_a_line_of_the_label = "a | b"
[states.a]
role = "novel"
initial = "b"
entry = ["a_long_name_of_an_action"]
exit = ["another_name_that_is_longer_than_a_line_of_the_label"]
why = "w"
[states.a.states.b]
why = "w"
[states.a.states.c]
role = "other"
entry = ["notify"]
why = "w"
[[transitions]]
on = "turn"
from = "a.b"
to = "a.c"
effects = ["a_long_name_of_an_action", "another_name_that_is_longer_than_a_line_of_the_label"]
tells = "a_thing"
why = "w"
[[transitions]]
on = "down"
from = "a.b"
to = "a.c"
why = "w"
[[transitions]]
on = "turn"
from = "a.c"
to = "a"
why = "w"
[[transitions]]
on = "up"
from = "a"
why = "w"
[[transitions]]
on = "down"
from = "a.c"
why = "w"
"""


def odd() -> Statechart:
    return load_chart_text(ODD, file="somewhere/odd.toml")


def edges(dot: str) -> list[str]:
    return [line.strip() for line in dot.splitlines() if " -> " in line]


def edge(dot: str, tail: str, head: str) -> str:
    found = [line for line in edges(dot) if line.startswith(f'"{tail}" -> "{head}" ')]
    assert len(found) == 1, found
    return found[0]


@every_chart
def test_a_drawing_is_the_same_each_time(name: str) -> None:
    code = (
        "from reconnect.chart.draw import draw_dot, draw_markdown, load_chart; "
        f"chart = load_chart({name!r}); print(draw_dot(chart) + draw_markdown(chart))"
    )
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"}
        again = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, cwd=HOUSE, env=environment, timeout=60
        )
        assert again.stdout.decode() == draw_dot(load_chart(name)) + draw_markdown(load_chart(name)) + "\n"


@every_chart
def test_every_state_and_every_row_is_drawn(name: str) -> None:
    chart, dot = load_chart(name), draw_dot(load_chart(name))
    for state in chart.states:
        assert (f'subgraph "cluster_{state.name}"' if state.children else f'"{state.name}" [label') in dot
    wanted = {(source, row.to, row.on) for row in chart.transitions for source in row.sources if row.to}
    for source, target, event in wanted:
        tail = chart.below(source)[-1]
        head = f"{target}." if chart.index[str(target)].children else target
        assert f"<B>{event}</B>" in "".join(line for line in edges(dot) if line.startswith(f'"{tail}" -> "{head}" '))
    assert sum(line.count("<B>") for line in edges(dot)) == len(wanted)


def test_an_edge_says_event_effects_and_what_is_told_line_by_line() -> None:
    """Long labels are broken; further lines are set in, and what is told is not parted from its mark."""
    assert re.findall(r"<TD[^>]*>(.*?)</TD>", edge(draw_dot(odd()), "a.b", "a.c")) == [
        "<B>turn</B> / a_long_name_of_an_action,",
        "&nbsp;&nbsp;&nbsp;&nbsp;another_name_that_is_longer_than_a_line_of_the_label",
        "&nbsp;&nbsp;&nbsp;&nbsp;▸\N{NO-BREAK SPACE}a_thing",
        "<B>down</B>",
    ]


def test_edges_of_a_parent_end_on_its_frame() -> None:
    dot = draw_dot(load_chart("session"))
    assert 'lhead = "cluster_reconnecting"' in edge(dot, "connected", "reconnecting.")
    assert '"reconnecting." -> "reconnecting.waiting";' in edges(dot)
    cut = [line for line in edges(dot) if 'ltail = "cluster_reconnecting"' in line]
    assert len(cut) == 1
    assert "<B>ended</B>" in cut[0]


def test_an_edge_within_a_frame_is_not_cut_off_at_it() -> None:
    assert "lhead" not in edge(draw_dot(odd()), "a.c", "a.")
    itself = replace(odd(), transitions=(replace(odd().transitions[3], to="a"),))
    assert "ltail" not in draw_dot(itself)
    assert "lhead" not in draw_dot(itself)


def test_red_leads_to_the_end() -> None:
    for name, where in ENDS.items():
        chart = load_chart(name)
        assert ends(chart) == where
        for line in edges(draw_dot(chart)):
            target = line.split(" -> ")[1].split('"')[1].rstrip(".")
            assert ("#b3261e" in line) == (target in where and "[label" in line), line
    assert ends(load_chart("signal")) == set(load_chart("signal").below("settled"))


def test_the_chart_begins_at_a_dot() -> None:
    assert '"." -> "offline";' in edges(draw_dot(load_chart("publisher")))
    # Where it also ends there, the dot stands on the other side.
    assert '"disconnected" -> "." [dir = back];' in edges(draw_dot(load_chart("session")))


def test_boxes_have_compartments_and_internal_rows_are_no_edges() -> None:
    dot = draw_dot(load_chart("session"))
    box = next(line for line in dot.splitlines() if line.strip().startswith('"connected" [label'))
    assert box.count("<HR/>") == 2
    assert "entry / settle_judged," in box
    assert "exit / cancel:stable" in box
    assert "<B>stable</B> / reset_streak" in box
    assert not any("reset_streak" in line for line in edges(dot))
    plain = next(line for line in draw_dot(load_chart("publisher")).splitlines() if line.strip().startswith('"starting" [label'))
    assert "<HR/>" not in plain


def test_a_frame_says_what_it_asks_for() -> None:
    frame = next(line for line in draw_dot(odd()).splitlines() if "entry /" in line)
    assert "<B>a</B>" in frame
    assert "entry / a_long_name_of_an_action" in frame
    assert "exit / another_name_that_is_longer_than_a_line_of_the_label" in frame
    assert "<B>up</B>" in frame


def test_like_roles_look_alike_and_unknown_roles_have_a_colour_too() -> None:
    session, publisher, strange = (colours(chart) for chart in (load_chart("session"), load_chart("publisher"), odd()))
    assert session["online"] == publisher["live"]
    assert session["recovering"] == publisher["interrupted"] != session["online"]
    assert list(strange) == ["novel", "other"]
    assert strange["novel"] != strange["other"]


@every_chart
def test_the_page_has_every_pair_every_row_and_every_why(name: str) -> None:
    chart, page = load_chart(name), draw_markdown(load_chart(name))
    assert f"SHA-256 `{chart.sha256}`" in page
    assert f"version {chart.version}\n" in page
    letters = {StepVerdict.TAKEN: "T", StepVerdict.IGNORED: "I", StepVerdict.REFUSED: "R"}
    head = f"| event | {' | '.join(chart.leaves)} |"
    table = page[page.index(head) :].split("\n\n")[0].splitlines()[2:]
    assert len(table) == len(chart.events)
    for line, event in zip(table, chart.events, strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0] == f"`{event}`"
        for leaf, cell in zip(chart.leaves, cells[1:], strict=True):
            decision = chart.decide(leaf, event)
            word = "stays" if decision.internal else f"→ **{decision.target}**"
            said = word if decision.verdict is StepVerdict.TAKEN else decision.verdict
            assert cell == f"{said} {letters[decision.verdict]}{decision.row}"
    for row in chart.listed():
        line = next(line for line in page.splitlines() if line.startswith(f"| {letters[row.verdict]}{row.row} |"))
        assert line.endswith(f"| {row.why} |")
    for why in [*(state.why for state in chart.states), *(event.why for event in chart.events.values()), *chart.actions.values()]:
        assert why in page


@every_chart
def test_the_page_tells_the_actions_of_each_step_in_their_order(name: str) -> None:
    chart, lines = load_chart(name), draw_markdown(load_chart(name)).splitlines()
    for (leaf, event), decision in chart.table.items():
        if decision.verdict is StepVerdict.TAKEN:
            target = "stays" if decision.internal else f"`{decision.target}`"
            asked = ", ".join(f"`{action}`" for action in decision.actions)
            told = f"`{decision.tells}`" if decision.tells else ""
            assert f"| `{event}` | `{leaf}` | {target} | T{decision.row} | {asked} | {told} |" in lines


def test_a_page_leaves_out_what_the_chart_does_not_have_and_escapes_bars() -> None:
    page = draw_markdown(odd())
    assert not {"## Timers", "## Twins", "## Ignores", "## Refusals"} & set(page.splitlines())
    assert "| `another_name_that_is_longer_than_a_line_of_the_label` | a \\| b |" in page
    assert "| `turn` | call |  | `rotate` | w |" in page
    assert "- file `odd.toml`" in page


def test_mermaid_draws_frames_and_merges_edges() -> None:
    lines = draw_mermaid(load_chart("session")).splitlines()
    assert lines[0] == "```mermaid"
    assert lines[-1] == "```"
    assert '  subgraph s_reconnecting["reconnecting"]' in lines
    assert '    s_reconnecting__waiting(["waiting"])' in lines
    assert '  s_connected -->|"transport_lost"| s_reconnecting' in lines
    assert '  s_reconnecting -->|"ended"| s_disconnected' in lines
    assert '  s_reconnecting__joining -->|"resumed<br>joined"| s_connected' in lines


def test_mermaid_ends_an_edge_within_its_frame_at_the_leaf_that_is_entered() -> None:
    assert '  s_a__c -->|"turn"| s_a__b' in draw_mermaid(odd()).splitlines()
    itself = replace(odd(), transitions=(replace(odd().transitions[3], to="a"),))
    assert '  s_a__b -->|"up"| s_a__b' in draw_mermaid(itself).splitlines()


# -- the folder ------------------------------------------------------------------------------------------------------------------


def test_diagrams_are_up_to_date() -> None:
    assert write_drawings(DIAGRAMS, check=True) == [], "python -m reconnect.chart.draw brings them up to date"


def test_all_is_written_and_then_nothing_is_stale(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "diagrams"
    names = [f"{name}{suffix}" for name in chart_names() for suffix in (".dot", ".md")]
    assert write_drawings(folder) == names
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert write_drawings(folder, check=True) == write_drawings(folder) == []
    assert (folder / "session.dot").read_bytes() == draw_dot(load_chart("session")).encode()


def test_what_is_stale_missing_or_without_a_chart_is_named_and_then_mended(tmp_path: Path) -> None:
    write_drawings(tmp_path)
    (tmp_path / "session.md").write_text("edited by hand", encoding="utf-8")
    (tmp_path / "signal.dot").unlink()
    (tmp_path / "gone.dot").write_text("digraph {}", encoding="utf-8")
    (tmp_path / "picture.svg").write_text("not ours", encoding="utf-8")
    named = ["session.md", "signal.dot", "gone.dot"]
    assert write_drawings(tmp_path, check=True) == named
    assert (tmp_path / "session.md").read_text(encoding="utf-8") == "edited by hand"
    assert write_drawings(tmp_path) == named
    assert write_drawings(tmp_path, check=True) == []
    assert not (tmp_path / "gone.dot").exists()
    assert (tmp_path / "picture.svg").exists()


def test_a_folder_that_is_not_there_is_stale_and_not_made_by_a_check(tmp_path: Path) -> None:
    assert len(write_drawings(tmp_path / "none", check=True)) == 2 * len(chart_names())
    assert not (tmp_path / "none").exists()


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--out", str(tmp_path)]) == 1
    assert f"{tmp_path / 'session.dot'}: not up to date\n" in capsys.readouterr().out
    assert main(["--out", str(tmp_path)]) == 0
    written = [f"{tmp_path / name}{suffix}: brought up to date\n" for name in chart_names() for suffix in (".dot", ".md")]
    assert capsys.readouterr().out == "".join(written)
    assert main(["--check", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: all drawings are up to date\n"


def test_the_module_runs_and_draws_beside_the_charts_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["draw", "--check"])
    monkeypatch.delitem(sys.modules, "reconnect.chart.draw")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("reconnect.chart.draw", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{charts_folder().parent / 'diagrams'}: all drawings are up to date\n"
