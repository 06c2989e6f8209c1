"""Bytes of a queued signal, kilobytes of an idle session, and 1,000 sessions in one process through a hub restart.

    python benchmarks/memory.py [--sessions 1000] [--signals 100000] [--json]

Sizes are growths of the resident set, divided; the hub is a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from throughput import Process

import reconnect
from reconnect.testing.proxy import Proxy

PAYLOAD = "x" * 98


def resident() -> int:
    """Return the bytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4_096


async def queued(signals: int) -> dict[str, Any]:
    """Queue signals while the link is away."""
    secret = secrets.token_urlsafe(32)
    token = reconnect.make_token(secret, session="bench", client_id="a")
    outbox = reconnect.Outbox(max_signals=signals, max_bytes=1 << 30)
    forever = reconnect.RetryPolicy.forever()
    async with (
        reconnect.Hub(secret=secret).serve("127.0.0.1", 0) as server,
        Proxy("127.0.0.1", server.port) as proxy,
        reconnect.connect(f"ws://127.0.0.1:{proxy.port}", session="bench", token=token, outbox=outbox, retry=forever) as session,
    ):
        proxy.cut()
        await session.wait_for("reconnecting")
        before = resident()
        for _ in range(signals):
            session.signal(PAYLOAD)
        each = (resident() - before) / signals
        proxy.restore()
        session.reconnect_now()
        began = time.perf_counter()
        await session.drain()
        seconds = time.perf_counter() - began
        return {"bytes_beyond_payload": round(each - len(PAYLOAD) - 2), "drain_seconds": round(seconds, 2)}


async def many(sessions: int) -> dict[str, Any]:
    """Hold many idle sessions, and restart their hub."""
    secret = secrets.token_urlsafe(32)
    hub = Process("hub", secret)
    port = int(hub.read()["url"].rsplit(":", 1)[1])
    url = f"ws://127.0.0.1:{port}"
    before = resident()
    idle = []
    for number in range(sessions):
        token = reconnect.make_token(secret, session=f"s{number % 50}", client_id=f"c{number}")
        idle.append(await reconnect.connect(url, session=f"s{number % 50}", token=token))
    kilobytes = (resident() - before) / sessions / 1_024
    hub.process.kill()
    hub.process.wait()
    for session in idle:
        await session.wait_for("recovering")
    again = Process("hub", secret, str(port))
    again.read()
    began = time.perf_counter()
    async with asyncio.timeout(120):
        for session in idle:
            await session.wait_for("online")
    back = time.perf_counter() - began
    await asyncio.gather(*(session.disconnect() for session in idle))
    again.end()
    return {"kilobytes_idle": round(kilobytes, 1), "sessions": sessions, "back_seconds": round(back, 2)}


def alone(what: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own: memory that another measurement gave back would be taken again, and not seen to grow."""
    arguments = ["--only", what, "--sessions", str(options.sessions), "--signals", str(options.signals)]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--signals", type=int, default=100_000)
    parser.add_argument("--only", choices=["queued", "many"])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.only:
        work = queued(options.signals) if options.only == "queued" else many(options.sessions)
        print(json.dumps(asyncio.run(work)))
        return
    facts = {**alone("queued", options), **alone("many", options)}
    if options.json:
        print(json.dumps(facts, indent=2))
        return
    print(f"a queued 100-byte signal, beyond its payload   {facts['bytes_beyond_payload']:>8} bytes")
    print(f"{options.signals:,} of them drained in                      {facts['drain_seconds']:>8} s")
    print(f"an idle session                                {facts['kilobytes_idle']:>8} KB")
    print(f"{facts['sessions']:,} sessions back after a hub restart in       {facts['back_seconds']:>8} s")


if __name__ == "__main__":
    main()
