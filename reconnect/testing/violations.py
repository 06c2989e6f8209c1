"""What can be wrong with a run: a closed list, each with its meaning, and the typed value that names one case."""

from __future__ import annotations

from enum import StrEnum

from reconnect.record import Record


class Broken(StrEnum):
    """Which promise was broken."""

    # Of signals.
    LOST = "lost"  # its receipt says delivered, and no log ever had it
    PHANTOM = "phantom"  # it was received or logged, and never submitted, or its receipt says that it was not sent
    DUPLICATED = "duplicated"  # a member received it twice, or one life of the hub logged it twice
    REORDERED = "reordered"  # a member received it after a later one of the same sender
    STALE = "stale"  # it was read again from behind, or was sent when it was worth nothing any more
    SILENT_GAP = "silent_gap"  # it is in the log, a member that reads on never received it, and was told of no gap
    TWO_VALUES = "two_values"  # two signals stand at one position of one life of the log
    SETTLED_TWICE = "settled_twice"  # its receipt had two outcomes
    NEVER_SETTLED = "never_settled"  # its receipt has none, and all is over
    UNSTORED = "unstored"  # it was sent before its store had confirmed it
    UNBALANCED = "unbalanced"  # an outbox does not count what was submitted
    # Of what is told.
    GRAMMAR = "grammar"  # an event came where it cannot come
    GHOST = "ghost"  # a member lists somebody or a stream that is not there
    UNLISTED = "unlisted"  # a member does not list somebody or a stream that is there
    # Of machines.
    STUCK = "stuck"  # the faults stopped, and what should come did not come in time
    CRASHED = "crashed"  # an exception came out of a machine
    REFUSED_REPORT = "refused_report"  # a chart refused what an honest network reported
    PROTOCOL = "protocol"  # one side took what the other said for a mistake
    ORPHAN_TIMER = "orphan_timer"  # a timer is armed that nothing waits for, or the other way round
    SECOND_TRANSPORT = "second_transport"  # a transport was opened beside a living one, or written to when it was over
    WRONG_DELAY = "wrong_delay"  # an attempt was announced or made at another time than the policy's rules say
    LEFT_OVER = "left_over"  # everybody left, and the hub still holds something of them


class Violation(Record, kw_only=True):
    """One case: which promise, of whom, and the facts."""

    broken: Broken
    who: str
    detail: str
    at: float = 0.0

    def __str__(self) -> str:
        return f"{self.broken} ({self.who}): {self.detail}"
