"""The thorough simulator: real sessions and a real hub on a loop whose order follows a seed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from reconnect.client.front import Front
from reconnect.core.effects import Deliver
from reconnect.driver.driver import Driver
from reconnect.driver.links import Link
from reconnect.driver.sleep import SleepWatch
from reconnect.errors import BadArgument, TransportFailed
from reconnect.hub.attending import Attendance
from reconnect.hub.shell import Shell
from reconnect.ports import Transport
from reconnect.reasons import Cause, Reason
from reconnect.testing import Broken, FakeClock, ScriptedTransport, run
from reconnect.testing.driven import DriverQuirk, DriverRun, simulate_driver
from reconnect.testing.driven.tap import Tap, TappedLine, Way
from reconnect.testing.simulator import Act, Step
from reconnect.transport.outlet import Outlet

ROOT = Path(__file__).resolve().parent.parent
PLAIN = frozenset[DriverQuirk]()


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> list[DriverRun]:
    """What so many seeds come to."""
    return [simulate_driver(seed) for seed in range(500 if request.config.getoption("--full") else 20)]


def steps(*acts: Act, rounds: int, wait: float, amount: float = 0.5) -> tuple[Step, ...]:
    """Return a plan in which these acts happen in turn, to one member after the other."""
    return tuple(Step(wait=wait, act=act, who=number, amount=amount, count=number) for number in range(rounds) for act in acts)


# -- it finds nothing ----------------------------------------------------------------------------------------------------------


def test_no_seed_breaks_a_promise(runs: list[DriverRun]) -> None:
    """A2, A11: cuts, refusals, delays, half-open links, restarts, crashes, pauses, and rude applications; all of it by seed."""
    broken = {run.seed: [str(violation) for violation in run.violations] for run in runs if run.violations}
    assert broken == {}
    assert sum(run.outages for run in runs) > 20 * len(runs)
    assert sum(run.signals for run in runs) > 40 * len(runs)


def test_every_quirk_changes_something(runs: list[DriverRun]) -> None:
    """A11: a place that is marked and never hit proves nothing."""
    hits: Counter[DriverQuirk] = Counter()
    for one in runs:
        hits.update(one.hits)
    assert {quirk for quirk in DriverQuirk if not hits[quirk]} == set()


def test_two_runs_of_a_seed_write_the_same_journals_whatever_strings_hash_to(request: pytest.FixtureRequest) -> None:
    """A1: byte for byte, in two processes."""
    seeds = 200 if request.config.getoption("--full") else 10
    program = (
        "from reconnect.testing.driven import simulate_driver\n"
        f"for seed in range({seeds}):\n"
        "    run = simulate_driver(seed)\n"
        "    print(seed, run.digest, run.outages, run.signals, len(run.violations))\n"
    )

    def start(hashing: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONHASHSEED": hashing}
        return subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)

    first, second = (process.communicate()[0] for process in (start("1"), start("2")))
    assert first == second
    assert len(first.splitlines()) == seeds
    assert len({line.split()[1] for line in first.splitlines()}) == seeds, "each seed is a world of its own"


def test_nothing_in_it_hangs_on_a_real_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A1: all of them lie, forward and back, and the run is the same."""
    before = simulate_driver(6, steps=30)
    lies = count(-1_000_000)
    for name in ("time", "monotonic", "perf_counter", "clock_gettime"):
        monkeypatch.setattr(time, name, lambda *which: next(lies) * 7_777.7 % 1e6)
    after = simulate_driver(6, steps=30)
    monkeypatch.undo()
    assert after == before
    assert after.violations == ()


@pytest.mark.parametrize("seed", range(5))
def test_swizzled_partitions_leave_nobody_stuck(seed: int) -> None:
    """A4: a random subset is stopped one by one, and restored in another order."""
    result = simulate_driver(seed, clients=8, plan=steps(Act.SWIZZLE, Act.SIGNALS, rounds=8, wait=6.0, amount=seed / 7))
    assert result.violations == ()
    assert result.outages > 0


@pytest.mark.parametrize("seed", range(5))
def test_steps_of_the_wall_clock_move_nothing(seed: int) -> None:
    """A6: retry, heartbeat and grace go by the other clock; a token is made for the time of day at which it is asked for."""
    plan = steps(Act.WALL_STEP, Act.CUT, Act.SIGNALS, rounds=12, wait=1.5)
    result = simulate_driver(seed, plan=plan, quirks=PLAIN)
    assert result.violations == ()
    assert result.outages >= 8
    assert result.outcomes["delivered"] > 12


def test_what_opted_out_is_never_late() -> None:
    """A7: dropped at once, or delivered; the check knows by the wire that none was sent after an outage."""
    result = simulate_driver(3, plan=steps(Act.CUT, Act.SIGNALS, rounds=60, wait=0.7), quirks=PLAIN)
    assert result.violations == ()
    assert result.outcomes["dropped"] > 10
    assert result.outcomes["delivered"] > 50


def test_a_gap_is_never_silent() -> None:
    """A8: a log that keeps three to eight, and thirty signals during an outage."""
    acts = [(Act.REFUSE, 0), (Act.CUT, 0), (Act.FLOOD, 1), (Act.SIGNALS, 2)]
    plan = tuple(
        Step(wait=1.5, act=act, who=number + other, amount=0.5, count=number) for number in range(10) for act, other in acts
    )
    result = simulate_driver(4, clients=3, plan=plan, quirks=frozenset({DriverQuirk.TINY_LOG}))
    assert result.violations == ()
    assert result.hits[DriverQuirk.TINY_LOG] > 3


def test_lost_acknowledgements_are_unknown_and_no_failure() -> None:
    """A9: what was sent is sent again with the same serial, and everybody has it once."""
    result = simulate_driver(5, plan=steps(Act.SIGNALS, Act.MUTED, Act.SIGNALS, Act.CUT, rounds=25, wait=0.4), quirks=PLAIN)
    assert result.violations == ()
    assert set(result.outcomes) <= {"delivered", "dropped", "expired"}


def test_a_world_has_as_many_members_as_it_is_told() -> None:
    assert simulate_driver(1, clients=1, steps=3).members == 1
    with pytest.raises(BadArgument, match="a world has 1 to 20 members"):
        simulate_driver(1, clients=21)


# -- it finds what is planted --------------------------------------------------------------------------------------------------

Planted = Callable[[pytest.MonkeyPatch], None]


def a_second_link(patch: pytest.MonkeyPatch) -> None:
    """The driver forgets to end the old transport."""
    patch.setattr(Driver, "_close_transport", lambda self, effect: None)


def a_forgotten_timer(patch: pytest.MonkeyPatch) -> None:
    """The driver arms no timer in one state."""
    arm = Driver._arm

    def forgetful(self: Driver) -> None:
        if self.core.state != "reconnecting.waiting":
            arm(self)

    patch.setattr(Driver, "_arm", forgetful)


def a_forgotten_receipt(patch: pytest.MonkeyPatch) -> None:
    """One receipt in seven is never settled."""
    settle = Front.settle
    patch.setattr(Front, "settle", lambda self, serials, outcome: settle(self, tuple(s for s in serials if s % 7), outcome))


def a_signal_told_twice(patch: pytest.MonkeyPatch) -> None:
    """The front delivers what arrived with the seventh message again."""
    deliver = Front.deliver
    times = count(1)

    def stutter(self: Front, signals: Deliver) -> None:
        deliver(self, signals)
        if next(times) % 7 == 0:
            deliver(self, signals)

    patch.setattr(Front, "deliver", stutter)


def no_credit(patch: pytest.MonkeyPatch) -> None:
    """The driver never says that anything was handled."""
    patch.setattr(Driver, "consumed", lambda self: None)


def a_sleep_watch_that_stays(patch: pytest.MonkeyPatch) -> None:
    """Who leaves goes on being watched."""
    patch.setattr(SleepWatch, "remove", lambda self, owner: None)


def a_reader_that_stays(patch: pytest.MonkeyPatch) -> None:
    """A link that is aborted leaves a task behind."""
    abort = Link.abort

    def leaky(self: Link) -> None:
        abort(self)
        self._ghost = asyncio.get_running_loop().create_task(asyncio.Event().wait())  # type: ignore[attr-defined]  # planted

    patch.setattr(Link, "abort", leaky)


def an_old_link_that_is_believed(patch: pytest.MonkeyPatch) -> None:
    """What a link reports counts as the newest link's."""

    def arrived(self: Driver, generation: int, frames: tuple[Any, ...]) -> None:
        genuine(self, self.core.at.generation, frames)

    genuine = Driver.arrived
    patch.setattr(Driver, "arrived", arrived)
    patch.setattr(Link, "abort", lambda self: setattr(self, "_over", True))


def a_hub_that_is_deaf_for_a_turn(patch: pytest.MonkeyPatch) -> None:
    """The hub does not notice every link's end."""
    feed = Shell.feed

    def deaf(self: Shell, happened: Any) -> None:
        if type(happened).__name__ != "LinkEnded":
            feed(self, happened)

    patch.setattr(Shell, "feed", deaf)


def a_writer_that_skips(patch: pytest.MonkeyPatch) -> None:
    """The outlet loses a batch now and then."""
    signals = Outlet.signals

    def skip(self: Outlet, frames: Any) -> None:
        if getattr(frames[0], "serial", 0) % 5 != 4:
            signals(self, frames)

    patch.setattr(Outlet, "signals", skip)


def an_authenticator_asked_for_nobody(patch: pytest.MonkeyPatch) -> None:
    """Who joins is asked, and the answer is lost."""

    async def lost(self: Attendance, question: Any) -> None:
        await asyncio.sleep(0)

    patch.setattr(Attendance, "_ask", lost)


@pytest.mark.parametrize(
    ("plant", "broken"),
    [
        (a_second_link, {Broken.SECOND_TRANSPORT}),
        (a_forgotten_timer, {Broken.STUCK}),
        (a_forgotten_receipt, {Broken.LEFT_OVER, Broken.NEVER_SETTLED}),
        (a_signal_told_twice, {Broken.DUPLICATED, Broken.STALE}),
        (no_credit, {Broken.SILENT_GAP, Broken.UNLISTED}),
        (a_sleep_watch_that_stays, {Broken.LEFT_OVER}),
        (a_reader_that_stays, {Broken.LEFT_OVER, Broken.CRASHED}),  # or destroyed while it is pending
        (an_old_link_that_is_believed, {Broken.PROTOCOL, Broken.STALE, Broken.CRASHED, Broken.LEFT_OVER}),
        (a_hub_that_is_deaf_for_a_turn, {Broken.CRASHED, Broken.LEFT_OVER}),
        (a_writer_that_skips, {Broken.STUCK, Broken.LOST}),
        (an_authenticator_asked_for_nobody, {Broken.STUCK}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_planted_fault_of_the_driver_is_found(plant: Planted, broken: set[Broken], monkeypatch: pytest.MonkeyPatch) -> None:
    """A3: within a few seeds, and told for what it is."""
    plant(monkeypatch)
    for seed in range(10):
        found = {violation.broken for violation in simulate_driver(seed, steps=40).violations}
        if found:
            assert found & broken, found
            return
    pytest.fail("ten seeds did not find it")


# -- the tap -------------------------------------------------------------------------------------------------------------------


class Deaf:
    """Hears nothing of what passes."""

    def opened(self, tap: Tap) -> None:
        """Not wanted."""

    def passes(self, tap: Tap, way: Way, frames: tuple[Any, ...]) -> None:
        """Not wanted."""


def test_a_fuse_cuts_a_link_behind_so_many_messages_of_its_direction() -> None:
    """A cut at every boundary between two messages."""

    async def story() -> None:
        inner = ScriptedTransport('{"frame":"pong"}', b"frame", '{"frame":"pong"}')

        async def dial(url: str) -> Transport:
            return inner

        line = TappedLine(dial, Deaf(), narrow=lambda transport: None)
        tap = await line("ws://hub.test")
        assert repr(tap) == "<Tap 1 <ScriptedTransport open sent=0>>"
        line.fuses[Way.UP] = 2
        await tap.send('{"frame":"ping"}')
        assert repr(line) == "<TappedLine opened=1 fuses=1>"
        with pytest.raises(TransportFailed, match="between two messages"):
            await tap.send(b"frame")
        assert (len(inner.sent), inner.ends) == (2, ["abort"]), "the message before the cut was sent"
        line.fuses[Way.DOWN] = 2
        assert await tap.receive() == '{"frame":"pong"}'
        assert inner.ends == ["abort"]
        assert await tap.receive() == b"frame"
        assert inner.ends == ["abort"] * 2
        inner.fail(Cause(reason=Reason.CLOSED))
        await tap.close(1000, "")
        assert repr(tap).startswith("<Tap 1 over ")

    run(story(), FakeClock())
