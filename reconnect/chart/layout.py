"""Decides where everything in a picture stands: asks Graphviz, as the pinned wheel of the extra `diagrams` brings it.

The wheel holds one program that needs nothing of the system, and measures text by fonts of its own. So the same DOT is laid out
alike everywhere, to the last digit, and pictures can be compared in CI. Another version may place things otherwise, which is why
only the pinned one is taken.
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from shutil import which
from sysconfig import get_path
from typing import Final

import msgspec

from reconnect.errors import DrawingUnavailable
from reconnect.limits import LAYOUT_SECONDS
from reconnect.record import Record

WHEEL, PINNED = "graphviz-pure", "0.2.2"


class Stroke(Record, kw_only=True):
    """One order to the pen, in the words of Graphviz: a change of colour, font or width, an outline, or words."""

    op: str
    color: str = ""
    style: str = ""
    size: float = 0.0
    fontchar: int = 0
    points: tuple[tuple[float, float], ...] = ()
    rect: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    pt: tuple[float, float] = (0.0, 0.0)
    width: float = 0.0
    text: str = ""


class Placed(Record, rename={"outline": "_draw_", "label": "_ldraw_", "head": "_hdraw_", "tail": "_tdraw_"}, kw_only=True):
    """One box, frame, line or label, with the orders that draw it."""

    name: str = ""
    tooltip: str = ""
    outline: tuple[Stroke, ...] = ()
    label: tuple[Stroke, ...] = ()
    head: tuple[Stroke, ...] = ()
    tail: tuple[Stroke, ...] = ()

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """All of them, in the order in which they are drawn."""
        return self.outline + self.head + self.tail + self.label


class Layout(Record, rename={"bounds": "bb"}, kw_only=True):
    """A picture with a place for everything; y runs upwards, as Graphviz has it."""

    bounds: str
    objects: tuple[Placed, ...] = ()
    edges: tuple[Placed, ...] = ()

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, in points."""
        _, _, width, height = (float(number) for number in self.bounds.split(","))
        return width, height


def lay_out(dot: str) -> Layout:
    """Return the layout of a DOT text; raise DrawingUnavailable where the pinned wheel is not there or does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 (no shell, no words from outside)
            [_program(), "-Tjson"], input=dot.encode(), capture_output=True, check=True, timeout=LAYOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        raise DrawingUnavailable(f"{WHEEL} could not lay it out: {said.decode(errors='replace').strip()}", _REMEDY) from error
    return _LAYOUTS.decode(done.stdout)


_LAYOUTS: Final = msgspec.json.Decoder(Layout)
_REMEDY: Final = "pip install 'reconnect[diagrams]'"


@lru_cache(maxsize=1)
def _program() -> str:
    """Return the path of the wheel's program."""
    from importlib import metadata

    try:
        version = metadata.version(WHEEL)
    except metadata.PackageNotFoundError:
        raise DrawingUnavailable(f"{WHEEL} {PINNED} is not installed", _REMEDY) from None
    if version != PINNED:
        raise DrawingUnavailable(f"{WHEEL} is version {version}, and only {PINNED} gives the same pictures", _REMEDY)
    found = which(WHEEL, path=get_path("scripts")) or which(WHEEL)
    if found is None:
        raise DrawingUnavailable(f"{WHEEL} is installed, and its program is not to be found", _REMEDY)
    return found
