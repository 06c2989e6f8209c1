"""Publications and subscriptions: told from their answer on, interrupted by a set of causes, asked for again by every join."""

from __future__ import annotations

import pytest

from reconnect.core.effects import Answer, Note, Notify
from reconnect.core.frames import (
    AddWant,
    Done,
    DropWant,
    Entry,
    EntryKind,
    Failed,
    Join,
    Member,
    Snapshot,
    Stream,
    Want,
    WantAnswer,
)
from reconnect.core.inputs import WantDropped
from reconnect.core.notices import (
    PublisherEnded,
    PublisherInterrupted,
    PublisherLive,
    SubscriberDestroyed,
    SubscriberDisconnected,
)
from reconnect.errors import RequestFailed
from reconnect.reasons import Reason, RejectCode
from tests.core_world import CoreWorld, changed_chart, shipped
from tests.laws.behaviours import Behaviour, reach
from tests.laws.stream_behaviours import CAMERA, FIRST, SCREEN, SECOND, STREAM_BEHAVIOURS, Ends

ANN = Member(connection="c-ann", client_id="ann")
MINE = Stream(id="c1.1", number=1, name="camera", connection="c1")
THEIRS = Stream(id="c-ann.2", number=2, name="screen", connection="c-ann")


def granted(key: str, stream: Stream) -> WantAnswer:
    return WantAnswer(key=key, stream=stream)


def failure(world: CoreWorld, request: int) -> RequestFailed:
    """Return the error with which a request ended."""
    error = world.answers[request].error
    assert isinstance(error, RequestFailed)
    return error


def busy() -> CoreWorld:
    """Return a connected session that publishes and subscribes."""
    world = CoreWorld().online()
    world.receive(Entry(position=1, after=0, what=EntryKind.JOINED, member=ANN))
    world.receive(Entry(position=2, after=1, what=EntryKind.PUBLISHED, stream=THEIRS))
    world.publish(1)
    world.subscribe(2, THEIRS.id)
    world.receive(
        Done(request=1, answer=granted("publish:camera", MINE)), Done(request=2, answer=granted(f"subscribe:{THEIRS.id}", THEIRS))
    )
    return world


# -- behaviours that the law of the rows plays on other charts too -------------------------------------------------------------


@pytest.mark.parametrize("play", STREAM_BEHAVIOURS, ids=lambda play: play.__name__)
def test_the_charts_as_shipped(play: Behaviour) -> None:
    """P01, P05 (the client's side of streams): each row of publisher.toml and subscriber.toml."""
    play(shipped())


# -- the set of what interrupts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own_goes_first", [True, False])
def test_interrupted_is_told_when_the_first_cause_comes_and_restored_when_the_last_goes(own_goes_first: bool) -> None:
    """Own link and publisher overlap in any order: one `disconnected`, one `connected`."""
    ends = Ends(shipped())
    ends.add(SCREEN)
    ends.answer(SCREEN)
    ends.take(ends.wants.publisher_away(FIRST, Reason.NETWORK_DISCONNECTED, 1.0))
    ends.lose()
    backs = [lambda: ends.wants.restore_own(2.0), lambda: ends.wants.publisher_back(FIRST, 2.0)]
    ends.take(backs[not own_goes_first]())
    assert ends.told == ["theirs connected", "theirs disconnected"]
    ends.take(backs[own_goes_first]())
    assert ends.told == ["theirs connected", "theirs disconnected", "theirs connected"]


def test_a_subscription_answered_while_its_publisher_is_away_is_interrupted_right_after() -> None:
    """A want is told from its answer on: interrupted then means so right after."""
    world = CoreWorld().online()
    world.receive(
        Entry(position=1, after=0, what=EntryKind.JOINED, member=ANN),
        Entry(position=2, after=1, what=EntryKind.PUBLISHED, stream=THEIRS),
        Entry(position=3, after=2, what=EntryKind.DROPPED, connection="c-ann"),
    )
    key = world.subscribe(1, THEIRS.id)
    world.receive(Done(request=1, answer=granted(key, THEIRS)))
    assert world.order == [f"{key} connected", f"{key} disconnected"]
    world.receive(Entry(position=4, after=3, what=EntryKind.RETURNED, connection="c-ann"))
    assert world.order == ["connection_restored", "stream_restored", f"{key} connected"]


def test_a_want_answered_during_a_replay_is_interrupted_until_it_is_over() -> None:
    """The own link leaves the set when the replay has reached the welcome's position; both causes at once are told once."""
    world = CoreWorld().online()
    world.lose(Reason.SILENT)
    world.wake()
    camera, screen = world.publish(1), world.subscribe(2, THEIRS.id)
    world.opened()
    world.accept_again(position=3, answers=(granted(camera, MINE), granted(screen, THEIRS)))
    assert world.order == [
        "reconnected", f"{camera} live", f"{camera} interrupted", f"{screen} connected", f"{screen} disconnected",
    ]  # fmt: skip
    assert [notice.reason for notice in world.notices(PublisherInterrupted)] == [Reason.SILENT]
    assert [notice.reason for notice in world.notices(SubscriberDisconnected)] == [Reason.SILENT]
    world.receive(
        Entry(position=1, after=0, what=EntryKind.JOINED, member=ANN),
        Entry(position=2, after=1, what=EntryKind.PUBLISHED, stream=THEIRS),
    )
    world.receive(Entry(position=3, after=2, what=EntryKind.DROPPED, connection="c-ann"))
    assert world.order == ["connection_interrupted", "stream_interrupted", f"{camera} live"]
    world.receive(Entry(position=4, after=3, what=EntryKind.RETURNED, connection="c-ann"))
    assert world.order[-1] == f"{screen} connected"


def test_away_and_own_link_together_are_told_once() -> None:
    """An answer that finds both causes there: one interruption."""
    ends = Ends(shipped())
    ends.add(SCREEN)
    ends.lose()
    ends.take(ends.wants.answer(granted("theirs", FIRST), 1.0, away=True))
    assert ends.told == ["theirs connected", "theirs disconnected"]
    ends.restore()
    assert ends.told == ["theirs connected", "theirs disconnected"]
    ends.take(ends.wants.publisher_back(FIRST, 2.0))
    assert ends.told[-1] == "theirs connected"


def test_a_publication_is_never_interrupted_by_a_publisher() -> None:
    """It is one."""
    ends = Ends(shipped())
    ends.add(CAMERA)
    ends.take(ends.wants.answer(granted("mine", SECOND), 1.0, away=True))
    assert ends.told == ["mine live"]


def test_a_stream_that_is_muted_is_so_for_those_who_have_it() -> None:
    """For them alone, and what has no stream yet has none afterwards."""
    ends = Ends(shipped())
    ends.add(SCREEN)
    ends.answer(SCREEN)
    ends.add(CAMERA)
    other = Want(key="others", subscribe="s-peer.2")
    ends.add(other)
    ends.answer(other, Stream(id="s-peer.2", number=2, name="n", connection="c-peer"))
    muted = Stream(id=FIRST.id, number=1, name="screen", connection="c-peer", muted=True)
    ends.wants.update_stream(muted)
    assert [wanted.stream and wanted.stream.muted for wanted in ends.wants.all] == [True, None, False]


def test_words_about_streams_that_nobody_wants_do_nothing() -> None:
    wants = Ends(shipped()).wants
    assert wants.publisher_away(FIRST, Reason.SILENT, 1.0) == []
    assert wants.publisher_back(FIRST, 1.0) == []
    assert wants.stream_gone(FIRST, Reason.UNPUBLISHED, 1.0) == []
    assert not wants.is_asked("theirs")
    assert wants.subscribed(1) is None


def test_a_late_answer_is_noted() -> None:
    """The want was given up meanwhile."""
    (note,) = Ends(shipped()).wants.answer(granted("theirs", FIRST), 1.0)
    assert isinstance(note, Note)
    assert (note.what, note.machine) == ("late_answer", "theirs")


def test_p05_a_subscription_ends_with_its_stream() -> None:
    """P02, P03 (the subscriber's side): destroyed, with the reason, and no frame is taken for it any more."""
    world = busy()
    assert world.core.at.wants.subscribed(2) == f"subscribe:{THEIRS.id}"
    world.receive(Entry(position=3, after=2, what=EntryKind.LEFT, connection="c-ann", reason=Reason.CLIENT_DISCONNECTED))
    assert world.order == ["stream_destroyed", f"subscribe:{THEIRS.id} destroyed", "connection_destroyed"]
    assert world.notices(SubscriberDestroyed)[0].reason is Reason.CLIENT_DISCONNECTED
    assert world.core.at.wants.subscribed(2) is None


# -- asking --------------------------------------------------------------------------------------------------------------------


def test_wants_added_while_away_are_carried_by_the_next_join() -> None:
    """Asked for while away: the join carries them, its answers complete the calls."""
    world = CoreWorld().online()
    world.lose()
    key = world.publish(1)
    assert world.sent(AddWant) == []
    world.wake()
    world.opened()
    assert [want.key for want in world.sent(Join)[-1].wants] == [key]
    asked = [note.step.event for note in world.notes("step") if note.machine == key and note.step]
    assert asked == ["wanted"], "what a join asks for is audited"
    world.accept_again(answers=(granted(key, MINE),))
    assert world.order == ["reconnected", f"{key} live"]
    assert world.answers[1] == Answer(request=1, value=key)


def test_wants_added_behind_the_join_are_asked_for_right_after_the_welcome() -> None:
    """The join is out and does not say them: nothing may be forgotten between it and the welcome."""
    for role in ("connecting", "recovering"):
        world = reach(CoreWorld(), role, "joining")
        key = world.publish(1)
        other = world.subscribe(2, THEIRS.id)
        assert world.sent(AddWant) == []
        (world.accept if role == "connecting" else world.accept_again)()
        assert [frame.want.key for frame in world.sent(AddWant)] == [key, other]
        world.receive(Done(request=1, answer=granted(key, MINE)), Failed(request=2, code=RejectCode.NO_SUCH_STREAM))
        assert world.order == [f"{key} live", f"{other} destroyed"]
        assert world.answers[1].value == key
        assert failure(world, 2).code is RejectCode.NO_SUCH_STREAM
        world.lose()
        world.wake()
        world.opened()
        assert [want.key for want in world.sent(Join)[-1].wants] == [key]
        world.accept_again(answers=(granted(key, MINE),))
        assert len(world.sent(AddWant)) == 2, "the join said it this time"


def test_what_was_wanted_behind_a_join_that_failed_is_carried_by_the_next_one() -> None:
    """And not asked for a second time."""
    world = reach(CoreWorld(), "recovering", "joining")
    key = world.publish(1)
    world.lose()
    world.wake()
    world.opened()
    assert [want.key for want in world.sent(Join)[-1].wants] == [key]
    world.accept_again(answers=(granted(key, MINE),))
    assert world.sent(AddWant) == []


def test_an_answer_of_an_earlier_link_is_late() -> None:
    """The join asked anew, and the welcome answered."""
    world = CoreWorld().online()
    key = world.publish(1)
    world.lose()
    world.resume(answers=(granted(key, MINE),))
    world.receive(Done(request=1, answer=granted(key, THEIRS)))
    assert world.core.at.wants[key].stream == MINE
    assert world.core.counts["late_answers"] == 1


def test_what_was_given_up_behind_the_join_is_given_up_right_after_the_welcome() -> None:
    """The join carried it, so the hub granted it: it would be a ghost."""
    world = CoreWorld()
    world.connect()
    key = world.publish(1)
    world.opened()
    world.feed(WantDropped(at=world.now, request=2, key=key))
    assert failure(world, 1).code is Reason.UNPUBLISHED
    assert world.answers[2] == Answer(request=2)
    world.accept(answers=(granted(key, MINE),))
    assert world.sent(DropWant) == [DropWant(request=2, key=key)]
    assert "publish:camera live" not in world.order
    world.receive(Done(request=2), Failed(request=2, code=RejectCode.INVALID))
    assert world.core.counts["late_answers"] == 1


def test_who_changes_its_mind_twice_gets_the_last_one() -> None:
    """Given up and wanted anew behind the join: the welcome's answer is about the old one."""
    world = CoreWorld()
    world.connect()
    key = world.publish(1)
    world.opened()
    world.feed(WantDropped(at=world.now, request=2, key=key))
    world.publish(3)
    world.accept(answers=(granted(key, MINE),))
    assert world.order == ["connected"]
    assert [type(frame) for frame in world.wire[-2:]] == [DropWant, AddWant]
    anew = Stream(id="c1.7", number=7, name="camera", connection="c1")
    world.receive(Done(request=2), Done(request=3, answer=granted(key, anew)))
    assert world.core.at.wants[key].stream == anew
    assert world.answers[3].value == key


def test_added_and_given_up_again_behind_the_join() -> None:
    """Both are said, in order, and their answers mean nothing any more."""
    world = reach(CoreWorld(), "recovering", "joining")
    key = world.publish(1)
    world.feed(WantDropped(at=world.now, request=2, key=key))
    world.accept_again()
    assert [type(frame) for frame in world.wire[-2:]] == [AddWant, DropWant]
    world.receive(Done(request=1, answer=granted(key, MINE)), Done(request=2))
    assert key not in world.core.at.wants
    assert world.core.counts["late_answers"] == 1


def test_an_answer_to_a_want_that_was_given_up_and_wanted_anew_is_late() -> None:
    """Connected: the first answer is about a stream that is over."""
    world = CoreWorld().online()
    key = world.publish(1)
    world.feed(WantDropped(at=world.now, request=2, key=key))
    world.publish(3)
    world.receive(Done(request=1, answer=granted(key, MINE)))
    assert world.order == []
    assert world.core.counts["late_answers"] == 1
    anew = Stream(id="c1.7", number=7, name="camera", connection="c1")
    world.receive(Done(request=2), Done(request=3, answer=granted(key, anew)))
    assert world.core.at.wants[key].stream == anew


def test_giving_up_is_done_at_once() -> None:
    """Connected it is said to the hub; away the next join says it by leaving it out."""
    world = busy()
    world.feed(WantDropped(at=world.now, request=3, key="publish:camera"))
    assert world.order == ["publish:camera ended"]
    assert world.notices(PublisherEnded)[0].reason is Reason.UNPUBLISHED
    assert world.wire[-1] == DropWant(request=3, key="publish:camera")
    assert world.answers[3] == Answer(request=3)
    world.receive(Failed(request=3, code=RejectCode.INVALID))
    assert world.turn == [], "nobody waits for it"
    world.feed(WantDropped(at=world.now, request=6, key="never there"))
    world.lose()
    assert world.answers[6] == Answer(request=6), "it was answered before, and the loss does not take that back"
    world.feed(WantDropped(at=world.now, request=4, key=f"subscribe:{THEIRS.id}"))
    world.feed(WantDropped(at=world.now, request=5, key="never there"))
    assert {request for request in (4, 5) if world.answers[request].error is None} == {4, 5}
    world.wake()
    world.opened()
    assert world.sent(Join)[-1].wants == ()
    world.accept_again()
    assert [frame.request for frame in world.sent(DropWant)] == [3, 6]


@pytest.mark.parametrize("role", ["offline", "closing"])
def test_a_want_needs_a_session_that_is_connected_or_coming_back(role: str) -> None:
    """Nothing is wanted from a session that is over or leaving."""
    world = CoreWorld() if role == "offline" else reach(CoreWorld(), role)
    world.publish(1)
    world.subscribe(2)
    for request, name in ((1, "publish"), (2, "subscribe")):
        assert str(failure(world, request)) == f"{name} failed: the session is {world.state}"
        assert not failure(world, request).possibly_sent
    assert world.core.at.wants.all == ()
    world.feed(WantDropped(at=world.now, request=3, key="publish:camera"))
    assert world.answers[3].error is None


def test_a_want_that_is_refused_fails_its_call() -> None:
    """With the hub's code and words."""
    world = CoreWorld().online()
    key = world.publish(1)
    world.receive(Failed(request=1, code=RejectCode.FORBIDDEN, detail="a subscriber may not publish"))
    assert world.order == [f"{key} ended"]
    assert str(failure(world, 1)).startswith("publish 'camera' failed: a subscriber may not publish; ")
    assert (failure(world, 1).code, world.notices(PublisherEnded)[0].code) == (RejectCode.FORBIDDEN, RejectCode.FORBIDDEN)
    assert world.notices(PublisherEnded)[0].reason is Reason.DENIED
    other = world.subscribe(2)
    world.receive(Failed(request=2, code=RejectCode.NO_SUCH_STREAM))
    assert world.order == [f"{other} destroyed"]
    assert str(failure(world, 2)).startswith("subscribe 's-1' failed (no_such_stream): ")
    assert world.notices(SubscriberDestroyed)[0].reason is Reason.NO_SUCH_STREAM


def test_a_welcome_that_refuses_without_saying_why() -> None:
    world = CoreWorld()
    world.connect()
    key = world.publish(1)
    world.join(answers=(WantAnswer(key=key),))
    assert failure(world, 1).code is RejectCode.INVALID


def test_wants_end_with_the_session_publications_first() -> None:
    """Wants survive an outage, not `disconnected`; calls that wait for them fail with the reason."""
    world = busy()
    world.publish(3, "second")
    world.lose()
    assert [wanted.want.key for wanted in world.core.at.wants.all][-1] == "publish:second"
    world.script.then = Reason.GAVE_UP
    world.wake()
    world.lose()
    assert world.order == ["disconnected", "publish:camera ended", "publish:second ended", f"subscribe:{THEIRS.id} destroyed"]
    assert failure(world, 3).code is Reason.GAVE_UP
    assert not world.core.at.wants.all
    world.connect()
    world.opened()
    assert world.sent(Join)[-1].wants == ()


# -- after a new connection ----------------------------------------------------------------------------------------------------


def test_p05_r03_a_new_connection_publishes_and_subscribes_again_by_itself() -> None:
    """P05, P06, R03: under the same keys, before `reconnected`; nothing is told of it but the end of the interruption."""
    world = busy()
    world.lose()
    world.wake()
    world.opened()
    keys = [want.key for want in world.sent(Join)[-1].wants]
    assert keys == ["publish:camera", f"subscribe:{THEIRS.id}"]
    anew = Stream(id="c2.1", number=8, name="camera", connection="c2")
    renumbered = Stream(id=THEIRS.id, number=9, name="screen", connection="c-ann")
    snapshot = Snapshot(page=0, members=(ANN,), streams=(renumbered,))
    world.accept(
        snapshot, connection="c2", epoch="e2", position=5, snapshot_pages=1,
        answers=(granted(keys[0], anew), granted(keys[1], renumbered)),
    )  # fmt: skip
    assert world.order == ["reconnected", "publish:camera live", f"subscribe:{THEIRS.id} connected"]
    assert world.notices(PublisherLive)[-1].stream == anew, "it is the new one that is live"
    assert world.core.at.wants["publish:camera"].stream == anew
    assert (world.core.at.wants.subscribed(2), world.core.at.wants.subscribed(9)) == (None, keys[1])


def test_streams_may_swap_their_numbers_in_another_life_of_the_log() -> None:
    """A number means something within its epoch only: each subscription has its own again, whatever the old ones were."""
    ends = Ends(shipped())
    other = Want(key="others", subscribe="s-peer.2")
    for want, number in ((SCREEN, 1), (other, 2)):
        ends.add(want)
        ends.answer(want, Stream(id=str(want.subscribe), number=number, name="n", connection="c-peer"))
    for want, number in ((SCREEN, 2), (other, 1)):
        ends.answer(want, Stream(id=str(want.subscribe), number=number, name="n", connection="c-peer"))
    assert (ends.wants.subscribed(1), ends.wants.subscribed(2)) == ("others", "theirs")


def test_a_subscription_to_an_own_stream_ends_with_it() -> None:
    """The log does not tell a member of its own streams."""
    world = CoreWorld().online()
    key = world.publish(1)
    loop = world.subscribe(2, MINE.id)
    world.receive(Done(request=1, answer=granted(key, MINE)), Done(request=2, answer=granted(loop, MINE)))
    world.feed(WantDropped(at=world.now, request=3, key=loop))
    assert world.order == [f"{loop} destroyed"]
    loop = world.subscribe(4, MINE.id)
    world.receive(Done(request=4, answer=granted(loop, MINE)))
    world.feed(WantDropped(at=world.now, request=5, key=key))
    assert world.order == [f"{key} ended", f"{loop} destroyed"]
    never = world.publish(6, "never")
    world.feed(WantDropped(at=world.now, request=7, key=never))
    assert world.order == [f"{never} ended"]


def test_p05_a_stream_that_vanished_meanwhile_is_destroyed_after_the_return() -> None:
    """P05: no ghost; the end is told once, as the end of the stream, and behind `reconnected`."""
    world = busy()
    world.lose()
    world.wake()
    refused = WantAnswer(key=f"subscribe:{THEIRS.id}", code=RejectCode.NO_SUCH_STREAM)
    anew = Stream(id="c2.1", number=8, name="camera", connection="c2")
    world.join(
        Snapshot(page=0), connection="c2", epoch="e2", position=5, snapshot_pages=1,
        answers=(granted("publish:camera", anew), refused),
    )  # fmt: skip
    assert world.order == [
        "reconnected", "stream_destroyed", f"subscribe:{THEIRS.id} destroyed", "connection_destroyed", "publish:camera live",
    ]  # fmt: skip
    end = world.notices(SubscriberDestroyed)[0]
    assert (end.reason, end.code) == (Reason.NETWORK_DISCONNECTED, None)
    assert [note.machine for note in world.notes("late_answer")] == [f"subscribe:{THEIRS.id}"]


def test_a_want_that_is_refused_anew_is_over_after_the_return() -> None:
    """P06: a failure to publish again is told."""
    world = busy()
    world.lose()
    world.wake()
    world.join(
        Snapshot(page=0, members=(ANN,), streams=(THEIRS,)), connection="c2", epoch="e2", position=5, snapshot_pages=1,
        answers=(WantAnswer(key="publish:camera", code=RejectCode.FORBIDDEN), granted(f"subscribe:{THEIRS.id}", THEIRS)),
    )  # fmt: skip
    assert world.order == ["reconnected", "publish:camera ended", f"subscribe:{THEIRS.id} connected"]


def test_a_chart_may_tell_less() -> None:
    """`notify` tells what the row names, and a row may name nothing."""
    quiet = changed_chart("publisher", ('tells = "live"\nwhy = "Nothing interrupts', 'why = "Nothing interrupts'))
    ends = Ends({**shipped(), "publisher": quiet})
    ends.add(CAMERA)
    ends.answer(CAMERA)
    ends.lose()
    ends.restore()
    assert ends.told == ["mine live", "mine interrupted"]
    assert ends.wants["mine"].role == "live"


def test_every_step_of_a_want_is_audited_under_its_key() -> None:
    world = busy()
    steps = [note for note in world.notes("step") if note.machine == "publish:camera"]
    assert [note.step.event for note in steps if note.step] == ["wanted", "answered"]
    assert all(isinstance(effect, Note | Notify | Answer) for effect in world.turn)


def test_the_answer_of_a_join_that_is_over_is_not_waited_for() -> None:
    """A want asked for and unanswered at the drop goes with the next join; its call is still open."""
    world = CoreWorld().online()
    key = world.publish(1)
    world.lose()
    assert world.answers == {}
    world.resume(answers=(granted(key, MINE),))
    assert world.answers[1].value == key
