"""The platform's sample application: a status line, a publisher, a subscriber with an overlay, two buttons that send a signal.

It is written as its users would write it, against the public names and with the platform's own event names.
"""

from __future__ import annotations

from typing import Any

import reconnect
from tests.stories.stage import Member, Stage, story


class Page:
    """What one user sees: a status line, an overlay on the other's picture while it stands still, and what was said."""

    def __init__(self, member: Member) -> None:
        self.session = member.session
        self.status = "not connected"
        self.history: list[str] = []
        self.overlay = "no picture"
        self.chat: list[str] = []
        self.session.on("sessionConnected", lambda event: self.show("connected"))
        self.session.on("sessionReconnecting", lambda event: self.show(f"lost, trying again in {event.retry_in:.0f} s"))
        self.session.on("sessionReconnected", lambda event: self.show("connected again"))
        self.session.on("sessionDisconnected", lambda event: self.show(f"disconnected: {event.reason}"))
        self.session.on("streamCreated", self.watch)
        self.session.on("signal:chat", lambda event: self.chat.append(event.signal.data))

    def show(self, text: str) -> None:
        self.status = text
        self.history.append(text.split(",")[0])

    async def watch(self, event: reconnect.StreamCreated) -> None:
        """Subscribe to whatever is published, and lay a note over the picture while it stands still."""
        picture = await self.session.subscribe(event.stream)
        self.overlay = ""
        picture.on("disconnected", lambda event: self.lay("the other side has lost its connection"))
        picture.on("connected", lambda event: self.lay(""))
        picture.on("destroyed", lambda event: self.lay("the other side is gone"))

    def lay(self, text: str) -> None:
        self.overlay = text

    def say(self, text: str, **options: Any) -> reconnect.Receipt:
        return self.session.signal(text, type="chat", **options)


@story(Stage)
async def test_the_platforms_sample_application(stage: Stage) -> None:
    """P01 Q01 Q02 S13: both see the outage and its end, the kept signal arrives, the other one does not."""
    # Anna publishes, Ben watches.
    anna, ben = stage.member("anna"), stage.member("ben")
    hers, his = Page(anna), Page(ben)
    await anna.session.connect()
    await ben.session.connect()
    camera = await anna.session.publish("camera")
    await stage.until(lambda: his.overlay == "")
    assert (hers.status, his.status) == ("connected", "connected")
    assert camera.send(b"a picture") is True

    # Anna's network drops. Both are told at once; her pictures go nowhere.
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await stage.until(lambda: his.overlay == "the other side has lost its connection")
    assert hers.status.startswith("lost")
    assert his.status == "connected"
    assert camera.send(b"another picture") is False

    # She presses both buttons, and Ben says something that she cannot hear.
    kept = hers.say("are you still there?")
    worthless = hers.say("I am at the door", retry_after_reconnect=False)
    his.say("anna?")
    assert (kept.outcome, worthless.outcome and worthless.outcome.status) == (None, reconnect.OutcomeStatus.DROPPED)
    await stage.until(lambda: his.chat == ["anna?"])
    assert hers.chat == []

    # Her network returns: everything is as it was, and nothing was missed.
    stage.network.restore("anna")
    await anna.back()
    assert (await kept).delivered
    await stage.until(lambda: his.overlay == "")
    await stage.until(lambda: set(hers.chat) == set(his.chat) == {"anna?", "are you still there?"})
    assert camera.send(b"the next picture") is True

    # She leaves on purpose: no overlay that waits for her.
    await anna.session.disconnect()
    await stage.until(lambda: his.overlay == "the other side is gone")
    assert hers.history == ["connected", "lost", "connected again", "disconnected: client_disconnected"]
    assert his.history == ["connected"]


@story(Stage)
async def test_the_order_on_recovery_is_the_platforms(stage: Stage) -> None:
    """Q01 R07: held signals go out, then `reconnected`, then what was missed, then the subscriber is connected again."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await ben.session.publish("camera")
    stream = (await anna.next("stream_created")).stream
    subscriber = await anna.session.subscribe(stream)
    order: list[str] = []
    subscriber.on("connected", lambda event: order.append("subscriber connected"))
    anna.session.on("reconnected", lambda event: order.append("reconnected"))
    anna.session.on("signal", lambda event: order.append(f"heard {event.signal.data}"))

    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    held = anna.signal("held")
    await ben.signal("missed")
    stage.network.restore("anna")
    await held

    await stage.until(lambda: len(order) == 4)
    assert order == ["reconnected", "heard missed", "subscriber connected", "heard held"]
    # On the wire, what was held left before anything else that this member said after its welcome.
    after_the_join = anna.wire.sent[anna.wire.sent.index(anna.wire.joins[-1]) + 1 :]
    assert after_the_join[0] == anna.wire.signals[0]


@story(Stage)
async def test_when_it_cannot_be_restored(stage: Stage) -> None:
    """P02 Q06: `sessionDisconnected`, then the publisher's `ended`, then the subscriber's `destroyed`; receipts come first."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    order: list[str] = []
    publisher = await anna.session.publish("mine")
    await ben.session.publish("his")
    subscriber = await anna.session.subscribe((await anna.next("stream_created")).stream)
    anna.session.on("sessionDisconnected", lambda event: order.append(f"disconnected {event.reason}"))
    publisher.on("ended", lambda event: order.append(f"publisher ended {event.reason}"))
    subscriber.on("destroyed", lambda event: order.append(f"subscriber destroyed {event.reason}"))

    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    receipt = anna.signal("never sent")
    anna.session.on("disconnected", lambda event: order.append(f"receipt {receipt.outcome and receipt.outcome.status}"))
    over: reconnect.Disconnected = await anna.next("disconnected")

    assert over.reason is reconnect.Reason.GAVE_UP
    await stage.idle()
    assert order == [
        "disconnected gave_up",
        "receipt failed",
        "publisher ended gave_up",
        "subscriber destroyed gave_up",
    ]
    assert receipt.outcome == reconnect.Outcome(status=reconnect.OutcomeStatus.FAILED, reason=over.reason, possibly_sent=False)
    # Handlers stay: after another connect() it is all there again, with a new connection.
    stage.network.restore("anna")
    before = anna.told("connected")[0].connection
    await anna.session.connect()
    assert (await anna.next("connected")).connection == before
    assert (await anna.next("connected")).connection != before
