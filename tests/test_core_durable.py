"""The outbox whose signals outlive the process, without a disk: what is taken up, what stays, and what has failed."""

from __future__ import annotations

import pytest

from reconnect.core import inputs
from reconnect.core.durable import DurableOutbox
from reconnect.core.effects import Effect, Forget, Settle
from reconnect.core.frames import SendSignal
from reconnect.core.rows import Row
from reconnect.errors import OutboxFailed
from reconnect.reasons import OutcomeStatus, Reason
from tests.core_world import CoreWorld


def submit(box: DurableOutbox, *, at: float = 0.0, store: bool = True, **fields: object) -> int:
    """Submit a signal, and have it stored unless told otherwise."""
    usual = {"data": b"1", "type": "", "to": None, "ttl": None, "keep": True, "at": at, "away": False}
    serial, _ = box.submit(**{**usual, **fields})
    rows = box.unstored()
    if store:
        box.stored(rows[-1].serial)
    return serial


def left(*serials: int, **fields: object) -> list[Row]:
    """Return what an earlier process left."""
    usual = {"type": "", "data": b"1", "to": None, "expires_at": None, "keep": True}
    return [Row(serial=serial, **{**usual, **fields}) for serial in serials]  # type: ignore[arg-type]  # by name


def settled(effects: list[Effect]) -> list[tuple[tuple[int, ...], str, bool, bool]]:
    """Return what was settled: serials, status, and whether possibly sent and still stored."""
    return [
        (effect.serials, effect.outcome.status, effect.outcome.possibly_sent, effect.outcome.stored)
        for effect in effects
        if isinstance(effect, Settle)
    ]


def adds_up(box: DurableOutbox) -> bool:
    """The conservation law."""
    return box.submitted == sum(box.counts.values()) + box.pending


def test_what_an_earlier_process_left_goes_first_as_possible_repeats() -> None:
    """Q04 Q05 Q20: in order, with their serials, and what the hub had is settled."""
    box = DurableOutbox(first_serial=10)
    box.restore(left(3, 5, 8))
    assert (box.pending, box.settled_up_to, box.size) == (3, 2, 3)
    assert submit(box) == 10
    effects = box.resume(5, (), 0.0, resumed=False)
    assert effects is not None
    assert settled(effects) == [((3, 5), OutcomeStatus.DELIVERED, False, False)]
    assert [effect.serials for effect in effects if isinstance(effect, Forget)] == [(3, 5)]
    frames, _ = box.release(0.0)
    assert [(frame.serial, frame.repeat) for frame in frames] == [(8, True), (10, False)]
    assert adds_up(box)


def test_what_an_earlier_process_left_and_may_not_be_sent_again_ends() -> None:
    """What opted out, what was for one connection, and what has expired: nobody can say whether it was sent."""
    box = DurableOutbox(first_serial=10)
    box.restore([*left(1, keep=False), *left(2, expires_at=5.0), *left(3)])
    effects = box.resume(None, (), 6.0, resumed=False)
    assert effects is not None
    assert [one[:3] for one in settled(effects)] == [((1,), "failed", True), ((2,), "failed", True)]
    assert [frame.serial for frame in box.release(6.0)[0]] == [3]
    assert adds_up(box)


def test_disconnected_ends_receipts_and_not_signals() -> None:
    """Q06: `failed`, still stored; each goes on with the next connection, and is told no second time."""
    box = DurableOutbox()
    submit(box)
    box.release(0.0)
    submit(box)
    unstored = submit(box, store=False)
    effects = box.end(Reason.KICKED)
    assert settled(effects) == [((1,), "failed", True, True), ((2,), "failed", False, True)]
    assert not any(isinstance(effect, Forget) for effect in effects)
    assert (box.pending, adds_up(box)) == (3, True)
    box.stored(unstored)
    assert settled(box.end(Reason.KICKED)) == [((3,), "failed", False, True)]
    assert settled(box.end(Reason.KICKED)) == []
    assert box.resume(None, (), 0.0, resumed=False) == []
    assert [(frame.serial, frame.repeat) for frame in box.release(0.0)[0]] == [(1, True), (2, False), (3, False)]
    assert adds_up(box)


def test_what_is_worth_nothing_later_does_not_stay() -> None:
    """What opted out and what was for this connection alone ends for good, sent or not."""
    box = DurableOutbox()
    submit(box, keep=False)
    box.release(0.0)
    submit(box, session_only=True)
    submit(box)
    effects = box.end(Reason.CLIENT_DISCONNECTED)
    assert settled(effects) == [((1,), "failed", True, False), ((2,), "failed", False, False), ((3,), "failed", False, True)]
    assert [effect.serials for effect in effects if isinstance(effect, Forget)] == [(1,), (2,)]
    assert (box.pending, adds_up(box)) == (1, True)
    assert [frame.serial for frame in box.release(0.0)[0]] == [3]


@pytest.mark.parametrize("certain", [True, False])
def test_what_could_not_be_kept_has_failed_and_is_not_sent(certain: bool) -> None:
    """A30 A31: where the disk may have kept it all the same, a later process may send it, and the outcome says so."""
    box = DurableOutbox()
    submit(box)
    submit(box, store=False)
    effects = box.unkept((2, 9), certain=certain)
    assert settled(effects) == [((2,), "failed", not certain, False)]
    box.stored(2)
    assert [frame.serial for frame in box.release(0.0)[0]] == [1]
    assert adds_up(box)


def world() -> CoreWorld:
    made = CoreWorld(durable=True)
    assert isinstance(made.core.at.outbox, DurableOutbox)
    return made


def test_a_faulty_store_is_an_error_of_the_caller_until_it_recovers() -> None:
    """A31: nothing is taken that could not be kept."""
    core = world().core
    core.feed(inputs.store_failed(OutboxFailed("outbox.db", "no space is left for it", "make room"), 1.0))
    with pytest.raises(OutboxFailed, match=r"outbox file outbox.db: no space is left for it; make room"):
        core.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=1.0)
    core.feed(inputs.StoreRecovered(at=2.0))
    assert core.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=2.0)[0] == 1


def test_while_disconnected_signals_are_taken() -> None:
    """What is worthless if late is dropped at once, as in an outage."""
    core = world().core
    serial, effects = core.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=1.0)
    assert (serial, effects) == (1, [])
    _, effects = core.submit(data=b"1", type="", to=None, ttl=None, keep=False, at=1.0)
    assert settled(effects) == [((2,), "dropped", False, False)]


def test_after_goodbye_nothing_is_sent_any_more() -> None:
    """What is submitted behind it is for the next connection."""
    bench = world()
    bench.connect()
    bench.join()
    bench.disconnect()
    sent = bench.core.submit(data=b"1", type="", to=None, ttl=None, keep=True, at=bench.now)[0]
    bench.feed(inputs.Flush(at=bench.now))
    assert not [one for effect in bench.turn for one in getattr(effect, "frames", ()) if isinstance(one, SendSignal)]
    assert sent == 1
    assert bench.core.at.outbox.pending == 1
