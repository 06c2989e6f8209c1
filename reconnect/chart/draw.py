"""Keeps `diagrams/`: for each chart its DOT and its page. Generated, compared, never edited.

python -m reconnect.chart.draw             write what is stale, remove what has no chart
python -m reconnect.chart.draw --check     write nothing; name it and exit 1
python -m reconnect.chart.draw --out DIR   somewhere else than `diagrams/` beside the charts
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reconnect.chart.dot import draw_dot
from reconnect.chart.load import chart_names, charts_folder, load_chart
from reconnect.chart.page import draw_markdown, draw_mermaid

__all__ = ["draw_dot", "draw_markdown", "draw_mermaid", "main", "write_drawings"]

_SUFFIXES = (".dot", ".md")


def write_drawings(folder: Path, check: bool = False) -> list[str]:
    """Bring the drawings in `folder` up to date and return the names of those that were not; with `check` only return them."""
    drawn: dict[str, str] = {}
    for name in chart_names():
        chart = load_chart(name)
        drawn |= {f"{name}.dot": draw_dot(chart), f"{name}.md": draw_markdown(chart)}
    there = {path.name: path for path in sorted(folder.glob("*")) if path.suffix in _SUFFIXES}
    stale = [name for name, text in drawn.items() if name not in there or there[name].read_text(encoding="utf-8") != text]
    orphans = [name for name in there if name not in drawn]
    if not check:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (folder / name).write_text(drawn[name], encoding="utf-8", newline="\n")
        for name in orphans:
            there[name].unlink()
    return [*stale, *orphans]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m reconnect.chart.draw", description="Draw the charts.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is not up to date and exit 1")
    parser.add_argument("--out", type=Path, default=charts_folder().parent / "diagrams", help="the folder of the drawings")
    given = parser.parse_args(arguments)
    stale = write_drawings(given.out, given.check)
    word = "not up to date" if given.check else "brought up to date"
    print("\n".join(f"{given.out / name}: {word}" for name in stale) or f"{given.out}: all drawings are up to date")
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
