"""Moderators and roles: who may do what, and that a kicked or muted member cannot undo it by coming back."""

from __future__ import annotations

from typing import Any

import pytest

from reconnect import (
    ConnectFailed,
    Disconnected,
    NotConnected,
    Outbox,
    Outcome,
    OutcomeStatus,
    Reason,
    RejectCode,
    RequestFailed,
)
from reconnect.core import frames
from tests.renamed import named
from tests.stories.showing import frames_of
from tests.stories.stage import Member, Stage, names, record, story


async def a_moderator(stage: Stage) -> Member:
    return await stage.enter("mo", role="moderator")


# -- kicking -------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_kicked_member_is_out(stage: Stage) -> None:
    """K01 P03: told so, its signals settled, its streams destroyed for the others; no automatic retry."""
    mo, anna, ben = await a_moderator(stage), await stage.enter("anna"), await stage.enter("ben")
    await anna.session.publish("camera")
    his = record(await ben.session.subscribe((await ben.next("stream_created")).stream))
    (member,) = [member for member in mo.session.members if member.client_id == "anna"]
    await mo.session.kick(member)
    over: Disconnected = await anna.next("disconnected")
    assert (over.reason, over.detail) == (Reason.KICKED, "a moderator removed this member")
    await stage.idle()
    assert names(his) == ["destroyed"]
    assert his[0].reason is Reason.KICKED
    assert ben.told("connection_destroyed")[0].reason is Reason.KICKED
    await stage.later(3_600.0)
    assert len(anna.wire.joins) == 1
    assert anna.session.state == named("disconnected")


@story(Stage, grace_seconds=30.0)
async def test_a_kicked_member_is_kept_out_for_a_grace(stage: Stage) -> None:
    """K01: the tombstone: its connect() is refused as long; afterwards it may come again."""
    mo, anna = await a_moderator(stage), await stage.enter("anna")
    await mo.session.kick(anna.session.connection or "")
    await anna.next("disconnected")
    with pytest.raises(ConnectFailed, match=r"\(kicked\): this member was removed a short while ago"):
        await anna.session.connect()
    await stage.later(31.0)
    await anna.session.connect()
    assert anna.session.role == "online"


@story(Stage)
async def test_a_member_kicked_while_away_cannot_come_back(stage: Stage) -> None:
    """K01 R12: the verdict reaches it with its resume, and is final."""
    mo, anna = await a_moderator(stage), await stage.enter("anna")
    connection = anna.session.connection or ""
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    held = anna.signal("held")
    await mo.session.kick(connection)
    stage.network.restore("anna")
    assert (await anna.next("disconnected")).reason is Reason.KICKED
    assert await held == Outcome(status=OutcomeStatus.FAILED, reason=Reason.KICKED)
    assert mo.session.members == ()


@story(Stage)
async def test_the_server_kicks(stage: Stage) -> None:
    """The application at the hub may do it without a moderator."""
    anna = await stage.enter("anna")
    stage.hub.kick(anna.session.connection or "")
    assert (await anna.next("disconnected")).detail == "the server removed this member"
    with pytest.raises(RequestFailed, match="kick failed: there is no such connection"):
        stage.hub.kick("nobody")


@story(Stage)
async def test_a_kick_whose_answer_was_lost(stage: Stage) -> None:
    """A request is no want: it is not asked again, and fails possibly sent."""
    mo, anna = await a_moderator(stage), await stage.enter("anna")
    mo.wire.lose_received(frames.Done)
    with pytest.raises(
        RequestFailed, match=r"kick failed: the connection dropped before the answer \(it may have been done\)"
    ) as caught:
        await mo.session.kick(anna.session.connection or "")
    assert caught.value.possibly_sent
    assert (await anna.next("disconnected")).reason is Reason.KICKED
    await mo.back()
    assert len(mo.wire.all_sent(frames.Kick)) == 1


@story(Stage)
async def test_kicking_nobody(stage: Stage) -> None:
    """Refused with a code; the moderator stays."""
    mo = await a_moderator(stage)
    with pytest.raises(RequestFailed, match="kick failed: there is no such connection") as caught:
        await mo.session.kick("nobody")
    assert (caught.value.code, caught.value.possibly_sent) == (RejectCode.NO_SUCH_CONNECTION, False)
    assert mo.tale == ["connected"]


# -- muting --------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_muted_stream(stage: Stage) -> None:
    """Enforced at the hub and told to all; it outlives an outage, and ends when the moderator says so."""
    mo, anna, ben = await a_moderator(stage), await stage.enter("anna"), await stage.enter("ben")
    publisher = await anna.session.publish("camera")
    stream = (await ben.next("stream_created")).stream
    subscriber = await ben.session.subscribe(stream)
    got: list[bytes] = []
    stage.start(frames_of(subscriber, got))

    await mo.session.mute(stream)
    assert (await ben.next("stream_updated")).stream.muted is True
    await stage.idle()
    assert ben.session.streams[0].muted is True
    assert publisher.stream is not None
    publisher.send(b"not heard")
    stage.network.cut("anna")
    await anna.back()
    publisher.send(b"not heard either")
    await stage.later(1.0)
    assert got == []

    await mo.session.mute(stream, muted=False)
    await ben.next("stream_updated")
    publisher.send(b"heard")
    await stage.until(lambda: got == [b"heard"])


@story(Stage)
async def test_a_new_connection_is_no_way_out_of_a_mute(stage: Stage) -> None:
    """A member that replaces its own old connection stays muted: what it publishes under that name again is."""
    mo, anna = await a_moderator(stage), await stage.enter("anna", outbox=Outbox(sender="hers"))
    await anna.session.publish("camera")
    await mo.session.mute((await mo.next("stream_created")).stream)
    again = await stage.enter("anna", outbox=Outbox(sender="hers"))
    publisher = await again.session.publish("camera")
    await again.session.publish("screen")
    await stage.until(lambda: len(mo.session.streams) == 2)
    assert publisher.stream
    assert {stream.name: stream.muted for stream in mo.session.streams} == {"camera": True, "screen": False}
    assert anna.session.state == named("disconnected")


@story(Stage)
async def test_muting_nothing(stage: Stage) -> None:
    """Refused with a code."""
    mo = await a_moderator(stage)
    with pytest.raises(RequestFailed, match="mute failed: there is no such stream") as caught:
        await mo.session.mute("no such stream")
    assert caught.value.code is RejectCode.NO_SUCH_STREAM


# -- roles ---------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_subscriber_listens(stage: Stage) -> None:
    """Its role lets it hear and see, and neither signal nor publish; each refusal says so, and the link stays."""
    sue, anna = await stage.enter("sue", role="subscriber"), await stage.enter("anna")
    await anna.session.publish("camera")
    await sue.session.subscribe((await sue.next("stream_created")).stream)
    await anna.signal("hello")
    await stage.until(lambda: sue.heard == ["hello"])

    outcome = await sue.signal("may I?")
    assert outcome == Outcome(status=OutcomeStatus.REJECTED, code=RejectCode.FORBIDDEN)
    with pytest.raises(RequestFailed, match="publish 'camera' failed: a subscriber may not publish") as caught:
        await sue.session.publish("camera")
    assert caught.value.code is RejectCode.FORBIDDEN
    assert sue.tale == ["connected"]
    assert anna.heard == ["hello"]


@story(Stage)
@pytest.mark.parametrize("role", ["subscriber", "publisher"])
async def test_only_a_moderator_moderates(stage: Stage, role: str) -> None:
    """A publisher that kicks or mutes is refused; nothing happens to its victim."""
    anna, other = await stage.enter("anna"), await stage.enter("other", role=role)
    await anna.session.publish("camera")
    stream = (await other.next("stream_created")).stream
    attempts: list[tuple[str, Any]] = [
        ("kick", lambda: other.session.kick(stream.connection)),
        ("mute", lambda: other.session.mute(stream)),
    ]
    for what, attempt in attempts:
        with pytest.raises(RequestFailed, match=f"{what} failed: a {role} may not {what}") as caught:
            await attempt()
        assert caught.value.code is RejectCode.FORBIDDEN
    assert anna.tale == other.tale == ["connected"]
    assert other.session.streams[0].muted is False


@story(Stage)
async def test_a_role_is_that_of_the_latest_token(stage: Stage) -> None:
    """R12: demoted meanwhile: from the resume on the new role holds."""
    roles = iter(["publisher", "subscriber"])
    anna = await stage.enter("anna", token=lambda: stage.token("anna", role=next(roles)))
    assert (await anna.signal("as a publisher")).delivered
    stage.network.cut("anna")
    assert (await anna.back()).resumed
    assert (await anna.signal("as a subscriber")).code is RejectCode.FORBIDDEN


@story(Stage)
async def test_moderating_needs_a_connected_session(stage: Stage) -> None:
    """Q12: kick, mute and a newer token are refused before connect, while away and after disconnect; nothing was sent."""
    mo = stage.member("mo", role="moderator")
    attempts: list[tuple[str, Any]] = [
        ("kick()", lambda: mo.session.kick("connection")),
        ("mute()", lambda: mo.session.mute("stream")),
        ("renew_token()", lambda: mo.session.renew_token(stage.token("mo"))),
    ]

    async def refused(state: str) -> None:
        for call, attempt in attempts:
            with pytest.raises(NotConnected) as caught:
                await attempt()
            assert (caught.value.call, caught.value.state) == (call, state)
            assert (
                str(caught.value) == f"{call} needs a connected session, and this one is {state}; await session.connect() first"
            )

    await refused(named("disconnected"))
    await mo.session.connect()
    stage.network.cut("mo")
    await mo.next("reconnecting")
    await refused(named("reconnecting.waiting"))
    await mo.back()
    await mo.session.disconnect()
    await refused(named("disconnected"))
    assert len(mo.wire.sent) == len(mo.wire.joins) + len(mo.wire.all_sent(frames.Goodbye))
