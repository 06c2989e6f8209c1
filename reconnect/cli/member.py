"""A member in a terminal: what happens to its session is told, and what it sends is followed to its outcome.

It uses the library as any application does. It counts what did not go as it should, for the command's exit code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from reconnect.cli.cutting import CuttableDialer
from reconnect.cli.durations import in_words
from reconnect.cli.lines import utc_now
from reconnect.cli.output import PrintFailed, forget_stdout
from reconnect.cli.stopping import first_of
from reconnect.cli.telling import Show
from reconnect.client import Publisher, Receipt, Session, Subscriber
from reconnect.core.frames import Stream
from reconnect.errors import BadSignal, NotConnected, OutboxFull

CHAT: Final = "chat"
OWN_EVENTS: Final = ("connected", "reconnecting", "attempt", "reconnected", "disconnected", "updated")
MEMBER_EVENTS: Final = ("connection_created", "connection_interrupted", "connection_restored", "connection_destroyed")
STREAM_EVENTS: Final = ("stream_created", "stream_interrupted", "stream_restored", "stream_destroyed", "stream_updated")
OWN_FACTS: Final = ("connection", "reason", "attempt", "retry_in", "elapsed", "resumed", "detail", "what", "seconds")


class Member:
    """One session, told to one show."""

    def __init__(self, session: Session, link: CuttableDialer, show: Show, *, name: str, role: str) -> None:
        self.session, self.link, self.name, self.role = session, link, name, role
        self.failures = 0
        self.unheard = asyncio.Event()  # nothing more can be told
        self.unprinted: PrintFailed | None = None  # why
        self.received = self.frames = self.outages = 0
        self.subscribed: dict[str, Subscriber] = {}
        self._show = show
        self._names: dict[str, str] = {}
        self._held: list[Receipt] = []
        self._dropped = 0
        self._work: set[asyncio.Task[None]] = set()
        self._restoring: asyncio.TimerHandle | None = None
        for names, observer in ((OWN_EVENTS, self._on_own), (MEMBER_EVENTS, self._on_member), (STREAM_EVENTS, self._on_stream)):
            for event in names:
                session.on(event, observer)
        session.on("signal", self._on_signal)

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def tell(self, event: str, *, who: str | None = None, **facts: Any) -> None:
        """Show one event."""
        try:
            self._show.event({"at": utc_now(), "who": self.name if who is None else who, "event": event, **facts})
        except PrintFailed as failure:
            forget_stdout()
            self.unprinted = failure
            self.unheard.set()

    def complain(self, sentence: str) -> None:
        """Show what could not be done; it counts as a failure."""
        self.failures += 1
        self.tell("error", sentence=sentence)

    def name_of(self, connection: str | None) -> str:
        """Return the name of whoever has this connection; without one it was the hub."""
        if connection is None:
            return "hub"
        return self.name if connection == self.session.connection else self._names.get(connection, connection[:8])

    def numbered(self) -> list[tuple[int, Stream]]:
        """Return the streams of the others with the numbers that they are called by."""
        return list(enumerate(self.session.streams, 1))

    def _on_own(self, event: Any) -> None:
        if event.name == "attempt" and event.attempt == 1:
            return  # `reconnecting` has just told it
        facts = {name: getattr(event, name) for name in OWN_FACTS if hasattr(event, name)}
        if event.name == "reconnecting":
            self.outages += 1
            self._dropped = 0
        elif event.name == "reconnected":
            facts |= {"held": sum(receipt.outcome is None for receipt in self._held), "dropped": self._dropped}
            facts["gap"] = event.gap is not None
            self._held.clear()
        self.tell(event.name, **facts)

    def _on_member(self, event: Any) -> None:
        member = event.member
        self._names[member.connection] = member.client_id
        facts = {"reason": event.reason} if hasattr(event, "reason") else {}
        self.tell(
            event.name,
            who=member.client_id,
            connection=member.connection,
            role=member.role,
            data=member.data,
            **facts,
        )
        if event.name == "connection_destroyed":
            del self._names[member.connection]

    def _on_stream(self, event: Any) -> None:
        stream = event.stream
        number = next((number for number, known in self.numbered() if known.id == stream.id), None)
        facts = {"reason": event.reason} if hasattr(event, "reason") else {}
        self.tell(
            event.name,
            who=self.name_of(stream.connection),
            stream=stream.name,
            id=stream.id,
            number=number,
            muted=stream.muted,
            **facts,
        )

    def _on_signal(self, event: Any) -> None:
        signal = event.signal
        self.received += 1
        self.tell(
            "signal",
            who=self.name_of(signal.connection),
            type=signal.type,
            data=signal.data,
            connection=signal.connection,
            position=signal.position,
            repeat=signal.repeat,
        )

    # -- sending -----------------------------------------------------------------------------------------------------------------

    async def send(self, text: str, *, keep: bool = True) -> None:
        """Send a line to all; with `keep=False` it is worthless if it cannot go at once."""
        await self.session.wait_room()
        try:
            receipt = self.session.signal(text, type=CHAT, retry_after_reconnect=keep)
        except (BadSignal, NotConnected, OutboxFull) as error:
            self.complain(str(error))
            return
        if self.session.role == "recovering" and receipt.outcome is None:
            self._held.append(receipt)
            self.tell("held", text=text)
        self.start(self._follow(text, receipt))

    async def _follow(self, text: str, receipt: Receipt) -> None:
        outcome = await receipt
        self.failures += not outcome.delivered
        self._dropped += outcome.status == "dropped"
        self.tell(
            "outcome",
            status=outcome.status,
            reason=outcome.reason,
            code=outcome.code,
            possibly_sent=outcome.possibly_sent,
            text=text,
        )

    # -- streams -----------------------------------------------------------------------------------------------------------------

    def watch(self, end: Publisher | Subscriber, stream: str) -> None:
        """Tell what happens to an end of a stream; how it is, is told now."""
        side = "publisher" if isinstance(end, Publisher) else "subscriber"
        names = ("live", "interrupted", "ended") if isinstance(end, Publisher) else ("connected", "disconnected", "destroyed")
        if end.state in names:
            self.tell(f"{side}.{end.state}", stream=stream, reason=None)
        for name in names:
            end.on(
                name,
                lambda event: self.tell(f"{side}.{event.name}", stream=stream, reason=getattr(event, "reason", None)),
            )

    async def count_frames(self, subscriber: Subscriber) -> None:
        """Take the frames of a stream."""
        async for _ in subscriber:
            self.frames += 1

    # -- the link ----------------------------------------------------------------------------------------------------------------

    async def cut(self, seconds: float) -> None:
        """Cut the own link, and keep it away for so long; return when the session has noticed."""
        stays = f", and stays away for {in_words(seconds)}" if seconds else ""
        self.tell("breaks", who="network", words=f"your link is cut{stays}", seconds=seconds)
        self.link.cut(seconds)
        if self._restoring is not None:
            self._restoring.cancel()
        if seconds:
            loop = asyncio.get_running_loop()
            self._restoring = loop.call_later(seconds, lambda: self.tell("restored", who="network"))
        await first_of(self.session.wait_for("recovering"), self.session.wait_for("offline"))

    # -- the end -----------------------------------------------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the rest."""
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def leave(self) -> None:
        """Leave the session politely, and wait for what was started."""
        if self._restoring is not None:
            self._restoring.cancel()
        await self.session.disconnect()
        if self._work:
            await asyncio.wait(set(self._work))
