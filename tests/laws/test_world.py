"""Session cores, a hub core and a faulty network together: whatever happens, the promises hold.

The worlds are the simulator's; what happens in them is drawn here, so that a failure is made small by whoever drew it.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.core.hub.settings import HubSettings
from reconnect.testing import simulate
from reconnect.testing.simulator import Act, Quirk, Step

EXAMPLES = 2 * settings().max_examples

WAITS = st.sampled_from((0.0, 0.005, 0.01, 0.012, 0.015, 0.02, 0.022, 0.025, 0.05, 0.3, 1.0, 4.0, 10.0, 70.0))
STEPS = st.builds(
    Step,
    wait=WAITS,
    act=st.sampled_from(Act),
    who=st.integers(0, 2),
    amount=st.sampled_from((0.05, 0.2, 0.5, 0.8)),
    count=st.integers(0, 11),
)
SMALL = HubSettings(log_signals=20, window=8, grace_seconds=30.0)


@settings(max_examples=EXAMPLES)
@given(plan=st.lists(STEPS, max_size=40), seed=st.integers(0, 2**32), quirks=st.frozensets(st.sampled_from(Quirk), max_size=4))
def test_whatever_the_network_does_the_promises_hold(plan: list[Step], seed: int, quirks: frozenset[Quirk]) -> None:
    """Q09 S13 P05 R05 A11: conservation, order, no duplicate, no false outcome, no silent gap, no ghost; for random faults."""
    simulation = simulate(seed, clients=3, plan=tuple(plan), quirks=quirks, hub=SMALL)
    assert simulation.violations == ()


def test_a_world_without_faults_delivers_everything() -> None:
    """The world itself works: three members, everything is delivered to everyone, nobody is away for a moment."""
    plan = tuple(Step(wait=0.01, act=Act.SIGNALS, who=number, amount=0.5, count=number) for number in range(150))
    simulation = simulate(1, clients=3, plan=plan, quirks=frozenset())
    assert simulation.violations == ()
    assert simulation.outages == 0
    assert simulation.outcomes == {"delivered": simulation.signals}
    assert simulation.signals > 300
