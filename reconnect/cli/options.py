"""What the commands share: options, the help that is shown for them, and how a command ends that could not do its work."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypeVar

import typer
from rich.console import Console

from reconnect.cli.durations import seconds_of
from reconnect.cli.lines import Lines, printable

FAILED: Final = 1
USAGE: Final = 2

Choice = TypeVar("Choice", bound=StrEnum)


def fail(sentence: str, code: int = FAILED) -> NoReturn:
    """End the command with a sentence on stderr."""
    _say(f"error: {sentence}", "red")
    raise typer.Exit(code)


def warn(sentence: str) -> None:
    """Say on stderr what should not stay as it is."""
    _say(f"warning: {sentence}", "yellow")


def remark(sentence: str) -> None:
    """Say something on stderr to a person; where nobody looks on, it is not said."""
    if Console(stderr=True).is_terminal:
        _say(sentence, "dim")


def _say(sentence: str, style: str) -> None:
    with suppress(OSError):  # where nothing can be said on stderr, there is no place to say so; the exit code remains
        Lines(Console(stderr=True, highlight=False)).say(printable(sentence), style=style)


def duration(text: str, option: str) -> float:
    """Read a duration; what is none is a mistake in the command's usage."""
    try:
        return seconds_of(text)
    except ValueError as error:
        fail(f"{option}: {error}", USAGE)


def chosen(kinds: type[Choice], text: str, option: str) -> Choice:
    """Return the member of a closed list that was asked for; what is none is a mistake in the command's usage."""
    try:
        return kinds(text)
    except ValueError:
        fail(f"{option}: there is no {text!r}; it is one of {', '.join(kinds)}", USAGE)


def reflowed(text: str) -> str:
    """Return a docstring as help: a paragraph is one line, for the terminal to break; indented lines stay as they are."""
    blocks = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(block if block.startswith(" ") else " ".join(block.split("\n")) for block in blocks)


def add_command(app: typer.Typer, command: Callable[..., Any], name: str | None = None) -> None:
    """Make a function a command of the application; its docstring is the help."""
    app.command(name, help=reflowed(command.__doc__ or ""))(command)


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, for programs.")]
SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", metavar="FILE", help="A file that holds the hub's secret; by default RECONNECT_SECRET does."),
]
