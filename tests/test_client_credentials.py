"""The token that a session joins with: what is left out of it, and who is told what its callable raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconnect.client.credentials import Credentials
from reconnect.core.frames import Join, RenewToken
from reconnect.errors import ConnectFailed, TokenRejected
from reconnect.reasons import Reason
from tests.bench import Bench, on_bench


async def later() -> str:
    return "token\n"


@pytest.mark.parametrize("token", ["token\n", " token ", lambda: "token\n", later])
@on_bench
async def test_white_space_around_a_token_does_not_travel(bench: Bench, token: Any) -> None:
    session, hub = await bench.online(token=token)
    assert hub.all(Join)[0].token == "token"
    bench.start(session.renew_token("newer\n"))
    assert (await hub.next(RenewToken)).token == "newer"


def raises() -> str:
    raise ConnectionError("no issuer")


async def raises_later() -> str:
    raise ConnectionError("no issuer")


def rejects() -> str:
    raise TokenRejected(Reason.DENIED, "not you")


@pytest.mark.parametrize(
    ("token", "kind"), [(raises, ConnectionError), (raises_later, ConnectionError), (rejects, TokenRejected)]
)
@on_bench
async def test_what_a_callable_raised_is_the_cause_of_what_connect_raises(
    bench: Bench, token: Callable[[], Any], kind: type[Exception]
) -> None:
    """Its own words are in the cause alone: they may hold a secret."""
    session = bench.session(token=token)
    with pytest.raises(ConnectFailed) as failed:
        await session.connect()
    assert type(failed.value.__cause__) is kind
    assert "no issuer" not in str(failed.value)


@on_bench
async def test_what_it_raised_before_is_not_the_cause_of_another_failure(bench: Bench) -> None:
    tokens: list[Any] = [raises, lambda: "token"]
    session = bench.session(token=lambda: tokens.pop(0)())
    with pytest.raises(ConnectFailed):
        await session.connect()
    bench.network.refuse()
    with pytest.raises(ConnectFailed) as failed:
        await session.connect()
    assert (failed.value.reason, failed.value.__cause__) == (Reason.UNREACHABLE, None)


@on_bench
async def test_what_is_no_token_is_told_as_such(bench: Bench) -> None:
    """What it raised the time before is no cause of this."""
    tokens: list[Any] = [raises, lambda: 5]
    session = bench.session(token=lambda: tokens.pop(0)())
    with pytest.raises(ConnectFailed, match="the token callable raised ConnectionError"):
        await session.connect()
    with pytest.raises(ConnectFailed, match=r"the token callable returned int, not a string") as failed:
        await session.connect()
    assert failed.value.__cause__ is None


def test_it_shows_no_token() -> None:
    credentials = Credentials(raises)
    assert repr(credentials) == "<Credentials asked when needed>"
    with pytest.raises(ConnectionError):
        credentials()
    assert repr(credentials) == "<Credentials failed>"
