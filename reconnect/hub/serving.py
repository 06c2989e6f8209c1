"""`hub.serve(...)`: a block in which a hub listens, and what is said to whoever does not enter it, or cannot."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Final

from reconnect.awaiting import Unawaited
from reconnect.errors import BadArgument, ListenFailed

if TYPE_CHECKING:
    from reconnect.transport.websocket import Listener

_HOW: Final = "write `async with hub.serve(...) as server:`"
_PORTS: Final = 65_535


class Serving(Unawaited, AbstractAsyncContextManager["Listener"]):
    """What `serve()` returns: use it with `async with`."""

    _word = "entered"
    _vain = "nothing listens"

    def __init__(self, listening: AbstractAsyncContextManager[Listener], host: str, port: int) -> None:
        if not isinstance(host, str):
            raise BadArgument(
                f"host is an address of this machine, as '127.0.0.1', and this is {host!r}; a port is given by name"
            )
        if not isinstance(port, int) or not 0 <= port <= _PORTS:
            raise BadArgument(f"port is {port!r}; it must be a whole number from 0, which takes a free one, to {_PORTS}")
        super().__init__("serve()", _HOW)
        self._listening, self._host, self._port = listening, host, port

    def __repr__(self) -> str:
        return f"<Serving {self._host}:{self._port}: use `async with`>"

    async def __aenter__(self) -> Listener:
        self._begun = True
        try:
            return await self._listening.__aenter__()
        except OSError as error:
            raise ListenFailed(self._host, self._port, error) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._listening.__aexit__(kind, error, traceback)
