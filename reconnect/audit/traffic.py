"""What happens on the signals' path, gathered: a line for a quarter of a second of it, and not one for each signal.

Rules: nothing is held back for longer than AUDIT_HOLD_SECONDS, nor when anything else is written, so that the order of the lines
is the order in which things happened. Signals that were submitted one after the other, and delivered ones, are ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from reconnect.limits import AUDIT_HELD_INPUTS

_SUBMIT: Final = "submit"
_HEARD: Final = "heard"


class Held:
    """What was not written yet."""

    __slots__ = ("_heard", "at", "connection", "delivered", "inputs")

    def __init__(self) -> None:
        self.inputs: list[list[Any]] = []
        self.delivered: list[list[int]] = []
        self.connection: str | None = None  # that of the delivered ones
        self.at = 0.0
        self._heard: list[Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.inputs or self.delivered)

    @property
    def is_full(self) -> bool:
        """True once so much is held that a line of it is long enough."""
        return len(self.inputs) >= AUDIT_HELD_INPUTS or len(self.delivered) >= AUDIT_HELD_INPUTS

    def add(self, item: list[Any]) -> None:
        """Hold one input back."""
        self._heard = None
        self.inputs.append(item)
        self.at = item[1]

    def submit(
        self, serial: int, weight: int, *, ttl: float | None, keep: bool, at: float, alone: bool, session_only: bool = False
    ) -> None:
        """A signal was submitted; `alone` keeps it apart from others, for something followed from it at once."""
        self.at = at
        last = self.inputs[-1] if self.inputs else None
        if (
            last is not None
            and last[0] is _SUBMIT
            and not alone
            and ttl is None
            and last[3] == serial - 1
            and last[5] is None
            and last[6] is keep
            and (len(last) > 7) is session_only
        ):
            last[3] = serial
            last[4] += weight
        else:
            # What is rare stands at the end, and only where it is so.
            self.add([_SUBMIT, at, serial, serial, weight, ttl, keep, *([True] if session_only else [])])

    def heard(self, at: float) -> None:
        """A stream frame arrived; of several in a row only the last matters."""
        if self._heard is None:
            self.add([_HEARD, at])
            self._heard = self.inputs[-1]
        self._heard[1] = self.at = at

    def deliver(self, serials: Sequence[int], connection: str | None) -> None:
        """These signals were delivered."""
        self.connection = connection
        for first, last in ranges(serials):
            if self.delivered and self.delivered[-1][1] == first - 1:
                self.delivered[-1][1] = last
            else:
                self.delivered.append([first, last])

    def take_inputs(self) -> list[list[Any]]:
        """Hand the inputs over."""
        taken, self.inputs, self._heard = self.inputs, [], None
        return taken

    def take_delivered(self) -> list[list[int]]:
        """Hand the delivered ones over, in ascending order."""
        taken, self.delivered = self.delivered, []
        return sorted(taken)


def ranges(serials: Sequence[int]) -> list[list[int]]:
    """Return the serials as [first, last] pairs, ascending: (5, 6, 7, 11) is [[5, 7], [11, 11]]."""
    if serials and serials[-1] - serials[0] == len(serials) - 1 and list(serials) == list(range(serials[0], serials[-1] + 1)):
        return [[serials[0], serials[-1]]]
    found: list[list[int]] = []
    for serial in sorted(serials):
        if found and serial <= found[-1][1] + 1:
            found[-1][1] = serial
        else:
            found.append([serial, serial])
    return found
