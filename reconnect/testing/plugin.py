"""The pytest plugin: fixtures for tests of one's own client, in virtual time, over a network in memory, with a real hub.

    async def test_my_robot_survives_a_tunnel(reconnect_hub, reconnect_network, reconnect_clock):
        async with Robot(**reconnect_hub.options("robot")) as robot:
            with reconnect_network.outage("robot"):
                report = robot.report("in the tunnel")
                await reconnect_clock.advance(20)
            assert (await report).delivered

An async test that asks for `reconnect_clock`, itself or through `reconnect_hub`, runs on a virtual loop, and no other plugin is
needed for it. A plain test uses `reconnect_run`. All that is left to chance follows one seed, which a failure tells and
`--reconnect-seed` brings back: the jitter, the network's weather, and which of several ready tasks runs first.

pytest loads this module always, so it imports nothing of the library before a fixture is asked for.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from reconnect.testing.clock import FakeClock
    from reconnect.testing.hubs import MemoryHub
    from reconnect.testing.network import MemoryNetwork

Run = Callable[..., Any]

SEED: Final = pytest.StashKey[int]()
SEED_BYTES: Final = 4  # a number that can be typed


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--reconnect-seed`."""
    parser.getgroup("reconnect").addoption(
        "--reconnect-seed", type=int, default=None, metavar="N", help="repeat the chance of a run whose test failed (reconnect)"
    )


def seed_of(config: pytest.Config) -> int:
    """Return the seed of this run: the one that was asked for, or one drawn once."""
    if SEED not in config.stash:
        asked: int | None = config.getoption("--reconnect-seed")
        config.stash[SEED] = int.from_bytes(os.urandom(SEED_BYTES), "big") if asked is None else asked
    return config.stash[SEED]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the seed of a test that failed."""
    report = yield
    if report.failed and "reconnect_seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("reconnect", f"repeat it with --reconnect-seed={seed_of(item.config)}"))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that asks for our clock on our loop."""
    if "reconnect_clock" not in pyfuncitem.fixturenames:
        return None
    test = pyfuncitem.obj
    if type(pyfuncitem).__module__.startswith("pytest_asyncio"):
        test = inspect.unwrap(test)  # its automatic mode has put a loop of real time around it
    if not inspect.iscoroutinefunction(test):
        return None
    asked = inspect.signature(test).parameters
    from reconnect.testing.hubs import play

    args: dict[str, Any] = pyfuncitem.funcargs
    story = test(**{name: value for name, value in args.items() if name in asked})
    play(story, hub=args.get("reconnect_hub"), clock=args["reconnect_clock"], seed=args["reconnect_seed"])
    return True


# -- fixtures ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def reconnect_seed(request: pytest.FixtureRequest) -> int:
    """The seed that chance follows in this run; `--reconnect-seed` sets it."""
    return seed_of(request.config)


@pytest.fixture
def reconnect_clock(reconnect_seed: int) -> FakeClock:
    """A clock that jumps to the next timer: `await reconnect_clock.advance(60)`."""
    from reconnect.testing.clock import FakeClock

    return FakeClock()


@pytest.fixture
def reconnect_network(reconnect_seed: int) -> MemoryNetwork:
    """A network in memory: `cut`, `refuse`, `half_open`, `delay`, `outage` and more; it runs in real time as well."""
    from reconnect.testing.network import MemoryNetwork

    return MemoryNetwork(seed=reconnect_seed)


@pytest.fixture
def reconnect_hub(reconnect_network: MemoryNetwork, reconnect_clock: FakeClock, reconnect_seed: int) -> MemoryHub:
    """A hub that runs while the test does: `options(name)` is what a session needs, `restart()` makes it forget."""
    from reconnect.testing.hubs import MemoryHub

    return MemoryHub(reconnect_network, reconnect_clock, seed=reconnect_seed)


@pytest.fixture
def reconnect_run(request: pytest.FixtureRequest, reconnect_clock: FakeClock, reconnect_seed: int) -> Run:
    """Run a coroutine in virtual time and return its result: `reconnect_run(story())`; at most so many virtual `seconds`."""
    from reconnect.testing.hubs import VIRTUAL_SECONDS, play

    hub: MemoryHub | None = request.getfixturevalue("reconnect_hub") if "reconnect_hub" in request.fixturenames else None

    def run(story: Coroutine[Any, Any, Any], *, seconds: float = VIRTUAL_SECONDS) -> Any:
        return play(story, hub=hub, clock=reconnect_clock, seed=reconnect_seed, seconds=seconds)

    return run
