"""The receipt: what `signal()` returns, and what becomes the signal's outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, NoReturn

from reconnect.core.notices import Outcome


class Receipt:
    """One signal's way to its outcome: `outcome` is None until it is known, and awaiting the receipt returns it.

    Awaiting never raises for what happened to the signal; look at `outcome.status`. Any number of tasks may await it, and
    cancelling a wait changes nothing for the signal.
    """

    __slots__ = ("_cancel", "_waiters", "outcome", "serial")

    def __init__(self, serial: int, cancel: Callable[[int], bool]) -> None:
        self.serial = serial
        self.outcome: Outcome | None = None
        self._cancel = cancel
        self._waiters: list[asyncio.Future[None]] | None = None

    def __repr__(self) -> str:
        return f"<Receipt {self.serial} {self.outcome.status if self.outcome else 'pending'}>"

    if not TYPE_CHECKING:  # pragma: no branch  # a type checker finds this mistake where it stands

        def __getattr__(self, name: str) -> NoReturn:
            if hasattr(Outcome, name):
                problem = f"{name} belongs to the outcome, and a receipt is on its way to it: write `outcome = await receipt`"
                raise AttributeError(problem, name=name, obj=self)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __await__(self) -> Generator[object, None, Outcome]:
        if self.outcome is None:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiters is None:
                self._waiters = []
            self._waiters.append(waiter)
            try:
                yield from waiter
            finally:
                if self._waiters is not None:
                    self._waiters.remove(waiter)
        assert self.outcome is not None, "a receipt is awaited until its outcome is known"
        return self.outcome

    def cancel(self) -> bool:
        """Take the signal back; False if it was sent already or has its outcome."""
        return self.outcome is None and self._cancel(self.serial)

    def _settle(self, outcome: Outcome) -> None:
        assert self.outcome is None, "a signal has exactly one outcome"
        self.outcome = outcome
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = None


def settle(receipt: Receipt, outcome: Outcome) -> None:
    """Complete a receipt; only its session does."""
    receipt._settle(outcome)
