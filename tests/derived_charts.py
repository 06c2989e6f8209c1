"""Charts that are derived from those of the library, as a user would derive them: by appending to a copy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from reconnect.chart import Statechart, load_chart_text

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "howto" / "write-a-chart.md"


def _appended() -> str:
    """Return what the page on writing charts appends to a copy of the session's chart."""
    found = re.search(r'^MINE = """$(.*?)^"""$', PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert found, f"{PAGE} does not say what to append"
    return found[1]


SUSPENDING: Final = _appended()
ENDLESS: Final = re.sub(
    r"\[timers\.suspension\]\n.*?\n\n",
    "",
    SUSPENDING.replace(', "start:suspension"', "")
    .replace('exit = ["cancel:suspension"]\n', "")
    .replace('[events.suspension_over]\nkind = "timer"', '[events.suspension_over]\nkind = "call"'),
    flags=re.DOTALL,
)
"""The same without its timer: nothing but the user leads out of the state that it adds."""


def derived(name: str, *more: str) -> Statechart:
    """Return a chart with more at its end, read and checked."""
    return load_chart_text(derived_text(name, *more), f"my_{name}.toml")


def derived_text(name: str, *more: str) -> str:
    """Return the text of a chart with more at its end."""
    return "".join([(ROOT / "statecharts" / f"{name}.toml").read_text(encoding="utf-8"), *more])
