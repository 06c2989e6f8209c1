"""A session with a durable outbox, over real sockets and on a real file."""

from __future__ import annotations

import asyncio
import gc
import secrets
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import reconnect
from reconnect.audit import MemorySink
from reconnect.client.keeping import Keeping
from reconnect.errors import BadArgument, OutboxFailed, WrongLoop
from reconnect.reasons import OutcomeStatus, Reason
from reconnect.store.sqlite import SqliteOutboxStore
from tests.conftest import Runner
from tests.store_bench import break_commit


class Place:
    """A hub, somebody who listens, and sessions with a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secret = secrets.token_urlsafe(32)
        self.url = ""
        self.heard: list[tuple[Any, int, bool]] = []
        self.sink = MemorySink()

    def token(self, name: str) -> str:
        """Return a token for a member."""
        return reconnect.make_token(self.secret, session="room", client_id=name)

    def session(self, box: reconnect.Outbox, **options: Any) -> reconnect.Session:
        """Return a session with this outbox."""
        return reconnect.Session(self.url, session="room", token=self.token("anna"), outbox=box, audit=self.sink, **options)

    def noted(self, machine: str = "outbox") -> list[str]:
        """Return what the audit says of the file."""
        return [record.get("event") or record["what"] for record in self.sink.records if record.get("machine") == machine]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once something holds."""
        while not holds():  # noqa: ASYNC110  # it comes over sockets and from a thread
            await asyncio.sleep(0.005)


@asynccontextmanager
async def place(path: Path) -> AsyncIterator[Place]:
    """Serve a hub on loopback, and listen."""
    here = Place(path)
    async with reconnect.Hub(here.secret).serve() as hub:
        here.url = hub.url
        async with reconnect.connect(hub.url, session="room", token=here.token("ben")) as ben:
            ben.on("signal", lambda event: here.heard.append((event.signal.data, event.signal.serial, event.signal.repeat)))
            yield here


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def file_of(box: reconnect.Outbox) -> SqliteOutboxStore:
    assert isinstance(box.store, Keeping)
    return box.store.file


# -- the promise ---------------------------------------------------------------------------------------------------------------


def test_signals_outlive_session_and_process(run: Runner, path: Path) -> None:
    """Q20: taken while disconnected, stored, sent by the next one, in order and with the same serials."""

    async def story() -> None:
        async with place(path) as here:
            with reconnect.Outbox(path) as box:
                session = here.session(box)
                first = session.signal("before the first connect")
                await first.stored
                assert (first.outcome, session.statistics().pending) == (None, 1)
                await session.connect()
                assert (await first).delivered
                await session.disconnect()
                held = [session.signal(number) for number in range(3)]
                dropped = session.signal("worthless", retry_after_reconnect=False)
                await held[-1].stored
                assert (await dropped).reason is Reason.OPTED_OUT
                assert [signal.data for signal in box.pending()] == [0, 1, 2]
                sender = box.sender
            with reconnect.Outbox(path) as box:
                assert (box.sender, box.durability, [signal.serial for signal in box.pending()]) == (sender, "full", [2, 3, 4])
                session = here.session(box)
                await session.connect()
                assert (await session.signal("new")).delivered
                await session.disconnect()
                assert box.pending() == ()
            assert here.heard == [
                ("before the first connect", 1, False),
                (0, 2, True),
                (1, 3, True),
                (2, 4, True),
                ("new", 5, False),
            ]

    run(story())


def test_entering_disconnected_ends_the_receipts_of_what_stays(run: Runner, path: Path) -> None:
    """Q06: `failed`, still stored, and it goes on with the next connect()."""

    async def story() -> None:
        async with place(path) as here:
            with reconnect.Outbox(path) as box:
                lost = reconnect.Session("ws://127.0.0.1:9", session="room", token=here.token("anna"), outbox=box)
                receipt = lost.signal("kept")
                await receipt.stored
                with pytest.raises(reconnect.ConnectFailed):
                    await lost.connect()
                outcome = await receipt
                assert (outcome.status, outcome.stored, outcome.possibly_sent) == (OutcomeStatus.FAILED, True, False)
                assert lost.statistics().pending == 1
            with reconnect.Outbox(path) as box:
                session = here.session(box)
                await session.connect()
                await here.until(lambda: len(here.heard) == 1)
                await session.disconnect()

    run(story())


def test_what_is_stored_is_told_to_all_who_wait(run: Runner, path: Path) -> None:
    async def story() -> None:
        async with place(path) as here:
            with reconnect.Outbox(path) as box:
                session = here.session(box)
                receipts = [session.signal(number) for number in range(5)]
                waits = [asyncio.create_task(receipt.stored) for receipt in (*receipts, receipts[0])]
                waits[1].cancel()
                await asyncio.wait(waits)
                assert [wait.cancelled() for wait in waits] == [False, True, False, False, False, False]
                await receipts[0].stored
                taken_back = session.signal("taken back")
                waiting = asyncio.create_task(taken_back.stored)
                await asyncio.sleep(0)
                assert taken_back.cancel()
                with pytest.raises(OutboxFailed, match="signal 6 was cancelled before it was stored"):
                    await waiting

    run(story())


# -- faults --------------------------------------------------------------------------------------------------------------------


def test_a_fault_is_an_error_of_the_caller_and_passes(run: Runner, path: Path) -> None:
    """A30 A31: not acknowledged, told, and over once the file was checked."""

    async def story() -> None:
        async with place(path) as here:
            with reconnect.Outbox(path) as box:
                store = file_of(box)
                store._retry_seconds = 3_600.0
                session = here.session(box)
                await session.connect()
                assert (await session.signal("first")).delivered
                break_commit(store)
                receipt = session.signal("second")
                with pytest.raises(OutboxFailed, match=r"the disk failed \(SQLITE_TEST\)"):
                    await receipt.stored
                outcome = await receipt
                assert (outcome.status, outcome.reason, outcome.possibly_sent) == (
                    OutcomeStatus.FAILED,
                    Reason.STORE_FAILED,
                    True,
                )
                with pytest.raises(OutboxFailed):
                    session.signal("third")
                store._worker.wake()
                await here.until(lambda: session._core.at.outbox.fault is None)  # type: ignore[attr-defined]  # a durable one
                assert (await session.signal("fourth")).delivered
                await session.disconnect()
            await here.until(lambda: len(here.heard) == 2)
            assert [data for data, _, _ in here.heard] == ["first", "fourth"]
            assert here.noted()[:3] == ["opened", "failed", "recovered"]

    run(story())


def test_damage_is_counted_and_told(run: Runner, path: Path) -> None:
    """A33 Q20: the other signals go on; whoever looked at a prompt before has not hidden it, and it is told once."""

    async def story() -> None:
        async with place(path) as here:
            with reconnect.Outbox(path) as box:
                session = here.session(box)
                receipts = [session.signal(number) for number in range(3)]
                await receipts[-1].stored
            with sqlite3.connect(path) as connection:
                connection.execute("UPDATE signals SET body = x'00' WHERE serial = 2")
            connection.close()
            with reconnect.Outbox(path) as box:
                assert [signal.serial for signal in box.pending()] == [1, 3]
                assert " open damaged_signals=1 " in repr(box)
            told: list[int] = []
            for last in (2, 3):
                with reconnect.Outbox(path) as box:
                    session = here.session(box)
                    await session.connect()
                    assert (await session.signal(last)).delivered
                    await here.until(lambda last=last: len(here.heard) == last + 1)  # type: ignore[misc]  # of a default
                    told.append(session.statistics().counts.get("damaged_signals", 0))
                    await session.disconnect()
            assert [data for data, _, _ in here.heard] == [0, 2, 2, 3]
            assert told == [1, 0]
            assert here.noted().count("damaged") == 1

    run(story())


# -- the object ----------------------------------------------------------------------------------------------------------------


def test_a_file_that_nobody_closed_is_closed_with_its_outbox(path: Path) -> None:
    box = reconnect.Outbox(path)
    with pytest.raises(reconnect.OutboxInUse):
        reconnect.Outbox(path)
    del box
    gc.collect()
    assert reconnect.Outbox(path).pending() == ()
    gc.collect()


def test_what_it_says_of_itself(path: Path) -> None:
    with reconnect.Outbox(path, durability="process") as box:
        assert repr(box) == f"<Outbox {file_of(box).path} open {box.sender[:8]} max_signals=1000 overflow=raise>"
        assert box.durability is reconnect.Durability.PROCESS
        assert repr(box.store) == f"<Keeping {file_of(box)!r} stored_up_to=0 waiting=0>"
    memory = reconnect.Outbox()
    assert (memory.durability, memory.pending(), memory._chart) == ("memory", (), None)
    memory.close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"durability": "memory"}, r"durability is 'full' or 'process' for a file, and this is 'memory'"),
        ({"durability": None}, r"durability is 'full' or 'process' for a file, and this is None"),
        ({"sender": "mine"}, "the file of an outbox has a sender of its own; give either a path or a sender"),
    ],
)
def test_what_it_cannot_be_made_of(path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument) as refused:
        reconnect.Outbox(path, **options)
    assert sentence in str(refused.value)
    assert not path.exists()


def test_signals_are_stored_from_a_loop(path: Path) -> None:
    """There is nobody to store them without one."""
    with reconnect.Outbox(path) as box:
        session = reconnect.Session("ws://127.0.0.1:9", session="room", token="x" * 20, outbox=box)
        with pytest.raises(WrongLoop):
            session.signal("nobody listens")
        assert session.statistics().submitted == 0


def test_a_signal_whose_loop_stopped_at_once_goes_on_with_the_next_one(path: Path) -> None:
    """The turn after which it would have been stored never came."""
    with reconnect.Outbox(path) as box:
        here = Place(path)
        session = reconnect.Session("ws://127.0.0.1:9", session="room", token=lambda: here.token("ann"), outbox=box)
        loop = asyncio.new_event_loop()
        receipts: list[reconnect.Receipt] = []

        def submit() -> None:
            receipts.append(session.signal("first"))
            loop.stop()

        loop.call_soon(submit)
        loop.run_forever()
        loop.close()

        async def story() -> None:
            connecting = asyncio.ensure_future(session.connect())
            async with asyncio.timeout(10):
                await receipts[0].stored
                await session.signal("second").stored
            await session.disconnect()
            with pytest.raises(reconnect.ConnectFailed):
                await connecting

        asyncio.run(story())
        assert [signal.data for signal in box.pending()] == ["first", "second"]


def test_nothing_goes_on_with_a_file_that_was_closed(run: Runner, path: Path) -> None:
    """Another program may have it by now; what this one sent of it would be sent again by that one."""

    async def story() -> None:
        async with place(path) as here:
            box = reconnect.Outbox(path)
            session = here.session(box)
            await session.signal("stays").stored
            box.close()
            receipt = session.signal("too late")
            closed = r"it was closed; make another Outbox for it"
            with pytest.raises(OutboxFailed, match=closed):
                await receipt.stored
            assert (await receipt).reason is Reason.STORE_FAILED
            with pytest.raises(OutboxFailed, match=closed):
                await session.connect()
            assert session.state == "disconnected"
            with reconnect.Outbox(path) as later:
                assert [signal.data for signal in later.pending()] == ["stays"]

    run(story())
