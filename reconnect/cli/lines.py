"""How an event looks in a terminal: one aligned line that says when, who, what, and in words what it means.

The rules that it keeps: in a terminal a long sentence goes on below its own beginning; elsewhere an event is one line, whatever
its length, so that it can be searched. What others said is made printable first: no text of theirs moves a cursor.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

WHO_COLUMNS: Final = 11
EVENT_COLUMNS: Final = 21
LEAST_ROOM: Final = 20  # columns for words; where there are fewer, the terminal itself breaks the line


def printable(text: str) -> str:
    """Return a text as one line without control characters; what cannot be printed is written as Python writes it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def time_of_day(moment: datetime | None = None) -> str:
    """Return the local time of day: two terminals beside each other, and a hub's log, can be compared."""
    return (moment or datetime.now().astimezone()).astimezone().strftime("%H:%M:%S")


def clipped(text: str, columns: int) -> str:
    """Return a text that leaves a gap within a column of this width."""
    return text if len(text) < columns else text[: columns - 2] + "… "


class Lines:
    """Prints events as aligned lines."""

    def __init__(self, console: Console | None = None, *, event_columns: int = EVENT_COLUMNS) -> None:
        self.console = console or Console(highlight=False)
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

    def paste(self, command: str) -> None:
        """Print a line that is to be copied: nothing is put between its characters."""
        self.console.print(Text(command, style="bold"), soft_wrap=True)
