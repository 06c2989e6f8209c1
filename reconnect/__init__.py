"""A session that survives the network, and can prove what it did.

    import reconnect

    async with reconnect.connect("ws://127.0.0.1:8470", session="room-1", token=token) as session:

        @session.on("reconnecting")
        def show(event):
            print(f"lost ({event.reason}); attempt {event.attempt} in {event.retry_in:.1f} s")

        receipt = session.signal("hello", type="chat")  # returns at once
        outcome = await receipt  # delivered, dropped, ...

Everything public is named in `__all__` and loaded at first use: importing the package imports no transport and no server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reconnect.version import __version__

if TYPE_CHECKING:
    from reconnect.auth import make_token
    from reconnect.chart import Statechart, load_chart
    from reconnect.client import (
        AckSignal,
        AckStream,
        Outbox,
        Publisher,
        Receipt,
        Session,
        SignalStream,
        Statistics,
        Subscriber,
        connect,
    )
    from reconnect.core.frames import Gap, Member, Stream
    from reconnect.core.notices import (
        Attempt,
        Connected,
        ConnectionCreated,
        ConnectionDestroyed,
        ConnectionInterrupted,
        ConnectionRestored,
        Disconnected,
        Outcome,
        PublisherEnded,
        PublisherInterrupted,
        PublisherLive,
        Reconnected,
        Reconnecting,
        Signal,
        SignalReceived,
        StreamCreated,
        StreamDestroyed,
        StreamInterrupted,
        StreamRestored,
        StreamUpdated,
        SubscriberConnected,
        SubscriberDestroyed,
        SubscriberDisconnected,
        Told,
        Updated,
    )
    from reconnect.errors import (
        AnswerFailed,
        BadArgument,
        BadSignal,
        BadUrl,
        ChartError,
        ConnectFailed,
        DrainTimedOut,
        HubClosed,
        IllegalTransition,
        ListenFailed,
        NotConnected,
        OutboxFailed,
        OutboxFull,
        OutboxInUse,
        OutboxUnreadable,
        ReconnectError,
        RequestFailed,
        RequestTimedOut,
        TokenRejected,
        UnknownEventName,
        WrongLoop,
    )
    from reconnect.hub import Hub
    from reconnect.reasons import Cause, CloseCode, OutcomeStatus, Reason, RejectCode, ResumeRefusal
    from reconnect.retry import RetryPolicy
    from reconnect.store import Durability
    from reconnect.store.held import Held

_HOMES = {
    "reconnect.auth": ("make_token",),
    "reconnect.chart": ("Statechart", "load_chart"),
    "reconnect.client": (
        "AckSignal", "AckStream", "Outbox", "Publisher", "Receipt", "Session", "SignalStream", "Statistics", "Subscriber",
        "connect",
    ),
    "reconnect.core.frames": ("Gap", "Member", "Stream"),
    "reconnect.core.notices": (
        "Attempt", "Connected", "ConnectionCreated", "ConnectionDestroyed", "ConnectionInterrupted", "ConnectionRestored",
        "Disconnected", "Outcome", "PublisherEnded", "PublisherInterrupted", "PublisherLive", "Reconnected", "Reconnecting",
        "Signal", "SignalReceived", "StreamCreated", "StreamDestroyed", "StreamInterrupted", "StreamRestored", "StreamUpdated",
        "SubscriberConnected", "SubscriberDestroyed", "SubscriberDisconnected", "Told", "Updated",
    ),
    "reconnect.errors": (
        "AnswerFailed", "BadArgument", "BadSignal", "BadUrl", "ChartError", "ConnectFailed", "DrainTimedOut", "HubClosed",
        "IllegalTransition", "ListenFailed", "NotConnected", "OutboxFailed", "OutboxFull", "OutboxInUse", "OutboxUnreadable",
        "ReconnectError", "RequestFailed", "RequestTimedOut", "TokenRejected", "UnknownEventName", "WrongLoop",
    ),
    "reconnect.hub": ("Hub",),
    "reconnect.reasons": ("Cause", "CloseCode", "OutcomeStatus", "Reason", "RejectCode", "ResumeRefusal"),
    "reconnect.retry": ("RetryPolicy",),
    "reconnect.store": ("Durability",),
    "reconnect.store.held": ("Held",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AckSignal",
    "AckStream",
    "AnswerFailed",
    "Attempt",
    "BadArgument",
    "BadSignal",
    "BadUrl",
    "Cause",
    "ChartError",
    "CloseCode",
    "ConnectFailed",
    "Connected",
    "ConnectionCreated",
    "ConnectionDestroyed",
    "ConnectionInterrupted",
    "ConnectionRestored",
    "Disconnected",
    "DrainTimedOut",
    "Durability",
    "Gap",
    "Held",
    "Hub",
    "HubClosed",
    "IllegalTransition",
    "ListenFailed",
    "Member",
    "NotConnected",
    "Outbox",
    "OutboxFailed",
    "OutboxFull",
    "OutboxInUse",
    "OutboxUnreadable",
    "Outcome",
    "OutcomeStatus",
    "Publisher",
    "PublisherEnded",
    "PublisherInterrupted",
    "PublisherLive",
    "Reason",
    "Receipt",
    "ReconnectError",
    "Reconnected",
    "Reconnecting",
    "RejectCode",
    "RequestFailed",
    "RequestTimedOut",
    "ResumeRefusal",
    "RetryPolicy",
    "Session",
    "Signal",
    "SignalReceived",
    "SignalStream",
    "Statechart",
    "Statistics",
    "Stream",
    "StreamCreated",
    "StreamDestroyed",
    "StreamInterrupted",
    "StreamRestored",
    "StreamUpdated",
    "Subscriber",
    "SubscriberConnected",
    "SubscriberDestroyed",
    "SubscriberDisconnected",
    "TokenRejected",
    "Told",
    "UnknownEventName",
    "Updated",
    "WrongLoop",
    "__version__",
    "connect",
    "load_chart",
    "make_token",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'reconnect' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
