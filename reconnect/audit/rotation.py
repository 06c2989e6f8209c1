"""The files of one journal: `audit.jsonl` is written to; `audit.jsonl.1`, `.2` ... are full, in the order of time."""

from __future__ import annotations

import re
from pathlib import Path


def full_files(path: Path) -> list[tuple[int, Path]]:
    """Return the files of this journal that were rotated away, with their numbers, the oldest first."""
    pattern = re.compile(re.escape(path.name) + r"\.([1-9]\d*)")
    matches = ((pattern.fullmatch(found.name), found) for found in path.parent.glob(f"{_literal(path.name)}.*"))
    return sorted((int(match[1]), found) for match, found in matches if match is not None)


def files_of(path: Path) -> list[Path]:
    """Return all files of a journal, the oldest first; `path` is the one that is written to."""
    return [*(found for _, found in full_files(path)), path]


def drop_oldest(path: Path, keep: int) -> None:
    """Delete the oldest full files, until `keep` are left."""
    full = full_files(path)
    for _, found in full[: max(0, len(full) - keep)]:
        found.unlink(missing_ok=True)


def _literal(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
