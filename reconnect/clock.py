"""The real clock: an instant that never goes back and counts suspended time, and timers on the running event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from reconnect.ports import TimerHandle

# CLOCK_BOOTTIME goes on while the machine is suspended, which CLOCK_MONOTONIC (and with it the event loop) does not on Linux.
_SUSPENDED_TOO = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """ports.Clock on the operating system's clocks."""

    def __repr__(self) -> str:
        return f"<SystemClock {self.now():.3f}>"

    def now(self) -> float:
        """Return seconds since the machine started."""
        return time.monotonic() if _SUSPENDED_TOO is None else time.clock_gettime(_SUSPENDED_TOO)

    def wall(self) -> float:
        """Return Unix time."""
        return time.time()

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        """Call back at `when`; after a suspension as late as the event loop is."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)
