"""Being told to stop: Ctrl-C and SIGTERM ask politely once; the second time they have their usual effect."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ASKED_BY: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requests() -> Iterator[asyncio.Event]:
    """Give an event that is set by the first request to stop."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def ask() -> None:
        asked.set()
        withdraw()

    def withdraw() -> None:
        for number in ASKED_BY:
            loop.remove_signal_handler(number)

    try:
        for number in ASKED_BY:
            loop.add_signal_handler(number, ask)
    except NotImplementedError:  # Windows: there Ctrl-C cancels what runs, which ends in order as well
        yield asked
        return
    try:
        yield asked
    finally:
        withdraw()
