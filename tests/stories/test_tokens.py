"""Tokens: fetched anew at each attempt, refused with a reason, renewed once, and never seen by anybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from reconnect import ConnectFailed, Reason, RequestFailed, RetryPolicy, make_token
from reconnect.errors import TokenRejected
from tests.stories.stage import SECRET, Stage, story

OTHER_SECRET = "another secret, which this hub has never heard of"


class Issuer:
    """Where a member's tokens come from: keeps what it issued, which lasts as long as the story wants."""

    def __init__(self, stage: Stage, *lifetimes: float) -> None:
        self.stage, self.asked = stage, 0
        self.issued: list[str] = []
        self._lifetimes: Iterator[float] = iter(lifetimes)

    def issue(self) -> str:
        self.asked += 1
        self.issued.append(self.stage.token("anna", lifetime_seconds=next(self._lifetimes, 3_600.0)))
        return self.issued[-1]


# -- where it comes from ---------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_token_callable_is_asked_at_each_attempt(stage: Stage) -> None:
    """K05: sync or async; the join carries what it gave for this attempt."""
    issuer = Issuer(stage)

    async def fetch() -> str:
        return issuer.issue()

    for token in (issuer.issue, fetch):
        issuer.asked = 0
        member = await stage.enter("anna", token=token)
        stage.network.cut("anna")
        await member.back()
        assert issuer.asked == 2
        assert [join.token for join in member.wire.joins] == issuer.issued[-2:]
        await member.session.disconnect()


@story(Stage)
async def test_a_token_callable_that_raises(stage: Stage) -> None:
    """K04: the first connect raises with the error's type and no more; during an outage it is worth another attempt."""
    broken = True

    def fetch() -> str:
        if broken:
            raise OSError("https://issuer.test/?key=secret does not answer")
        return stage.token("anna")

    anna = stage.member("anna", token=fetch)
    with pytest.raises(ConnectFailed) as caught:
        await anna.session.connect()
    assert str(caught.value).startswith(
        "could not connect to ws://hub.test (token_unavailable): the token callable raised OSError; "
        "mend the callable that was given as `token`: what it raised is the __cause__ of this error; "
    )
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    broken = False
    await anna.session.connect()
    broken = True
    stage.network.cut("anna")
    attempt = [await anna.next("attempt") for _ in range(2)][-1]
    assert attempt.reason is Reason.TOKEN_UNAVAILABLE
    broken = False
    assert (await anna.back()).resumed


@story(Stage)
async def test_a_token_callable_that_says_no(stage: Stage) -> None:
    """K01: `TokenRejected` from it is final: the issuer knows that there is no point."""

    def fetch() -> str:
        raise TokenRejected(Reason.DENIED, "anna has left the company")

    anna = stage.member("anna", token=fetch, retry_initial=True, retry=RetryPolicy.forever())
    with pytest.raises(ConnectFailed, match=r"\(denied\): anna has left the company"):
        await anna.session.connect()
    assert stage.network.dials == []


@story(Stage)
async def test_a_token_callable_that_returns_nonsense(stage: Stage) -> None:
    """Told by its type, never by its value."""
    anna = stage.member("anna", token=lambda: {"token": "secret"})
    with pytest.raises(ConnectFailed, match=r"\(token_unavailable\): the token callable returned dict, not a string"):
        await anna.session.connect()


@story(Stage)
async def test_a_token_callable_that_hangs(stage: Stage) -> None:
    """B07: fetching the token is part of the attempt, and has its deadline."""

    async def fetch() -> str:
        await asyncio.Event().wait()
        return ""

    anna = stage.member("anna", token=fetch)
    before = stage.now
    with pytest.raises(ConnectFailed, match=r"\(deadline\)"):
        await anna.session.connect()
    assert stage.now - before == pytest.approx(10.0)


# -- bad ones --------------------------------------------------------------------------------------------------------------------


@story(Stage)
@pytest.mark.parametrize(
    "token",
    ["nonsense", "a.b.c", make_token(OTHER_SECRET, session="room-1"), "x" * 40_000],
    ids=["no token", "dots", "forged", "huge"],
)
async def test_a_bad_token(stage: Stage, token: str) -> None:
    """K01: denied, in one and the same sentence for all; final, whatever the policy would do."""
    anna = stage.member("anna", token=token, retry_initial=True, retry=RetryPolicy.forever())
    with pytest.raises(ConnectFailed) as caught:
        await anna.session.connect()
    sentence = "could not connect to ws://hub.test (denied): the token is not one that this hub accepts"
    assert str(caught.value).startswith(sentence)
    assert token not in str(caught.value)
    assert caught.value.cause.final
    assert len(anna.wire.joins) == 1
    assert stage.hub.statistics().members == 0


@story(Stage)
async def test_a_token_for_another_session(stage: Stage) -> None:
    """K01: told as such, and final."""
    anna = stage.member("anna", token=stage.token("anna", session="room-2"))
    with pytest.raises(ConnectFailed, match=r"\(wrong_session\): the token is for another session") as caught:
        await anna.session.connect()
    assert caught.value.cause.final


@story(Stage)
async def test_an_expired_token(stage: Stage) -> None:
    """K05: without a way to renew it there is nothing to try again."""
    token = stage.token("anna", lifetime_seconds=10.0)
    await stage.later(60.0)
    anna = stage.member("anna", token=token, retry_initial=True, retry=RetryPolicy.forever())
    with pytest.raises(ConnectFailed, match=r"\(token_expired\): the token has expired"):
        await anna.session.connect()
    assert len(anna.wire.joins) == 1


# -- renewing --------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_an_expired_token_is_renewed_once_at_once(stage: Stage) -> None:
    """K05: exactly one renewal, at the same instant, also for a first connect without `retry_initial`."""
    issuer = Issuer(stage, 1.0, 3_600.0)
    stale = issuer.issue()
    tokens = iter([stale])
    await stage.later(60.0)
    anna = stage.member("anna", token=lambda: next(tokens, None) or issuer.issue())
    before = stage.now
    await anna.session.connect()
    assert stage.now == before
    assert len(anna.wire.joins) == 2
    assert anna.tale == ["connected"]


@story(Stage, grace_seconds=5.0)
async def test_an_issuer_that_issues_nothing_but_expired_tokens(stage: Stage) -> None:
    """K05: after the one renewal it is a failure like any other: back to the policy's wait, no hot loop."""
    lifetime = 3_600.0

    def issue() -> str:
        return make_token(SECRET, session="room-1", client_id="anna", lifetime_seconds=lifetime, now=stage.clock.wall() - 600.0)

    member = await stage.enter("anna", token=issue, retry=RetryPolicy(wait=lambda state: 3.0, first_try_seconds=3.0))
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await member.next("reconnecting")
    lifetime = 1.0
    await stage.later(10.0)  # the grace is over: only a new connection is left, and for that the token is too old
    stage.network.restore("anna")
    over = await member.next("disconnected")
    assert over.reason is Reason.GAVE_UP
    waits = [event.retry_in for event in member.told("attempt") if event.reason is Reason.TOKEN_EXPIRED]
    assert waits[0] == 0.0
    assert set(waits[1:]) == {3.0}
    assert len(waits) > 10


@story(Stage)
async def test_an_expired_token_resumes(stage: Stage) -> None:
    """R12: the expiry limits joining, not resuming, unless the hub is strict."""
    anna = await stage.enter("anna", token=stage.token("anna", lifetime_seconds=30.0))
    await stage.later(600.0)
    assert anna.session.role == "online"
    stage.network.cut("anna")
    assert (await anna.back()).resumed


@story(Stage, strict_tokens=True)
async def test_a_strict_hub_ends_who_has_expired(stage: Stage) -> None:
    """K05: strict: the member is sent away at its expiry; with a way to renew it comes back at once, without one it is over."""
    renewing = await stage.enter("anna", token=lambda: stage.token("anna", lifetime_seconds=30.0))
    fixed = await stage.enter("ben", token=stage.token("ben", lifetime_seconds=30.0))
    assert (await fixed.next("disconnected")).reason is Reason.TOKEN_EXPIRED
    lost = await renewing.next("reconnecting")
    assert (lost.reason, lost.retry_in) == (Reason.TOKEN_EXPIRED, 0.0)
    assert (await renewing.back()).resumed


@story(Stage, strict_tokens=True)
async def test_a_newer_token_for_the_living_connection(stage: Stage) -> None:
    """K05 S02: `renew_token()` before the expiry, and nothing happens at it; one that is another's is refused."""
    anna = await stage.enter("anna", token=stage.token("anna", lifetime_seconds=30.0))
    await stage.later(20.0)
    with pytest.raises(RequestFailed, match="the token has expired or is another member's"):
        await anna.session.renew_token(stage.token("mallory"))
    with pytest.raises(RequestFailed, match="the token is not one that this hub accepts"):
        await anna.session.renew_token("nonsense")
    await anna.session.renew_token(stage.token("anna", lifetime_seconds=3_600.0))
    assert (await anna.next("updated")).what == "token", "something changed, and the state did not"
    await stage.later(600.0)
    assert anna.tale == ["connected"]
    stage.network.cut("anna")
    assert (await anna.back()).resumed, "and it is used from now on"
