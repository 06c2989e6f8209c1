"""The durable store: what it confirms is on disk, what it cannot keep it refuses, and it is trusted again only when checked."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from reconnect.errors import OutboxFailed, OutboxInUse
from reconnect.ports import OutboxStore
from reconnect.store import Durability
from reconnect.store.sqlite import SqliteOutboxStore
from tests.conftest import Runner
from tests.store_bench import StoreBench, break_commit, opened, row


@pytest.fixture
def bench(tmp_path: Path) -> StoreBench:
    return StoreBench(tmp_path / "outbox.db")


def reopened(bench: StoreBench, **options: Any) -> StoreBench:
    bench.store.close()
    return StoreBench(bench.path, **options)


# -- keeping ------------------------------------------------------------------------------------------------------------------


def test_what_is_confirmed_is_there_for_the_next_process_in_order(bench: StoreBench) -> None:
    """Q20: the rows, their order, the sender and the next serial."""
    port: OutboxStore = bench.store
    port.put([row(1), row(2, b'{"a":1}', type="t", to="c1", expires_at=9.5, keep=False)], bench.answers.append)
    assert bench.put(3) == 3
    sender = bench.store.sender
    later = reopened(bench)
    assert (later.store.sender, later.store.next_serial) == (sender, 4)
    first, second, third = later.store.pending()
    assert (first.serial, first.type, first.data, first.to, first.expires_at) == (1, "reading", "reading", None, None)
    assert (second.type, second.data, second.to, second.expires_at, second.retry_after_reconnect) == (
        "t",
        {"a": 1},
        "c1",
        9.5,
        False,
    )
    assert third.serial == 3
    assert [serial for serial, _ in later.store.take_rows()] == [1, 2, 3]
    assert later.store.take_rows() == []


def test_serials_go_on_though_nothing_is_held(bench: StoreBench) -> None:
    """Q20: a serial that was used is never used again."""
    bench.put(1, 2, 3)
    bench.store.forget([1, 2, 3])
    later = reopened(bench)
    assert (later.pending(), later.store.next_serial) == ([], 4)


def test_what_has_its_outcome_is_forgotten(bench: StoreBench) -> None:
    bench.put(*range(1, 11))
    bench.store.forget([1, 2, 3, 7])
    bench.store.forget([])
    bench.store.put([], bench.answers.append)
    assert bench.pending() == [4, 5, 6, 8, 9, 10]
    assert len(bench.answers) == 1


def test_what_is_over_is_off_the_disk_once_a_later_one_is_safe(bench: StoreBench, tmp_path: Path) -> None:
    """Whoever cancelled a signal, and then stored another one, knows that no later process sends the first."""
    bench.put(1, 2)
    found: list[list[int]] = []

    def cut(_: int | OutboxFailed) -> None:
        """Read what the next process would find if the power went off at the answer."""
        folder = tmp_path / "after"
        folder.mkdir()
        for side in ("", "-wal"):
            shutil.copy(f"{bench.path}{side}", folder / f"{bench.path.name}{side}")
        file = opened(folder / bench.path.name)
        found.append([serial for serial, _ in file.take_rows()])
        file.close()

    bench.worker.held = True
    bench.store.forget([1])
    bench.store.put([row(3)], cut)
    bench.worker.held = False
    bench.worker.wake()
    assert found == [[2, 3]]


def test_what_is_over_before_it_is_written_is_not_written(bench: StoreBench) -> None:
    """A row says what it said when it was put, whatever becomes of it meanwhile."""
    bench.worker.held = True
    cancelled, kept = row(1), row(2, b'"kept"')
    bench.store.put([cancelled, kept], bench.answers.append)
    cancelled.data = kept.data = b""
    bench.store.forget([1])
    bench.worker.held = False
    bench.worker.wake()
    assert [(held.serial, held.data) for held in bench.store.pending()] == [(2, "kept")]
    assert bench.answers == [2]


def test_what_was_queued_is_written_in_one_commit(bench: StoreBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Group commit: while one waits for the disk, the next batch grows."""
    commits: list[int] = []
    file = bench.store._file
    assert file is not None
    commit = file.commit

    def counting(rows: Any, gone: Any) -> None:
        commits.append(len(rows))
        commit(rows, gone)

    monkeypatch.setattr(file, "commit", counting)
    bench.worker.held = True
    for serial in range(1, 6):
        bench.store.put([row(serial)], bench.answers.append)
    bench.worker.held = False
    bench.worker.wake()
    assert commits == [5]
    assert bench.answers == [1, 2, 3, 4, 5]


def test_instants_become_unix_time(bench: StoreBench) -> None:
    """An instant of a session's clock means nothing to the next process."""
    bench.store.to_unix = lambda at: at + 1_000.0
    bench.store.put([row(1, expires_at=5.0)], bench.answers.append)
    assert bench.store.pending()[0].expires_at == 1_005.0


# -- failing ------------------------------------------------------------------------------------------------------------------


def told(bench: StoreBench) -> list[str]:
    return [f"{news.step.before} {news.step.event} {news.step.after}" if news.step else news.what for news in bench.store.news]


@pytest.mark.parametrize(
    ("code", "certain"), [(sqlite3.SQLITE_IOERR, False), (sqlite3.SQLITE_FULL, True), (sqlite3.SQLITE_READONLY, True)]
)
def test_what_the_disk_did_not_take_is_refused_and_never_comes_back(bench: StoreBench, code: int, certain: bool) -> None:
    """A30 A31: not acknowledged, and gone from the file once it is trusted again; what was stored before stays."""
    assert bench.put(1) == 1
    break_commit(bench.store, code)
    refused = bench.put(2, 3)
    assert isinstance(refused, OutboxFailed)
    assert (refused.serials, refused.certain, refused.path) == ((2, 3), certain, os.path.realpath(bench.path))
    assert (bench.store.state, bench.store.fault is not None) == ("faulty", True)
    assert bench.worker.again == bench.store._retry_seconds
    with pytest.raises(OutboxFailed):
        bench.store.pending()
    # The worker calls by itself; what is put in the same turn finds the file checked.
    bench.worker.wake()
    assert repr((bench.store.state, bench.store.fault, bench.worker.again)) == "('open', None, None)"
    assert bench.put(4) == 4
    assert reopened(bench).pending() == [1, 4]
    assert told(bench)[:3] == ["closed opened open", "open failed faulty", "faulty recovered open"]


def test_a_commit_that_reached_the_disk_though_it_was_said_to_have_failed_is_undone(bench: StoreBench) -> None:
    """A30: fsync said no, and the rows are there all the same; their signals have failed, so no process may send them."""
    file = bench.store._file
    assert file is not None
    commit = file.commit

    def lying(rows: Any, gone: Any) -> None:
        commit(rows, gone)
        raise OutboxFailed("outbox.db", "the disk failed", "look", certain=False)

    file.commit = lying  # type: ignore[method-assign]
    assert isinstance(bench.put(1), OutboxFailed)
    bench.worker.wake()
    assert bench.pending() == []


def test_while_it_is_faulty_everything_is_refused_and_outcomes_are_remembered(
    bench: StoreBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A31: acknowledgements are remembered though they cannot be written."""
    bench.put(1, 2, 3)
    break_commit(bench.store, sqlite3.SQLITE_FULL)
    bench.store.forget([1])
    with monkeypatch.context() as patch:
        full = OutboxFailed("outbox.db", "no space is left for it", "make room")
        patch.setattr(bench.store, "_open", lambda: (_ for _ in ()).throw(full))
        assert isinstance(bench.put(4), OutboxFailed)
        bench.store.forget([2])
        assert bench.store.state == "faulty"
    bench.worker.wake()
    assert bench.store.state == "open"
    assert bench.pending() == [3]


def test_another_file_in_its_place_is_not_trusted(bench: StoreBench) -> None:
    """What was stored is not in it, and its serials are another's."""
    bench.put(1)
    os.rename(bench.path, bench.path.with_suffix(".moved"))
    refused = bench.put(2)
    assert isinstance(refused, OutboxFailed)
    assert refused.problem == "it was moved or removed while it was open"
    os.rename(bench.path.with_suffix(".moved"), bench.path)
    mine, bench.store.sender = bench.store.sender, "another's"
    bench.worker.wake()
    assert bench.store.state == "faulty"
    bench.store.sender = mine
    bench.worker.wake()
    assert bench.store.state == "open"


def test_a_file_that_takes_no_write_is_read_all_the_same(bench: StoreBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A31: on a full disk a program that starts again can send what it holds, and so make room."""
    bench.put(1, 2)
    bench.store.close()
    with monkeypatch.context() as patch:
        full = OutboxFailed("outbox.db", "no space is left for it", "make room")
        patch.setattr("reconnect.store.file.OutboxFile.mark_open", lambda file: (_ for _ in ()).throw(full))
        later = StoreBench(bench.path)
        assert (later.store.state, later.store.fault) == ("faulty", full)
        assert [serial for serial, _ in later.store.take_rows()] == [1, 2]
    later.worker.wake()
    assert later.pending() == [1, 2]


# -- damage ------------------------------------------------------------------------------------------------------------------


def damage(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE signals SET body = x'00' WHERE serial = 2")
    connection.close()


def found_by(store: SqliteOutboxStore) -> list[tuple[int, ...]]:
    return [news.found.serials for news in store.news if news.found is not None]


def test_damage_is_told_at_each_opening_until_a_session_has_told_it(bench: StoreBench, caplog: pytest.LogCaptureFixture) -> None:
    """A33: at a prompt as well, where only a warning says so."""
    bench.put(1, 2, 3)
    bench.store.close()
    damage(bench.path)
    for _ in range(2):
        caplog.clear()
        bench = StoreBench(bench.path)
        assert bench.pending() == [1, 3]
        assert found_by(bench.store) == [(2,)]
        ((name, level, message),) = caplog.record_tuples
        assert (name, level) == ("reconnect", logging.WARNING)
        assert message == str(bench.store.found[0])
        bench.store.close()
    bench = StoreBench(bench.path)
    bench.store.told(bench.store.found[0])
    shutil.copytree(bench.path.parent, copied := bench.path.parent.parent / "killed")
    bench.store.close()
    for path in (bench.path, copied / bench.path.name):
        later = StoreBench(path)
        assert (found_by(later.store), later.store.found) == ([], [])
        later.store.close()


def test_damage_that_was_told_is_not_told_again_after_a_fault(bench: StoreBench) -> None:
    """A30 A33: the disk failed before the file could say that it was told."""
    bench.put(1, 2, 3)
    bench.store.close()
    damage(bench.path)
    bench = StoreBench(bench.path)
    break_commit(bench.store)
    bench.store.told(bench.store.found[0])
    assert bench.store.state == "faulty"
    bench.worker.wake()
    assert bench.store.state == "open"
    assert found_by(bench.store) == [(2,)], "once"
    bench.store.close()
    assert StoreBench(bench.path).store.found == []


# -- ending -------------------------------------------------------------------------------------------------------------------


def test_a_store_that_was_closed_takes_nothing(bench: StoreBench) -> None:
    bench.put(1)
    bench.store.close()
    bench.store.close()
    refused = bench.put(2)
    assert isinstance(refused, OutboxFailed)
    assert (refused.problem, refused.serials) == ("it was closed", (2,))
    bench.store.forget([1])
    with pytest.raises(OutboxFailed):
        bench.store.pending()
    assert bench.store.take_rows() == []
    assert StoreBench(bench.path).pending() == [1]


def test_what_is_queued_is_written_at_the_end(bench: StoreBench) -> None:
    bench.worker.held = True
    bench.store.put([row(1)], bench.answers.append)
    assert reopened(bench).pending() == [1]
    assert bench.answers == [1]


def test_closing_a_faulty_store_says_so_unless_it_recovers(bench: StoreBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put(1, 2)
    break_commit(bench.store)
    bench.store.forget([1])
    failing = OutboxFailed("outbox.db", "the disk failed", "look")
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "_open", lambda: (_ for _ in ()).throw(failing))
        with pytest.raises(OutboxFailed, match=r"the disk failed \(SQLITE_TEST\)"):
            bench.store.close()
    assert StoreBench(bench.path).pending() == [1, 2]


def test_a_child_process_does_not_use_its_parents_file(bench: StoreBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put(1)
    monkeypatch.setattr(bench.store, "_process", os.getpid() + 1)
    for use in (lambda: bench.put(2), lambda: bench.store.forget([1]), bench.store.pending):
        with pytest.raises(OutboxFailed, match="forked from"):
            use()
    bench.store.close()
    assert bench.store.state == "open"


def test_a_second_opener_is_refused_within_a_second(bench: StoreBench) -> None:
    """A35: in this process and in its threads; the first is not disturbed."""
    refusals: list[OutboxInUse] = []

    def second() -> None:
        with pytest.raises(OutboxInUse) as refused:
            SqliteOutboxStore(bench.path)
        refusals.append(refused.value)

    began = time.monotonic()
    threads = [threading.Thread(target=second) for _ in range(2)]
    for thread in threads:
        thread.start()
    second()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 1.0
    assert {refusal.path for refusal in refusals} == {os.path.realpath(bench.path)}
    assert len(refusals) == 3
    assert bench.put(1) == 1


# -- on a loop, with its thread ------------------------------------------------------------------------------------------------


def test_answers_come_on_the_loop_that_asked(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteOutboxStore(tmp_path / "outbox.db")
        loop, threads = asyncio.get_running_loop(), []

        async def put(*serials: int) -> int | OutboxFailed:
            answer: asyncio.Future[int | OutboxFailed] = loop.create_future()

            def stored(got: int | OutboxFailed) -> None:
                threads.append(threading.current_thread())
                answer.set_result(got)

            store.put([row(serial) for serial in serials], stored)
            return await answer

        assert await put(1, 2) == 2
        assert await asyncio.gather(*(put(serial) for serial in range(3, 50))) == list(range(3, 50))
        store.forget(range(1, 49))
        assert await put(50) == 50
        assert set(threads) == {threading.current_thread()}
        assert [held.serial for held in store.pending()] == [49, 50]
        store.close()

    run(main())


def test_an_answer_for_a_loop_that_is_closed_is_dropped(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "outbox.db")
    bench.worker.held = True

    async def main() -> None:
        bench.store.put([row(1)], bench.answers.append)

    asyncio.run(main())
    bench.worker.held = False
    bench.worker.wake()
    assert (bench.answers, bench.pending()) == ([], [1])


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    store = StoreBench(tmp_path / "outbox.db", durability=Durability.PROCESS).store
    assert repr(store) == f"<SqliteOutboxStore {store.path} process open>"
    assert repr(store._file) == f"<OutboxFile {store.path} held=0 next=1>"
    assert repr(store._life) == "<Life open>"
    assert store.durability is Durability.PROCESS
    store.close()
    assert store.state == "closed"
