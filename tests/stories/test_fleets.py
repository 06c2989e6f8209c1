"""A fleet that loses its hub at one instant: when its members try again, and that they do not do so together."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import reconnect
from reconnect.testing import FakeClock, MemoryHub, MemoryNetwork, run

FLEET = 1_000
SLOT = 0.1  # seconds
DOWN = 60.0


def place(hub: MemoryHub, number: int) -> dict[str, Any]:
    """Twenty members share a session."""
    session = f"room-{number % 50}"
    return {"session": session, "token": hub.token(f"member-{number}", session=session)}


def test_a_fleet_that_drops_together_does_not_return_together() -> None:
    """B04: a thousand members with the default policy, each with a chance of its own; the hub is away for a minute."""
    clock, network = FakeClock(), MemoryNetwork()
    attempts: list[float] = []

    async def whole() -> None:
        hub = MemoryHub(network, clock)
        await hub.start()
        fleet = [reconnect.Session(**hub.options(f"member-{number}", **place(hub, number))) for number in range(FLEET)]
        await asyncio.gather(*(session.connect() for session in fleet))
        lost = clock.now()
        for session in fleet:
            session.on("attempt", lambda event: attempts.append(event.at + event.retry_in - lost))
        await hub.kill()
        await asyncio.sleep(DOWN)
        await asyncio.gather(*(session.disconnect() for session in fleet))

    run(whole(), clock)
    slots = Counter(int(at / SLOT) for at in attempts if at < DOWN)
    first = slots[min(slots)]
    late = {slot: count for slot, count in slots.items() if slot * SLOT >= 6.0}
    assert len(attempts) > 3 * FLEET
    assert first <= 0.4 * FLEET
    assert max(late.values()) <= 0.05 * FLEET
