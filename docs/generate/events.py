"""`events.md`: each event with its fields."""

from __future__ import annotations

from collections.abc import Iterator

from docs.generate.source import code, doc, fields, members, page, sentence, table
from reconnect.client.observers import PLATFORM_NAMES
from reconnect.core.notices import (
    PUBLISHER_NOTICES,
    SESSION_NOTICES,
    SUBSCRIBER_NOTICES,
    Notice,
    Told,
    Updated,
    UpdateKind,
)

COMMON = ("at", "key")  # fields of every event, told once

INTRODUCTION = """
Observe an event with `session.on(name, callback)`, or with `@session.on(name)` above a function. The callback is called with
one argument, the event: a frozen object with the fields below. It may be an async function; it then gets its events one
after another, and a call that takes longer than `observer_seconds` is cancelled.

A callback that raises changes nothing for the session or for other callbacks. It is counted in
`session.statistics().counts["failed_observers"]`, audited, and logged as an error of the logger `reconnect`, with its traceback.
Where nobody configured logging Python prints that on stderr, here once for each callback and kind of error; to have it silent,
say so: `logging.getLogger("reconnect").addHandler(logging.NullHandler())`.

Every event has a `name`, the text that `on()` takes, and `at`, an instant in seconds on the session's clock. Durations are
in seconds. The words that a reason may be are on the page [reasons](reasons.md).
"""

ORDER = """
For each `connect()` a session tells `connected`, then any number of pairs `reconnecting` and `reconnected`, and at the end
`disconnected`, which may follow a `reconnecting` that came to nothing. A first connect that fails raises from `connect()`
and tells none of them. `attempt` comes once for each attempt that is scheduled, anywhere in between.

When a connection is restored, what was held is sent first; then comes `reconnected`, then what was missed, in order and
once, then the `connected` of each Subscriber. When a session ends, every receipt has its outcome first; then come
`disconnected`, the `ended` of each Publisher and the `destroyed` of each Subscriber.
"""


def events_page() -> str:
    """Return the page."""
    return page(
        "Events",
        INTRODUCTION,
        "## The order",
        ORDER,
        "## Of a session",
        table(["event", "class", "the platform's name", "meaning"], _overview(SESSION_NOTICES)),
        "`signal:TYPE`, as in `session.on('signal:chat', ...)`, observes the signals of one type only.",
        *_details(SESSION_NOTICES),
        "## Of a chart of your own",
        f"`Told`. {doc(Told)} How to [write a chart](../howto/write-a-chart.md).",
        table(["field", "type", "default", "meaning"], (_field(*row) for row in fields(Told) if row[0] not in (*COMMON, "name"))),
        "## Of a Publisher",
        "What `await session.publish(...)` returns tells these, by its own `on()`.",
        *_details(PUBLISHER_NOTICES),
        "## Of a Subscriber",
        "What `await session.subscribe(...)` returns tells these, by its own `on()`.",
        *_details(SUBSCRIBER_NOTICES),
    )


def platform_name(name: str) -> str:
    """Return the platform's name of an event, nothing where it has none."""
    return next((theirs for theirs, ours in PLATFORM_NAMES.items() if ours == name), "")


def _overview(kinds: tuple[type[Notice], ...]) -> Iterator[list[str]]:
    for kind in kinds:
        first = doc(kind).split("\n\n")[0]
        yield [code(kind.name), code(kind.__name__), code(platform_name(kind.name)), first]


def _details(kinds: tuple[type[Notice], ...]) -> Iterator[str]:
    for kind in kinds:
        yield f"### `{kind.name}`"
        yield f"`{kind.__name__}`. {doc(kind)}"
        yield table(["field", "type", "default", "meaning"], (_field(*row) for row in fields(kind) if row[0] not in COMMON))
        if kind is Updated:
            meanings = members(UpdateKind)
            yield table(["`what`", "meaning"], ([code(one.value), sentence(meanings[one.name])] for one in UpdateKind))


def _field(name: str, declared: str, given: str, meaning: str) -> list[str]:
    return [code(name), code(declared), code(given), sentence(meaning)]
