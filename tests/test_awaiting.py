"""Calls that take time: what is said to whoever takes one for its result, and that they are coroutines otherwise."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import reconnect
from reconnect.awaiting import Unawaited, advised
from reconnect.client import Publisher, Session, Subscriber
from reconnect.testing import run

HOW = "write `answer = await ask(...)`"
TOO_EARLY = f"ask() was not awaited yet: {HOW}"


@advised(HOW)
async def ask(number: int = 5) -> int:
    """Return the number."""
    await asyncio.sleep(0)
    return number


async def enter(call: Any) -> None:
    async with call:
        pytest.fail("it must not be entered")


async def iterate(call: Any) -> None:
    async for _ in call:
        pytest.fail("there is nothing in it")


def enter_at_once(call: Any) -> None:
    with call:
        pytest.fail("it must not be entered")


MISTAKES: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "attribute": (lambda call: call.status, AttributeError, f"ask() was not awaited yet, and has no 'status': {HOW}"),
    "send": (lambda call: call.send(b"a frame"), TypeError, TOO_EARLY),
    "item": (lambda call: call["key"], TypeError, TOO_EARLY),
    "loop": (list, TypeError, TOO_EARLY),
    "async with": (lambda call: run(enter(call)), TypeError, TOO_EARLY),
    "async for": (lambda call: run(iterate(call)), TypeError, TOO_EARLY),
    "with": (enter_at_once, TypeError, f"ask() takes time, and `with` cannot wait: {HOW}"),
}


@pytest.mark.parametrize(("mistake", "kind", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_one_that_is_taken_for_its_result_says_what_to_write(
    mistake: Callable[[Any], Any], kind: type[Exception], sentence: str
) -> None:
    """Once: neither we nor Python warn a second time of what was said, in whatever order it is collected."""
    call = ask()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(kind) as told:
            mistake(call)
        assert str(told.value) == sentence
        del call, told
        gc.collect()
    assert warned == []


def test_one_that_nobody_awaits_is_warned_of_where_it_is_let_go() -> None:
    with pytest.warns(RuntimeWarning) as told:
        ask()  # type: ignore[unused-coroutine]  # the mistake
    assert [str(warning.message) for warning in told] == [f"ask() was never awaited, so nothing was done: {HOW}"]
    assert told[0].filename == __file__


def test_one_that_is_closed_on_purpose_is_not() -> None:
    ask().close()
    with pytest.raises(ZeroDivisionError):
        ask().throw(ZeroDivisionError())
    gc.collect()


def test_a_private_name_is_asked_for_by_tools_and_says_nothing() -> None:
    call = ask()
    with pytest.raises(AttributeError, match=r"^'Call' object has no attribute '_ipython_display_'$"):
        call._ipython_display_  # type: ignore[attr-defined]  # noqa: B018  # it is nowhere
    assert repr(call) == f"<ask(): {HOW}>"
    call.close()


def test_awaited_it_is_the_coroutine_that_it_was_made_of() -> None:
    async def all_of_it() -> None:
        assert await ask() == 5
        assert list(await asyncio.gather(ask(1), ask(2))) == [1, 2]
        assert await asyncio.wait_for(ask(), 1) == 5
        task = asyncio.get_running_loop().create_task(ask(7))
        assert "coro=<ask()>" in repr(task)
        await asyncio.sleep(0)
        assert "ask() running at" in repr(task)
        task.print_stack(file=(printed := io.StringIO()))
        assert "await asyncio.sleep(0)" in printed.getvalue()
        assert await task == 7
        cancelled = asyncio.get_running_loop().create_task(ask())
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    run(all_of_it())


def test_a_wrong_call_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'numbre'"):
        ask(numbre=5)  # type: ignore[call-arg,unused-coroutine]  # the mistake


def test_the_function_keeps_its_name_its_words_and_its_signature() -> None:
    assert (ask.__name__, ask.__doc__) == ("ask", "Return the number.")
    assert str(inspect.signature(ask)) == "(number: 'int' = 5) -> 'int'"
    call = ask()
    assert asyncio.iscoroutine(call)
    assert call, "from Python 3.12 on asyncio asks so of what a task was made of"
    call.close()


async def typed() -> None:
    """Never run: mypy reads it, and would call an ignore unused where the types were lost."""
    number: int = await ask()
    await ask("five")  # type: ignore[arg-type]
    ask(number)  # type: ignore[unused-coroutine]
    ask().status  # type: ignore[attr-defined]  # noqa: B018


# -- where it is used ----------------------------------------------------------------------------------------------------------

PER_SIGNAL = {"signal_when_room", "wait_room"}  # nothing is added to what may be called for each signal; Python warns of these


@pytest.mark.parametrize("kind", [Session, Publisher, Subscriber, reconnect.Hub])
def test_every_call_that_is_to_be_awaited_says_so(kind: type) -> None:
    awaited = {
        name: member
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and inspect.iscoroutinefunction(inspect.unwrap(member))
    }
    silent = {name for name, member in awaited.items() if inspect.unwrap(member) is member}
    assert silent - {"attend"} == PER_SIGNAL & awaited.keys()  # a transport is handed to attend(), by programs and not by people


def test_a_subclass_says_only_what_it_allows() -> None:
    class Door(Unawaited):
        _word = "opened"

    door: Any = Door("door()", "open it")
    with pytest.raises(TypeError, match=r"^door\(\) was not opened yet: open it$"):
        run(_await(door))
    with pytest.raises(TypeError, match=r"^door\(\) was not opened yet: open it$"):
        run(enter(door))


async def _await(thing: Any) -> Any:
    return await thing
