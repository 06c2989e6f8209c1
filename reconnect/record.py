"""What a record is: frozen, slotted, keyword-only, complete at birth.

Everything that moves between the floors (events, effects, frames, audit records, chart rows) is a `Record`. It is a
`msgspec.Struct`, so that what is decided, what is written down and what travels are the same typed objects.

A subclass says `kw_only=True` itself: msgspec applies it to one class at a time, and a metaclass that handed it on would make
every record three times as slow to make (before Python 3.12 its classes cannot be called by vectorcall). A test holds all to it.
"""

from __future__ import annotations

from typing import dataclass_transform

import msgspec


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen, slotted value with named fields only."""
