"""Who has a connection: two clients that present the same one, secrets of the past, and claims that are not good."""

from __future__ import annotations

import pytest

from reconnect import Disconnected, Outbox, Reason, ResumeRefusal
from reconnect.core.frames import Join, Refused
from tests.stories.stage import Stage, story

PEERS = ("connection_interrupted", "connection_restored", "connection_destroyed", "stream_interrupted", "stream_destroyed")


# -- two clients with one connection ---------------------------------------------------------------------------------------------


@story(Stage)
async def test_another_client_takes_the_connection_over(stage: Stage) -> None:
    """K09 R10: the last one has it; the first one is told so, ends, and does not fight back."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    thief = await stage.raw("anna")
    welcome = await thief.join(sender=anna.sender, resume=anna.claim())
    assert welcome.resumed
    over: Disconnected = await anna.next("disconnected")
    assert over.reason is Reason.TAKEN_OVER
    await stage.later(3_600.0)
    assert anna.tale == ["connected", "disconnected"], "no automatic retry, ever"
    assert len(anna.wire.joins) == 1
    assert len(ben.told("connection_created")) == 1, "to the others nothing happened"


@story(Stage)
async def test_the_same_sender_in_a_second_program(stage: Stage) -> None:
    """K09: the same sender of the same principal joins anew: the first one ends, its end stands before the new beginning."""
    ben = await stage.enter("ben")
    first = await stage.enter("anna", outbox=Outbox(sender="anna's outbox"))
    second = await stage.enter("anna", outbox=Outbox(sender="anna's outbox"))
    assert (await first.next("disconnected")).reason is Reason.TAKEN_OVER
    await stage.idle()
    assert [event.name for event in ben.told("connection_created", "connection_destroyed")] == [
        "connection_created",
        "connection_destroyed",
        "connection_created",
    ]
    assert ben.told("connection_destroyed")[0].reason is Reason.REPLACED
    assert [member.connection for member in ben.session.members] == [second.session.connection]


@story(Stage)
async def test_another_sender_of_the_same_principal_is_another_member(stage: Stage) -> None:
    """Two devices of one person: both stay."""
    first, second = await stage.enter("anna"), await stage.enter("anna")
    await stage.later(60.0)
    assert first.session.role == second.session.role == "online"
    assert first.session.connection != second.session.connection


# -- secrets ---------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_secrets_are_random_and_rotated(stage: Stage) -> None:
    """R11: 256 random bits, another at each resume, and distinct from everything that others see."""
    anna = await stage.enter("anna")
    for _ in range(5):
        anna.session.reconnect_now(force=True)
        await anna.back()
    secrets = [welcome.secret for welcome in anna.wire.welcomes]
    assert len(set(secrets)) == 6
    assert all(len(secret) >= 43 for secret in secrets), "256 bits in base64"
    assert anna.session.connection not in secrets


@story(Stage)
async def test_an_old_secret_is_refused_and_never_harms_the_living_connection(stage: Stage) -> None:
    """R11: a secret of the past is recognised, recorded and refused; whoever holds the connection notices nothing."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    old = anna.claim()
    anna.session.reconnect_now(force=True)
    await anna.back()
    await anna.signal("the new secret is proven by now")

    thief = await stage.raw("anna")
    await thief.say(Join(token=thief.token, session="room-1", sender=anna.sender, resume=old))
    assert (await thief.hear(Refused)).code is Reason.TAKEN_OVER
    cause = await thief.end()
    assert cause.final
    assert stage.hub.statistics().superseded_secrets == 1
    await stage.later(60.0)
    assert anna.session.role == "online"
    assert len(anna.tale) == 3
    assert ben.told("connection_destroyed") == []


@story(Stage)
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"secret": ""}, ResumeRefusal.WRONG_SECRET),
        ({"secret": "guessed"}, ResumeRefusal.WRONG_SECRET),
        ({"connection": ""}, ResumeRefusal.UNKNOWN_CONNECTION),
        ({"connection": "guessed"}, ResumeRefusal.UNKNOWN_CONNECTION),
        ({}, ResumeRefusal.WRONG_PRINCIPAL),
    ],
)
async def test_a_claim_that_is_not_good_is_never_silent(stage: Stage, change: dict[str, object], refusal: ResumeRefusal) -> None:
    """R11 R15: a new connection for another outbox, with the reason told, and the old one unharmed."""
    anna = await stage.enter("anna")
    stranger = await stage.raw("anna")
    welcome = await stranger.join(sender="another outbox", resume=anna.claim(**change))
    assert (welcome.resumed, welcome.not_resumed) == (False, refusal)
    assert welcome.connection != anna.session.connection
    await stage.later(60.0)
    assert anna.session.role == "online"


@story(Stage)
@pytest.mark.parametrize(
    ("change", "refusal"),
    [({"epoch": "another"}, ResumeRefusal.WRONG_EPOCH), ({"position": 1_000_000}, ResumeRefusal.WRONG_POSITION)],
)
async def test_a_claim_to_a_place_that_the_log_never_gave(
    stage: Stage, change: dict[str, object], refusal: ResumeRefusal
) -> None:
    """R16: the right secret with a wrong epoch or position: a new connection that replaces the old one; no ghost."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    again = await stage.raw("anna")
    welcome = await again.join(sender=anna.sender, resume=anna.claim(**change))
    assert (welcome.resumed, welcome.not_resumed) == (False, refusal)
    await anna.next("disconnected")
    await stage.until(lambda: [member.connection for member in ben.session.members] == [welcome.connection])


@story(Stage)
async def test_a_secret_is_bound_to_its_principal(stage: Stage) -> None:
    """R11: the right secret in the hands of another principal takes nothing over, with its own sender or with the right one."""
    anna = await stage.enter("anna")
    thief = await stage.raw("mallory")
    welcome = await thief.join(sender="mallory's outbox", resume=anna.claim())
    assert (welcome.resumed, welcome.not_resumed) == (False, ResumeRefusal.WRONG_PRINCIPAL)
    again = await stage.raw("mallory")
    await again.say(Join(token=again.token, session="room-1", sender=anna.sender, resume=anna.claim()))
    refused = await again.hear(Refused)
    assert (refused.code, refused.detail) == (
        Reason.DENIED,
        "the sender belongs to another member; give each client an Outbox of its own",
    )
    await stage.later(60.0)
    assert anna.session.role == "online"
    assert anna.tale == ["connected"]
