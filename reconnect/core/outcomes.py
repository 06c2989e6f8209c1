"""The outcomes that an outbox gives without a word from the hub, each once."""

from __future__ import annotations

from typing import Final

from reconnect.core.notices import Outcome
from reconnect.reasons import OutcomeStatus, Reason

DELIVERED: Final = Outcome(status=OutcomeStatus.DELIVERED)
WRITTEN: Final = Outcome(status=OutcomeStatus.WRITTEN, possibly_sent=True)
EXPIRED: Final = Outcome(status=OutcomeStatus.EXPIRED, reason=Reason.TTL)
OPTED_OUT: Final = Outcome(status=OutcomeStatus.DROPPED, reason=Reason.OPTED_OUT)
OVERFLOWED: Final = Outcome(status=OutcomeStatus.DROPPED, reason=Reason.OVERFLOW)
CANCELLED: Final = Outcome(status=OutcomeStatus.CANCELLED, reason=Reason.CANCELLED)
SESSION_LOST: Final = Outcome(status=OutcomeStatus.DROPPED, reason=Reason.SESSION_LOST)
LEFT_BEHIND: Final = Outcome(status=OutcomeStatus.FAILED, reason=Reason.SESSION_LOST, possibly_sent=True)
POISONED: Final = Outcome(status=OutcomeStatus.FAILED, reason=Reason.POISON, possibly_sent=True)
UNRESUMED: Final = Outcome(status=OutcomeStatus.FAILED, reason=Reason.NOT_RESUMED, possibly_sent=True)
UNKEPT: Final = Outcome(status=OutcomeStatus.FAILED, reason=Reason.STORE_FAILED)
PERHAPS_KEPT: Final = Outcome(status=OutcomeStatus.FAILED, reason=Reason.STORE_FAILED, possibly_sent=True)
TIMED_OUT: Final = Outcome(status=OutcomeStatus.FAILED, reason=Reason.TTL, possibly_sent=True)
