"""Steps of the members' chart, and what its actions mean.

Theory of operation
-------------------
`step` is the only place where a member's state changes. It asks `statecharts/member.toml` what the event means for the member,
keeps the record with its new state, and then performs the actions that the chart names, in the chart's order; an action that the
chart does not name is not performed. What the others are told is an entry for the log: the member's own state has changed by
then, whatever the log answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from reconnect.chart.rows import CANCEL, START, StepVerdict
from reconnect.core.frames import Entry, EntryKind
from reconnect.core.hub import wants
from reconnect.core.hub.effects import News
from reconnect.core.hub.links import Link
from reconnect.core.hub.queue import After, BarrierItem, MemberItem
from reconnect.core.hub.records import MemberRecord
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.core.hub.welcome import welcome
from reconnect.reasons import CloseCode, Reason
from reconnect.record import Record


class Occasion(Record, kw_only=True):
    """What comes with an event: when, why, and (for a join) the link that asks."""

    at: float
    reason: Reason | None
    detail: str = ""
    link: Link | None = None


def step(hub: HubState, session: HubSession, connection: str, meaning: str, occasion: Occasion) -> bool:
    """Let something happen to a member; False where its chart does not take it."""
    record = session.members[connection]
    taken = hub.runner.step(record.state, hub.events[meaning])
    hub.announce(occasion.at, News.STEP, session=session, connection=connection, reason=occasion.reason, step=taken)
    if taken.verdict is not StepVerdict.TAKEN:
        return False
    session.keep(replace(record, state=taken.after))
    for action in taken.actions:
        name = action.partition(":")[2]
        if action.startswith(START):
            _start(hub, session, connection, name, occasion.at)
        elif action.startswith(CANCEL):
            _cancel(hub, session, connection, name)
        else:
            ACTIONS[action](hub, session, session.members.get(connection, record), occasion)
    return True


def lose(hub: HubState, link: Link, at: float, reason: Reason) -> None:
    """A link is over: its member, if it has one, is away or gone."""
    session = link.session
    hub.deafen(link)
    if session is None or session.links.get(link.connection) is not link:
        return
    del session.links[link.connection]
    record = session.members[link.connection]
    session.keep(replace(record, position=link.handled, settled=link.ledger.settled if link.ledger else 0))
    step(hub, session, link.connection, "link_lost", Occasion(at=at, reason=reason))


# -- timers --------------------------------------------------------------------------------------------------------------------


def _start(hub: HubState, session: HubSession, connection: str, name: str, at: float) -> None:
    deadlines = hub.timers[name]
    deadlines.start(connection, at)
    session.keep(replace(session.members[connection], grace_end=at + deadlines.seconds))


def _cancel(hub: HubState, session: HubSession, connection: str, name: str) -> None:
    hub.timers[name].stop(connection)
    session.keep(replace(session.members[connection], grace_end=None))


# -- actions -------------------------------------------------------------------------------------------------------------------


def _tell(hub: HubState, session: HubSession, entry: Entry) -> None:
    hub.put(session, MemberItem(entries=(entry,), connection=str(entry.connection)))


def _tell_joined(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    hub.announce(occasion.at, News.JOINED, session=session, connection=record.connection)
    _tell(hub, session, Entry(position=0, after=0, what=EntryKind.JOINED, connection=record.connection, member=record.member))


def _tell_change(what: EntryKind, news: News) -> Action:
    def tell(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
        hub.announce(occasion.at, news, session=session, connection=record.connection, reason=occasion.reason)
        _tell(hub, session, Entry(position=0, after=0, what=what, connection=record.connection, reason=occasion.reason))

    return tell


def _send_welcome(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    link = occasion.link
    assert link is not None, "who is welcomed has a link"
    session.links[record.connection] = link
    # What was read from the old link may still be on its way to the log: only its answer says what was judged.
    if session.ledger(record.sender).under_way:
        hub.put(session, BarrierItem(link=link.number, then=After.WELCOME))
    else:
        welcome(hub, session, link, occasion.at)


def _refuse_join(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    hub.close(session.links.pop(record.connection), occasion.at, CloseCode.HUB_ERROR, Reason.HUB_ERROR, occasion.detail)


def _end_link(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    # Taken over, whether by a resume or by the same sender's new connection: to this link it is the same.
    reason = Reason.KICKED if occasion.reason is Reason.KICKED else Reason.TAKEN_OVER
    code = CloseCode.KICKED if reason is Reason.KICKED else CloseCode.TAKEN_OVER
    hub.close(session.links.pop(record.connection), occasion.at, code, reason, occasion.detail)


def _answer_goodbye(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    link = session.links.pop(record.connection)
    hub.deafen(link)
    hub.put(session, BarrierItem(link=link.number, then=After.GOODBYE))


def _leave_tombstone(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    hub.announce(occasion.at, News.KICKED, session=session, connection=record.connection)
    session.tombstones[record.connection] = record.sender
    hub.tombstones.start((session.id, record.connection), occasion.at)


def _announce_expired(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    hub.announce(occasion.at, News.EXPIRED, session=session, connection=record.connection)


def _forget(hub: HubState, session: HubSession, record: MemberRecord, occasion: Occasion) -> None:
    wants.end_all(session, record)
    session.links.pop(record.connection, None)
    session.drop(record)
    del hub.homes[record.connection]


Action = Callable[[HubState, HubSession, MemberRecord, Occasion], None]
ACTIONS: Final[dict[str, Action]] = {
    "tell_joined": _tell_joined,
    "tell_dropped": _tell_change(EntryKind.DROPPED, News.DROPPED),
    "tell_returned": _tell_change(EntryKind.RETURNED, News.RETURNED),
    "tell_left": _tell_change(EntryKind.LEFT, News.LEFT),
    "send_welcome": _send_welcome,
    "refuse_join": _refuse_join,
    "end_link": _end_link,
    "answer_goodbye": _answer_goodbye,
    "leave_tombstone": _leave_tombstone,
    "announce_expired": _announce_expired,
    "forget": _forget,
}
