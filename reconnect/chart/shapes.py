"""The records that a picture of a chart consists of, before anyone asks where they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from reconnect.chart.model import Statechart
from reconnect.record import Record


class Kind(StrEnum):
    """The kinds of picture."""

    FULL = "full"
    OVERVIEW = "overview"
    STATES = "states"


class Style(StrEnum):
    """How a piece of a line looks."""

    PLAIN = "plain"
    NAME = "name"
    TOLD = "told"
    WHERE = "where"


class Piece(Record, kw_only=True):
    """Words in one style."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Piece, ...]


class Box(Record, kw_only=True):
    """A leaf, or a parent that is collapsed: its name, and compartments of lines below it."""

    name: str
    title: str
    role: str
    why: str
    compartments: tuple[tuple[Line, ...], ...] = ()


class Frame(Record, kw_only=True):
    """A parent around its children; the first child that one is led to has a dot for each of `begins`, with these words."""

    name: str
    caption: tuple[Line, ...]
    role: str
    why: str
    boxes: tuple[Box | Frame, ...]
    begins: tuple[tuple[str, str], ...] = ()


class Arrow(Record, kw_only=True):
    """From one place to another, by their names in the picture.

    `final` leads to where the chart ends; `back` leads against the run of time, and so from right to left. `taken` is how often
    its rows were taken, in a picture of what happened.
    """

    tail: str
    head: str
    lines: tuple[Line, ...]
    final: bool
    whys: tuple[str, ...]
    back: bool = False
    taken: int | None = None


class Sketch(Record, kw_only=True):
    """Everything that one picture shows."""

    chart: Statechart
    kind: Kind
    places: tuple[Box | Frame, ...]
    arrows: tuple[Arrow, ...]

    def frames(self) -> dict[str, Frame]:
        """Return the frames by their names."""
        return {frame.name: frame for frame in _frames(self.places)}


def names_of(places: Iterable[Box | Frame]) -> Iterator[str]:
    """Yield the names of these places and of all within them."""
    for place in places:
        yield place.name
        yield from names_of(place.boxes) if isinstance(place, Frame) else ()


def boxes_of(places: Iterable[Box | Frame]) -> Iterator[str]:
    """Yield the names of the boxes among these places and within them."""
    for place in places:
        yield from boxes_of(place.boxes) if isinstance(place, Frame) else (place.name,)


def within(name: str, frame: str) -> bool:
    """Return whether a state is another one or stands below it."""
    return f"{name}.".startswith(f"{frame}.")


def _frames(places: Iterable[Box | Frame]) -> Iterator[Frame]:
    for place in places:
        if isinstance(place, Frame):
            yield place
            yield from _frames(place.boxes)
