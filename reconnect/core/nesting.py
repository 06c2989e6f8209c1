"""How deep JSON is nested, told from its text.

A JSON reader that recurses runs out of stack somewhere, and where depends on its caller; so a limit is part of the protocol.
"""

from __future__ import annotations

import re
from typing import Final

from reconnect.limits import DATA_DEPTH

_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


def too_deep(json: bytes, depth: int = DATA_DEPTH) -> bool:
    """Return whether arrays and objects in this valid JSON text stand more than `depth` inside each other."""
    if len(json) <= 2 * depth or json.count(b"[") + json.count(b"{") <= depth:
        return False  # by far the most: too few brackets, whatever they mean
    level = 0
    for byte in _STRINGS.sub(b"", json):
        if byte in b"[{":
            level += 1
            if level > depth:
                return True
        elif byte in b"]}":
            level -= 1
    return False
