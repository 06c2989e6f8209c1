"""What a hub is made with, and what it needs from its chart."""

from __future__ import annotations

import math
from typing import Final

from reconnect import limits
from reconnect.chart.model import Statechart
from reconnect.core.frames import Heartbeat, Limits
from reconnect.errors import BadArgument, ChartUnfit, UnknownAction
from reconnect.record import Record

ROLES: Final = frozenset({"joining", "present", "away", "gone"})
MEANINGS: Final = frozenset({
    "admitted", "entered", "unlogged", "resumed", "link_lost", "goodbye", "grace_over", "kicked", "replaced",
})  # fmt: skip


class HubSettings(Record, kw_only=True):
    """The values a hub is made with; durations in seconds, sizes in bytes.

    `strict_tokens`: an expired token neither resumes nor stays; otherwise it only makes no new connection.
    """

    grace_seconds: float = limits.GRACE_SECONDS
    ping_seconds: float = limits.PING_SECONDS
    silence_seconds: float = limits.SILENCE_SECONDS
    members_per_heartbeat: int = limits.MEMBERS_PER_HEARTBEAT
    join_deadline_seconds: float = limits.JOIN_DEADLINE_SECONDS
    resumes_per_second: int = limits.RESUMES_PER_SECOND
    window: int = limits.WINDOW_ENTRIES
    log_signals: int = limits.LOG_SIGNALS
    log_bytes: int = limits.LOG_BYTES
    log_seconds: float = limits.LOG_SECONDS
    members_per_session: int = limits.MEMBERS_PER_SESSION
    sessions: int = limits.SESSIONS
    wants_per_member: int = limits.WANTS_PER_MEMBER
    under_way: int = limits.UNDER_WAY
    message_bytes: int = limits.MESSAGE_BYTES
    data_bytes: int = limits.DATA_BYTES
    strict_tokens: bool = False

    def __post_init__(self) -> None:
        """Refuse what no hub can work with."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool):
                continue
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise BadArgument(f"{name} is {value!r}; it must be a positive number")
        if self.silence_seconds <= self.ping_seconds:
            raise BadArgument(
                f"silence_seconds is {self.silence_seconds:g} and ping_seconds {self.ping_seconds:g}; "
                "silence must be longer, or every pause ends a link"
            )

    @property
    def limits(self) -> Limits:
        """What a welcome says of the limits."""
        return Limits(message_bytes=self.message_bytes, data_bytes=self.data_bytes, window=self.window)

    def heartbeat(self, members: int) -> Heartbeat:
        """Return the heartbeat of a hub with so many members: raised by one interval for each thousand."""
        times = 1 + members // self.members_per_heartbeat
        return Heartbeat(ping=self.ping_seconds * times, silence=self.silence_seconds * times)

    def first_try_window(self, members: int) -> float:
        """Return within how many seconds members who drop together should spread their first try."""
        return limits.FIRST_TRY_MARGIN * members / self.resumes_per_second

    def seconds(self, source: str) -> float | None:
        """Return the duration that a chart's timer calls `settings.NAME`, None if there is none."""
        _, _, name = source.partition("settings.")
        value = getattr(self, name, None)
        return float(value) if isinstance(value, int | float) else None


def check_member_chart(chart: Statechart, settings: HubSettings, performed: frozenset[str]) -> None:
    """Raise, with what to do, where a hub could not keep its members on this chart."""
    for kind, needed, there in (
        ("state has the role", ROLES, {chart.role(leaf) for leaf in chart.leaves}),
        ("event means", MEANINGS, {event.means for event in chart.events.values()}),
    ):
        missing = needed - there
        if missing:
            raise ChartUnfit(
                f"no {kind} {', '.join(sorted(missing))}", file=chart.file, remedy="a hub needs each of these at least once"
            )
    for action in chart.actions:
        if action not in performed:
            remedy = f"use {', '.join(sorted(performed))}"
            raise UnknownAction(f"no hub performs {action!r}", file=chart.file, row=f"actions.{action}", remedy=remedy)
    for timer in chart.timers.values():
        if settings.seconds(timer.seconds) is None:
            remedy = "name a duration of the hub's settings, as settings.grace_seconds"
            raise ChartUnfit(f"a hub has no {timer.seconds}", file=chart.file, row=f"timers.{timer.name}", remedy=remedy)
