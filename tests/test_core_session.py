"""The session's core: its states, its attempts, its deadlines, and what it does with what comes too late."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, load_chart
from reconnect.core import inputs
from reconnect.core.effects import CloseTransport, Note, OpenTransport
from reconnect.core.frames import (
    Done,
    Goodbye,
    Limits,
    Ping,
    Pong,
    RenewToken,
)
from reconnect.core.notices import Reconnected, Reconnecting, Updated, UpdateKind
from reconnect.core.question import RetryAnswer
from reconnect.errors import IllegalTransition, NotConnected
from reconnect.reasons import Cause, Reason, ResumeRefusal
from tests.core_world import RESET, CoreWorld, Script, changed_chart, shipped, signal
from tests.laws import behaviours as behaviour
from tests.laws import effect_behaviours as effects
from tests.laws.behaviours import DENIED, KICKED, attempts, is_over, place, reach

# -- behaviours that the law of the rows plays on other charts too -------------------------------------------------------------


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
    effects.behaviour_signals_wait_for_the_hub_and_go_out_in_order(shipped())


def test_q02_a_queued_signal_that_opted_out_is_dropped_by_the_loss() -> None:
    """Q02: what waits when the loss comes."""
    effects.behaviour_a_queued_signal_that_opted_out_is_dropped_by_the_loss(shipped())


def test_a_request_that_the_loss_overtook_may_have_been_done() -> None:
    """A request that is not a want fails at a drop, possibly sent; one that was never sent does not say so."""
    effects.behaviour_a_request_that_the_loss_overtook_may_have_been_done(shipped())


def test_r07_streams_follow_the_link() -> None:
    """R07, P05: interrupted with the link, restored when the replay has reached the welcome, ended after `disconnected`."""
    effects.behaviour_streams_follow_the_link(shipped())


def test_nothing_is_missed_without_a_replay() -> None:
    """Members and streams that are there, and answers to wants, are told right after `connected`."""
    effects.behaviour_nothing_is_missed_without_a_replay(shipped())


def test_s05_s18_each_connect_starts_anew() -> None:
    """S05, S18: after any end, a day later: nothing happened by itself, and connect() starts with attempt 1 and later serials."""
    effects.behaviour_each_connect_starts_anew(shipped())


# -- S: states and events ------------------------------------------------------------------------------------------------------


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


def test_s10_a_final_word_while_leaving_is_audited_as_what_it_is() -> None:
    """S10: it changes nothing about the end but what the audit says of it."""
    for lost, event in ((RESET, "transport_lost"), (DENIED, "ended")):
        world = reach(CoreWorld(), "closing")
        world.lose(lost)
        assert steps(world) == [(event, "closing", "disconnected")]


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
    reports: tuple[Callable[[], None], ...] = (
        lambda: world.lose(generation=1),
        lambda: world.opened(1),
        lambda: world.receive(signal(1), KICKED, generation=1),
    )
    for report in reports:
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
    question, answer = world.core.question, RetryAnswer(retry_in=1.0, reason=Reason.CLOSED)
    world.core.feed(inputs.Verdict(at=world.now, question=question, answer=answer))
    assert str(world.core.question) == "None"
    with pytest.raises(AssertionError, match="at once"):
        world.core.feed(inputs.Verdict(at=world.now, question=question, answer=answer))


# -- charts of one's own -------------------------------------------------------------------------------------------------------


def with_timer(name: str, phase: str) -> Statechart:
    """Return the session's chart with one timer more, which the states of a phase start as well."""
    states = tuple(
        replace(state, entry=(*state.entry, f"start:{name}")) if state.phase == phase else state
        for state in shipped()["session"].states
    )
    return replace(shipped()["session"], states=states, sha256=f"start:{name} in {phase}")


def test_a_chart_may_rename_states_and_events() -> None:
    """The code asks for roles, phases and meanings, never for a name."""
    chart = changed_chart(
        "session",
        ("states.connected]", "states.up]"), ('"connected"', '"up"'), ('tells = "up"', 'tells = "connected"'),
        ("dialing", "calling"), ('phase = "calling"', 'phase = "dialing"'),
        ('retry_due            = { kind = "timer", ', 'time_is_up = { means = "retry_due", kind = "timer", '),
        ('"retry_due"', '"time_is_up"'), ('means = "time_is_up"', 'means = "retry_due"'),
    )  # fmt: skip
    for play in effects.SESSION_BEHAVIOURS:
        play({**shipped(), "session": chart})


def test_a_timer_that_an_earlier_one_of_the_same_instant_cancelled_does_not_fire() -> None:
    """Two timers come due at once: the earlier one ends what the later one was for. It is noted, and nothing else."""
    chart = with_timer("close", "waiting")
    states = tuple(
        replace(state, exit=(*state.exit, "cancel:close")) if state.phase == "waiting" else state for state in chart.states
    )
    chart = replace(chart, states=states, sha256="cancelled as well")
    world = CoreWorld({**shipped(), "session": chart}, close_timeout=1.0)
    world.check = lambda: None  # type: ignore[method-assign]  # it has a timer that the shipped chart has not
    world.online()
    world.lose()
    assert world.core.at.timers.names == {"retry", "close"}
    world.wake()
    assert world.core.phase == "dialing"
    assert [note.detail for note in world.notes("stale_timer")] == ["close"]
    assert [event for event, _, _ in steps(world)] == ["retry_due"]


def test_a_question_stops_the_timers_behind_it() -> None:
    """The deadline asks the policy; what is due at the same instant waits for the answer."""
    chart = with_timer("close", "dialing")
    world = CoreWorld({**shipped(), "session": chart}, close_timeout=10.0, attempt_deadline=10.0)
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
