"""Refused cleanly by a member: a hub that says what cannot be. Believed is nothing, and lost is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from reconnect import ConnectFailed, Reason, RejectCode
from reconnect.core import frames
from reconnect.core.frames import (
    Accepted,
    Done,
    Entry,
    EntryKind,
    Failed,
    Frame,
    GoingAway,
    Join,
    Pong,
    SendSignal,
    Snapshot,
    Welcome,
)
from reconnect.testing.scripted import HEARTBEAT, LIMITS, HubEnd
from tests.stories.stage import Stage, story

WELCOME: dict[str, Any] = {
    "connection": "connection-1",
    "secret": "secret-1",
    "epoch": "epoch-1",
    "position": 0,
    "resumed": False,
    "grace": 60.0,
    "heartbeat": HEARTBEAT,
    "limits": LIMITS,
}
IMPOSSIBLE: dict[str, tuple[Frame | str | bytes, str]] = {
    "no JSON": ("{", "a message is not JSON"),
    "a member's frame": ('{"frame":"handled","position":1}', "not a frame for a member to receive"),
    "a judgement of nothing": (Accepted(serial=7, position=0), "the hub judged serial 7"),
    "a second welcome": (Welcome(**WELCOME), "welcome cannot come while online"),
    "a snapshot": (Snapshot(page=0), "snapshot cannot come while online"),
}


@story(Stage)
@pytest.mark.parametrize(("message", "detail"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_a_hub_that_says_what_cannot_be(stage: Stage, message: Frame | str | bytes, detail: str) -> None:
    """K04 Q13: a protocol error is a retryable loss: believed is nothing, lost is nothing."""
    stage.allowed.add("protocol_errors")
    joins: list[Join] = []

    async def hub(end: HubEnd) -> None:
        joins.append(await end.welcome(resumed=len(joins) > 0))
        if len(joins) == 1:
            if isinstance(message, Frame):
                await end.say(message)
            else:
                await end.say_raw(message)
        while True:
            signal = await end.hear(SendSignal)
            await end.say(Accepted(serial=signal.serial, position=0))

    anna = await stage.enter("anna", url=stage.script(hub))
    lost = await anna.next("reconnecting")
    assert lost.reason is Reason.PROTOCOL_ERROR
    assert detail in lost.detail
    assert (await anna.back()).resumed
    assert (await anna.signal("still here")).delivered


@story(Stage)
async def test_wrong_positions_to_a_member(stage: Stage) -> None:
    """Wrong position to the client: one above what was sent is a hole; one at or below what was received is a repeat."""
    stage.allowed.add("holes")
    joins: list[Join] = []

    async def hub(end: HubEnd) -> None:
        joins.append(await end.welcome(position=5, resumed=len(joins) > 0))
        if len(joins) == 1:
            await end.say(Entry(position=3, after=2, what=EntryKind.SIGNAL, sender="s", serial=1))
            await end.say(Pong(position=99))
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    assert (await anna.next("reconnecting")).reason is Reason.HOLE
    await anna.back()
    assert anna.heard == []
    assert anna.session.statistics().counts["repeated_entries"] == 1


WELCOMES: dict[str, tuple[dict[str, Any], str]] = {
    "resumed out of nothing": ({"resumed": True}, "resumed a connection that was not claimed"),
    "no heartbeat": ({"heartbeat": frames.Heartbeat(ping=0.0, silence=0.0)}, "a welcome that nobody can live with"),
    "silence before ping": ({"heartbeat": frames.Heartbeat(ping=6.0, silence=2.0)}, "a welcome that nobody can live with"),
    "judged what was never sent": ({"accepted": 50}, "the hub judged serial 50, which was never sent"),
}


@story(Stage)
@pytest.mark.parametrize(("fields", "detail"), WELCOMES.values(), ids=WELCOMES)
async def test_a_welcome_that_cannot_be(stage: Stage, fields: dict[str, Any], detail: str) -> None:
    """S12 R15: it makes no connection: connect() raises with what was wrong."""
    stage.allowed.add("protocol_errors")

    async def hub(end: HubEnd) -> None:
        await end.welcome(**fields)
        await end.end()

    anna = stage.member("anna", url=stage.script(hub))
    with pytest.raises(ConnectFailed) as caught:
        await anna.session.connect()
    assert caught.value.reason is Reason.PROTOCOL_ERROR
    assert detail in str(caught.value)
    assert anna.events == []


@story(Stage)
async def test_a_member_ignores_what_it_does_not_know(stage: Stage) -> None:
    """Unknown frames and fields of a newer hub, answers to nothing, frames of no stream: counted, and the link stays."""

    async def hub(end: HubEnd) -> None:
        await end.welcome(features=("holograms",))
        await end.say_raw('[{"frame":"hologram"},{"frame":"pong","position":0,"mood":"fine"}]')
        await end.say(Done(request=99), Failed(request=98, code=RejectCode.INVALID))
        await end.say_raw(b"\x00\x00\x00\x07a picture")
        await end.say_raw(b"\x00")
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    await stage.later(1.0)
    assert anna.tale == ["connected"]
    counts = anna.session.statistics().counts
    assert (counts["unknown_frames"], counts["late_answers"]) == (1, 2)
    assert (counts["unknown_stream_frames"], counts["malformed_stream_frames"]) == (1, 1)


@story(Stage)
async def test_going_away_before_the_welcome(stage: Stage) -> None:
    """D01 B11: a hub that drains while one joins: its delay is obeyed."""
    joins: list[Join] = []

    async def hub(end: HubEnd) -> None:
        joins.append(await end.hear(Join))
        if len(joins) == 1:
            await end.say(GoingAway(retry_after=5.0))
        else:
            await end.say(Welcome(**WELCOME))
        await end.end()

    anna = stage.member("anna", url=stage.script(hub), retry_initial=True)
    before = stage.now
    await anna.session.connect()
    assert stage.now - before == pytest.approx(5.0)
