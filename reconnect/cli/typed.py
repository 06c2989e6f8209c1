"""What can be typed into a terminal member: a line is sent to all, and a line that begins with a slash is a command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from reconnect.cli.durations import seconds_of
from reconnect.cli.member import Member
from reconnect.core.frames import Stream
from reconnect.errors import ReconnectError

COMMANDS: Final = {
    "/now TEXT": "send a line that is dropped while the link is away",
    "/publish NAME": "publish a stream under this name",
    "/subscribe [N|NAME]": "receive a stream; without a number or name the only one",
    "/members": "who is in the session",
    "/streams": "what the others publish, with numbers for /subscribe",
    "/drop [SECONDS]": "cut your own link, and let no new one through for so long",
    "/kick NAME": "remove a member (moderators)",
    "/mute N|NAME": "mute a stream, or let it speak again (moderators)",
    "/stats": "what was sent and received so far",
    "/help": "this list",
    "/quit": "leave; so do Ctrl-D and Ctrl-C",
    "//TEXT": "send a line that begins with a slash",
}


class Mistyped(Exception):
    """A command that is not one, or not like this; the sentence says what to type."""


class Typed:
    """Does what is typed."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self._asking: set[asyncio.Task[None]] = set()
        self._commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "now": self._now,
            "publish": self._publish,
            "subscribe": self._subscribe,
            "members": self._members,
            "streams": self._streams,
            "drop": self._drop,
            "kick": self._kick,
            "mute": self._mute,
            "stats": self._stats,
            "help": self._help,
        }

    async def take(self, line: str) -> bool:
        """Do what one line says; False once it says to leave. Empty lines say nothing."""
        text = line.strip()
        if not text.startswith("/"):
            if text:
                await self.member.send(line)
            return True
        if text.startswith("//"):
            await self.member.send(text[1:])
            return True
        word, _, rest = text[1:].partition(" ")
        if word == "quit":
            return False
        try:
            command = self._commands.get(word)
            if command is None:
                raise Mistyped(f"there is no command /{word}; /help lists them, and //{word} sends it as a line")
            await command(rest.strip())
        except Mistyped as mistake:
            self.member.complain(str(mistake))
        return True

    async def answered(self) -> None:
        """Return once the hub answered everything that was asked of it."""
        if self._asking:
            await asyncio.wait(set(self._asking))

    def _ask(self, work: Callable[[], Awaitable[None]]) -> None:
        """Ask the hub for something, and go on reading meanwhile: it may be away for a while."""

        async def ask() -> None:
            try:
                await work()
            except ReconnectError as error:
                self.member.complain(str(error))

        task = asyncio.get_running_loop().create_task(ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    # -- commands ----------------------------------------------------------------------------------------------------------------

    async def _now(self, text: str) -> None:
        if not text:
            raise Mistyped("say what to send, as in: /now I am here")
        await self.member.send(text, keep=False)

    async def _publish(self, name: str) -> None:
        if not name:
            raise Mistyped("a stream needs a name, as in: /publish camera")

        async def publish() -> None:
            self.member.watch(await self.member.session.publish(name), name)

        self._ask(publish)

    async def _subscribe(self, which: str) -> None:
        stream = self._stream(which, "/subscribe")
        member = self.member

        async def subscribe() -> None:
            subscriber = await member.session.subscribe(stream)
            if member.subscribed.get(stream.id) is not subscriber:
                member.subscribed[stream.id] = subscriber
                member.watch(subscriber, stream.name)
                member.start(member.count_frames(subscriber))

        self._ask(subscribe)

    def _stream(self, which: str, command: str) -> Stream:
        """Return the stream with this number or name; without either, the only one."""
        streams = self.member.numbered()
        found = [stream for number, stream in streams if which in ("", str(number), stream.name)]
        if not streams:
            raise Mistyped("nobody publishes a stream; somebody else can, with /publish camera")
        if len(found) != 1:
            what = "there is none of that number or name" if not found else "there are several"
            raise Mistyped(f"{what}; /streams lists them, and {command} takes the number")
        return found[0]

    async def _drop(self, seconds: str) -> None:
        try:
            away = seconds_of(seconds) if seconds else 0.0
        except ValueError as error:
            raise Mistyped(f"{error}, as in: /drop 3") from None
        # The lines that follow find the link gone, as they would after a pause.
        await self.member.cut(away)

    async def _kick(self, name: str) -> None:
        session = self.member.session
        if not name:
            raise Mistyped("say whom, as in: /kick anna")
        found = [each for each in session.members if name in (each.client_id, each.connection)]
        if not found:
            raise Mistyped(f"nobody is called {name}; /members lists who is here")

        async def kick() -> None:
            for each in found:
                await session.kick(each)

        self._ask(kick)

    async def _mute(self, which: str) -> None:
        stream = self._stream(which, "/mute")
        self._ask(lambda: self.member.session.mute(stream, not stream.muted))

    # -- questions ---------------------------------------------------------------------------------------------------------------

    async def _members(self, _: str) -> None:
        me = self.member
        others = [
            {"name": each.client_id, "role": each.role, "away": each.away, "connection": each.connection, "you": False}
            for each in me.session.members
        ]
        own = {"name": me.name, "role": me.role, "away": False, "connection": me.session.connection, "you": True}
        me.tell("members", members=[own, *others])

    async def _streams(self, _: str) -> None:
        member = self.member
        away = {each.connection for each in member.session.members if each.away}
        streams: list[dict[str, Any]] = [
            {
                "number": number,
                "stream": stream.name,
                "by": member.name_of(stream.connection),
                "id": stream.id,
                "away": stream.connection in away,
                "muted": stream.muted,
                "subscribed": stream.id in member.subscribed,
            }
            for number, stream in member.numbered()
        ]
        member.tell("streams", streams=streams)

    async def _stats(self, _: str) -> None:
        member = self.member
        numbers = member.session.statistics()
        member.tell(
            "statistics",
            state=member.session.state,
            submitted=numbers.submitted,
            pending=numbers.pending,
            outcomes={str(status): count for status, count in numbers.outcomes.items()},
            received=member.received,
            frames=member.frames,
            outages=member.outages,
        )

    async def _help(self, _: str) -> None:
        self.member.tell("help", commands=COMMANDS)
