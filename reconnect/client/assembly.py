"""What a session is made of: checks what the caller gave, and builds the core from it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache, partial
from typing import Any

from msgspec import to_builtins

from reconnect import limits
from reconnect.audit import Auditor, audit_sink
from reconnect.audit.traffic import ranges
from reconnect.chart import Statechart, load_chart
from reconnect.client.outbox import Outbox
from reconnect.core.fitness import is_fed_by_user
from reconnect.core.session import SessionCore
from reconnect.core.settings import GIVEN, SessionSettings
from reconnect.core.submission import check_text
from reconnect.errors import BadArgument, UnknownEventName
from reconnect.ports import AuditSink, Clock, Dialer, RetryPolicy, TokenSource
from reconnect.version import __version__
from reconnect.wire import HubDialect


def check_identity(url: object, session: object, token: object) -> None:
    """Raise BadArgument where the address, the session's id or the token cannot be what is meant."""
    if not isinstance(url, str):
        raise BadArgument(f"url is the hub's address, as ws://host:port, and this is {url!r}")
    check_text(session, "session", "the id of the shared place", limits.NAME_CHARACTERS)
    if not callable(token):
        if not isinstance(token, str) or not token:
            raise BadArgument("token is a string that is not empty, or a callable that returns one; see reconnect.make_token()")
        check_text(token, "token", "what make_token() returned")


def check_parts(*, retry: object, outbox: object, clock: object, transport: object, seed: object) -> None:
    """Raise BadArgument where a part of a session is something else; None stands for the default of each."""
    if retry is not None:
        stable = getattr(retry, "stable_after_seconds", None)
        if isinstance(retry, type) or not callable(getattr(retry, "decide", None)) or not _is_duration(stable, least=0.0):
            raise BadArgument(f"retry is a RetryPolicy, as reconnect.RetryPolicy.forever(), and this is {retry!r}")
    if outbox is not None and not isinstance(outbox, Outbox):
        raise BadArgument(f"outbox is a reconnect.Outbox, and this is {outbox!r}")
    if clock is not None and not all(callable(getattr(clock, name, None)) for name in ("now", "wall", "call_at")):
        raise BadArgument(f"clock is an object with now(), wall() and call_at(), and this is {clock!r}")
    if transport is not None and not callable(transport):
        raise BadArgument(f"transport is an async function that dials a url, and this is {transport!r}")
    if seed is not None and not isinstance(seed, int):
        raise BadArgument(f"seed is an integer, and this is {seed!r}")


def check_durations(**seconds: object) -> None:
    """Raise BadArgument where a duration is no positive number."""
    for name, value in seconds.items():
        if not _is_duration(value, least=math.ulp(0.0)):
            raise BadArgument(f"{name} is {value!r}; give a positive number of seconds")


def _is_duration(value: object, *, least: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= least


def load_charts(chart: Statechart | str | os.PathLike[str] | None, outbox: Statechart | None = None) -> dict[str, Statechart]:
    """Return the charts of a session, one of them perhaps the user's own; `outbox` is that of an outbox with a file."""
    charts = {name: load_chart(name) for name in ("session", "publisher", "subscriber", "signal")}
    if outbox is not None:
        charts["outbox"] = outbox
    if chart is None:
        return charts
    if not isinstance(chart, Statechart | str | os.PathLike):
        raise BadArgument(f"chart is a Statechart, or what load_chart() takes, and this is {chart!r}")
    return {**charts, "session": chart if isinstance(chart, Statechart) else load_chart(os.fspath(chart))}


def build_core(
    charts: dict[str, Statechart],
    *,
    session: str,
    token: TokenSource,
    outbox: Outbox,
    policy: RetryPolicy,
    retry_initial: bool,
    attempt_deadline: float,
    close_timeout: float,
    durations: Mapping[str, float],
    echo: bool,
) -> SessionCore:
    """Return the core of a session."""
    settings = SessionSettings(
        session=session,
        sender=outbox.sender,
        first_serial=outbox.first_serial,
        client_version=__version__,
        attempt_deadline=attempt_deadline,
        close_timeout=close_timeout,
        durations=_checked(durations),
        stable_after=policy.stable_after_seconds,
        retry_initial=retry_initial,
        renewable=callable(token),
        bounds=outbox.bounds,
        durable=outbox._chart is not None,
        echo=echo,
    )
    _check_wanted(charts["session"], settings)
    return SessionCore(settings, session=charts["session"], publisher=charts["publisher"], subscriber=charts["subscriber"])


def _checked(durations: Mapping[str, float]) -> dict[str, float]:
    """Return the durations of the timers of a chart of the user's own; raise BadArgument for what is none."""
    if not isinstance(durations, Mapping) or not all(isinstance(name, str) for name in durations):
        example = "as {'suspension': 60.0}"
        raise BadArgument(f"durations is a mapping from the names in the chart to seconds, {example}, and this is {durations!r}")
    check_durations(**durations)
    return dict(durations)


def _check_wanted(chart: Statechart, settings: SessionSettings) -> None:
    """Raise BadArgument where a duration is given that no timer of the chart asks for."""
    asked = [timer.seconds for timer in chart.timers.values()]
    for name in settings.durations:
        if f"{GIVEN}.{name}" not in asked:
            raise BadArgument(f"durations gives {name!r}, and no timer of {chart.file} has seconds = '{GIVEN}.{name}'")


def event_to_feed(chart: Statechart, event: object) -> str:
    """Return the event if it is one for the user to feed; raises BadArgument, or UnknownEventName with those that there are."""
    if not isinstance(event, str):
        raise BadArgument(f"feed() takes the name of an event of the session's chart, and this is {event!r}")
    found = chart.events.get(event)
    if found is not None and is_fed_by_user(found):
        return event
    if found is not None:
        raise BadArgument(f"the session itself feeds {event!r}; feed() is for events of the chart's own, of the kind 'call'")
    known = sorted(name for name, one in chart.events.items() if is_fed_by_user(one))
    if not known:
        raise BadArgument(f"feed() is for events of a chart of your own, and {chart.file} has none of the kind 'call' but ours")
    near = get_close_matches(event, known, n=1)
    raise UnknownEventName(event, known, near[0] if near else None)


def ledger_of(core: SessionCore) -> dict[str, Any]:
    """Return what a checkpoint of the audit holds: the outbox's own word on every signal."""
    outbox = core.at.outbox
    return {
        "state": core.state,
        "generation": core.at.generation,
        "submitted": outbox.submitted,
        "pending": ranges(tuple(outbox.serials())),
        "outcomes": {status.value: count for status, count in outbox.counts.items() if count},
    }


def auditor_for(
    sink: AuditSink, core: SessionCore, charts: Mapping[str, Statechart], *, clock: Clock, policy: RetryPolicy, seed: int | None
) -> Auditor:
    """Return what writes a session's audit, and knows what to say of the session when it begins."""
    settings = core.at.settings
    return Auditor(
        sink,
        clock,
        session=settings.session,
        charts=charts.values(),
        source=settings.sender,
        ledger=partial(ledger_of, core),
        begin={"policy": policy, "seed": seed, "settings": to_builtins(settings), "sender": settings.sender},
    )


def open_audit(audit: AuditSink | str | os.PathLike[str] | None, outbox: Outbox) -> AuditSink:
    """Open the audit and take the outbox: both, or neither where one is not to be had."""
    sink = audit_sink(audit)
    try:
        outbox._take()
    except BadArgument:
        sink.close()
        raise
    return sink


def dialer_for(url: str, transport: Dialer | None) -> Dialer:
    """Return the caller's dialer, or one for WebSockets; raises BadUrl for an address that no WebSocket has."""
    if transport is not None:
        return transport
    from reconnect.transport.websocket import WebSocketDialer, check_url

    check_url(url)
    return WebSocketDialer()


@cache
def member_dialect() -> HubDialect:
    """Return the hub dialect of every session: reading keeps nothing, so all of them may share its decoders."""
    return HubDialect("member")
