"""Who and what is in a session after a given entry of its log: the entries before it, folded.

A session keeps two: one after the last entry, which a new member is given, and one after the last entry that was trimmed, which
a member with a gap is given before it reads on from there. So a snapshot is exactly what the log says, never what a record says
that the log has still to tell.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from reconnect.core.frames import Entry, EntryKind, Member, Snapshot, Stream


class Census:
    """Members and streams, by their ids."""

    __slots__ = ("members", "streams")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.streams: dict[str, Stream] = {}

    def __repr__(self) -> str:
        return f"<Census members={len(self.members)} streams={len(self.streams)}>"

    def copy(self) -> Census:
        """Return another one that says the same."""
        other = Census()
        other.members, other.streams = dict(self.members), dict(self.streams)
        return other

    def apply(self, entry: Entry) -> None:
        """Count in one entry."""
        connection, member, stream = entry.connection or "", entry.member, entry.stream
        if member is not None:
            self.members[member.connection] = member
        elif stream is not None:
            if entry.what is EntryKind.UNPUBLISHED:
                self.streams.pop(stream.id, None)
            else:
                self.streams[stream.id] = stream
        elif entry.what is EntryKind.LEFT:
            self.members.pop(connection, None)
            self.streams = {key: stream for key, stream in self.streams.items() if stream.connection != connection}
        elif entry.what is not EntryKind.SIGNAL and connection in self.members:
            self.members[connection] = replace(self.members[connection], away=entry.what is EntryKind.DROPPED)

    def snapshot(self, connection: str, message_bytes: int) -> tuple[Snapshot, ...]:
        """Return it in pages of at most half a message, without the member that asks; there is at least one page."""
        pages: list[Snapshot] = []
        others = (member for member in self.members.values() if member.connection != connection)
        streams = (stream for stream in self.streams.values() if stream.connection != connection)
        room = message_bytes // 2
        for members, playing in _pages(others, streams, room):
            pages.append(Snapshot(page=len(pages), members=tuple(members), streams=tuple(playing)))
        return tuple(pages)


def _pages(members: Iterable[Member], streams: Iterable[Stream], room: int) -> Iterable[tuple[list[Member], list[Stream]]]:
    page: tuple[list[Member], list[Stream]] = ([], [])
    left = room
    things: list[Member | Stream] = [*members, *streams]
    for thing in things:
        size = len(msgspec.json.encode(thing)) + 1
        if size > left and (page[0] or page[1]):
            yield page
            page, left = ([], []), room
        left -= size
        if isinstance(thing, Stream):
            page[1].append(thing)
        else:
            page[0].append(thing)
    yield page
