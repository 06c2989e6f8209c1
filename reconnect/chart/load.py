"""Reads charts: finds the file, reads it strictly, hands it to the lint.

A file is read row by row, so that an error names the row and the key. A key that no record has is refused: a misspelt `tels`
must not pass as a row that tells nothing. The hash is of the file's bytes, so that an audit names exactly what was reviewed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from reconnect.chart.check import check
from reconnect.chart.model import Statechart
from reconnect.chart.rows import ChartEvent, EventKind, Ignore, Refusal, State, Timer, Transition, Twins, shortened
from reconnect.errors import BadArgument, ChartUnreadable
from reconnect.record import Record

Form = TypeVar("Form")


class _ChartForm(Record, forbid_unknown_fields=True, kw_only=True):
    chart: str
    version: int
    initial: str
    why: str
    events: dict[str, Any]
    states: dict[str, Any]
    transitions: list[Any]
    actions: dict[str, str] = msgspec.field(default_factory=dict)
    tells: dict[str, str] = msgspec.field(default_factory=dict)
    timers: dict[str, Any] = msgspec.field(default_factory=dict)
    twins: list[Any] = msgspec.field(default_factory=list)
    ignores: list[Any] = msgspec.field(default_factory=list)
    refuses: list[Any] = msgspec.field(default_factory=list)


class _EventForm(Record, forbid_unknown_fields=True, kw_only=True):
    kind: EventKind
    why: str
    data: tuple[str, ...] = ()
    means: str | None = None


class _TimerForm(Record, forbid_unknown_fields=True, kw_only=True):
    event: str
    seconds: str
    why: str


class _StateForm(Record, forbid_unknown_fields=True, kw_only=True):
    why: str
    role: str | None = None
    phase: str | None = None
    initial: str | None = None
    entry: tuple[str, ...] = ()
    exit: tuple[str, ...] = ()
    states: dict[str, Any] = msgspec.field(default_factory=dict)


# What a file and its tables are read as; the schema of the format is made from them.
FORMS: Final[Mapping[str, type[Record]]] = {"chart": _ChartForm, "event": _EventForm, "timer": _TimerForm, "state": _StateForm}
# A name may stand for a list of one.
LISTED: Final = ("on", "from", "in", "states", "but")


def charts_folder() -> Path:
    """Return the folder of the charts: within the package where it was installed, beside it in a checkout."""
    from importlib.resources import files

    inside = files("reconnect").joinpath("statecharts")
    return Path(str(inside)) if inside.is_dir() else Path(__file__).parents[2] / "statecharts"


def chart_names() -> list[str]:
    """Return the names of the library's own charts."""
    return sorted(path.stem for path in charts_folder().glob("*.toml"))


def load_chart(chart: str | Path) -> Statechart:
    """Return the chart of this name, or in this file, read and checked; raise a ChartError that says what is wrong where."""
    if not isinstance(chart, str | Path):
        raise BadArgument(f"load_chart() takes a chart's name or the path of its file, and this is {chart!r}")
    path = find_chart(chart)
    return _checked(content_of(path), str(path))


def content_of(file: Path) -> bytes:
    """Return the bytes of a chart's file; raise ChartUnreadable."""
    try:
        return file.read_bytes()
    except OSError as error:
        remedy = f"give the path of a chart, or one of the names {', '.join(chart_names())}"
        raise ChartUnreadable(f"the file cannot be read ({error.strerror})", file=file, remedy=remedy) from error


def load_chart_text(text: str, file: str = "<text>") -> Statechart:
    """Return the chart that this text is, read and checked; `file` names it in errors."""
    return _checked(text.encode(), file)


def read_chart(content: bytes, file: str) -> Statechart:
    """Return the chart that these bytes are, read and not checked: for tools that want every problem."""
    form = _convert(_decode(content, file), _ChartForm, file, None)
    return Statechart(
        name=form.chart,
        version=form.version,
        why=form.why,
        file=file,
        sha256=sha256(content).hexdigest(),
        initial=form.initial,
        states=tuple(_states(form.states, file, None)),
        events=MappingProxyType({name: _event(name, raw, file) for name, raw in form.events.items()}),
        timers=MappingProxyType({name: _timer(name, raw, file) for name, raw in form.timers.items()}),
        actions=MappingProxyType(form.actions),
        tells=MappingProxyType(form.tells),
        transitions=_rows(form.transitions, Transition, "transitions", file),
        ignores=_rows(form.ignores, Ignore, "ignores", file),
        refuses=_rows(form.refuses, Refusal, "refuses", file),
        twins=_rows(form.twins, Twins, "twins", file),
    )


@lru_cache(maxsize=64)
def _checked(content: bytes, file: str) -> Statechart:
    # Reading the bytes anew each time and remembering what they mean is always right, and a thousand sessions read one chart.
    return check(read_chart(content, file))


def find_chart(chart: str | Path) -> Path:
    """Return the file that is meant by a path, or by the name of one of the library's own charts."""
    if isinstance(chart, str) and re.fullmatch(r"\w+", chart):
        return charts_folder() / f"{chart}.toml"
    return Path(chart)


def _decode(content: bytes, file: str) -> Any:
    try:
        return msgspec.toml.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ChartUnreadable(f"this is not TOML: {error}", file=file, remedy="correct the place that is named") from error


def _states(forms: Mapping[str, Any], file: str, parent: State | None) -> Iterator[State]:
    for short, raw in forms.items():
        prefix = f"{parent.name}." if parent else ""
        name = prefix + short
        form = _convert(raw, _StateForm, file, "states." + name.replace(".", ".states."))
        state = State(
            name=name,
            why=form.why,
            role=form.role or (parent.role if parent else ""),
            parent=parent.name if parent else None,
            children=tuple(f"{name}.{child}" for child in form.states),
            initial=f"{name}.{form.initial}" if form.initial else None,
            phase=form.phase,
            entry=form.entry,
            exit=form.exit,
        )
        yield state
        yield from _states(form.states, file, state)


def _event(name: str, raw: Any, file: str) -> ChartEvent:
    form = _convert(raw, _EventForm, file, f"events.{name}")
    return ChartEvent(name=name, kind=form.kind, means=form.means or name, why=form.why, data=form.data)


def _timer(name: str, raw: Any, file: str) -> Timer:
    form = _convert(raw, _TimerForm, file, f"timers.{name}")
    return Timer(name=name, event=form.event, seconds=form.seconds, why=form.why)


def _rows(raws: list[Any], form: type[Form], kind: str, file: str) -> tuple[Form, ...]:
    return tuple(_convert(_listed(raw, form), form, file, _place(kind, number, raw)) for number, raw in enumerate(raws))


def _listed(raw: Any, form: type[Any]) -> Any:
    """Return the row with each single name made a list of one, where its record has a list."""
    if not isinstance(raw, dict):
        return raw
    lists = [key for key in LISTED if key in raw and isinstance(raw[key], str) and not (key == "on" and form is Transition)]
    return raw | {key: [raw[key]] for key in lists}


def _place(kind: str, number: int, raw: Any) -> str:
    """Return how an error names the row: by its number, and by what it seems to be about."""
    if not isinstance(raw, dict):
        return f"{kind}[{number}]"
    key = "from" if kind == "transitions" else "in"
    said = f"{_said(raw.get('on'))} {key} {_said(raw.get(key))}" if kind != "twins" else _said(raw.get("states"))
    return f"{kind}[{number}] ({said})"


def _said(value: Any) -> str:
    names = [value] if isinstance(value, str) else value
    return shortened(tuple(str(name) for name in names)) if isinstance(names, list) else "nothing"


def _convert(raw: Any, form: type[Form], file: str, row: str | None) -> Form:
    """Return `raw` as a record; raise ChartUnreadable in the words of the file."""
    try:
        return msgspec.convert(raw, form)
    except msgspec.ValidationError as error:
        problem, remedy = _reworded(str(error), form)
        raise ChartUnreadable(problem, file=file, row=row, remedy=remedy) from error


def _reworded(sentence: str, form: type[Any]) -> tuple[str, str]:
    """Return the problem and the remedy for msgspec's sentence."""
    keys = ", ".join(field.encode_name for field in msgspec.structs.fields(form))
    if "enum" in sentence:
        return sentence[0].lower() + sentence[1:].partition(" - at")[0], f"the kinds are {', '.join(EventKind)}"
    said, _, place = sentence.partition(" - at `$")
    name = re.search(r"`(.+)`$", said)
    where = f" (at {place.strip('.`')})" if place else ""
    if name and "unknown field" in said:
        return f"the key {name[1]!r} is not known{where}", f"remove or correct it; the keys here are {keys}"
    if name and "missing required field" in said:
        return f"the key {name[1]!r} is missing{where}", "add it"
    return said[0].lower() + said[1:] + where, f"correct its value; the keys here are {keys}"
