"""A process that stores signals and says which are safe, for tests that take its disk away.

    python -m tests.chaos.writer FILE '{"puts": 40}'

What it says are lines on stdout, each in one write: `stored 5`, `failed 6`, `forgets 1 4`, `refused`, `open` after a fault.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
from typing import Any

from reconnect import limits
from reconnect.errors import OutboxFailed
from reconnect.store.durability import Durability
from reconnect.store.sqlite import SqliteOutboxStore
from reconnect.store.worker import WorkerThread
from tests.store_bench import Inline, row

RETRY_SECONDS = 0.01


def say(*words: object) -> None:
    """Say one line, in one write that nobody buffers."""
    os.write(1, " ".join(map(str, words)).encode() + b"\n")


def payload(serial: int, size: int) -> bytes:
    """Return data that tells its serial."""
    return b'"%d %s"' % (serial, b"x" * size)


class Writer:
    """Puts signals one by one, or many at a time, and forgets the oldest of them."""

    def __init__(self, path: str, *, durability: str = "full", thread: bool = True, size: int = 100, held: int = 10) -> None:
        self.store = SqliteOutboxStore(
            path,
            durability=Durability(durability),
            retry_seconds=RETRY_SECONDS,
            signals=100_000,
            size=64 << 20,
            worker=WorkerThread if thread else Inline,
        )
        self.size, self.held = size, held
        self.serial = self.store.next_serial - 1
        self.stored: list[int] = []

    async def put(self) -> bool:
        """Put one signal, and say what became of it."""
        self.serial += 1
        answer: asyncio.Future[int | OutboxFailed] = asyncio.get_running_loop().create_future()
        serial = self.serial
        self.store.put([row(serial, payload(serial, self.size))], answer.set_result)
        got = await answer
        if isinstance(got, OutboxFailed):
            say("failed", serial, got.certain)
            return False
        say("stored", serial)
        self.stored.append(serial)
        if len(self.stored) > self.held:
            gone, self.stored = self.stored[: self.held // 2], self.stored[self.held // 2 :]
            say("forgets", *gone)
            self.store.forget(gone)
        return True

    async def recovered(self) -> None:
        """Return once the file is trusted again."""
        while self.store.state != "open":  # noqa: ASYNC110  # its thread tells nobody
            await asyncio.sleep(RETRY_SECONDS)
        say("open")


async def write(path: str, *, puts: int, callers: int = 1, limit: int = 0, **options: Any) -> None:
    """Put so many signals, from so many callers; after a failure lift the limit on the size of files, and go on."""
    if limit:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        writer = Writer(path, **options)
    except OutboxFailed as refused:
        say("refused", refused)
        return
    say("opened", writer.store.state)

    async def call() -> None:
        while writer.serial < puts:
            if not await writer.put():
                if limit:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
                await writer.recovered()

    await asyncio.gather(*(call() for _ in range(callers)))
    try:
        writer.store.close()
    except OutboxFailed as failed:
        say("unclosed", failed)
    say("closed")


if __name__ == "__main__":
    told = json.loads(sys.argv[2])
    if "wal" in told:
        limits.STORE_WAL_BYTES = told.pop("wal")  # type: ignore[misc]  # so that a short run has many checkpoints
    asyncio.run(write(sys.argv[1], **told))
