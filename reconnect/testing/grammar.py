"""The grammar of the public events: what may be told after what, of the session, of a stream, of a connection, of a want.

Per connect(): `connected (reconnecting reconnected)* (reconnecting? disconnected)?`. A thing that comes and goes is created once,
is interrupted and restored in turn, and ends once; nothing is told of what was not told to be there.
"""

from __future__ import annotations

from typing import Final

from reconnect.testing.history import Told
from reconnect.testing.violations import Broken, Violation

# (what it is by now, the event) -> what it is then. `away` may end, and so may what was never there where a want is refused.
_COMES_AND_GOES: Final = {
    ("out", "created"): "in", ("in", "interrupted"): "away", ("away", "restored"): "in", ("in", "destroyed"): "out",
    ("away", "destroyed"): "out",
}  # fmt: skip

_GRAMMARS: Final = {
    "session": {
        ("out", "connected"): "in", ("in", "reconnecting"): "away", ("away", "reconnected"): "in", ("in", "disconnected"): "out",
        ("away", "disconnected"): "out",
    },
    "stream": {(before, f"stream_{event}"): after for (before, event), after in _COMES_AND_GOES.items()},
    "connection": {(before, f"connection_{event}"): after for (before, event), after in _COMES_AND_GOES.items()},
    "publisher": {
        ("out", "publisher.live"): "in", ("in", "publisher.interrupted"): "away", ("away", "publisher.live"): "in",
        ("in", "publisher.ended"): "out", ("away", "publisher.ended"): "out", ("out", "publisher.ended"): "out",
    },
    "subscriber": {
        ("out", "subscriber.connected"): "in", ("in", "subscriber.disconnected"): "away",
        ("away", "subscriber.connected"): "in", ("in", "subscriber.destroyed"): "out", ("away", "subscriber.destroyed"): "out",
        ("out", "subscriber.destroyed"): "out",
    },
}  # fmt: skip

GRAMMAR_OF: Final = {event: name for name, rows in _GRAMMARS.items() for _, event in rows}


class Grammar:
    """Follows what each member was told, of each thing."""

    def __init__(self) -> None:
        self.found: list[Violation] = []
        self._now: dict[tuple[str, str, str], str] = {}

    def told(self, fact: Told) -> None:
        """Take one event."""
        name = GRAMMAR_OF[fact.name]
        place = fact.who, name, fact.about
        before = self._now.get(place, "out")
        after = _GRAMMARS[name].get((before, fact.name))
        if after is None:
            what = f"{fact.name} {fact.about}".strip()
            detail = f"{what} was told while the {name} was {before}"
            self.found.append(Violation(broken=Broken.GRAMMAR, who=fact.who, detail=detail, at=fact.at))
            after = "away" if fact.name.endswith(("interrupted", "reconnecting")) else before
        self._now[place] = after
        if fact.name == "disconnected":
            self._forget(fact.who)

    def _forget(self, who: str) -> None:
        """A session that is over knows of nobody: the next one is told anew."""
        for place in [place for place in self._now if place[0] == who and place[1] in ("stream", "connection")]:
            del self._now[place]
