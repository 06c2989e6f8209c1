"""Says which arrows of a picture lead back, against the run of time, so that all others can run from left to right.

Time runs as one walks from the beginning, always taking the first arrow that leads to somewhere new: an arrow to where one was on
the way here leads back. Where a chart ends stands at the right of a full picture, so no arrow into it leads back there, and all
out of it do.
"""

from __future__ import annotations

from msgspec.structs import replace

from reconnect.chart.shapes import Arrow, Kind, Sketch, boxes_of, names_of


def directed(drawn: Sketch, ends: set[str]) -> Sketch:
    """Return the sketch with its arrows knowing whether they lead back; `ends` are the boxes where the chart ends."""
    walk = _Walk(drawn, ends if drawn.kind is Kind.FULL else set())
    initial = drawn.chart.initial if drawn.kind is Kind.FULL else drawn.chart.initial.partition(".")[0]
    for box in (initial, *(box for frame in drawn.frames().values() for box, _ in frame.begins)):
        walk.visit(box, ())
    return replace(drawn, arrows=tuple(replace(arrow, back=walk.leads_back(arrow)) for arrow in drawn.arrows))


class _Walk:
    """A walk from the beginning through all that can be reached."""

    def __init__(self, drawn: Sketch, ends: set[str]) -> None:
        self._arrows, self._frames, self._ends = drawn.arrows, drawn.frames(), ends
        self._held = {name: {name} for name in names_of(drawn.places)}
        self._held |= {name: set(boxes_of(frame.boxes)) for name, frame in self._frames.items()}
        self._seen: set[str] = set()
        self._back: set[tuple[str, str]] = set()

    def visit(self, box: str, above: tuple[str, ...]) -> None:
        """Go on from a box, to which one came by the boxes above."""
        if box in self._seen:
            return
        self._seen.add(box)
        for arrow in self._arrows:
            if box in self._held[arrow.tail] and not (arrow.final and self._ends):
                target = self._frames[arrow.head].begins[0][0] if arrow.head in self._frames else arrow.head
                if target in (*above, box):
                    self._back.add((arrow.tail, arrow.head))
                self.visit(target, (*above, box))

    def leads_back(self, arrow: Arrow) -> bool:
        """Return whether the arrow leads back; one that ends where it begins does not."""
        back = self._held[arrow.tail] <= self._ends or (arrow.tail, arrow.head) in self._back
        return back and arrow.tail != arrow.head
