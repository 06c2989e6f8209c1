"""The journal of a session whose outbox has a file: what an earlier process left, and what is stored and goes on."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import reconnect
from reconnect.audit import read_records
from reconnect.evidence.verify import verify

SECRET = secrets.token_urlsafe(32)


async def two_lives(folder: Path) -> None:
    """Submit before the first connect(), leave with signals that were never judged, and go on with another session."""
    token = reconnect.make_token(SECRET, session="room-1", client_id="anna")
    retry = reconnect.RetryPolicy.none()
    async with reconnect.Hub(SECRET).serve() as server:
        outbox = reconnect.Outbox(path=folder / "outbox.db")
        audit = folder / "first.jsonl"
        first = reconnect.Session(server.url, session="room-1", token=token, outbox=outbox, audit=audit, retry=retry)
        first.signal("before the first connect()")
        await first.connect()
        await first.signal("while connected")
        await first.drain()
        await first.disconnect()
        kept = [first.signal(number) for number in range(3)]
        for receipt in kept:
            await receipt.stored
        await first.connect()
        await first.drain()
        await first.disconnect()
        for number in range(4):
            await first.signal(number).stored
        first.reconnect_now()  # the audit is written to the end
        outbox.close()
        second = reconnect.Session(
            server.url, session="room-1", token=token, outbox=reconnect.Outbox(path=folder / "outbox.db"),
            audit=folder / "second.jsonl", retry=retry,
        )  # fmt: skip
        async with second:
            await second.signal("behind what was left")
            await second.drain()


def test_signals_that_a_file_keeps_are_accounted_for_in_each_life(tmp_path: Path) -> None:
    """A34 U06: the first start says what the file held, and the ends of receipts are not taken for ends of signals."""
    asyncio.run(two_lives(tmp_path))
    first, second = verify([tmp_path / "first.jsonl", tmp_path / "second.jsonl"])
    assert first.holds, first.objections
    assert second.holds, second.objections
    starts = [record for record in read_records(tmp_path / "second.jsonl") if record["record"] == "start"]
    assert [sum(last - before + 1 for before, last in start["pending"]) for start in starts] == [4]
    assert (second.outcomes, second.pending, second.submitted) == ({"delivered": 5}, 0, 1)
