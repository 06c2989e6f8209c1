"""What the test of the wall clock runs beneath libfaketime: a hub, a session behind a proxy, and a time of day that jumps.

    python tests/chaos/jumping.py FILE     FILE holds the offset that libfaketime reads

It jumps in the middle of an outage, and back in the middle of a connection. What came of it is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import reconnect
from reconnect.retry import full_jitter
from reconnect.testing import Proxy

OFFSETS = (3_600, -3_600, 315_360_000, -315_360_000)  # seconds: an hour, and ten years
SECRET = "a secret of more than thirty-two bytes"  # of a hub that lives for a few seconds
LONGEST_WAIT_SECONDS = 0.5
QUICK = reconnect.RetryPolicy(
    wait=full_jitter(initial=0.1, maximum=LONGEST_WAIT_SECONDS), first_try_seconds=0.1, give_up_after_seconds=None
)


def token(name: str) -> str:
    """Return a token, made at this time of day."""
    return reconnect.make_token(SECRET, session="room", client_id=name)


def jump(offset: Path, seconds: int) -> float:
    """Set the time of day off by so much; return how far it jumped."""
    before = time.time() - time.monotonic()
    offset.write_text(f"{seconds:+d}")
    return time.time() - time.monotonic() - before


async def main(offset: Path) -> dict[str, Any]:
    """Break the link, say something and jump meanwhile, and look how the session comes back."""
    told: dict[str, Any] = {"jumps": [], "waits": [], "elapsed": [], "arrived": [], "outcomes": []}
    async with reconnect.Hub(SECRET).serve() as hub, Proxy("127.0.0.1", urlsplit(hub.url).port or 0) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}"
        async with reconnect.connect(url, session="room", token=lambda: token("anna"), retry=QUICK) as session:
            session.on("attempt", lambda event: told["waits"].append(event.retry_in))
            session.on("reconnected", lambda event: told["elapsed"].append(event.elapsed))
            session.on("signal:number", lambda event: told["arrived"].append(event.signal.data))
            for number, seconds in enumerate(OFFSETS):
                proxy.cut()
                await session.wait_for("reconnecting")
                receipt = session.signal(number, type="number")
                told["jumps"].append(jump(offset, seconds))
                proxy.restore()
                told["outcomes"].append(str((await receipt).status))
                told["jumps"].append(jump(offset, 0))
                told["outcomes"].append(str((await session.signal(number, type="number")).status))
    return told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
