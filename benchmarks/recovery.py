"""Seconds from the link's return to the first signal and the last held one: 200 signals a second, a cut of 3 s, real sockets.

    python benchmarks/recovery.py [--runs 5] [--json]

The default policy spreads a fleet and so waits; the tuned one tries every 0.1 s at most; `reconnect_now()` stands for an
application that learns that the network is back. The baseline, in the same run and with the same proxy and cut, is a client of
bare `websockets` that reconnects as its documentation says (`async for link in connect(...)`), through the bare relay of
throughput.py. It has nowhere to keep what it is given while there is no link.

Times are those at the receiver. "meanwhile" counts what the sender was given while it had no connection, "arrived" how many of
those its receiver got at all. A first or last one that never arrived is "-", and null in JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from machine import in_words, machine
from throughput import Process

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


async def interrupted(proxy: Proxy) -> float:
    """Cut the link for the time of a cut; return when it was back."""
    await asyncio.sleep(CALM)
    proxy.cut()
    await asyncio.sleep(CUT)
    proxy.restore()
    return time.perf_counter()


def result(restored: float, first: float, meanwhile: list[int], arrived: dict[int, float]) -> dict[str, float | None]:
    """Return what one run says."""
    times = [arrived[number] - restored for number in meanwhile if number in arrived]
    return {
        "first": first - restored,
        "last": max(times, default=None),
        "meanwhile": len(meanwhile),
        "arrived": len(times),
    }


# -- the baseline --------------------------------------------------------------------------------------------------------------


async def bare() -> dict[str, float | None]:
    """Cut the link of a bare client that reconnects; return what arrived of what it was given meanwhile."""
    from websockets.asyncio.client import ClientConnection, connect

    relay = Process("relay")
    url = relay.read()["url"]
    arrived: dict[int, float] = {}
    meanwhile: list[int] = []
    links: list[ClientConnection] = []
    stop = asyncio.Event()
    async with Proxy("127.0.0.1", int(url.rsplit(":", 1)[1])) as proxy, connect(url, compression=None) as receiver:

        async def receive() -> None:
            async for message in receiver:
                arrived[int(message)] = time.perf_counter()

        async def stay_connected() -> None:
            async for link in connect(f"ws://127.0.0.1:{proxy.port}", compression=None):
                links.append(link)
                await link.wait_closed()
                links.remove(link)

        working = [asyncio.create_task(work) for work in (receive(), stay_connected())]
        while not links:
            await asyncio.sleep(0.01)
        sending = asyncio.create_task(send_bare(links, meanwhile, stop))
        restored = await interrupted(proxy)
        async with asyncio.timeout(AFTER):
            while not (after := [at for at in arrived.values() if at > restored]):
                await asyncio.sleep(0.01)
            stop.set()
            last = await sending
            while last not in arrived:  # in order on one link: what is not there by then never comes
                await asyncio.sleep(0.01)
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    relay.end()
    return result(restored, min(after), meanwhile, arrived)


async def send_bare(links: list[Any], meanwhile: list[int], stop: asyncio.Event) -> int:
    """Send numbers while there is a link, note those for which there was none, and return the last one."""
    from websockets.exceptions import ConnectionClosed

    number = 0
    while not stop.is_set():
        number += 1
        try:
            await links[0].send(str(number))
        except (IndexError, ConnectionClosed):
            meanwhile.append(number)
        await asyncio.sleep(1 / RATE)
    return number


# -- reconnect -----------------------------------------------------------------------------------------------------------------


async def measure(kind: str) -> dict[str, float | None]:
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
            restored = await interrupted(proxy)
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
            return result(restored, min(arrived[number] for number in held), held, arrived)


async def send(session: reconnect.Session, held: list[int], stop: asyncio.Event) -> None:
    """Send numbers, and note which were held."""
    number = 0
    while not stop.is_set():
        session.signal(number)
        if session.role != "online":
            held.append(number)
        number += 1
        await asyncio.sleep(1 / RATE)


# -- the parent ----------------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[str, Callable[[], Awaitable[dict[str, float | None]]]]] = {
    "bare": ("bare websockets", bare),
    "default": ("default policy", lambda: measure("default")),
    "tuned": ("tuned policy", lambda: measure("tuned")),
    "now": ("reconnect_now()", lambda: measure("now")),
}


def median(values: list[float | None]) -> float | None:
    """Return the median of what was measured, if anything was."""
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 3) if known else None


def table(runs: int) -> list[dict[str, Any]]:
    """Measure all, interleaved, and return medians."""
    taken: dict[str, list[dict[str, float | None]]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind, (_, work) in KINDS.items():
            taken[kind].append(asyncio.run(work()))  # type: ignore[arg-type]  # all are coroutine functions
    return [
        {"kind": kind, "name": name, **{key: median([one[key] for one in taken[kind]]) for key in taken[kind][0]}}
        for kind, (name, _) in KINDS.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = table(options.runs)
    if options.json:
        print(json.dumps({"machine": machine(), "runs": options.runs, "rows": rows}, indent=2))
        return
    print(in_words())
    print(f"{'median of ' + str(options.runs):20}{'first, s':>12}{'last held, s':>14}{'meanwhile':>12}{'arrived':>10}")
    for row in rows:
        last = "-" if row["last"] is None else row["last"]
        print(f"{row['name']:20}{row['first']:>12}{last:>14}{row['meanwhile']:>12.0f}{row['arrived']:>10.0f}")


if __name__ == "__main__":
    main()
