"""Every ordered pair of events in the same tick, in every state that a session or a hub's member can be in.

What is rare in the field is the rule here: the deadline and the acceptance, the goodbye and the loss, the second join and the end
of the grace come at one instant, in either order. After each event the bench looks at what must always hold; after each pair
everybody leaves, and no timer and no transport may be left.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Final

import pytest

from reconnect.chart import load_chart
from reconnect.core import inputs
from reconnect.core.frames import (
    Accepted,
    AddWant,
    DropWant,
    Entry,
    EntryKind,
    GoingAway,
    Goodbye,
    Handled,
    Join,
    Kick,
    Mute,
    Ping,
    Pong,
    Refused,
    Unknown,
    Want,
    Welcome,
)
from reconnect.core.hub.inputs import (
    Authenticated,
    AuthenticationFailed,
    Bearer,
    DrainRequested,
    MessageRefused,
    ServerKick,
    ServerSignal,
    Woke,
)
from reconnect.errors import IllegalTransition, OutboxFailed
from reconnect.reasons import Cause, Reason
from tests.core_world import CoreWorld, raw, signal
from tests.laws.any_input import call, submit
from tests.laws.test_totality import world_in
from tests.scripted_hub import ROOM, ScriptedHub

SESSION: Final = load_chart("session")

# -- a session -----------------------------------------------------------------------------------------------------------------

Move = Callable[[CoreWorld], object]
FINAL: Final = Cause(reason=Reason.DENIED, final=True)


def accept(world: CoreWorld) -> None:
    """The hub takes the member back where it can, and as a new one where it cannot."""
    if world.core.at.connection is None:
        world.accept()
    else:
        world.accept_again()


def wake(world: CoreWorld) -> None:
    """The timer goes off."""
    world.feed(inputs.Woke(at=world.now))


MOVES: Final[dict[str, Move]] = {
    "connect": lambda world: world.connect(),
    "disconnect": lambda world: world.disconnect(),
    "hurry": lambda world: world.retry(),
    "force": lambda world: world.retry(force=True),
    "opened": lambda world: world.opened(world.core.at.generation),
    "opened, an old one": lambda world: world.opened(world.core.at.generation - 1),
    "ended": lambda world: world.lose(),
    "ended for good": lambda world: world.lose(FINAL),
    "ended, an old one": lambda world: world.lose(generation=world.core.at.generation - 1),
    "accepted": accept,
    "accepted anew": lambda world: world.accept(connection="c9", epoch="e9", position=7),
    "accepted, not knowing": lambda world: world.accept(connection="c9", accepted=None),
    "refused": lambda world: world.receive(Refused(code=Reason.OVERLOADED, retry_after=3.0)),
    "refused for good": lambda world: world.receive(Refused(code=Reason.KICKED)),
    "going away": lambda world: world.receive(GoingAway(retry_after=2.0)),
    "goodbye": lambda world: world.receive(Goodbye()),
    "entry": lambda world: world.receive(signal(world.core.at.inbox.received + 1)),
    "entry behind a hole": lambda world: world.receive(signal(world.core.at.inbox.received + 9)),
    "judged": lambda world: world.receive(Accepted(serial=1, position=world.core.at.inbox.received)),
    "judged what was never sent": lambda world: world.receive(Accepted(serial=99, position=0)),
    "pong": lambda world: world.receive(Pong(position=world.core.at.inbox.received)),
    "unknown": lambda world: world.receive(Unknown(kind="x")),
    "due": wake,
    "slept": lambda world: world.feed(inputs.Slept(at=world.now, seconds=40.0)),
    "signal": lambda world: submit(world, True, None, True),
    "signal that opts out": lambda world: submit(world, False, 0.5, True),
    "unpublish": lambda world: call(world, "unpublish"),
    "subscribe": lambda world: call(world, "subscribe"),
    "asks": lambda world: call(world, "kick"),
    "stored": lambda world: world.feed(inputs.Stored(at=world.now, serial=1)),
    "handled": lambda world: world.feed(inputs.HandledUpTo(at=world.now, position=world.core.at.inbox.received)),
    "cancelled": lambda world: world.perform(world.core.cancel(1)),
    "halted": lambda world: world.feed(inputs.Halted(at=world.now, cause=FINAL)),
}


def fail(world: CoreWorld, *, certain: bool) -> None:
    """The disk takes nothing of what it has not confirmed; a store never refuses what it said to be safe."""
    outbox = world.core.at.outbox
    serials = tuple(serial for serial in outbox.serials() if serial > outbox._stored)
    world.feed(inputs.StoreFailed(at=world.now, path="f", problem="p", remedy="r", serials=serials, certain=certain))


# What befalls a store on disk only.
OF_A_DISK: Final[dict[str, Move]] = {
    "the disk failed": lambda world: fail(world, certain=True),
    "the disk failed, and may have kept it": lambda world: fail(world, certain=False),
    "the disk is mended": lambda world: world.feed(inputs.StoreRecovered(at=world.now)),
}


def instants(leaf: str) -> list[float]:
    """Return the instants of a state at which pairs are tried: as it is entered, when it is due, when its link is silent."""
    world = world_in(leaf)
    due, liveness = world.core.wake_at(), world.core.at.liveness
    silent = liveness.deadline if liveness is not None and world.role == "online" else None
    return [world.now, *(instant for instant in (due, silent) if instant is not None and instant > world.now)]


def perform(world: CoreWorld, *names: str) -> None:
    """Let some things happen at one instant; a refusal is an answer."""
    for name in names:
        with suppress(IllegalTransition, OutboxFailed):
            (MOVES | OF_A_DISK)[name](world)
        assert world.state in SESSION.leaves
        if name == "due":
            due = world.core.wake_at()
            assert due is None or due >= world.now, f"{world.core!r} was due at {due}, and was woken"


def part(world: CoreWorld) -> None:
    """Leave, and look whether anything is left."""
    world.disconnect()
    world.advance(30.0)
    assert world.role == "offline"
    assert world.core.wake_at() is None
    assert world.transport is None
    assert world.core.at.outbox.pending == 0


@pytest.mark.parametrize("leaf", SESSION.leaves)
def test_every_pair_of_events_at_a_session(leaf: str) -> None:
    """A5: legal state, no exception, no orphan timer, no second live transport; for all ordered pairs in one tick."""
    for instant, first, second in product(instants(leaf), MOVES, MOVES):
        world = world_in(leaf)
        world.now = instant
        try:
            perform(world, first, second)
            part(world)
        except Exception as error:
            raise AssertionError(f"in {leaf} at {instant}: {first}, then {second}") from error


@pytest.mark.parametrize("stores", [True, False], ids=["quick disk", "slow disk"])
@pytest.mark.parametrize("leaf", SESSION.leaves)
def test_every_pair_of_events_of_which_one_befalls_the_disk(leaf: str, stores: bool) -> None:
    """A5: the same where signals are on disk; whoever leaves leaves nothing but what the disk keeps."""
    beside = [(one, other) for one in OF_A_DISK for other in MOVES | OF_A_DISK]
    for first, second in [*beside, *((other, one) for one, other in beside)]:
        world = world_in(leaf, durable=True, stores=stores)
        try:
            perform(world, first, second)
            world.disconnect()
            world.advance(30.0)
            assert (world.role, world.transport, list(world.core.at.timers.names)) == ("offline", None, [])
        except Exception as error:
            raise AssertionError(f"in {leaf}: {first}, then {second}") from error


# -- a hub ---------------------------------------------------------------------------------------------------------------------


class Scene:
    """A hub with a member in some state, and a witness who is present."""

    def __init__(self) -> None:
        self.hub = ScriptedHub(grace_seconds=5.0, log_seconds=40.0)
        self.witness = self.hub.join("wit", role="moderator")
        self.link = self.witness
        self.origin = self.witness  # the link of the member's first welcome
        self.serial = 0

    # what a state is made of

    def opened(self) -> None:
        self.link = self.hub.open()

    def asked(self) -> None:
        self.link = self.hub.open()
        self.hub.ask(self.link, self._join())

    def joining(self) -> None:
        self.hub.holding = True
        self.link = self.origin = self.hub.join("ann", role="moderator")

    def present(self) -> None:
        self.link = self.origin = self.hub.join("ann", role="moderator")
        self.hub.publish(self.link)

    def talking(self) -> None:
        self.present()
        self.hub.holding = True
        self.signal()

    def away(self) -> None:
        self.present()
        self.hub.end(self.link)

    def coming_back(self) -> None:
        self.talking()
        self.link = self.hub.return_of(self.origin)

    def back(self) -> None:
        self.away()
        self.link = self.hub.return_of(self.origin)

    def leaving(self) -> None:
        self.talking()
        self.hub.send(self.link, Goodbye())

    def kicked(self) -> None:
        self.present()
        self.kick()

    # what may happen

    def _join(self) -> Join:
        return Join(token="token", session=ROOM, sender="ann-box")

    def signal(self) -> None:
        self.serial += 1
        self.hub.signal(self.link, self.serial)

    def kick(self) -> None:
        connection = self.hub.connection(self.origin) if self.hub.sent(self.origin, Welcome) else "c2"
        self.hub.feed(ServerKick(at=self.hub.now, ticket=1, connection=connection))

    def signal_by_the_server(self) -> None:
        entry = Entry(position=0, after=0, what=EntryKind.SIGNAL, type="t", data=raw("x"))
        self.hub.feed(ServerSignal(at=self.hub.now, ticket=2, session=ROOM, signal=entry))

    def join_anew(self) -> None:
        self.link = self.hub.join("ann", role="moderator")

    def resume(self) -> None:
        if self.hub.sent(self.origin, Welcome):
            self.link = self.hub.return_of(self.origin)

    def authenticate(self, good: bool) -> None:
        link = self.hub.core._hub.links.get(self.link)
        if link is None or link.asked is None:
            return  # nobody asked
        if good:
            bearer = Bearer(client_id="ann", session=ROOM, role="moderator")
            self.hub.feed(Authenticated(at=self.hub.now, link=self.link, bearer=bearer, fresh=self.hub.fresh()))
        else:
            self.hub.feed(AuthenticationFailed(at=self.hub.now, link=self.link, reason=Reason.DENIED))

    def answer(self, good: bool) -> None:
        if self.hub.appends and good:
            self.hub.log()
        elif self.hub.appends:
            self.hub.fail_log()

    # what must hold

    def look(self) -> None:
        """Each member has one link at most, a grace exactly while it is away, and nothing is expected of the deaf."""
        hub = self.hub.core._hub
        due = self.hub.core.wake_at()
        assert due is None or due >= self.hub.now
        for session in hub.sessions.values():
            for connection, link in session.links.items():
                assert hub.links[link.number] is link
                assert connection in session.members
            for connection, record in session.members.items():
                is_away = hub.chart.role(record.state) == "away"
                assert is_away is (record.grace_end is not None)
                assert is_away is (connection in hub.timers["grace"])
                assert not (is_away and connection in session.links)
        live = [link.connection for link in hub.links.values() if link.welcomed and not link.deaf]
        assert len(live) == len(set(live)), "two live links serve one member"
        for link in hub.links.values():
            assert not (link.deaf and link.number in hub.joins)
            assert not (link.deaf and link.silence is not None and link.number in link.silence)

    def part(self) -> None:
        """All links end, and time passes: nothing is left of anybody."""
        self.hub.holding = False
        self.hub.log()
        for number in list(self.hub.core._hub.links):
            self.hub.end(number)
        self.hub.later(200.0)
        numbers = self.hub.core.statistics()
        assert (numbers.sessions, numbers.members, numbers.links) == (0, 0, 0)
        assert self.hub.core.wake_at() is None


SCENES: Final[dict[str, Callable[[Scene], None]]] = {
    "a link that said nothing": Scene.opened,
    "a link that is being looked at": Scene.asked,
    "joining, and not in the log": Scene.joining,
    "present": Scene.present,
    "present, with a signal on its way to the log": Scene.talking,
    "away": Scene.away,
    "coming back, and not welcomed": Scene.coming_back,
    "back": Scene.back,
    "leaving, and not answered": Scene.leaving,
    "kicked": Scene.kicked,
}

EVENTS: Final[dict[str, Callable[[Scene], object]]] = {
    "end": lambda scene: scene.hub.end(scene.link),
    "end of the first link": lambda scene: scene.hub.end(scene.origin),
    "join": Scene.join_anew,
    "resume": Scene.resume,
    "a second join": lambda scene: scene.hub.send(scene.link, scene._join()),
    "good token": lambda scene: scene.authenticate(True),
    "bad token": lambda scene: scene.authenticate(False),
    "log": lambda scene: scene.answer(True),
    "log fails": lambda scene: scene.answer(False),
    "signal": Scene.signal,
    "repeat": lambda scene: scene.hub.signal(scene.link, 1, repeat=True),
    "handled": lambda scene: scene.hub.send(scene.link, Handled(position=1)),
    "handled too much": lambda scene: scene.hub.send(scene.link, Handled(position=99)),
    "want": lambda scene: scene.hub.send(scene.link, AddWant(request=5, want=Want(key="k", publish="screen"))),
    "unwant": lambda scene: scene.hub.send(scene.link, DropWant(request=6, key="cam")),
    "kick": lambda scene: scene.hub.send(scene.link, Kick(request=7, connection="c2")),
    "mute": lambda scene: scene.hub.send(scene.link, Mute(request=8, stream="c2.1")),
    "ping": lambda scene: scene.hub.send(scene.link, Ping()),
    "goodbye": lambda scene: scene.hub.send(scene.link, Goodbye()),
    "garbage": lambda scene: scene.hub.feed(MessageRefused(at=scene.hub.now, link=scene.link, detail="no JSON")),
    "kick by the server": Scene.kick,
    "signal by the server": Scene.signal_by_the_server,
    "drain": lambda scene: scene.hub.feed(DrainRequested(at=scene.hub.now, seconds=1.0)),
    "due": lambda scene: scene.hub.feed(Woke(at=scene.hub.now)),
}


def staged(name: str) -> Scene:
    """Return a scene."""
    scene = Scene()
    SCENES[name](scene)
    return scene


@pytest.mark.parametrize("name", SCENES)
def test_every_pair_of_events_at_a_hub(name: str) -> None:
    """A5: legal states, no exception, no orphan deadline, no second live link; for all ordered pairs in one tick."""
    due = staged(name).hub.core.wake_at()
    assert due is not None
    for late, first, second in product((False, True), EVENTS, EVENTS):
        scene = staged(name)
        scene.hub.now = due if late else scene.hub.now
        try:
            for event in (first, second):
                EVENTS[event](scene)
                scene.look()
            scene.part()
        except Exception as error:
            raise AssertionError(f"{name}, {'due' if late else 'as it is'}: {first}, then {second}") from error
