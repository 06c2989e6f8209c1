"""What a durable outbox costs: signals stored a second, memory for each that waits, and the time to send a backlog.

    python benchmarks/outbox.py
    python benchmarks/outbox.py --signals 10000 --json

`single` waits for each signal to be stored before it sends the next one; `grouped` has 500 signals under way at any time, so that
one flush of the disk pays for many. `put and acknowledge` also has each signal forgotten, as after its delivery. Memory is the
growth of the resident set for signals of 100 bytes of data that wait while the session is disconnected or away, receipts kept,
each in a process of its own. The drain is a hub, a receiver and a sender, in three processes: seconds from the sender's connect()
to the last arrival.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import in_words, machine

import reconnect
from reconnect.core.rows import Row
from reconnect.errors import OutboxFailed
from reconnect.store import Durability
from reconnect.store.sqlite import SqliteOutboxStore

DATA = "x" * 98  # 100 bytes as JSON
UNDER_WAY = 500
WANTED = {"single": 1_000, "grouped": 15_000, "put and acknowledge": 25_000, "single, process": 4_000}


def row(serial: int) -> Row:
    """Return a signal as the core hands it to its store."""
    return Row(serial, "reading", f'"{DATA}"'.encode(), None, None, True)


class Puts:
    """Puts signals into a store for some seconds, and counts those that are safe."""

    def __init__(self, path: Path, durability: Durability, *, forget: bool) -> None:
        self.store = SqliteOutboxStore(path, durability=durability, signals=10_000_000, size=1 << 32)
        self.forget = forget
        self.serial = self.done = 0

    async def call(self, end: float) -> None:
        """Put one after the other until the time is over."""
        loop = asyncio.get_running_loop()
        while loop.time() < end:
            self.serial += 1
            serial, answer = self.serial, loop.create_future()
            self.store.put([row(serial)], answer.set_result)
            assert not isinstance(await answer, OutboxFailed)
            self.done += 1
            if self.forget:
                self.store.forget((serial,))

    async def run(self, callers: int, seconds: float) -> float:
        """Return how many a second."""
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(self.call(began + seconds) for _ in range(callers)))
        elapsed = asyncio.get_running_loop().time() - began
        self.store.close()
        return self.done / elapsed


def puts(folder: Path, name: str, seconds: float) -> float:
    """Return how many puts a second."""
    durability = Durability.PROCESS if name.endswith("process") else Durability.FULL
    run = Puts(folder / f"{name}.db", durability, forget="acknowledge" in name)
    return asyncio.run(run.run(1 if name.startswith("single") else UNDER_WAY, seconds))


def resident() -> int:
    """Return the resident set of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def queue(path: str | None, signals: int) -> tuple[float, list[reconnect.Receipt]]:
    """Queue signals and return how many bytes each of them takes beside its data; with a path, once they are all stored."""
    bounds: dict[str, Any] = {"max_signals": 2 * signals, "max_bytes": 1 << 30}
    token = reconnect.make_token("s" * 32, session="room")
    box = reconnect.Outbox(**bounds) if path is None else reconnect.Outbox(path, **bounds)
    session = reconnect.Session("ws://127.0.0.1:9", session="room", token=token, outbox=box, retry_initial=True)
    connecting = asyncio.create_task(session.connect())
    await session.wait_for("connecting")
    warm = [session.signal(DATA) for _ in range(1_000)]
    if path is not None:
        await warm[-1].stored
    before = resident()
    receipts = []
    for number in range(signals):
        receipts.append(session.signal(DATA))
        if number % 1_000 == 999:
            await (asyncio.sleep(0) if path is None else receipts[-1].stored)
    used = (resident() - before) / signals - len(DATA) - 2
    connecting.cancel()
    await session.disconnect()
    box.close()
    return used, receipts


async def receive(url: str, token: str, signals: int) -> None:
    """Say when one is there, and when all have come."""
    async with reconnect.connect(url, session="room", token=token) as session:
        came = asyncio.Event()
        seen = set()

        def hear(event: reconnect.SignalReceived) -> None:
            seen.add(event.signal.data)
            if len(seen) == signals:
                came.set()

        session.on("signal", hear)
        print("ready", flush=True)
        await came.wait()
        print(time.monotonic(), flush=True)


async def send(url: str, token: str, path: str, signals: int) -> None:
    """Store a backlog while disconnected, then connect and send it; say when it began."""
    with reconnect.Outbox(path, max_signals=2 * signals, max_bytes=1 << 30) as box:
        session = reconnect.Session(url, session="room", token=token, outbox=box)
        for number in range(signals):
            receipt = session.signal(f"{number:098}")
            if number % 1_000 == 0:
                await asyncio.sleep(0)
        await receipt.stored
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print(time.monotonic(), flush=True)
        await session.connect()
        while session.statistics().pending:
            await asyncio.sleep(0.05)
        await session.disconnect()


def child(*words: object) -> subprocess.Popen[str]:
    """Start this program as a part of a measurement."""
    command = [sys.executable, __file__, *map(str, words)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line of a part."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "a part of the measurement ended"
    return line


async def serve(secret: str) -> None:
    """Serve a hub until the end of stdin."""
    async with reconnect.Hub(secret).serve() as hub:
        print(hub.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def drain(folder: Path, signals: int) -> float:
    """Return how many seconds a backlog takes to its receiver."""
    secret = secrets.token_urlsafe(32)
    hub = child("serve", secret)
    url = said(hub)
    token, other = (reconnect.make_token(secret, session="room", client_id=name) for name in ("sender", "receiver"))
    receiver = child("receive", url, other, signals)
    assert said(receiver) == "ready"
    sender = child("send", url, token, folder / "drain.db", signals)
    assert said(sender) == "ready"
    assert sender.stdin is not None
    sender.stdin.write("\n")
    sender.stdin.flush()
    began = float(said(sender))
    seconds = float(said(receiver)) - began
    for process in (sender, receiver, hub):
        process.communicate()
    return seconds


def measure(signals: int, seconds: float) -> dict[str, float]:
    """Return all figures."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        folder = Path(scratch)
        for name in WANTED:
            found[f"{name}, a second"] = puts(folder, name, seconds)
        for name, path in (("in memory", "-"), ("durable", folder / "memory.db")):
            queued = child("queue", path, signals)
            found[f"bytes beside the data of a queued signal, {name}"] = float(said(queued))
            queued.communicate()
        found[f"seconds to drain {signals:,} signals"] = drain(folder, signals)
    return found


def main() -> None:
    """Measure, and print a table or JSON."""
    parts = {"queue", "send", "receive", "serve"}
    if len(sys.argv) > 1 and sys.argv[1] in parts:
        part, *words = sys.argv[1:]
        if part == "queue":
            print(asyncio.run(queue(None if words[0] == "-" else words[0], int(words[1])))[0], flush=True)
        elif part == "send":
            asyncio.run(send(*words[:3], int(words[3])))
        elif part == "receive":
            asyncio.run(receive(words[0], words[1], int(words[2])))
        else:
            asyncio.run(serve(words[0]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=100_000, help="of the backlog, and for the memory")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each rate")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.signals, options.seconds)
    if options.json:
        print(json.dumps({"machine": machine(), **found}))
        return
    print(in_words())
    for name, value in found.items():
        print(f"{name:<60} {value:>12,.1f}")


if __name__ == "__main__":
    main()
