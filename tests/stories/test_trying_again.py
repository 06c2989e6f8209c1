"""Trying again: which attempt, when, and how long; what is announced is what happens."""

from __future__ import annotations

from itertools import pairwise

import pytest

from reconnect import Attempt, Disconnected, Reason, Reconnecting, RetryPolicy
from reconnect.core import frames
from reconnect.core.frames import Heartbeat, Refused
from reconnect.testing import FakeClock
from reconnect.testing.scripted import HubEnd
from tests.renamed import named
from tests.stories.stage import Stage, names, story


@story(Stage)
async def test_a_loss_is_told_once_with_what_comes_next(stage: Stage) -> None:
    """S01 S03: one `reconnecting` with reason, attempt and delay; exactly one attempt, at that instant."""
    anna = await stage.enter("anna")
    stage.network.cut("anna")
    lost: Reconnecting = await anna.next("reconnecting")
    assert (lost.reason, lost.attempt, lost.elapsed) == (Reason.CLOSED, 1, 0.0)
    assert 0.0 <= lost.retry_in <= 1.0, "the default: a random first try within a second"
    back = await anna.back()
    assert stage.network.dials[-1].at - lost.at == pytest.approx(lost.retry_in)
    assert back.elapsed == pytest.approx(lost.retry_in)
    assert anna.tale == ["connected", "reconnecting", "reconnected"]
    assert len(stage.network.dials) == 2


@story(Stage)
async def test_every_announced_delay_is_kept(stage: Stage) -> None:
    """B03 S03: `attempt` once for each scheduled try, numbered from 1, and the dial exactly then."""
    anna = await stage.enter("anna")
    stage.network.refuse("anna")
    stage.network.cut("anna")
    over: Disconnected = await anna.next("disconnected")
    told: list[Attempt] = anna.told("attempt")
    dials = [dial.at for dial in stage.network.dials[1:]]
    assert [event.attempt for event in told] == list(range(1, len(told) + 1))
    assert dials == pytest.approx([event.at + event.retry_in for event in told])
    assert not any(event.initial for event in told)
    assert [event.elapsed for event in told] == pytest.approx([event.at - told[0].at for event in told])
    assert (over.reason, over.attempt) == (Reason.GAVE_UP, len(told))
    assert names(anna.told("reconnecting")) == ["reconnecting"], "once for the outage, however many attempts"


@story(Stage)
async def test_no_attempt_starts_after_the_end(stage: Stage) -> None:
    """B08: the default gives up within 120 s, judged before the next wait."""
    anna = await stage.enter("anna")
    stage.network.refuse("anna")
    stage.network.cut("anna")
    lost = await anna.next("reconnecting")
    over = await anna.next("disconnected")
    assert stage.network.dials[-1].at - lost.at <= 120.0
    assert over.elapsed <= 120.0
    dials = len(stage.network.dials)
    await stage.later(3_600.0)
    assert len(stage.network.dials) == dials


@story(Stage)
async def test_a_policy_without_end(stage: Stage) -> None:
    """B08: `RetryPolicy.forever()` is still trying after an hour, half a minute apart at most, and comes back."""
    anna = await stage.enter("anna", retry=RetryPolicy.forever())
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await stage.later(3_600.0)
    assert anna.session.role == "recovering"
    dials = [dial.at for dial in stage.network.dials[1:]]
    assert max(later - sooner for sooner, later in pairwise(dials)) <= 30.0
    stage.network.restore("anna")
    await anna.back()


@story(Stage)
async def test_a_policy_that_never_tries_again(stage: Stage) -> None:
    """B08: `RetryPolicy.none()`: the loss is the end, with its own reason."""
    anna = await stage.enter("anna", retry=RetryPolicy.none())
    stage.network.cut("anna")
    assert (await anna.next("disconnected")).reason is Reason.CLOSED
    assert anna.tale == ["connected", "disconnected"]


@story(Stage)
async def test_an_attempt_that_neither_succeeds_nor_fails(stage: Stage) -> None:
    """B07: ended by its deadline, and the next one is scheduled."""
    anna = await stage.enter("anna", retry=RetryPolicy(wait=lambda state: 1.0, first_try_seconds=None))
    stage.network.hang("anna")
    stage.network.cut("anna")
    await anna.session.wait_for(named("reconnecting.dialing"))
    began = stage.now
    await anna.next("attempt")
    second = await anna.next("attempt")
    assert (second.attempt, second.reason) == (2, Reason.DEADLINE)
    assert stage.now - began == pytest.approx(10.0)
    stage.network.restore("anna")
    assert (await anna.back()).attempt == 2


@story(Stage)
async def test_a_hub_that_opens_the_socket_and_says_nothing(stage: Stage) -> None:
    """B07 S12: dial and join share the one deadline."""

    async def silent(end: HubEnd) -> None:
        await end.end()

    anna = stage.member("anna", url=stage.script(silent), retry_initial=True)
    connecting = stage.start(anna.session.connect())
    began = stage.now
    assert (await anna.next("attempt")).reason is Reason.DEADLINE
    assert stage.now - began == pytest.approx(10.0)
    assert anna.tale == []
    connecting.cancel()


@story(Stage)
async def test_a_hub_that_accepts_and_closes_at_once(stage: Stage) -> None:
    """B05: no earlier retry than at a hub that refuses: the streak goes on until a connection was stable."""
    attempts: list[float] = []

    async def fickle(end: HubEnd) -> None:
        attempts.append(stage.now)
        await end.welcome(resumed=len(attempts) > 1)
        end.transport.abort()

    def growing(state: object) -> float:
        return float(2**state.attempt_number)  # type: ignore[attr-defined]  # tenacity's

    policy = RetryPolicy(wait=growing, first_try_seconds=None)
    await stage.enter("anna", url=stage.script(fickle), retry=policy)
    await stage.later(120.0)
    gaps = [later - sooner for sooner, later in pairwise(attempts)]
    assert gaps == pytest.approx([4.0, 8.0, 16.0, 32.0]), "the connect() was the first try of this streak"


@story(Stage)
async def test_a_stable_connection_pays_off_earlier_failures(stage: Stage) -> None:
    """B05: after 10 s the wait starts from the policy's beginning; `attempt` starts from 1 with every outage."""

    def growing(state: object) -> float:
        return float(state.attempt_number)  # type: ignore[attr-defined]  # tenacity's

    anna = await stage.enter("anna", retry=RetryPolicy(wait=growing, first_try_seconds=None))
    waits = []
    for stayed in (1.0, 1.0, 1.0, 11.0, 1.0):
        await stage.later(stayed)
        stage.network.cut("anna")
        lost = await anna.next("reconnecting")
        assert lost.attempt == 1
        waits.append(lost.retry_in)
        await anna.back()
    assert waits == [2.0, 3.0, 4.0, 1.0, 2.0]


@story(Stage)
@pytest.mark.parametrize("delay", [0.0, 7.25, 100.0])
async def test_the_hubs_delay_is_obeyed_exactly(stage: Stage, delay: float) -> None:
    """B11 K02: not the policy's; later waits are the policy's again, from its start."""
    asked: list[int] = []

    async def busy(end: HubEnd) -> None:
        if len(asked) == 0:
            asked.append(0)
            await end.welcome()
            await end.say(frames.GoingAway(retry_after=delay))
        else:
            await end.welcome(resumed=True)
        await end.end()

    anna = await stage.enter("anna", url=stage.script(busy))
    lost = await anna.next("reconnecting")
    back = await anna.back()
    assert (lost.reason, lost.retry_in) == (Reason.GOING_AWAY, delay)
    assert back.at - lost.at == pytest.approx(delay)


@story(Stage)
@pytest.mark.parametrize(
    ("delay", "reason"), [(-1.0, Reason.SERVER_SAID_STOP), (121.0, Reason.GAVE_UP)], ids=["no delay", "beyond the budget"]
)
async def test_a_delay_of_the_hub_that_ends_it(stage: Stage, delay: float, reason: Reason) -> None:
    """B11: one that is no delay, or beyond what is left: over at once, and not after a wait in vain."""

    async def busy(end: HubEnd) -> None:
        await end.welcome()
        await end.say(Refused(code=Reason.OVERLOADED, retry_after=delay))
        await end.end()

    anna = await stage.enter("anna", url=stage.script(busy))
    before = stage.now
    assert (await anna.next("disconnected")).reason is reason
    assert stage.now == before


@story(Stage)
async def test_the_window_that_the_hub_advised(stage: Stage) -> None:
    """The first try falls within the window of the welcome: a fleet that drops together does not return together."""

    async def large(end: HubEnd) -> None:
        await end.welcome(first_try_window=60.0, heartbeat=Heartbeat(ping=60.0, silence=180.0))
        await stage.later(11.0)
        end.transport.abort()

    waits = []
    for number in range(40):
        anna = await stage.enter(f"anna {number}", url=stage.script(large, f"ws://large-{number}.test"))
        waits.append((await anna.next("reconnecting")).retry_in)
        await anna.session.disconnect()
    assert all(0.0 <= wait <= 60.0 for wait in waits)
    assert sum(wait > 1.0 for wait in waits) > 30, "far beyond the second that is the default"


@story(Stage)
async def test_the_last_error(stage: Stage) -> None:
    """S15: set by every failed attempt and drop, gone with the next success."""
    anna = await stage.enter("anna")
    assert anna.session.last_error is None
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    assert anna.session.last_error
    assert anna.session.last_error.reason is Reason.CLOSED
    await anna.next("attempt")
    await anna.next("attempt")
    assert anna.session.last_error.reason is Reason.UNREACHABLE
    stage.network.restore("anna")
    await anna.back()
    assert anna.session.last_error is None


@story(Stage)
async def test_late_reports_of_an_old_transport_change_nothing(stage: Stage) -> None:
    """S11: messages, and the end, of the transport that was replaced: audited as stale, and nothing else."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    stage.network.half_open("anna")
    ben.signal("on the old line")
    await stage.idle()
    anna.session.reconnect_now(force=True)
    await stage.idle()
    stage.network.restore("anna")
    await anna.back()
    await stage.later(1.0)
    assert anna.heard == ["on the old line"], "by the replay, once"
    assert anna.tale == ["connected", "reconnecting", "reconnected"]


# -- the machine sleeps ----------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_the_machine_slept_and_the_link_is_dead(stage: Stage) -> None:
    """B17: an immediate probe, and 2 s for its answer, instead of the whole silence; told as `updated`."""
    anna = await stage.enter("anna")
    await stage.later(30.0)
    stage.network.half_open("anna")
    stage.suspend(3_600.0)
    woke = await anna.next("updated")
    assert (woke.what, woke.seconds >= 3_500.0) == ("slept", True)
    assert isinstance(anna.wire.sent[-1], frames.Ping)
    lost = await anna.next("reconnecting")
    assert lost.reason is Reason.SILENT
    assert lost.at - woke.at == pytest.approx(2.0)
    noted = [line for line in anna.audit.records if line.get("what") == "resume_from_sleep"]
    assert len(noted) == 1
    stage.network.restore("anna")
    await anna.session.wait_for("online")


@story(Stage)
async def test_the_machine_slept_and_the_link_is_alive(stage: Stage) -> None:
    """B17: the probe is answered: no outage at all, although far more than the silence has passed."""
    anna = await stage.enter("anna")
    await stage.later(30.0)
    stage.suspend(3_600.0)
    await anna.next("updated")
    await stage.later(60.0)
    assert anna.tale == ["connected"]


@story(Stage)
async def test_the_machine_slept_while_waiting(stage: Stage) -> None:
    """B17: the attempt starts at once; the time asleep counts as elapsed."""
    anna = await stage.enter("anna", retry=RetryPolicy(wait=lambda state: 60.0, first_try_seconds=None))
    stage.network.cut("anna")
    await anna.session.wait_for(named("reconnecting.waiting"))
    stage.suspend(40.0)
    back = await anna.back()
    assert 40.0 <= back.elapsed < 45.0


@story(Stage)
async def test_the_wall_clock_is_set(stage: Stage) -> None:
    """B17: retry, heartbeat and grace do not go by the time of day."""
    anna = await stage.enter("anna")
    assert isinstance(stage.clock, FakeClock)
    for seconds in (3_600.0, -7_200.0, 315_360_000.0, -315_360_000.0):
        stage.clock.step_wall(seconds)
        await stage.later(10.0)
    assert anna.tale == ["connected"]
