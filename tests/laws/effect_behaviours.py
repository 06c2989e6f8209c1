"""What a session does for signals, requests and streams from state to state, as plain functions of its charts.

See `behaviours.py` for what they are for.
"""

from __future__ import annotations

from typing import Final

from reconnect.core.effects import Notify, Send, Settle
from reconnect.core.frames import Done, Goodbye, Join, Kick, Member, SendSignal, Snapshot, Stream, WantAnswer
from reconnect.core.inputs import RequestMade
from reconnect.core.notices import Attempt
from reconnect.errors import RequestFailed
from reconnect.reasons import OutcomeStatus, Reason
from tests.core_world import Charts, CoreWorld, signal
from tests.laws.behaviours import STATE_BEHAVIOURS, Behaviour, is_over, reach


def behaviour_signals_wait_for_the_hub_and_go_out_in_order(charts: Charts) -> None:
    world = CoreWorld(charts).online()
    judged, unsure, opted_out = world.submit(1), world.submit(2), world.submit(3, keep=False)
    world.lose()
    held, worthless = world.submit(4), world.submit(5, keep=False)
    assert world.outcomes[worthless].status is OutcomeStatus.DROPPED
    before = len(world.sent(SendSignal))
    world.resume(accepted=judged)
    kinds = [type(effect) for effect in world.turn if isinstance(effect, Send | Settle | Notify)]
    assert kinds == [Settle, Settle, Send, Notify], "judged, then released, then told"
    later = world.submit(6)
    assert [frame.serial for frame in world.sent(SendSignal)[before:]] == [unsure, held, later]
    assert {serial: outcome.status for serial, outcome in world.outcomes.items()} == {
        judged: OutcomeStatus.DELIVERED,
        opted_out: OutcomeStatus.DROPPED,
        worthless: OutcomeStatus.DROPPED,
    }
    world.disconnect()
    world.receive(Goodbye())
    assert world.core.at.outbox.pending == 0
    assert world.outcomes[later].status is OutcomeStatus.FAILED


def behaviour_a_queued_signal_that_opted_out_is_dropped_by_the_loss(charts: Charts) -> None:
    world = CoreWorld(charts, stores=False).online()
    kept, worthless = world.submit(1), world.submit(2, keep=False)
    world.lose()
    assert world.outcomes[worthless].status is OutcomeStatus.DROPPED
    assert kept not in world.outcomes


def behaviour_a_request_that_the_loss_overtook_may_have_been_done(charts: Charts) -> None:
    world = CoreWorld(charts).online()
    world.feed(RequestMade(at=world.now, frame=Kick(request=1, connection="c-peer")))
    assert world.wire[-1] == Kick(request=1, connection="c-peer")
    world.lose()
    error = world.answers[1].error
    assert isinstance(error, RequestFailed)
    assert (error.code, error.possibly_sent) == (None, True)
    world.feed(RequestMade(at=world.now, frame=Kick(request=2, connection="c-peer")))
    error = world.answers[2].error
    assert isinstance(error, RequestFailed)
    assert not error.possibly_sent


def behaviour_streams_follow_the_link(charts: Charts) -> None:
    world = CoreWorld(charts).online()
    mine = WantAnswer(key=world.publish(1), stream=Stream(id="s-me.1", number=1, name="camera", connection="c1"))
    theirs = WantAnswer(key=world.subscribe(2, "s-2"), stream=Stream(id="s-2", number=2, name="screen", connection="c-peer"))
    world.receive(Done(request=1, answer=mine), Done(request=2, answer=theirs))
    assert world.order == [f"{mine.key} live", f"{theirs.key} connected"]
    world.lose()
    assert world.order == [f"{mine.key} interrupted", f"{theirs.key} disconnected", "reconnecting", "attempt"]
    world.wake()
    world.opened()
    assert [want.key for want in world.sent(Join)[-1].wants] == [mine.key, theirs.key]
    world.accept_again(position=2, answers=(mine, theirs))
    assert world.order == ["reconnected"], "the link is back, and the replay is not over"
    world.receive(signal(1))
    assert world.order == ["signal"]
    world.receive(signal(2))
    assert world.order == ["signal", f"{mine.key} live", f"{theirs.key} connected"]
    world.disconnect()
    world.receive(Goodbye())
    assert world.order == ["disconnected", f"{mine.key} ended", f"{theirs.key} destroyed"]
    assert is_over(world, Reason.CLIENT_DISCONNECTED)


def behaviour_nothing_is_missed_without_a_replay(charts: Charts) -> None:
    world = CoreWorld(charts)
    world.connect()
    key = world.publish(1)
    world.opened()
    assert [want.key for want in world.sent(Join)[0].wants] == [key]
    stream = Stream(id="s-me.1", number=1, name="camera", connection="c1")
    member = Member(connection="c-peer", client_id="ann")
    world.accept(Snapshot(page=0, members=(member,)), snapshot_pages=1, answers=(WantAnswer(key=key, stream=stream),))
    assert world.order == ["connected", "connection_created", f"{key} live"]
    assert world.answers[1].value == key


def behaviour_each_connect_starts_anew(charts: Charts) -> None:
    world = reach(CoreWorld(charts), "recovering", "dialing")
    first = world.submit()
    world.script.answers.append(Reason.GAVE_UP)
    world.lose()
    assert is_over(world, Reason.GAVE_UP)
    world.now += 86_400.0
    world.connect()
    assert world.core.at.episode.last_error is None
    world.join()
    assert world.sent(Join)[-1].resume is None
    assert world.submit() == first + 1, "serials belong to the outbox"
    world.lose()
    assert [(one.attempt, one.elapsed, one.initial) for one in world.notices(Attempt)][-1] == (1, 0.0, False)
    assert world.told == ["connected", "reconnecting", "disconnected", "connected", "reconnecting"]


SESSION_BEHAVIOURS: Final[tuple[Behaviour, ...]] = (
    *STATE_BEHAVIOURS,
    *(value for name, value in sorted(globals().items()) if name.startswith("behaviour_")),
)
