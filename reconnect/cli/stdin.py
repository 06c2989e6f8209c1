"""Lines as they are typed or piped in, without blocking the event loop.

A thread reads, because a terminal, a pipe and a file have no other way to be read in common. It reads the raw descriptor, whose
reading holds no lock, so that a program that ends while nobody types ends at once. It reads on only when what it read was taken:
a large file is not read into memory.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

CHUNK_BYTES: Final = 65_536


def stdin_reader() -> Callable[[], bytes]:
    """Return what reads the next bytes of stdin, empty at its end."""
    if sys.stdin is None:  # closed by whoever started us
        return lambda: b""
    source: Any = sys.stdin.buffer
    raw = getattr(source, "raw", source)
    return lambda: raw.read(CHUNK_BYTES) or b""


async def typed_lines(read: Callable[[], bytes]) -> AsyncIterator[str]:
    """Yield the lines of what `read` returns, without their ends; the last one need not have one."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    taken = threading.Semaphore(0)
    over = threading.Event()

    def follow() -> None:
        chunk = b"-"
        while chunk and not over.is_set():
            try:
                chunk = read()
            except OSError:
                chunk = b""  # the terminal is gone, and nobody types there any more
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:
                return  # the loop is closed: nobody takes lines any more
            taken.acquire()

    threading.Thread(target=follow, name="reconnect-stdin", daemon=True).start()
    rest = b""
    try:
        while chunk := await chunks.get():
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield _text(line)
            taken.release()
        if rest:
            yield _text(rest)
    finally:
        over.set()
        taken.release()


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "replace")
