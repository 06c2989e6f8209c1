"""What a failure of the `websockets` library means: the one place where its exceptions become Causes."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidProxy,
    InvalidStatus,
    NegotiationError,
    ProxyError,
)

from reconnect.reasons import Cause, Reason, cause_of_close, cause_of_http_status


def cause_of_failed_dial(error: Exception, wall: Callable[[], float]) -> Cause:
    """Return why no transport could be opened. What is not known here may pass, so it comes back."""
    match error:
        case ssl.SSLError():
            return Cause(reason=Reason.TLS_FAILED, detail=_tls_detail(error))
        case InvalidStatus():
            status, headers = error.response.status_code, error.response.headers
            return cause_of_http_status(status, _http_detail(status), _seconds(headers.get("Retry-After"), wall))
        case NegotiationError():
            return unsupported("the hub chose something else than it was offered")
        case ProxyError() | InvalidProxy() | ImportError():
            return Cause(reason=Reason.UNREACHABLE, detail=f"the proxy cannot be used: {type(error).__name__}")
        case InvalidMessage() if isinstance(error.__cause__, EOFError | ConnectionError):
            return Cause(reason=Reason.CLOSED, detail="the connection was closed before the WebSocket was open")
        case InvalidHandshake():
            return Cause(reason=Reason.UPGRADE_REFUSED, detail="the answer is not a WebSocket handshake")
        case ConnectionError() if error.errno is None:  # asyncio's own, where TLS was not answered with TLS
            return Cause(reason=Reason.CLOSED, detail="the connection was closed before the WebSocket was open")
        case OSError():
            return Cause(reason=Reason.UNREACHABLE, detail=_network_detail(error))
        case _:
            return Cause(reason=Reason.UNREACHABLE, detail=type(error).__name__)


def unsupported(detail: str) -> Cause:
    """Return the cause for a hub that does not speak our protocol."""
    return Cause(reason=Reason.UNSUPPORTED, final=True, detail=detail)


def cause_of_closed(closed: ConnectionClosed) -> Cause:
    """Return why an open transport ended: by the close frame that came first, or without any."""
    first = closed.sent if closed.rcvd is None or (closed.sent and not closed.rcvd_then_sent) else closed.rcvd
    if first:
        return cause_of_close(first.code, first.reason)
    lost = closed.__cause__
    return cause_of_close(None, (lost.strerror or str(lost)) if isinstance(lost, OSError) else "the connection was lost")


def _network_detail(error: OSError) -> str:
    """Return what the system says of a failed dial; of several addresses (localhost has two) each answer once."""
    numbers = dict.fromkeys(map(int, re.findall(r"\[Errno (\d+)\]", str(error))))
    if numbers:
        return ", ".join(os.strerror(number) for number in numbers)
    return error.strerror or str(error) or type(error).__name__


def _tls_detail(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not acceptable: {error.verify_message}"
    return (getattr(error, "reason", None) or "the handshake failed").replace("_", " ").lower()


def _http_detail(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _seconds(header: str | None, wall: Callable[[], float]) -> float | None:
    """Return the delay of a Retry-After (RFC 9110, section 10.2.3), None where it is none or cannot be read."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - wall())
    except (ValueError, OverflowError):
        return None
