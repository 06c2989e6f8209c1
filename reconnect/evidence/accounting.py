"""Has every signal exactly one outcome? The law of conservation, from the journal alone and against the outbox's own count.

Rules: what is submitted has a higher serial than all before it; an outcome is of signals that have none yet; at the start, at
each checkpoint and at the end, what has no outcome here is what the outbox says has none, and the totals agree. Nothing is
pending once a session is over, unless a file keeps it: such a signal `failed` and is `stored`, which ends its receipt and not the
signal, and it goes on as another one that was submitted. Where the journal begins in the middle, or has a gap, the next
checkpoint is believed and counted from.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from reconnect.audit.entries import Checkpoint, Gap, Outcomes, Start, Stop, Traffic
from reconnect.evidence.objections import Objections, Rule
from reconnect.evidence.spans import Spans, in_words
from reconnect.reasons import OutcomeStatus

_STATUSES: Final = frozenset(status.value for status in OutcomeStatus)
# Of these alone it may be unknown whether the hub has them: another life of it may have refused, or none have answered.
_DOUBTFUL: Final = frozenset({OutcomeStatus.FAILED.value, OutcomeStatus.WRITTEN.value, OutcomeStatus.REJECTED.value})


@dataclass(slots=True)
class _Account:
    """One source's signals."""

    pending: Spans = field(default_factory=Spans)
    submitted: int = 0
    last: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    known: bool = True
    durable: bool = False


class AccountingCheck:
    """Keeps the ledger of each source."""

    def __init__(self, objections: Objections) -> None:
        self._objections = objections
        self._accounts: dict[str, _Account] = {}
        self.submitted = 0
        self.outcomes: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Signals without an outcome at the end."""
        return sum(len(account.pending) for account in self._accounts.values())

    def start(self, entry: Start) -> None:
        """A connect() begins; a fresh core has submitted nothing."""
        if entry.repeated:
            self._accounts.setdefault(entry.source, _Account(known=False, durable=_is_durable(entry)))
        elif entry.run == 1:
            before = self._accounts.get(entry.source)
            if before is not None and before.pending:
                left = f"{len(before.pending)} signals of {entry.source}"
                self._objections.remark(f"{left} had no outcome when the process before entry {entry.entry} ended")
            self._accounts[entry.source] = _Account(known=entry.pending is None, durable=_is_durable(entry))
        if entry.pending is not None and entry.submitted is not None and not entry.repeated:
            self._compare(entry.source, entry.submitted, entry.pending, entry.outcomes or {})

    def gap(self, entry: Gap) -> None:
        """Records are missing: what is pending now is not known."""
        before = self._accounts.get(entry.source)
        self._accounts[entry.source] = _Account(known=False, durable=before is not None and before.durable)

    def traffic(self, entry: Traffic) -> None:
        """Signals may have been submitted."""
        account = self._accounts.get(entry.source)
        if account is None:
            return
        for item in entry.inputs:
            if item[0] == "submit":
                self._submit(account, item[2], item[3])
            elif item[0] == "cancel" and account.known and not account.pending.holds(item[2]):
                self._objections.add(Rule.ACCOUNTING, f"serial {item[2]} was cancelled, and was not pending")

    def _submit(self, account: _Account, first: int, last: int) -> None:
        if first <= account.last or not account.pending.add(first, last):
            problem = f"serials {first} to {last} were submitted after serial {account.last}: serials ascend"
            self._objections.add(Rule.ACCOUNTING, problem)
            return
        account.last = last
        account.submitted += last - first + 1
        self.submitted += last - first + 1

    def settle(self, entry: Outcomes) -> None:
        """Signals ended."""
        account = self._accounts.setdefault(entry.source, _Account(known=False))
        if entry.status not in _STATUSES:
            self._objections.add(Rule.ACCOUNTING, f"{entry.status!r} is no outcome")
        if entry.possibly_sent and entry.status not in _DOUBTFUL:
            self._objections.add(Rule.ACCOUNTING, f"{entry.status} signals cannot be in doubt")
        for first, last in entry.serials:
            if entry.stored:
                account.submitted += last - first + 1
                known = account.pending.holds(first) and account.pending.holds(last)
            else:
                known = account.pending.take(first, last)
            if not known and account.known:
                problem = f"serials {first} to {last} ended as {entry.status}, and not all of them were pending"
                self._objections.add(Rule.ACCOUNTING, problem)
            account.outcomes[entry.status] += last - first + 1
            self.outcomes[entry.status] += last - first + 1

    def checkpoint(self, entry: Checkpoint) -> None:
        """The outbox says what it has."""
        self._compare(entry.source, entry.submitted, entry.pending, entry.outcomes)

    def stop(self, entry: Stop) -> None:
        """The end of a connection: nothing may be left."""
        if entry.pending is None or entry.submitted is None:
            return
        self._compare(entry.source, entry.submitted, entry.pending, entry.outcomes or {})
        if entry.pending and not self._accounts[entry.source].durable:
            self._objections.add(Rule.ACCOUNTING, f"the session is over, and serials {in_words(entry.pending)} have no outcome")

    def _compare(self, source: str, submitted: int, pending: list[list[int]], outcomes: dict[str, int]) -> None:
        account = self._accounts.setdefault(source, _Account(known=False))
        told = Spans(pending)
        if account.known:
            if account.pending != told:
                problem = (
                    f"the outbox has {in_words(pending)} without an outcome, and the journal {in_words(account.pending.ranges())}"
                )
                self._objections.add(Rule.ACCOUNTING, problem)
            if account.submitted != submitted:
                problem = f"the outbox took {submitted} signals, and the journal has {account.submitted}"
                self._objections.add(Rule.ACCOUNTING, problem)
            if account.outcomes != Counter(outcomes):
                problem = f"the outbox counted {outcomes}, and the journal {dict(account.outcomes)}"
                self._objections.add(Rule.ACCOUNTING, problem)
        if submitted != sum(outcomes.values()) + len(told):
            problem = f"{submitted} submitted are not the {sum(outcomes.values())} that ended and the {len(told)} that did not"
            self._objections.add(Rule.ACCOUNTING, problem)
        account.pending, account.submitted, account.outcomes = told, submitted, Counter(outcomes)
        account.last = max([account.last, *(last for _, last in pending)])
        account.known = True


def _is_durable(entry: Start) -> bool:
    return bool(entry.settings and entry.settings.get("durable"))
