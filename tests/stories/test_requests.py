"""Asking one member and getting its answer, through outages, and every way in which there is none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import reconnect
from reconnect import (
    AnswerFailed,
    BadArgument,
    BadSignal,
    NotConnected,
    Reason,
    RejectCode,
    RequestFailed,
    RequestTimedOut,
    Signal,
    limits,
)
from reconnect.core import frames
from tests.stories.stage import Member, Stage, story


async def _pair(stage: Stage, **options: Any) -> tuple[Member, Member, str]:
    """Return one who asks, one who answers, and the connection of the second."""
    anna, ben = await stage.enter("anna", **options), await stage.enter("ben")
    assert ben.session.connection
    return anna, ben, ben.session.connection


@story(Stage)
async def test_a_request_gets_its_answer(stage: Stage) -> None:
    """By a function or a coroutine, by type or without one; nobody else sees any of it, not even who asks and answers."""
    anna, ben, his = await _pair(stage)
    iterator, manual = ben.session.signals(), anna.session.signals(ack="manual")
    asked: list[Signal] = []

    @ben.session.on_request()
    def double(request: Signal) -> Any:
        asked.append(request)
        return request.data * 2

    @ben.session.on_request("slow")
    async def slowly(request: Signal) -> Any:
        await asyncio.sleep(2.0)
        return {"slow": request.data}

    (member,) = anna.session.members
    assert await anna.session.request(21, to=member) == 42
    assert await anna.session.request("x", to=his, type="slow") == {"slow": "x"}
    many = [anna.session.request(number, to=his) for number in range(10)]
    assert await asyncio.gather(*many) == [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert (asked[0].type, asked[0].data, asked[0].connection) == ("", 21, anna.session.connection)
    assert (anna.heard, ben.heard) == ([], [])
    assert (repr(iterator), repr(manual)) == (
        "<SignalStream type=None waiting=0>",
        "<AckStream type=None waiting=0 unacknowledged=0>",
    )
    assert {signal.type for signal in anna.wire.signals} == {"~request", "~request.slow"}
    assert {signal.type for signal in ben.wire.signals} == {"~reply"}
    assert {signal.ttl for signal in anna.wire.signals} == {limits.REQUEST_SECONDS}, "it is not asked once nobody waits any more"


@story(Stage)
async def test_both_may_ask_each_other_and_themselves(stage: Stage) -> None:
    anna, ben, his = await _pair(stage)
    hers = anna.session.connection
    assert hers
    for member, name in ((anna, "anna"), (ben, "ben")):
        member.session.on_request("name", lambda request, name=name: name)
    assert await anna.session.request(to=his, type="name") == "ben"
    assert await ben.session.request(to=hers, type="name") == "anna"
    assert await anna.session.request(to=hers, type="name") == "anna"


@story(Stage)
@pytest.mark.parametrize("who", ["anna", "ben", "both"])
async def test_request_and_answer_survive_an_outage(stage: Stage, who: str) -> None:
    """Q04 R07: of the one who asks, of the one who answers, and of both; it is answered once."""
    anna, ben, his = await _pair(stage)
    times: list[Any] = []

    @ben.session.on_request()
    async def answer(request: Signal) -> Any:
        times.append(request.data)
        await asyncio.sleep(0.5)
        return "yes"

    away = [member for member in (anna, ben) if who in (member.name, "both")]
    for member in away:
        stage.network.cut(member.name)
        await member.next("reconnecting")
    asking = stage.start(anna.session.request("really?", to=his))
    for member in away:
        await member.back()
    await stage.until(lambda: times == ["really?"])
    for member in away:  # the question is with the one who answers, and the answer meets another outage
        stage.network.cut(member.name)
    assert await asking == "yes"
    assert times == ["really?"]


@story(Stage)
async def test_a_late_reply_is_dropped_and_counted(stage: Stage) -> None:
    anna, ben, his = await _pair(stage)

    @ben.session.on_request()
    async def answer(request: Signal) -> str:
        await asyncio.sleep(3.0)
        return "too late"

    before = stage.now
    with pytest.raises(RequestTimedOut, match=r"request\(\) failed: no answer came within 2 s \(it may have been done\)") as late:
        await anna.session.request("hello?", to=his, timeout=2.0)
    assert (stage.now - before, late.value.seconds, late.value.possibly_sent) == (2.0, 2.0, True)
    assert isinstance(late.value, TimeoutError)
    await stage.later(5.0)
    assert anna.session.statistics().counts["late_replies"] == 1
    assert anna.heard == []


@story(Stage)
async def test_a_request_that_never_left_is_taken_back(stage: Stage) -> None:
    """It may not be done after its asker was told that it failed; a caller that is cancelled takes it back as well."""
    anna, ben, his = await _pair(stage)
    asked: list[Any] = []
    ben.session.on_request("", lambda request: asked.append(request.data))
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    cancelled = stage.start(anna.session.request("cancelled", to=his))
    await stage.idle()
    cancelled.cancel()
    with pytest.raises(RequestTimedOut) as late:
        await anna.session.request("in vain", to=his, timeout=2.0)
    assert not late.value.possibly_sent
    stage.network.restore("anna")
    await anna.back()
    assert await anna.session.request("now", to=his) is None
    assert asked == ["now"]


@story(Stage)
async def test_a_request_that_finds_no_room_times_out(stage: Stage) -> None:
    anna, _, his = await _pair(stage, outbox=reconnect.Outbox(max_signals=1))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal("first")
    with pytest.raises(RequestTimedOut) as late:
        await anna.session.request("no room", to=his, timeout=0.01)
    assert not late.value.possibly_sent
    await anna.back()


@story(Stage)
async def test_why_there_is_no_answer(stage: Stage) -> None:
    """Each in a typed error at once, and not after the patience of the asker."""
    stage.allowed.add("failed_observers")
    anna, ben, his = await _pair(stage)

    @ben.session.on_request("mistake")
    def mistake(request: Signal) -> None:
        raise LookupError("a secret of ben's")

    @ben.session.on_request("no")
    async def refuse(request: Signal) -> None:
        raise AnswerFailed(f"not {request.data}")

    ben.session.on_request("large", lambda request: "x" * 9_000)
    ben.session.on_request("strange", lambda request: {1, 2})
    before = stage.now
    for type, problem in (
        ("mistake", "LookupError"),
        ("no", "not today"),
        ("large", r"the answer cannot be sent: the data has 9,\d+ bytes as JSON"),
        ("strange", "the answer cannot be sent: set is no JSON value"),
        ("unknown", "nobody answers requests of the type 'unknown' there"),
    ):
        with pytest.raises(AnswerFailed, match=rf"^request\(\) failed: {problem}") as failed:
            await anna.session.request("today", to=his, type=type)
        assert not failed.value.possibly_sent
        assert "secret" not in str(failed.value)
    with pytest.raises(RequestFailed) as gone:
        await anna.session.request(to="nobody")
    assert (gone.value.code, gone.value.possibly_sent) == (RejectCode.NO_SUCH_CONNECTION, False)
    ben.session.off_request("no")
    ben.session.off_request("no")
    with pytest.raises(AnswerFailed, match="nobody answers requests of the type 'no' there"):
        await anna.session.request(to=his, type="no")
    assert stage.now == before
    assert ben.session.statistics().counts["failed_observers"] == 3


@story(Stage)
async def test_the_other_leaves_before_it_answers(stage: Stage) -> None:
    """The asker is told as soon as the other is gone for good; the answerer is cancelled."""
    anna, ben, his = await _pair(stage)
    ends: list[str] = []

    @ben.session.on_request()
    async def answer(request: Signal) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    asking = stage.start(anna.session.request("stay?", to=his))
    await stage.until(lambda: "at_work=1" in repr(ben.session._front.requests))
    await ben.session.disconnect()
    assert ends == ["cancelled"]
    with pytest.raises(RequestFailed, match="the one that was asked is gone") as gone:
        await asking
    assert (gone.value.code, gone.value.possibly_sent) == (RejectCode.NO_SUCH_CONNECTION, True)


@story(Stage)
async def test_the_asker_leaves_or_loses_its_connection(stage: Stage) -> None:
    """An answer would go to a connection that is gone: nobody waits for it."""
    anna, ben, his = await _pair(stage)
    ben.session.on_request("", lambda request: asyncio.sleep(60.0))
    asking = stage.start(anna.session.request(to=his, timeout=300.0))
    await stage.idle()
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await stage.later(65.0)
    stage.network.restore("anna")
    assert not (await anna.back()).resumed
    with pytest.raises(RequestFailed, match="the connection that the answer was for is lost") as lost:
        await asking
    assert (lost.value.code, lost.value.possibly_sent) == (Reason.NOT_RESUMED, True)
    asking = stage.start(anna.session.request(to=his, timeout=300.0))
    await stage.idle()
    await anna.session.disconnect()
    with pytest.raises(RequestFailed) as left:
        await asking
    assert (left.value.code, left.value.possibly_sent) == (Reason.CLIENT_DISCONNECTED, True)
    with pytest.raises(NotConnected):
        await anna.session.request(to=his)


@story(Stage)
async def test_an_answerer_may_leave_the_session_itself(stage: Stage) -> None:
    anna, ben, his = await _pair(stage)

    @ben.session.on_request()
    async def leave(request: Signal) -> str:
        await ben.session.disconnect()
        return "nobody hears this"

    with pytest.raises(RequestFailed):
        await anna.session.request(to=his)
    await stage.idle()
    assert ben.session.statistics().counts["unsent_replies"] == 1


@story(Stage)
async def test_too_many_at_a_time_are_refused(stage: Stage) -> None:
    anna, ben, his = await _pair(stage)
    ben.session.on_request("", lambda request: asyncio.sleep(1.0))
    many = [anna.session.request(number, to=his) for number in range(limits.REQUESTS_AT_WORK + 1)]
    *answered, refused = await asyncio.gather(*many, return_exceptions=True)
    assert answered == [None] * limits.REQUESTS_AT_WORK
    assert isinstance(refused, AnswerFailed)
    assert refused.detail == "too many requests are being answered there"


@story(Stage)
async def test_replies_that_are_none(stage: Stage) -> None:
    """From another connection than was asked, to nothing that was asked, or no reply at all: dropped and counted."""
    anna, ben, his = await _pair(stage)
    carla = await stage.enter("carla")
    hers = anna.session.connection
    ben.session.on_request("", lambda request: asyncio.sleep(1.0, "the real one"))
    asking = stage.start(anna.session.request(to=his))
    await stage.idle()
    serial = anna.wire.signals[-1].serial
    for reply in ({"serial": serial, "value": "forged"}, {"serial": 99}, {"serial": "x"}, "nonsense", None):
        await carla.signal(reply, type="~reply", to=hers)
    assert await asking == "the real one"
    assert anna.session.statistics().counts["late_replies"] == 5


@story(Stage)
async def test_what_only_looks_like_a_request(stage: Stage) -> None:
    """A signal to everyone, one of the server's own, and one whose type only begins alike are signals like others."""
    anna, ben, his = await _pair(stage)
    ben.session.on_request("", lambda request: "answered")
    await anna.signal("to all", type="~request")
    await anna.signal("another type", type="~requested", to=his)
    await stage.hub.signal("room-1", "of the server", type="~request", to=his)
    await stage.until(lambda: ben.heard == ["to all", "another type", "of the server"])
    assert ben.wire.signals == []


@story(Stage)
async def test_what_cannot_be_asked_or_answered(stage: Stage) -> None:
    anna, ben, his = await _pair(stage)
    with pytest.raises(BadArgument, match="asks one connection"):
        await anna.session.request(to=None)  # type: ignore[arg-type]  # the mistake that is to be told
    with pytest.raises(BadArgument, match="timeout is 0"):
        await anna.session.request(to=his, timeout=0)
    with pytest.raises(BadSignal, match="other characters"):
        await anna.session.request(to=his, type="two words")
    with pytest.raises(BadSignal, match="128 are allowed"):
        await anna.session.request(to=his, type="x" * 125)
    with pytest.raises(BadArgument, match="answered by a function of one signal, and this is 5"):
        ben.session.on_request("x", 5)  # type: ignore[call-overload]  # the mistake that is to be told
    first = ben.session.on_request("x", lambda request: 1)
    ben.session.on_request("x", first)
    with pytest.raises(BadArgument, match=r"requests of the type 'x' are answered already; off_request\('x'\) ends that"):
        ben.session.on_request("x", lambda request: 2)
    assert await anna.session.request(to=his, type="x") == 1
    assert not anna.wire.all_sent(frames.Kick)
