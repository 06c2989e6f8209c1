"""Where a command's words go: stdout, opened once at the one entry point.

The rules that it keeps: any character can be printed, for what the terminal's encoding lacks is written as Python writes it. A
print that cannot be done raises PrintFailed, and nothing else does, so that no command takes it for something else that failed.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

FAILED: Final = 1


class PrintFailed(Exception):
    """Nothing more can be printed; `unheard` says that nobody reads it any more, as when a pipe or a terminal was closed."""

    def __init__(self, reason: str, *, unheard: bool) -> None:
        self.unheard = unheard
        super().__init__(f"what is printed cannot be written: {reason}; make room there, or let stdout go elsewhere")


class Output(io.TextIOWrapper):
    """A stdout that takes every character, and says with PrintFailed that it takes no more."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._teletype, buffered = stream.isatty(), stream.line_buffering
        super().__init__(stream.buffer, encoding=stream.encoding, errors="backslashreplace", line_buffering=buffered)

    def write(self, text: str) -> int:
        """Write a text."""
        with self._failing():
            return super().write(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._failing():
            super().flush()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # A terminal that was closed answers as a broken disk does.
            unheard = error.errno == errno.EPIPE or (error.errno == errno.EIO and self._teletype)
            raise PrintFailed(error.strerror or type(error).__name__, unheard=unheard) from error


@contextmanager
def opened_output() -> Iterator[None]:
    """Let stdout be an Output meanwhile; one that was closed by whoever started us takes everything, and keeps nothing."""
    former = sys.stdout
    if former is None:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            sys.stdout = nowhere
            try:
                yield
            finally:
                sys.stdout = former
    elif isinstance(former, io.TextIOWrapper):
        output = sys.stdout = Output(former)
        try:
            yield
        finally:
            sys.stdout = former
            with suppress(PrintFailed):  # of which was told before
                output.detach()
    else:
        yield


def forget_stdout() -> None:
    """Nobody reads stdout any more: what is still printed goes nowhere, and its end is no error."""
    with suppress(OSError, ValueError):  # a stdout that is no file has no end to fail at
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(app: Callable[[], object]) -> None:
    """Run a command line; where it cannot print, end it: without a word if nobody listens, and otherwise with the reason."""
    with opened_output():
        try:
            try:
                app()
            finally:
                sys.stdout.flush()
        except PrintFailed as failure:
            _end(failure)


def _end(failure: PrintFailed) -> NoReturn:
    forget_stdout()
    if not failure.unheard:
        with suppress(OSError):
            print(f"error: {failure}", file=sys.stderr)
    sys.exit(FAILED)
