"""Runs `statecharts/outbox.toml` for one outbox file: the only place where its state changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from reconnect.chart import Statechart, Step, StepVerdict, load_chart, runner_for
from reconnect.errors import ChartUnfit, IllegalTransition, OutboxFailed, UnknownAction

ROLES: Final = frozenset({"closed", "open", "faulty"})
EVENTS: Final = frozenset({"opened", "failed", "recovered", "close_requested"})

Action = Callable[[OutboxFailed], None]


class Life:
    """The state of an outbox file on its chart; `told` hears each step that was taken, with what went wrong."""

    def __init__(
        self, actions: Mapping[str, Action], told: Callable[[Step, OutboxFailed], None], chart: Statechart | None = None
    ) -> None:
        self.chart = chart if chart is not None else load_chart("outbox")
        self._actions, self._told = actions, told
        self._check()
        self._runner = runner_for(self.chart)
        self.state = self.chart.initial

    def __repr__(self) -> str:
        return f"<Life {self.state}>"

    def _check(self) -> None:
        for action in self.chart.actions:
            if action not in self._actions:
                remedy = f"use {', '.join(sorted(self._actions))}"
                raise self.chart.wrong(UnknownAction, f"actions.{action}", f"no outbox performs {action!r}", remedy)
        roles = {self.chart.role(leaf) for leaf in self.chart.leaves}
        events = {event.means for event in self.chart.events.values()}
        missing = sorted((ROLES - roles) | (EVENTS - events))
        if missing:
            raise self.chart.wrong(ChartUnfit, None, f"nothing is {', '.join(missing)}", "an outbox needs each of these")

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
