"""Where a replay and its journal part: what stands in the one, and what the other did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconnect.record import Record

ABSENT: Final = "(nothing)"


class Diverged(Exception):
    """The replay goes another way than the journal; raised where it is noticed, without the place."""

    def __init__(self, words: str, recorded: Mapping[str, Any], replayed: Mapping[str, Any]) -> None:
        self.words, self.recorded, self.replayed = words, dict(recorded), dict(replayed)
        super().__init__(words)


class Divergence(Record, kw_only=True):
    """The first place at which a replay went another way."""

    file: str
    line: int  # of the file, from 1
    entry: int
    source: str
    words: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]

    def __str__(self) -> str:
        return "\n".join([f"{self.file}:{self.line} (entry {self.entry}): {self.words}", *self.side_by_side()])

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields in which the two differ."""
        return tuple(name for name, one, other in self.rows() if one != other)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return each field with what the journal has and what the replay did, as words."""
        names = dict.fromkeys([*self.recorded, *self.replayed])
        return [(name, _words(self.recorded, name), _words(self.replayed, name)) for name in names]

    def side_by_side(self) -> list[str]:
        """Return the two beside each other as lines; a line begins with an arrow where they differ."""
        rows = [("", "the journal", "the replay"), *self.rows()]
        first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
        marks = ["   ", *("-> " if one != other else "   " for _, one, other in rows[1:])]
        lines = (f"{mark}{name:<{first}}  {one:<{second}}  {other}" for mark, (name, one, other) in zip(marks, rows, strict=True))
        return [line.rstrip() for line in lines]


def _words(told: Mapping[str, Any], name: str) -> str:
    if name not in told:
        return ABSENT
    value = told[name]
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None or value == "" else str(value)


def compare(words: str, recorded: Mapping[str, Any], replayed: Mapping[str, Any]) -> None:
    """Raise Diverged where the two are not the same in every field of the replay's."""
    told = {name: recorded.get(name) for name in replayed}
    if told != replayed:
        raise Diverged(words, told, replayed)
