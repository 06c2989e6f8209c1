"""The hub's core: joins, resumes and refusals, and what becomes of secrets."""

from __future__ import annotations

import pytest

from reconnect.core.frames import (
    Accepted,
    AddWant,
    Entry,
    EntryKind,
    Frame,
    Goodbye,
    Handled,
    Join,
    Ping,
    Pong,
    Refused,
    ResumeClaim,
    SendSignal,
    Unknown,
    Want,
    Welcome,
)
from reconnect.core.hub.effects import News
from reconnect.core.hub.inputs import Authenticated, Bearer, MessageRefused
from reconnect.reasons import CloseCode, Reason, ResumeRefusal
from tests.scripted_hub import ROOM, ScriptedHub, raw

JOIN = Join(token="token", session=ROOM, sender="ann-box")


def refusal(hub: ScriptedHub, link: int) -> tuple[Reason, int]:
    """Return the code of the last Refused, and the close code."""
    return hub.last(link, Refused).code, hub.closed[link].code


# -- joining -------------------------------------------------------------------------------------------------------------------


def test_a_member_is_welcomed_when_the_log_has_its_joining() -> None:
    """An open socket is no connection: the welcome is, and it stands at the member's own joining."""
    hub = ScriptedHub()
    hub.holding = True
    ann = hub.join("ann")
    assert hub.sent(ann, Welcome) == []
    hub.log()
    welcome = hub.welcome(ann)
    assert (welcome.connection, welcome.secret, welcome.epoch, welcome.position) == ("c1", "s1", "epoch-1", 1)
    assert not welcome.resumed
    assert welcome.not_resumed is None
    assert welcome.accepted is None, "this sender was never heard of"
    assert hub.state(ann) == "present"


def test_the_welcome_says_what_the_hub_takes_and_expects() -> None:
    """H03: the heartbeat is the hub's, raised by one interval for each so many members; the first-try window grows with them."""
    hub = ScriptedHub(members_per_heartbeat=2, resumes_per_second=10, window=7, grace_seconds=5.0)
    welcomes = [hub.welcome(hub.join(name)) for name in ("ann", "bob", "cid")]
    assert [welcome.heartbeat.ping for welcome in welcomes] == [2.0, 4.0, 4.0]
    assert [welcome.heartbeat.silence for welcome in welcomes] == [6.0, 12.0, 12.0]
    assert [welcome.first_try_window for welcome in welcomes] == pytest.approx([0.12, 0.24, 0.36])
    assert welcomes[0].limits.window == 7
    assert welcomes[0].grace == 5.0


def test_the_others_learn_of_a_joining_and_the_member_does_not() -> None:
    hub = ScriptedHub()
    ann, bob = hub.join("ann"), hub.join("bob", data="robot")
    (entry,) = hub.told(ann)
    assert entry.what is EntryKind.JOINED
    assert entry.member is not None
    assert (entry.member.connection, entry.member.client_id, entry.member.data) == (hub.connection(bob), "bob", "robot")
    assert hub.told(bob) == []


def test_another_sender_of_the_same_principal_is_another_member() -> None:
    hub = ScriptedHub()
    first, second = hub.join("ann", sender="phone"), hub.join("ann", sender="laptop")
    assert hub.state(first) == hub.state(second) == "present"
    assert hub.connection(first) != hub.connection(second)


def test_a_sender_of_another_principal_is_denied() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann", sender="box")
    eve = hub.join("eve", sender="box")
    assert refusal(hub, eve) == (Reason.DENIED, CloseCode.DENIED)
    assert hub.state(ann) == "present"
    assert [news.reason for news in hub.announced(News.REFUSED)] == [Reason.DENIED]


def test_a_join_replaces_what_the_same_sender_still_holds() -> None:
    """R15, P05: a clean start ends the old connection before the new one begins, so nobody sees a ghost beside it."""
    hub = ScriptedHub()
    bob = hub.join("bob")
    old = hub.join("ann")
    hub.publish(old)
    hub.signal(old, 1, 2)
    new = hub.join("ann")
    assert hub.kinds(bob)[-2:] == [EntryKind.LEFT, EntryKind.JOINED]
    left = hub.told(bob)[-2]
    assert (left.connection, left.reason) == (hub.connection(old), Reason.REPLACED)
    assert refusal(hub, old) == (Reason.TAKEN_OVER, CloseCode.TAKEN_OVER)
    assert hub.connection(new) != hub.connection(old)
    assert hub.welcome(new).accepted == 2, "the sender is known, whatever its connection"
    assert hub.snapshot(new) == ([hub.connection(bob)], [])


def test_a_member_that_is_away_is_replaced_too() -> None:
    """R15: a clean start discards what was kept."""
    hub = ScriptedHub()
    bob, old = hub.join("bob"), hub.join("ann")
    hub.end(old)
    new = hub.join("ann")
    assert hub.kinds(bob)[-3:] == [EntryKind.DROPPED, EntryKind.LEFT, EntryKind.JOINED]
    hub.later(200.0)
    assert next(entry.connection for entry in hub.told(bob) if entry.what is EntryKind.LEFT) == hub.connection(old)
    assert hub.connection(new) not in [news.connection for news in hub.announced(News.EXPIRED) if news.at < 160.0]


# -- resuming ------------------------------------------------------------------------------------------------------------------


def test_a_resume_within_the_grace_keeps_the_connection() -> None:
    """R01, R02: the claim carries what was handled; the same connection, no gap, a new secret."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(bob, 1, 2)
    hub.end(ann)
    hub.signal(bob, 3, 4)
    back = hub.return_of(ann)
    welcome = hub.welcome(back)
    assert welcome.resumed
    assert welcome.gap is None
    assert welcome.connection == hub.connection(ann)
    assert welcome.secret != hub.welcome(ann).secret
    assert welcome.snapshot_pages == 0
    assert hub.serials(back) == [3, 4]
    assert hub.entries[back][0][1] == hub.position(ann), "the first entry follows what the member claims to have"
    assert hub.kinds(bob)[-1] is EntryKind.RETURNED


def test_the_replay_comes_before_anything_newer_and_ends_at_the_position_of_the_welcome() -> None:
    """R07: the welcome names the last entry of the replay, even where the log goes on with entries for others."""
    hub = ScriptedHub()
    bob, ann, cid = hub.join("bob"), hub.join("ann"), hub.join("cid")
    hub.end(ann)
    hub.signal(bob, 1, 2)
    hub.signal(bob, 3, to=hub.connection(cid))
    back = hub.return_of(ann)
    assert hub.welcome(back).position == hub.told(back)[-1].position
    hub.signal(bob, 4)
    assert hub.serials(back) == [1, 2, 4]


def test_a_resume_with_nothing_missed_waits_for_nothing() -> None:
    """R07: the own drop and return stand in the log, and are not for the member itself."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.end(ann)
    back = hub.return_of(ann)
    assert hub.welcome(back).position == hub.welcome(ann).position
    assert hub.told(back) == []


def test_a_member_that_received_nothing_is_resumable() -> None:
    """R08: the position is a counter, not the look-up of an entry that is still kept."""
    hub = ScriptedHub(log_seconds=1.0)
    ann = hub.join("ann")
    hub.handle(ann)
    for _ in range(10):
        hub.later(5.0)
        hub.send(ann, Ping())
    assert hub.core.statistics().log_bytes == 0, "the log was trimmed to nothing"
    hub.end(ann)
    hub.later(30.0)
    back = hub.return_of(ann)
    assert hub.welcome(back).resumed
    assert hub.welcome(back).gap is None


def test_a_resume_while_the_old_link_looks_alive() -> None:
    """R09, R10, K09: accepted, twice in a row; the old link is told taken_over, its late end means nothing, peers see nothing."""
    hub = ScriptedHub()
    bob, first = hub.join("bob"), hub.join("ann")
    told = len(hub.told(bob))
    second = hub.return_of(first)
    third = hub.return_of(second)
    for old in (first, second):
        assert refusal(hub, old) == (Reason.TAKEN_OVER, CloseCode.TAKEN_OVER)
        hub.send(old, SendSignal(serial=9, data=raw("ghost")))
        hub.end(old, Reason.SILENT)
    hub.later(5.0)
    assert hub.state(third) == "present"
    assert hub.connection(third) == hub.connection(first)
    assert len(hub.told(bob)) == told
    assert hub.core.statistics().signals_appended == 0


def test_a_resume_while_the_old_link_looks_alive_is_replayed_at_once() -> None:
    """R07, R09: nothing else has to happen first."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(bob, 1, 2, 3)
    back = hub.return_of(ann, position=hub.welcome(ann).position + 1)
    assert hub.serials(back) == [2, 3]


def test_a_claim_on_a_connection_that_nobody_holds() -> None:
    """R03, R15: a new connection, and the reason is told."""
    hub = ScriptedHub()
    claim = ResumeClaim(connection="nobody", secret="s", epoch="epoch-1", position=0)
    ann = hub.join("ann", resume=claim)
    assert hub.welcome(ann).not_resumed is ResumeRefusal.UNKNOWN_CONNECTION
    assert not hub.welcome(ann).resumed
    again = hub.join("bob", resume=claim)
    assert hub.welcome(again).not_resumed is ResumeRefusal.UNKNOWN_CONNECTION
    assert [news.reason for news in hub.announced(News.NOT_RESUMED)] == [ResumeRefusal.UNKNOWN_CONNECTION] * 2


def claim_of(hub: ScriptedHub, link: int, **changes: object) -> ResumeClaim:
    """Return the claim that the member of a link would make, changed."""
    welcome = hub.welcome(link)
    whole: dict[str, object] = {
        "connection": welcome.connection,
        "secret": welcome.secret,
        "epoch": welcome.epoch,
        "position": hub.position(link),
    }
    return ResumeClaim(**(whole | changes))  # type: ignore[arg-type]  # the fields, with some of them changed


@pytest.mark.parametrize(
    ("changes", "refusal_of_it"),
    [
        ({"secret": ""}, ResumeRefusal.WRONG_SECRET),
        ({"secret": "guess"}, ResumeRefusal.WRONG_SECRET),
        ({"epoch": "epoch-0"}, ResumeRefusal.WRONG_EPOCH),
        ({"position": 99}, ResumeRefusal.WRONG_POSITION),
    ],
)
def test_a_claim_that_is_not_good(changes: dict[str, object], refusal_of_it: ResumeRefusal) -> None:
    """R03, R11, R16: each part is compared; a number that would fit is worth nothing with another epoch."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(bob, 1)
    hub.end(ann)
    back = hub.join("ann", resume=claim_of(hub, ann, **changes))
    welcome = hub.welcome(back)
    assert (welcome.resumed, welcome.not_resumed) == (False, refusal_of_it)
    assert welcome.connection != hub.connection(ann)
    assert welcome.snapshot_pages == 1
    assert hub.told(back) == [], "the snapshot stands for what was before"
    assert hub.kinds(bob)[-2:] == [EntryKind.LEFT, EntryKind.JOINED], "the old place ends before the new one begins"


def test_a_claim_is_bound_to_principal_and_sender() -> None:
    """R11: the right secret in the wrong hands."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    thief = hub.join("eve", sender="eve-box", resume=claim_of(hub, ann))
    assert hub.welcome(thief).not_resumed is ResumeRefusal.WRONG_PRINCIPAL
    other = hub.join("ann", sender="other-box", resume=claim_of(hub, ann))
    assert hub.welcome(other).not_resumed is ResumeRefusal.WRONG_PRINCIPAL
    impostor = hub.join("eve", sender="ann-box", resume=claim_of(hub, ann))
    assert refusal(hub, impostor) == (Reason.DENIED, CloseCode.DENIED)
    assert hub.state(ann) == "present"
    assert ann not in hub.closed


def test_authentication_comes_before_any_state_is_touched() -> None:
    """R12: a principal that was banned meanwhile is refused for good, and nothing about the connection is handed over."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.end(ann)
    link = hub.open()
    hub.ask(link, Join(token="old", session=ROOM, sender="ann-box", resume=claim_of(hub, ann)))
    assert hub.state(ann) == "away"
    hub.refuse(link, Reason.DENIED)
    assert refusal(hub, link) == (Reason.DENIED, CloseCode.DENIED)
    assert hub.sent(link, Welcome) == []
    assert hub.state(ann) == "away"


def test_what_survives_a_resume_and_what_the_new_token_changes() -> None:
    """R12: the role is the new token's."""
    hub = ScriptedHub()
    ann = hub.join("ann", role="publisher")
    hub.publish(ann)
    hub.end(ann)
    back = hub.return_of(ann, role="subscriber", wants=[Want(key="cam", publish="camera")])
    assert [answer.code for answer in hub.welcome(back).answers] == ["forbidden"]
    hub.signal(back, 1)
    assert [refused.code for refused in hub.last(back, Accepted).rejected] == ["forbidden"]


# -- secrets -------------------------------------------------------------------------------------------------------------------


def test_a_new_secret_is_proven_by_the_first_frame_after_the_welcome() -> None:
    """R11: rotated at each resume; once proven, the old one is refused and recorded."""
    hub = ScriptedHub()
    first = hub.join("ann")
    hub.send(first, Ping())
    second = hub.return_of(first)
    hub.send(second, Ping())
    stolen = hub.join("ann", sender="thief-box", resume=claim_of(hub, first))
    assert hub.welcome(stolen).not_resumed is ResumeRefusal.WRONG_SECRET
    assert len(hub.announced(News.SUPERSEDED_SECRET)) == 1
    assert hub.core.statistics().superseded_secrets == 1
    assert hub.state(second) == "present"
    assert second not in hub.closed


def test_a_lost_welcome_leaves_the_old_secret_good() -> None:
    """R11: the new secret replaces the old one only when the member has proved that it has it."""
    hub = ScriptedHub()
    first = hub.join("ann")
    hub.send(first, Ping())
    lost = hub.return_of(first)
    hub.end(lost)
    again = hub.return_of(first)
    assert hub.welcome(again).resumed
    assert hub.welcome(hub.return_of(again)).resumed, "a resume that presents the new secret proves it"
    stale = hub.join("ann", sender="x", resume=claim_of(hub, lost))
    assert hub.welcome(stale).not_resumed is ResumeRefusal.WRONG_SECRET


def test_a_secret_that_was_proven_by_a_resume_ends_the_one_before() -> None:
    """R11: nobody can come back with an older secret than the one that was last shown."""
    hub = ScriptedHub()
    first = hub.join("ann")
    second = hub.return_of(first)
    third = hub.return_of(second)
    for old in (first,):
        stale = hub.join("ann", sender="x", resume=claim_of(hub, old))
        assert hub.welcome(stale).not_resumed is ResumeRefusal.WRONG_SECRET
    assert hub.welcome(hub.return_of(third)).resumed


def test_a_superseded_secret_never_harms_the_living_connection() -> None:
    """R11, K09: a copy of the client with the same sender is told that it was taken over, and stays away."""
    hub = ScriptedHub()
    first = hub.join("ann")
    hub.send(first, Ping())
    second = hub.return_of(first)
    hub.send(second, Ping())
    copy = hub.join("ann", resume=claim_of(hub, first))
    assert refusal(hub, copy) == (Reason.TAKEN_OVER, CloseCode.TAKEN_OVER)
    assert hub.state(second) == "present"
    assert second not in hub.closed
    hub.end(second)
    late = hub.join("ann", resume=claim_of(hub, first))
    assert hub.welcome(late).not_resumed is ResumeRefusal.WRONG_SECRET, "nothing living is harmed any more"
    assert len(hub.announced(News.SUPERSEDED_SECRET)) == 2


# -- tokens --------------------------------------------------------------------------------------------------------------------

EXPIRED = Bearer(client_id="ann", session=ROOM, role="publisher", expired=True)


def test_an_expired_token_resumes_and_never_makes_a_new_connection() -> None:
    """R12, K05: refused with token_expired, which asks for one renewal."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.end(ann)
    assert hub.welcome(hub.return_of(ann, bearer=EXPIRED)).resumed
    new = hub.join("ann", bearer=EXPIRED)
    assert refusal(hub, new) == (Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED)
    wrong = hub.join("ann", bearer=EXPIRED, resume=claim_of(hub, ann, secret="guess"))
    assert refusal(hub, wrong) == (Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED)


def test_a_strict_hub_does_not_resume_with_an_expired_token() -> None:
    """R12: unless strict."""
    hub = ScriptedHub(strict_tokens=True)
    ann = hub.join("ann")
    hub.end(ann)
    late = hub.return_of(ann, bearer=EXPIRED)
    assert refusal(hub, late) == (Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED)
    assert hub.state(ann) == "away"


@pytest.mark.parametrize("strict", [True, False])
def test_a_token_that_expires_while_its_member_is_here(strict: bool) -> None:
    """A strict hub ends the link, retryably; otherwise the member stays."""
    hub = ScriptedHub(strict_tokens=strict)
    bob = hub.join("bob")
    ann = hub.join("ann", bearer=Bearer(client_id="ann", session=ROOM, role="publisher", expires_in=10.0))
    hub.publish(ann)
    hub.subscribe(bob, "c2.1")
    hub.later(5.0)
    hub.send(ann, Ping())
    hub.send(bob, Ping())
    hub.later(5.0)
    assert hub.core.relay(ann, 1, hub.now) == (() if strict else (bob,))
    hub.send(ann, Ping())
    hub.send(ann, Ping())
    if strict:
        assert refusal(hub, ann) == (Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED)
        assert hub.state(ann) == "away"
    else:
        assert len(hub.sent(ann, Pong)) == 3
        assert hub.state(ann) == "present"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.DENIED, CloseCode.DENIED),
        (Reason.WRONG_SESSION, CloseCode.WRONG_SESSION),
        (Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED),
        (Reason.UNSUPPORTED, CloseCode.UNSUPPORTED),
        (Reason.HUB_ERROR, CloseCode.HUB_ERROR),
    ],
)
def test_what_the_authenticator_refuses(reason: Reason, code: CloseCode) -> None:
    """K01, K02: the close code says whether to come back."""
    hub = ScriptedHub()
    link = hub.open()
    hub.ask(link, JOIN)
    hub.refuse(link, reason)
    assert refusal(hub, link) == (reason, code)


def test_a_token_for_another_session() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann", bearer=Bearer(client_id="ann", session="room-2", role="publisher"))
    assert refusal(hub, ann) == (Reason.WRONG_SESSION, CloseCode.WRONG_SESSION)


# -- no room -------------------------------------------------------------------------------------------------------------------


def test_no_room_for_another_member() -> None:
    """D03: refused for want of room, with a time to come back that was drawn; who holds a place may come back to it."""
    hub = ScriptedHub(members_per_session=1)
    ann = hub.join("ann")
    bob = hub.join("bob")
    assert refusal(hub, bob) == (Reason.OVERLOADED, CloseCode.OVERLOADED)
    assert hub.last(bob, Refused).retry_after == 7.5
    assert hub.welcome(hub.return_of(ann)).resumed
    assert not hub.welcome(hub.join("ann")).resumed


def test_no_room_for_another_session() -> None:
    hub = ScriptedHub(sessions=1)
    hub.join("ann")
    bob = hub.join("bob", session="room-2", bearer=Bearer(client_id="bob", session="room-2", role="publisher"))
    assert refusal(hub, bob) == (Reason.OVERLOADED, CloseCode.OVERLOADED)


# -- before the welcome --------------------------------------------------------------------------------------------------------


def test_a_link_that_never_joins_is_closed() -> None:
    """A52: ten seconds, and then it makes room."""
    hub = ScriptedHub()
    link = hub.open()
    hub.later(9.9)
    assert link not in hub.closed
    hub.later(0.2)
    assert hub.closed[link].code == CloseCode.JOIN_DEADLINE


def test_a_join_that_is_never_answered_is_closed_too() -> None:
    hub = ScriptedHub()
    link = hub.open()
    hub.ask(link, JOIN)
    hub.later(10.0)
    assert hub.closed[link].code == CloseCode.JOIN_DEADLINE
    hub.feed(Authenticated(at=hub.now, link=link, bearer=Bearer(client_id="ann", session=ROOM, role="x"), fresh=hub.fresh()))
    hub.refuse(link)
    assert hub.core.statistics().members == 0


@pytest.mark.parametrize(
    "frame",
    [
        SendSignal(serial=1),
        Handled(position=0),
        Goodbye(),
        Ping(),
        AddWant(request=1, want=Want(key="k", publish="x")),
        Join(token="t", session="", sender="s"),
        Join(token="t", session="r" * 257, sender="s"),
        Join(token="t", session="r", sender=""),
        Join(token="t", session="r", sender="s" * 257),
    ],
)
def test_what_may_not_come_first(frame: Frame) -> None:
    """The first frame is a join, with names of a sensible length."""
    hub = ScriptedHub()
    link = hub.open()
    hub.send(link, frame)
    assert refusal(hub, link) == (Reason.PROTOCOL_ERROR, CloseCode.PROTOCOL_ERROR)


def test_an_unknown_frame_is_ignored_wherever_it_comes() -> None:
    hub = ScriptedHub()
    link = hub.open()
    hub.send(link, Unknown(kind="future"))
    hub.join("ann", link=link)
    hub.send(link, Unknown(kind="future"), Ping())
    assert hub.core.statistics().unknown_frames == 2
    assert len(hub.sent(link, Pong)) == 1


@pytest.mark.parametrize("frame", [JOIN, Entry(position=1, after=0, what=EntryKind.SIGNAL)])
def test_what_may_not_come_later(frame: Frame) -> None:
    """A link carries one join, and nothing that only a hub says; the member keeps its place for the grace."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.send(ann, frame, Ping())
    assert refusal(hub, ann) == (Reason.PROTOCOL_ERROR, CloseCode.PROTOCOL_ERROR)
    assert hub.sent(ann, Pong) == [], "nothing is read behind it"
    assert hub.state(ann) == "away"
    assert hub.told(bob)[-1].reason is Reason.PROTOCOL_ERROR


def test_a_message_that_cannot_be_read() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann")
    hub.feed(MessageRefused(at=hub.now, link=ann, detail="not JSON"))
    assert refusal(hub, ann) == (Reason.PROTOCOL_ERROR, CloseCode.PROTOCOL_ERROR)
    assert hub.last(ann, Refused).detail == "not JSON"
    hub.feed(MessageRefused(at=hub.now, link=ann, detail="again"))
    assert len(hub.sent(ann, Refused)) == 1


def test_a_goodbye_right_behind_the_join_ends_the_place_that_it_got() -> None:
    """R14: leaving while joining leaves no ghost."""
    hub = ScriptedHub()
    bob = hub.join("bob")
    ann = hub.join("ann", more=(Goodbye(),))
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.LEFT]
    assert hub.closed[ann].code == 1000
    assert len(hub.sent(ann, Goodbye)) == 1
    assert hub.core.statistics().members == 1


def test_a_goodbye_behind_a_join_that_resumes() -> None:
    """R14: the connection that was resumed is left, not kept for the grace."""
    hub = ScriptedHub()
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.end(ann)
    back = hub.return_of(ann, more=(Goodbye(),))
    assert hub.kinds(bob) == [EntryKind.JOINED, EntryKind.DROPPED, EntryKind.RETURNED, EntryKind.LEFT]
    assert hub.sent(back, Goodbye)


def test_frames_behind_a_join_that_is_refused_are_not_read() -> None:
    hub = ScriptedHub()
    ann = hub.join("ann", bearer=EXPIRED, more=(JOIN, Ping()))
    assert hub.sent(ann, Pong) == []
    assert len(hub.asked) == 1
    assert refusal(hub, ann) == (Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED)


def test_frames_behind_a_join_wait_for_its_answer() -> None:
    hub = ScriptedHub()
    link = hub.open()
    hub.ask(link, JOIN, Ping())
    hub.send(link, Ping())
    assert hub.sent(link, Pong) == []
    hub.feed(Authenticated(at=hub.now, link=link, bearer=Bearer(client_id="ann", session=ROOM, role="x"), fresh=hub.fresh()))
    assert len(hub.sent(link, Pong)) == 2


def test_answers_for_links_that_are_gone_mean_nothing() -> None:
    hub = ScriptedHub()
    link = hub.open()
    hub.ask(link, JOIN)
    hub.end(link)
    hub.end(link)
    hub.send(link, Ping())
    hub.feed(Authenticated(at=hub.now, link=link, bearer=Bearer(client_id="ann", session=ROOM, role="x"), fresh=hub.fresh()))
    hub.refuse(link)
    assert hub.core.statistics().members == 0
    assert hub.frames[link] == []


def test_an_answer_that_nobody_asked_for_means_nothing() -> None:
    hub = ScriptedHub()
    link = hub.open()
    bearer = Bearer(client_id="ann", session=ROOM, role="x")
    hub.feed(Authenticated(at=hub.now, link=link, bearer=bearer, fresh=hub.fresh()))
    hub.feed(Authenticated(at=hub.now, link=link, bearer=bearer, fresh=hub.fresh(), request=3))
    assert hub.core.statistics().members == 0
