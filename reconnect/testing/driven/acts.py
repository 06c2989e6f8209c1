"""What the steps of a plan do to a driven world. The plan is the simulator's own (`reconnect.testing.simulator.plan`).

Rules: an act takes all that it needs from its step, so that it does the same in every run; and each fault that lasts is given an
end. Members share one machine here: when one sleeps, or the hub's process pauses, all do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Final

from reconnect.errors import HubClosed, ReconnectError
from reconnect.testing.driven.member import DrivenMember
from reconnect.testing.driven.tap import Way
from reconnect.testing.driven.world import DrivenWorld
from reconnect.testing.simulator.plan import Act, Step
from reconnect.testing.simulator.story import subject
from reconnect.testing.weather import Direction

STREAMS: Final = ("camera", "screen")
WALL_STEPS: Final = (-315_360_000.0, -3_600.0, -30.0, 30.0, 3_600.0, 315_360_000.0)  # up to ten years
LONGEST_SLEEP: Final = 40.0
RETURN_SECONDS: Final = 4.0  # a hub that died is back by then
SPELL_SECONDS: Final = 9.0  # a fault that lasts is over by then, or is cleared before

Perform = Callable[[DrivenWorld, DrivenMember, Step], None]


def perform(world: DrivenWorld, step: Step) -> None:
    """Do what a step says."""
    member = world.members[list(world.members)[step.who % len(world.members)]]
    if world.story is not None:
        world.story.say(subject(step.act, member.life), f"> {step.act.replace('_', ' ')}")
    _ACTS[step.act](world, member, step)


# -- load ----------------------------------------------------------------------------------------------------------------------


def _signals(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    for number in range(1 + step.count % 4):
        member.signal(keep=(step.count + number) % 4 != 3, ttl=0.02 + 3 * step.amount if step.amount < 0.1 else None)
    member.show()


def _flood(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    for _ in range(30):
        member.signal()


def _whisper(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    others = [other.session.connection for other in world.members.values() if other.session.connection is not None]
    if others:
        member.signal(to=others[int(step.amount * len(others))])


def _server_signal(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    async def signal() -> None:
        try:
            await world.place.hub.signal(
                world.session, "y", type="t", to=member.session.connection if step.amount < 0.3 else None
            )
        except ReconnectError:
            return

    world.start(signal())


def _mute(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    streams = member.session.streams
    if streams:
        member.ask(member.session.mute(streams[step.count % len(streams)], muted=step.amount < 0.6))


def _kick(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    others = member.session.members
    if others:
        member.ask(member.session.kick(others[step.count % len(others)]))


# -- the network ---------------------------------------------------------------------------------------------------------------


def _fuse(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    member.line.fuses[Way.UP if step.amount < 0.5 else Way.DOWN] = 1 + step.count


def _lose(direction: Direction) -> Perform:
    def lose(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
        world.network.half_open(member.life, direction)
        _clear_later(world, member, step)

    return lose


def _slow(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    if step.count % 2:
        world.network.throttle(200.0 + 2_000.0 * step.amount, member.life)
    else:
        world.network.delay(0.02 + step.amount, member.life)
        world.network.jitter(step.amount, member.life)


def _stall(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    world.network.half_open(member.life)
    world.later(3.0 * step.amount, lambda: _clear(world, member, step))


def _refuse(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    world.network.refuse(member.life)
    _clear_later(world, member, step)


def _hang(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    world.network.hang(member.life)
    _clear_later(world, member, step)


def _clear(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    if not member.dead:
        world.network.restore(member.life)
        member.line.fuses.clear()


def _clear_later(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    world.later(SPELL_SECONDS * step.amount, lambda: _clear(world, member, step))


def _swizzle(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    """Stop a random subset of links one by one, and restore them in another order."""
    chance = Random(f"{step.amount} {step.count}")
    chosen = [other for other in world.members.values() if chance.random() < 0.6]
    chance.shuffle(chosen)
    for place, other in enumerate(chosen):
        world.later(0.3 * place, lambda life=other.life: world.network.half_open(life))  # type: ignore[misc]  # each its own
    chance.shuffle(chosen)
    for place, other in enumerate(chosen):
        world.later(4.0 + 0.7 * place, lambda other=other: _clear(world, other, step))  # type: ignore[misc]  # each its own


def _blackout(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    for other in world.members.values():
        _refuse(world, other, step)
    world.network.cut()


def _half_open(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    if step.count % 2:
        _lose(Direction.BOTH)(world, member, step)
    else:  # as a partition, which the member's own weather does not end
        world.network.partition(member.life, world.url)
        world.later(SPELL_SECONDS * step.amount, world.network.heal)


# -- machines ------------------------------------------------------------------------------------------------------------------


def _hub_restart(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    if world.place.is_running:
        world.start(world.restart_hub(RETURN_SECONDS * step.amount, forget_log=step.count % 2 == 0))


def _hub_drain(world: DrivenWorld, member: DrivenMember, step: Step) -> None:
    async def drain() -> None:
        try:
            await world.place.hub.drain(5.0 * step.amount)
        except HubClosed:
            return
        await world.restart_hub(0.0, forget_log=step.count % 2 == 0)

    if world.place.is_running:
        world.start(drain())


_ACTS: Final[dict[Act, Perform]] = {
    Act.SIGNALS: _signals,
    Act.FLOOD: _flood,
    Act.WHISPER: _whisper,
    Act.SERVER_SIGNAL: _server_signal,
    Act.CANCEL: lambda world, member, step: member.cancel(step.count),
    Act.PUBLISH: lambda world, member, step: member.publish(STREAMS[step.count % 2]),
    Act.UNPUBLISH: lambda world, member, step: member.unpublish(),
    Act.MUTE: _mute,
    Act.LEAVE: lambda world, member, step: member.leave(),
    Act.CONNECT: lambda world, member, step: member.connect(),
    Act.HURRY: lambda world, member, step: member.session.reconnect_now(),
    Act.FORCE: lambda world, member, step: member.session.reconnect_now(force=True),
    Act.KICK: _kick,
    Act.CUT: lambda world, member, step: world.network.cut(member.life),
    Act.FUSE: _fuse,
    Act.HALF_OPEN: _half_open,
    Act.DEAF: _lose(Direction.TO_HUB),
    Act.MUTED: _lose(Direction.FROM_HUB),
    Act.SLOW: _slow,
    Act.STALL: _stall,
    Act.REFUSE: _refuse,
    Act.HANG: _hang,
    Act.CLEAR: _clear,
    Act.SWIZZLE: _swizzle,
    Act.BLACKOUT: _blackout,
    Act.SLEEP: lambda world, member, step: world.clock.suspend(LONGEST_SLEEP * step.amount),
    Act.CRASH: lambda world, member, step: world.crash(member.name),
    Act.HUB_PAUSE: lambda world, member, step: world.clock.pause(8.0 * step.amount),
    Act.HUB_CUT: lambda world, member, step: world.network.cut(),
    Act.HUB_RESTART: _hub_restart,
    Act.HUB_DRAIN: _hub_drain,
    Act.WALL_STEP: lambda world, member, step: world.clock.step_wall(WALL_STEPS[step.count % len(WALL_STEPS)]),
}


async def heal(world: DrivenWorld) -> None:
    """All faults stop: the network is well for everybody who lives, and the hub is there."""
    world.healed = True
    for member in world.members.values():
        world.network.restore(member.life)
        member.line.fuses.clear()
    world.network.heal()
    await asyncio.sleep(RETURN_SECONDS)  # a hub that is on its way back is back, and spells that were begun are over
    await world.start_hub()
