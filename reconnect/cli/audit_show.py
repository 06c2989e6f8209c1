"""`reconnect audit show`: a journal as a story, one line an event, with the outages set apart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from reconnect.audit.entries import AnyEntry
from reconnect.cli.durations import counted
from reconnect.cli.lines import Lines, print_json, printable
from reconnect.cli.options import USAGE, Json, fail
from reconnect.cli.output import PrintFailed, forget_stdout
from reconnect.errors import AuditFailed
from reconnect.evidence.outages import Outage, outages_of
from reconnect.evidence.reading import entries_of
from reconnect.evidence.story import Happening, Story

EVENT_COLUMNS: Final = 21
STYLES: Final = {
    "connected": "green", "reconnected": "green", "reconnecting": "yellow", "disconnected": "yellow", "interrupted": "yellow",
    "live": "green", "ended": "dim", "destroyed": "dim", "delivered": "green", "rejected": "bold red", "failed": "bold red",
    "expired": "yellow", "dropped": "yellow", "cancelled": "dim", "gap": "bold red", "repaired": "bold red",
    "file": "dim", "start": "bold", "stop": "bold", "chart": "dim", "policy": "dim", "checkpoint": "dim",
}  # fmt: skip
WHO: Final = {"session": "cyan", "signals": "magenta", "journal": "dim"}

Holds = Callable[[Happening], bool]


def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A journal; the full files beside it are read first.")],
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only what led to, out of, or happened in this state, or one below it.")
    ] = None,
    outage: Annotated[int | None, typer.Option(metavar="N", help="Only the outage of this number, from 1.")] = None,
    signal: Annotated[int | None, typer.Option(metavar="ID", help="Only the signal with this serial.")] = None,
    json_: Json = False,
) -> None:
    """Tell what a journal says, for a person: one line an event, with outages set apart.

    A line has the number of its entry, the time of day in UTC, who, what, and what it means. Inputs that led to a step or a note
    are not told by themselves; reconnect audit replay goes through them.

    What is told is not checked: reconnect audit verify does that.

    Exit code 0 if something was told, 1 if nothing in the journal is as asked for, 2 if it could not be read.
    """
    try:
        outages = outages_of(entries_of(file))
        chosen = _filter(state, outage, signal)
        story = Story()
        told = _print(_happenings(story, entries_of(file)), chosen, outages, as_json=json_)
    except AuditFailed as error:
        fail(str(error), USAGE)
    except PrintFailed as failure:
        if not failure.unheard:
            raise
        forget_stdout()  # whoever read it has seen enough
        return
    if not told:
        fail(_nothing(story, state, outage, signal, outages))
    if not json_ and story.untold:
        Lines().say(f"{counted(story.untold, 'record')} of inputs not told by themselves", style="dim")


def _happenings(story: Story, entries: Iterator[AnyEntry]) -> Iterator[Happening]:
    for entry in entries:
        yield from story.take(entry)


def _filter(state: str | None, outage: int | None, signal: int | None) -> Holds:
    """Return what says whether an event is asked for."""

    def within(name: str | None) -> bool:
        return name is not None and f"{name}.".startswith(f"{state}.")

    def holds(one: Happening) -> bool:
        return (
            (state is None or within(one.state) or within(one.before))
            and (outage is None or one.outage == outage)
            and (signal is None or any(first <= signal <= last for first, last in one.serials))
        )

    return holds


def _print(happenings: Iterator[Happening], chosen: Holds, outages: list[Outage], *, as_json: bool) -> int:
    """Print what is asked for; return how much that was."""
    told = 0
    page = _Page(outages)
    for one in happenings:
        if chosen(one):
            told += 1
            if as_json:
                print_json(sys.stdout, msgspec.to_builtins(one))
            else:
                page.put(one)
    return told


class _Page:
    """The lines of a story: a new day and an outage have a heading."""

    def __init__(self, outages: list[Outage]) -> None:
        self._lines = Lines(event_columns=EVENT_COLUMNS)
        self._outages = {outage.number: outage for outage in outages}
        self._day = ""
        self._headed: int | None = None

    def put(self, one: Happening) -> None:
        """Print an event."""
        day, _, clock = one.wall.rstrip("Z").partition("T")
        if one.wall and day != self._day:
            self._day = day
            self._lines.say(f"{printable(day)}, times in UTC", style="bold")
        if one.outage is not None and one.outage != self._headed:
            self._lines.say(heading(self._outages[one.outage]), style="bold yellow")
        self._headed = one.outage
        mark = " " if one.outage is None else "|"
        at = f"{mark}{one.entry:>6} {printable(clock):<12}"
        who, event = printable(one.who.partition(":")[2] or one.who), printable(one.event)  # of a stream's key its name
        self._lines.put(at, who, event, printable(one.words), who_style=WHO.get(one.who, ""), style=STYLES.get(one.event, ""))


def heading(outage: Outage) -> str:
    """Return an outage in a line."""
    ends = {None: "not over in this journal", "disconnected": "and left", "reconnected": "came back"}
    way = ends.get(outage.end, str(outage.end))
    if outage.resumed is not None:
        way += " with the same connection" if outage.resumed else " with a new connection"
    session = printable(outage.session)
    tries = counted(outage.attempts, "attempt")
    return f"Outage {outage.number} of {session}: {outage.seconds:.3f} s, {printable(outage.reason)}, {tries}, {way}"


def _nothing(story: Story, state: str | None, outage: int | None, signal: int | None, outages: list[Outage]) -> str:
    """Say why nothing was told."""
    if outage is not None and not 1 <= outage <= len(outages):
        return f"there is no outage {outage}: the journal has {counted(len(outages), 'outage')}"
    if state is not None and not any(f"{name}.".startswith(f"{state}.") for name in story.visited):
        return f"no session was in a state {state!r}; they were in: {', '.join(sorted(story.visited)) or 'none'}"
    if signal is not None:
        return f"no signal with the serial {signal} is told of; those that a session submits itself are"
    return "nothing in the journal is all of that"
