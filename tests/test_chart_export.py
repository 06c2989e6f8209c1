"""Charts for other tools: SCXML, Mermaid, JSON, and the JSON Schema of the chart format."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import fields, replace
from typer.testing import CliRunner

from reconnect.chart import StepVerdict, chart_names, charts_folder, load_chart, load_chart_text
from reconnect.chart.export import Format, export
from reconnect.chart.load import FORMS, read_chart
from reconnect.chart.mermaid import draw_mermaid
from reconnect.chart.rows import Ignore, Refusal, Transition, Twins
from reconnect.chart.schema import KEYS, draw_schema
from reconnect.chart.scxml import draw_scxml
from reconnect.cli.app import app
from reconnect.errors import ChartUnreadable
from reconnect.record import Record
from tests.odd_chart import ODD, odd

SCXML = "{http://www.w3.org/2005/07/scxml}"
CHART = "{urn:reconnect:chart}"
every_chart = pytest.mark.parametrize("name", chart_names())


# -- SCXML (what it does is held to the Runner in laws/test_agreement.py) -------------------------------------------------------


@every_chart
def test_scxml_has_every_state_with_its_nesting_role_and_phase(name: str) -> None:
    chart, root = load_chart(name), ElementTree.fromstring(draw_scxml(load_chart(name)))
    assert (root.tag, root.get("name"), root.get("initial")) == (f"{SCXML}scxml", name, chart.initial)
    assert (root.get(f"{CHART}sha256"), root.get(f"{CHART}version")) == (chart.sha256, str(chart.version))
    parents = {child: parent for parent in root.iter() for child in parent}
    states = list(root.iter(f"{SCXML}state"))
    assert [element.get("id") for element in states] == [state.name for state in chart.states]
    for element, state in zip(states, chart.states, strict=True):
        assert parents[element].get("id") == state.parent
        assert (element.get("initial"), element.get(f"{CHART}phase")) == (state.initial, state.phase)
        assert (element.get(f"{CHART}role") or "") == state.role


@every_chart
def test_scxml_decides_every_pair_once(name: str) -> None:
    chart, root = load_chart(name), ElementTree.fromstring(draw_scxml(load_chart(name)))
    pairs = [
        (leaf, transition.get("event"))
        for state in root.iter(f"{SCXML}state")
        for transition in state.findall(f"{SCXML}transition")
        for leaf in chart.below(str(state.get("id")))
    ]
    assert sorted(pairs, key=str) == sorted(chart.table, key=str)


def test_a_comment_of_scxml_survives_what_would_end_it() -> None:
    chart = replace(odd(), why="two hyphens -- and --> more")
    assert "<!-- two hyphens - - and - -> more -->" in draw_scxml(chart)
    ElementTree.fromstring(draw_scxml(chart))


# -- JSON and Mermaid ----------------------------------------------------------------------------------------------------------


@every_chart
def test_json_has_all_that_the_file_says_and_the_table(name: str) -> None:
    chart, plain = load_chart(name), json.loads(export(load_chart(name), Format.JSON))
    file = tomllib.loads(Path(chart.file).read_text(encoding="utf-8"))
    assert (plain["name"], plain["version"], plain["sha256"]) == (name, chart.version, chart.sha256)
    assert [row["on"] for row in plain["transitions"]] == [row["on"] for row in file["transitions"]]
    assert plain["actions"] == file["actions"]
    assert set(plain["events"]) == set(file["events"])
    for entry in plain["table"]:
        decision = chart.decide(entry["state"], entry["event"])
        assert (entry["verdict"], entry["target"], entry["row"]) == (decision.verdict, decision.target, decision.row)
        assert (tuple(entry["exit"]), tuple(entry["effects"]), tuple(entry["entry"])) == (
            decision.exit, decision.effects, decision.entry,
        )  # fmt: skip
    assert len(plain["table"]) == len(chart.table)


def exported(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["charts", "export", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_exports_a_chart_by_name_or_path(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(ODD, encoding="utf-8")
    assert exported("--to", "scxml") == (0, draw_scxml(load_chart("session")), "")
    assert exported("--to", "mermaid", "member") == (0, draw_mermaid(load_chart("member")), "")
    assert exported("--to", "json", str(own)) == (0, export(load_chart(own), Format.JSON), "")
    code, out, err = exported("--to", "json", "nowhere")
    assert (code, out) == (1, "")
    assert "the file cannot be read" in err
    assert exported("--to", "pdf")[0] == 2


# -- the schema ----------------------------------------------------------------------------------------------------------------

SCHEMA = json.loads(draw_schema())
VALIDATOR = Draft202012Validator(SCHEMA)


def test_the_schema_lies_beside_the_charts_and_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert (charts_folder() / "chart.schema.json").read_text(encoding="utf-8") == draw_schema()


@every_chart
def test_every_chart_keeps_to_the_schema(name: str) -> None:
    VALIDATOR.validate(tomllib.loads(Path(load_chart(name).file).read_text(encoding="utf-8")))


def test_the_schema_has_every_key_of_the_loader_with_a_word_for_an_editor() -> None:
    forms: list[type[Record]] = [*FORMS.values(), Transition, Ignore, Refusal, Twins]
    assert {field.encode_name for form in forms for field in fields(form)} == set(KEYS)
    sizes = [len(part["properties"]) for part in [SCHEMA, *SCHEMA["$defs"].values()] if "properties" in part]
    assert sorted(sizes) == sorted(len(fields(form)) for form in forms)
    assert all(part["description"] for part in SCHEMA["properties"].values())


def mistakes() -> Iterator[tuple[str, Callable[[dict[str, Any]], object]]]:
    def first(rows: str, chart: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = chart[rows][0]
        return found

    yield "no version", lambda chart: chart.pop("version")
    yield "a version in words", lambda chart: chart.update(version="one")
    yield "an unknown table", lambda chart: chart.update(transition=[])
    yield "an event of no kind", lambda chart: chart["events"]["joined"].update(kind="wish")
    yield "an event without a why", lambda chart: chart["events"]["joined"].pop("why")
    yield "a timer without seconds", lambda chart: chart["timers"]["retry"].pop("seconds")
    yield "an action without words", lambda chart: chart["actions"].update(notify=7)
    yield "a misspelt key of a state", lambda chart: chart["states"]["connected"].update(enrty=["notify"])
    yield "a misspelt key of a child", lambda chart: chart["states"]["connecting"]["states"]["dialing"].update(initail="x")
    yield "a misspelt key of a row", lambda chart: first("transitions", chart).update(tels="connected")
    yield "two events in a row", lambda chart: first("transitions", chart).update(on=["joined", "resumed"])
    yield "a row from nowhere", lambda chart: first("transitions", chart).pop("from")
    yield "a number as a target", lambda chart: first("transitions", chart).update(to=3)
    yield "an ignore that leads on", lambda chart: first("ignores", chart).update(to="connected")
    yield "a refusal of nothing", lambda chart: first("refuses", chart).pop("on")
    yield "twins without a why", lambda chart: first("twins", chart).pop("why")


MISTAKES = dict(mistakes())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_the_loader_cannot_read_an_editor_marks(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schema and the loader agree, mistake by mistake."""
    file = tomllib.loads(Path(load_chart("session").file).read_text(encoding="utf-8"))
    MISTAKES[mistake](file)
    assert list(VALIDATOR.iter_errors(file)), mistake
    monkeypatch.setattr("reconnect.chart.load._decode", lambda content, name: file)
    with pytest.raises(ChartUnreadable):
        read_chart(b"", "session.toml")


def test_a_list_of_one_may_be_written_as_its_only_member() -> None:
    file = tomllib.loads(ODD)
    VALIDATOR.validate(file)
    assert any(isinstance(row["from"], str) for row in file["transitions"])
    assert any(isinstance(row["on"], str) for row in file["ignores"])


def test_a_name_that_cannot_be_one_is_marked() -> None:
    file = tomllib.loads(ODD)
    file["states"]["a-b"] = file["states"].pop("a")
    assert [error.validator for error in VALIDATOR.iter_errors(file)] == ["pattern"]


def test_editors_find_the_schema() -> None:
    """`.taplo.toml` is read by taplo and by the editors that build on it."""
    rules = tomllib.loads((Path(__file__).parents[1] / ".taplo.toml").read_text(encoding="utf-8"))["rule"]
    assert [(rule["include"], rule["schema"]["path"]) for rule in rules] == [
        (["statecharts/*.toml"], "statecharts/chart.schema.json")
    ]


def test_every_verdict_has_a_label_of_its_own_in_scxml() -> None:
    text = draw_scxml(load_chart("session"))
    for label in ("action", "tells", StepVerdict.IGNORED, StepVerdict.REFUSED):
        assert f'<log label="{label}"' in text
    assert load_chart_text(ODD).name in draw_scxml(odd())
