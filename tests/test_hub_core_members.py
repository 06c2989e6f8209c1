"""The hub's core: drops, returns, ends, and streams; everything is told by the log."""

from __future__ import annotations

import pytest

from reconnect.core.frames import (
    AddWant,
    Done,
    DropWant,
    EntryKind,
    Failed,
    Goodbye,
    Handled,
    Kick,
    Mute,
    Ping,
    Pong,
    Refused,
    RenewToken,
    Want,
)
from reconnect.core.hub.effects import News
from reconnect.core.hub.inputs import Authenticated, Bearer, DrainRequested, ServerKick, Woke
from reconnect.reasons import CloseCode, Reason, RejectCode
from tests.scripted_hub import ROOM, ScriptedHub

# -- dropping and returning ----------------------------------------------------------------------------------------------------


def test_a_drop_is_told_at_once_and_a_return_within_the_grace() -> None:
    """P01: exactly one of each, and nothing about the stream itself."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.publish(ann)
    hub.end(ann)
    hub.later(3.0)
    hub.return_of(ann, wants=[Want(key="cam", publish="camera")])
    hub.later(2.0)
    told = [(entry.what, entry.connection, entry.reason) for entry in hub.told(bob)[2:]]
    assert told == [
        (EntryKind.DROPPED, hub.connection(ann), Reason.CLOSED),
        (EntryKind.RETURNED, hub.connection(ann), None),
    ]
    assert hub.core.statistics().streams == 1


def test_the_end_of_the_grace_is_the_end() -> None:
    """P02, R13: one leaving after the drop, told once to the operator, and nothing afterwards."""
    hub = ScriptedHub(grace_seconds=20.0)
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.publish(ann)
    hub.end(ann)
    for _ in range(30):
        hub.later(5.0)
        hub.send(bob, Ping())
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.PUBLISHED, EntryKind.DROPPED, EntryKind.LEFT]
    assert hub.told(bob)[-1].reason is Reason.NETWORK_DISCONNECTED
    assert [news.connection for news in hub.announced(News.EXPIRED)] == [hub.connection(ann)]
    statistics = hub.core.statistics()
    assert (statistics.streams, statistics.members, statistics.expired) == (0, 1, 1)


@pytest.mark.parametrize(("late", "resumed"), [(-0.001, True), (0.001, False)])
def test_the_grace_ends_when_it_ends(late: float, resumed: bool) -> None:
    """R13: at g-e accepted, at g+e refused, whether or not the core was woken in between."""
    hub = ScriptedHub(grace_seconds=60.0)
    ann = hub.join("ann")
    hub.end(ann)
    hub.now += 60.0 + late
    back = hub.return_of(ann)
    assert hub.welcome(back).resumed is resumed


def test_a_return_ends_the_grace() -> None:
    """A47: the old deadline means nothing to a member that came back, and a new drop has a grace of its own."""
    hub = ScriptedHub(grace_seconds=20.0)
    ann = hub.join("ann")
    hub.end(ann)
    hub.later(15.0)
    back = hub.return_of(ann)
    record = hub.core.record(hub.connection(ann))
    assert record is not None
    assert record.grace_end is None
    hub.later(4.0)
    hub.end(back)
    hub.later(15.0)
    assert hub.state(ann) == "away"
    hub.later(10.0)
    assert hub.state(ann) is None


def test_a_goodbye_ends_the_place_at_once() -> None:
    """P03, R14: the end, no drop; a late end of the transport changes nothing."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.publish(ann)
    hub.send(ann, Goodbye(reason=Reason.KICKED), Ping())
    assert hub.closed[ann].code == 1000
    assert hub.sent(ann, Pong) == [], "nothing is read behind a goodbye"
    hub.end(ann)
    hub.later(2.0)
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.PUBLISHED, EntryKind.LEFT]
    assert hub.told(bob)[-1].reason is Reason.CLIENT_DISCONNECTED, "whatever the member said"
    assert hub.core.statistics().streams == 0


def test_silence_is_a_loss() -> None:
    """H01, H02 on the hub's side: any message counts, and the link is aborted; peers learn it."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    for _ in range(3):
        hub.later(4.0)
        hub.send(bob, Ping())
        hub.send(ann, Ping())
    hub.later(5.9)
    hub.send(bob, Ping())
    assert ann not in hub.closed
    hub.later(0.2)
    assert hub.closed[ann].abort
    assert hub.closed[ann].code == CloseCode.SILENT
    assert hub.told(bob)[-1].reason is Reason.SILENT
    assert hub.state(ann) == "away"


def test_stream_frames_prove_life_too() -> None:
    """H02."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.publish(ann)
    for _ in range(4):
        hub.later(5.0)
        hub.core.relay(ann, 1, hub.now)
    assert ann not in hub.closed


def test_a_hub_that_was_suspended_listens_before_it_judges() -> None:
    """A20: what arrived meanwhile waits to be read, so silence proves nothing yet."""
    hub = ScriptedHub()
    ann, late = hub.join("ann"), hub.open()
    hub.now += 30.0
    hub.feed(Woke(at=hub.now))
    assert len(hub.announced(News.SLEPT)) == 1
    assert ann not in hub.closed
    assert late not in hub.closed
    hub.later(6.0)
    assert hub.closed[ann].code == CloseCode.SILENT
    assert late not in hub.closed


def test_a_late_word_of_an_old_connection_is_of_another_incarnation() -> None:
    """P07: connection and stream ids are never used twice, so the old end cannot hit the new publication."""
    hub = ScriptedHub()
    bob, old = hub.join("bob"), hub.join("ann")
    hub.publish(old)
    hub.end(old)
    new = hub.join("ann", sender="other-box")
    hub.publish(new)
    for _ in range(13):
        hub.later(5.0)
        hub.send(bob, Ping())
        hub.send(new, Ping())
    published = [entry.stream.id for entry in hub.told(bob) if entry.what is EntryKind.PUBLISHED and entry.stream]
    left = [entry.connection for entry in hub.told(bob) if entry.what is EntryKind.LEFT]
    assert published == ["c2.1", "c3.2"]
    assert left == ["c2"]
    assert hub.state(new) == "present"


# -- wants ---------------------------------------------------------------------------------------------------------------------


def test_publish_and_subscribe() -> None:
    """The publisher has its answer; the others have the entry, and the frames of the stream."""
    hub = ScriptedHub()
    ann, bob = hub.join("ann"), hub.join("bob")
    hub.send(ann, AddWant(request=4, want=Want(key="cam", publish="camera", data="hd")))
    stream = hub.last(ann, Done).answer.stream  # type: ignore[union-attr]  # publishing is answered
    assert stream is not None
    assert (stream.id, stream.number, stream.name, stream.connection, stream.data) == ("c1.1", 1, "camera", "c1", "hd")
    assert [entry.stream for entry in hub.told(bob)] == [stream]
    hub.subscribe(bob, stream.id)
    assert hub.last(bob, Done).answer.stream == stream  # type: ignore[union-attr]  # so is subscribing
    assert hub.core.relay(ann, 1, hub.now) == (bob,)
    assert hub.core.statistics().frames_relayed == 1


@pytest.mark.parametrize(
    ("role", "want", "code"),
    [
        ("subscriber", Want(key="k", publish="x"), RejectCode.FORBIDDEN),
        ("publisher", Want(key="k", subscribe="nothing"), RejectCode.NO_SUCH_STREAM),
        ("publisher", Want(key="k"), RejectCode.INVALID),
        ("publisher", Want(key="k", publish="x", subscribe="y"), RejectCode.INVALID),
        ("publisher", Want(key="", publish="x"), RejectCode.INVALID),
        ("publisher", Want(key="k" * 257, publish="x"), RejectCode.INVALID),
        ("publisher", Want(key="k", publish="x" * 257), RejectCode.INVALID),
        ("publisher", Want(key="k", publish="x", data="d" * 1_001), RejectCode.TOO_LARGE),
    ],
)
def test_a_want_that_is_not_granted(role: str, want: Want, code: RejectCode) -> None:
    hub = ScriptedHub()
    ann = hub.join("ann", role=role)
    hub.send(ann, AddWant(request=9, want=want))
    failed = hub.last(ann, Failed)
    assert (failed.request, failed.code) == (9, code)
    assert failed.detail
    assert ann not in hub.closed


def test_a_member_may_want_only_so_much() -> None:
    hub = ScriptedHub(wants_per_member=2)
    ann = hub.join("ann", wants=[Want(key=key, publish=key) for key in "abc"])
    assert [answer.code for answer in hub.welcome(ann).answers] == [None, None, RejectCode.LIMIT]
    hub.send(ann, AddWant(request=1, want=Want(key="a", publish="other")))
    assert hub.sent(ann, Done)
    hub.send(ann, AddWant(request=2, want=Want(key="c", publish="other")))
    assert hub.last(ann, Failed).code is RejectCode.LIMIT


def test_asking_again_for_the_same_changes_nothing() -> None:
    """P06: a resume carries the full list; what is the same keeps its stream, what is missing is given up."""
    hub = ScriptedHub()
    bob = hub.join("bob")
    cam, mic = Want(key="cam", publish="camera"), Want(key="mic", publish="microphone")
    ann = hub.join("ann", wants=[cam, mic])
    first = {answer.key: answer.stream for answer in hub.welcome(ann).answers}
    hub.end(ann)
    screen = Want(key="scr", publish="screen")
    back = hub.return_of(ann, wants=[screen, cam])
    second = {answer.key: answer.stream for answer in hub.welcome(back).answers}
    assert second["cam"] == first["cam"]
    assert hub.kinds(bob)[-4:] == [EntryKind.DROPPED, EntryKind.UNPUBLISHED, EntryKind.RETURNED, EntryKind.PUBLISHED]
    gone = hub.told(bob)[-3]
    assert gone.stream == first["mic"]
    assert gone.reason is Reason.UNPUBLISHED
    hub.send(back, AddWant(request=1, want=cam))
    assert hub.kinds(bob)[-1] is EntryKind.PUBLISHED
    assert hub.last(back, Done).answer.stream == first["cam"]  # type: ignore[union-attr]  # a want is answered


def test_another_content_under_the_same_key_is_another_stream() -> None:
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.publish(ann, "cam", "camera")
    hub.publish(ann, "cam", "screen")
    assert hub.kinds(bob)[-3:] == [EntryKind.PUBLISHED, EntryKind.UNPUBLISHED, EntryKind.PUBLISHED]
    assert hub.told(bob)[-1].stream.number == 2  # type: ignore[union-attr]  # a number is never used twice


def test_frames_of_a_muted_stream_are_dropped_and_counted() -> None:
    hub = ScriptedHub()
    ann, bob, mod = hub.join("ann"), hub.join("bob"), hub.join("mod", role="moderator")
    hub.publish(ann)
    hub.subscribe(bob, "c1.1", "one")
    hub.send(mod, Mute(request=1, stream="c1.1"))
    assert hub.core.relay(ann, 1, hub.now) == ()
    numbers = hub.core.statistics()
    assert (numbers.frames_muted, numbers.frames_relayed) == (1, 0)
    hub.send(mod, Mute(request=2, stream="c1.1", muted=False))
    assert hub.core.relay(ann, 1, hub.now) == (bob,)


def test_giving_up() -> None:
    """Answered with done, also where there is nothing to give up."""
    hub = ScriptedHub()
    ann, bob = hub.join("ann"), hub.join("bob")
    hub.publish(ann)
    hub.subscribe(bob, "c1.1", "one")
    hub.subscribe(bob, "c1.1", "two")
    hub.send(bob, DropWant(request=5, key="one"))
    assert hub.core.relay(ann, 1, hub.now) == (bob,), "it is subscribed to under another key too"
    hub.send(bob, DropWant(request=6, key="two"), DropWant(request=7, key="two"))
    assert hub.core.relay(ann, 1, hub.now) == ()
    hub.send(ann, DropWant(request=8, key="cam"))
    assert [frame.request for frame in hub.sent(bob, Done)][-3:] == [5, 6, 7]
    assert hub.kinds(bob) == [EntryKind.PUBLISHED, EntryKind.UNPUBLISHED]
    assert hub.core.relay(ann, 1, hub.now) == ()
    assert hub.core.statistics().unknown_streams == 1


def test_a_stream_that_ends_takes_the_subscriptions_along() -> None:
    """Nothing of it is left in anybody's record, and a later join that still asks for it is told."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.publish(ann)
    hub.subscribe(bob, "c2.1")
    hub.subscribe(ann, "c2.1", "own")
    hub.end(bob)
    hub.send(ann, Goodbye())
    record = hub.core.record("c1")
    assert record is not None
    assert record.wants == ()
    back = hub.return_of(bob, wants=[Want(key="sub", subscribe="c2.1")])
    assert [answer.code for answer in hub.welcome(back).answers] == [RejectCode.NO_SUCH_STREAM]
    assert hub.kinds(back) == [EntryKind.LEFT]


def test_the_streams_of_an_away_member_stay() -> None:
    """P01, P05: so do its subscriptions; frames go to those that are present."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.publish(ann)
    hub.subscribe(bob, "c2.1")
    hub.end(bob)
    assert hub.core.relay(ann, 1, hub.now) == ()
    back = hub.return_of(bob, wants=[Want(key="sub", subscribe="c2.1")])
    assert hub.core.relay(ann, 1, hub.now) == (back,)
    hub.end(ann)
    assert hub.core.relay(ann, 1, hub.now) == (), "nothing is relayed from a link that ended"
    cid = hub.join("cid")
    assert hub.snapshot(cid) == (["c1", "~c2"], ["c2.1"])


def test_frames_from_somebody_else_or_for_nothing_are_dropped_and_counted() -> None:
    hub = ScriptedHub()
    ann, bob, lurker = hub.join("ann"), hub.join("bob"), hub.open()
    hub.publish(ann)
    hub.subscribe(bob, "c1.1")
    assert hub.core.relay(bob, 1, hub.now) == ()
    assert hub.core.relay(ann, 2, hub.now) == ()
    assert hub.core.relay(lurker, 1, hub.now) == ()
    assert hub.core.relay(99, 1, hub.now) == ()
    assert hub.core.statistics().unknown_streams == 4
    hub.core.dropped(2)
    assert hub.core.statistics().frames_dropped == 2


# -- moderation ----------------------------------------------------------------------------------------------------------------


def test_a_moderator_removes_a_member_and_keeps_it_out() -> None:
    """K01: told, closed for good, and a tombstone for connection and sender for the length of a grace."""
    hub = ScriptedHub(grace_seconds=20.0)
    mod, bob, ann = hub.join("mod", role="moderator"), hub.join("bob"), hub.join("ann")
    hub.publish(ann)
    hub.send(mod, Kick(request=3, connection=hub.connection(ann)))
    assert hub.last(mod, Done).request == 3
    assert (hub.last(ann, Refused).code, hub.closed[ann].code) == (Reason.KICKED, CloseCode.KICKED)
    assert hub.told(bob)[-1].what is EntryKind.LEFT
    assert hub.told(bob)[-1].reason is Reason.KICKED
    assert hub.core.statistics().streams == 0
    for attempt in (hub.return_of(ann), hub.return_of(ann, sender="other-box"), hub.join("ann")):
        assert (hub.last(attempt, Refused).code, hub.closed[attempt].code) == (Reason.KICKED, CloseCode.KICKED)
    assert hub.welcome(hub.join("ann", sender="other-box")), "the principal itself is not banned"
    hub.later(21.0)
    assert hub.welcome(hub.join("ann"))
    assert hub.core.statistics().kicked == 1


def test_a_tombstone_outlives_everything_else_of_its_session() -> None:
    hub = ScriptedHub(grace_seconds=20.0, log_seconds=4.0)
    ann = hub.join("ann")
    hub.feed(ServerKick(at=hub.now, ticket=1, connection=hub.connection(ann)))
    hub.later(15.0)
    assert hub.forgotten == []
    assert hub.closed[hub.join("ann")].code == CloseCode.KICKED
    hub.later(10.0)
    assert hub.forgotten == [ROOM]


def test_a_record_says_how_far_its_member_was() -> None:
    """What another node needs to take it over: what was handled, not what was sent."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.signal(ann, 1, 2, 3)
    hub.send(ann, Handled(position=3, settled=2))
    hub.end(ann)
    record = hub.core.record("c1")
    assert record is not None
    assert (record.position, record.settled, record.grace_end) == (3, 2, hub.now + 60.0)
    assert (record.session, record.client_id, record.sender, record.role) == (ROOM, "ann", "ann-box", "publisher")


def test_an_away_member_can_be_kicked_too() -> None:
    hub = ScriptedHub()
    mod, ann = hub.join("mod", role="moderator"), hub.join("ann")
    hub.end(ann)
    hub.send(mod, Kick(request=1, connection=hub.connection(ann)))
    assert hub.kinds(mod)[-2:] == [EntryKind.DROPPED, EntryKind.LEFT]
    back = hub.return_of(ann)
    assert hub.closed[back].code == CloseCode.KICKED
    hub.later(70.0)
    assert hub.announced(News.EXPIRED) == [] or hub.announced(News.EXPIRED)[0].connection != hub.connection(ann)


def test_a_moderator_that_kicks_itself_hears_that_it_was_done() -> None:
    hub = ScriptedHub()
    mod = hub.join("mod", role="moderator")
    hub.send(mod, Kick(request=1, connection=hub.connection(mod)), Ping())
    assert [type(frame) for frame in hub.frames[mod][2:]] == [Done, Refused]


def test_only_a_moderator_kicks_and_mutes() -> None:
    """A49."""
    hub = ScriptedHub()
    ann, sub = hub.join("ann"), hub.join("sub", role="subscriber")
    hub.publish(ann)
    for link in (ann, sub):
        hub.send(link, Kick(request=1, connection=hub.connection(ann)), Mute(request=2, stream="c1.1"))
        assert [frame.code for frame in hub.sent(link, Failed)] == [RejectCode.FORBIDDEN] * 2
    assert hub.state(ann) == "present"


def test_what_is_not_there_cannot_be_kicked_or_muted() -> None:
    hub = ScriptedHub()
    mod = hub.join("mod", role="moderator")
    hub.send(mod, Kick(request=1, connection="nobody"), Mute(request=2, stream="nothing"))
    assert [frame.code for frame in hub.sent(mod, Failed)] == [RejectCode.NO_SUCH_CONNECTION, RejectCode.NO_SUCH_STREAM]


def test_mute_is_enforced_at_the_hub_and_told_to_all() -> None:
    """By an entry, also to the publisher itself; and in the welcome to who comes later."""
    hub = ScriptedHub()
    mod, ann, bob = hub.join("mod", role="moderator"), hub.join("ann"), hub.join("bob")
    cam = Want(key="cam", publish="camera")
    hub.send(ann, AddWant(request=1, want=cam))
    hub.subscribe(bob, "c2.1")
    hub.send(mod, Mute(request=1, stream="c2.1"), Mute(request=2, stream="c2.1"))
    assert [frame.request for frame in hub.sent(mod, Done)] == [1, 2]
    for link in (mod, ann, bob):
        muted = [entry for entry in hub.told(link) if entry.what is EntryKind.MUTED]
        assert [entry.stream.muted for entry in muted if entry.stream] == [True], "saying it twice tells nothing"
    assert hub.core.relay(ann, 1, hub.now) == ()
    cid = hub.join("cid")
    assert hub.sent(cid, type(hub.frames[cid][1]))[0].streams[0].muted  # type: ignore[attr-defined]  # the snapshot
    back = hub.return_of(ann, wants=[cam])
    assert hub.welcome(back).answers[0].stream.muted  # type: ignore[union-attr]  # a want that is granted
    hub.send(mod, Mute(request=3, stream="c2.1", muted=False))
    assert hub.core.relay(back, 1, hub.now) == (bob,)
    assert len(hub.announced(News.MUTED)) == 2


def test_publishing_anew_is_no_way_out_of_a_mute() -> None:
    """Mute is state of the member and stream, kept with the name as long as the member's record, and for its successor."""
    hub = ScriptedHub()
    mod, ann = hub.join("mod", role="moderator"), hub.join("ann")
    hub.publish(ann)
    hub.send(mod, Mute(request=1, stream="c2.1"), DropWant(request=2, key="none"))
    hub.send(ann, DropWant(request=1, key="cam"))
    hub.publish(ann, "again")
    assert hub.told(mod)[-1].stream.muted  # type: ignore[union-attr]  # published
    new = hub.join("ann")
    hub.publish(new)
    assert hub.told(mod)[-1].stream.muted  # type: ignore[union-attr]  # published
    hub.publish(new, "scr", "screen")
    assert not hub.told(mod)[-1].stream.muted  # type: ignore[union-attr]  # published


# -- tokens of living members --------------------------------------------------------------------------------------------------


def renew(hub: ScriptedHub, link: int, bearer: Bearer) -> None:
    """Let a member hand in a newer token that speaks for this bearer."""
    hub.send(link, RenewToken(request=8, token="newer"))
    assert hub.asked[-1].request == 8
    assert hub.asked[-1].join.token == "newer"
    hub.feed(Authenticated(at=hub.now, link=link, bearer=bearer, fresh=hub.fresh(), request=8))


@pytest.mark.parametrize("strict", [True, False])
def test_a_newer_token_changes_role_and_end(strict: bool) -> None:
    hub = ScriptedHub(strict_tokens=strict)
    ann = hub.join("ann", role="subscriber")
    renew(hub, ann, Bearer(client_id="ann", session=ROOM, role="publisher", expires_in=10.0))
    assert hub.last(ann, Done).request == 8
    hub.publish(ann)
    assert hub.last(ann, Done).request == 1
    hub.later(5.0)
    renew(hub, ann, Bearer(client_id="ann", session=ROOM, role="publisher"))
    hub.later(5.0)
    renew(hub, ann, Bearer(client_id="ann", session=ROOM, role="publisher", expires_in=3.0))
    assert ann not in hub.closed
    hub.later(3.0)
    hub.send(ann, Ping())
    assert (ann in hub.closed) is strict


@pytest.mark.parametrize(
    "bearer",
    [
        Bearer(client_id="eve", session=ROOM, role="moderator"),
        Bearer(client_id="ann", session="room-2", role="moderator"),
        Bearer(client_id="ann", session=ROOM, role="moderator", expired=True),
    ],
)
def test_a_newer_token_of_somebody_else(bearer: Bearer) -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    renew(hub, ann, bearer)
    assert hub.last(ann, Failed).code is RejectCode.FORBIDDEN
    hub.send(ann, Kick(request=9, connection="c1"))
    assert hub.last(ann, Failed).request == 9


def test_newer_tokens_are_looked_at_one_at_a_time() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.send(ann, RenewToken(request=8, token="newer"), RenewToken(request=9, token="newest"))
    assert (hub.last(ann, Failed).request, hub.last(ann, Failed).code) == (9, RejectCode.LIMIT)
    bearer = Bearer(client_id="ann", session=ROOM, role="publisher")
    hub.feed(Authenticated(at=hub.now, link=ann, bearer=bearer, fresh=hub.fresh(), request=8))
    hub.send(ann, RenewToken(request=10, token="newest"))
    assert hub.asked[-1].request == 10


def test_a_newer_token_that_is_refused_changes_nothing() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.send(ann, RenewToken(request=8, token="bad"))
    hub.refuse(ann, request=8)
    assert hub.last(ann, Failed).code is RejectCode.FORBIDDEN
    assert hub.state(ann) == "present"


# -- leaving the hub -----------------------------------------------------------------------------------------------------------


def test_a_drain_sends_everybody_away_and_takes_nobody() -> None:
    """D01: each link its own delay; members drop, they do not leave."""
    hub = ScriptedHub()
    ann, bob, refused = hub.join("ann"), hub.join("bob"), hub.open()
    hub.send(ann, Goodbye())
    hub.send(refused, Ping())
    hub.feed(DrainRequested(at=hub.now, seconds=3.0, delays=((bob, 1.5),)))
    assert hub.closed[refused].code == CloseCode.PROTOCOL_ERROR
    assert hub.closed[bob].code == CloseCode.GOING_AWAY
    assert hub.closed[ann].code == 1000, "who was leaving anyway leaves"
    hub.end(bob)
    assert hub.state(bob) == "away"
    assert [news.reason for news in hub.announced(News.DROPPED)] == [Reason.GOING_AWAY]
    assert len(hub.announced(News.DRAINING)) == 1


def test_a_member_that_was_sent_away_can_still_be_removed() -> None:
    """Its link was told already; nothing more is written to it."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.feed(DrainRequested(at=hub.now, seconds=1.0))
    hub.feed(ServerKick(at=hub.now, ticket=1, connection=hub.connection(ann)))
    assert hub.sent(ann, Refused) == []
    hub.end(ann)
    assert hub.state(ann) is None


def test_ten_thousand_drops_without_return_leave_nothing() -> None:
    """D05, R13: bounded while they last, and after the grace nothing is left: no session, no deadline, no log."""
    hub = ScriptedHub(grace_seconds=10.0, log_seconds=20.0, members_per_session=10_000)
    for number in range(2_000):
        link = hub.join(f"m{number}", session=f"s{number % 100}")
        hub.signal(link, 1)
        hub.end(link)
    assert hub.core.statistics().away == 2_000
    hub.later(60.0)
    statistics = hub.core.statistics()
    assert (statistics.members, statistics.sessions, statistics.log_bytes, statistics.expired) == (0, 0, 0, 2_000)
    assert hub.core.wake_at() is None
    assert sorted(hub.forgotten) == sorted(f"s{number}" for number in range(100))


def test_reprs_are_one_line_of_what_is() -> None:
    hub = ScriptedHub()
    hub.join("ann")
    assert repr(hub.core) == "<HubCore sessions=1 members=1 links=1>"
