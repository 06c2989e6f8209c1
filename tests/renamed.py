"""The session's chart under other names: a scratch copy in which every state and every event is called something else.

Only the chart's own table binds it to the code: each event says what it `means`, each state has its role and phase. Stories told
with `pytest --renamed` run on such a copy, in place of the chart as it is shipped; they name states and events by `named()`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from reconnect.chart import load
from reconnect.chart.load import charts_folder

_OTHER_NAMES: dict[str, str] = {}
"""The names in use, by those of the chart as it is shipped; empty where that is in use."""

_STATES: Final = re.compile(r"^(?:initial|from|to|in|states) = ")
_EVENTS: Final = re.compile(r"^(?:on|but) = ")
_QUOTED: Final = re.compile(r'"([\w.]+)"')


def named(name: str) -> str:
    """Return what a state or an event of the session's chart is called in the chart that is in use."""
    return ".".join(_OTHER_NAMES.get(part, part) for part in name.split("."))


def other_names(text: str) -> dict[str, str]:
    """Return another name for every state and every event of a chart, none of which resembles the old one."""
    paths = re.findall(r"^\[states\.([\w.]+)\]", text, re.MULTILINE)
    states = dict.fromkeys(part for path in paths for part in path.split(".") if part != "states")
    events = re.findall(r"^(\w+) *= \{ kind", text[text.index("[events]") : text.index("[timers]")], re.MULTILINE)
    return {name: f"s{number}" for number, name in enumerate(states)} | {name: f"e{number}" for number, name in enumerate(events)}


def renamed(text: str) -> str:
    """Return the text of the session's chart with every state and every event renamed; roles, phases and what is told stay."""
    names = other_names(text)

    def path(states: str) -> str:
        return ".".join(names.get(part, part) for part in states.split("."))

    lines = []
    for line in text.splitlines():
        if line.startswith("[states."):
            line = f"[{path(line.strip('[]'))}]"
        elif _STATES.match(line) or _EVENTS.match(line):
            line = _QUOTED.sub(lambda match: f'"{path(match[1])}"', line)
        elif match := re.match(r"(\w+)( *= \{) kind", line):
            line = line.replace(match[0], f'{names[match[1]]}{match[2]} means = "{match[1]}", kind', 1)
        elif match := re.match(r'\w+ *= \{ event = "(\w+)"', line):
            line = line.replace(f'"{match[1]}"', f'"{names[match[1]]}"', 1)
        lines.append(line)
    return "\n".join(lines) + "\n"


def use_other_names(scratch: Path) -> None:
    """From now on, in this process, the session's chart is a copy with other names."""
    for file in charts_folder().glob("*.toml"):
        shutil.copy(file, scratch)
    text = (scratch / "session.toml").read_text(encoding="utf-8")
    (scratch / "session.toml").write_text(renamed(text), encoding="utf-8")
    _OTHER_NAMES.update(other_names(text))
    pytest.MonkeyPatch().setattr(load, "charts_folder", lambda: scratch)
