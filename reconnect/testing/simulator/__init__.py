"""The simulator: thousands of outages a second, each of which a seed brings back.

| module | owns |
| --- | --- |
| `running`, `many` | one seed from beginning to end; many of them, and the shortest prefix that shows a violation |
| `plan`, `faults` | what is done to whom, drawn from the seed; what each of it does |
| `quirks` | what is unusual about a seed's world |
| `world` | one seed's world, and what its parts ask of it and tell it |
| `party`, `calls`, `machine`, `disk` | members, what their users call, what they run on, what outlives a process |
| `hub`, `network` | the hub, and the wires to it |
| `timeline`, `journal`, `story` | time, what the audit writes, a run in words |
| `watch` | what must hold after every turn |

What is found is named in `reconnect.testing.violations`; what the members saw is judged by `reconnect.testing.checking`.
"""

from reconnect.testing.simulator.many import Ran, run_many, shortest_prefix, shortest_run, simulate_many
from reconnect.testing.simulator.plan import STEPS, Act, Step
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.running import Simulation, simulate
from reconnect.testing.simulator.story import Line

__all__ = [
    "STEPS",
    "Act",
    "Line",
    "Quirk",
    "Ran",
    "Simulation",
    "Step",
    "run_many",
    "shortest_prefix",
    "shortest_run",
    "simulate",
    "simulate_many",
]
