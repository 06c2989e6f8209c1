"""Entries of the log on their way to members: what went to everybody is one run, whatever each of them was sent before it."""

from __future__ import annotations

from msgspec.structs import replace

from reconnect.core.frames import Entry
from reconnect.record import Record


class Run(Record, kw_only=True):
    """Entries in a row, as a member is handed them: the first follows `after`, and each of the others the one before it."""

    after: int
    entries: tuple[Entry, ...]

    def frames(self) -> list[Entry]:
        """Return the entries, each with the `after` that is right for that member."""
        after, frames = self.after, []
        for entry in self.entries:
            frames.append(entry if entry.after == after else replace(entry, after=after))
            after = entry.position
        return frames
