"""`connect()`: in a block or awaited, and with the parameters of Session."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import textwrap
from pathlib import Path
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
    assert str(failed.value) == f"could not connect to {URL} (unreachable): nobody answers at {URL}"
    with pytest.raises(ConnectFailed):
        await connecting(bench)


@on_bench
async def test_a_caller_that_gives_up_leaves_nothing_behind(bench: Bench) -> None:
    """U05: whoever is cancelled in the block's door has no session in hand, so it is ended for them."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3), connecting(bench):
            pytest.fail("the block must not be entered")
    assert bench.sessions[0].state == "disconnected"


def test_it_says_what_to_do_with_it() -> None:
    made = connect(URL, session=ROOM, token="token")
    assert repr(made) == "<Connecting <Session room-1 disconnected outbox=0/1000>: use `async with` or await it>"


def test_what_session_refuses_is_refused_at_once() -> None:
    with pytest.raises(BadArgument, match="session is the id of the shared place"):
        connect(URL, session="", token="token")


def test_it_has_the_parameters_of_a_session() -> None:
    ours, theirs = inspect.signature(reconnect.connect), inspect.signature(Session)
    assert list(ours.parameters.values()) == list(theirs.parameters.values())
    assert ours.return_annotation is Connecting
    assert reconnect.connect.__name__ == "connect"


def test_type_checkers_know_the_parameters(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent("""
            import reconnect

            async def main() -> None:
                async with reconnect.connect("ws://hub", session="room", token="t", retry_initial=True) as session:

                    @session.on("reconnecting")
                    def show(event: reconnect.Reconnecting) -> None: ...

                    show(5)
                    outcome: reconnect.Outcome = await session.signal("hello")
                reconnect.connect("ws://hub", session="room", token="t", retry_intial=True)
                reconnect.connect("ws://hub", token="t")
        """),
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(program)]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    errors = [line.partition(": error: ") for line in checked.stdout.splitlines() if ": error: " in line]
    assert [(place.rpartition(":")[2], sentence.partition("  [")[0]) for place, _, sentence in errors] == [
        ("10", 'Argument 1 to "show" has incompatible type "int"; expected "Reconnecting"'),
        ("12", 'Unexpected keyword argument "retry_intial" for "connect"; did you mean "retry_initial"?'),
        ("13", 'Missing named argument "session" for "connect"'),
    ]
