"""What a driver tells, and whom it is passed on to: events to observers and iterators, outcomes to receipts, answers to callers.

It is the one listener of a session's driver, and no part of what an application sees.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary, ref

from reconnect.audit import Auditor
from reconnect.client.acknowledging import Acknowledgements, AckStream
from reconnect.client.desk import StreamDesk
from reconnect.client.observers import SESSION_NAMES, Observers, name_of
from reconnect.client.receipt import Receipt, settle
from reconnect.client.requests import Requests
from reconnect.client.room import Room
from reconnect.client.signals import SignalStream
from reconnect.client.waits import Calls, Conditions
from reconnect.core.effects import Deliver, Note
from reconnect.core.fitness import own_tells
from reconnect.core.notices import Connected, Disconnected, Notice, Outcome, PublicationNotice, Reconnected
from reconnect.core.session import SessionCore
from reconnect.driver import Driver
from reconnect.ports import Clock

_log = logging.getLogger("reconnect")


class Front:
    """The listener of one driver (reconnect.driver.Listener)."""

    def __init__(self, core: SessionCore, *, auditor: Auditor, clock: Clock, observer_seconds: float | None) -> None:
        self._core, self._auditor, self._clock = core, auditor, clock
        self._observer_seconds = observer_seconds
        # Both in the order in which they came, for that is an order in which things happen; a set's hangs on addresses.
        self._all_observers: WeakKeyDictionary[Observers, None] = WeakKeyDictionary()
        self._role = core.role
        self.observers = self._new_observers(SESSION_NAMES | own_tells(core.chart))
        self.receipts: dict[int, Receipt] = {}
        self.iterators: WeakKeyDictionary[SignalStream, None] = WeakKeyDictionary()
        self.calls = Calls()
        self.conditions = Conditions()
        self.room = Room(core)
        self.requests = Requests(core.counts, report=self._observer_failed)
        self.acknowledgements: Acknowledgements
        self.desk: StreamDesk
        self._caught_up: Callable[[], None]
        self._iterated = False  # somebody iterates over signals, or did when the last ones came
        self._said: set[tuple[str, object, type]] = set()  # which failures of observers were logged
        self._stalled = False  # it was said that nothing more comes until somebody acknowledges

    def __repr__(self) -> str:
        return f"<Front {self._core.at.settings.session} receipts={len(self.receipts)} iterators={len(self.iterators)}>"

    def attach(self, driver: Driver, session: ref[Any]) -> None:
        """Take the driver that this listens to, and the session that it is for."""
        self.acknowledgements = Acknowledgements(acknowledged=driver.consumed)
        self._caught_up = driver.consumed
        self.requests.attach(session)
        self.desk = StreamDesk(driver, calls=self.calls, conditions=self.conditions, observers=self._stream_observers)

    # -- observers ---------------------------------------------------------------------------------------------------------------

    def _new_observers(self, names: Iterable[str]) -> Observers:
        observers = Observers(names, seconds=self._observer_seconds, report=self._observer_failed)
        self._all_observers[observers] = None
        return observers

    def _stream_observers(self, kinds: tuple[type, ...]) -> Observers:
        return self._new_observers([getattr(kind, "name", "") for kind in kinds])

    def _observer_failed(self, name: str, callback: Callable[..., object], error: BaseException) -> None:
        called = name_of(callback)
        self._core.counts["failed_observers"] += 1
        # The error's own words may quote what travelled; they go to the log alone.
        detail = f"{called} on {name!r}: {type(error).__name__}"
        self._auditor.note(Note(at=self._clock.now(), what="observer_failed", detail=detail), connection=self._core.at.connection)
        failure = name, getattr(callback, "__code__", called), type(error)
        # Where nobody configured logging it ends on stderr, and there once is enough of each kind.
        if _log.hasHandlers() or failure not in self._said:
            self._said.add(failure)
            _log.error("an observer of %r failed: %s", name, called, exc_info=error)

    async def observers_settled(self) -> None:
        """Return once no async observer is at work; at once where one of them is asking, for it cannot wait for itself."""
        if self._core.role == "offline":  # else another connect() has begun, and its requests are answered
            await self.requests.settled()
        if not any(observers.is_running_here() for observers in self._all_observers):
            for observers in tuple(self._all_observers):
                await observers.settled()

    # -- reconnect.driver.Listener -----------------------------------------------------------------------------------------------

    def tell(self, notice: Notice) -> None:
        """Pass an event on to those who observe it."""
        if isinstance(notice, PublicationNotice):
            self.desk.tell(notice)
            return
        if isinstance(notice, Connected) or (isinstance(notice, Reconnected) and not notice.resumed):
            self.acknowledgements.restart()
        self.requests.told(notice)
        self.observers.tell(notice)
        if isinstance(notice, Disconnected):
            self._end_iterators()

    def deliver(self, signals: Deliver) -> None:
        """Pass signals on to those who observe them, and to iterators; whoever comes meanwhile gets those that follow."""
        if [entry for entry in signals.entries if entry.to is not None]:
            signals = self.requests.take(signals)
        self._iterated = bool(self.iterators or self.acknowledgements)
        tell = self.observers.tell_signal
        if not self._iterated and not self.observers.hear_signals:
            return
        for notice in signals.notices():
            if self._iterated:
                self.acknowledgements.put(notice.signal)
                for iterator in tuple(self.iterators):
                    iterator._put(notice.signal)
            tell(notice)

    def iterate(self, kind: str | None) -> SignalStream:
        """Return an iterator over the signals to come."""
        stream = SignalStream(kind, caught_up=self._caught_up)
        self.iterators[stream] = None
        self._iterated = True
        return stream

    def iterate_manually(self, kind: str | None) -> AckStream:
        """Return an iterator whose reader acknowledges."""
        self._iterated = True
        return self.acknowledgements.stream(kind)

    def settle(self, serials: tuple[int, ...], outcome: Outcome) -> None:
        """Complete receipts."""
        settle(self.receipts, serials, outcome)
        self.requests.check()
        self.conditions.check()
        self.room.check()

    def answer(self, request: int, value: Any, error: Exception | None) -> None:
        """Complete a call that waits for the hub."""
        self.calls.answer(request, value, error)

    def moved(self, state: str) -> None:
        """The session is in another state."""
        before, self._role = self._role, self._core.role
        if before == "connecting" and self._role == "offline":
            self._end_iterators()  # nobody is told that a first connect failed, and nobody may wait for ever
        self.conditions.check()
        self.room.check()

    def stream_frame(self, key: str, payload: memoryview) -> None:
        """Pass a frame on to its subscriber."""
        self.desk.stream_frame(key, payload)

    def taken_over(self, received: int) -> int:
        """Return how far the application took over what was received; 0 while an iterator is behind."""
        if self.iterators and any(iterator.is_behind for iterator in self.iterators):
            return 0
        lowest = self.acknowledgements.lowest
        if lowest is None:
            self._stalled = False
            return received
        if received - (lowest - 1) >= self._core.at.limits.window:
            self._say_stalled(lowest)
        return lowest - 1

    def _say_stalled(self, lowest: int) -> None:
        """Nothing more may come until somebody acknowledges: say so, once."""
        if not self._stalled:
            self._stalled = True
            detail = f"the signal at position {lowest} is not acknowledged, and the hub's window is used up"
            self._auditor.note(
                Note(at=self._clock.now(), what="unacknowledged", detail=detail), connection=self._core.at.connection
            )
            _log.warning("session %s: %s; no more signals come until it is", self._core.at.settings.session, detail)

    def _end_iterators(self) -> None:
        self.acknowledgements.end()
        for iterator in tuple(self.iterators):
            iterator._end()
