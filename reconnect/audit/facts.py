"""What a record says of the surroundings: the time of day, the interpreter, the retry policy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

PYTHON: Final = ".".join(map(str, sys.version_info[:3]))

_RESERVED: Final = frozenset({
    "record", "sequence", "at", "wall", "session", "source", "policy", "seed", "drawn", "repeated", "prev", "entry", "self",
})  # fmt: skip


def iso(wall: float) -> str:
    """Return a Unix time as UTC with milliseconds."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def described(policy: object) -> Mapping[str, Any]:
    """Return what a policy says of itself; one of a user's own need not be able to."""
    describe = getattr(policy, "describe", None)
    try:
        told = describe() if callable(describe) else {}
        return {str(name): value for name, value in told.items() if str(name) not in _RESERVED}
    except Exception:  # a policy that cannot describe itself can still decide
        return {}
