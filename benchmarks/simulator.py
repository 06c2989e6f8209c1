"""Outages a minute in the simulator, with the audit and the history check on: by the number of members, on all processors.

    python benchmarks/simulator.py [--seeds 400] [--jobs 2] [--json]

At least 10,000 a minute on two processors; 30,000 are wanted. Milliseconds of processor time for each outage are printed as well:
they hang less on what else the machine does. Every run is checked: a violation is an error here too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from typing import Any

from machine import in_words, machine

from reconnect.testing.simulator import simulate_many

FLOOR, WANTED = 10_000, 30_000


def measure(clients: int | None, seeds: int, jobs: int) -> dict[str, Any]:
    """Run seeds with so many members in each world; return the rate and what was run."""
    began, used = time.perf_counter(), processor_seconds()
    ran = list(simulate_many(range(seeds), clients=clients, jobs=jobs))
    seconds, spent = time.perf_counter() - began, processor_seconds() - used
    outages = sum(simulation.outages for simulation in ran)
    return {
        "clients": "5 to 8" if clients is None else clients,
        "seeds": seeds,
        "outages": outages,
        "signals": sum(simulation.signals for simulation in ran),
        "violations": sum(bool(simulation.violations) for simulation in ran),
        "seconds": round(seconds, 1),
        "outages_a_minute": round(outages / seconds * 60),
        "processor_ms": round(spent / outages * 1_000, 2),
    }


def processor_seconds() -> float:
    """Return the processor time of this process and of those that it waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def main() -> int:
    """Measure, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [measure(None, arguments.seeds, arguments.jobs)]
    rows += [measure(clients, max(1, arguments.seeds // 8), arguments.jobs) for clients in (2, 5, 10, 20)]
    if arguments.json:
        print(json.dumps({"machine": machine(), "jobs": arguments.jobs, "rows": rows}, indent=2))
    else:
        print(in_words())
        print(f"{'clients':>8} {'seeds':>6} {'outages':>8} {'signals':>8} {'seconds':>8} {'outages a minute':>17} {'ms each':>8}")
        for row in rows:
            shown = f"{row['clients']:>8} {row['seeds']:>6} {row['outages']:>8,} {row['signals']:>8,} {row['seconds']:>8}"
            print(f"{shown} {row['outages_a_minute']:>17,} {row['processor_ms']:>8}")
        print(f"on {arguments.jobs} processors; at least {FLOOR:,}, {WANTED:,} wanted")
    broken = any(row["violations"] for row in rows)
    return 1 if broken or rows[0]["outages_a_minute"] < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
