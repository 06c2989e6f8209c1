"""Attempts and streaks: what is counted from a connect() or a loss."""

from __future__ import annotations

from reconnect.core.episode import Episode
from reconnect.core.question import RetryQuestion
from reconnect.reasons import Cause, Reason

LOST = Cause(reason=Reason.CLOSED)


def ask(episode: Episode, at: float, *, online: bool = False, cause: Cause = LOST) -> RetryQuestion:
    """Return what a policy would be asked now."""
    return episode.question(cause, at, online=online, retry_initial=False, renewable=True, window=None)


def test_attempts_are_counted_from_one_and_streaks_go_on() -> None:
    """B05: the outage's attempts start anew with it, the streak only with a stable connection."""
    episode = Episode()
    episode.begin(0.0)
    first = ask(episode, 1.0)
    assert (first.attempt, first.streak, first.elapsed, first.initial) == (2, 2, 1.0, True)
    episode.schedule(first, renewal=False)
    episode.accepted()
    lost = ask(episode, 9.0, online=True)
    assert (lost.attempt, lost.streak, lost.elapsed, lost.initial) == (1, 3, 0.0, False)
    episode.schedule(lost, renewal=False)
    episode.begin_outage(9.0, Reason.CLOSED)
    assert episode.attempt == 0
    episode.attempt = 1
    again = ask(episode, 12.0)
    assert (again.attempt, again.streak, again.elapsed, again.initial) == (2, 4, 3.0, False)


def test_a_wait_that_the_hub_ordered_starts_a_new_streak() -> None:
    """B11: later waits return to the policy's beginning; a renewal is no wait."""
    episode = Episode()
    episode.begin(0.0)
    ordered = ask(episode, 1.0, cause=Cause(reason=Reason.OVERLOADED, retry_after=5.0))
    episode.schedule(ordered, renewal=True)
    assert episode.streak == 2
    episode.schedule(ordered, renewal=False)
    assert episode.streak == 0
    assert ask(episode, 6.0).streak == 1


def test_k05_a_renewal_is_remembered_until_the_hub_accepts() -> None:
    """K05: one for each time that a token was good."""
    episode = Episode()
    episode.begin(0.0)
    assert not ask(episode, 1.0).renewed
    episode.schedule(ask(episode, 1.0), renewal=True)
    episode.schedule(ask(episode, 2.0), renewal=False)
    assert ask(episode, 3.0).renewed
    episode.accepted()
    assert not ask(episode, 4.0).renewed


def test_a_connect_begins_anew() -> None:
    """S05, S18: attempt 1, no last error, nothing renewed."""
    episode = Episode()
    episode.begin(0.0)
    episode.schedule(ask(episode, 1.0), renewal=True)
    episode.last_error = LOST
    episode.begin(50.0)
    assert (episode.attempt, episode.streak, episode.renewed, episode.initial) == (1, 1, False, True)
    assert str(episode.last_error) == "None"
    assert episode.elapsed(53.0) == 3.0
    assert episode.elapsed(49.0) == 0.0, "a clock that goes back a little makes no negative time"


def test_its_repr_is_one_line() -> None:
    episode = Episode()
    episode.begin(0.0)
    assert repr(episode) == "<Episode attempt=1 streak=1 reason=client_disconnected>"
