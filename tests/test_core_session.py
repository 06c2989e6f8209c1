"""The session's core: its states, its attempts, its deadlines, and what it does with what comes too late."""

from __future__ import annotations

from typing import Any

import pytest
from tenacity import stop_after_attempt, wait_exponential

from reconnect.chart import Statechart, load_chart, load_chart_text
from reconnect.chart.load import charts_folder
from reconnect.core import inputs
from reconnect.core.effects import CloseTransport, Note, OpenTransport, Send
from reconnect.core.frames import (
    Accepted,
    Done,
    GoingAway,
    Goodbye,
    Heartbeat,
    Join,
    Limits,
    Ping,
    Pong,
    Refused,
    RenewToken,
    SendSignal,
)
from reconnect.core.notices import Attempt, Disconnected, Reconnected, Reconnecting, Updated, UpdateKind
from reconnect.core.outbox import OutboxBounds
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.errors import IllegalTransition, NotConnected, OutboxFull
from reconnect.reasons import Cause, OutcomeStatus, Reason, ResumeRefusal, cause_of_close
from reconnect.retry import RetryPolicy
from tests.core_world import RESET, CoreWorld, Script, shipped, signal
from tests.laws import behaviours as behaviour
from tests.laws.behaviours import DENIED, KICKED, PATIENT, attempts, is_over, place, reach

# -- behaviours that the law of the rows plays on other charts too ---------------------------------------------------------------------


def test_s12_an_open_socket_is_not_a_connection() -> None:
    """S12: connect() dials and joins, and only the hub's acceptance is the connection."""
    behaviour.behaviour_connect_dials_joins_and_is_accepted(shipped())


def test_s17_a_first_connect_that_fails_ends_and_tells_nothing() -> None:
    """S17: connect() raises, nothing was told, and a later connect() works."""
    behaviour.behaviour_a_first_connect_that_fails_ends_and_tells_nothing(shipped())


def test_s17_a_first_connect_may_be_tried_again() -> None:
    """S17: the same numbering, marked as initial, and no `reconnecting` before the first `connected`."""
    behaviour.behaviour_a_first_connect_may_be_tried_again(shipped())


def test_b07_an_attempt_has_one_deadline() -> None:
    """B07: a dial or a join that does nothing has failed when its time is over; the two share it."""
    behaviour.behaviour_an_attempt_has_one_deadline(shipped())


def test_b07_a_deadline_may_be_the_end() -> None:
    """B07: the policy may answer it with the end."""
    behaviour.behaviour_a_deadline_may_be_the_end(shipped())


def test_b03_an_attempt_starts_when_its_wait_is_over() -> None:
    """B03: exactly at the announced delay, and not a moment earlier."""
    behaviour.behaviour_an_attempt_starts_when_its_wait_is_over(shipped())


def test_s07_retry_now_starts_the_one_attempt_at_once() -> None:
    """S07, B12: the wait is cut short, once; during an attempt there is nothing to hurry."""
    behaviour.behaviour_retry_now_starts_the_one_attempt_at_once(shipped())


def test_s08_s09_leaving_while_waiting_or_dialing_ends_at_once() -> None:
    """S08, S09: at that instant, told once; late results change nothing."""
    behaviour.behaviour_leaving_while_waiting_or_dialing_ends_at_once(shipped())


def test_leaving_while_joining_says_goodbye_on_the_way_out() -> None:
    """S09: the hub may have accepted already; a late welcome changes nothing."""
    behaviour.behaviour_leaving_while_joining_says_goodbye_on_the_way_out(shipped())


def test_s10_leaving_says_goodbye_and_ends_whatever_comes_first() -> None:
    """S10: an answer, the close timeout, an abrupt end or a refusal; never a reconnection, and the reason stays."""
    behaviour.behaviour_leaving_says_goodbye_and_ends_whatever_comes_first(shipped())


def test_s01_a_lost_transport_is_one_transition() -> None:
    """S01: one `reconnecting` with its reason, attempt and delay; one timer."""
    behaviour.behaviour_a_lost_transport_is_one_transition(shipped())


def test_r01_r02_the_connection_is_resumed() -> None:
    """R01, R02, S12: the claim goes out, the connection stays, the new secret is taken."""
    behaviour.behaviour_the_connection_is_resumed(shipped())


def test_r03_k08_a_new_connection_replaces_the_lost_one() -> None:
    """R03, K08, R16: connection, secret, epoch and position are replaced together, and only they are claimed from then on."""
    behaviour.behaviour_a_new_connection_replaces_the_lost_one(shipped())


def test_an_attempt_that_fails_is_followed_by_another() -> None:
    """S13: one outage is told once, its attempts are counted."""
    behaviour.behaviour_an_attempt_that_fails_is_followed_by_another(shipped())


def test_k01_a_final_answer_ends_whatever_the_policy_would_say() -> None:
    """K01: denied, kicked: offline at once, and nobody is asked."""
    behaviour.behaviour_a_final_answer_ends_whatever_the_policy_would_say(shipped())


def test_b08_the_policy_may_give_up() -> None:
    """B08: at the loss or at any failed attempt."""
    behaviour.behaviour_the_policy_may_give_up(shipped())


def test_b05_a_connection_that_lasted_pays_off_earlier_failures() -> None:
    """B05: the streak starts anew only after a stable connection."""
    behaviour.behaviour_a_connection_that_lasted_pays_off_earlier_failures(shipped())


def test_q01_q02_q03_q04_signals_wait_for_the_hub_and_go_out_in_order() -> None:
    """Q01, Q02, Q03, Q04: held while away, released ahead of anything later; what opted out is dropped."""
    behaviour.behaviour_signals_wait_for_the_hub_and_go_out_in_order(shipped())


def test_q02_a_queued_signal_that_opted_out_is_dropped_by_the_loss() -> None:
    """Q02: what waits when the loss comes."""
    behaviour.behaviour_a_queued_signal_that_opted_out_is_dropped_by_the_loss(shipped())


def test_a_request_that_the_loss_overtook_may_have_been_done() -> None:
    """A request that is not a want fails at a drop, possibly sent; one that was never sent does not say so."""
    behaviour.behaviour_a_request_that_the_loss_overtook_may_have_been_done(shipped())


def test_r07_streams_follow_the_link() -> None:
    """R07, P05: interrupted with the link, restored when the replay has reached the welcome, ended after `disconnected`."""
    behaviour.behaviour_streams_follow_the_link(shipped())


def test_nothing_is_missed_without_a_replay() -> None:
    """Members and streams that are there, and answers to wants, are told right after `connected`."""
    behaviour.behaviour_nothing_is_missed_without_a_replay(shipped())


def test_s05_s18_each_connect_starts_anew() -> None:
    """S05, S18: after any end, a day later: nothing happened by itself, and connect() starts with attempt 1 and later serials."""
    behaviour.behaviour_each_connect_starts_anew(shipped())


# -- S: states and events --------------------------------------------------------------------------------------------------------------


def steps(world: CoreWorld) -> list[tuple[str, str, str]]:
    """Return the steps of the last turn: event, from, to."""
    notes = [effect for effect in world.turn if isinstance(effect, Note) and effect.what == "step"]
    return [(note.step.event, note.step.before, note.step.after) for note in notes if note.step and note.machine == "session"]


def test_s03_every_step_says_from_where_to_where_and_why() -> None:
    """S03: event, states, reason, attempt and delay as they apply; no delay where nothing is scheduled."""
    world = CoreWorld().online()
    world.lose(Cause(reason=Reason.SILENT, detail="nothing was heard"))
    assert steps(world) == [("transport_lost", "connected", "reconnecting.waiting")]
    (note,) = [effect for effect in world.turn if isinstance(effect, Note)]
    assert (note.reason, note.attempt, note.retry_in, note.generation) == (Reason.SILENT, 1, 1.0, 1)
    assert note.detail == "nothing was heard"
    world.wake()
    assert steps(world) == [("retry_due", "reconnecting.waiting", "reconnecting.dialing")]
    (note,) = [effect for effect in world.turn if isinstance(effect, Note)]
    assert (note.reason, note.attempt, note.retry_in, note.detail) == (None, None, None, "")


def test_s02_what_changes_no_state_tells_no_state_event() -> None:
    """S02: ignored calls, pongs, refused calls and answers to requests tell nothing of the session's coming and going."""
    world = CoreWorld().online()
    before = world.told
    world.connect()
    world.retry()
    world.receive(Ping(), Pong())
    world.disconnect()
    world.disconnect()
    assert world.told == before


def test_s02_a_new_token_is_told_as_an_update() -> None:
    """S02: the hub took it; the state stays."""
    world = CoreWorld().online()
    world.feed(inputs.RequestMade(at=world.now, frame=RenewToken(request=1, token="t2")))
    world.receive(Done(request=1))
    assert [notice.what for notice in world.notices(Updated)] == [UpdateKind.TOKEN]
    assert world.answers[1].error is None


def test_s02_h03_other_limits_than_before_are_told_after_the_return() -> None:
    """S02, H03: a hub that takes less, or more, than the one before says so in its welcome."""
    other = Limits(message_bytes=1_000, data_bytes=100, window=10)
    world = CoreWorld().online()
    world.lose()
    world.resume(limits=other)
    assert world.order == ["reconnected", "updated"]
    assert world.notices(Updated)[0].what is UpdateKind.LIMITS
    assert world.core.at.limits == other
    world.lose()
    world.resume(limits=other)
    assert world.order == ["reconnected"]


def test_s04_a_refused_call_raises_and_changes_nothing() -> None:
    """S04: connect() while leaving; the refusal is audited and names chart, state and event."""
    world = reach(CoreWorld(), "closing")
    before = repr(world.core), repr(world.core.at.timers)
    with pytest.raises(IllegalTransition, match="session does not take connect_requested in state closing") as refusal:
        world.connect()
    assert (refusal.value.chart, refusal.value.state, refusal.value.event) == ("session", "closing", "connect_requested")
    assert (repr(world.core), repr(world.core.at.timers)) == before
    assert steps(world) == [("connect_requested", "closing", "closing")]


def test_s04_a_report_that_cannot_be_drops_the_transport() -> None:
    """S04: a second `opened` of the present transport: the report changes nothing, and its transport is believed no more."""
    world = reach(CoreWorld(), "recovering", "joining")
    world.opened()
    assert steps(world) == [
        ("transport_opened", "reconnecting.joining", "reconnecting.joining"),
        ("attempt_failed", "reconnecting.joining", "reconnecting.waiting"),
    ]
    assert world.core.counts["refused_reports"] == 1
    assert world.script.asked[-1].cause == Cause(
        reason=Reason.PROTOCOL_ERROR, detail="transport_opened cannot happen in reconnecting.joining"
    )


def test_s07_a_forced_retry_replaces_a_living_transport() -> None:
    """S07: connected, with force: a loss with delay 0 that asks no policy; without force it is ignored and audited."""
    world = CoreWorld().online()
    world.retry()
    assert place(world) == ("online", None)
    assert steps(world) == [("retry_requested", "connected", "connected")]
    world.retry(force=True)
    assert place(world) == ("recovering", "waiting")
    assert world.notices(Reconnecting)[0].reason is Reason.FORCED
    assert world.script.asked == []
    assert world.core.at.episode.last_error == Cause(reason=Reason.FORCED, detail="reconnect_now(force=True)")
    assert world.wake() == 0.0
    assert len(world.dialed) == 2
    world.join(resumed=True, connection="c1")
    assert world.told == ["connected", "reconnecting", "reconnected"]
    world.lose()
    assert world.script.asked[0].streak == 3, "a forced loss counts, so that forcing again and again does not hammer"


@pytest.mark.parametrize("force", [False, True])
def test_s07_b12_a_retry_while_offline_or_leaving_does_nothing(force: bool) -> None:
    """S07, B12: ignored, and written down."""
    for world in (CoreWorld(), reach(CoreWorld(), "closing")):
        before = world.state
        world.retry(force=force)
        assert world.state == before
        assert steps(world) == [("retry_requested", before, before)]


def test_s09_a_late_success_of_a_dial_is_audited_as_stale() -> None:
    """S09: the session never becomes connected by it."""
    world = reach(CoreWorld(), "recovering", "dialing")
    world.disconnect()
    assert CloseTransport(generation=2, abort=True, code=1000) in world.turn
    world.opened(2)
    assert [note.detail for note in world.notes("stale_generation")] == ["opened"]
    assert is_over(world, Reason.CLIENT_DISCONNECTED)


def test_s11_an_old_transport_changes_nothing() -> None:
    """S11: its end, its opening, its messages and its frames: one line in the audit each, and that is all."""
    world = CoreWorld().online()
    world.submit()
    world.lose()
    world.resume()
    settled, position = dict(world.outcomes), world.core.at.inbox.received
    for report in (
        lambda: world.lose(generation=1),
        lambda: world.opened(1),
        lambda: world.receive(signal(1), KICKED, generation=1),
    ):
        report()
        assert [type(effect) for effect in world.turn] == [Note]
    assert [(note.generation, note.detail) for note in world.notes("stale_generation")] == [
        (1, "ended: closed"), (1, "opened"), (1, "message"),
    ]  # fmt: skip
    assert world.core.counts["stale_reports"] == 3
    assert not world.core.heard(1, world.now + 100.0)
    assert (world.outcomes, world.core.at.inbox.received, place(world)) == (settled, position, ("online", None))


def test_s11_the_rest_of_a_message_behind_its_end_is_not_read() -> None:
    """S11: what follows a refusal in the same message comes from a transport that is over."""
    world = CoreWorld().online()
    world.receive(KICKED, signal(1), signal(2))
    assert is_over(world, Reason.KICKED)
    assert "signal" not in world.order
    assert world.core.at.inbox.received == 0


def test_s15_the_last_error_is_kept_until_a_connect_succeeds() -> None:
    """S15: set by each failure and drop, cleared by success."""
    world = CoreWorld(policy=Script(then=0.0))
    episode = world.core.at.episode
    world.connect()
    world.lose(Reason.UNREACHABLE)
    assert episode.last_error == Cause(reason=Reason.UNREACHABLE)
    world.wake()
    world.join()
    assert episode.last_error is None
    world.lose(Reason.SILENT)
    assert episode.last_error == Cause(reason=Reason.SILENT)
    world.resume()
    assert episode.last_error is None
    world.receive(KICKED)
    assert episode.last_error == Cause(reason=Reason.KICKED, final=True, detail="removed by a moderator")


def test_s15_a_refused_resume_is_kept_while_connected() -> None:
    """S15: connected again, and yet something was lost: the last error says what."""
    world = CoreWorld().online()
    world.lose()
    world.wake()
    world.join(connection="c2", not_resumed=ResumeRefusal.UNKNOWN_CONNECTION)
    assert world.notices(Reconnected)[0].not_resumed is ResumeRefusal.UNKNOWN_CONNECTION
    assert world.core.at.episode.last_error == Cause(reason=Reason.NOT_RESUMED, detail="unknown_connection")
    world.lose()
    world.resume()
    assert world.core.at.episode.last_error is None


def test_s15_what_the_policy_ended_is_the_last_error() -> None:
    """S15: the policy's own reason and words, or those of the loss where it has none."""
    world = CoreWorld(policy=Script(Reason.GAVE_UP))
    world.connect()
    world.lose()
    assert world.core.at.episode.last_error == Cause(reason=Reason.GAVE_UP, detail="connection reset by peer")


def test_connect_shares_what_is_under_way() -> None:
    """A second connect() is ignored in every state in which the first one is at work or done."""
    for world in (*attempts(shipped(), "waiting", "dialing", "joining"), CoreWorld().online()):
        before, dials = world.state, len(world.dialed)
        world.connect()
        assert (world.state, len(world.dialed)) == (before, dials)


def test_disconnect_is_ignored_where_one_is_gone_or_going() -> None:
    for world in (CoreWorld(), reach(CoreWorld(), "closing")):
        before = world.state
        world.disconnect()
        assert world.state == before
        assert world.sent(Goodbye) == ([Goodbye()] if before == "closing" else [])


def test_signal_needs_a_session_that_is_connected_or_coming_back() -> None:
    """U12: before connect() and while leaving it raises, and says in which state; nothing was taken."""
    for world in (CoreWorld(), reach(CoreWorld(), "closing")):
        with pytest.raises(NotConnected, match=rf"signal\(\) needs a connected session, and this one is {world.state}"):
            world.submit()
        assert world.core.at.outbox.submitted == 0


def test_its_repr_is_one_line_of_its_state() -> None:
    world = reach(CoreWorld(), "recovering", "dialing")
    assert repr(world.core) == "<SessionCore room-1 reconnecting.dialing generation=2>"


def test_a_question_is_answered_before_anything_else() -> None:
    """The core's question stands until its Verdict is fed; anything else is a mistake of the driver."""
    world = CoreWorld().online()
    lost = inputs.TransportEnded(at=world.now, generation=1, cause=RESET)
    world.core.feed(lost)
    assert world.core.question is not None
    with pytest.raises(AssertionError, match="a question is answered by its Verdict, at once"):
        world.core.feed(inputs.Woke(at=world.now))
    answer = RetryAnswer(retry_in=1.0, reason=Reason.CLOSED)
    world.core.feed(inputs.Verdict(at=world.now, question=world.core.question, answer=answer))
    assert world.core.question is None
    with pytest.raises(AssertionError, match="at once"):
        world.core.feed(inputs.Verdict(at=world.now, question=RetryQuestion(cause=RESET, attempt=1, streak=1, elapsed=0.0, at=0.0), answer=answer))


# -- B: back-off, deadlines, hints -------------------------------------------------------------------------------------------------------


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
    announced, began = [], [world.now]
    while world.core.wake_at() is not None and len(announced) < 6:
        announced.append(world.notices(Attempt)[-1].retry_in)
        world.wake()
        began.append(world.now)
        world.lose(Reason.UNREACHABLE)
    assert [later - earlier for earlier, later in zip(began, began[1:], strict=False)] == pytest.approx(announced)
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


# -- sleep -------------------------------------------------------------------------------------------------------------------------------


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


def test_b17_who_is_offline_sleeps_unnoticed() -> None:
    world = CoreWorld()
    world.feed(inputs.Slept(at=world.now, seconds=30.0))
    assert world.order == []
    assert len(world.notes("resume_from_sleep")) == 1


# -- K: verdicts of the hub ----------------------------------------------------------------------------------------------------------------


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


# -- H: heartbeat ------------------------------------------------------------------------------------------------------------------------


def test_h01_silence_is_a_loss_with_the_claim() -> None:
    """H01: nothing heard for the silence: closed, told as silent, and the next attempt claims the connection."""
    world = CoreWorld().online(heartbeat=Heartbeat(ping=2.0, silence=6.0))
    began = world.now
    world.advance(5.999)
    assert place(world) == ("online", None)
    world.advance(0.001)
    assert world.now - began == pytest.approx(6.0)
    assert world.notices(Reconnecting)[0].reason is Reason.SILENT
    assert world.closed[-1].abort
    world.wake()
    world.opened()
    assert world.sent(Join)[-1].resume is not None


@pytest.mark.parametrize("heard", ["a frame", "a stream frame"])
def test_h02_anything_heard_postpones_it_and_nothing_sent_does(heard: str) -> None:
    """H02: any message and any stream frame; what is sent proves nothing."""
    world = CoreWorld().online()
    world.advance(5.0)
    if heard == "a frame":
        world.receive(Pong())
    else:
        assert world.core.heard(1, world.now)
    world.advance(5.9)
    assert place(world) == ("online", None)
    world.submit()
    world.advance(0.1)
    assert place(world) == ("recovering", "waiting")


def test_a_member_pings_after_a_while_without_sending_or_without_hearing() -> None:
    """Whichever comes first; the ping says what was received, and its pong is heard."""
    world = CoreWorld().online()
    world.receive(signal(1))
    world.advance(2.0)
    assert world.sent(Ping) == [Ping(position=1)]
    for _ in range(20):
        world.advance(0.1)
        world.submit()
    assert len(world.sent(Ping)) == 2, "it sends, but it does not hear"
    for _ in range(20):
        world.advance(0.1)
        world.receive(Pong(position=1))
    assert len(world.sent(Ping)) == 3, "it hears, but it does not send"


def test_h03_the_hubs_heartbeat_replaces_the_one_before() -> None:
    """H03: from each welcome on."""
    world = CoreWorld().online(heartbeat=Heartbeat(ping=1.0, silence=3.0))
    world.advance(3.0)
    assert place(world) == ("recovering", "waiting")
    world.resume(heartbeat=Heartbeat(ping=10.0, silence=30.0))
    world.advance(29.9)
    assert place(world) == ("online", None)


def test_nobody_has_to_be_heard_while_leaving() -> None:
    """Only politeness has a limit then."""
    world = reach(CoreWorld(close_timeout=50.0), "closing")
    world.advance(49.0)
    assert world.role == "closing"
    assert world.sent(Ping) == []


def test_a_stream_frame_counts_only_on_an_accepted_link() -> None:
    world = reach(CoreWorld(), "recovering", "joining")
    assert not world.core.heard(2, world.now)
    world.accept_again()
    assert world.core.heard(2, world.now)


# -- signals through the session -----------------------------------------------------------------------------------------------------------


def test_q01_a_signal_before_the_first_acceptance_waits() -> None:
    """Q01: nothing is written to any transport until the hub accepted; then it goes out, also if it opted out."""
    world = CoreWorld()
    world.connect()
    first = world.submit(keep=False)
    world.opened()
    second = world.submit()
    assert world.sent(SendSignal) == []
    world.accept()
    assert [frame.serial for frame in world.sent(SendSignal)] == [first, second]


def test_q03_what_an_observer_sends_on_reconnected_goes_behind_what_was_held() -> None:
    """Q03: the held ones were handed over before `reconnected` was told."""
    world = reach(CoreWorld(), "recovering", "joining")
    held = [world.submit(number) for number in range(3)]
    world.accept_again()
    kinds = [type(effect).__name__ for effect in world.turn if isinstance(effect, Send) or getattr(effect, "notice", None)]
    assert kinds == ["Send", "Notify"]
    later = world.submit("on reconnected")
    assert [frame.serial for frame in world.sent(SendSignal)] == [*held, later]


def test_q06_every_end_settles_everything_in_the_same_step() -> None:
    """Q06: whichever way a session ends, no receipt is left pending."""
    ends = (
        lambda world: world.receive(KICKED),
        lambda world: world.lose(DENIED),
        lambda world: (world.script.answers.append(Reason.GAVE_UP), world.lose()),
        lambda world: (world.disconnect(), world.receive(Goodbye())),
        lambda world: (world.lose(), world.disconnect()),
    )
    for end in ends:
        world = CoreWorld(bounds=OutboxBounds(in_flight=1)).online()
        serials = {world.submit() for _ in range(3)}
        end(world)
        assert world.role == "offline"
        assert world.outcomes.keys() == serials
        assert {outcome.status for outcome in world.outcomes.values()} == {OutcomeStatus.FAILED}


def test_q10_a_signal_expires_while_the_session_is_away() -> None:
    """Q10: at its own instant, long before the return."""
    world = CoreWorld(policy=Script(then=30.0)).online()
    world.lose()
    serial = world.submit(ttl=5.0)
    assert world.wake() == 5.0
    assert world.outcomes[serial].status is OutcomeStatus.EXPIRED
    world.resume()
    assert world.sent(SendSignal) == []


def test_q16_control_frames_are_not_held_back_by_the_window() -> None:
    """Q16: a full window holds signals only."""
    world = CoreWorld(bounds=OutboxBounds(in_flight=1)).online()
    world.submit()
    world.submit()
    world.advance(2.0)
    assert [frame.serial for frame in world.sent(SendSignal)] == [1]
    assert world.sent(Ping)
    world.receive(Accepted(serial=1, position=0))
    assert [frame.serial for frame in world.sent(SendSignal)] == [1, 2]


def test_nothing_is_sent_that_the_store_has_not_confirmed() -> None:
    """The store answers later: what it confirmed goes out then, also after a return."""
    world = CoreWorld(stores=False).online()
    first, second = world.submit(), world.submit()
    assert world.sent(SendSignal) == []
    world.feed(inputs.Stored(at=world.now, serial=first))
    assert [frame.serial for frame in world.sent(SendSignal)] == [first]
    world.lose()
    world.feed(inputs.Stored(at=world.now, serial=second))
    assert len(world.sent(SendSignal)) == 1
    world.resume(accepted=first)
    assert [frame.serial for frame in world.sent(SendSignal)] == [first, second]


def test_a_turn_without_signals_stores_nothing() -> None:
    world = CoreWorld().online()
    world.flush()
    assert world.turn == []


def test_cancel_and_overflow_reach_the_outbox() -> None:
    """Q08: through the session as by itself."""
    world = CoreWorld(bounds=OutboxBounds(signals=1)).online()
    serial = world.submit(flush=False)
    with pytest.raises(OutboxFull):
        world.submit()
    world.perform(world.core.cancel(serial))
    assert world.outcomes[serial].status is OutcomeStatus.CANCELLED
    assert world.core.cancel(serial) == []


def test_poison_is_set_aside_by_the_session() -> None:
    """Two resets in a row right after resending the same first signal; a hub that goes away is not blamed."""
    world = CoreWorld().online()
    poison, good = world.submit("poison"), world.submit("good")
    world.lose()
    world.resume(accepted=0)
    world.receive(GoingAway(retry_after=0.0))
    for _ in range(2):
        world.resume(accepted=0)
        world.lose()
    assert {serial: outcome.reason for serial, outcome in world.outcomes.items()} == {poison: Reason.POISON}
    world.resume(accepted=0)
    world.receive(Accepted(serial=good, position=0))
    assert world.outcomes[good].delivered


# -- charts of one's own ----------------------------------------------------------------------------------------------------------------------


def changed(*changes: tuple[str, str], name: str = "session") -> Statechart:
    """Return the shipped chart with changes to its text."""
    text = (charts_folder() / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"the chart has no {old!r}"
        text = text.replace(old, new)
    return load_chart_text(text)


def world_on(chart: Statechart, **options: Any) -> CoreWorld:
    return CoreWorld({**shipped(), "session": chart}, **options)


def test_a_chart_may_rename_states_and_events() -> None:
    """The code asks for roles, phases and meanings, never for a name."""
    chart = changed(
        ("states.connected]", "states.up]"), ('"connected"', '"up"'), ('tells = "up"', 'tells = "connected"'),
        ("dialing", "calling"), ('phase = "calling"', 'phase = "dialing"'),
        ('retry_due            = { kind = "timer", ', 'time_is_up = { means = "retry_due", kind = "timer", '),
        ('"retry_due"', '"time_is_up"'), ('means = "time_is_up"', 'means = "retry_due"'),
    )  # fmt: skip
    charts = {**shipped(), "session": chart}
    for play in behaviour.SESSION_BEHAVIOURS:
        play(charts)


def test_a_timer_that_an_earlier_one_of_the_same_instant_cancelled_does_not_fire() -> None:
    """Two timers come due at once: the earlier one ends what the later one was for. It is noted, and nothing else."""
    chart = changed(
        ('entry = ["start:retry", "announce_attempt"]\nexit = ["cancel:retry"]', 'entry = ["start:retry", "start:close", "announce_attempt"]\nexit = ["cancel:retry", "cancel:close"]'),
    )  # fmt: skip
    world = world_on(chart, close_timeout=1.0)
    world.check = lambda: None  # type: ignore[method-assign]  # it has a timer that the shipped chart has not
    world.online()
    world.lose()
    assert world.core.at.timers.names == {"retry", "close"}
    world.wake()
    assert world.core.phase == "dialing"
    assert [note.detail for note in world.notes("stale_timer")] == ["close"]


def test_a_question_stops_the_timers_behind_it() -> None:
    """The deadline asks the policy; what is due at the same instant waits for the answer."""
    chart = changed(
        ('entry = ["open_transport", "start:deadline"]\nexit = ["cancel:deadline"]', 'entry = ["open_transport", "start:deadline", "start:close"]\nexit = ["cancel:deadline"]'),
        ('on = ["resumed", "joined", "transport_lost", "goodbye_answered", "retry_due", "stable", "close_due"]', 'on = ["resumed", "joined", "transport_lost", "goodbye_answered", "retry_due", "stable", "close_due"]'),
    )  # fmt: skip
    world = world_on(chart, close_timeout=10.0, attempt_deadline=10.0)
    world.check = lambda: None  # type: ignore[method-assign]  # it has a timer that the shipped chart has not
    world.connect()
    world.wake()
    assert world.core.phase == "waiting"
    world.feed(inputs.Woke(at=world.now))
    assert [step.verdict for note in world.notes("step") if (step := note.step) and step.event == "close_due"] == ["refused"]


def test_the_shipped_chart_is_the_default_story() -> None:
    """Nothing about the charts is remembered between two sessions."""
    assert load_chart("session") == shipped()["session"]
    assert OpenTransport(generation=1) in CoreWorld().online().effects
