"""Asking for streams: what may be asked, what is shared, what happens to one that is refused or given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconnect.client.desk import StreamDesk
from reconnect.client.streams import Publisher, Subscriber
from reconnect.core.frames import AddWant, Done, DropWant, EntryKind, Failed, WantAnswer
from reconnect.errors import BadArgument, NotConnected, RequestFailed
from reconnect.reasons import Reason, RejectCode
from tests.bench import CAMERA, Bench, Hand, on_bench


async def grant(hub: Hand) -> AddWant:
    """Answer the next want with the camera."""
    asked = await hub.next(AddWant)
    await hub.say(Done(request=asked.request, answer=WantAnswer(key=asked.want.key, stream=CAMERA)))
    return asked


def desk_of(session: Any) -> StreamDesk:
    desk = session._front.desk
    assert isinstance(desk, StreamDesk)
    return desk


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("", "", "name is that of a stream, a string that is not empty, and this is ''"),
        (7, "", "name is that of a stream, a string that is not empty, and this is 7"),
        ("x" * 257, "", "name is that of a stream, of at most 256 characters, and this has 257"),
        ("\ud800", "", "name is that of a stream, and this has a lone surrogate, which cannot be written as UTF-8"),
        ("camera", None, "data is what others are told of the stream, a string that is not empty, and this is None"),
        ("camera", "x" * 1_001, "data is what others are told of the stream, of at most 1000 characters, and this has 1001"),
    ],
)
@on_bench
async def test_what_cannot_be_published(bench: Bench, name: Any, data: Any, sentence: str) -> None:
    session, hub = await bench.online()
    with pytest.raises(BadArgument) as refused:
        await session.publish(name, data=data)
    assert str(refused.value) == sentence
    await bench.idle()
    assert hub.all(AddWant) == []


@pytest.mark.parametrize("stream", ["", 7, None])
@on_bench
async def test_what_cannot_be_subscribed_to(bench: Bench, stream: Any) -> None:
    session, _ = await bench.online()
    with pytest.raises(BadArgument) as refused:
        await session.subscribe(stream)
    assert str(refused.value) == f"stream is a Stream or its id, a string that is not empty, and this is {stream!r}"


@on_bench
async def test_streams_need_a_session_that_is_connected_or_on_its_way(bench: Bench) -> None:
    session = bench.session()
    for call, sentence in ((session.publish("camera"), "publish()"), (session.subscribe("s1"), "subscribe()")):
        with pytest.raises(NotConnected) as refused:
            await call
        assert str(refused.value) == (
            f"{sentence} needs a connected session, and this one is disconnected; await session.connect() first"
        )
    assert repr(desk_of(session)) == "<StreamDesk >"


@on_bench
async def test_two_streams_of_one_name_cannot_be_published(bench: Bench) -> None:
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera"))
    await grant(hub)
    first = await publishing
    with pytest.raises(BadArgument) as refused:
        await session.publish("camera")
    assert str(refused.value) == "this session publishes 'camera' already; give the second stream another name"
    await first.unpublish()
    again = bench.start(session.publish("camera"))
    await grant(hub)
    assert await again is not first
    assert repr(desk_of(session)) == "<StreamDesk publish:camera>"


@on_bench
async def test_a_subscription_is_shared(bench: Bench) -> None:
    session, hub = await bench.online()
    first = bench.start(session.subscribe("s1"))
    second = bench.start(session.subscribe(CAMERA))
    await bench.idle()
    assert not second.done(), "it is not answered yet, for the second caller neither"
    await grant(hub)
    assert await first is await second
    assert await session.subscribe("s1") is await first
    assert len(hub.all(AddWant)) == 1


@on_bench
async def test_a_refusal_is_told_to_all_who_asked_and_forgotten(bench: Bench) -> None:
    session, hub = await bench.online()
    first, second = bench.start(session.subscribe("s1")), bench.start(session.subscribe("s1"))
    asked = await hub.next(AddWant)
    await hub.say(Failed(request=asked.request, code=RejectCode.NO_SUCH_STREAM, detail="there is no such stream"))
    with pytest.raises(RequestFailed) as refused:
        await first
    assert (str(refused.value), refused.value.code) == (
        "subscribe 's1' failed: there is no such stream; session.streams has those that there are",
        RejectCode.NO_SUCH_STREAM,
    )
    with pytest.raises(RequestFailed) as shared:
        await second
    assert (str(shared.value), shared.value.code) == (
        "subscribe 's1' failed (no_such_stream): nobody publishes this stream, or it is over; "
        "session.streams has those that there are",
        RejectCode.NO_SUCH_STREAM,
    )
    third = bench.start(session.subscribe("s1"))
    await grant(hub)
    assert (await third).state == "connected"


@on_bench
async def test_a_publication_that_is_refused_may_be_asked_for_again(bench: Bench) -> None:
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera"))
    asked = await hub.next(AddWant)
    await hub.say(Failed(request=asked.request, code=RejectCode.FORBIDDEN))
    with pytest.raises(
        RequestFailed, match=r"publish 'camera' failed \(forbidden\): the role of this member does not allow it; "
    ):
        await publishing
    again = bench.start(session.publish("camera"))
    await grant(hub)
    assert (await again).state == "live"


@on_bench
async def test_a_caller_that_gives_up_gives_the_wish_up(bench: Bench) -> None:
    """U05: a cancelled publish() leaves no stream that nobody holds."""
    session, hub = await bench.online()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await session.publish("camera")
    assert (await hub.next(DropWant)).key == "publish:camera"
    assert repr(desk_of(session)) == "<StreamDesk >"
    asked = hub.all(AddWant)[0]
    await hub.say(Done(request=asked.request, answer=WantAnswer(key=asked.want.key, stream=CAMERA)))
    await bench.idle()
    again = bench.start(session.publish("camera"))
    await hub.next(AddWant)
    await grant(hub)
    assert (await again).state == "live"


@on_bench
async def test_a_second_caller_is_told_when_the_first_gave_up(bench: Bench) -> None:
    session, _ = await bench.online()
    first = bench.start(session.subscribe("s1"))
    await bench.idle()
    second = bench.start(session.subscribe("s1"))
    await bench.idle()
    first.cancel()
    with pytest.raises(RequestFailed, match=r"subscribe 's1' failed \(unpublished\)"):
        await second


@on_bench
async def test_wishes_are_carried_by_the_next_join(bench: Bench) -> None:
    session, hub = await bench.online()
    hub.cut()
    await session.wait_for("reconnecting")
    publishing = bench.start(session.publish("camera"))
    await bench.idle()
    assert not publishing.done()
    again = await bench.hub()
    join = await again.welcome(resumed=True, accepted=0, answers=(WantAnswer(key="publish:camera", stream=CAMERA),))
    assert [want.publish for want in join.wants] == ["camera"]
    one = await publishing
    assert isinstance(one, Publisher)
    assert one.state == "live"


@on_bench
async def test_the_end_of_the_session_ends_a_wish_that_waits(bench: Bench) -> None:
    session, _ = await bench.online()
    publishing = bench.start(session.publish("camera"))
    await bench.idle()
    await session.disconnect()
    with pytest.raises(RequestFailed) as failed:
        await publishing
    assert failed.value.code is Reason.CLIENT_DISCONNECTED


@on_bench
async def test_a_long_name_has_a_key_that_the_hub_takes(bench: Bench) -> None:
    session, hub = await bench.online()
    names = ["x" * 255 + "a", "x" * 255 + "b"]
    publishing = [bench.start(session.publish(name)) for name in names]
    asked = [await grant(hub) for _ in names]
    assert [want.want.publish for want in asked] == names
    keys = {want.want.key for want in asked}
    assert len(keys) == 2
    assert all(len(key) <= 256 and key.startswith("publish:xxx") for key in keys)
    assert [(await one).name for one in publishing] == names


@on_bench
async def test_frames_and_events_for_nobody_are_nothing(bench: Bench) -> None:
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera"))
    await grant(hub)
    one = await publishing
    desk = desk_of(session)
    desk.stream_frame(one.key, memoryview(b"a publisher takes no frames"))
    desk.stream_frame("subscribe:nothing", memoryview(b"frame"))
    assert desk.state_of("subscribe:nothing") == ""
    assert desk.is_live("publish:nothing") is False
    events: list[str] = []
    one.on("ended", lambda event: events.append(event.name))
    await session.disconnect()
    notice = one._last
    assert notice is not None
    desk.tell(notice)
    assert events == ["ended"]


@on_bench
async def test_a_stream_that_is_destroyed_frees_its_place(bench: Bench) -> None:
    session, hub = await bench.online()
    await hub.tell(EntryKind.PUBLISHED, stream=CAMERA)
    subscribing = bench.start(session.subscribe(CAMERA))
    await grant(hub)
    one = await subscribing
    await hub.tell(EntryKind.UNPUBLISHED, stream=CAMERA, reason=Reason.UNPUBLISHED)
    await bench.idle()
    assert one.state == "destroyed"
    assert session.streams == ()
    again = bench.start(session.subscribe("s1"))
    await grant(hub)
    other = await again
    assert isinstance(other, Subscriber)
    assert other is not one
