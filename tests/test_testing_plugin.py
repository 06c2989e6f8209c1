"""The pytest plugin, on suites of its own: what its fixtures do, what a failure tells, and that it costs nobody anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path

import pytest

import reconnect
import reconnect.testing
from reconnect.clock import SystemClock
from reconnect.errors import BadArgument, HubClosed
from reconnect.testing import FakeClock, MemoryHub, MemoryNetwork, run
from reconnect.testing.hubs import play
from tests.pages import examples
from tests.test_package import LATE

pytest_plugins = "pytester"

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "reconnect.testing.plugin"

Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """Run a suite of one file with the plugin."""
    # A suite in this process forgets what it imported, and half of a library that is imported anew does not know the other half.
    for package in (reconnect, reconnect.testing):
        for name in package.__all__:
            getattr(package, name)

    def runs(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", *arguments)

    return runs


# -- what it does --------------------------------------------------------------------------------------------------------------


def test_an_async_test_runs_in_virtual_time_beside_a_hub(suite: Suite) -> None:
    """No other plugin is there for async tests."""
    done = suite(
        """
        import reconnect

        async def test_it(reconnect_hub, reconnect_network, reconnect_clock):
            async with reconnect.connect(**reconnect_hub.options("anna")) as anna:
                with reconnect_network.outage("anna"):
                    receipt = anna.signal("held")
                    await reconnect_clock.advance(20)
                    assert receipt.outcome is None
                assert (await receipt).delivered

        class TestMethods:
            async def test_it(self, reconnect_clock):
                await reconnect_clock.advance(5 * 3_600)
                assert reconnect_clock.now() == 1_000 + 5 * 3_600
        """
    )
    done.assert_outcomes(passed=2)


def test_a_plain_test_runs_what_it_likes(suite: Suite) -> None:
    done = suite(
        """
        import pytest
        import reconnect

        def test_with_a_hub(reconnect_run, reconnect_hub, reconnect_clock):
            async def story():
                async with reconnect.connect(**reconnect_hub.options("anna", retry=reconnect.RetryPolicy.forever())) as anna:
                    await reconnect_hub.restart()
                    await anna.wait_for("reconnecting")
                    await anna.wait_for("connected")
                    return reconnect_clock.now()

            assert reconnect_run(story()) > 1_000
            assert reconnect_run(story()) > 1_000, "another life of the hub"

        def test_without(reconnect_run, reconnect_clock):
            assert reconnect_run(reconnect_clock.advance(3)) is None
            assert reconnect_clock.now() == 1_003

        def test_that_waits_for_ever(reconnect_run, reconnect_hub):
            async def story():
                async with reconnect.connect(**reconnect_hub.options("anna")) as anna:
                    await anna.wait_for("reconnecting")

            with pytest.raises(AssertionError, match="it was not over within 90 virtual seconds"):
                reconnect_run(story(), seconds=90)
        """
    )
    done.assert_outcomes(passed=3)


def test_other_async_tests_are_left_to_others(suite: Suite) -> None:
    done = suite(
        """
        async def test_it():
            pass
        """
    )
    done.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


AUTOMATIC = """
    import asyncio, functools, inspect, pytest

    class Coroutine(pytest.Function):
        __module__ = "pytest_asyncio.plugin"

        def runtest(self):
            test = self.obj
            self.obj = functools.wraps(test)(lambda **given: asyncio.run(test(**given)))
            super().runtest()

    def pytest_pycollect_makeitem(collector, name, obj):
        if name.startswith("test_") and inspect.iscoroutinefunction(obj):
            return Coroutine.from_parent(collector, name=name)
"""


def test_a_plugin_that_runs_every_async_test_in_real_time_leaves_ours_alone(suite: Suite, pytester: pytest.Pytester) -> None:
    """As pytest-asyncio does in its automatic mode."""
    pytester.makeconftest(AUTOMATIC)
    done = suite(
        """
        async def test_ours(reconnect_clock):
            await reconnect_clock.advance(3_600)

        async def test_theirs():
            pass
        """
    )
    done.assert_outcomes(passed=2)


def test_the_page_for_users_runs_as_it_is_written(suite: Suite) -> None:
    """How to test one's own client through an outage: what it shows passes, with many seeds."""
    page = (ROOT / "docs" / "howto" / "test-your-app.md").read_text(encoding="utf-8")
    text = "\n".join(block.text for block, _ in examples(page))
    shown = text.count("def test_")
    assert shown >= 5
    for seed in range(3):
        suite(text, f"--reconnect-seed={seed}").assert_outcomes(passed=shown)


# -- the seed ------------------------------------------------------------------------------------------------------------------

FICKLE = """
    import asyncio

    async def test_it(reconnect_clock, reconnect_seed):
        seen = []
        async def one(name):
            seen.append(name)
        await asyncio.gather(*map(one, "abc"))
        assert seen == [], (reconnect_seed, "".join(seen))

    def test_passes(reconnect_seed):
        assert reconnect_seed >= 0
"""


def test_a_failure_tells_its_seed_and_the_seed_repeats_it(suite: Suite, pytester: pytest.Pytester) -> None:
    """A1: the same seed, the same order."""
    first = suite(FICKLE)
    first.assert_outcomes(failed=1, passed=1)
    told = [line for line in first.outlines if "repeat it with --reconnect-seed=" in line]
    assert len(told) == 1, "only the failure tells"
    failure = next(line for line in first.outlines if line.startswith("E ") and "assert [" in line)
    again = suite(FICKLE, told[0].split()[-1])
    assert failure in again.outlines
    assert told[0] in again.outlines


def test_seeds_differ_from_run_to_run(suite: Suite) -> None:
    told = {line for _ in range(3) for line in suite(FICKLE).outlines if "repeat it with" in line}
    assert len(told) == 3


def test_orders_differ_from_seed_to_seed(suite: Suite) -> None:
    lines = [line for seed in range(8) for line in suite(FICKLE, f"--reconnect-seed={seed}").outlines]
    assert len({line.split("'")[1] for line in lines if line.startswith("E       AssertionError: (")}) > 2


def test_a_failure_without_our_fixtures_tells_nothing(suite: Suite) -> None:
    done = suite("def test_it():\n    assert False\n")
    done.assert_outcomes(failed=1)
    done.stdout.no_fnmatch_line("*reconnect-seed*")


# -- what it costs those who do not use it -------------------------------------------------------------------------------------


def test_it_loads_nothing_before_a_fixture_is_asked_for() -> None:
    """pytest loads it always, whatever the suite is about."""
    program = f"import sys, pytest; before = set(sys.modules); import {PLUGIN}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("reconnect")] == [
        "reconnect", "reconnect.testing", PLUGIN, "reconnect.version",
    ]  # fmt: skip
    assert [name for name in LATE if name in loaded] == []


def test_it_is_installed_under_its_own_name_and_kept_out_of_this_suite(request: pytest.FixtureRequest) -> None:
    """Under another name `-p` would load it a second time; here it would be imported before coverage begins to look."""
    setup = RawConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["options.entry_points"]["pytest11"].split("=") == [f"\n{PLUGIN} ", f" {PLUGIN}"]
    assert f"-p no:{PLUGIN}" in setup["tool:pytest"]["addopts"]
    assert not request.config.pluginmanager.has_plugin(PLUGIN)


# -- the hub that it gives -----------------------------------------------------------------------------------------------------


def test_a_hub_has_lives_and_forgets_between_them() -> None:
    """A22: a new epoch, and everybody is told."""
    clock, network = FakeClock(), MemoryNetwork()
    hub = MemoryHub(network, clock, url="ws://elsewhere.test", session="lab", seed=3, grace_seconds=7.0)

    async def story() -> None:
        assert repr(hub) == "<MemoryHub ws://elsewhere.test down>"
        with pytest.raises(HubClosed, match=r"nobody is at ws://elsewhere\.test; start\(\) it first"):
            _ = hub.hub
        await hub.kill()
        await hub.stop()
        async with hub:
            await hub.start()
            first = hub.hub
            assert repr(hub).startswith("<MemoryHub ws://elsewhere.test life=1 <Hub idle ")
            async with reconnect.connect(**hub.options("anna")) as anna:
                connection = anna.connection
                await hub.restart()
                assert hub.hub is not first
                await anna.wait_for("reconnecting")
                await anna.wait_for("connected")
                assert anna.connection != connection
                assert anna.name == "lab"
                await hub.kill()
                assert [dial.party for dial in network.dials] == ["anna"] * network.dialed
        with pytest.raises(HubClosed):
            _ = hub.hub

    run(story(), clock)


def test_a_hub_in_memory_runs_in_real_time_as_well() -> None:
    import asyncio

    async def story() -> None:
        async with asyncio.timeout(30), MemoryHub(MemoryNetwork()) as hub:
            options = hub.options("anna", seed=None)
            assert isinstance(options["clock"], SystemClock)
            async with reconnect.connect(**options) as anna:
                assert (await anna.signal("hello")).delivered

    asyncio.run(story())


def test_members_differ_and_are_the_same_in_every_run() -> None:
    def seeds(seed: int) -> list[int]:
        hub = MemoryHub(MemoryNetwork(), FakeClock(), seed=seed)
        return [hub.options(name)["seed"] for name in ("anna", "ben")]

    assert seeds(1) == seeds(1)
    assert len({*seeds(1), *seeds(2)}) == 4


def test_a_hub_of_ones_own_authenticator_and_an_address_that_is_none() -> None:
    with pytest.raises(BadArgument, match=r"give an address, as ws://hub\.test"):
        MemoryHub(MemoryNetwork(), url="hub")

    async def nobody(join: object) -> object:
        raise reconnect.TokenRejected(reconnect.Reason.DENIED, "nobody")

    clock = FakeClock()
    hub = MemoryHub(MemoryNetwork(), clock, authenticator=nobody)

    async def story() -> None:
        with pytest.raises(reconnect.ConnectFailed, match="nobody"):
            await reconnect.connect(**hub.options("anna"))

    play(story(), hub=hub, clock=clock, seed=1)


def test_a_time_limit_of_the_story_is_its_own() -> None:
    import asyncio

    async def story() -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(2)

    with pytest.raises(TimeoutError):
        play(story(), hub=None, clock=FakeClock(), seed=0)
