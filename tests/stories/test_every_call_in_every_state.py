"""Every call in every state: what it does there, as one table without a blank cell."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from reconnect import BadArgument, NotConnected, RequestFailed, RetryPolicy, Session
from tests.renamed import named
from tests.stories.stage import Member, Stage, story

STATES = (
    "disconnected", "connecting.dialing", "connecting.joining", "connecting.waiting", "connected", "reconnecting.waiting",
    "reconnecting.dialing", "reconnecting.joining", "closing",
)  # fmt: skip

DONE, WAITS, REFUSED, MISUSED = "done", "waits", "refused", "misused"
"""Done at once; waits for what is to come; raises NotConnected, and nothing was sent; raises BadArgument, in whatever state."""

#                   disconn. dialing  joining  waiting  connected waiting  dialing  joining  closing
TABLE: dict[str, tuple[str, ...]] = {
    "signal":        (REFUSED, DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    REFUSED),
    "signal_when_room": (REFUSED, DONE, DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    REFUSED),
    "request":       (REFUSED, WAITS,   WAITS,   WAITS,   DONE,    WAITS,   WAITS,   WAITS,   REFUSED),
    "publish":       (REFUSED, WAITS,   WAITS,   WAITS,   DONE,    WAITS,   WAITS,   WAITS,   REFUSED),
    "subscribe":     (REFUSED, WAITS,   WAITS,   WAITS,   DONE,    WAITS,   WAITS,   WAITS,   REFUSED),
    "kick":          (REFUSED, REFUSED, REFUSED, REFUSED, DONE,    REFUSED, REFUSED, REFUSED, REFUSED),
    "mute":          (REFUSED, REFUSED, REFUSED, REFUSED, DONE,    REFUSED, REFUSED, REFUSED, REFUSED),
    "renew_token":   (REFUSED, REFUSED, REFUSED, REFUSED, DONE,    REFUSED, REFUSED, REFUSED, REFUSED),
    "reconnect_now": (DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE),
    "drain":         (DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE),
    "wait_room":     (DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE),
    "wait_for":      (DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE,    DONE),
    "feed":          (MISUSED, MISUSED, MISUSED, MISUSED, MISUSED, MISUSED, MISUSED, MISUSED, MISUSED),
    "connect":       (WAITS,   WAITS,   WAITS,   WAITS,   DONE,    WAITS,   WAITS,   WAITS,   WAITS),
    "disconnect":    (DONE,    DONE,    WAITS,   DONE,    WAITS,   DONE,    DONE,    WAITS,   WAITS),
}  # fmt: skip


async def bring_to(stage: Stage, member: Member, state: str) -> None:
    """Bring a member into a state, behind a network that is slow enough for it to stay there."""
    stage.network.delay(0.5)
    if state == "disconnected":
        return
    role, _, phase = state.partition(".")
    if role == "connecting":
        if phase == "waiting":
            stage.network.refuse(member.name)
        stage.start(member.session.connect())
        await member.session.wait_for(named(state))
        stage.network.restore(member.name)
        stage.network.delay(0.5, member.name)
        return
    await member.session.connect()
    if role == "reconnecting":
        stage.network.cut(member.name)
    elif role == "closing":
        stage.start(member.session.disconnect())
    await member.session.wait_for(named(state))


def calls(stage: Stage, member: Member) -> dict[str, Callable[[], Awaitable[object]]]:
    """Return each call, as it is made here."""
    session = member.session

    def plainly(call: Callable[[], object]) -> Callable[[], Awaitable[object]]:
        async def called() -> object:
            return call()

        return called

    return {
        "signal": plainly(lambda: session.signal("hello")),
        "signal_when_room": lambda: session.signal_when_room("hello"),
        "request": lambda: session.request("hello?", to="nobody"),
        "publish": lambda: session.publish("camera"),
        "subscribe": lambda: session.subscribe("no such stream"),
        "kick": lambda: session.kick("nobody"),
        "mute": lambda: session.mute("no such stream"),
        "renew_token": lambda: session.renew_token(stage.token(member.name)),
        "reconnect_now": plainly(session.reconnect_now),
        "drain": session.drain,
        "wait_room": session.wait_room,
        "wait_for": lambda: session.wait_for(session.state),
        "feed": plainly(lambda: session.feed("an event that this chart does not have")),
        "connect": session.connect,
        "disconnect": session.disconnect,
    }


async def effect_of(stage: Stage, member: Member, call: Callable[[], Awaitable[object]]) -> str:
    """Make a call and return what it does; an answer of the hub, whatever it is, is done."""
    sent = len(member.wire.sent)

    async def made() -> object:
        return await call()

    connected = member.session.state == named("connected")
    task: asyncio.Task[object] = stage.start(made())
    if connected and call != member.session.disconnect:
        await asyncio.wait((task,))
    else:
        await stage.idle()
    if not task.done():
        return WAITS
    error = task.exception()
    if isinstance(error, NotConnected):
        assert len(member.wire.sent) == sent
        assert "needs a connected session" in str(error)
        return REFUSED
    if isinstance(error, BadArgument):
        return MISUSED
    assert error is None or (connected and isinstance(error, RequestFailed)), error
    return DONE


@story(Stage)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("call", TABLE)
async def test_every_call_in_every_state(stage: Stage, call: str, state: str) -> None:
    """U12: done, waiting or refused with a documented error, in each state; and the session can always be left afterwards."""
    policy = RetryPolicy(wait=lambda attempt: 5.0, first_try_seconds=None)
    member = stage.member("anna", role="moderator", retry=policy, retry_initial=True)
    await bring_to(stage, member, state)
    assert member.session.state == named(state)
    expected: Any = TABLE[call][STATES.index(state)]
    assert await effect_of(stage, member, calls(stage, member)[call]) == expected


def test_the_table_has_every_call() -> None:
    """What a Session offers is in the table, but for what only looks or registers."""
    offered = {name for name, value in inspect.getmembers(Session) if inspect.isfunction(value) and not name.startswith("_")}
    assert offered - TABLE.keys() == {"on", "off", "on_request", "off_request", "signals", "statistics"}
