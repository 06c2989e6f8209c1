"""The session as its caller meets it: coming and going, what is awaited, what is refused, and what is left (nothing)."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from reconnect.audit import read_records
from reconnect.client import Outbox, Session
from reconnect.core.frames import (
    Done,
    EntryKind,
    Failed,
    GoingAway,
    Goodbye,
    Join,
    Kick,
    Member,
    Mute,
    Pong,
    Refused,
    Rejection,
    RenewToken,
    SendSignal,
    WantAnswer,
)
from reconnect.errors import BadArgument, BadSignal, ConnectFailed, NotConnected, OutboxFull, RequestFailed, WrongLoop
from reconnect.ports import Transport
from reconnect.reasons import Cause, OutcomeStatus, Reason, RejectCode
from reconnect.retry import RetryPolicy
from reconnect.testing import MemoryNetwork
from tests.bench import CAMERA, URL, Bench, Hand, on_bench

NO_WAIT = RetryPolicy(first_try_seconds=0.0)
BEN = Member(connection="c9", client_id="ben")


async def outcome_of(work: Any) -> ConnectFailed:
    with pytest.raises(ConnectFailed) as failed:
        await work
    return failed.value


# -- connecting ---------------------------------------------------------------------------------------------------------------


@on_bench
async def test_connect_returns_the_session_and_is_shared(bench: Bench) -> None:
    session = bench.session()
    callers = [bench.start(session.connect()) for _ in range(3)]
    await bench.idle()
    assert (repr(session), session.role) == (
        "<Session room-1 connecting.joining attempt=1 due_in=10.0 outbox=0/1000>",
        "connecting",
    )
    await (await bench.hub()).welcome()
    assert [await caller for caller in callers] == [session] * 3
    assert (repr(session), session.connection) == ("<Session room-1 connected outbox=0/1000>", "c1")
    assert await session.connect() is session
    assert len(bench.hands) == 1


@on_bench
async def test_a_connect_that_fails_raises_and_leaves_nothing(bench: Bench) -> None:
    """S17: the caller gets the cause; nothing is told, nothing runs, the audit is closed; and it may be tried again (S18)."""
    bench.network.refuse()
    session = bench.session()
    error = await outcome_of(session.connect())
    assert str(error).startswith(f"could not connect to {URL} (unreachable): nobody answers at {URL}")
    assert (error.reason, error.cause, error.url) == (Reason.UNREACHABLE, session.last_error, URL)
    bench.check()
    assert bench.tale == []
    assert bench.audit.records[-1]["record"] == "stop"
    bench.network.restore()
    connecting = bench.start(session.connect())
    await bench.idle()
    assert session.last_error is None
    await (await bench.hub()).welcome()
    await connecting
    assert bench.tale == ["connected"]
    assert [record["record"] for record in bench.audit.records].count("start") == 2


@on_bench
async def test_all_who_share_a_connect_share_its_failure(bench: Bench) -> None:
    session = bench.session()
    callers = [bench.start(session.connect()) for _ in range(2)]
    hub = await bench.hub()
    await hub.next(Join)
    await hub.say(Refused(code=Reason.DENIED, detail="no"))
    for caller in callers:
        assert str(await outcome_of(caller)).startswith(f"could not connect to {URL} (denied): no")
    assert [record["record"] for record in bench.audit.records].count("stop") == 1


@on_bench
async def test_a_connect_begun_while_another_fails_has_its_own_result(bench: Bench) -> None:
    session = bench.session()
    again: list[asyncio.Task[Any]] = []

    async def first() -> ConnectFailed:
        error = await outcome_of(session.connect())
        again.append(bench.start(session.connect()))
        return error

    one, two = bench.start(first()), bench.start(outcome_of(session.connect()))
    hub = await bench.hub()
    await hub.next(Join)
    await hub.say(Refused(code=Reason.DENIED, detail="no"))
    assert [(await one).reason, (await two).reason] == [Reason.DENIED, Reason.DENIED]
    await (await bench.hub()).welcome()
    assert await again[0] is session
    assert "stop" not in [record["record"] for record in bench.audit.records[-3:]]


@on_bench
async def test_connect_has_succeeded_even_if_the_link_is_lost_before_the_caller_runs(bench: Bench) -> None:
    session = bench.session(retry=NO_WAIT)
    connecting = bench.start(session.connect())
    hub = await bench.hub()
    await hub.welcome()
    hub.cut()
    assert await connecting is session
    assert bench.tale[:2] == ["connected", "reconnecting"]
    await bench.back()


@on_bench
async def test_a_welcome_and_a_farewell_in_one_message(bench: Bench) -> None:
    session = bench.session(retry=NO_WAIT)
    connecting = bench.start(session.connect())
    await (await bench.hub()).welcome(GoingAway(retry_after=2.0))
    await bench.idle()
    assert (bench.tale, connecting.done()) == (["connected", "reconnecting", "attempt"], False)
    await bench.later(2)
    await bench.back()
    assert await connecting is session


@on_bench
async def test_disconnect_while_the_first_connect_is_under_way(bench: Bench) -> None:
    """S09: nothing was told, so nothing is; connect() says who ended it."""
    bench.network.hang()
    session = bench.session()
    connecting = bench.start(session.connect())
    await bench.later(1)
    assert session.state == "connecting.dialing"
    await session.disconnect()
    error = await outcome_of(connecting)
    assert str(error) == f"could not connect to {URL} (client_disconnected): disconnect() was called meanwhile"
    assert bench.tale == []


@on_bench
async def test_disconnect_between_two_attempts_is_the_reason_and_not_the_attempts_failure(bench: Bench) -> None:
    bench.network.refuse()
    session = bench.session(retry_initial=True)
    connecting = bench.start(session.connect())
    await bench.later(0.01)
    assert session.state == "connecting.waiting"
    assert repr(session).startswith("<Session room-1 connecting.waiting attempt=2 due_in=0.")
    assert session.last_error == Cause(reason=Reason.UNREACHABLE, detail=f"nobody answers at {URL}")
    await session.disconnect()
    assert (await outcome_of(connecting)).reason is Reason.CLIENT_DISCONNECTED
    assert bench.tale == ["attempt"]


@on_bench
async def test_disconnect_while_joining_says_goodbye_on_the_way_out(bench: Bench) -> None:
    session = bench.session()
    connecting = bench.start(outcome_of(session.connect()))
    hub = await bench.hub()
    await hub.next(Join)
    await session.disconnect()
    await hub.next(Goodbye)
    assert (await connecting).reason is Reason.CLIENT_DISCONNECTED


@on_bench
async def test_a_hub_that_does_not_answer_the_goodbye_of_one_who_was_joining_is_not_waited_for_long(bench: Bench) -> None:
    session = bench.session()
    connecting = bench.start(outcome_of(session.connect()))
    hub = await bench.hub()
    hub.rude = True
    await hub.next(Join)
    before = bench.clock.now()
    await session.disconnect()
    assert bench.clock.now() - before <= 5.001
    assert "failed_effects" not in session.statistics().counts
    await connecting


@on_bench
async def test_a_cancelled_connect_changes_nothing_for_the_session(bench: Bench) -> None:
    """U05: the engine goes on; another caller gets what it asked for."""
    session = bench.session()
    impatient, patient = bench.start(session.connect()), bench.start(session.connect())
    hub = await bench.hub()
    impatient.cancel()
    await bench.idle()
    assert session.role == "connecting"
    await hub.welcome()
    assert await patient is session


@on_bench
async def test_connect_while_closing_waits_for_the_end_and_connects(bench: Bench) -> None:
    session, hub = await bench.online()
    hub.rude = True
    leaving = bench.start(session.disconnect())
    await hub.next(Goodbye)
    again = bench.start(session.connect())
    await bench.idle()
    assert (session.role, len(bench.hands)) == ("closing", 1)
    await hub.say(Goodbye())
    other = await bench.hub()
    await other.welcome()
    assert await again is session
    await leaving
    assert (session.state, bench.tale) == ("connected", ["connected", "disconnected", "connected"])
    assert bench.audit.records[-1]["record"] != "stop", "the audit of the new connection goes on"


# -- leaving ------------------------------------------------------------------------------------------------------------------


@on_bench
async def test_disconnect_sends_what_was_submitted_then_goodbye(bench: Bench) -> None:
    session, hub = await bench.online()
    receipt = session.signal("last words")
    leaving = bench.start(session.disconnect())
    await hub.next(Goodbye)
    assert [type(frame) for frame in hub.frames] == [Join, SendSignal, Goodbye]
    await leaving
    assert receipt.outcome is not None
    assert (receipt.outcome.status, receipt.outcome.possibly_sent) == (OutcomeStatus.FAILED, True)
    assert bench.tale == ["connected", "disconnected"]


@on_bench
async def test_disconnect_waits_for_a_rude_hub_no_longer_than_it_says(bench: Bench) -> None:
    session, hub = await bench.online(close_timeout_seconds=3.0)
    hub.rude = True
    before = bench.clock.now()
    await session.disconnect()
    assert 3.0 <= bench.clock.now() - before <= 3.001


@on_bench
async def test_disconnect_where_there_is_nothing_to_leave(bench: Bench) -> None:
    session = bench.session()
    await session.disconnect()
    connecting = bench.start(session.connect())
    await (await bench.hub()).welcome()
    await connecting
    await asyncio.gather(session.disconnect(), session.disconnect())
    await session.disconnect()
    assert bench.tale == ["connected", "disconnected"]


@on_bench
async def test_a_cancelled_disconnect_is_taken_up_again(bench: Bench) -> None:
    session, hub = await bench.online()
    hub.rude = True
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await session.disconnect()
    assert session.state == "closing"
    await session.disconnect()
    assert session.state == "disconnected"


@on_bench
async def test_what_the_hub_ends_is_left_already(bench: Bench) -> None:
    session, hub = await bench.online()
    await hub.say(Refused(code=Reason.KICKED, detail="out"))
    await session.wait_for("offline")
    assert (bench.told[-1].name, session.last_error) == ("disconnected", Cause(reason=Reason.KICKED, final=True, detail="out"))
    before = bench.clock.now()
    await session.disconnect()
    assert bench.clock.now() == before


@on_bench
async def test_three_hundred_outages_leave_nothing(bench: Bench) -> None:
    """U09: tasks, timers and waiters after many outages are those of the first."""
    session, hub = await bench.online(retry=RetryPolicy(first_try_seconds=0.0, stable_after_seconds=0.0))
    sizes = set()
    for _ in range(300):
        hub.cut()
        hub = await bench.back()
        await bench.later(0.1)
        tasks = [task for task in asyncio.all_tasks() if "reconnect" in task.get_name()]
        sizes.add((len(tasks), len(session._driver._tasks), len(session._front.receipts), repr(session._front.conditions)))
    assert sizes == {(2, 2, 0, "<Conditions waiting=0>")}


def is_open(file: Path) -> bool:
    """True where this process has the file open, as far as the system tells."""
    table = Path("/proc/self/fd")
    return table.is_dir() and any(link.exists() and link.resolve() == file for link in table.iterdir())


@on_bench
async def test_an_audit_file_is_closed_by_the_end_and_by_whatever_comes_after(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    session, _ = await bench.online(audit=file)
    assert is_open(file) or sys.platform != "linux"
    await session.disconnect()
    assert not is_open(file)
    session.reconnect_now()
    assert not is_open(file)
    records = list(read_records(file))
    assert [record["record"] for record in records[:2]] == ["journal", "start"]
    assert records[-2]["event"] == "retry_requested"
    assert records[-2]["verdict"] == "ignored"


# -- the loop it belongs to ---------------------------------------------------------------------------------------------------


@on_bench
async def test_a_session_that_is_called_from_another_thread_says_so_and_changes_nothing(bench: Bench) -> None:
    session, hub = await bench.online()
    errors: list[BaseException] = []

    def other() -> None:
        calls: list[Any] = [lambda: session.signal("from a thread"), session.reconnect_now]
        calls += [lambda work=work: asyncio.run(work()) for work in (session.connect, session.disconnect)]
        calls += [lambda: asyncio.run(session.publish("camera")), lambda: asyncio.run(session.subscribe("s1"))]
        calls += [lambda: asyncio.run(session.kick("c9"))]
        for call in calls:
            try:
                call()
            except WrongLoop as error:
                errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    names = ["signal()", "reconnect_now()", "connect()", "disconnect()", "publish()", "subscribe()", "kick()"]
    assert [str(error).partition(";")[0] for error in errors] == [
        f"{name} was called outside the event loop that the session runs on" for name in names
    ]
    assert isinstance(errors[0], RuntimeError)
    assert session.statistics().submitted == 0
    receipt = session.signal("from the loop")
    await hub.next(SendSignal)
    assert hub.heard == ["from the loop"]
    await hub.accept(1)
    assert (await receipt).delivered


@on_bench
async def test_a_signal_from_another_thread_is_refused_in_a_turn_that_submitted_others(bench: Bench) -> None:
    session, hub = await bench.online()
    receipt = session.signal("from the loop")
    refused: list[str] = []

    def other() -> None:
        with pytest.raises(WrongLoop) as error:
            session.signal("from a thread")
        refused.append(str(error.value))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(refused) == 1
    session.signal("again from the loop")
    await hub.next(SendSignal)
    await hub.next(SendSignal)
    assert hub.heard == ["from the loop", "again from the loop"]
    await hub.accept(2)
    assert (await receipt).delivered


def test_a_session_may_be_used_on_another_loop_once_it_was_left() -> None:
    network: MemoryNetwork

    async def dial(url: str) -> Transport:
        return await network.dial(url)

    session = Session(URL, session="room-1", token="token", transport=dial)

    async def talk() -> bool:
        nonlocal network
        network = MemoryNetwork()

        async def attend(transport: Transport) -> None:
            hub = Hand(transport)
            attending = asyncio.ensure_future(hub.attend())
            await hub.welcome()
            await hub.next(SendSignal)
            await hub.accept(hub.all(SendSignal)[-1].serial)
            await attending

        async with network.listen(URL, attend), asyncio.timeout(30), session:
            outcome = await session.signal("hello")
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return outcome.delivered

    assert asyncio.run(talk())
    assert asyncio.run(talk())


# -- hurrying and waiting -----------------------------------------------------------------------------------------------------


@on_bench
async def test_reconnect_now_starts_the_attempt_at_once(bench: Bench) -> None:
    """S07 B12: while waiting; while connected and while disconnected it changes nothing."""
    session, hub = await bench.online()
    session.reconnect_now()
    assert session.state == "connected"
    hub.cut()
    await session.wait_for("reconnecting.waiting")
    before = bench.clock.now()
    session.reconnect_now()
    assert session.state == "reconnecting.dialing"
    await bench.back()
    assert bench.clock.now() == before
    await session.disconnect()
    session.reconnect_now()
    assert session.state == "disconnected"
    assert [record["event"] for record in bench.audit.records if record.get("verdict") == "ignored"] == ["retry_requested"] * 2


@on_bench
async def test_a_forced_reconnection_replaces_the_link(bench: Bench) -> None:
    session, hub = await bench.online()
    session.reconnect_now(force=True)
    assert session.state == "reconnecting.waiting"
    await bench.back()
    assert hub.ended is not None
    assert (bench.tale, session.connection) == (["connected", "reconnecting", "attempt", "reconnected"], "c1")


@on_bench
async def test_waiting_for_a_leaf_a_parent_and_a_role(bench: Bench) -> None:
    session, hub = await bench.online()
    await session.wait_for("connected")
    await session.wait_for("online")
    waits = [bench.start(session.wait_for(state)) for state in ("reconnecting.waiting", "reconnecting", "recovering")]
    gone = bench.start(session.wait_for("closing"))
    await bench.idle()
    gone.cancel()
    assert not any(wait.done() for wait in waits)
    hub.cut()
    await asyncio.gather(*waits)
    assert repr(session._front.conditions) == "<Conditions waiting=0>"


@on_bench
async def test_waiting_for_a_state_that_is_not_there(bench: Bench) -> None:
    session = bench.session()
    with pytest.raises(BadArgument) as refused:
        await session.wait_for("conected")
    assert str(refused.value) == "the chart session has no state or role 'conected'; did you mean 'connected'?"


# -- signals ------------------------------------------------------------------------------------------------------------------


@on_bench
async def test_a_signal_needs_a_session_that_is_connected_or_on_its_way(bench: Bench) -> None:
    session = bench.session()
    with pytest.raises(NotConnected) as refused:
        session.signal("too early")
    assert str(refused.value) == "signal() needs a connected session, and this one is disconnected; await session.connect() first"
    connecting = bench.start(session.connect())
    await bench.idle()
    held = session.signal("held")
    hub = await bench.hub()
    await hub.welcome()
    await connecting
    await hub.next(SendSignal)
    assert hub.heard == ["held"]
    hub.rude = True
    leaving = bench.start(session.disconnect())
    await bench.idle()
    with pytest.raises(NotConnected, match=r"signal\(\) needs a connected session, and this one is closing"):
        session.signal("too late")
    await leaving
    assert held.outcome is not None
    assert session.statistics().submitted == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"type": None}, "the type of a signal is a string, and this is NoneType"),
        ({"type": 0}, "the type of a signal is a string, and this is int"),
        ({"type": "a b"}, "the type 'a b' has other characters than A-Z a-z 0-9 - _ ~ ."),
        ({"data": object()}, "object is no JSON value; use strings, numbers, booleans, None, lists and dicts"),
        ({"to": 5}, "`to` is a connection id or a Member, and this is 5"),
        ({"ttl": -1}, "ttl is a positive number of seconds, and this is -1"),
    ],
)
@on_bench
async def test_a_signal_that_cannot_be_is_refused_and_not_counted(bench: Bench, options: dict[str, Any], sentence: str) -> None:
    session, _ = await bench.online()
    with pytest.raises(BadSignal) as refused:
        session.signal(**options)
    assert str(refused.value) == sentence
    assert session.statistics().submitted == 0


@on_bench
async def test_what_one_loop_turn_submits_travels_as_one_message(bench: Bench) -> None:
    session, hub = await bench.online()
    before = hub.messages
    receipts = [session.signal(number, type="chat", to=BEN if number else None, ttl=60) for number in range(50)]
    await bench.idle()
    assert hub.messages == before + 1
    frames = hub.all(SendSignal)
    assert [(frame.serial, frame.to, frame.type) for frame in frames] == [(n + 1, "c9" if n else None, "chat") for n in range(50)]
    await hub.accept(50, Rejection(serial=2, code=RejectCode.NO_SUCH_CONNECTION))
    outcomes = await asyncio.gather(*receipts)
    assert [outcome.status for outcome in outcomes].count(OutcomeStatus.DELIVERED) == 49
    assert (outcomes[1].status, outcomes[1].code) == (OutcomeStatus.REJECTED, RejectCode.NO_SUCH_CONNECTION)


@on_bench
async def test_a_signal_is_taken_back_only_before_it_is_sent(bench: Bench) -> None:
    session, hub = await bench.online()
    sent = session.signal("sent")
    await hub.next(SendSignal)
    assert sent.cancel() is False
    hub.cut()
    await session.wait_for("reconnecting")
    held = session.signal("held")
    assert held.cancel() is True
    assert (await held).status is OutcomeStatus.CANCELLED
    assert held.cancel() is False
    again = await bench.back(accepted=0)
    assert again.heard == ["sent"]


@on_bench
async def test_a_signal_that_opted_out_is_dropped_while_away(bench: Bench) -> None:
    """Q02: at once, and never sent later."""
    session, hub = await bench.online()
    hub.cut()
    await session.wait_for("reconnecting")
    receipt = session.signal("worthless if late", retry_after_reconnect=False)
    assert receipt.outcome is not None
    assert (receipt.outcome.status, receipt.outcome.reason) == (OutcomeStatus.DROPPED, Reason.OPTED_OUT)
    assert (await bench.back()).heard == []


@on_bench
async def test_drain_returns_when_everything_submitted_so_far_has_its_outcome(bench: Bench) -> None:
    session, hub = await bench.online()
    await session.drain()
    receipts = [session.signal(number) for number in range(3)]
    draining = bench.start(session.drain())
    await bench.idle()
    session.signal("later")
    await hub.accept(2)
    await bench.idle()
    assert not draining.done()
    await hub.accept(3)
    await draining
    assert all(receipt.outcome for receipt in receipts)


@on_bench
async def test_a_full_outbox_says_what_to_do_and_when_there_is_room(bench: Bench) -> None:
    """Q08: the default raises; nothing was sent; wait_room() returns when one fits."""
    session, hub = await bench.online(outbox=Outbox(max_signals=2))
    await session.wait_room()
    session.signal(1)
    session.signal(2)
    assert repr(session) == "<Session room-1 connected outbox=2/2>"
    with pytest.raises(OutboxFull) as full:
        session.signal(3)
    assert str(full.value) == (
        "the outbox is full (2 signals): it holds 2 signals, 2 bytes; "
        "await session.wait_room(), raise its bounds, or choose overflow='drop_oldest'"
    )
    assert session.statistics().submitted == 2
    room = bench.start(session.wait_room())
    await bench.idle()
    assert not room.done()
    await hub.accept(1)
    await room
    await session.wait_room()
    session.signal(3)


@on_bench
async def test_room_means_room_for_the_signal_that_was_refused(bench: Bench) -> None:
    """A loop of signal() and wait_room() must not spin where bytes and not signals are short."""
    session, hub = await bench.online(outbox=Outbox(max_bytes=100))
    session.signal("x" * 60)
    session.signal("small")
    turns = 0

    async def produce() -> None:
        nonlocal turns
        while turns < 50:
            try:
                session.signal("y" * 50)
                return
            except OutboxFull:
                turns += 1
                await session.wait_room()

    producing = bench.start(produce())
    await bench.later(1)
    assert (turns, producing.done()) == (1, False)
    await hub.accept(1)
    await producing
    assert turns == 1


@on_bench
async def test_a_signal_that_no_empty_outbox_could_hold(bench: Bench) -> None:
    session, _ = await bench.online(outbox=Outbox(max_bytes=100, overflow="drop_newest"))
    with pytest.raises(BadSignal) as refused:
        session.signal("x" * 97, type="chat")
    assert (str(refused.value), refused.value.code) == (
        "the signal has 103 bytes, and this outbox holds 100 at most",
        RejectCode.TOO_LARGE,
    )
    assert session.statistics().submitted == 0


@on_bench
async def test_an_outbox_that_drops_settles_at_once(bench: Bench) -> None:
    """Q08: drop_oldest and drop_newest; each drop has its outcome before signal() returns."""
    session, hub = await bench.online(outbox=Outbox(max_signals=2, overflow="drop_oldest"))
    hub.cut()
    await session.wait_for("reconnecting")
    first, second, third = (session.signal(number) for number in range(3))
    assert first.outcome is not None
    assert (first.outcome.status, first.outcome.reason) == (OutcomeStatus.DROPPED, Reason.OVERFLOW)
    assert (second.outcome, third.outcome) == (None, None)
    assert (await bench.back()).heard == [1, 2]


# -- requests -----------------------------------------------------------------------------------------------------------------


@on_bench
async def test_requests_are_answered(bench: Bench) -> None:
    session, hub = await bench.online()
    kicks = [bench.start(session.kick(whom)) for whom in (BEN, "c8")]
    mutes = [bench.start(session.mute(CAMERA)), bench.start(session.mute("s1", False))]
    await bench.idle()
    assert [frame.connection for frame in hub.all(Kick)] == ["c9", "c8"]
    assert [(frame.stream, frame.muted) for frame in hub.all(Mute)] == [("s1", True), ("s1", False)]
    for request in [frame.request for frame in hub.all(Kick)] + [hub.all(Mute)[0].request]:
        await hub.say(Done(request=request))
    await hub.say(Failed(request=hub.all(Mute)[1].request, code=RejectCode.FORBIDDEN, detail="only a moderator may"))
    await asyncio.gather(*kicks, mutes[0])
    with pytest.raises(RequestFailed) as failed:
        await mutes[1]
    assert (str(failed.value), failed.value.code, failed.value.possibly_sent) == (
        "mute failed: only a moderator may; make its token with a role that does",
        RejectCode.FORBIDDEN,
        False,
    )


@on_bench
async def test_a_request_whose_answer_the_link_took_along_may_have_been_done(bench: Bench) -> None:
    session, hub = await bench.online()
    kicking = bench.start(session.kick(BEN))
    await hub.next(Kick)
    hub.cut()
    with pytest.raises(RequestFailed) as failed:
        await kicking
    assert str(failed.value) == "kick failed: the connection dropped before the answer (it may have been done)"
    assert failed.value.possibly_sent
    with pytest.raises(NotConnected, match=r"mute\(\) needs a connected session, and this one is reconnecting.waiting"):
        await session.mute(CAMERA)


@on_bench
async def test_an_answer_that_nobody_waits_for_any_more(bench: Bench) -> None:
    session, hub = await bench.online()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await session.kick(BEN)
    await hub.say(Done(request=hub.all(Kick)[0].request, answer=WantAnswer(key="k")))
    await bench.idle()
    assert session.state == "connected"
    assert repr(session._front.calls) == "<Calls waiting=0>"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda session: session.kick(5),
            "connection is a Member or its connection id, a string that is not empty, and this is 5",
        ),
        (
            lambda session: session.kick(""),
            "connection is a Member or its connection id, a string that is not empty, and this is ''",
        ),
        (
            lambda session: session.kick("\ud800"),
            "connection is a Member or its connection id, and this has a lone surrogate, which cannot be written as UTF-8",
        ),
        (lambda session: session.mute(None), "stream is a Stream or its id, a string that is not empty, and this is None"),
        (
            lambda session: session.renew_token(""),
            "token is what make_token() returned, a string that is not empty, and this is ''",
        ),
        (
            lambda session: session.renew_token("\ud800"),
            "token is what make_token() returned, and this has a lone surrogate, which cannot be written as UTF-8",
        ),
    ],
)
@on_bench
async def test_a_request_that_no_hub_could_read_is_refused_here(bench: Bench, call: Any, sentence: str) -> None:
    """On the wire it would be a protocol error, which ends the session for good."""
    session, hub = await bench.online()
    with pytest.raises(BadArgument) as refused:
        await call(session)
    assert str(refused.value) == sentence
    await bench.idle()
    assert [type(frame) for frame in hub.frames] == [Join]


@on_bench
async def test_a_token_that_was_renewed_is_the_one_of_the_next_join(bench: Bench) -> None:
    session, hub = await bench.online(token="the first")
    renewing = bench.start(session.renew_token("the second"))
    request = await hub.next(RenewToken)
    assert request.token == "the second"
    await hub.say(Done(request=request.request))
    await renewing
    hub.cut()
    again = await bench.back()
    assert again.all(Join)[0].token == "the second"
    refused = bench.start(session.renew_token("the third"))
    request = await again.next(RenewToken)
    await again.say(Failed(request=request.request, code=RejectCode.FORBIDDEN))
    with pytest.raises(RequestFailed, match=r"token failed \(forbidden\): "):
        await refused
    again.cut()
    assert (await bench.back()).all(Join)[0].token == "the second", "one that was not taken is not used"
    assert not any(word in str(bench.audit.records) for word in ("the first", "the second", "the third"))


@on_bench
async def test_a_callable_is_asked_for_the_next_token_all_the_same(bench: Bench) -> None:
    tokens = iter(["one", "two"])
    session, hub = await bench.online(token=lambda: next(tokens))
    renewing = bench.start(session.renew_token("newer"))
    await hub.say(Done(request=(await hub.next(RenewToken)).request))
    await renewing
    hub.cut()
    assert (await bench.back()).all(Join)[0].token == "two"


# -- seeing -------------------------------------------------------------------------------------------------------------------


@on_bench
async def test_members_and_streams_are_those_of_the_log(bench: Bench) -> None:
    session, hub = await bench.online()
    await hub.tell(EntryKind.JOINED, member=BEN)
    await hub.tell(EntryKind.PUBLISHED, stream=CAMERA)
    await bench.idle()
    assert (session.members, session.streams) == ((BEN,), (CAMERA,))
    await session.disconnect()
    assert (session.members, session.streams) == ((), ())


@on_bench
async def test_what_it_looks_like_in_every_state(bench: Bench) -> None:
    session, hub = await bench.online(outbox=Outbox(max_signals=5))
    hub.cut()
    await session.wait_for("reconnecting")
    session.signal("held")
    assert repr(session).startswith("<Session room-1 reconnecting.waiting attempt=1 due_in=0.")
    assert repr(session).endswith(" outbox=1/5>")
    assert session.last_error is not None
    assert session.last_error.reason is Reason.CLOSED
    again = await bench.back()
    assert repr(session) == "<Session room-1 connected outbox=1/5>"
    connected: Cause | None = session.last_error
    assert connected is None
    again.rude = True
    leaving = bench.start(session.disconnect())
    await bench.idle()
    assert repr(session) == "<Session room-1 closing outbox=1/5>"
    await leaving


@on_bench
async def test_a_state_of_a_users_chart_may_have_no_timer(bench: Bench) -> None:
    session = bench.session()
    connecting = bench.start(outcome_of(session.connect()))
    await bench.idle()
    session._core.at.timers.cancel("deadline")
    assert repr(session) == "<Session room-1 connecting.joining attempt=1 outbox=0/1000>"
    await session.disconnect()
    await connecting


@on_bench
async def test_the_numbers_add_up_at_every_moment(bench: Bench) -> None:
    """Q09: submitted = the sum of all outcomes + pending."""
    session, hub = await bench.online()

    def sums() -> tuple[int, int]:
        numbers = session.statistics()
        return numbers.submitted, numbers.pending + sum(numbers.outcomes.values())

    session.signal("delivered")
    session.signal("rejected")
    await bench.idle()
    assert sums() == (2, 2)
    await hub.accept(2, Rejection(serial=2, code=RejectCode.FORBIDDEN))
    await hub.transport.send('{"frame":"novelty"}')
    await bench.idle()
    hub.cut()
    await session.wait_for("reconnecting")
    session.signal("held")
    session.signal("cancelled").cancel()
    session.signal("dropped", retry_after_reconnect=False)
    session.signal("expired", ttl=0.001)
    assert sums() == (6, 6)
    await bench.later(0.002)
    numbers = session.statistics()
    expected = dict.fromkeys(OutcomeStatus, 0) | dict.fromkeys(["delivered", "rejected", "cancelled", "dropped", "expired"], 1)
    assert (dict(numbers.outcomes), numbers.pending) == (expected, 1)
    assert numbers.counts["unknown_frames"] == 1
    await bench.back()
    await session.disconnect()
    assert sums() == (6, 6)
    assert session.statistics().outcomes[OutcomeStatus.FAILED] == 1


@on_bench
async def test_late_words_of_the_hub_change_nothing(bench: Bench) -> None:
    session, hub = await bench.online()
    await hub.say(Done(request=99), Failed(request=98, code=RejectCode.INVALID), Pong(position=0))
    await bench.idle()
    assert (session.state, session.statistics().counts["late_answers"]) == ("connected", 2)
    assert [type(frame) for frame in hub.frames] == [Join]
