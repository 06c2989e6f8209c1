"""Milliseconds from signal() to the receiver's observer at 1,000 signals a second, beside the bare relay of throughput.py.

    python benchmarks/latency.py [--seconds 10] [--json]

The hub or relay is a process of its own; sender and receiver share one, and so one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import time
from typing import Any

from machine import in_words, machine
from throughput import Process

RATE = 1_000


async def paced(seconds: float, send: Any) -> None:
    """Call `send` RATE times a second."""
    began, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        while sent < elapsed * RATE:
            await send(time.perf_counter())
            sent += 1
        await asyncio.sleep(0.001)


async def through_hub(seconds: float) -> list[float]:
    """Return the delays through a hub."""
    import reconnect

    secret = secrets.token_urlsafe(32)
    hub = Process("hub", secret)
    url = hub.read()["url"]
    tokens = [reconnect.make_token(secret, session="bench", client_id=name) for name in ("a", "b")]
    delays: list[float] = []
    async with (
        reconnect.connect(url, session="bench", token=tokens[0]) as receiver,
        reconnect.connect(url, session="bench", token=tokens[1]) as sender,
    ):
        receiver.on("signal", lambda event: delays.append(time.perf_counter() - event.signal.data))

        async def send(now: float) -> None:
            sender.signal(now)

        await paced(seconds, send)
        await sender.drain()
        while len(delays) < sender.statistics().submitted:
            await asyncio.sleep(0.01)
    hub.end()
    return delays


async def through_relay(seconds: float) -> list[float]:
    """Return the delays through the bare relay."""
    from websockets.asyncio.client import connect

    relay = Process("relay")
    url = relay.read()["url"]
    delays: list[float] = []
    async with connect(url, compression=None) as receiver, connect(url, compression=None) as sender:

        async def read() -> None:
            async for message in receiver:
                delays.append(time.perf_counter() - float(message))

        reading = asyncio.create_task(read())
        await paced(seconds, lambda now: sender.send(str(now)))
        await asyncio.sleep(0.2)
        reading.cancel()
    relay.end()
    return delays


def row(name: str, delays: list[float]) -> dict[str, Any]:
    """Return the percentiles of one kind."""
    delays.sort()
    return {
        "name": name,
        "signals": len(delays),
        "p50_ms": round(1_000 * delays[len(delays) // 2], 2),
        "p99_ms": round(1_000 * delays[int(len(delays) * 0.99)], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [
        row("bare relay", asyncio.run(through_relay(options.seconds))),
        row("reconnect", asyncio.run(through_hub(options.seconds))),
    ]
    if options.json:
        print(json.dumps({"machine": machine(), "rate": RATE, "rows": rows}, indent=2))
        return
    print(in_words())
    print(f"{'':16}{'signals':>10}{'p50 ms':>10}{'p99 ms':>10}")
    for one in rows:
        print(f"{one['name']:16}{one['signals']:>10}{one['p50_ms']:>10}{one['p99_ms']:>10}")


if __name__ == "__main__":
    main()
