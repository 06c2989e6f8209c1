"""Publisher and Subscriber: what they show, when frames pass, and what is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconnect import limits
from reconnect.client.observers import Observers
from reconnect.client.streams import Publisher, Subscriber
from reconnect.core.frames import AddWant, Done, DropWant, EntryKind, Stream, WantAnswer
from reconnect.core.notices import (
    PublisherEnded,
    PublisherInterrupted,
    PublisherLive,
    SubscriberConnected,
    SubscriberDestroyed,
    SubscriberDisconnected,
)
from reconnect.errors import BadArgument, UnknownEventName
from reconnect.reasons import Reason, RejectCode
from reconnect.testing import run
from reconnect.wire import pack_stream_frame
from tests.bench import CAMERA, Bench, Hand, on_bench

OTHER = Stream(id="s2", number=8, name="camera", connection="c9")


class ScriptedDesk:
    """What a publisher and a subscriber need of their session, by hand."""

    def __init__(self) -> None:
        self.state = ""
        self.stream: Stream | None = None
        self.live = True
        self.room = True
        self.sent: list[tuple[int, bytes]] = []
        self.given_up: list[str] = []

    def state_of(self, key: str) -> str:
        return self.state

    def stream_of(self, key: str) -> Stream | None:
        return self.stream

    def is_live(self, key: str) -> bool:
        return self.live

    def send_frame(self, number: int, payload: bytes) -> bool:
        self.sent.append((number, payload))
        return self.room

    async def give_up(self, key: str) -> None:
        self.given_up.append(key)

    def observers(self, kinds: tuple[type, ...]) -> Observers:
        return Observers([str(getattr(kind, "name", "")) for kind in kinds], seconds=5.0, report=lambda *failure: None)


def publisher() -> tuple[Publisher, ScriptedDesk]:
    desk = ScriptedDesk()
    return Publisher("publish:camera", "camera", desk), desk


def subscriber() -> tuple[Subscriber, ScriptedDesk]:
    desk = ScriptedDesk()
    return Subscriber("subscribe:s1", desk), desk


# -- by itself ----------------------------------------------------------------------------------------------------------------


def test_a_publisher_shows_its_name_and_state_and_keeps_its_last() -> None:
    one, desk = publisher()
    assert (repr(one), one.state, one.stream) == ("<Publisher camera >", "", None)
    desk.state = "starting"
    assert repr(one) == "<Publisher camera starting>"
    one._tell(PublisherLive(at=0.0, key=one.key, stream=CAMERA))
    assert one.stream == CAMERA
    desk.state, desk.stream = "live", OTHER
    assert one.stream == OTHER, "after a new connection it is another one"
    one._tell(PublisherEnded(at=0.0, key=one.key, stream=OTHER, reason=Reason.UNPUBLISHED))
    desk.stream = CAMERA
    assert (one.state, one.stream) == ("ended", OTHER), "what comes later under its key is not it"
    assert repr(one) == "<Publisher camera ended>"


def test_a_publisher_tells_its_own_events_to_those_who_asked() -> None:
    one, _ = publisher()
    events: list[Any] = []

    @one.on("interrupted")
    def stop(event: PublisherInterrupted) -> None:
        events.append(event)

    one.on("ended", events.append)
    interrupted = PublisherInterrupted(at=0.0, key=one.key, reason=Reason.CLOSED)
    ended = PublisherEnded(at=0.0, key=one.key, reason=Reason.KICKED, code=RejectCode.FORBIDDEN)
    one._tell(PublisherLive(at=0.0, key=one.key, stream=CAMERA))
    one._tell(interrupted)
    one.off("interrupted", stop)
    one._tell(interrupted)
    one._tell(ended)
    assert events == [interrupted, ended]
    with pytest.raises(UnknownEventName, match="there is no event named 'destroyed'; there are: ended, interrupted, live"):
        one.on("destroyed", stop)


def test_a_frame_is_sent_only_on_a_live_stream() -> None:
    one, desk = publisher()
    assert one.send(b"no stream yet") is False
    one._tell(PublisherLive(at=0.0, key=one.key, stream=CAMERA))
    assert one.send(b"frame") is True
    assert one.send(bytearray(b"as")) is True
    assert one.send(memoryview(b"well")) is True
    desk.room = False
    assert one.send(b"no room") is False
    desk.live = False
    assert one.send(b"interrupted") is False
    desk.live = True
    one._tell(PublisherEnded(at=0.0, key=one.key, stream=CAMERA, reason=Reason.UNPUBLISHED))
    assert one.send(b"over") is False
    assert desk.sent == [(7, b"frame"), (7, b"as"), (7, b"well"), (7, b"no room")]
    assert all(type(payload) is bytes for _, payload in desk.sent)


@pytest.mark.parametrize(("frame", "kind"), [("text", "str"), (5, "int"), (None, "NoneType"), ([1, 2], "list")])
def test_a_frame_is_bytes(frame: Any, kind: str) -> None:
    one, _ = publisher()
    with pytest.raises(BadArgument) as refused:
        one.send(frame)
    assert str(refused.value) == f"a frame is bytes, and this is {kind}; encode it first"


def test_ends_are_given_up_by_their_key() -> None:
    async def story() -> None:
        (one, at_one), (other, at_other) = publisher(), subscriber()
        await one.unpublish()
        await other.unsubscribe()
        assert (at_one.given_up, at_other.given_up) == (["publish:camera"], ["subscribe:s1"])

    run(story())


def test_a_subscriber_shows_its_stream_its_state_and_what_waits() -> None:
    one, desk = subscriber()
    desk.state = "connecting"
    assert repr(one) == "<Subscriber subscribe:s1 connecting waiting=0>"
    desk.state = "connected"
    one._tell(SubscriberConnected(at=0.0, key=one.key, stream=CAMERA))
    one._put(b"frame")
    assert repr(one) == "<Subscriber camera connected waiting=1>"
    one._tell(SubscriberDestroyed(at=0.0, key=one.key, stream=CAMERA, reason=Reason.UNPUBLISHED))
    assert repr(one) == "<Subscriber camera destroyed waiting=1>"


def test_frames_come_in_order_and_end_with_the_stream() -> None:
    async def story() -> None:
        one, _ = subscriber()
        frames: list[bytes] = []

        async def read() -> None:
            async for frame in one:
                frames.append(frame)

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        one._put(b"1")
        one._put(b"2")
        await asyncio.sleep(0)
        one._tell(SubscriberDisconnected(at=0.0, key=one.key, reason=Reason.CLOSED))
        await asyncio.sleep(1)
        assert (frames, reading.done()) == ([b"1", b"2"], False)
        one._put(b"3")
        one._tell(SubscriberDestroyed(at=0.0, key=one.key, reason=Reason.CLOSED))
        await reading
        assert frames == [b"1", b"2", b"3"]
        with pytest.raises(StopAsyncIteration):
            await anext(one)

    run(story())


def test_one_frame_is_had_with_anext() -> None:
    async def story() -> None:
        one, _ = subscriber()
        one._put(b"1")
        assert await anext(one) == b"1"

    run(story())


def test_the_oldest_frame_makes_room_and_is_counted() -> None:
    one, _ = subscriber()
    for number in range(limits.SUBSCRIBER_BACKLOG + 3):
        one._put(b"%d" % number)
    assert one.dropped == 3
    assert repr(one) == f"<Subscriber subscribe:s1  waiting={limits.SUBSCRIBER_BACKLOG}>"
    assert run(anext_of(one)) == b"3"


async def anext_of(one: Subscriber) -> bytes:
    return await anext(one)


# -- on a session -------------------------------------------------------------------------------------------------------------


async def grant(hub: Hand) -> AddWant:
    """Answer the next want with the camera."""
    asked = await hub.next(AddWant)
    await hub.say(Done(request=asked.request, answer=WantAnswer(key=asked.want.key, stream=CAMERA)))
    return asked


@on_bench
async def test_publishing_interrupted_restored_and_unpublished(bench: Bench) -> None:
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera", data="front"))
    asked = await grant(hub)
    assert (asked.want.key, asked.want.publish, asked.want.data) == ("publish:camera", "camera", "front")
    one = await publishing
    assert (one.state, one.stream, one.name) == ("live", CAMERA, "camera")
    events: list[str] = []
    for name in ("live", "interrupted", "ended"):
        one.on(name, lambda event: events.append(event.name))
    assert one.send(b"frame") is True
    await bench.idle()
    assert hub.binary == [pack_stream_frame(7, b"frame")]
    hub.cut()
    await session.wait_for("reconnecting")
    assert (one.state, one.send(b"frame"), events) == ("interrupted", False, ["interrupted"])
    again = await bench.back()
    assert (one.state, events) == ("live", ["interrupted", "live"])
    assert one.send(b"frame") is True
    await one.unpublish()
    assert (await again.next(DropWant)).key == "publish:camera"
    assert (one.state, one.send(b"frame"), events[2:]) == ("ended", False, ["ended"])
    await one.unpublish()
    assert len(again.all(DropWant)) == 1, "over is over"


@on_bench
async def test_no_frame_is_sent_until_what_was_missed_has_arrived(bench: Bench) -> None:
    """The link is back and the replay has not reached the welcome: still interrupted."""
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera"))
    await grant(hub)
    one = await publishing
    hub.cut()
    again = await bench.hub()
    await again.welcome(resumed=True, position=1, accepted=0)
    await session.wait_for("connected")
    assert (one.state, one.send(b"too early")) == ("interrupted", False)
    await again.deliver("missed")
    await bench.idle()
    assert (one.state, one.send(b"frame")) == ("live", True)
    await bench.idle()
    assert again.binary == [pack_stream_frame(7, b"frame")]


@on_bench
async def test_after_a_new_connection_it_is_another_stream(bench: Bench) -> None:
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera"))
    await grant(hub)
    one = await publishing
    hub.cut()
    again = await bench.hub()
    answer = WantAnswer(key="publish:camera", stream=OTHER)
    await again.welcome(connection="c2", epoch="e2", accepted=0, answers=(answer,))
    await session.wait_for("connected")
    await bench.idle()
    assert (one.state, one.stream, session.connection) == ("live", OTHER, "c2")
    assert one.send(b"frame") is True
    await bench.idle()
    assert again.binary == [pack_stream_frame(8, b"frame")]


@on_bench
async def test_frames_that_are_not_written_make_send_false(bench: Bench) -> None:
    session, hub = await bench.online()
    publishing = bench.start(session.publish("camera"))
    await grant(hub)
    one = await publishing
    bench.network.half_open("member")
    big = bytes(limits.FRAME_BACKLOG_BYTES // 4)
    sent = [one.send(big) for _ in range(80)]
    assert (sent[0], sent[-1]) == (True, False)
    await bench.idle()
    assert one.send(bytes(999_997)) is False, "larger than a message may be"
    bench.network.restore("member")


@on_bench
async def test_subscribing_and_its_frames(bench: Bench) -> None:
    session, hub = await bench.online()
    await hub.tell(EntryKind.PUBLISHED, stream=CAMERA)
    subscribing = bench.start(session.subscribe(CAMERA))
    assert (await grant(hub)).want.subscribe == "s1"
    one = await subscribing
    assert (one.state, one.stream) == ("connected", CAMERA)
    await hub.transport.send(pack_stream_frame(7, b"1"))
    await hub.transport.send(pack_stream_frame(8, b"somebody else's"))
    await hub.transport.send(b"???")
    await hub.transport.send(pack_stream_frame(7, b""))
    assert (await anext(one), await anext(one)) == (b"1", b"")
    counts = session.statistics().counts
    assert (counts["unknown_stream_frames"], counts["malformed_stream_frames"]) == (1, 1)
    await one.unsubscribe()
    assert one.state == "destroyed"
    await hub.transport.send(pack_stream_frame(7, b"late"))
    await bench.idle()
    assert [frame async for frame in one] == []


@on_bench
async def test_ends_and_their_readers_end_with_the_session(bench: Bench) -> None:
    session, hub = await bench.online()
    subscribing = bench.start(session.subscribe("s1"))
    await grant(hub)
    one = await subscribing
    publishing = bench.start(session.publish("camera"))
    await grant(hub)
    two = await publishing

    async def read() -> list[bytes]:
        return [frame async for frame in one]

    reading = bench.start(read())
    await session.disconnect()
    assert await reading == []
    assert (one.state, two.state) == ("destroyed", "ended")
