"""No chart is stepped for a signal: what charts decide is when links, members and streams come and go, and never a message."""

from __future__ import annotations

import pytest

import reconnect
from reconnect.chart import Runner, Step
from reconnect.testing import FakeClock, MemoryHub, MemoryNetwork, run

SIGNALS = 1_000


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """Every step of every chart in this process, by clients and hub alike."""
    taken: list[Step] = []
    step = Runner.step

    def counted(runner: Runner, state: str, event: str) -> Step:
        taken.append(step(runner, state, event))
        return taken[-1]

    monkeypatch.setattr(Runner, "step", counted)
    return taken


def test_a_thousand_signals_out_and_in_take_no_step(steps: list[Step]) -> None:
    clock = FakeClock()

    async def story() -> None:
        async with MemoryHub(MemoryNetwork(), clock) as hub:
            async with reconnect.Session(**hub.options("anna")) as anna, reconnect.Session(**hub.options("ben")) as ben:
                arriving = ben.signals("count")
                joined = len(steps)
                assert joined > 0, "connecting is the charts' business"
                receipts = [anna.signal(number, type="count") for number in range(SIGNALS)]
                came = [(await anext(arriving)).data for _ in receipts]
                outcomes = [(await receipt).delivered for receipt in receipts]
                assert (came, all(outcomes)) == (list(range(SIGNALS)), True)
                assert steps[joined:] == []
                steps.clear()
            assert {step.event for step in steps} >= {"disconnect_requested"}, "leaving is counted all the same"

    run(story(), clock)
