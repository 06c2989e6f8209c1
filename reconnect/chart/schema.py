"""Writes the JSON Schema of the chart format, for editors that complete and check chart files.

It is made from the records that the loader reads files into, so that it knows the keys that the loader knows. Two things are
added, because those records do not say them: that names are names, and that a list of one may be written as its only member. What
the rows decide together is beyond a schema: `reconnect charts check` says that.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from reconnect.chart.load import FORMS, LISTED
from reconnect.chart.rows import Ignore, Refusal, Transition, Twins

# What an editor shows beside a key.
KEYS: Final = {
    "chart": "the chart's name",
    "version": "for people: raise it with each change that users will notice",
    "initial": "where entering this leads: the name of a state, below a state that of a child",
    "why": "the reason, in a sentence: what a reviewer agrees to",
    "events": "what can happen",
    "states": "the states, or their names",
    "transitions": "rows: on this event, from these states, to that one",
    "actions": "the names in entry, exit and effects, each with what the code does for it",
    "tells": "in a row the public event that the entry action notify tells; at the top such events, each with what it says",
    "timers": "the timers; start:NAME and cancel:NAME are actions",
    "twins": "states whose children have the same rows, but for some events",
    "ignores": "pairs of event and state that are legal and change nothing",
    "refuses": "pairs of event and state that must not happen: an error, and nothing changes",
    "kind": "who feeds the event, and so what is checked before the chart sees it",
    "data": "names of what comes with the event",
    "means": "the event that the code knows, where this one has another name",
    "event": "the event that the timer feeds",
    "seconds": "where the duration comes from: settings.NAME, event.NAME for data of the event, given.NAME for what users give",
    "role": "what the state means to everyone else; children have it from their parent",
    "phase": "what the state does within its role",
    "entry": "actions on entering the state",
    "exit": "actions on leaving the state",
    "on": "the event, or in ignores and refuses the events",
    "from": "the states that the row leaves; a parent stands for all its leaves",
    "to": "the state that the row leads to; without it the row leaves and enters nothing",
    "effects": "actions of the row, between those of the exits and of the entries",
    "in": "the states; a parent stands for all its leaves",
    "but": "events whose rows do differ between the twins",
}
_TABLES: Final = {"events": "event", "timers": "timer", "states": "state"}
_ROWS: Final = {"transitions": Transition, "ignores": Ignore, "refuses": Refusal, "twins": Twins}
_NAMES: Final = {"pattern": "^[A-Za-z][A-Za-z0-9_]*$"}


def draw_schema() -> str:
    """Return the schema as JSON text."""
    names = {form: name for name, form in FORMS.items()} | {form: name for name, form in _ROWS.items()}
    _, raw = msgspec.json.schema_components(list(names), ref_template="#/$defs/{name}")
    defs = {name: _form(raw[form.__name__]) for form, name in names.items()}
    enums = {name: part for name, part in raw.items() if "enum" in part}
    chart = defs.pop("chart")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A chart of reconnect",
        "description": "Generated from the loader by `reconnect charts draw`; do not edit.",
        **chart,
        "$defs": {**defs, **enums},
    }
    return json.dumps(schema, indent=2) + "\n"


def _form(form: dict[str, Any]) -> dict[str, Any]:
    row = form["title"] == Transition.__name__
    kept = {key: part for key, part in form.items() if key != "title"}
    return {**kept, "properties": {key: _key(key, part, row=row) for key, part in form["properties"].items()}}


def _key(key: str, part: dict[str, Any], *, row: bool) -> dict[str, Any]:
    """Return what stands for one key; `row` is whether it is one of a row, whose `on` is a single event."""
    part = {word: value for word, value in part.items() if word != "default"}
    if "anyOf" in part:
        # TOML has no null: a key that may be missing is missing.
        part = next(choice for choice in part["anyOf"] if choice != {"type": "null"})
    if key in _TABLES and part["type"] == "object":
        part = {"type": "object", "propertyNames": _NAMES, "additionalProperties": {"$ref": f"#/$defs/{_TABLES[key]}"}}
    elif key in _ROWS:
        part = {"type": "array", "items": {"$ref": f"#/$defs/{key}"}}
    elif key in LISTED and part.get("type") == "array":
        part = {"anyOf": [{"type": "string"}, part]}
    return {"description": KEYS[key], **part}
