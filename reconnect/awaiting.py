"""Calls that take time, and what is said to whoever takes one for its result.

`Unawaited` is what such a call returns until it is waited for. Each way to use it too early is a sentence with what to write
instead; one that is never waited for is warned of, as Python does of a coroutine. A type checker finds these mistakes where they
stand, and is shown none of this: an `@advised(...)` function keeps its type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast
from warnings import warn

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Coroutine[Any, Any, Any]])

# Python 3.12 has it, for those who ask whether a function is to be awaited.
_mark: Final[Callable[[Any], Any]] = getattr(inspect, "markcoroutinefunction", lambda function: function)


class Unawaited:
    """What a call returns until it is waited for: `call` was made, and `how` says what to write."""

    _begun = _told = True  # nothing to say of one that was refused as it was made
    _word = "awaited"
    _vain = "nothing was done"

    def __init__(self, call: str, how: str) -> None:
        self._call, self._how = call, how
        self._begun = self._told = False

    def _advice(self, problem: str = "") -> str:
        self._told = True  # once is enough
        return f"{self._call} {problem or f'was not {self._word} yet'}: {self._how}"

    if not TYPE_CHECKING:  # pragma: no branch  # a type checker finds these mistakes where they stand

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            raise AttributeError(self._advice(f"was not {self._word} yet, and has no {name!r}"), name=name, obj=self)

        def __getitem__(self, key: object) -> NoReturn:
            raise TypeError(self._advice())

        def __await__(self) -> NoReturn:
            raise TypeError(self._advice())

        def __aiter__(self) -> NoReturn:
            raise TypeError(self._advice())

        def __enter__(self) -> NoReturn:
            raise TypeError(self._advice("takes time, and `with` cannot wait"))

        def __exit__(self, *exc_info: object) -> None:
            """Never called; it is here so that `with` gets as far as the sentence above."""

        def __aenter__(self) -> NoReturn:
            raise TypeError(self._advice())

        def __aexit__(self, *exc_info: object) -> NoReturn:
            """Never called; it is here for `async with`."""

    def __del__(self) -> None:
        if not (self._begun or self._told):
            warn(self._advice(f"was never {self._word}, so {self._vain}"), RuntimeWarning, stacklevel=2)


class Call(Unawaited, Coroutine[Any, Any, T]):
    """A call of an async function: its coroutine, once it is awaited. Until then there is none that Python would warn of, too."""

    def __init__(self, function: Callable[[], Coroutine[Any, Any, T]], name: str, how: str) -> None:
        super().__init__(f"{name}()", how)
        self.__name__ = self.__qualname__ = name
        self._function = function
        self._coroutine: Coroutine[Any, Any, T] | None = None

    def __repr__(self) -> str:
        return f"<{self._call}: {self._how}>"

    def _begin(self) -> Coroutine[Any, Any, T]:
        self._begun = True
        if self._coroutine is None:
            self._coroutine = self._function()
        return self._coroutine

    def __await__(self) -> Generator[Any, None, T]:
        return self._begin().__await__()

    def send(self, value: Any) -> Any:
        """Go on, as a task does."""
        if value is not None and not self._begun:
            raise TypeError(self._advice())
        return self._begin().send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where it waits."""
        return self._begin().throw(*error)

    def close(self) -> None:
        """End it; on purpose, so nothing is said."""
        self._begin().close()

    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> Any:
            if name.startswith(("cr_", "gi_")):  # what asyncio shows of a task
                return getattr(self._coroutine, name)
            return super().__getattr__(name)


def advised(how: str) -> Callable[[Function], Function]:
    """Make calls of an async function say `how` to use them, where nobody awaits them."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*args: Any, **options: Any) -> Call[Any]:
            function(*args, **options).close()  # Python refuses here what it does not take
            return Call(partial(function, *args, **options), function.__name__, how)

        return cast(Function, _mark(call))

    return decorate
