"""Asking one member and getting its answer: `await session.request(data, to=member)`, built on signals.

- A request is a signal to one connection with the type `~request`, or `~request.TYPE`; its time to live is the asker's patience.
  The answer is a signal back, of the type `~reply`: `{"serial": N, "value": ...}`, or `{"serial": N, "error": "..."}`. `serial`
  is that of the request, so the wire knows nothing of this, and both survive an outage as signals do.
- These signals are nobody else's: no iterator and no observer of `signal` gets them.
- What nobody waits for any more, or comes from another connection than was asked, is dropped and counted (`late_replies`).
- The asker is told as soon as no answer can come: its signal was not taken, the other is gone for good, or the own connection, to
  which the answer would go, was replaced. `possibly_sent` says whether the other may have acted all the same.
- Each request is answered in a task of its own. What an answerer raises is told to the asker by its kind only, and reported here
  in full; the sentence of an AnswerFailed travels.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec.structs import replace

from reconnect import limits
from reconnect.client.observers import check_callable
from reconnect.client.receipt import Receipt
from reconnect.core.effects import Deliver
from reconnect.core.frames import Entry, Member
from reconnect.core.notices import ConnectionDestroyed, Disconnected, Notice, Reconnected, Signal
from reconnect.core.submission import check_to, check_type
from reconnect.errors import AnswerFailed, BadArgument, BadSignal, NotConnected, RequestFailed, RequestTimedOut
from reconnect.reasons import OutcomeStatus, Reason, RejectCode

ASKS: Final = "~request"
REPLIES: Final = "~reply"
_CALL: Final = "request()"
_SENT: Final = (OutcomeStatus.DELIVERED, OutcomeStatus.WRITTEN)

Answerer = Callable[[Signal], object]
Report = Callable[[str, Callable[..., object], BaseException], None]


class Sender(Protocol):
    """The session whose requests these are."""

    async def signal_when_room(
        self, data: Any = None, *, type: str = "", to: str | Member | None = None, ttl: float | None = None
    ) -> Receipt: ...


class _Asked:
    """A request that waits for its answer."""

    __slots__ = ("answer", "receipt", "to")

    def __init__(self, receipt: Receipt, to: str) -> None:
        self.receipt, self.to = receipt, to
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def may_have_come(self) -> bool:
        outcome = self.receipt.outcome
        return outcome is None or outcome.status in _SENT or outcome.possibly_sent

    def fail(self, error: RequestFailed | TimeoutError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Requests:
    """The requests that one session makes and answers."""

    def __init__(self, counts: Counter[str], *, report: Report) -> None:
        self._counts = counts
        self._report = report
        self._session: Callable[[], Sender | None] = lambda: None
        self._waiting: dict[int, _Asked] = {}
        self._answerers: dict[str, Answerer] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Requests waiting={len(self._waiting)} at_work={len(self._at_work)}>"

    def attach(self, session: Callable[[], Sender | None]) -> None:
        """Answer through this session, for as long as anybody has it."""
        self._session = session

    # -- asking ------------------------------------------------------------------------------------------------------------------

    async def ask(self, session: Sender, data: Any, *, to: str | Member, type: str, timeout: float) -> Any:  # noqa: ASYNC109  # told to the other side
        """Ask, and return the answer; raises RequestFailed or one of its kinds."""
        target = check_to(to)
        if target is None:
            raise BadArgument(f"{_CALL} asks one connection: `to` is a Member or its connection id")
        kind = _wire_type(type)
        asked: _Asked | None = None
        try:
            async with asyncio.timeout(timeout):
                receipt = await session.signal_when_room(data, type=kind, to=target, ttl=timeout)
                asked = self._waiting[receipt.serial] = _Asked(receipt, target)
                self.check()
                return await asked.answer
        except TimeoutError:
            sent = asked is not None and not asked.receipt.cancel() and asked.may_have_come
            raise RequestTimedOut(_CALL, seconds=timeout, possibly_sent=sent) from None
        finally:
            if asked is not None:
                del self._waiting[asked.receipt.serial]
                asked.receipt.cancel()
                if asked.answer.done() and not asked.answer.cancelled():
                    asked.answer.exception()  # one that came together with a cancellation is no forgotten error

    def check(self) -> None:
        """Fail the requests whose signal has an outcome with which no answer can come."""
        for asked in self._waiting.values():
            outcome = asked.receipt.outcome
            if outcome is None or outcome.status in _SENT:
                continue
            if outcome.reason is Reason.TTL or outcome.code is RejectCode.EXPIRED:
                asked.fail(TimeoutError())
            else:
                code = outcome.code or outcome.reason
                asked.fail(RequestFailed(_CALL, code=code, possibly_sent=outcome.possibly_sent))

    def told(self, notice: Notice) -> None:
        """Something happened to the session: an answer may be impossible from now on."""
        if isinstance(notice, ConnectionDestroyed):
            gone = notice.member.connection
            self._fail_sent(RejectCode.NO_SUCH_CONNECTION, "the one that was asked is gone", lambda asked: asked.to == gone)
        elif isinstance(notice, Reconnected) and not notice.resumed:
            self._fail_sent(Reason.NOT_RESUMED, "the connection that the answer was for is lost", lambda asked: True)
        elif isinstance(notice, Disconnected):
            for asked in self._waiting.values():
                asked.fail(RequestFailed(_CALL, code=notice.reason, possibly_sent=asked.may_have_come))

    def _fail_sent(self, code: Reason | RejectCode, detail: str, concerns: Callable[[_Asked], bool]) -> None:
        for asked in self._waiting.values():
            outcome = asked.receipt.outcome
            if outcome is not None and outcome.status in _SENT and concerns(asked):
                asked.fail(RequestFailed(_CALL, code=code, detail=detail, possibly_sent=True))

    # -- answering ---------------------------------------------------------------------------------------------------------------

    def on(self, type: str, answerer: Answerer) -> None:
        """Answer requests of this type so; raises BadArgument where somebody does already."""
        check_callable(answerer, "requests are answered by a function of one signal", "the request", "signal")
        if self._answerers.setdefault(_wire_type(type), answerer) is not answerer:
            raise BadArgument(f"requests of the type {type!r} are answered already; off_request({type!r}) ends that")

    def off(self, type: str) -> None:
        """Answer requests of this type no more."""
        self._answerers.pop(_wire_type(type), None)

    async def settled(self) -> None:
        """The session was left, and no answer can travel: end what is at work, but for the answerer that is asking."""
        others = self._at_work - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=limits.OBSERVER_SECONDS)

    # -- what arrives ------------------------------------------------------------------------------------------------------------

    def take(self, signals: Deliver) -> Deliver:
        """Take requests and replies out of what arrived, and return the rest."""
        kept = [not self._took(entry, value, signals.at) for entry, value in zip(signals.entries, signals.values, strict=True)]
        if all(kept):
            return signals
        entries = tuple(entry for entry, keep in zip(signals.entries, kept, strict=True) if keep)
        values = tuple(value for value, keep in zip(signals.values, kept, strict=True) if keep)
        return replace(signals, entries=entries, values=values)

    def _took(self, entry: Entry, value: Any, at: float) -> bool:
        if entry.to is None or entry.connection is None:
            return False
        if entry.type == REPLIES:
            self._replied(entry.connection, value)
            return True
        if entry.type != ASKS and not entry.type.startswith(f"{ASKS}."):
            return False
        plain = replace(entry, type=entry.type[len(ASKS) + 1 :])
        (notice,) = Deliver(at=at, entries=(plain,), values=(value,)).notices()
        busy = len(self._at_work) >= limits.REQUESTS_AT_WORK
        refusal = "too many requests are being answered there"
        work = self._refuse(notice.signal, refusal) if busy else self._answer(notice.signal, entry.type)
        task = asyncio.get_running_loop().create_task(work, name=f"reconnect-answer-{entry.serial}")
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        return True

    def _replied(self, connection: str, reply: Any) -> None:
        serial = reply.get("serial") if isinstance(reply, dict) else None
        asked = self._waiting.get(serial) if isinstance(serial, int) else None
        if asked is None or asked.answer.done() or asked.to != connection:
            self._counts["late_replies"] += 1
        elif "error" in reply:
            asked.fail(AnswerFailed(str(reply["error"])))
        else:
            asked.answer.set_result(reply.get("value"))

    async def _answer(self, request: Signal, kind: str) -> None:
        answerer = self._answerers.get(kind)
        if answerer is None:
            await self._refuse(request, f"nobody answers requests of the type {request.type!r} there")
            return
        try:
            value = answerer(request)
            if inspect.isawaitable(value):
                value = await value
        except AnswerFailed as failure:
            await self._refuse(request, failure.detail)
        except Exception as error:
            self._report("request", answerer, error)
            await self._refuse(request, type(error).__name__)
        else:
            try:
                await self._reply(request, value=value)
            except BadSignal as error:
                self._report("request", answerer, error)
                await self._refuse(request, f"the answer cannot be sent: {error}")

    async def _refuse(self, request: Signal, why: str) -> None:
        await self._reply(request, error=why[: limits.ANSWER_ERROR_CHARACTERS])

    async def _reply(self, request: Signal, **answer: Any) -> None:
        session = self._session()
        try:
            if session is not None:
                await session.signal_when_room({"serial": request.serial, **answer}, type=REPLIES, to=request.connection)
        except NotConnected:
            self._counts["unsent_replies"] += 1


def _wire_type(type: str) -> str:
    """Return what a request of this type is called on the wire."""
    return check_type(f"{ASKS}.{check_type(type)}") if type != "" else ASKS
