"""Session cores, a hub core and a faulty network together: whatever happens, the promises hold."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.core.hub.settings import HubSettings
from tests.laws.world import World

NAMES = ("anna", "ben", "carla")

EXAMPLES = 4 * settings().max_examples

FAULTS = st.one_of(
    st.tuples(st.just("signal"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("ttl"), st.sampled_from(NAMES), st.sampled_from((0.05, 0.5, 5.0))),
    st.tuples(st.just("cancel"), st.sampled_from(NAMES), st.integers(1, 5)),
    st.tuples(st.just("cut"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("freeze"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("mute"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("refuse"), st.sampled_from(NAMES), st.booleans()),
    st.tuples(st.just("dark"), st.none(), st.booleans()),
    st.tuples(st.just("kill_hub"), st.none(), st.none()),
    st.tuples(st.just("leave"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("connect"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("publish"), st.sampled_from(NAMES), st.sampled_from(("camera", "screen"))),
)
WAITS = st.sampled_from((0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.05, 0.3, 1.0, 4.0, 10.0, 70.0))
BURSTS = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=2)
STEPS = st.tuples(BURSTS, st.sampled_from((0.0, 0.005, 0.012, 0.022)), FAULTS, WAITS)


def act(world: World, kind: str, who: str | None, what: object) -> None:
    party = world.parties.get(who or "")
    match kind, party, what:
        case "signal", _, bool() if party:
            party.signal(keep=what)
        case "ttl", _, float() if party:
            party.signal(ttl=what)
        case "cancel", _, int() if party:
            party.cancel(what)
        case "refuse", _, bool() if party:
            party.refused = what
        case "publish", _, str() if party:
            party.publish(what)
        case "cut", _, _ if who:
            world.cut(who)
        case "freeze", _, _ if who:
            world.freeze(who)
        case "mute", _, _ if who:
            world.mute(who)
        case "leave", _, _ if party:
            party.leave()
        case "connect", _, _ if party:
            party.connect()
        case "dark", _, bool():
            world.dark = what
        case "kill_hub", _, _:
            world.kill_hub()


@settings(max_examples=EXAMPLES)
@given(script=st.lists(STEPS, max_size=20), seed=st.integers(0, 2**32))
def test_whatever_the_network_does_the_promises_hold(script: list[Any], seed: int) -> None:
    """Q09 S13 P05 R05: conservation, order, no duplicate, no false outcome, no silent gap, no ghost; for random faults."""
    world = World(*NAMES, seed=seed, hub=HubSettings(log_signals=20, window=8, grace_seconds=30.0))
    for party in world.parties.values():
        party.connect()
    world.run(1.0)
    for bursts, pause, (kind, who, what), wait in script:
        for name, signals in bursts.items():
            for _ in range(signals):
                world.parties[name].signal()
        world.run(pause)
        act(world, kind, who, what)
        world.run(wait)
    world.settle()
    assert world.problems() == []


def test_a_world_without_faults_delivers_everything() -> None:
    """The world itself works: three members, everything is delivered to everyone, nothing is noted twice."""
    world = World(*NAMES)
    for party in world.parties.values():
        party.connect()
    world.run(1.0)
    for _ in range(50):
        for party in world.parties.values():
            party.signal()
        world.run(0.01)
    world.settle()
    assert world.problems() == []
    assert all(len(party.history.received) == 150 for party in world.parties.values())
