"""Durations as people write them on a command line (90, 90s, 15m, 1h, 1h30m, 7d), and numbers as they read them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds_of(text: str) -> float:
    """Return the seconds that a duration means; a number without a unit is seconds. Raises ValueError with what to write."""
    plain = text.strip().lower()
    parts = _PART.findall(plain)
    if plain and "".join(number + unit for number, unit in parts) == plain:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    elif re.fullmatch(r"\d+(\.\d+)?", plain):
        seconds = float(plain)
    else:
        raise ValueError(f"{text!r} is no duration; write it as 90s, 15m, 1h, 1h30m or 7d")
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{text!r} is no duration: it must be more than nothing")
    return seconds


def counted(number: int, thing: str) -> str:
    """Return a number of things: 1 signal, 2 signals."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def in_words(seconds: float) -> str:
    """Return a duration as one would say it: 7 days, 24 h, 15 min, 60 s."""
    for word, size, least in (("days", 86_400.0, 2.0), ("h", 3_600.0, 1.0), ("min", 60.0, 2.0)):
        if seconds >= size * least and seconds % size == 0:
            return f"{seconds / size:.0f} {word}"
    return f"{Decimal(repr(float(seconds))).normalize():f} s"
