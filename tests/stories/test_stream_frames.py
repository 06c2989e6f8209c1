"""Frames of a stream: relayed while it is live, and never queued: stale media is worth nothing."""

from __future__ import annotations

import pytest

from reconnect import Stream
from tests.renamed import named
from tests.stories.showing import frames_of, show
from tests.stories.stage import Stage, story


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
    stage.network.delay(0.2, "anna")
    await on.anna.session.wait_for(named("reconnecting.joining"))
    assert on.publisher.send(b"three") is False, "an open socket is not a stream that is live"
    await on.anna.back()
    assert on.publisher.send(b"four")
    await stage.until(lambda: len(got) == 2)
    assert got == [b"one", b"four"]
    assert stage.hub.statistics().unknown_streams == 0


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
