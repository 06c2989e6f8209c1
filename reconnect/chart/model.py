"""What a chart is, and what it decides.

A `Statechart` is what one file under `statecharts/` says. From its rows it derives, once, the table of decisions: for each
pair of a leaf state and an event, whether the pair is a row, an ignore or a refusal, where it leads and which actions are asked
for, in which order. Whether the file is sound is not asked here: `check` does that, and nothing runs an unchecked chart.

Rules:

- A state's name is its path, as `reconnecting.waiting`. One is always in a leaf; entering a parent goes on to its `initial`.
- A row leaves every state below the nearest proper common ancestor of its source and its target, innermost first, and enters
  outermost first (SCXML 3.13). Actions are those of the exits, then of the row, then of the entries. A row without `to` is
  internal: it leaves and enters nothing.
- A leaf has the role of the nearest state, itself or above, that names one.
- An event is known to the code by what it means, which is its own name unless the chart says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from types import MappingProxyType

from msgspec.structs import force_setattr

from reconnect.chart.rows import (
    LISTS,
    ChartEvent,
    Claim,
    Decision,
    Ignore,
    Listed,
    Pairs,
    Refusal,
    State,
    StepVerdict,
    Timer,
    Transition,
    Twins,
    shortened,
)
from reconnect.errors import BadArgument, ChartError, ChartUnfit
from reconnect.record import Record


class Statechart(Record, kw_only=True):
    """A chart as its file says it, with the table that follows from it."""

    name: str
    version: int
    why: str
    file: str
    sha256: str
    initial: str
    states: tuple[State, ...]
    events: Mapping[str, ChartEvent]
    transitions: tuple[Transition, ...]
    ignores: tuple[Ignore, ...] = ()
    refuses: tuple[Refusal, ...] = ()
    timers: Mapping[str, Timer] = MappingProxyType({})
    actions: Mapping[str, str] = MappingProxyType({})
    tells: Mapping[str, str] = MappingProxyType({})
    twins: tuple[Twins, ...] = ()
    leaves: tuple[str, ...] = ()
    index: Mapping[str, State] = MappingProxyType({})
    table: Mapping[tuple[str, str], Decision] = MappingProxyType({})

    def __post_init__(self) -> None:
        """Derive `leaves`, `index` and `table`; they are never given."""
        index = {state.name: state for state in self.states}
        force_setattr(self, "index", MappingProxyType(index))
        force_setattr(self, "leaves", tuple(state.name for state in self.states if not state.children))
        force_setattr(self, "initial", self._descend(self.initial)[-1])
        table: dict[tuple[str, str], Decision] = {}
        for claim in self.claims():
            table.setdefault((claim.leaf, claim.event), self._decision(claim))
        force_setattr(self, "table", MappingProxyType(table))

    def __hash__(self) -> int:
        """Charts with the same bytes are the same chart."""
        return hash(self.sha256)

    def __repr__(self) -> str:
        """One line: which chart, in which version, by which hash."""
        return f"<Statechart {self.name} version={self.version} sha256={self.sha256[:12]} leaves={len(self.leaves)}>"

    # -- asking ------------------------------------------------------------------------------------------------------------

    def state(self, name: str) -> State:
        """Return the state of this full name; raise BadArgument if there is none."""
        found = self.index.get(name)
        if found is None:
            raise BadArgument(unknown("state", name, self.index, self.name))
        return found

    def leaf(self, name: str) -> str:
        """Return the leaf in which entering the state `name` ends; a leaf ends in itself."""
        return self._descend(self.state(name).name)[-1]

    def role(self, leaf: str) -> str:
        """Return the state's role, which code asks for in place of its name."""
        return self.state(leaf).role

    def phase(self, leaf: str) -> str | None:
        """Return what the state is doing within its role, or None."""
        return self.state(leaf).phase

    def leaves_of(self, name: str) -> tuple[str, ...]:
        """Return the leaves meant by a leaf, a parent or a role, in the chart's order; a state wins over a role of its name."""
        leaves = self.below(name) or tuple(leaf for leaf in self.leaves if self.index[leaf].role == name)
        if not leaves:
            raise BadArgument(unknown("state or role", name, (*self.index, *self.roles), self.name))
        return leaves

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the leaves, each once, in the chart's order."""
        return tuple(dict.fromkeys(self.index[leaf].role for leaf in self.leaves))

    def event_for(self, meaning: str) -> str:
        """Return the chart's name of the event with this meaning; raise ChartUnfit if it has none."""
        for event in self.events.values():
            if event.means == meaning:
                return event.name
        remedy = f"declare it under [events], or give the event that stands for it means = {meaning!r}"
        raise self.wrong(ChartUnfit, None, f"no event means {meaning!r}", remedy)

    def decide(self, leaf: str, event: str) -> Decision:
        """Return what the chart says of this pair; raise BadArgument if there is no such leaf or event."""
        decision = self.table.get((leaf, event))
        if decision is None:
            kind, name, known = ("event", event, tuple(self.events)) if leaf in self.leaves else ("leaf state", leaf, self.leaves)
            raise BadArgument(unknown(kind, name, known, self.name))
        return decision

    # -- deriving ----------------------------------------------------------------------------------------------------------

    def below(self, name: str) -> tuple[str, ...]:
        """Return the leaves that the state `name` is or holds; none for a name that is no state."""
        return tuple(leaf for leaf in self.leaves if leaf == name or leaf.startswith(name + "."))

    def listed(self) -> Iterator[Listed]:
        """Yield the rows of the three lists in one shape: transitions, ignores, refuses."""
        for number, row in enumerate(self.transitions):
            yield Listed(verdict=StepVerdict.TAKEN, row=number, on=(row.on,), states=row.sources, why=row.why)
        pairs: tuple[tuple[StepVerdict, tuple[Pairs, ...]], ...] = (
            (StepVerdict.IGNORED, self.ignores),
            (StepVerdict.REFUSED, self.refuses),
        )
        for verdict, rows in pairs:
            for number, said in enumerate(rows):
                yield Listed(verdict=verdict, row=number, on=said.on, states=said.states, why=said.why)

    def claims(self) -> Iterator[Claim]:
        """Yield each word of each list on each pair; names that are not there claim nothing."""
        for row in self.listed():
            for leaf, event in product((leaf for state in row.states for leaf in self.below(state)), row.on):
                if event in self.events:
                    yield Claim(leaf=leaf, event=event, verdict=row.verdict, row=row.row)

    def row_name(self, verdict: StepVerdict, row: int) -> str:
        """Return how errors and audits name a row: `transitions[3] (transport_lost from connected)`."""
        if verdict is StepVerdict.TAKEN:
            taken = self.transitions[row]
            return f"transitions[{row}] ({taken.on} from {shortened(taken.sources)})"
        said = self._said(verdict, row)
        return f"{LISTS[verdict]}[{row}] ({shortened(said.on)} in {shortened(said.states)})"

    def twins_name(self, number: int) -> str:
        """Return how errors name an entry of [[twins]]."""
        return f"twins[{number}] ({' and '.join(self.twins[number].states)})"

    def wrong(self, kind: type[ChartError], row: str | None, problem: str, remedy: str) -> ChartError:
        """Return an error about this chart."""
        return kind(problem, file=self.file, row=row, remedy=remedy)

    def _said(self, verdict: StepVerdict, row: int) -> Pairs:
        return self.ignores[row] if verdict is StepVerdict.IGNORED else self.refuses[row]

    def _decision(self, claim: Claim) -> Decision:
        if claim.verdict is not StepVerdict.TAKEN:
            why = self._said(claim.verdict, claim.row).why
            return Decision(verdict=claim.verdict, row=claim.row, target=claim.leaf, why=why, internal=True)
        row = self.transitions[claim.row]
        exits, entries = ([], []) if row.to is None else self._path(claim.leaf, row.to)
        return Decision(
            verdict=claim.verdict,
            row=claim.row,
            target=entries[-1] if entries else claim.leaf,
            why=row.why,
            internal=row.to is None,
            exit=tuple(action for name in exits for action in self.index[name].exit),
            effects=row.effects,
            entry=tuple(action for name in entries if name in self.index for action in self.index[name].entry),
            tells=row.tells,
        )

    def _path(self, leaf: str, to: str) -> tuple[list[str], list[str]]:
        """Return the states that are left, innermost first, and those that are entered, outermost first."""
        leaving, entering = lineage(leaf), lineage(to)
        shared = 0
        # The target itself is always entered anew, so only proper ancestors are kept.
        while shared < min(len(leaving), len(entering)) - 1 and leaving[shared] == entering[shared]:
            shared += 1
        return leaving[shared:][::-1], entering[shared:-1] + self._descend(to)

    def _descend(self, name: str) -> list[str]:
        """Return `name` and the initial states below it, down to a leaf."""
        path = [name]
        while (state := self.index.get(path[-1])) is not None and state.initial in state.children:
            path.append(str(state.initial))
        return path


def lineage(name: str) -> list[str]:
    """Return the full names of a state's ancestors and itself, outermost first."""
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return a remedy for a name that is not there."""
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"


def unknown(kind: str, name: str, known: Mapping[str, object] | tuple[str, ...], chart: str) -> str:
    """Return the sentence for a name that a caller gave and the chart does not have."""
    return f"the chart {chart} has no {kind} {name!r}; {nearest(name, tuple(known))}"
