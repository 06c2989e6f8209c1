"""All that a hub's core knows, and the effects of the present turn. The modules beside this one are functions over it."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from reconnect import limits
from reconnect.chart.model import Statechart
from reconnect.chart.run import Step, runner_for
from reconnect.core.frames import Frame, Refused
from reconnect.core.hub.deadlines import Deadlines
from reconnect.core.hub.effects import Announce, CloseLink, HubEffect, News, SendTo
from reconnect.core.hub.links import Link
from reconnect.core.hub.queue import Item
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.settings import HubSettings
from reconnect.reasons import Reason

# How often the age of an idle session's entries is looked at within the time that they are kept.
SWEEPS = 8


class HubState:
    """Sessions, links and deadlines.

    `homes` says in which session each connection is, `dirty` which queues have something new.
    """

    def __init__(self, settings: HubSettings, chart: Statechart) -> None:
        self.settings = settings
        self.chart = chart
        self.runner = runner_for(chart)
        self.events = {event.means: event.name for event in chart.events.values()}
        self.sessions: dict[str, HubSession] = {}
        self.links: dict[int, Link] = {}
        self.homes: dict[str, HubSession] = {}
        self.dirty: dict[str, HubSession] = {}
        self.effects: list[HubEffect] = []
        self.counts: Counter[str] = Counter()
        self.draining = False
        self.going_to: str | None = None
        self.joins: Deadlines[int] = Deadlines(settings.join_deadline_seconds)
        self.silences: dict[float, Deadlines[int]] = {}
        self.timers: dict[str, Deadlines[str]] = {
            timer.name: Deadlines(settings.seconds(timer.seconds) or 0.0) for timer in chart.timers.values()
        }
        self.tombstones: Deadlines[tuple[str, str]] = Deadlines(settings.grace_seconds)
        self.retries: Deadlines[str] = Deadlines(limits.LOG_RETRY_SECONDS)
        self.sweeps: Deadlines[str] = Deadlines(settings.log_seconds / SWEEPS)
        self._deadlines: list[Deadlines[Any]] = [self.joins, self.tombstones, self.retries, self.sweeps, *self.timers.values()]

    # -- the effects of this turn ----------------------------------------------------------------------------------------------

    def emit(self, effect: HubEffect) -> None:
        """Ask for something."""
        self.effects.append(effect)

    def send(self, link: Link, *frames: Frame) -> None:
        """Hand control frames to a link that is not closed."""
        self.effects.append(SendTo(link=link.number, frames=frames))

    def announce(
        self,
        at: float,
        what: News,
        *,
        session: HubSession | None = None,
        connection: str | None = None,
        link: Link | None = None,
        reason: str | None = None,
        detail: str = "",
        step: Step | None = None,
    ) -> None:
        """Tell the operator."""
        self.counts[what] += 1
        member = session.members.get(connection) if session and connection else None
        self.effects.append(
            Announce(
                at=at,
                what=what,
                session=session.id if session else None,
                connection=connection,
                client_id=member.client_id if member else None,
                role=member.role if member else None,
                link=link.number if link else None,
                reason=reason,
                detail=detail,
                step=step,
            )
        )

    def put(self, session: HubSession, item: Item) -> None:
        """Let an item wait for the session's log."""
        session.queue.put(item)
        self.dirty[session.id] = session

    # -- links -----------------------------------------------------------------------------------------------------------------

    def heard(self, link: Link, at: float) -> None:
        """Something arrived on this link."""
        if link.silence is not None:
            link.silence.start(link.number, at)

    def silence(self, seconds: float) -> Deadlines[int]:
        """Return the deadlines of all links that were announced this silence."""
        found = self.silences.get(seconds)
        if found is None:
            found = self.silences[seconds] = Deadlines(seconds)
            self._deadlines.append(found)
        return found

    def deafen(self, link: Link) -> None:
        """Read nothing more from this link, and expect nothing."""
        link.deaf = True
        self.joins.stop(link.number)
        if link.silence is not None:
            link.silence.stop(link.number)

    def close(
        self,
        link: Link,
        at: float,
        code: int,
        reason: Reason,
        detail: str = "",
        *,
        retry_after: float | None = None,
        abort: bool = False,
    ) -> None:
        """End a link: say why, and neither read nor write any more."""
        if link.closed:
            return
        self.deafen(link)
        if not abort:
            self.send(link, Refused(code=reason, detail=detail, retry_after=retry_after))
        connection = link.connection or None
        self.announce(at, News.LINK_CLOSED, session=link.session, connection=connection, link=link, reason=reason, detail=detail)
        self.end(link, code, detail or reason, abort=abort)

    def end(self, link: Link, code: int, detail: str = "", *, abort: bool = False) -> None:
        """End a link that was told why."""
        link.closed = True
        self.effects.append(CloseLink(link=link.number, code=code, detail=detail, abort=abort))

    def wake_at(self) -> float | None:
        """Return the earliest of all deadlines."""
        first = min([deadlines.first for deadlines in self._deadlines])
        return None if first == math.inf else first
