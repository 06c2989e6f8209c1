"""A journal with three outages of different kinds, as the tests of replay, story and report read it, and as `docs/` shows it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reconnect import RetryPolicy
from reconnect.audit import Journal
from tests.stories.stage import Stage


def play(audit: Any, **options: Any) -> None:
    """Play a day: a short cut, a long one with refused dials, and one in which nobody hears anything; signals all the time."""
    stage = Stage()

    async def day() -> None:
        policy = RetryPolicy.forever()
        stage.network.delay(0.05)
        anna = await stage.enter("anna", audit=audit, seed=11, retry=policy, **options)
        ben = await stage.enter("ben")
        session = anna.session
        await session.publish("camera")
        await talk(3.0, anna, ben)
        stage.network.cut("anna")
        await anna.next("reconnecting")
        await anna.back()
        await talk(5.0, anna, ben)
        stage.network.cut("anna")
        stage.network.refuse("anna")
        await anna.next("reconnecting")
        session.signal("held")
        session.signal("late", retry_after_reconnect=False)
        session.signal("unsaid").cancel()
        await session.signal("short", ttl=2.0)
        await stage.later(9.0)
        stage.network.restore("anna")
        await anna.back()
        await session.signal("hello", to="nobody")
        await talk(9.0, anna, ben)
        stage.network.half_open("anna")
        await anna.next("reconnecting")
        stage.network.restore("anna")
        await anna.back()
        await talk(6.0, anna, ben)
        await session.disconnect()

    async def talk(seconds: float, *members: Any) -> None:
        for number in range(int(seconds)):
            for member in members:
                member.session.signal({"n": number}, type="tick")
            await stage.later(1.0)

    stage.run(stage.tell(day))


@cache
def journal() -> bytes:
    """Return the bytes of that journal."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "day.jsonl"
        play(Journal(path, host="rehearsal"))
        return path.read_bytes()


def written(folder: Path) -> Path:
    """Return a file with that journal."""
    path = folder / "day.jsonl"
    path.write_bytes(journal())
    return path
