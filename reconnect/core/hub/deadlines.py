"""Deadlines of one constant duration each. Because the duration is constant, the order in which they were started is the order in
which they fall due: starting, stopping and asking for the first one take the same time for one member and for a thousand.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Deadlines(Generic[Key]):
    """What falls due `seconds` after it was last started; `first` is when the first one does, infinity where none waits."""

    __slots__ = ("_due", "first", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.first = math.inf
        self._due: OrderedDict[Key, float] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Deadlines {self.seconds:g} s waiting={len(self._due)} first={self.first}>"

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: Key) -> bool:
        return key in self._due

    def start(self, key: Key, at: float) -> None:
        """Let it fall due `seconds` from now, and not before."""
        self._due[key] = at + self.seconds
        self._due.move_to_end(key)
        self._look()

    def stop(self, key: Key) -> None:
        """Let it not fall due."""
        self._due.pop(key, None)
        self._look()

    def restart_all(self, at: float) -> None:
        """Let everything fall due as if it were started now."""
        self._due = OrderedDict.fromkeys(self._due, at + self.seconds)
        self._look()

    def due(self, at: float) -> list[Key]:
        """Take out and return what is due, the earliest first."""
        keys: list[Key] = []
        while self.first <= at:
            keys.append(self._due.popitem(last=False)[0])
            self._look()
        return keys

    def _look(self) -> None:
        # Asked for far more often than changed, so it is kept.
        self.first = next(iter(self._due.values()), math.inf)
