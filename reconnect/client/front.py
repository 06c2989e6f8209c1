"""What a driver tells, and whom it is passed on to: events to observers and iterators, outcomes to receipts, answers to callers.

It is the one listener of a session's driver, and no part of what an application sees.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakSet

from reconnect.audit import Auditor
from reconnect.client.desk import StreamDesk
from reconnect.client.observers import SESSION_NAMES, Observers, name_of
from reconnect.client.receipt import Receipt, settle
from reconnect.client.signals import SignalStream
from reconnect.client.waits import Calls, Conditions
from reconnect.core.effects import Note
from reconnect.core.notices import Disconnected, Notice, Outcome, PublicationNotice, SignalReceived
from reconnect.core.session import SessionCore
from reconnect.driver import Driver
from reconnect.ports import Clock

_log = logging.getLogger("reconnect")


class Front:
    """The listener of one driver (reconnect.driver.Listener)."""

    def __init__(self, core: SessionCore, *, auditor: Auditor, clock: Clock, observer_seconds: float | None) -> None:
        self._core, self._auditor, self._clock = core, auditor, clock
        self._observer_seconds = observer_seconds
        self._all_observers: WeakSet[Observers] = WeakSet()
        self._role = core.role
        self.observers = self._new_observers(SESSION_NAMES)
        self.receipts: dict[int, Receipt] = {}
        self.iterators: WeakSet[SignalStream] = WeakSet()
        self.calls = Calls()
        self.conditions = Conditions()
        self.desk: StreamDesk

    def __repr__(self) -> str:
        return f"<Front {self._core.at.settings.session} receipts={len(self.receipts)} iterators={len(self.iterators)}>"

    def attach(self, driver: Driver) -> None:
        """Take the driver that this listens to."""
        self.desk = StreamDesk(driver, calls=self.calls, conditions=self.conditions, observers=self._stream_observers)

    # -- observers ---------------------------------------------------------------------------------------------------------------

    def _new_observers(self, names: Iterable[str]) -> Observers:
        observers = Observers(names, seconds=self._observer_seconds, report=self._observer_failed)
        self._all_observers.add(observers)
        return observers

    def _stream_observers(self, kinds: tuple[type, ...]) -> Observers:
        return self._new_observers([getattr(kind, "name", "") for kind in kinds])

    def _observer_failed(self, name: str, callback: Callable[..., object], error: BaseException) -> None:
        called = name_of(callback)
        self._core.counts["failed_observers"] += 1
        # The error's own words may quote what travelled; they go to the log alone.
        detail = f"{called} on {name!r}: {type(error).__name__}"
        self._auditor.note(Note(at=self._clock.now(), what="observer_failed", detail=detail), connection=self._core.at.connection)
        _log.error("an observer of %r failed: %s", name, called, exc_info=error)

    async def observers_settled(self) -> None:
        """Return once no async observer is at work; at once where one of them is asking, for it cannot wait for itself."""
        if not any(observers.is_running_here() for observers in self._all_observers):
            for observers in tuple(self._all_observers):
                await observers.settled()

    # -- reconnect.driver.Listener -----------------------------------------------------------------------------------------------

    def tell(self, notice: Notice) -> None:
        """Pass an event on to those who observe it."""
        if type(notice) is SignalReceived:
            if self.iterators:
                for iterator in tuple(self.iterators):
                    iterator._put(notice.signal)
            self.observers.tell(notice)
        elif isinstance(notice, PublicationNotice):
            self.desk.tell(notice)
        else:
            self.observers.tell(notice)
            if isinstance(notice, Disconnected):
                self._end_iterators()

    def settle(self, serials: tuple[int, ...], outcome: Outcome) -> None:
        """Complete receipts."""
        for serial in serials:
            receipt = self.receipts.pop(serial, None)
            if receipt is not None:
                settle(receipt, outcome)
        self.conditions.check()

    def answer(self, request: int, value: Any, error: Exception | None) -> None:
        """Complete a call that waits for the hub."""
        self.calls.answer(request, value, error)

    def moved(self, state: str) -> None:
        """The session is in another state."""
        before, self._role = self._role, self._core.role
        if before == "connecting" and self._role == "offline":
            self._end_iterators()  # nobody is told that a first connect failed, and nobody may wait for ever
        self.conditions.check()

    def stream_frame(self, key: str, payload: memoryview) -> None:
        """Pass a frame on to its subscriber."""
        self.desk.stream_frame(key, payload)

    def is_behind(self) -> bool:
        """True if an iterator has so much waiting that the hub should stop sending."""
        return bool(self.iterators) and any(iterator.is_behind for iterator in self.iterators)

    def _end_iterators(self) -> None:
        for iterator in tuple(self.iterators):
            iterator._end()
