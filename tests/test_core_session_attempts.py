"""The session's core between two connections: back-off, deadlines, sleep, and the hub's verdicts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_exponential

from reconnect.core import inputs
from reconnect.core.bounds import OutboxBounds
from reconnect.core.frames import (
    GoingAway,
    Join,
    Ping,
    Pong,
    Refused,
)
from reconnect.core.notices import Attempt, Disconnected, Reconnected, Reconnecting, Updated, UpdateKind
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.reasons import OutcomeStatus, Reason, cause_of_close
from reconnect.retry import RetryPolicy
from tests.core_world import CoreWorld, shipped
from tests.laws.behaviours import PATIENT, attempts, is_over, place, reach

# -- B: back-off, deadlines, hints ---------------------------------------------------------------------------------------------


def dials(world: CoreWorld, seconds: float, fate: Any) -> list[float]:
    """Let time pass and let `fate(world)` decide what becomes of each dial; return the instants at which one began."""
    until, began = world.now + seconds, []
    while (due := world.core.wake_at()) is not None and due <= until:
        world.wake()
        if world.core.phase == "dialing":
            began.append(world.now)
            fate(world)
    return began


def refuse(world: CoreWorld) -> None:
    world.lose(Reason.UNREACHABLE)


def accept_and_close(world: CoreWorld) -> None:
    world.join(connection="c1", resumed=True)
    world.lose()


def test_b05_accepting_and_closing_at_once_earns_no_earlier_retry() -> None:
    """B05: in a minute a hub that accepts and closes at once sees no more attempts than one that refuses, but one."""
    policy = RetryPolicy(wait=wait_exponential(multiplier=1, max=30), give_up_after_seconds=None, first_try_seconds=None)
    counted = []
    for fate in (refuse, accept_and_close):
        world = CoreWorld(policy=policy).online()
        world.lose()
        counted.append(len(dials(world, 60.0, fate)))
    assert counted[1] <= counted[0] + 1
    assert 3 <= counted[1] <= 7


def test_b03_with_the_real_policy_the_announced_delay_is_kept() -> None:
    """B03: each announced delay is the time to the next dial, exactly."""
    world = CoreWorld(policy=RetryPolicy()).online()
    world.lose()
    announced: list[float] = []
    began = [world.now]
    while world.core.wake_at() is not None and len(announced) < 6:
        announced.append(world.notices(Attempt)[-1].retry_in)
        world.wake()
        began.append(world.now)
        world.lose(Reason.UNREACHABLE)
    assert [later - earlier for earlier, later in pairwise(began)] == pytest.approx(announced)
    assert len(announced) == 6


def test_b08_no_attempt_starts_after_the_end_of_the_budget() -> None:
    """B08: gave_up carries attempts and elapsed, told once; an attempt under way at the end may still win."""
    policy = RetryPolicy(first_try_seconds=None, wait=lambda state: 4.0, give_up_after_seconds=10.0)
    world = CoreWorld(policy=policy).online()
    lost_at = world.now
    world.lose()
    began = dials(world, 60.0, refuse)
    assert [instant - lost_at for instant in began] == [4.0, 8.0]
    assert is_over(world, Reason.GAVE_UP)
    end = world.notices(Disconnected)[0]
    assert (end.attempt, end.elapsed) == (2, 8.0)
    audited = [note for note in world.notes("step") if note.machine == "session"][-1]
    assert (audited.reason, audited.attempt, audited.retry_in) == (Reason.GAVE_UP, 2, None)
    world = CoreWorld(policy=policy).online()
    world.lose()
    world.wake()
    refuse(world)
    world.wake()
    world.now += 9.0
    world.join(connection="c1", resumed=True)
    assert world.told[-1] == "reconnected"


def test_b08_stop_after_a_number_of_attempts() -> None:
    """B08: N attempts and not one more."""
    policy = RetryPolicy(first_try_seconds=None, wait=lambda state: 1.0, stop=stop_after_attempt(3))
    world = CoreWorld(policy=policy).online()
    world.lose()
    assert len(dials(world, 600.0, refuse)) == 3
    assert [end.attempt for end in world.notices(Disconnected)] == [3]


class Broken:
    """A policy of somebody else's that answers what is no delay."""

    def __init__(self, retry_in: float) -> None:
        self.retry_in = retry_in

    def decide(self, question: RetryQuestion) -> RetryAnswer:
        """Answer nonsense."""
        return RetryAnswer(retry_in=self.retry_in, reason=question.cause.reason)


@pytest.mark.parametrize("delay", [-1.0, float("nan"), float("inf")])
def test_b09_a_delay_that_is_none_ends_the_episode(delay: float) -> None:
    """B09: whoever's policy it is, the session ends with policy_error, and works again after connect()."""
    world = CoreWorld(policy=Broken(delay)).online()
    world.lose()
    assert is_over(world, Reason.POLICY_ERROR)
    assert repr(delay) in world.notices(Disconnected)[0].detail
    world.online()
    assert world.told == ["connected", "disconnected", "connected"]


@pytest.mark.parametrize("wait", [lambda state: 1 / 0, lambda state: None, lambda state: -1.0, lambda state: float("nan")])
def test_b09_a_wait_that_raises_or_is_no_delay_ends_the_episode(wait: Any) -> None:
    """B09: with the real policy."""
    world = CoreWorld(policy=RetryPolicy(wait=wait, first_try_seconds=None)).online()
    world.lose()
    assert is_over(world, Reason.POLICY_ERROR)


def test_b11_the_hub_says_when_to_come_back() -> None:
    """B11: exactly then, and later waits start from the policy's beginning."""
    policy = RetryPolicy(first_try_seconds=0.0, wait=lambda state: 10.0 * state.attempt_number)
    world = CoreWorld(policy=policy).online()
    for _ in range(3):
        world.lose()
        if world.core.phase == "waiting":
            world.wake()
    world.opened()
    world.receive(Refused(code=Reason.OVERLOADED, retry_after=17.5))
    assert world.delays[-1] == 17.5
    assert world.wake() == 17.5
    world.lose()
    assert world.delays[-1] == 0.0, "the first try of a new streak"


@pytest.mark.parametrize(
    ("retry_after", "reason"), [(-1.0, Reason.SERVER_SAID_STOP), (float("nan"), Reason.SERVER_SAID_STOP), (500.0, Reason.GAVE_UP)]
)
def test_b11_a_delay_that_is_none_or_beyond_the_budget_ends_at_once(retry_after: float, reason: Reason) -> None:
    """B11: not after a wait in vain."""
    world = CoreWorld(policy=RetryPolicy()).online()
    world.receive(GoingAway(retry_after=retry_after))
    assert is_over(world, reason)


def test_b15_the_hub_may_send_us_elsewhere() -> None:
    """B15: the address in `going_away` or `refused` is tried next, once; after that the session's own again."""
    world = CoreWorld().online()
    world.receive(GoingAway(retry_after=0.5, url="ws://two"))
    world.wake()
    world.lose()
    world.wake()
    world.opened()
    world.receive(Refused(code=Reason.OVERLOADED, retry_after=2.0, url="ws://three"))
    world.wake()
    world.join(resumed=True, connection="c1")
    world.lose()
    world.wake()
    assert [dial.url for dial in world.dialed] == [None, "ws://two", None, "ws://three", None]
    world.join(resumed=True, connection="c1")
    world.receive(GoingAway(retry_after=0.5, url="ws://two"))
    world.wake()
    world.join(resumed=True, connection="c1")
    world.retry(force=True)
    world.wake()
    assert [dial.url for dial in world.dialed[-2:]] == ["ws://two", None], "once"
    world.join(resumed=True, connection="c1")
    world.receive(GoingAway(retry_after=0.5, url="ws://two"))
    world.disconnect()
    world.connect()
    assert world.dialed[-1].url is None, "a connect() starts at the session's own address"


# -- sleep ---------------------------------------------------------------------------------------------------------------------


def test_b17_a_connected_session_that_slept_asks_the_hub_at_once() -> None:
    """B17: a probe now, not at the next heartbeat; silence proved nothing. Audited with its length, told as an update."""
    world = CoreWorld().online()
    world.oversleep(600.0)
    assert place(world) == ("online", None)
    assert isinstance(world.wire[-1], Ping)
    assert [note.detail for note in world.notes("resume_from_sleep")] == ["598.000 s"]
    assert [(one.what, one.seconds) for one in world.notices(Updated)] == [(UpdateKind.SLEPT, 598.0)]
    assert world.core.wake_at() == world.now + 2.0
    world.receive(Pong())
    world.advance(1.9)
    assert place(world) == ("online", None)


def test_b17_a_hub_that_does_not_answer_the_probe_is_given_up_soon() -> None:
    """B17: within the probe's time."""
    world = CoreWorld().online()
    world.feed(inputs.Slept(at=world.now, seconds=30.0))
    assert isinstance(world.wire[-1], Ping)
    world.advance(2.0)
    assert world.notices(Reconnecting)[0].reason is Reason.SILENT


def test_b17_a_waiting_session_that_slept_tries_at_once() -> None:
    """B17: whichever notices it, the wake-up that came late or the watch; an attempt under way has its deadline."""
    for world in attempts(shipped(), "waiting"):
        dials_before = len(world.dialed)
        world.feed(inputs.Slept(at=world.now, seconds=30.0))
        assert world.core.phase == "dialing"
        assert len(world.dialed) == dials_before + 1
        world.feed(inputs.Slept(at=world.now + 40.0, seconds=30.0))
        assert world.core.phase == "dialing"
        world.oversleep(60.0)
        assert world.core.phase == "waiting"
        assert world.script.asked[-1].cause.reason is Reason.DEADLINE
    for world in attempts(shipped(), "waiting"):
        world.script.then = 30.0
        world.oversleep(60.0)
        assert world.core.phase == "dialing"


def test_b17_one_sleep_is_noticed_once() -> None:
    """B17: the late wake-up and the watch are two witnesses of the same sleep."""
    world = CoreWorld().online(heartbeat=PATIENT)
    world.oversleep(600.0)
    world.feed(inputs.Slept(at=world.now, seconds=599.5))
    world.now += 0.5
    world.feed(inputs.Slept(at=world.now, seconds=600.2))
    assert len(world.notes("resume_from_sleep")) == 1
    assert len(world.sent(Ping)) == 1
    world.now += 20.0
    world.feed(inputs.Slept(at=world.now, seconds=10.0))
    assert len(world.notes("resume_from_sleep")) == 2


def test_a_wake_up_with_nothing_due_does_nothing() -> None:
    """A driver's timer may have been overtaken by what happened meanwhile."""
    world = CoreWorld()
    world.feed(inputs.Woke(at=world.now))
    assert world.turn == []
    world.online()
    world.feed(inputs.Woke(at=world.now))
    assert world.turn == []


def test_b17_who_is_offline_sleeps_unnoticed() -> None:
    world = CoreWorld()
    world.feed(inputs.Slept(at=world.now, seconds=30.0))
    assert world.order == []
    assert len(world.notes("resume_from_sleep")) == 1


# -- K: verdicts of the hub ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [Reason.DENIED, Reason.KICKED, Reason.TAKEN_OVER, Reason.WRONG_SESSION, Reason.UNSUPPORTED, Reason.SESSION_ENDED],
)
def test_k01_k09_a_final_verdict_ends_and_fails_what_waits(reason: Reason) -> None:
    """K01, K09: offline with that reason, whatever the policy allows; queued and sent signals fail with it."""
    world = CoreWorld(policy=RetryPolicy.forever(), bounds=OutboxBounds(in_flight=1)).online()
    sent, queued = world.submit(), world.submit()
    world.receive(Refused(code=reason, detail="because"))
    assert is_over(world, reason)
    assert world.notices(Disconnected)[0].detail == "because"
    assert {serial: (one.status, one.reason, one.possibly_sent) for serial, one in world.outcomes.items()} == {
        sent: (OutcomeStatus.FAILED, reason, True),
        queued: (OutcomeStatus.FAILED, reason, False),
    }
    world.advance(86_400.0)
    assert len(world.dialed) == 1


@pytest.mark.parametrize("code", [4500, 4501, 4502, 4503, 4504, 4505, 4506, 4999, 1002, 1008])
def test_k01_close_codes_that_do_not_come_back(code: int) -> None:
    """K01: whether it is joining, connected or coming back."""
    for role, phase in (("connecting", "joining"), ("online", None), ("recovering", "joining")):
        world = reach(CoreWorld(), role, phase)
        world.lose(cause_of_close(code))
        assert is_over(world, cause_of_close(code).reason)


@pytest.mark.parametrize("code", [4000, 4001, 4002, 4003, 4004, 4005, 4006, 4499, 1000, 1001, 1006, 1011, 1012, 1013, None])
def test_k02_close_codes_that_come_back(code: int | None) -> None:
    """K02: a shutdown, an overload, an error of the hub, a reset."""
    world = CoreWorld().online()
    world.lose(cause_of_close(code))
    assert place(world) == ("recovering", "waiting")


@pytest.mark.parametrize("reason", [Reason.OVERLOADED, Reason.HUB_ERROR, Reason.SLOW, Reason.GOING_AWAY])
def test_k02_a_retryable_verdict_comes_back(reason: Reason) -> None:
    """K02: connected or joining."""
    world = CoreWorld().online()
    world.receive(Refused(code=reason))
    assert world.notices(Reconnecting)[0].reason is reason
    world.wake()
    world.opened()
    world.receive(Refused(code=reason))
    assert place(world) == ("recovering", "waiting")


def test_k05_an_expired_token_that_cannot_be_fetched_anew_is_the_end() -> None:
    """K05: no renewer."""
    world = CoreWorld(policy=RetryPolicy()).online()
    world.lose(Reason.TOKEN_EXPIRED)
    assert is_over(world, Reason.TOKEN_EXPIRED)


def test_k05_an_expired_token_is_renewed_once() -> None:
    """K05: exactly one renewal, with the claim; the second such error waits like any failure, a success allows another."""
    world = CoreWorld(policy=RetryPolicy(), renewable=True).online()
    world.receive(Refused(code=Reason.TOKEN_EXPIRED))
    assert world.delays == [0.0]
    world.wake()
    world.opened()
    assert world.sent(Join)[-1].resume is not None
    world.receive(Refused(code=Reason.TOKEN_EXPIRED))
    assert world.delays[-1] > 0.0
    world.resume()
    world.receive(Refused(code=Reason.TOKEN_EXPIRED))
    assert world.delays[-1] == 0.0


def test_k05_the_first_connect_may_renew_its_token() -> None:
    """K05: once, even where a first connect is not tried again; then it ends."""
    world = CoreWorld(policy=RetryPolicy(), renewable=True)
    world.connect()
    world.opened()
    world.receive(Refused(code=Reason.TOKEN_EXPIRED))
    assert (place(world), world.delays) == (("connecting", "waiting"), [0.0])
    world.wake()
    world.opened()
    world.receive(Refused(code=Reason.TOKEN_EXPIRED))
    assert is_over(world, Reason.TOKEN_EXPIRED)
    assert world.told == []


def test_s17_with_the_real_policy() -> None:
    """S17: without retry_initial the first failure is the end; with it the policy goes on."""
    world = CoreWorld(policy=RetryPolicy())
    world.connect()
    world.lose(Reason.UNREACHABLE)
    assert is_over(world, Reason.UNREACHABLE)
    world = CoreWorld(policy=RetryPolicy(), retry_initial=True)
    world.connect()
    world.lose(Reason.UNREACHABLE)
    world.wake()
    world.lose(Reason.UNREACHABLE)
    assert [(one.attempt, one.initial) for one in world.notices(Attempt)] == [(2, True), (3, True)]


def test_an_attempt_is_announced_with_the_reason_of_the_last_failure() -> None:
    """The outage keeps its own; each attempt says what the one before died of."""
    world = CoreWorld().online()
    world.lose(Reason.SILENT)
    world.wake()
    world.lose(Reason.UNREACHABLE)
    world.resume()
    assert [one.reason for one in world.notices(Attempt)] == [Reason.SILENT, Reason.UNREACHABLE]
    assert world.notices(Reconnected)[0].reason is Reason.SILENT


def test_a_question_says_all_that_a_policy_may_know() -> None:
    """The hub's window, what can be renewed, attempts of this outage, the streak beyond it, and the time in it."""
    world = CoreWorld(renewable=True, retry_initial=True)
    world.connect()
    world.now += 2.0
    world.lose()
    world.wake()
    world.join(first_try_window=9.0)
    world.lose()
    world.wake()
    world.lose()
    first, second, third = world.script.asked
    assert (first.attempt, first.streak, first.elapsed, first.initial, first.first_try_window) == (2, 2, 2.0, True, None)
    assert (second.attempt, second.streak, second.elapsed, second.initial, second.first_try_window) == (1, 3, 0.0, False, 9.0)
    assert (third.attempt, third.streak, third.elapsed, third.initial) == (2, 4, 1.0, False)
    assert all(question.renewable and question.retry_initial and not question.renewed for question in world.script.asked)
    assert all(question.at <= world.now for question in world.script.asked)
