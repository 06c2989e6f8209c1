"""Both ends of a wire, spoken by hand: a hub that follows a script, a member that says whatever a test wants, and a transport and
a dialer that do what they are told.

    async def hub(end: HubEnd) -> None:
        await end.welcome()
        signal = await end.hear(SendSignal)
        await end.say(Accepted(serial=signal.serial, position=1))
        await end.end()

    async with network.listen("ws://scripted.test", follow(hub)):
        ...
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from reconnect.core.frames import Frame, Heartbeat, Join, Limits, Welcome
from reconnect.errors import TransportFailed
from reconnect.ports import Transport
from reconnect.reasons import Cause, Reason, cause_of_close
from reconnect.wire import HubDialect

F = TypeVar("F", bound=Frame)

LIMITS: Final = Limits(message_bytes=1_000_000, data_bytes=8_192, window=256)
HEARTBEAT: Final = Heartbeat(ping=2.0, silence=6.0)


class _End:
    """One end of a transport, frame by frame."""

    def __init__(self, transport: Transport, dialect: HubDialect) -> None:
        self.transport, self._dialect = transport, dialect
        self.heard: list[Frame] = []
        self._unread: deque[Frame] = deque()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} heard={len(self.heard)} {self.transport!r}>"

    async def say(self, *frames: Frame) -> None:
        """Send frames as one message."""
        for message in self._dialect.encode(frames, LIMITS.message_bytes):
            await self.transport.send(message)

    async def say_raw(self, message: str | bytes) -> None:
        """Send a message as it is."""
        await self.transport.send(message)

    async def hear(self, kind: type[F]) -> F:
        """Return the next frame of this kind; what comes before it is kept in `heard`."""
        while True:
            while self._unread:
                frame = self._unread.popleft()
                self.heard.append(frame)
                if isinstance(frame, kind):
                    return frame
            message = await self.transport.receive()
            if isinstance(message, str):
                self._unread.extend(self._dialect.decode(message))

    async def end(self) -> Cause:
        """Read until the other side ends the transport, and return why."""
        try:
            while True:
                await self.hear(Frame)
        except TransportFailed as failure:
            return failure.cause

    def all_heard(self, kind: type[F]) -> list[F]:
        """Return the frames of a kind that were read."""
        return [frame for frame in self.heard if isinstance(frame, kind)]


class HubEnd(_End):
    """The hub's end of a link, for a hub that follows a script."""

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, HubDialect("hub"))

    async def welcome(self, **fields: Any) -> Join:
        """Wait for the join and accept it, with these fields of the welcome; return the join."""
        join = await self.hear(Join)
        usual: dict[str, Any] = {
            "connection": "connection-1",
            "secret": "secret-1",
            "epoch": "epoch-1",
            "position": 0,
            "resumed": False,
            "grace": 60.0,
            "heartbeat": HEARTBEAT,
            "limits": LIMITS,
        }
        await self.say(Welcome(**(usual | fields)))
        return join


class MemberEnd(_End):
    """A member's end of a link to a hub, without a session behind it."""

    def __init__(self, transport: Transport, token: str) -> None:
        super().__init__(transport, HubDialect("member"))
        self.token = token

    async def join(self, **fields: Any) -> Welcome:
        """Join, with these fields of the join, and return the hub's welcome."""
        usual: dict[str, Any] = {"token": self.token, "session": "room-1", "sender": "by hand"}
        await self.say(Join(**(usual | fields)))
        return await self.hear(Welcome)


def follow(script: Callable[[HubEnd], Awaitable[None]]) -> Callable[[Transport], Awaitable[None]]:
    """Return what attends to a link as the script says; the script is over when it returns, or when the member ends the link."""

    async def attend(transport: Transport) -> None:
        with suppress(TransportFailed):
            await script(HubEnd(transport))

    return attend


class ScriptedTransport:
    """A transport without another end (ports.Transport): it receives what it is given, and keeps what is sent.

    `sent` are the messages, `ends` what was asked for at the end: `abort`, or `close CODE DETAIL`.
    """

    def __init__(self, *arriving: str | bytes) -> None:
        self.sent: list[str | bytes] = []
        self.ends: list[str] = []
        self.cause: Cause | None = None
        self._arrived: deque[str | bytes] = deque(arriving)
        self._changed = asyncio.Event()
        self._writable, self._closable = asyncio.Event(), asyncio.Event()
        self.release()

    def __repr__(self) -> str:
        return f"<ScriptedTransport {'open' if self.cause is None else f'ended {self.cause.reason}'} sent={len(self.sent)}>"

    # -- what the script does --------------------------------------------------------------------------------------------------

    def arrive(self, *messages: str | bytes) -> None:
        """Let messages arrive."""
        self._arrived.extend(messages)
        self._changed.set()

    def hold(self, *, closing: bool = False) -> None:
        """Let whoever sends, or closes, wait until release()."""
        (self._closable if closing else self._writable).clear()

    def release(self) -> None:
        """Let nobody wait any more."""
        self._writable.set()
        self._closable.set()

    def fail(self, cause: Cause) -> None:
        """End: whoever sends fails, and whoever receives does so behind what arrived."""
        self.cause = self.cause or cause
        self._changed.set()
        self.release()

    def read(self, dialect: HubDialect) -> list[list[Frame | bytes]]:
        """Return what was sent, message by message, as frames."""
        return [[message] if isinstance(message, bytes) else list(dialect.decode(message)) for message in self.sent]

    # -- ports.Transport -------------------------------------------------------------------------------------------------------

    async def send(self, message: str | bytes) -> None:
        """Keep a message; wait while the script holds it up."""
        self.sent.append(message)
        await self._writable.wait()
        if self.cause:
            raise TransportFailed(self.cause)

    async def receive(self) -> str | bytes:
        """Return the next message that was given."""
        while not self._arrived:
            if self.cause:
                raise TransportFailed(self.cause)
            self._changed.clear()
            await self._changed.wait()
        return self._arrived.popleft()

    async def close(self, code: int, detail: str) -> None:
        """Note how it was closed, and end."""
        await self._closable.wait()
        self.ends.append(f"close {code} {detail}")
        self.fail(cause_of_close(code, detail))

    def abort(self) -> None:
        """Note that it was aborted, and end."""
        self.ends.append("abort")
        self.fail(Cause(reason=Reason.CLOSED, detail="aborted"))


class ScriptedDialer:
    """Answers each dial with what is next: a transport, or a cause for which it fails (ports.Dialer). `dialed` are the urls.

    The last answer is that of all dials to come.
    """

    def __init__(self, *answers: Transport | Cause) -> None:
        self.dialed: list[str] = []
        self._answers: Sequence[Transport | Cause] = answers or (Cause(reason=Reason.UNREACHABLE, detail="nobody answers"),)

    def __repr__(self) -> str:
        return f"<ScriptedDialer dialed={len(self.dialed)} answers={len(self._answers)}>"

    async def __call__(self, url: str) -> Transport:
        """Return the next transport, or raise TransportFailed."""
        answer = self._answers[min(len(self.dialed), len(self._answers) - 1)]
        self.dialed.append(url)
        if isinstance(answer, Cause):
            raise TransportFailed(answer)
        return answer
