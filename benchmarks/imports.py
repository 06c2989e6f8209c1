"""Milliseconds to import, each in a fresh process, interleaved: reconnect beside asyncio and others.

    python benchmarks/imports.py [--runs 9] [--json]

The baseline is asyncio, in the same run: ratios are to it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from machine import in_words, machine

WHAT = {
    "asyncio": "import asyncio",
    "reconnect": "import reconnect",
    "reconnect, a Session": "import reconnect; reconnect.Session",
    "reconnect, a Hub": "import reconnect; reconnect.Hub",
    "websockets": "import websockets.asyncio.client",
    "msgspec": "import msgspec",
}
TIMED = "import time; began = time.perf_counter(); {what}; print(time.perf_counter() - began)"


def measure(what: str) -> float:
    """Return the milliseconds that one fresh process takes."""
    done = subprocess.run([sys.executable, "-c", TIMED.format(what=what)], capture_output=True, text=True, check=True)
    return 1_000 * float(done.stdout)


def table(runs: int) -> list[dict[str, Any]]:
    """Measure all, interleaved, and return the medians."""
    taken: dict[str, list[float]] = {name: [] for name in WHAT}
    for _ in range(runs):
        for name, what in WHAT.items():
            taken[name].append(measure(what))
    base = statistics.median(taken["asyncio"])
    return [
        {"name": name, "milliseconds": round(statistics.median(times), 1), "ratio": round(statistics.median(times) / base, 2)}
        for name, times in taken.items()
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = table(options.runs)
    if options.json:
        print(json.dumps({"machine": machine(), "runs": options.runs, "rows": rows}, indent=2))
        return
    print(in_words())
    print(f"{'':24}{'ms':>8}{'ratio':>8}")
    for row in rows:
        print(f"{row['name']:24}{row['milliseconds']:>8}{row['ratio']:>8}")


if __name__ == "__main__":
    main()
