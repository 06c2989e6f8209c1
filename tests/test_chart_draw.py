"""The folder of drawings and the reviewer's page: complete, the same each time, and in step with the charts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

import reconnect.chart.draw
import reconnect.chart.layout
from reconnect.chart import StepVerdict, chart_names, charts_folder, load_chart, load_chart_text
from reconnect.chart.draw import WIDTHS, default_folder, drawings, stale_drawings, stale_schema
from reconnect.chart.layout import lay_out
from reconnect.chart.mermaid import draw_mermaid
from reconnect.chart.page import draw_markdown
from reconnect.chart.shapes import Kind
from reconnect.cli.app import app
from reconnect.errors import DrawingUnavailable
from tests.odd_chart import ODD, odd

HOUSE = Path(__file__).parents[1]
DIAGRAMS = HOUSE / "diagrams"
every_chart = pytest.mark.parametrize("name", chart_names())


def charts(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["charts", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def all_drawn() -> dict[str, str]:
    return {name: text for chart in chart_names() for name, text in drawings(load_chart(chart)).items()}


# -- the same each time --------------------------------------------------------------------------------------------------------


def test_drawings_are_the_same_in_any_environment(tmp_path: Path) -> None:
    """Hashes, locale, fonts and folder change nothing: another process writes the same bytes."""
    code = "import sys; from reconnect.cli.app import app; app(['charts', 'draw', '--out', sys.argv[1]])"
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(HOUSE), "HOME": str(tmp_path), "LC_ALL": "C", "TZ": "UTC"}
        command = [sys.executable, "-c", code, str(folder)]
        subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True, timeout=60)
        written = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert written == {name: text.encode() for name, text in all_drawn().items()}


def test_diagrams_are_up_to_date() -> None:
    """U10: the diagrams are the charts: what is signed is what runs."""
    assert stale_drawings(DIAGRAMS, all_drawn()) + stale_schema() == [], "`reconnect charts draw` brings them up to date"


# -- the page ------------------------------------------------------------------------------------------------------------------


def tables(page: str, title: str) -> list[list[str]]:
    """Return the cells of the first table below a title."""
    below = page[page.index(f"## {title}\n") :]
    lines = below[below.index("\n|") + 1 :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@every_chart
def test_every_question_of_a_reviewer_is_answered_by_one_line(name: str) -> None:
    """What happens in state X when Y? One line says it in words, with why."""
    chart = load_chart(name)
    rows = tables(draw_markdown(chart), "What happens in X when Y")
    assert [(row[0], row[1]) for row in rows] == [(f"`{leaf}`", f"`{event}`") for leaf in chart.leaves for event in chart.events]
    for leaf, event, then, by, why in rows:
        found = chart.decide(leaf.strip("`"), event.strip("`"))
        assert why == found.why
        assert by == {"taken": "T", "ignored": "I", "refused": "R"}[found.verdict] + str(found.row)
        if found.verdict is not StepVerdict.TAKEN:
            assert then.startswith(f"{found.verdict}: ")
            continue
        assert then.startswith("stays" if found.internal else f"leads to `{found.target}`")
        if found.actions:
            assert f"; does {', '.join(f'`{action}`' for action in found.actions)}" in then
        assert ("; tells " in then) == (found.tells is not None)
        assert found.tells is None or then.endswith(f"; tells `{found.tells}`")


@every_chart
def test_the_page_has_every_pair_every_row_and_every_why(name: str) -> None:
    chart, page = load_chart(name), draw_markdown(load_chart(name))
    assert f"SHA-256 `{chart.sha256}`" in page
    assert f"version {chart.version}\n" in page
    letters = {StepVerdict.TAKEN: "T", StepVerdict.IGNORED: "I", StepVerdict.REFUSED: "R"}
    table = tables(page, "What each pair does")
    assert len(table) == len(chart.events)
    for cells, event in zip(table, chart.events, strict=True):
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


def test_a_page_fixes_its_pictures_by_their_hashes_the_simplest_first() -> None:
    page = drawings(load_chart("session"))["session.md"]
    shown = [line for line in page.splitlines() if line.startswith("![")]
    assert [line.partition("(")[2].strip(")") for line in shown] == ["session-states.svg", "session-overview.svg", "session.svg"]
    assert sha256(drawings(load_chart("session"))["session.svg"].encode()).hexdigest() in page


def test_a_page_leaves_out_what_the_chart_does_not_have_and_escapes_bars() -> None:
    page = draw_markdown(odd())
    assert not {"## Pictures", "## Timers", "## Twins", "## Refusals", "## Tells"} & set(page.splitlines())
    assert "| `another_name_that_is_longer_than_a_line_of_the_label` | a \\| b |" in page
    assert "| `turn` | call |  | `rotate` | w |" in page
    assert "- file `odd.toml`" in page
    told = replace(odd(), tells={"a_thing": "something of one's own"})
    assert "| `a_thing` | something of one's own |" in draw_markdown(told)


def test_mermaid_has_frames_and_the_arrows_of_the_full_picture() -> None:
    lines = draw_mermaid(load_chart("session")).splitlines()
    assert '  subgraph s_reconnecting["reconnecting"]' in lines
    assert '    s_reconnecting__waiting(["waiting"])' in lines
    assert '  s_connected -->|"transport_lost"| s_reconnecting' in lines
    assert '  s_reconnecting__joining -->|"resumed<br>joined"| s_connected' in lines
    red = next(line for line in lines if line.startswith("  linkStyle")).split()[1].split(",")
    arrows = [line for line in lines if " -->" in line]
    assert {arrows[int(number)].rpartition(" ")[2] for number in red} == {"s_disconnected"}
    assert len(red) == 4


def test_mermaid_ends_an_arrow_within_its_frame_at_the_leaf_that_is_entered() -> None:
    assert '  s_a__c -->|"turn"| s_a__b' in draw_mermaid(odd()).splitlines()
    rows = odd().transitions
    itself = replace(odd(), transitions=(*rows[:3], replace(rows[3], to="a"), *rows[4:]))
    assert '  s_a__b -->|"up"| s_a__b' in draw_mermaid(itself).splitlines()


def test_mermaid_of_a_chart_that_never_ends_has_no_red_arrow() -> None:
    """Nothing leads back to where it begins, and everything can be left."""
    text = 'chart = "endless"\nversion = 1\ninitial = "a"\nwhy = "w"\nevents.go = { kind = "call", why = "w" }\n'
    text += "".join(f'states.{name} = {{ role = "{name}", why = "w" }}\n' for name in "abc")
    for here, to in ("ab", "bc", "cb"):
        text += f'[[transitions]]\non = "go"\nfrom = "{here}"\nto = "{to}"\nwhy = "w"\n'
    endless = draw_mermaid(load_chart_text(text))
    assert endless.count("-->") == 4
    assert "linkStyle" not in endless
    assert "linkStyle" in draw_mermaid(odd())


# -- the folder ----------------------------------------------------------------------------------------------------------------


def test_all_is_written_and_then_nothing_is_stale(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "diagrams"
    code, out, _ = charts("draw", "--out", folder)
    names = list(all_drawn())
    assert {"session.dot", "session.svg", "session.md", "session-states.svg", "session-overview.svg", "member.svg"} <= set(names)
    assert (code, out) == (0, "".join(f"{folder / name}: brought up to date\n" for name in names))
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    for more in ((), ("--check",)):
        assert charts("draw", "--out", folder, *more)[:2] == (0, f"{folder}: all drawings are up to date\n")


def test_what_is_stale_missing_or_without_a_chart_is_shown_and_then_mended(tmp_path: Path) -> None:
    """`--check` shows a diff and writes nothing; without it all is mended. What was not drawn by this is left alone."""
    charts("draw", "--out", tmp_path)
    page = (tmp_path / "session.md").read_text(encoding="utf-8")
    (tmp_path / "session.md").write_text(page.replace("- version 1\n", "- version 7\n"), encoding="utf-8")
    (tmp_path / "signal.dot").unlink()
    (tmp_path / "gone.svg").write_bytes((tmp_path / "signal.svg").read_bytes())
    (tmp_path / "member.svg").write_bytes(b"\xff\n" * 100)
    for foreign in ("picture.svg", "README.md", "notes.txt"):
        (tmp_path / foreign).write_text("not ours", encoding="utf-8")
    code, out, _ = charts("draw", "--check", "--out", tmp_path)
    said = out.splitlines()
    assert code == 1
    assert [line for line in said if not line.startswith("  ")] == [
        f"{tmp_path / 'member.svg'}: is not up to date",
        f"{tmp_path / 'session.md'}: is not up to date",
        f"{tmp_path / 'signal.dot'}: is not there",
        f"{tmp_path / 'gone.svg'}: has no chart",
    ]
    at = said.index("  -- version 7")
    assert said[at + 1] == "  +- version 1"
    assert any(line.startswith("  and ") and line.endswith(" more lines") for line in said)
    assert (tmp_path / "gone.svg").exists()
    code, out, _ = charts("draw", "--out", tmp_path)
    assert (code, out.splitlines()[-1]) == (0, f"{tmp_path / 'gone.svg'}: removed")
    assert charts("draw", "--check", "--out", tmp_path)[0] == 0
    assert not (tmp_path / "gone.svg").exists()
    assert (tmp_path / "picture.svg").read_text(encoding="utf-8") == "not ours"


def test_a_chart_that_changed_makes_its_drawings_stale(tmp_path: Path) -> None:
    charts("draw", "--out", tmp_path)
    changed = load_chart_text(Path(load_chart("member").file).read_text(encoding="utf-8").replace("As above", "As before"))
    stale = stale_drawings(tmp_path, drawings(changed), complete=False)
    assert [one.path.name for one in stale] == ["member.dot", "member.svg", "member.md"]


def test_a_folder_that_is_not_there_is_stale_and_not_made_by_a_check(tmp_path: Path) -> None:
    code, out, _ = charts("draw", "--check", "--out", tmp_path / "none")
    assert code == 1
    assert len(out.splitlines()) == len(all_drawn())
    assert not (tmp_path / "none").exists()


def test_charts_of_ones_own_are_drawn_and_others_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("odd.toml").write_text(ODD, encoding="utf-8")
    Path("diagrams").mkdir()
    Path("diagrams", "other.svg").write_text(drawings(load_chart("member"))["member.svg"], encoding="utf-8")
    assert charts("draw", "odd.toml")[0] == 0
    assert sorted(path.name for path in Path("diagrams").iterdir()) == ["odd.dot", "odd.md", "odd.svg", "other.svg"]
    assert charts("draw", "--check", "odd.toml")[0] == 0
    Path("odd.toml").write_text(ODD.replace("version = 1", "version = 2"), encoding="utf-8")
    assert charts("draw", "--check", "odd.toml")[0] == 1
    Path("odd.toml").write_text(ODD.replace('to = "d.e"', 'to = "d.f"'), encoding="utf-8")
    code, _, err = charts("draw", "odd.toml")
    assert code == 1
    assert "odd.toml" in err
    assert "d.f" in err


def test_where_the_library_is_installed_drawings_of_ones_own_charts_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reconnect.cli.drawing.default_folder", lambda: Path("diagrams"))
    Path("odd.toml").write_text(ODD, encoding="utf-8")
    assert charts("draw", "odd.toml")[0] == 0
    assert charts("draw")[0] == 0
    assert {"odd.svg", "odd.md", "session.svg"} <= {path.name for path in Path("diagrams").iterdir()}
    assert charts("draw", "--check")[0] == 0


def test_two_charts_of_one_name_do_not_take_each_others_place(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text(ODD, encoding="utf-8")
    code, out, err = charts("draw", tmp_path / "one.toml", tmp_path / "two.toml", "--out", tmp_path / "drawn")
    assert (code, out) == (1, "")
    assert "two.toml: the chart before it is called 'odd' too, and its drawings would be lost" in " ".join(err.split())
    assert not (tmp_path / "drawn").exists()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_text(ODD, encoding="utf-8")
    code, _, err = charts("draw", tmp_path / "odd.toml", "--out", tmp_path / "odd.toml")
    assert code == 1
    assert " ".join(err.split()).endswith("odd.dot cannot be brought up to date: File exists")
    (tmp_path / "drawn" / "folder.svg").mkdir(parents=True)
    assert charts("draw", "--out", tmp_path / "drawn")[0] == 0
    assert (tmp_path / "drawn" / "folder.svg").is_dir()


def test_by_default_the_drawings_are_beside_the_charts_or_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_folder() == DIAGRAMS
    assert charts("draw", "--check")[:2] == (0, f"{DIAGRAMS}: all drawings are up to date\n")
    monkeypatch.setattr(reconnect.chart.draw, "charts_folder", lambda: tmp_path / "site-packages" / "statecharts")
    assert default_folder() == Path("diagrams")


def test_letters_that_are_too_small_are_told_and_fail_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert charts("draw", "--out", tmp_path)[2] == ""
    monkeypatch.setitem(WIDTHS, Kind.STATES, 700)
    code, _, err = charts("draw", "--out", tmp_path)
    assert code == 0
    said = "warning: session-states.svg: its smallest letters are 8.3 pixels high, and 9 are needed to read them"
    assert " ".join(err.split()) == said
    assert charts("draw", "--out", tmp_path, "--check")[0] == 1


def test_the_page_on_reading_quotes_a_page_that_there_is() -> None:
    text = (HOUSE / "docs" / "howto" / "read-a-diagram.md").read_text(encoding="utf-8")
    quoted = next(line for line in text.splitlines() if line.startswith("| `connected` | `transport_lost` |"))
    assert quoted.removesuffix("|") in (DIAGRAMS / "session.md").read_text(encoding="utf-8")


def test_a_schema_that_is_not_the_loaders_is_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reconnect.chart.draw, "charts_folder", lambda: tmp_path)
    (one,) = stale_schema()
    assert (one.found, one.path) == (None, tmp_path / "chart.schema.json")
    one.mend()
    assert stale_schema() == []
    assert (tmp_path / "chart.schema.json").read_bytes() == (charts_folder() / "chart.schema.json").read_bytes()


# -- without the extra ---------------------------------------------------------------------------------------------------------


def unavailable(monkeypatch: pytest.MonkeyPatch) -> str:
    reconnect.chart.layout._program.cache_clear()
    try:
        with pytest.raises(DrawingUnavailable) as raised:
            lay_out("digraph {}")
    finally:
        monkeypatch.undo()
        reconnect.chart.layout._program.cache_clear()
    return str(raised.value)


def test_without_the_pinned_wheel_nothing_is_drawn_and_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    reconnect.chart.layout._program.cache_clear()
    code, _, err = charts("draw", "--check")
    assert code == 1
    assert "pip install 'reconnect[diagrams]'" in err
    assert unavailable(monkeypatch) == (
        "a picture cannot be drawn: graphviz-pure 0.2.2 is not installed; pip install 'reconnect[diagrams]'"
    )
    monkeypatch.setattr(metadata, "version", lambda name: "0.3.0")
    assert "is version 0.3.0, and only 0.2.2 gives the same pictures" in unavailable(monkeypatch)


def test_a_program_that_is_gone_or_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect.chart.layout, "which", lambda name, path=None: None)
    assert "its program is not to be found" in unavailable(monkeypatch)
    with pytest.raises(DrawingUnavailable, match=r"could not lay it out: .*syntax error"):
        lay_out("digraph {")

    def absent(command: Sequence[str], **options: object) -> None:
        raise FileNotFoundError(2, os.strerror(2))

    monkeypatch.setattr(subprocess, "run", absent)
    assert "could not lay it out: [Errno 2]" in unavailable(monkeypatch)
