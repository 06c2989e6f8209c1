"""A set of serials as ranges: as small as the number of its holes, whatever the number of serials."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


def in_words(ranges: Sequence[Sequence[int]]) -> str:
    """Return ranges for people: `1, 5-7`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges) or "none"


class Spans:
    """Serials as [first, last] ranges, ascending, which do not touch."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Sequence[Sequence[int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in zip(self._firsts, self._lasts, strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spans) and self.ranges() == other.ranges()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def ranges(self) -> list[tuple[int, int]]:
        """Return the ranges."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def add(self, first: int, last: int) -> bool:
        """Add serials that are beyond all others; return False where they are not."""
        if last < first or (self._lasts and first <= self._lasts[-1]):
            return False
        if self._lasts and self._lasts[-1] == first - 1:
            self._lasts[-1] = last
        else:
            self._firsts.append(first)
            self._lasts.append(last)
        return True

    def take(self, first: int, last: int) -> bool:
        """Take serials out; return False, and take out none, where not all of them are in it."""
        place = bisect_right(self._firsts, first) - 1
        if place < 0 or last < first or self._lasts[place] < last:
            return False
        low, high = self._firsts[place], self._lasts[place]
        kept = [(a, b) for a, b in ((low, first - 1), (last + 1, high)) if a <= b]
        self._firsts[place : place + 1] = [a for a, _ in kept]
        self._lasts[place : place + 1] = [b for _, b in kept]
        return True

    def holds(self, serial: int) -> bool:
        """True if this serial is in it."""
        place = bisect_right(self._firsts, serial) - 1
        return place >= 0 and serial <= self._lasts[place]
