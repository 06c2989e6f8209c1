"""The receipt: what `signal()` returns, and what becomes the signal's outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import msgspec

from reconnect.core.notices import Outcome
from reconnect.errors import BadArgument


class Keeper(Protocol):
    """The outbox of that session."""

    def _wait_stored(self, receipt: Receipt) -> Coroutine[Any, Any, None]: ...


class Owner(Protocol):
    """The session that a signal was given to."""

    @property
    def _outbox(self) -> Keeper: ...
    def _cancel(self, serial: int) -> bool: ...


# Not tracked by the garbage collector, which would look at each of 100,000 that an application keeps; so it holds no strong
# reference to its session.
class Receipt(msgspec.Struct, gc=False, eq=False):
    """One signal's way to its outcome: `outcome` is None until it is known, and awaiting the receipt returns it.

    Awaiting never raises for what happened to the signal; look at `outcome.status`. Any number of tasks may await it, and
    cancelling a wait changes nothing for the signal.
    """

    serial: int
    _owner: Callable[[], Owner | None]
    outcome: Outcome | None = None
    _waiters: list[asyncio.Future[None]] | None = None

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
            yield from settled_or(self, asyncio.get_running_loop().create_future()).__await__()
        assert self.outcome is not None, "a receipt is awaited until its outcome is known"
        return self.outcome

    @property
    def stored(self) -> Coroutine[Any, Any, None]:
        """Await it to know that the signal is safe on disk, with an Outbox that has a file.

        Raises OutboxFailed where it never will be, and BadArgument for an outbox in memory.
        """
        owner = self._owner()
        if owner is None:
            raise BadArgument("the session that this signal was given to is gone; keep it for as long as you wait")
        return owner._outbox._wait_stored(self)

    def cancel(self) -> bool:
        """Take the signal back; False if it was sent already or has its outcome."""
        owner = self._owner()
        return self.outcome is None and owner is not None and owner._cancel(self.serial)

    def _wake(self, waiters: list[asyncio.Future[None]]) -> None:
        self._waiters = None
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def settle(receipts: dict[int, Receipt], serials: tuple[int, ...], outcome: Outcome) -> None:
    """Complete the receipts of these signals, and let go of them, so that each gets one outcome; only their session does."""
    take = receipts.pop
    for serial in serials:
        receipt = take(serial, None)
        if receipt is not None:
            receipt.outcome = outcome
            if (waiters := receipt._waiters) is not None:
                receipt._wake(waiters)


async def settled_or(receipt: Receipt, waiter: asyncio.Future[None]) -> None:
    """Return when the outcome is known, or when `waiter` is done, whichever is first."""
    if receipt._waiters is None:
        receipt._waiters = []
    receipt._waiters.append(waiter)
    try:
        await waiter
    finally:
        if receipt._waiters is not None:
            receipt._waiters.remove(waiter)
