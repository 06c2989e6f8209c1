"""What the steps of a plan do to a world: each act of the plan is one function here.

Rules: an act takes all that it needs from its step, so that it does the same in every run; what it starts it also ends, for each
fault that lasts is given an end; and it never looks at what a machine thinks, only at whom it concerns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconnect.testing.simulator.network import Lane, Way, Wire
from reconnect.testing.simulator.party import Party
from reconnect.testing.simulator.plan import Act, Step
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.story import subject
from reconnect.testing.simulator.world import World

STREAMS: Final = ("camera", "screen")
WALL_STEPS: Final = (-315_360_000.0, -3_600.0, -30.0, 30.0, 3_600.0, 315_360_000.0)  # up to ten years
LONGEST_SLEEP: Final = 40.0
RETURN_SECONDS: Final = 4.0  # a hub that died is back by then


def perform(world: World, step: Step) -> None:
    """Do what a step says."""
    party = world.parties[list(world.parties)[step.who % len(world.parties)]]
    if world.story is not None:
        world.story.say(subject(step.act, party.life), f"> {step.act.replace('_', ' ')}")
    _ACTS[step.act](world, party, step)


# -- load ----------------------------------------------------------------------------------------------------------------------


def _signals(world: World, party: Party, step: Step) -> None:
    def send() -> None:
        for number in range(1 + step.count % 4):
            keep = (step.count + number) % 4 != 3
            hasty = world.has(Quirk.VALUABLE_TIME) and number % 2 == 0
            if hasty:
                world.hit(Quirk.VALUABLE_TIME)
            party.signal(keep=keep, ttl=0.02 + 3 * step.amount if hasty or step.amount < 0.1 else None)

    party.machine.run(send)


def _flood(world: World, party: Party, step: Step) -> None:
    def send() -> None:
        for _ in range(30):
            party.signal()

    party.machine.run(send)


def _whisper(world: World, party: Party, step: Step) -> None:
    others = [other.core.at.connection for other in world.parties.values() if other.core.at.connection is not None]
    if others:
        party.machine.run(lambda: party.signal(to=others[int(step.amount * len(others))]))


def _server_signal(world: World, party: Party, step: Step) -> None:
    if world.hub is not None:
        world.hub.signal(party.core.at.connection if step.amount < 0.3 else None)


def _cancel(world: World, party: Party, step: Step) -> None:
    party.machine.run(lambda: party.cancel(party.core.at.outbox.settled_up_to + 1 + step.count % 3))


def _publish(world: World, party: Party, step: Step) -> None:
    name = STREAMS[step.count % 2]
    party.machine.run(lambda: party.want(f"publish:{name}", publish=name))


def _unpublish(world: World, party: Party, step: Step) -> None:
    keys = [wanted.want.key for wanted in party.core.at.wants.all]
    if keys:
        party.machine.run(lambda: party.unwant(keys[step.count % len(keys)]))


def _mute(world: World, party: Party, step: Step) -> None:
    streams = list(party.core.at.roster.streams)
    if streams:
        party.machine.run(lambda: party.mute(streams[step.count % len(streams)], muted=step.amount < 0.6))


def _kick(world: World, party: Party, step: Step) -> None:
    members = list(party.core.at.roster.members)
    if members:
        party.machine.run(lambda: party.kick(members[step.count % len(members)]))


# -- the network ---------------------------------------------------------------------------------------------------------------


def _cut(world: World, party: Party, step: Step) -> None:
    for wire in world.network.wires_of(party.name):
        world.network.cut(wire)


def _fuse(world: World, party: Party, step: Step) -> None:
    """Cut behind one of the next frames; a link that is idle is cut while it joins the next time."""
    way = Way.UP if step.amount < 0.5 else Way.DOWN
    world.network.of(party.name).fuses[way] = step.count
    if step.count % 2:
        _cut(world, party, step)


def _lose(*ways: Way) -> Callable[[World, Party, Step], None]:
    def lose(world: World, party: Party, step: Step) -> None:
        for wire in world.network.wires_of(party.name):
            for way in ways:
                _lane(wire, way).lost = True

    return lose


def _slow(world: World, party: Party, step: Step) -> None:
    world.network.of(party.name).slow = 2.0 * step.amount


def _stall(world: World, party: Party, step: Step) -> None:
    """Nothing passes for a while, one way or both, and then all of it does."""
    ways = ((Way.UP,), (Way.DOWN,), (Way.UP, Way.DOWN))[step.count % 3]
    for wire in world.network.wires_of(party.name):
        for way in ways:
            lane = _lane(wire, way)
            world.network.hold(wire, lane)
            world.timeline.later(8.0 * step.amount, world.network.release, wire, lane)


def _refuse(world: World, party: Party, step: Step) -> None:
    world.network.of(party.name).refusing = True
    if step.count % 2:
        _cut(world, party, step)


def _hang(world: World, party: Party, step: Step) -> None:
    world.network.of(party.name).hanging = True
    if step.count % 2:
        _cut(world, party, step)


def _clear(world: World, party: Party, step: Step) -> None:
    weather = world.network.of(party.name)
    weather.refusing = weather.hanging = False
    weather.slow = 0.0


def _swizzle(world: World, party: Party, step: Step) -> None:
    """Stop a random subset one by one, then restore it in another order."""
    chance = world.chance(f"swizzle {step.amount}")
    chosen = [name for name in world.parties if chance.random() < 0.5]
    at = 0.0
    for name in chosen:
        at += chance.uniform(0.0, 1.0)
        world.timeline.later(at, _stop, world, name)
    chance.shuffle(chosen)
    for name in chosen:
        at += chance.uniform(0.0, 2.0)
        world.timeline.later(at, _clear, world, world.parties[name], step)


def _stop(world: World, name: str) -> None:
    world.network.of(name).refusing = True
    for wire in world.network.wires_of(name):
        wire.up.lost = wire.down.lost = True


def _blackout(world: World, party: Party, step: Step) -> None:
    world.network.dark = True
    for wire in list(world.network.wires.values()):
        world.network.cut(wire)
    world.timeline.later(15.0 * step.amount**2, _light, world)


def _light(world: World) -> None:
    world.network.dark = False


def _lane(wire: Wire, way: Way) -> Lane:
    return wire.up if way is Way.UP else wire.down


# -- machines ------------------------------------------------------------------------------------------------------------------


def _sleep(world: World, party: Party, step: Step) -> None:
    party.machine.sleep(LONGEST_SLEEP * step.amount**2)


def _hub_pause(world: World, party: Party, step: Step) -> None:
    if world.hub is not None:
        world.hub.pause(20.0 * step.amount**2)


def _hub_cut(world: World, party: Party, step: Step) -> None:
    for wire in list(world.network.wires.values()):
        world.network.cut(wire)


def _hub_restart(world: World, party: Party, step: Step) -> None:
    forget_log = step.count % 2 == 0
    if step.amount < 0.5:
        world.restart_hub(forget_log=forget_log)
        return
    world.stop_hub()
    world.timeline.later(RETURN_SECONDS * step.amount, _start_hub, world, forget_log)


def _start_hub(world: World, forget_log: bool) -> None:
    if world.hub is None:
        world.restart_hub(forget_log=forget_log)


def _hub_drain(world: World, party: Party, step: Step) -> None:
    if world.hub is not None:
        world.hub.drain(5.0 * step.amount)
        world.timeline.later(1.0, world.restart_hub_if, world.hub, step.count % 2 == 0)


def _wall_step(world: World, party: Party, step: Step) -> None:
    world.timeline.step_wall(WALL_STEPS[step.count % len(WALL_STEPS)])


_ACTS: Final[dict[Act, Callable[[World, Party, Step], None]]] = {
    Act.SIGNALS: _signals,
    Act.FLOOD: _flood,
    Act.WHISPER: _whisper,
    Act.SERVER_SIGNAL: _server_signal,
    Act.CANCEL: _cancel,
    Act.PUBLISH: _publish,
    Act.UNPUBLISH: _unpublish,
    Act.MUTE: _mute,
    Act.LEAVE: lambda world, party, step: party.machine.run(party.leave),
    Act.CONNECT: lambda world, party, step: party.machine.run(party.connect),
    Act.HURRY: lambda world, party, step: party.machine.run(party.hurry),
    Act.FORCE: lambda world, party, step: party.machine.run(lambda: party.hurry(force=True)),
    Act.KICK: _kick,
    Act.CUT: _cut,
    Act.FUSE: _fuse,
    Act.HALF_OPEN: _lose(Way.UP, Way.DOWN),
    Act.DEAF: _lose(Way.UP),
    Act.MUTED: _lose(Way.DOWN),
    Act.SLOW: _slow,
    Act.STALL: _stall,
    Act.REFUSE: _refuse,
    Act.HANG: _hang,
    Act.CLEAR: _clear,
    Act.SWIZZLE: _swizzle,
    Act.BLACKOUT: _blackout,
    Act.SLEEP: _sleep,
    Act.CRASH: lambda world, party, step: world.crash(party.name),
    Act.HUB_PAUSE: _hub_pause,
    Act.HUB_CUT: _hub_cut,
    Act.HUB_RESTART: _hub_restart,
    Act.HUB_DRAIN: _hub_drain,
    Act.WALL_STEP: _wall_step,
}


def heal(world: World) -> None:
    """All faults stop: the networks are well, the hub is there and awake, machines wake by themselves."""
    world.healed = True
    world.network.dark = False
    for name in world.parties:
        weather = world.network.of(name)
        weather.refusing = weather.hanging = False
        weather.slow = 0.0
        weather.fuses.clear()
    if world.hub is None:
        world.start_hub()
