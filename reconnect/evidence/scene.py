"""Where an exploration is: the state of the chart, and what surrounds it, as far as the chart's rows bear on it.

A scene holds no numbers, so that there are few of them: of transports only the present one is told apart from those that were
given up, of timers only whether each is armed. Generations are counted when a way through the scenes is put into words.
"""

from __future__ import annotations

from enum import StrEnum

from reconnect.chart import Decision
from reconnect.evidence.findings import Property
from reconnect.record import Record


class Link(StrEnum):
    """How far the present transport has come."""

    NONE = "none"  # there is none, or the chart gave it up
    DIALING = "dialing"  # token and socket are being fetched
    OPEN = "open"  # the socket is open
    JOINING = "joining"  # the hub was asked to accept
    ACCEPTED = "accepted"  # the hub accepted
    LEAVING = "leaving"  # goodbye was said after the acceptance
    DEAD = "dead"  # it ended by itself, and the chart has not given it up yet

    @property
    def is_open(self) -> bool:
        """True while somebody may still hear from it or write to it."""
        return self not in (Link.NONE, Link.DEAD)


class Told(StrEnum):
    """What the user believes, by what it was told."""

    NOTHING = "nothing"  # nothing since connect(), or that it is over
    CONNECTED = "connected"
    AWAY = "away"


class Scene(Record, kw_only=True):
    """One situation that can come about.

    `fenced`: reports of the present transport are dropped; `claim`: there is a connection to come back to; `given_up`: a
    transport that was given up may still report; `cancelled`: timers that may still come due, late; `fired`: timers that came
    due since the state was entered, and left it as it was.
    """

    leaf: str
    link: Link = Link.NONE
    fenced: bool = True
    claim: bool = False
    told: Told = Told.NOTHING
    given_up: bool = False
    armed: frozenset[str] = frozenset()
    cancelled: frozenset[str] = frozenset()
    fired: frozenset[str] = frozenset()


class What(StrEnum):
    """What the surroundings can do, in the words of a sequence of events, with a number of a transport or a name of a timer."""

    CALL = "{name}"
    FORCED = "reconnect_now(force=True)"
    OPENED = "transport {number} opens"
    ENDED = "transport {number} ends"
    JOINED = "the hub takes transport {number} as a new connection"
    RESUMED = "the hub takes transport {number} as the connection that was lost"
    REFUSED = "the hub breaks off on transport {number}"
    GOODBYE = "the hub says goodbye on transport {number}"
    DUE = "the timer {name} is due"
    LATE_REPORT = "a transport that was given up reports"
    LATE_TIMER = "the timer {name} is due although it was cancelled"


class Answer(StrEnum):
    """Whether to try again, after what ends an attempt or a transport."""

    AGAIN = "; the retry policy says: again"
    NO_MORE = "; the retry policy says: no more"
    FINAL = ", for good"
    UNASKED = ""  # who is leaving asks no policy


class Move(Record, kw_only=True):
    """One thing that happens around the chart."""

    what: What
    name: str = ""
    answer: Answer = Answer.UNASKED

    def in_words(self, number: int) -> str:
        """Return the move as a line of a sequence of events; `number` is that of the present transport."""
        return self.what.format(name=self.name, number=number) + self.answer


class Flaw(Record, kw_only=True):
    """Why a scene may not be, or how a move went wrong."""

    property: Property
    cause: str
    words: str
    remedy: str


class Turn(Record, kw_only=True):
    """What a move comes to: the scene after it, the chart's decision on it where it was asked, and what went wrong."""

    move: Move
    after: Scene
    decision: Decision | None = None
    opens: bool = False  # a transport
    flaws: tuple[Flaw, ...] = ()
