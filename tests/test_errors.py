"""Errors: what they say, and what they must not."""

from __future__ import annotations

from reconnect.errors import BadUrl, ConnectFailed
from reconnect.reasons import Cause, Reason


def test_an_address_is_shown_without_what_may_be_secret_in_it() -> None:
    failed = ConnectFailed(Cause(reason=Reason.UNREACHABLE), "wss://anna:SESAME@hub.example/room?token=SESAME")
    assert failed.url == "wss://hub.example/room?..."
    assert "SESAME" not in str(failed)
    assert "SESAME" not in str(BadUrl("ws://anna:SESAME@[?token=SESAME", "its host or port cannot be read"))
