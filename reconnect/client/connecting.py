"""`reconnect.connect(...)`: a session that is connected when the block begins, and left when it ends."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final, NoReturn, ParamSpec

from reconnect.client.session import Session

P = ParamSpec("P")

_HOW: Final = "write `async with reconnect.connect(...) as session:` or `session = await reconnect.connect(...)`"


class Connecting:
    """What `connect()` returns: use it with `async with`, or await it for a connected Session that you disconnect yourself."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._entered = False

    def __repr__(self) -> str:
        return f"<Connecting {self._session!r}: use `async with` or await it>"

    def __await__(self) -> Generator[Any, None, Session]:
        self._entered = True
        return self._session.__aenter__().__await__()

    async def __aenter__(self) -> Session:
        self._entered = True
        return await self._session.__aenter__()

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.__aexit__(*exc_info)

    # -- what is done with it by mistake -----------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # pragma: no branch  # a type checker finds these mistakes where they stand

        def __getattr__(self, name: str) -> NoReturn:
            if not name.startswith("_") and hasattr(Session, name):
                self._entered = True  # it is said here, once
                raise AttributeError(
                    f"{name} belongs to a session, and connect() was not awaited yet: {_HOW}", name=name, obj=self
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

        def __enter__(self) -> NoReturn:
            self._entered = True
            raise TypeError(f"connecting takes time, and `with` cannot wait: {_HOW}")

        def __exit__(self, *exc_info: object) -> None:
            """Never called; it is here so that `with` gets as far as the sentence above."""

    def __del__(self) -> None:
        # As for a coroutine that is never awaited.
        if not self.__dict__.get("_entered", True):
            warnings.warn(f"connect() was never awaited, so nothing was connected: {_HOW}", RuntimeWarning, stacklevel=2)


def _takes_what(made: Callable[P, Session]) -> Callable[[Callable[..., Connecting]], Callable[P, Connecting]]:
    """Give a function the parameters of Session, for type checkers, editors and `help()` alike."""

    def decorate(function: Callable[..., Connecting]) -> Callable[P, Connecting]:
        signature = inspect.signature(made)
        function.__signature__ = signature.replace(return_annotation=Connecting)  # type: ignore[attr-defined]  # help() reads it
        return function

    return decorate


@_takes_what(Session)
def connect(*args: Any, **options: Any) -> Connecting:
    """Connect to a session: `async with reconnect.connect("ws://127.0.0.1:8470", session="room-1", token=token) as session`.

    Takes what Session takes, and raises what Session raises. Entering the block, or awaiting, raises ConnectFailed where the hub
    cannot be reached or refuses; leaving the block disconnects.
    """
    return Connecting(Session(*args, **options))
