"""Writes a chart as SCXML, for tools and interpreters that are not ours. The same chart gives the same text.

States, initials, rows and their order of actions mean the same in both. What a chart asks for is written as `<log>`, which every
interpreter performs in order: the label says what it is (`action`, `tells`, `ignored`, `refused`), the expression is its name. An
ignored pair is a row without a target that says so; so is a refused one, because SCXML drops without a word what no row takes.
Roles, phases and the chart's hash are attributes of a namespace of our own, and each `why` is a comment.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from reconnect.chart.model import Statechart
from reconnect.chart.rows import State, StepVerdict

_NAMESPACES = 'xmlns="http://www.w3.org/2005/07/scxml" xmlns:chart="urn:reconnect:chart"'


def draw_scxml(chart: Statechart) -> str:
    """Return the chart as an SCXML document."""
    says = f'chart:version="{chart.version}" chart:sha256="{chart.sha256}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        _comment(chart.why),
        f'<scxml {_NAMESPACES} version="1.0" datamodel="ecmascript" name="{chart.name}" initial="{chart.initial}" {says}>',
        *(f"  {line}" for state in chart.states if state.parent is None for line in _state(chart, state)),
        "</scxml>",
    ]
    return "\n".join(lines) + "\n"


def _state(chart: Statechart, state: State) -> Iterator[str]:
    role = "" if state.role == "" else f" chart:role={quoteattr(state.role)}"
    phase = "" if state.phase is None else f" chart:phase={quoteattr(state.phase)}"
    initial = "" if state.initial is None else f' initial="{state.initial}"'
    yield f'<state id="{state.name}"{initial}{role}{phase}>'
    yield f"  {_comment(state.why)}"
    for element, actions in (("onentry", state.entry), ("onexit", state.exit)):
        if actions:
            yield f"  <{element}>"
            yield from (f"    {_log('action', action)}" for action in actions)
            yield f"  </{element}>"
    for line in _transitions(chart, state):
        yield f"  {line}"
    for child in state.children:
        yield from (f"  {line}" for line in _state(chart, chart.index[child]))
    yield "</state>"


def _transitions(chart: Statechart, state: State) -> Iterator[str]:
    """Yield the rows, ignores and refusals that name this state."""
    for row in chart.listed():
        if state.name not in row.states:
            continue
        yield _comment(row.why)
        if row.verdict is not StepVerdict.TAKEN:
            for event in row.on:
                yield f'<transition event="{event}">{_log(row.verdict, event)}</transition>'
            continue
        taken = chart.transitions[row.row]
        target = "" if taken.to is None else f' target="{taken.to}"'
        asked = [_log("action", action) for action in taken.effects]
        asked += [_log("tells", taken.tells)] if taken.tells else []
        yield f'<transition event="{taken.on}"{target}>'
        yield from (f"  {log}" for log in asked)
        yield "</transition>"


def _log(label: str, name: str) -> str:
    return f'<log label="{label}" expr="\'{name}\'"/>'


def _comment(text: str) -> str:
    # Two hyphens would end a comment of XML.
    return f"<!-- {text.replace('--', '- -')} -->"
