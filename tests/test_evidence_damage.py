"""Journals whose fields are anything at all: whoever reads them says what is wrong, and never falls over."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconnect.errors import AuditFailed
from reconnect.evidence.outages import outages_of
from reconnect.evidence.reading import entries_of
from reconnect.evidence.replay import replay
from reconnect.evidence.report import report
from reconnect.evidence.story import Story
from tests.journals import Records, rechained, records

VALUES: list[Any] = [None, [], {}, "x", -1, 10**15, 1.5, [[]], [1, 2, 3], {"a": 1}, True, "\u202e<script>"]
FULL_SEEDS, SEEDS = 400, 12


def damaged(chance: Random) -> Records:
    """Return a journal some of whose values are others."""
    told: Records = json.loads(json.dumps(records()))
    for _ in range(chance.randint(1, 4)):
        place: Any = chance.choice(told)
        key: Any = chance.choice(list(place))
        while isinstance(place[key], dict | list) and place[key] and chance.random() < 0.7:
            place = place[key]
            key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        place[key] = chance.choice(VALUES)
    return told


def read_in_all_ways(path: Path) -> None:
    report(path)
    replay(path)
    with suppress(AuditFailed):  # a line is no record
        outages_of(entries_of(path))
        story = Story()
        for entry in entries_of(path):
            list(story.take(entry))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_journal_with_other_values_is_read_to_its_end(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconnect.evidence.report.picture", lambda *_: "")  # a process for each would be slow
    chance = Random(seed)
    for _ in range(4):
        path = tmp_path / "damaged.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in rechained(damaged(chance), renumber=False)))
        read_in_all_ways(path)


@pytest.mark.slow
def test_many_journals_with_other_values_are_read_to_their_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconnect.evidence.report.picture", lambda *_: "")
    for seed in range(1_000, 1_000 + FULL_SEEDS):
        path = tmp_path / "damaged.jsonl"
        path.write_bytes(b"".join(line + b"\n" for line in rechained(damaged(Random(seed)), renumber=False)))
        read_in_all_ways(path)
