"""How an event looks in a terminal: one aligned line that says when, who, what, and in words what it means.

The rules that it keeps: in a terminal a long sentence goes on below its own beginning; elsewhere an event is one line, whatever
its length, so that it can be searched. What others said is made printable first: no text of theirs moves a cursor.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from reconnect.evidence.printable import printable as printable  # every command takes it from here

WHO_COLUMNS: Final = 11
EVENT_COLUMNS: Final = 21
LEAST_ROOM: Final = 20  # columns for words; where there are fewer, the terminal itself breaks the line


def time_of_day(moment: datetime | None = None) -> str:
    """Return the local time of day: two terminals beside each other, and a hub's log, can be compared."""
    return (moment or datetime.now().astimezone()).astimezone().strftime("%H:%M:%S")


def utc_now() -> str:
    """Return the time as programs read it, in the form that the audit has."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def print_json(out: TextIO, entry: dict[str, Any]) -> None:
    """Print an object as one line, at once: whoever reads it may wait for it."""
    out.write(json.dumps(entry) + "\n")
    out.flush()


def forget_stdout() -> None:
    """Nobody reads stdout any more: what is still printed goes nowhere, and its end is no error."""
    with suppress(OSError, ValueError):  # a stdout that is no file has no end to fail at
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to whoever prints: an observer's SystemExit would end more than the printing."""
        raise BrokenPipeError


def clipped(text: str, columns: int) -> str:
    """Return a text that leaves a gap within a column of this width."""
    return text if len(text) < columns else text[: columns - 2] + "… "


class Lines:
    """Prints events as aligned lines."""

    def __init__(self, console: Console | None = None, *, event_columns: int = EVENT_COLUMNS) -> None:
        self.console = console or _Console(highlight=False)
        self._event_columns = event_columns

    def put(self, at: str, who: str, name: str, words: str, *, who_style: str = "", style: str = "") -> None:
        """Print one event; lines of `words` stand below each other."""
        line = Text()
        line.append(f"{at}  ", style="dim")
        line.append(f"{clipped(who, WHO_COLUMNS):<{WHO_COLUMNS}}", style=who_style)
        line.append(f"{name:<{self._event_columns}}", style=style)
        indent = line.cell_len
        room = self.console.width - indent
        if self.console.is_terminal and room >= LEAST_ROOM:
            rows = [row for part in words.split("\n") for row in Text(part).wrap(self.console, room)]
        else:
            rows = [Text(part) for part in words.split("\n")]
        for number, row in enumerate(rows):
            if number:
                line.append("\n" + " " * indent)
            row.rstrip()
            line.append(row.plain)
        self.console.print(line, soft_wrap=True)

    def say(self, sentence: str = "", *, style: str = "") -> None:
        """Print a sentence of our own, as wide as the terminal."""
        self.console.print(Text(sentence, style=style), soft_wrap=not self.console.is_terminal)

    def break_line(self) -> None:
        """In a terminal, go on below the ^C that the terminal may have written."""
        if self.console.is_terminal:
            self.console.print()

    def paste(self, command: str) -> None:
        """Print a line that is to be copied: nothing is put between its characters."""
        self.console.print(Text(command, style="bold"), soft_wrap=True)
