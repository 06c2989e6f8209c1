"""Which rows of the library's charts a test run has taken: a part of pytest, registered by `conftest.py`.

Every step that the library takes in the process of the run is looked at; what a test does with a Runner of its own does not
count, for it can take any row without any behaviour behind it. Nor do charts count that a test derives or tampers with: a chart
is known by its SHA-256. After a run of the whole suite that passed, a row that was never taken fails it; a run of some of the
tests only says how many were taken. Where pytest-xdist spreads the tests over processes, each tells the first one what it took.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from reconnect.chart import Runner, Statechart, Step, StepVerdict, chart_names, load_chart

NAME: Final = "row-coverage"
LIBRARY: Final = "reconnect."
# No session runs the chart of a signal: the outbox keeps to it, and this law walks the chart along with an outbox.
IN_ITS_PLACE: Final = {"signal": "tests.laws.signal_life"}


class RowCoverage:
    """Counts the rows that are taken; `charts` are those whose rows count."""

    def __init__(self, charts: list[Statechart]) -> None:
        self.charts = charts
        self._rows: dict[str, set[int]] = {chart.sha256: set() for chart in charts}
        self._step = Runner.step
        self._failed = False

    # -- counting ----------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look at every step from now on."""
        Runner.step = self._watching(self._step)  # type: ignore[method-assign, assignment]  # every Runner, whoever made it

    def stop(self) -> None:
        """Look no more."""
        Runner.step = self._step  # type: ignore[method-assign]  # as it was

    def _watching(self, step: Callable[[Runner, str, str], Step]) -> Callable[[Runner, str, str], Step]:
        rows = self._rows

        def watched(runner: Runner, state: str, event: str) -> Step:
            taken = step(runner, state, event)
            if taken.row is not None:
                counted, caller = rows.get(runner.chart.sha256), sys._getframe(1).f_globals["__name__"]
                if counted is not None and (caller.startswith(LIBRARY) or caller == IN_ITS_PLACE.get(runner.chart.name)):
                    counted.add(taken.row)
            return taken

        return watched

    @property
    def taken(self) -> int:
        """How many rows were taken."""
        return sum(map(len, self._rows.values()))

    @property
    def total(self) -> int:
        """How many rows there are."""
        return sum(len(chart.transitions) for chart in self.charts)

    def untaken(self) -> Iterator[str]:
        """Yield each row that was never taken."""
        for chart in self.charts:
            for number in range(len(chart.transitions)):
                if number not in self._rows[chart.sha256]:
                    yield f"{chart.name}: {chart.row_name(StepVerdict.TAKEN, number)}"

    # -- pytest ------------------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Count what was taken in another process of this run."""
        for chart, rows in getattr(node, "workeroutput", {}).get(NAME, {}).items():
            self._rows[chart].update(rows)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run of the whole suite that passed and left a row untaken; or tell the process that will."""
        self.stop()
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[NAME] = {chart: sorted(rows) for chart, rows in self._rows.items()}
            return
        passed = session.exitstatus == pytest.ExitCode.OK
        if passed and is_whole(session.config) and any(self.untaken()):
            self._failed = True
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say how many rows were taken, and after a whole run which were not."""
        if self.taken:
            terminalreporter.write_line(f"rows of the charts taken in this run: {self.taken} of {self.total}")
        if self._failed:
            for row in self.untaken():
                terminalreporter.write_line(f"no test takes {row}", red=True)


def is_whole(config: pytest.Config) -> bool:
    """Return whether nothing was left out: no file was named, nothing was chosen by a word or a mark, and all of it ran."""
    option = config.option
    chosen = option.keyword or option.markexpr or option.deselect or option.ignore or option.ignore_glob or option.collectonly
    chosen = chosen or getattr(option, "lf", False) or getattr(option, "stepwise", False) or option.maxfail
    roots = {(config.rootpath / path).resolve() for path in config.getini("testpaths")}
    return not chosen and {Path(argument).resolve() for argument in config.args} == roots


def register(config: pytest.Config) -> None:
    """Count rows in this run."""
    coverage = RowCoverage([load_chart(name) for name in chart_names()])
    config.pluginmanager.register(coverage, NAME)
    coverage.start()
