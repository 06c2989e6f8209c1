"""A session that must not go on: whatever its state, it ends in one step, for good, and asks nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconnect.core.inputs import Halted
from reconnect.core.notices import Disconnected
from reconnect.reasons import Cause, OutcomeStatus, Reason
from tests.core_world import CoreWorld

CAUSE = Cause(reason=Reason.AUDIT_FAILED, final=True, detail="no space left on device")


def halt(world: CoreWorld) -> None:
    world.feed(Halted(at=world.now, cause=CAUSE))


def leaving() -> CoreWorld:
    world = CoreWorld().online()
    world.disconnect()
    return world


def reconnecting() -> CoreWorld:
    world = CoreWorld().online()
    world.lose()
    return world


def dialing() -> CoreWorld:
    world = CoreWorld()
    world.connect()
    return world


@pytest.mark.parametrize("made", [dialing, lambda: CoreWorld().online(), reconnecting, leaving])
def test_it_ends_from_every_state_and_its_transport_is_fenced(made: Callable[[], CoreWorld]) -> None:
    world = made()
    closing, first = world.role == "closing", world.role == "connecting"
    halt(world)
    assert world.role == "offline"
    assert world.core.at.fenced
    assert world.core.question is None
    ends = world.notices(Disconnected)
    assert [end.reason for end in ends] == ([] if first else [Reason.CLIENT_DISCONNECTED if closing else Reason.AUDIT_FAILED])
    world.opened(generation=world.core.at.generation)
    assert world.role == "offline"


def test_what_was_pending_has_failed_with_the_reason() -> None:
    world = reconnecting()
    world.submit("held")
    halt(world)
    assert world.core.at.outbox.pending == 0
    assert world.core.at.outbox.counts[OutcomeStatus.FAILED] == 1
    assert world.notices(Disconnected)[0].detail == "no space left on device"


def test_an_offline_session_has_nothing_to_end() -> None:
    world = CoreWorld()
    halt(world)
    assert (world.role, world.notes("step")) == ("offline", [])


def test_the_outbox_names_the_signals_without_an_outcome() -> None:
    world = CoreWorld().online()
    serials = [world.submit(number) for number in range(3)]
    world.lose()
    serials.append(world.submit("held"))
    taken_back = world.submit("unsaid")
    world.perform(world.core.cancel(taken_back))
    assert list(world.core.at.outbox.serials()) == serials
