"""Ends of a wire that follow a script, and a transport and a dialer that do what they are told."""

from __future__ import annotations

import asyncio

import pytest

import reconnect
from reconnect.core.frames import Accepted, Goodbye, Join, Ping, Pong, Refused, SendSignal
from reconnect.errors import TransportFailed
from reconnect.reasons import Cause, CloseCode, Reason
from reconnect.testing import (
    FakeClock,
    HubEnd,
    MemberEnd,
    MemoryNetwork,
    ScriptedDialer,
    ScriptedTransport,
    follow,
    run,
)
from reconnect.wire import HubDialect

URL = "ws://scripted.test"


def test_a_session_talks_to_a_hub_that_follows_a_script() -> None:
    clock, network, heard = FakeClock(), MemoryNetwork(), list[Join]()

    async def hub(end: HubEnd) -> None:
        assert repr(end) == "<HubEnd heard=0 <MemoryTransport open>>"
        heard.append(await end.welcome(connection="c7"))
        signal = await end.hear(SendSignal)
        await end.say(Accepted(serial=signal.serial, position=1))
        await end.say_raw("[]")
        await end.hear(Goodbye)
        await end.say(Goodbye())
        assert (await end.end()).code == CloseCode.GOING_AWAY
        assert end.all_heard(SendSignal) == [signal]
        await end.say(Pong())  # raises, and with that the script is over

    async def story() -> None:
        session = reconnect.Session(URL, session="room", token="t", clock=clock, transport=network.dial, audit=None)
        async with network.listen(URL, follow(hub)), session:
            assert session.connection == "c7"
            assert (await session.signal("hello")).delivered
        assert [join.session for join in heard] == ["room"]

    run(story(), clock)


def test_a_hub_talks_to_a_member_without_a_session() -> None:
    clock, network = FakeClock(), MemoryNetwork()
    secret = "a secret that is long enough for a test"

    async def story() -> None:
        hub = reconnect.Hub(secret, clock=clock)
        async with network.listen(URL, hub.attend):
            token = reconnect.make_token(secret, session="room-1", now=clock.wall())
            member = MemberEnd(await network.dial(URL), token)
            assert not (await member.join()).resumed
            await member.say(Ping())
            await member.hear(Pong)
            stranger = MemberEnd(await network.dial(URL), "no token")
            await stranger.say(Join(token=stranger.token, session="room-1", sender="x"))
            assert (await stranger.hear(Refused)).code is Reason.DENIED
            assert (await stranger.end()).final
            await hub.close()

    run(story(), clock)


def test_a_scripted_transport_receives_what_it_is_given_and_keeps_what_is_sent() -> None:
    async def story() -> None:
        transport = ScriptedTransport("first", b"second")
        assert [await transport.receive(), await transport.receive()] == ["first", b"second"]
        waiting = asyncio.ensure_future(transport.receive())
        await asyncio.sleep(0)
        transport.arrive("third", "fourth")
        assert await waiting == "third"
        await transport.send('{"frame":"ping"}')
        await transport.send(b"frame")
        assert transport.read(HubDialect("hub")) == [[Ping()], [b"frame"]]
        assert repr(transport) == "<ScriptedTransport open sent=2>"
        transport.fail(Cause(reason=Reason.SLOW, code=4001, detail="slow"))
        transport.fail(Cause(reason=Reason.CLOSED))
        assert await transport.receive() == "fourth", "behind what arrived"
        with pytest.raises(TransportFailed, match="slow"):
            await transport.receive()
        with pytest.raises(TransportFailed, match="slow"):
            await transport.send("more")
        assert repr(transport) == "<ScriptedTransport ended slow sent=3>"

    run(story())


@pytest.mark.parametrize("polite", [True, False])
def test_a_scripted_transport_holds_up_who_writes_and_who_closes(polite: bool) -> None:
    async def story() -> None:
        transport = ScriptedTransport()
        transport.hold()
        transport.hold(closing=True)
        writing, closing = asyncio.ensure_future(transport.send("x")), asyncio.ensure_future(transport.close(1000, "bye"))
        await asyncio.sleep(0)
        assert not writing.done()
        assert not closing.done()
        if polite:
            transport.release()
            await writing
        else:
            transport.abort()
            with pytest.raises(TransportFailed, match="aborted"):
                await writing
        await closing
        assert transport.ends == (["close 1000 bye"] if polite else ["abort", "close 1000 bye"])
        with pytest.raises(TransportFailed, match="bye" if polite else "aborted"):
            await transport.receive()

    run(story())


def test_a_scripted_dialer_answers_one_by_one_and_then_the_same() -> None:
    async def story() -> None:
        transport = ScriptedTransport()
        dialer = ScriptedDialer(Cause(reason=Reason.OVERLOADED), transport)
        with pytest.raises(TransportFailed) as failed:
            await dialer("ws://one")
        assert failed.value.cause.reason is Reason.OVERLOADED
        assert await dialer("ws://two") is transport
        assert await dialer("ws://three") is transport
        assert dialer.dialed == ["ws://one", "ws://two", "ws://three"]
        assert repr(dialer) == "<ScriptedDialer dialed=3 answers=2>"
        with pytest.raises(TransportFailed, match="nobody answers"):
            await ScriptedDialer()("ws://nobody")

    run(story())


def test_a_session_is_driven_by_a_scripted_dialer() -> None:
    clock = FakeClock()

    async def story() -> None:
        dialer = ScriptedDialer()
        policy = reconnect.RetryPolicy(give_up_after_seconds=20.0)
        session = reconnect.Session(URL, session="s", token="t", clock=clock, transport=dialer, retry=policy, retry_initial=True)
        with pytest.raises(reconnect.ConnectFailed):
            await session.connect()
        assert len(dialer.dialed) > 2

    run(story(), clock)
