"""Charts: read from data files, checked, run and drawn. This room has never heard of a session."""

from reconnect.chart.load import chart_names, charts_folder, find_chart, load_chart, load_chart_text
from reconnect.chart.model import Statechart
from reconnect.chart.rows import ChartEvent, Decision, EventKind, Ignore, Refusal, State, StepVerdict, Timer, Transition, Twins
from reconnect.chart.run import Runner, Step, runner_for

__all__ = [
    "ChartEvent",
    "Decision",
    "EventKind",
    "Ignore",
    "Refusal",
    "Runner",
    "State",
    "Statechart",
    "Step",
    "StepVerdict",
    "Timer",
    "Transition",
    "Twins",
    "chart_names",
    "charts_folder",
    "find_chart",
    "load_chart",
    "load_chart_text",
    "runner_for",
]
