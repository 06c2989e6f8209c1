"""The welcome: the moment at which a link begins to serve a member.

It is written when everything that was read from the member before is judged. A member that kept its connection reads on behind
what it had handled; if the tail no longer reaches back there, it is given the census at the tail's floor, and reads on from
that, so that nothing the hub still has is left out. A new member is given the census at its own joining. The wants that the
join carried are granted here: what they publish stands in the log behind the entry that says that their member is there.
"""

from __future__ import annotations

import math

from reconnect.core.frames import Entry, EntryKind, Gap, Snapshot, Welcome
from reconnect.core.hub.flow import pump
from reconnect.core.hub.links import Link
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.core.hub.wants import grant_all


def welcome(hub: HubState, session: HubSession, link: Link, at: float) -> None:
    """Accept the member on this link, and send it what it missed."""
    record = session.members[link.connection]
    settings, members = hub.settings, len(hub.homes)
    heartbeat = settings.heartbeat(members)
    ledger = session.ledger(record.sender)
    position, gap, pages = _begin(hub, session, link)
    frame = Welcome(
        connection=record.connection,
        secret=link.secret,
        epoch=session.epoch,
        position=position,
        resumed=link.claimed is not None,
        gap=gap,
        grace=settings.grace_seconds,
        heartbeat=heartbeat,
        limits=settings.limits,
        accepted=ledger.judged if link.is_known else None,
        rejected=ledger.unheard(),
        answers=grant_all(hub, session, link.connection, link.wants),
        first_try_window=settings.first_try_window(members),
        not_resumed=link.not_resumed,
        snapshot_pages=len(pages),
    )
    hub.send(link, frame, *pages)
    link.secret = ""
    link.welcomed = link.unproven = True
    link.expires = record.expires if settings.strict_tokens and record.expires is not None else math.inf
    link.template = Entry(
        position=0, after=0, what=EntryKind.SIGNAL, connection=record.connection, sender=record.sender, echo=link.echo
    )
    hub.joins.stop(link.number)
    link.silence = hub.silence(heartbeat.silence)
    if not link.deaf:  # of a link that is to go away nothing more is expected
        hub.heard(link, at)
    pump(hub, session, link)


def _begin(hub: HubState, session: HubSession, link: Link) -> tuple[int, Gap | None, tuple[Snapshot, ...]]:
    """Put the link where it reads on; return the position of the welcome, the gap before it, and the snapshot."""
    tail, claimed = session.tail, link.claimed
    if claimed is None:
        link.begin(tail.end, tail.head)
        return tail.head, None, session.now.snapshot(link.connection, hub.settings.message_bytes)
    lost = tail.lost(link.connection)
    if lost > claimed:
        link.begin(tail.start, tail.floor)
        gap = Gap(epoch=session.epoch, first=claimed + 1, last=lost)
        return tail.floor, gap, session.then.snapshot(link.connection, hub.settings.message_bytes)
    index = tail.after(claimed)
    link.begin(index, claimed)
    # Not the head itself: the member waits for this position to arrive, and the last entries may be for others.
    return tail.last_for(link.connection, index, claimed), None, ()
