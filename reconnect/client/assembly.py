"""What a session is made of: checks what the caller gave, and builds the core from it."""

from __future__ import annotations

import math
import os
from functools import cache

from reconnect import limits
from reconnect.audit import audit_sink
from reconnect.chart import Statechart, load_chart
from reconnect.client.outbox import Outbox
from reconnect.core.session import SessionCore
from reconnect.core.settings import SessionSettings
from reconnect.core.submission import check_text
from reconnect.errors import BadArgument
from reconnect.ports import AuditSink, Dialer, RetryPolicy, TokenSource
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


def load_charts(chart: Statechart | str | os.PathLike[str] | None) -> dict[str, Statechart]:
    """Return the charts of a session, one of them perhaps the user's own."""
    charts = {name: load_chart(name) for name in ("session", "publisher", "subscriber", "signal")}
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
) -> SessionCore:
    """Return the core of a session."""
    settings = SessionSettings(
        session=session,
        sender=outbox.sender,
        first_serial=outbox.first_serial,
        client_version=__version__,
        attempt_deadline=attempt_deadline,
        close_timeout=close_timeout,
        stable_after=policy.stable_after_seconds,
        retry_initial=retry_initial,
        renewable=callable(token),
        bounds=outbox.bounds,
    )
    return SessionCore(settings, session=charts["session"], publisher=charts["publisher"], subscriber=charts["subscriber"])


def open_audit(audit: AuditSink | str | os.PathLike[str] | None, outbox: Outbox) -> AuditSink:
    """Open the audit and take the outbox: both, or neither where one is not to be had."""
    sink = audit_sink(audit)
    try:
        outbox.take()
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
