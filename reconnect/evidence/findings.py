"""What a check of a chart finds, as data: which property does not hold, in which row, and the shortest way to see it."""

from __future__ import annotations

from enum import StrEnum

from reconnect.errors import ChartError, ChartUnfit, UndecidedPair, UnreachableState
from reconnect.record import Record


class Property(StrEnum):
    """What is proved of a chart."""

    SOUND = "sound"  # it can be read, and every name in it is there
    DECIDED = "decided"  # no pair of a state and an event is undecided
    REACHABLE = "reachable"  # no state is out of reach, and no row
    FIT = "fit"  # the machine that runs it finds what it needs
    POSSIBLE = "possible"  # what can happen is not refused
    NOTHING_STALE = "nothing_stale"  # no report of a transport that was given up is believed
    TIMERS = "timers"  # a timer is armed exactly in the states that wait
    ONE_TRANSPORT = "one_transport"  # at most one transport is open, exactly in the states that have one
    COMES_TO_AN_END = "comes_to_an_end"  # every attempt to come back ends, and whatever may end can
    TOLD_ONCE = "told_once"  # what is told follows what happens; the end is told once, and to those who were told of a beginning
    CLOSES = "closes"  # leaving works from everywhere


class Finding(Record, kw_only=True):
    """One thing that is wrong with a chart.

    `cause` is the narrower kind: for what the reader of charts finds, the name of its error. `events` is the shortest sequence of
    what happens from the chart's beginning to where it shows; empty where it shows in the file alone.
    """

    property: Property
    cause: str
    words: str
    chart: str
    file: str
    row: str | None = None
    remedy: str = ""
    events: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.file}, {self.row}" if self.row else self.file
        return f"{place}: {self.words}" + (f"; {self.remedy}" if self.remedy else "")


_PROPERTIES: dict[type[ChartError], Property] = {
    UndecidedPair: Property.DECIDED,
    UnreachableState: Property.REACHABLE,
    ChartUnfit: Property.FIT,
}


def finding_of(error: ChartError, chart: str) -> Finding:
    """Return what the reader of charts, or a machine, has to say against a chart."""
    return Finding(
        property=_PROPERTIES.get(type(error), Property.SOUND),
        cause=type(error).__name__,
        words=error.problem,
        chart=chart,
        file=error.file,
        row=error.row,
        remedy=error.remedy,
    )
