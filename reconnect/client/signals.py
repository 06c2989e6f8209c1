"""Iterating over signals: `async for signal in session.signals("chat")`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from reconnect import limits
from reconnect.core.notices import Signal


class SignalStream:
    """An async iterator over the signals that arrive from its creation on; it ends when the session is disconnected, or closed.

    A signal counts as handled once it stands here, as long as fewer than `limits.CONSUMER_BACKLOG` do. Beyond that the hub is
    given no more credit, and so stops sending to this member until the iterator catches up. Call `close()` on one that you keep
    and no longer read.
    """

    def __init__(self, type: str | None, *, caught_up: Callable[[], None]) -> None:
        self._type = type
        self._caught_up = caught_up
        self._queue: deque[Signal] = deque()
        self._arrived = asyncio.Event()
        self._ended = False

    def __repr__(self) -> str:
        return f"<SignalStream type={self._type!r} waiting={len(self._queue)}{' ended' if self._ended else ''}>"

    def __aiter__(self) -> SignalStream:
        return self

    async def __anext__(self) -> Signal:
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        was_behind = self.is_behind
        signal = self._queue.popleft()
        if was_behind and not self.is_behind:
            self._caught_up()
        return signal

    @property
    def is_behind(self) -> bool:
        """True if so much waits here that the hub should stop sending."""
        return len(self._queue) >= limits.CONSUMER_BACKLOG

    def close(self) -> None:
        """Take no more signals, and forget those that wait; whoever iterates comes to the end."""
        was_behind = self.is_behind
        self._end()
        self._queue.clear()
        if was_behind:
            self._caught_up()

    # -- what the session does with it -------------------------------------------------------------------------------------------

    def _put(self, signal: Signal) -> None:
        """Let a signal wait here, if it is of the type that was asked for."""
        if not self._ended and self._type in (None, signal.type):
            self._queue.append(signal)
            self._arrived.set()

    def _end(self) -> None:
        """No more signals will come; those that wait are still handed out."""
        self._ended = True
        self._arrived.set()
