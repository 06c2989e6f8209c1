"""What to do about it: the second half of the sentences of errors that a reason, a code or a number is enough to advise on."""

from __future__ import annotations

import errno
from typing import Final

from reconnect.reasons import Cause, Reason, RejectCode

_GATEWAY: Final = "what stands before the hub wants credentials of its own"
_NO_HUB: Final = "what answers there is no hub of this library; check host and port"

# What to do about a connect() that failed, where the reason is enough to know.
_REMEDIES: Final[dict[Reason, str]] = {
    Reason.UNREACHABLE: "check host and port, and that a hub runs there: `reconnect serve --dev` starts one",
    Reason.UPGRADE_REFUSED: _NO_HUB,
    Reason.UNSUPPORTED: _NO_HUB,
    Reason.DEADLINE: "check host and port: nothing there answers as a hub does",
    Reason.CLOSED: "check host and port, and whether the hub speaks ws:// or wss://",
    Reason.TLS_FAILED: "check the certificate, and whether the hub speaks ws:// or wss://",
    Reason.DENIED: "a token must be made with the secret of this very hub, as `reconnect token` does",
    Reason.WRONG_SESSION: "join the session that the token was made for, or make a token for this one",
    Reason.TOKEN_UNAVAILABLE: (
        "mend the callable that was given as `token`: what it raised is the __cause__ of this error; "
        "with retry_initial=True connect() asks it again by itself"
    ),
    Reason.TOKEN_EXPIRED: "make a new token, or give a callable as `token`: it is asked at each attempt",
    Reason.OVERLOADED: "try again later; with retry_initial=True connect() does so by itself",
    Reason.GOING_AWAY: "try again later; with retry_initial=True connect() does so by itself",
    Reason.SILENT: "try again later; with retry_initial=True connect() does so by itself",
    Reason.HUB_ERROR: "look into the hub's log, and try again later; with retry_initial=True connect() does so by itself",
    Reason.PROTOCOL_ERROR: "hub and client must be of versions that fit each other",
    Reason.KICKED: "a moderator or the server removed this member; a new connection is let in once the hub's grace is over",
    Reason.TAKEN_OVER: "another client goes by the id of this one's Outbox: give each client an Outbox of its own",
    Reason.SESSION_ENDED: "the hub ended this session for everyone: join another one, or ask whoever runs the hub",
    Reason.GAVE_UP: "give the policy more time, or choose RetryPolicy.forever()",
    Reason.POLICY_ERROR: "mend the policy that was given as `retry`",
    Reason.SERVER_SAID_STOP: "ask whoever runs the hub when to come back: no delay was given that can be waited for",
    Reason.AUDIT_FAILED: "see that the file of the audit can be written, or give another one as `audit`",
}


def remedy_for(cause: Cause) -> str:
    """Return what to do about a cause, nothing where its own detail says so (behind a semicolon) or there is nothing to do."""
    if "; " in cause.detail:
        return ""
    return _GATEWAY if cause.code in (401, 403) else _REMEDIES.get(cause.reason, "")


# What an answer means that came without a sentence of its own, and what to do about it.
ANSWERS: Final[dict[RejectCode | Reason, tuple[str, str]]] = {
    RejectCode.INVALID: ("the hub does not take it in this form", "see docs/reference/limits.md for what it takes"),
    RejectCode.TOO_LARGE: ("it is larger than the hub allows", "send it in parts"),
    RejectCode.FORBIDDEN: ("the role of this member does not allow it", "make its token with a role that does"),
    RejectCode.NO_SUCH_CONNECTION: (
        "nobody in the session has this connection, or it is gone for good",
        "session.members has those who are there; who joins anew has another connection",
    ),
    RejectCode.NO_SUCH_STREAM: ("nobody publishes this stream, or it is over", "session.streams has those that there are"),
    RejectCode.EXPIRED: ("its time to live ran out on the way", "give it more time"),
    RejectCode.LIMIT: ("a limit of the hub is reached", "try again later, or raise the limit at the hub"),
    RejectCode.LOG_FAILED: ("the hub's log could not store it", "try again"),
    Reason.POISON: ("sending it ended two transports in a row", "send something else, and look into the hub's log"),
    Reason.OVERFLOW: ("the outbox was full", "await session.wait_room() before, or raise the bounds of the Outbox"),
    Reason.UNPUBLISHED: ("its publisher ended the stream", "session.streams has those that there are"),
    Reason.NETWORK_DISCONNECTED: (
        "the publisher of the stream did not come back in time",
        "subscribe to the next one that it publishes",
    ),
    Reason.NOT_RESUMED: ("the connection that the answer would come to was lost", "ask again"),
    Reason.STORE_FAILED: ("the file of the outbox could not keep it", "see that the file can be written, and try again"),
}
ENDED: Final = ("the session ended meanwhile", "await session.connect() before you try again")

# Of a serve() that the system refused, by `errno`.
LISTENING: Final[dict[int | None, str]] = {
    errno.EADDRINUSE: "another program listens there, perhaps another hub: stop it, or choose another port; 0 takes a free one",
    errno.EACCES: "this port needs special rights: choose one from 1024 on; 0 takes a free one",
}
