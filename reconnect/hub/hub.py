"""The Hub: what an application holds on to that serves sessions.

It owns nothing that decides. It says where to listen, who may join and how the hub ends; the core decides, the shell performs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random, SystemRandom
from ssl import SSLContext
from typing import TYPE_CHECKING, Any

import msgspec

from reconnect import limits
from reconnect.audit import Auditor, audit_sink
from reconnect.awaiting import advised
from reconnect.chart import Statechart, load_chart
from reconnect.clock import SystemClock
from reconnect.core.frames import Entry, EntryKind
from reconnect.core.hub import HubCore, HubSettings, HubStatistics, inputs
from reconnect.core.submission import encode_data
from reconnect.errors import BadArgument, HubClosed
from reconnect.hub.attending import Attendance
from reconnect.hub.serving import Serving
from reconnect.hub.shell import Answer, Shell
from reconnect.ports import AuditSink, Authenticator, Clock, SessionLog, Transport
from reconnect.store import MemorySessionLog
from reconnect.wire import HubDialect

if TYPE_CHECKING:
    from reconnect.transport.websocket import Listener


class Hub:
    """Keeps sessions: members and their places, one log each, streams and their frames.

    Either `secret` (tokens are made with `make_token(secret, ...)`) or an `authenticator` says who may join. `strict_tokens`
    ends a member whose token expires, and does not let it resume; otherwise an expired token only makes no new connection.
    `audit` is a path or a sink; by default nothing is written but the log of the process. `random` replaces the system's source
    of chance, for simulations alone. Durations are in seconds, sizes in bytes; `docs/reference/limits.md` has every default
    with its reason.
    """

    def __init__(
        self,
        secret: str | bytes | None = None,
        *,
        authenticator: Authenticator | None = None,
        strict_tokens: bool = False,
        log: SessionLog | None = None,
        audit: str | os.PathLike[str] | AuditSink | None = None,
        chart: Statechart | str | os.PathLike[str] = "member",
        clock: Clock | None = None,
        random: Random | None = None,
        grace_seconds: float = limits.GRACE_SECONDS,
        ping_seconds: float = limits.PING_SECONDS,
        silence_seconds: float = limits.SILENCE_SECONDS,
        join_deadline_seconds: float = limits.JOIN_DEADLINE_SECONDS,
        window: int = limits.WINDOW_ENTRIES,
        log_signals: int = limits.LOG_SIGNALS,
        log_bytes: int = limits.LOG_BYTES,
        log_seconds: float = limits.LOG_SECONDS,
        members_per_session: int = limits.MEMBERS_PER_SESSION,
        sessions: int = limits.SESSIONS,
        message_bytes: int = limits.MESSAGE_BYTES,
        resumes_per_second: int = limits.RESUMES_PER_SECOND,
    ) -> None:
        self._clock = clock or SystemClock()
        self._authenticator = _authenticator(secret, authenticator, self._clock)
        self._settings = HubSettings(
            grace_seconds=grace_seconds,
            ping_seconds=ping_seconds,
            silence_seconds=silence_seconds,
            join_deadline_seconds=join_deadline_seconds,
            window=window,
            log_signals=log_signals,
            log_bytes=log_bytes,
            log_seconds=log_seconds,
            members_per_session=members_per_session,
            sessions=sessions,
            message_bytes=message_bytes,
            resumes_per_second=resumes_per_second,
            strict_tokens=strict_tokens,
        )
        chart = chart if isinstance(chart, Statechart) else load_chart(os.fspath(chart))
        self._random = random or SystemRandom()
        self._dialect = HubDialect("hub")
        self._sink = audit_sink(audit)
        self._auditor = Auditor(self._sink, self._clock, session="hub", charts=[chart])
        self._auditor.start()
        self._core = HubCore(self._settings, chart)
        self._shell = Shell(
            self._core, log=log or MemorySessionLog(), clock=self._clock, random=self._random, auditor=self._auditor
        )
        self._left = asyncio.Event()
        self._links = self._servers = 0
        self._closed = False

    def __repr__(self) -> str:
        numbers = self._core.statistics()
        state = "closed" if self._closed else "serving" if self._servers else "idle"
        return f"<Hub {state} sessions={numbers.sessions} members={numbers.members} away={numbers.away} links={numbers.links}>"

    # -- serving ---------------------------------------------------------------------------------------------------------------

    def serve(
        self, host: str = "127.0.0.1", port: int = 0, *, ssl: SSLContext | None = None, origins: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[Listener]:
        """Listen for WebSockets; the value has `host`, `port` (0 takes a free one) and `url`. Leaving it closes the hub.

        `origins` are the web origins whose pages may dial; programs need no entry. Raises BadArgument, and on entering
        HubClosed, or ListenFailed where nothing can listen there.
        """
        return Serving(self._serve(host, port, ssl, origins), host, port)

    @asynccontextmanager
    async def _serve(self, host: str, port: int, ssl: SSLContext | None, origins: Sequence[str]) -> AsyncIterator[Listener]:
        from reconnect.transport.websocket import listen

        self._check_open()
        async with listen(
            self.attend, host, port, ssl=ssl, message_bytes=self._settings.message_bytes, origins=origins
        ) as listener:
            self._servers += 1
            try:
                yield listener
            finally:
                self._servers -= 1
                if not self._servers:
                    await self.close()

    async def attend(self, transport: Transport) -> None:
        """Serve one accepted transport to its end."""
        if self._closed:
            transport.abort()
            return
        self._links += 1
        attendance = Attendance(
            self._links,
            transport,
            desk=self._shell,
            dialect=self._dialect,
            authenticator=self._authenticator,
            message_bytes=self._settings.message_bytes,
            authentication_seconds=self._settings.join_deadline_seconds,
        )
        self._shell.attended[attendance.number] = attendance
        try:
            await attendance.serve()
        finally:
            del self._shell.attended[attendance.number]
            self._left.set()

    @advised("write `await hub.drain()`")
    async def drain(self, seconds: float | None = None) -> None:
        """Take nobody new, judge what was read, and send everybody away, to come back spread over `seconds`.

        Without a number the members are spread over the window that the hub advises anyway. Returns when all links have ended.
        """
        self._check_open()
        if seconds is None:
            seconds = self._settings.first_try_window(self._core.statistics().members)
        if not 0.0 <= seconds <= limits.MAX_WAIT_SECONDS:
            raise BadArgument(f"seconds is {seconds!r}; it must be a number from 0 to {limits.MAX_WAIT_SECONDS:g}")
        numbers = list(self._shell.attended)
        self._random.shuffle(numbers)
        # One in each of so many equal slots: they come back evenly, whoever is first.
        delays = [(number, seconds * (slot + self._random.random()) / len(numbers)) for slot, number in enumerate(numbers)]
        self._shell.feed(inputs.DrainRequested(at=self._clock.now(), seconds=seconds, delays=tuple(delays)))
        await self._all_left()

    @advised("write `await hub.close()`")
    async def close(self) -> None:
        """Send everybody away and stop; whatever was not answered raises HubClosed."""
        if self._closed:
            return
        await self.drain()
        self._closed = True
        self._shell.stop()
        self._auditor.stop()
        self._sink.close()

    async def _all_left(self) -> None:
        """Return when all links have ended; what does not end politely in time is aborted."""
        try:
            async with asyncio.timeout(2 * limits.CLOSE_TIMEOUT_SECONDS):
                while self._shell.attended:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            for attendance in list(self._shell.attended.values()):
                attendance.outlet.abort()

    def _check_open(self) -> None:
        if self._closed:
            raise HubClosed("the hub is closed; make a new one")

    # -- the application's requests --------------------------------------------------------------------------------------------

    def signal(self, session: str, data: Any, type: str = "", to: str | None = None) -> Answer:
        """Send a signal into a session, to all or to one connection; awaiting it gives its position in the log.

        Raises BadSignal for data that is not JSON. Awaiting it raises RequestFailed where the hub does not take it, and
        HubClosed.
        """
        self._check_open()
        entry = Entry(position=0, after=0, what=EntryKind.SIGNAL, type=type, data=msgspec.Raw(encode_data(data)), to=to)
        at = self._clock.now()
        return self._shell.request(
            "signal", lambda ticket: inputs.ServerSignal(at=at, ticket=ticket, session=session, signal=entry)
        )

    def kick(self, connection: str) -> None:
        """Remove a connection, and keep its automatic return out for the length of a grace; raises RequestFailed."""
        self._check_open()
        at = self._clock.now()
        done = self._shell.request("kick", lambda ticket: inputs.ServerKick(at=at, ticket=ticket, connection=connection))
        done.result()

    def statistics(self) -> HubStatistics:
        """Return what there is and what there was, in numbers."""
        return self._core.statistics()


def _authenticator(secret: str | bytes | None, authenticator: Authenticator | None, clock: Clock) -> Authenticator:
    if authenticator is not None:
        if secret is not None:
            raise BadArgument("a hub takes either a secret or an authenticator, to know who may join; leave one of them out")
        return authenticator
    from reconnect.auth import TokenAuthenticator, check_secret

    check_secret(secret, missing="a hub needs either a secret or an authenticator, to know who may join, and has neither")
    assert secret is not None, "that was checked"
    return TokenAuthenticator(secret, wall=clock.wall)
