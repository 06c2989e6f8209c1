"""What follows from the log's answer: judgements, welcomes, goodbyes, and the fan-out.

The items of an Append are answered in order. Each is told its outcome with the entries up to it in the tail and no later ones,
so that a welcome is written exactly where its member joined. The fan-out comes last: a sender hears that its signal is judged
before the signal itself comes back.
"""

from __future__ import annotations

from reconnect.core.frames import Accepted, Entry, EntryKind, GoingAway, Goodbye, Rejection
from reconnect.core.hub.effects import Answer, Append, News
from reconnect.core.hub.flow import fan_out
from reconnect.core.hub.inputs import Appended, AppendFailed
from reconnect.core.hub.members import Occasion, lose, step
from reconnect.core.hub.queue import After, BarrierItem, Item, MemberItem, ServerItem, SignalItem
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.core.hub.upkeep import tidy
from reconnect.core.hub.welcome import welcome
from reconnect.reasons import CloseCode, Reason, RejectCode

NORMAL_CLOSURE = 1000  # RFC 6455, section 7.4.1


def flush(hub: HubState, at: float) -> None:
    """Ask the log to take what has come to wait, and do what need not wait."""
    while hub.dirty:
        _, session = hub.dirty.popitem()
        for item in session.queue.barriers():
            _done(hub, session, item, (), at)
        entries = session.queue.next()
        if entries:
            hub.emit(Append(session=session.id, entries=entries))


def appended(hub: HubState, session: HubSession, answer: Appended) -> None:
    """The log took what was under way."""
    if session.epoch != answer.epoch:
        _restart(hub, session, answer)
    start, taken = session.tail.end, 0
    for item in session.queue.answered():
        placed = answer.entries[taken : taken + len(item.entries)]
        taken += len(placed)
        if placed:
            session.add(placed, answer.at)
        _done(hub, session, item, placed, answer.at)
    assert taken == len(answer.entries), "a log answers with the entries that it was given"
    if session.stale and not session.queue.blocked:
        session.stale = False
        hub.announce(answer.at, News.LOG_RECOVERED, session=session)
    tidy(hub, session, answer.at, fan_out(hub, session, start))
    if session.id not in hub.sweeps:
        hub.sweeps.start(session.id, answer.at)
    hub.dirty[session.id] = session


def append_failed(hub: HubState, session: HubSession, answer: AppendFailed) -> None:
    """The log did not take what was under way: signals are refused, entries about members are tried again."""
    hub.announce(answer.at, News.LOG_FAILED, session=session, detail=answer.detail)
    owed: list[Item] = []
    unjoined: set[str] = set()
    for item in session.queue.answered():
        if isinstance(item, MemberItem) and item.entries[0].what is EntryKind.JOINED:
            unjoined.add(item.connection)
            _unlog(hub, session, item.connection, answer)
        elif isinstance(item, MemberItem):
            owed += [item] if item.connection not in unjoined else []
        else:
            _failed(hub, session, item, answer.at)
    if owed:
        session.queue.put_back(owed)
        session.stale = True
        hub.retries.start(session.id, answer.at)
    hub.dirty[session.id] = session


def _restart(hub: HubState, session: HubSession, answer: Appended) -> None:
    """Positions of another life mean nothing: who reads by them has to come back, and is then given the new ones."""
    before = session.epoch
    session.restart(answer.epoch, answer.entries[0].position - 1)
    if before:
        hub.announce(answer.at, News.LOG_RESTARTED, session=session)
        for link in [link for link in session.links.values() if link.welcomed]:
            hub.close(link, answer.at, CloseCode.HUB_ERROR, Reason.HUB_ERROR, "the session's log began a new life")
            lose(hub, link, answer.at, Reason.HUB_ERROR)


def _done(hub: HubState, session: HubSession, item: Item, placed: tuple[Entry, ...], at: float) -> None:
    match item:
        case SignalItem():
            _judged(hub, session, item, placed, item.rejected)
        case ServerItem():
            hub.counts["signals_appended"] += len(placed)
            hub.emit(Answer(ticket=item.ticket, position=placed[-1].position))
        case MemberItem() if placed[0].what is EntryKind.JOINED and item.connection in session.members:
            link = session.links.get(item.connection)
            step(hub, session, item.connection, "entered", Occasion(at=at, reason=None, link=link))
        case BarrierItem():
            _pass(hub, session, item, at)


def _failed(hub: HubState, session: HubSession, item: Item, at: float) -> None:
    detail = "the log could not store it; another try may succeed"
    if isinstance(item, SignalItem):
        lost = [Rejection(serial=entry.serial, code=RejectCode.LOG_FAILED, detail=detail) for entry in item.entries]
        _judged(hub, session, item, (), tuple(sorted((*item.rejected, *lost), key=_serial)))
    elif isinstance(item, ServerItem):
        hub.emit(Answer(ticket=item.ticket, code=RejectCode.LOG_FAILED, detail=detail))
    else:
        assert isinstance(item, BarrierItem), "entries about members are tried again"
        _pass(hub, session, item, at)


def _unlog(hub: HubState, session: HubSession, connection: str, answer: AppendFailed) -> None:
    session.queue.discard(connection)
    if connection in session.members:
        detail = "the session's log could not take the joining"
        step(hub, session, connection, "unlogged", Occasion(at=answer.at, reason=Reason.HUB_ERROR, detail=detail))


def _judged(
    hub: HubState, session: HubSession, item: SignalItem, placed: tuple[Entry, ...], rejected: tuple[Rejection, ...]
) -> None:
    ledger = session.ledgers[item.sender]
    ledger.under_way -= item.count
    ledger.judge(item.high, rejected)
    if placed:
        ledger.last_position = placed[-1].position
    hub.counts["signals_appended"] += len(placed)
    hub.counts["signals_rejected"] += len(rejected)
    link = hub.links.get(item.link)
    if link is None or link.closed:
        return
    if item.repeats and ledger.rejected:
        again = [ledger.rejected[serial] for serial in item.repeats if serial in ledger.rejected]
        rejected = tuple(sorted({refusal.serial: refusal for refusal in (*again, *rejected)}.values(), key=_serial))
    hub.send(link, Accepted(serial=ledger.judged, position=link.last, rejected=rejected))


def _pass(hub: HubState, session: HubSession, item: BarrierItem, at: float) -> None:
    """Everything that was read before the barrier is judged."""
    link = hub.links.get(item.link)
    if link is None or link.closed:
        return
    if item.then is After.WELCOME:
        if session.links.get(link.connection) is link:
            welcome(hub, session, link, at)
    elif item.then is After.GOODBYE:
        hub.send(link, Goodbye())
        hub.end(link, NORMAL_CLOSURE, "goodbye")
    else:
        hub.send(link, GoingAway(retry_after=link.retry_after, url=hub.going_to))
        hub.end(link, CloseCode.GOING_AWAY, "the hub is going away")


def _serial(rejection: Rejection) -> int:
    return rejection.serial
