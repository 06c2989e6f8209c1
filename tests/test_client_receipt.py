"""The receipt: awaited by anyone, any number of times, and completed exactly once."""

from __future__ import annotations

import asyncio

import pytest

from reconnect.client.outbox import Outbox
from reconnect.client.receipt import Receipt
from reconnect.client.receipt import settle as settle_all
from reconnect.core import outcomes
from reconnect.core.notices import Outcome
from reconnect.errors import BadArgument
from reconnect.reasons import OutcomeStatus
from reconnect.testing import run

DELIVERED = Outcome(status=OutcomeStatus.DELIVERED)


class Owner:
    """A session of one signal."""

    def __init__(self, may_cancel: bool) -> None:
        self.may_cancel = may_cancel
        self._outbox = Outbox()

    def _cancel(self, serial: int) -> bool:
        return self.may_cancel and serial == 7


def receipt(cancel: bool = True) -> Receipt:
    return Receipt(7, lambda: Owner(cancel))


def settle(one: Receipt, outcome: Outcome) -> None:
    settle_all({one.serial: one}, (one.serial,), outcome)


def test_it_shows_its_serial_and_its_outcome() -> None:
    one = receipt()
    assert (repr(one), one.outcome, one.serial) == ("<Receipt 7 pending>", None, 7)
    settle(one, DELIVERED)
    assert (repr(one), one.outcome) == ("<Receipt 7 delivered>", DELIVERED)


def test_it_is_awaited_by_several_and_again() -> None:
    async def story() -> None:
        one = receipt()
        waiting = [asyncio.ensure_future(one) for _ in range(3)]
        await asyncio.sleep(1)
        assert not any(task.done() for task in waiting)
        settle(one, DELIVERED)
        assert await asyncio.gather(*waiting) == [DELIVERED] * 3
        assert await one is DELIVERED

    run(story())


def test_a_cancelled_wait_changes_nothing_and_leaves_nothing() -> None:
    """U05: a caller that gives up waiting does not touch the signal, nor whoever else waits."""

    async def story() -> None:
        one = receipt()
        staying = asyncio.ensure_future(one)
        for _ in range(100):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await one
        assert one._waiters is not None
        assert len(one._waiters) == 1, "those that gave up are forgotten"
        assert one.outcome is None
        settle(one, DELIVERED)
        assert await staying is DELIVERED

    run(story())


def test_a_wait_that_is_cancelled_at_the_instant_of_the_outcome() -> None:
    async def story() -> None:
        one = receipt()
        waiting, leaving = asyncio.ensure_future(one), asyncio.ensure_future(one)
        await asyncio.sleep(0)
        leaving.cancel()
        settle(one, DELIVERED)
        assert await waiting is DELIVERED
        with pytest.raises(asyncio.CancelledError):
            await leaving

    run(story())


def test_a_waiter_that_is_done_already_is_passed_over() -> None:
    async def story() -> None:
        one = receipt()
        first, second = asyncio.ensure_future(one), asyncio.ensure_future(one)
        await asyncio.sleep(0)
        assert one._waiters is not None
        one._waiters[0].cancel()
        settle(one, DELIVERED)
        assert await second is DELIVERED
        with pytest.raises(asyncio.CancelledError):
            await first

    run(story())


def test_it_takes_the_signal_back_only_while_it_has_no_outcome() -> None:
    assert receipt().cancel() is True
    assert receipt(cancel=False).cancel() is False
    settled = receipt()
    settle(settled, DELIVERED)
    assert settled.cancel() is False


def test_a_receipt_gets_one_outcome() -> None:
    one = receipt()
    pending = {7: one}
    settle_all(pending, (7, 8), DELIVERED)
    settle_all(pending, (7,), outcomes.EXPIRED)
    assert one.outcome is DELIVERED
    assert not pending


@pytest.mark.parametrize("name", ["delivered", "status", "reason", "possibly_sent"])
def test_what_belongs_to_the_outcome_is_not_looked_for_in_vain(name: str) -> None:
    with pytest.raises(AttributeError) as missing:
        getattr(receipt(), name)
    assert (
        str(missing.value) == f"{name} belongs to the outcome, and a receipt is on its way to it: write `outcome = await receipt`"
    )
    assert not hasattr(receipt(), name)


def test_what_is_nowhere_is_an_attribute_error_as_ever() -> None:
    with pytest.raises(AttributeError, match="'Receipt' object has no attribute 'nonsense'"):
        _ = receipt().nonsense  # type: ignore[attr-defined]  # the mistake


def test_in_memory_nothing_is_stored() -> None:
    """Whoever asks is told what to do instead, and nobody waits for ever."""
    with pytest.raises(
        BadArgument, match=r"this outbox keeps signals in memory alone; one with a file, as Outbox\('outbox.db'\)"
    ):
        run(receipt().stored)
    with pytest.raises(BadArgument, match="the session that this signal was given to is gone"):
        run(Receipt(7, lambda: None).stored)
