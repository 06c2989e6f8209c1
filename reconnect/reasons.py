"""The closed lists: why something was lost, refused or ended, how a signal ended, and what a close code means.

Each list stands here and nowhere else; what travels on the wire, appears in an event or in the audit is a member of one of them,
never free text. `docs/reference/` is asserted equal to this page.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from reconnect.record import Record


class Reason(StrEnum):
    """Why a transport was lost, an attempt failed, or a session, a stream or a member ended."""

    # The network, the hub or a limit; usually worth another attempt.
    CLOSED = "closed"  # the transport was closed or reset
    SILENT = "silent"  # nothing was heard until the silence deadline
    UNREACHABLE = "unreachable"  # no route, refused port, unknown host name
    TLS_FAILED = "tls_failed"  # the certificate or the handshake was not acceptable
    UPGRADE_REFUSED = "upgrade_refused"  # an HTTP answer in place of the WebSocket
    DEADLINE = "deadline"  # an attempt neither succeeded nor failed in time
    GOING_AWAY = "going_away"  # the hub is shutting down and asked to come back later
    OVERLOADED = "overloaded"  # the hub has no room at the moment
    HUB_ERROR = "hub_error"  # the hub failed
    SLOW = "slow"  # the member read too slowly and fell out of the log
    HOLE = "hole"  # an entry was missing between two that arrived
    PROTOCOL_ERROR = "protocol_error"  # the other side broke the protocol
    FORCED = "forced"  # asked for by reconnect_now(force=True)
    OWN_CHART = "own_chart"  # an event asked for it that only the session's own chart has
    TOKEN_UNAVAILABLE = "token_unavailable"  # the token callable raised  # noqa: S105
    TOKEN_EXPIRED = "token_expired"  # the token's time is over; a token callable is asked for a new one  # noqa: S105
    # Answers that end a session or a stay in it.
    CLIENT_DISCONNECTED = "client_disconnected"  # left on purpose
    KICKED = "kicked"  # a moderator or the server removed the member
    TAKEN_OVER = "taken_over"  # another client presented this connection
    DENIED = "denied"  # token, role or principal not accepted
    WRONG_SESSION = "wrong_session"  # the token is for another session
    UNSUPPORTED = "unsupported"  # no common protocol or version
    SESSION_ENDED = "session_ended"  # the hub ended the session for all
    GAVE_UP = "gave_up"  # the retry policy said stop
    POLICY_ERROR = "policy_error"  # the retry policy raised, or its delay is no delay
    SERVER_SAID_STOP = "server_said_stop"  # a refusal whose retry_after is no delay
    AUDIT_FAILED = "audit_failed"  # the journal cannot be written, and the session is not to go on without it
    # How the others' streams and connections end.
    NETWORK_DISCONNECTED = "network_disconnected"  # a peer's grace is over
    UNPUBLISHED = "unpublished"  # a publisher ended its stream on purpose
    NO_SUCH_STREAM = "no_such_stream"  # the stream that was asked for does not exist
    REPLACED = "replaced"  # the same sender joined anew
    # Why a signal has the outcome that it has.
    POISON = "poison"  # resending this signal ended two transports in a row
    OPTED_OUT = "opted_out"  # it said retry_after_reconnect=False, and there was an outage
    SESSION_LOST = "session_lost"  # it said session_only=True, and the connection could not be resumed
    OVERFLOW = "overflow"  # the outbox was full
    TTL = "ttl"  # its time to live ran out
    CANCELLED = "cancelled"  # taken back by receipt.cancel()
    NOT_RESUMED = "not_resumed"  # the hub could not tell whether it had the signal
    STORE_FAILED = "store_failed"  # the outbox store could not keep the signal


class OutcomeStatus(StrEnum):
    """How a signal ended; exactly one of these, exactly once."""

    DELIVERED = "delivered"  # it is in the session's log; that says nothing about receivers
    REJECTED = "rejected"  # the hub did not take it; `code` says why
    EXPIRED = "expired"  # its ttl ran out while it waited
    DROPPED = "dropped"  # it was not sent: it had opted out of waiting or of another connection, or the outbox was full
    CANCELLED = "cancelled"  # its sender took it back before it was sent
    FAILED = "failed"  # it is not known to be delivered; `possibly_sent` says whether it may have been all the same
    WRITTEN = "written"  # handed to a transport whose dialect has no acknowledgements


class RejectCode(StrEnum):
    """Why the hub did not take a signal or a request."""

    INVALID = "invalid"  # the form of it: type, data, address, name or key
    TOO_LARGE = "too_large"  # more data than a signal or a stream may have
    FORBIDDEN = "forbidden"  # the member's role does not allow it, or the token is another's
    NO_SUCH_CONNECTION = "no_such_connection"  # nobody here has this connection, or it is gone for good
    NO_SUCH_STREAM = "no_such_stream"  # nobody publishes this stream, or it is over
    EXPIRED = "expired"  # its ttl ran out on the way
    LIMIT = "limit"  # a limit of the hub: on wants, or on what waits for its log
    LOG_FAILED = "log_failed"  # the log could not store it; worth another try


class ResumeRefusal(StrEnum):
    """Why a join that asked for its connection back got a new one."""

    UNKNOWN_CONNECTION = "unknown_connection"  # the grace is over, or the hub restarted
    WRONG_SECRET = "wrong_secret"  # the secret is not, or no longer, the connection's  # noqa: S105
    WRONG_PRINCIPAL = "wrong_principal"  # the token or the sender is another member's
    WRONG_EPOCH = "wrong_epoch"  # the position counts in another life of the log
    WRONG_POSITION = "wrong_position"  # a position that this log never gave


class CloseCode(IntEnum):
    """Our close codes: 4000 to 4499 come back, 4500 to 4999 do not."""

    GOING_AWAY = 4000  # the hub stops, or the session was left
    SLOW = 4001  # the member fell out of the log
    SILENT = 4002  # nothing was heard for too long
    HUB_ERROR = 4003  # the hub failed, or could not check a token
    JOIN_DEADLINE = 4004  # no join came in time
    OVERLOADED = 4005  # no room for another session or member
    HOLE = 4006  # the member found an entry missing
    TOKEN_EXPIRED = 4010  # come back with a newer token
    PROTOCOL_ERROR = 4500  # the other side broke the protocol
    DENIED = 4501  # token, role or principal not accepted
    WRONG_SESSION = 4502  # the token is for another session
    KICKED = 4503  # a moderator or the server removed the member
    TAKEN_OVER = 4504  # another client has this connection now
    UNSUPPORTED = 4505  # no common protocol or version
    SESSION_ENDED = 4506  # the session ended for everyone


class Cause(Record, kw_only=True):
    """Why a transport or an attempt ended: the reason, whether coming back is pointless, and what the hub advised.

    `retry_after` is in seconds and obeyed exactly; `code` is the close code or HTTP status, `detail` a sentence for people.
    """

    reason: Reason
    final: bool = False
    detail: str = ""
    code: int | None = None
    retry_after: float | None = None
    url: str | None = None


FINAL: frozenset[Reason] = frozenset({
    Reason.CLIENT_DISCONNECTED, Reason.KICKED, Reason.TAKEN_OVER, Reason.DENIED, Reason.WRONG_SESSION, Reason.UNSUPPORTED,
    Reason.SESSION_ENDED,
})  # fmt: skip
"""Answers of a hub after which coming back is pointless."""

_OURS: dict[int, Reason] = {
    CloseCode.GOING_AWAY: Reason.GOING_AWAY,
    CloseCode.SLOW: Reason.SLOW,
    CloseCode.SILENT: Reason.SILENT,
    CloseCode.HUB_ERROR: Reason.HUB_ERROR,
    CloseCode.JOIN_DEADLINE: Reason.DEADLINE,
    CloseCode.OVERLOADED: Reason.OVERLOADED,
    CloseCode.HOLE: Reason.HOLE,
    CloseCode.TOKEN_EXPIRED: Reason.TOKEN_EXPIRED,
    CloseCode.PROTOCOL_ERROR: Reason.PROTOCOL_ERROR,
    CloseCode.DENIED: Reason.DENIED,
    CloseCode.WRONG_SESSION: Reason.WRONG_SESSION,
    CloseCode.KICKED: Reason.KICKED,
    CloseCode.TAKEN_OVER: Reason.TAKEN_OVER,
    CloseCode.UNSUPPORTED: Reason.UNSUPPORTED,
    CloseCode.SESSION_ENDED: Reason.SESSION_ENDED,
}

# RFC 6455, section 7.4.1, and the IANA registry: (reason, final). What is not listed comes back.
STANDARD_CLOSE_CODES: dict[int, tuple[Reason, bool]] = {
    1000: (Reason.CLOSED, False),
    1001: (Reason.GOING_AWAY, False),
    1002: (Reason.PROTOCOL_ERROR, True),
    1003: (Reason.PROTOCOL_ERROR, True),
    1005: (Reason.CLOSED, False),
    1006: (Reason.CLOSED, False),
    1007: (Reason.PROTOCOL_ERROR, True),
    1008: (Reason.DENIED, True),
    1009: (Reason.PROTOCOL_ERROR, False),
    1010: (Reason.UNSUPPORTED, True),
    1011: (Reason.HUB_ERROR, False),
    1012: (Reason.GOING_AWAY, False),
    1013: (Reason.OVERLOADED, False),
    1014: (Reason.HUB_ERROR, False),
    1015: (Reason.TLS_FAILED, False),
}


def cause_of_close(code: int | None, detail: str = "") -> Cause:
    """Return what a close code means; None means that the transport ended without one (a reset)."""
    if code is None:
        return Cause(reason=Reason.CLOSED, detail=detail)
    if 4500 <= code <= 4999:
        return Cause(reason=_OURS.get(code, Reason.DENIED), final=True, code=code, detail=detail)
    if code in _OURS:
        return Cause(reason=_OURS[code], code=code, detail=detail)
    reason, final = STANDARD_CLOSE_CODES.get(code, (Reason.CLOSED, False))
    return Cause(reason=reason, final=final, code=code, detail=detail)


# HTTP statuses that mean "not you, not like this"; others, 404 among them, may pass (a deploy, a load balancer).
_FINAL_STATUSES = frozenset({400, 401, 402, 403, 405, 410, 426, 451})


def cause_of_http_status(status: int, detail: str = "", retry_after: float | None = None) -> Cause:
    """Return what an HTTP answer in place of the upgrade means."""
    final = status in _FINAL_STATUSES
    reason = Reason.DENIED if status in (401, 403) else Reason.UPGRADE_REFUSED
    if status in (429, 503):
        reason = Reason.OVERLOADED
    return Cause(reason=reason, final=final, code=status, detail=detail, retry_after=retry_after)
