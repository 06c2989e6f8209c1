"""A link that can be cut from within, so that one can watch what a session does about it.

It is cut as a network cuts it: the socket ends without a word to anyone, and the session hears of it as of any other loss. For as
long as the link is to stay away no new one is opened, and one that was being opened is cut as well.
"""

from __future__ import annotations

import asyncio

from reconnect.errors import TransportFailed
from reconnect.ports import Dialer, Transport
from reconnect.reasons import Cause, Reason


class CuttableDialer:
    """A ports.Dialer around another."""

    def __init__(self, dial: Dialer) -> None:
        self._dial = dial
        self._transport: Transport | None = None
        self._away_until = 0.0
        self._cuts = 0

    def __repr__(self) -> str:
        return f"<CuttableDialer cuts={self._cuts}>"

    async def __call__(self, url: str) -> Transport:
        """Return an open transport, unless the link is cut."""
        self._check()
        cuts = self._cuts
        transport = await self._dial(url)
        if cuts != self._cuts:
            transport.abort()
            self._check()
            raise TransportFailed(Cause(reason=Reason.CLOSED, detail="the link was cut while it was opened"))
        self._transport = transport
        return transport

    def _check(self) -> None:
        left = self._away_until - asyncio.get_running_loop().time()
        if left > 0:
            raise TransportFailed(Cause(reason=Reason.UNREACHABLE, detail=f"the link is cut for another {left:.1f} s"))

    def cut(self, seconds: float = 0.0) -> None:
        """Cut the link, and let no new one through for so long."""
        self._cuts += 1
        self._away_until = asyncio.get_running_loop().time() + seconds
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
