"""How an event looks in a terminal: one aligned line that says when, who, what, and in words what it means.

The rules that it keeps: in a terminal a long sentence goes on below its own beginning; elsewhere an event is one line, whatever
its length, so that it can be searched. What others said is made printable first: no text of theirs moves a cursor.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from rich.console import Console
from rich.text import Text

from reconnect.cli.output import PrintFailed
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


def called_as(argument: str) -> str:
    """Return how to call this command from elsewhere, when `argument` is what it was called as."""
    if os.path.basename(argument) == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m reconnect"
    found = shutil.which("reconnect")
    if found is not None and os.path.realpath(found) == os.path.realpath(argument):
        return "reconnect"
    return shlex.quote(os.path.abspath(argument))


def writable(text: str, encoding: str) -> str:
    """Return a text in which every character has a place in this encoding: it is as long as it will be shown."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def clipped(text: str, columns: int, encoding: str = "utf-8") -> str:
    """Return a text that leaves a gap within a column of this width."""
    mark = "…" if writable("…", encoding) == "…" else "~"
    return text if len(text) < columns else text[: columns - 2] + mark + " "


class Lines:
    """Prints events as aligned lines."""

    def __init__(self, console: Console | None = None, *, event_columns: int = EVENT_COLUMNS) -> None:
        self.console = console or Console(highlight=False)
        self._event_columns = event_columns

    def put(self, at: str, who: str, name: str, words: str, *, who_style: str = "", style: str = "") -> None:
        """Print one event; lines of `words` stand below each other."""
        encoding = self.console.encoding
        who, words = clipped(writable(who, encoding), WHO_COLUMNS, encoding), writable(words, encoding)
        line = Text()
        line.append(f"{at}  ", style="dim")
        line.append(f"{who:<{WHO_COLUMNS}}", style=who_style)
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
        self._print(line, soft_wrap=True)

    def say(self, sentence: str = "", *, style: str = "") -> None:
        """Print a sentence of our own, as wide as the terminal."""
        self._print(Text(sentence, style=style), soft_wrap=not self.console.is_terminal)

    def break_line(self) -> None:
        """In a terminal, go on below the ^C that the terminal may have written."""
        if self.console.is_terminal:
            self._print(Text())

    def paste(self, command: str) -> None:
        """Print a line that is to be copied: nothing is put between its characters."""
        self._print(Text(command, style="bold"), soft_wrap=True)

    def _print(self, text: Text, *, soft_wrap: bool = False) -> None:
        try:
            self.console.print(text, soft_wrap=soft_wrap)
        except PrintFailed:
            # The console keeps what it could not print, and would begin the next line with it.
            self.console.begin_capture()
            self.console.end_capture()
            raise
