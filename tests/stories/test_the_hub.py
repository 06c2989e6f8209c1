"""The hub's side: what the application there can do, several sessions in one process, and readers that do not keep up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import reconnect
from reconnect import BadSignal, Reason, RequestFailed
from reconnect.core.frames import Entry, EntryKind, Handled, Refused
from tests.stories.stage import Stage, names, story

# -- the application at the hub --------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_signal_from_the_server(stage: Stage) -> None:
    """To everyone in the session, with no sending connection; awaiting it gives its position in the log."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    position = await stage.hub.signal("room-1", {"text": "closing in ten minutes"}, type="notice")
    await stage.until(lambda: len(anna.signals) == len(ben.signals) == 1)
    signal = anna.signals[0]
    assert (signal.data, signal.type) == ({"text": "closing in ten minutes"}, "notice")
    assert (signal.connection, signal.sender) == (None, "")
    assert signal.position == position


@story(Stage)
async def test_a_signal_from_the_server_to_one_connection(stage: Stage) -> None:
    """Nobody else hears it, and it waits for one that is away."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    connection = anna.session.connection or ""
    stage.network.cut("anna")
    await anna.next("reconnecting")
    await stage.hub.signal("room-1", "for anna", to=connection)
    await anna.back()
    await stage.until(lambda: anna.heard == ["for anna"])
    await stage.idle()
    assert ben.heard == []


@story(Stage)
async def test_signals_from_the_server_that_cannot_be(stage: Stage) -> None:
    """Data that is no JSON raises at once; an address that is not there, and a session without members, when awaited."""
    await stage.enter("anna")
    with pytest.raises(BadSignal, match="object is no JSON value"):
        stage.hub.signal("room-1", object())
    with pytest.raises(RequestFailed, match="signal failed: there is no such connection"):
        await stage.hub.signal("room-1", "hello", to="nobody")
    with pytest.raises(RequestFailed, match="signal failed: a type has at most 128 characters"):
        await stage.hub.signal("room-1", "hello", type="two words")
    with pytest.raises(RequestFailed, match="signal failed: nobody has joined this session"):
        await stage.hub.signal("room-2", "hello")


@story(Stage, grace_seconds=10.0, log_seconds=20.0)
async def test_what_the_hub_says_of_itself(stage: Stage) -> None:
    """D05: statistics and repr count members, those away, links and streams; when all is over nothing is left."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await anna.session.publish("camera")
    assert repr(stage.hub) == "<Hub idle sessions=1 members=2 away=0 links=2>"
    stage.network.refuse()
    stage.network.cut()
    await ben.next("reconnecting")
    await stage.idle()
    there = stage.hub.statistics()
    assert (there.sessions, there.members, there.away, there.links, there.streams) == (1, 2, 2, 0, 1)
    await anna.session.disconnect()
    await ben.session.disconnect()
    await stage.later(60.0)
    there = stage.hub.statistics()
    assert (there.sessions, there.members, there.away, there.streams, there.log_bytes) == (0, 0, 0, 0, 0)
    assert there.expired == 2


# -- several sessions ------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_two_sessions_in_one_process(stage: Stage) -> None:
    """Nothing passes from one to the other: signals, streams, members, the server's signals, and outages."""
    rooms = ("room-1", "room-2")
    anna1, anna2 = [await stage.enter("anna", session=room) for room in rooms]
    ben1, ben2 = [await stage.enter("ben", session=room) for room in rooms]
    await anna1.session.publish("camera")
    await anna1.signal("to room 1")
    await anna2.signal("to room 2")
    await stage.hub.signal("room-2", "from the server")
    stage.network.cut("anna")
    for member in (anna1, anna2):
        await member.back()
    await stage.idle()
    assert (ben1.heard, ben2.heard) == (["to room 1"], ["to room 2", "from the server"])
    assert (len(ben1.session.streams), len(ben2.session.streams)) == (1, 0)
    assert [member.connection for member in ben1.session.members] == [anna1.session.connection]
    assert [member.connection for member in ben2.session.members] == [anna2.session.connection]
    assert stage.hub.statistics().sessions == 2
    assert anna1.session.name == "room-1"


@story(Stage)
async def test_two_hubs_in_one_process(stage: Stage) -> None:
    """Each is a place of its own."""
    other = reconnect.Hub(secret="another secret, long enough for HMAC", clock=stage.clock)
    async with stage.network.listen("ws://other.test", other.attend):
        token = reconnect.make_token(
            "another secret, long enough for HMAC", session="room-1", client_id="ben", now=stage.clock.wall()
        )
        anna = await stage.enter("anna")
        ben = await stage.enter("ben", url="ws://other.test", token=token)
        await anna.signal("hello")
        await ben.signal("hello")
        assert anna.session.members == ben.session.members == ()
        await ben.session.disconnect()
        await other.close()


# -- a full house ----------------------------------------------------------------------------------------------------------------


@story(Stage, members_per_session=1)
async def test_no_room_for_another_member(stage: Stage) -> None:
    """K02 B11: overloaded, with a delay to come back after; it gets in when there is room."""
    anna = await stage.enter("anna")
    ben = stage.member("ben", retry_initial=True)
    connecting = stage.start(ben.session.connect())
    attempt = await ben.next("attempt")
    assert attempt.reason is Reason.OVERLOADED
    assert 5.0 <= attempt.retry_in <= 10.0
    await anna.session.disconnect()
    await connecting
    assert ben.session.role == "online"


# -- slow readers ----------------------------------------------------------------------------------------------------------------


@story(Stage, window=16, log_bytes=10_000)
async def test_one_that_stops_reading(stage: Stage) -> None:
    """D04: it is sent a window and no more, dropped as slow once it fell out of the log, and nobody else notices."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    mallory = await stage.raw()
    await mallory.join()
    before = stage.now
    for number in range(100):
        assert (await anna.signal(number)).delivered
    assert stage.now == before, "nobody waited"
    await stage.until(lambda: ben.heard == list(range(100)))
    refused = await mallory.hear(Refused)
    assert refused.code is Reason.SLOW
    sent = [entry for entry in mallory.all_heard(Entry) if entry.what is EntryKind.SIGNAL]
    assert len(sent) <= 16
    cause = await mallory.end()
    assert (cause.reason, cause.final) == (Reason.SLOW, False)
    await stage.idle()
    (away,) = [event.member for event in ben.told("connection_interrupted")]
    assert away.client_id == "mallory"
    assert stage.hub.statistics().away == 1, "its place is kept: it may resume, with a gap"


@story(Stage, window=16, log_bytes=10_000)
async def test_a_slow_one_comes_back_with_a_gap(stage: Stage) -> None:
    """D04 R05: a session whose application takes over nothing: slow, resumed, and the gap is told."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    reading = ben.session.signals()
    for number in range(400):
        await anna.signal(number)
        await stage.idle()
    lost = await ben.next("reconnecting")
    assert lost.reason is Reason.SLOW
    back = await ben.back()
    assert back.resumed
    assert back.gap is not None
    got = [(await anext(reading)).data for _ in range(len(ben.heard))]
    assert got == ben.heard == sorted(set(got)), "in order, each once, with the hole that was told"
    await stage.until(lambda: ben.heard[-1:] == [399])


@story(Stage, window=32)
async def test_an_iterator_that_does_not_keep_up(stage: Stage) -> None:
    """D04: back-pressure: beyond its backlog the hub is given no more credit, and stops sending; nothing is lost."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    reading = ben.session.signals("chat")
    for number in range(600):
        await anna.signal(number, type="chat")
    await stage.later(1.0)
    behind = len(ben.heard)
    assert 256 <= behind <= 256 + 32, "the backlog of the iterator and the window of the hub"
    assert ben.wire.all_sent(Handled)[-1].position < ben.signals[-1].position
    got = [(await anext(reading)).data for _ in range(600)]
    assert got == list(range(600))
    assert ben.tale == ["connected"]


@story(Stage)
async def test_iterators_over_signals(stage: Stage) -> None:
    """`signals()` gives what arrives from its creation on, all or of one type, across outages, and ends with the session."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await anna.signal("too early", type="chat")
    await stage.idle()
    everything: list[Any] = []
    chat: list[Any] = []

    async def read(stream: reconnect.SignalStream, into: list[Any]) -> None:
        async for signal in stream:
            into.append(signal.data)

    reading = [
        stage.start(read(ben.session.signals(), everything)),
        stage.start(read(ben.session.signals("chat"), chat)),
    ]
    await stage.idle()
    await anna.signal(1, type="chat")
    await anna.signal(2, type="position")
    stage.network.cut("ben")
    await ben.next("reconnecting")
    await anna.signal(3, type="chat")
    await ben.back()
    await stage.until(lambda: len(everything) == 3)
    await ben.session.disconnect()
    async with asyncio.timeout(1.0):
        await asyncio.gather(*reading)
    assert (everything, chat) == ([1, 2, 3], [1, 3])


# -- who sees what ---------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_members_come_and_go(stage: Stage) -> None:
    """P01: every member is told of every other: created, interrupted, restored, destroyed, once each; and has the list."""
    anna = await stage.enter("anna")
    ben = await stage.enter("ben", token=stage.token("ben", data='{"name":"Ben"}'))
    stage.network.cut("ben")
    await anna.next("connection_interrupted")
    assert [member.away for member in anna.session.members] == [True]
    await ben.back()
    await ben.session.disconnect()
    await stage.idle()
    told = anna.told("connection_created", "connection_interrupted", "connection_restored", "connection_destroyed")
    assert names(told) == ["connection_created", "connection_interrupted", "connection_restored", "connection_destroyed"]
    member = told[0].member
    assert (member.client_id, member.role, member.data) == ("ben", "publisher", '{"name":"Ben"}')
    assert anna.session.members == ()
    assert [event.member.client_id for event in ben.told("connection_created")] == ["anna"], "who was there before"
