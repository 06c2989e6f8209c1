"""Callers that wait for room in the outbox: first come, first served.

- Whoever stands first goes as soon as its signal fits; a small one behind a large one waits for it, so that nobody starves.
- A caller submits its own signal, in the turn in which it goes: one that is cancelled before has sent nothing, and lets the next
  one go. What waits here is not in the outbox: it has no serial, and is in no statistics.
- Where no room will come, or none is needed, nobody waits: at the end of the session, and with `retry_after_reconnect=False`
  during an outage. The submission then says what becomes of the signal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from reconnect.client.receipt import Receipt
from reconnect.core.session import SessionCore


class _Caller:
    """One that waits: with a signal of this size, which opted out of waiting for a return or did not."""

    __slots__ = ("goes", "keep", "size")

    def __init__(self, size: int, keep: bool) -> None:
        self.size, self.keep = size, keep
        self.goes: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Room:
    """The callers of one session that wait for room in its outbox."""

    def __init__(self, core: SessionCore) -> None:
        self._core = core
        self._line: deque[_Caller] = deque()

    def __repr__(self) -> str:
        return f"<Room waiting={len(self._line)}>"

    async def submit(self, signal: Callable[[], Receipt], size: int, *, keep: bool) -> Receipt:
        """Return the receipt of a signal once it was its turn."""
        caller = _Caller(size, keep)
        self._line.append(caller)
        try:
            while not self._may_go(caller):
                caller.goes = asyncio.get_running_loop().create_future()
                await caller.goes
            return signal()
        finally:
            self._line.remove(caller)
            self.check()

    def check(self) -> None:
        """Wake those who may go; whoever gives a signal its outcome, or changes the state, calls this."""
        if self._line:
            all_go = self._core.role != "online"
            for caller in tuple(self._line) if all_go else (self._line[0],):
                if not caller.goes.done() and self._may_go(caller):
                    caller.goes.set_result(None)

    def _may_go(self, caller: _Caller) -> bool:
        role = self._core.role
        if role in ("offline", "closing") or (role == "recovering" and not caller.keep):
            return True
        return self._line[0] is caller and self._core.at.outbox.has_room_for(caller.size)
