"""The session's core on a living link: heartbeats, signals, and what the end of it does to them."""

from __future__ import annotations

import pytest

from reconnect.core import inputs
from reconnect.core.bounds import OutboxBounds
from reconnect.core.effects import Send
from reconnect.core.frames import (
    Accepted,
    GoingAway,
    Goodbye,
    Heartbeat,
    Join,
    Ping,
    Pong,
    SendSignal,
)
from reconnect.core.notices import Reconnecting
from reconnect.errors import OutboxFull
from reconnect.reasons import OutcomeStatus, Reason
from tests.core_world import CoreWorld, Script, signal
from tests.laws.behaviours import DENIED, KICKED, place, reach

# -- H: heartbeat --------------------------------------------------------------------------------------------------------------


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


# -- signals through the session -----------------------------------------------------------------------------------------------


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
    """Two resets in a row right after resending the same first signal; a hub that goes away is not blamed.

    Before the second one the link has to answer a ping, and nothing but the suspect is sent on it.
    """
    world = CoreWorld().online()
    poison, good = world.submit("poison"), world.submit("good")
    world.lose()
    world.resume(accepted=0)
    world.receive(GoingAway(retry_after=0.0))
    world.resume(accepted=0)
    world.lose()
    for _ in range(3):
        world.resume(accepted=0)
        assert type(world.wire[-1]) is Ping
        world.lose()
    assert not world.outcomes, "a link that never answered proves nothing"
    world.resume(accepted=0)
    world.receive(Pong(position=0))
    assert [frame.serial for frame in world.wire if isinstance(frame, SendSignal)][-1] == poison
    world.lose()
    assert {serial: outcome.reason for serial, outcome in world.outcomes.items()} == {poison: Reason.POISON}
    world.resume(accepted=0)
    world.receive(Accepted(serial=good, position=0))
    assert world.outcomes[good].delivered
