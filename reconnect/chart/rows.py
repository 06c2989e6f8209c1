"""The records that a chart's file consists of, and what follows from them for one pair of a state and an event.

Each kind of row of a file has one record here; its field names are the file's keys (`from` and `in` are words of Python, and so
`sources` and `states` here). A row that has a key beside these is refused when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from reconnect.record import Record

START, CANCEL = "start:", "cancel:"
NOTIFY = "notify"


class EventKind(StrEnum):
    """Who feeds an event, and so what is checked before the chart sees it."""

    CALL = "call"  # the user
    TRANSPORT = "transport"  # a report that carries a transport's generation
    TIMER = "timer"  # carries a timer's generation
    VERDICT = "verdict"  # decided outside, fed with the answer as data
    FRAME = "frame"  # a frame of the other side


class StepVerdict(StrEnum):
    """What a chart says of a pair; the values are also the words that an audit keeps."""

    TAKEN = "taken"
    IGNORED = "ignored"
    REFUSED = "refused"


LISTS: Mapping[StepVerdict, str] = MappingProxyType(
    {StepVerdict.TAKEN: "transitions", StepVerdict.IGNORED: "ignores", StepVerdict.REFUSED: "refuses"}
)


class ChartEvent(Record, kw_only=True):
    """Something that happens; `means` is the name under which the code knows it, `data` what comes with it."""

    name: str
    kind: EventKind
    means: str
    why: str
    data: tuple[str, ...] = ()


class Timer(Record, kw_only=True):
    """A timer of the chart: the event that it feeds, and where its duration comes from."""

    name: str
    event: str
    seconds: str
    why: str


class State(Record, kw_only=True):
    """A state with its full name; `initial` and `children` are full names too."""

    name: str
    why: str
    role: str
    parent: str | None = None
    children: tuple[str, ...] = ()
    initial: str | None = None
    phase: str | None = None
    entry: tuple[str, ...] = ()
    exit: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the state stands in its file."""
        return "states." + self.name.replace(".", ".states.")


class Transition(Record, forbid_unknown_fields=True, rename={"sources": "from"}, kw_only=True):
    """A row: on this event, from these states, to that one (None: internal)."""

    on: str
    sources: tuple[str, ...]
    why: str
    to: str | None = None
    effects: tuple[str, ...] = ()
    tells: str | None = None


class Pairs(Record, forbid_unknown_fields=True, rename={"states": "in"}, kw_only=True):
    """These events in these states; what is said of them is the list in which the record stands."""

    on: tuple[str, ...]
    states: tuple[str, ...]
    why: str


class Ignore(Pairs, kw_only=True):
    """Pairs that are legal and change nothing."""


class Refusal(Pairs, kw_only=True):
    """Pairs that must not happen: a typed error, and nothing changes."""


class Twins(Record, forbid_unknown_fields=True, kw_only=True):
    """States whose children have the same rows, but for the events listed."""

    states: tuple[str, ...]
    but: tuple[str, ...]
    why: str


class Decision(Record, kw_only=True):
    """What the chart says of one pair: the verdict, the index of what says so in its list, where it leads, what it asks for."""

    verdict: StepVerdict
    row: int
    target: str
    why: str
    internal: bool = False
    exit: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    entry: tuple[str, ...] = ()
    tells: str | None = None

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions in the order in which they are performed: exit, transition, entry."""
        return self.exit + self.effects + self.entry


class Listed(Record, kw_only=True):
    """A row of any of the three lists, in one shape: what it says of each of these events in each of these states."""

    verdict: StepVerdict
    row: int
    on: tuple[str, ...]
    states: tuple[str, ...]
    why: str


class Claim(Record, kw_only=True):
    """One list's word on one pair; a sound chart has exactly one claim for each."""

    leaf: str
    event: str
    verdict: StepVerdict
    row: int


def shortened(names: tuple[str, ...]) -> str:
    """Return the first name, and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else "nothing"
