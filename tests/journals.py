"""Journals for the tests of what reads them: one real story, told once, and ways to change what it says.

`telling(path)` plays a day with outages and signals that end in many ways. `rechained` writes changed records with a chain that
is right again, as somebody would who can write the file: only what the records say can then give it away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from reconnect.audit import Journal
from reconnect.audit.chain import ROOT, hash_of
from reconnect.evidence.verify import Verified, Verifier
from tests.stories.stage import Member, Stage

Records = list[dict[str, Any]]


def telling(audit: Any, *, seed: int | None = 7, **options: Any) -> Member:
    """Play a short day: two outages, one of them with refused dials, and signals that end in six ways."""
    stage = Stage()

    async def day() -> None:
        anna = await stage.enter("anna", audit=audit, seed=seed, **options)
        session = anna.session
        await session.publish("camera")
        for number in range(30):
            session.signal({"n": number}, type="tick")
        await session.drain()
        stage.network.cut("anna")
        stage.network.refuse("anna")
        await anna.next("reconnecting")
        session.signal("held")
        session.signal("late", retry_after_reconnect=False)
        session.signal("unsaid").cancel()
        await session.signal("short", ttl=3.0)
        stage.network.restore("anna")
        await anna.back()
        await session.signal("hello", to="nobody")
        stage.network.cut("anna")
        await anna.next("reconnecting")
        session.reconnect_now()
        await anna.back()
        await session.disconnect()

    stage.run(stage.tell(day))
    return stage.members[0]


def story(key: bytes | None = None) -> tuple[bytes, ...]:
    """Return the lines of a journal of that day, without their line feeds."""
    return _told_once(key)


@cache
def _told_once(key: bytes | None) -> tuple[bytes, ...]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "story.jsonl"
        telling(Journal(path, key=key))
        return tuple(path.read_bytes().split(b"\n")[:-1])


def records(key: bytes | None = None) -> Records:
    """Return the records of that day, to be changed."""
    return [json.loads(line) for line in story(key)]


def rechained(changed: Sequence[dict[str, Any]], key: bytes | None = None, *, renumber: bool = True) -> list[bytes]:
    """Return records as lines with right numbers and a right chain."""
    digest, previous, lines = hash_of(key), ROOT, []
    sequence = 0
    for number, record in enumerate(changed, 1):
        if renumber and "sequence" in record:
            sequence = 1 if record["record"] == "start" and record["run"] == 1 else sequence + 1
            record = {**record, "sequence": sequence}
        lines.append(msgspec.json.encode({**record, "prev": previous, "entry": number}))
        previous = digest(lines[-1])
    return lines


def checked(lines: Sequence[bytes], *, torn: bytes = b"", **options: Any) -> Verified:
    """Return the verdict on lines in memory."""
    verifier = Verifier(**options)
    verifier.file("journal", lines)
    verifier.torn(torn, last=True)
    return verifier.end(["journal"])


def head_of(lines: Sequence[bytes], key: bytes | None = None) -> str:
    """Return the hash of the last line."""
    return hash_of(key)(lines[-1])


def index(told: Records, holds: Callable[[dict[str, Any]], object]) -> int:
    """Return the index of the first record for which it holds."""
    return next(number for number, record in enumerate(told) if holds(record))


def step_of(told: Records, event: str, machine: str = "session") -> int:
    """Return the index of the first step of a machine by this event."""
    return index(told, lambda record: record.get("event") == event and record.get("machine") == machine)
