"""Streams: what subscribers are told when a publisher drops, returns and leaves, and when they were away themselves."""

from __future__ import annotations

import pytest

from reconnect import Reason
from tests.stories.showing import show
from tests.stories.stage import Stage, names, record, story

STREAMS = ("stream_created", "stream_interrupted", "stream_restored", "stream_destroyed")


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
    other = await carla.session.publish("another of hers")
    await on.ben.next("stream_created")
    stage.network.refuse("ben")
    stage.network.cut("ben")
    await on.ben.next("reconnecting")
    await on.anna.session.disconnect()
    await other.unpublish()
    await stage.later(10.0)
    stage.network.restore("ben")
    assert not (await on.ben.back()).resumed
    await stage.idle()
    assert names(on.his) == ["disconnected", "destroyed"]
    assert names(seen) == ["disconnected", "connected"], "subscribed again by itself, before `reconnected`"
    assert [event.stream.name for event in on.ben.told("stream_created")] == ["camera", "hers", "another of hers"]
    assert [event.stream.name for event in on.ben.told("stream_destroyed")] == ["camera", "another of hers"]
    assert [stream.name for stream in on.ben.session.streams] == ["hers"]
