"""Wishes: what was published and subscribed to comes back by itself, and what was asked for while away comes true once."""

from __future__ import annotations

import pytest

from reconnect import RequestFailed
from reconnect.core.frames import Welcome
from tests.renamed import named
from tests.stories.showing import show
from tests.stories.stage import Stage, names, record, story

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
async def test_wishes_made_while_the_join_is_on_its_way(stage: Stage) -> None:
    """P06: too late for the join, too early for the hub: asked right behind its acceptance; what was given up then ends."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    old = await anna.session.publish("old")
    stage.network.cut("anna")
    stage.network.delay(0.5, "anna")
    await anna.session.wait_for(named("reconnecting.joining"))
    publishing = stage.start(anna.session.publish("new"))
    await stage.idle()
    await old.unpublish()
    assert (await anna.back()).resumed
    publisher = await publishing
    assert (publisher.state, old.state) == ("live", "ended")
    await stage.until(lambda: [stream.name for stream in ben.session.streams] == ["new"])
    await stage.later(2.0)
    assert stage.hub.statistics().streams == 1


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
    assert anna.session.state == named("connected")
