"""Runs what a page shows: its `python` blocks, in order, in one namespace, and compares what they print.

    python tests/pages.py docs/tutorial.md

Before the first block these names are there: `url` and `port` of a hub on loopback, its `secret`, and a `token` for the session
`room-1`. A block that awaits at its top level is awaited, as in `python -m asyncio`; all such blocks of a page share one loop. A
`text` block right behind a `python` block is what that block prints; numbers with a decimal point may differ.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import reconnect

_FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=ticks)[ ]*$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d+\.\d+")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, and the line on which its text begins."""

    language: str
    text: str
    line: int
    follows: bool  # nothing but blank lines is between it and the block before


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    end = 0
    for match in _FENCE.finditer(page):
        follows = bool(end) and not page[end : match.start()].strip()
        yield Block(match["language"], match["text"], page.count("\n", 0, match.start("text")) + 1, follows)
        end = match.end()


def examples(page: str) -> Iterator[tuple[Block, str | None]]:
    """Yield the blocks that are run, each with what it should print, None where the page does not say."""
    found = list(blocks(page))
    for block, behind in zip_longest(found, found[1:]):
        if block.language == "python":
            shown = behind is not None and behind.language == "text" and behind.follows
            yield block, behind.text if behind is not None and shown else None


def first_cells(text: str) -> list[str]:
    """Return the words in the first column of all tables, without their marks."""
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ") and not line.startswith("| --- ")]
    return [match[1] for row in rows if (match := re.match(r"\| \[?`([^`]+)`", row))]


def headings(text: str, level: str = "###") -> list[str]:
    """Return the headings of one level that are words of the code."""
    return re.findall(rf"^{level} `([^`]+)`$", text, flags=re.MULTILINE)


class Hub:
    """A hub on loopback, on a loop and a thread of its own: it lives while a page's loop stands still."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(32)
        self.url, self.port = "", 0
        self._loop = asyncio.new_event_loop()
        self._listening, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> Hub:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        async with reconnect.Hub(self.secret).serve() as listener:
            self.url, self.port = listener.url, listener.port
            self._listening.set()
            await self._over.wait()

    def names(self) -> dict[str, Any]:
        """Return what a page may use without saying where it comes from."""
        token = reconnect.make_token(self.secret, session="room-1", client_id="anna")
        return {"__name__": "__main__", "url": self.url, "port": self.port, "secret": self.secret, "token": token}


def run(path: Path) -> int:
    """Run a page; return how many blocks it has. Raises what a block raises, and AssertionError for what it should not print."""
    ran = 0
    page = path.read_text(encoding="utf-8")
    with Hub() as hub, asyncio.Runner() as runner:
        names = hub.names()
        for block, expected in examples(page):
            # So that a traceback names the line of the page.
            source = "\n" * (block.line - 1) + block.text
            code = compile(source, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                if code.co_flags & inspect.CO_COROUTINE:
                    runner.run(eval(code, names))
                else:
                    exec(code, names)
            if expected is not None:
                place = f"{path}, line {block.line}"
                assert _alike(printed.getvalue(), expected), f"{place} prints\n{printed.getvalue()}and the page says\n{expected}"
            ran += 1
    return ran


def _alike(printed: str, expected: str) -> bool:
    return _NUMBER.sub("0.0", printed).strip() == _NUMBER.sub("0.0", expected).strip()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{name}: {run(Path(name))} blocks ran")
