"""No secret in any audit of a whole test run: a part of pytest, registered by `conftest.py`.

Every record that an auditor hands to a sink in the process of the run, for a journal or for the log, is looked through for what
has the shape of a token, and for each of the last secrets that anybody in this process asked to have concealed; and so is what
was logged during a test. A test during which one is seen fails, whatever it was about.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Final

import pytest

from reconnect.audit.auditor import Auditor
from reconnect.audit.cleaning import Cleaner

NAME: Final = "canary"
TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")  # a JSON Web Token: two objects and a signature
KEPT: Final = 64  # secrets that are looked for: what an older one was for is long over
LEAST: Final = 16  # characters: a shorter one is a word that a test made up, and may stand anywhere

Emit = Callable[[Auditor, str, float, dict[str, Any]], None]


class Canary:
    """Collects what was seen, until a test is asked about it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._secrets: deque[str] = deque(maxlen=KEPT)
        self._emit: Emit = Auditor._emit
        self._conceal = Cleaner.conceal

    def start(self) -> None:
        """Look at every record from now on."""
        emit, conceal = self._emit, self._conceal

        def watched(auditor: Auditor, record: str, at: float, fields: dict[str, Any]) -> None:
            self.look(f"a record {record!r}", repr(fields))
            emit(auditor, record, at, fields)

        def known(cleaner: Cleaner, secret: str) -> None:
            if isinstance(secret, str) and len(secret) >= LEAST and secret not in self._secrets:
                self._secrets.append(secret)
            conceal(cleaner, secret)

        Auditor._emit = watched  # type: ignore[method-assign, assignment]  # every auditor, whoever made it
        Cleaner.conceal = known  # type: ignore[method-assign, assignment]  # as above

    def stop(self) -> None:
        """Look no more."""
        Auditor._emit = self._emit  # type: ignore[method-assign, assignment]  # as it was
        Cleaner.conceal = self._conceal  # type: ignore[method-assign]

    def look(self, where: str, text: str) -> None:
        """Note what should not be in this text."""
        if TOKEN.search(text) or any(secret in text for secret in self._secrets):
            self.seen.append(f"a token or a secret stands in {where}: {text[:500]}")

    # -- pytest ------------------------------------------------------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        self.start()

    def pytest_sessionfinish(self) -> None:
        self.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self.look("what was logged", report.caplog)
        if self.seen:
            report.outcome, report.longrepr = "failed", "\n".join(self.seen)
            self.seen.clear()
        return report


def register(config: pytest.Config) -> None:
    """Make it a part of this run of pytest."""
    config.pluginmanager.register(Canary(), NAME)
