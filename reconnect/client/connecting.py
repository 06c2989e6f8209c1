"""`reconnect.connect(...)`: a session that is connected when the block begins, and left when it ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Any, Final, ParamSpec

from reconnect.awaiting import Unawaited
from reconnect.client.session import Session

P = ParamSpec("P")

_HOW: Final = "write `async with reconnect.connect(...) as session:` or `session = await reconnect.connect(...)`"


class Connecting(Unawaited):
    """What `connect()` returns: use it with `async with`, or await it for a connected Session that you disconnect yourself."""

    _vain = "nothing was connected"

    def __init__(self, session: Session) -> None:
        super().__init__("connect()", _HOW)
        self._session = session

    def __repr__(self) -> str:
        return f"<Connecting {self._session!r}: use `async with` or await it>"

    def __await__(self) -> Generator[Any, None, Session]:
        self._begun = True
        return self._session.__aenter__().__await__()

    async def __aenter__(self) -> Session:
        self._begun = True
        return await self._session.__aenter__()

    async def __aexit__(self, *exc_info: object) -> None:
        await self._session.__aexit__(*exc_info)


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
