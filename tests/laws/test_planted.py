"""The simulator is tried on mistakes that are planted: one that finds too few of them proves nothing when it finds none."""

from __future__ import annotations

import pytest

from reconnect.testing import simulate
from tests.laws.planted import MISTAKES, WORST, is_good_enough, planted, seeds_needed, table

SOON = (
    "acknowledges_before_it_stores", "grace_timer_leaks", "deadline_is_not_cancelled", "sends_before_it_stored",
    "settles_twice", "opens_a_second_transport", "backoff_is_never_reset", "backoff_is_reset_at_once",
    "never_notices_silence", "resumes_off_by_one", "believes_in_ghosts", "dedupe_window_is_short", "tries_too_early",
    "tries_too_late", "loses_count", "swallows_a_gap",
)  # fmt: skip


@pytest.mark.parametrize("name", SOON)
def test_a_planted_mistake_is_found(name: str) -> None:
    """A3: with the mistake a few seeds break a promise; without it they break none. All of them: python -m tests.laws.planted."""
    count, violation = seeds_needed(name, most=20)
    assert count is not None, MISTAKES[name].what
    assert violation is not None
    assert simulate(count - 1).violations == ()


def test_nothing_is_found_where_nothing_is_planted() -> None:
    assert simulate(0).violations == ()
    with planted("grace_timer_leaks"):
        assert simulate(0).violations
    assert simulate(0).violations == ()


def test_there_are_enough_mistakes_and_the_bounds_are_kept() -> None:
    assert len(MISTAKES) >= 15
    assert is_good_enough([1, 50, 50, 500])
    assert not is_good_enough([1, None, 1])
    assert not is_good_enough([51, 51, 500])


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_planted_mistake_is_found() -> None:
    """A3: every one within 500 seeds, half of them within 50; the table is printed."""
    needed = table(list(MISTAKES))
    assert all(count is not None and count <= WORST for count in needed)
    assert is_good_enough(needed)
