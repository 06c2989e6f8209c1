"""A driven world: real sessions and a real hub, the network between them, one clock, one source of chance, and its history.

Everything runs on one virtual event loop whose order follows the seed (`reconnect.testing.shuffling`). Each part draws from a
source of its own that is named, so one more draw in one place changes nothing in another. No clock, no socket and no other
chance is asked for anything.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any, Final

from reconnect.auth import TokenAuthenticator
from reconnect.core.frames import Entry, EntryKind, Join
from reconnect.ports import Appended, AuditSink, Principal
from reconnect.reasons import OutcomeStatus
from reconnect.store import MemorySessionLog
from reconnect.testing.clock import FakeClock
from reconnect.testing.driven.member import DrivenMember
from reconnect.testing.driven.quirks import DriverQuirk, draw_quirks
from reconnect.testing.history import Ended, Fate, History, Logged, Settled, Submitted, author
from reconnect.testing.hubs import SECRET, MemoryHub
from reconnect.testing.network import MemoryNetwork
from reconnect.testing.simulator.journal import Journals
from reconnect.testing.simulator.story import Story
from reconnect.testing.simulator.world import NAMES
from reconnect.testing.violations import Broken, Violation

SLOW_SECONDS: Final = 1.5  # what a slow log or authenticator takes at most


class NotedLog(MemorySessionLog):
    """A log in memory; what it takes is the truth that receipts and members are held to."""

    def __init__(self, world: DrivenWorld) -> None:
        super().__init__(epoch=world.next_epoch)
        self._world = world
        self._free_at = 0.0

    def append(self, session: str, entries: Sequence[Entry], done: Callable[[Appended | Exception], None]) -> None:
        """Take the entries now, and answer now or later, in order."""

        def taken(answer: Appended | Exception) -> None:
            if isinstance(answer, Appended):
                self._note(answer)
            if not self._world.has(DriverQuirk.SLOW_LOG):
                done(answer)
                return
            self._world.hit(DriverQuirk.SLOW_LOG)
            loop = asyncio.get_running_loop()
            self._free_at = max(loop.time(), self._free_at) + self._world.dice.uniform(0.0, SLOW_SECONDS / 10)
            loop.call_at(self._free_at, done, answer)

        super().append(session, entries, taken)

    def _note(self, answer: Appended) -> None:
        world, epoch = self._world, answer.epoch
        for entry in answer.entries:
            if entry.what is not EntryKind.SIGNAL:
                continue
            sender, serial = author(entry.sender, entry.serial, epoch, entry.position)
            if entry.sender is None:
                world.history.note(Submitted(at=world.now, who=sender, serial=serial))
                world.history.note(Settled(at=world.now, who=sender, serial=serial, fate=Fate.OK))
            world.history.note(
                Logged(
                    at=world.now,
                    epoch=epoch,
                    position=entry.position,
                    sender=sender,
                    serial=serial,
                    to=entry.to,
                    life=world.hub_lives,
                    repeat=entry.repeat,
                )
            )


class DrivenSink:
    """One writer's way to the journals; a report that a chart refused is a violation (ports.AuditSink)."""

    def __init__(self, world: DrivenWorld, writer: str, journal: AuditSink) -> None:
        self._world, self._writer, self._journal = world, writer, journal

    def write(self, record: dict[str, Any]) -> None:
        """Take one record."""
        self._journal.write(record)
        if record.get("verdict") == "refused" and record.get("event") != "connect_requested":
            detail = f"{record.get('chart')} refused {record.get('event')} in {record.get('from')}"
            self._world.report(Broken.REFUSED_REPORT, self._writer, detail)

    def close(self) -> None:
        """Nothing is open."""


class DrivenWorld:
    """One seed's world; make it on the loop on which it runs."""

    session: Final = "room"

    def __init__(
        self, seed: int, members: int, clock: FakeClock, *, quirks: frozenset[DriverQuirk] | None = None, keep: bool = False
    ) -> None:
        self.seed, self.clock = seed, clock
        self.story = Story(clock) if keep else None
        self.quirks = draw_quirks(self.chance("quirks")) if quirks is None else quirks
        self.dice = self.chance("dice")
        self.network = MemoryNetwork(seed=seed)
        self.history = History()
        self.journals = Journals()
        self.hits: Counter[DriverQuirk] = Counter()
        self.signals: Counter[OutcomeStatus] = Counter()
        self.found: list[Violation] = []
        self.outages = self.hub_lives = 0
        self.healed = False
        self._epochs = 0
        self._lives: Counter[str] = Counter()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._authenticator = TokenAuthenticator(SECRET, wall=clock.wall)
        self._forget()
        self.place = MemoryHub(self.network, clock, session=self.session, seed=seed, **self._hub_options())
        self.url = self.place.url
        self.members = {name: self._born(name) for name in NAMES[:members]}
        self.all_members = list(self.members.values())

    def __repr__(self) -> str:
        states = " ".join(f"{name}={member.session.state}" for name, member in self.members.items())
        return f"<DrivenWorld {self.seed} {self.now:.2f} {states}>"

    # -- what parts ask for ----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The instant."""
        return self.clock.now()

    def chance(self, name: str) -> Random:
        """Return the source of chance of one part."""
        return Random(f"{name} of {self.seed}")

    def has(self, quirk: DriverQuirk) -> bool:
        """True if this world is unusual in this way."""
        return quirk in self.quirks

    def hit(self, quirk: DriverQuirk) -> None:
        """A quirk changed something."""
        self.hits[quirk] += quirk in self.quirks

    def hit_if(self, quirk: DriverQuirk, changed: bool) -> None:
        """A quirk changed something, where that is what happened."""
        if changed:
            self.hit(quirk)

    def sink(self, writer: str) -> AuditSink:
        """Return the audit sink of one writer."""
        return DrivenSink(self, writer, self.journals.sink(writer))

    def token(self, name: str) -> str:
        """Return a token, made at this time of day."""
        return self.place.token(name, role="moderator")

    def next_epoch(self) -> str:
        """Return a name for a life of the log."""
        self._epochs += 1
        return f"e{self._epochs}"

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something happen beside everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._over)

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        """Make a call in so many seconds, whatever happens meanwhile."""
        asyncio.get_running_loop().call_later(seconds, call)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report(Broken.CRASHED, "a call", f"{type(error).__name__}: {error}")

    async def tasks_over(self, seconds: float) -> int:
        """Wait so long for what was started; return how much of it goes on, and end that."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        return len(left)

    # -- what parts tell -------------------------------------------------------------------------------------------------------

    def report(self, broken: Broken, who: str, detail: str) -> None:
        """A promise is broken."""
        self.found.append(Violation(broken=broken, who=who, detail=detail, at=self.now))
        if self.story is not None:
            self.story.broke(self.found[-1])

    def complained(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop has something to say: a callback or a task raised what nobody took."""
        error = context.get("exception")
        self.report(Broken.CRASHED, "the loop", f"{context.get('message')}: {type(error).__name__}: {error}")

    # -- the hub ---------------------------------------------------------------------------------------------------------------

    def _hub_options(self) -> dict[str, Any]:
        chance, tiny = self.chance("settings"), self.has(DriverQuirk.TINY_LOG)
        return {
            "authenticator": self._who,
            "audit": self.sink("hub"),
            "log": _Current(self),
            "grace_seconds": 2.0 if self.has(DriverQuirk.SHORT_GRACE) else chance.choice((8.0, 20.0, 60.0)),
            "log_signals": chance.randint(3, 8) if tiny else chance.choice((20, 100, 1_000)),
            "window": chance.randint(2, 4) if tiny else chance.choice((8, 32, 256)),
        }

    async def _who(self, join: Join) -> Principal:
        if self.has(DriverQuirk.SLOW_AUTHENTICATOR) and not self.healed:
            self.hit(DriverQuirk.SLOW_AUTHENTICATOR)
            await asyncio.sleep(self.dice.uniform(0.0, SLOW_SECONDS))
        return await self._authenticator(join)

    def _forget(self) -> None:
        self.log = NotedLog(self)

    async def start_hub(self) -> None:
        """A life of the hub begins."""
        if not self.place.is_running:
            self.hub_lives += 1
            await self.place.start()

    async def restart_hub(self, seconds: float, *, forget_log: bool) -> None:
        """The hub dies, and is back after so many seconds, remembering nobody; its log may have outlived it."""
        await self.place.kill()
        if forget_log:
            self._forget()
        await asyncio.sleep(seconds)
        await self.start_hub()

    # -- processes -------------------------------------------------------------------------------------------------------------

    def crash(self, name: str) -> None:
        """A member's process is killed, and starts again with an outbox of its own."""
        self.members[name].kill()
        self.history.note(Ended(at=self.now, who=self.members[name].life))
        member = self.members[name] = self._born(name)
        self.all_members.append(member)
        member.connect()

    def _born(self, name: str) -> DrivenMember:
        self._lives[name] += 1
        life = name if self._lives[name] == 1 else f"{name}.{self._lives[name]}"
        if self.has(DriverQuirk.JITTER):
            self.hit(DriverQuirk.JITTER)
            self.network.jitter(0.3, life)
        if self.has(DriverQuirk.ROUGH_FRAMES):
            self.hit(DriverQuirk.ROUGH_FRAMES)
            self.network.duplicate(0.3, life)
            self.network.reorder(0.3, life)
        return DrivenMember(self, name, life)


class _Current:
    """The log that there is now, whichever life of it (ports.SessionLog)."""

    def __init__(self, world: DrivenWorld) -> None:
        self._world = world

    def append(self, session: str, entries: Sequence[Entry], done: Callable[[Appended | Exception], None]) -> None:
        """Put entries behind the last."""
        self._world.log.append(session, entries, done)

    def forget(self, session: str) -> None:
        """End this life of a session's log."""
        self._world.log.forget(session)
