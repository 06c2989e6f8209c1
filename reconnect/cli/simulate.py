"""`reconnect simulate`: many seeds through the simulator, or one of them as a story.

What is printed is what was found: how many outages, signals and violations, and how fast. A violation comes with its seed, the
shortest beginning of the seed's plan that shows it, and the command that repeats that.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from reconnect.cli.durations import counted
from reconnect.cli.lines import EVENT_COLUMNS, Lines, printable
from reconnect.cli.options import USAGE, fail
from reconnect.errors import BadArgument
from reconnect.record import Record
from reconnect.testing.driven import simulate_driver
from reconnect.testing.simulator import STEPS, Ran, run_many, shortest_run
from reconnect.testing.simulator import simulate as run_seed

SEEDS: Final = 100
EXPLAINED: Final = 3  # violations whose shortest prefix is looked for: each takes a while
STYLES: Final = {
    "reconnecting": "yellow", "attempt": "yellow", "reconnected": "green", "connected": "green", "disconnected": "yellow",
    "delivered": "dim", "signal": "dim",
}  # fmt: skip


def simulate(
    seeds: Annotated[int | None, typer.Option(help=f"How many seeds to run; {SEEDS} by default.")] = None,
    seed: Annotated[int | None, typer.Option(help="Run this one seed, and tell it as a story.")] = None,
    first: Annotated[int, typer.Option(help="The first of the seeds.")] = 0,
    clients: Annotated[int | None, typer.Option(help="Members in each world; by default the seed says.")] = None,
    steps: Annotated[int, typer.Option(help="How many steps of each seed's plan are done.")] = STEPS,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Run the drivers too, on an event loop in the seed's order.")
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Processes that share the work; one for each processor by default.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")] = False,
) -> None:
    """Break thousands of links in virtual time, and check every promise.

    Real sessions, a real hub, their real audit and a history checker, in a world whose network, machines and clocks fail by a
    seed. Nothing is waited for, and the same seed always comes to the same. With --thorough the sessions and the hub are run by
    their drivers, on an event loop whose order follows the seed as well.

        reconnect simulate --seeds 2000
        reconnect simulate --seed 7

    Exit code 0 if no promise was broken, 1 if one was, 2 if it was asked for something else.
    """
    _check(seeds, seed, clients, steps, jobs)
    worlds = Worlds(clients=clients, thorough=thorough)
    if seed is not None:
        _tell_one(worlds.simulator(seed, clients=clients, steps=steps, story=True), worlds, json_)
    else:
        wanted = range(first, first + (SEEDS if seeds is None else seeds))
        _run_many(wanted, worlds, steps, jobs, json_)


class Worlds(Record, kw_only=True):
    """Which worlds were asked for: how many members each has, and whether their drivers are in it."""

    clients: int | None
    thorough: bool

    @property
    def simulator(self) -> Callable[..., Ran]:
        """Return what runs a seed."""
        return simulate_driver if self.thorough else run_seed

    def command(self, one: Ran) -> str:
        """Return the command that repeats a run."""
        asked = "" if self.clients is None else f" --clients {self.clients}"
        return f"reconnect simulate --seed {one.seed} --steps {one.steps}{asked}{' --thorough' * self.thorough}"


def _check(seeds: int | None, seed: int | None, clients: int | None, steps: int, jobs: int | None) -> None:
    if seed is not None and seeds is not None:
        fail("--seed runs one seed and --seeds many: give one of them", USAGE)
    for name, value, least in (("seeds", seeds, 1), ("clients", clients, 1), ("steps", steps, 0), ("jobs", jobs, 1)):
        if value is not None and value < least:
            fail(f"--{name} is {value}; give a whole number, at least {least}", USAGE)
    try:
        run_seed(0, clients=clients, steps=0)
    except BadArgument as mistake:
        fail(str(mistake), USAGE)


# -- one seed ------------------------------------------------------------------------------------------------------------------


def _tell_one(simulation: Ran, worlds: Worlds, json_: bool) -> None:
    if json_:
        story = [
            {"at": round(line.at, 6), "who": line.who, "event": line.event, "words": line.words} for line in simulation.lines
        ]
        _print_json({**_one_as_json(simulation, worlds), "story": story})
    else:
        longest = max((len(line.event) for line in simulation.lines), default=0)
        lines = Lines(event_columns=max(EVENT_COLUMNS, longest + 2))
        for line in simulation.lines:
            style = "bold red" if line.event.startswith("VIOLATION") else "bold" if line.event.startswith(">") else ""
            lines.put(f"{line.at:9.3f}", line.who, line.event, printable(line.words), style=style or STYLES.get(line.event, ""))
        lines.say()
        lines.say(
            f"seed {simulation.seed}: {simulation.members} clients, {counted(simulation.steps, 'step')}, "
            f"{counted(simulation.outages, 'outage')}, {counted(simulation.signals, 'signal')}, "
            f"{simulation.seconds:,.0f} simulated seconds"
        )
        lines.say(_verdict(len(simulation.violations)), style="bold red" if simulation.violations else "bold green")
        for violation in simulation.violations:
            lines.say(printable(f"  {violation}"), style="red")
    raise typer.Exit(1 if simulation.violations else 0)


# -- many seeds ----------------------------------------------------------------------------------------------------------------


def _run_many(seeds: range, worlds: Worlds, steps: int, jobs: int | None, json_: bool) -> None:
    outages = signals = 0
    outcomes: Counter[str] = Counter()
    broken: list[Ran] = []
    run = partial(worlds.simulator, clients=worlds.clients)
    digest = sha256()
    began = time.perf_counter()
    for simulation in _shown(run_many(partial(run, steps=steps), seeds, jobs=jobs), len(seeds)):
        outages += simulation.outages
        signals += simulation.signals
        outcomes.update(simulation.outcomes)
        digest.update(simulation.digest.encode())
        if simulation.violations:
            broken.append(simulation)
    seconds = time.perf_counter() - began
    explained = [shortest_run(partial(run, one.seed), steps=one.steps) or one for one in broken[:EXPLAINED]]
    found = [*explained, *broken[EXPLAINED:]]
    rate, violations = outages / seconds * 60, sum(len(one.violations) for one in found)
    if json_:
        _print_json({
            "seeds": len(seeds), "first": seeds.start, "clients": worlds.clients, "thorough": worlds.thorough, "steps": steps,
            "outages": outages, "signals": signals, "outcomes": dict(sorted(outcomes.items())), "violations": violations,
            "broken": [_one_as_json(one, worlds) for one in found], "seconds": round(seconds, 3),
            "outages_a_minute": round(rate), "digest": digest.hexdigest(),
        })  # fmt: skip
    else:
        lines = Lines()
        lines.say(f"{counted(len(seeds), 'seed')}: {outages:,} outages, {signals:,} signals, {_verdict(violations)}")
        told = ", ".join(f"{count:,} {status}" for status, count in outcomes.most_common())
        lines.say(f"signals: {told or 'none'}", style="dim")
        lines.say(f"{seconds:.1f} s: {rate:,.0f} outages a minute", style="dim")
        for one in found:
            _explain(lines, one, worlds)
    raise typer.Exit(1 if found else 0)


def _shown(simulations: Iterable[Ran], total: int) -> Iterator[Ran]:
    """Show how far it is, to whoever looks on."""
    console = Console(stderr=True)
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield from progress.track(simulations, total=total)


def _explain(lines: Lines, one: Ran, worlds: Worlds) -> None:
    lines.say()
    for violation in one.violations:
        lines.say(printable(f"violation: {violation}"), style="bold red")
    lines.say(f"  seed {one.seed}; {counted(one.steps, 'step')} of its plan show it. To repeat it:")
    lines.paste(f"  {worlds.command(one)}")


def _verdict(violations: int) -> str:
    return counted(violations, "violation")


def _one_as_json(one: Ran, worlds: Worlds) -> dict[str, Any]:
    violations = [
        {"broken": violation.broken, "who": violation.who, "detail": violation.detail, "at": violation.at}
        for violation in one.violations
    ]
    return {
        "seed": one.seed, "clients": one.members, "steps": one.steps, "outages": one.outages, "signals": one.signals,
        "outcomes": dict(one.outcomes), "violations": violations, "digest": one.digest, "command": worlds.command(one),
    }  # fmt: skip


def _print_json(value: dict[str, Any]) -> None:
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
