"""The stage on which stories are told: a hub, members, the network between them, and time.

    @story(Stage)
    async def test_a_signal_reaches_everyone(stage: Stage) -> None:
        anna, ben = await stage.enter("anna"), await stage.enter("ben")
        anna.session.signal("hello")
        await stage.until(lambda: ben.heard == ["hello"])

Most stories run in virtual time over a network in memory. When one is over, everybody leaves, and then it is checked what holds
in every story: public events follow their grammar, signals submitted are the sum of all outcomes, no receipt is pending, no
report was refused, nobody's observer failed, and nothing is left running or due. A story in which one of these is to happen says
so in `allowed`.

A story names states and events of the session's chart by `named()`: it is also told on a chart with other names for them.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from random import Random
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import reconnect
from reconnect.audit import MemorySink
from reconnect.core.frames import ResumeClaim
from reconnect.core.notices import SESSION_NOTICES, Notice, Signal, SignalReceived
from reconnect.ports import Clock, Dialer
from reconnect.testing import FakeClock, MemoryNetwork, run
from reconnect.testing.network import Listener
from reconnect.testing.scripted import HubEnd, MemberEnd, follow
from tests.stories.wire import Wire

P = ParamSpec("P")
T = TypeVar("T")
StageT = TypeVar("StageT", bound="Stage")

SECRET: Final = "a secret that only this stage and its hub know"
URL: Final = "ws://hub.test"
ROOM: Final = "room-1"
LONG: Final[dict[str, Any]] = {"lifetime_seconds": 30 * 86_400.0}  # no story is about tokens, but those that are
_LIFE = "connected (reconnecting reconnected )*(reconnecting )?"
GRAMMAR: Final = re.compile(f"({_LIFE}disconnected )*({_LIFE})?")
UNHEARD_OF: Final = (
    "refused_reports",
    "protocol_errors",
    "holes",
    "failed_observers",
    "failed_effects",
    "incomplete_entries",
)


class Member:
    """A session, everything it was told, and what travelled on its wire."""

    def __init__(self, stage: Stage, name: str, session: reconnect.Session, wire: Wire, audit: MemorySink) -> None:
        self.stage, self.name, self.session, self.wire, self.audit = stage, name, session, wire, audit
        self.events: list[Notice] = []
        self.receipts: list[reconnect.Receipt] = []
        self.allowed: set[str] = set()
        self._read: dict[str, int] = {}
        for kind in SESSION_NOTICES:
            session.on(kind.name, self._take)

    def __repr__(self) -> str:
        return f"<{self.name} {self.session!r} told {[event.name for event in self.events][-12:]}>"

    def _take(self, event: Notice) -> None:
        self.events.append(event)
        self.stage.changed.set()

    # -- what happened -----------------------------------------------------------------------------------------------------------

    def told(self, *names: str) -> list[Any]:
        """Return the events with one of these names, in order; all of them where none is named."""
        return [event for event in self.events if not names or event.name in names]

    @property
    def tale(self) -> list[str]:
        """The names of the events about coming and going, in order."""
        return [event.name for event in self.told("connected", "reconnecting", "reconnected", "disconnected")]

    @property
    def signals(self) -> list[Signal]:
        """The signals that arrived."""
        return [event.signal for event in self.events if isinstance(event, SignalReceived)]

    @property
    def heard(self) -> list[Any]:
        """The data of the signals that arrived."""
        return [signal.data for signal in self.signals]

    def heard_from(self, *others: Member) -> list[Any]:
        """Return the data of the signals that arrived from these members."""
        senders = {other.sender for other in others}
        return [signal.data for signal in self.signals if signal.sender in senders]

    @property
    def sender(self) -> str:
        """The random id of this member's outbox, as its joins say it."""
        return self.wire.joins[0].sender

    def claim(self, **changes: Any) -> ResumeClaim:
        """Return the claim that this member could make now, by what its last welcome gave it, with these changes."""
        welcome = self.wire.welcomes[-1]
        position = self.signals[-1].position if self.signals else welcome.position
        usual: dict[str, Any] = {
            "connection": welcome.connection,
            "secret": welcome.secret,
            "epoch": welcome.epoch,
            "position": position,
        }
        return ResumeClaim(**(usual | changes))

    @property
    def outcomes(self) -> list[str]:
        """How the signals sent with `signal` ended, `pending` where that is not known."""
        return [str(receipt.outcome.status) if receipt.outcome else "pending" for receipt in self.receipts]

    # -- what it does ------------------------------------------------------------------------------------------------------------

    def signal(self, data: Any = None, **options: Any) -> reconnect.Receipt:
        """Send a signal and keep its receipt."""
        receipt = self.session.signal(data, **options)
        self.receipts.append(receipt)
        return receipt

    async def next(self, name: str) -> Any:
        """Return the next event of this name that was not returned before."""
        await self.stage.until(lambda: len(self.told(name)) > self._read.get(name, 0), f"{self.name} was not told {name!r}")
        self._read[name] = self._read.get(name, 0) + 1
        return self.told(name)[self._read[name] - 1]

    async def back(self) -> Any:
        """Return the `reconnected` that ends the present outage."""
        return await self.next("reconnected")

    # -- what must hold in every story -------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Fail where a promise was broken that holds whatever happens."""
        assert GRAMMAR.fullmatch("".join(f"{name} " for name in self.tale)), f"{self.name} was told {self.tale}"
        statistics = self.session.statistics()
        assert statistics.submitted == sum(statistics.outcomes.values()) + statistics.pending, statistics
        if self.session.role == "offline":
            assert statistics.pending == 0, statistics
            assert "pending" not in self.outcomes, self.outcomes
        unexpected = {name: statistics.counts.get(name, 0) for name in UNHEARD_OF if name not in self.allowed}
        assert not any(unexpected.values()), f"{self.name}: {unexpected}"
        refused = [line for line in self.audit.records if line.get("verdict") == "refused"]
        assert not refused, refused
        for event in self.told("reconnecting", "attempt"):
            assert event.retry_in >= 0.0, event
            assert event.attempt >= 1, event


class Stage:
    """A hub and its members, in virtual time and over a network in memory."""

    url = URL
    patience = 300.0  # seconds, far above what any story needs; it only catches a hang
    glance = 0.25  # how often a condition is looked at that no event announces

    def __init__(self, **hub: Any) -> None:
        self.clock: Clock = FakeClock()
        self.network = MemoryNetwork()
        self.members: list[Member] = []
        self.changed = asyncio.Event()
        self.allowed: set[str] = set()
        self._hub_options = hub
        self.hub_audit = MemorySink()
        self._listener: Listener | None = None
        self._scripted: list[Listener] = []
        self._hubs = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- the hub -----------------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start a hub, another life of it where there was one before."""
        self._hubs += 1
        chance = Random(self._hubs)  # a seeded hub, so that every run of a story is the same
        options = {"secret": SECRET, "clock": self.clock, "random": chance, "audit": self.hub_audit, **self._hub_options}
        if "authenticator" in options:
            del options["secret"]
        self.hub = reconnect.Hub(**options)
        await self._listen()

    async def _listen(self) -> None:
        self._listener = self.network.listen(self.url, self.hub.attend)

    async def kill_hub(self) -> None:
        """End the hub without a word to anybody: every link is reset, and nobody answers any more."""
        if self._listener is not None:
            await self._listener.close()
            await self.hub.close()
        self._listener = None

    def script(self, attend: Callable[[HubEnd], Coroutine[Any, Any, None]], url: str = "ws://scripted.test") -> str:
        """Let a script be the hub at another address, which is returned."""
        self._scripted.append(self.network.listen(url, follow(attend)))
        return url

    async def close(self) -> None:
        """Let everybody leave, then end the hub."""
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        # A call may well fail in a story; what else goes wrong beside it is a mistake.
        mistakes = [end for end in ends if isinstance(end, Exception) and not isinstance(end, reconnect.ReconnectError)]
        assert not mistakes, mistakes
        for member in self.members:
            await member.session.disconnect()
        for listener in self._scripted:
            await listener.close()
        if self._listener is not None:
            await self.hub.close()
            await self._listener.close()

    # -- members -----------------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """The instant on the clock that everybody here goes by."""
        return self.clock.now()

    def token(self, name: str = "anna", **claims: Any) -> str:
        """Return a token for the room of this stage."""
        return reconnect.make_token(SECRET, client_id=name, now=self.clock.wall(), **{"session": ROOM, **LONG, **claims})

    def member(self, name: str, *, role: str = "publisher", session: str = ROOM, **options: Any) -> Member:
        """Make a member that is not connected yet."""
        audit = MemorySink()
        wire = Wire(options.pop("transport", None) or self._dialer(name))
        usual: dict[str, Any] = {"clock": self.clock, "audit": audit, "seed": len(self.members)}
        if "token" not in options:
            usual["token"] = self.token(name, role=role, session=session)
        url = options.pop("url", None) or self._url_for(name)
        made = reconnect.Session(url, session=session, transport=wire, **(usual | options))
        member = Member(self, name, made, wire, audit)
        self.members.append(member)
        return member

    async def enter(self, name: str, **options: Any) -> Member:
        """Make a member and let it connect."""
        member = self.member(name, **options)
        await member.session.connect()
        return member

    async def raw(self, name: str = "mallory") -> MemberEnd:
        """Return a transport to the hub without a session, to speak frame by frame."""
        return MemberEnd(await self._dialer(name)(self._url_for(name)), self.token(name))

    def _dialer(self, name: str) -> Dialer:
        return self.network.dialer(name)

    def _url_for(self, name: str) -> str:
        return self.url

    # -- waiting -----------------------------------------------------------------------------------------------------------------

    async def until(self, holds: Callable[[], bool], otherwise: str = "") -> None:
        """Return as soon as it holds; fail where it does not within a generous limit."""
        try:
            async with asyncio.timeout(self.patience):
                while not holds():
                    self.changed.clear()
                    try:
                        async with asyncio.timeout(self.glance):
                            await self.changed.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            who = "\n".join(map(repr, self.members))
            raise AssertionError(f"{otherwise or 'it never held'} within {self.patience:g} s:\n{who}") from None

    async def later(self, seconds: float) -> None:
        """Let time pass, in virtual time only."""
        assert isinstance(self.clock, FakeClock), "real time is waited for with `until`"
        await self.clock.advance(seconds)

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep: clocks jump, and no timer was run meanwhile."""
        assert isinstance(self.clock, FakeClock), "only virtual machines sleep"
        self.clock.suspend(seconds)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Let something happen beside the story; it is cancelled when the story is over."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    async def idle(self) -> None:
        """Let everything happen that can happen at this instant."""
        assert isinstance(self.clock, FakeClock), "real time has no instants"
        await self.clock.idle()

    # -- the whole ---------------------------------------------------------------------------------------------------------------

    def run(self, whole: Coroutine[Any, Any, None]) -> None:
        """Run a story on a loop of this stage's time."""
        assert isinstance(self.clock, FakeClock), "a stage of real time runs on a loop of its own"
        run(whole, self.clock)

    async def tell(self, play: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Play one story from its beginning to its end, and check what holds in all."""
        complaints: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        try:
            await self.open()
            await play()
        finally:
            await self.close()
        for member in self.members:
            member.allowed |= self.allowed
            member.check()
        refused = [line for line in self.hub_audit.records if line.get("verdict") == "refused"]
        assert not refused, refused
        assert complaints == []
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"still running: {left}"
        if isinstance(self.clock, FakeClock):
            assert not self.clock.timers, f"still due: {self.clock.timers}"


def names(events: Sequence[Notice]) -> list[str]:
    """Return the names of events."""
    return [event.name for event in events]


def record(end: reconnect.Publisher | reconnect.Subscriber) -> list[Any]:
    """Return a list that gets every event of a publisher or a subscriber, from now on."""
    events: list[Any] = []
    publisher = isinstance(end, reconnect.Publisher)
    for kind in ("live", "interrupted", "ended") if publisher else ("connected", "disconnected", "destroyed"):
        end.on(kind, events.append)
    return events


def story(
    stage: type[StageT], **hub: Any
) -> Callable[[Callable[Concatenate[StageT, P], Coroutine[Any, Any, None]]], Callable[P, None]]:
    """Make a test of a story: the stage comes as its first argument, `hub` are options of the hub."""

    def decorate(told: Callable[Concatenate[StageT, P], Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @wraps(told)
        def play(*args: P.args, **kwargs: P.kwargs) -> None:
            there = stage(**hub)
            there.run(there.tell(lambda: told(there, *args, **kwargs)))

        parameters = list(inspect.signature(told).parameters.values())[1:]  # the stage is not pytest's to give
        play.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # pytest reads it
        return play

    return decorate
