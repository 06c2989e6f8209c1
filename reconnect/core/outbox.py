"""The outbox: every signal without an outcome, in the order submitted. `statecharts/signal.toml` is its law.

It owns the serials and the outcomes. The rules that it keeps:

- A row is either waiting (`_waiting`, not handed to the present transport) or in flight (`_flight`, handed over and unjudged, or
  unsure after a loss). Every serial in flight is lower than every serial that waits, so that order per sender needs no sorting.
- A row leaves by exactly one `Settle`; the counters then still add up: submitted = the sum of all outcomes + pending.
- Nothing is sent that the store has not confirmed (`stored`), and nothing beyond `in_flight` unjudged signals.
- `doubt` marks a row of which an earlier hub life may have a copy: only then is it sent as a repeat, and only then does a failure
  say `possibly_sent`.

It reads no clock; each call brings `at`. Each method returns the effects that its caller passes on.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from reconnect.core import outcomes
from reconnect.core.bounds import OutboxBounds, Overflow
from reconnect.core.effects import Effect, Forget, Settle
from reconnect.core.frames import Rejection, SendSignal
from reconnect.core.notices import Outcome
from reconnect.core.rows import Place, Row
from reconnect.core.suspicion import Suspicion
from reconnect.errors import OutboxFull
from reconnect.reasons import OutcomeStatus, Reason


class Outbox:
    """The bounded queue of signals without an outcome."""

    def __init__(
        self,
        *,
        bounds: OutboxBounds | None = None,
        acknowledged: bool = True,
        first_serial: int = 1,
        trace: Callable[[int, str], None] | None = None,
    ) -> None:
        self.bounds = bounds or OutboxBounds()
        self._most, self._most_bytes = self.bounds.signals, self.bounds.size
        self.counts: Counter[OutcomeStatus] = Counter()
        self.submitted = 0
        self.pending = 0  # signals without an outcome
        self.size = 0
        self._acknowledged = acknowledged
        self._trace = trace
        self._next_serial = first_serial
        self._stored = self._announced = first_serial - 1
        self._waiting: deque[Row] = deque()
        self._flight: deque[Row] = deque()
        self._gone_waiting = 0
        self._expiries: list[tuple[float, int, Row]] = []
        self._suspicion = Suspicion()

    def __repr__(self) -> str:
        return f"<Outbox {self.pending}/{self.bounds.signals} flight={len(self._flight)} next={self._next_serial}>"

    @property
    def is_waiting(self) -> bool:
        """True if a signal is still to be handed to the transport."""
        return len(self._waiting) > self._gone_waiting

    @property
    def settled_up_to(self) -> int:
        """The highest serial below which every outcome is known."""
        return next(self.serials(), self._next_serial) - 1

    def serials(self) -> Iterator[int]:
        """Yield the serials of the signals without an outcome, ascending."""
        return (row.serial for rows in (self._flight, self._waiting) for row in rows if row.place is not Place.GONE)

    def has_room_for(self, size: int) -> bool:
        """True if the bounds leave room for a signal with `size` bytes of type and data."""
        return self.pending < self.bounds.signals and self.size + max(size, 1) <= self.bounds.size

    # -- in ------------------------------------------------------------------------------------------------------------------

    def submit(
        self,
        data: bytes,
        type: str,
        to: str | None,
        ttl: float | None,
        keep: bool,
        at: float,
        away: bool,
        session_only: bool = False,
    ) -> tuple[int, list[Effect]]:
        """Take one signal: return its serial and what follows at once.

        `away` says that the session is reconnecting, where a signal that opted out is dropped. Raises OutboxFull by policy.
        """
        weight = len(data) + len(type)
        effects: list[Effect] = []
        end: tuple[Outcome, str] | None = None
        if away and not keep:  # it needs no room, so it puts no other signal out
            end = outcomes.OPTED_OUT, "opted_out"
        elif (self.pending >= self._most or self.size + weight > self._most_bytes) and self._overflow(weight, effects):
            end = outcomes.OVERFLOWED, "overflowed"
        serial = self._next_serial
        row = Row(serial, type, data, to, None if ttl is None else at + ttl, keep, session_only)
        self._next_serial = serial + 1
        self.submitted += 1
        self.pending += 1
        self.size += weight
        if end is not None:
            effects += self._settle((row,), *end)
        else:
            self._waiting.append(row)
            if row.expires_at is not None:
                heapq.heappush(self._expiries, (row.expires_at, serial, row))
        return serial, effects

    def _overflow(self, weight: int, effects: list[Effect]) -> bool:
        """Make room by policy, or return True where the newest is the one to drop; raise OutboxFull otherwise."""
        if self.bounds.overflow is Overflow.DROP_NEWEST:
            return True
        if self.bounds.overflow is Overflow.DROP_OLDEST:
            # What may have been sent is not the outbox's to drop: where nothing older is, the newest goes.
            oldest = self._droppable(weight)
            effects += self._leave(oldest or [], outcomes.OVERFLOWED, "overflowed")
            return oldest is None
        over = "signals" if self.pending >= self.bounds.signals else "bytes"
        bound = self.bounds.signals if over == "signals" else self.bounds.size
        raise OutboxFull(signals=self.pending, size=self.size, limit=f"{bound} {over}")

    def _droppable(self, weight: int) -> list[Row] | None:
        """Return the oldest rows whose end makes room for `weight` bytes; None where even all of them would not."""
        rows: list[Row] = []
        size = self.size
        for row in self._waiting:
            if self.pending - len(rows) < self.bounds.signals and size + weight <= self.bounds.size:
                break
            if row.place is Place.WAITING and not row.doubt:
                rows.append(row)
                size -= len(row.data) + len(row.type)
        fits = self.pending - len(rows) < self.bounds.signals and size + weight <= self.bounds.size
        return rows if fits else None

    def unstored(self) -> tuple[Row, ...]:
        """Return the rows that were submitted since the last call, for the store."""
        waiting, announced = self._waiting, self._announced
        self._announced = self._next_serial - 1
        if waiting and not self._gone_waiting and waiting[0].serial > announced:  # as most of the time
            return tuple(waiting)
        rows: list[Row] = []
        for row in reversed(waiting):
            if row.serial <= announced:
                break
            if row.place is Place.WAITING:
                rows.append(row)
        return tuple(reversed(rows))

    def stored(self, serial: int) -> None:
        """Everything up to `serial` is safe in the store."""
        self._stored = max(self._stored, serial)

    # -- out -----------------------------------------------------------------------------------------------------------------

    def release(self, at: float) -> tuple[tuple[SendSignal, ...], list[Effect]]:
        """Return the signals to hand to the transport now, oldest first, as far as the window and the store allow."""
        effects = self.expire(at)  # a wake-up may be late: what ran out before it is not sent all the same
        room = self.bounds.in_flight
        if self._suspicion.losses:
            room = self._suspicion.room(self.settled_up_to + 1, room)
        rows = self._due(room - len(self._flight))
        self._flight.extend(rows)
        frames, raw = [], msgspec.Raw
        for row in rows:
            row.place = Place.FLIGHT
            row.sends += 1
            ttl = None if row.expires_at is None else row.expires_at - at
            frames.append(SendSignal(serial=row.serial, type=row.type, data=raw(row.data), to=row.to, ttl=ttl, repeat=row.doubt))
        self._say(rows, "sent")
        if frames:
            self._suspicion.sent(at)
        if not self._acknowledged:
            rows = list(self._flight)
            self._flight.clear()
            effects += self._settle(rows, outcomes.WRITTEN, "unjudged")
        return tuple(frames), effects

    def _due(self, room: int) -> list[Row]:
        """Take what waits and is stored, `room` rows at most."""
        waiting, stored = self._waiting, self._stored
        if waiting and not self._gone_waiting and len(waiting) <= room and waiting[-1].serial <= stored:  # as most of the time
            rows = list(waiting)
            waiting.clear()
            return rows
        rows = []
        while waiting:
            row = waiting[0]
            if row.place is Place.GONE:
                self._gone_waiting -= 1
            elif len(rows) < room and row.serial <= stored:
                rows.append(row)
            else:
                break
            waiting.popleft()
        return rows

    def judge(self, serial: int, rejected: Iterable[Rejection]) -> list[Effect] | None:
        """Settle everything in flight up to `serial`; return None if the hub judges what was never sent."""
        if not self.can_be_judged(serial):
            return None
        effects: list[Effect] = []
        judged = self._judged(serial)
        refused = {rejection.serial: rejection for rejection in rejected}
        for row in judged if refused else ():
            if (rejection := refused.get(row.serial)) is not None:
                # Refused by this hub; an earlier life of it may have taken what is in doubt.
                outcome = Outcome(status=OutcomeStatus.REJECTED, code=rejection.code, reason=None, possibly_sent=row.doubt)
                effects += self._settle((row,), outcome, "rejected")
        delivered = [row for row in judged if row.serial not in refused] if refused else judged
        effects += self._settle(delivered, outcomes.DELIVERED, "accepted")
        if effects:
            self._suspicion.judged()
        return effects

    def _judged(self, serial: int) -> list[Row]:
        """Take what is in flight up to `serial`."""
        flight = self._flight
        if flight and flight[-1].serial <= serial:
            rows = list(flight)
            flight.clear()
            return rows
        rows = []
        while flight and flight[0].serial <= serial:
            rows.append(flight.popleft())
        return rows

    def can_be_judged(self, serial: int) -> bool:
        """True if every signal up to `serial` was handed to some transport, or is gone."""
        lowest = next((row.serial for row in self._waiting if row.place is Place.WAITING and not row.doubt), self._next_serial)
        return serial < lowest

    @property
    def wants_proof(self) -> bool:
        """True once for each link that is to answer a ping before anything is sent on it."""
        return self._suspicion.losses > 0 and self.is_waiting and self._suspicion.wants_proof

    def prove(self) -> None:
        """The link answered a ping."""
        self._suspicion.prove()

    # -- outages -------------------------------------------------------------------------------------------------------------

    def hold(self, at: float, *, blameable: bool) -> list[Effect]:
        """The transport ended: what is in flight is unsure from here on. `blameable` losses count towards poison."""
        self._say(self._flight, "lost")
        first = self._flight[0] if self._flight else None
        resent = first is not None and first.sends > 1
        if self._suspicion.lost(first.serial if first else 0, at, resent=resent, blameable=blameable) and first is not None:
            self._flight.popleft()
            return self._settle((first,), outcomes.POISONED, "poisoned")
        return []

    def drop_opted_out(self) -> list[Effect]:
        """Drop what waits and said retry_after_reconnect=False."""
        rows = [row for row in self._waiting if row.place is Place.WAITING and not row.keep]
        return self._leave(rows, outcomes.OPTED_OUT, "opted_out")

    def resume(
        self, accepted: int | None, rejected: Iterable[Rejection], at: float, *, resumed: bool, lost: bool = False
    ) -> list[Effect] | None:
        """Settle what was unsure by what the hub had judged; the rest waits again, in front. None: an impossible judgement.

        Only a hub that knows this sender (`accepted` is not None) and `resumed` the connection can say that it does not have a
        signal; a new connection may be to another life of the hub. Without its word a signal that opted in waits as a possible
        repeat, and one that did not has failed, possibly sent. `lost`: there was a connection, and this is another one, on which
        nothing is sent that was meant for that alone.
        """
        effects = [] if accepted is None else self.judge(accepted, rejected)
        if effects is None:
            return None
        again: list[Row] = []
        for row in self._flight:
            verdict = self._after_loss(row, at, known=resumed and accepted is not None, resumed=resumed)
            if verdict is None:
                again.append(row)
            else:
                effects += self._settle((row,), *verdict)
        self._flight.clear()
        self._suspicion.linked()
        if lost:
            left = [row for row in self._waiting if row.place is Place.WAITING and row.session_only]
            effects += self._leave(left, outcomes.SESSION_LOST, "session_lost")
        for row in reversed(again):
            row.place = Place.WAITING
            self._waiting.appendleft(row)
            if row.expires_at is not None:
                heapq.heappush(self._expiries, (row.expires_at, row.serial, row))
        return effects

    def _after_loss(self, row: Row, at: float, *, known: bool, resumed: bool) -> tuple[Outcome, str] | None:
        """Return the outcome of an unsure row that the hub has not judged, or None where it is to be sent again."""
        expired = row.expires_at is not None and row.expires_at <= at
        certain = known and not row.doubt  # no hub, living or dead, can have it
        if certain:
            if expired:
                return outcomes.EXPIRED, "expired"
            if not row.keep:
                return outcomes.OPTED_OUT, "opted_out"
            self._say((row,), "passed_by")
            return None
        if expired:
            return outcomes.TIMED_OUT, "unresumed"
        if row.session_only and not resumed:
            return outcomes.LEFT_BEHIND, "session_lost"
        if not row.keep:
            return outcomes.UNRESUMED, "unresumed"
        row.doubt = True
        return None

    def end(self, reason: Reason) -> list[Effect]:
        """The session entered disconnected: every pending signal has failed."""
        rows = [*self._flight, *(row for row in self._waiting if row.place is Place.WAITING)]
        unsure = [row for row in rows if row.place is Place.FLIGHT or row.doubt]
        sure = [row for row in rows if row.place is Place.WAITING and not row.doubt]
        effects = self._settle(unsure, Outcome(status=OutcomeStatus.FAILED, reason=reason, possibly_sent=True), "ended")
        effects += self._settle(sure, Outcome(status=OutcomeStatus.FAILED, reason=reason), "ended")
        self._flight.clear()
        self._waiting.clear()
        self._expiries.clear()
        self._gone_waiting = 0
        self._suspicion.linked()
        return effects

    # -- time, and the user's second thoughts ----------------------------------------------------------------------------------

    def wake_at(self) -> float | None:
        """Return the instant at which the next waiting signal expires."""
        expiries = self._expiries
        while expiries and expiries[0][2].place is not Place.WAITING:
            heapq.heappop(expiries)
        return expiries[0][0] if expiries else None

    def expire(self, at: float) -> list[Effect]:
        """Settle what waits and whose time has run out."""
        sure: list[Row] = []
        unsure: list[Row] = []
        while (due := self.wake_at()) is not None and due <= at:
            row = heapq.heappop(self._expiries)[2]
            row.place = Place.GONE
            (unsure if row.doubt else sure).append(row)
        return self._leave(sure, outcomes.EXPIRED, "expired") + self._leave(unsure, outcomes.TIMED_OUT, "unresumed")

    def cancel(self, serial: int) -> list[Effect]:
        """Take a signal back; return no effect if it was handed to a transport or has its outcome."""
        for row in self._waiting:
            if row.serial == serial and row.place is Place.WAITING and not row.doubt:
                return self._leave([row], outcomes.CANCELLED, "cancelled")
        return []

    # -- the only way out --------------------------------------------------------------------------------------------------------

    def _leave(self, rows: list[Row], outcome: Outcome, event: str) -> list[Effect]:
        """Settle rows that stand in the middle of the waiting queue, which drops them when they come to its front."""
        self._gone_waiting += len(rows)
        return self._settle(rows, outcome, event)

    def _settle(self, rows: Sequence[Row], outcome: Outcome, event: str) -> list[Effect]:
        if not rows:
            return []
        serials = [row.serial for row in rows]
        self.size -= sum([len(row.data) + len(row.type) for row in rows])
        for row in rows:
            row.place = Place.GONE
            row.data = b""
        self.pending -= len(serials)
        self.counts[outcome.status] += len(serials)
        kept = serials if max(serials) <= self._announced else [serial for serial in serials if serial <= self._announced]
        if self._trace is not None:
            for serial in serials:
                self._trace(serial, event)
        settled: list[Effect] = [Settle(serials=tuple(serials), outcome=outcome)]
        return [*settled, Forget(serials=tuple(kept))] if kept else settled

    def _say(self, rows: Iterable[Row], event: str) -> None:
        if self._trace is not None:
            for row in rows:
                self._trace(row.serial, event)
