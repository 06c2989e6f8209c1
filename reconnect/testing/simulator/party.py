"""One member of a simulated world: a real session core, a real retry policy, a real audit, and what a driver does for them.

It keeps a driver's order: the core takes one input, its question is answered at once, the effects are performed in order, what a
store reports at once comes behind them, and the user is told last; what an observer calls is a turn of its own. A party is one
life of a process: one that is killed is followed by another, with an outbox of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from reconnect.client.assembly import auditor_for
from reconnect.core import effects as do
from reconnect.core import inputs, notices
from reconnect.core.frames import Frame, Join, SendSignal, Welcome
from reconnect.errors import OutboxFailed
from reconnect.ports import OutboxStore
from reconnect.reasons import Cause
from reconnect.testing.history import Began, Kept, Sent, Settled, fate_of
from reconnect.testing.simulator.calls import Calls
from reconnect.testing.simulator.machine import Machine
from reconnect.testing.simulator.network import Wire
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.watch import Watch

if TYPE_CHECKING:
    from reconnect.testing.simulator.world import World

HANDLING_SECONDS = 3.0  # what a slow observer takes at most
LATE_SECONDS = 2.0  # what a late timer is late at most


class Rude(Exception):
    """An observer raised."""


class Party(Calls):
    """One life of one member: `name` is the member's, `life` this process's, `sender` its outbox's."""

    def __init__(self, world: World, name: str, life: str, sender: str) -> None:
        self.world, self.name, self.life, self.sender = world, name, life, sender
        self.core = world.make_core(sender)
        self.policy = world.policy
        self.watch = Watch(self)
        self.transport: int | None = None  # the generation that is dialed or open
        self.wire: Wire | None = None
        self.token = ""
        self._requests = count(1)
        seed = world.chance(f"{life}'s policy").getrandbits(32)
        self._draws = Random(seed)  # as a driver's, and the audit says by which seed
        self.auditor = auditor_for(
            world.sink(life), self.core, world.charts_of_a_session, clock=world.timeline, policy=self.policy, seed=seed
        )
        self.auditor.opened()
        disk = world.disks[sender]
        disk.mended = lambda: self.machine.run(self._mended)
        self._store: OutboxStore = disk
        self._chance: Random = world.chance(life)
        self.machine = Machine(world.timeline, world.chance(f"{life}'s machine"), woke=self._slept, timer=self._woke)
        self._effects: deque[do.Effect] = deque()
        self._notices: deque[notices.Notice] = deque()
        self._performing = self._telling = self._flush_due = False
        self._armed_for: float | None = None
        self._epoch, self._position = "", 0  # what the last welcome said
        self._table: dict[type[do.Effect], Callable[[Any], None]] = {
            do.OpenTransport: self._open,
            do.Send: self._send,
            do.CloseTransport: self._close,
            do.Store: self._keep,
            do.Forget: lambda effect: self._store.forget(effect.serials),
            do.Settle: self._settle,
            do.Notify: self._notify,
            do.Deliver: lambda effect: self._notices.extend(effect.notices()),
            do.Note: self._note,
            do.Answer: lambda effect: None,
            do.Refuse: lambda effect: None,
        }

    def __repr__(self) -> str:
        return f"<Party {self.life} {self.core.state}{'' if self.machine.awake else ' asleep'}>"

    # -- the machine it runs on ----------------------------------------------------------------------------------------------

    def _slept(self, seconds: float, noticed: bool) -> None:
        """The machine woke; the clock may have been watched."""
        self.watch.slept()
        if noticed:
            self.feed(inputs.Slept(at=self.world.now, seconds=seconds))

    def kill(self) -> None:
        """The process is killed: nothing of it is heard any more."""
        self.machine.dead = True
        if self.wire is not None:
            self.world.network.hang_up(self.wire, abort=True)
        self.wire = self.transport = None

    # -- what the network reports ----------------------------------------------------------------------------------------------

    def opened(self, generation: int, wire: Wire | None) -> None:
        """A dial succeeded."""
        if generation == self.transport:
            self.wire = wire
        self.machine.run(lambda: self.feed(inputs.TransportOpened(at=self.world.now, generation=generation)))

    def ended(self, generation: int, cause: Cause) -> None:
        """A dial failed, or a transport ended."""
        self.machine.run(lambda: self.feed(inputs.TransportEnded(at=self.world.now, generation=generation, cause=cause)))
        if self.world.has(Quirk.LATE_REPORTS) and self._chance.random() < 0.3:
            # The writer of a transport notices its end as well as the reader.
            self.world.hit(Quirk.LATE_REPORTS)
            late = inputs.TransportEnded(at=self.world.now, generation=generation, cause=cause)
            self.world.timeline.later(self._chance.choice((0.0, 0.5)), self.machine.run, self._report, late)

    def _report(self, late: inputs.TransportEnded) -> None:
        self.feed(replace(late, at=self.world.now))

    def arrived(self, generation: int, frames: tuple[Frame, ...]) -> None:
        """A message arrived."""
        self.machine.run(self._take, generation, frames)

    def _take(self, generation: int, frames: tuple[Frame, ...]) -> None:
        if generation == self.transport:
            for frame in frames:
                if type(frame) is Welcome:
                    self._epoch, self._position = frame.epoch, frame.position
        self.feed(inputs.Received(at=self.world.now, generation=generation, frames=frames))
        if self.world.has(Quirk.SLOW_OBSERVER) and not self.world.healed:
            self.world.hit(Quirk.SLOW_OBSERVER)
            self.world.timeline.later(self._chance.uniform(0.0, HANDLING_SECONDS), self.machine.run, self._handled)
        else:
            self._handled()

    def _handled(self) -> None:
        inbox = self.core.at.inbox
        if inbox.received > inbox.handled:
            self.feed(inputs.HandledUpTo(at=self.world.now, position=inbox.received))

    # -- turns -----------------------------------------------------------------------------------------------------------------

    def feed(self, happened: inputs.Input) -> None:
        """Take one turn."""
        if self.machine.dead:
            return
        try:
            effects = self._decide(happened)
            while (asked := self.core.question) is not None:
                question = replace(asked, chance=self._draws.random())
                answer = self.policy.decide(question)
                self.watch.asked(question, answer)
                effects += self._decide(inputs.Verdict(at=happened.at, question=question, answer=answer))
            self.perform(effects)
        except Exception as error:  # whatever it is, a machine that raises is what a simulator is there to find
            self.world.crashed(self.life, error)

    def _decide(self, happened: inputs.Input) -> list[do.Effect]:
        if self.auditor.takes_inputs:
            self.auditor.input(happened)
        return self.core.feed(happened)

    def perform(self, effects: list[do.Effect]) -> None:
        """Perform effects after those under way; then arm the timer and tell the user."""
        self._effects.extend(effects)
        if self._performing:
            return
        self._performing = True
        try:
            while self._effects:
                effect = self._effects.popleft()
                self._table[type(effect)](effect)
        finally:
            self._performing = False
        self._arm()
        self.watch.turn_is_over()
        if not self._telling:
            self._telling = True
            try:
                while self._notices:
                    self._tell(self._notices.popleft())
            finally:
                self._telling = False

    def _arm(self) -> None:
        due = self.core.wake_at()
        if due is None or (self._armed_for is not None and self._armed_for <= due):
            return
        self._armed_for = due
        if self.world.has(Quirk.LATE_TIMERS) and self._chance.random() < 0.3:
            self.world.hit(Quirk.LATE_TIMERS)
            due = max(due, self.world.now) + self._chance.uniform(0.0, LATE_SECONDS)
        self.world.timeline.at(due, self.machine.run, self._woke, self._armed_for)

    def _woke(self, armed_for: float) -> None:
        if self._armed_for != armed_for:
            return  # it was armed anew for an earlier instant
        self._armed_for = None
        due = self.core.wake_at()
        if due is not None and due <= self.world.now:
            self.feed(inputs.Woke(at=self.world.now))
        else:
            self._arm()

    # -- effects ---------------------------------------------------------------------------------------------------------------

    def _open(self, effect: do.OpenTransport) -> None:
        self.watch.dialed(effect)
        self.transport, self.wire = effect.generation, None
        self.token = self.world.token()
        self.world.network.dial(self, effect.generation, self.world.hub_to_reach)

    def _send(self, effect: do.Send) -> None:
        self.watch.sends(effect)
        frames = effect.frames
        if self.world.has(Quirk.TINY_FLIGHT) and self.core.at.outbox.is_waiting:
            self.world.hit(Quirk.TINY_FLIGHT)
        if isinstance(frames[0], Join):
            frames = (replace(frames[0], token=self.token), *frames[1:])
        for frame in frames:
            if type(frame) is SendSignal:
                self.watch.sends_signal(frame)
                sent = Sent(at=self.world.now, who=self.sender, serial=frame.serial, generation=effect.generation)
                self.world.history.note(sent)
        if self.wire is not None:
            self.world.network.send(self.wire, self.wire.up, frames)

    def _close(self, effect: do.CloseTransport) -> None:
        if effect.generation != self.transport:
            return
        if self.wire is not None:
            self.world.network.hang_up(self.wire, abort=effect.abort)
        self.transport = self.wire = None

    def _keep(self, effect: do.Store) -> None:
        self._store.put(effect.rows, self._stored)
        self.world.hit_if(Quirk.SLOW_STORE, not self.world.is_stored(self, effect.rows[-1].serial))

    def _stored(self, answer: int | OutboxFailed) -> None:
        self.machine.run(self._answered, answer)

    def _answered(self, answer: int | OutboxFailed) -> None:
        at = self.world.now
        self.feed(inputs.Stored(at=at, serial=answer) if isinstance(answer, int) else inputs.store_failed(answer, at))

    def _mended(self) -> None:
        self.feed(inputs.StoreRecovered(at=self.world.now))

    def _settle(self, effect: do.Settle) -> None:
        self.auditor.outcomes(effect, connection=self.core.at.connection, outbox=self.core.at.outbox.pending)
        fate = fate_of(effect.outcome)
        for serial in effect.serials:
            self.world.settled(self, serial, effect.outcome)
            if effect.outcome.stored:
                self.world.history.note(Kept(at=self.world.now, who=self.sender, serial=serial))
            else:
                self.world.history.note(Settled(at=self.world.now, who=self.sender, serial=serial, fate=fate))

    def _notify(self, effect: do.Notify) -> None:
        self.watch.told(effect.notice)
        self._notices.append(effect.notice)

    def _note(self, effect: do.Note) -> None:
        self.watch.noted(effect)
        self.auditor.note(effect, connection=self.core.at.connection, outbox=self.core.at.outbox.pending)

    # -- observers -------------------------------------------------------------------------------------------------------------

    def _tell(self, notice: notices.Notice) -> None:
        world = self.world
        if isinstance(notice, notices.Connected) or (isinstance(notice, notices.Reconnected) and not notice.resumed):
            world.history.note(
                Began(at=notice.at, who=self.life, connection=notice.connection, epoch=self._epoch, position=self._position)
            )
        world.history.tell(self.life, notice, epoch=self._epoch)
        world.told(self, notice)
        try:
            self._observe(notice)
        except Rude:
            world.hit(Quirk.RAISING_OBSERVER)

    def _observe(self, notice: notices.Notice) -> None:
        """Be the application: subscribe to what is published, and be rude where the seed says so.

        Whoever raises has not done what it was there for, and is not asked again.
        """
        if self.world.has(Quirk.RAISING_OBSERVER) and self._chance.random() < 0.25:
            raise Rude
        if isinstance(notice, notices.StreamCreated):
            stream = notice.stream.id
            self.world.timeline.later(0.0, self.machine.run, lambda: self.want(f"subscribe:{stream}", subscribe=stream))
        if self.world.has(Quirk.MEDDLING_OBSERVER) and not self.world.healed and self._chance.random() < 0.05:
            self.world.hit(Quirk.MEDDLING_OBSERVER)
            self._chance.choice((self.signal, self.hurry, self.leave, self.connect))()
