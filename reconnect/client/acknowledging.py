"""Signals that count as handled once the application says so: `async for signal in session.signals(ack="manual")`.

- Each manual iterator gets every signal of its type, and acknowledges its own copy with `signal.ack()`, in any order. The
  position handled stays below the lowest signal that any of them has still to acknowledge; that is what a resume claims, and the
  credit that the hub goes by. So the hub sends at most its window of entries (`limits.WINDOW_ENTRIES`) beyond a signal that
  nobody acknowledges, and then waits, for every consumer of the session; that is said once, in the log and the audit. Whoever
  gathers signals before acknowledging them must be content with fewer than that.
- A reader is the task that asks for the next signal. One that was cancelled or failed has died, and what it was handed and did
  not acknowledge comes again, `redelivered`, before anything else, to whoever asks this iterator next.
- An iterator that was closed, or forgotten, or whose reader died, leaves what it had not acknowledged to the next manual iterator
  of the same type that is made. Until then it stays unacknowledged. `close(discard=True)` lets go of it.
- No resume gives a living reader a signal twice: what the hub sends again was received before, and is dropped by its position. A
  signal that is acknowledged late, while it waits to be handed out again, is not handed out again.
- Positions count in one life of a connection. After a join that could not resume, what is left is handed out and acknowledged as
  before, and holds nothing up. When the session is disconnected, what nobody reads any more is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from itertools import count
from weakref import ref

from msgspec.structs import asdict

from reconnect.core.notices import Signal

_log = logging.getLogger("reconnect")


class _Delivery:
    """One signal on its way through one iterator."""

    __slots__ = ("acknowledged", "handed", "life", "number", "reader", "shelf", "signal")

    def __init__(self, number: int, signal: Signal, shelf: _Shelf, life: _Life) -> None:
        self.number, self.signal, self.shelf, self.life = number, signal, shelf, life
        self.reader: asyncio.Task[object] | None = None
        self.handed = self.acknowledged = False

    def __repr__(self) -> str:
        return f"<Delivery {self.number}{' acknowledged' if self.acknowledged else ''}>"


class AckSignal(Signal, kw_only=True):
    """A signal that waits for `ack()`. `redelivered`: it was handed out before, and not acknowledged."""

    redelivered: bool = False  # it was handed out before, to a reader that died or an iterator that was closed
    _delivery: object = None

    def ack(self) -> bool:
        """Say that it is taken care of; False if that was said before."""
        delivery = self._delivery
        assert isinstance(delivery, _Delivery), "only an iterator makes these"
        return delivery.shelf.acknowledge(delivery)


class _Life:
    """The positions of one life of a connection that are not acknowledged."""

    def __init__(self) -> None:
        self._positions: deque[int] = deque()
        self._copies: Counter[int] = Counter()

    def add(self, position: int, copies: int) -> None:
        """So many iterators got the signal at this position."""
        self._positions.append(position)
        self._copies[position] = copies

    def take(self, position: int) -> None:
        """One of them has acknowledged it, or let go of it."""
        self._copies[position] -= 1

    @property
    def lowest(self) -> int | None:
        """The lowest position that somebody has still to acknowledge."""
        while self._positions and self._copies[self._positions[0]] <= 0:
            del self._copies[self._positions.popleft()]
        return self._positions[0] if self._positions else None


class _Shelf:
    """What an iterator was given and has not acknowledged: it outlives the iterator."""

    def __init__(self, type: str | None, acknowledged: Callable[[], None]) -> None:
        self.type = type
        self.waiting: deque[_Delivery] = deque()
        self.handed: set[_Delivery] = set()
        self.readers: set[asyncio.Task[object]] = set()
        self.arrived = asyncio.Event()
        self.ended = False
        self.left = False  # to the next iterator: nothing more is handed out here
        self.died = False  # a reader did, and nobody has asked since
        self._acknowledged = acknowledged

    def acknowledge(self, delivery: _Delivery) -> bool:
        """Let go of a signal; False where that was done before."""
        if delivery.acknowledged:
            return False
        delivery.acknowledged = True
        self.handed.discard(delivery)
        delivery.life.take(delivery.signal.position)
        self._acknowledged()
        return True

    def ask(self) -> None:
        """A reader asks for the next signal: what the dead were handed comes first."""
        self.bury()
        self.died = False

    def bury(self) -> None:
        """Put back what readers were handed that have died since."""
        for reader in [reader for reader in self.readers if reader.done()]:
            self.readers.discard(reader)
            error = None if reader.cancelled() else reader.exception()
            if error is not None:  # asking for it keeps asyncio from logging it at the end, where nobody awaits the task
                _log.warning("a reader of signals died; what it had not acknowledged comes again", exc_info=error)
            if reader.cancelled() or error is not None:
                self.died = True
                self.put_back([delivery for delivery in self.handed if delivery.reader is reader])

    def put_back(self, deliveries: Iterable[_Delivery]) -> None:
        """Let these wait again, in front of the others, in order."""
        again = sorted(deliveries, key=lambda delivery: delivery.number, reverse=True)
        self.handed.difference_update(again)
        self.waiting.extendleft(again)
        if self.waiting:
            self.arrived.set()

    def next(self) -> AckSignal | None:
        """Hand out the next signal, None where there is none."""
        while self.waiting and not self.left:
            delivery = self.waiting.popleft()
            if delivery.acknowledged:
                continue
            again = delivery.handed
            delivery.handed = True
            delivery.reader = asyncio.current_task()
            self.handed.add(delivery)
            if delivery.reader is not None and delivery.reader not in self.readers:
                self.readers.add(delivery.reader)
                delivery.reader.add_done_callback(lambda _: self.bury())
            return AckSignal(**asdict(delivery.signal), redelivered=again, _delivery=delivery)
        return None


class AckStream:
    """An async iterator over signals that are acknowledged one by one; it ends when the session is disconnected, or closed.

    Signals come in order, each as an AckSignal. What is not acknowledged when a reader dies, or when the iterator is closed or
    forgotten, comes again: to the next reader of it, or to the next manual iterator of the same type. A signal that nobody
    acknowledges stops the hub from sending once its window is used up.
    """

    def __init__(self, shelf: _Shelf, close: Callable[[_Shelf], None]) -> None:
        self._shelf = shelf
        self._close = close

    def __repr__(self) -> str:
        shelf = self._shelf
        told = f"waiting={len(shelf.waiting)} unacknowledged={len(shelf.handed)}{' ended' if shelf.ended else ''}"
        return f"<AckStream type={shelf.type!r} {told}>"

    def __aiter__(self) -> AckStream:
        return self

    async def __anext__(self) -> AckSignal:
        shelf = self._shelf
        while True:
            shelf.ask()
            signal = shelf.next()
            if signal is not None:
                return signal
            if shelf.ended:
                raise StopAsyncIteration
            shelf.arrived.clear()
            await shelf.arrived.wait()

    @property
    def unacknowledged(self) -> int:
        """How many signals were handed out here and not acknowledged."""
        return len(self._shelf.handed)

    def close(self, *, discard: bool = False) -> None:
        """Take no more signals; what is not acknowledged is left to the next manual iterator of this type, unless discarded."""
        if discard:
            for delivery in (*self._shelf.handed, *self._shelf.waiting):
                self._shelf.acknowledge(delivery)
        self._close(self._shelf)


class Acknowledgements:
    """What the manual iterators of one session have still to acknowledge."""

    def __init__(self, *, acknowledged: Callable[[], None]) -> None:
        self._acknowledged = acknowledged
        self._life = _Life()
        self._shelves: dict[_Shelf, ref[AckStream]] = {}
        self._left: list[_Shelf] = []
        self._numbers = count()

    def __repr__(self) -> str:
        return f"<Acknowledgements iterators={len(self._shelves)} left={len(self._left)} lowest={self.lowest}>"

    def __bool__(self) -> bool:
        return bool(self._shelves)

    @property
    def lowest(self) -> int | None:
        """The lowest position that somebody has still to acknowledge."""
        return self._life.lowest

    def stream(self, type: str | None) -> AckStream:
        """Return an iterator, which begins with what others of its type have left."""
        for shelf in tuple(self._shelves):
            shelf.bury()
            if shelf.died and shelf.type == type:
                self._leave(shelf)
        made = _Shelf(type, self._acknowledged)
        left = [shelf for shelf in self._left if shelf.type == type]
        self._left = [shelf for shelf in self._left if shelf.type != type]
        inherited = [delivery for shelf in left for delivery in shelf.waiting]
        for delivery in inherited:
            delivery.shelf = made
        made.put_back(inherited)
        for shelf in left:
            shelf.waiting.clear()
        stream = AckStream(made, self._leave)
        self._shelves[made] = ref(stream, lambda _: self._leave(made))
        return stream

    def put(self, signal: Signal) -> None:
        """A signal arrived: each iterator of its type gets it."""
        takers = [shelf for shelf in self._shelves if shelf.type in (None, signal.type)]
        if takers:
            self._life.add(signal.position, len(takers))
        for shelf in takers:
            shelf.waiting.append(_Delivery(next(self._numbers), signal, shelf, self._life))
            shelf.arrived.set()

    def _leave(self, shelf: _Shelf) -> None:
        """Nobody reads this any more: keep what it has not acknowledged for the next one."""
        if self._shelves.pop(shelf, None) is None:
            return
        shelf.ended = shelf.left = True
        shelf.put_back(tuple(shelf.handed))
        shelf.arrived.set()
        if shelf.waiting:
            self._left.append(shelf)

    # -- what becomes of the session ---------------------------------------------------------------------------------------------

    def restart(self) -> None:
        """Another connection: what was received before holds nothing up any more."""
        self._life = _Life()

    def end(self) -> None:
        """The session is over: what waits is still handed out, and what nobody reads is forgotten."""
        self.restart()
        self._left.clear()
        for shelf in tuple(self._shelves):
            shelf.ended = True
            shelf.arrived.set()
        self._shelves.clear()
