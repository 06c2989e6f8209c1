"""What a session does with signals: it sends them, waits for room and for outcomes, hands out what arrives, asks and answers.

A part of Session, which says how it came about and when it ends. Nothing is decided here: the outbox and the hub do that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from threading import get_ident
from types import EllipsisType
from typing import Any, Literal, TypeVar, overload
from weakref import ref

import msgspec

from reconnect import limits
from reconnect.audit import Auditor
from reconnect.awaiting import advised
from reconnect.client import assembly
from reconnect.client.acknowledging import AckStream
from reconnect.client.front import Front
from reconnect.client.observers import Observed
from reconnect.client.outbox import Outbox
from reconnect.client.receipt import Receipt
from reconnect.client.signals import SignalStream
from reconnect.core.frames import Member
from reconnect.core.notices import Signal
from reconnect.core.session import SessionCore
from reconnect.core.submission import check_to, check_ttl, check_type, encode_data
from reconnect.driver import Driver
from reconnect.errors import BadArgument, BadSignal, DrainTimedOut, OutboxFull
from reconnect.ports import Clock
from reconnect.reasons import RejectCode

AnswererT = TypeVar("AnswererT", bound=Callable[[Signal], object])


class Signalling(Observed):
    """The signals of a session."""

    _clock: Clock
    _core: SessionCore
    _driver: Driver
    _front: Front
    _loop: asyncio.AbstractEventLoop | None
    _myself: ref[Any]
    _outbox: Outbox
    _refused_bytes: int
    _thread: int
    _witness: Auditor | None

    def _check_loop(self, call: str) -> None:
        raise NotImplementedError

    # -- sending -----------------------------------------------------------------------------------------------------------------

    def signal(
        self,
        data: Any = None,
        *,
        type: str = "",
        to: str | Member | None = None,
        retry_after_reconnect: bool = True,
        ttl: float | None = None,
        session_only: bool = False,
    ) -> Receipt:
        """Send a signal to everyone in the session, the sender included (but with `echo=False`), or to one connection.

        Returns at once. `data` is any JSON value of at most 8,192 bytes, `type` at most 128 characters of `A-Z a-z 0-9 - _ ~
        .`. While the session is on its way back the signal waits; with `retry_after_reconnect=False` it is dropped instead.
        `ttl` is how many seconds it may wait. With `session_only=True` it is for this connection alone: dropped
        (`session_lost`) where the next one is another. Await the receipt for its Outcome. Raises BadSignal, NotConnected or
        OutboxFull; nothing was sent then.
        """
        # The busiest call of all: what can be left out for most signals is left out.
        driver = self._driver
        if not driver.flush_due or get_ident() != self._thread:  # else this loop turn had it checked
            self._check_loop("signal()")
            self._thread = get_ident()
        encoded = encode_data(data)
        kind = check_type(type) if type != "" else ""
        size = len(encoded) + len(kind)
        if size > self._outbox.bounds.size:
            raise self._too_large(size)
        # Only a time to live and an audit ask what time it is.
        at = 0.0 if ttl is None and self._witness is None else self._clock.now()
        try:
            serial, effects = self._core.submit(
                encoded,
                kind,
                None if to is None else check_to(to),
                None if ttl is None else check_ttl(ttl),
                retry_after_reconnect,
                at,
                session_only,
            )
        except OutboxFull:
            self._refused_bytes = size
            raise
        if self._witness is not None:
            self._witness.submitted(
                serial, size, ttl=ttl, keep=retry_after_reconnect, at=at, alone=bool(effects), session_only=session_only
            )
        receipt = self._front.receipts[serial] = Receipt(serial, self._myself)
        if effects:
            driver.perform(effects)
        if not driver.flush_due:
            driver.signals_submitted()
        return receipt

    async def signal_when_room(
        self,
        data: Any = None,
        *,
        type: str = "",
        to: str | Member | None = None,
        retry_after_reconnect: bool = True,
        ttl: float | None = None,
        session_only: bool = False,
    ) -> Receipt:
        """Send a signal as `signal()` does, once the outbox has room for it: back-pressure, whatever its overflow policy.

        Callers go in the order in which they came. The data is taken as it is now; `ttl` runs from when it goes. A call that is
        cancelled has sent nothing. Raises BadSignal, or NotConnected where the session is left meanwhile.
        """
        self._check_loop("signal_when_room()")
        encoded = encode_data(data)
        size = len(encoded) + len(check_type(type))
        if size > self._outbox.bounds.size:
            raise self._too_large(size)
        signal = partial(
            self.signal,
            msgspec.json.decode(encoded),
            type=type,
            to=check_to(to),
            retry_after_reconnect=retry_after_reconnect,
            ttl=check_ttl(ttl),
            session_only=session_only,
        )
        return await self._front.room.submit(signal, size, keep=retry_after_reconnect)

    def _too_large(self, size: int) -> BadSignal:
        most = self._outbox.bounds.size
        return BadSignal(f"the signal has {size:,} bytes, and this outbox holds {most:,} at most", code=RejectCode.TOO_LARGE)

    def _cancel(self, serial: int) -> bool:
        effects = self._core.cancel(serial)
        if effects and self._witness is not None:
            self._witness.cancelled(serial, self._clock.now())
        self._driver.perform(effects)
        return bool(effects)

    @advised("write `await session.drain()`")
    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the error says what is left
        """Return once every signal submitted so far has its outcome; what is submitted later is not waited for.

        Raises DrainTimedOut after `timeout` seconds, with the number of those that have none yet: they stay in the outbox.
        """
        if timeout is not None:
            assembly.check_durations(timeout=timeout)
        self._driver.flush()
        receipts = self._front.receipts
        pending = set(receipts)
        try:
            async with asyncio.timeout(timeout):
                await self._front.conditions.until(lambda: pending.isdisjoint(receipts))
        except TimeoutError:
            assert timeout is not None, "without a limit nothing runs out"
            raise DrainTimedOut(pending=len(pending & receipts.keys()), seconds=timeout) from None

    async def wait_room(self) -> None:
        """Return once the outbox has room for another signal, one as large as the last that it refused."""
        outbox = self._core.at.outbox
        await self._front.conditions.until(lambda: outbox.has_room_for(self._refused_bytes))

    # -- receiving ---------------------------------------------------------------------------------------------------------------

    @overload
    def signals(self, type: str | None = None, *, ack: Literal["auto"] = "auto") -> SignalStream: ...

    @overload
    def signals(self, type: str | None = None, *, ack: Literal["manual"]) -> AckStream: ...

    def signals(self, type: str | None = None, *, ack: str = "auto") -> SignalStream | AckStream:
        """Return an async iterator over the signals that arrive from now on, all or of one type; it ends with the session.

        A signal counts as handled once it was handed out to wait there. With `ack="manual"` it does once `signal.ack()` was
        called, and comes again where its reader died before; see AckStream. Raises BadSignal or BadArgument.
        """
        kind = None if type is None else check_type(type)
        if ack == "manual":
            return self._front.iterate_manually(kind)
        if ack != "auto":
            raise BadArgument(f"ack is 'auto' or 'manual', and this is {ack!r}")
        return self._front.iterate(kind)

    # -- asking and answering ----------------------------------------------------------------------------------------------------

    @advised("write `answer = await session.request(...)`")
    async def request(
        self,
        data: Any = None,
        *,
        to: str | Member,
        type: str = "",
        timeout: float = limits.REQUEST_SECONDS,  # noqa: ASYNC109  # it travels along
    ) -> Any:
        """Ask one member and return its answer, a JSON value; request and answer survive an outage as signals do.

        Raises RequestTimedOut, AnswerFailed with what the other side said, or RequestFailed with why there can be no answer: its
        `code` is `no_such_connection` where nobody has that connection. `possibly_sent` says whether the other may have got it.
        Raises BadSignal, BadArgument or NotConnected where nothing was sent at all.
        """
        assembly.check_durations(timeout=timeout)
        return await self._front.requests.ask(self, data, to=to, type=type, timeout=timeout)

    @overload
    def on_request(self, type: str, answer: AnswererT) -> AnswererT: ...

    @overload
    def on_request(self, type: str = "") -> Callable[[AnswererT], AnswererT]: ...

    def on_request(self, type: str = "", answer: AnswererT | EllipsisType = ...) -> AnswererT | Callable[[AnswererT], AnswererT]:
        """Answer requests of this type: `answer(signal)` returns a JSON value, or awaits it; without `answer`, a decorator.

        What it raises fails the request: an AnswerFailed with its sentence, anything else by its kind only. One function answers
        each type. Raises BadSignal or BadArgument.
        """
        if not isinstance(answer, EllipsisType):  # None is what `on_request(type, answer())` gives
            self._front.requests.on(type, answer)
            return answer

        def decorate(given: AnswererT) -> AnswererT:
            self._front.requests.on(type, given)
            return given

        return decorate

    def off_request(self, type: str = "") -> None:
        """Answer requests of this type no more."""
        self._front.requests.off(type)
