"""The Session: what an application holds on to while the network comes and goes.

It owns nothing that decides. It checks what the caller gives and hands it to the driver; what the driver tells goes through
`Front` to observers, iterators, receipts and waiting calls. A session belongs to one event loop from connect() to the end, and
says so where it is called from elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from os import PathLike
from random import Random
from typing import Any

from reconnect import limits
from reconnect.audit import Auditor
from reconnect.chart import Statechart
from reconnect.client import assembly
from reconnect.client.front import Front
from reconnect.client.observers import Observed
from reconnect.client.outbox import Outbox
from reconnect.client.receipt import Receipt
from reconnect.client.signals import SignalStream
from reconnect.client.streams import Publisher, Subscriber
from reconnect.clock import SystemClock
from reconnect.core import frames, inputs
from reconnect.core.frames import Member, Stream
from reconnect.core.submission import check_text, check_to, check_ttl, check_type, encode_data
from reconnect.driver import Driver
from reconnect.errors import BadSignal, ConnectFailed, NotConnected, OutboxFull, WrongLoop
from reconnect.ports import AuditSink, Clock, Dialer, RetryPolicy, TokenSource
from reconnect.reasons import Cause, OutcomeStatus, Reason, RejectCode
from reconnect.record import Record
from reconnect.retry import RetryPolicy as DefaultPolicy

_clock = SystemClock()
_LEFT = Cause(reason=Reason.CLIENT_DISCONNECTED, detail="disconnect() was called meanwhile")


class Statistics(Record):
    """What a session has done since it was made.

    The conservation law holds at every moment: submitted = the sum of `outcomes` + pending. `counts` says how often things
    happened that change nothing: stale reports, repeats that were dropped, unknown frames, observers that failed.
    """

    submitted: int
    pending: int
    outcomes: Mapping[OutcomeStatus, int]
    counts: Mapping[str, int]


class _Arrival(Record):
    """Where a connect() or a disconnect() ended: the role, the generation of the last transport, and why not."""

    role: str
    generation: int
    cause: Cause


class Session(Observed):
    """A session that survives the network.

    `url` is the hub's address (ws:// or wss://), `session` the id of the shared place, `token` a string or a callable, async or
    not, that is asked at each attempt. `retry` decides when to try again; with `retry_initial` also before the first success.
    `outbox` bounds what waits; `audit` is a sink or a path. `chart` replaces the session's statechart, `transport` the
    WebSocket dialer, `clock` the system's; `seed` makes the jitter repeatable. Durations are in seconds, with their defaults
    and reasons in `reconnect.limits`. Raises BadArgument, BadUrl, ChartError or AuditFailed.

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
        clock: Clock | None = None,
        transport: Dialer | None = None,
        retry_initial: bool = False,
        attempt_deadline_seconds: float = limits.ATTEMPT_DEADLINE_SECONDS,
        close_timeout_seconds: float = limits.CLOSE_TIMEOUT_SECONDS,
        observer_seconds: float | None = limits.OBSERVER_SECONDS,
        seed: int | None = None,
    ) -> None:
        assembly.check_identity(url, session, token)
        assembly.check_parts(retry=retry, outbox=outbox, clock=clock, transport=transport, seed=seed)
        assembly.check_durations(attempt_deadline_seconds=attempt_deadline_seconds, close_timeout_seconds=close_timeout_seconds)
        if observer_seconds is not None:
            assembly.check_durations(observer_seconds=observer_seconds)
        self.url, self.name = url, session
        self._policy = retry if retry is not None else DefaultPolicy()
        self._outbox = outbox if outbox is not None else Outbox()
        self._clock = clock if clock is not None else _clock
        dialer = assembly.dialer_for(url, transport)
        charts = assembly.load_charts(chart)
        self._core = assembly.build_core(
            charts,
            session=session,
            token=token,
            outbox=self._outbox,
            policy=self._policy,
            retry_initial=retry_initial,
            attempt_deadline=attempt_deadline_seconds,
            close_timeout=close_timeout_seconds,
        )
        sink = assembly.open_audit(audit, self._outbox)
        self._auditor = Auditor(sink, self._clock, session=session, charts=charts.values())
        self._front = Front(self._core, auditor=self._auditor, clock=self._clock, observer_seconds=observer_seconds)
        self._driver = Driver(
            self._core,
            url=url,
            token=token,
            policy=self._policy,
            dialer=dialer,
            dialect=assembly.member_dialect(),
            clock=self._clock,
            store=self._outbox.store,
            recorder=self._auditor,
            listener=self._front,
            random=Random(seed),  # jitter is no secret
        )
        self._front.attach(self._driver)
        self._observers = self._front.observers
        self._until = self._front.conditions.until
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left = False  # disconnect() was called since the last connect()
        self._refused_bytes = 0  # of the signal that the outbox had no room for last

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

    async def connect(self) -> Session:
        """Connect, or share the result of a connect() under way; returns the session itself.

        Raises ConnectFailed where the hub, the network or the retry policy says no, or disconnect() is called meanwhile.
        """
        self._check_loop("connect()")
        while self.role == "closing":
            await self._until(lambda: self.role != "closing")
        if self.role == "offline":
            self._loop, self._left = asyncio.get_running_loop(), False
            self._auditor.start(policy=self._policy, sender=self._outbox.sender)
            self._driver.feed(inputs.ConnectRequested(at=self._clock.now()))
        # Judged in the turn that decides: the link may be lost, or another connect() begin, before this caller runs.
        arrival = await self._until(lambda: self._arrived("online", "offline"))
        if arrival.role == "offline":
            await self._settled(arrival)
            raise ConnectFailed(arrival.cause, self.url)
        return self

    def _arrived(self, *roles: str) -> _Arrival | None:
        if self.role not in roles:
            return None
        cause = _LEFT if self._left or self.last_error is None else self.last_error
        return _Arrival(role=self.role, generation=self._core.at.generation, cause=cause)

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
        if self.role == "offline":
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
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

    async def wait_for(self, state: str) -> None:
        """Return once the session is in a state, given as a leaf (`reconnecting.waiting`), a parent (`reconnecting`) or a role.

        Raises BadArgument for a state that the chart does not have.
        """
        leaves = self._core.chart.leaves_of(state)
        await self._until(lambda: self.state in leaves)

    # -- signals -----------------------------------------------------------------------------------------------------------------

    def signal(
        self,
        data: Any = None,
        *,
        type: str = "",
        to: str | Member | None = None,
        retry_after_reconnect: bool = True,
        ttl: float | None = None,
    ) -> Receipt:
        """Send a signal to everyone in the session, the sender included, or to one connection. Returns at once.

        `data` is any JSON value of at most 8,192 bytes, `type` at most 128 characters of `A-Z a-z 0-9 - _ ~ .`. While the
        session is on its way back the signal waits; with `retry_after_reconnect=False` it is dropped instead. `ttl` is how many
        seconds it may wait. Await the receipt for its Outcome. Raises BadSignal, NotConnected or OutboxFull; nothing was sent
        then.
        """
        if self.role in ("offline", "closing"):
            raise NotConnected("signal()", self.state)
        self._check_loop("signal()")
        encoded, kind = encode_data(data), check_type(type)
        self._check_fits(len(encoded) + len(kind))
        try:
            serial, effects = self._core.submit(
                data=encoded,
                type=kind,
                to=check_to(to),
                ttl=check_ttl(ttl),
                keep=retry_after_reconnect,
                at=self._clock.now(),
            )
        except OutboxFull:
            self._refused_bytes = len(encoded) + len(kind)
            raise
        receipt = self._front.receipts[serial] = Receipt(serial, self._cancel)
        if effects:
            self._driver.perform(effects)
        self._driver.signals_submitted()
        return receipt

    def _check_fits(self, size: int) -> None:
        most = self._outbox.bounds.size
        if size > most:
            raise BadSignal(f"the signal has {size:,} bytes, and this outbox holds {most:,} at most", code=RejectCode.TOO_LARGE)

    def _cancel(self, serial: int) -> bool:
        effects = self._core.cancel(serial)
        self._driver.perform(effects)
        return bool(effects)

    def signals(self, type: str | None = None) -> SignalStream:
        """Return an async iterator over the signals that arrive from now on, all or of one type; it ends with the session."""
        stream = SignalStream(None if type is None else check_type(type), caught_up=self._driver.consumed)
        self._front.iterators.add(stream)
        return stream

    async def drain(self) -> None:
        """Return once every signal submitted so far has its outcome; put a limit on it with `asyncio.timeout`."""
        self._driver.flush()
        receipts = self._front.receipts
        pending = set(receipts)
        await self._until(lambda: pending.isdisjoint(receipts))

    async def wait_room(self) -> None:
        """Return once the outbox has room for another signal, one as large as the last that it refused."""
        outbox = self._core.at.outbox
        await self._until(lambda: outbox.has_room and outbox.size + self._refused_bytes <= outbox.bounds.size)

    # -- streams -----------------------------------------------------------------------------------------------------------------

    async def publish(self, name: str, *, data: str = "") -> Publisher:
        """Publish a stream; while the session is away the next join carries the wish. Raises RequestFailed, NotConnected."""
        self._check_loop("publish()")
        return await self._front.desk.publish(name, data)

    async def subscribe(self, stream: Stream | str) -> Subscriber:
        """Subscribe to a stream; a second time for the same one returns its Subscriber. Raises RequestFailed, NotConnected."""
        self._check_loop("subscribe()")
        return await self._front.desk.subscribe(stream)

    # -- moderating --------------------------------------------------------------------------------------------------------------

    async def kick(self, connection: str | Member) -> None:
        """Remove a member from the session; needs the role moderator. Raises RequestFailed, NotConnected."""
        target = connection.connection if isinstance(connection, Member) else connection
        check_text(target, "connection", "a Member or its connection id")
        await self._request("kick()", lambda request: frames.Kick(request=request, connection=target))

    async def mute(self, stream: Stream | str, muted: bool = True) -> None:
        """Mute a stream for everyone, or let it speak again; needs the role moderator. Raises RequestFailed, NotConnected."""
        target = stream.id if isinstance(stream, Stream) else stream
        check_text(target, "stream", "a Stream or its id")
        await self._request("mute()", lambda request: frames.Mute(request=request, stream=target, muted=bool(muted)))

    async def renew_token(self, token: str) -> None:
        """Give the hub a newer token for the living connection, and use it from now on. Raises RequestFailed, NotConnected."""
        check_text(token, "token", "what make_token() returned")
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
