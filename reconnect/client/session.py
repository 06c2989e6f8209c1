"""The Session: what an application holds on to while the network comes and goes.

It owns nothing that decides. It checks what the caller gives and hands it to the driver; what the driver tells goes through
`Front` to observers, iterators, receipts and waiting calls. A session belongs to one event loop from connect() to the end, and
says so where it is called from elsewhere.
"""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop  # what get_running_loop() asks, without its price where there is none
from collections.abc import Callable, Mapping
from os import PathLike
from random import Random, SystemRandom
from typing import Any, cast
from weakref import ref

from reconnect import limits
from reconnect.awaiting import advised
from reconnect.chart import Statechart
from reconnect.client import assembly
from reconnect.client.credentials import Credentials, asked
from reconnect.client.front import Front
from reconnect.client.outbox import Outbox
from reconnect.client.signalling import Signalling
from reconnect.client.statistics import Statistics
from reconnect.client.streams import Publisher, Subscriber
from reconnect.clock import SystemClock
from reconnect.core import frames, inputs
from reconnect.core.frames import Member, Stream
from reconnect.core.submission import check_text
from reconnect.driver import Driver
from reconnect.errors import ConnectFailed, NotConnected, WrongLoop
from reconnect.ports import AuditSink, Clock, Dialer, RetryPolicy, TokenSource
from reconnect.reasons import Cause, OutcomeStatus, Reason
from reconnect.record import Record
from reconnect.retry import RetryPolicy as DefaultPolicy

_clock = SystemClock()
_chance = SystemRandom()  # no state: it costs nothing for each session, and forked processes do not draw alike
_LEFT = Cause(reason=Reason.CLIENT_DISCONNECTED, detail="disconnect() was called meanwhile")


class _Arrival(Record, kw_only=True):
    """Where a connect() or a disconnect() ended: the role, the generation of the last transport, and why not."""

    role: str
    generation: int
    cause: Cause


class Session(Signalling):
    """A session that survives the network.

    `url` is the hub's address (ws:// or wss://), `session` the id of the shared place, `token` a string or a callable, async or
    not, that is asked at each attempt. `retry` decides when to try again; with `retry_initial` also before the first success.
    `outbox` bounds what waits; `audit` is a sink or a path. `chart` replaces the session's statechart, and `durations` says how
    long timers of its own take; with `echo=False` this member is not handed what it sends to everyone, which spares whoever sends
    much and listens little; `transport` replaces the WebSocket dialer, `clock` the system's; `seed` makes the jitter
    repeatable. Durations are in seconds, with their defaults and reasons in `reconnect.limits`. Raises BadArgument, BadUrl,
    ChartError or AuditFailed.

    Use it as `async with reconnect.connect(...) as session`, or call `connect()` and `disconnect()` yourself. `url` and `name`,
    the id of the session, can be read back.

    Events: `connected`, `reconnecting`, `attempt`, `reconnected`, `disconnected`, `updated`, `signal`, and for streams and for
    other members' connections `..._created`, `..._interrupted`, `..._restored`, `..._destroyed`, for streams also `..._updated`.
    """

    def __init__(
        self,
        url: str,
        *,
        session: str,
        token: TokenSource,
        retry: RetryPolicy | None = None,
        outbox: Outbox | None = None,
        audit: AuditSink | str | PathLike[str] | None = None,
        chart: Statechart | str | PathLike[str] | None = None,
        durations: Mapping[str, float] | None = None,
        clock: Clock | None = None,
        transport: Dialer | None = None,
        retry_initial: bool = False,
        echo: bool = True,
        attempt_deadline_seconds: float = limits.ATTEMPT_DEADLINE_SECONDS,
        close_timeout_seconds: float = limits.CLOSE_TIMEOUT_SECONDS,
        observer_seconds: float | None = limits.OBSERVER_SECONDS,
        seed: int | None = None,
    ) -> None:
        assembly.check_identity(url, session, token)
        assembly.check_parts(retry=retry, outbox=outbox, clock=clock, transport=transport, seed=seed)
        assembly.check_durations(attempt_deadline_seconds=attempt_deadline_seconds, close_timeout_seconds=close_timeout_seconds)
        assembly.check_durations(observer_seconds=limits.OBSERVER_SECONDS if observer_seconds is None else observer_seconds)
        self.url, self.name, self._token = url, session, asked(token)
        self._policy = retry if retry is not None else DefaultPolicy()
        self._outbox = outbox if outbox is not None else Outbox()
        self._clock = clock if clock is not None else _clock
        dialer = assembly.dialer_for(url, transport)
        charts = assembly.load_charts(chart, self._outbox._chart)
        self._core = assembly.build_core(
            charts,
            session=session,
            token=token,
            outbox=self._outbox,
            policy=self._policy,
            retry_initial=retry_initial,
            attempt_deadline=attempt_deadline_seconds,
            close_timeout=close_timeout_seconds,
            durations=durations or {},
            echo=bool(echo),
        )
        sink = assembly.open_audit(audit, self._outbox)
        self._auditor = assembly.auditor_for(sink, self._core, charts, clock=self._clock, policy=self._policy, seed=seed)
        self._witness = self._auditor if self._auditor.takes_inputs else None
        self._myself = ref(self)
        self._front = Front(self._core, auditor=self._auditor, clock=self._clock, observer_seconds=observer_seconds)
        self._driver = Driver(
            self._core,
            url=url,
            token=self._token,
            policy=self._policy,
            dialer=dialer,
            dialect=assembly.member_dialect(),
            clock=self._clock,
            store=self._outbox.store,
            recorder=self._auditor,
            listener=self._front,
            random=_chance if seed is None else Random(seed),  # jitter is no secret
            witness=self._witness,
        )
        self._front.attach(self._driver, self._myself)
        self._outbox._attach(self._driver, self._auditor, self._clock)
        self._auditor.on_failure = self._driver.halt
        self._auditor.opened()
        self._observers = self._front.observers
        self._until = self._front.conditions.until
        # Where there is a file, the first signal is checked too: it may come before connect(), and is stored from a loop.
        self._loop: asyncio.AbstractEventLoop | None = cast(Any, self._outbox._chart)
        self._left, self._refused_bytes = False, 0  # disconnect() since connect(); of the signal that had no room last
        self._thread = 0  # in which a signal was last found to come from the right loop

    # -- seeing ------------------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        words = [f"<Session {self.name} {self.state}"]
        if self.role in ("connecting", "recovering"):
            words.append(f"attempt={self._core.at.episode.attempt}")
            due = self._core.at.timers.wake_at()
            if due is not None:
                words.append(f"due_in={max(0.0, due - self._clock.now()):.1f}")
        words.append(f"outbox={self._core.at.outbox.pending}/{self._outbox.bounds.signals}>")
        return " ".join(words)

    @property
    def state(self) -> str:
        """The state in the chart's words, as `reconnecting.waiting`."""
        return self._core.state

    @property
    def role(self) -> str:
        """What the state is for: offline, connecting, online, recovering or closing."""
        return self._core.role

    @property
    def connection(self) -> str | None:
        """The id of this member's place in the session; it survives an outage that is resumed."""
        return self._core.at.connection

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that others publish."""
        return tuple(self._core.at.roster.streams.values())

    @property
    def members(self) -> tuple[Member, ...]:
        """The others in the session; `away` while their link is lost."""
        return tuple(self._core.at.roster.members.values())

    @property
    def last_error(self) -> Cause | None:
        """Why the last attempt or transport failed; None once the session is connected."""
        return self._core.at.episode.last_error

    def statistics(self) -> Statistics:
        """Return what the session has done so far."""
        outbox = self._core.at.outbox
        outcomes = {status: outbox.counts[status] for status in OutcomeStatus}
        return Statistics(submitted=outbox.submitted, pending=outbox.pending, outcomes=outcomes, counts=dict(self._core.counts))

    # -- coming and going --------------------------------------------------------------------------------------------------------

    @advised("write `await session.connect()` or `async with session:`")
    async def connect(self) -> Session:
        """Connect, or share the result of a connect() under way; returns the session itself.

        Raises ConnectFailed where the hub, the network or the retry policy says no, or disconnect() is called meanwhile; and
        OutboxFailed where the file of its outbox was closed.
        """
        self._check_loop("connect()")
        while self.role == "closing":
            await self._until(lambda: self.role != "closing")
        if self.role == "offline":
            self._outbox._check_open()
            self._loop, self._left = asyncio.get_running_loop(), False
            self._auditor.start()
            self._outbox._speak()
            self._driver.flush()  # a loop before this one may have stopped first
            self._driver.feed(inputs.ConnectRequested(at=self._clock.now()))
        # Judged in the turn that decides: the link may be lost, or another connect() begin, before this caller runs.
        arrival = await self._until(lambda: self._arrived("online", "offline"))
        if arrival.role == "offline":
            await self._settled(arrival)
            raised = self._token.why(arrival.cause.reason) if isinstance(self._token, Credentials) else None
            raise ConnectFailed(arrival.cause, self.url) from raised
        return self

    def _arrived(self, *roles: str) -> _Arrival | None:
        if self.role not in roles:
            return None
        cause = _LEFT if self._left or self.last_error is None else self.last_error
        return _Arrival(role=self.role, generation=self._core.at.generation, cause=cause)

    @advised("write `await session.disconnect()`")
    async def disconnect(self) -> None:
        """Leave: what was submitted is sent first, then goodbye. Returns when nothing of this session runs any more.

        Async observers that are still at work then have `observer_seconds` to end. Called by one of them it does not wait for
        them.
        """
        self._check_loop("disconnect()")
        self._driver.flush()
        if self.role != "offline":
            self._left = True
            self._driver.feed(inputs.DisconnectRequested(at=self._clock.now()))
        arrival = await self._until(lambda: self._arrived("offline"))
        await self._settled(arrival)

    async def _settled(self, arrival: _Arrival) -> None:
        """Return once nothing runs any more of what ended there; another connect() may have begun since."""
        await self._driver.settled(arrival.generation)
        await self._front.observers_settled()
        if self.role == "offline":
            self._auditor.stop()

    def _check_loop(self, call: str) -> None:
        """Raise WrongLoop where a session that is in use is called from elsewhere, before anything is half done."""
        loop = _get_running_loop()
        if self.role == "offline" and (loop is not None or self._outbox._chart is None):
            return  # an outbox with a file takes signals all the same, and stores them from a loop
        if loop is not self._loop:
            raise WrongLoop(call)

    async def __aenter__(self) -> Session:
        try:
            return await self.connect()
        except BaseException:
            await self.disconnect()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        await self.disconnect()

    def reconnect_now(self, *, force: bool = False) -> None:
        """Do not wait: start the next attempt now, for instance on a network-online hint.

        While connected it does nothing, unless `force` replaces the living transport; while disconnected it does nothing at
        all.
        """
        self._check_loop("reconnect_now()")
        self._driver.feed(inputs.RetryRequested(at=self._clock.now(), force=force))
        if self.role == "offline":
            self._auditor.stop()  # the hint was noted, and the audit is over as before

    def feed(self, event: str) -> None:
        """Feed an event of the kind `call` that only this session's own chart has; the chart says what follows.

        Raises UnknownEventName or BadArgument where it is none, and IllegalTransition where the chart refuses it now.
        """
        self._check_loop("feed()")
        try:
            self._driver.feed(inputs.Called(at=self._clock.now(), event=assembly.event_to_feed(self._core.chart, event)))
        finally:
            if self.role == "offline":
                self._auditor.stop()  # as after a hint: it was noted, and the audit is over as before

    @advised("write `await session.wait_for(...)`")
    async def wait_for(self, state: str) -> None:
        """Return once the session is in a state, given as a leaf (`reconnecting.waiting`), a parent (`reconnecting`) or a role.

        Raises BadArgument for a state that the chart does not have.
        """
        leaves = self._core.chart.leaves_of(state)
        await self._until(lambda: self.state in leaves)

    # -- streams -----------------------------------------------------------------------------------------------------------------

    @advised("write `publisher = await session.publish(...)`")
    async def publish(self, name: str, *, data: str = "") -> Publisher:
        """Publish a stream; while the session is away the next join carries the wish. Raises RequestFailed, NotConnected."""
        self._check_loop("publish()")
        return await self._front.desk.publish(name, data)

    @advised("write `subscriber = await session.subscribe(...)`")
    async def subscribe(self, stream: Stream | str) -> Subscriber:
        """Subscribe to a stream; a second time for the same one returns its Subscriber. Raises RequestFailed, NotConnected."""
        self._check_loop("subscribe()")
        return await self._front.desk.subscribe(stream)

    # -- moderating --------------------------------------------------------------------------------------------------------------

    @advised("write `await session.kick(...)`")
    async def kick(self, connection: str | Member) -> None:
        """Remove a member from the session; needs the role moderator. Raises RequestFailed, NotConnected."""
        target = connection.connection if isinstance(connection, Member) else connection
        check_text(target, "connection", "a Member or its connection id")
        await self._request("kick()", lambda request: frames.Kick(request=request, connection=target))

    @advised("write `await session.mute(...)`")
    async def mute(self, stream: Stream | str, muted: bool = True) -> None:
        """Mute a stream for everyone, or let it speak again; needs the role moderator. Raises RequestFailed, NotConnected."""
        target = stream.id if isinstance(stream, Stream) else stream
        check_text(target, "stream", "a Stream or its id")
        await self._request("mute()", lambda request: frames.Mute(request=request, stream=target, muted=bool(muted)))

    @advised("write `await session.renew_token(...)`")
    async def renew_token(self, token: str) -> None:
        """Give the hub a newer token for the living connection, and use it from now on. Raises RequestFailed, NotConnected."""
        token = check_text(token, "token", "what make_token() returned").strip()
        self._auditor.conceal(token)
        await self._request("renew_token()", lambda request: frames.RenewToken(request=request, token=token))
        self._driver.replace_token(token)

    async def _request(self, call: str, frame: Callable[[int], frames.Frame]) -> Any:
        if self.role != "online":
            raise NotConnected(call, self.state)
        self._check_loop(call)
        request = self._front.calls.number()
        made = inputs.RequestMade(at=self._clock.now(), frame=frame(request))
        return await self._front.calls.ask(request, lambda: self._driver.feed(made))
