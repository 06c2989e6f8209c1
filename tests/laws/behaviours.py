"""What a session does from state to state, as plain functions of its charts.

Each behaviour takes the charts, plays one story on them and asserts what must come of it. The tests of the session's core call
them with the charts as shipped. The law of the rows (`test_rows.py`) calls them with charts in which one row was tampered with,
and then at least one of them must fail. They ask for roles and phases, never for a state's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from reconnect.core.effects import CloseTransport, Send
from reconnect.core.frames import (
    Goodbye,
    Heartbeat,
    Join,
    Refused,
    ResumeClaim,
)
from reconnect.core.notices import Attempt, Disconnected, Reconnected, Reconnecting
from reconnect.reasons import Cause, Reason
from tests.core_world import Charts, CoreWorld, Script

Behaviour = Callable[[Charts], None]

KICKED: Final = Refused(code=Reason.KICKED, detail="removed by a moderator")
DENIED: Final = Cause(reason=Reason.DENIED, final=True, detail="not you")
PATIENT: Final = Heartbeat(ping=500.0, silence=1_000.0)  # a hub that need not be heard


# -- ways to a place -----------------------------------------------------------------------------------------------------------


def place(world: CoreWorld) -> tuple[str, str | None]:
    """Return what the session is for at present, and what its attempt is doing."""
    return world.role, world.core.phase


def reach(world: CoreWorld, role: str, phase: str | None = None) -> CoreWorld:
    """Bring a new world into a role and a phase, by the shortest way."""
    world.connect()
    if role != "connecting":
        world.join()
    if role == "closing":
        world.disconnect()
    if role == "recovering" or phase == "waiting":
        world.lose()
    if role == "recovering" and phase != "waiting":
        world.wake()
    if phase == "joining":
        world.opened()
    assert place(world) == (role, phase), f"the way to {role} {phase} ends in {world.state}"
    return world


def attempts(charts: Charts, *phases: str, **options: Any) -> Iterator[CoreWorld]:
    """Yield a world in each of these phases of an attempt: before the first connection, and after a loss."""
    for role in ("connecting", "recovering"):
        for phase in phases:
            yield reach(CoreWorld(charts, **options), role, phase)


def is_over(world: CoreWorld, reason: Reason) -> bool:
    """Assert that the session ended for this reason, told once where it had been connected, and that nothing is left of it."""
    was_connected = "connected" in world.told
    ends = world.notices(Disconnected)
    assert world.role == "offline"
    assert [end.reason for end in ends] == ([reason] if was_connected else [])
    assert world.told.count("disconnected") == was_connected
    assert world.transport is None
    assert world.core.wake_at() is None, "something is still to come"
    assert world.core.at.outbox.pending == 0
    assert world.core.at.claim() is None
    return True


# -- coming --------------------------------------------------------------------------------------------------------------------


def behaviour_connect_dials_joins_and_is_accepted(charts: Charts) -> None:
    world = CoreWorld(charts)
    world.connect()
    assert place(world) == ("connecting", "dialing")
    assert [dial.generation for dial in world.dialed] == [1]
    world.opened()
    assert place(world) == ("connecting", "joining"), "an open socket is not a connection"
    assert [join.resume for join in world.sent(Join)] == [None]
    assert world.told == []
    world.accept()
    assert place(world) == ("online", None)
    assert world.told == ["connected"]
    assert (len(world.dialed), world.closed, world.notices(Attempt)) == (1, [], [])


def behaviour_a_first_connect_that_fails_ends_and_tells_nothing(charts: Charts) -> None:
    for phase in ("dialing", "joining"):
        world = reach(CoreWorld(charts, policy=Script(then=Reason.CLOSED)), "connecting", phase)
        world.lose()
        assert is_over(world, Reason.CLOSED)
        assert world.core.at.episode.last_error is not None
        assert world.closed == [CloseTransport(generation=1, abort=True, code=1000)]
        world.online()
        assert world.told == ["connected"]


def behaviour_a_first_connect_may_be_tried_again(charts: Charts) -> None:
    for phase in ("dialing", "joining"):
        world = reach(CoreWorld(charts), "connecting", phase)
        world.lose()
        assert place(world) == ("connecting", "waiting")
        assert [(one.attempt, one.initial, one.retry_in) for one in world.notices(Attempt)] == [(2, True, 1.0)]
        assert world.wake() == 1.0
        assert place(world) == ("connecting", "dialing")
        world.join()
        assert world.told == ["connected"]
        assert world.closed == [CloseTransport(generation=1, abort=True, code=1000)]


def behaviour_an_attempt_has_one_deadline(charts: Charts) -> None:
    for world in attempts(charts, "dialing", attempt_deadline=10.0):
        role = world.role
        assert world.wake() == 10.0, "a dial that does nothing lasts as long as an attempt may"
        assert place(world) == (role, "waiting")
        assert world.transport is None
        world.wake()
        world.now += 4.0
        world.opened()
        assert world.wake() == 6.0, "dialing and joining share the deadline"
        assert place(world) == (role, "waiting")
        assert [question.cause.reason for question in world.script.asked[-2:]] == [Reason.DEADLINE, Reason.DEADLINE]
        assert world.told == (["connected", "reconnecting"] if role == "recovering" else [])


def behaviour_a_deadline_may_be_the_end(charts: Charts) -> None:
    for world in attempts(charts, "dialing", "joining"):
        world.script.answers.append(Reason.GAVE_UP)
        world.wake()
        assert is_over(world, Reason.GAVE_UP)


# -- waiting for the next attempt ----------------------------------------------------------------------------------------------


def behaviour_an_attempt_starts_when_its_wait_is_over(charts: Charts) -> None:
    for world in attempts(charts, "waiting"):
        role, dials = world.role, len(world.dialed)
        announced = world.notices(Attempt)[-1]
        world.advance(announced.retry_in - 0.001)
        assert (place(world), len(world.dialed)) == ((role, "waiting"), dials)
        world.advance(0.001)
        assert (place(world), len(world.dialed)) == ((role, "dialing"), dials + 1)


def behaviour_retry_now_starts_the_one_attempt_at_once(charts: Charts) -> None:
    for world in attempts(charts, "waiting"):
        role, dials = world.role, len(world.dialed)
        world.retry()
        assert (place(world), len(world.dialed)) == ((role, "dialing"), dials + 1)
        world.advance(5.0)
        assert len(world.dialed) == dials + 1, "the wait that was cut short brings no second attempt"
        for hurried in ("dialing", "joining"):
            assert place(world) == (role, hurried)
            world.retry()
            assert (place(world), len(world.dialed)) == ((role, hurried), dials + 1)
            if hurried == "dialing":
                world.opened()


# -- leaving -------------------------------------------------------------------------------------------------------------------


def behaviour_leaving_while_waiting_or_dialing_ends_at_once(charts: Charts) -> None:
    for world in attempts(charts, "waiting", "dialing"):
        generation, dials = world.core.at.generation, len(world.dialed)
        world.disconnect()
        assert is_over(world, Reason.CLIENT_DISCONNECTED)
        assert world.sent(Goodbye) == []
        world.opened(generation)
        world.lose(generation=generation)
        world.advance(3_600.0)
        assert is_over(world, Reason.CLIENT_DISCONNECTED)
        assert len(world.dialed) == dials


def behaviour_leaving_while_joining_says_goodbye_on_the_way_out(charts: Charts) -> None:
    for world in attempts(charts, "joining"):
        generation = world.core.at.generation
        world.disconnect()
        assert is_over(world, Reason.CLIENT_DISCONNECTED)
        ending = [effect for effect in world.turn if isinstance(effect, Send | CloseTransport)]
        assert ending == [
            Send(generation=generation, frames=(Goodbye(),)),
            CloseTransport(generation=generation, abort=False, code=1000),
        ]
        world.accept()
        assert is_over(world, Reason.CLIENT_DISCONNECTED)


def behaviour_leaving_says_goodbye_and_ends_whatever_comes_first(charts: Charts) -> None:
    def wait(world: CoreWorld) -> None:
        assert world.wake() == 5.0

    ends: tuple[tuple[Callable[[CoreWorld], object], bool], ...] = (
        (lambda world: world.receive(Goodbye()), False),
        (wait, True),
        (lambda world: world.lose(), True),
        (lambda world: world.lose(DENIED), True),
        (lambda world: world.receive(KICKED), True),
    )
    for end, abort in ends:
        world = reach(CoreWorld(charts, close_timeout=5.0), "closing")
        assert world.wire[-1] == Goodbye()
        assert (world.told, world.closed) == (["connected"], [])
        end(world)
        assert is_over(world, Reason.CLIENT_DISCONNECTED)
        assert world.closed == [CloseTransport(generation=1, abort=abort, code=1000)]
        assert world.script.asked == [], "nobody is asked whether to come back to where one was leaving"


# -- losing and coming back ----------------------------------------------------------------------------------------------------


def behaviour_a_lost_transport_is_one_transition(charts: Charts) -> None:
    world = CoreWorld(charts).online()
    world.now += 30.0
    steps = len(world.notes("step"))
    world.lose()
    assert place(world) == ("recovering", "waiting")
    assert world.told == ["connected", "reconnecting"]
    assert world.notices(Reconnecting) == [
        Reconnecting(at=world.now, reason=Reason.CLOSED, attempt=1, retry_in=1.0, detail="connection reset by peer")
    ]
    assert [(one.attempt, one.retry_in, one.initial) for one in world.notices(Attempt)] == [(1, 1.0, False)]
    assert world.core.wake_at() == world.now + 1.0
    assert world.closed == [CloseTransport(generation=1, abort=True, code=1000)]
    assert len(world.notes("step")) == steps + 1


def behaviour_the_connection_is_resumed(charts: Charts) -> None:
    world = reach(CoreWorld(charts), "recovering", "joining")
    claim = world.sent(Join)[-1].resume
    assert claim == ResumeClaim(connection="c1", secret="s1", epoch="e1", position=0)
    assert world.told == ["connected", "reconnecting"], "an open socket is not a connection"
    world.accept_again(secret="s2")
    assert place(world) == ("online", None)
    assert world.told == ["connected", "reconnecting", "reconnected"]
    assert world.notices(Reconnected) == [
        Reconnected(at=world.now, reason=Reason.CLOSED, attempt=1, elapsed=1.0, resumed=True, connection="c1")
    ]
    assert world.core.at.secret == "s2"


def behaviour_a_new_connection_replaces_the_lost_one(charts: Charts) -> None:
    world = reach(CoreWorld(charts), "recovering", "joining")
    world.accept(connection="c2", secret="s2", epoch="e2", position=7)
    assert place(world) == ("online", None)
    assert world.told == ["connected", "reconnecting", "reconnected"]
    told = world.notices(Reconnected)[0]
    assert (told.resumed, told.connection, told.attempt) == (False, "c2", 1)
    claim = world.core.at.claim()
    assert claim is not None
    assert (claim.connection, claim.secret, claim.epoch, claim.position) == ("c2", "s2", "e2", 7)


def behaviour_an_attempt_that_fails_is_followed_by_another(charts: Charts) -> None:
    world = reach(CoreWorld(charts), "recovering", "dialing")
    world.lose()
    assert place(world) == ("recovering", "waiting")
    assert world.wake() == 1.0
    world.opened()
    world.lose()
    assert place(world) == ("recovering", "waiting")
    assert [one.attempt for one in world.notices(Attempt)] == [1, 2, 3]
    assert world.told == ["connected", "reconnecting"], "one outage is told once"
    world.resume()
    assert [(one.attempt, one.elapsed) for one in world.notices(Reconnected)] == [(3, 3.0)]


def behaviour_a_final_answer_ends_whatever_the_policy_would_say(charts: Charts) -> None:
    online = CoreWorld(charts).online()
    online.receive(KICKED)
    assert is_over(online, Reason.KICKED)
    assert online.script.asked == []
    for world in attempts(charts, "dialing", "joining"):
        asked = len(world.script.asked)
        world.lose(DENIED)
        assert is_over(world, Reason.DENIED)
        assert len(world.script.asked) == asked


def behaviour_the_policy_may_give_up(charts: Charts) -> None:
    world = CoreWorld(charts, policy=Script(then=Reason.GAVE_UP)).online()
    world.lose()
    assert is_over(world, Reason.GAVE_UP)
    for world in attempts(charts, "dialing", "joining"):
        world.script.answers.append(Reason.GAVE_UP)
        world.lose()
        assert is_over(world, Reason.GAVE_UP)


def behaviour_a_connection_that_lasted_pays_off_earlier_failures(charts: Charts) -> None:
    world = CoreWorld(charts, stable_after=10.0).online(heartbeat=PATIENT)
    world.advance(9.999)
    world.lose()
    world.resume(heartbeat=PATIENT)
    world.advance(10.0)
    assert place(world) == ("online", None)
    world.advance(100.0)
    world.lose()
    assert [(one.attempt, one.streak) for one in world.script.asked] == [(1, 2), (1, 1)]


STATE_BEHAVIOURS: Final[tuple[Behaviour, ...]] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("behaviour_")
)
