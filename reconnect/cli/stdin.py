"""Lines as they are typed or piped in, without blocking the event loop.

A thread reads, because a terminal, a pipe and a file have no other way to be read in common. It reads the raw descriptor, whose
reading holds no lock, so that a program that ends while nobody types ends at once. It waits until a line was taken before it
reads on: a large file is not read into memory.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

CHUNK_BYTES = 65_536


def stdin_reader() -> Callable[[], bytes]:
    """Return what reads the next bytes of stdin, empty at its end."""
    if sys.stdin is None:  # closed by whoever started us
        return lambda: b""
    source: Any = sys.stdin.buffer
    raw = getattr(source, "raw", source)
    return lambda: raw.read(CHUNK_BYTES) or b""


async def typed_lines(read: Callable[[], bytes] | None = None) -> AsyncIterator[str]:
    """Yield the lines of stdin without their ends; the last one need not have one."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
    reader = read or stdin_reader()

    def follow() -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = reader()
            except OSError:
                chunk = b""  # the terminal is gone, and nobody types there any more
            put = chunks.put(chunk)
            try:
                asyncio.run_coroutine_threadsafe(put, loop).result()
            except (RuntimeError, concurrent.futures.CancelledError):
                put.close()
                return  # the loop is over: nobody takes lines any more

    threading.Thread(target=follow, name="reconnect-stdin", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield _text(line)
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")
