"""Between a session and the file of its outbox: knows what is safe, tells those who wait for it, and tells the session of faults.

The file is written on a thread. What it answers comes on the session's loop, and what befalls it (a fault, a recovery, damage) is
fetched from there: the core is fed it, and the audit gets it as steps of `statecharts/outbox.toml`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from reconnect.audit import Auditor
from reconnect.client.receipt import Receipt, settled_or
from reconnect.core import inputs
from reconnect.core.durable import DurableOutbox
from reconnect.core.effects import Note
from reconnect.core.rows import Row
from reconnect.driver import Driver
from reconnect.errors import OutboxFailed
from reconnect.ports import Clock
from reconnect.reasons import Reason
from reconnect.store.sqlite import SqliteOutboxStore

_number = count().__next__


class Keeping:
    """The store of one session (ports.OutboxStore), in front of a file."""

    def __init__(self, store: SqliteOutboxStore) -> None:
        self.file = store
        self._stored_up_to = store.next_serial - 1
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._driver: Driver | None = None
        self._auditor: Auditor | None = None

    def __repr__(self) -> str:
        return f"<Keeping {self.file!r} stored_up_to={self._stored_up_to} waiting={len(self._waiting)}>"

    def attach(self, driver: Driver, auditor: Auditor, clock: Clock) -> None:
        """Belong to this session, and hand over what an earlier process left."""
        self._driver, self._auditor = driver, auditor
        self.file.to_unix = lambda at: clock.wall() + (at - clock.now())
        now, wall = clock.now(), clock.wall()
        outbox = driver.core.at.outbox
        assert isinstance(outbox, DurableOutbox), "the core was told that the outbox is durable"
        outbox.restore(
            Row(
                serial,
                row.type,
                row.data,
                row.to,
                None if row.expires_at is None else row.expires_at - wall + now,
                row.keep,
                row.session_only,
            )
            for serial, row in self.file.take_rows()
        )
        outbox.fault = self.file.fault

    def speak(self) -> None:
        """The session is in use on the running loop: tell it and its audit what befalls the file, from the beginning on."""
        self._loop = asyncio.get_running_loop()
        self.file.watch(self._call)

    # -- reconnect.ports.OutboxStore ---------------------------------------------------------------------------------------------

    def put(self, rows: Sequence[Any], stored: Callable[[int | OutboxFailed], None]) -> None:
        """Write these rows soon."""
        self.file.put(rows, partial(self._answered, stored))

    def forget(self, serials: Sequence[int]) -> None:
        """Remove these rows soon."""
        self.file.forget(serials)

    def _answered(self, stored: Callable[[int | OutboxFailed], None], answer: int | OutboxFailed) -> None:
        if isinstance(answer, int):
            self._stored_up_to = max(self._stored_up_to, answer)
        stored(answer)
        while self._waiting and self._waiting[0][0] <= self._stored_up_to:
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.done():
                waiter.set_result(None)

    # -- waiting -----------------------------------------------------------------------------------------------------------------

    async def wait_stored(self, receipt: Receipt) -> None:
        """Return once this signal is safe; raises OutboxFailed once it never will be."""
        while not self._is_stored(receipt):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (receipt.serial, _number(), waiter))
            await settled_or(receipt, waiter)

    def _is_stored(self, receipt: Receipt) -> bool:
        outcome = receipt.outcome
        if outcome is not None and outcome.reason is Reason.STORE_FAILED:
            why = self.file.problem
            problem, remedy = (why.problem, why.remedy) if why else ("the disk did not take the signal", "send it again")
            raise OutboxFailed(self.file.path, problem, remedy, serials=(receipt.serial,), certain=not outcome.possibly_sent)
        if receipt.serial <= self._stored_up_to:
            return True
        if outcome is not None:
            problem = f"signal {receipt.serial} was {outcome.status} before it was stored"
            raise OutboxFailed(self.file.path, problem, "look at its outcome", serials=(receipt.serial,))
        return False

    # -- what befalls the file ---------------------------------------------------------------------------------------------------

    def _call(self) -> None:
        """There are news; called on any thread."""
        assert self._loop is not None, "nobody watches before the session speaks"
        with suppress(RuntimeError):  # the loop is closed: the news wait for the next one
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        driver, auditor = self._driver, self._auditor
        assert driver is not None, "a store that speaks belongs to a session"
        assert auditor is not None, "a store that speaks belongs to a session"
        while self.file.news:
            news = self.file.news.popleft()
            auditor.note(Note(at=driver.now(), what=news.what, machine="outbox", step=news.step, detail=news.detail))
            if news.found is not None:
                driver.core.counts["damaged_signals"] += news.damaged
                self.file.told(news.found)
            if news.problem is not None:
                driver.feed(inputs.store_failed(news.problem, driver.now()))
            elif news.recovered:
                driver.feed(inputs.StoreRecovered(at=driver.now()))
        if driver.core.role == "offline":
            auditor.stop()  # as after a hint: it was noted, and the audit is over as before
