"""What the audit costs: entries a second for writing and verifying a journal, memory while verifying, and CPU for each signal.

    python benchmarks/audit.py [--entries 200000] [--signals 50000] [--runs 5] [--json]

The entries are those of a real day with outages, over and over, each time as another process would begin it; a second is one of
CPU time, for both are the work of one thread. The cost of a signal is the CPU time of one process that holds the hub and the
sender, with a journal and without one, in turn; the median of the differences counts. Memory is the growth of the resident set
of a process that verifies, for the whole journal and for a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import in_words, machine

BURST = 500  # signals between two drains: the steady state of a busy sender
KEY = secrets.token_bytes(32)

GROWTH = """
import resource, sys
from reconnect.evidence.verify import verify
verify([sys.argv[1]])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(found,) = verify([sys.argv[2]])
assert found.holds, found.objections
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


async def a_day(path: Path) -> None:
    """Write the journal of a real session: signals, outages, a stream."""
    import reconnect

    secret = secrets.token_urlsafe(32)
    hub = reconnect.Hub(secret)
    async with hub.serve() as server:
        token = reconnect.make_token(secret, session="bench", client_id="a")
        async with reconnect.connect(server.url, session="bench", token=token, audit=path) as session:
            await session.publish("camera")
            for _ in range(10):
                for number in range(20):
                    session.signal(number)
                await session.drain()
                session.reconnect_now(force=True)
                await session.wait_for("online")


def day() -> list[dict[str, Any]]:
    """Return the records of that day, without what the journal itself adds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.jsonl"
        asyncio.run(a_day(path))
        told = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        {key: value for key, value in record.items() if key not in ("prev", "entry")}
        for record in told
        if record["record"] != "journal"
    ]


def written(path: Path, records: list[dict[str, Any]], entries: int, key: bytes | None = None) -> float:
    """Write so many entries; return how many a second."""
    from reconnect.audit import Journal

    journal, count = Journal(path, key=key, file_bytes=1 << 40), 0
    began = time.process_time()
    while count < entries:
        for record in records:
            journal.write(record)
        count += len(records)
    seconds = time.process_time() - began
    journal.close()
    return count / seconds


def verified(path: Path, key: bytes | None = None) -> float:
    """Verify a journal; return how many entries a second."""
    from reconnect.evidence.verify import verify

    began = time.process_time()
    (found,) = verify([path], key=key)
    seconds = time.process_time() - began
    assert found.holds, found.objections
    return found.entries / seconds


def growth(small: Path, path: Path) -> int:
    """Return by how many megabytes a process grows that verifies `path`, once it has verified a small one."""
    done = subprocess.run([sys.executable, "-c", GROWTH, str(small), str(path)], check=True, capture_output=True, text=True)
    return int(done.stdout)


async def signals(count: int, audit: Path | None) -> float:
    """Send so many signals; return the CPU time of each, in microseconds."""
    import reconnect

    secret = secrets.token_urlsafe(32)
    async with reconnect.Hub(secret).serve() as server:
        token = reconnect.make_token(secret, session="bench", client_id="a")
        async with reconnect.connect(server.url, session="bench", token=token, audit=audit) as session:
            began = time.process_time()
            for _ in range(count // BURST):
                for _ in range(BURST):
                    session.signal("x" * 98)
                await session.drain()
            return 1e6 * (time.process_time() - began) / count


def cost(count: int, runs: int, folder: Path) -> dict[str, float]:
    """Return the CPU time of a signal without and with a journal, in microseconds, and the median of the differences."""
    pairs = []
    for run in range(runs):
        without = asyncio.run(signals(count, None))
        pairs.append((without, asyncio.run(signals(count, folder / f"signals-{run}.jsonl"))))
    return {
        "without_us": round(statistics.median(without for without, _ in pairs), 2),
        "with_us": round(statistics.median(with_it for _, with_it in pairs), 2),
        "difference_us": round(statistics.median(with_it - without for without, with_it in pairs), 2),
        "bytes_of_journal": round((folder / "signals-0.jsonl").stat().st_size / count, 1),
    }


def measure(entries: int, count: int, runs: int) -> dict[str, Any]:
    """Return all figures."""
    records = day()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, keyed, tenth, small = (folder / f"{each}.jsonl" for each in ("plain", "keyed", "tenth", "small"))
        rates = {"written": written(plain, records, entries), "written, with a key": written(keyed, records, entries, KEY)}
        rates |= {"verified": verified(plain), "verified, with the key": verified(keyed, KEY)}
        written(tenth, records, entries // 10)
        written(small, records, 1)
        return {
            "entries": entries,
            "entries_a_second": {what: round(rate, -2) for what, rate in rates.items()},
            "bytes_an_entry": round(plain.stat().st_size / entries),
            "growth_mb": {"a tenth": growth(small, tenth), "whole": growth(small, plain)},
            "signal": cost(count, runs, folder),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--signals", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    told = measure(options.entries, options.signals, options.runs)
    if options.json:
        print(json.dumps({"machine": machine(), **told}, indent=2))
        return
    print(in_words())
    print(f"{told['entries']:,} entries of {told['bytes_an_entry']} bytes")
    for what, rate in told["entries_a_second"].items():
        print(f"{what:32}{rate:>12,.0f} entries a second")
    for what, megabytes in told["growth_mb"].items():
        print(f"{'memory to verify ' + what:32}{megabytes:>12} MB more than for a small one")
    signal = told["signal"]
    print(f"{'a signal without a journal':32}{signal['without_us']:>12} µs of CPU")
    print(f"{'a signal with one':32}{signal['with_us']:>12} µs of CPU")
    print(f"{'the difference':32}{signal['difference_us']:>12} µs, and {signal['bytes_of_journal']} bytes of journal")


if __name__ == "__main__":
    main()
