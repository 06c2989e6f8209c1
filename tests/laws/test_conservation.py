"""The law of conservation, seen from outside: at every moment, whatever is called and whatever the network does.

A member does something at random, again and again: it sends in every way, takes back, waits for room, leaves and comes back,
while its link is cut, refused, hangs or recovers, and its hub dies. After each act, and inside each event that it is told,
`statistics()` must add up. At the end every receipt has its outcome, and the journal has each outcome exactly once and replays.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconnect import NotConnected, Outbox, OutboxFull, Receipt, RetryPolicy
from reconnect.core.bounds import Overflow
from reconnect.core.notices import SESSION_NOTICES
from reconnect.testing import assert_replays
from tests.stories.stage import Member, Stage, story


class Actor:
    """One member that does things at random."""

    def __init__(self, stage: Stage, member: Member, random: Random) -> None:
        self.stage, self.member, self.random = stage, member, random
        self.receipts: list[Receipt] = []
        self.looks = 0
        for kind in SESSION_NOTICES:
            member.session.on(kind.name, self.look)
        member.session.on("reconnecting", lambda event: self.send())

    def look(self, event: object = None) -> None:
        """The law holds now."""
        statistics = self.member.session.statistics()
        assert statistics.submitted == sum(statistics.outcomes.values()) + statistics.pending, (event, statistics)
        assert statistics.submitted == len(self.receipts)
        settled = Counter(str(receipt.outcome.status) for receipt in self.receipts if receipt.outcome is not None)
        assert settled == Counter({str(status): count for status, count in statistics.outcomes.items() if count})
        self.looks += 1

    def send(self) -> None:
        random = self.random
        options: dict[str, Any] = {
            "retry_after_reconnect": random.random() < 0.7,
            "ttl": random.choice([None, None, 0.5, 3.0]),
            "session_only": random.random() < 0.2,
            "to": random.choice([None, None, "nobody"]),
        }
        try:
            self.receipts.append(self.member.session.signal("x" * random.randrange(60), **options))
        except (NotConnected, OutboxFull):
            return

    async def wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self.random.choice([0.1, 20.0])):
                receipt = await self.member.session.signal_when_room("with room")
        except (NotConnected, TimeoutError):
            return
        self.receipts.append(receipt)

    async def act(self) -> None:
        """Do one thing."""
        network, session, name = self.stage.network, self.member.session, self.member.name
        kind = self.random.randrange(12)
        if kind < 4:
            for _ in range(self.random.randrange(6)):
                self.send()
        elif kind == 4 and self.receipts:
            self.random.choice(self.receipts[-10:]).cancel()
        elif kind == 5:
            network.cut(name)
        elif kind == 6:
            self.random.choice([network.refuse, network.half_open])(name)
        elif kind == 7:
            network.restore(name)
        elif kind == 8 and session.role == "online" and self.random.random() < 0.3:
            await self.stage.kill_hub()
            await self.stage.open()
        elif kind == 9 and self.random.random() < 0.3:
            await session.disconnect()
            self.look("disconnected")
            network.restore(name)
            await session.connect()
        elif kind == 10:
            await self.wait_for_room()
        else:
            await self.stage.later(self.random.choice([0.0, 0.01, 1.0, 7.0]))


@pytest.mark.parametrize("seed", range(40))
@story(Stage)
async def test_the_law_holds_at_every_moment(stage: Stage, seed: int, tmp_path: Path) -> None:
    """Q09 Q08 Q06: what is submitted is the sum of all outcomes and what is pending, and each outcome is written down once."""
    random = Random(seed)
    bounds = Outbox(
        max_signals=random.choice([3, 8, 1_000]), overflow=random.choice(list(Overflow)), in_flight=random.choice([1, 4, 99])
    )
    path = tmp_path / "day.jsonl"
    anna = await stage.enter("anna", outbox=bounds, retry=RetryPolicy.forever(), audit=path)
    actor = Actor(stage, anna, random)
    for _ in range(60):
        await actor.act()
        actor.look()
    stage.network.restore("anna")
    await anna.session.disconnect()
    actor.look()
    assert actor.looks > 60
    assert all(receipt.outcome for receipt in actor.receipts)
    written: dict[int, str] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        for first, last in line["serials"] if line["record"] == "outcomes" else ():
            for serial in range(first, last + 1):
                assert serial not in written, f"serial {serial} is {written[serial]}, and then {line['status']}"
                written[serial] = line["status"]
    assert written == {receipt.serial: str(receipt.outcome.status) for receipt in actor.receipts if receipt.outcome}
    assert_replays(path)
