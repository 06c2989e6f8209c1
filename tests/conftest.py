"""What the tests share: how much Hypothesis tries, and a runner for coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import canary, row_coverage
from tests.renamed import use_other_names

# No deadlines: they read a clock. The usual profile draws the same examples in every run; the full one looks for new ones.
settings.register_profile("usual", deadline=None, derandomize=True, max_examples=100, database=None)
settings.register_profile(
    "full", deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True, database=None
)

FULL_SECONDS = 3_600.0  # for one test with full counts: as ever, it only catches a hang


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`: all the counts that a release wants, and the tests marked slow; and `--renamed`, for the stories."""
    parser.addoption("--full", action="store_true", help="full counts, and the tests marked slow")
    parser.addoption("--renamed", action="store_true", help="the session's chart has other names for its states and events")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--full") else "usual")
    if config.getoption("--full"):
        config.option.timeout = config.option.timeout or FULL_SECONDS
    if config.getoption("--renamed"):
        scratch = TemporaryDirectory(prefix="renamed-charts-")
        config.add_cleanup(scratch.cleanup)
        use_other_names(Path(scratch.name))
    row_coverage.register(config)
    canary.register(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow: runs with --full"))


Runner = Callable[..., Any]


@pytest.fixture
def run() -> Runner:
    """Run a coroutine on a loop of its own, against a hang for 30 s at most; what it leaves running is an error."""

    def runner(main: Coroutine[Any, Any, Any], *, seconds: float = 30.0) -> Any:
        async def whole() -> Any:
            async with asyncio.timeout(seconds):
                result = await main
            left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert not left, f"still running: {left}"
            return result

        return asyncio.run(whole())

    return runner
