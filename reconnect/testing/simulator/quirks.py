"""What a seed may make unusual about its world, beside its faults: small buffers, slow stores, coarse clocks, rude observers.

Each quirk is on with probability ONE_IN for each seed, whatever the others are, so that every pair of them meets soon. A world
counts the places where a quirk really changed something: one that never does proves nothing, and a test asks for each.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

ONE_IN: Final = 4


class Quirk(StrEnum):
    """One unusual thing."""

    TINY_OUTBOX = "tiny_outbox"  # six signals at most, and a policy drawn for more
    TINY_FLIGHT = "tiny_flight"  # two signals unjudged at most
    TINY_WINDOW = "tiny_window"  # two to four entries beyond what was handled
    TINY_LOG = "tiny_log"  # three to eight signals for those who return
    SHORT_GRACE = "short_grace"  # places are given up after 2 s
    SHORT_STABLE = "short_stable"  # a connection of 1 s pays off earlier failures
    SPLIT_MESSAGES = "split_messages"  # what was written at once is read in parts
    EMPTY_MESSAGES = "empty_messages"  # a message without frames comes between two others
    COARSE_CLOCK = "coarse_clock"  # everything happens on a tick of 1/8 s, and so much in the same one
    LATE_TIMERS = "late_timers"  # a timer goes off up to 2 s late
    SLOW_STORE = "slow_store"  # a signal is safe only after a while
    SLOW_LOG = "slow_log"  # the hub's log answers after a while
    FAILING_LOG = "failing_log"  # the hub's log refuses one append in five
    SLOW_AUTHENTICATOR = "slow_authenticator"  # it takes a while to tell who joins
    FAILING_AUTHENTICATOR = "failing_authenticator"  # one join in six cannot be checked
    SHORT_TOKENS = "short_tokens"  # tokens are over after 1 s, by the time of day
    SLOW_OBSERVER = "slow_observer"  # what arrives is handled only after a while
    RAISING_OBSERVER = "raising_observer"  # one event in four meets an observer that raises
    MEDDLING_OBSERVER = "meddling_observer"  # observers signal, hurry and leave while they are told something
    LATE_REPORTS = "late_reports"  # transports report what they should have kept to themselves
    JITTER = "jitter"  # a message takes up to thirty times as long as usual
    RARE_PINGS = "rare_pings"  # a ping every 8 s only, and silence is noticed after 20
    VALUABLE_TIME = "valuable_time"  # half of all signals have a short time to live
    DURABLE = "durable"  # signals are on disk, and what was synced goes on in the process that follows one that was killed
    FAILING_DISK = "failing_disk"  # one sync in eight fails where signals are on disk, and nothing is taken until it is mended


def draw_quirks(chance: Random) -> frozenset[Quirk]:
    """Return the quirks of one seed."""
    return frozenset(quirk for quirk in Quirk if chance.randrange(ONE_IN) == 0)
