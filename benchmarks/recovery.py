"""Seconds from the link's return to the first and the last held signal: 200 signals a second, a cut of 3 s, real sockets.

    python benchmarks/recovery.py [--runs 5] [--json]

The default policy spreads a fleet and so waits; the tuned one tries every 0.1 s at most; `reconnect_now()` stands for an
application that learns that the network is back. Times are those at the receiver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import time
from typing import Any

import reconnect
from reconnect.retry import full_jitter
from reconnect.testing.proxy import Proxy

RATE = 200
CALM, CUT, AFTER = 1.0, 3.0, 45.0
STABLE = 0.5  # so that a connection of a second counts as one that lasted, as in life it would have


def policy(kind: str) -> reconnect.RetryPolicy:
    """Return the policy of one row."""
    if kind == "tuned":
        return reconnect.RetryPolicy(wait=full_jitter(0.1, 0.1), first_try_seconds=0.1, stable_after_seconds=STABLE)
    return reconnect.RetryPolicy(stable_after_seconds=STABLE)


async def measure(kind: str) -> dict[str, float]:
    """Cut a sender's link once; return when what it held arrived."""
    secret = secrets.token_urlsafe(32)
    tokens = [reconnect.make_token(secret, session="bench", client_id=name) for name in ("sender", "receiver")]
    async with reconnect.Hub(secret=secret).serve("127.0.0.1", 0) as server, Proxy("127.0.0.1", server.port) as proxy:
        arrived: dict[int, float] = {}
        roomy = reconnect.Outbox(max_signals=100_000)  # the default policy may wait for longer than a thousand signals
        async with (
            reconnect.connect(server.url, session="bench", token=tokens[1]) as receiver,
            reconnect.connect(
                f"ws://127.0.0.1:{proxy.port}", session="bench", token=tokens[0], retry=policy(kind), outbox=roomy
            ) as sender,
        ):
            receiver.on("signal", lambda event: arrived.setdefault(event.signal.data, time.perf_counter()))
            held: list[int] = []
            stop = asyncio.Event()
            sending = asyncio.create_task(send(sender, held, stop))
            await asyncio.sleep(CALM)
            proxy.cut()
            await asyncio.sleep(CUT)
            proxy.restore()
            restored = time.perf_counter()
            if kind == "now":
                # A dial that was refused may be under way: an application would repeat its hint, too.
                while sender.role != "online":
                    sender.reconnect_now()
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(AFTER):
                await sender.wait_for("connected")
                stop.set()
                await sending
                await sender.drain()
                while len(arrived) < sender.statistics().submitted:
                    await asyncio.sleep(0.01)
            times = [arrived[number] - restored for number in held]
            return {"first": min(times), "last": max(times), "held": float(len(held))}


async def send(session: reconnect.Session, held: list[int], stop: asyncio.Event) -> None:
    """Send numbers, and note which were held."""
    number = 0
    while not stop.is_set():
        session.signal(number)
        if session.role != "online":
            held.append(number)
        number += 1
        await asyncio.sleep(1 / RATE)


KINDS = {"default": "default policy", "tuned": "tuned policy", "now": "reconnect_now()"}


def table(runs: int) -> list[dict[str, Any]]:
    """Measure all, interleaved, and return medians."""
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            taken[kind].append(asyncio.run(measure(kind)))
    rows: list[dict[str, Any]] = []
    for kind, name in KINDS.items():
        medians = {key: round(statistics.median(one[key] for one in taken[kind]), 3) for key in ("first", "last", "held")}
        rows.append({"kind": kind, "name": name, **medians})
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = table(options.runs)
    if options.json:
        print(json.dumps({"runs": options.runs, "rows": rows}, indent=2))
        return
    print(f"{'median of ' + str(options.runs):20}{'first held, s':>15}{'last held, s':>15}{'held':>8}")
    for row in rows:
        print(f"{row['name']:20}{row['first']:>15}{row['last']:>15}{row['held']:>8.0f}")


if __name__ == "__main__":
    main()
