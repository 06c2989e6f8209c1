"""Where things stand: nothing overlaps, and every word can be read at the width that its picture is meant for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from reconnect.chart import chart_names, load_chart
from reconnect.chart.dot import draw_dot
from reconnect.chart.draw import WIDTHS, drawings
from reconnect.chart.layout import Layout, Placed, Stroke, lay_out
from reconnect.chart.shapes import Kind
from reconnect.chart.sketch import kinds
from reconnect.chart.svg import draw_svg, smallest_label
from tests.odd_chart import odd

PICTURES = [(name, kind) for name in chart_names() for kind in kinds(load_chart(name))]
every_picture = pytest.mark.parametrize(("name", "kind"), PICTURES)


class Area(NamedTuple):
    """A rectangle; y runs upwards."""

    left: float
    low: float
    right: float
    high: float

    def meets(self, other: Area) -> bool:
        return self.left < other.right and other.left < self.right and self.low < other.high and other.low < self.high

    def holds(self, other: Area) -> bool:
        return self.left <= other.left and other.right <= self.right and self.low <= other.low and other.high <= self.high

    def smaller(self, by: float) -> Area:
        return Area(self.left + by, self.low + by, self.right - by, self.high - by)


def words(placed: Placed) -> Iterator[Area]:
    """Yield where the words of a box, a label or a frame stand."""
    size = 0.0
    for stroke in placed.strokes:
        size = stroke.size if stroke.op == "F" else size
        if stroke.op == "T" and stroke.text.strip():
            x, y = stroke.pt
            yield Area(x, y - 0.2 * size, x + stroke.width, y + 0.72 * size)


def outline(placed: Placed) -> Area | None:
    points = [point for stroke in placed.strokes if stroke.op in "bB" for point in stroke.points]
    return around([Area(x, y, x, y) for x, y in points])


def around(areas: list[Area]) -> Area | None:
    if not areas:
        return None
    return Area(min(a.left for a in areas), min(a.low for a in areas), max(a.right for a in areas), max(a.high for a in areas))


def curve(stroke: Stroke) -> Iterator[tuple[float, float]]:
    """Yield points on a line, close to each other."""
    points = stroke.points
    for start in range(0, len(points) - 1, 3):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points[start : start + 4]
        for step in range(41):
            t = step / 40
            w = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
            yield w[0] * ax + w[1] * bx + w[2] * cx + w[3] * dx, w[0] * ay + w[1] * by + w[2] * cy + w[3] * dy


def flaws(layout: Layout) -> list[str]:
    """Return what overlaps in a picture."""
    things = [placed for placed in layout.objects if not placed.name.startswith("cluster_")]
    frames = [placed for placed in layout.objects if placed.name.startswith("cluster_")]
    places = [(placed.name, area) for placed in things if (area := outline(placed) or around(list(words(placed))))]
    captions = [(frame.name, area) for frame in frames if (area := around(list(words(frame))))]
    found = [f"{one} overlaps {two}" for (one, a), (two, b) in combinations([*places, *captions], 2) if a.smaller(0.5).meets(b)]
    for placed in things:
        box = outline(placed)
        found += [f"{placed.name}: words stick out" for area in words(placed) if box and not box.holds(area)]
    for frame in frames:
        border = outline(frame)
        assert border is not None
        found += [
            f"{frame.name} cuts {name}" for name, area in [*places, *captions] if border.meets(area) and not border.holds(area)
        ]
    for edge in layout.edges:
        for x, y in (point for stroke in edge.outline if stroke.op == "b" for point in curve(stroke)):
            spot = Area(x, y, x, y)
            found += [f"a line strikes {name}" for name, area in [*places, *captions] if area.smaller(2).holds(spot)]
    return sorted(set(found))


@every_picture
def test_nothing_overlaps(name: str, kind: Kind) -> None:
    assert flaws(lay_out(draw_dot(load_chart(name), kind))) == []


def test_nothing_overlaps_in_a_chart_that_nobody_looked_at() -> None:
    assert flaws(lay_out(draw_dot(odd()))) == []


def test_an_overlap_would_be_seen() -> None:
    """The check can fail: a box moved onto its neighbour, a line through a word, a frame through a box, a word too long."""
    layout = lay_out(draw_dot(load_chart("session")))
    index = {placed.name: number for number, placed in enumerate(layout.objects)}

    def moved(name: str, by: float) -> Layout:
        placed = layout.objects[index[name]]
        label = tuple(
            replace(s, points=tuple((x + by, y) for x, y in s.points), pt=(s.pt[0] + by, s.pt[1])) for s in placed.label
        )
        others = [replace(one, label=label) if one is placed else one for one in layout.objects]
        return replace(layout, objects=tuple(others))

    seen = [sentence for by in range(20, 600, 20) for sentence in flaws(moved("connected", by))]
    for flaw in ("connected overlaps", "a line strikes connected", "cluster_reconnecting cuts connected"):
        assert any(sentence.startswith(flaw) for sentence in seen), flaw
    wide = layout.objects[index["closing"]]
    label = tuple(replace(stroke, width=stroke.width * 2) for stroke in wide.label)
    stretched = replace(layout, objects=tuple(replace(one, label=label) if one is wide else one for one in layout.objects))
    assert "closing: words stick out" in flaws(stretched)


@every_picture
def test_no_label_is_smaller_than_nine_pixels_at_the_stated_width(name: str, kind: Kind) -> None:
    svg = drawings(load_chart(name))[f"{name}.svg" if kind is Kind.FULL else f"{name}-{kind}.svg"]
    shown = re.search(r'<svg [^>]*? width="([\d.]+)"', svg)
    assert shown is not None
    if WIDTHS[kind] is not None:
        assert float(shown[1]) == WIDTHS[kind]
    assert smallest_label(svg) >= 9


def test_letters_that_are_too_small_would_be_seen() -> None:
    layout = lay_out(draw_dot(load_chart("session"), Kind.OVERVIEW))
    assert smallest_label(draw_svg(layout, title="t", about="a", width=1200)) > 9
    assert smallest_label(draw_svg(layout, title="t", about="a", width=830)) < 9


# -- as SVG --------------------------------------------------------------------------------------------------------------------


def test_words_have_the_length_that_was_measured_in_whatever_font_and_say_why() -> None:
    svg = drawings(odd())["odd.svg"]
    texts = re.findall(r"<text ([^>]*)>([^<]*)</text>", svg)
    assert all("textLength=" in attributes for attributes, _ in texts[:-1])
    assert any('font-weight="bold"' in attributes and text == "turn" for attributes, text in texts)
    assert any('font-style="italic"' in attributes and text == "tells a_thing" for attributes, text in texts)
    assert texts[-1][1] == f"odd, version 1, {odd().sha256[:16]}"
    assert "<title>turn: w down: w</title>" in svg
    assert "monospace" not in svg
    assert "sans-serif" in svg


def test_the_picture_for_reading_at_a_glance_has_no_footer_but_says_what_it_is() -> None:
    svg = drawings(load_chart("session"))["session-states.svg"]
    assert "version 1" not in "".join(re.findall(r"<text[^>]*>([^<]*)", svg))
    assert f"<desc>The chart session, version 1, SHA-256 {load_chart('session').sha256}</desc>" in svg
