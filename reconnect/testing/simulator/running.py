"""One seed, from the first connect() to the last leave: the plan, the healing, the roll-call, and what broke.

    simulation = simulate(7)
    assert simulation.violations == ()

A run has five acts. Everybody connects; the plan is performed; the faults stop, and within the longest back-off and PATIENCE
everybody must be back and have no signal left without an outcome; a roll-call goes through, and when every grace is over,
everybody lists everybody; all leave, and nothing may be left of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from reconnect import limits
from reconnect.chart import Statechart
from reconnect.core.hub.settings import HubSettings
from reconnect.errors import BadArgument
from reconnect.ports import AuditSink
from reconnect.record import Record
from reconnect.testing.checking import check_history
from reconnect.testing.history import Kept, Listed
from reconnect.testing.simulator.faults import heal, perform
from reconnect.testing.simulator.party import Party
from reconnect.testing.simulator.plan import STEPS, Step, draw_plan
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.story import Line
from reconnect.testing.simulator.timeline import TimeStands
from reconnect.testing.simulator.world import NAMES, World
from reconnect.testing.violations import Broken, Violation

PATIENCE: Final = 30.0  # seconds beyond the longest back-off, after the faults stopped
MEMBERS: Final = (5, 5, 5, 6, 6, 7, 8)  # how many a seed has, unless it is told


class Simulation(Record, kw_only=True):
    """What one run came to. `digest` is that of all journals; `lines` tell it as a story, where that was asked for."""

    seed: int
    members: int
    steps: int
    outages: int
    signals: int
    outcomes: Mapping[str, int]
    violations: tuple[Violation, ...]
    digest: str
    seconds: float  # simulated
    hits: Mapping[Quirk, int]
    boundaries: frozenset[tuple[str, str, str]]  # behind which frame, and before which, links were cut
    lines: tuple[Line, ...] = ()


def simulate(
    seed: int,
    *,
    clients: int | None = None,
    steps: int = STEPS,
    story: bool = False,
    charts: Mapping[str, Statechart] | None = None,
    quirks: frozenset[Quirk] | None = None,
    hub: HubSettings | None = None,
    plan: tuple[Step, ...] | None = None,
    audit: Callable[[str], AuditSink] | None = None,
) -> Simulation:
    """Run one seed through the simulator and return what it came to; the same seed always comes to the same.

    `clients` members (5 to 8 by the seed) go through the first `steps` steps of the seed's plan. A world of your own is made with
    `charts`, `quirks`, `hub` settings or a `plan`; `audit` makes a sink for the journal of each writer. Nothing real is waited
    for: an hour takes a moment.
    """
    members = MEMBERS[seed % len(MEMBERS)] if clients is None else clients
    if not 1 <= members <= len(NAMES):
        raise BadArgument(f"clients is {clients!r}; a world has 1 to {len(NAMES)} members")
    world = World(seed, members, charts=charts, quirks=quirks, settings=hub, keep=story, audit=audit)
    planned = draw_plan(world.chance("plan"), members, steps) if plan is None else plan[:steps]
    began = world.now
    try:
        _play(world, planned)
    except TimeStands as stands:
        world.report(Broken.STUCK, "everybody", str(stands))
    return Simulation(
        seed=seed,
        members=members,
        steps=len(planned),
        outages=world.outages,
        signals=sum(world.signals.values()),
        outcomes={str(status): count for status, count in sorted(world.signals.items())},
        violations=tuple(world.found),
        digest=world.journals.digest,
        seconds=world.now - began,
        hits=dict(world.hits),
        boundaries=frozenset((str(way), before, after) for way, before, after in world.network.boundaries),
        lines=tuple(world.story.lines) if world.story is not None else (),
    )


def _play(world: World, plan: tuple[Step, ...]) -> None:
    for party in world.parties.values():
        party.connect()
    world.timeline.run(0.5)
    for number, step in enumerate(plan, 1):
        world.step = number
        world.timeline.run(step.wait)
        perform(world, step)
        if world.found:
            return
    _recover(world)
    if not world.found:
        _call_the_roll(world)
    if not world.found:
        _leave(world)


def _recover(world: World) -> None:
    """The faults stop: within the longest back-off and some patience everybody is back, and no signal waits any more."""
    if world.story is not None:
        world.story.say("network", "> the faults stop")
    heal(world)
    _settle(world)
    _return_all(world)


def _settle(world: World) -> None:
    """Let everybody come to rest, and report who does not in time; what was late and got well later was late all the same."""
    patience = limits.LONGEST_WAIT_SECONDS + PATIENCE
    world.timeline.run_until(lambda: all(map(partial(_is_at_rest, world), world.parties.values())), patience)
    for party in world.parties.values():
        core = party.core
        if core.role not in ("online", "offline"):
            world.report(Broken.STUCK, party.life, f"{patience:g} s after the faults stopped it is {core.state}")
        elif not _is_at_rest(world, party):
            world.report(
                Broken.STUCK, party.life, f"{core.at.outbox.pending} signals wait {patience:g} s after the faults stopped"
            )


def _is_at_rest(world: World, party: Party) -> bool:
    return (
        party.machine.awake
        and party.core.role in ("online", "offline")
        and (not party.core.at.outbox.pending or _is_kept(world, party))
    )


def _is_kept(world: World, party: Party) -> bool:
    """True if what waits at a member waits on its disk, until it connects again."""
    return world.has(Quirk.DURABLE) and party.core.role == "offline"


def _return_all(world: World) -> None:
    """Who had left comes back; who was removed a short while ago may be sent away again, for good."""
    for party in world.parties.values():
        party.connect()
    _settle(world)


def _call_the_roll(world: World) -> None:
    """Everybody says a word, to everybody; then every grace runs out, and who is there lists who is there."""
    present = [party for party in world.parties.values() if party.core.role == "online"]
    for party in present:
        party.signal()
    world.timeline.run(world.settings.grace_seconds + 2 * world.settings.silence_seconds + 10.0)
    _return_all(world)
    world.timeline.run(5.0)
    for party in world.parties.values():
        core = party.core
        for serial in core.at.outbox.serials() if _is_kept(world, party) else ():
            world.history.note(Kept(at=world.now, who=party.sender, serial=serial))
        if core.role == "online" and core.at.connection is not None:
            publishes = [one.stream.id for one in core.at.wants.all if one.want.publish is not None and one.stream is not None]
            world.history.note(
                Listed(
                    at=world.now,
                    who=party.life,
                    connection=core.at.connection,
                    members=frozenset(core.at.roster.members),
                    streams=frozenset(core.at.roster.streams),
                    publishes=frozenset(publishes),
                )
            )
            _look_at(world, party.life, [m.connection for m in core.at.roster.members.values() if m.away], "still away")
            waiting = [one.want.key for one in core.at.wants.all if one.role != "live" or one.interruptions]
            _look_at(world, party.life, waiting, "not live in the end")
    world.found += check_history(world.history)


def _look_at(world: World, who: str, names: list[str], problem: str) -> None:
    for name in names:
        world.report(Broken.GHOST, who, f"{name} is {problem}")


def _leave(world: World) -> None:
    """All leave: no machine wants anything any more, and the hub keeps nothing of them."""
    for party in world.parties.values():
        party.leave()
    kept = max(world.settings.grace_seconds, world.settings.log_seconds)
    world.timeline.run(limits.CLOSE_TIMEOUT_SECONDS + kept * 1.5 + 10.0)
    for party in world.parties.values():
        waits = party.core.wake_at() is not None and not _is_kept(world, party)
        if party.core.role != "offline" or waits:
            world.report(Broken.LEFT_OVER, party.life, f"it left, and is {party.core.state}")
    if world.hub is not None:
        numbers = world.hub.core.statistics()
        if numbers.members or numbers.links or numbers.sessions or world.hub.core.wake_at() is not None:
            held = f"{numbers.members} members, {numbers.links} links, {numbers.sessions} sessions"
            world.report(Broken.LEFT_OVER, "hub", f"everybody left, and it holds {held}, due {world.hub.core.wake_at()}")
    if len(world.network.wires) > 0:
        world.report(Broken.LEFT_OVER, "network", f"{len(world.network.wires)} wires are open")
