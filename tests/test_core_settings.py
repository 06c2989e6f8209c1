"""What a session is made with."""

from __future__ import annotations

from reconnect import limits
from reconnect.core.bounds import OutboxBounds
from reconnect.core.frames import Capabilities
from reconnect.core.settings import SessionSettings


def test_the_defaults_are_the_named_limits() -> None:
    settings = SessionSettings(session="room-1", sender="me")
    assert settings.attempt_deadline == limits.ATTEMPT_DEADLINE_SECONDS
    assert settings.close_timeout == limits.CLOSE_TIMEOUT_SECONDS
    assert settings.stable_after == limits.STABLE_AFTER_SECONDS
    assert settings.bounds == OutboxBounds(
        signals=limits.OUTBOX_SIGNALS, size=limits.OUTBOX_BYTES, in_flight=limits.IN_FLIGHT, overflow=settings.bounds.overflow
    )
    assert settings.capabilities == Capabilities(acknowledges=True, resumes=True, replays=True, streams=True)
    assert not settings.retry_initial
    assert not settings.renewable
