"""One accepted transport: its reader, its outlet, and the questions that it has for the authenticator.

Nothing is decided here. The reader hands over one message at a time and reads no further while the authenticator is asked who
joins, so that a join is judged before what comes behind it; a newer token of a living member is looked at beside the reading.
When the transport ends, whichever side ended it, the core is told once, behind all that had arrived before, and nobody is asked
any more. So it is the reader that tells it; a writer that found the end first only says why.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from reconnect.core.hub import inputs
from reconnect.core.hub.effects import Authenticate
from reconnect.errors import MalformedMessage, TokenRejected, TransportFailed
from reconnect.ports import Authenticator, Dialect, Principal, Transport
from reconnect.reasons import Cause, Reason
from reconnect.transport.outlet import Outlet
from reconnect.wire import unpack_stream_frame

# A member that never stops sending must let the others have their turn.
MESSAGES_PER_TURN: Final = 16


class Desk(Protocol):
    """The hub's side: the instant, the core, and what a join may need of chance."""

    def now(self) -> float: ...
    def feed(self, happened: inputs.HubInput) -> None: ...
    def relay(self, link: int, number: int, message: bytes) -> None: ...
    def bearer(self, principal: Principal) -> inputs.Bearer: ...
    def fresh(self) -> inputs.Fresh: ...


class Attendance:
    """Serves one transport to its end."""

    def __init__(
        self,
        number: int,
        transport: Transport,
        *,
        desk: Desk,
        dialect: Dialect,
        authenticator: Authenticator,
        message_bytes: int,
        authentication_seconds: float,
    ) -> None:
        self.number = number
        self.outlet = Outlet(transport, dialect, message_bytes=message_bytes, on_ended=self._writing_failed)
        self._joining: Authenticate | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._transport, self._desk, self._dialect = transport, desk, dialect
        self._authenticator, self._seconds = authenticator, authentication_seconds
        self._closing = False
        self._failure: Cause | None = None  # of the writer

    def __repr__(self) -> str:
        return f"<Attendance {self.number} {self.outlet!r}>"

    async def serve(self) -> None:
        """Return when the transport has ended and everything about it is done."""
        writer = asyncio.get_running_loop().create_task(self.outlet.run(), name=f"reconnect-hub-writer-{self.number}")
        self._desk.feed(inputs.LinkOpened(at=self._desk.now(), link=self.number))
        cause = Cause(reason=Reason.CLOSED, detail="the hub stopped attending to it")
        try:
            cause = await self._read()
        finally:
            self._desk.feed(inputs.LinkEnded(at=self._desk.now(), link=self.number, cause=self._failure or cause))
            if not self._closing:
                self.outlet.abort()
            for task in self._asking:
                task.cancel()
            # An outlet that is closing ends by a deadline of its own.
            await asyncio.wait([writer, *self._asking])
            writer.result()

    def ask(self, question: Authenticate) -> None:
        """Ask whom a token speaks for; feed the answer."""
        if question.request is None:
            self._joining = question
        else:
            self._spawn(question)

    def close(self, code: int, detail: str, *, abort: bool) -> None:
        """End the transport: after what was handed to it, or at once."""
        for task in self._asking:
            task.cancel()
        if abort:
            self.outlet.abort()
        else:
            self._closing = True
            self.outlet.close(code, detail)

    def _writing_failed(self, cause: Cause) -> None:
        self._failure = cause

    async def _read(self) -> Cause:
        """Read until the transport ends; return why."""
        read = 0
        while True:
            try:
                message = await self._transport.receive()
            except TransportFailed as failure:
                return failure.cause
            self._take(message)
            if self._joining is not None:
                joining, self._joining = self._joining, None
                await asyncio.wait([self._spawn(joining)])
            read += 1
            if read % MESSAGES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _take(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                self._desk.relay(self.number, unpack_stream_frame(message)[0], message)
            else:
                frames = self._dialect.decode(message)
                self._desk.feed(inputs.FramesReceived(at=self._desk.now(), link=self.number, frames=frames))
        except MalformedMessage as error:
            self._desk.feed(inputs.MessageRefused(at=self._desk.now(), link=self.number, detail=str(error)))

    def _spawn(self, question: Authenticate) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._ask(question), name=f"reconnect-hub-authenticate-{self.number}")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def _ask(self, question: Authenticate) -> None:
        """Ask the authenticator; whatever goes wrong with that is an answer too."""
        try:
            async with asyncio.timeout(self._seconds):
                principal = await self._authenticator(question.join)
        except TokenRejected as rejected:
            self._refuse(question, rejected.reason, str(rejected))
        except TimeoutError:
            self._refuse(question, Reason.HUB_ERROR, "the token could not be checked in time")
        except Exception as error:
            # The sentence of a foreign error may hold the token.
            self._refuse(question, Reason.HUB_ERROR, f"the token could not be checked: {type(error).__name__}")
        else:
            at, bearer, fresh = self._desk.now(), self._desk.bearer(principal), self._desk.fresh()
            self._desk.feed(inputs.Authenticated(at=at, link=self.number, bearer=bearer, fresh=fresh, request=question.request))

    def _refuse(self, question: Authenticate, reason: Reason, detail: str) -> None:
        self._desk.feed(
            inputs.AuthenticationFailed(
                at=self._desk.now(), link=self.number, reason=reason, detail=detail, request=question.request
            )
        )
