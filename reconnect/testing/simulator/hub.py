"""The hub of a simulated world: one life of a real hub core, and what a shell does for it.

What a life of the hub keeps is gone with it; the log may outlive it. A slow log has stored what it answers later, so a hub that
dies in between leaves entries in the log that nobody was told of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from reconnect.audit import Auditor
from reconnect.chart import StepVerdict
from reconnect.core.frames import Entry, EntryKind, Frame
from reconnect.core.hub import HubCore, inputs
from reconnect.core.hub import effects as do
from reconnect.ports import Appended
from reconnect.reasons import Reason, cause_of_close
from reconnect.testing.history import Fate, Logged, Settled, Submitted, author
from reconnect.testing.simulator.network import Wire
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.violations import Broken

if TYPE_CHECKING:
    from reconnect.testing.simulator.world import World

HUB = "hub"
SLOW_SECONDS = 1.5  # what a slow log or authenticator takes at most


class SimulatedHub:
    """One life of the hub."""

    def __init__(self, world: World, life: int) -> None:
        self.world, self.life = world, life
        self.core = HubCore(world.settings, world.charts["member"])
        self.alive = self.awake = True
        self.wires: dict[int, Wire] = {}
        self._auditor = Auditor(world.sink(f"{HUB}.{life}"), world.timeline, session=HUB, charts=[world.charts["member"]])
        self._auditor.start()
        self._chance: Random = world.chance(f"{HUB}.{life}")
        self._inputs: deque[inputs.HubInput] = deque()
        self._backlog: list[inputs.HubInput] = []
        self._feeding = False
        self._armed_for: float | None = None
        self._tickets = count(1)
        self._names = count(1)
        self._table: dict[type[do.HubEffect], Callable[[Any], None]] = {
            do.Authenticate: self._authenticate,
            do.SendTo: lambda effect: self._send(effect.link, effect.frames),
            do.SendEntries: self._send_entries,
            do.CloseLink: self._close_link,
            do.Append: self._append,
            do.ForgetLog: lambda effect: world.log.forget(effect.session),
            do.Answer: lambda effect: None,
            do.Announce: self._announce,
        }

    def __repr__(self) -> str:
        return f"<SimulatedHub {self.life} {self.core!r}>"

    # -- turns -----------------------------------------------------------------------------------------------------------------

    def feed(self, happened: inputs.HubInput) -> None:
        """Take a turn, and those that follow from it at once; a hub that stands still takes it later."""
        if not self.alive:
            return
        if not self.awake:
            self._backlog.append(happened)
            return
        self._inputs.append(happened)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._inputs:
                for effect in self.core.feed(self._inputs.popleft()):
                    self._table[type(effect)](effect)
        except Exception as error:  # whatever it is, a machine that raises is what a simulator is there to find
            self.world.crashed(HUB, error)
        finally:
            self._feeding = False
        self._arm()

    def _arm(self) -> None:
        due = self.core.wake_at()
        if due is not None and (self._armed_for is None or due < self._armed_for):
            self._armed_for = due
            self.world.timeline.at(due, self._woke, due)

    def _woke(self, armed_for: float) -> None:
        if self._armed_for == armed_for:
            self._armed_for = None
            self.feed(inputs.Woke(at=self.world.now))

    # -- its machine -------------------------------------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """Stand still; what arrives meanwhile waits."""
        if self.awake and self.alive:
            self.awake = False
            self.world.timeline.later(seconds, self._go_on)

    def _go_on(self) -> None:
        self.awake = True
        backlog, self._backlog = self._backlog, []
        for happened in backlog:
            self.feed(replace(happened, at=self.world.now))
        self.feed(inputs.Woke(at=self.world.now))

    def kill(self) -> None:
        """Forget everything; the links are reset."""
        self.alive = False
        for wire in list(self.wires.values()):
            self.world.network.cut(wire)

    # -- what the network reports ----------------------------------------------------------------------------------------------

    def opened(self, wire: Wire) -> None:
        """A transport was accepted."""
        self.wires[wire.number] = wire
        self.feed(inputs.LinkOpened(at=self.world.now, link=wire.number))

    def arrived(self, wire: Wire, frames: tuple[Frame, ...]) -> None:
        """A message arrived."""
        self.feed(inputs.FramesReceived(at=self.world.now, link=wire.number, frames=frames))

    def ended(self, wire: Wire, cause: Any) -> None:
        """A transport ended, whichever side ended it; said once."""
        if self.wires.pop(wire.number, None) is not None:
            self.feed(inputs.LinkEnded(at=self.world.now, link=wire.number, cause=cause))

    # -- the application ---------------------------------------------------------------------------------------------------------

    def signal(self, to: str | None) -> None:
        """hub.signal()."""
        entry = Entry(position=0, after=0, what=EntryKind.SIGNAL, type="t", data=msgspec.Raw(b"2"), to=to)
        self.feed(inputs.ServerSignal(at=self.world.now, ticket=next(self._tickets), session=self.world.session, signal=entry))

    def drain(self, seconds: float) -> None:
        """hub.drain()."""
        delays = tuple((number, self._chance.uniform(0.0, seconds)) for number in self.wires)
        self.feed(inputs.DrainRequested(at=self.world.now, seconds=seconds, delays=delays))

    # -- effects ---------------------------------------------------------------------------------------------------------------

    def _send(self, link: int, frames: tuple[Frame, ...]) -> None:
        wire = self.wires.get(link)
        if wire is not None:
            self.world.network.send(wire, wire.down, frames)

    def _send_entries(self, effect: do.SendEntries) -> None:
        frames = tuple(effect.run.frames())
        self.world.hit_if(Quirk.TINY_WINDOW, len(frames) >= self.world.settings.window)
        for link in effect.links:
            self._send(link, frames)

    def _close_link(self, effect: do.CloseLink) -> None:
        wire = self.wires.get(effect.link)
        if wire is not None:
            self.world.network.close(wire, cause_of_close(effect.code, effect.detail), abort=effect.abort)

    def _announce(self, effect: do.Announce) -> None:
        self._auditor.announce(effect)
        step = effect.step
        self.world.hit_if(Quirk.SHORT_GRACE, effect.what is do.News.EXPIRED)
        if step is not None and step.verdict is StepVerdict.REFUSED:
            self.world.report(Broken.REFUSED_REPORT, HUB, f"{effect.connection} refused {step.event} in {step.before}")
        if effect.what is do.News.LINK_CLOSED and effect.reason == Reason.PROTOCOL_ERROR:
            self.world.report(Broken.PROTOCOL, HUB, f"{effect.client_id} made a mistake: {effect.detail}")

    def _authenticate(self, effect: do.Authenticate) -> None:
        wire = self.wires.get(effect.link)
        if wire is None:
            return
        if self.world.has(Quirk.SLOW_AUTHENTICATOR):
            # What comes behind a join is not read until it is known whose it is.
            self.world.hit(Quirk.SLOW_AUTHENTICATOR)
            self.world.network.hold(wire, wire.up)
            self.world.timeline.later(self._chance.uniform(0.0, SLOW_SECONDS), self._answer_join, wire, effect)
        else:
            self._answer_join(wire, effect)

    def _answer_join(self, wire: Wire, effect: do.Authenticate) -> None:
        at, number = self.world.now, wire.number
        if self.wires.get(number) is wire:
            if self.world.has(Quirk.FAILING_AUTHENTICATOR) and self._chance.random() < 1 / 6 and not self.world.healed:
                self.world.hit(Quirk.FAILING_AUTHENTICATOR)
                failed = inputs.AuthenticationFailed(at=at, link=number, reason=Reason.HUB_ERROR, request=effect.request)
                self.feed(failed)
            else:
                fresh = inputs.Fresh(
                    connection=f"c{self.life}-{next(self._names)}",
                    secret=f"secret-{self._chance.getrandbits(64):x}",
                    draw=self._chance.random(),
                )
                bearer = self.world.bearer(wire.party.name, effect.join.token)
                self.feed(inputs.Authenticated(at=at, link=number, bearer=bearer, fresh=fresh, request=effect.request))
        if wire.up.held:
            self.world.network.release(wire, wire.up)

    # -- the log ---------------------------------------------------------------------------------------------------------------

    def _append(self, effect: do.Append) -> None:
        world = self.world
        answer: inputs.HubInput
        if world.has(Quirk.FAILING_LOG) and self._chance.random() < 0.2 and not world.healed:
            world.hit(Quirk.FAILING_LOG)
            answer = inputs.AppendFailed(at=world.now, session=effect.session, detail="the disk is full")
        else:
            stored: list[Appended | Exception] = []
            world.log.append(effect.session, effect.entries, stored.append)
            taken = stored[0]
            assert isinstance(taken, Appended), "a log in memory takes everything"
            self._note_log(taken)
            answer = inputs.Appended(at=world.now, session=effect.session, epoch=taken.epoch, entries=taken.entries)
        if world.has(Quirk.SLOW_LOG):
            world.hit(Quirk.SLOW_LOG)
            world.timeline.later(self._chance.uniform(0.0, SLOW_SECONDS), self._answered, answer)
        else:
            self.feed(answer)

    def _answered(self, answer: inputs.HubInput) -> None:
        self.feed(replace(answer, at=self.world.now))

    def _note_log(self, taken: Appended) -> None:
        """What the log took is the truth that receipts and members are held to."""
        history, at, epoch = self.world.history, self.world.now, taken.epoch
        for entry in taken.entries:
            if entry.what is not EntryKind.SIGNAL:
                continue
            sender, serial = author(entry.sender, entry.serial, epoch, entry.position)
            if entry.sender is None:
                history.note(Submitted(at=at, who=sender, serial=serial))
                history.note(Settled(at=at, who=sender, serial=serial, fate=Fate.OK))
            history.note(
                Logged(
                    at=at,
                    epoch=epoch,
                    position=entry.position,
                    sender=sender,
                    serial=serial,
                    to=entry.to,
                    life=self.life,
                    repeat=entry.repeat,
                )
            )
