"""No token in the audit, whoever says it: canaries in the places where one could slip in."""

from __future__ import annotations

import json
from typing import Any

import pytest

import reconnect
from reconnect.audit import MemorySink
from reconnect.ports import Transport
from reconnect.testing import FakeClock, run

CANARY = "SESAME-OPEN-0123456789"


async def talkative(url: str) -> Transport:
    """Fail like a dialer that quotes what it was given."""
    raise ConnectionError(f"the proxy did not like {CANARY}")


def as_value() -> Any:
    """Return the token itself."""
    return CANARY


def as_callable() -> Any:
    """Return a callable for it."""
    return lambda: CANARY


@pytest.mark.parametrize("source", [as_value, as_callable])
def test_a_dialer_that_quotes_the_token_does_not_bring_it_into_the_audit(source: Any) -> None:
    """U08: a token is concealed from the moment it is known, not from the join on."""
    sink, clock = MemorySink(), FakeClock()

    async def story() -> None:
        session = reconnect.Session("ws://hub.test", session="room", token=source(), audit=sink, clock=clock, transport=talkative)
        with pytest.raises(reconnect.ConnectFailed):
            await session.connect()
        await session.disconnect()

    run(story(), clock)
    written = json.dumps(sink.records, default=str)
    assert "the proxy did not like [concealed]" in written
    assert CANARY not in written
