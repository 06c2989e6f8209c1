"""`connect()`: in a block or awaited, and with the parameters of Session."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import Any

import pytest

import reconnect
from reconnect.client import Session, connect
from reconnect.client.connecting import Connecting
from reconnect.errors import BadArgument, ConnectFailed
from tests.bench import ROOM, URL, Bench, on_bench


def connecting(bench: Bench, **options: Any) -> Connecting:
    usual: dict[str, Any] = {"session": ROOM, "token": "token", "clock": bench.clock, "transport": bench.network.dial}
    made = connect(URL, **(usual | options))
    bench.sessions.append(made._session)
    return made


@on_bench
async def test_the_block_has_a_connected_session_and_leaves_it(bench: Bench) -> None:
    async def block() -> Session:
        async with connecting(bench) as session:
            assert session.state == "connected"
            return session

    running = bench.start(block())
    hub = await bench.hub()
    await hub.welcome()
    session = await running
    assert session.state == "disconnected"
    assert (await hub.end()).code == 1000


@on_bench
async def test_an_error_in_the_block_passes_and_the_session_is_left(bench: Bench) -> None:
    async def block() -> None:
        async with connecting(bench):
            raise ValueError("no")

    running = bench.start(block())
    await (await bench.hub()).welcome()
    with pytest.raises(ValueError, match="no"):
        await running
    assert bench.sessions[0].state == "disconnected"


@on_bench
async def test_awaited_it_is_the_callers_to_leave(bench: Bench) -> None:
    async def wait() -> Session:
        return await connecting(bench)

    running = bench.start(wait())
    await (await bench.hub()).welcome()
    session = await running
    assert isinstance(session, Session)
    assert session.state == "connected"
    await session.disconnect()


@on_bench
async def test_it_may_be_awaited_with_a_limit(bench: Bench) -> None:
    running = bench.start(asyncio.wait_for(connecting(bench), 5))
    await (await bench.hub()).welcome()
    session = await running
    assert session.state == "connected"
    await session.disconnect()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connecting(bench), 5)


@on_bench
async def test_a_session_is_a_block_as_well(bench: Bench) -> None:
    session = bench.session()

    async def block() -> None:
        async with session as same:
            assert same is session

    running = bench.start(block())
    await (await bench.hub()).welcome()
    await running


@on_bench
async def test_a_hub_that_cannot_be_reached(bench: Bench) -> None:
    bench.network.refuse()
    with pytest.raises(ConnectFailed) as failed:
        async with connecting(bench):
            pytest.fail("the block must not be entered")
    assert str(failed.value).startswith(f"could not connect to {URL} (unreachable): nobody answers at {URL}")
    with pytest.raises(ConnectFailed):
        await connecting(bench)


@on_bench
async def test_a_caller_that_gives_up_leaves_nothing_behind(bench: Bench) -> None:
    """U05: whoever is cancelled in the block's door has no session in hand, so it is ended for them."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3), connecting(bench):
            pytest.fail("the block must not be entered")
    assert bench.sessions[0].state == "disconnected"


HOW = "write `async with reconnect.connect(...) as session:` or `session = await reconnect.connect(...)`"


def test_it_says_what_to_do_with_it() -> None:
    made = connect(URL, session=ROOM, token="token")
    assert repr(made) == "<Connecting <Session room-1 disconnected outbox=0/1000>: use `async with` or await it>"
    with pytest.raises(AttributeError) as missing:
        made.signal("hello")  # type: ignore[attr-defined]  # the mistake: it was not awaited
    assert str(missing.value) == f"connect() was not awaited yet, and has no 'signal': {HOW}"
    with pytest.raises(AttributeError, match=r"^'Connecting' object has no attribute '_core'$"):
        _ = made._core  # type: ignore[attr-defined]  # it is a session's, and no user's
    with pytest.raises(TypeError) as refused, made:  # type: ignore[attr-defined]  # the mistake: `with` in place of `async with`
        pytest.fail("the block must not be entered")
    assert str(refused.value) == f"connect() takes time, and `with` cannot wait: {HOW}"


def test_one_that_nobody_awaits_is_warned_of_like_a_coroutine() -> None:
    made = [connect(URL, session=ROOM, token="token")]
    with pytest.warns(RuntimeWarning, match=r"connect\(\) was never awaited, so nothing was connected: write `async with"):
        made.clear()
    with pytest.raises(BadArgument):
        connect(5, session=ROOM, token="token")  # type: ignore[arg-type]  # refused, so there is nothing to warn of
    gc.collect()


def test_what_session_refuses_is_refused_at_once() -> None:
    with pytest.raises(BadArgument, match="session is the id of the shared place"):
        connect(URL, session="", token="token")


def test_it_has_the_parameters_of_a_session() -> None:
    ours, theirs = inspect.signature(reconnect.connect), inspect.signature(Session)
    assert list(ours.parameters.values()) == list(theirs.parameters.values())
    assert ours.return_annotation is Connecting
    assert reconnect.connect.__name__ == "connect"


async def typed() -> None:
    """Never run: mypy reads it, and would call an ignore unused where the types were lost."""
    async with reconnect.connect(URL, session=ROOM, token="token", retry_initial=True) as session:

        @session.on("reconnecting")
        def show(event: reconnect.Reconnecting) -> None: ...

        show(5)  # type: ignore[arg-type]  # a decorated observer keeps its own type
        session.on("connected", show)(5)  # type: ignore[arg-type]  # and so does one that is handed over
        outcome: reconnect.Outcome = await session.signal("hello")
        assert outcome.delivered
    reconnect.connect(URL, session=ROOM, token="token", retry_intial=True)  # type: ignore[call-arg]  # misspelled
    reconnect.connect(URL, token="token")  # type: ignore[call-arg]  # a session is missing
    (await reconnect.connect(URL, session=ROOM, token="token")).nonsense()  # type: ignore[attr-defined]  # it is a Session
