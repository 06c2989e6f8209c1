"""Replaying journals: the whole core runs again, and the first thing that it does otherwise is shown side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import reconnect
from reconnect.audit import Journal
from reconnect.audit.entries import Input, Start, StepEntry, Traffic
from reconnect.chart import Statechart, load_chart
from reconnect.core import frames, inputs
from reconnect.errors import AuditFailed, BadArgument
from reconnect.evidence.divergence import Diverged, Divergence, compare
from reconnect.evidence.machines import FROM_OUTSIDE, ChartReplay, CoreReplay
from reconnect.evidence.reading import decode
from reconnect.evidence.replay import Replayed, replay, told_of
from reconnect.evidence.respelling import MOST, Cancelled, Heard, Submitted, Unfit, counted, inputs_of, pairs_of, signals_of
from reconnect.testing import assert_replays
from tests.journals import Records, index, rechained, records, story, telling
from tests.stories.stage import Stage
from tests.three_outages import written

Change = Callable[[Records], Any]


def replayed(told: Records, folder: Path, **options: Any) -> Replayed:
    path = folder / "changed.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in rechained(told, renumber=False)))
    return replay(path, **options)


class Library:
    """The charts of the library are in force."""

    def get(self, source: str, name: str) -> Statechart:
        return load_chart(name)


def first(told: Records, record: str, **fields: Any) -> dict[str, Any]:
    return told[
        index(told, lambda one: one["record"] == record and all(one.get(name) == value for name, value in fields.items()))
    ]


# -- the same way --------------------------------------------------------------------------------------------------------------


def test_a_day_replays_to_the_same_steps_notes_and_outcomes(tmp_path: Path) -> None:
    """U06: a recorded run, replayed, reproduces every step, the final state and the counters."""
    path = written(tmp_path)
    again = replay(path)
    assert (again.holds, again.first, again.divergences, again.remarks) == (True, None, (), ())
    told = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert again.entries == len(told)
    assert again.compared["steps"] == sum(one["record"] == "step" for one in told)
    assert again.compared["notes"] == sum(one["record"] == "note" for one in told)
    assert again.compared["outcomes"] == told[-1]["submitted"] == 28
    assert again.compared["ledgers"] == 1
    assert again.compared["inputs"] > sum(one["record"] in ("input", "traffic") for one in told)
    (standing,) = again.standings
    assert (standing.state, standing.role, standing.pending) == ("disconnected", "offline", 0)
    assert_replays(path)


def test_every_story_of_signals_replays(tmp_path: Path) -> None:
    telling(tmp_path / "day.jsonl")
    again = replay(tmp_path / "day.jsonl")
    assert again.holds, again.first
    assert again.compared["outcomes"] == 35


def test_what_was_hidden_is_not_compared(tmp_path: Path) -> None:
    telling(Journal(tmp_path / "day.jsonl", hide=["detail", "url", "session", "role"]))
    assert b"the network cut the link" not in (tmp_path / "day.jsonl").read_bytes()
    assert_replays(tmp_path / "day.jsonl")


def test_full_files_are_replayed_with_the_last(tmp_path: Path) -> None:
    telling(Journal(tmp_path / "day.jsonl", file_bytes=45_000))
    assert (tmp_path / "day.jsonl.1").exists()
    again = replay(tmp_path / "day.jsonl")
    assert (again.holds, again.remarks) == (True, ()), again.first
    assert len(again.files) > 1


def test_a_file_that_begins_in_the_middle_is_stepped_row_by_row(tmp_path: Path) -> None:
    whole = sum(len(line) + 1 for line in story())
    telling(Journal(tmp_path / "day.jsonl", file_bytes=whole - 15_000))
    (tmp_path / "day.jsonl").rename(tmp_path / "alone.jsonl")
    again = replay(tmp_path / "alone.jsonl")
    assert again.holds, again.first
    assert "the journal begins in the middle of room-1" in again.remarks[0]
    assert again.compared["steps"] > 5
    assert again.compared["inputs"] == 0
    assert "room-1 session" in again.standings[0].machines


def test_a_hubs_journal_is_stepped_on_fresh_members(tmp_path: Path) -> None:
    stage = Stage(audit=tmp_path / "hub.jsonl")

    async def day() -> None:
        anna = await stage.enter("anna")
        stage.network.cut("anna")
        await anna.back()

    stage.run(stage.tell(day))
    again = replay(tmp_path / "hub.jsonl")
    assert again.holds, again.first
    assert again.compared["steps"] > 2
    assert again.remarks == (
        "what hub was fed is not in the journal: its steps are taken again on a fresh machine of each chart, one by one",
    )


def test_a_second_connect_goes_on_with_the_same_core(tmp_path: Path) -> None:
    stage = Stage()

    async def day() -> None:
        anna = await stage.enter("anna", audit=tmp_path / "day.jsonl")
        anna.session.signal("one")
        await anna.session.disconnect()
        anna.session.reconnect_now()
        await anna.session.connect()
        anna.session.signal("two")
        await anna.session.drain()

    stage.run(stage.tell(day))
    again = replay(tmp_path / "day.jsonl")
    assert again.holds, again.first
    assert len(again.standings) == 1
    assert again.compared["ledgers"] >= 2


def test_a_connect_whose_beginning_is_not_there_is_stepped_row_by_row(tmp_path: Path) -> None:
    told = records()
    first(told, "start")["run"] = 2
    again = replayed(told, tmp_path)
    assert again.holds, again.first
    assert "the journal begins in the middle of room-1" in again.remarks[0]


def test_signals_of_an_earlier_process_are_more_than_a_journal_has(tmp_path: Path) -> None:
    told = records()
    first(told, "start")["pending"] = [[1, 2]]
    again = replayed(told, tmp_path)
    assert again.holds, again.first
    assert "began with signals of an earlier process, of which the journal has the serials alone" in again.remarks[0]
    assert again.compared["steps"] == sum(one["record"] == "step" for one in told)


def test_what_no_core_notices_is_not_looked_for(tmp_path: Path) -> None:
    told = records()
    note = {**first(told, "note"), "what": "observer_failed", "at": told[14]["at"]}
    assert replayed([*told[:15], note, *told[15:]], tmp_path).holds


def test_notes_that_no_core_makes_are_those_of_the_client_and_the_driver() -> None:
    package = Path(reconnect.__file__).parent
    sources = [path.read_text(encoding="utf-8") for name in ("client", "driver") for path in (package / name).glob("*.py")]
    assert {name for source in sources for name in re.findall(r'what="(\w+)"', source)} == FROM_OUTSIDE
    page = (package.parent / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"All but ((?:`\w+`[\s,and]*)+) come from the core", page)
    assert set(re.findall(r"\w+_?\w+", told)) - {"and"} == FROM_OUTSIDE


def test_a_second_connect_begins_where_the_first_ended(tmp_path: Path) -> None:
    told = records()
    ledger = {name: told[-1][name] for name in ("state", "generation", "submitted", "pending", "outcomes")}
    again = {**first(told, "start"), "run": 2, **ledger}
    assert replayed([*told, again], tmp_path).holds
    found = replayed([*told, again | {"submitted": 1}, again | {"submitted": 2}], tmp_path).first
    assert found is not None
    assert (found.words, found.fields) == ("the core counts otherwise", ("submitted",))


# -- another way ---------------------------------------------------------------------------------------------------------------


def change(record: str, where: dict[str, Any], /, **fields: Any) -> Change:
    def apply(told: Records) -> None:
        first(told, record, **where).update(fields)

    return apply


def dig(record: str, where: dict[str, Any], into: Callable[[dict[str, Any]], Any]) -> Change:
    return lambda told: into(first(told, record, **where))


LOST = {"event": "transport_lost"}
VERDICT = {"what": "verdict"}
_AT_ONCE = (
    "the core made another note",
    "other signals ended, or otherwise",
    "other signals were delivered",
    "the core counts otherwise",
)
CHANGES: list[tuple[Change, str, tuple[str, ...]]] = [
    (change("step", LOST, to="closing"), "the core made another step", ("to",)),
    (change("step", LOST, row=9), "the core made another step", ("row",)),
    (change("step", LOST, retry_in=0.25), "the core made another step", ("retry_in",)),
    (change("step", LOST, reason="silent"), "the core made another step", ("reason",)),
    (change("step", LOST, generation=2), "the core made another step", ("generation",)),
    (change("step", LOST, outbox=7), "the core made another step", ("outbox",)),
    (change("step", LOST, connection="another"), "the core made another step", ("connection",)),
    (change("step", LOST, detail="nothing"), "the core made another step", ("detail",)),
    (change("step", LOST, actions=["notify"]), "the core made another step", ("actions",)),
    (change("step", {"machine": "publish:camera"}, machine="publish:other"), "the core made another step", ("machine",)),
    (change("step", {"event": "retry_due"}, at=2e6), "the core made another step", ("at",)),
    (change("note", {}, what="stale_timer"), "the core made another note", ("what",)),
    (change("outcomes", {"status": "expired"}, status="dropped"), "other signals ended, or otherwise", ("status",)),
    (change("outcomes", {"status": "expired"}, serials=[[1, 1]]), "other signals ended, or otherwise", ("serials",)),
    (change("outcomes", {"status": "expired"}, outbox=0), "other signals ended, or otherwise", ("outbox",)),
    (change("outcomes", {"status": "delivered"}, serials=[[1, 29]]), "the core made another step", ()),
    (change("outcomes", {"status": "delivered"}, serials=[[1, 31]]), "other signals were delivered", ("serials",)),
    (change("outcomes", {"status": "delivered"}, serials=[[2, 31]]), "other signals were delivered", ("serials",)),
    (change("stop", {}, submitted=2), "the core counts otherwise", ("submitted",)),
    (change("stop", {}, state="connected"), "the core counts otherwise", ("state",)),
    (change("stop", {}, pending=[[3, 4]]), "the core counts otherwise", ("pending",)),
    (change("stop", {}, outcomes={"delivered": 35}), "the core counts otherwise", ("outcomes",)),
    (change("start", {}, settings={}), "no core can be made of this", ("settings", "outcome")),
    (dig("start", {}, lambda one: one["settings"].update(first_serial=5)), "the outbox gives another serial", ("serial",)),
    (dig("input", VERDICT, lambda one: one["input"]["question"].update(attempt=9)), "puts another", ("attempt",)),
    (
        dig("input", VERDICT, lambda one: one["input"]["question"]["cause"].update(reason="slow")),
        "puts another",
        ("cause.reason",),
    ),
    (change("input", VERDICT, what="slept", input={"seconds": 1.0}), "puts another question", ()),
    (change("input", {"what": "transport_ended"}, what="slept", input={"seconds": 1.0}), "puts another question", ()),
    (change("input", {"what": "want_added"}, what="nothing"), "this is no input of a session", ()),
    (change("input", {"what": "want_added"}, input={}), "this is no input of a session", ()),
    (change("input", {"what": "want_added"}, what="called", input={"event": "nothing"}), "the core cannot be fed this", ()),
    (change("traffic", {}, inputs=[["submit", 0.0, 1, 10**15, 1, None, True]]), "not what an outbox can hold", ()),
    (change("traffic", {}, inputs=[[]]), "this is no input of a session", ()),
]


@pytest.mark.parametrize(("change", "words", "fields"), CHANGES)
def test_what_is_otherwise_is_found_where_it_is(change: Change, words: str, fields: tuple[str, ...], tmp_path: Path) -> None:
    told = records()
    before = json.loads(json.dumps(told))
    change(told)
    entry = 1 + next(number for number, (one, other) in enumerate(zip(before, told, strict=True)) if one != other)
    again = replayed(told, tmp_path)
    assert not again.holds
    found = again.first
    assert found is not None
    assert words in found.words
    assert set(fields) <= set(found.fields), found.fields
    if words in _AT_ONCE or (words == "the core made another step" and fields):
        assert found.entry == found.line == entry


def test_any_step_that_is_left_out_repeated_or_swapped_is_found(tmp_path: Path) -> None:
    """U06: removing, duplicating or swapping any transition line is detected."""
    told = records()
    steps = [place for place, one in enumerate(told) if one["record"] == "step"]
    assert len(steps) > 25
    for place, following in zip(steps, [*steps[1:], steps[0]], strict=True):
        swapped = list(told)
        swapped[place], swapped[following] = told[following], told[place]
        for changed in (told[:place] + told[place + 1 :], told[: place + 1] + told[place:], swapped):
            found = replayed(changed, tmp_path).first
            assert found is not None, place
            assert found.entry >= min(place, following) + 1


def test_any_other_record_that_is_left_out_or_repeated_is_found(tmp_path: Path) -> None:
    told = records()
    for record, fields in (("note", {}), ("outcomes", {"status": "expired"}), ("input", {"what": "want_added"})):
        place = told.index(first(told, record, **fields))
        for changed in (told[:place] + told[place + 1 :], told[: place + 1] + told[place:]):
            found = replayed(changed, tmp_path).first
            assert found is not None, record
            assert found.entry >= place + 1


def test_what_follows_the_last_record_of_a_killed_process_is_a_remark(tmp_path: Path) -> None:
    told = records()
    place = told.index(first(told, "step", **LOST))
    again = replayed(told[:place], tmp_path)
    assert again.holds
    restarted = told[:place] + told[1:]
    again = replayed(restarted, tmp_path)
    assert again.holds, again.first
    assert any("effects that were not written: it was killed" in remark for remark in again.remarks)


def test_a_stop_before_the_core_was_done_is_found(tmp_path: Path) -> None:
    told = records()
    place = told.index(first(told, "step", **LOST))
    again = replayed([*told[:place], told[-1]], tmp_path)
    assert again.first is not None
    assert again.first.words == "the core asked for more before it ended"
    assert again.first.replayed["event"] == "transport_lost"
    place = told.index(first(told, "outcomes", status="expired"))
    again = replayed([*told[:place], told[-1]], tmp_path)
    assert again.first is not None
    assert again.first.replayed["status"] == "expired"


def test_after_a_gap_steps_are_held_to_the_chart_alone(tmp_path: Path) -> None:
    told = records()
    place = told.index(first(told, "step", event="retry_due"))
    gap = {**{name: told[place][name] for name in ("sequence", "at", "wall", "session", "source")}, "record": "gap", "lost": 1}
    again = replayed([*told[:place], {**gap, "problem": "full"}, *told[place + 1 :]], tmp_path)
    assert again.holds, again.first
    assert again.remarks[-1].startswith(f"1 records are lost before entry {place + 1}, and so from there on of room-1")
    told[place + 4]["to"] = "closing"
    wrong = next(one for one in told[place + 1 :] if one["record"] == "step" and one["verdict"] == "taken")
    wrong["to"] = "nowhere"
    again = replayed([*told[:place], {**gap, "problem": "full"}, *told[place + 1 :], gap], tmp_path)
    assert again.first is not None
    assert again.first.words == "the chart says otherwise"


def test_steps_that_no_chart_knows_are_found(tmp_path: Path) -> None:
    stage = Stage(audit=tmp_path / "hub.jsonl")

    async def day() -> None:
        await stage.enter("anna")

    stage.run(stage.tell(day))
    told = [json.loads(line) for line in (tmp_path / "hub.jsonl").read_bytes().splitlines()]
    step = first(told, "step")
    step["event"] = "unheard_of"
    found = replayed(told, tmp_path).first
    assert found is not None
    assert found.words == "the chart knows nothing of this"
    step["chart"] = "another"
    found = replayed(told, tmp_path).first
    assert found is not None
    assert "no chart another is in force" in found.words


def test_a_member_that_came_to_an_end_may_begin_anew() -> None:
    chart = load_chart("member")
    ended = next(leaf for leaf in chart.leaves if chart.role(leaf) == "gone")
    row = next(
        number
        for number, row in enumerate(chart.transitions)
        if chart.initial in row.sources and row.to not in (None, chart.initial)
    )
    decision = chart.decide(chart.initial, chart.transitions[row].on)
    machine = ChartReplay(Library(), known=True)
    entry = StepEntry(
        session="room-1", connection="c1", chart="member", event=chart.transitions[row].on, before=chart.initial,
        to=decision.target, verdict="taken", row=decision.row, tells=decision.tells, actions=list(decision.actions),
    )  # fmt: skip
    machine.step(entry)
    with pytest.raises(Diverged):
        machine.step(entry)
    machine.states["room-1", "c1"] = ended
    machine.step(entry)
    assert machine.counts["steps"] == 2


def test_a_journal_without_its_charts_cannot_be_replayed(tmp_path: Path) -> None:
    told = [one for one in records() if one.get("chart") != "publisher" or one["record"] != "chart"]
    found = replayed(told, tmp_path).first
    assert found is not None
    assert found.words == "a chart is not there"
    assert found.replayed == {"charts": ["session", "subscriber"]}


def test_another_chart_is_run_in_place_of_the_journals_own(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "statecharts" / "session.toml").read_text(encoding="utf-8")
    changed = text.replace('"hold_outbox", "drop_opted_out"', '"drop_opted_out", "hold_outbox"')
    assert changed != text
    (tmp_path / "session.toml").write_text(changed, encoding="utf-8")
    again = replayed(records(), tmp_path, charts=[load_chart(tmp_path / "session.toml")])
    assert again.first is not None
    assert again.first.fields == ("actions",)
    assert any("in force has the hash" in remark for remark in again.remarks)


def test_a_note_is_never_earlier_than_the_record_before_it() -> None:
    """What was noticed in a turn may be written after what came later in it; then it has the later time."""
    start, step, called = (decode(json.dumps(first(records(), *kind)).encode()) for kind in (("start",), ("step",), ("input",)))
    assert isinstance(start, Start)
    assert isinstance(step, StepEntry)
    assert isinstance(called, Input)
    for later, holds in ((0.0, True), (0.5, True), (-0.5, False)):
        machine = CoreReplay(start, Library(), frozenset())
        machine.feed(called)
        machine.last_at += abs(later)
        step.at = called.at + later
        with nullcontext() if holds else pytest.raises(Diverged, match="another step"):
            machine.note(step)


# -- where it stops ------------------------------------------------------------------------------------------------------------


def test_it_stops_where_it_is_told_to(tmp_path: Path) -> None:
    told = records()
    place = told.index(first(told, "step", event="attempt_failed")) + 1
    again = replayed(told, tmp_path, until=place)
    (standing,) = again.standings
    assert again.entries == place
    assert (standing.state, standing.role, standing.attempt) == ("reconnecting.waiting", "recovering", 2)
    assert standing.timers is not None
    assert "retry" in standing.timers
    assert standing.wake_at is not None
    assert standing.machines == {"publish:camera": "interrupted"}
    whole = replayed(told, tmp_path, until=len(told))
    assert whole.entries == len(told)


def test_it_cannot_stop_behind_the_end(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"the journal has no entry 1000; the last before it is \d+"):
        replayed(records(), tmp_path, until=1000)


def test_a_session_that_did_nothing_is_told(tmp_path: Path) -> None:
    again = replayed(records()[:7], tmp_path)
    assert again.holds
    assert again.remarks[0].endswith("began, and nothing happened to it")


def test_a_line_that_is_no_record_ends_the_replay(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    lines = rechained(records())
    path.write_bytes(b"\n".join([*lines[:12], b"{", *lines[12:]]) + b"\n")
    again = replay(path)
    assert again.first is not None
    assert (again.first.line, again.first.entry) == (13, 13)
    assert "this is no record" in again.first.words


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match="No such file"):
        replay(tmp_path / "nothing.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(AuditFailed, match="there is no record in it"):
        replay(tmp_path / "empty.jsonl")


# -- how it is told ------------------------------------------------------------------------------------------------------------


def test_the_two_sides_stand_beside_each_other() -> None:
    found = Divergence(
        file="day.jsonl", line=3, entry=3, source="s", words="the core made another step",
        recorded={"event": "joined", "to": "nowhere", "actions": [], "row": None},
        replayed={"event": "joined", "to": "connected", "actions": ["notify", "stable"]},
    )  # fmt: skip
    assert found.fields == ("to", "actions", "row")
    assert str(found).splitlines() == [
        "day.jsonl:3 (entry 3): the core made another step",
        "            the journal  the replay",
        "   event    joined       joined",
        "-> to       nowhere      connected",
        "-> actions  -            notify, stable",
        "-> row      -            (nothing)",
    ]


def test_a_difference_is_one_of_the_replays_fields() -> None:
    compare("same", {"a": 1, "b": 2}, {"a": 1})
    with pytest.raises(Diverged, match="other") as raised:
        compare("other", {"a": 1, "b": 2}, {"a": 2})
    assert (raised.value.recorded, raised.value.replayed) == ({"a": 1}, {"a": 2})


def test_programs_are_told_the_same(tmp_path: Path) -> None:
    told = records()
    first(told, "step", **LOST)["to"] = "closing"
    result = json.loads(json.dumps(told_of(replayed(told, tmp_path))))
    assert result["holds"] is False
    assert result["divergences"][0]["differs"] == ["to"]
    assert result["divergences"][0]["recorded"]["to"] == "closing"
    assert not told_of(replayed(records(), tmp_path))["divergences"]


def test_the_helper_for_tests_shows_the_divergence(tmp_path: Path) -> None:
    told = records()
    first(told, "step", **LOST)["to"] = "closing"
    replayed(told, tmp_path)
    with pytest.raises(AssertionError, match=r"-> to +closing +reconnecting\.waiting"):
        assert_replays(tmp_path / "changed.jsonl")
    assert assert_replays(written(tmp_path)).holds


# -- inputs read back ----------------------------------------------------------------------------------------------------------


def test_inputs_in_short_are_read_back() -> None:
    spelled = [
        ["submit", 1.0, 5, 7, 30, 2.5, False], ["cancel", 1.0, 6], ["heard", 1.5], ["flush", 2.0], ["woke", 2.5],
        ["stored", 2.5, 7], ["handled", 3.0, 9],
        ["received", 3.0, 2, [["signal", "x", 4, 10, 8, 2], ["signal", None, 0, 12, 11, 2], ["accepted", 7, 13],
                              ["accepted", 8, 14, [[8, "limit"]]], ["ping", 14], ["pong", 15],
                              {"frame": "unknown", "kind": "new"}, {"frame": "going_away", "retry_after": 1.0}]],
    ]  # fmt: skip
    *short, received = inputs_of(Traffic(inputs=spelled))
    assert short == [
        Submitted(at=1.0, first=5, last=7, weight=30, ttl=2.5, keep=False), Cancelled(at=1.0, serial=6), Heard(at=1.5),
        inputs.Flush(at=2.0), inputs.Woke(at=2.5), inputs.Stored(at=2.5, serial=7), inputs.HandledUpTo(at=3.0, position=9),
    ]  # fmt: skip
    assert isinstance(received, inputs.Received)
    kinds = [type(frame).__name__ for frame in received.frames]
    assert kinds == ["Entry"] * 4 + ["Accepted"] * 2 + ["Ping", "Pong", "Unknown", "GoingAway"]
    entries = [frame for frame in received.frames if isinstance(frame, frames.Entry)]
    assert [(one.serial, one.position, one.after) for one in entries] == [(4, 10, 8), (5, 11, 10), (0, 12, 11), (0, 13, 12)]


@pytest.mark.parametrize(
    "item",
    [["submit", 1.0, 7, 5, 1, None, True], ["submit", 1.0], ["cancel", 1.0, "x"], ["new", 1.0], [], ["woke"],
     ["received", 1.0, 1, [5]], ["received", 1.0, 1, [["signal", "x", 1, 1, 0, MOST + 1]]],
     ["received", 1.0, 1, [{"frame": "nothing"}]], ["received", 1.0, "x", []]],
)  # fmt: skip
def test_what_is_no_input_is_refused(item: list[Any]) -> None:
    with pytest.raises(Unfit):
        list(inputs_of(Traffic(inputs=[item])))


def test_a_request_is_read_back() -> None:
    (made,) = inputs_of(Input(what="request_made", at=1.0, input={"frame": {"frame": "kick", "request": 4, "connection": "c"}}))
    assert made == inputs.RequestMade(at=1.0, frame=frames.Kick(request=4, connection="c"))


def test_who_only_tells_passes_over_what_is_none() -> None:
    told = Traffic(inputs=[[], ["submit", 1.0], ["cancel", 1.0, 4], ["woke", 1.0], ["submit", 1.0, 1, 10**15, 1, None, True]])
    assert list(signals_of(told)) == [Cancelled(at=1.0, serial=4)]
    assert pairs_of([[1, 2], [3], [5, 4], [7, 7]]) == ((1, 2), (7, 7))
    assert counted([[1, 2], [3], [7, 7]]) == 3
