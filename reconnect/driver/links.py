"""One attempt and, where it succeeds, one transport: its dial, its reader and its writer, under one generation.

A link never decides anything. It reports what happened to its driver, which hands it to the core; the core drops what comes
from an old generation. The end of a transport is reported by its reader, behind all that had arrived before; a writer that finds
it first only says why. All its tasks end when it is aborted or has closed, and a transport that comes too late is closed at once.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from reconnect import limits
from reconnect.core.frames import Frame, Goodbye, SendSignal
from reconnect.errors import MalformedMessage, ReconnectError, TokenRejected, TransportFailed
from reconnect.ports import Dialect, Dialer, TokenSource, Transport
from reconnect.reasons import Cause, Reason
from reconnect.transport.outlet import Outlet

READS_IN_A_ROW = 16  # messages read before other tasks get a turn


class Reports(Protocol):
    """What a link tells its driver."""

    def fetched(self, token: str) -> None: ...
    def opened(self, generation: int) -> None: ...
    def ended(self, generation: int, cause: Cause) -> None: ...
    def arrived(self, generation: int, frames: tuple[Frame, ...]) -> None: ...
    def stream_frame(self, generation: int, message: bytes) -> None: ...


async def fetch_token(source: TokenSource) -> str:
    """Return a token from a value or a callable, or raise TransportFailed with the cause."""
    if isinstance(source, str):
        return source
    try:
        token = source()
        if inspect.isawaitable(token):
            token = await token
    except TokenRejected as refusal:
        raise TransportFailed(Cause(reason=refusal.reason, final=True, detail=str(refusal))) from refusal
    except Exception as error:
        detail = f"the token callable raised {type(error).__name__}"
        raise TransportFailed(Cause(reason=Reason.TOKEN_UNAVAILABLE, detail=detail)) from error
    if not isinstance(token, str):
        detail = f"the token callable returned {type(token).__name__}, not a string"
        raise TransportFailed(Cause(reason=Reason.TOKEN_UNAVAILABLE, detail=detail))
    if not token or not token.isprintable():
        detail = "the token callable returned a string that is empty or cannot be printed"
        raise TransportFailed(Cause(reason=Reason.TOKEN_UNAVAILABLE, detail=detail))
    return token


class Link:
    """One generation's dial and transport."""

    def __init__(
        self,
        generation: int,
        *,
        dialer: Dialer,
        dialect: Dialect,
        reports: Reports,
        spawn: Callable[[Coroutine[Any, Any, None], str, int], asyncio.Task[None]],
    ) -> None:
        self.generation = generation
        self.token = ""
        self._dialer = dialer
        self._dialect = dialect
        self._reports = reports
        self._spawn = spawn
        self._dial: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._outlet: Outlet | None = None
        self._over = False
        self._parting = False  # said goodbye, and no answer yet
        self._failure: Cause | None = None  # of the writer

    def __repr__(self) -> str:
        phase = "over" if self._over else "open" if self._outlet else "dialing" if self._dial else "new"
        return f"<Link generation={self.generation} {phase}>"

    # -- opening -----------------------------------------------------------------------------------------------------------------

    def dial(self, url: str, token: TokenSource, *, advised: bool = False) -> None:
        """Start fetching the token and opening the transport; `advised` marks an address that the hub gave."""
        self._dial = self._spawn(self._open(url, token, advised), "dial", self.generation)

    async def _open(self, url: str, source: TokenSource, advised: bool) -> None:
        try:
            self.token = await fetch_token(source)
            self._reports.fetched(self.token)
            transport = await self._dialer(url)
        except TransportFailed as failure:
            self._failed(failure.cause)
        except ReconnectError as error:
            # An address that can never be dialed. One that came from the hub is forgotten; our own would fail for ever.
            self._failed(Cause(reason=Reason.UNREACHABLE, final=not advised, detail=str(error)))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._over or (task is not None and task.cancelling()):
                raise
            self._failed(Cause(reason=Reason.UNREACHABLE, detail="the dialer was cancelled from within"))
        except Exception as error:
            # A foreign dialer's exception that it did not translate: documented as worth another attempt.
            self._failed(Cause(reason=Reason.UNREACHABLE, detail=f"{type(error).__name__}: {error}"))
        else:
            self._opened(transport)

    def _failed(self, cause: Cause) -> None:
        self._dial = None
        self._reports.ended(self.generation, cause)

    def _opened(self, transport: Transport) -> None:
        self._dial = None
        if self._over:
            # The dialer was cancelled and came through all the same: nothing may be left open. The report is audited as stale.
            transport.abort()
        else:
            self._outlet = Outlet(
                transport,
                self._dialect,
                message_bytes=limits.MESSAGE_BYTES,
                on_ended=self._writing_failed,
            )
            self._spawn(self._outlet.run(), "write", self.generation)
            self._reader = self._spawn(self._read(transport), "read", self.generation)
        self._reports.opened(self.generation)

    def _writing_failed(self, cause: Cause) -> None:
        self._failure = cause

    async def _read(self, transport: Transport) -> None:
        try:
            while True:
                for _ in range(READS_IN_A_ROW):
                    message = await transport.receive()
                    if isinstance(message, str):
                        frames = self._dialect.decode(message)
                        self._parting = self._parting and not any(isinstance(frame, Goodbye) for frame in frames)
                        self._reports.arrived(self.generation, frames)
                    else:
                        self._reports.stream_frame(self.generation, message)
                await asyncio.sleep(0)
        except TransportFailed as failure:
            self._reports.ended(self.generation, self._failure or failure.cause)
        except MalformedMessage as error:
            self._reports.ended(self.generation, Cause(reason=Reason.PROTOCOL_ERROR, detail=str(error)))
        except Exception as mistake:
            detail = f"reading failed: {type(mistake).__name__}"
            self._reports.ended(self.generation, Cause(reason=Reason.CLOSED, detail=detail))
            raise

    # -- sending -----------------------------------------------------------------------------------------------------------------

    def limit_messages(self, message_bytes: int) -> None:
        """The hub announced how long a message may be."""
        if self._outlet is not None:
            self._outlet.message_bytes = message_bytes

    def send(self, frames: tuple[Frame, ...]) -> None:
        """Hand frames to the writer: signals to their own lane, everything else ahead of them."""
        if self._outlet is None:
            return
        if isinstance(frames[0], SendSignal):
            self._outlet.signals(frames)
        else:
            self._parting = self._parting or any(isinstance(frame, Goodbye) for frame in frames)
            self._outlet.control(frames)

    def send_stream_frame(self, number: int, payload: bytes) -> bool:
        """Hand one stream frame to the writer; False where the backlog is full."""
        return self._outlet is not None and self._outlet.stream_frame(number, payload)

    # -- ending ------------------------------------------------------------------------------------------------------------------

    def close(self, code: int, detail: str) -> None:
        """End politely after what was sent; before the transport is open there is nothing to be polite to."""
        if self._outlet is None:
            self.abort()
        else:
            self._over = True
            if self._parting and self._reader is not None:
                self._spawn(self._part(self._reader, self._outlet, code, detail), "part", self.generation)
            else:
                self._outlet.close(code, detail)

    async def _part(self, reader: asyncio.Task[None], outlet: Outlet, code: int, detail: str) -> None:
        """Let the hub answer and end the transport itself: a goodbye that is overtaken by the end may never be read."""
        await asyncio.wait((reader,), timeout=limits.CLOSE_TIMEOUT_SECONDS)
        outlet.close(code, detail)

    def abort(self) -> None:
        """End at once."""
        self._over = True
        if self._dial is not None:
            self._dial.cancel()
        if self._outlet is not None:
            self._outlet.abort()
