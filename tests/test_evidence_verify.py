"""What a verifier finds in a journal whose chain is right and whose story is not; and what it says of one that holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.audit import Journal
from reconnect.audit.chain import ROOT, Head, hash_of
from reconnect.audit.definition import definition
from reconnect.audit.entries import KINDS, Policy
from reconnect.audit.reading import read_records
from reconnect.chart import Statechart, load_chart
from reconnect.chart.load import load_chart_text
from reconnect.errors import AuditFailed
from reconnect.evidence.delays import made_anew
from reconnect.evidence.objections import KEPT, Objection, Rule
from reconnect.evidence.reading import LINE_BYTES, journals_of
from reconnect.evidence.verify import Verified, verify
from reconnect.retry import RetryPolicy, full_jitter, steps
from tests.journals import Records, checked, head_of, index, rechained, records, step_of, story, telling
from tests.stories.stage import Stage

KEY = b"a key of more than sixteen bytes"


def first_of(told: Records, **options: Any) -> Objection:
    """Return the first objection to these records under a chain that is right again."""
    found = checked(rechained(told), **options)
    assert found.first is not None, "nothing was found"
    return found.first


# -- one that holds ------------------------------------------------------------------------------------------------------------


def test_a_journal_of_a_story_holds_and_is_summed_up(tmp_path: Path) -> None:
    """U06: accepted by the declared table; it reproduces the final state, the counters and the events."""
    path = tmp_path / "audit.jsonl"
    anna = telling(path)
    (found,) = verify([path])
    assert (found.holds, found.objections, found.remarks) == (True, (), ())
    statistics = anna.session.statistics()
    assert (found.submitted, found.pending) == (statistics.submitted, 0)
    assert found.outcomes == {status.value: count for status, count in statistics.outcomes.items() if count}
    assert set(found.outcomes) == {"delivered", "dropped", "cancelled", "expired", "rejected"}
    away, back, *_ = anna.told("reconnecting", "reconnected")
    assert (found.outages, found.longest_outage) == (2, back.at - away.at)
    assert found.questions == found.recomputed > 2
    assert found.attempts == found.charts["session"].visited["reconnecting.dialing"] + 1
    assert found.charts["session"].visited["disconnected"] == 1
    assert 0 < len(found.charts["session"].taken) < found.charts["session"].rows
    assert found.sources == 1
    assert found.head == head_of(path.read_bytes().split(b"\n")[:-1])
    assert (found.first_wall, found.files) == ("2023-11-14T22:13:20.000Z", (str(path),))
    assert all(type(line).__name__ for line in KINDS.values())


def test_the_reviewed_charts_and_the_key_make_no_difference_to_one_that_holds() -> None:
    reviewed = [load_chart(name) for name in ("session", "publisher", "signal", "member")]
    assert checked(story(KEY), charts=reviewed, key=KEY, heads=[head_of(story(KEY), KEY)]).holds


def test_a_session_that_is_connected_again_goes_on_in_its_journal(tmp_path: Path) -> None:
    """One core, two connects: serials, questions and generations go on."""
    path = tmp_path / "audit.jsonl"
    journal = Journal(path)
    telling(journal)
    telling(journal, seed=8)
    (found,) = verify([path])
    assert (found.holds, found.sources, found.outages) == (True, 2, 4), found.objections
    assert len(found.remarks) == 1
    assert "the time of day was set back" in found.remarks[0]


# -- what the story gives away -------------------------------------------------------------------------------------------------


def retold(event: str, /, **changes: Any) -> Callable[[Records], None]:
    """Return what changes a step of the session."""

    def change(told: Records) -> None:
        told[step_of(told, event)].update(changes)

    return change


def without(holds: Callable[[dict[str, Any]], object]) -> Callable[[Records], None]:
    """Return what takes a record out."""

    def change(told: Records) -> None:
        del told[index(told, holds)]

    return change


def twice(holds: Callable[[dict[str, Any]], object]) -> Callable[[Records], None]:
    """Return what says a record twice."""

    def change(told: Records) -> None:
        place = index(told, holds)
        told.insert(place, dict(told[place]))

    return change


def changed(holds: Callable[[dict[str, Any]], object], **changes: Any) -> Callable[[Records], None]:
    """Return what changes the first record for which it holds."""

    def change(told: Records) -> None:
        told[index(told, holds)].update(changes)

    return change


def is_input(what: str) -> Callable[[dict[str, Any]], bool]:
    return lambda record: record.get("what") == what and record["record"] == "input"


def is_event(event: str) -> Callable[[dict[str, Any]], bool]:
    return lambda record: record.get("event") == event


def is_kind(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda record: record["record"] == kind


def deeper(what: str, *path: str, value: Any) -> Callable[[Records], None]:
    """Return what changes a value within an input."""

    def change(told: Records) -> None:
        place = told[index(told, is_input(what))]["input"]
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return change


def sooner(event: str, seconds: float) -> Callable[[Records], None]:
    """Return what lets everything from a step on, and the wake-up before it, happen earlier."""

    def change(told: Records) -> None:
        place = step_of(told, event)
        for record in told[place - 1 :]:
            if "at" in record:
                record["at"] -= seconds
        told[place - 1]["inputs"] = [["woke", told[place - 1]["at"]]]

    return change


LIES: dict[str, tuple[Callable[[Records], None], str, str]] = {
    "another target": (retold("transport_lost", to="connected"), "legality", "leads to reconnecting.waiting"),
    "another row": (retold("transport_lost", row=3), "legality", "has transitions"),
    "another event told": (retold("transport_lost", tells=None), "legality", "tells reconnecting, not nothing"),
    "other actions": (retold("transport_lost", actions=["notify"]), "legality", "announce_attempt, not for notify"),
    "another verdict": (retold("transport_lost", verdict="ignored"), "legality", "says taken: transitions["),
    "an unknown state": (retold("transport_lost", **{"from": "elsewhere"}), "legality", "has no state 'elsewhere'"),
    "an unknown event": (retold("transport_lost", event="earthquake"), "legality", "has no event 'earthquake'"),
    "a step left out": (without(is_event("transport_opened")), "legality", "session was in connecting.dialing"),
    "a step twice": (twice(is_event("transport_lost")), "legality", "session was in reconnecting.waiting"),
    "a publication in the middle": (
        without(lambda record: record.get("machine") == "publish:camera"), "legality", "was never seen before",
    ),
    "another chart's hash": (changed(is_kind("chart"), sha256="0" * 64, definition=None), "chart", "is named and not given"),
    "another definition": (
        changed(is_kind("chart"), definition={"name": "session"}), "chart", "the definition of the chart session is no chart",
    ),
    "no chart": (without(is_kind("chart")), "chart", "no chart session is in force"),
    "a step by another chart": (retold("transport_lost", chart_sha256="0" * 12), "chart", "and the one in force is"),
    "a step by a part of a hash": (retold("transport_lost", chart_sha256=""), "chart", "and the one in force is"),
    "no policy": (without(is_kind("policy")), "delay", "does not say which one is in force"),
    "an old transport": (retold("transport_lost", generation=7), "generation", "the step says transport 7, and transport 1 was"),
    "a stale report without a note": (
        without(lambda record: record.get("what") == "stale_generation"), "generation", "was followed by this",
    ),
    "a note without a stale report": (
        twice(lambda record: record.get("what") == "stale_generation"), "generation", "and none such came",
    ),
    "a report of an old transport": (deeper("transport_ended", "generation", value=0), "generation", "a report of transport 0"),
    "a timer too early": (sooner("retry_due", 0.1), "timer", "and its timer was due at"),
    "another delay": (retold("transport_lost", retry_in=0.25), "delay", "the delay is 0.25, and the policy answered"),
    "another answer": (deeper("verdict", "answer", "retry_in", value=0.25), "delay", "the policy answered 0.25 s"),
    "another chance": (deeper("verdict", "question", "chance", value=0.5), "delay", "is not number 1 of the recorded seed"),
    "another reason": (retold("transport_lost", reason="silent"), "delay", "is silent, and the policy answered closed"),
    "another attempt": (retold("transport_lost", attempt=2), "delay", "the attempt is number 2"),
    "no question": (without(is_input("verdict")), "delay", "was answered by nobody"),
    "a question that is none": (deeper("verdict", "question", value=7), "delay", "the question or the answer is none"),
    "an outcome left out": (without(is_kind("outcomes")), "accounting", "without an outcome"),
    "an outcome twice": (twice(is_kind("outcomes")), "accounting", "not all of them were pending"),
    "an outcome of nothing": (changed(is_kind("outcomes"), serials=[[1, 99]]), "accounting", "not all of them were pending"),
    "no outcome": (changed(is_kind("outcomes"), status="lost"), "accounting", "'lost' is no outcome"),
    "a certain doubt": (changed(is_kind("outcomes"), possibly_sent=True), "accounting", "delivered signals cannot be in doubt"),
    "another outcome": (
        changed(lambda record: record.get("status") == "dropped", status="delivered"), "accounting", "the outbox counted",
    ),
    "signals that were never submitted": (
        changed(is_kind("stop"), submitted=99), "accounting", "the outbox took 99 signals, and the journal has",
    ),
    "signals that are left": (changed(is_kind("stop"), pending=[[1, 1]]), "accounting", "the outbox has 1 without an outcome"),
    "a clock that goes back": (changed(lambda record: record.get("event") == "retry_due", at=0.0), "time", "went back from"),
}  # fmt: skip


@pytest.mark.parametrize(("lie", "rule", "words"), LIES.values(), ids=LIES)
def test_a_story_that_cannot_be_is_found_though_the_chain_is_right(lie: Callable[[Records], None], rule: str, words: str) -> None:
    """A34 U06 S04: each rule finds what breaks it, at the line that breaks it."""
    told = records()
    lie(told)
    first = first_of(told)
    assert first.kind == rule, first
    assert words in first.problem, first


def test_each_lie_is_one_and_the_whole_story_is_none() -> None:
    assert checked(rechained(records())).holds


def test_a_record_that_was_lost_without_a_gap_is_found() -> None:
    """Written so: the chain is right, and a number of the source is missing."""
    told = records()
    place = step_of(told, "transport_lost")
    for record in told[place:]:
        record["sequence"] += 1
    found = checked(rechained(told, renumber=False))
    assert [str(objection) for objection in found.objections] == [
        f"journal:{place + 1} (entry {place + 1}): order: record {place + 1} of {told[1]['source']} follows record {place - 1}"
    ]


def with_a_gap(lost: int) -> Records:
    """Return the story with some records replaced by a gap."""
    told = records()
    place = step_of(told, "transport_lost")
    gap = {**{key: told[place][key] for key in ("at", "wall", "session", "source")}, "record": "gap", "problem": "no space left"}
    told[place : place + lost] = [{**gap, "sequence": told[place]["sequence"] + lost, "lost": lost}]
    for record in told[place + 1 :]:
        record["sequence"] += 1
    return told


@pytest.mark.parametrize("lost", [1, 4, 20])
def test_a_recorded_gap_is_told_once_and_the_rest_is_checked_as_far_as_it_can_be(lost: int) -> None:
    found = checked(rechained(with_a_gap(lost), renumber=False))
    assert [objection.kind for objection in found.objections] == ["gap"], found.objections
    assert f"{lost} records could not be written: no space left" in str(found.first)


def test_a_wait_for_the_stale_timer_is_needed() -> None:
    """A timer's event without a wake-up before it."""
    told = records()
    place = step_of(told, "retry_due")
    told[place - 1]["inputs"] = [["flush", told[place - 1]["at"]]]
    first = first_of(told)
    assert (first.kind, first.problem) == ("timer", "retry_due: the core was not woken")


def test_a_timer_that_fires_once_more_than_it_was_armed() -> None:
    """After ten seconds the connection is stable, once; whoever says so again says what no timer said."""
    told = records()
    place = step_of(told, "transport_lost") - 2  # before the report and the verdict that led to it
    for record in told[place:]:
        record["at"] += 20.0
    at, step = told[place]["at"], told[step_of(told, "transport_lost")]
    decision = load_chart("session").table["connected", "stable"]
    woke = {**told[index(told, is_kind("traffic"))], "at": at, "inputs": [["woke", at]]}
    stable = {
        **step, "at": at, "event": "stable", "to": "connected", "row": decision.row, "tells": None, "retry_in": None,
        "attempt": None, "reason": None, "actions": list(decision.actions),
    }  # fmt: skip
    assert checked(rechained([*told[:place], woke, stable, *told[place:]])).holds
    first = first_of([*told[:place], woke, stable, dict(woke), dict(stable), *told[place:]])
    assert (first.kind, first.problem, first.line) == ("timer", "stable: no timer of this event was armed", place + 4)


def test_a_policy_whose_rules_are_not_ours_is_held_to_its_bounds() -> None:
    told = records()
    policy = told[index(told, is_kind("policy"))]
    policy.update(wait="wait_fixed(wait_fixed=2.0)", seed=None, max_wait_seconds=0.1)
    first = first_of(told)
    assert (first.kind, first.problem.split(" is not ")[1]) == ("delay", "between 0 and max_wait_seconds=0.1")
    policy.update(max_wait_seconds=3600.0, give_up_after_seconds=0.01)
    assert "is the end" in first_of(told).problem
    policy.update(give_up_after_seconds=None)
    assert checked(rechained(told)).recomputed == 0
    for record in told:
        if record.get("what") == "verdict":
            record["input"]["question"]["cause"]["retry_after"] = 9.0
    assert "the hub asked for 9.0 s" in first_of(told).problem


# -- the grammar of events -----------------------------------------------------------------------------------------------------


def another_chart(**tells: str | None) -> Statechart:
    """Return the session's chart with rows that tell something else."""
    chart = load_chart("session")
    rows = tuple(
        msgspec.structs.replace(row, tells=tells[row.on]) if row.tells and row.on in tells else row for row in chart.transitions
    )
    return msgspec.structs.replace(chart, transitions=rows, sha256="f" * 64)


def test_events_in_an_order_that_cannot_be() -> None:
    """A chart of the user's own may tell what it likes; the grammar is the library's promise."""
    told = records()
    chart = another_chart(resumed="connected")
    for record in told:
        if record["record"] == "chart" and record["chart"] == "session":
            record.update(sha256=chart.sha256, definition=definition(chart))
        if record.get("chart") == "session" and record["record"] == "step":
            record["chart_sha256"] = chart.sha256[:12]
            if record["event"] == "resumed":
                record["tells"] = "connected"
    first = first_of(told)
    assert (first.kind, first.problem) == ("grammar", "connected was told after reconnecting")


# -- the reviewed chart --------------------------------------------------------------------------------------------------------


def lacking(event: str) -> Statechart:
    """Return the session's chart with the rows of this event made ignores, as a reviewer might have signed it."""
    chart = load_chart("session")
    rows = Path(chart.file).read_text(encoding="utf-8").split("[[")
    for number, row in enumerate(rows):
        if row.startswith(f'transitions]]\non = "{event}"'):
            source = row.split('from = "')[1].split('"')[0]
            rows[number] = f'ignores]]\non = "{event}"\nin = "{source}"\nwhy = "Never."\n\n'
    return load_chart_text("[[".join(rows), "reviewed.toml")


def test_a_journal_that_took_a_row_which_the_reviewed_chart_lacks_fails_and_names_the_row() -> None:
    told = records()
    reviewed = lacking("retry_requested")
    found = checked(rechained(told), charts=[reviewed])
    assert [objection.kind for objection in found.objections] == ["chart", "legality"]
    hashes, step = found.objections
    assert f"and the reviewed one {reviewed.sha256}" in hashes.problem
    assert step.line == step_of(told, "retry_requested") + 1
    row = told[step_of(told, "retry_requested")]["row"]
    assert step.problem.startswith(
        f"retry_requested led from reconnecting.waiting to reconnecting.dialing by transitions[{row}] (retry_requested from "
        "reconnecting.waiting), and the chart session says ignored: ignores["
    )


def test_a_definition_that_is_not_the_reviewed_files_is_found_though_the_hash_is() -> None:
    told = records()
    reviewed = another_chart(stable=None)
    reviewed = msgspec.structs.replace(reviewed, version=9)
    told[index(told, lambda record: record.get("chart") == "session")]["sha256"] = reviewed.sha256
    first = first_of(told, charts=[reviewed])
    assert first.kind == "chart"
    assert (
        first.problem
        == "the definition of the chart session is not that of the reviewed file of that hash: it differs in version"
    )


def test_a_chart_that_was_changed_in_memory_under_the_hash_of_its_file_is_found() -> None:
    told = records()
    chart = msgspec.structs.replace(another_chart(resumed="connected"), sha256=load_chart("session").sha256)
    told[index(told, lambda record: record.get("chart") == "session")]["definition"] = definition(chart)
    for record in told:
        if record.get("event") == "resumed":
            record["tells"] = "connected"
    first = first_of(told)
    assert (first.kind, "it differs in transitions" in first.problem) == ("chart", True), first
    first = first_of(told, charts=[load_chart("session")])
    assert "the library's file of that hash" in first.problem


# -- torn, killed, damaged -----------------------------------------------------------------------------------------------------


def test_a_torn_last_line_is_recognised_and_no_objection() -> None:
    lines = story()[:40]
    found = checked(lines, torn=b'{"prev":"ab')
    assert (found.holds, len(found.remarks)) == (True, 2)
    assert found.remarks[0].startswith("the last line is torn: 11 bytes")
    assert found.remarks[1] == "1 of its sources did not stop: they were killed, or are still at work"


def test_a_killed_process_and_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    telling(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\n", 0, -2) - 30])
    telling(path, seed=8)
    (found,) = verify([path])
    assert found.holds, found.objections
    assert any("a torn line of" in remark for remark in found.remarks)
    assert any("did not stop: they were killed" in remark for remark in found.remarks)


def test_signals_that_a_killed_process_left_are_remarked(tmp_path: Path) -> None:
    lines = [*story()]
    told = records()
    place = index(told, is_kind("outcomes"))
    found = checked(rechained([*told[:place], *told[1:]]))
    assert found.holds, found.objections
    assert any("30 signals of " in remark and "had no outcome" in remark for remark in found.remarks)
    assert len(lines) > place


def test_nothing_is_no_journal(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    (found,) = verify([empty])
    assert found.first is not None
    assert found.first.problem == "there is no record in it"
    with pytest.raises(AuditFailed, match="No such file"):
        verify([tmp_path / "none.jsonl"])


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with path.open("wb") as file:
        file.truncate(LINE_BYTES + 2 * 1024 * 1024)
    with pytest.raises(AuditFailed, match="it has a line of more than 16,777,216 bytes"):
        verify([path])


def test_a_thousand_bad_lines_are_counted_and_a_few_are_kept() -> None:
    found = checked([b"nonsense"] * 1000)
    assert (found.counts["unreadable"], len(found.objections)) == (1000, KEPT)
    assert str(found.first).startswith("journal:1: unreadable: this is no record: JSON is malformed")


# -- keys and heads ------------------------------------------------------------------------------------------------------------


def test_without_the_key_or_with_another_the_chain_is_not_believed() -> None:
    found = checked(story(KEY))
    assert found.first is not None
    assert (found.first.line, found.counts) == (1, {"chain": 1})
    assert "give the key" in found.first.problem
    found = checked(story(), key=KEY)
    assert found.first is not None
    assert "it was written without one" in found.first.problem
    found = checked(story(KEY), key=b"another key of enough bytes")
    assert found.first is not None
    assert found.first.kind == "chain"


def test_heads_that_were_published_on_the_way_must_be_met() -> None:
    lines = story()
    middle = head_of(lines[:20])
    assert checked(lines, passes=[middle]).holds
    found = checked(lines, passes=["0" * 64])
    assert str(found.first).endswith(f"head: no line has the published hash {'0' * 64}")
    found = checked(lines, heads=[middle])
    assert found.first is not None
    assert found.first.problem == f"{len(lines) - 20} entries follow entry 20, whose hash is the head that was given"


def heads_of(lines: Sequence[bytes], *entries: int, path: str = "anna.jsonl") -> list[Head]:
    """Return what was published of these entries."""
    return [Head(path=path, file=1, entry=entry, sha256=head_of(lines[:entry]), wall="") for entry in entries]


def test_of_a_chain_that_was_computed_anew_published_heads_say_where() -> None:
    """A34: each rule holds, and so does the chain; that entry 25 is another one shows at the next head, and nowhere before."""
    lines, told = story(), records()
    heads = heads_of(lines, 10, 20, 30, 40, len(lines))
    assert checked(lines, passes=heads).holds
    told[24]["added"] = "nothing happened"
    forged = rechained(told)
    assert checked(forged).holds
    found = checked(forged, passes=heads)
    assert [(one.kind, one.line) for one in found.objections] == [("head", 30)]
    assert "an entry from 21 to 30 was changed" in str(found.first)
    assert "and another one was published: it was changed" in str(checked(forged, passes=heads_of(lines, 24, 25)).first)
    cut = checked(lines[:35], passes=heads)
    assert [one.problem.split()[-1] for one in cut.objections] == ["40", str(len(lines))]
    assert [one.line for one in checked(forged[:35], passes=heads).objections] == [30, 35, 35]


def test_two_lines_beside_each_other_that_were_changed_are_both_suspected() -> None:
    lines = list(story())
    for place in (20, 21):
        lines[place] = lines[place].replace(b'"sequence":', b'"sequence": ')
    found = checked(lines)
    assert [one.line for one in found.objections] == [22]
    assert "it was changed, or the one before was, too" in str(found.first)


def test_published_heads_of_other_journals_are_passed_over_where_some_are_of_this_one(tmp_path: Path) -> None:
    """One file of heads for two journals; a journal of another name is held to all of them, or a new name would be a way out."""
    paths = [tmp_path / "anna.jsonl", tmp_path / "ben.jsonl"]
    heads: list[Head] = []
    for seed, path in enumerate(paths):
        telling(Journal(path, publish=heads.append), seed=seed)
    for found in verify(paths, passes=heads):
        assert found.holds, found.objections
        assert found.remarks == ("passed over are published heads of other journals: 1",)
    paths[0].write_bytes(paths[1].read_bytes())
    assert not verify(paths[:1], passes=heads)[0].holds
    other = paths[0].rename(tmp_path / "other.jsonl")
    assert not verify([other], passes=heads)[0].holds


def test_a_gap_of_nothing_excuses_nothing() -> None:
    told = records()
    place = step_of(told, "transport_lost")
    told.insert(place, {**{name: told[place][name] for name in ("at", "wall", "session", "source")}, "record": "gap", "lost": 0})
    told[place]["sequence"] = 0
    found = checked(rechained(told))
    assert (found.objections[0].kind, found.objections[0].line) == ("gap", place + 1)


def test_a_chart_that_is_neither_ours_nor_reviewed_is_remarked_once() -> None:
    told = records()
    for record in told:
        if record.get("chart") == "session":
            record.update({"sha256": "f" * 64} if record["record"] == "chart" else {"chart_sha256": "f" * 12})
    found = checked(rechained(told))
    assert found.holds
    (remark,) = found.remarks
    assert remark.startswith("the chart session ffffffffffff is not this library's, and no reviewed copy of it was given")


# -- several files -------------------------------------------------------------------------------------------------------------


def told_in_files(path: Path, **options: Any) -> list[Path]:
    telling(Journal(path, file_bytes=40_000, **options))
    (files,) = journals_of([path])
    assert len(files) > 1
    return files


def test_the_full_files_are_read_before_the_one_that_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    files = told_in_files(path)
    (found,) = verify([path])
    assert (found.holds, found.files) == (True, tuple(map(str, files))), found.objections
    (again,) = verify([path, *reversed(files)])
    assert again == found


def test_a_file_by_itself_holds_and_says_that_it_is_a_part(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    files = told_in_files(path)
    for file in files[:-1]:
        file.rename(tmp_path / f"moved-{file.name}")
    (found,) = verify([path])
    assert found.holds, found.objections
    assert "what came before is not here" in found.remarks[0]


def test_heads_of_files_that_are_not_there_are_passed_over_and_the_link_to_them_is_checked(tmp_path: Path) -> None:
    heads: list[Head] = []
    files = told_in_files(tmp_path / "anna.jsonl", publish=heads.append)
    files[0].unlink()
    (found,) = verify(files[1:], passes=heads)
    assert found.holds, found.objections
    before = next(head for head in heads if head.file == 1)
    (found,) = verify(files[1:], passes=[msgspec.structs.replace(before, sha256="0" * 64)])
    assert found.first is not None
    assert found.first.problem.startswith(f"the hash of entry {before.entry} is {before.sha256}, and another one was published")


def test_a_file_that_is_missing_in_between_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    telling(Journal(path, file_bytes=1_000))
    (files,) = journals_of([path])
    assert len(files) > 3
    files[1].unlink()
    (found,) = verify([path])
    assert found.first is not None
    assert found.first.file == str(files[2])
    assert {"chain", "order"} <= set(found.counts) | {"order"}


def test_a_torn_line_in_the_middle_of_the_files_is_an_objection(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    files = told_in_files(path)
    with files[0].open("ab") as file:
        file.write(b"{")
    (found,) = verify([path])
    assert found.first is not None
    assert found.first.kind == "unreadable"


def test_journals_that_have_nothing_to_do_with_each_other_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "anna.jsonl", tmp_path / "ben.jsonl"]
    for path in paths:
        telling(path)
    verdicts: list[Verified] = verify(paths)
    assert [verdict.files for verdict in verdicts] == [(str(path),) for path in paths]


# -- what nobody writes --------------------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=400)
@given(st.data(), ANYTHING)
def test_law_whatever_a_forged_line_says_the_checking_comes_to_an_end(data: st.DataObject, value: Any) -> None:
    """A34: with a chain that is right, a field of any record may hold anything."""
    told = records()
    record = told[data.draw(st.integers(0, len(told) - 1))]
    place = record
    while True:
        name = data.draw(st.sampled_from(sorted(place)))
        inner = place[name]
        if not isinstance(inner, dict) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[name] = value
    lines = [json.dumps(each).encode() for each in told]
    found = checked(lines)
    assert found.entries == len(lines)


@pytest.mark.parametrize(
    "item", [[], ["submit"], ["submit", 1.0, "a", "b", 1, None, True], ["received", 1.0], [[]], ["cancel", 1.0]]
)
def test_a_forged_line_of_traffic(item: list[Any]) -> None:
    told = records()
    told[index(told, is_kind("traffic"))]["inputs"] = [item]
    assert not checked(rechained(told)).holds


def test_nobody_draws_for_ever() -> None:
    told = records()
    told[index(told, is_kind("policy"))]["drawn"] = 10**18
    first = first_of(told)
    assert (first.kind, first.problem) == ("delay", "nobody draws 1,000,000,000,000,000,000 numbers")


def test_numbers_drawn_before_are_drawn_again() -> None:
    told = records()
    told[index(told, is_kind("policy"))]["drawn"] = 3
    assert "is not number 4 of the recorded seed" in first_of(told).problem


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"format": 9}, "its format is 9, and this version reads 2"),
        ({"file": 4}, None),
    ],
)
def test_headers_of_other_versions_and_files(changes: dict[str, Any], problem: str | None) -> None:
    told = records()
    told[0].update(changes)
    found = checked(rechained(told))
    assert (found.first.problem if found.first else None) == problem


def test_what_begins_without_a_beginning() -> None:
    found = checked(rechained(records()[1:]))
    assert found.first is not None
    assert found.first.problem == "the first line is no header of a journal"
    told = records()
    del told[1]
    assert "is no start, but its number" in first_of(told).problem
    told = records()
    told[1]["sequence"] = 7
    found = checked(rechained(told, renumber=False))
    assert found.first is not None
    assert found.first.problem == "a source that begins counts from 1, and this is number 7"


def test_numbers_that_do_not_go_on_though_the_hashes_do() -> None:
    lines = [json.loads(line) for line in rechained(records())]
    for line in lines[10:]:
        line["entry"] += 1
    previous, forged = ROOT, []
    for line in lines:
        forged.append(msgspec.json.encode({**line, "prev": previous}))
        previous = hash_of(None)(forged[-1])
    assert [str(objection) for objection in checked(forged).objections] == [
        "journal:11 (entry 12): order: entry 12 follows entry 10"
    ]


def test_files_in_another_order(tmp_path: Path) -> None:
    told = records()
    again = {**told[0], "file": 3}
    found = checked(rechained([*told, again]))
    assert found.first is not None
    assert found.first.problem == "file 3 follows file 1"


LEDGERS: dict[str, tuple[list[Any], str]] = {
    "serials that go back": (["submit", 1000.0, 1, 2, 9, None, True], "were submitted after serial"),
    "serials that end before they begin": (["submit", 1000.0, 900, 800, 9, None, True], "were submitted after serial"),
    "a cancelled one that was not there": (["cancel", 1000.0, 900], "serial 900 was cancelled, and was not pending"),
}


@pytest.mark.parametrize(("item", "words"), LEDGERS.values(), ids=LEDGERS)
def test_traffic_that_cannot_be(item: list[Any], words: str) -> None:
    told = records()
    place = index(told, lambda record: record.get("status") == "dropped")
    told[place - 1]["inputs"].append(item)
    assert words in first_of(told).problem


def test_a_checkpoint_is_compared_and_a_total_must_add_up() -> None:
    told = records()
    stop = told[-1]
    checkpoint = {**stop, "record": "checkpoint", "submitted": stop["submitted"] + 1}
    told.insert(len(told) - 1, checkpoint)
    found = checked(rechained(told))
    assert [objection.kind for objection in found.objections] == ["accounting"] * 3
    assert "are not the" in found.objections[1].problem


def test_a_signal_that_a_file_keeps_goes_on_as_another_one() -> None:
    told = records()
    start = told[1]
    start["settings"]["durable"] = True
    stop = told[-1]
    serial = stop["submitted"] + 1
    submit = {
        **told[index(told, is_kind("traffic"))],
        "at": stop["at"],
        "inputs": [["submit", stop["at"], serial, serial, 1, None, True]],
    }
    kept = {
        **told[index(told, is_kind("outcomes"))],
        "at": stop["at"],
        "status": "failed",
        "stored": True,
        "serials": [[serial, serial]],
    }
    stop |= {"submitted": serial + 1, "pending": [[serial, serial]], "outcomes": {**stop["outcomes"], "failed": 1}}
    assert checked(rechained([*told[:-1], submit, kept, stop])).holds
    start["settings"]["durable"] = False
    assert "the session is over, and serials 36 have no outcome" in first_of([*told[:-1], submit, kept, stop]).problem


def test_timers_need_a_duration_and_links_their_settings() -> None:
    told = records()
    told[1]["settings"]["attempt_deadline"] = None
    first = first_of(told)
    assert (first.kind, first.problem) == ("timer", "connect_requested starts the timer deadline, and nothing says for how long")


def test_policies_are_made_anew_from_their_own_words() -> None:
    for policy in (
        RetryPolicy(), RetryPolicy.none(), RetryPolicy.vonage(), RetryPolicy.grpc(), RetryPolicy.ably(), RetryPolicy.forever(),
        RetryPolicy(wait=full_jitter(0.1, maximum=2.0)), RetryPolicy(wait=steps(7.0, low=0.5)),
    ):  # fmt: skip
        again = made_anew(Policy(policy="RetryPolicy", **policy.describe()))
        assert again is not None, policy
        assert again.describe() == policy.describe()
    assert made_anew(Policy(policy="RetryPolicy", **RetryPolicy.signalr().describe())) is None
    assert made_anew(Policy(policy="RetryPolicy", wait="steps(seconds=(-1.0,))")) is None
    assert made_anew(Policy(policy="Ours")) is None


def test_a_connect_in_the_middle_of_a_tale() -> None:
    told = records()
    place = step_of(told, "transport_lost")
    start = {**told[1], "run": 2, "submitted": None}
    assert "a connect() began, and the last that was told before it is connected" in [
        objection.problem for objection in checked(rechained([*told[:place], start, *told[place:]])).objections
    ]


def test_a_name_that_only_an_own_chart_tells_ends_the_grammar_until_the_end() -> None:
    told = records()
    chart = another_chart(resumed="suspended")
    for record in told:
        if record["record"] == "chart" and record["chart"] == "session":
            record.update(sha256=chart.sha256, definition=definition(chart))
        if record.get("chart") == "session" and record["record"] == "step":
            record["chart_sha256"] = chart.sha256[:12]
            if record["event"] == "resumed":
                record["tells"] = "suspended"
    assert checked(rechained(told)).holds


def test_a_turn_that_comes_late_and_does_two_things_is_no_lie(tmp_path: Path) -> None:
    """The link was stable, and then was found dead, in one turn: the policy's answer stands before both steps."""
    stage = Stage()

    async def day() -> None:
        anna = await stage.enter("anna", audit=Journal(tmp_path / "day.jsonl"))
        for _ in range(2):
            stage.network.cut("anna")
            await anna.next("reconnecting")
            await anna.back()
            await stage.later(11.0)
        stage.network.cut("anna")
        await anna.next("reconnecting")
        await anna.back()
        await anna.session.disconnect()

    stage.run(stage.tell(day))
    told = list(read_records(tmp_path / "day.jsonl"))
    stable = index(told, lambda record: record.get("event") == "stable")
    answered = next(at for at in range(stable, len(told)) if told[at].get("what") == "verdict")
    assert told[answered + 1]["event"] == "transport_lost"
    late = {**told[stable], "at": told[answered]["at"], "wall": told[answered]["wall"]}
    objections = checked(rechained([*told[:stable], *told[stable + 1 : answered + 1], late, *told[answered + 1 :]])).objections
    assert Rule.DELAY not in [objection.kind for objection in objections]


def test_an_answer_that_no_step_follows_is_an_objection() -> None:
    told = records()
    answered = [at for at, record in enumerate(told) if record.get("what") == "verdict"]
    lost = told[answered[0] + 1]
    assert lost["event"] == "transport_lost"
    told[answered[0] + 1] = {**lost, "retry_in": None, "reason": None, "attempt": None}
    objections = checked(rechained(told)).objections
    assert "the policy was asked again, and no step followed its last answer" in [objection.problem for objection in objections]
