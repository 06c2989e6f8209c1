"""A field device that is switched off without a warning: every reading that it took down arrives, once and in order.

It keeps its readings in a file until the hub has them. `await receipt.stored` returns when a reading is safe: from there on a
kill, a crash or a power cut does not lose it. The device does not wait for its hub either: it reads and stores while it is not
connected. Here it is killed (SIGKILL) again and again; each new process goes on with what the one before it left.

Look at the ledger: more readings arrive than were known to be stored, for some were stored and the device was killed before it
could say so. None is missing, none came twice, none too early.

    python examples/field_device.py
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import tempfile
import time
from itertools import count

import reconnect
from reconnect.retry import full_jitter

PATIENT = reconnect.RetryPolicy(wait=full_jitter(initial=0.1, maximum=1.0), first_try_seconds=0.1, give_up_after_seconds=None)
TICK_SECONDS = 0.002


async def device(url: str, token: str, file: str) -> None:
    """Read the sensor until somebody says stop (SIGTERM), and say of each reading when it is safe."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    with reconnect.Outbox(file, max_signals=100_000) as outbox:
        session = reconnect.Session(url, session="plant", token=token, outbox=outbox, retry=PATIENT, retry_initial=True)
        connecting = asyncio.create_task(session.connect())
        life = time.time_ns()
        for number in count(1):
            receipt = session.signal({"life": life, "number": number}, type="reading")
            await receipt.stored
            print(life, number, flush=True)
            await asyncio.sleep(TICK_SECONDS)
            if stop.is_set():
                break
        await connecting
        await session.drain()
        await session.disconnect()


async def run_device(url: str, token: str, file: str, *, readings: int, end: signal.Signals) -> list[tuple[int, int]]:
    """Run the device as a program of its own, end it after some readings, and return those that it said were safe."""
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, url, token, file, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None, "started with a pipe"
    stored = []
    while line := await process.stdout.readline():
        life, number = line.split()
        stored.append((int(life), int(number)))
        if len(stored) == readings:
            process.send_signal(end)
    await process.wait()
    return stored


async def main(folder: str) -> None:
    """Serve a hub on loopback, listen to the device, and kill it four times."""
    secret = secrets.token_urlsafe(32)
    arrived: list[tuple[int, int]] = []
    stored: list[tuple[int, int]] = []
    async with reconnect.Hub(secret).serve() as hub:
        listener, token = (reconnect.make_token(secret, session="plant", client_id=who) for who in ("listener", "device"))
        async with reconnect.connect(hub.url, session="plant", token=listener) as session:
            session.on("signal:reading", lambda event: arrived.append((event.signal.data["life"], event.signal.data["number"])))
            for life in range(1, 6):
                end = signal.SIGKILL if life < 5 else signal.SIGTERM
                said = await run_device(hub.url, token, f"{folder}/readings.db", readings=10 * life, end=end)
                print(f"life {life}  ended by {end.name} after {len(said)} readings", flush=True)
                stored += said
            for _ in range(100):
                if not set(stored) <= set(arrived):
                    await asyncio.sleep(0.1)
    twice, order = len(arrived) - len(set(arrived)), "in order" if arrived == sorted(arrived) else "out of order"
    print(f"ledger  {len(stored)} stored, {len(arrived)} arrived, {len(set(stored) - set(arrived))} lost, {twice} twice, {order}")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(device(*sys.argv[1:]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(main(scratch))
