"""`hub.serve(...)`: what is said to whoever does not enter it, and where nothing can listen."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest

from reconnect.errors import BadArgument, ListenFailed, ReconnectError
from reconnect.hub import Hub
from reconnect.testing import run
from tests.conftest import Runner
from tests.terminals import SECRET

HOW = "write `async with hub.serve(...) as server:`"


async def wait(thing: Any) -> None:
    await thing


def enter_at_once(thing: Any) -> None:
    with thing:
        pytest.fail("it must not be entered")


def test_it_is_entered_and_not_awaited() -> None:
    hub = Hub(SECRET)
    with pytest.raises(TypeError) as awaited:
        run(wait(hub.serve()))
    assert str(awaited.value) == f"serve() was not entered yet: {HOW}"
    with pytest.raises(TypeError) as entered:
        enter_at_once(hub.serve())
    assert str(entered.value) == f"serve() takes time, and `with` cannot wait: {HOW}"
    with pytest.raises(AttributeError) as asked:
        hub.serve().url  # type: ignore[attr-defined]  # noqa: B018  # the mistake
    assert str(asked.value) == f"serve() was not entered yet, and has no 'url': {HOW}"
    serving = hub.serve(port=8470)
    assert repr(serving) == "<Serving 127.0.0.1:8470: use `async with`>"
    with pytest.warns(RuntimeWarning) as warned:
        del serving
    assert [str(warning.message) for warning in warned] == [f"serve() was never entered, so nothing listens: {HOW}"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((8470,), "host is an address of this machine, as '127.0.0.1', and this is 8470; a port is given by name"),
        (("127.0.0.1", "8470"), "port is '8470'; it must be a whole number from 0, which takes a free one, to 65535"),
        (("127.0.0.1", 65_536), "port is 65536; it must be a whole number from 0, which takes a free one, to 65535"),
        (("127.0.0.1", -1), "port is -1; it must be a whole number from 0, which takes a free one, to 65535"),
    ],
)
def test_what_is_no_address_is_refused_at_once(arguments: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(BadArgument) as refused:
        Hub(SECRET).serve(*arguments)
    assert str(refused.value) == sentence


async def serve(host: str, port: int) -> None:
    async with Hub(SECRET).serve(host, port):
        pytest.fail("nothing can listen there")


def test_a_port_in_use_is_an_error_that_says_what_to_do(run: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenFailed) as failed:
            run(serve("127.0.0.1", port))
    error = failed.value
    assert str(error) == (
        f"cannot listen on 127.0.0.1, port {port}: {os.strerror(errno.EADDRINUSE)}; another program listens there, "
        "perhaps another hub: stop it, or choose another port; 0 takes a free one"
    )
    assert (error.host, error.port, error.errno) == ("127.0.0.1", port, errno.EADDRINUSE)
    assert isinstance(error, ReconnectError)
    assert isinstance(error, OSError)
    assert isinstance(error.__cause__, OSError)


def test_an_address_of_another_machine(run: Runner) -> None:
    with pytest.raises(ListenFailed) as failed:
        run(serve("192.0.2.1", 0))  # RFC 5737: nobody has it
    assert str(failed.value) == (
        f"cannot listen on 192.0.2.1, port 0: {os.strerror(errno.EADDRNOTAVAIL)}; "
        "host must be an address of this machine, as 127.0.0.1 or 0.0.0.0"
    )


@pytest.mark.parametrize(
    ("error", "middle"),
    [
        (OSError(errno.EACCES, "told otherwise"), f"{os.strerror(errno.EACCES)}; this port needs special rights: choose one"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known; host must be an address"),
        (OSError("no number"), "no number; host must be an address"),
    ],
)
def test_what_the_system_says_is_told_in_its_words(error: OSError, middle: str) -> None:
    assert str(ListenFailed("hub", 80, error)).startswith(f"cannot listen on hub, port 80: {middle}")


def test_an_error_of_the_block_is_its_own(run: Runner) -> None:
    async def fails() -> None:
        async with Hub(SECRET).serve():
            raise OSError("the block's")

    with pytest.raises(OSError, match=r"^the block's$") as failed:
        run(fails())
    assert not isinstance(failed.value, ListenFailed)
