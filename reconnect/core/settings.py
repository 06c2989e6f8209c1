"""What a session is made with, and the names by which a chart asks for a duration of it."""

from __future__ import annotations

from typing import Final

import msgspec

from reconnect import limits
from reconnect.core.bounds import OutboxBounds
from reconnect.core.frames import Capabilities
from reconnect.record import Record

DURATIONS: Final = frozenset({"settings.attempt_deadline", "settings.close_timeout", "settings.stable_after"})
RETRY_IN: Final = "event.retry_in"
REMAINING: Final = "attempt.remaining"
GIVEN: Final = "given"  # `given.NAME`: by the user, for a timer of a chart of its own


class SessionSettings(Record, kw_only=True):
    """The values a session is made with; durations are in seconds.

    `durations`: what the user gives for the timers of a chart of their own, by name. `retry_initial`: a first connect that
    fails asks the policy as well. `renewable`: the token can be fetched anew. `echo`: the hub hands this member its own
    signals. `durable`: signals outlive the process, and are taken while the session is disconnected.
    """

    session: str
    sender: str
    first_serial: int = 1
    client_name: str = "reconnect"
    client_version: str = "0"
    attempt_deadline: float = limits.ATTEMPT_DEADLINE_SECONDS
    close_timeout: float = limits.CLOSE_TIMEOUT_SECONDS
    stable_after: float = limits.STABLE_AFTER_SECONDS
    durations: dict[str, float] = msgspec.field(default_factory=dict)
    retry_initial: bool = False
    renewable: bool = False
    bounds: OutboxBounds = OutboxBounds()
    capabilities: Capabilities = Capabilities()
    durable: bool = False
    echo: bool = True
