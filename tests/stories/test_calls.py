"""Calls: when each may be made, and what it does then."""

from __future__ import annotations

import pytest

import reconnect
from reconnect import Attempt, BadArgument, ConnectFailed, Disconnected, NotConnected, Outbox, Reason, RequestFailed, RetryPolicy
from reconnect.core import frames
from reconnect.testing.scripted import HubEnd
from tests.renamed import named
from tests.stories.stage import URL, Stage, names, story

# -- connect() -------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_the_first_connect_raises_at_once(stage: Stage) -> None:
    """S17: the default: no retry, no timer, nothing is told."""
    stage.network.refuse("anna")
    anna = stage.member("anna")
    before = stage.now
    with pytest.raises(
        ConnectFailed, match=r"could not connect to ws://hub.test \(unreachable\): nobody answers at ws://hub.test"
    ):
        await anna.session.connect()
    assert stage.now == before
    assert anna.events == []
    assert anna.session.last_error
    assert anna.session.last_error.reason is Reason.UNREACHABLE
    await stage.later(3_600.0)
    assert len(stage.network.dials) == 1


@story(Stage)
async def test_the_first_connect_retries_if_asked_to(stage: Stage) -> None:
    """S17 S03: the same policy and numbering; the attempts are flagged `initial`, and nobody is told `reconnecting`."""
    stage.network.refuse("anna")
    anna = stage.member("anna", retry_initial=True)
    connecting = stage.start(anna.session.connect())
    told: list[Attempt] = [await anna.next("attempt") for _ in range(3)]
    stage.network.restore("anna")
    await connecting
    assert [(event.attempt, event.initial, event.reason) for event in told] == [
        (2, True, Reason.UNREACHABLE),
        (3, True, Reason.UNREACHABLE),
        (4, True, Reason.UNREACHABLE),
    ]
    assert names(anna.told()) == ["attempt", "attempt", "attempt", "connected"]
    assert anna.session.last_error is None


@story(Stage)
async def test_the_first_connect_gives_up_in_the_end(stage: Stage) -> None:
    """S17 B08: with `retry_initial` it ends as the policy says; connect() raises, and still nothing is told."""
    stage.network.refuse("anna")
    anna = stage.member("anna", retry_initial=True)
    began = stage.now
    with pytest.raises(ConnectFailed, match=r"\(gave_up\)"):
        await anna.session.connect()
    assert stage.now - began <= 120.0
    assert anna.tale == []


@story(Stage)
async def test_a_second_connect_shares_the_result(stage: Stage) -> None:
    """While one is under way the other waits for the same end; when connected it returns at once."""
    anna = stage.member("anna")
    stage.network.delay(0.5, "anna")
    first, second = stage.start(anna.session.connect()), stage.start(anna.session.connect())
    assert await first is await second is anna.session
    before = stage.now
    assert await anna.session.connect() is anna.session
    assert stage.now == before
    assert len(anna.wire.joins) == 1
    assert [line["record"] for line in anna.audit.records].count("start") == 1


@story(Stage)
async def test_a_second_connect_shares_the_failure(stage: Stage) -> None:
    """Both callers get the error of the one attempt."""
    stage.network.hang("anna")
    anna = stage.member("anna")
    both = [stage.start(anna.session.connect()), stage.start(anna.session.connect())]
    for connecting in both:
        with pytest.raises(ConnectFailed, match=r"\(deadline\): the attempt neither succeeded nor failed in time"):
            await connecting
    assert len(stage.network.dials) == 1


@story(Stage)
async def test_connect_while_reconnecting(stage: Stage) -> None:
    """It waits for the return, and begins nothing of its own."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    await anna.session.connect()
    assert anna.tale == ["connected", "reconnecting", "reconnected"]
    assert len(anna.wire.joins) == 2


@story(Stage)
async def test_connect_while_closing(stage: Stage) -> None:
    """It waits for the end, then connects."""
    anna = await stage.enter("anna")
    stage.network.delay(0.2, "anna")
    leaving = stage.start(anna.session.disconnect())
    await anna.session.wait_for(named("closing"))
    await anna.session.connect()
    await leaving
    assert anna.session.role == "online"
    assert anna.tale == ["connected", "disconnected", "connected"]


@story(Stage)
async def test_connect_returns_although_the_link_broke_right_behind_the_welcome(stage: Stage) -> None:
    """S13: `connected` was told, so connect() has succeeded; what comes then is an outage like any other."""

    async def hub(end: HubEnd) -> None:
        await end.welcome()
        end.transport.abort()

    anna = stage.member("anna", url=stage.script(hub), retry=RetryPolicy(wait=lambda state: 60.0, first_try_seconds=None))
    await anna.session.connect()
    await anna.next("reconnecting")
    assert anna.tale == ["connected", "reconnecting"]


@story(Stage)
@pytest.mark.parametrize("end", ["gave up", "kicked", "left", "policy error"])
async def test_after_any_end_everything_works_again(stage: Stage, end: str) -> None:
    """S18 S05 B09: connect() starts over with attempt 1, and the next outage is retried as the first one was."""
    broken = False

    def wait(state: object) -> float:
        if broken:
            raise ValueError("a broken policy")
        return 1.0

    policy = RetryPolicy(wait=wait, first_try_seconds=None)
    anna = await stage.enter("anna", retry=policy)
    if end == "kicked":
        stage.hub.kick(anna.session.connection or "")
    elif end == "left":
        await anna.session.disconnect()
    else:
        broken = end == "policy error"
        stage.network.refuse("anna")
        stage.network.cut("anna")
    over: Disconnected = await anna.next("disconnected")
    assert (
        over.reason
        == {
            "gave up": Reason.GAVE_UP,
            "kicked": Reason.KICKED,
            "left": Reason.CLIENT_DISCONNECTED,
            "policy error": Reason.POLICY_ERROR,
        }[end]
    )
    assert (over.attempt > 1) == (end == "gave up")
    dials = len(stage.network.dials)
    await stage.later(24 * 3_600.0)
    assert len(stage.network.dials) == dials, "nothing happens by itself"

    broken = False
    stage.network.restore("anna")
    await anna.session.connect()
    assert anna.session.last_error is None
    stage.network.cut("anna")
    await stage.idle()
    lost = anna.told("reconnecting")[-1]
    assert (lost.attempt, lost.retry_in) == (1, 1.0)
    assert (await anna.back()).attempt == 1


# -- reconnect_now() -------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_reconnect_now_while_waiting(stage: Stage) -> None:
    """S07 B12: the wait is over at the same instant, and there is one attempt, not two."""
    anna = await stage.enter("anna", retry=RetryPolicy(wait=lambda state: 60.0, first_try_seconds=None))
    stage.network.cut("anna")
    await anna.session.wait_for(named("reconnecting.waiting"))
    before = stage.now
    anna.session.reconnect_now()
    back = await anna.back()
    assert (stage.now, back.attempt, back.resumed) == (before, 1, True)
    await stage.later(120.0)
    assert len(anna.wire.joins) == 2


@story(Stage)
async def test_reconnect_now_while_an_attempt_is_under_way(stage: Stage) -> None:
    """S07: there is nothing to hurry; the attempt goes on."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    stage.network.hang("anna")
    await anna.session.wait_for(named("reconnecting.dialing"))
    dials = len(stage.network.dials)
    anna.session.reconnect_now()
    await stage.idle()
    assert len(stage.network.dials) == dials
    stage.network.restore("anna")
    assert (await anna.back()).attempt == 1


@story(Stage)
async def test_reconnect_now_while_connected(stage: Stage) -> None:
    """S07: a hint changes nothing while connected; it is audited."""
    anna = await stage.enter("anna")
    anna.session.reconnect_now()
    await stage.later(5.0)
    assert anna.tale == ["connected"]
    ignored = [line for line in anna.audit.records if line.get("event") == named("retry_requested")]
    here = named("connected")
    assert [(line["from"], line["to"], line["verdict"]) for line in ignored] == [(here, here, "ignored")]


@story(Stage)
async def test_reconnect_now_with_force(stage: Stage) -> None:
    """S07: a loss with delay 0: the living transport is replaced, and nothing is lost."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    before = stage.now
    receipt = anna.signal("under way")
    anna.session.reconnect_now(force=True)
    lost, back = await anna.next("reconnecting"), await anna.back()
    assert (lost.reason, lost.attempt, lost.retry_in) == (Reason.FORCED, 1, 0.0)
    assert (stage.now, back.resumed) == (before, True)
    assert (await receipt).delivered
    await stage.until(lambda: ben.heard == ["under way"])


@story(Stage)
async def test_reconnect_now_while_disconnected(stage: Stage) -> None:
    """S07: nothing, with and without force; it is audited, and nothing is dialed."""
    anna = stage.member("anna")
    for force in (False, True):
        anna.session.reconnect_now(force=force)
    await stage.later(60.0)
    assert anna.session.state == named("disconnected")
    assert stage.network.dials == []
    hints = [line for line in anna.audit.records if line.get("event") == named("retry_requested")]
    assert [line["verdict"] for line in hints] == ["ignored", "ignored"]


# -- wait_for() ------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_wait_for_takes_a_leaf_a_parent_or_a_role(stage: Stage) -> None:
    """A state of the chart by any of its names; at once where it is so already."""
    anna = await stage.enter("anna")
    stage.network.hang("anna")
    stage.network.cut("anna")
    seen = []
    for state in ("recovering", "reconnecting", "reconnecting.waiting", "reconnecting.dialing"):
        await anna.session.wait_for(named(state))
        seen.append(anna.session.state)
    assert seen == [named("reconnecting.waiting")] * 3 + [named("reconnecting.dialing")]
    stage.network.restore("anna")
    await anna.session.wait_for("online")
    await anna.session.wait_for(named("connected"))
    misspelt = named("closing") + "x"
    with pytest.raises(BadArgument, match=f"has no state or role '{misspelt}'; did you mean '{named('closing')}'"):
        await anna.session.wait_for(misspelt)


@story(Stage)
async def test_the_repr_says_it_all(stage: Stage) -> None:
    """One line of its state, good enough to assert on."""
    anna = await stage.enter("anna", retry=RetryPolicy(wait=lambda state: 1.4, first_try_seconds=None))
    assert repr(anna.session) == f"<Session room-1 {named('connected')} outbox=0/1000>"
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal(1)
    anna.signal(2)
    waiting = named("reconnecting.waiting")
    assert repr(anna.session) == f"<Session room-1 {waiting} attempt=1 due_in=1.4 outbox=2/1000>"


# -- before and after ------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_calls_before_connect_and_after_disconnect(stage: Stage) -> None:
    """Q12: signal, publish and subscribe need a session: refused with a sentence, and nothing was sent."""
    anna = stage.member("anna")

    async def refused() -> None:
        for call, attempt in (
            ("signal()", lambda: _signal(anna.session)),
            ("publish()", lambda: anna.session.publish("camera")),
            ("subscribe()", lambda: anna.session.subscribe("stream")),
        ):
            with pytest.raises(NotConnected) as caught:
                await attempt()
            here = named("disconnected")
            sentence = f"{call} needs a connected session, and this one is {here}; await session.connect() first"
            assert str(caught.value) == sentence
            assert (caught.value.call, caught.value.state) == (call, here)

    await refused()
    await anna.session.disconnect()  # nothing to leave
    await anna.session.connect()
    await anna.session.disconnect()
    await refused()
    assert anna.session.statistics().submitted == 0
    assert anna.wire.signals == []


async def _signal(session: reconnect.Session) -> None:
    session.signal("hello")


@story(Stage)
async def test_a_request_that_was_under_way_at_the_drop(stage: Stage) -> None:
    """Q12: a newer token whose answer was lost: failed, possibly sent."""
    anna = await stage.enter("anna")
    anna.wire.lose_received(frames.Done)
    with pytest.raises(RequestFailed, match="the connection dropped before the answer") as caught:
        await anna.session.renew_token(stage.token("anna"))
    assert caught.value.possibly_sent
    await anna.back()


def test_an_outbox_belongs_to_one_session() -> None:
    """Two sessions would mix up their serials."""
    outbox = Outbox()
    reconnect.Session(URL, session="room-1", token="token", outbox=outbox)
    with pytest.raises(BadArgument, match="this Outbox belongs to another Session; make one Outbox for each Session"):
        reconnect.Session(URL, session="room-2", token="token", outbox=outbox)
