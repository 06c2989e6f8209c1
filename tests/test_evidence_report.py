"""The report: what stands in the page, that nothing of a journal becomes markup, and that what is left out is said."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from reconnect.audit import Journal
from reconnect.chart import load_chart
from reconnect.chart.dot import write_dot
from reconnect.chart.shapes import Kind
from reconnect.chart.sketch import sketch
from reconnect.cli.app import app
from reconnect.errors import DrawingUnavailable
from reconnect.evidence import gathering, page_tables
from reconnect.evidence.gathering import Gathering
from reconnect.evidence.page_chart import counted, picture
from reconnect.evidence.page_timeline import Timelines
from reconnect.evidence.printable import html, printable
from reconnect.evidence.report import Report, report
from tests.journals import Records, rechained, records
from tests.stories.stage import Stage
from tests.three_outages import written

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e\u2028"
FETCHES = {"src", "href", "data", "action", "xlink:href"}
VOID = {"meta", "link", "img", "br", "rect", "path", "ellipse", "line"}


class Outline(HTMLParser):
    """The elements of a page: their names, their attributes, and whether all that were opened are closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def names(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def reported(told: Records, folder: Path) -> Report:
    path = folder / "changed.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in rechained(told)))
    return report(path)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="timeline-data">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(written(tmp_path_factory.mktemp("report")))


# -- what stands in it ---------------------------------------------------------------------------------------------------------


def test_a_page_is_whole_and_needs_nothing_else(made: Report) -> None:
    outline = Outline(made.page)
    assert outline.open == []
    assert made.page.startswith("<!doctype html>\n")
    fetched = [
        value for _, one in outline.tags for name, value in one.items() if name in ("src", "href", "data", "action", "xlink:href")
    ]
    assert all(value is not None and value.startswith(("#", "data:,")) for value in fetched)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", made.page.replace("ws://hub.test", ""))
    assert not [name for _, one in outline.tags for name in one if name.startswith("on") or name == "style"]
    ids = [one["id"] for _, one in outline.tags if "id" in one]
    assert len(ids) == len(set(ids))
    targets = {str(one["href"])[1:] for one in outline.names("a")}
    assert targets <= set(map(str, ids))


def test_the_page_names_its_own_style_and_script_by_hash(made: Report) -> None:
    policy = next(
        one["content"] for one in Outline(made.page).names("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy


def test_its_parts_are_there(made: Report) -> None:
    assert "<strong>The journal holds.</strong>" in made.page
    assert made.verified.head in made.page
    assert len(re.findall(r'<tr id="outage-\d">', made.page)) == 3
    assert re.search(r'<td class="number">15\.\d{3} s</td>', made.page)
    assert re.search(
        r'<td>rejected</td><td class="serials">\d+</td><td class="why">no_such_connection</td><td>no</td>', made.page
    )
    assert "session, version 1: 11 of " in made.page
    assert 'aria-label="Picture of the chart session"' in made.page
    assert "In force, and not walked: subscriber, signal." in made.page or "In force, and not walked: subscriber, " in made.page
    assert len(re.findall(r'<li id="entry-\d+">', made.page)) == made.verified.entries
    assert "Never entered: connecting.waiting." in made.page
    assert "rehearsal" in made.page
    assert "left out" not in made.page.replace("is left out below", "")


def test_the_numbers_behind_the_timeline_are_those_of_the_journal(made: Report, tmp_path: Path) -> None:
    told = [json.loads(line) for line in written(tmp_path).read_bytes().splitlines()]
    data = data_of(made.page)
    session, camera = data["tracks"]
    steps = [one for one in told if one.get("machine") == "session" and one["record"] == "step" and one["from"] != one["to"]]
    assert [session["lanes"][stay[0]][0] for stay in session["stays"]] == ["disconnected", *(one["to"] for one in steps)]
    assert [stay[2] for stay in session["stays"][1:]] == [one["entry"] for one in steps]
    assert [round(stay[1], 3) for stay in session["stays"][1:]] == [round(one["at"] - steps[0]["at"], 3) for one in steps]
    assert [band[0] for band in session["bands"]] == [1, 2, 3]
    assert [band[0] for band in camera["bands"]] == [1, 2, 3]
    assert data["rows"]["session"][10].startswith("transitions[10] (transport_lost from connected): ")


def test_arrows_are_counted_where_they_were_taken() -> None:
    chart = load_chart("session")
    number = {row.on: place for place, row in reversed(list(enumerate(chart.transitions)))}
    lost, leave = number["transport_lost"], number["disconnect_requested"]
    inner = next(place for place, row in enumerate(chart.transitions) if row.to is None)
    drawn = counted(sketch(chart, Kind.FULL), {(lost, "connected"): 1_200, (inner, "connected"): 5, (9_999, "connected"): 1})
    by_ends = {(arrow.tail, arrow.head): arrow for arrow in drawn.arrows}
    arrow = by_ends["connected", chart.transitions[lost].to or ""]
    assert arrow.taken == 1_200
    assert arrow.lines[0][0].text == "1,200 \u00d7"
    assert sum(arrow.taken or 0 for arrow in drawn.arrows) == 1_200
    ended = next(place for place, row in enumerate(chart.transitions) if row.on == "ended" and "connected" in row.sources)
    told = counted(sketch(chart, Kind.FULL), {(ended, "connected"): 2})
    assert [arrow.tail for arrow in told.arrows if arrow.taken] == ["connected"]  # other states have an arrow for it as well
    assert "penwidth = 5.9" in write_dot(drawn)
    assert "penwidth = 0.6" in write_dot(drawn)
    assert "never" in picture(chart, {(leave, "connected"): 1})
    assert "penwidth = " not in write_dot(sketch(chart, Kind.FULL)).replace("penwidth = 1.4", "")


# -- what others said ----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_journal_becomes_markup(tmp_path: Path) -> None:
    """A54: whatever its texts are, the page is the same page."""
    told = records()
    for one in told:
        for name, value in one.items():
            if isinstance(value, str) and name not in ("record", "prev", "wall", "chart", "verdict", "source", "sha256"):
                one[name] = HOSTILE
        if one["record"] == "step":
            one.update(actions=[HOSTILE], tells="reconnecting" if one["row"] == 10 else HOSTILE)
        if one["record"] == "journal":
            one.update(host=HOSTILE, library=HOSTILE)
    made = reported(told, tmp_path)
    outline = Outline(made.page)
    assert outline.open == []
    assert len(outline.names("script")) == 2
    assert outline.names("img") == []
    assert "\u202e" not in made.page
    assert "\u2028" not in made.page
    assert "</script><script>alert(1)</script>" in "".join(outline.text)
    assert not made.verified.holds
    assert "<strong>The journal does not hold.</strong>" in made.page
    assert data_of(made.page)["tracks"]


def test_a_time_of_day_that_is_none_counts_as_the_beginning(tmp_path: Path) -> None:
    told = records()
    for one in told[1:]:
        one["wall"] = "0001-01-01T00:00:00"
    assert data_of(reported(told, tmp_path).page)["origin"] == 0.0


def test_what_stands_in_a_page_is_escaped() -> None:
    assert html("<a href='x'>&\n\u202e") == "&lt;a href=&#x27;x&#x27;&gt;&amp;\\n\\u202e"
    assert printable("tab\tand \x1b[31m") == "tab\\tand \\x1b[31m"


def test_lines_that_are_no_records_are_shown_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    lines = rechained(records())
    path.write_bytes(b"\n".join([*lines[:20], b"<b>\xff", b'{"record":"new"}', *lines[20:]]) + b"\n")
    made = report(path)
    assert not made.verified.holds
    assert "<b>line 21, unreadable</b> <code>&lt;b&gt;\\xff</code>" in made.page
    assert '<li class="objection">' in made.page
    assert ' <a href="#entry-' in made.page


def test_an_empty_file_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    page = report(tmp_path / "empty.jsonl").page
    assert "does not hold" in page
    for words in ("No step of a chart", "None: no session", "No signal was submitted", "Audit of empty.jsonl"):
        assert words in page
    assert Outline(page).open == []


def test_malformed_fields_are_passed_over(tmp_path: Path) -> None:
    told = records()
    for one in told:
        if one["record"] == "step":
            one["wall"] = "never"
        if one["record"] == "chart" and one["chart"] == "publisher":
            one["definition"] = {"name": 5}
        if one["record"] == "chart" and one["chart"] == "subscriber":
            one["definition"] = None
    page = reported(told, tmp_path).page
    assert "does not hold" in page
    lanes = [lane for track in data_of(page)["tracks"] if track["chart"] == "publisher" for lane in track["lanes"]]
    assert {colour for _, colour in lanes} == {"#78909c"}


# -- what is left out ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("REPORT_RECORDS", 30), ("REPORT_STATES", 6), ("REPORT_TRACKS", 1), ("REPORT_LEDGER_ROWS", 2)):
        monkeypatch.setattr(gathering, name, most)
    monkeypatch.setattr(page_tables, "REPORT_LEDGER_ROWS", 2)


@pytest.mark.usefixtures("small")
def test_what_is_left_out_is_said_with_its_place(tmp_path: Path) -> None:
    made = report(written(tmp_path))
    page = made.page
    assert f"30 of {made.verified.entries} records are in this page, those that matter most" in page
    shown = [int(entry) for entry in re.findall(r'<li id="entry-(\d+)">', page)]
    assert len(shown) == 30
    left_out = set()
    for first, last, file, begin, end in re.findall(
        r'<li class="left-out">Entr(?:y|ies) ([\d,]+)(?: to ([\d,]+))? (?:is|are) left out: ([\w.]+), lines (\d+) to (\d+)<', page
    ):
        entries = range(int(first), int(last or first) + 1)
        assert file == "day.jsonl"
        assert (int(begin), int(end)) == (entries[0], entries[-1])
        left_out |= set(entries)
    last = re.search(r"Entries (\d+) to (\d+) are left out: day.jsonl<", page)
    left_out |= set(range(int(last[1]), int(last[2]) + 1)) if last else set()
    assert sorted([*shown, *left_out]) == list(range(1, made.verified.entries + 1))
    assert {1, 2, made.verified.entries} <= set(shown)  # the header, the start and the stop
    assert "The first 6 stays are drawn; " in page
    assert "steps are of other machines" in page
    assert "1 later outages are left out of this page; <code>reconnect audit show FILE --outage N</code>" in page
    assert re.search(r"\d later records of such signals are left out of this page; <code>reconnect audit show FILE</code>", page)
    assert Outline(page).open == []


@pytest.mark.usefixtures("small")
def test_entries_that_are_objected_to_are_never_left_out(tmp_path: Path) -> None:
    told = records()
    for one in told[-3:-1]:
        one["at"] = 0.0
    made = reported(told, tmp_path)
    assert made.verified.first is not None
    assert f'<li id="entry-{made.verified.first.entry}">' in made.page


def test_records_between_two_files_are_named_by_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "REPORT_RECORDS", 3)
    from tests.journals import telling

    telling(Journal(tmp_path / "day.jsonl", file_bytes=45_000))
    page = report(tmp_path / "day.jsonl").page
    assert "left out: day.jsonl.1 to day.jsonl" in page


def test_more_objections_than_are_listed_are_counted(tmp_path: Path) -> None:
    told = records()
    for one in told[1:]:
        one["wall"], one["at"] = "", 5.0 - one["entry"]
    page = reported(told * 3, tmp_path).page
    assert re.search(r"[\d,]+ later ones are counted and not listed", page)


def test_ten_records_have_a_report(tmp_path: Path) -> None:
    made = reported(records()[:10], tmp_path)
    assert Outline(made.page).open == []
    assert len(re.findall(r'<li id="entry-\d+">', made.page)) == 10


@pytest.mark.slow
def test_a_hundred_thousand_records_have_a_report_that_opens(tmp_path: Path) -> None:
    told = records()
    days = 100_000 // (len(told) - 1) + 1
    made = reported([told[0], *(one for _ in range(days) for one in told[1:])], tmp_path)
    assert made.verified.holds, made.verified.first
    assert made.verified.entries > 100_000
    assert len(made.page) < 8_000_000
    assert len(re.findall(r'<li id="entry-\d+">', made.page)) == 2_000
    assert f"2,000 of {made.verified.entries:,} records are in this page" in made.page
    assert Outline(made.page).open == []


# -- without pictures, of a hub, of several ------------------------------------------------------------------------------------


def test_without_the_extra_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*values: object) -> str:
        raise DrawingUnavailable("graphviz-pure is not installed", "pip install 'reconnect[diagrams]'")

    monkeypatch.setattr("reconnect.evidence.report.picture", unavailable)
    made = report(written(tmp_path))
    assert made.unavailable == "a picture cannot be drawn: graphviz-pure is not installed; pip install 'reconnect[diagrams]'"
    assert "There are no pictures here: a picture cannot be drawn: graphviz-pure is not installed" in made.page
    assert "Each row, and how often it was taken" in made.page
    done = CliRunner().invoke(app, ["audit", "report", str(tmp_path / "day.jsonl"), "-o", str(tmp_path / "report.html")])
    assert done.exit_code == 0
    assert "warning: a picture cannot be drawn" in done.stderr


def test_a_hubs_members_have_timelines(tmp_path: Path) -> None:
    stage = Stage(audit=tmp_path / "hub.jsonl")

    async def day() -> None:
        await stage.enter("anna")
        await stage.enter("ben")

    stage.run(stage.tell(day))
    page = report(tmp_path / "hub.jsonl").page
    assert "anna, session room-1" in page
    assert len(data_of(page)["tracks"]) == 2


def test_processes_follow_each_other_on_one_clock(tmp_path: Path) -> None:
    """Each process has a clock of its own; the time of day ties them together."""
    told = records()
    for one in told[1:]:
        one.update(at=one["at"] - 900.0, wall=one["wall"].replace("2023-11-14", "2023-11-15"), source="later")
    gathered = Gathering()
    for number, line in enumerate(rechained(records() + told[1:]), 1):
        gathered.take(line, file="x", line=number)
    done = gathered.end()
    data = Timelines(done, {}).data
    first, _, second, _ = data["tracks"]
    assert round(second["stays"][0][1] - first["stays"][0][1]) == 86_400
    assert data["to"] > 86_400


# -- the command ---------------------------------------------------------------------------------------------------------------


def called(words: Sequence[str | Path], code: int) -> str:
    done = CliRunner().invoke(app, ["audit", "report", *map(str, words)], env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return done.output


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, page = written(tmp_path), tmp_path / "report.html"
    head = report(journal).verified.head
    assert "records, the journal holds" in called([journal, "-o", page, "--head", head.upper()], 0)
    assert page.read_text(encoding="utf-8") == report(journal).page
    shown = called([journal, "-o", page, "--head", "0" * 64], 1)
    assert "the journal does not hold" in shown
    assert "first objection: " in shown
    monkeypatch.chdir(tmp_path)
    page.unlink()
    called([journal], 0)
    assert page.exists()


def test_a_reviewed_chart_and_a_key_are_held_against_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 40)
    from tests.journals import telling

    telling(Journal(tmp_path / "day.jsonl", key="k" * 40))
    chart = Path(__file__).parent.parent / "statecharts" / "session.toml"
    words: list[str | Path] = [tmp_path / "day.jsonl", "-o", tmp_path / "r.html"]
    called([*words, "--key", key, "--chart", chart], 0)
    called(words, 1)
    other = tmp_path / "session.toml"
    other.write_text(chart.read_text(encoding="utf-8").replace("version = 1", "version = 2", 1), encoding="utf-8")
    assert "the reviewed one" in called([*words, "--key", key, "--chart", other], 1)
    assert "session, version 2" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_rows_are_counted_in_the_chart_that_ran_where_a_reviewed_one_numbers_them_otherwise(tmp_path: Path) -> None:
    from tests.journals import telling

    path = tmp_path / "day.jsonl"
    telling(Journal(path))
    ours = load_chart("session")
    fewer = msgspec.structs.replace(ours, version=2, transitions=ours.transitions[1:])
    page = report(path, charts=[fewer]).page
    assert "session, version 1" in page
    assert "session, version 2" not in page


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    assert "No such file" in called([tmp_path / "nothing"], 2)
    assert "cannot be written: No such file or directory" in called([written(tmp_path), "-o", tmp_path / "no" / "r.html"], 2)
    assert "cannot be read" in called([written(tmp_path), "--key", tmp_path / "nokey"], 2)


def test_the_page_does_not_take_the_place_of_the_journal(tmp_path: Path) -> None:
    journal = written(tmp_path)
    before = journal.read_bytes()
    assert "is the journal itself" in called([journal, "-o", tmp_path / "." / "day.jsonl"], 2)
    assert journal.read_bytes() == before


def test_the_pages_own_files_are_part_of_the_package() -> None:
    for name in ("page.css", "page.js"):
        assert files("reconnect.evidence").joinpath(name).is_file()
