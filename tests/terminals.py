"""What the tests of the command line share: commands as processes of their own, what is typed into them, and what they show."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from reconnect.cli.lines import Lines

ROOT = Path(__file__).resolve().parent.parent
LIMIT_SECONDS = 30.0  # far above what anything takes: it only catches a hang
SECRET = "a secret of at least thirty-two bytes, for tests"


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which nothing is set that the commands look at, but for `more`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RECONNECT_")}
    return ours | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | more


class Command:
    """A command as a process of its own: its stdout is read line by line, its stdin can be typed into."""

    def __init__(self, *arguments: str, **more: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "reconnect", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**more),
        )
        self.seen: list[str] = []
        self._arrived: queue.Queue[str] = queue.Queue()
        self._threads = [
            threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in (self.popen.stdout, self.popen.stderr)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.end()

    def _read(self, stream: TextIO) -> None:
        for line in stream:
            self._arrived.put(line.rstrip("\n"))

    def until(self, words: str) -> str:
        """Return the next line that contains these words."""
        while True:
            try:
                line = self._arrived.get(timeout=LIMIT_SECONDS)
            except queue.Empty:
                raise AssertionError(f"no line with {words!r} came; these did: {self.seen}") from None
            self.seen.append(line)
            if words in line:
                return line

    def entry(self, event: str) -> dict[str, Any]:
        """Return the next JSON line of this event."""
        found: dict[str, Any] = json.loads(self.until(f'"event": "{event}"'))
        return found

    def type(self, *lines: str) -> None:
        """Type lines."""
        assert self.popen.stdin is not None
        for line in lines:
            self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()

    def end(self) -> int:
        """End stdin, and return the exit code; what was printed meanwhile stands in `seen`."""
        assert self.popen.stdin is not None
        if not self.popen.stdin.closed:
            self.popen.stdin.close()
        code = self.popen.wait(LIMIT_SECONDS)
        for thread in self._threads:
            thread.join(LIMIT_SECONDS)
        for stream in (self.popen.stdout, self.popen.stderr):
            assert stream is not None
            stream.close()
        while not self._arrived.empty():
            self.seen.append(self._arrived.get())
        return code


class Teletype:
    """A command at a terminal of 80 columns."""

    def __init__(self, *arguments: str, **more: str) -> None:
        self.ours, theirs = pty.openpty()
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "reconnect", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env=environment(COLUMNS="80", TERM="xterm", **more),
        )
        os.close(theirs)
        self.shown = ""
        self._looked_at = 0

    def until(self, words: str) -> None:
        """Read until these words are shown, behind those that were waited for last."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while (found := self.shown.find(words, self._looked_at)) < 0:
            ready, _, _ = select.select([self.ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {words!r} was shown, but: {self.shown}"
            self.shown += os.read(self.ours, 65_536).decode()
        self._looked_at = found + len(words)

    def type(self, line: str) -> None:
        """Type a line; the terminal shows it as well."""
        os.write(self.ours, line.encode() + b"\n")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.popen.send_signal(signal.SIGINT)

    @property
    def rows(self) -> Sequence[str]:
        """The rows that were shown so far, as one reads them."""
        return without_styles(self.shown.replace("\r", ""))

    def end(self) -> int:
        """Return the exit code."""
        code = self.popen.wait(LIMIT_SECONDS)
        os.close(self.ours)
        return code


class Keyboard:
    """Stands for sys.stdin: what is typed is what is read."""

    def __init__(self, *lines: str, tty: bool = False, ends: bool = True) -> None:
        self._tty = tty
        self._typed: queue.Queue[bytes] = queue.Queue()
        for line in lines:
            self.type(line)
        if ends:
            self.close()

    @property
    def buffer(self) -> Keyboard:
        return self

    def isatty(self) -> bool:
        return self._tty

    def type(self, line: str) -> None:
        """Type a line."""
        self._typed.put(line.encode() + b"\n")

    def close(self) -> None:
        """Type the end."""
        self._typed.put(b"")

    def read(self, size: int) -> bytes:
        """Return what was typed next."""
        return self._typed.get(timeout=LIMIT_SECONDS)


class Screen:
    """A show that remembers its entries, and wakes who waits for one."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def event(self, entry: dict[str, Any]) -> None:
        self.entries.append(json.loads(json.dumps(entry)))
        self._changed.set()

    @property
    def events(self) -> list[str]:
        """The names of what was shown, in order."""
        return [entry["event"] for entry in self.entries]

    async def until(
        self, event: str, holds: Callable[[dict[str, Any]], bool] = lambda entry: True, *, last: bool = False
    ) -> dict[str, Any]:
        """Return the first (or last) entry of this event for which it holds, as soon as there is one."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                for entry in reversed(self.entries) if last else self.entries:
                    if entry["event"] == event and holds(entry):
                        return entry
                self._changed.clear()
                await self._changed.wait()


def paper(width: int = 80, *, terminal: bool = False, columns: int = 21) -> tuple[Lines, StringIO]:
    """Return lines that are printed into a text, as into a terminal of this width or into a pipe."""
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, no_color=True, highlight=False, color_system=None)
    return Lines(console, event_columns=columns), out


def without_styles(text: str) -> Sequence[str]:
    """Return the lines without what would make them bold or dim."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
