"""Liveness: when to ping, and when to give a link up."""

from __future__ import annotations

from reconnect.core.frames import Heartbeat
from reconnect.core.liveness import Liveness

HEARTBEAT = Heartbeat(ping=2.0, silence=6.0)


def test_h01_silence_ends_a_link() -> None:
    """H01: on a deadline of our own, counted from the welcome or from what was heard last."""
    liveness = Liveness(HEARTBEAT, 10.0)
    assert liveness.deadline == 16.0
    liveness.heard(13.0)
    assert liveness.deadline == 19.0


def test_h02_what_is_sent_proves_nothing() -> None:
    """H02: neither signals nor pings postpone the deadline."""
    liveness = Liveness(HEARTBEAT, 10.0)
    liveness.sent(12.0)
    liveness.pinged(13.0)
    assert liveness.deadline == 16.0


def test_a_ping_is_due_after_a_while_without_sending_or_without_hearing() -> None:
    """Whichever comes first; and a ping that was sent is given its time."""
    liveness = Liveness(HEARTBEAT, 10.0)
    assert liveness.ping_at == 12.0
    liveness.heard(11.5)
    assert liveness.ping_at == 12.0, "nothing was sent"
    liveness.sent(11.8)
    assert liveness.ping_at == 13.5, "nothing was heard"
    liveness.pinged(13.5)
    assert liveness.ping_at == 15.5


def test_after_a_sleep_the_hub_is_asked_before_it_is_given_up() -> None:
    """B17: the old silence proves nothing."""
    liveness = Liveness(HEARTBEAT, 10.0)
    liveness.probe(500.0, 2.0)
    liveness.pinged(500.0)
    assert (liveness.deadline, liveness.ping_at, liveness.wake_at()) == (502.0, 502.0, 502.0)
    liveness.heard(501.0)
    assert liveness.deadline == 507.0


def test_it_wakes_for_whichever_comes_first() -> None:
    liveness = Liveness(HEARTBEAT, 10.0)
    assert liveness.wake_at() == 12.0
    liveness.pinged(15.0)
    assert liveness.wake_at() == 16.0


def test_its_repr_is_one_line() -> None:
    assert repr(Liveness(HEARTBEAT, 10.0)) == "<Liveness heard=10.000 deadline=16.000>"
