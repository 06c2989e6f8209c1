"""The checks that a transport must pass, each with its rule as its docstring; `reconnect.testing.conformance` runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, CloseCode, Reason, cause_of_close
from reconnect.testing.ground import STALLED_SECONDS, Broken, Ground, alike, ensure

Check = Callable[[Ground], Awaitable[None]]

TEXTS: Final = ("plain", "", "\u00e9\u20ac\U0001f600", 'quotes " and \\ and \n', "\x00", "x" * 70_000)
MANY: Final = 300


async def integrity(ground: Ground) -> None:
    """Text arrives as the same text and bytes as the same bytes, empty ones too, in both directions."""
    async with ground.pair() as ends:
        for sender, receiver in (ends, ends[::-1]):
            for message in (*TEXTS, bytes(range(256)), b"", b"\xff\xfe"):
                await ground.soon(sender.send(message), "a send")
                alike(message, await ground.next(receiver), "a message is changed")


async def order(ground: Ground) -> None:
    """Messages arrive once and in the order in which they were sent, text and bytes alike."""
    async with ground.pair() as ends:
        for sender, receiver in (ends, ends[::-1]):
            sent = [str(number) if number % 3 else number.to_bytes(4) for number in range(MANY)]
            writing = ground.start(_send_all(sender, sent))
            for message in sent:
                alike(message, await ground.next(receiver), "the order is broken")
            await ground.soon(writing, "a send")


async def concurrency(ground: Ground) -> None:
    """Both ends may send and receive at the same time; a receive that waits holds up no send."""
    async with ground.pair() as (here, there):
        sent = [f"{number}" * 50 for number in range(MANY)]
        waiting = [ground.start(_take(ground, end, MANY)) for end in (here, there)]
        await asyncio.sleep(0)
        await ground.soon(asyncio.gather(_send_all(here, sent), _send_all(there, sent)), "sending while both ends receive")
        for taken in waiting:
            ensure(await ground.soon(taken, "a receive while both ends send") == sent, "what both ends sent is mixed up")


async def large_messages(ground: Ground) -> None:
    """A message of the full length passes whole, as text and as bytes."""
    async with ground.pair() as (here, there):
        for message in ("x" * ground.message_bytes, bytes(ground.message_bytes)):
            writing = ground.start(here.send(message))
            alike(message, await ground.next(there), "a large message is changed")
            await ground.soon(writing, "a send")


async def close_codes(ground: Ground) -> None:
    """A close code arrives at the other end as its cause: the code, the reason that it stands for, whether it is final."""
    for code in (CloseCode.KICKED, CloseCode.SLOW, CloseCode.GOING_AWAY, 1000):
        async with ground.pair() as (here, there):
            closing = ground.start(here.close(code, "because"))
            told = await ground.end_of(there.receive(), "a receive after the other end was closed")
            expected = cause_of_close(code, "because")
            ensure(told == expected, f"close({int(code)}) is told as {_words(told)}, and not as {_words(expected)}")
            await ground.soon(closing, "close()")


async def last_words(ground: Ground) -> None:
    """What was sent before a close arrives before the end is told."""
    async with ground.pair() as (here, there):
        sent = [str(number) for number in range(20)]
        await ground.soon(_send_all(here, sent), "a send")
        closing = ground.start(here.close(CloseCode.GOING_AWAY, "done"))
        await _hear_out(ground, there, sent)
        await ground.soon(closing, "close()")


async def failed_send(ground: Ground) -> None:
    """A send that finds the end first, and an abort() that answers it, hide neither what had arrived before nor the cause."""
    async with ground.pair() as (here, there):
        sent = ["first", "second", "third"]  # so few that no reader is needed for the end behind them to be noticed
        await ground.soon(_send_all(here, sent), "a send")
        closing = ground.start(here.close(CloseCode.GOING_AWAY, "done"))
        await ground.soon(_send_until_it_fails(there), "sending to an end that was closed, until that is noticed")
        there.abort()
        await _hear_out(ground, there, sent)
        await ground.soon(closing, "close()")


async def own_abort(ground: Ground) -> None:
    """What had arrived when this end was aborted is received before the end is told."""
    async with ground.pair() as (here, there):
        sent = ["first", "second", "third"]
        await ground.soon(_send_all(here, sent), "a send")
        await asyncio.sleep(STALLED_SECONDS)  # it has arrived by then
        there.abort()
        for message in sent:
            alike(message, await ground.next(there), "what had arrived is lost")
        await ground.end_of(there.receive(), "a receive after abort()")


async def own_close(ground: Ground) -> None:
    """Whoever closed is told its own code by its own calls from then on."""
    async with ground.pair() as (here, _):
        await ground.soon(here.close(CloseCode.HOLE, "a hole"), "close()")
        for what, call in (("a receive after close()", here.receive), ("a send after close()", partial(here.send, "more"))):
            told = await ground.end_of(call(), what)
            ensure(told.code == CloseCode.HOLE, f"{what} tells {_words(told)}, and not code {int(CloseCode.HOLE)}")


async def end_stays(ground: Ground) -> None:
    """A transport that has ended stays ended: each receive and each send raises the same cause, at once."""
    async with ground.pair() as (here, there):
        closing = ground.start(here.close(CloseCode.TAKEN_OVER, "out"))
        first = await ground.end_of(there.receive(), "a receive after the other end was closed")
        for _ in range(3):
            for what, call in (("a second receive", there.receive), ("a send", partial(there.send, "more"))):
                told = await ground.end_of(call(), f"{what} after the end was told")
                ensure(told == first, f"{what} after the end tells {_words(told)}, and the first told {_words(first)}")
        await ground.soon(closing, "close()")


async def ending_twice(ground: Ground) -> None:
    """To close or to abort what has ended changes nothing and raises nothing."""
    async with ground.pair() as (here, there):
        for end in (here, there):
            end.abort()
            end.abort()
            await ground.soon(end.close(1000, ""), "close() after abort()")
        told = await ground.end_of(here.receive(), "a receive after abort()")
        ensure(told.code is None, f"close() after abort() changes the cause to {_words(told)}")


async def abort_at_once(ground: Ground) -> None:
    """abort() returns at once and wakes whoever waits, although the other end reads nothing."""
    async with ground.pair() as (here, _):
        reading = ground.start(here.receive())
        _, writing = await ground.fill(here)
        here.abort()
        told = await ground.end_of(reading, "a receive that waited when abort() was called")
        ensure(told.code is None, f"a receive that was aborted tells {_words(told)}")
        if writing is not None:
            with suppress(TransportFailed):
                await ground.soon(writing, "a send that waited when abort() was called")
        await ground.end_of(here.send("more"), "a send after abort()")


async def abort_is_a_reset(ground: Ground) -> None:
    """The other end is told of an abort as of a reset: closed, without a code, worth another attempt."""
    async with ground.pair() as (here, there):
        reading = ground.start(there.receive())
        await asyncio.sleep(0)
        here.abort()
        told = await ground.end_of(reading, "a receive that waited when the other end was aborted")
        ensure((told.reason, told.code, told.final) == (Reason.CLOSED, None, False), f"an abort is told as {_words(told)}")


async def back_pressure(ground: Ground) -> None:
    """A send waits while the other end does not read, and goes on when it does; nothing is lost."""
    async with ground.pair() as (here, there):
        sent, writing = await ground.fill(here)
        if writing is None:
            raise Broken(f"{sum(map(len, sent)):,} bytes were sent that nobody read, and no send waited")
        for message in sent:
            alike(message, await ground.next(there), "what waited is changed")
        await ground.soon(writing, "a send that waited, when all was read")


async def close_has_an_end(ground: Ground) -> None:
    """close() ends within a limit of its own, although the other end reads nothing."""
    async with ground.pair() as (here, _):
        _, writing = await ground.fill(here)
        await ground.soon(here.close(1000, "bye"), "close() while the other end does not read")
        await ground.end_of(here.receive(), "a receive after close()")
        if writing is not None:
            with suppress(TransportFailed):
                await ground.soon(writing, "a send that waited when close() was called")


async def cancelled_receive(ground: Ground) -> None:
    """A receive that is cancelled takes no message along, not even one that arrives in the same turn."""
    async with ground.pair() as (here, there):
        for number in range(20):
            reading = ground.start(there.receive())
            await asyncio.sleep(0)
            await here.send(f"{number}")
            for _ in range(number):  # later and later: before the message is there, with it, behind it
                await asyncio.sleep(0)
            reading.cancel()
            try:
                got = await reading
            except asyncio.CancelledError:
                got = await ground.soon(there.receive(), "a message that a cancelled receive left behind")
            alike(f"{number}", got, "a cancelled receive took a message along")


async def cancelled_send(ground: Ground) -> None:
    """A send that is cancelled has sent its message whole or not at all, and those behind it are sent as ever."""
    async with ground.pair() as (here, there):
        sent, writing = await ground.fill(here)
        if writing is not None:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
        behind = ground.start(here.send("behind"))
        for message in sent[:-1]:
            alike(message, await ground.next(there), "what was sent before a cancelled send is changed")
        last = await ground.next(there)
        if last != "behind":
            alike(sent[-1], last, "a cancelled send is sent in part")
            alike("behind", await ground.next(there), "what was sent behind a cancelled send is changed")
        await ground.soon(behind, "a send behind a cancelled one")


async def cancelled_dial(ground: Ground) -> None:
    """A dial that is cancelled, at whatever moment, leaves nothing open and nothing running."""

    async def attend(transport: Transport) -> None:
        with suppress(TransportFailed):
            while True:
                await transport.receive()

    async with ground.listening(attend) as (dialer, url):
        before = asyncio.all_tasks()
        for turns in range(30):
            dial = ground.start(_dial(dialer, url))
            for _ in range(turns):
                await asyncio.sleep(0)
            dial.cancel()
            with suppress(asyncio.CancelledError):
                (await dial).abort()
        await ground.leave_nothing(before, "a cancelled dial")


async def refused_dial(ground: Ground) -> None:
    """A dial that nobody answers raises TransportFailed with a cause that is worth another attempt."""

    async def attend(transport: Transport) -> None:
        transport.abort()

    async with ground.listening(attend) as (dialer, url):
        pass
    told = await ground.end_of(_dial(dialer, url), "a dial that nobody answers")
    ensure(not told.final, f"a dial that nobody answers is told as {_words(told)}, which is final")


async def nothing_left(ground: Ground) -> None:
    """When both ends are over and the listener is left, nothing of them runs any more."""
    before = asyncio.all_tasks()
    for polite in (True, False):
        async with ground.pair() as (here, there):
            await ground.soon(here.send("hello"), "a send")
            await ground.next(there)
            if polite:
                await ground.soon(here.close(1000, ""), "close()")
        await ground.leave_nothing(before, "a link that is over")


# -- parts ---------------------------------------------------------------------------------------------------------------------


async def _dial(dialer: Dialer, url: str) -> Transport:
    return await dialer(url)


async def _send_all(end: Transport, messages: list[str] | list[str | bytes]) -> None:
    for message in messages:
        await end.send(message)


async def _send_until_it_fails(end: Transport) -> None:
    with suppress(TransportFailed):
        while True:
            await end.send("too late")
            await asyncio.sleep(0.001)  # what is on the way arrives meanwhile


async def _hear_out(ground: Ground, end: Transport, sent: list[str]) -> None:
    for message in sent:
        alike(message, await ground.next(end), "words before a close are lost")
    told = await ground.end_of(end.receive(), "a receive after the other end was closed")
    ensure(told.code == CloseCode.GOING_AWAY, f"the end behind the last words is told as {_words(told)}")


async def _take(ground: Ground, end: Transport, number: int) -> list[str | bytes]:
    return [await ground.next(end) for _ in range(number)]


def _words(cause: Cause) -> str:
    code = "without a code" if cause.code is None else f"code {int(cause.code)}"
    return f"{cause.reason} ({code}, {'final' if cause.final else 'not final'}, {cause.detail!r})"


CHECKS: Final[dict[str, Check]] = {
    check.__name__: check
    for check in (
        integrity, order, concurrency, large_messages, close_codes, last_words, failed_send, own_abort, own_close, end_stays,
        ending_twice, abort_at_once, abort_is_a_reset, back_pressure, close_has_an_end, cancelled_receive, cancelled_send,
        cancelled_dial, refused_dial, nothing_left,
    )
}  # fmt: skip
