"""Publications and subscriptions: what members want to have, and where a stream's frames go.

A want lies in its member's record under a key of its own, so it survives the member's link and travels with the record. Asking
for what is there already changes nothing. A stream's number comes from its session and is never used twice; its id adds the
connection, so that it means one stream for ever.
"""

from __future__ import annotations

from msgspec.structs import replace

from reconnect import limits
from reconnect.core.frames import Entry, EntryKind, Stream, Want, WantAnswer
from reconnect.core.hub.queue import MemberItem
from reconnect.core.hub.records import SPEAKERS, HeldWant, MemberRecord
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.reasons import Reason, RejectCode


def keep_only(hub: HubState, session: HubSession, connection: str, wants: tuple[Want, ...]) -> None:
    """A join carries the full list: give up what is not in it."""
    keys = {want.key for want in wants}
    for held in session.members[connection].wants:
        if held.want.key not in keys:
            give_up(hub, session, connection, held.want.key)


def grant_all(hub: HubState, session: HubSession, connection: str, wants: tuple[Want, ...]) -> tuple[WantAnswer, ...]:
    """Answer what a join carries, in order; what is beyond the limit is not even looked at."""
    most = hub.settings.wants_per_member
    granted = [grant(hub, session, connection, want) for want in wants[:most]]
    refused = [WantAnswer(key=want.key, code=RejectCode.LIMIT, detail=_limit(hub)) for want in wants[most:]]
    return (*granted, *refused)


def grant(hub: HubState, session: HubSession, connection: str, want: Want) -> WantAnswer:
    """Give a member what it wants, or say why not; what it had under this key and is different ends."""
    record = session.members[connection]
    held = record.held(want.key)
    problem = _problem(session, record, want)
    if held is not None and held.want == want and problem is None:
        return _answer(session, held)
    if held is not None:
        give_up(hub, session, connection, want.key)
        record = session.members[connection]
    if problem is None and len(record.wants) >= hub.settings.wants_per_member:
        problem = RejectCode.LIMIT, _limit(hub)
    if problem is not None:
        return WantAnswer(key=want.key, code=problem[0], detail=problem[1])
    held = _publish(hub, session, record, want) if want.publish is not None else _subscribe(session, record, want)
    record = session.members[connection]
    session.keep(replace(record, wants=(*record.wants, held)))
    return _answer(session, held)


def give_up(hub: HubState, session: HubSession, connection: str, key: str) -> bool:
    """End what a member has under this key; False if it has nothing there."""
    record = session.members[connection]
    held = record.held(key)
    if held is None:
        return False
    record = record.without(key)
    session.keep(record)
    if held.stream is None:
        stream = str(held.want.subscribe)
        if not any(other.want.subscribe == stream for other in record.wants):
            session.subscribers[stream].pop(connection, None)
        return True
    _end(session, held.stream)
    entry = Entry(position=0, after=0, what=EntryKind.UNPUBLISHED, stream=held.stream, reason=Reason.UNPUBLISHED)
    hub.put(session, MemberItem(entries=(entry,), connection=connection))
    return True


def end_all(session: HubSession, record: MemberRecord) -> None:
    """A member is gone: its streams end with it, and it takes no more frames."""
    for held in record.wants:
        if held.stream is None:
            session.subscribers.get(str(held.want.subscribe), {}).pop(record.connection, None)
    for stream in record.streams:
        _end(session, stream)


def mute(hub: HubState, session: HubSession, stream: Stream, muted: bool) -> None:
    """Stop relaying a stream's frames, or go on; its publisher keeps this as long as its record is kept."""
    changed = session.streams[stream.id] = replace(stream, muted=muted)
    record = session.members[stream.connection]
    wants = tuple(replace(held, stream=changed) if held.stream == stream else held for held in record.wants)
    names = tuple(name for name in record.muted if name != stream.name)
    session.keep(replace(record, wants=wants, muted=(*names, stream.name) if muted else names))
    entry = Entry(position=0, after=0, what=EntryKind.MUTED, stream=changed)
    hub.put(session, MemberItem(entries=(entry,), connection=stream.connection))


def route(session: HubSession, connection: str, number: int) -> tuple[int, ...] | None:
    """Return the links that take a frame of this stream from this connection; None if it has no such stream."""
    stream = session.streams.get(session.numbers.get(number, ""))
    if stream is None or stream.connection != connection:
        return None
    links = session.links
    wanted = session.subscribers.get(stream.id, ())
    return tuple(link.number for reader in wanted if (link := links.get(reader)) and link.welcomed and not link.deaf)


def is_muted(session: HubSession, number: int) -> bool:
    """True if a moderator muted the stream with this number."""
    stream = session.streams.get(session.numbers.get(number, ""))
    return stream is not None and stream.muted


def _problem(session: HubSession, record: MemberRecord, want: Want) -> tuple[RejectCode, str] | None:
    if (want.publish is None) is (want.subscribe is None):
        return RejectCode.INVALID, "a want has either publish or subscribe"
    if not 0 < len(want.key) <= limits.NAME_CHARACTERS or len(want.publish or "") > limits.NAME_CHARACTERS:
        return RejectCode.INVALID, f"keys have 1 to {limits.NAME_CHARACTERS} characters, names at most as many"
    if len(want.data) > limits.MEMBER_DATA_CHARACTERS:
        return RejectCode.TOO_LARGE, f"the data of a stream has at most {limits.MEMBER_DATA_CHARACTERS} characters"
    if want.publish is not None and record.role not in SPEAKERS:
        return RejectCode.FORBIDDEN, f"a {record.role} may not publish; make its token with the role publisher"
    if want.subscribe is not None and want.subscribe not in session.streams:
        return RejectCode.NO_SUCH_STREAM, "there is no such stream; its id stands in session.streams and in stream_created"
    return None


def _limit(hub: HubState) -> str:
    return f"a member has at most {hub.settings.wants_per_member} wants"


def _answer(session: HubSession, held: HeldWant) -> WantAnswer:
    stream = held.stream if held.stream is not None else session.streams[str(held.want.subscribe)]
    return WantAnswer(key=held.want.key, stream=stream)


def _publish(hub: HubState, session: HubSession, record: MemberRecord, want: Want) -> HeldWant:
    number = session.next_number
    session.next_number += 1
    stream = Stream(
        id=f"{record.connection}.{number}",
        number=number,
        name=str(want.publish),
        connection=record.connection,
        data=want.data,
        muted=want.publish in record.muted,
    )
    session.streams[stream.id] = stream
    session.numbers[number] = stream.id
    entry = Entry(position=0, after=0, what=EntryKind.PUBLISHED, stream=stream)
    hub.put(session, MemberItem(entries=(entry,), connection=record.connection))
    return HeldWant(want=want, stream=stream)


def _subscribe(session: HubSession, record: MemberRecord, want: Want) -> HeldWant:
    session.subscribers.setdefault(str(want.subscribe), {})[record.connection] = None
    return HeldWant(want=want)


def _end(session: HubSession, stream: Stream) -> None:
    """Nobody can have this stream any more."""
    session.streams.pop(stream.id, None)
    session.numbers.pop(stream.number, None)
    for reader in session.subscribers.pop(stream.id, ()):
        record = session.members[reader]
        session.keep(replace(record, wants=tuple(held for held in record.wants if held.want.subscribe != stream.id)))
