"""The demo's ledger: what the senders were told against what the receivers saw.

It knows nothing of the library's own counters. Each signal carries its sender's name and a number; the senders report what they
sent and what each receipt said, the receivers report what arrived, in order. The ledger compares.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

STATUSES: Final = ("delivered", "rejected", "expired", "dropped", "cancelled", "failed", "written")
NOT_SEEN: Final = frozenset({"rejected", "expired", "dropped", "cancelled"})


@dataclass
class Ledger:
    """Everything that the processes of a demo reported. Every signal to all is owed to each of `members`."""

    members: tuple[str, ...] = ()
    sent: dict[tuple[str, int], bool] = field(default_factory=dict)  # (sender, number): whether it may wait for a return
    outcomes: dict[tuple[str, int], str] = field(default_factory=dict)
    possibly_sent: set[tuple[str, int]] = field(default_factory=set)
    seen: dict[str, list[tuple[str, int]]] = field(default_factory=dict)  # by receiver, in the order of arrival
    while_away: set[tuple[str, int]] = field(default_factory=set)  # opted out and sent while its sender was reconnecting
    contradictions: list[str] = field(default_factory=list)
    outages: int = 0
    frames_sent: int = 0
    frames_refused: int = 0
    frames_seen: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    audits: list[str] = field(default_factory=list)

    # -- taking reports ----------------------------------------------------------------------------------------------------------

    def note_sent(self, sender: str, number: int, *, waits: bool, away: bool) -> None:
        """A sender submitted a signal; `away` while it was reconnecting."""
        self.sent[sender, number] = waits
        if away and not waits:
            self.while_away.add((sender, number))

    def note_outcome(self, sender: str, number: int, status: str, *, possibly_sent: bool) -> None:
        """A receipt said how a signal ended."""
        if (sender, number) not in self.sent:
            self.contradictions.append(f"{sender} {number}: an outcome, and it was not sent")
        if (sender, number) in self.outcomes:
            self.contradictions.append(f"{sender} {number}: two outcomes, {self.outcomes[sender, number]} and {status}")
        self.outcomes[sender, number] = status
        if possibly_sent:
            self.possibly_sent.add((sender, number))

    def note_seen(self, receiver: str, sender: str, number: int) -> None:
        """A signal arrived."""
        self.seen.setdefault(receiver, []).append((sender, number))

    # -- comparing ---------------------------------------------------------------------------------------------------------------

    @property
    def missing(self) -> list[tuple[str, str, int]]:
        """Signals that a receipt calls delivered and a receiver never saw: (receiver, sender, number)."""
        delivered = {signal for signal, status in self.outcomes.items() if status == "delivered"}
        receivers = sorted({*self.members, *self.seen})
        return [(receiver, *signal) for receiver in receivers for signal in sorted(delivered - set(self.seen.get(receiver, ())))]

    @property
    def unsettled(self) -> list[tuple[str, int]]:
        """Signals whose receipt said nothing."""
        return sorted(self.sent.keys() - self.outcomes.keys())

    @property
    def lost(self) -> int:
        """Deliveries that were promised and did not happen, and signals that nobody accounts for."""
        return len(self.missing) + len(self.unsettled)

    @property
    def duplicated(self) -> int:
        """Arrivals beyond the first, of one signal at one receiver."""
        return sum(len(arrived) - len(set(arrived)) for arrived in self.seen.values())

    @property
    def out_of_order(self) -> int:
        """Arrivals with a lower number than one that came before, of one sender at one receiver."""
        late = 0
        for arrived in self.seen.values():
            highest: dict[str, int] = {}
            for sender, number in arrived:
                late += number < highest.get(sender, -1)
                highest[sender] = max(number, highest.get(sender, -1))
        return late

    @property
    def phantoms(self) -> int:
        """Arrivals of signals that were never sent, or whose receipt says that the hub does not have them."""
        return sum(self._is_phantom(signal) for arrived in self.seen.values() for signal in set(arrived))

    def _is_phantom(self, signal: tuple[str, int]) -> bool:
        status = self.outcomes.get(signal)
        never_left = status == "failed" and signal not in self.possibly_sent
        return signal not in self.sent or status in NOT_SEEN or never_left

    @property
    def unaccounted(self) -> int:
        """Signals that opted out, were sent during an outage, and were not dropped."""
        return sum(self.outcomes.get(signal) != "dropped" for signal in self.while_away)

    @property
    def by_status(self) -> Counter[str]:
        """How many signals ended how."""
        return Counter(self.outcomes.values())

    @property
    def balances(self) -> bool:
        """True if every signal is accounted for, once, in order, and what was told is true."""
        wrong = self.lost + self.duplicated + self.out_of_order + self.phantoms + self.unaccounted + len(self.contradictions)
        return bool(self.sent) and not wrong and sum(self.by_status.values()) == len(self.sent)

    def as_json(self) -> dict[str, Any]:
        """Return the ledger as `reconnect demo --json` prints it."""
        by_status = self.by_status
        return {
            "balances": self.balances,
            "sent": len(self.sent),
            **{status: by_status[status] for status in STATUSES},
            "lost": self.lost,
            "duplicated": self.duplicated,
            "out_of_order": self.out_of_order,
            "phantoms": self.phantoms,
            "opted_out_while_away": len(self.while_away),
            "opted_out_unaccounted": self.unaccounted,
            "contradictions": self.contradictions,
            "outages": self.outages,
            "frames": {"sent": self.frames_sent, "refused_while_interrupted": self.frames_refused, "seen": self.frames_seen},
            "events": self.events,
            "audit": self.audits[0] if self.audits else None,
            "audits": self.audits,
        }
