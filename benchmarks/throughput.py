"""Signals a second through a hub, acknowledged and in order, beside a bare `websockets` relay that passes one message at a time.

    python benchmarks/throughput.py [--signals 50000] [--runs 3] [--json]

Each party is a process: sender, hub or relay, receiver. A signal carries 100 bytes of JSON. The relay acknowledges nothing, keeps
no order across connections and loses what it has no reader for; it is what one would write in ten lines. It hands a message to
everybody else, so the sender of ours asks for no echo either. The rates are those of the receiver, from the first to the last
arrival; CPU is that of the sender, user and system. Runs are interleaved, and the table shows medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from machine import in_words, machine

PAYLOAD = "x" * 98  # 100 bytes as JSON
CHUNK = 1_000  # signals of one turn of the sender's loop
WIDE = 10_000  # signals on the way, as a busy sender and its hub would take them; by default it is a tenth of that


def cpu_seconds() -> float:
    """Return the CPU seconds that this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def say(**facts: Any) -> None:
    """Print one line for the parent."""
    print(json.dumps(facts), flush=True)


async def stdin_line() -> str:
    """Return the next line of stdin."""
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


# -- the bare relay ------------------------------------------------------------------------------------------------------------


async def relay(port: int = 0) -> None:
    """Pass each message to everybody else."""
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed

    members: set[ServerConnection] = set()

    async def attend(member: ServerConnection) -> None:
        members.add(member)
        try:
            async for message in member:
                for other in members - {member}:
                    await other.send(message)
        except ConnectionClosed:
            pass  # a link that broke: its client comes back by itself, or does not
        finally:
            members.discard(member)

    async with serve(attend, "127.0.0.1", port, compression=None) as server:
        say(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await stdin_line()


async def relay_sender(url: str, signals: int) -> None:
    """Send messages one by one."""
    from websockets.asyncio.client import connect

    async with connect(url, compression=None) as link:
        say(ready=True)
        await stdin_line()
        began, cpu = time.perf_counter(), cpu_seconds()
        message = json.dumps(PAYLOAD)
        for _ in range(signals):
            await link.send(message)
        say(sent=signals, cpu=cpu_seconds() - cpu, seconds=time.perf_counter() - began)
        await stdin_line()


async def relay_receiver(url: str, signals: int) -> None:
    """Count messages."""
    from websockets.asyncio.client import connect

    async with connect(url, compression=None) as link:
        say(ready=True)
        await link.recv()
        began = time.perf_counter()
        for _ in range(signals - 1):
            await link.recv()
        say(received=signals, seconds=time.perf_counter() - began)


# -- reconnect -----------------------------------------------------------------------------------------------------------------


async def hub(secret: str, port: int = 0, window: int = 1_024) -> None:
    """Serve a hub."""
    import reconnect

    async with reconnect.Hub(secret=secret, window=window).serve("127.0.0.1", port) as server:
        say(url=server.url)
        await stdin_line()


async def sender(url: str, token: str, signals: int, audit: str | None, held: int) -> None:
    """Send signals as fast as the outbox takes them, and wait for every outcome; like the relay, without an echo."""
    import reconnect

    outbox = reconnect.Outbox(max_signals=held, in_flight=held)
    async with reconnect.connect(url, session="bench", token=token, audit=audit, outbox=outbox, echo=False) as session:
        say(ready=True)
        await stdin_line()
        began, cpu = time.perf_counter(), cpu_seconds()
        receipts = []
        for start in range(0, signals, CHUNK):
            for _ in range(min(CHUNK, signals - start)):
                try:
                    receipts.append(session.signal(PAYLOAD))
                except reconnect.OutboxFull:
                    receipts.append(await session.signal_when_room(PAYLOAD))
            await asyncio.sleep(0)
        await session.drain()
        used, seconds = cpu_seconds() - cpu, time.perf_counter() - began
        delivered = sum(receipt.outcome is not None and receipt.outcome.delivered for receipt in receipts)
        say(sent=signals, delivered=delivered, cpu=used, seconds=seconds)
        await stdin_line()


async def receiver(url: str, token: str, signals: int) -> None:
    """Count signals, and check their order."""
    import reconnect

    async with reconnect.connect(url, session="bench", token=token) as session:
        done = asyncio.get_running_loop().create_future()
        serials: list[int] = []
        times: list[float] = []

        @session.on("signal")
        def take(event: reconnect.SignalReceived) -> None:
            serials.append(event.signal.serial)
            if len(serials) in (1, signals):
                times.append(time.perf_counter())
                if len(serials) == signals:
                    done.set_result(None)

        @session.on("reconnecting")
        def lost(event: reconnect.Reconnecting) -> None:
            done.set_exception(RuntimeError(f"the link was lost: {event.reason} {event.detail}"))  # and with it the measurement

        say(ready=True)
        await done
        say(received=len(serials), seconds=times[1] - times[0], in_order=serials == sorted(set(serials)))


# -- the parent ----------------------------------------------------------------------------------------------------------------


class Process:
    """One party."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--role", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def read(self) -> dict[str, Any]:
        """Return the next line it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended early")
        facts: dict[str, Any] = json.loads(line)
        return facts

    def go(self) -> None:
        """Let it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Let it end."""
        self.go()
        self.process.wait()


def measure(kind: str, signals: int) -> dict[str, float]:
    """Run one kind once."""
    if kind == "relay":
        middle = Process("relay")
        url = middle.read()["url"]
        reader, writer = Process("relay_receiver", url, str(signals)), Process("relay_sender", url, str(signals))
    else:
        from reconnect import limits, make_token

        secret = secrets.token_urlsafe(32)
        held = limits.OUTBOX_SIGNALS if kind == "usual" else WIDE
        middle = Process("hub", secret, "0", str(limits.WINDOW_ENTRIES if kind == "usual" else WIDE))
        url = middle.read()["url"]
        token = [make_token(secret, session="bench", client_id=name) for name in ("reader", "writer")]
        audit = str(Path(tempfile.mkdtemp()) / "audit.jsonl") if kind == "audited" else ""
        reader = Process("receiver", url, token[0], str(signals))
        writer = Process("sender", url, token[1], str(signals), audit, str(held))
    reader.read(), writer.read()
    writer.go()
    sent, received = writer.read(), reader.read()
    writer.end()
    reader.process.wait()
    middle.end()
    if kind != "relay" and not (received["in_order"] and sent["delivered"] == signals):
        raise SystemExit(f"{kind}: not everything was delivered in order: {sent} {received}")
    return {"rate": signals / received["seconds"], "cpu_microseconds": 1e6 * sent["cpu"] / signals}


KINDS = {
    "relay": "bare relay, unacknowledged",
    "reconnect": "reconnect, acknowledged",
    "audited": "the same, audit to a file",
    "usual": "default outbox, default window",
}


def table(signals: int, runs: int) -> list[dict[str, Any]]:
    """Measure all kinds, interleaved, and return the medians."""
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            taken[kind].append(measure(kind, signals))
    rows = []
    for kind, name in KINDS.items():
        rate = statistics.median(one["rate"] for one in taken[kind])
        cpu = statistics.median(one["cpu_microseconds"] for one in taken[kind])
        rows.append({"kind": kind, "name": name, "signals_per_second": round(rate), "cpu_microseconds": round(cpu, 1)})
    for row in rows:
        row["rate_ratio"] = round(row["signals_per_second"] / rows[0]["signals_per_second"], 2)
        row["cpu_ratio"] = round(row["cpu_microseconds"] / rows[0]["cpu_microseconds"], 2)
    return rows


def main() -> None:
    """Run a role, or measure."""
    if sys.argv[1:2] == ["--role"]:
        role, arguments = sys.argv[2], sys.argv[3:]
        roles: dict[str, Callable[[], Awaitable[None]]] = {
            "relay": lambda: relay(*map(int, arguments)),
            "relay_sender": lambda: relay_sender(arguments[0], int(arguments[1])),
            "relay_receiver": lambda: relay_receiver(arguments[0], int(arguments[1])),
            "hub": lambda: hub(arguments[0], *map(int, arguments[1:])),
            "sender": lambda: sender(*arguments[:2], int(arguments[2]), arguments[3] or None, int(arguments[4])),
            "receiver": lambda: receiver(arguments[0], arguments[1], int(arguments[2])),
        }
        asyncio.run(roles[role]())  # type: ignore[arg-type]  # all are coroutine functions
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = table(options.signals, options.runs)
    if options.json:
        print(json.dumps({"machine": machine(), "signals": options.signals, "runs": options.runs, "rows": rows}, indent=2))
        return
    print(in_words())
    print(f"{'':32}{'signals/s':>12}{'ratio':>8}{'sender CPU us':>16}{'ratio':>8}")
    for row in rows:
        print(
            f"{row['name']:32}{row['signals_per_second']:>12,}{row['rate_ratio']:>8}{row['cpu_microseconds']:>16}{row['cpu_ratio']:>8}"
        )


if __name__ == "__main__":
    main()
