"""Streams: what subscribers are told when a publisher drops, returns and leaves, and when they were away themselves."""

from __future__ import annotations

from typing import Any

import pytest

from reconnect import Publisher, Reason, RequestFailed, Stream, Subscriber
from reconnect.core.frames import Welcome
from tests.stories.stage import Member, Stage, names, record, story

STREAMS = ("stream_created", "stream_interrupted", "stream_restored", "stream_destroyed")


class Showing:
    """Anna publishes, Ben watches; `hers` and `his` are the events of the two ends."""

    def __init__(self, anna: Member, ben: Member, publisher: Publisher, subscriber: Subscriber) -> None:
        self.anna, self.ben, self.publisher, self.subscriber = anna, ben, publisher, subscriber
        self.hers: list[Any] = record(publisher)
        self.his: list[Any] = record(subscriber)


async def show(stage: Stage) -> Showing:
    """Return a stream that is seen."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    publisher = await anna.session.publish("camera", data="front")
    created = await ben.next("stream_created")
    return Showing(anna, ben, publisher, await ben.session.subscribe(created.stream))


async def frames_of(subscriber: Subscriber, got: list[bytes]) -> None:
    """Keep what arrives."""
    async for frame in subscriber:
        got.append(frame)


# -- the publisher's link --------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_publisher_drops_and_returns(stage: Stage) -> None:
    """P01: each subscriber is told once, at once, and once again; nothing is created or destroyed."""
    on = await show(stage)
    stage.network.cut("anna")
    await stage.idle()
    assert names(on.his) == ["disconnected"], "at the same instant"
    assert names(on.hers) == ["interrupted"]
    assert (on.publisher.state, on.subscriber.state) == ("interrupted", "disconnected")
    assert (on.his[0].reason, on.hers[0].reason) == (Reason.CLOSED, Reason.CLOSED)

    assert (await on.anna.back()).resumed
    await stage.idle()
    assert names(on.his) == ["disconnected", "connected"]
    assert names(on.hers) == ["interrupted", "live"]
    assert names(on.ben.told(*STREAMS)) == ["stream_created", "stream_interrupted", "stream_restored"]
    members = on.ben.told("connection_created", "connection_interrupted", "connection_restored", "connection_destroyed")
    assert names(members) == ["connection_created", "connection_interrupted", "connection_restored"]
    assert on.publisher.stream == on.subscriber.stream == on.ben.session.streams[0]


@story(Stage, grace_seconds=20.0)
async def test_the_grace_of_a_publisher_ends(stage: Stage) -> None:
    """P02: `destroyed`, once, after the `disconnected`; nothing of that incarnation afterwards."""
    on = await show(stage)
    stage.network.cut("anna")
    stage.network.refuse("anna")
    began = stage.now
    await stage.until(lambda: names(on.his) == ["disconnected", "destroyed"])
    assert stage.now - began == pytest.approx(20.0)
    assert on.his[1].reason is Reason.NETWORK_DISCONNECTED
    assert names(on.ben.told(*STREAMS)) == ["stream_created", "stream_interrupted", "stream_destroyed"]
    stage.network.restore("anna")
    assert not (await on.anna.back()).resumed
    await stage.later(60.0)
    assert names(on.his) == ["disconnected", "destroyed"]
    assert on.subscriber.state == "destroyed"


@story(Stage)
async def test_a_publisher_leaves_on_purpose(stage: Stage) -> None:
    """P03 R14: destroyed at once, never interrupted, and no grace."""
    on = await show(stage)
    before = stage.now
    await on.anna.session.disconnect()
    await stage.idle()
    assert stage.now == before
    assert names(on.his) == ["destroyed"]
    assert on.his[0].reason is Reason.CLIENT_DISCONNECTED
    assert names(on.hers) == ["ended"]
    assert on.ben.session.members == ()
    assert stage.hub.statistics().members == 1


@story(Stage)
async def test_a_stream_is_ended_on_purpose(stage: Stage) -> None:
    """`unpublish()`: the stream is destroyed at once, its publisher stays."""
    on = await show(stage)
    await on.publisher.unpublish()
    await stage.idle()
    assert names(on.his) == ["destroyed"]
    assert on.his[0].reason is Reason.UNPUBLISHED
    assert on.publisher.send(b"too late") is False
    assert (names(on.hers), on.publisher.state) == (["ended"], "ended")
    again = await on.anna.session.publish("camera")
    assert again.stream != on.publisher.stream
    assert (on.publisher.state, on.publisher.send(b"much too late")) == ("ended", False), "the old object is over for good"


@story(Stage)
async def test_several_streams_of_one_member(stage: Stage) -> None:
    """P01: one drop interrupts all of them, each once."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    for name in ("camera", "screen", "microphone"):
        await anna.session.publish(name)
    await stage.until(lambda: len(ben.session.streams) == 3)
    watched = [record(await ben.session.subscribe(stream)) for stream in ben.session.streams]
    stage.network.cut("anna")
    await anna.back()
    await stage.idle()
    assert [names(events) for events in watched] == [["disconnected", "connected"]] * 3


# -- the subscriber's own link ---------------------------------------------------------------------------------------------------


@story(Stage)
async def test_the_subscribers_own_link_drops(stage: Stage) -> None:
    """P01: it is told as well; its publisher is not."""
    on = await show(stage)
    stage.network.cut("ben")
    await on.ben.back()
    await stage.idle()
    assert names(on.his) == ["disconnected", "connected"]
    assert names(on.hers) == []
    assert names(on.ben.told(*STREAMS)) == ["stream_created"], "the streams of others did not change"


@story(Stage)
async def test_both_links_drop_and_it_is_connected_when_both_are_back(stage: Stage) -> None:
    """P01: two interruptions, one `disconnected` and one `connected`."""
    on = await show(stage)
    stage.network.refuse("anna")
    stage.network.cut()
    await on.ben.next("reconnecting")
    await on.anna.next("reconnecting")
    await on.ben.back()
    await stage.idle()
    assert names(on.his) == ["disconnected"], "the publisher is still away"
    stage.network.restore("anna")
    await on.anna.back()
    await stage.idle()
    assert names(on.his) == ["disconnected", "connected"]


@story(Stage)
async def test_a_publisher_drops_while_the_subscriber_is_away(stage: Stage) -> None:
    """P05: the subscriber learns of it by the replay, and is not told `connected` in between."""
    on = await show(stage)
    stage.network.cut("ben")
    await on.ben.next("reconnecting")
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await on.ben.back()
    await stage.idle()
    assert names(on.his) == ["disconnected"]
    assert names(on.ben.told(*STREAMS))[-1] == "stream_interrupted"
    stage.network.restore("anna")
    await on.anna.back()
    await stage.idle()
    assert names(on.his) == ["disconnected", "connected"]


@story(Stage)
async def test_a_publisher_leaves_while_the_subscriber_is_away(stage: Stage) -> None:
    """P05: resumed: the missed `destroyed` comes by the replay."""
    on = await show(stage)
    stage.network.cut("ben")
    await on.ben.next("reconnecting")
    await on.anna.session.disconnect()
    assert (await on.ben.back()).resumed
    await stage.idle()
    assert names(on.his) == ["disconnected", "destroyed"]
    assert names(on.ben.told(*STREAMS)) == ["stream_created", "stream_destroyed"]
    assert (on.ben.session.streams, on.ben.session.members) == ((), ())


@story(Stage, grace_seconds=5.0)
async def test_a_publisher_leaves_while_the_subscriber_is_away_too_long(stage: Stage) -> None:
    """P05: not resumed: the snapshot tells; vanished streams are destroyed, survivors are not announced twice, no ghost stays."""
    on = await show(stage)
    carla = await stage.enter("carla")
    await carla.session.publish("hers")
    survivor = await on.ben.session.subscribe((await on.ben.next("stream_created")).stream)
    seen = record(survivor)
    stage.network.refuse("ben")
    stage.network.cut("ben")
    await on.ben.next("reconnecting")
    await on.anna.session.disconnect()
    await stage.later(10.0)
    stage.network.restore("ben")
    assert not (await on.ben.back()).resumed
    await stage.idle()
    assert names(on.his) == ["disconnected", "destroyed"]
    assert names(seen) == ["disconnected", "connected"], "subscribed again by itself, before `reconnected`"
    assert names(on.ben.told(*STREAMS)) == ["stream_created", "stream_created", "stream_destroyed"]
    assert [stream.name for stream in on.ben.session.streams] == ["hers"]


# -- a new connection ------------------------------------------------------------------------------------------------------------


@story(Stage, grace_seconds=5.0)
async def test_a_publisher_that_was_not_resumed_publishes_again(stage: Stage) -> None:
    """P06: under the same key, as a new stream, before `reconnected`; its Publisher object goes on."""
    on = await show(stage)
    states: list[str] = []
    on.anna.session.on("reconnected", lambda event: states.append(on.publisher.state))
    old = on.publisher.stream
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await on.anna.next("reconnecting")
    await stage.later(10.0)
    stage.network.restore("anna")
    assert not (await on.anna.back()).resumed
    new = (await on.ben.next("stream_created")).stream
    assert new == on.publisher.stream != old
    assert (new.name, new.data) == ("camera", "front")
    assert names(on.hers) == ["interrupted", "live"]
    assert on.publisher.send(b"a frame of the new stream")
    assert [want.key for want in on.anna.wire.joins[-1].wants] == ["publish:camera"]
    assert on.anna.wire.welcomes[-1].answers[0].stream == new


@story(Stage)
async def test_a_publisher_that_was_resumed_does_not_publish_again(stage: Stage) -> None:
    """P06: resumed=True: the same stream, nothing is created."""
    on = await show(stage)
    before = on.publisher.stream
    stage.network.cut("anna")
    await on.anna.back()
    await stage.idle()
    assert on.publisher.stream == before
    assert names(on.ben.told("stream_created")) == ["stream_created"]
    assert stage.hub.statistics().streams == 1


@story(Stage)
async def test_publishing_again_fails(stage: Stage) -> None:
    """P06: a new connection that may not publish any more: told as `ended`, with the hub's reason."""
    role = "publisher"
    anna = await stage.enter("anna", token=lambda: stage.token("anna", role=role))
    publisher = await anna.session.publish("camera")
    events = record(publisher)
    await stage.kill_hub()
    role = "subscriber"
    await stage.open()
    await anna.back()
    await stage.idle()
    assert names(events) == ["interrupted", "ended"], events
    assert events[-1].code == "forbidden"
    assert publisher.state == "ended"


@story(Stage, grace_seconds=5.0)
async def test_a_late_end_of_the_old_connection_is_ignored(stage: Stage) -> None:
    """P07: the end of the old incarnation comes after the new one: what is seen is the new one, and stays."""
    on = await show(stage)
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await on.anna.next("reconnecting")
    stage.network.cut("ben")  # Ben is away while the old one ends and the new one comes
    await on.ben.next("reconnecting")
    stage.network.refuse("ben")
    await stage.later(4.9)
    stage.network.restore()
    stage.network.restore("anna")
    stage.network.restore("ben")
    await on.anna.back()
    await on.ben.back()
    await stage.later(30.0)
    assert [stream.id for stream in on.ben.session.streams] == [on.publisher.stream.id if on.publisher.stream else ""]
    assert [member.connection for member in on.ben.session.members] == [on.anna.session.connection]
    assert on.publisher.state == "live"


# -- wishes while away -----------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_stream_published_while_away(stage: Stage) -> None:
    """P06: `publish()` during an outage is a wish that the next join carries; it comes true exactly once."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    publishing = stage.start(anna.session.publish("camera"))
    await stage.idle()
    assert not publishing.done()
    assert stage.hub.statistics().streams == 0
    assert (await anna.back()).resumed
    publisher = await publishing
    events = record(publisher)
    assert publisher.state == "live"
    await stage.idle()
    assert [event.stream for event in ben.told("stream_created")] == [publisher.stream]
    assert publisher.send(b"frame")
    assert names(events) == []
    assert stage.hub.statistics().streams == 1


@story(Stage)
async def test_a_stream_published_while_away_and_the_welcome_is_lost(stage: Stage) -> None:
    """P06: the hub granted it, and the answer was lost: asked again it is the same stream, not a second one."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    publishing = stage.start(anna.session.publish("camera"))
    anna.wire.lose_received(Welcome)
    publisher = await publishing
    await anna.back()
    await stage.idle()
    assert stage.hub.statistics().streams == 1
    assert [event.stream for event in ben.told("stream_created")] == [publisher.stream]


@story(Stage)
async def test_a_stream_subscribed_to_while_away(stage: Stage) -> None:
    """A wish as well: the subscriber is connected once the own link is back."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await anna.session.publish("camera")
    stream = (await ben.next("stream_created")).stream
    stage.network.cut("ben")
    await ben.next("reconnecting")
    subscribing = stage.start(ben.session.subscribe(stream))
    await stage.idle()
    assert not subscribing.done()
    subscriber = await subscribing
    await stage.until(lambda: subscriber.state == "connected")
    assert ben.session.role == "online"


@story(Stage)
async def test_wishes_that_were_given_up_while_away(stage: Stage) -> None:
    """What was unpublished during an outage ends at the return, and nobody sees it restored for a moment."""
    on = await show(stage)
    stage.network.cut("anna")
    await on.anna.next("reconnecting")
    await on.publisher.unpublish()
    await on.anna.back()
    await stage.idle()
    assert names(on.his) == ["disconnected", "destroyed"]
    assert stage.hub.statistics().streams == 0


@story(Stage)
async def test_a_subscription_to_nothing(stage: Stage) -> None:
    """A stream that does not exist is refused, with a sentence; the session is as before."""
    anna = await stage.enter("anna")
    with pytest.raises(RequestFailed, match="subscribe 'no such stream' failed: there is no such stream") as caught:
        await anna.session.subscribe("no such stream")
    assert (caught.value.code, caught.value.possibly_sent) == ("no_such_stream", False)
    assert anna.session.state == "connected"


# -- frames ----------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_frames_are_never_queued(stage: Stage) -> None:
    """Stale media is worth nothing: `send()` is False while interrupted, and nothing of that arrives later."""
    on = await show(stage)
    got: list[bytes] = []
    stage.start(frames_of(on.subscriber, got))
    assert on.publisher.send(b"one")
    await stage.until(lambda: got == [b"one"])
    stage.network.cut("anna")
    await on.anna.next("reconnecting")
    assert on.publisher.send(b"two") is False
    await on.anna.back()
    assert on.publisher.send(b"three")
    await stage.until(lambda: len(got) == 2)
    assert got == [b"one", b"three"]


@story(Stage)
async def test_frames_beyond_the_backlog_are_refused(stage: Stage) -> None:
    """A link that does not take them: `send()` is False when more than a small backlog is unwritten."""
    on = await show(stage)
    stage.network.half_open("anna")
    large = b"x" * 65_536
    await stage.idle()
    taken = [on.publisher.send(large) for _ in range(200)]
    assert taken[0] is True
    assert taken[-1] is False
    stage.network.restore("anna")
    await stage.later(1.0)
    assert on.publisher.send(large) is True


@story(Stage)
async def test_a_subscriber_that_does_not_look_loses_the_oldest_frames(stage: Stage) -> None:
    """It keeps a few, counts what it dropped, and the session does not wait for it."""
    on = await show(stage)
    for number in range(100):
        assert on.publisher.send(b"%d" % number)
        await stage.idle()
    got: list[bytes] = []
    stage.start(frames_of(on.subscriber, got))
    await stage.until(lambda: len(got) == 64)
    assert got == [b"%d" % number for number in range(36, 100)]
    assert on.subscriber.dropped == 36
    assert (await on.ben.signal("still here")).delivered


@story(Stage)
async def test_the_iteration_over_frames_ends_with_the_stream(stage: Stage) -> None:
    """What waits is handed out, then `async for` is over."""
    on = await show(stage)
    got: list[bytes] = []
    watching = stage.start(frames_of(on.subscriber, got))
    on.publisher.send(b"the last one")
    await stage.idle()
    await on.anna.session.disconnect()
    await watching
    assert got == [b"the last one"]


@story(Stage)
async def test_subscribing_twice_is_one_subscription(stage: Stage) -> None:
    """The second call returns the same object; publishing a name twice is refused."""
    on = await show(stage)
    assert isinstance(on.publisher.stream, Stream)
    assert await on.ben.session.subscribe(on.publisher.stream.id) is on.subscriber
    with pytest.raises(ValueError, match="this session publishes 'camera' already; give the second stream another name"):
        await on.anna.session.publish("camera")
