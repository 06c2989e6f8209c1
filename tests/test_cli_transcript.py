"""The conversation in the tutorial: held once more at three terminals, each shows what the page shows, line for line.

Not compared are the times, what chance decides (delays, and how many attempts an outage takes), tokens, ports and paths.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.terminals import Teletype

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tutorial.md"
TERMINALS = ("anna", "mia", "hub")
VARIES = {
    r"^\d\d:\d\d:\d\d  ": "",
    r"\d+\.\d s": "N.N s",
    r"attempt \d+": "attempt N",
    r"127\.0\.0\.1:\d+": "127.0.0.1:PORT",
    r"--token \S+": "--token TOKEN",
    r"RECONNECT_SECRET=\S+ ": "RECONNECT_SECRET=SECRET ",
    r"\S+( -m )?reconnect (?=join|token)": "reconnect ",
}


def compared(rows: Iterable[str]) -> set[str]:
    """Return what a terminal shows, an event a line, without what varies; a prompt and a ^C are the terminal's own."""
    events: list[str] = []
    for row in rows:
        if row.startswith(" " * 42):
            events[-1] += " " + row.strip()
        elif row and not row.startswith(("$ ", "^C")):
            events.append(row.rstrip())
    return set(map(without_what_varies, events))


def without_what_varies(event: str) -> str:
    for pattern, word in VARIES.items():
        event = re.sub(pattern, word, event)
    return event


def of_the_page(text: str) -> dict[str, set[str]]:
    """Return what each of the three terminals on the page shows."""
    section = text.partition("## 5. ")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```text\n(\$ .*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == len(TERMINALS)
    return {terminal: compared(block.splitlines()) for terminal, block in zip(TERMINALS, blocks, strict=True)}


@pytest.fixture(scope="module")
def shown() -> Iterator[dict[str, set[str]]]:
    """What the terminals show today."""
    opened: dict[str, Teletype] = {"hub": Teletype("serve", "--dev", "--port", "0")}
    try:
        yield converse(opened)
    finally:
        for terminal in opened.values():
            if terminal.popen.poll() is None:
                terminal.popen.kill()
                terminal.end()


def converse(opened: dict[str, Teletype]) -> dict[str, set[str]]:
    hub = opened["hub"]
    hub.until("stops it")
    pasted = [shlex.split(row) for row in hub.rows if " join ws://" in row]
    for name, words in (("anna", pasted[0]), ("mia", pasted[2])):
        opened[name] = Teletype(*words[words.index("join") :])
        opened[name].until("/quit leaves.")
    anna, mia = opened["anna"], opened["mia"]
    anna.until("as a moderator")
    anna.type("hello, can you see me?")
    mia.until("hello, can you see me?")
    mia.type("yes, go on")
    anna.until("yes, go on")
    anna.type("/publish camera")
    mia.until("publishes camera")
    mia.type("/subscribe camera")
    mia.until("the stream plays")
    anna.type("/drop 3")
    anna.until("reconnecting")
    anna.type("said while my link was away")
    anna.until("held")
    anna.type("/now worthless if late")
    anna.until("not delivered")
    mia.until("stream disconnected")
    mia.type("are you still there?")
    anna.until("reconnected")
    anna.until("signal                 said while")
    mia.until("signal                 said while")
    anna.type("/stats")
    anna.until("now connected")
    anna.type("/quit")
    anna.until("its stream is over")
    mia.until("connection destroyed")
    mia.interrupt()
    mia.until("left the session")
    hub.until("mia        left")
    hub.interrupt()
    hub.until("stopped")
    hub.until("4 signals")
    assert [terminal.end() for terminal in (anna, mia, hub)] == [1, 0, 0], "one line of hers was not delivered"
    return {name: compared(terminal.rows) for name, terminal in opened.items()}


@pytest.mark.parametrize("terminal", TERMINALS)
def test_a_terminal_shows_what_the_tutorial_shows(shown: dict[str, set[str]], terminal: str) -> None:
    assert of_the_page(PAGE.read_text(encoding="utf-8"))[terminal] == shown[terminal]


@pytest.mark.parametrize(
    ("terminal", "words", "other"),
    [
        ("anna", "camera: its stream is live", "camera: its stream is alive"),
        ("mia", "is back", "is here again"),
        ("hub", "telling 0 members", "telling 1 member"),
        ("anna", "dropped, 0 pending", "dropped, 1 pending"),
    ],
)
def test_a_line_of_the_tutorial_that_is_not_shown_any_more_is_found(
    shown: dict[str, set[str]], terminal: str, words: str, other: str
) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert words in text
    assert of_the_page(text.replace(words, other))[terminal] != shown[terminal]
