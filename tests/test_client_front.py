"""The listener of a driver: to whom it passes on what is told."""

from __future__ import annotations

from reconnect.core.frames import SendSignal
from reconnect.core.notices import Outcome
from reconnect.reasons import OutcomeStatus
from tests.bench import Bench, on_bench


@on_bench
async def test_it_shows_what_it_holds(bench: Bench) -> None:
    session, hub = await bench.online()
    receipt, stream = session.signal("one"), session.signals()
    assert repr(session._front) == "<Front room-1 receipts=1 iterators=1>"
    assert repr(stream) == "<SignalStream type=None waiting=0>"
    await hub.next(SendSignal)
    await hub.accept(1)
    assert (await receipt).delivered
    assert repr(session._front) == "<Front room-1 receipts=0 iterators=1>"


@on_bench
async def test_an_outcome_without_a_receipt_is_nobodys(bench: Bench) -> None:
    """A durable outbox settles signals that another process submitted."""
    session, _ = await bench.online()
    receipt = session.signal("one")
    session._front.settle((99, receipt.serial), Outcome(status=OutcomeStatus.DELIVERED))
    assert receipt.outcome is not None


@on_bench
async def test_iterators_and_observers_have_their_turn_in_the_order_in_which_they_came(bench: Bench) -> None:
    """U07: what hung on the order of a set hung on addresses, and was another in each run."""
    session, _ = await bench.online()
    streams = [session.signals() for _ in range(12)]
    assert list(session._front.iterators) == streams
    del streams[3:9]
    assert list(session._front.iterators) == streams
