"""Being told to stop: Ctrl-C and SIGTERM ask politely once; the second time they have their usual effect.

A terminal that is closed (SIGHUP) asks as well, and as often as it likes: the shell and the system may both say so. Where hangups
are ignored, as under nohup, they stay ignored.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

ASKED_BY: Final = (signal.SIGINT, signal.SIGTERM)
HANGUPS: Final = tuple(number for number in signal.Signals if number.name == "SIGHUP")  # Windows has none


@contextmanager
def stop_requests() -> Iterator[asyncio.Event]:
    """Give an event that is set by the first request to stop."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    hangups = [number for number in HANGUPS if signal.getsignal(number) is not signal.SIG_IGN]

    def ask() -> None:
        asked.set()
        withdraw(ASKED_BY)

    def withdraw(numbers: Iterable[signal.Signals]) -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    try:
        for number in (*ASKED_BY, *hangups):
            loop.add_signal_handler(number, ask)
    except NotImplementedError:  # Windows: there Ctrl-C cancels what runs, which ends in order as well
        yield asked
        return
    try:
        yield asked
    finally:
        withdraw((*ASKED_BY, *hangups))


async def first_of(*works: Coroutine[Any, Any, object]) -> None:
    """Do several things until the first is done, end the others, and raise what the first raised."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()
