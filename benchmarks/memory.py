"""Bytes of a queued signal, kilobytes of an idle session, and 1,000 sessions in one process through a hub restart.

    python benchmarks/memory.py [--sessions 1000] [--signals 100000] [--json]

Sizes are growths of the resident set, divided; the hub or relay of the idle ones is a process of its own. The baselines, in the
same run: the same message in a plain `collections.deque`, which promises nothing, and a bare `websockets` connection, which does
not come back.
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
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from machine import in_words, machine
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


async def in_deque(signals: int) -> dict[str, Any]:
    """Queue the same messages, encoded as they would be sent, in what Python has for it."""
    queue: deque[bytes] = deque()
    before = resident()
    for _ in range(signals):
        queue.append(json.dumps(PAYLOAD).encode())
    each = (resident() - before) / len(queue)
    return {"deque_bytes_beyond_payload": round(each - len(PAYLOAD) - 2)}


async def many(sessions: int) -> dict[str, Any]:
    """Hold many idle sessions, and restart their hub."""
    secret = secrets.token_urlsafe(32)
    hub = Process("hub", secret)
    port = int(hub.read()["url"].rsplit(":", 1)[1])
    url = f"ws://127.0.0.1:{port}"
    async with reconnect.connect(url, session="bench", token=reconnect.make_token(secret, session="bench")):
        pass  # what the first one loads is not the others' size
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


async def bare(sessions: int) -> dict[str, Any]:
    """Hold as many bare connections that are as idle."""
    from websockets.asyncio.client import connect

    relay = Process("relay")
    url = relay.read()["url"]
    async with connect(url, compression=None):
        pass  # as above
    before = resident()
    idle = [await connect(url, compression=None) for _ in range(sessions)]
    kilobytes = (resident() - before) / sessions / 1_024
    await asyncio.gather(*(link.close() for link in idle))
    relay.end()
    return {"bare_kilobytes_idle": round(kilobytes, 1)}


async def bare_restart(sessions: int) -> dict[str, Any]:
    """Let as many bare connections, each of which comes back by itself, outlive a restart of their relay."""
    from websockets.asyncio.client import connect

    relay = Process("relay")
    url = relay.read()["url"]
    arrived: asyncio.Queue[None] = asyncio.Queue()
    lost: asyncio.Queue[None] = asyncio.Queue()

    async def stay() -> None:
        async for link in connect(url, compression=None):
            arrived.put_nowait(None)
            await link.wait_closed()
            lost.put_nowait(None)

    staying = [asyncio.create_task(stay()) for _ in range(sessions)]
    for _ in staying:
        await arrived.get()
    relay.process.kill()
    relay.process.wait()
    for _ in staying:
        await lost.get()
    again = Process("relay", url.rsplit(":", 1)[1])
    again.read()
    began = time.perf_counter()
    async with asyncio.timeout(120):
        for _ in staying:
            await arrived.get()
    back = time.perf_counter() - began
    for task in staying:
        task.cancel()
    await asyncio.wait(staying)
    again.end()
    return {"bare_back_seconds": round(back, 2)}


MEASURED: dict[str, Callable[[argparse.Namespace], Awaitable[dict[str, Any]]]] = {
    "queued": lambda options: queued(options.signals),
    "in_deque": lambda options: in_deque(options.signals),
    "many": lambda options: many(options.sessions),
    "bare": lambda options: bare(options.sessions),
    "bare_restart": lambda options: bare_restart(options.sessions),
}


def alone(what: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own: memory that another measurement gave back would be taken again, and not seen to grow."""
    arguments = ["--only", what, "--sessions", str(options.sessions), "--signals", str(options.signals)]
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--signals", type=int, default=100_000)
    parser.add_argument("--only", choices=list(MEASURED), help="measure this in this process, and print it as JSON")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.only:
        print(json.dumps(asyncio.run(MEASURED[options.only](options))))  # type: ignore[arg-type]  # all are coroutines
        return
    facts: dict[str, Any] = {"machine": machine(), "signals": options.signals}
    for what in MEASURED:
        facts |= alone(what, options)
    if options.json:
        print(json.dumps(facts, indent=2))
        return
    print(in_words())
    for name, key, unit in (
        ("a queued 100-byte signal, beyond its payload", "bytes_beyond_payload", "bytes"),
        ("the same in a collections.deque", "deque_bytes_beyond_payload", "bytes"),
        (f"{facts['signals']:,} signals drained in", "drain_seconds", "s"),
        ("an idle session", "kilobytes_idle", "KB"),
        ("an idle connection of bare websockets", "bare_kilobytes_idle", "KB"),
        (f"{facts['sessions']:,} sessions back after a hub restart in", "back_seconds", "s"),
        ("as many connections of bare websockets back in", "bare_back_seconds", "s"),
    ):
        print(f"{name:48}{facts[key]:>10} {unit}")


if __name__ == "__main__":
    main()
