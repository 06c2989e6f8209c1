"""Runs `statecharts/outbox.toml` for one outbox file: the only place where its state changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from reconnect.chart import Statechart, Step, StepVerdict, load_chart, runner_for
from reconnect.errors import ChartUnfit, IllegalTransition, OutboxFailed, UnknownAction

ROLES: Final = frozenset({"closed", "open", "faulty"})
EVENTS: Final = frozenset({"opened", "failed", "recovered", "close_requested"})
ACTIONS: Final = frozenset({"distrust_file", "refuse_unsafe", "release_file"})

Action = Callable[[OutboxFailed], None]


def check_outbox_chart(chart: Statechart) -> None:
    """Raise, with what to do, where the file of an outbox could not live by this chart."""
    for action in chart.actions:
        if action not in ACTIONS:
            remedy = f"use {', '.join(sorted(ACTIONS))}"
            raise chart.wrong(UnknownAction, f"actions.{action}", f"no outbox performs {action!r}", remedy)
    roles = {chart.role(leaf) for leaf in chart.leaves}
    events = {event.means for event in chart.events.values()}
    missing = sorted((ROLES - roles) | (EVENTS - events))
    if missing:
        raise chart.wrong(ChartUnfit, None, f"nothing is {', '.join(missing)}", "an outbox needs each of these")


class Life:
    """The state of an outbox file on its chart; `told` hears each step that was taken, with what went wrong."""

    def __init__(
        self, actions: Mapping[str, Action], told: Callable[[Step, OutboxFailed], None], chart: Statechart | None = None
    ) -> None:
        self.chart = chart if chart is not None else load_chart("outbox")
        self._actions, self._told = actions, told
        check_outbox_chart(self.chart)
        self._runner = runner_for(self.chart)
        self.state = self.chart.initial

    def __repr__(self) -> str:
        return f"<Life {self.state}>"

    @property
    def role(self) -> str:
        """What the state is for: closed, open or faulty."""
        return self.chart.role(self.state) or ""

    def take(self, meaning: str, problem: OutboxFailed) -> None:
        """Run one step, perform its actions, and tell it; `problem` is what those hear that are refused for it."""
        step = self._runner.step(self.state, self.chart.event_for(meaning))
        if step.verdict is StepVerdict.REFUSED:
            raise IllegalTransition(chart=step.chart, state=step.before, event=step.event)
        self.state = step.after
        for action in step.actions:
            self._actions[action](problem)
        if step.verdict is StepVerdict.TAKEN:
            self._told(step, problem)
