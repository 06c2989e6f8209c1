"""What a core was fed, written down: short or in full, gathered for a moment, without secrets, and enough to be fed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect import ports
from reconnect.audit import Auditor, MemorySink
from reconnect.audit.spelling import concealed, name_of, short, whole
from reconnect.audit.traffic import Held
from reconnect.chart import load_chart
from reconnect.core import frames, inputs
from reconnect.core.effects import Note, Settle
from reconnect.core.frames import Entry, EntryKind
from reconnect.core.notices import Outcome
from reconnect.core.outcomes import DELIVERED
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.limits import AUDIT_HELD_INPUTS, AUDIT_HOLD_SECONDS, CHECKPOINT_RECORDS, CHECKPOINT_SECONDS
from reconnect.reasons import Cause, OutcomeStatus, Reason, RejectCode

CANARY = "a-canary-that-nobody-may-ever-see"


def plain(text: str) -> str:
    return text


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Moments:
    """A clock that stands, and keeps what is due."""

    def __init__(self) -> None:
        self.at = 10.0
        self.due: list[tuple[float, Callable[[], object], Timer]] = []

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return 1_700_000_000.0 + self.at

    def call_at(self, when: float, callback: Callable[[], object]) -> ports.TimerHandle:
        timer = Timer()
        self.due.append((when, callback, timer))
        return timer

    def run(self) -> None:
        """Let what is due happen."""
        due, self.due = self.due, []
        for when, callback, timer in due:
            if not timer.cancelled:
                self.at = max(self.at, when)
                callback()


class Taking(MemorySink):
    """Takes inputs, as a journal does."""

    takes_inputs = True


def auditor(**options: Any) -> tuple[Auditor, Moments, list[dict[str, Any]]]:
    clock, sink = Moments(), Taking()
    made = Auditor(sink, clock, session="room-1", charts=[load_chart("session")], source="me", **options)
    made.start()
    del sink.records[:]
    return made, clock, sink.records


def signal(position: int, serial: int, *, sender: str | None = "ben", after: int | None = None) -> Entry:
    return Entry(
        position=position, after=position - 1 if after is None else after, what=EntryKind.SIGNAL, sender=sender, serial=serial,
        data=msgspec.Raw(b'"%s"' % CANARY.encode()), to=CANARY, connection="c2",
    )  # fmt: skip


# -- spelling ------------------------------------------------------------------------------------------------------------------


def test_every_kind_of_input_has_a_name_and_a_form() -> None:
    question = RetryQuestion(cause=Cause(reason=Reason.CLOSED), attempt=1, streak=1, elapsed=0.0, at=1.0, chance=0.5)
    answer = RetryAnswer(retry_in=0.5, reason=Reason.CLOSED)
    cause = {"reason": "closed", "final": False, "detail": "", "code": None, "retry_after": None, "url": None}
    kinds: dict[inputs.Input, Any] = {
        inputs.ConnectRequested(at=1.0): ("connect_requested", {}),
        inputs.RetryRequested(at=1.0, force=True): ("retry_requested", {"force": True}),
        inputs.TransportOpened(at=1.0, generation=3): ("transport_opened", {"generation": 3}),
        inputs.TransportEnded(at=1.0, generation=3, cause=Cause(reason=Reason.CLOSED)): (
            "transport_ended", {"generation": 3, "cause": cause},
        ),
        inputs.Halted(at=1.0, cause=Cause(reason=Reason.CLOSED)): ("halted", {"cause": cause}),
        inputs.WantDropped(at=1.0, request=2, key="publish:camera"): ("want_dropped", {"request": 2, "key": "publish:camera"}),
        inputs.Slept(at=1.0, seconds=9.0): ("slept", {"seconds": 9.0}),
    }  # fmt: skip
    for happened, told in kinds.items():
        assert short(happened, plain) is None
        assert (name_of(type(happened)), whole(happened, plain)) == told
        assert msgspec.convert({**whole(happened, plain), "at": 1.0}, type(happened)) == happened
    verdict = inputs.Verdict(at=1.0, question=question, answer=answer)
    assert msgspec.convert({**whole(verdict, plain), "at": 1.0}, inputs.Verdict) == verdict
    for happened, item in {
        inputs.Flush(at=1.0): ["flush", 1.0],
        inputs.Stored(at=1.0, serial=7): ["stored", 1.0, 7],
        inputs.HandledUpTo(at=1.0, position=8): ["handled", 1.0, 8],
        inputs.Woke(at=1.0): ["woke", 1.0],
    }.items():
        assert short(happened, plain) == item


def test_a_message_of_signals_is_short_and_runs_are_one_array() -> None:
    rejection = frames.Rejection(serial=9, code=RejectCode.FORBIDDEN, detail=CANARY)
    arrived = (
        frames.Accepted(serial=8, position=3), frames.Accepted(serial=9, position=3, rejected=(rejection,)),
        signal(4, 1), signal(5, 2), signal(6, 3), signal(8, 4, after=6), signal(9, 6), signal(10, 7, sender="cy"),
        signal(11, 0, sender=None), signal(12, 0, sender=None), frames.Pong(position=12), frames.Ping(position=2),
        signal(13, 8, sender="cy"),
    )  # fmt: skip
    told = short(inputs.Received(at=1.0, generation=2, frames=arrived), plain)
    assert told == [
        "received", 1.0, 2,
        [
            ["accepted", 8, 3], ["accepted", 9, 3, [[9, "forbidden"]]],
            ["signal", "ben", 1, 4, 3, 3], ["signal", "ben", 4, 8, 6, 1], ["signal", "ben", 6, 9, 8, 1],
            ["signal", "cy", 7, 10, 9, 1],
            ["signal", None, 0, 11, 10, 2], ["pong", 12], ["ping", 2], ["signal", "cy", 8, 13, 12, 1],
        ],
    ]  # fmt: skip
    assert CANARY not in str(told)


def test_a_message_with_anything_else_is_told_in_full_without_what_is_secret() -> None:
    """A53: tokens, resume secrets, and the data of members, streams and wants."""
    stream = frames.Stream(id="s", number=1, name="camera", connection="c1", data=CANARY)
    member = frames.Member(connection="c1", client_id="anna", data=CANARY)
    welcome = frames.Welcome(
        connection="c1", secret=CANARY, epoch="e", position=1, resumed=False, grace=60.0,
        heartbeat=frames.Heartbeat(ping=2.0, silence=6.0), limits=frames.Limits(message_bytes=1, data_bytes=1, window=1),
        answers=(frames.WantAnswer(key="publish:camera", stream=stream),), snapshot_pages=1,
    )  # fmt: skip
    arrived = (welcome, frames.Snapshot(page=0, members=(member,), streams=(stream,)), frames.Unknown(kind="odd"), signal(2, 1))
    message = inputs.Received(at=1.0, generation=2, frames=arrived)
    assert short(message, plain) is None
    told = whole(message, plain)
    assert CANARY not in str(told)
    assert told["frames"][0]["secret"] == "[concealed]"
    assert told["frames"][0]["answers"][0]["stream"]["data"] == "[concealed]"
    assert [frame["frame"] for frame in told["frames"][:3]] == ["welcome", "snapshot", "unknown"]
    assert told["frames"][3] == ["signal", "ben", 1, 2, 1, 1]
    for frame in (frames.RenewToken(request=1, token=CANARY), frames.Kick(request=2, connection="c1")):
        assert CANARY not in str(whole(inputs.RequestMade(at=1.0, frame=frame), plain))
    added = inputs.WantAdded(at=1.0, request=3, key="publish:camera", publish="camera", data=CANARY)
    assert whole(added, plain)["data"] == "[concealed]"
    assert concealed({"data": "", "token": "", "secret": None}) == {"data": "", "token": "", "secret": None}


# -- gathering -----------------------------------------------------------------------------------------------------------------


def test_what_is_frequent_is_gathered_and_written_after_a_moment() -> None:
    made, clock, records = auditor()
    for serial in range(1, 6):
        made.submitted(serial, 10, ttl=None, keep=True, at=10.0 + serial / 100)
    made.input(inputs.Flush(at=10.06))
    made.input(inputs.Stored(at=10.06, serial=5))
    made.outcomes(Settle(serials=(1, 2, 3), outcome=DELIVERED), connection="c1", outbox=2)
    made.outcomes(Settle(serials=(4, 5), outcome=DELIVERED), connection="c1", outbox=0)
    assert records == []
    assert [when for when, _, _ in clock.due] == [10.0 + AUDIT_HOLD_SECONDS]
    clock.run()
    traffic, delivered = records
    assert traffic["inputs"] == [["submit", 10.01, 1, 5, 50, None, True], ["flush", 10.06], ["stored", 10.06, 5]]
    assert (traffic["record"], traffic["at"]) == ("traffic", 10.06)
    assert (delivered["record"], delivered["status"], delivered["serials"]) == ("outcomes", "delivered", [[1, 5]])
    assert (delivered["connection"], delivered["at"]) == ("c1", 10.06)
    assert clock.due == []


def test_whatever_else_is_written_comes_behind_what_happened_before_it() -> None:
    made, clock, records = auditor()
    made.input(inputs.Woke(at=11.0))
    made.note(Note(at=11.0, what="stale_timer"))
    made.input(inputs.Slept(at=12.0, seconds=9.0))
    made.outcomes(Settle(serials=(1,), outcome=Outcome(status=OutcomeStatus.EXPIRED, reason=Reason.TTL)), outbox=0)
    assert [record["record"] for record in records] == ["traffic", "note", "input", "outcomes"]
    assert [record["at"] for record in records] == [11.0, 11.0, 12.0, 12.0]
    assert all(timer.cancelled for _, _, timer in clock.due)


def test_times_never_go_back_in_a_journal() -> None:
    made, clock, records = auditor()
    clock.at = 20.0
    made.note(Note(at=20.0, what="effect_failed"))
    made.note(Note(at=19.9, what="stale_timer"))
    assert [record["at"] for record in records] == [20.0, 20.0]


@pytest.mark.parametrize(
    "second",
    [
        {"ttl": 3.0}, {"keep": False}, {"alone": True}, {"serial": 3},
    ],
)  # fmt: skip
def test_signals_that_differ_in_what_the_core_looks_at_are_not_one_range(second: dict[str, Any]) -> None:
    held = Held()
    usual: dict[str, Any] = {"ttl": None, "keep": True, "at": 1.0, "alone": False}
    held.submit(1, 10, **usual)
    held.submit(second.pop("serial", 2), 10, **{**usual, **second})
    assert len(held.take_inputs()) == 2


def test_of_stream_frames_in_a_row_only_the_last_instant_is_kept() -> None:
    made, clock, records = auditor()
    for at in (11.0, 11.1, 11.2):
        made.heard(at)
    made.cancelled(7, 11.3)
    made.heard(11.4)
    clock.run()
    assert records[0]["inputs"] == [["heard", 11.2], ["cancel", 11.3, 7], ["heard", 11.4]]


def test_no_line_grows_without_bound() -> None:
    made, clock, records = auditor()
    for number in range(AUDIT_HELD_INPUTS):
        made.input(inputs.Stored(at=11.0, serial=number))
    assert [len(record["inputs"]) for record in records] == [AUDIT_HELD_INPUTS]
    assert all(timer.cancelled for _, _, timer in clock.due)


@given(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6, unique=True), max_size=8))
def test_law_what_was_delivered_is_told_whatever_its_order(batches: list[list[int]]) -> None:
    held, seen = Held(), set[int]()
    for batch in batches:
        fresh = [serial for serial in batch if serial not in seen]
        seen.update(fresh)
        if fresh:
            held.deliver(tuple(fresh), None)
    told = [serial for first, last in held.take_delivered() for serial in range(first, last + 1)]
    assert (sorted(told), len(told)) == (sorted(seen), len(seen))


# -- checkpoints ---------------------------------------------------------------------------------------------------------------


def ledger() -> dict[str, Any]:
    return {"state": "connected", "generation": 1, "submitted": 0, "pending": [], "outcomes": {}}


def test_a_checkpoint_is_written_after_a_minute_or_a_thousand_lines_at_a_quiet_moment() -> None:
    made, clock, records = auditor(ledger=ledger)
    for at in (20.0, 30.0):
        made.input(inputs.Woke(at=at))
        clock.run()
    made.input(inputs.Woke(at=10.0 + CHECKPOINT_SECONDS))
    clock.run()
    assert [record["record"] for record in records] == ["traffic"] * 3 + ["checkpoint"]
    assert {key: records[-1][key] for key in ledger()} == ledger()
    del records[:]
    for _ in range(CHECKPOINT_RECORDS):
        made.note(Note(at=100.0, what="note"))
    assert len(records) == CHECKPOINT_RECORDS, "not within a turn"
    made.input(inputs.Woke(at=100.0))
    clock.run()
    assert [record["record"] for record in records[-2:]] == ["traffic", "checkpoint"]


def test_without_a_ledger_there_are_no_checkpoints() -> None:
    made, clock, records = auditor()
    made.input(inputs.Woke(at=1_000.0))
    clock.run()
    assert [record["record"] for record in records] == ["traffic"]


def test_the_stop_has_the_ledger_and_what_was_held_back_before_it() -> None:
    made, clock, records = auditor(ledger=ledger)
    made.input(inputs.Woke(at=11.0))
    made.stop()
    assert [record["record"] for record in records] == ["traffic", "stop"]
    assert (records[1]["state"], records[1]["submitted"]) == ("connected", 0)
    assert all(timer.cancelled for _, _, timer in clock.due)


# -- beginnings and failures ---------------------------------------------------------------------------------------------------


def test_a_call_before_the_first_connect_is_a_beginning() -> None:
    sink = Taking()
    made = Auditor(sink, Moments(), session="room-1", charts=[load_chart("session")], begin={"sender": "me"})
    made.input(inputs.RetryRequested(at=10.0))
    made.start()
    assert [(record["record"], record.get("run"), record.get("sender")) for record in sink.records] == [
        ("start", 1, "me"), ("chart", None, None), ("input", None, None), ("start", 2, "me"), ("chart", None, None),
    ]  # fmt: skip
    assert sink.records[1]["definition"]["name"] == "session"


def test_a_question_is_counted_so_that_the_random_source_can_be_followed() -> None:
    made, _, records = auditor()
    question = RetryQuestion(cause=Cause(reason=Reason.CLOSED), attempt=1, streak=1, elapsed=0.0, at=1.0)
    made.input(inputs.Verdict(at=11.0, question=question, answer=RetryAnswer(retry_in=None, reason=Reason.CLOSED)))
    made.start(policy=object(), seed=7)
    assert (records[-1]["record"], records[-1]["seed"], records[-1]["drawn"]) == ("policy", 7, 1)


def test_an_input_that_cannot_be_written_down_is_a_loss_that_shows(caplog: pytest.LogCaptureFixture) -> None:
    """A dialect of the user's own may make frames of anything."""
    made, _, records = auditor()
    odd = Entry(position=2, after=1, what=EntryKind.SIGNAL, sender=7, serial=1)  # type: ignore[arg-type]  # that is the point
    made.input(inputs.Received(at=11.0, generation=1, frames=(odd,)))
    made.note(Note(at=11.0, what="note"))
    assert [(record["record"], record.get("lost")) for record in records] == [("gap", 1), ("note", None)]
    assert "loses records" in caplog.text


class Full(Taking):
    """Has no room, and is not to be gone on without."""

    stops_session = True

    def write(self, record: dict[str, Any]) -> None:
        raise OSError("no space left")


def test_a_journal_that_a_session_is_not_to_go_on_without_says_so_once() -> None:
    made = Auditor(Full(), Moments(), session="room-1", charts=[])
    problems: list[str] = []
    made.on_failure = problems.append
    made.start()
    made.note(Note(at=11.0, what="note"))
    assert (problems, made.lost) == (["no space left"], 2)


def test_a_session_that_cannot_be_stopped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    made = Auditor(Full(), Moments(), session="room-1", charts=[])

    def fail(problem: str) -> None:
        raise RuntimeError("no running event loop")

    made.on_failure = fail
    made.start()
    assert caplog.messages[-1] == "session room-1 could not be stopped: no running event loop"
