"""What an outbox promises of a signal whose receipt said `stored`, by name; and the setting of SQLite that keeps each promise."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Durability(StrEnum):
    """What a stored signal survives."""

    FULL = "full"  # the end of the process, of the operating system, and a power cut
    PROCESS = "process"  # the end of the process, kill -9 included; a power cut may take the last seconds
    MEMORY = "memory"  # nothing: it is as safe as this process


SYNCHRONOUS: Final = {Durability.FULL: 2, Durability.PROCESS: 1}
"""`PRAGMA synchronous`: the log is flushed to the disk at each commit, or only before it is brought into the file."""
