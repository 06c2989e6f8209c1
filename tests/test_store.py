"""The memory store and the memory log: they answer in the same turn."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.frames import Entry, EntryKind
from reconnect.errors import OutboxFailed
from reconnect.ports import Appended, OutboxStore, SessionLog
from reconnect.store import MemoryOutboxStore, MemorySessionLog


def entries(count: int) -> list[Entry]:
    return [Entry(position=0, after=0, what=EntryKind.SIGNAL, serial=serial) for serial in range(1, count + 1)]


def append(log: MemorySessionLog, session: str, count: int) -> Appended:
    answers: list[Appended | Exception] = []
    log.append(session, entries(count), answers.append)
    (answer,) = answers  # in the same turn, once
    assert isinstance(answer, Appended)
    return answer


def test_the_outbox_store_confirms_the_highest_serial_at_once() -> None:
    """No serial reaches a transport before it is stored, and a memory store makes nobody wait."""
    store: OutboxStore = MemoryOutboxStore()
    stored: list[int | OutboxFailed] = []
    store.put([SimpleNamespace(serial=3), SimpleNamespace(serial=5)], stored.append)
    store.put([], stored.append)
    store.forget([3])
    assert stored == [5]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5))))
def test_positions_count_from_one_without_holes_in_each_session(appends: list[tuple[str, int]]) -> None:
    log = MemorySessionLog(iter("xyz").__next__)
    got: dict[str, list[Entry]] = {"a": [], "b": []}
    for session, count in appends:
        got[session] += append(log, session, count).entries
    for placed in got.values():
        assert [entry.position for entry in placed] == list(range(1, len(placed) + 1))
        assert [entry.after for entry in placed] == list(range(len(placed)))


def test_entries_keep_what_they_tell() -> None:
    (first, second) = append(MemorySessionLog(), "room", 2).entries
    assert (first.serial, second.serial) == (1, 2)
    assert first.what is EntryKind.SIGNAL


def test_an_epoch_lasts_until_the_session_is_forgotten() -> None:
    """Positions mean something only within their epoch."""
    log = MemorySessionLog(iter(["one", "two", "three"]).__next__)
    assert append(log, "room", 1).epoch == "one"
    assert append(log, "other", 1).epoch == "two"
    assert append(log, "room", 1).epoch == "one"
    assert repr(log) == "<MemorySessionLog sessions=2>"
    log.forget("room")
    log.forget("room")
    anew = append(log, "room", 1)
    assert (anew.epoch, anew.entries[0].position) == ("three", 1)


def test_epochs_are_random_by_default() -> None:
    port: SessionLog = MemorySessionLog()
    assert isinstance(port, MemorySessionLog)
    assert append(port, "room", 1).epoch != append(MemorySessionLog(), "room", 1).epoch
