"""Observers: whatever they do, the session and the other observers go on as if they had done nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from reconnect import BadArgument, Reconnected, UnknownEventName
from reconnect.client.observers import PLATFORM_NAMES
from reconnect.core.notices import SESSION_NOTICES, Notice
from tests.renamed import named
from tests.stories.stage import Member, Stage, names, story

EVERY_EVENT = [kind.name for kind in SESSION_NOTICES]


async def a_busy_day(stage: Stage, anna: Member) -> None:
    """Let everything happen of which a session tells."""
    mo = await stage.enter("mo", role="moderator")
    stream = (await mo.session.publish("hers")).stream
    assert stream is not None
    await anna.session.publish("mine")
    anna.signal("one")
    await stage.later(1.0)
    await mo.session.mute(stream)
    stage.network.cut("mo")
    await mo.back()
    stage.network.cut("anna")
    anna.signal("two")
    anna.signal("three", retry_after_reconnect=False)
    await anna.back()
    stage.suspend(600.0)
    await stage.until(lambda: bool(anna.told("updated")))
    await stage.until(lambda: anna.session.role == "online")
    await mo.session.disconnect()
    await stage.later(1.0)
    await anna.session.disconnect()


def history(member: Member) -> list[tuple[Any, ...]]:
    """Return what a member went through: every transition and every outcome, with their instants."""
    kept = ("record", "at", "machine", "event", "from", "to", "reason", "attempt", "retry_in", "status", "serials", "what")
    lines = [line for line in member.audit.records if line.get("what") != "observer_failed" and line["record"] != "stop"]
    return [tuple(str(line.get(name)) for name in kept) for line in lines]


def play_with(observer: Any) -> tuple[list[tuple[Any, ...]], list[str]]:
    """Play the busy day with one more observer of every event; return the history and the events that Anna was told."""
    stage = Stage()
    stage.allowed.add("failed_observers")
    kept: list[Member] = []

    async def play() -> None:
        anna = stage.member("anna")
        for name in EVERY_EVENT if observer else ():
            anna.session.on(name, observer)
        kept.append(anna)
        await anna.session.connect()
        await a_busy_day(stage, anna)

    stage.run(stage.tell(play))
    return history(kept[0]), names(kept[0].events)


def raises(event: Notice) -> None:
    raise ValueError(event.name)


async def raises_later(event: Notice) -> None:
    await asyncio.sleep(0.1)
    raise ValueError(event.name)


async def never_returns(event: Notice) -> None:
    await asyncio.Event().wait()


async def sleeps_an_hour(event: Notice) -> None:
    await asyncio.sleep(3_600.0)


def cancels_itself(event: Notice) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("observer", [raises, raises_later, never_returns, sleeps_an_hour, cancels_itself])
def test_the_day_is_the_same_whatever_an_observer_does(observer: Any) -> None:
    """U01 U04: transitions, instants, outcomes and events are those of a day without that observer."""
    usual, usual_events = play_with(None)
    history_with, events = play_with(observer)
    assert history_with == usual
    assert events == usual_events
    assert set(events) == set(EVERY_EVENT), "it was a day with every event"


@story(Stage)
@pytest.mark.parametrize("name", ["connected", "reconnecting", "attempt", "reconnected", "disconnected", "signal"])
async def test_one_that_raises_is_reported_once_by_name(stage: Stage, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """U01: one line in the audit with the observer and the error, one error in the log, and the others are called."""
    stage.allowed.add("failed_observers")
    anna = stage.member("anna")
    behind: list[str] = []
    anna.session.on(name, raises)
    anna.session.on(name, lambda event: behind.append(event.name))
    await anna.session.connect()
    await anna.signal("hello")
    stage.network.cut("anna")
    await anna.back()
    await anna.session.disconnect()
    lines = [line for line in anna.audit.records if line.get("what") == "observer_failed"]
    assert [line["detail"] for line in lines] == [f"raises on '{name}': ValueError"]
    assert behind == [name]
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [record.getMessage() for record in errors] == [f"an observer of {name!r} failed: raises"]
    assert anna.session.statistics().counts["failed_observers"] == 1


@story(Stage)
async def test_one_that_hangs_is_cancelled_and_gets_its_next_events(stage: Stage) -> None:
    """U04: after `observer_seconds`; the events behind it are not lost."""
    stage.allowed.add("failed_observers")
    anna, ben = await stage.enter("anna", observer_seconds=2.0), await stage.enter("ben")
    seen: list[Any] = []
    cancelled: list[float] = []

    @anna.session.on("signal")
    async def look(event: Any) -> None:
        seen.append(event.signal.data)
        if event.signal.data == "hang":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(stage.now)

    began = stage.now
    for data in ("one", "hang", "two", "three"):
        await ben.signal(data)
    await stage.until(lambda: len(seen) == 4)
    assert seen == ["one", "hang", "two", "three"]
    assert cancelled == [pytest.approx(began + 2.0)]
    assert anna.session.statistics().counts["failed_observers"] == 1


@story(Stage)
async def test_a_hanging_observer_does_not_hold_up_the_end(stage: Stage) -> None:
    """U04: disconnect() gives it its limit, and not for ever."""
    stage.allowed.add("failed_observers")
    anna = await stage.enter("anna", observer_seconds=5.0)
    anna.session.on("disconnected", never_returns)
    before = stage.now
    await anna.session.disconnect()
    assert stage.now - before == pytest.approx(5.0)


@story(Stage)
async def test_observers_that_come_and_go_meanwhile(stage: Stage) -> None:
    """U01: one that is taken away by another is not called any more; one that comes is called from the next event on."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    called: list[str] = []

    def second(event: Any) -> None:
        called.append(f"second {event.signal.data}")

    def newcomer(event: Any) -> None:
        called.append(f"newcomer {event.signal.data}")

    def first(event: Any) -> None:
        called.append(f"first {event.signal.data}")
        anna.session.off("signal", second)
        anna.session.off("signal", first)
        anna.session.on("signal", newcomer)

    anna.session.on("signal", first)
    anna.session.on("signal", second)
    await ben.signal("one")
    await ben.signal("two")
    await stage.until(lambda: len(anna.heard) == 2)
    assert called == ["first one", "newcomer two"]


@story(Stage)
async def test_all_observers_of_a_name_are_taken_away(stage: Stage) -> None:
    """`off(name)` without a callback, from inside one of them."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    called: list[Any] = []

    @anna.session.on("signal:chat")
    def enough(event: Any) -> None:
        called.append(event.signal.data)
        anna.session.off("signal:chat")

    anna.session.on("signal:chat", lambda event: called.append("never"))
    for number in range(3):
        await ben.signal(number, type="chat")
    await stage.until(lambda: len(anna.heard) == 3)
    assert called == [0]


# -- what an observer sees -------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_the_state_inside_every_handler(stage: Stage) -> None:
    """S12 S02: inside a handler the state is the one that it is told of, and everything of that step is done."""
    anna = stage.member("anna")
    seen: list[tuple[str, str, int]] = []
    for name in ("connected", "reconnecting", "reconnected", "disconnected"):
        anna.session.on(name, lambda event: seen.append((event.name, anna.session.role, anna.session.statistics().pending)))
    await anna.session.connect()
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal("held")
    await anna.back()
    await anna.session.disconnect()
    assert seen == [
        ("connected", "online", 0),
        ("reconnecting", "recovering", 0),
        ("reconnected", "online", 1),
        ("disconnected", "offline", 0),
    ]


@story(Stage)
async def test_reconnected_only_when_the_hub_accepted_and_everything_is_restored(stage: Stage) -> None:
    """S12: an open socket is not a connection; inside the handler publications are answered and the held signals are sent."""
    anna = await stage.enter("anna")
    publisher = await anna.session.publish("camera")
    stage.network.cut("anna")
    await stage.kill_hub()
    await anna.next("reconnecting")
    held = anna.signal("held")
    await stage.open()
    seen: list[Any] = []

    @anna.session.on("reconnected")
    def look(event: Reconnected) -> None:
        stream = publisher.stream
        seen.append((anna.session.connection, stream and stream.connection, stage.hub.statistics().streams))

    stage.network.delay(0.3, "anna")
    await anna.session.wait_for(named("reconnecting.joining"))
    await stage.later(0.2)
    assert seen == []
    await anna.back()
    assert seen == [(anna.session.connection, anna.session.connection, 1)]
    assert (await held).delivered


@story(Stage)
async def test_a_step_never_starts_inside_a_step(stage: Stage) -> None:
    """S12: what an observer calls is a turn of its own: the observers behind it still see the state of their event."""
    anna = stage.member("anna")
    seen: list[str] = []
    anna.session.on("connected", lambda event: anna.session.reconnect_now(force=True))
    anna.session.on("connected", lambda event: seen.append(f"connected, {anna.session.role}"))
    anna.session.on("reconnecting", lambda event: seen.append(f"reconnecting, {anna.session.role}"))
    await anna.session.connect()
    await anna.back()
    assert seen[0].startswith("connected")
    assert seen[1] == "reconnecting, recovering"
    assert anna.tale == ["connected", "reconnecting", "reconnected"]


@story(Stage)
async def test_what_was_held_goes_ahead_of_what_a_handler_sends(stage: Stage) -> None:
    """Q03: on the wire all that was held, then B, although B is sent from inside `reconnected`."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.session.on("reconnected", lambda event: anna.signal("B"))
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in (1, 2, 3):
        anna.signal(f"A{number}")
    await anna.back()
    await stage.until(lambda: ben.heard == ["A1", "A2", "A3", "B"])
    assert [bytes(signal.data) for signal in anna.wire.signals] == [b'"A1"', b'"A2"', b'"A3"', b'"B"']


@story(Stage)
async def test_leaving_and_joining_from_inside_handlers(stage: Stage) -> None:
    """S18 U05: an observer may disconnect, and one of `disconnected` may connect again; nobody hangs."""
    anna = stage.member("anna")
    again: list[str] = []

    @anna.session.on("connected")
    async def leave(event: Any) -> None:
        if not again:
            await anna.session.disconnect()

    @anna.session.on("disconnected")
    async def come_back(event: Any) -> None:
        if not again:
            again.append("yes")
            await anna.session.connect()

    await anna.session.connect()
    await stage.until(lambda: anna.tale == ["connected", "disconnected", "connected"])
    await stage.later(30.0)
    assert anna.session.role == "online"


# -- names -----------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_the_platforms_names(stage: Stage) -> None:
    """Each of them is another name of one event of ours, and its observers get the same object."""
    anna = stage.member("anna")
    got: dict[str, list[str]] = {name: [] for name in PLATFORM_NAMES}
    for name in PLATFORM_NAMES:
        anna.session.on(name, lambda event, name=name: got[name].append(event.name))
    await anna.session.connect()
    await a_busy_day(stage, anna)
    assert {name: set(events) for name, events in got.items()} == {
        "sessionConnected": {"connected"},
        "sessionReconnecting": {"reconnecting"},
        "sessionReconnected": {"reconnected"},
        "sessionDisconnected": {"disconnected"},
        "streamCreated": {"stream_created"},
        "streamDestroyed": {"stream_destroyed"},
        "connectionCreated": {"connection_created"},
        "connectionDestroyed": {"connection_destroyed"},
    }


def test_names_that_no_event_has() -> None:
    """A typo is told with what was meant."""
    anna = Stage().member("anna")
    with pytest.raises(UnknownEventName, match=r"there is no event named 'reconected'; did you mean 'reconnected'\?"):
        anna.session.on("reconected", print)
    with pytest.raises(UnknownEventName, match=r"named 'sessionConected'; did you mean 'sessionConnected'\?"):
        anna.session.on("sessionConected", print)
    with pytest.raises(UnknownEventName, match="there is no event named 'connected:chat'"):
        anna.session.on("connected:chat", print)


def test_observers_that_cannot_be_called() -> None:
    """Told when it is given, not when its time comes."""
    anna = Stage().member("anna")

    def without() -> None: ...

    with pytest.raises(BadArgument, match=r"without is called with one argument, the 'connected' event"):
        anna.session.on("connected", without)
    with pytest.raises(BadArgument, match="an observer of 'connected' is a function of one event, and this is 5"):
        anna.session.on("connected", 5)  # type: ignore[call-overload]  # that is what is tried
