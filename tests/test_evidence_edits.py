"""Ten thousand edits of a journal, each found, with the line where it begins named, given the head that was published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from tests.journals import checked, head_of, rechained, records, story

KEY = b"a key that only the auditor has, and the writer"
EDITS = 10_000

Lines = list[bytes]
Edited = tuple[Lines, set[int]]  # what became of it, and the lines, from 1, one of which is to be named first


def change(lines: Lines, chance: Random) -> Edited:
    """Change one byte, or a few, of one line."""
    place = chance.randrange(len(lines))
    line = bytearray(lines[place])
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(line))
        line[at] = chance.choice([byte for byte in range(32, 256) if byte != line[at]])
    if bytes(line) == lines[place]:  # two changes that undo each other
        return change(lines, chance)
    return [*lines[:place], bytes(line), *lines[place + 1 :]], {place + 1}


def delete(lines: Lines, chance: Random) -> Edited:
    """Take out one line or several."""
    first = chance.randrange(len(lines))
    last = min(len(lines), first + chance.choice((1, 1, 2, 5)))
    left = lines[:first] + lines[last:]
    return left, {first + 1 if last < len(lines) else max(1, first)}


def insert(lines: Lines, chance: Random) -> Edited:
    """Put in a line of this journal, of another one, or of nonsense."""
    place = chance.randrange(len(lines) + 1)
    line = chance.choice((chance.choice(lines), chance.choice(OTHER), b"", b"{}", chance.randbytes(20).replace(b"\n", b"")))
    if place < len(lines) and line == lines[place]:
        return [*lines[: place + 1], line, *lines[place + 1 :]], {place + 2}
    return [*lines[:place], line, *lines[place:]], {place, place + 1}


def swap(lines: Lines, chance: Random) -> Edited:
    """Let two lines change places."""
    one, other = sorted(chance.sample(range(len(lines)), 2))
    swapped = list(lines)
    swapped[one], swapped[other] = lines[other], lines[one]
    return swapped, {one + 1}


def repeat(lines: Lines, chance: Random) -> Edited:
    """Say some lines twice."""
    first = chance.randrange(len(lines))
    last = min(len(lines), first + chance.choice((1, 1, 3)))
    return lines[:last] + lines[first:], {last + 1}


def truncate(lines: Lines, chance: Random) -> Edited:
    """Cut the end off."""
    left = chance.randrange(1, len(lines))
    return lines[:left], {left}


def splice(lines: Lines, chance: Random) -> Edited:
    """Go on with another journal's end."""
    place = chance.randrange(1, min(len(lines), len(OTHER)))
    return lines[:place] + OTHER[place:], {place, place + 1}


def recompute(lines: Lines, chance: Random) -> Edited:
    """Change what a record says, and compute the chain anew from there on, without the key or with another."""
    told = records(KEY)
    place = chance.randrange(1, len(told) - 1)
    told[place]["detail"] = "nothing happened"
    guessed = chance.choice((None, chance.randbytes(32)))
    forged = rechained(told, guessed)
    return lines[:place] + forged[place:], {place, place + 1, place + 2}


EDITORS: list[Callable[[Lines, Random], Edited]] = [change, delete, insert, swap, repeat, truncate, splice, recompute]
OTHER: Lines = []


@pytest.fixture(scope="module", autouse=True)
def another_journal() -> None:
    """The same day on another machine: only its random ids differ."""
    told = records(KEY)
    for record in told:
        record["host"] = "elsewhere"
    OTHER[:] = rechained(told, KEY)


@pytest.mark.parametrize("edit", EDITORS, ids=lambda edit: edit.__name__)
def test_every_edit_is_found_and_its_first_line_named(edit: Callable[[Lines, Random], Edited]) -> None:
    """A34 U06: change, delete, insert, swap, repeat, truncate, splice, recompute."""
    lines, chance = list(story(KEY)), Random(edit.__name__)
    head = head_of(lines, KEY)
    assert checked(lines, heads=[head], key=KEY).holds
    missed: list[tuple[int, set[int], str]] = []
    named: Counter[str] = Counter()
    for number in range(EDITS // len(EDITORS)):
        edited, expected = edit(lines, chance)
        found = checked(edited, heads=[head], key=KEY)
        if found.first is None or found.first.line not in expected:
            missed.append((number, expected, str(found.first)))
        else:
            named[found.first.kind] += 1
    assert missed[:5] == []
    assert named.total() == EDITS // len(EDITORS)


def test_without_a_key_and_without_a_head_a_journal_that_was_written_anew_holds() -> None:
    """What the chain alone cannot know, and why heads are published: the whole file is somebody's to write."""
    told = records()
    note = next(record for record in told if record["record"] == "note")
    note["detail"] = "nothing happened"
    forged = rechained(told)
    assert checked(forged).holds
    found = checked(forged, heads=[head_of(story())])
    assert not found.holds
    assert found.first is not None
    assert (found.first.kind, found.first.line) == ("head", len(forged))
