"""What callers wait for: woken in the turn in which it holds, and forgotten when they give up."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from reconnect.client.waits import Calls, Conditions
from reconnect.errors import RequestFailed
from reconnect.testing import run


def test_a_condition_that_holds_is_not_waited_for() -> None:
    async def story() -> None:
        conditions = Conditions()
        assert await conditions.until(lambda: "yes") == "yes"
        assert repr(conditions) == "<Conditions waiting=0>"

    run(story())


def test_whoever_waits_gets_what_it_was_worth_then() -> None:
    """A condition that holds for one turn only is not missed."""

    async def story() -> None:
        conditions, state = Conditions(), {"now": ""}
        waiting = asyncio.ensure_future(conditions.until(lambda: state["now"]))
        other = asyncio.ensure_future(conditions.until(lambda: state["now"] == "later"))
        await asyncio.sleep(0)
        assert repr(conditions) == "<Conditions waiting=2>"
        state["now"] = "online"
        conditions.check()
        state["now"] = "lost again"
        conditions.check()
        assert await waiting == "online"
        assert not other.done()
        state["now"] = "later"
        conditions.check()
        assert await other is True

    run(story())


def test_one_that_gives_up_is_forgotten() -> None:
    """U05: cancelled waits change nothing, and do not pile up."""

    async def story() -> None:
        conditions = Conditions()
        for _ in range(100):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await conditions.until(lambda: False)
        assert repr(conditions) == "<Conditions waiting=0>"

    run(story())


def test_one_that_is_cancelled_in_the_turn_in_which_it_holds() -> None:
    async def story() -> None:
        conditions, state = Conditions(), {"holds": False}
        waiting = asyncio.ensure_future(conditions.until(lambda: state["holds"]))
        await asyncio.sleep(0)
        waiting.cancel()
        state["holds"] = True
        conditions.check()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(story())


def test_calls_have_numbers_of_their_own_and_are_answered_by_number() -> None:
    async def story() -> None:
        calls, sent = Calls(), []
        first, second = calls.number(), calls.number()
        assert first != second
        one = asyncio.ensure_future(calls.ask(first, lambda: sent.append(first)))
        two = asyncio.ensure_future(calls.ask(second, lambda: sent.append(second)))
        await asyncio.sleep(0)
        assert (sent, repr(calls)) == ([first, second], "<Calls waiting=2>")
        calls.answer(second, "two", None)
        calls.answer(second, "again", None)
        calls.answer(99, "nobody's", None)
        calls.answer(first, None, RequestFailed("kick", code=None))
        assert await two == "two"
        with pytest.raises(RequestFailed, match="kick failed: the connection dropped before the answer"):
            await one
        assert repr(calls) == "<Calls waiting=0>"

    run(story())


def test_a_call_that_is_answered_while_it_is_sent() -> None:
    async def story() -> None:
        calls = Calls()
        assert await calls.ask(1, lambda: calls.answer(1, "at once", None)) == "at once"

    run(story())


def test_a_call_that_cannot_be_sent_is_forgotten() -> None:
    async def story() -> None:
        calls = Calls()

        def fails() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await calls.ask(1, fails)
        assert repr(calls) == "<Calls waiting=0>"

    run(story())


def test_an_error_that_comes_together_with_a_cancellation_is_not_reported_as_forgotten() -> None:
    complaints: list[dict[str, Any]] = []

    async def story() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        calls = Calls()
        waiting = asyncio.ensure_future(calls.ask(1, lambda: None))
        await asyncio.sleep(0)
        calls.answer(1, None, RequestFailed("kick", code=None))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        del waiting
        gc.collect()
        await asyncio.sleep(0)

    run(story())
    assert complaints == []


def test_a_call_that_is_cancelled_takes_no_answer() -> None:
    async def story() -> None:
        calls = Calls()
        waiting = asyncio.ensure_future(calls.ask(1, lambda: None))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
        calls.answer(1, "late", None)
        assert waiting.cancelled()

    run(story())
