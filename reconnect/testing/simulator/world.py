"""A world: members, a hub, the network between them, one clock, one source of chance, and the history of it all.

Everything in it is real but the sockets and the event loop: session cores and hub core, charts, outboxes, retry policy, audit.
All of it follows from a seed: each part draws from a source of its own that is named, so one more draw in one place changes
nothing in another. No clock, no socket and no other chance is asked for anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Final

from reconnect.audit import TeeSink
from reconnect.chart import Statechart, load_chart
from reconnect.core.bounds import OutboxBounds, Overflow
from reconnect.core.durable import DurableOutbox
from reconnect.core.hub.inputs import Bearer
from reconnect.core.hub.settings import HubSettings
from reconnect.core.notices import Notice, Outcome, Reconnected, Reconnecting
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.ports import AuditSink
from reconnect.reasons import OutcomeStatus, Reason
from reconnect.retry import RetryPolicy
from reconnect.store import MemorySessionLog
from reconnect.testing.history import Ended, History
from reconnect.testing.simulator.disk import SimulatedDisk
from reconnect.testing.simulator.hub import SimulatedHub
from reconnect.testing.simulator.journal import Journals
from reconnect.testing.simulator.network import Network
from reconnect.testing.simulator.party import Party
from reconnect.testing.simulator.quirks import Quirk, draw_quirks
from reconnect.testing.simulator.story import Story
from reconnect.testing.simulator.timeline import Timeline
from reconnect.testing.violations import Broken, Violation

CHARTS: Final = ("session", "publisher", "subscriber", "signal", "member")
NAMES: Final = (
    "anna", "ben", "carla", "dora", "emil", "fred", "gina", "hans", "ines", "jon", "kim", "leo", "mia", "nils", "olga", "paul",
    "quin", "rosa", "sven", "tina",
)  # fmt: skip
TOKEN_SECONDS: Final = 1.0  # of the time of day, for a short token
INPUTS_EVERY: Final = 8  # seeds, of which one has its inputs written down as well
SYNC_SECONDS: Final = 0.5  # of a slow disk
FAILING_SYNCS: Final = 1 / 8  # of a disk that fails


@cache
def shipped_charts() -> Mapping[str, Statechart]:
    """Return the charts that a world runs on, unless it is given others."""
    return {name: load_chart(name) for name in CHARTS}


def hub_settings(quirks: frozenset[Quirk], chance: Random) -> HubSettings:
    """Return the settings of a hub with these quirks."""
    rare = Quirk.RARE_PINGS in quirks
    return HubSettings(
        grace_seconds=2.0 if Quirk.SHORT_GRACE in quirks else chance.choice((8.0, 20.0, 60.0)),
        log_signals=chance.randint(3, 8) if Quirk.TINY_LOG in quirks else chance.choice((20, 100, 1_000)),
        window=chance.randint(2, 4) if Quirk.TINY_WINDOW in quirks else chance.choice((8, 32, 256)),
        ping_seconds=8.0 if rare else 2.0,
        silence_seconds=20.0 if rare else 6.0,
    )


class World:
    """One seed's world, before anything happened in it."""

    session: Final = "room"

    def __init__(
        self,
        seed: int,
        members: int,
        *,
        charts: Mapping[str, Statechart] | None = None,
        quirks: frozenset[Quirk] | None = None,
        settings: HubSettings | None = None,
        keep: bool = False,
        audit: Callable[[str], AuditSink] | None = None,
    ) -> None:
        self.seed = seed
        self.charts = charts or shipped_charts()
        self.charts_of_a_session = {name: chart for name, chart in self.charts.items() if name != "member"}
        self.quirks = draw_quirks(self.chance("quirks")) if quirks is None else quirks
        self.settings = settings or hub_settings(self.quirks, self.chance("settings"))
        self.hits: Counter[Quirk] = Counter()
        self.found: list[Violation] = []
        self.outages = 0
        self.signals: Counter[OutcomeStatus] = Counter()
        self.healed = False
        self.step = 0  # of the plan: the one that is being done
        self.timeline = Timeline(coarse=Quirk.COARSE_CLOCK in self.quirks)
        self.history = History()
        # A journal of what is fed costs as much as all the rest; what it adds is the same for every seed.
        self.journals = Journals(keep=keep, takes_inputs=seed % INPUTS_EVERY == 0)
        self._audit = audit
        self.story = Story(self.timeline) if keep else None
        self.network = Network(self.timeline, self.chance("network"), self.quirks, self.hit)
        self.stable_after = 1.0 if Quirk.SHORT_STABLE in self.quirks else 10.0
        self.policy = RetryPolicy(give_up_after_seconds=None, stable_after_seconds=self.stable_after)
        self._bounds = self._draw_bounds(self.chance("bounds"))
        self._epochs = 0
        self._lives: Counter[str] = Counter()
        self.disks: dict[str, SimulatedDisk] = {}
        self.highest: Counter[str] = Counter()  # serial that each sender gave
        self.log = MemorySessionLog(epoch=self._epoch)
        self.hub: SimulatedHub | None = SimulatedHub(self, 1)
        self._hub_lives = 1
        self.parties = {name: self._born(name) for name in NAMES[:members]}

    def __repr__(self) -> str:
        states = " ".join(f"{name}={party.core.state}" for name, party in self.parties.items())
        return f"<World {self.seed} {self.now:.2f} {states}>"

    # -- what parts ask for ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The instant."""
        return self.timeline.time

    def chance(self, name: str) -> Random:
        """Return the source of chance of one part."""
        return Random(f"{name} of {self.seed}")

    def has(self, quirk: Quirk) -> bool:
        """True if this world is unusual in this way."""
        return quirk in self.quirks

    def sink(self, writer: str) -> AuditSink:
        """Return where the audit of one writer goes."""
        journal = self.journals.sink(writer)
        return journal if self._audit is None else TeeSink(journal, self._audit(writer))

    def hit(self, quirk: Quirk) -> None:
        """A quirk changed something."""
        self.hits[quirk] += 1

    def hit_if(self, quirk: Quirk, changed: bool) -> None:
        """A quirk changed something, where this world has it and that is what happened."""
        if changed and quirk in self.quirks:
            self.hits[quirk] += 1

    def make_core(self, sender: str) -> SessionCore:
        """Return the core of one member's process, with what its disk kept of those before it."""
        rows = self.disks[sender].crash()
        settings = SessionSettings(
            session=self.session,
            sender=sender,
            first_serial=1 + self.highest[sender],
            durable=self.has(Quirk.DURABLE),
            retry_initial=True,
            renewable=True,
            stable_after=self.stable_after,
            bounds=self._bounds,
        )
        charts = self.charts
        core = SessionCore(settings, session=charts["session"], publisher=charts["publisher"], subscriber=charts["subscriber"])
        if isinstance(core.at.outbox, DurableOutbox):
            core.at.outbox.restore(rows)
        return core

    def _draw_bounds(self, chance: Random) -> OutboxBounds:
        tiny = Quirk.TINY_OUTBOX in self.quirks
        return OutboxBounds(
            signals=6 if tiny else 1_000,
            in_flight=2 if Quirk.TINY_FLIGHT in self.quirks else chance.choice((16, 1_024)),
            overflow=chance.choice((Overflow.RAISE, Overflow.DROP_OLDEST, Overflow.DROP_NEWEST)),
        )

    def token(self) -> str:
        """Return a token, fetched now: the time of day until which it is good."""
        if not self.has(Quirk.SHORT_TOKENS) or self.healed:
            return ""
        return f"{self.timeline.wall() + TOKEN_SECONDS:.3f}"

    def bearer(self, name: str, token: str) -> Bearer:
        """Return whom a token speaks for, at this time of day."""
        expires_in = float(token) - self.timeline.wall() if token else None
        if expires_in is not None and expires_in <= 0:
            self.hit(Quirk.SHORT_TOKENS)
        return Bearer(
            client_id=f"id-{name}",
            session=self.session,
            role="moderator",
            expires_in=expires_in,
            expired=expires_in is not None and expires_in <= 0,
        )

    def is_stored(self, party: Party, serial: int) -> bool:
        """True if a member's store has confirmed this signal."""
        return self.disks[party.sender].is_stored(serial)

    def _disk(self, sender: str) -> SimulatedDisk:
        slow = SYNC_SECONDS if self.has(Quirk.SLOW_STORE) else 0.0
        chance = self.chance(f"{sender}'s failing disk")

        def fails() -> bool:
            failing = self.has(Quirk.DURABLE) and self.has(Quirk.FAILING_DISK) and not self.healed
            if not failing or chance.random() >= FAILING_SYNCS:
                return False
            self.hit(Quirk.FAILING_DISK)
            return True

        return SimulatedDisk(self.timeline, self.chance(f"{sender}'s disk"), sync_seconds=slow, fails=fails)

    # -- what parts tell ---------------------------------------------------------------------------------------------------------

    def report(self, broken: Broken, who: str, detail: str) -> None:
        """A promise is broken."""
        self.found.append(Violation(broken=broken, who=who, detail=detail, at=self.now))
        if self.story is not None:
            self.story.broke(self.found[-1])

    def crashed(self, who: str, error: Exception) -> None:
        """A machine raised."""
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f" in {place.tb_frame.f_code.co_name}, line {place.tb_lineno}" if place is not None else ""
        self.report(Broken.CRASHED, who, f"{type(error).__name__}: {error}{where}")

    def told(self, party: Party, notice: Notice) -> None:
        """A member was told something."""
        if isinstance(notice, Reconnecting):
            self.outages += 1
            self.hit_if(Quirk.RARE_PINGS, notice.reason is Reason.SILENT)
        elif isinstance(notice, Reconnected):
            self.hit_if(Quirk.TINY_LOG, notice.resumed and notice.gap is not None)
        if self.story is not None:
            self.story.told(party.life, notice)

    def settled(self, party: Party, serial: int, outcome: Outcome) -> None:
        """A signal has its outcome; one that goes on from disk will have another, which is counted then."""
        self.signals[outcome.status] += not outcome.stored
        if self.story is not None:
            self.story.settled(party.life, serial, outcome)

    # -- processes ---------------------------------------------------------------------------------------------------------------

    def hub_to_reach(self) -> SimulatedHub | None:
        """Return the hub that a dial reaches now."""
        return None if self.network.dark else self.hub

    def restart_hub(self, *, forget_log: bool) -> None:
        """The hub dies, and another life of it begins."""
        self.stop_hub()
        if forget_log:
            self.log = MemorySessionLog(epoch=self._epoch)
        self.start_hub()

    def restart_hub_if(self, hub: SimulatedHub, forget_log: bool) -> None:
        """Restart the hub, unless it is another one by now."""
        if self.hub is hub:
            self.restart_hub(forget_log=forget_log)

    def stop_hub(self) -> None:
        """The hub dies."""
        if self.hub is not None:
            self.hub.kill()
        self.hub = None

    def start_hub(self) -> None:
        """A life of the hub begins."""
        self._hub_lives += 1
        self.hub = SimulatedHub(self, self._hub_lives)

    def crash(self, name: str) -> None:
        """A member's process is killed, and starts again with an outbox of its own."""
        party = self.parties[name]
        party.kill()
        kept = frozenset(row.serial for row in self.disks[party.sender].crash()) if self.has(Quirk.DURABLE) else frozenset()
        self.hit_if(Quirk.DURABLE, bool(kept))
        self.history.note(Ended(at=self.now, who=party.life, sender=party.sender, kept=kept))
        self.parties[name] = self._born(name)
        self.parties[name].connect()

    def _born(self, name: str) -> Party:
        self._lives[name] += 1
        life = name if self._lives[name] == 1 else f"{name}.{self._lives[name]}"
        sender = name if self.has(Quirk.DURABLE) else life
        if sender not in self.disks:
            self.disks[sender] = self._disk(sender)
        return Party(self, name, life, sender)

    def _epoch(self) -> str:
        self._epochs += 1
        return f"e{self._epochs}"
