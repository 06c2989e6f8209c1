"""Mistakes that are planted into the machines, one at a time, to see whether the simulator finds them.

Each is a mistake that somebody could make, and most have been made by somebody: a record acknowledged before it was stored, a
resume off by one, a timer that nobody cancelled. The machines themselves know nothing of this: a mistake is put over them from
outside and taken away again.

    python -m tests.laws.planted            the table: mistake, what shows it, seeds needed
    python -m tests.laws.planted NAME ...   only these
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Any, Final

from msgspec.structs import replace

from reconnect.core import actions, outbox, situation
from reconnect.core.durable import DurableOutbox
from reconnect.core.effects import Effect, Settle
from reconnect.core.frames import Gap, Goodbye, ResumeClaim
from reconnect.core.hub import answers, joining, ledger, members, queue, tail, welcome
from reconnect.core.hub import wants as hub_wants
from reconnect.core.inbox import Inbox
from reconnect.core.liveness import Liveness
from reconnect.core.outcomes import DELIVERED
from reconnect.core.roster import Roster
from reconnect.core.rows import Row
from reconnect.core.session import SessionCore
from reconnect.core.timers import Timers
from reconnect.testing.simulator import simulate
from reconnect.testing.violations import Violation

WORST: Final = 500  # seeds; a mistake that takes more is not found
MEDIAN: Final = 50

Plant = Callable[["Bed"], None]


class Bed:
    """Where a mistake is planted: remembers what stood there."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, where: Any, name: str, what: Any) -> Any:
        """Put something in the place of a function; return what stood there."""
        before = where.__dict__[name]
        self._before.append((where, name, before))
        setattr(where, name, what)
        return before

    def clear(self) -> None:
        """Put everything back."""
        while self._before:
            where, name, before = self._before.pop()
            setattr(where, name, before)


@dataclass(frozen=True)
class Mistake:
    """One planted mistake."""

    name: str
    what: str
    plant: Plant


MISTAKES: Final[dict[str, Mistake]] = {}


def mistake(plant: Plant) -> Plant:
    """List a mistake; its docstring says what is wrong."""
    name = plant.__name__
    MISTAKES[name] = Mistake(name, (plant.__doc__ or "").strip(), plant)
    return plant


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Let a mistake be there for a while."""
    bed = Bed()
    MISTAKES[name].plant(bed)
    try:
        yield
    finally:
        bed.clear()


def seeds_needed(name: str, most: int = WORST) -> tuple[int | None, Violation | None]:
    """Return how many seeds it took, from 0 on, and what showed it."""
    with planted(name):
        for count in range(1, most + 1):
            violations = simulate(count - 1).violations
            if violations:
                return count, violations[0]
    return None, None


# -- the hub -------------------------------------------------------------------------------------------------------------------


@mistake
def acknowledges_before_it_stores(bed: Bed) -> None:
    """signals are acknowledged, though the log could not store them"""

    def failed(hub: Any, session: Any, item: Any, at: float) -> None:
        if isinstance(item, queue.SignalItem):
            answers._judged(hub, session, item, (), item.rejected)
        else:
            before(hub, session, item, at)

    before = bed.put(answers, "_failed", failed)


@mistake
def resumes_off_by_one(bed: Bed) -> None:
    """a member that resumes is read on to one entry too late"""

    def after(self: tail.Tail, position: int) -> int:
        return min(int(before(self, position + 1)), self.end)

    before = bed.put(tail.Tail, "after", after)


@mistake
def grace_timer_leaks(bed: Bed) -> None:
    """the grace of a member that came back runs on"""
    bed.put(members, "_cancel", lambda hub, session, connection, name: None)


@mistake
def forgets_what_it_judged(bed: Bed) -> None:
    """the account of a sender does not outlive its link"""

    def attach(session: Any, link: Any, connection: str, sender: str, *rest: Any) -> None:
        session.ledgers.pop(sender, None)
        before(session, link, connection, sender, *rest)

    before = bed.put(joining, "_attach", attach)


@mistake
def loses_refusals(bed: Bed) -> None:
    """a welcome does not repeat the refusals that its member may not have heard of"""
    bed.put(ledger.Ledger, "unheard", lambda self: ())


@mistake
def welcomes_too_early(bed: Bed) -> None:
    """a member is welcomed while what it sent is still on its way to the log"""

    def send(hub: Any, session: Any, record: Any, occasion: Any) -> None:
        session.links[record.connection] = occasion.link
        welcome.welcome(hub, session, occasion.link, occasion.at)

    actions_of_members: Any = members.ACTIONS
    before = actions_of_members["send_welcome"]
    actions_of_members["send_welcome"] = send
    bed._before.append((_Key(actions_of_members), "send_welcome", before))


class _Key:
    """Lets a bed put back an item as it does an attribute."""

    def __init__(self, table: Any) -> None:
        self.__dict__["_table"] = table

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["_table"][name] = value


@mistake
def hides_its_gaps(bed: Bed) -> None:
    """a member that fell out of the log is not told what is missing"""

    def begin(hub: Any, session: Any, link: Any) -> tuple[int, Gap | None, tuple[Any, ...]]:
        position, _, pages = before(hub, session, link)
        return position, None, pages

    before = bed.put(welcome, "_begin", begin)


@mistake
def keeps_streams_of_the_gone(bed: Bed) -> None:
    """a stream does not end with its publisher, and nobody is told of what is given up"""

    def give_up(hub: Any, session: Any, connection: str, key: str) -> bool:
        record = session.members[connection]
        session.keep(record.without(key))
        return True

    bed.put(hub_wants, "give_up", give_up)


@mistake
def passes_the_credit_by(bed: Bed) -> None:
    """the hub sends one entry beyond what a member has credit for, and never counts what was handled"""
    from reconnect.core.hub.links import Link

    bed.put(Link, "handle", lambda self, position: None)


# -- the session ---------------------------------------------------------------------------------------------------------------


@mistake
def deadline_is_not_cancelled(bed: Bed) -> None:
    """the deadline of an attempt runs on when the attempt is over"""

    def cancel(self: Timers, name: str) -> None:
        if name != "deadline":
            before(self, name)

    before = bed.put(Timers, "cancel", cancel)


@mistake
def backoff_is_never_reset(bed: Bed) -> None:
    """a connection that lasted does not start a new streak"""
    bed.put(actions.Actions, "_reset_streak", lambda self, moment, step: None)


@mistake
def backoff_is_reset_at_once(bed: Bed) -> None:
    """every acceptance starts a new streak, so that a hub that accepts and closes is hammered"""
    from reconnect.core.episode import Episode

    def accepted(self: Episode) -> None:
        before(self)
        self.streak = 0

    before = bed.put(Episode, "accepted", accepted)


@mistake
def believes_a_stale_transport(bed: Bed) -> None:
    """reports of an old transport are taken for reports of the present one"""
    bed.put(SessionCore, "_is_present", lambda self, generation, what, at: True)


@mistake
def dedupe_window_is_short(bed: Bed) -> None:
    """a member remembers the last serial of one sender only"""

    def init(self: Inbox, *, senders: int = 1) -> None:
        before(self, senders=1)

    before = bed.put(Inbox, "__init__", init)


@mistake
def claims_what_it_did_not_handle(bed: Bed) -> None:
    """a resume claims one entry more than was handled"""

    def claim(self: situation.Situation) -> ResumeClaim | None:
        claimed: ResumeClaim | None = before(self)
        return claimed and replace(claimed, position=claimed.position + 1)

    before = bed.put(situation.Situation, "claim", claim)


@mistake
def swallows_a_gap(bed: Bed) -> None:
    """the application is not told of the gap that the hub told of"""

    def adopt(self: Any, moment: Any, step: Any) -> None:
        before(self, moment, step)
        moment.gap = None

    before = bed.put(actions.Actions, "_adopt_connection", adopt)


@mistake
def sends_what_opted_out(bed: Bed) -> None:
    """what is worthless if late waits all the same"""
    bed.put(outbox.Outbox, "drop_opted_out", lambda self: [])


@mistake
def sends_before_it_stored(bed: Bed) -> None:
    """signals are sent without waiting for the store"""

    def release(self: outbox.Outbox, at: float) -> Any:
        self._stored = self._next_serial
        return before(self, at)

    before = bed.put(outbox.Outbox, "release", release)


@mistake
def is_sure_where_it_cannot_be(bed: Bed) -> None:
    """a signal that an earlier life of the hub may have is taken for one that nobody has"""

    def after_loss(self: outbox.Outbox, row: Row, at: float, *, known: bool, resumed: bool) -> Any:
        verdict = before(self, row, at, known=known, resumed=resumed)
        row.doubt = False
        return verdict

    before = bed.put(outbox.Outbox, "_after_loss", after_loss)


@mistake
def speaks_for_dead_hubs(bed: Bed) -> None:
    """a refusal of a repeat is told as if no earlier life of the hub could have taken it"""

    def settle(self: outbox.Outbox, rows: Iterable[Row], outcome: Any, event: str) -> Any:
        return before(self, rows, replace(outcome, possibly_sent=False) if event == "rejected" else outcome, event)

    before = bed.put(outbox.Outbox, "_settle", settle)


@mistake
def takes_a_loss_for_a_delivery(bed: Bed) -> None:
    """what was sent on a link that died is called delivered"""

    def hold(self: outbox.Outbox, at: float, *, blameable: bool) -> list[Effect]:
        rows = list(self._flight)
        self._flight.clear()
        return self._settle(rows, DELIVERED, "accepted")

    bed.put(outbox.Outbox, "hold", hold)


@mistake
def settles_twice(bed: Bed) -> None:
    """what expires is told to its receipt twice"""

    def expire(self: outbox.Outbox, at: float) -> list[Effect]:
        effects: list[Effect] = before(self, at)
        return [*effects, *(effect for effect in effects if isinstance(effect, Settle))]

    before = bed.put(outbox.Outbox, "expire", expire)


@mistake
def resends_in_the_wrong_order(bed: Bed) -> None:
    """what has to be sent again is sent behind what was submitted later"""

    def resume(self: outbox.Outbox, *values: Any, **named: Any) -> Any:
        effects = before(self, *values, **named)
        self._waiting.reverse()
        return effects

    before = bed.put(outbox.Outbox, "resume", resume)


@mistake
def never_notices_silence(bed: Bed) -> None:
    """a link that carries nothing is believed in for ever"""
    bed.put(Liveness, "deadline", property(lambda self: math.inf))


@mistake
def believes_in_ghosts(bed: Bed) -> None:
    """a snapshot does not end the streams that are not in it any more"""

    def reconcile(self: Roster, members: Any, streams: Any, at: float) -> Any:
        return before(self, members, [*streams, *self.streams.values()], at)

    before = bed.put(Roster, "reconcile", reconcile)


@mistake
def opens_a_second_transport(bed: Bed) -> None:
    """an attempt that is given up is not ended"""

    def end(self: Any, *, abort: bool) -> None:
        self._at.fenced = True
        self._at.liveness = None

    bed.put(actions.Actions, "_end_transport", end)


@mistake
def says_goodbye_for_nothing(bed: Bed) -> None:
    """whoever leaves does not say so"""

    def send(self: situation.Situation, at: float, *frames: Any) -> None:
        rest = tuple(frame for frame in frames if not isinstance(frame, Goodbye))
        if rest:
            before(self, at, *rest)

    before = bed.put(situation.Situation, "send", send)


@mistake
def tries_too_early(bed: Bed) -> None:
    """an attempt is made before the time that was announced for it"""

    def start(self: Timers, name: str, due_at: float) -> None:
        before(self, name, due_at - 0.3 if name == "retry" else due_at)

    before = bed.put(Timers, "start", start)


@mistake
def tries_too_late(bed: Bed) -> None:
    """an attempt is made long after the time that was announced for it"""

    def start(self: Timers, name: str, due_at: float) -> None:
        before(self, name, due_at + 5.0 if name == "retry" else due_at)

    before = bed.put(Timers, "start", start)


@mistake
def loses_count(bed: Bed) -> None:
    """a signal that expires is not counted"""

    def expire(self: outbox.Outbox, at: float) -> Any:
        counted = self.counts.copy()
        effects = before(self, at)
        self.counts = counted
        return effects

    before = bed.put(outbox.Outbox, "expire", expire)


@mistake
def leaves_rows_on_the_disk(bed: Bed) -> None:
    """a process does not take up what the one before it left"""
    bed.put(DurableOutbox, "restore", lambda self, rows: None)


@mistake
def sends_what_the_disk_refused(bed: Bed) -> None:
    """what a failed disk did not take waits on, and is sent with what it takes later"""
    bed.put(DurableOutbox, "unkept", lambda self, serials, *, certain: [])


# -- the table -----------------------------------------------------------------------------------------------------------------


def table(names: Sequence[str], *, most: int = WORST) -> list[int | None]:
    """Print how many seeds each mistake took, tried on all processors; return the numbers."""
    print(f"{'mistake':<34} {'seeds':>5}  shown by")
    needed = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for name, (count, violation) in zip(names, pool.map(partial(seeds_needed, most=most), names), strict=True):
            needed.append(count)
            shown = f"{violation.broken}: {violation.detail}" if violation is not None else "nothing"
            print(f"{name:<34} {count or '-':>5}  {shown[:90]}", flush=True)
    found = [count for count in needed if count is not None]
    print(f"{len(found)} of {len(needed)} found; median {median(found or [0]):g}, worst {max(found, default=0)}")
    return needed


def is_good_enough(needed: Sequence[int | None]) -> bool:
    """True if every mistake was found, most of them soon."""
    return all(needed) and median(count or WORST for count in needed) <= MEDIAN


if __name__ == "__main__":
    sys.exit(0 if is_good_enough(table(sys.argv[1:] or list(MISTAKES))) else 1)
