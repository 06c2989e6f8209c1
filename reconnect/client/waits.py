"""What callers of a session wait for: conditions on the session, and the hub's answers to requests.

Cancelling a wait takes the waiter away and changes nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")


class Conditions:
    """Callers that wait until something holds; whoever changes what it depends on calls `check()`.

    A condition may hold for one turn only, so a caller is given what it was worth then, and need not look again.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[Any], Callable[[], Any]] = {}

    def __repr__(self) -> str:
        return f"<Conditions waiting={len(self._waiting)}>"

    async def until(self, holds: Callable[[], T | None]) -> T:
        """Return what the condition is worth as soon as it holds (is true), which may be at once."""
        worth = holds()
        if not worth:
            reached: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._waiting[reached] = holds
            try:
                worth = await reached
            finally:
                self._waiting.pop(reached, None)
        assert worth is not None, "what holds is worth something"
        return worth

    def check(self) -> None:
        """Wake those whose condition holds now."""
        for reached, holds in list(self._waiting.items()):
            worth = holds()
            if worth:
                del self._waiting[reached]
                if not reached.done():
                    reached.set_result(worth)


class Calls:
    """Requests to the hub that wait for their answer, by number."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def __repr__(self) -> str:
        return f"<Calls waiting={len(self._waiting)}>"

    def number(self) -> int:
        """Return a number that no other request of this session has."""
        return next(self._numbers)

    async def ask(self, request: int, send: Callable[[], None]) -> Any:
        """Send a request and return its answer, or raise the error that is its answer."""
        answer = self._waiting[request] = asyncio.get_running_loop().create_future()
        try:
            send()
            return await answer
        finally:
            del self._waiting[request]
            if answer.done() and not answer.cancelled():
                answer.exception()  # an answer that came together with a cancellation was seen, and is no forgotten error

    def answer(self, request: int, value: Any, error: Exception | None) -> None:
        """Complete a request; one that nobody waits for any more is over already."""
        call = self._waiting.get(request)
        if call is None or call.done():
            return
        if error is None:
            call.set_result(value)
        else:
            call.set_exception(error)
