"""The mistakes of a newcomer's first ten minutes, made for real against a hub: each gets one sentence that says what to do."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import reconnect
from reconnect.errors import ConnectFailed
from reconnect.reasons import Cause, Reason
from tests.conftest import Runner
from tests.terminals import SECRET, environment

TOKEN = reconnect.make_token(SECRET, session="room-1", client_id="anna")
READ_ONLY = reconnect.make_token(SECRET, session="room-1", client_id="bob", role="subscriber")
EXPIRED = reconnect.make_token(SECRET, session="room-1", now=1_000_000.0)
FORGED = reconnect.make_token(SECRET[::-1], session="room-1")

Mistake = Callable[[str], Awaitable[object]]


async def sentence_of(mistake: Mistake) -> str:
    """Return the sentence that a mistake gets from a hub of its own; `URL` stands for the hub's address."""
    async with reconnect.Hub(SECRET).serve() as hub:
        with pytest.raises(Exception, match=r"\w") as caught:
            await mistake(hub.url)
        told = str(caught.value).replace(f"port {hub.port}", "port PORT")
        return told.replace(hub.url, "URL").replace(hub.url.replace("ws:", "wss:"), "TLS URL")


@asynccontextmanager
async def connected(url: str, token: str = TOKEN) -> AsyncIterator[reconnect.Session]:
    async with reconnect.connect(url, session="room-1", token=token) as session:
        yield session


def joins(url: str | None = None, *, token: Any = TOKEN, session: str = "room-1") -> Mistake:
    """Connect like this."""

    async def mistake(hub: str) -> None:
        async with reconnect.connect(url or hub, session=session, token=token):
            pytest.fail("it let us in")

    return mistake


def does(action: Callable[[reconnect.Session], Any], token: str = TOKEN) -> Mistake:
    """Do this with a connected session."""

    async def mistake(hub: str) -> None:
        async with connected(hub, token) as session:
            result = action(session)
            if asyncio.iscoroutine(result):
                await result

    return mistake


async def wss(hub: str) -> None:
    await joins(hub.replace("ws:", "wss:"))(hub)


async def web_server(hub: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await joins(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")(hub)


async def after_leaving(hub: str) -> None:
    async with connected(hub) as session:
        pass
    session.signal("hello")


async def port_in_use(hub: str) -> None:
    async with reconnect.Hub(SECRET).serve(port=int(hub.rpartition(":")[2])):
        pytest.fail("there is a hub already")


async def serve_without_a_block(hub: str) -> None:
    await reconnect.Hub(SECRET).serve()  # type: ignore[misc]  # the mistake


async def secret_not_set(hub: str) -> None:
    reconnect.make_token(os.environ.get("NO_SUCH_VARIABLE"), session="room-1")  # type: ignore[arg-type]  # the mistake


async def hub_without_a_secret(hub: str) -> None:
    reconnect.Hub(os.environ.get("NO_SUCH_VARIABLE"))


def no_token_today() -> str:
    raise ConnectionError("https://issuer/?key=SESAME")


def takes_nothing() -> None: ...


class Bot:
    def h() -> None: ...  # type: ignore[misc]  # the mistake


MISTAKES: dict[str, tuple[Mistake, str]] = {
    "no hub": (
        joins("ws://127.0.0.1:9"),
        "could not connect to ws://127.0.0.1:9 (unreachable): Connection refused; "
        "check host and port, and that a hub runs there: `reconnect serve --dev` starts one",
    ),
    "http": (joins("http://hub"), "'http://hub' is not usable: its scheme is 'http'; write it as ws://host:port or wss://host"),
    "no scheme": (joins("hub:8470"), "'hub:8470' is not usable: it has no scheme; write it as ws://host:port or wss://host"),
    "wss": (
        wss,
        "could not connect to TLS URL (closed): the connection was closed before the WebSocket was open; "
        "check host and port, and whether the hub speaks ws:// or wss://",
    ),
    "no token": (
        joins(token=None),
        "token is a string that is not empty, or a callable that returns one; see reconnect.make_token()",
    ),
    "expired token": (
        joins(token=EXPIRED),
        "could not connect to URL (token_expired): the token has expired; "
        "make a new token, or give a callable as `token`: it is asked at each attempt",
    ),
    "another session": (
        joins(session="room-2"),
        "could not connect to URL (wrong_session): the token is for another session; "
        "join the session that the token was made for, or make a token for this one",
    ),
    "another secret": (
        joins(token=FORGED),
        "could not connect to URL (denied): the token is not one that this hub accepts; "
        "a token must be made with the secret of this very hub, as `reconnect token` does",
    ),
    "name misspelt": (
        does(lambda session: session.on("reconected", print)),
        "there is no event named 'reconected'; did you mean 'reconnected'?",
    ),
    "no name": (
        does(lambda session: session.on(takes_nothing)),  # type: ignore[call-overload]  # the mistake
        "on() and off() take the name of an event first, as in @session.on('reconnecting'), and this is ",
    ),
    "wrong signature": (
        does(lambda session: session.on("reconnecting", takes_nothing)),
        "takes_nothing is called with one argument, the 'reconnecting' event: too many positional arguments; "
        "write it as def show(event)",
    ),
    "a method without self": (
        does(lambda session: session.on("reconnecting", Bot().h)),  # type: ignore[misc]  # the mistake
        "Bot.h is called with one argument, the 'reconnecting' event: too many positional arguments; "
        "write it as def show(self, event)",
    ),
    "called, not handed over": (
        does(lambda session: session.on("reconnecting", print())),  # type: ignore[call-overload]  # the mistake
        "an observer of 'reconnecting' is a function of one event, and this is None; "
        "give the function itself, as `show`, not what calling it returns, as `show()`",
    ),
    "publish() not awaited": (
        does(lambda session: session.publish("camera").on("live", print)),  # type: ignore[attr-defined]  # the mistake
        "publish() was not awaited yet, and has no 'on': write `publisher = await session.publish(...)`",
    ),
    "subscribe() not awaited": (
        does(lambda session: list(session.subscribe("camera"))),  # type: ignore[call-overload]  # the mistake
        "subscribe() was not awaited yet: write `subscriber = await session.subscribe(...)`",
    ),
    "a frame before the stream": (
        does(lambda session: session.publish("camera").send(b"frame")),
        "publish() was not awaited yet: write `publisher = await session.publish(...)`",
    ),
    "serve() awaited": (serve_without_a_block, "serve() was not entered yet: write `async with hub.serve(...) as server:`"),
    "port in use": (
        port_in_use,
        "cannot listen on 127.0.0.1, port PORT: Address already in use; another program listens there, perhaps another hub: "
        "stop it, or choose another port; 0 takes a free one",
    ),
    "no secret for a token": (
        secret_not_set,
        "there is no secret to sign tokens with: where it is read from the environment, the variable is not set; "
        """make one with: python -c "import secrets; print(secrets.token_urlsafe(32))\"""",
    ),
    "no secret for a hub": (
        hub_without_a_secret,
        "a hub needs either a secret or an authenticator, to know who may join, and has neither: where it is read from the "
        """environment, the variable is not set; make one with: python -c "import secrets; print(secrets.token_urlsafe(32))\"""",
    ),
    "a token callable that raises": (
        joins(token=no_token_today),
        "could not connect to URL (token_unavailable): the token callable raised ConnectionError; "
        "mend the callable that was given as `token`: what it raised is the __cause__ of this error; "
        "with retry_initial=True connect() asks it again by itself",
    ),
    "asking nobody": (
        does(lambda session: session.request("what?", to="nobody", timeout=5)),
        "request() failed (no_such_connection): nobody in the session has this connection, or it is gone for good; "
        "session.members has those who are there; who joins anew has another connection",
    ),
    "publishing as a subscriber": (
        does(lambda session: session.publish("camera"), READ_ONLY),
        "publish 'camera' failed: a subscriber may not publish; make its token with the role publisher",
    ),
    "moderating as a publisher": (
        does(lambda session: session.kick("c1")),
        "kick failed: a publisher may not kick; moderators may",
    ),
    "no such stream": (
        does(lambda session: session.subscribe("camera")),
        "subscribe 'camera' failed: there is no such stream; its id stands in session.streams and in stream_created",
    ),
    "too large": (
        does(lambda session: session.signal("x" * 9_000)),
        "the data has 9,002 bytes as JSON; at most 8,192 are allowed: send it in parts, or as frames of a stream",
    ),
    "the receipt for the outcome": (
        does(lambda session: session.signal("hello").status),  # type: ignore[attr-defined]  # the mistake
        "status belongs to the outcome, and a receipt is on its way to it: write `outcome = await receipt`",
    ),
    "after leaving": (
        after_leaving,
        "signal() needs a connected session, and this one is disconnected; await session.connect() first",
    ),
}


@pytest.mark.parametrize(("mistake", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_a_sentence_that_says_what_to_do(run: Runner, mistake: Mistake, sentence: str) -> None:
    told = run(sentence_of(mistake))
    assert told.startswith(sentence)
    assert told.endswith(sentence) or sentence.endswith(" ")


def test_a_web_server_is_no_hub(run: Runner) -> None:
    assert run(sentence_of(web_server)).endswith(
        "(upgrade_refused): HTTP 404 Not Found; what answers there is no hub of this library; check host and port"
    )


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        (Cause(reason=Reason.DENIED, code=401), "; what stands before the hub wants credentials of its own"),
        (Cause(reason=Reason.CLIENT_DISCONNECTED), "(client_disconnected)"),
        (Cause(reason=Reason.DEADLINE), "; check host and port: nothing there answers as a hub does"),
        (Cause(reason=Reason.OVERLOADED), "; try again later; with retry_initial=True connect() does so by itself"),
    ],
)
def test_what_to_do_about_it_depends_on_why(cause: Cause, remedy: str) -> None:
    assert str(ConnectFailed(cause, "ws://hub")).endswith(remedy)


# -- seen from outside ---------------------------------------------------------------------------------------------------------


def seen_by_a_person(program: str) -> str:
    """Return what a program prints on stderr."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment())
    return done.stderr


def test_a_connect_that_nobody_awaits_is_warned_of() -> None:
    told = seen_by_a_person("import reconnect\nreconnect.connect('ws://hub', session='room-1', token='t')")
    assert "RuntimeWarning: connect() was never awaited, so nothing was connected: write `async with reconnect.connect(" in told


FAILING = """
import asyncio, reconnect
{configuration}
async def main():
    async with reconnect.Hub({secret!r}).serve() as hub:
        async with reconnect.connect(hub.url, session="room-1", token={token!r}) as session:
            signals = session.signals()
            session.on("signal", lambda event: event.data)
            for number in range(3):
                session.signal("hello")
                await anext(signals)
            assert session.statistics().counts["failed_observers"] == 3

asyncio.run(main())
"""


def test_an_observer_that_raises_is_seen_though_nobody_configured_logging() -> None:
    """On stderr, once for each observer and kind of error; all are counted."""
    told = seen_by_a_person(FAILING.format(configuration="", secret=SECRET, token=TOKEN))
    assert told.startswith("an observer of 'signal' failed: main.<locals>.<lambda>\nTraceback (most recent call last):\n")
    assert told.endswith("AttributeError: 'SignalReceived' object has no attribute 'data'\n")
    assert told.count("AttributeError") == 1


def test_an_observer_that_raises_is_logged_each_time_where_logging_is_configured() -> None:
    told = seen_by_a_person(FAILING.format(configuration="import logging; logging.basicConfig()", secret=SECRET, token=TOKEN))
    assert told.count("ERROR:reconnect:an observer of 'signal' failed: main.<locals>.<lambda>") == 3


@pytest.mark.parametrize("silence", ["addHandler(logging.NullHandler())", "setLevel(logging.CRITICAL)"])
def test_an_observer_that_raises_is_silent_where_the_application_says_so(silence: str) -> None:
    configuration = f"import logging; logging.getLogger('reconnect').{silence}"
    assert seen_by_a_person(FAILING.format(configuration=configuration, secret=SECRET, token=TOKEN)) == ""


def test_a_token_may_end_as_a_file_does(run: Runner) -> None:
    async def story() -> None:
        async with reconnect.Hub(SECRET).serve() as hub:
            for token in (f"{TOKEN}\n", lambda: f"{TOKEN}\n"):
                async with reconnect.connect(hub.url, session="room-1", token=token) as session:
                    await session.renew_token(f" {TOKEN}\n")

    run(story())


SERVED_BY_NOBODY = """
import asyncio, reconnect

async def main():
    reconnect.Hub({secret!r}).serve(port=0)
    async with reconnect.Hub({secret!r}).serve() as hub:
        async with reconnect.connect(hub.url, session="room-1", token={token!r}) as session:
            session.publish("camera")

asyncio.run(main())
"""


def test_what_nobody_enters_or_awaits_is_warned_of() -> None:
    told = seen_by_a_person(SERVED_BY_NOBODY.format(secret=SECRET, token=TOKEN))
    assert [line.partition(": ")[2] for line in told.splitlines() if "Warning" in line] == [
        "RuntimeWarning: serve() was never entered, so nothing listens: write `async with hub.serve(...) as server:`",
        "RuntimeWarning: publish() was never awaited, so nothing was done: write `publisher = await session.publish(...)`",
    ]
