"""Writes a laid out picture as SVG. The same layout gives the same text.

Each piece of text carries the length that the layout gave it, so that it fits its place in whatever font a reader has. Boxes and
labels say their `why` when the pointer rests on them. A picture has the width that it is meant to be read at; `smallest_label`
says how large its smallest letters are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from reconnect.chart.dot import GENERATED, PALE
from reconnect.chart.layout import Layout, Placed, Stroke

FONTS = "Arial, Helvetica, 'Liberation Sans', Arimo, sans-serif"
MARGIN, FOOTER, FOOTER_SIZE = 4, 20, 11
_SPACE = 0.278  # the width of a blank, as a part of the font's size
_BOLD, _ITALIC = 1, 2


def draw_svg(layout: Layout, *, title: str, about: str, width: int | None = None, footer: str = "") -> str:
    """Return the picture, `width` pixels wide, or as wide as it was laid out; the footer stands below it."""
    own_width, own_height = (number + 2 * MARGIN for number in layout.size)
    own_height += FOOTER if footer else 0
    scale = 1.0 if width is None else width / own_width
    size = f'width="{_number(own_width * scale)}" height="{_number(own_height * scale)}"'
    # Frames lie below lines, and lines below boxes and words.
    frames = [placed for placed in layout.objects if placed.name.startswith("cluster_")]
    boxes = [placed for placed in layout.objects if not placed.name.startswith("cluster_")]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_number(own_width)} {_number(own_height)}" {size} role="img" '
        f'font-family="{FONTS}">',
        f"<!-- {GENERATED} -->",
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(about)}</desc>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for placed in (*frames, *layout.edges, *boxes):
        lines += _group(placed, _Pen(layout.size[1]))
    if footer:
        place = f'x="{MARGIN}" y="{_number(own_height - MARGIN)}"'
        lines.append(f'<text {place} font-size="{FOOTER_SIZE}" fill="{PALE}">{escape(footer)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def smallest_label(svg: str) -> float:
    """Return the size in pixels of the smallest letters in a picture, at the width that it states."""
    shown, drawn = _first(r'<svg [^>]*? width="([\d.]+)"', svg), _first(r'viewBox="0 0 ([\d.]+) ', svg)
    return min(map(float, re.findall(r'font-size="([\d.]+)"', svg))) * shown / drawn


def _first(pattern: str, svg: str) -> float:
    found = re.search(pattern, svg)
    assert found is not None, pattern
    return float(found[1])


def _group(placed: Placed, pen: _Pen) -> Iterator[str]:
    drawn = [element for stroke in placed.strokes for element in pen.draw(stroke)]
    if drawn:
        tooltip = f"<title>{escape(placed.tooltip)}</title>" if placed.tooltip else ""
        yield f"<g>{tooltip}"
        yield from drawn
        yield "</g>"


class _Pen:
    """What follows from the orders given so far: the colours, the font, the width of the line."""

    def __init__(self, height: float) -> None:
        self._height = height
        self._ink = self._fill = "#000000"
        self._size, self._face, self._width = 11.0, 0, 1.0

    def draw(self, stroke: Stroke) -> Iterator[str]:
        """Follow an order; yield the element that it draws, if it draws one."""
        match stroke.op:
            case "c":
                self._ink = _colour(stroke.color)
            case "C":
                self._fill = _colour(stroke.color)
            case "S":
                found = re.fullmatch(r"setlinewidth\(([\d.]+)\)", stroke.style)
                self._width = float(found[1]) if found else 1.0
            case "F":
                self._size = stroke.size
            case "t":
                self._face = stroke.fontchar
            case "T":
                yield from self._text(stroke)
            case "E":
                x, y, across, up = stroke.rect
                place = f'cx="{self._x(x)}" cy="{self._y(y)}" rx="{_number(across)}" ry="{_number(up)}"'
                yield f'<ellipse {place} fill="{self._fill}"/>'
            case _:
                yield f'<path d="{self._path(stroke)}" {self._style(stroke)}/>'

    def _text(self, stroke: Stroke) -> Iterator[str]:
        text = stroke.text.strip(" ")
        if not text:
            return
        blank = _SPACE * self._size
        left = stroke.pt[0] + blank * (len(stroke.text) - len(stroke.text.lstrip(" ")))
        length = stroke.width - blank * (len(stroke.text) - len(text))
        style = ' font-weight="bold"' if self._face & _BOLD else ""
        style += ' font-style="italic"' if self._face & _ITALIC else ""
        place = f'x="{self._x(left)}" y="{self._y(stroke.pt[1])}" textLength="{_number(length)}" lengthAdjust="spacingAndGlyphs"'
        yield f'<text {place} font-size="{_number(self._size)}" fill="{self._ink}"{style}>{escape(text)}</text>'

    def _path(self, stroke: Stroke) -> str:
        points = [f"{self._x(x)} {self._y(y)}" for x, y in stroke.points]
        if stroke.op in "bB":
            return f"M{points[0]}C{' '.join(points[1:])}"
        return f"M{'L'.join(points)}z"

    def _style(self, stroke: Stroke) -> str:
        fill = self._fill if stroke.op.isupper() else "none"
        width = "" if self._width == 1.0 else f' stroke-width="{_number(self._width)}"'
        return f'fill="{fill}" stroke="{self._ink}"{width}'

    def _x(self, x: float) -> str:
        return _number(x + MARGIN)

    def _y(self, y: float) -> str:
        return _number(self._height - y + MARGIN)


def _colour(colour: str) -> str:
    # Eight digits are a colour and how much of it is seen; the layout has them only where nothing is.
    return "none" if len(colour) == 9 else colour


def _number(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
