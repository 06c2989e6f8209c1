"""The simulator: what it promises of itself (the same seed, the same run), and the promises that whole worlds keep."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

from reconnect.audit import Journal
from reconnect.core.hub.settings import HubSettings
from reconnect.errors import BadArgument, OutboxFailed
from reconnect.evidence.replay import replay
from reconnect.evidence.verify import verify
from reconnect.reasons import OutcomeStatus
from reconnect.testing import simulate
from reconnect.testing.checking import check_history
from reconnect.testing.history import Logged, Missed, Received, Settled, Submitted
from reconnect.testing.simulator import Act, Quirk, Step, shortest_prefix, simulate_many
from reconnect.testing.simulator.disk import SimulatedDisk
from reconnect.testing.simulator.plan import draw_plan
from reconnect.testing.simulator.running import _recover
from reconnect.testing.simulator.timeline import Timeline, TimeStands
from reconnect.testing.simulator.world import World
from reconnect.testing.violations import Broken

ROOT = Path(__file__).resolve().parent.parent
FULL = settings().max_examples > 1_000  # see conftest.py
PLAIN: frozenset[Quirk] = frozenset()


def digests(seeds: int, hash_seed: str) -> str:
    """Run seeds in an interpreter of its own; return the digest of all their journals."""
    command = [sys.executable, "-m", "reconnect", "simulate", "--seeds", str(seeds), "--jobs", "1", "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    return str(json.loads(done.stdout)["digest"])


def world(members: int = 3, **changes: object) -> World:
    """Return a plain world in which everybody is connected."""
    given = {"quirks": PLAIN, "settings": HubSettings(), **changes}
    made = World(1, members, **given)  # type: ignore[arg-type]  # whatever a test changes
    for party in made.parties.values():
        party.connect()
    made.timeline.run(1.0)
    return made


def journal_in(folder: Path, writer: str) -> Journal:
    """Return the journal of one writer, in a file of its own."""
    return Journal(folder / f"{writer}.jsonl")


def steps(act: Act, count: int, seed: int, members: int, others: float) -> tuple[Step, ...]:
    """Return a seed's plan in which a step is `act`, but for a share of `others`, which stay as they were drawn."""
    chance = Random(seed)
    drawn = draw_plan(chance, members, count)
    return tuple(
        step if chance.random() < others else Step(wait=step.wait, act=act, who=step.who, amount=step.amount, count=step.count)
        for step in drawn
    )


# -- of itself -----------------------------------------------------------------------------------------------------------------


def test_a_seed_comes_to_the_same_in_every_process() -> None:
    """A1: the same journals, byte for byte, in two processes with different PYTHONHASHSEED; the gate does it with 200 seeds."""
    first, second = (digests(12, hash_seed) for hash_seed in ("1", "31337"))
    assert first == second


def test_a_seed_comes_to_the_same_whether_it_is_told_or_not() -> None:
    """A1: the same run twice in one process; keeping a story changes nothing, and another seed is another run."""
    first, second, other = simulate(3, steps=40), simulate(3, steps=40, story=True), simulate(4, steps=40)
    assert first.digest == second.digest != other.digest
    assert first.lines == ()
    assert {"> the faults stop", "connected", "delivered"} <= {line.event for line in second.lines}


def test_how_seeds_are_shared_out_changes_nothing() -> None:
    alone = [simulation.digest for simulation in simulate_many(range(16), steps=10, jobs=1)]
    assert [simulation.digest for simulation in simulate_many(range(16), steps=10, jobs=2)] == alone


def test_the_plan_of_fewer_steps_is_the_beginning_of_one_of_more() -> None:
    assert draw_plan(Random(5), 4, 30)[:12] == draw_plan(Random(5), 4, 12)


def test_a_world_has_as_many_members_as_it_has_names() -> None:
    for clients in (0, 21):
        with pytest.raises(BadArgument, match=f"clients is {clients}; a world has 1 to 20 members"):
            simulate(1, clients=clients)
    assert simulate(1, clients=20, steps=5).members == 20


def test_nothing_broken_has_no_prefix() -> None:
    assert shortest_prefix(1, clients=2, steps=3) is None


# -- of whole worlds -----------------------------------------------------------------------------------------------------------


def test_the_mill_breaks_nothing() -> None:
    """A2: random cuts, refusals, delays, half-open links, restarts, pauses; the gate runs far more."""
    ran = [simulate(seed) for seed in range(10_000, 10_000 + (400 if FULL else 24))]
    assert [simulation for simulation in ran if simulation.violations] == []
    assert sum(simulation.outages for simulation in ran) > 40 * len(ran)
    assert sum(simulation.signals for simulation in ran) > 60 * len(ran)


def test_links_are_cut_at_every_boundary_between_frames() -> None:
    """A2: before each kind of frame that travels, and behind each, some link was cut."""
    met: set[tuple[str, str, str]] = set()
    acts = (Act.SIGNALS, Act.LEAVE, Act.CONNECT, Act.PUBLISH, Act.UNPUBLISH, Act.HUB_DRAIN, Act.SIGNALS, Act.CONNECT)
    for seed in range(40):
        chance, plan = Random(seed), list[Step]()
        for step in draw_plan(chance, 5, 60):
            fuse = Step(wait=step.wait, act=Act.FUSE, who=step.who, amount=step.amount, count=step.count)
            act = step.act if chance.random() < 0.4 else chance.choice(acts)
            plan += [fuse, Step(wait=0.02, act=act, who=step.who, amount=step.amount, count=step.count)]
        simulation = simulate(seed, clients=5, plan=tuple(plan))
        assert simulation.violations == (), seed
        met |= simulation.boundaries
    ahead = {(way, after) for way, _, after in met}
    behind = {(way, before) for way, before, _ in met}
    up = {("up", kind) for kind in ("join", "signal", "handled", "want", "unwant", "ping", "goodbye")}
    down = {("down", kind) for kind in ("welcome", "snapshot", "accepted", "entry", "done", "pong")}
    assert ahead >= up | down | {("down", "going_away"), ("down", "goodbye")}
    assert behind >= (up | down) - {("up", "goodbye"), ("up", "unwant")} | {("up", "nothing"), ("down", "nothing")}


def test_every_quirk_changes_something() -> None:
    """A11: more than twenty places at which a world is made unusual, each with probability 1/4; each of them is met."""
    hits: Counter[Quirk] = Counter()
    for seed in range(500 if FULL else 60):
        simulation = simulate(seed, steps=60)
        assert simulation.violations == ()
        hits.update(simulation.hits.keys())
    assert len(Quirk) >= 20
    assert set(hits) == set(Quirk)


def test_swizzled_partitions_leave_nobody_stuck() -> None:
    """A4: ten members; a random subset is stopped one by one, and restored in another order, again and again."""
    for seed in range(1_000 if FULL else 20):
        simulation = simulate(seed, clients=10, plan=steps(Act.SWIZZLE, 20, seed, 10, others=0.5))
        assert simulation.violations == (), seed


def test_steps_of_the_wall_clock_move_nothing_but_tokens() -> None:
    """A6: an hour, ten years, back and forth: attempts, heartbeats and graces do not notice; only tokens know the time of day."""
    expired = 0
    for seed in range(500 if FULL else 25):
        plan = steps(Act.WALL_STEP, 60, seed, 4, others=0.7)
        simulation = simulate(seed, clients=4, plan=plan, quirks=frozenset({Quirk.SHORT_TOKENS, Quirk.JITTER}))
        assert simulation.violations == (), seed
        expired += simulation.hits.get(Quirk.SHORT_TOKENS, 0)
    assert expired, "no token was ever over"


def test_what_opted_out_is_delivered_in_time_or_dropped_with_a_reason() -> None:
    """A7: 10,000 signals, half of them worthless if late, through 100 outages: exact counts in outbox, history and journal."""
    made = world(keep=True)
    anna, ben = made.parties["anna"], made.parties["ben"]
    away: Counter[bool] = Counter()
    for _ in range(100):
        for number in range(50):
            anna.signal(keep=number % 2 == 0)
        made.timeline.run(0.5)
        for wire in made.network.wires_of("anna"):
            made.network.cut(wire)
        made.timeline.run(0.02)
        assert anna.core.role == "recovering"
        for number in range(50):
            away[number % 2 == 0] += anna.signal(keep=number % 2 == 0) is not None
        made.timeline.run_until(lambda: anna.core.role == "online", 60.0)
        made.timeline.run(0.5)
    assert away == {True: 2_500, False: 2_500}
    assert anna.core.at.outbox.counts == {OutcomeStatus.DELIVERED: 7_500, OutcomeStatus.DROPPED: 2_500}
    assert made.signals == anna.core.at.outbox.counts
    written = [record for record in made.journals.kept["anna"] if record["record"] == "outcomes"]
    dropped = [record for record in written if record["status"] == "dropped"]
    assert {record["reason"] for record in dropped} == {"opted_out"}
    assert sum(last - first + 1 for record in dropped for first, last in record["serials"]) == 2_500
    received = [fact for fact in made.history if isinstance(fact, Received) and fact.who == ben.life]
    assert len(received) == 7_500
    assert check_history(made.history) == []


def test_a_gap_is_told_exactly_and_before_what_follows_it() -> None:
    """A8 R05: an outage in which ten times as much is said as the log keeps: first, last and epoch of what is missing, once."""
    for seed in range(1_000 if FULL else 40):
        made = World(seed, 3, quirks=PLAIN, settings=HubSettings(log_signals=20, grace_seconds=60.0))
        for party in made.parties.values():
            party.connect()
        made.timeline.run(1.0)
        made.network.of("ben").refusing = True
        made.network.cut(made.network.wires_of("ben")[0])
        for _ in range(20):
            for _ in range(10):
                made.parties["anna"].signal()
            made.timeline.run(0.1)
        made.network.of("ben").refusing = False
        made.timeline.run(60.0)
        facts = [fact for fact in made.history if getattr(fact, "who", "") == "ben" and isinstance(fact, Missed | Received)]
        gap, *read = facts
        assert isinstance(gap, Missed), seed
        assert [type(fact) for fact in read] == [Received] * 20, seed
        log = [fact.position for fact in made.history if isinstance(fact, Logged)]
        missed = [position for position in log if gap.first <= position <= (gap.last or 0)]
        assert len(missed) == 180, seed
        assert gap.epoch == "e1"
        assert check_history(made.history) == []


def test_a_lost_acknowledgement_is_not_a_failure() -> None:
    """A9 Q04: acknowledgements are lost on the way back: what was sent is unknown, sent again, and there once; 10,000 times."""
    made = world(members=2)
    anna = made.parties["anna"]
    for _ in range(20):
        wire = made.network.wires_of("anna")[0]
        wire.down.lost = True
        for _ in range(500):
            anna.signal()
        made.timeline.run(1.0)
        assert anna.core.at.outbox.pending == 500, "nobody said so, so nobody knows"
        made.timeline.run_until(lambda: anna.core.role == "recovering", 20.0)
        made.timeline.run_until(lambda: not anna.core.at.outbox.pending, 60.0)
        made.timeline.run(0.5)
    assert made.signals == {OutcomeStatus.DELIVERED: 10_000}
    serials = [fact.serial for fact in made.history if isinstance(fact, Received) and fact.who == "ben"]
    assert serials == list(range(1, 10_001))
    assert check_history(made.history) == []


def test_a_refused_repeat_may_have_been_taken_before() -> None:
    """Q04: found by seed 178: a hub refused what its earlier life had logged, and the receipt was too sure of it."""
    assert simulate(178, steps=15).violations == ()


def test_a_repeat_that_never_arrived_is_handed_over_late() -> None:
    """Q05: found by seed 1194: refused by one life of the hub, logged by the next behind later ones, and dropped as a repeat."""
    assert simulate(1194, steps=54).violations == ()


def test_the_journals_of_a_run_hold_and_replay(tmp_path: Path) -> None:
    """U06 U07: what the audit wrote follows the charts and accounts for every signal, and replayed it goes the same way."""
    for seed in range(100 if FULL else 4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        simulation = simulate(seed, clients=4, steps=50, audit=partial(journal_in, folder))
        assert simulation.violations == ()
        journals = sorted(folder.iterdir())
        assert {"anna.jsonl", "hub.1.jsonl"} <= {path.name for path in journals}
        for path in journals:
            (verified,) = verify([path])
            assert verified.holds, (seed, path.name, verified.objections)
            if not path.name.startswith("hub"):
                assert replay(path).holds, (seed, path.name)


# -- its parts -----------------------------------------------------------------------------------------------------------------


def test_time_jumps_and_keeps_the_order_of_what_is_due() -> None:
    timeline, seen = Timeline(), list[object]()
    timeline.later(2.0, seen.append, "second")
    timeline.later(1.0, seen.append, "first")
    timeline.later(1.0, seen.append, "after it")
    handle = timeline.call_at(timeline.now() + 1.5, lambda: seen.append("never"))
    handle.cancel()
    timeline.call_at(timeline.now() + 1.6, lambda: seen.append("called"))
    timeline.run(10.0)
    assert seen == ["first", "after it", "called", "second"]
    assert timeline.now() == 1_010.0
    assert timeline.wall() == 1_700_000_010.0
    assert repr(timeline) == "<Timeline now=1010.000 due=0>"


def test_time_that_does_not_get_on_is_noticed() -> None:
    timeline = Timeline()

    def again() -> None:
        timeline.later(0.0, again)

    again()
    with pytest.raises(TimeStands, match="there is no end to it"):
        timeline.run(1.0)


def test_a_coarse_clock_lets_things_meet() -> None:
    timeline, seen = Timeline(coarse=True), list[float]()
    for seconds in (0.01, 0.05, 0.12):
        timeline.later(seconds, lambda: seen.append(timeline.now()))
    timeline.run(1.0)
    assert seen == [1_000.125] * 3


class Row:
    """What an outbox gives to a store."""

    def __init__(self, serial: int) -> None:
        self.serial = serial


def test_a_disk_forgets_what_it_did_not_sync() -> None:
    """What was confirmed survives a crash, and nothing is confirmed that does not."""
    timeline = Timeline()
    disk, said = SimulatedDisk(timeline, Random(1), sync_seconds=1.0), list[int | OutboxFailed]()
    disk.put([Row(1), Row(2)], said.append)
    timeline.run(2.0)
    assert said == [2]
    disk.forget([1])
    disk.put([Row(3)], said.append)
    disk.put([Row(4)], said.append)
    assert repr(disk) == "<SimulatedDisk rows=2 unsynced=2>"
    assert [row.serial for row in disk.crash()] == [1, 2], "an erasure is as unsynced as a row"
    timeline.run(5.0)
    assert said == [2], "a promise of before the crash is never made"
    disk.forget([1])
    disk.put([Row(5)], said.append)
    timeline.run(2.0)
    assert [row.serial for row in disk.crash()] == [2, 5]
    assert disk.is_stored(5)


def test_a_quick_disk_syncs_at_once() -> None:
    disk, said = SimulatedDisk(Timeline(), Random(1)), list[int | OutboxFailed]()
    disk.put([Row(1)], said.append)
    disk.forget([1])
    assert said == [1]
    assert disk.crash() == []


def failed(seed: int) -> tuple[Timeline, SimulatedDisk, list[int | OutboxFailed]]:
    """Return a disk that kept one row and failed at the next two, and what it said."""
    timeline, failing = Timeline(), [False, True]
    disk = SimulatedDisk(timeline, Random(seed), fails=lambda: bool(failing) and failing.pop(0))
    said = list[int | OutboxFailed]()
    disk.put([Row(1)], said.append)
    disk.put([Row(2), Row(3)], said.append)
    return timeline, disk, said


def test_a_disk_that_failed_takes_nothing_until_it_is_mended() -> None:
    """What it refused is told, with what is known of it; an erasure waits, and comes first when it is well again."""
    timeline, disk, said = failed(1)
    mended = list[float]()
    disk.mended = lambda: mended.append(timeline.now())
    disk.put([Row(4)], said.append)
    disk.forget([1])
    assert said[0] == 1
    refused = [one.serials for one in said[1:] if isinstance(one, OutboxFailed)]
    assert refused == [(2, 3), (4,)]
    assert 1 in disk.synced
    assert [disk.is_stored(serial) for serial in (1, 2, 4)] == [True, False, False]
    timeline.run(5.0)
    assert len(mended) == 1
    disk.put([Row(5)], said.append)
    assert said[-1] == 5
    assert sorted(disk.synced) == [5], "what it refused is forgotten as well"
    assert not disk.is_stored(2)


def test_a_disk_that_failed_may_have_kept_it_all_the_same() -> None:
    ends = set()
    for seed in range(40):
        timeline, disk, said = failed(seed)
        problem = said[1]
        assert isinstance(problem, OutboxFailed)
        left = tuple(row.serial for row in disk.crash())
        ends.add((problem.certain, left))
        assert all(disk.is_stored(serial) for serial in left), "who finds it after a crash may go on with it"
        timeline.run(6.0)
        assert tuple(disk.synced) == left, "what began before the crash is not gone on with"
    assert ends == {(True, (1,)), (False, (1,)), (False, (1, 2, 3))}


def test_a_disk_that_fails_loses_nothing_that_it_confirmed() -> None:
    """A11: failing disks in whole worlds; signals that a disk did not take have failed, and the others arrive."""
    quirks = frozenset({Quirk.DURABLE, Quirk.FAILING_DISK, Quirk.SLOW_STORE})
    ran = [simulate(seed, quirks=quirks, steps=60) for seed in range(200 if FULL else 12)]
    assert [simulation.violations for simulation in ran if simulation.violations] == []
    assert sum(simulation.hits.get(Quirk.FAILING_DISK, 0) for simulation in ran) > len(ran)


def test_who_is_back_too_late_is_reported_though_it_came_back() -> None:
    """A2: everything is delivered within the longest back-off and 30 s after the faults stopped, and not in twice that time."""
    made = world()
    assert made.hub is not None
    made.hub.pause(80.0)
    made.parties["anna"].signal()
    _recover(made)
    assert all(party.core.role == "online" for party in made.parties.values())
    assert {violation.broken for violation in made.found} == {Broken.STUCK}
    assert "60 s after the faults stopped it is reconnecting" in made.found[0].detail


def test_a_process_that_is_killed_is_followed_by_another() -> None:
    made = world()
    made.parties["anna"].signal()
    made.crash("anna")
    made.timeline.run(1.0)
    assert made.parties["anna"].life == "anna.2"
    assert made.parties["anna"].core.role == "online"
    made.timeline.run(80.0)
    assert list(made.parties["ben"].core.at.roster.members) == [
        made.parties["carla"].core.at.connection,
        made.parties["anna"].core.at.connection,
    ]
    assert repr(made.parties["anna"]) == "<Party anna.2 connected>"
    assert [fact for fact in made.history if isinstance(fact, Settled)] == []
    assert check_history(made.history) == [], "a receipt whose process is gone is owed to nobody"
    assert [fact.serial for fact in made.history if isinstance(fact, Submitted)] == [1]


def test_what_was_synced_goes_on_in_the_process_that_follows() -> None:
    """Q20: signals on disk outlive their process; what had not been synced is gone, and nobody was told that it was safe."""
    made = world(members=2, quirks=frozenset({Quirk.DURABLE, Quirk.SLOW_STORE}))
    made.network.of("anna").refusing = True
    made.network.cut(made.network.wires_of("anna")[0])
    made.timeline.run(0.5)
    for _ in range(3):
        made.parties["anna"].signal()
    made.timeline.run(2.0)
    unsynced = made.parties["anna"].signal()
    made.crash("anna")
    made.network.of("anna").refusing = False
    made.timeline.run(60.0)
    assert made.parties["anna"].core.role == "online"
    assert unsynced == 4
    assert [fact.serial for fact in made.history if isinstance(fact, Received) and fact.who == "ben"] == [1, 2, 3]
    assert [fact.serial for fact in made.history if isinstance(fact, Settled)] == [1, 2, 3]
    assert made.hits[Quirk.DURABLE] == 1
    assert check_history(made.history) == []


def test_a_machine_that_raises_is_a_violation_with_a_place() -> None:
    made = world()
    made.parties["anna"].core.at.outbox.counts.clear()
    made.parties["anna"].feed("no input")  # type: ignore[arg-type]  # a mistake of ours
    assert [violation.broken for violation in made.found] == [Broken.CRASHED]
    assert "AttributeError" in made.found[0].detail or "KeyError" in made.found[0].detail
    assert " line " in made.found[0].detail
