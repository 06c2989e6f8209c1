"""Who and what is in the session, as this member knows it from the log or from a snapshot.

One entry about a member speaks for its streams as well: when it drops they are interrupted, when it leaves they are destroyed.
Connections and streams have ids that are never used twice, so a late word about an old one cannot hit its successor. The own
connection is not listed, nor are its streams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from reconnect.core.effects import Effect, Notify
from reconnect.core.frames import Entry, EntryKind, Member, Stream
from reconnect.core.notices import (
    ConnectionCreated,
    ConnectionDestroyed,
    ConnectionInterrupted,
    ConnectionRestored,
    StreamCreated,
    StreamDestroyed,
    StreamInterrupted,
    StreamRestored,
    StreamUpdated,
)
from reconnect.core.wants import Wants
from reconnect.reasons import Reason


class Roster:
    """Members and streams of the session; tells the user, and the wants, what changes."""

    def __init__(self, wants: Wants, counts: Counter[str]) -> None:
        self.members: dict[str, Member] = {}
        self.streams: dict[str, Stream] = {}
        self._wants = wants
        self._counts = counts

    def is_away(self, stream: Stream) -> bool:
        """True if the publisher of this stream is away within its grace."""
        member = self.members.get(stream.connection)
        return member is not None and member.away

    def clear(self) -> None:
        """The session is over: nothing is known any more."""
        self.members.clear()
        self.streams.clear()

    # -- entries -----------------------------------------------------------------------------------------------------------------

    def apply(self, entry: Entry, at: float) -> list[Effect]:
        """Follow one entry of the log."""
        reason = entry.reason or Reason.NETWORK_DISCONNECTED
        match entry:
            case Entry(what=EntryKind.JOINED, member=Member() as member):
                return self._come(member, at)
            case Entry(what=EntryKind.DROPPED, connection=str() as connection):
                return self._drop(connection, reason, at)
            case Entry(what=EntryKind.RETURNED, connection=str() as connection):
                return self._return(connection, at)
            case Entry(what=EntryKind.LEFT, connection=str() as connection):
                return self._leave(connection, reason, at)
            case Entry(what=EntryKind.PUBLISHED, stream=Stream() as stream):
                return self._publish(stream, at)
            case Entry(what=EntryKind.UNPUBLISHED, stream=Stream() as stream):
                return self._unpublish(stream.id, entry.reason or Reason.UNPUBLISHED, at)
            case Entry(what=EntryKind.MUTED, stream=Stream() as stream):
                return self._mute(stream, at)
            case _:
                self._counts["incomplete_entries"] += 1
                return []

    def _come(self, member: Member, at: float) -> list[Effect]:
        if member.connection in self.members:
            return []
        self.members[member.connection] = member
        return [Notify(notice=ConnectionCreated(at=at, member=member))]

    def _drop(self, connection: str, reason: Reason, at: float) -> list[Effect]:
        member = self.members.get(connection)
        if member is None or member.away:
            return []
        member = self.members[connection] = replace(member, away=True)
        effects: list[Effect] = [Notify(notice=ConnectionInterrupted(at=at, member=member, reason=reason))]
        for stream in self._streams_of(connection):
            effects.append(Notify(notice=StreamInterrupted(at=at, stream=stream, reason=reason)))
            effects += self._wants.publisher_away(stream, reason, at)
        return effects

    def _return(self, connection: str, at: float) -> list[Effect]:
        member = self.members.get(connection)
        if member is None or not member.away:
            return []
        member = self.members[connection] = replace(member, away=False)
        effects: list[Effect] = [Notify(notice=ConnectionRestored(at=at, member=member))]
        for stream in self._streams_of(connection):
            effects.append(Notify(notice=StreamRestored(at=at, stream=stream)))
            effects += self._wants.publisher_back(stream, at)
        return effects

    def _leave(self, connection: str, reason: Reason, at: float) -> list[Effect]:
        effects: list[Effect] = []
        for stream in self._streams_of(connection):
            effects += self._unpublish(stream.id, reason, at)
        member = self.members.pop(connection, None)
        if member is not None:
            effects.append(Notify(notice=ConnectionDestroyed(at=at, member=member, reason=reason)))
        return effects

    def _publish(self, stream: Stream, at: float) -> list[Effect]:
        if stream.id in self.streams:
            return []
        self.streams[stream.id] = stream
        effects: list[Effect] = [Notify(notice=StreamCreated(at=at, stream=stream))]
        if self.is_away(stream):
            effects.append(Notify(notice=StreamInterrupted(at=at, stream=stream, reason=Reason.NETWORK_DISCONNECTED)))
        return effects

    def _unpublish(self, stream_id: str, reason: Reason, at: float) -> list[Effect]:
        stream = self.streams.pop(stream_id, None)
        if stream is None:
            return []
        gone: Effect = Notify(notice=StreamDestroyed(at=at, stream=stream, reason=reason))
        return [gone, *self._wants.stream_gone(stream, reason, at)]

    def _mute(self, stream: Stream, at: float) -> list[Effect]:
        self._wants.update_stream(stream)
        if stream.id in self.streams:
            self.streams[stream.id] = stream
        return [Notify(notice=StreamUpdated(at=at, stream=stream))]

    def _streams_of(self, connection: str) -> list[Stream]:
        return [stream for stream in self.streams.values() if stream.connection == connection]

    # -- snapshots ---------------------------------------------------------------------------------------------------------------

    def reconcile(self, members: Iterable[Member], streams: Iterable[Stream], at: float) -> list[Effect]:
        """Bring everything up to a snapshot: tell only what differs, the departures first, and who is away last.

        Newcomers come before they drop, so that whoever is told as restored later was told as interrupted before.
        """
        now = {member.connection: member for member in members}
        playing = {stream.id: stream for stream in streams}
        effects: list[Effect] = []
        for stream_id in [stream_id for stream_id in self.streams if stream_id not in playing]:
            effects += self._unpublish(stream_id, Reason.NETWORK_DISCONNECTED, at)
        for connection in [connection for connection in self.members if connection not in now]:
            effects += self._leave(connection, Reason.NETWORK_DISCONNECTED, at)
        for member in now.values():
            effects += self._come(replace(member, away=False), at)
        for stream in playing.values():
            effects += self._publish(stream, at)
            if self.streams[stream.id].muted != stream.muted:
                effects += self._mute(stream, at)
        for member in now.values():
            if member.away:
                effects += self._drop(member.connection, Reason.NETWORK_DISCONNECTED, at)
            else:
                effects += self._return(member.connection, at)
        return effects
