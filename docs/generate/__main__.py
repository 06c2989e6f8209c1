"""Keeps `docs/reference/`. Generated, compared, never edited.

    python -m docs.generate             write what is stale
    python -m docs.generate --check     write nothing; name it and exit 1

The pages are looked for beside this package, and the code is the one that is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from docs.generate.api import api_page
from docs.generate.events import events_page
from docs.generate.limits import limits_page
from docs.generate.lists import close_codes_page, errors_page, reasons_page
from docs.generate.wire import wire_page

DOCS = Path(__file__).resolve().parent.parent

PAGES: dict[str, Callable[[], str]] = {
    "reference/api.md": api_page,
    "reference/events.md": events_page,
    "reference/errors.md": errors_page,
    "reference/reasons.md": reasons_page,
    "reference/close-codes.md": close_codes_page,
    "reference/limits.md": limits_page,
    "reference/wire.md": wire_page,
}


def write_pages(*, check: bool = False) -> list[str]:
    """Bring the pages up to date and return the names of those that were not; with `check` only return them."""
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
    return stale


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description="Make the reference pages from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is not up to date and exit 1")
    given = parser.parse_args(arguments)
    stale = write_pages(check=given.check)
    word = "not up to date" if given.check else "brought up to date"
    print("\n".join(f"docs/{name}: {word}" for name in stale) or "docs: all generated pages are up to date")
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
