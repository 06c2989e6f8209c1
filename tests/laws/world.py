"""A small world without asyncio: real session cores, a real hub core, and a network that fails, under one hand-moved clock.

Time jumps from one event to the next. Every message takes LATENCY seconds; a link that is cut loses what is in transit and tells
both ends; one that is frozen loses everything and tells nobody. A `History` notes what each member submitted, was told and
received, and `problems()` says what of it breaks a promise.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from msgspec.structs import replace

from reconnect.chart import Statechart, load_chart
from reconnect.core import effects as do
from reconnect.core import inputs, notices
from reconnect.core.frames import Entry, Frame
from reconnect.core.hub import effects as hub_do
from reconnect.core.hub import inputs as hub_inputs
from reconnect.core.hub.core import HubCore
from reconnect.core.hub.settings import HubSettings
from reconnect.core.notices import Outcome
from reconnect.core.outbox import OutboxBounds
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.ports import Appended
from reconnect.reasons import Cause, OutcomeStatus, Reason
from reconnect.retry import RetryPolicy
from reconnect.store import MemorySessionLog

LATENCY = 0.01
CHARTS = ("session", "publisher", "subscriber", "member")
UNSEEN = (OutcomeStatus.DROPPED, OutcomeStatus.EXPIRED, OutcomeStatus.CANCELLED, OutcomeStatus.REJECTED)


def shipped_charts() -> dict[str, Statechart]:
    """Return the charts that the world runs on."""
    return {name: load_chart(name) for name in CHARTS}


@dataclass
class History:
    """What one member did and saw."""

    submitted: dict[int, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)
    received: list[tuple[str, int, bool]] = field(default_factory=list)  # sender, serial, whether a gap came before it
    told: list[notices.Notice] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)  # how much had been received when a gap was told


@dataclass
class Wire:
    """One link between a member's generation and the hub."""

    number: int
    owner: Party
    generation: int
    alive: bool = True
    frozen: bool = False
    mute: bool = False  # what the hub sends is lost


class Party:
    """One member: a session's core and what a driver would do for it."""

    def __init__(self, world: World, name: str, charts: dict[str, Statechart], bounds: OutboxBounds) -> None:
        self.world, self.name = world, name
        self.history = History()
        settings = SessionSettings(session="s", sender=name, retry_initial=True, bounds=bounds)
        self.core = SessionCore(
            settings, session=charts["session"], publisher=charts["publisher"], subscriber=charts["subscriber"]
        )
        self.policy = RetryPolicy(give_up_after_seconds=None)
        self.wire: Wire | None = None
        self.refused = False
        self.requests = count(1)
        self.answers: list[do.Answer] = []
        self.woken_for: float | None = None

    # -- the user

    def connect(self) -> None:
        if self.core.role == "offline":
            self.feed(inputs.ConnectRequested(at=self.world.now))

    def leave(self) -> None:
        self.feed(inputs.DisconnectRequested(at=self.world.now))

    def signal(self, *, keep: bool = True, ttl: float | None = None, to: str | None = None) -> int | None:
        if self.core.role in ("offline", "closing"):
            return None
        serial, effects = self.core.submit(data=b"1", type="t", to=to, ttl=ttl, keep=keep, at=self.world.now)
        self.history.submitted[serial] = {"keep": keep, "ttl": ttl, "to": to}
        self.perform(effects)
        self.feed(inputs.Flush(at=self.world.now))
        return serial

    def cancel(self, serial: int) -> None:
        self.perform(self.core.cancel(serial))

    def publish(self, name: str) -> None:
        if f"publish:{name}" not in self.core.at.wants and self.core.role not in ("offline", "closing"):
            request = next(self.requests)
            self.feed(inputs.WantAdded(at=self.world.now, request=request, key=f"publish:{name}", publish=name))

    def subscribe(self, stream_id: str) -> None:
        if f"subscribe:{stream_id}" not in self.core.at.wants and self.core.role not in ("offline", "closing"):
            request = next(self.requests)
            self.feed(inputs.WantAdded(at=self.world.now, request=request, key=f"subscribe:{stream_id}", subscribe=stream_id))

    # -- the driver

    def feed(self, happened: inputs.Input) -> None:
        effects = self.core.feed(happened)
        while self.core.question is not None:
            question = replace(self.core.question, chance=self.world.draw())
            verdict = inputs.Verdict(at=happened.at, question=question, answer=self.policy.decide(question))
            effects += self.core.feed(verdict)
        self.perform(effects)
        self.arm()

    def perform(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            match effect:
                case do.OpenTransport():
                    self.world.dial(self, effect.generation)
                case do.Send():
                    self.world.to_hub(self, effect.generation, effect.frames)
                case do.CloseTransport():
                    self.world.hang_up(self, effect.generation)
                case do.Store():
                    self.feed(inputs.Stored(at=self.world.now, serial=effect.rows[-1].serial))
                case do.Settle():
                    for serial in effect.serials:
                        if serial in self.history.outcomes:
                            self.history.twice.append(serial)
                        self.history.outcomes[serial] = effect.outcome
                case do.Notify():
                    self.tell(effect.notice)
                case do.Answer():
                    self.answers.append(effect)
                case _:
                    pass

    def tell(self, notice: notices.Notice) -> None:
        self.history.told.append(notice)
        if isinstance(notice, notices.SignalReceived):
            self.history.received.append((notice.signal.sender, notice.signal.serial, bool(self.history.gaps)))
        elif isinstance(notice, notices.Reconnected) and notice.gap is not None:
            self.history.gaps.append(len(self.history.received))
        elif isinstance(notice, notices.StreamCreated):
            self.world.later(0.0, lambda: self.subscribe(notice.stream.id))

    def arm(self) -> None:
        due = self.core.wake_at()
        if due is not None and (self.woken_for is None or due < self.woken_for):
            self.woken_for = due
            self.world.at(due, self.wake)

    def wake(self) -> None:
        self.woken_for = None
        due = self.core.wake_at()
        if due is not None and due <= self.world.now:
            self.feed(inputs.Woke(at=self.world.now))
        self.arm()


class World:
    """Members, a hub and the network between them."""

    def __init__(
        self,
        *names: str,
        charts: dict[str, Statechart] | None = None,
        hub: HubSettings | None = None,
        bounds: OutboxBounds | None = None,
        seed: int = 0,
    ) -> None:
        self.now = 100.0
        self.charts = charts or shipped_charts()
        self.settings = hub or HubSettings()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._ids = count(1)
        self._links = count(1)
        self._seed = seed
        self.wires: dict[int, Wire] = {}
        self.dark = False  # no dial succeeds
        self.restarts = 0
        self._hub_armed: float | None = None
        self.start_hub()
        self.parties = {name: Party(self, name, self.charts, bounds or OutboxBounds()) for name in names}

    # -- time

    def at(self, when: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._due, (max(when, self.now), next(self._order), call))

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.at(self.now + seconds, call)

    def run(self, seconds: float) -> None:
        """Let `seconds` pass."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            when, _, call = heapq.heappop(self._due)
            self.now = max(self.now, when)
            call()
        self.now = end

    def run_until(self, holds: Callable[[], bool], seconds: float = 300.0) -> None:
        """Let time pass until something holds."""
        end = self.now + seconds
        while not holds() and self._due and self._due[0][0] <= end:
            when, _, call = heapq.heappop(self._due)
            self.now = max(self.now, when)
            call()
        assert holds(), f"it did not come to that within {seconds} s: {self}"

    def __repr__(self) -> str:
        return f"<World {self.now:.2f} {' '.join(f'{name}={party.core.state}' for name, party in self.parties.items())}>"

    def draw(self) -> float:
        """Return a number from 0 to 1 that follows from the seed and how often it was asked."""
        self._seed = (self._seed * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._seed >> 11) / 2**53

    # -- faults

    def cut(self, name: str) -> None:
        """The link is reset: both ends hear of it, what is in transit is lost."""
        for wire in self._wires_of(name):
            self._break(wire, tell_member=True, tell_hub=True)

    def freeze(self, name: str) -> None:
        """The link is dead, and nobody is told."""
        for wire in self._wires_of(name):
            wire.frozen = True

    def mute(self, name: str) -> None:
        """What the hub sends to this member is lost from here on; what the member sends still arrives."""
        for wire in self._wires_of(name):
            wire.mute = True

    def kill_hub(self) -> None:
        """The hub forgets everything and starts anew."""
        for wire in list(self.wires.values()):
            self._break(wire, tell_member=True, tell_hub=False)
        self.restarts += 1
        self.start_hub()

    def start_hub(self) -> None:
        """Start a hub with no memory."""
        self.hub = HubCore(self.settings, self.charts["member"])
        self.log = MemorySessionLog(epoch=lambda: f"epoch-{self.restarts}-{next(self._ids)}")
        self._hub_armed = None

    def _wires_of(self, name: str) -> list[Wire]:
        return [wire for wire in self.wires.values() if wire.owner.name == name and wire.alive]

    def _break(self, wire: Wire, *, tell_member: bool, tell_hub: bool) -> None:
        if not wire.alive:
            return
        wire.alive = False
        self.wires.pop(wire.number, None)
        cause = Cause(reason=Reason.CLOSED)
        if tell_member and not wire.frozen:
            self.later(0.0, lambda: wire.owner.feed(inputs.TransportEnded(at=self.now, generation=wire.generation, cause=cause)))
        hub = self.hub

        def tell() -> None:
            if hub is self.hub:
                self.feed_hub(hub_inputs.LinkEnded(at=self.now, link=wire.number, cause=cause))

        if tell_hub and not wire.frozen:
            self.later(0.0, tell)

    # -- the network

    def dial(self, party: Party, generation: int) -> None:
        def arrive() -> None:
            if self.dark or party.refused:
                cause = Cause(reason=Reason.UNREACHABLE)
                party.feed(inputs.TransportEnded(at=self.now, generation=generation, cause=cause))
                return
            wire = Wire(next(self._links), party, generation)
            self.wires[wire.number] = wire
            party.wire = wire
            self.feed_hub(hub_inputs.LinkOpened(at=self.now, link=wire.number))
            party.feed(inputs.TransportOpened(at=self.now, generation=generation))

        self.later(LATENCY, arrive)

    def to_hub(self, party: Party, generation: int, frames: tuple[Frame, ...]) -> None:
        wire = party.wire
        if wire is None or wire.generation != generation:
            return

        def arrive() -> None:
            self.feed_hub(hub_inputs.FramesReceived(at=self.now, link=wire.number, frames=frames))

        self.later(LATENCY, lambda: arrive() if wire.alive and not wire.frozen else None)

    def to_member(self, wire: Wire, frames: tuple[Frame, ...]) -> None:
        party = wire.owner

        def arrive() -> None:
            party.feed(inputs.Received(at=self.now, generation=wire.generation, frames=frames))
            inbox = party.core.at.inbox
            if inbox.received > inbox.handled:
                party.feed(inputs.HandledUpTo(at=self.now, position=inbox.received))

        self.later(LATENCY, lambda: arrive() if wire.alive and not (wire.frozen or wire.mute) else None)

    def hang_up(self, party: Party, generation: int) -> None:
        wire = party.wire
        if wire is not None and wire.generation == generation:
            # What was written before the end still arrives, as on a socket that is closed.
            self.later(LATENCY, lambda: self._break(wire, tell_member=False, tell_hub=True))

    # -- the hub's shell

    def feed_hub(self, happened: hub_inputs.HubInput) -> None:
        for effect in self.hub.feed(happened):
            match effect:
                case hub_do.Authenticate():
                    self.authenticate(effect)
                case hub_do.SendTo():
                    self.send(effect.link, effect.frames)
                case hub_do.SendEntries():
                    frames = tuple(replace(entry, after=after) for entry, after in effect.pairs)
                    for link in effect.links:
                        self.send(link, frames)
                case hub_do.CloseLink():
                    self.close(effect)
                case hub_do.Append():
                    self.append(effect.session, effect.entries)
                case _:
                    pass
        self.arm_hub()

    def send(self, link: int, frames: tuple[Frame, ...]) -> None:
        wire = self.wires.get(link)
        if wire is not None:
            self.to_member(wire, frames)

    def close(self, effect: hub_do.CloseLink) -> None:
        wire = self.wires.get(effect.link)
        if wire is not None:
            self.later(0.0 if effect.abort else 2 * LATENCY, lambda: self._break(wire, tell_member=True, tell_hub=True))

    def authenticate(self, effect: hub_do.Authenticate) -> None:
        bearer = hub_inputs.Bearer(client_id=f"id-{effect.join.sender}", session="s", role="moderator")
        fresh = hub_inputs.Fresh(connection=f"c{next(self._ids)}", secret=f"secret-{next(self._ids)}", draw=self.draw())
        self.feed_hub(hub_inputs.Authenticated(at=self.now, link=effect.link, bearer=bearer, fresh=fresh, request=effect.request))

    def append(self, session: str, entries: tuple[Entry, ...]) -> None:
        def done(answer: Appended | Exception) -> None:
            assert isinstance(answer, Appended)
            self.feed_hub(hub_inputs.Appended(at=self.now, session=session, epoch=answer.epoch, entries=answer.entries))

        self.log.append(session, entries, done)

    def arm_hub(self) -> None:
        due, hub = self.hub.wake_at(), self.hub
        if due is not None and (self._hub_armed is None or due < self._hub_armed):
            self._hub_armed = due

            def wake() -> None:
                if hub is self.hub:
                    self._hub_armed = None
                    self.feed_hub(hub_inputs.Woke(at=self.now))

            self.at(due, wake)

    # -- promises

    def settle(self) -> None:
        """Let everything heal and be delivered."""
        self.dark = False
        self.run_until(lambda: not any(party.core.role == "closing" for party in self.parties.values()))
        for party in self.parties.values():
            party.refused = False
            party.connect()
        self.run_until(lambda: all(party.core.role == "online" for party in self.parties.values()))
        self.run_until(lambda: not any(party.core.at.outbox.pending for party in self.parties.values()))
        self.run(90.0)
        self.run_until(lambda: all(party.core.role == "online" for party in self.parties.values()))

    def problems(self) -> list[str]:
        """Return what of the history breaks a promise."""
        found: list[str] = []
        for name, party in self.parties.items():
            history = party.history
            found += [f"{name} {serial}: two outcomes" for serial in history.twice]
            found += [f"{name} {serial}: no outcome" for serial in history.submitted.keys() - history.outcomes.keys()]
            found += self._order_of(name, history)
            found += _grammar(name, history.told)
            counts = party.core.at.outbox
            if counts.submitted != sum(counts.counts.values()) + counts.pending:
                found.append(f"{name}: the conservation law is broken")
        found += self._deliveries()
        found += self._ghosts()
        return found

    def _order_of(self, name: str, history: History) -> list[str]:
        found, last = [], dict[str, int]()
        for sender, serial, _ in history.received:
            if serial <= last.get(sender, 0):
                found.append(f"{name} received {sender} {serial} after {last[sender]}")
            last[sender] = max(serial, last.get(sender, 0))
        return found

    def _deliveries(self) -> list[str]:
        found = []
        for sender, party in self.parties.items():
            for serial, outcome in party.history.outcomes.items():
                seen = {
                    name
                    for name, other in self.parties.items()
                    if any((one, number) == (sender, serial) for one, number, _ in other.history.received)
                }
                if outcome.status in UNSEEN and seen:
                    found.append(f"{sender} {serial} was {outcome.status}, and {sorted(seen)} received it")
                if outcome.status is OutcomeStatus.FAILED and not outcome.possibly_sent and seen:
                    found.append(f"{sender} {serial} was not sent, and {sorted(seen)} received it")
                if outcome.delivered and party.history.submitted[serial]["to"] is None:
                    # A member that was told of a gap, or that came later, cannot be expected to have everything.
                    for name in self.always_there() - seen:
                        found.append(f"{sender} {serial} was delivered, and {name} never received it")
        return found

    def always_there(self) -> set[str]:
        """Return the members that were connected from the start and never were told of a gap."""
        return {
            name
            for name, party in self.parties.items()
            if not party.history.gaps and sum(isinstance(notice, notices.Connected) for notice in party.history.told) == 1
        }

    def _ghosts(self) -> list[str]:
        found = []
        online = {party.core.at.connection for party in self.parties.values() if party.core.role == "online"}
        streams = {
            wanted.stream.id
            for party in self.parties.values()
            if party.core.role == "online"
            for wanted in party.core.at.wants.all
            if wanted.want.publish is not None and wanted.stream is not None
        }
        for name, party in self.parties.items():
            if party.core.role != "online":
                continue
            roster = party.core.at.roster
            others = online - {party.core.at.connection}
            if set(roster.members) != others or any(member.away for member in roster.members.values()):
                found.append(f"{name} sees members {sorted(roster.members)}, and there are {sorted(map(str, others))}")
            own = {wanted.stream.id for wanted in party.core.at.wants.all if wanted.want.publish and wanted.stream}
            if set(roster.streams) != streams - own:
                found.append(f"{name} sees streams {sorted(roster.streams)}, and there are {sorted(streams - own)}")
            for wanted in party.core.at.wants.all:
                if wanted.role != "live" or wanted.interruptions:
                    found.append(f"{name}: {wanted.want.key} is {wanted.state} in the end")
        return found


def _grammar(name: str, told: list[notices.Notice]) -> list[str]:
    """Check `connected (reconnecting reconnected)* (reconnecting? disconnected)?`, once for each connect()."""
    state = "out"
    allowed = {
        ("out", "connected"): "in",
        ("in", "reconnecting"): "away",
        ("away", "reconnected"): "in",
        ("in", "disconnected"): "out",
        ("away", "disconnected"): "out",
    }
    for notice in told:
        if notice.name in ("connected", "reconnecting", "reconnected", "disconnected") and not isinstance(
            notice, notices.PublicationNotice
        ):
            following = allowed.get((state, notice.name))
            if following is None:
                return [f"{name}: {notice.name} while {state}"]
            state = following
    return []
