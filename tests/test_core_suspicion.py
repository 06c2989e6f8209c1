"""Poison, and a line that merely flaps: who is suspected, how a suspect is tried, and what clears it."""

from __future__ import annotations

from reconnect.core.suspicion import POISON_SECONDS, Suspicion
from reconnect.reasons import Reason
from tests.laws.signal_life import OutboxBench


def suspected() -> OutboxBench:
    """Return an outbox whose first signal of three was resent once, and the link died at once."""
    bench = OutboxBench()
    for name in ("first", "second", "third"):
        bench.submit(name)
    bench.release()
    bench.lose()
    bench.welcome(0)
    assert bench.sent() == [1, 2, 3]
    bench.lose()
    return bench


def test_a_suspect_is_sent_alone_and_only_once_the_link_has_answered() -> None:
    bench = suspected()
    bench.welcome(0)
    bench.proves = False
    assert bench.outbox.wants_proof
    assert not bench.outbox.wants_proof, "one ping is enough"
    assert bench.sent() == []
    bench.outbox.prove()
    assert bench.sent() == [1]
    assert bench.sent() == [], "nothing beside it until it is judged"
    bench.judge(1)
    assert bench.sent() == [2, 3]
    assert bench.statuses() == ["delivered", "pending", "pending"]


def test_a_line_that_flaps_before_it_answers_proves_nothing() -> None:
    """However often the line drops, an innocent signal keeps its place, and goes out once the line lives."""
    bench = suspected()
    bench.proves = False
    for _ in range(10):
        bench.welcome(0)
        assert bench.sent() == []
        bench.lose()
    assert bench.statuses() == ["pending"] * 3
    bench.welcome(0)
    bench.proves = True
    assert bench.sent() == [1]
    bench.judge(1)
    bench.release()
    bench.judge(3)
    assert bench.statuses() == ["delivered"] * 3


def test_one_that_ends_a_proven_link_is_poison() -> None:
    bench = suspected()
    bench.welcome(0)
    assert bench.sent() == [1]
    bench.lose()
    assert bench.statuses() == ["failed?", "pending", "pending"]
    assert bench.outcomes[1].reason is Reason.POISON
    bench.welcome(0)
    assert bench.sent() == [2, 3], "the others start with a clean record"


def test_a_suspect_that_gets_its_outcome_otherwise_leaves_no_trial_behind() -> None:
    bench = suspected()
    bench.welcome(0)
    bench.proves = False
    assert bench.cancel(1)
    assert bench.sent() == [2, 3]
    assert not bench.outbox.wants_proof


def test_the_hubs_word_in_the_welcome_clears_a_suspect() -> None:
    bench = suspected()
    bench.welcome(1)
    bench.proves = False
    assert bench.sent() == [2, 3]


def test_nothing_that_waits_needs_no_proof() -> None:
    bench = OutboxBench()
    bench.submit()
    bench.release()
    bench.lose()
    bench.welcome(0)
    bench.release()
    bench.lose()
    bench.end()
    assert not bench.outbox.wants_proof


def test_the_loss_counts_up_to_its_instant() -> None:
    for after, losses in ((POISON_SECONDS, 1), (POISON_SECONDS + 0.001, 0)):
        suspicion = Suspicion()
        suspicion.sent(10.0)
        suspicion.sent(10.5)
        assert not suspicion.lost(7, 10.0 + after, resent=True, blameable=True)
        assert suspicion.losses == losses


def test_its_repr_is_one_line() -> None:
    suspicion = Suspicion()
    assert repr(suspicion) == "<Suspicion 0 losses=0>"
    suspicion.prove()
    assert repr(suspicion) == "<Suspicion 0 losses=0 proven>"
