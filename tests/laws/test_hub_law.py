"""The law of the hub: whatever members, links, time and the log do, nothing is lost, doubled or misreported in silence.

A script of random steps drives the core; a plain model beside it keeps the log as the log has it and each member's own view, with
no knowledge of tails, cursors or ledgers. What is checked after each step and at the end:

- a link is written to only between its opening and its closing (the scripted hub asserts it);
- entries reach a member in order and once, each chained to the one before; whatever is for it and was not handed over lies in a
  gap that was told;
- a signal is in the log at most once, unless the hub said that it does not know its sender any more; what is judged is in the log
  or was refused;
- a snapshot is the log before it, folded;
- when all is quiet, everybody present was handed everything, within its credit.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.frames import (
    Accepted,
    Entry,
    EntryKind,
    Goodbye,
    Handled,
    Kick,
    Mute,
    Ping,
    ResumeClaim,
    SendSignal,
    Snapshot,
    Want,
    Welcome,
)
from reconnect.core.hub.census import Census
from reconnect.core.hub.effects import Append
from tests.scripted_hub import ScriptedHub, raw

NAMES = ("ann", "bob", "cid", "mod")


def is_for(entry: Entry, connection: str) -> bool:
    """Say plainly whether an entry is for a connection."""
    if entry.what is EntryKind.SIGNAL:
        return entry.to in (None, connection)
    if entry.what is EntryKind.MUTED:
        return True
    return connection != (entry.stream.connection if entry.stream else entry.connection)


class LoggedHub(ScriptedHub):
    """A scripted hub that keeps its log."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.whole: list[Entry] = []

    def log(self) -> None:
        while self.appends:
            before = self.appends[0]
            self._remember(before)
            self._answer()
            if self.holding:
                return

    def _remember(self, append: Append) -> None:
        head = len(self.whole)
        self.whole += [
            Entry(**{name: getattr(entry, name) for name in entry.__struct_fields__} | {"position": head + place})
            for place, entry in enumerate(append.entries, 1)
        ]

    def _answer(self) -> None:
        holding, self.holding = self.holding, True
        super().log()
        self.holding = holding


class Client:
    """What one member knows: its connection, how far it has the log, what it sent and what it was told of that."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.link: int | None = None
        self.claim: ResumeClaim | None = None
        self.position = 0
        self.floor = 0
        self.frames = self.entries = 0
        self.serial = 0
        self.unjudged: list[int] = []
        self.delivered: set[int] = set()
        self.rejected: set[int] = set()
        self.unknown: set[int] = set()
        self.wants: dict[str, Want] = {}


class World:
    """The hub, its members, and the checks."""

    def __init__(self, **settings: Any) -> None:
        self.hub = LoggedHub(**settings)
        self.clients = {name: Client(name) for name in NAMES}

    # -- steps -------------------------------------------------------------------------------------------------------------------

    def join(self, client: Client) -> None:
        """Come, or come back, and send again what was not judged."""
        role = "moderator" if client.name == "mod" else "publisher"
        client.link = self.hub.join(client.name, role=role, resume=client.claim, wants=client.wants.values())
        client.frames = client.entries = 0
        self.read()

    def lose(self, client: Client) -> None:
        if client.link is not None:
            self.hub.end(client.link)
            client.link = None

    def signal(self, client: Client, count: int, to: str | None, bad: bool) -> None:
        if client.link is None or client.claim is None or client.link in self.hub.closed or not self.is_welcomed(client):
            return
        target = self.clients[to].claim if to is not None else None
        serials = range(client.serial + 1, client.serial + count + 1)
        client.serial += count
        client.unjudged += serials
        address = target.connection if target is not None else None
        kind = "not a type" if bad else "chat"
        self.hub.send(client.link, *[SendSignal(serial=serial, type=kind, data=raw(serial), to=address) for serial in serials])

    def is_welcomed(self, client: Client) -> bool:
        return client.link is not None and bool(self.hub.sent(client.link, Welcome))

    def leave(self, client: Client) -> None:
        if client.link is not None and self.is_welcomed(client):
            self.hub.send(client.link, Goodbye())
            self.read()
            self.hub.end(client.link)
            client.link = client.claim = None
            client.wants = {}

    def step(self, action: str, name: str, number: int) -> None:
        """Do one thing, then look at everything."""
        client, hub = self.clients[name], self.hub
        other = NAMES[number % len(NAMES)]
        match action:
            case "join":
                self.join(client)
            case "lose":
                self.lose(client)
            case "signal":
                self.signal(client, 1 + number % 5, None, number % 7 == 0)
            case "whisper":
                self.signal(client, 1, other, False)
            case "handle" if client.link is not None and self.is_welcomed(client):
                hub.send(client.link, Handled(position=client.position))
            case "want" if client.link is not None:
                client.wants[str(number % 3)] = Want(key=str(number % 3), publish=f"stream {number % 2}")
                self.join(client)
            case "leave":
                self.leave(client)
            case "kick" if client.link is not None and self.is_welcomed(client):
                connection = self.clients[other].claim
                hub.send(client.link, Kick(request=number, connection=connection.connection if connection else ""))
            case "mute" if client.link is not None and self.is_welcomed(client):
                streams = [entry.stream.id for entry in hub.whole if entry.what is EntryKind.PUBLISHED and entry.stream]
                stream = streams[number % len(streams)] if streams else ""
                hub.send(client.link, Mute(request=number, stream=stream, muted=bool(number % 2)))
            case "wait":
                for _ in range(number):
                    hub.later(1.0)
                    for each in self.clients.values():
                        if each.link is not None and each.link not in hub.closed and self.is_welcomed(each):
                            hub.send(each.link, Ping())
            case "hold":
                hub.holding = True
            case "log":
                hub.log()
            case "fail" if hub.appends:
                hub.fail_log()
            case "free":
                hub.holding = False
                hub.log()
        self.read()

    # -- looking -----------------------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Let every member read what it was sent."""
        for client in self.clients.values():
            link = client.link
            if link is None:
                continue
            frames = self.hub.frames[link][client.frames :]
            client.frames += len(frames)
            for frame in frames:
                if isinstance(frame, Welcome):
                    self.welcomed(client, frame)
                elif isinstance(frame, Accepted):
                    self.judge(client, frame.serial, [refusal.serial for refusal in frame.rejected])
            for entry, after in self.hub.entries[link][client.entries :]:
                client.entries += 1
                self.take(client, entry, after)
            if link in self.hub.closed:
                client.link = None
                if self.hub.closed[link].code in (4503, 4504):
                    client.claim, client.wants = None, {}

    def welcomed(self, client: Client, welcome: Welcome) -> None:
        before = client.claim
        if welcome.resumed:
            assert before is not None
            assert welcome.connection == before.connection
            missed = [entry for entry in self.hub.whole if client.position < entry.position <= welcome.position]
            if welcome.gap is None:
                assert welcome.snapshot_pages == 0
            else:
                assert welcome.gap.first == client.position + 1
                lost = [entry.position for entry in missed if is_for(entry, welcome.connection)]
                assert lost[-1] == welcome.gap.last, "the gap is exactly what is gone"
                client.position = welcome.position
        else:
            client.position = welcome.position
        self.snapshot(client, welcome)
        client.claim = ResumeClaim(
            connection=welcome.connection, secret=welcome.secret, epoch=welcome.epoch, position=client.position
        )
        if welcome.accepted is not None:
            self.judge(client, welcome.accepted, [refusal.serial for refusal in welcome.rejected])
        else:
            client.unknown.update(client.unjudged)
        unsure, client.unjudged = client.unjudged, []
        if unsure and client.link is not None and client.link not in self.hub.closed:
            client.unjudged = unsure
            self.hub.send(client.link, *[SendSignal(serial=serial, data=raw(serial), repeat=True) for serial in unsure])

    def snapshot(self, client: Client, welcome: Welcome) -> None:
        """It is the log before it, folded."""
        if not welcome.snapshot_pages:
            return
        assert client.link is not None
        census = Census()
        for entry in self.hub.whole:
            if entry.position <= welcome.position:
                census.apply(entry)
        pages = self.hub.sent(client.link, Snapshot)
        members = [member for page in pages for member in page.members]
        streams = [stream for page in pages for stream in page.streams]
        assert members == [member for member in census.members.values() if member.connection != welcome.connection]
        assert streams == [stream for stream in census.streams.values() if stream.connection != welcome.connection]

    def judge(self, client: Client, serial: int, rejected: list[int]) -> None:
        logged = {entry.serial for entry in self.hub.whole if entry.sender == f"{client.name}-box"}
        client.rejected.update(rejected)
        for judged in [each for each in client.unjudged if each <= serial]:
            if judged not in client.rejected:
                assert judged in logged, f"serial {judged} of {client.name} is called delivered and is nowhere"
                client.delivered.add(judged)
            else:
                assert judged not in logged
        client.unjudged = [each for each in client.unjudged if each > serial]

    def take(self, client: Client, entry: Entry, after: int) -> None:
        assert client.claim is not None
        assert is_for(entry, client.claim.connection)
        assert after <= client.position, "a hole that nobody was told of"
        if entry.position <= client.position:
            return
        between = [each for each in self.hub.whole[client.position : entry.position - 1] if is_for(each, client.claim.connection)]
        assert between == [], "something for this member was passed over"
        client.position = entry.position
        claim = client.claim
        client.claim = ResumeClaim(connection=claim.connection, secret=claim.secret, epoch=claim.epoch, position=entry.position)

    def settle(self) -> None:
        """Let everything come to rest, and look at what everybody has."""
        hub = self.hub
        hub.holding = False
        for _ in range(3):
            hub.log()
            hub.later(1.1)
        self.read()
        for _ in range(40):
            for client in self.clients.values():
                if client.link is not None and self.is_welcomed(client) and client.link not in hub.closed:
                    hub.send(client.link, Handled(position=client.position))
            self.read()
        for client in self.clients.values():
            if client.link is None or not self.is_welcomed(client) or client.claim is None:
                continue
            rest = [entry for entry in hub.whole[client.position :] if is_for(entry, client.claim.connection)]
            assert rest == [], f"{client.name} has still to be sent something"
            assert client.unjudged == [], f"{client.name} waits for a judgement"
        for client in self.clients.values():
            logged = [entry.serial for entry in hub.whole if entry.sender == f"{client.name}-box"]
            known = [serial for serial in logged if serial not in client.unknown]
            assert len(known) == len(set(known)), "a signal is in the log twice"


ACTIONS = (
    "join", "join", "join", "lose", "lose", "signal", "signal", "signal", "whisper", "handle", "handle", "want", "leave", "kick",
    "mute", "wait", "hold", "log", "log", "fail", "free",
)  # fmt: skip
SCRIPTS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(NAMES), st.integers(0, 12)), min_size=40, max_size=100)


@given(SCRIPTS, st.integers(1, 8), st.integers(1, 12), st.sampled_from([600, 2_000, 1_000_000]))
def test_the_law_of_the_hub(script: list[tuple[str, str, int]], window: int, signals: int, size: int) -> None:
    """P05, P07, Q04, Q05, Q09, R02, R03, R05, R07, R09, R13, D04."""
    world = World(window=window, log_signals=signals, log_bytes=size, grace_seconds=8.0, log_seconds=20.0)
    for client in world.clients.values():
        world.join(client)
    for action, name, number in script:
        world.step(action, name, number)
    world.settle()
