"""`reconnect simulate`: what it prints, what it exits with, and what it says where a promise is broken."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from reconnect.cli.app import app
from reconnect.testing import simulate, simulate_driver
from tests.laws.planted import planted


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command; return its exit code, and what it printed on stdout and stderr."""
    done = CliRunner().invoke(app, ["simulate", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_seeds_are_run_and_counted() -> None:
    code, out, _ = run("--seeds", "3", "--steps", "20", "--jobs", "1")
    assert code == 0
    ran = [simulate(seed, steps=20) for seed in range(3)]
    outages, signals = sum(one.outages for one in ran), sum(one.signals for one in ran)
    assert f"3 seeds: {outages:,} outages, {signals:,} signals, 0 violations" in out
    assert re.search(r"\d+\.\d s: [\d,]+ outages a minute", out)


def test_json_is_one_object_and_nothing_else() -> None:
    code, out, _ = run("--seeds", "2", "--first", "5", "--steps", "15", "--clients", "3", "--jobs", "1", "--json")
    assert code == 0
    told = json.loads(out)
    ran = [simulate(seed, steps=15, clients=3) for seed in (5, 6)]
    assert told["seeds"] == 2
    assert told["first"] == 5
    assert told["outages"] == sum(one.outages for one in ran)
    assert told["signals"] == sum(told["outcomes"].values()) == sum(one.signals for one in ran)
    assert told["violations"] == 0
    assert told["broken"] == []
    assert told["outages_a_minute"] >= 0
    assert len(told["digest"]) == 64


def test_one_seed_is_told_as_a_story() -> None:
    code, out, _ = run("--seed", "4", "--steps", "12")
    assert code == 0
    assert re.search(r"^ +\d+\.\d{3}  anna +connected", out, re.MULTILINE)
    assert "> the faults stop" in out
    assert "seed 4: 6 clients, 12 steps" in out
    assert "0 violations" in out


def test_one_seed_as_json_has_its_story() -> None:
    code, out, _ = run("--seed", "4", "--steps", "12", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["digest"] == simulate(4, steps=12).digest
    assert told["command"] == "reconnect simulate --seed 4 --steps 12"
    assert {"at", "who", "event", "words"} == set(told["story"][0])


def test_a_violation_comes_with_its_shortest_prefix_and_the_command_that_repeats_it() -> None:
    with planted("acknowledges_before_it_stores"):
        code, out, _ = run("--seeds", "2", "--clients", "5", "--jobs", "1")
        assert code == 1
        found = re.search(r"reconnect simulate (--seed (\d+) --steps (\d+) --clients 5)", out)
        assert found is not None, out
        assert "violation: lost (" in out
        seed, steps = int(found[2]), int(found[3])
        assert simulate(seed, steps=steps, clients=5).violations
        shorter = {*range(0, steps, 25), *range(max(0, steps - 5), steps)}
        assert not any(simulate(seed, steps=fewer, clients=5).violations for fewer in shorter)
        code, story, _ = run(*found[1].split())
        assert code == 1
        assert "lost (" in story


def test_the_drivers_are_run_too() -> None:
    """A2: the thorough worlds print the same; each is repeated with the same word."""
    code, out, _ = run("--seeds", "2", "--steps", "20", "--jobs", "1", "--thorough", "--json")
    told, ran = json.loads(out), [simulate_driver(seed, steps=20) for seed in range(2)]
    assert code == 0
    assert told["thorough"] is True
    assert told["outages"] == sum(one.outages for one in ran)
    assert told["signals"] == sum(one.signals for one in ran)
    assert told["digest"] == sha256("".join(one.digest for one in ran).encode()).hexdigest()


def test_a_thorough_world_is_told_as_a_story() -> None:
    code, out, _ = run("--seed", "4", "--steps", "40", "--thorough")
    assert code == 0
    assert re.search(r"^ +\d+\.\d{3}  ben +> cut", out, re.MULTILINE)
    assert re.search(r"^ +\d+\.\d{3}  ben +delivered +signal 1", out, re.MULTILINE)
    assert re.search(r"connection_interrupted +\S", out)
    assert "connection_interruptedp" not in out, "words stand beside an event, whatever its length"
    assert "seed 4: 4 clients, 40 steps" in out


def test_a_violation_of_a_driver_comes_with_its_shortest_prefix() -> None:
    with planted("resumes_off_by_one"):
        code, out, _ = run("--seeds", "1", "--jobs", "1", "--thorough")
        assert code == 1
        found = re.search(r"reconnect simulate (--seed 0 --steps (\d+) --thorough)", out)
        assert found is not None, out
        steps = int(found[2])
        assert not any(simulate_driver(0, steps=fewer).violations for fewer in range(steps))
        code, story, _ = run(*found[1].split())
        assert code == 1
        assert "VIOLATION ghost" in story


def test_every_violation_is_counted() -> None:
    """Not every seed that has one."""
    with planted("never_notices_silence"):
        code, out, _ = run("--seeds", "4", "--jobs", "1", "--json")
        told = json.loads(out)
    assert code == 1
    assert told["violations"] == sum(len(one["violations"]) for one in told["broken"]) > len(told["broken"])


def test_violations_in_json() -> None:
    with planted("grace_timer_leaks"):
        code, out, _ = run("--seeds", "1", "--jobs", "1", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["violations"] == 1
    assert told["broken"][0]["violations"][0]["broken"] == "refused_report"
    assert told["broken"][0]["command"] == f"reconnect simulate --seed 0 --steps {told['broken'][0]['steps']}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seeds", "2", "--seed", "1"], "--seed runs one seed and --seeds many: give one of them"),
        (["--seeds", "0"], "--seeds is 0; give a whole number, at least 1"),
        (["--jobs", "0"], "--jobs is 0; give a whole number, at least 1"),
        (["--steps", "-1"], "--steps is -1; give a whole number, at least 0"),
        (["--clients", "21"], "clients is 21; a world has 1 to 20 members"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments: list[str], sentence: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert sentence in err
