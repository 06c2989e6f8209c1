"""What a picture of a chart shows, before anyone asks where it stands: boxes, frames and arrows, with their words.

There are three kinds of picture. `full` shows every state with what it asks for, and every row; it is for zooming. The other two
collapse each parent into one box: `overview` says what each row does and shows the children of twins once, in a frame of their
own, and `states` has states, events and what is told alone. The rules:

- Rows between the same two places share one arrow. On it, events that do the same stand together, and below them what they do.
- An arrow that leads to where the chart ends begins at the outermost state that it leaves, so that each has one such arrow; where
  its rows are those of children, their names stand with the event.
- An arrow from or to a parent begins or ends at the parent's frame. Internal rows are no arrows: they stand in their state's box.
- Ignores and refusals are not drawn; they stand in the table of the page (`page`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from reconnect.chart.direction import directed
from reconnect.chart.model import Statechart, lineage
from reconnect.chart.rows import State, StepVerdict, Transition
from reconnect.chart.shapes import Arrow, Box, Frame, Kind, Line, Piece, Sketch, Style, within

# Characters of a line of events or actions.
_WRAP = {Kind.FULL: 34, Kind.OVERVIEW: 34, Kind.STATES: 24}
# Where an arrow between two states begins and ends in a picture; None where the picture does not show it.
_Placing = Callable[[Statechart, str, str], tuple[str, str] | None]


def kinds(chart: Statechart) -> tuple[Kind, ...]:
    """Return which pictures the chart needs: one with twins is too large to be read at a glance, and gets all three."""
    return tuple(Kind) if chart.twins else (Kind.FULL,)


def sketch(chart: Statechart, kind: Kind) -> Sketch:
    """Return what the picture of this kind shows."""
    top = [state for state in chart.states if state.parent is None]
    places: list[Box | Frame] = [_place(chart, state) if kind is Kind.FULL else _box(chart, state, kind) for state in top]
    arrows = list(_arrows(chart, _ends_of if kind is Kind.FULL else _collapsed, kind))
    for number in range(len(chart.twins)) if kind is Kind.OVERVIEW else ():
        frame, inner = _twins(chart, number)
        places.append(frame)
        arrows += inner
    return directed(Sketch(chart=chart, kind=kind, places=tuple(places), arrows=tuple(arrows)), ends(chart))


def ends(chart: Statechart) -> set[str]:
    """Return where the chart ends: the leaves that nothing leaves; the initial leaf where there are none."""
    taken = ((leaf, decision) for (leaf, _), decision in chart.table.items() if decision.verdict is StepVerdict.TAKEN)
    return set(chart.leaves) - {leaf for leaf, decision in taken if not decision.internal} or {chart.initial}


# -- places --------------------------------------------------------------------------------------------------------------------


def _place(chart: Statechart, state: State) -> Box | Frame:
    if not state.children:
        return _box(chart, state, Kind.FULL)
    name = state.name.rpartition(".")[2]
    return Frame(
        name=state.name,
        caption=((Piece(text=name, style=Style.NAME),), *_asked(chart, state)),
        role=state.role,
        why=state.why,
        boxes=tuple(_place(chart, chart.index[child]) for child in state.children),
        begins=((chart.leaf(state.name), ""),) if _entered(chart, state.name) else (),
    )


def _entered(chart: Statechart, name: str) -> bool:
    return chart.leaf(name) == chart.initial or any(row.to == name for row in chart.transitions)


def _box(chart: Statechart, state: State, kind: Kind) -> Box:
    held = tuple((Piece(text=f"{child.rpartition('.')[2]}", style=Style.WHERE),) for child in state.children)
    asked = tuple(_asked(chart, state)) if kind is not Kind.STATES else ()
    inside = tuple(_lines(_inside(chart, state), kind))
    compartments = tuple(part for part in (held, asked, inside) if part)
    return Box(name=state.name, title=state.name.rpartition(".")[2], role=state.role, why=state.why, compartments=compartments)


def _inside(chart: Statechart, state: State) -> list[tuple[Transition, str]]:
    return [(row, "") for row in chart.transitions if row.to is None and state.name in row.sources]


def _asked(chart: Statechart, state: State) -> Iterator[Line]:
    """Yield what a state asks for on entry and exit, an action a line."""
    for word, actions in (("entry", state.entry), ("exit", state.exit)):
        for number, action in enumerate(actions):
            lead = f"{word} / " if number == 0 else "    "
            yield (Piece(text=lead, style=Style.WHERE), Piece(text=action))


# -- arrows --------------------------------------------------------------------------------------------------------------------


def _ends_of(chart: Statechart, source: str, target: str) -> tuple[str, str] | None:
    """Return where an arrow of the full picture begins and ends."""
    leaving, entering = lineage(source), lineage(target)
    shared = 0
    while shared < min(len(leaving), len(entering)) - 1 and leaving[shared] == entering[shared]:
        shared += 1
    return (leaving[shared] if chart.leaf(target) in ends(chart) else source), target


def _collapsed(chart: Statechart, source: str, target: str) -> tuple[str, str] | None:
    """Return where an arrow begins and ends among the collapsed states; None for one that leaves no box."""
    tail, head = lineage(source)[0], lineage(target)[0]
    return None if tail == head and chart.index[tail].children else (tail, head)


def _arrows(chart: Statechart, place: _Placing, kind: Kind) -> Iterator[Arrow]:
    merged: dict[tuple[str, str], list[tuple[Transition, str]]] = {}
    for row in chart.transitions:
        for source in row.sources if row.to is not None else ():
            found = place(chart, source, str(row.to))
            if found is not None:
                where = source.removeprefix(f"{found[0]}.") if within(source, found[0]) and source != found[0] else ""
                merged.setdefault(found, []).append((row, where))
    last = ends(chart)
    for (tail, head), rows in merged.items():
        final = all(chart.leaf(str(row.to)) in last for row, _ in rows)
        whys = tuple(dict.fromkeys(f"{row.on}: {row.why}" for row, _ in rows))
        yield Arrow(tail=tail, head=head, lines=tuple(_lines(rows, kind)), final=final, whys=whys)


def _twins(chart: Statechart, number: int) -> tuple[Frame, list[Arrow]]:
    """Return the frame that shows the children of twins once, and the arrows within it."""
    twins = chart.twins[number].states
    first, prefix = chart.index[twins[0]], f"twins{number}:"
    leaves = chart.below(first.name)
    begins: dict[str, list[str]] = {}
    for twin in twins:
        begins.setdefault(chart.leaf(twin).removeprefix(f"{twin}."), []).append(twin)
    boxes = [_box(chart, chart.index[leaf], Kind.OVERVIEW) for leaf in leaves]
    frame = Frame(
        name=prefix,
        caption=((Piece(text="within "), *_joined(twins, Style.NAME, " and ")),),
        role="",
        why=chart.twins[number].why,
        boxes=tuple(replace(box, name=prefix + box.name.removeprefix(f"{first.name}."), role="") for box in boxes),
        begins=tuple((prefix + leaf, ", ".join(names)) for leaf, names in begins.items()),
    )

    def place(chart: Statechart, source: str, target: str) -> tuple[str, str] | None:
        if not (source.startswith(f"{first.name}.") and target.startswith(f"{first.name}.")):
            return None
        return prefix + source.removeprefix(f"{first.name}."), prefix + target.removeprefix(f"{first.name}.")

    return frame, list(_arrows(chart, place, Kind.OVERVIEW))


# -- lines ---------------------------------------------------------------------------------------------------------------------


def _lines(rows: Iterable[tuple[Transition, str]], kind: Kind) -> Iterator[Line]:
    """Yield what an arrow says: events that do the same together, what they do, and what is told."""
    groups: dict[tuple[tuple[str, ...], str | None], dict[str, list[str]]] = {}
    for row, where in rows:
        effects = row.effects if kind is not Kind.STATES else ()
        groups.setdefault((effects, row.tells), {}).setdefault(row.on, []).append(where)
    told = {tells for _, tells in groups}
    for (effects, tells), events in groups.items():
        # An event of all states comes first: behind another's states it would look like one of them.
        ordered = sorted(events.items(), key=lambda item: any(item[1])) if kind is not Kind.STATES else events.items()
        words = [_event(event, wheres if kind is not Kind.STATES else []) for event, wheres in ordered]
        yield from _wrapped(words, "", ", ", _WRAP[kind])
        yield from _wrapped([(Piece(text=action),) for action in effects], "  / ", ", ", _WRAP[kind])
        if tells and len(told) > 1:
            yield _told(tells)
    if len(told) == 1 and (tells := next(iter(told))):
        yield _told(tells)


def _event(event: str, wheres: list[str]) -> Line:
    named = ", ".join(where for where in wheres if where)
    return (Piece(text=event, style=Style.NAME), *([Piece(text=f" in {named}", style=Style.WHERE)] if named else []))


def _told(tells: str) -> Line:
    return (Piece(text=f"  tells {tells}", style=Style.TOLD),)


def _joined(names: Iterable[str], style: Style, between: str) -> Line:
    pieces = [piece for name in names for piece in (Piece(text=between), Piece(text=name, style=style))]
    return tuple(pieces[1:])


def _wrapped(words: list[Line], lead: str, between: str, width: int) -> Iterator[Line]:
    """Yield the words in lines of a bearable length; every line but the first is set in as far as the lead."""
    line: list[Piece] = []
    for number, word in enumerate(words):
        length = sum(len(piece.text) for piece in (*line, *word))
        if line and length > width:
            yield (*line, Piece(text=between.rstrip()))
            line = []
        before = between if line else lead if number == 0 else " " * len(lead)
        line += [*([Piece(text=before)] if before else []), *word]
    if line:
        yield tuple(line)
