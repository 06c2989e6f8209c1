"""What a hub says of itself in numbers."""

from __future__ import annotations

from reconnect.core.hub.effects import News
from reconnect.core.hub.state import HubState
from reconnect.record import Record


class HubStatistics(Record, kw_only=True):
    """How much there is now, and how much there was since the hub began.

    `members` hold a place, `away` of them without a link; `links` are open transports, joined or not; `stale` sessions owe the
    log an entry about a member. Everything below `log_bytes` counts since the beginning.
    """

    sessions: int = 0
    members: int = 0
    away: int = 0
    links: int = 0
    streams: int = 0
    stale: int = 0
    log_signals: int = 0
    log_bytes: int = 0
    joined: int = 0
    resumed: int = 0
    left: int = 0
    expired: int = 0
    kicked: int = 0
    refused: int = 0
    not_resumed: int = 0
    superseded_secrets: int = 0
    links_closed: int = 0
    signals_appended: int = 0
    signals_rejected: int = 0
    repeats: int = 0
    entries_sent: int = 0
    frames_relayed: int = 0
    frames_muted: int = 0
    frames_dropped: int = 0
    unknown_streams: int = 0
    unknown_frames: int = 0
    log_failures: int = 0


def statistics(hub: HubState) -> HubStatistics:
    """Count."""
    counts, sessions = hub.counts, hub.sessions.values()
    return HubStatistics(
        sessions=len(hub.sessions),
        members=len(hub.homes),
        away=sum(hub.chart.role(record.state) == "away" for session in sessions for record in session.members.values()),
        links=len(hub.links),
        streams=sum(len(session.streams) for session in sessions),
        stale=sum(session.stale for session in sessions),
        log_signals=sum(session.tail.signals for session in sessions),
        log_bytes=sum(session.tail.size for session in sessions),
        joined=counts[News.JOINED],
        resumed=counts["resumed"],
        left=counts[News.LEFT],
        expired=counts[News.EXPIRED],
        kicked=counts[News.KICKED],
        refused=counts[News.REFUSED],
        not_resumed=counts[News.NOT_RESUMED],
        superseded_secrets=counts[News.SUPERSEDED_SECRET],
        links_closed=counts[News.LINK_CLOSED],
        signals_appended=counts["signals_appended"],
        signals_rejected=counts["signals_rejected"],
        repeats=counts["repeats"],
        entries_sent=counts["entries_sent"],
        frames_relayed=counts["frames_relayed"],
        frames_muted=counts["frames_muted"],
        frames_dropped=counts["frames_dropped"],
        unknown_streams=counts["unknown_streams"],
        unknown_frames=counts["unknown_frames"],
        log_failures=counts[News.LOG_FAILED],
    )
