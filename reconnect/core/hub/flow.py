"""Moves members along the tail: each is sent what is for it, at most `window` entries beyond what it has handled.

Most of the time everybody has been sent everything, and the new entries are for all, or for all but the member that they are
about. Then one run of entries, with one chain of `after`, serves all who were sent the same entry last.
"""

from __future__ import annotations

from reconnect.core.hub.effects import SendEntries
from reconnect.core.hub.links import Link
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.core.runs import Run


def pump(hub: HubState, session: HubSession, link: Link) -> None:
    """Send one member what there is for it and what it has credit for."""
    tail = session.tail
    if link.deaf or link.cursor >= tail.end:
        return
    entries, link.cursor = tail.take(link.cursor, link.connection, hub.settings.window - len(link.sent))
    link.told = max(link.told, tail.before(link.cursor))
    if entries:
        run = Run(after=link.last, entries=tuple(entries))
        link.last = entries[-1].position
        link.sent.extend([entry.position for entry in entries])
        hub.counts["entries_sent"] += len(entries)
        hub.emit(SendEntries(links=(link.number,), run=run))


def fan_out(hub: HubState, session: HubSession, start: int) -> int:
    """Send everybody the entries from index `start` on; return the lowest index that somebody has still to be sent."""
    tail, window = session.tail, hub.settings.window
    end, lowest = tail.end, tail.end
    apart = tail.left_out(start)
    entries = tail.since(start)
    positions = [entry.position for entry in entries]
    sharing: dict[int, list[int]] = {}
    for link in session.links.values():
        if link.deaf or not link.welcomed:
            continue
        alike = apart is not None and link.connection not in apart and link.cursor == start
        if alike and len(link.sent) + len(positions) <= window:
            sharing.setdefault(link.last, []).append(link.number)
            link.sent.extend(positions)
            link.cursor, link.last, link.told = end, positions[-1], positions[-1]
            continue
        pump(hub, session, link)
        lowest = min(lowest, link.cursor)
    for last, links in sharing.items():
        hub.counts["entries_sent"] += len(positions) * len(links)
        hub.emit(SendEntries(links=tuple(links), run=Run(after=last, entries=entries)))
    return lowest


def unsent(session: HubSession) -> int:
    """Return the lowest index that somebody present has still to be sent."""
    return min((link.cursor for link in session.links.values() if link.welcomed and not link.deaf), default=session.tail.end)


def trim(session: HubSession, at: float, lowest: int) -> list[Link]:
    """Keep the tail within its bounds; return the links that it left behind: something for them is gone before it was sent."""
    session.trim(at, lowest)
    start = session.tail.start
    if start <= lowest:
        return []
    # A cursor rests on an entry for its member, or behind the last one: if it was passed, that entry is gone.
    return [link for link in session.links.values() if link.welcomed and not link.deaf and link.cursor < start]
