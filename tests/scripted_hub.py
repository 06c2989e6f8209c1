"""A hub's core under a script: time stands still until the test moves it, and the log answers when the test lets it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from reconnect.chart import Statechart, load_chart
from reconnect.core.frames import (
    AddWant,
    Entry,
    EntryKind,
    Frame,
    Handled,
    Join,
    ResumeClaim,
    SendSignal,
    Snapshot,
    Want,
    Welcome,
)
from reconnect.core.hub import HubCore, HubSettings
from reconnect.core.hub.effects import (
    Announce,
    Answer,
    Append,
    Authenticate,
    CloseLink,
    ForgetLog,
    HubEffect,
    News,
    SendEntries,
    SendTo,
)
from reconnect.core.hub.inputs import (
    Appended,
    AppendFailed,
    Authenticated,
    AuthenticationFailed,
    Bearer,
    FramesReceived,
    Fresh,
    HubInput,
    LinkEnded,
    LinkOpened,
    Woke,
)
from reconnect.reasons import Cause, Reason

F = TypeVar("F", bound=Frame)
ROOM = "room-1"


def raw(value: Any) -> msgspec.Raw:
    """Return a value as a signal's data."""
    return msgspec.Raw(msgspec.json.encode(value))


class ScriptedHub:
    """Feeds a HubCore and keeps what it asked for, link by link.

    The log answers at once, unless `holding` is set: then the test lets it answer, or fail, with `log()` and `fail_log()`.
    """

    def __init__(self, chart: Statechart | None = None, **settings: Any) -> None:
        self.core = HubCore(HubSettings(**settings), chart or load_chart("member"))
        self.now = 100.0
        self.holding = False
        self.frames: defaultdict[int, list[Frame]] = defaultdict(list)
        self.entries: defaultdict[int, list[tuple[Entry, int]]] = defaultdict(list)
        self.closed: dict[int, CloseLink] = {}
        self.news: list[Announce] = []
        self.answers: dict[int, Answer] = {}
        self.asked: list[Authenticate] = []
        self.appends: list[Append] = []
        self.forgotten: list[str] = []
        self.order: list[HubEffect] = []
        self.heads: dict[str, int] = {}
        self.epoch = "epoch-1"
        self.who: dict[int, str] = {}
        self._links = 0
        self._fresh = 0

    # -- feeding -----------------------------------------------------------------------------------------------------------------

    def feed(self, happened: HubInput) -> list[HubEffect]:
        """Feed one input, and what the log answers to what came of it."""
        effects = self.core.feed(happened)
        for effect in effects:
            self.order.append(effect)
            match effect:
                case SendTo():
                    assert effect.link not in self.closed, "nothing is written to a closed link"
                    self.frames[effect.link] += effect.frames
                case SendEntries():
                    for link in effect.links:
                        assert link not in self.closed, "nothing is written to a closed link"
                        self.entries[link] += [(entry, entry.after) for entry in effect.run.frames()]
                case CloseLink():
                    self.closed[effect.link] = effect
                case Announce():
                    self.news.append(effect)
                case Answer():
                    self.answers[effect.ticket] = effect
                case Authenticate():
                    self.asked.append(effect)
                case Append():
                    self.appends.append(effect)
                case ForgetLog():
                    self.forgotten.append(effect.session)
        if not self.holding:
            self.log()
        return effects

    def log(self) -> None:
        """Let the log store what it was asked to."""
        while self.appends:
            append = self.appends.pop(0)
            head = self.heads.get(append.session, 0)
            self.heads[append.session] = head + len(append.entries)
            entries = tuple(
                replace(entry, position=position, after=position - 1) for position, entry in enumerate(append.entries, head + 1)
            )
            self.feed(Appended(at=self.now, session=append.session, epoch=self.epoch, entries=entries))
            if self.holding:
                return

    def fail_log(self) -> None:
        """Let the log fail at what it was asked to store."""
        append = self.appends.pop(0)
        self.feed(AppendFailed(at=self.now, session=append.session, detail="the disk is full"))

    def later(self, seconds: float) -> None:
        """Let time pass, waking the core whenever it asked to be."""
        until = self.now + seconds
        while (due := self.core.wake_at()) is not None and due <= until:
            self.now = max(self.now, due)
            self.feed(Woke(at=self.now))
        self.now = until

    # -- links and members -------------------------------------------------------------------------------------------------------

    def open(self) -> int:
        """Accept a transport."""
        self._links += 1
        self.feed(LinkOpened(at=self.now, link=self._links))
        return self._links

    def send(self, link: int, *frames: Frame) -> None:
        """Let one message arrive."""
        self.feed(FramesReceived(at=self.now, link=link, frames=frames))

    def end(self, link: int, reason: Reason = Reason.CLOSED) -> None:
        """Let a transport end."""
        self.feed(LinkEnded(at=self.now, link=link, cause=Cause(reason=reason)))

    def ask(self, link: int, join: Join, *more: Frame) -> None:
        """Let a join arrive, and leave it to the test to answer the authenticator."""
        self.send(link, join, *more)

    def fresh(self) -> Fresh:
        """Return what a join may need of chance."""
        self._fresh += 1
        return Fresh(connection=f"c{self._fresh}", secret=f"s{self._fresh}", draw=0.5)

    def join(
        self,
        client_id: str = "ann",
        *,
        sender: str | None = None,
        role: str = "publisher",
        session: str = ROOM,
        resume: ResumeClaim | None = None,
        settled: int = 0,
        wants: Iterable[Want] = (),
        link: int | None = None,
        bearer: Bearer | None = None,
        more: tuple[Frame, ...] = (),
        data: str = "",
    ) -> int:
        """Open a link and let a member join on it; return the link."""
        link = self.open() if link is None else link
        self.who[link] = client_id
        sender = sender or f"{client_id}-box"
        asked = Join(token="token", session=session, sender=sender, settled=settled, resume=resume, wants=tuple(wants))
        self.ask(link, asked, *more)
        bearer = bearer or Bearer(client_id=client_id, session=session, role=role, data=data)
        self.feed(Authenticated(at=self.now, link=link, bearer=bearer, fresh=self.fresh()))
        return link

    def refuse(self, link: int, reason: Reason = Reason.DENIED, request: int | None = None) -> None:
        """Let the authenticator refuse what was asked last on this link."""
        self.feed(AuthenticationFailed(at=self.now, link=link, reason=reason, detail="no", request=request))

    def return_of(self, link: int, *, position: int | None = None, **options: Any) -> int:
        """Let the member of this link resume on a new one, with what its last welcome gave it."""
        welcome = self.welcome(link)
        claim = ResumeClaim(
            connection=welcome.connection,
            secret=welcome.secret,
            epoch=welcome.epoch,
            position=self.position(link) if position is None else position,
        )
        return self.join(self.who[link], resume=claim, **options)

    def signal(self, link: int, *serials: int, **fields: Any) -> None:
        """Let one message with these signals arrive."""
        fields.setdefault("data", raw("hello"))
        self.send(link, *[SendSignal(serial=serial, **fields) for serial in serials])

    def handle(self, link: int, settled: int = 0) -> None:
        """Let the member of this link take over everything that it was sent."""
        self.send(link, Handled(position=self.position(link), settled=settled))

    def publish(self, link: int, key: str = "cam", name: str = "camera", request: int = 1) -> None:
        """Let the member of this link publish a stream."""
        self.send(link, AddWant(request=request, want=Want(key=key, publish=name)))

    def subscribe(self, link: int, stream: str, key: str = "sub", request: int = 2) -> None:
        """Let the member of this link subscribe to a stream."""
        self.send(link, AddWant(request=request, want=Want(key=key, subscribe=stream)))

    # -- looking -----------------------------------------------------------------------------------------------------------------

    def sent(self, link: int, kind: type[F]) -> list[F]:
        """Return the control frames of this kind that a link was sent."""
        return [frame for frame in self.frames[link] if isinstance(frame, kind)]

    def last(self, link: int, kind: type[F]) -> F:
        """Return the last control frame of this kind."""
        return self.sent(link, kind)[-1]

    def welcome(self, link: int) -> Welcome:
        """Return the welcome that a link was sent."""
        return self.last(link, Welcome)

    def connection(self, link: int) -> str:
        """Return the connection that a link was given."""
        return self.welcome(link).connection

    def position(self, link: int) -> int:
        """Return how far the member of this link was sent the log."""
        return self.entries[link][-1][0].position if self.entries[link] else self.welcome(link).position

    def told(self, link: int) -> list[Entry]:
        """Return the entries that a link was sent; fails where they leave a hole."""
        last = self.welcome(link).position if not self.welcome(link).resumed or self.welcome(link).gap else 0
        for entry, after in self.entries[link]:
            assert last == 0 or after == last, f"{entry.position} follows {after}, and {last} came before"
            assert entry.position > last
            last = entry.position
        return [entry for entry, _ in self.entries[link]]

    def kinds(self, link: int) -> list[EntryKind]:
        """Return what the entries of a link tell."""
        return [entry.what for entry in self.told(link)]

    def serials(self, link: int) -> list[int]:
        """Return the serials of the signals that a link was sent."""
        return [entry.serial for entry in self.told(link) if entry.what is EntryKind.SIGNAL]

    def snapshot(self, link: int) -> tuple[list[str], list[str]]:
        """Return the connections and the stream ids of the snapshot that a link was sent; `~` marks one that is away."""
        pages = self.sent(link, Snapshot)
        assert [page.page for page in pages] == list(range(self.welcome(link).snapshot_pages))
        members = [("~" if member.away else "") + member.connection for page in pages for member in page.members]
        return members, [stream.id for page in pages for stream in page.streams]

    def announced(self, what: News) -> list[Announce]:
        """Return the announcements of this kind."""
        return [news for news in self.news if news.what is what]

    def state(self, link: int) -> str | None:
        """Return the state of the member that joined on this link, None where nothing is kept of it."""
        record = self.core.record(self.connection(link))
        return record.state if record is not None else None
