"""Coming back: the same connection where secret, principal, grace and log allow it, and a plain word where they do not."""

from __future__ import annotations

import pytest

from reconnect import ConnectFailed, Disconnected, Reason, Reconnected, ResumeRefusal, RetryPolicy
from reconnect.core import frames
from reconnect.core.frames import Handled, Join, Welcome
from reconnect.errors import TokenRejected
from reconnect.ports import Principal
from tests.stories.stage import Member, Stage, story

PEERS = ("connection_interrupted", "connection_restored", "connection_destroyed", "stream_interrupted", "stream_destroyed")


@story(Stage)
async def test_a_resume_keeps_everything(stage: Stage) -> None:
    """R01 R02: connection, streams and serials stay; the claim says what was handled; the secret is another one."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    publisher = await anna.session.publish("camera")
    await anna.signal("before")
    await stage.idle()
    before = (anna.session.connection, publisher.stream)
    claim = anna.claim()

    stage.network.cut("anna")
    lost = await anna.next("reconnecting")
    back: Reconnected = await anna.back()

    assert anna.wire.joins[-1].resume == claim
    assert (back.resumed, back.gap, back.not_resumed) == (True, None, None)
    assert back.elapsed == pytest.approx(lost.retry_in)
    assert back.connection == anna.session.connection
    assert (anna.session.connection, publisher.stream) == before
    assert anna.wire.welcomes[-1].secret != claim.secret
    await anna.signal("after")
    assert [signal.serial for signal in anna.wire.signals] == [1, 2]
    await stage.idle()
    assert [event.name for event in ben.told(*PEERS)] == ["connection_interrupted", "stream_interrupted", "connection_restored"]


@story(Stage)
async def test_a_member_that_heard_nothing_yet_is_resumable(stage: Stage) -> None:
    """R08: nothing was received beyond the welcome; also after idling for longer than the log keeps anything."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    assert (await anna.back()).resumed
    await stage.later(10 * 120.0)
    assert anna.tale == ["connected", "reconnecting", "reconnected"]
    stage.network.cut("anna")
    back = await anna.back()
    assert (back.resumed, back.gap) == (True, None)


# -- a welcome that was lost -----------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_welcome_lost_after_the_hub_accepted_a_resume(stage: Stage) -> None:
    """R09 R11: the member still has the old secret, and the hub still takes it."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    before = anna.session.connection
    stage.network.cut("anna")
    anna.wire.lose_received(Welcome)
    await anna.next("reconnecting")
    held = anna.signal("held")
    back = await anna.back()
    assert back.resumed
    assert back.attempt == 2
    assert anna.session.connection == before
    assert (await held).delivered
    await stage.until(lambda: ben.heard == ["held"])
    assert len(ben.told("connection_created", "connection_destroyed")) == 1, "she came, and never left"
    assert stage.hub.statistics().members == 2


@story(Stage)
async def test_a_welcome_lost_many_times(stage: Stage) -> None:
    """R11: each attempt is given a new secret that it never sees; the one that it has stays good."""
    anna = await stage.enter("anna")
    secret = anna.wire.welcomes[-1].secret
    stage.network.cut("anna")
    for _ in range(4):
        anna.wire.lose_received(Welcome)
        await anna.next("attempt")
    assert (await anna.back()).resumed
    assert {join.resume.secret for join in anna.wire.joins if join.resume} == {secret}


@story(Stage)
async def test_the_very_first_welcome_is_lost(stage: Stage) -> None:
    """The hub holds a connection that nobody knows of; the next join of the same sender replaces it: no ghost."""
    ben = await stage.enter("ben")
    anna = stage.member("anna", retry_initial=True)
    anna.wire.lose_received(Welcome)
    await anna.session.connect()
    await stage.idle()
    assert [member.connection for member in ben.session.members] == [anna.session.connection]
    assert stage.hub.statistics().members == 2
    created, destroyed = ben.told("connection_created"), ben.told("connection_destroyed")
    assert [event.member.client_id for event in created] == ["anna", "anna"]
    assert [event.member.connection for event in destroyed] == [created[0].member.connection]


# -- a resume while the old transport looks alive --------------------------------------------------------------------------------


@story(Stage)
async def test_a_resume_while_the_old_transport_looks_alive_twice_in_a_row(stage: Stage) -> None:
    """R09: accepted both times, peers see nothing, and the late end of the old transport harms nobody."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    camera = await anna.session.publish("camera")
    before = (anna.session.connection, camera.stream)
    anna.wire.aborts_are_lost = True
    for turn in range(2):
        anna.session.reconnect_now(force=True)
        assert (await anna.back()).resumed
        assert (await anna.signal(turn)).delivered
    assert len(anna.wire.open) == 3
    await stage.later(30.0)  # far beyond the silence after which the hub gives up a link
    assert (anna.session.connection, camera.stream) == before
    assert ben.told(*PEERS) == []
    assert ben.heard == anna.heard == [0, 1]
    assert stage.hub.statistics().links == 2


@story(Stage)
async def test_signals_under_way_on_the_old_transport_are_fenced(stage: Stage) -> None:
    """R09 S11: from the resume on nothing is read from the old one, so nothing of it comes late or twice."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.wire.aborts_are_lost = True
    stage.network.half_open("anna")
    receipt = anna.signal("slow on the old line")
    await stage.idle()
    anna.session.reconnect_now(force=True)
    await stage.later(1.0)
    stage.network.restore("anna")  # what was under way arrives together with the new join
    assert (await anna.back()).resumed
    assert (await receipt).delivered
    await stage.later(1.0)
    assert ben.heard == ["slow on the old line"]


# -- who may come back -----------------------------------------------------------------------------------------------------------


class Doorkeeper:
    """An authenticator that knows who is banned (ports.Authenticator)."""

    def __init__(self) -> None:
        self.banned: set[str] = set()
        self.asked: list[str] = []

    async def __call__(self, join: Join) -> Principal:
        name = join.token
        self.asked.append(name)
        if name in self.banned:
            raise TokenRejected(Reason.DENIED, f"{name} may not come in")
        return Principal(client_id=name, session=join.session, role="publisher")


DOORKEEPER = Doorkeeper()


@story(Stage, authenticator=DOORKEEPER)
async def test_who_was_banned_meanwhile_is_refused_before_anything_is_handed_over(stage: Stage) -> None:
    """R12 K01: authentication runs again at the resume, before any state is touched; the verdict is final."""
    anna, ben = await stage.enter("anna", token="anna"), await stage.enter("ben", token="ben")
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    await ben.signal("not for the banned")
    held = anna.signal("not from the banned")
    DOORKEEPER.banned.add("anna")
    stage.network.restore("anna")

    over: Disconnected = await anna.next("disconnected")
    assert over.reason is Reason.DENIED
    assert over.detail == "anna may not come in"
    assert (await held).reason is Reason.DENIED
    assert anna.heard == []
    assert DOORKEEPER.asked == ["anna", "ben", "anna"]
    await stage.later(3_600.0)
    assert len(anna.wire.joins) == 2, "no further attempt"
    assert ben.heard == ["not for the banned"]
    with pytest.raises(ConnectFailed, match=r"could not connect to ws://hub.test \(denied\): anna may not come in"):
        await anna.session.connect()


# -- the grace -------------------------------------------------------------------------------------------------------------------


async def _away_for(stage: Stage, seconds: float) -> Member:
    """Let a member drop and come back exactly so many seconds later."""
    anna = await stage.enter("anna", retry=RetryPolicy(first_try_seconds=None, wait=lambda state: seconds))
    stage.network.cut("anna")
    await anna.back()
    return anna


@story(Stage, grace_seconds=8.0)
async def test_a_resume_just_within_the_grace(stage: Stage) -> None:
    """R13: at g - epsilon the connection is kept."""
    anna = await _away_for(stage, 8.0 - 0.001)
    assert anna.told("reconnected")[-1].elapsed == pytest.approx(8.0 - 0.001)
    assert anna.told("reconnected")[-1].resumed


@story(Stage, grace_seconds=8.0)
async def test_a_resume_just_beyond_the_grace(stage: Stage) -> None:
    """R13 R03: at g + epsilon it is a new one; the hub says once that it gave the place up."""
    anna = await _away_for(stage, 8.0 + 0.001)
    back = anna.told("reconnected")[-1]
    assert (back.resumed, back.not_resumed) == (False, ResumeRefusal.UNKNOWN_CONNECTION)
    expired = [line for line in stage.hub_audit.records if line.get("what") == "expired"]
    assert [line["connection"] for line in expired] == [anna.told("connected")[0].connection]


@story(Stage, grace_seconds=5.0)
async def test_an_outage_longer_than_the_grace_tries_to_resume_all_the_same(stage: Stage) -> None:
    """R21 R03 K08: the hub decides; the client never guesses, and is connected anew in the same attempt."""
    anna = await stage.enter("anna")
    before = anna.session.connection
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    await stage.later(30.0)
    stage.network.restore("anna")
    back = await anna.back()
    claim = anna.wire.joins[-1].resume
    assert claim
    assert claim.connection == before
    assert not back.resumed
    assert len(anna.wire.joins) == 2


# -- another life of the hub -----------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_restarted_hub_refuses_an_old_position_although_it_exists_there(stage: Stage) -> None:
    """R16 R03: epoch and position mean something only as a pair, and are replaced as one."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await anna.signal("before")
    await stage.idle()
    old = anna.claim()
    await stage.kill_hub()
    await anna.next("reconnecting")
    await stage.open()
    carla = await stage.enter("carla")
    for number in range(10):
        await carla.signal(number)

    back: Reconnected = await anna.back()
    assert anna.wire.joins[-1].resume == old
    assert (back.resumed, back.not_resumed) == (False, ResumeRefusal.UNKNOWN_CONNECTION)
    assert back.gap is not None
    assert (back.gap.epoch, back.gap.last) == (old.epoch, None), "that life is over: nobody can say how much was missed"
    assert anna.heard == ["before"], "what the new life's log had before is not this member's past"
    await ben.back()
    await anna.signal("after")
    await stage.idle()
    assert anna.heard[-1] == "after"
    anna.session.reconnect_now(force=True)
    assert (await anna.back()).resumed
    claim = anna.wire.joins[-1].resume
    assert claim
    assert claim.epoch == anna.wire.welcomes[1].epoch != old.epoch


@story(Stage)
async def test_a_gap_is_told_exactly_once(stage: Stage) -> None:
    """R03: with the `reconnected` that it belongs to, and not again at the next one."""
    anna = await stage.enter("anna")
    await stage.kill_hub()
    await anna.next("reconnecting")
    await stage.open()
    assert (await anna.back()).gap is not None
    stage.network.cut("anna")
    back = await anna.back()
    assert (back.resumed, back.gap) == (True, None)


@story(Stage)
async def test_nothing_not_sequenced_moves_the_mark(stage: Stage) -> None:
    """R01: pings and pongs of a quiet hour do not change what a resume claims."""
    anna = await stage.enter("anna")
    position = anna.wire.welcomes[-1].position
    await stage.later(3_600.0)
    assert anna.wire.all_received(frames.Pong)
    stage.network.cut("anna")
    await anna.back()
    claim = anna.wire.joins[-1].resume
    assert claim
    assert claim.position == position
    assert anna.wire.all_sent(Handled) == []
