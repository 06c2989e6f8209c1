"""Calls whose caller has gone: a cancelled await changes nothing for the session."""

from __future__ import annotations

import asyncio

import pytest

from reconnect import Outbox, Reason
from tests.renamed import named
from tests.stories.stage import Stage, story


async def cancelled(task: asyncio.Task[object]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@story(Stage)
async def test_a_cancelled_connect(stage: Stage) -> None:
    """U05: the caller has gone; the session goes on connecting, for whoever asks next."""
    anna = stage.member("anna")
    stage.network.delay(0.5, "anna")
    await stage.idle()
    connecting = stage.start(anna.session.connect())
    await anna.session.wait_for(named("connecting.joining"))
    await cancelled(connecting)
    assert await anna.session.connect() is anna.session
    assert len(anna.wire.joins) == 1


@story(Stage)
async def test_a_cancelled_block(stage: Stage) -> None:
    """U05: `async with` that is cancelled while it connects leaves nothing behind."""
    anna = stage.member("anna")
    stage.network.hang("anna")

    async def block() -> None:
        async with anna.session:
            raise AssertionError("never entered")

    entering = stage.start(block())
    await anna.session.wait_for(named("connecting.dialing"))
    await cancelled(entering)
    assert anna.session.state == named("disconnected")


@story(Stage)
async def test_a_cancelled_wait_for_a_receipt(stage: Stage) -> None:
    """U05: the signal follows its rule; another wait gets the outcome."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    receipt = anna.signal("held")

    async def wait() -> object:
        return await receipt

    waiting = stage.start(wait())
    await stage.idle()
    await cancelled(waiting)
    assert (await receipt).delivered
    await stage.until(lambda: ben.heard == ["held"])


@story(Stage)
async def test_cancelled_waits_change_nothing(stage: Stage) -> None:
    """U05: wait_for(), drain(), wait_room() and disconnect(): the session is as if they had never been called."""
    anna = await stage.enter("anna", outbox=Outbox(max_signals=1))
    stage.network.hang("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    receipt = anna.signal("held")
    for wait in (anna.session.wait_for("online"), anna.session.drain(), anna.session.wait_room(), anna.session.connect()):
        task: asyncio.Task[object] = stage.start(wait)
        await stage.idle()
        await cancelled(task)
    stage.network.restore("anna")
    await anna.back()
    assert (await receipt).delivered
    stage.network.half_open("anna")
    leaving: asyncio.Task[object] = stage.start(anna.session.disconnect())
    await anna.session.wait_for(named("closing"))
    await cancelled(leaving)
    await anna.session.wait_for(named("disconnected"))
    stage.network.restore("anna")


@story(Stage)
async def test_a_cancelled_publish(stage: Stage) -> None:
    """U05: the wish is taken back; no stream stays that nobody holds."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.delay(0.5, "anna")
    publishing = stage.start(anna.session.publish("camera"))
    await stage.later(0.1)
    await cancelled(publishing)
    await stage.later(5.0)
    assert ben.session.streams == ()
    assert stage.hub.statistics().streams == 0
    stage.network.delay(0.0, "anna")
    publisher = await anna.session.publish("camera")
    assert publisher.state == "live"


@story(Stage)
async def test_a_cancelled_kick(stage: Stage) -> None:
    """U05: its answer comes to nobody, and the next request gets its own."""
    mo, anna = await stage.enter("mo", role="moderator"), await stage.enter("anna")
    stage.network.delay(0.5, "mo")
    kicking: asyncio.Task[object] = stage.start(mo.session.kick("nobody"))
    await stage.later(0.1)
    await cancelled(kicking)
    stage.network.delay(0.0, "mo")
    await mo.session.kick(anna.session.connection or "")
    assert (await anna.next("disconnected")).reason is Reason.KICKED
