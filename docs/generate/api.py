"""`api.md`: every public name, with its signature and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from typing import Any

import reconnect
from docs.generate.source import block, code, doc, fields, page, public, sentence, signature, table
from reconnect.core.notices import Notice
from reconnect.errors import ReconnectError
from reconnect.record import Record

INTRODUCTION = """
These are the names of `reconnect` itself. They are loaded at first use: `import reconnect` imports no transport and no
server. What an `async` method awaits is the network; every other call returns at once. A session belongs to the event loop
that it was connected on.
"""

BEYOND = """
What most programs never need, by the module that it is imported from.
"""

# The order of the page; whatever else is public must be an event, an error or a closed list.
TOPICS = {
    "Being in a session": (
        "connect", "Session", "Receipt", "Outcome", "SignalStream", "AckStream", "Publisher", "Subscriber", "Outbox", "Held",
        "Statistics",
    ),
    "Trying again": ("RetryPolicy", "Cause"),
    "Serving a hub": ("Hub", "make_token"),
    "What arrives": ("Signal", "AckSignal", "Stream", "Member", "Gap"),
    "Charts": ("load_chart", "Statechart"),
}  # fmt: skip

ELSEWHERE = {
    "reconnect.retry": ("full_jitter", "proportional_jitter", "steps"),
    "reconnect.auth": ("TokenAuthenticator",),
    "reconnect.audit": (
        "Journal", "OnFailure", "Head", "head_file", "head_log", "LogSink", "TeeSink", "MemorySink", "read_records",
    ),
    "reconnect.transport.websocket": ("WebSocketDialer",),
    "reconnect.core.question": ("RetryQuestion", "RetryAnswer"),
    "reconnect.core.hub": ("HubStatistics",),
    "reconnect.testing": (
        "run", "FakeClock", "Deadlock", "MemoryNetwork", "Direction", "Weather", "MemoryHub", "Proxy", "follow", "HubEnd",
        "MemberEnd", "ScriptedTransport", "ScriptedDialer", "check_transport", "NotATransport", "Finding", "simulate",
        "Simulation", "simulate_driver", "DriverRun", "History", "check_history", "Violation", "Broken", "assert_replays",
    ),
    "reconnect.ports": (
        "Clock", "Dialer", "Transport", "RetryPolicy", "AuditSink", "Authenticator", "Principal", "OutboxStore", "SessionLog",
        "Dialect", "TimerHandle",
    ),
}  # fmt: skip


def api_page() -> str:
    """Return the page; every public name stands on it once."""
    public_names = {name: getattr(reconnect, name) for name in reconnect.__all__ if name != "__version__"}
    listed = {name for names in TOPICS.values() for name in names}
    rest = {name: value for name, value in public_names.items() if name not in listed}
    parts: list[str] = []
    for title, names in TOPICS.items():
        parts.append(f"## {title}")
        for name in names:
            parts += entry(name, public_names[name])
    parts += _links("Events", "events.md", {name: value for name, value in rest.items() if issubclass(value, Notice)})
    parts += _links("Errors", "errors.md", {name: value for name, value in rest.items() if issubclass(value, ReconnectError)})
    lists = {name: value for name, value in rest.items() if issubclass(value, Enum)}
    parts += _links("Closed lists", "reasons.md", lists, {"CloseCode": "close-codes.md"})
    parts += ["## The version", table(["name", "meaning"], [[code("__version__"), "The version of this package, as text."]])]
    parts += ["## Beyond the top level", BEYOND]
    for module, names in ELSEWHERE.items():
        parts.append(f"### From `{module}`")
        for name in names:
            parts += entry(f"{module}.{name}", getattr(import_module(module), name), level="####")
    return page("API", INTRODUCTION, *parts)


def _links(title: str, target: str, kinds: dict[str, Any], others: dict[str, str] | None = None) -> list[str]:
    rows = ([f"[`{name}`]({(others or {}).get(name, target)})", doc(kind).split("\n\n")[0]] for name, kind in kinds.items())
    return [f"## {title}", table(["name", "meaning"], rows)]


def entry(name: str, thing: Any, *, level: str = "###") -> Iterator[str]:
    """Yield what is said of one name."""
    yield f"{level} `{name}`"
    short = name.rpartition(".")[2]
    is_class = isinstance(thing, type)
    if is_class and issubclass(thing, Record):
        yield doc(thing)
        if any(meaning for *_, meaning in fields(thing)):
            yield table(["field", "type", "default", "meaning"], _rows(thing))
        elif short != "Statechart":
            yield table(["field", "type", "default"], (row[:3] for row in _rows(thing)))
    elif is_class and issubclass(thing, Enum):
        yield doc(thing)
        yield table(["member", "value"], ([code(one.name), code(one.value)] for one in thing))
    else:
        if not is_class or _is_made_by_users(thing):
            yield block(signature(thing, short))
        yield doc(thing)
    if is_class and not issubclass(thing, Enum):
        yield from _members(thing)


def _rows(record: type[Record]) -> Iterator[list[str]]:
    for name, typed, given, meaning in fields(record):
        yield [code(name), code(typed), code(given), sentence(meaning)]


def _is_made_by_users(kind: type) -> bool:
    """True for a class with a constructor of its own that is not only for the library."""
    made = kind.__init__ is not object.__init__ and not getattr(kind, "_is_protocol", False)  # type: ignore[misc]  # looked at
    return made and kind.__name__ not in ("Receipt", "SignalStream", "AckStream", "Publisher", "Subscriber", "Deadlock")


def _members(kind: type) -> Iterator[str]:
    rows = []
    for name, value in public(kind):
        if isinstance(value, property):
            rows.append([code(name), doc(value)])
            continue
        called = value.__func__ if isinstance(value, classmethod) else value
        rows.append([code(signature(called, name, bound=True, longest=None)), doc(called)])
    if rows:
        yield table(["member", "meaning"], ([name, text.replace("\n\n", "<br>")] for name, text in rows))
