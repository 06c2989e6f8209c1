"""What a record is: frozen, slotted, keyword-only, complete at birth.

Everything that moves between the floors (events, effects, frames, audit records, chart rows) is a `Record`. It is a
`msgspec.Struct`, so that what is decided, what is written down and what travels are the same typed objects.
"""

from __future__ import annotations

from typing import Any, dataclass_transform

import msgspec


class _RecordType(msgspec.StructMeta):
    """Hands `frozen` and `kw_only` on to every subclass; msgspec itself applies `kw_only` to one class at a time."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        return super().__new__(mcls, name, bases, namespace, **{"frozen": True, "kw_only": True, **options})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, metaclass=_RecordType, frozen=True, kw_only=True):
    """A frozen, slotted value with named fields only."""
