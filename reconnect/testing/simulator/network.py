"""The network of a simulated world: wires between members and the hub, and what may happen to them.

A wire has two lanes. What is put into one arrives in that order, each message after a while; a lane may lose everything from some
moment on, or hold everything back until it is released. Nothing is lost in the middle: that is what a socket promises. When a
wire breaks, what is on the way is lost, and an end is told only if its lane still carries anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final

from reconnect.core.frames import Frame
from reconnect.reasons import Cause, Reason
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.timeline import Timeline

if TYPE_CHECKING:
    from reconnect.testing.simulator.hub import SimulatedHub
    from reconnect.testing.simulator.party import Party

LATENCY: Final = 0.01
CLOSE_SECONDS: Final = 5.0  # for the other side to take part in a close

RESET: Final = Cause(reason=Reason.CLOSED, detail="the network reset the link")
UNREACHABLE: Final = Cause(reason=Reason.UNREACHABLE, detail="nobody answers")

# The end of what one side writes: the cause that the other side is told.
Item = tuple[Frame, ...] | Cause


def kind_of(frame: Frame) -> str:
    """Return the name of a frame's kind."""
    return str(frame.__struct_config__.tag)


class Way(StrEnum):
    """One direction of a wire."""

    UP = "up"  # to the hub
    DOWN = "down"  # to the member


@dataclass(slots=True)
class Lane:
    """One direction."""

    way: Way
    lost: bool = False
    held: bool = False
    last_at: float = 0.0
    last_frame: str = "nothing"
    waiting: list[Item] = field(default_factory=list)


class Wire:
    """One link between a member's generation and a life of the hub."""

    __slots__ = ("alive", "closed", "down", "generation", "hub", "left", "number", "party", "up")

    def __init__(self, number: int, party: Party, generation: int, hub: SimulatedHub) -> None:
        self.number, self.party, self.generation, self.hub = number, party, generation, hub
        self.alive = True
        self.closed = self.left = False  # the hub ended it; the member did
        self.up, self.down = Lane(Way.UP), Lane(Way.DOWN)

    def __repr__(self) -> str:
        return f"<Wire {self.number} {self.party.name} generation={self.generation}{'' if self.alive else ' over'}>"


@dataclass(slots=True)
class Weather:
    """What one member's network does; a fuse counts frames of one direction and then cuts."""

    refusing: bool = False
    hanging: bool = False
    slow: float = 0.0
    fuses: dict[Way, int] = field(default_factory=dict)


class Network:
    """All wires, and the weather of each member."""

    def __init__(self, timeline: Timeline, chance: Random, quirks: frozenset[Quirk], hit: Callable[[Quirk], None]) -> None:
        self._timeline, self._chance, self._quirks, self._hit = timeline, chance, quirks, hit
        self._numbers = count(1)
        self.wires: dict[int, Wire] = {}
        self.weather: dict[str, Weather] = {}
        self.dark = False  # nobody reaches the hub
        self.boundaries: set[tuple[Way, str, str]] = set()  # behind which frame, and before which, a wire was cut

    def __repr__(self) -> str:
        return f"<Network wires={len(self.wires)}{' dark' if self.dark else ''}>"

    def of(self, name: str) -> Weather:
        """Return a member's weather."""
        return self.weather.setdefault(name, Weather())

    def wires_of(self, name: str) -> list[Wire]:
        """Return a member's living wires."""
        return [wire for wire in self.wires.values() if wire.party.name == name]

    # -- dialing ---------------------------------------------------------------------------------------------------------------

    def dial(self, party: Party, generation: int, hub: Callable[[], SimulatedHub | None]) -> None:
        """Let a member's dial reach the hub that is there by then, or not."""
        weather = self.of(party.name)
        if weather.hanging:
            return
        if weather.refusing or self.dark:
            self._timeline.later(self._takes(party.name), party.ended, generation, UNREACHABLE)
        else:
            self._timeline.later(2 * self._takes(party.name), self._reach, party, generation, hub)

    def _reach(self, party: Party, generation: int, hub: Callable[[], SimulatedHub | None]) -> None:
        there = hub()
        if party.transport != generation:
            # The dial was cancelled. A careless dialer reports its success all the same.
            if Quirk.LATE_REPORTS in self._quirks:
                self._hit(Quirk.LATE_REPORTS)
                party.opened(generation, None)
            return
        if there is None:
            party.ended(generation, UNREACHABLE)
            return
        wire = Wire(next(self._numbers), party, generation, there)
        self.wires[wire.number] = wire
        there.opened(wire)
        party.opened(generation, wire)

    def _takes(self, name: str) -> float:
        """Return how long a message is on its way."""
        if Quirk.JITTER in self._quirks:
            self._hit(Quirk.JITTER)
            return LATENCY * self._chance.uniform(0.1, 30.0) + self.of(name).slow
        return LATENCY + self.of(name).slow

    # -- messages --------------------------------------------------------------------------------------------------------------

    def send(self, wire: Wire, lane: Lane, frames: tuple[Frame, ...]) -> None:
        """Put frames into a lane, as one message or, where a reader reads in parts, as several."""
        if not wire.alive or lane.lost:
            return
        for part in self._parts(frames):
            self._put(wire, lane, part)

    def _parts(self, frames: tuple[Frame, ...]) -> list[tuple[Frame, ...]]:
        parts = [frames]
        if Quirk.SPLIT_MESSAGES in self._quirks and len(frames) > 1:
            self._hit(Quirk.SPLIT_MESSAGES)
            at = self._chance.randrange(1, len(frames))
            parts = [frames[:at], frames[at:]]
        if Quirk.EMPTY_MESSAGES in self._quirks and self._chance.random() < 0.1:
            self._hit(Quirk.EMPTY_MESSAGES)
            parts.append(())
        return parts

    def _put(self, wire: Wire, lane: Lane, item: Item) -> None:
        when = max(self._timeline.time + self._takes(wire.party.name), lane.last_at)
        lane.last_at = self._timeline.at(when, self._arrive, wire, lane, item)

    def _arrive(self, wire: Wire, lane: Lane, item: Item) -> None:
        if not wire.alive or lane.lost:
            return
        if lane.held:
            lane.waiting.append(item)
        elif isinstance(item, Cause):
            self.finish(wire, lane.way, item)
        else:
            self._deliver(wire, lane, item)

    def _deliver(self, wire: Wire, lane: Lane, frames: tuple[Frame, ...]) -> None:
        fuses = self.of(wire.party.name).fuses
        left = fuses.get(lane.way)
        if left is None:
            self._hand_over(wire, lane, frames)
        elif len(frames) <= left:
            fuses[lane.way] = left - len(frames)
            self._hand_over(wire, lane, frames)
        else:
            del fuses[lane.way]
            before = kind_of(frames[left - 1]) if left else lane.last_frame
            self.boundaries.add((lane.way, before, kind_of(frames[left])))
            if left:
                self._hand_over(wire, lane, frames[:left])
            self.cut(wire)

    def _hand_over(self, wire: Wire, lane: Lane, frames: tuple[Frame, ...]) -> None:
        if frames:
            lane.last_frame = kind_of(frames[-1])
        if lane.way is Way.UP:
            wire.hub.arrived(wire, frames)
        else:
            wire.party.arrived(wire.generation, frames)

    def hold(self, wire: Wire, lane: Lane) -> None:
        """Let nothing more arrive, until it is released."""
        lane.held = True

    def release(self, wire: Wire, lane: Lane) -> None:
        """Let everything arrive that was held back."""
        lane.held = False
        waiting, lane.waiting = lane.waiting, []
        for item in waiting:
            self._arrive(wire, lane, item)

    # -- ends ------------------------------------------------------------------------------------------------------------------

    def hang_up(self, wire: Wire, *, abort: bool) -> None:
        """The member ends a wire: at once, or after what it wrote."""
        wire.down.lost = wire.left = True
        if abort or wire.closed:
            self._timeline.later(LATENCY, self.finish, wire, Way.UP, RESET)
        else:
            self._put(wire, wire.up, RESET)

    def close(self, wire: Wire, cause: Cause, *, abort: bool) -> None:
        """The hub ends a wire: at once, or after what it wrote; it does not wait for ever for the member's part."""
        wire.up.lost = wire.closed = True
        if abort:
            self._timeline.later(0.0, wire.hub.ended, wire, RESET)
            self._timeline.later(LATENCY, self.finish, wire, Way.DOWN, RESET)
            return
        self._put(wire, wire.down, cause)
        self._timeline.later(CLOSE_SECONDS, wire.hub.ended, wire, RESET)
        if wire.left:
            self._timeline.later(LATENCY, self.finish, wire, Way.UP, RESET)

    def finish(self, wire: Wire, way: Way, cause: Cause) -> None:
        """One side ended the wire, and the other hears of it."""
        lane = wire.up if way is Way.UP else wire.down
        if not wire.alive or (lane.lost and way is Way.DOWN):
            return
        self._over(wire)
        if way is Way.DOWN:
            wire.party.ended(wire.generation, cause)
        if not lane.lost or wire.closed:
            wire.hub.ended(wire, cause)

    def cut(self, wire: Wire) -> None:
        """The network resets a wire; whoever can still be reached hears of it."""
        if not wire.alive:
            return
        self._over(wire)
        if not wire.down.lost:
            self._timeline.later(self._chance.choice((0.0, LATENCY)), wire.party.ended, wire.generation, RESET)
        if not wire.up.lost:
            self._timeline.later(self._chance.choice((0.0, LATENCY)), wire.hub.ended, wire, RESET)

    def _over(self, wire: Wire) -> None:
        wire.alive = False
        self.wires.pop(wire.number, None)
