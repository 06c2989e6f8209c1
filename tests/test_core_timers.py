"""The chart's timers: one of each name, in the order in which they come due."""

from __future__ import annotations

from reconnect.core.timers import Timers


def test_a_timer_is_due_at_its_instant() -> None:
    timers = Timers()
    timers.start("retry", 5.0)
    assert timers.names == {"retry"}
    assert timers.wake_at() == 5.0
    assert timers.due(4.999) == []
    assert [timer.name for timer in timers.due(5.0)] == ["retry"]


def test_what_is_due_comes_in_order_of_its_instant() -> None:
    """The earliest first; at the same instant the one that was started first."""
    timers = Timers()
    timers.start("late", 9.0)
    timers.start("early", 2.0)
    timers.start("middle", 5.0)
    timers.start("middle too", 5.0)
    assert [timer.name for timer in timers.due(10.0)] == ["early", "middle", "middle too", "late"]
    assert timers.wake_at() == 2.0


def test_a_timer_that_is_started_again_replaces_itself() -> None:
    """The old one counts no more, and neither does one that was cancelled."""
    timers = Timers()
    timers.start("retry", 5.0)
    (old,) = timers.due(5.0)
    assert timers.is_current(old)
    timers.start("retry", 5.0)
    assert not timers.is_current(old)
    (new,) = timers.due(5.0)
    timers.cancel("retry")
    timers.cancel("retry")
    assert not timers.is_current(new)
    assert timers.wake_at() is None
    assert timers.names == frozenset()


def test_its_repr_is_one_line() -> None:
    timers = Timers()
    timers.start("retry", 5.0)
    timers.start("stable", 12.25)
    assert repr(timers) == "<Timers retry@5.000 stable@12.250>"
