"""One seed of the thorough simulator, from the first connect() to the last leave.

    run = simulate_driver(7)
    assert run.violations == ()

The acts are those of `reconnect.testing.simulator`: everybody connects; the plan is performed; the faults stop, and within the
longest back-off and PATIENCE everybody must be back and have no signal without an outcome; everybody lists everybody; all leave,
and nothing may be left of them: no task, no timer, no link. It checks
less of each turn than the pure simulator, and finds what only a driver can do wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from reconnect import limits
from reconnect.errors import BadArgument
from reconnect.record import Record
from reconnect.testing.checking import check_history
from reconnect.testing.clock import FakeClock, run
from reconnect.testing.driven.acts import SPELL_SECONDS, heal, perform
from reconnect.testing.driven.member import DrivenMember
from reconnect.testing.driven.quirks import DriverQuirk
from reconnect.testing.driven.world import DrivenWorld
from reconnect.testing.history import Listed
from reconnect.testing.simulator.plan import STEPS, Step, draw_plan
from reconnect.testing.simulator.story import Line
from reconnect.testing.simulator.world import NAMES
from reconnect.testing.violations import Broken, Violation

PATIENCE: Final = 30.0  # seconds beyond the longest back-off, after the faults stopped
MEMBERS: Final = (3, 4, 5)  # how many a seed has, unless it is told
UNHEARD_OF: Final = ("protocol_errors", "holes", "failed_effects", "incomplete_entries", "malformed_stream_frames")


class DriverRun(Record, kw_only=True):
    """What one run came to. `digest` is that of all journals, `hits` says how often a quirk changed something."""

    seed: int
    members: int
    steps: int
    outages: int
    signals: int
    outcomes: Mapping[str, int]
    violations: tuple[Violation, ...]
    digest: str
    seconds: float  # simulated
    hits: Mapping[DriverQuirk, int]
    lines: tuple[Line, ...] = ()  # the run as a story, where that was asked for


def simulate_driver(
    seed: int,
    *,
    clients: int | None = None,
    steps: int = STEPS,
    story: bool = False,
    quirks: frozenset[DriverQuirk] | None = None,
    plan: tuple[Step, ...] | None = None,
) -> DriverRun:
    """Run one seed with real sessions and a real hub, on a loop whose order follows the seed; the same seed comes to the same.

    `clients` members (3 to 5 by the seed) go through the first `steps` steps of the seed's plan, or of a `plan` of your own.
    """
    members = MEMBERS[seed % len(MEMBERS)] if clients is None else clients
    if not 1 <= members <= len(NAMES):
        raise BadArgument(f"clients is {clients!r}; a world has 1 to {len(NAMES)} members")
    clock = FakeClock()

    async def whole() -> DriverRun:
        world = DrivenWorld(seed, members, clock, quirks=quirks, keep=story)
        asyncio.get_running_loop().set_exception_handler(world.complained)
        planned = draw_plan(world.chance("plan"), members, steps) if plan is None else plan[:steps]
        began = clock.now()
        try:
            await _play(world, planned)
        except Exception as error:  # whatever it is, a machine that raises is what a simulator is there to find
            world.report(Broken.CRASHED, "the hub", f"{type(error).__name__}: {error}")
        return DriverRun(
            seed=seed,
            members=members,
            steps=len(planned),
            outages=world.outages,
            signals=sum(world.signals.values()),
            outcomes={str(status): count for status, count in sorted(world.signals.items())},
            violations=tuple(world.found),
            digest=world.journals.digest,
            seconds=clock.now() - began,
            hits=dict(world.hits),
            lines=tuple(world.story.lines) if world.story is not None else (),
        )

    log = logging.getLogger("reconnect")
    before, log.disabled = log.disabled, True  # observers raise by design here; what matters is told as a violation
    try:
        return run(whole(), clock, seed=seed)
    finally:
        log.disabled = before


async def _play(world: DrivenWorld, plan: tuple[Step, ...]) -> None:
    await world.start_hub()
    for member in world.members.values():
        member.connect()
    await world.clock.advance(0.5)
    for step in plan:
        await asyncio.sleep(step.wait)
        perform(world, step)
    await _recover(world)
    await _call_the_roll(world)
    await _leave(world)
    world.found += check_history(world.history)


async def _recover(world: DrivenWorld) -> None:
    """The faults stop: within the longest back-off and some patience everybody is back, and no signal waits any more."""
    await asyncio.sleep(SPELL_SECONDS)
    await heal(world)
    if world.story is not None:
        world.story.say("network", "> the faults stop")
    await _settle(world)
    for member in world.members.values():
        member.connect()
    await _settle(world)


async def _settle(world: DrivenWorld) -> None:
    """Let everybody come to rest, and report who does not in time; what was late and got well later was late all the same."""
    patience = limits.LONGEST_WAIT_SECONDS + PATIENCE
    for _ in range(int(2 * patience)):
        if all(map(_is_settled, world.members.values())):
            return
        await asyncio.sleep(0.5)
    for member in world.members.values():
        if member.session.role not in ("online", "offline"):
            world.report(Broken.STUCK, member.life, f"{patience:g} s after the faults stopped it is {member.session!r}")
        elif pending := member.session.statistics().pending:
            world.report(Broken.STUCK, member.life, f"{pending} signals wait {patience:g} s after the faults stopped")


def _is_settled(member: DrivenMember) -> bool:
    return member.session.role in ("online", "offline") and not member.session.statistics().pending


async def _call_the_roll(world: DrivenWorld) -> None:
    """Everybody says a word, to everybody; then every grace runs out, and who is there lists who is there."""
    for member in world.members.values():
        member.signal()
    await asyncio.sleep(60.0 + 2 * limits.SILENCE_SECONDS + 10.0)
    for member in world.members.values():
        session = member.session
        if session.role == "online" and session.connection is not None:
            publishes = (publisher.stream for publisher in member.publishers if publisher.state == "live")
            world.history.note(
                Listed(
                    at=world.now,
                    who=member.life,
                    connection=session.connection,
                    members=frozenset(other.connection for other in session.members),
                    streams=frozenset(stream.id for stream in session.streams),
                    publishes=frozenset(stream.id for stream in publishes if stream is not None),
                )
            )
            for other in session.members:
                if other.away:
                    world.report(Broken.GHOST, member.life, f"{other.connection} is still away")


async def _leave(world: DrivenWorld) -> None:
    """All leave and the hub stops: nothing of them runs, waits or is open any more."""
    for member in world.all_members:
        member.leave()
    left = await world.tasks_over(60.0)
    if left:
        world.report(Broken.LEFT_OVER, "everybody", f"{left} calls are under way 60 s after all left")
    for member in world.all_members:
        statistics = member.session.statistics()
        if statistics.pending or statistics.submitted != sum(statistics.outcomes.values()):
            world.report(Broken.UNBALANCED, member.life, f"{statistics}")
        for count in UNHEARD_OF:
            if statistics.counts.get(count):
                world.report(Broken.PROTOCOL, member.life, f"{statistics.counts[count]} {count}")
    numbers = world.place.hub.statistics()
    if numbers.links:
        world.report(Broken.LEFT_OVER, "hub", f"everybody left, and it holds {numbers.links} links")
    await world.place.stop()
    await world.clock.advance(2 * limits.CLOSE_TIMEOUT_SECONDS + 1_000.0)
    tasks = sorted(task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task())
    if tasks or world.clock.timers or world.network.links:
        detail = f"tasks {tasks}, {len(world.clock.timers)} timers, {len(world.network.links)} links"
        world.report(Broken.LEFT_OVER, "everybody", detail)
