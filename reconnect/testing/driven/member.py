"""A member of a driven world: a real session with its real driver, outbox and audit, and an application that is not always kind.

What it submits, is told and receives is noted in the world's history. A member is one life of a process: one that is killed is
followed by another, with an outbox of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import reconnect
from reconnect.core import notices
from reconnect.core.frames import Frame, SendSignal, Welcome
from reconnect.core.notices import SESSION_NOTICES, Notice
from reconnect.errors import ReconnectError
from reconnect.ports import Transport
from reconnect.reasons import Reason, ResumeRefusal
from reconnect.store import MemoryOutboxStore
from reconnect.testing.driven.quirks import DriverQuirk
from reconnect.testing.driven.tap import Tap, TappedLine, Way
from reconnect.testing.history import Began, Sent, Settled, Submitted, fate_of
from reconnect.testing.violations import Broken
from reconnect.transport.memory import MemoryTransport

if TYPE_CHECKING:
    from reconnect.testing.driven.world import DrivenWorld


class Rude(Exception):
    """An observer raised."""


class SlowStore(MemoryOutboxStore):
    """Confirms in the order given, each a while later."""

    def __init__(self, chance: Random, hit: Callable[[], None]) -> None:
        self._chance, self._hit = chance, hit
        self._free_at = 0.0

    def put(self, rows: Sequence[Any], stored: Callable[[int], None]) -> None:
        """Confirm rows, later."""
        if rows:
            loop = asyncio.get_running_loop()
            self._hit()
            self._free_at = max(loop.time(), self._free_at) + self._chance.uniform(0.0, 0.4)
            loop.call_at(self._free_at, stored, rows[-1].serial)


class DrivenMember:
    """One life of one member; `life` is also its outbox's sender and its party in the network."""

    def __init__(self, world: DrivenWorld, name: str, life: str) -> None:
        self.world, self.name, self.life = world, name, life
        self.dead = False
        self.receipts: list[reconnect.Receipt] = []
        self.publishers: list[reconnect.Publisher] = []
        self._chance = world.chance(life)
        self._epoch, self._position = "", 0  # what the last welcome said
        self._taps: list[Tap] = []
        self.line = TappedLine(world.network.dialer(life), self, narrow=self._narrow)
        self.session = reconnect.Session(
            world.url,
            session=world.session,
            token=self._token,
            retry=reconnect.RetryPolicy(give_up_after_seconds=None),
            retry_initial=True,
            outbox=self._outbox(),
            audit=world.sink(life),
            clock=world.clock,
            transport=self.line,
            seed=self._chance.getrandbits(32),
        )
        for kind in SESSION_NOTICES:
            self.session.on(kind.name, self._told)
        if world.has(DriverQuirk.SLOW_OBSERVER):
            for name_of_event in ("reconnected", "signal", "connection_created"):
                self.session.on(name_of_event, self._dawdle)

    def __repr__(self) -> str:
        return f"<DrivenMember {self.life} {self.session!r}>"

    # -- what its session needs ------------------------------------------------------------------------------------------------

    def _outbox(self) -> reconnect.Outbox:
        tiny = self.world.has(DriverQuirk.TINY_OUTBOX)
        overflow = self._chance.choice(("raise", "drop_oldest", "drop_newest"))
        outbox = reconnect.Outbox(max_signals=6, in_flight=2, overflow=overflow) if tiny else reconnect.Outbox()
        outbox.sender = self.life  # drawn from chance that nobody seeds, and not from the time of day either
        if self.world.has(DriverQuirk.SLOW_STORE):
            outbox.store = SlowStore(self._chance, lambda: self.world.hit(DriverQuirk.SLOW_STORE))
        return outbox

    async def _token(self) -> str:
        world = self.world
        if world.has(DriverQuirk.SLOW_TOKEN) and not world.healed:
            world.hit(DriverQuirk.SLOW_TOKEN)
            await asyncio.sleep(self._chance.uniform(0.0, 4.0))
        if world.has(DriverQuirk.FAILING_TOKEN) and not world.healed and self._chance.random() < 0.2:
            world.hit(DriverQuirk.FAILING_TOKEN)
            raise OSError("no token today")
        return world.token(self.name)

    def _narrow(self, transport: Transport) -> None:
        if self.world.has(DriverQuirk.TINY_PIPE) and isinstance(transport, MemoryTransport):
            self.world.hit(DriverQuirk.TINY_PIPE)
            transport.incoming.capacity = transport.outgoing.capacity = 2

    # -- the user --------------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """connect(), where that makes sense."""
        if self.session.role in ("offline", "closing") and not self.dead:
            self.ask(self.session.connect())

    def leave(self) -> None:
        """disconnect()."""
        self.ask(self.session.disconnect())

    def ask(self, call: Coroutine[Any, Any, object]) -> None:
        """Make a call beside everything else; that it fails with an error of ours is part of life."""

        async def made() -> None:
            try:
                await call
            except ReconnectError:
                return

        self.world.start(made())

    def signal(self, *, keep: bool = True, ttl: float | None = None, to: str | None = None) -> None:
        """signal(), where the session takes any."""
        away = self.session.role == "recovering"
        try:
            receipt = self.session.signal("x", type="t", to=to, ttl=ttl, retry_after_reconnect=keep)
        except reconnect.OutboxFull:
            self.world.hit(DriverQuirk.TINY_OUTBOX)
        except reconnect.NotConnected:
            return
        else:
            # When it expires is not noted: a process may pause behind the decision to send it, and nobody can take that back.
            self.world.history.note(Submitted(at=self.world.now, who=self.life, serial=receipt.serial, keep=keep, away=away))
            self.receipts.append(receipt)
            self.world.start(self._follow(receipt))

    async def _follow(self, receipt: reconnect.Receipt) -> None:
        outcome = await receipt
        if outcome.reason is Reason.OVERFLOW:
            self.world.hit(DriverQuirk.TINY_OUTBOX)
        self.world.signals[outcome.status] += 1
        if self.world.story is not None:
            self.world.story.settled(self.life, receipt.serial, outcome)
        self.world.history.note(Settled(at=self.world.now, who=self.life, serial=receipt.serial, fate=fate_of(outcome)))

    def cancel(self, back: int) -> None:
        """receipt.cancel(), of one of the latest."""
        if self.receipts:
            self.receipts[-1 - back % len(self.receipts[-4:])].cancel()

    def publish(self, name: str) -> None:
        """publish()."""

        async def publish() -> None:
            self.publishers.append(await self.session.publish(name))

        self.ask(publish())

    def show(self) -> None:
        """Send a stream frame on everything that is published."""
        for publisher in self.publishers:
            publisher.send(b"frame")

    def unpublish(self) -> None:
        """unpublish(), of the oldest."""
        if self.publishers:
            self.ask(self.publishers.pop(0).unpublish())

    async def _read(self, signals: reconnect.SignalStream) -> None:
        async for _ in signals:
            if self.world.has(DriverQuirk.SLOW_ITERATOR):
                self.world.hit(DriverQuirk.SLOW_ITERATOR)
                await asyncio.sleep(self._chance.uniform(0.0, 0.3))

    def kill(self) -> None:
        """The process is killed: its link breaks, nothing of it reaches anybody again, and nobody hears of it."""
        self.dead = True
        self.world.network.refuse(self.life)
        self.world.network.cut(self.life)
        self.leave()

    # -- what passes on its wire (tap.Ears) ------------------------------------------------------------------------------------

    def opened(self, tap: Tap) -> None:
        """A transport was opened: of those before none may live."""
        living = [older for older in self._taps if older.is_living]
        if living:
            self.world.report(Broken.SECOND_TRANSPORT, self.life, f"{tap} is opened beside {living[0]}")
        self._taps = [tap]

    def passes(self, tap: Tap, way: Way, frames: tuple[Frame, ...]) -> None:
        """A message passes."""
        for frame in frames:
            if type(frame) is SendSignal and way is Way.UP:
                sent = Sent(at=self.world.now, who=self.life, serial=frame.serial, generation=tap.number)
                self.world.history.note(sent)
            elif type(frame) is Welcome:
                self._epoch, self._position = frame.epoch, frame.position

    # -- the observers ---------------------------------------------------------------------------------------------------------

    def _told(self, notice: Notice) -> None:
        world = self.world
        if self.dead:
            return
        if isinstance(notice, notices.Connected) or (isinstance(notice, notices.Reconnected) and not notice.resumed):
            world.history.note(
                Began(at=notice.at, who=self.life, connection=notice.connection, epoch=self._epoch, position=self._position)
            )
        world.history.tell(self.life, notice, epoch=self._epoch)
        world.outages += isinstance(notice, notices.Reconnecting)
        if world.story is not None:
            world.story.told(self.life, notice)
        if isinstance(notice, notices.Reconnected):
            world.hit_if(DriverQuirk.TINY_LOG, notice.resumed and notice.gap is not None)
            world.hit_if(DriverQuirk.SHORT_GRACE, notice.not_resumed is ResumeRefusal.UNKNOWN_CONNECTION)
        if isinstance(notice, notices.StreamCreated):
            self.ask(self.session.subscribe(notice.stream))
        elif isinstance(notice, notices.Connected):
            world.start(self._read(self.session.signals("t")))
        if world.has(DriverQuirk.MEDDLING_OBSERVER) and not world.healed and self._chance.random() < 0.05:
            world.hit(DriverQuirk.MEDDLING_OBSERVER)
            self._chance.choice((self.signal, self.session.reconnect_now, self.leave, self.connect))()
        if world.has(DriverQuirk.RAISING_OBSERVER) and self._chance.random() < 0.25:
            world.hit(DriverQuirk.RAISING_OBSERVER)
            raise Rude

    async def _dawdle(self, notice: Notice) -> None:
        self.world.hit(DriverQuirk.SLOW_OBSERVER)
        await asyncio.sleep(1_000.0 if self._chance.random() < 0.05 else self._chance.uniform(0.0, 2.0))
