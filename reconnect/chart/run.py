"""Runs a chart: one step at a time, on one flat `transitions.Machine` over its leaf states. The only room of `transitions`.

Theory of operation. A machine is built once per chart and shared by all who run on it; nobody is registered with it. A step
puts the state into a small holder of its own, lets the machine trigger the event on the holder, and reads off where it ended and
which decision fired. So a step is pure: the same chart, state and event give the same Step, and two threads that step at once
meet nowhere.

- Each taken or ignored pair is one transition of the machine, with one bound callable that notes the pair's decision. Callables
  are never strings, which `transitions` would look up on the model and then import by name.
- `transitions` runs `before` callbacks ahead of the exits, where SCXML wants exit, transition, entry. So the actions are not
  collected by callbacks: the decision that fired has them in their order.
- An ignored pair is an internal transition. A refused pair is not in the machine, and its MachineError becomes the verdict
  `refused`: the step changes nothing, and the caller decides whether that raises.
- `transitions` logs each callback at INFO. Those lines speak of this module's insides, and the audit logs the transition itself:
  so lines about our machines, and only those, are filtered out of its logger, for an application that logs at INFO.
- `queued=False`: a queue would be the machine's, and so shared by all sessions. A step never starts inside a step here, because
  no callable of the machine calls anything.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from reconnect.chart.model import Statechart
from reconnect.chart.rows import Decision, StepVerdict
from reconnect.record import Record

if TYPE_CHECKING:
    from transitions import EventData, Machine

_OURS: Final = "reconnect chart "


class Step(Record, kw_only=True):
    """One turn of a chart. `row` is the index into the chart's transitions, None unless taken; `tells` names the public event."""

    chart: str
    event: str
    before: str
    after: str
    verdict: StepVerdict
    row: int | None = None
    actions: tuple[str, ...] = ()
    tells: str | None = None


class _Holder:
    """What the machine moves in place of a session: a state, and the decision that fired."""

    __slots__ = ("decision", "state")

    def __init__(self, state: str) -> None:
        self.state = state
        self.decision: Decision | None = None


class _Pair:
    """The bound callable of one pair: notes its decision on the holder."""

    __slots__ = ("decision",)

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def note(self, event: EventData) -> None:
        cast(_Holder, event.model).decision = self.decision


class Runner:
    """Steps through one chart; holds no state of anyone, and may be shared by threads."""

    def __init__(self, chart: Statechart) -> None:
        """Build the machine; the first Runner of a process imports `transitions`."""
        from transitions import MachineError

        self.chart = chart
        self._refusal = MachineError
        self._machine = _machine(chart)

    def step(self, state: str, event: str) -> Step:
        """Return the step for `event` in the leaf `state`; raise BadArgument if the chart has no such leaf or event."""
        self.chart.decide(state, event)
        holder = _Holder(state)
        trigger = self._machine.events.get(event)
        try:
            if trigger is not None:
                trigger.trigger(holder)
        except self._refusal:
            pass
        fired = holder.decision
        if fired is None or fired.verdict is not StepVerdict.TAKEN:
            verdict = StepVerdict.REFUSED if fired is None else fired.verdict
            return Step(chart=self.chart.name, event=event, before=state, after=holder.state, verdict=verdict)
        return Step(
            chart=self.chart.name,
            event=event,
            before=state,
            after=holder.state,
            verdict=fired.verdict,
            row=fired.row,
            actions=fired.actions,
            tells=fired.tells,
        )


@lru_cache(maxsize=64)
def runner_for(chart: Statechart) -> Runner:
    """Return the Runner that everyone on this chart shares."""
    return Runner(chart)


def _is_of_another_machine(line: logging.LogRecord) -> bool:
    """True for a line of the log that is not about a machine of ours."""
    return not (isinstance(line.args, tuple) and line.args and str(line.args[0]).startswith(_OURS))


def _machine(chart: Statechart) -> Machine:
    from transitions import Machine

    logging.getLogger("transitions.core").addFilter(_is_of_another_machine)  # adding it once more changes nothing
    machine = Machine(
        model=None,
        states=list(chart.leaves),
        initial=chart.initial,
        auto_transitions=False,
        send_event=True,
        queued=False,
        name=f"{_OURS}{chart.name}",  # each of its lines has this name as its first argument
    )
    for (leaf, event), decision in chart.table.items():
        if decision.verdict is not StepVerdict.REFUSED:
            target = None if decision.internal else decision.target
            machine.add_transition(event, leaf, target, before=_Pair(decision).note)
    return machine
