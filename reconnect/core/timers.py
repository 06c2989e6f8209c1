"""The chart's timers of one session: at most one of each name, each with a generation of its own.

Nothing fires by itself: `due()` names what has come due, and `is_current()` tells whether it still counts when its turn comes,
for an earlier one of the same instant may have cancelled it.
"""

from __future__ import annotations

from reconnect.record import Record


class Armed(Record, kw_only=True):
    """A timer that was started."""

    name: str
    generation: int
    due_at: float


class Timers:
    """What is armed."""

    __slots__ = ("_armed", "_generation")

    def __init__(self) -> None:
        self._armed: dict[str, Armed] = {}
        self._generation = 0

    def __repr__(self) -> str:
        return f"<Timers {' '.join(f'{timer.name}@{timer.due_at:.3f}' for timer in self._armed.values())}>"

    @property
    def names(self) -> frozenset[str]:
        """The names of what is armed."""
        return frozenset(self._armed)

    def start(self, name: str, due_at: float) -> None:
        """Arm a timer; one of the same name that was armed before counts no more."""
        self._generation += 1
        self._armed[name] = Armed(name=name, generation=self._generation, due_at=due_at)

    def cancel(self, name: str) -> None:
        """Disarm a timer, if it is armed."""
        self._armed.pop(name, None)

    def due(self, at: float) -> list[Armed]:
        """Return what has come due, the earliest first."""
        due = (timer for timer in self._armed.values() if timer.due_at <= at)
        return sorted(due, key=lambda timer: (timer.due_at, timer.generation))

    def is_current(self, timer: Armed) -> bool:
        """True if this very timer is still armed."""
        return self._armed.get(timer.name) == timer

    def wake_at(self) -> float | None:
        """Return when the next one is due."""
        return min((timer.due_at for timer in self._armed.values()), default=None)
