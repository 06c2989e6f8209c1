"""The durable outbox store: takes signals on the event loop, writes them on a thread, and confirms what is safe.

Theory of operation. `put` and `forget` only queue. The worker takes all that is queued, at most a batch, and writes it in one
commit: while one commit waits for the disk the next batch grows, so a slow disk makes batches larger and not callers slower. What
the commit kept is confirmed, on the loop that asked.

The file's life is `statecharts/outbox.toml`. A commit that fails refuses its signals: they fail with `store_failed`, and because
a disk that failed may have kept them all the same, the file is told to forget them as soon as it takes a write again. Until then
everything is refused at once; what has its outcome is remembered meanwhile. Every STORE_RETRY_SECONDS the file is opened anew,
checked, and given what is to be forgotten; once that commit is safe it is trusted again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from reconnect import limits
from reconnect.chart import Statechart, Step
from reconnect.errors import OutboxFailed
from reconnect.record import Record
from reconnect.store import places
from reconnect.store.durability import Durability
from reconnect.store.file import FileSettings, OutboxFile, file_size
from reconnect.store.found import Found
from reconnect.store.held import Held, StoredRow, shown
from reconnect.store.life import Life
from reconnect.store.worker import Worker, WorkerThread

Answer = Callable[[int | OutboxFailed], None]

_log = logging.getLogger("reconnect")


@dataclass(slots=True)
class Put:
    """Signals that wait to be written, and who is to be told."""

    rows: list[tuple[int, StoredRow]]
    answer: Answer

    def refuse(self, problem: OutboxFailed) -> tuple[int, ...]:
        """Say that these are not kept; return their serials."""
        serials = tuple(serial for serial, _ in self.rows)
        self.answer(problem.about(serials))
        return serials


class News(Record, kw_only=True):
    """Something that befell the file: a step of its life, or damage that was found."""

    what: str
    detail: str = ""
    step: Step | None = None
    problem: OutboxFailed | None = None
    recovered: bool = False
    found: Found | None = None

    @property
    def damaged(self) -> int:
        """How many signals are lost, at most."""
        return 0 if self.found is None else self.found.lost


class SqliteOutboxStore:
    """Keeps signals in a file until they have an outcome (ports.OutboxStore)."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = Durability.FULL,
        signals: int = limits.OUTBOX_SIGNALS,
        size: int = limits.OUTBOX_BYTES,
        chart: Statechart | None = None,
        retry_seconds: float = limits.STORE_RETRY_SECONDS,
        worker: Callable[[Callable[[], float | None], str], Worker] = WorkerThread,
    ) -> None:
        self.path = places.absolute(path)
        self._settings = FileSettings(durability=durability, size=file_size(signals, size), sender=secrets.token_hex(16))
        self._retry_seconds = retry_seconds
        self.to_unix: Callable[[float], float] = float  # from an instant of the session's clock
        self.fault: OutboxFailed | None = None
        self.news: deque[News] = deque(maxlen=limits.STORE_NEWS)
        self._report: Callable[[], None] | None = None
        self._process = os.getpid()
        self._ended = False
        self._queue: deque[Put | Sequence[int]] = deque()
        self._queued = threading.Lock()
        self._unused = 1  # should the file have to begin anew, it is with a serial that nobody had
        self._io = threading.RLock()  # whoever has it may use the file
        self._batch: list[Put] = []
        self._gone: list[int] = []
        self._life = Life(
            {"distrust_file": self._distrust, "refuse_unsafe": self._refuse, "release_file": self._release}, self._tell, chart
        )
        file = self._open()
        self._file: OutboxFile | None = file
        self._rows = file.take_rows()
        self.sender, self.next_serial = file.sender, file.next_serial
        self._settings, self._unused = replace(self._settings, sender=self.sender), self.next_serial
        self.found: list[Found] = []
        self._told: Found | None = None
        self._note_found(file)
        self._life.take("opened", self._closed())
        self._worker = worker(self._work, f"reconnect-outbox-{os.path.basename(self.path)}")
        self._prove(file)

    def __repr__(self) -> str:
        return f"<SqliteOutboxStore {self.path} {self.durability} {self._life.state}>"

    @property
    def durability(self) -> Durability:
        """What a confirmed signal survives."""
        return self._settings.durability

    @property
    def state(self) -> str:
        """The state in the chart's words: open, faulty or closed."""
        return self._life.state

    @property
    def chart(self) -> Statechart:
        """The chart that the file's life follows."""
        return self._life.chart

    @property
    def problem(self) -> OutboxFailed | None:
        """Why nothing is kept that is handed over now, None where it is."""
        return self._closed() if self._life.role == "closed" else self.fault

    def check_open(self) -> None:
        """Raise OutboxFailed where it was closed; a file that is faulty may yet recover."""
        if self._life.role == "closed":
            raise self._closed()

    # -- reading -----------------------------------------------------------------------------------------------------------------

    def take_rows(self) -> list[tuple[int, StoredRow]]:
        """Return what the file held when it was opened, in order, once."""
        rows, self._rows = self._rows, []
        return rows

    def pending(self) -> tuple[Held, ...]:
        """Return the signals that the file holds now and that have no outcome, in order; raises OutboxFailed."""
        self._check_process()
        with self._io:
            if self._file is None:
                raise self.fault or self._closed()
            with self._queued:
                gone = {*self._gone, *(serial for item in self._queue if not isinstance(item, Put) for serial in item)}
            return tuple(shown(serial, row) for serial, row in self._file.rows() if serial not in gone)

    # -- reconnect.ports.OutboxStore ---------------------------------------------------------------------------------------------

    def put(self, rows: Sequence[Any], stored: Answer) -> None:
        """Write these rows soon, and answer on the running loop: the highest serial that is safe, or why these are not."""
        self._check_process()
        if rows:
            # What a row says now: it may have its outcome, and be emptied, before the thread gets to it.
            kept = [(row.serial, self._row(row)) for row in rows]
            put = Put(kept, self._posted(stored))
            self._unused = max(self._unused, kept[-1][0] + 1)
            if not self._enqueue(put):
                put.refuse(self._closed())

    def forget(self, serials: Sequence[int]) -> None:
        """Remove these rows soon."""
        self._check_process()
        if serials:
            self._enqueue(serials)

    def _row(self, row: Any) -> StoredRow:
        expires_at = None if row.expires_at is None else self.to_unix(row.expires_at)
        return StoredRow(row.type, row.data, row.to, expires_at, row.keep, row.session_only)

    def _enqueue(self, item: Put | Sequence[int]) -> bool:
        with self._queued:
            if self._ended:
                return False
            self._queue.append(item)
        self._worker.wake()
        return True

    def _posted(self, stored: Answer) -> Answer:
        """Return `stored` as the writing thread may call it: it then runs on the loop that asks now."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return stored

        def post(answer: int | OutboxFailed) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                loop.call_soon_threadsafe(stored, answer)

        return post

    # -- writing, on the worker --------------------------------------------------------------------------------------------------

    def _work(self) -> float | None:
        """Write what is queued; return when to try again where the file has failed."""
        with self._io:
            if self._life.role == "faulty":
                self._recover()
            while self._take_batch():
                self._write_batch()
            return self._retry_seconds if self._life.role == "faulty" else None

    def _take_batch(self) -> bool:
        """Take the next batch from the queue; return whether there is one."""
        rows = taken = 0
        with self._queued:
            while self._queue and rows < limits.STORE_BATCH:
                item = self._queue.popleft()
                taken += 1
                if isinstance(item, Put):
                    self._batch.append(item)
                    rows += len(item.rows)
                else:
                    self._gone.extend(item)
        return taken > 0

    def _write_batch(self) -> None:
        if self._file is None:
            self._refuse(self.fault or self._closed())
            return
        gone = set(self._gone)
        rows = [row for put in self._batch for row in put.rows if row[0] not in gone]
        self._file.told(self._told)
        try:
            self._file.commit(rows, self._gone)
        except OutboxFailed as problem:
            self._life.take("failed", problem)
            return
        self._gone.clear()
        batch, self._batch = self._batch, []
        for put in batch:
            put.answer(put.rows[-1][0])

    def _open(self) -> OutboxFile:
        return OutboxFile(self.path, replace(self._settings, next_serial=self._unused))

    def _recover(self) -> None:
        """Open the file anew, check it, and let it forget what it may still have; then it is trusted again."""
        file: OutboxFile | None = None
        try:
            file = self._open()
            if file.sender != self.sender:
                raise OutboxFailed(self.path, "another file has taken its place", "put the outbox file back")
            file.take_rows()
            file.told(self._told)
            file.mark_open()
            file.commit((), self._gone)
        except OutboxFailed as problem:
            if file is not None:
                file.abandon()
            self._life.take("failed", problem)
            return
        self._file = file
        self._gone.clear()
        self.fault = None
        self._note_found(file)
        self._life.take("recovered", self._closed())

    def _prove(self, file: OutboxFile) -> None:
        """Write the first commit. A file that cannot take it may still be read, and sent from: that is what makes room."""
        try:
            file.mark_open()
        except OutboxFailed as problem:
            self._life.take("failed", problem)
            self._worker.wake()

    # -- what the chart asks for -------------------------------------------------------------------------------------------------

    def _distrust(self, problem: OutboxFailed) -> None:
        file, self._file = self._file, None
        self.fault = problem
        if file is not None:
            file.abandon()

    def _refuse(self, problem: OutboxFailed) -> None:
        batch, self._batch = self._batch, []
        for put in batch:
            self._gone.extend(put.refuse(problem))

    def _release(self, problem: OutboxFailed) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OutboxFailed as failed:
                self.fault = failed

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def watch(self, report: Callable[[], None] | None) -> None:
        """Let `report` be called, on any thread, when there are `news`."""
        self._report = report
        if report is not None and self.news:
            report()

    def _tell(self, step: Step, problem: OutboxFailed) -> None:
        meaning = self.chart.events[step.event].means
        failed = problem if meaning == "failed" else None
        detail = "" if failed is None else str(failed)
        self._announce(News(what="step", step=step, detail=detail, problem=failed, recovered=meaning == "recovered"))

    def _note_found(self, file: OutboxFile) -> None:
        if file.found is not None and file.found not in self.found:  # a file that failed is opened anew, and says it again
            self.found.append(file.found)
            _log.warning("%s", file.found)
            self._announce(News(what="damaged", detail=str(file.found), found=file.found))

    def told(self, found: Found) -> None:
        """A session has told what was found: the file need not say it to the next one."""
        self._told = found
        self._enqueue(())

    def _announce(self, news: News) -> None:
        self.news.append(news)
        if self._report is not None:
            self._report()

    def _closed(self) -> OutboxFailed:
        return OutboxFailed(self.path, "it was closed", "make another Outbox for it")

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            problem = "it was opened by the process that this one was forked from"
            raise OutboxFailed(self.path, problem, "make the Outbox in the process that uses it")

    # -- ending ------------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is queued, close the file and hand it on; what it holds stays there. Raises OutboxFailed if that fails."""
        if os.getpid() != self._process:
            return  # the file is the parent's
        with self._queued:
            self._ended = True
        self._worker.stop()
        with self._io:
            if self._life.role == "faulty":
                self._recover()
            while self._take_batch():
                if self._file is not None:
                    self._write_batch()
            before, self.fault = self.fault, None
            self._life.take("close_requested", before or self._closed())
        if self.fault is not None or before is not None:
            raise self.fault or before
