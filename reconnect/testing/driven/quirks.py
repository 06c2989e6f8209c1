"""What a seed may make unusual about a driven world: small buffers, slow and failing parts, rude observers.

They are those that only a driver can meet; what a core can meet is in `reconnect.testing.simulator.quirks`. Each is on with
probability ONE_IN for each seed, whatever the others are, and a world counts where one changed something.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

ONE_IN: Final = 4


class DriverQuirk(StrEnum):
    """One unusual thing."""

    TINY_PIPE = "tiny_pipe"  # a link takes two messages, and whoever writes a third waits for the reader
    TINY_OUTBOX = "tiny_outbox"  # six signals at most, two of them unjudged
    TINY_LOG = "tiny_log"  # three to eight signals for those who return, two to four entries ahead of what was handled
    SHORT_GRACE = "short_grace"  # places are given up after 2 s
    SLOW_STORE = "slow_store"  # a signal is safe only after a while
    SLOW_LOG = "slow_log"  # the hub's log answers after a while
    SLOW_TOKEN = "slow_token"  # noqa: S105  # a token is fetched for up to 4 s
    FAILING_TOKEN = "failing_token"  # noqa: S105  # one fetch in five fails
    SLOW_AUTHENTICATOR = "slow_authenticator"  # it takes a while to tell who joins
    RAISING_OBSERVER = "raising_observer"  # one event in four meets an observer that raises
    MEDDLING_OBSERVER = "meddling_observer"  # observers signal, hurry and leave while they are told something
    SLOW_OBSERVER = "slow_observer"  # async observers take up to 2 s for an event, and some for ever
    SLOW_ITERATOR = "slow_iterator"  # whoever iterates over signals takes a while for each
    JITTER = "jitter"  # messages take up to 0.3 s
    ROUGH_FRAMES = "rough_frames"  # stream frames come twice, and overtake each other


def draw_quirks(chance: Random) -> frozenset[DriverQuirk]:
    """Return the quirks of one seed."""
    return frozenset(quirk for quirk in DriverQuirk if chance.randrange(ONE_IN) == 0)
