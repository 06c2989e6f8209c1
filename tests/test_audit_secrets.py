"""No token in the audit, whoever says it: canaries in the places where one could slip in."""

from __future__ import annotations

import json
from typing import Any

import pytest

import reconnect
from reconnect.audit import MemorySink
from reconnect.audit.auditor import Auditor
from reconnect.audit.cleaning import Cleaner
from reconnect.ports import Transport
from reconnect.testing import FakeClock, run
from tests.canary import NAME, Canary

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


def test_a_secret_in_any_record_of_any_test_fails_it(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A53: the canary of the whole run bites where the cleaning is left out, for a token and for a secret that was concealed."""
    canary = pytestconfig.pluginmanager.get_plugin(NAME)
    assert isinstance(canary, Canary)
    token = reconnect.make_token("k" * 40, session="room", client_id="anna")
    auditor = Auditor(MemorySink(), FakeClock(), session="room")
    auditor.conceal(CANARY)
    auditor.conceal(token)
    auditor.write("note", detail=f"{CANARY} and {token}")
    assert canary.seen == []
    monkeypatch.setattr(Cleaner, "text", lambda cleaner, text: text)
    for leak in (CANARY, token):
        auditor.write("note", detail=leak)
        assert [leak in line for line in canary.seen] == [True]
        canary.seen.clear()
