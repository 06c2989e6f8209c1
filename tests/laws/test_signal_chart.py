"""The outbox lives by `statecharts/signal.toml`, though it does not run it: what it does is replayed on the chart, move by move.

A tour visits every row of the chart once and is the record on which charts that were tampered with must fail. Then random scripts
over every call that an outbox has, with every overflow policy, are held to the chart, to the conservation of signals, to their
order and window, and to the truth of `possibly_sent`: a model of every hub that ever was knows who may have what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from reconnect.chart import Ignore, Statechart, StepVerdict, load_chart
from reconnect.core.bounds import Overflow
from reconnect.errors import OutboxFull
from reconnect.reasons import OutcomeStatus, Reason
from tests.laws.signal_life import Move, OutboxBench, replay

CHART = load_chart("signal")


# -- the tour ------------------------------------------------------------------------------------------------------------------


def held_stories() -> Iterator[OutboxBench]:
    """Everything that can end a signal before it is sent."""
    bench = OutboxBench(signals=2, overflow=Overflow.DROP_OLDEST)
    bench.cancel(bench.submit())
    bench.submit(ttl=1.0)
    bench.pass_time(1.0)
    for _ in range(3):
        bench.submit()
    bench.away = True
    bench.submit(keep=False)
    bench.end()
    yield bench
    failing = OutboxBench(durable=True)
    failing.unkept(failing.submit(store=False))
    yield failing


def sent_stories() -> Iterator[OutboxBench]:
    """Everything that can become of a signal on a living transport."""
    unconfirmed = OutboxBench(acknowledged=False)
    unconfirmed.submit()
    unconfirmed.release()
    yield unconfirmed
    bench = OutboxBench()
    for _ in range(3):
        bench.submit()
    bench.release()
    bench.judge(2, 2)
    bench.end()
    yield bench


def unsure_stories() -> Iterator[OutboxBench]:
    """Everything that can become of a signal whose transport ended before it was judged."""
    resumed = OutboxBench()
    resumed.submit()
    resumed.submit()
    resumed.submit()
    resumed.submit(ttl=1.0)
    resumed.submit(keep=False)
    taken_back = resumed.submit()
    resumed.release()
    resumed.lose()
    resumed.pass_time(2.0)
    resumed.welcome(2, 2)
    resumed.cancel(taken_back)
    for _ in range(2):
        resumed.release()
        resumed.lose()
        resumed.welcome(2)
    yield resumed
    anew = OutboxBench()
    anew.submit()
    anew.submit(keep=False)
    anew.submit(session_only=True)
    anew.submit()
    anew.release()
    anew.submit(session_only=True)
    anew.lose()
    anew.welcome(None, resumed=False)
    anew.release()
    anew.judge(1)
    anew.lose()
    yield anew
    over = OutboxBench()
    over.submit()
    over.release()
    over.lose()
    over.end()
    yield over


def tour() -> list[list[Move]]:
    """Return what the outbox said in stories that take every row of the chart."""
    benches = [*held_stories(), *sent_stories(), *unsure_stories()]
    assert set().union(*(bench.life.rows for bench in benches)) == set(range(len(CHART.transitions)))
    return [bench.life.record for bench in benches]


def conforms(chart: Statechart) -> bool:
    """Return whether everything that the outbox said on its tour is so on this chart."""
    try:
        for record in tour():
            replay(chart, record)
    except AssertionError:
        return False
    return True


def test_the_outbox_conforms() -> None:
    """Every move is a row, and every outcome the final state's role."""
    assert conforms(CHART)


def pairs() -> list[tuple[int, str]]:
    """Return each row with each leaf that it stands for."""
    return [
        (number, leaf) for number, row in enumerate(CHART.transitions) for source in row.sources for leaf in CHART.below(source)
    ]


@pytest.mark.parametrize(("number", "leaf"), pairs(), ids=lambda value: str(value))
def test_every_row_counts(number: int, leaf: str) -> None:
    """With any one row replaced by an ignore, or led to any other state, the outbox no longer conforms."""
    row = CHART.transitions[number]
    rest = tuple(other for source in row.sources for other in CHART.below(source) if other != leaf)
    rows = [one if one is not row else replace(row, sources=rest) for one in CHART.transitions]
    ignored = replace(
        CHART,
        transitions=tuple(rows),
        ignores=(*CHART.ignores, Ignore(on=(row.on,), states=(leaf,), why="tampered with")),
        sha256=f"{row.on} is ignored in {leaf}",
    )
    assert ignored.table[leaf, row.on].verdict is StepVerdict.IGNORED
    assert not conforms(ignored)
    for other in CHART.leaves:
        if other != CHART.table[leaf, row.on].target:
            moved = replace(row, sources=(leaf,), to=other)
            led = replace(CHART, transitions=(*rows, moved), sha256=f"{row.on} in {leaf} leads to {other}")
            assert led.table[leaf, row.on].target == other
            assert not conforms(led), f"{row.on} from {leaf} may as well lead to {other}"


# -- random scripts ------------------------------------------------------------------------------------------------------------


class OutboxLaw(RuleBasedStateMachine):
    """Q01, Q04, Q05, Q09, Q12, Q16: whatever happens to an outbox, it conforms, keeps order, and tells the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.linked = False
        self.had_link = False
        self.on_link: list[int] = []  # sent on the present link, or on the last one while away
        self.judged = 0  # what the present hub says it judged
        self.told: set[int] = set()  # whose outcome was looked at already
        self.elsewhere: set[int] = set()  # handed to a hub that cannot be asked any more
        self.opted_in: dict[int, bool] = {}
        self.weights: dict[int, int] = {}
        self.for_one: set[int] = set()  # meant for the connection that they were submitted for

    @initialize(
        overflow=st.sampled_from(list(Overflow)),
        signals=st.integers(2, 8),
        in_flight=st.integers(1, 4),
        acknowledged=st.sampled_from([True, True, True, False]),
    )
    def born(self, overflow: Overflow, signals: int, in_flight: int, acknowledged: bool) -> None:
        self.bench = OutboxBench(signals=signals, size=80, in_flight=in_flight, overflow=overflow, acknowledged=acknowledged)
        self.in_flight, self.overflow, self.acknowledged = in_flight, overflow, acknowledged
        self.join_anew(None)

    # -- what the user does ----------------------------------------------------------------------------------------------------

    @rule(
        keep=st.sampled_from([True, True, False]),
        ttl=st.sampled_from([None, None, 0.5, 2.0]),
        length=st.sampled_from([0, 0, 0, 5, 25]),
        kind=st.sampled_from(["", "chat"]),
        store=st.sampled_from([True, True, True, False]),
        send=st.booleans(),
        session_only=st.sampled_from([False, False, True]),
    )
    def submit(self, keep: bool, ttl: float | None, length: int, kind: str, store: bool, send: bool, session_only: bool) -> None:
        before = (self.bench.outbox.submitted, self.bench.outbox.pending, self.bench.outbox.size)
        try:
            serial = self.bench.submit("x" * length, type=kind, keep=keep, ttl=ttl, store=store, session_only=session_only)
        except OutboxFull:
            assert self.overflow is not Overflow.DROP_NEWEST
            assert (self.bench.outbox.submitted, self.bench.outbox.pending, self.bench.outbox.size) == before
        else:
            assert serial == before[0] + 1
            self.opted_in[serial], self.weights[serial] = keep, len(kind) + length + 2
            if session_only:
                self.for_one.add(serial)
            if self.bench.away and not keep:
                assert self.bench.status(serial) == "dropped"
        if self.linked and send:
            self.release()

    @rule()
    def store(self) -> None:
        self.bench.store()

    @rule(serial=st.integers(1, 30))
    def cancel(self, serial: int) -> None:
        open_before = self.bench.status(serial) == "pending" and serial in self.opted_in
        if self.bench.cancel(serial):
            assert open_before
            assert not self.may_be_known(serial)
            assert self.bench.status(serial) == "cancelled"

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.5]))
    def pass_time(self, seconds: float) -> None:
        self.bench.pass_time(seconds)

    @rule(seconds=st.sampled_from([0.6, 1.5]))
    def oversleep(self, seconds: float) -> None:
        self.bench.now += seconds
        if self.linked:
            self.release()
        self.bench.pass_time(0.0)

    @precondition(lambda self: self.on_link)
    @rule(over=st.sampled_from([False, False, False, True]))
    def end(self, over: bool) -> None:
        if not over:
            return
        self.bench.end()
        assert self.bench.outbox.pending == self.bench.outbox.size == 0
        self.look()
        self.linked, self.had_link, self.on_link, self.judged = False, False, [], 0
        self.for_one.clear()

    # -- what the network and the hub do ---------------------------------------------------------------------------------------

    @precondition(lambda self: self.linked)
    @rule()
    def release(self) -> None:
        frames = self.bench.release()
        serials = [frame.serial for frame in frames]
        assert serials == sorted(serials)
        assert not serials or not self.on_link or self.on_link[-1] < serials[0], "an earlier one is sent after a later one"
        assert set(serials) <= self.bench.stored
        for frame in frames:
            assert frame.repeat is (frame.serial in self.elsewhere)
            assert frame.ttl is None or frame.ttl > 0
        self.on_link += serials
        unjudged = [serial for serial in self.on_link if self.bench.status(serial) == "pending"]
        assert len(unjudged) <= self.in_flight

    @precondition(lambda self: self.linked and self.acknowledged)
    @rule(share=st.floats(0.0, 1.0), refused=st.sets(st.integers(1, 30), max_size=3))
    def judge(self, share: float, refused: set[int]) -> None:
        high = self.some_serial(share)
        fresh = {serial for serial in self.on_link if serial <= high and self.bench.status(serial) == "pending"}
        assert self.bench.judge(high, *refused)
        self.judged = max(self.judged, high)
        for serial in fresh:
            # What an earlier hub may have, this one cannot speak for.
            rejected = "rejected?" if serial in self.elsewhere else "rejected"
            assert self.bench.status(serial) == (rejected if serial in refused else "delivered")

    @precondition(lambda self: self.linked)
    @rule(beyond=st.integers(0, 3))
    def judge_what_was_never_sent(self, beyond: int) -> None:
        waiting = [serial for serial in self.opted_in if self.bench.status(serial) == "pending" and not self.was_sent(serial)]
        statuses = self.bench.statuses()
        assert not self.bench.judge(min(waiting, default=self.bench.outbox.submitted + 1) + beyond)
        assert self.bench.statuses() == statuses

    @precondition(lambda self: self.linked)
    @rule(blameable=st.booleans())
    def lose(self, blameable: bool) -> None:
        unjudged = [serial for serial in self.on_link if self.bench.status(serial) == "pending"]
        settled = set(self.bench.outcomes)
        self.bench.lose(blameable=blameable)
        self.linked, self.had_link = False, True
        for serial in self.bench.outcomes.keys() - settled:
            if self.bench.outcomes[serial].reason is Reason.POISON:
                assert blameable
                assert serial == unjudged[0]

    @precondition(lambda self: not self.linked)
    @rule(
        kind=st.sampled_from(["resume", "resume", "nothing", "the sender", "some"]),
        share=st.floats(0.0, 1.0),
        refused=st.sets(st.integers(1, 30), max_size=3),
        proves=st.sampled_from([True, True, False]),
    )
    def come_back(self, kind: str, share: float, refused: set[int], proves: bool) -> None:
        self.bench.proves = proves
        if kind == "resume" and self.had_link:
            self.resume(self.some_serial(share), refused)
        else:
            self.join_anew({"nothing": None, "some": self.some_serial(share)}.get(kind, 0))
        self.release()

    def resume(self, accepted: int, refused: set[int]) -> None:
        """The same hub, the same connection: it says what it judged, and so what it does not have."""
        assert self.bench.welcome(accepted, *refused, resumed=True)
        for serial in self.unjudged_on_link(accepted):
            if not self.opted_in[serial] and serial not in self.elsewhere:
                assert self.bench.status(serial) == "dropped"
        self.look(denied={serial for serial in self.on_link if serial > accepted})
        self.linked, self.on_link, self.judged = True, [], accepted

    def join_anew(self, accepted: int | None) -> None:
        """A new connection, maybe to another life of the hub: what it says of itself says nothing of the lives before."""
        left = {serial for serial in self.on_link if serial > (accepted or 0) and self.bench.status(serial) == "pending"}
        waiting = {serial for serial in self.for_one if self.bench.status(serial) == "pending"} - left
        lost = self.had_link
        assert self.bench.welcome(accepted, resumed=False)
        self.elsewhere |= left
        for serial in left:
            if not self.opted_in[serial] or (lost and serial in self.for_one):
                assert self.bench.status(serial) == "failed?"
        for serial in waiting - self.elsewhere if lost else ():
            assert self.bench.status(serial) in ("dropped", "delivered"), "it is not sent on another connection"
        self.look()
        self.linked, self.on_link, self.judged = True, [], accepted or 0

    # -- what the model knows --------------------------------------------------------------------------------------------------

    def some_serial(self, share: float) -> int:
        """Return a serial that the present hub may have judged, at least what it said before."""
        known = [serial for serial in self.on_link if serial >= self.judged] or [self.judged]
        return [self.judged, *known][int(share * len(known))]

    def was_sent(self, serial: int) -> bool:
        return serial in self.on_link or serial in self.elsewhere

    def unjudged_on_link(self, accepted: int) -> set[int]:
        """Return what was sent on the last link, has no outcome, and is not covered by this word of the hub."""
        return {serial for serial in self.on_link if serial > accepted and self.bench.status(serial) == "pending"}

    def may_be_known(self, serial: int, denied: frozenset[int] | set[int] = frozenset()) -> bool:
        """Return whether some hub, living or dead, may have this signal."""
        return serial in self.elsewhere or (serial in self.on_link and serial not in denied)

    def look(self, denied: set[int] | None = None) -> None:
        """Look at each new outcome: does it say the truth about what may have been sent?"""
        for serial, outcome in self.bench.outcomes.items():
            if serial in self.told:
                continue
            self.told.add(serial)
            if outcome.status in (OutcomeStatus.DELIVERED, OutcomeStatus.REJECTED, OutcomeStatus.WRITTEN):
                assert self.was_sent(serial)
            else:
                assert outcome.possibly_sent is self.may_be_known(serial, denied or set()), f"{serial} is {outcome}"

    @invariant()
    def nothing_is_told_wrongly(self) -> None:
        self.look()
        pending = (serial for serial in self.opted_in if self.bench.status(serial) == "pending")
        assert self.bench.outbox.size == sum(self.weights[serial] for serial in pending)


OutboxLawTest = OutboxLaw.TestCase
OutboxLawTest.settings = settings(max_examples=2 * settings().max_examples)


def step(law: OutboxLaw, random: Random) -> None:
    """Take one step of a long life."""
    some = set(random.sample(range(1, 30), 2))
    moves: list[Callable[[], object]] = [
        lambda: law.submit(
            keep=random.random() < 0.7,
            ttl=random.choice([None, None, 0.5, 2.0]),
            length=random.choice([0, 0, 0, 5, 25]),
            kind=random.choice(["", "chat"]),
            store=random.random() < 0.8,
            send=random.random() < 0.5,
            session_only=random.random() < 0.2,
        ),
        law.store,
        lambda: law.cancel(serial=max(1, law.bench.outbox.submitted - random.randrange(8))),
        lambda: law.pass_time(seconds=random.choice([0.0, 0.1, 0.6])),
        lambda: law.oversleep(seconds=0.6),
    ]
    if not law.linked:
        kind = random.choice(["resume", "resume", "nothing", "the sender", "some"])
        proves = random.random() < 0.7
        moves += [lambda: law.come_back(kind=kind, share=random.random(), refused=some, proves=proves)] * 4
    else:
        moves += [lambda: law.lose(blameable=random.random() < 0.5)] * 2 + [law.release]
        moves += [lambda: law.judge_what_was_never_sent(beyond=random.randrange(3))]
        moves += [lambda: law.judge(share=random.random(), refused=some)] * (2 if law.acknowledged else 0)
        moves += [lambda: law.end(over=random.random() < 0.1)] if law.on_link else []
    random.choice(moves)()
    law.nothing_is_told_wrongly()


@pytest.mark.parametrize("seed", range(20))
def test_a_long_life_keeps_the_law(seed: int) -> None:
    """Q09, Q12: the same law over thousands of steps, where doubts and windows meet."""
    random = Random(seed)
    law = OutboxLaw()
    law.born(
        overflow=random.choice(list(Overflow)),
        signals=random.randint(2, 8),
        in_flight=random.randint(1, 4),
        acknowledged=random.random() < 0.8,
    )
    for _ in range(500):
        step(law, random)
