"""A robot that drives through a tunnel: what is worthless if late is not sent late, and the alarm arrives all the same.

It streams pictures, says its position (`retry_after_reconnect=False`: the next one replaces it) and its battery (`ttl`: of use
for half a second), and in the tunnel it raises an alarm, which waits as long as it must. The tunnel is a line that looks open
and carries nothing, so silence is all that tells of it. Hub and robot notice that by themselves; here after 0.6 s, by default
after 6 s. An attempt that gets no answer in the tunnel is given up too; here after 0.4 s, by default after 10 s.

Look at the ledger: no position that was said in the tunnel is delivered afterwards, the batteries that waited for too long have
expired, the alarm is delivered. Look at the pictures too: `send()` says False while there is no way for them.

    python examples/robot.py
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter

import reconnect
from reconnect.retry import full_jitter
from reconnect.testing import Proxy

BRISK = reconnect.RetryPolicy(wait=full_jitter(initial=0.2, maximum=0.4))
TICK_SECONDS = 0.05


class Robot:
    """Drives, and keeps the receipts of what it said."""

    def __init__(self, session: reconnect.Session) -> None:
        self.session = session
        self.receipts: list[tuple[str, reconnect.Receipt]] = []
        self.pictures: Counter[bool] = Counter()
        session.on("reconnecting", lambda event: print(f"robot     lost ({event.reason})", flush=True))
        session.on("reconnected", lambda event: print(f"robot     back after {event.elapsed:.1f} s", flush=True))

    async def drive(self, camera: reconnect.Publisher, ticks: int) -> None:
        """Stream and report for so many ticks."""
        for _ in range(ticks):
            self.pictures[camera.send(bytes(1_000))] += 1
            self.say("position", retry_after_reconnect=False)
            self.say("battery", ttl=0.5)
            await asyncio.sleep(TICK_SECONDS)

    def say(self, kind: str, *, retry_after_reconnect: bool = True, ttl: float | None = None) -> None:
        """Send a signal and keep its receipt."""
        receipt = self.session.signal(len(self.receipts), type=kind, retry_after_reconnect=retry_after_reconnect, ttl=ttl)
        self.receipts.append((kind, receipt))

    async def ledger(self) -> None:
        """Print how everything that was said ended."""
        for kind in ("position", "battery", "alarm"):
            ended = Counter([str((await receipt).status) for said, receipt in self.receipts if said == kind])
            print(f"{kind:<9} {', '.join(f'{count} {status}' for status, count in sorted(ended.items()))}")
        print(f"pictures  {self.pictures[True]} sent, {self.pictures[False]} not")


async def main() -> None:
    """Serve a hub on loopback, and send the robot through the tunnel."""
    secret = secrets.token_urlsafe(32)
    hub = reconnect.Hub(secret, ping_seconds=0.2, silence_seconds=0.6)
    async with hub.serve() as server, Proxy(server.host, server.port) as link:
        token = reconnect.make_token(secret, session="site", client_id="robot")
        url = f"ws://127.0.0.1:{link.port}"
        async with reconnect.connect(url, session="site", token=token, retry=BRISK, attempt_deadline_seconds=0.4) as session:
            robot = Robot(session)
            camera = await session.publish("camera")
            await robot.drive(camera, ticks=10)
            print("tunnel    begins", flush=True)
            link.freeze()
            robot.say("alarm")
            await robot.drive(camera, ticks=30)
            print("tunnel    ends", flush=True)
            link.restore()
            await session.wait_for("connected")
            await robot.drive(camera, ticks=10)
            await session.drain()
            await robot.ledger()


if __name__ == "__main__":
    asyncio.run(main())
