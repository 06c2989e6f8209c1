"""What the user of a simulated member calls: each as a session does it, and only where that makes sense."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconnect.audit import Auditor
from reconnect.core import effects as do
from reconnect.core import inputs
from reconnect.core.frames import Kick, Mute
from reconnect.core.session import SessionCore
from reconnect.errors import OutboxFailed, OutboxFull
from reconnect.testing.history import Submitted
from reconnect.testing.simulator.machine import Machine
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.watch import Watch

if TYPE_CHECKING:
    from reconnect.testing.simulator.world import World


class Calls(ABC):
    """The user's side of a party."""

    world: World
    sender: str
    core: SessionCore
    machine: Machine
    watch: Watch
    auditor: Auditor
    _requests: Iterator[int]
    _flush_due: bool

    @abstractmethod
    def feed(self, happened: inputs.Input) -> None:
        """Take one turn."""

    @abstractmethod
    def perform(self, effects: list[do.Effect]) -> None:
        """Perform effects."""

    def connect(self) -> None:
        """connect(), where that makes sense."""
        if self.core.role == "offline":
            self.auditor.start()
            self.feed(inputs.ConnectRequested(at=self.world.now))

    def leave(self) -> None:
        """disconnect()."""
        self.feed(inputs.DisconnectRequested(at=self.world.now))

    def hurry(self, *, force: bool = False) -> None:
        """reconnect_now()."""
        self.watch.hurried(force=force)
        self.feed(inputs.RetryRequested(at=self.world.now, force=force))

    def signal(self, *, keep: bool = True, ttl: float | None = None, to: str | None = None) -> int | None:
        """signal(), where the session takes any; return its serial."""
        if self.core.role in ("offline", "closing") and not self.world.has(Quirk.DURABLE):
            return None
        now, away = self.world.now, self.core.role not in ("online", "connecting")
        try:
            serial, effects = self.core.submit(data=b"1", type="t", to=to, ttl=ttl, keep=keep, at=now)
        except OutboxFull:
            self.world.hit(Quirk.TINY_OUTBOX)
            return None
        except OutboxFailed:
            return None  # the disk has failed, and nothing is taken that it does not keep
        if self.auditor.takes_inputs:
            self.auditor.submitted(serial, 2, ttl=ttl, keep=keep, at=now, alone=bool(effects))
        self.world.highest[self.sender] = serial
        expires_at = None if ttl is None else now + ttl
        self.world.history.note(Submitted(at=now, who=self.sender, serial=serial, keep=keep, expires_at=expires_at, away=away))
        self.perform(effects)
        if not self._flush_due:
            self._flush_due = True
            self.world.timeline.later(0.0, self.machine.run, self.flush)
        return serial

    def flush(self) -> None:
        """The loop turn in which signals were submitted is over."""
        if self._flush_due:
            self._flush_due = False
            self.feed(inputs.Flush(at=self.world.now))

    def cancel(self, serial: int) -> None:
        """receipt.cancel()."""
        effects = self.core.cancel(serial)
        if effects and self.auditor.takes_inputs:
            self.auditor.cancelled(serial, self.world.now)
        self.perform(effects)

    def want(self, key: str, *, publish: str | None = None, subscribe: str | None = None) -> None:
        """publish() or subscribe(), once for each key."""
        if key not in self.core.at.wants and self.core.role not in ("offline", "closing"):
            request = next(self._requests)
            self.feed(inputs.WantAdded(at=self.world.now, request=request, key=key, publish=publish, subscribe=subscribe))

    def unwant(self, key: str) -> None:
        """unpublish() or unsubscribe()."""
        if key in self.core.at.wants:
            self.feed(inputs.WantDropped(at=self.world.now, request=next(self._requests), key=key))

    def kick(self, connection: str) -> None:
        """kick()."""
        self.feed(inputs.RequestMade(at=self.world.now, frame=Kick(request=next(self._requests), connection=connection)))

    def mute(self, stream: str, *, muted: bool) -> None:
        """mute()."""
        self.feed(inputs.RequestMade(at=self.world.now, frame=Mute(request=next(self._requests), stream=stream, muted=muted)))
