"""The errors of the library, one tree.

    ReconnectError
    ├── ChartError             a chart is not usable (file, row, problem, remedy)
    │   ├── ChartUnreadable    the file cannot be read, is not TOML, or a key is unknown or of the wrong type
    │   ├── UnknownTarget      a row, timer or initial names a state or an event that is not there
    │   ├── UnreachableState   no way leads to a state
    │   ├── UndecidedPair      a (state, event) pair that is no row, no ignore and no refusal
    │   ├── DuplicateRow       a (state, event) pair that is decided twice, or two events that mean the same
    │   ├── UnknownAction      an effect that the chart does not declare, or that the machine does not know
    │   ├── OwnDescendant      a transition from a state into its own descendant
    │   ├── UnreadyTwins       twin states whose rows differ where they may not
    │   ├── UnmetTells         a row that tells something and does not enter exactly one `notify`
    │   ├── UnfitTimer         a timer whose event is no timer event, or whose duration comes from nowhere
    │   ├── UnusedName         an action or a timer is declared and nothing asks for it
    │   ├── CrowdedLevel       more states beside each other than a reader can hold
    │   └── ChartUnfit         a sound chart that cannot do this job (a role or an event is missing)
    ├── IllegalTransition      an event that the chart refuses in this state; nothing was changed
    ├── BadArgument            a value that the caller gave is not usable (also a ValueError)
    │   ├── BadSignal          type, data, address or ttl of a signal
    │   ├── BadUrl             not a WebSocket address
    │   └── UnknownEventName   `on()` was given a name that no event has
    ├── NotConnected           the call needs a session that is connected or coming back
    ├── WrongLoop              a session was used from another thread, or on another event loop than its own (also a RuntimeError)
    ├── OutboxFull             the bound on signals or bytes is reached, and the policy is to raise
    ├── OutboxFailed           the file of an outbox cannot be used, or could not keep a signal (path, problem, serials)
    │   ├── OutboxInUse        another program, or another Outbox of this one, has the file open
    │   └── OutboxUnreadable   the file is damaged beyond reading, of a newer version, or no outbox at all
    ├── ConnectFailed          connect() did not reach `connected` (cause)
    ├── RequestFailed          a request was refused, or the link dropped before its answer (code, possibly_sent)
    │   ├── RequestTimedOut    no answer came in time (also a TimeoutError)
    │   └── AnswerFailed       the member that was asked has no answer (detail)
    ├── DrainTimedOut          drain() waited in vain; signals are still without an outcome (also a TimeoutError)
    ├── TransportFailed        a transport could not be opened, or ended (cause); transports raise it, retry policies see it
    ├── MalformedMessage       what arrived does not follow the wire format
    ├── TokenRejected          a token that cannot be accepted (reason)
    ├── AuditFailed            an audit file cannot be written or read (path, problem)
    ├── HubClosed              the hub is not serving
    ├── ListenFailed           serve() cannot listen at this address (host, port; also an OSError)
    └── DrawingUnavailable     a picture cannot be laid out: the extra `diagrams` is not installed as pinned (problem)

Sentences are lower case, without a full stop; what a program needs is in attributes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from reconnect.reasons import Reason
from reconnect.remedies import ANSWERS, ENDED, LISTENING, remedy_for

if TYPE_CHECKING:
    from reconnect.reasons import Cause, RejectCode


def shown_url(url: str) -> str:
    """Return an address without what may be secret in it: credentials and query."""
    if "@" not in url and "?" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    host = parts.netloc.rpartition("@")[2]
    return SplitResult(parts.scheme, host, parts.path, "..." if parts.query else "", parts.fragment).geturl()


class ReconnectError(Exception):
    """The root of every error that this library raises on purpose."""


class ChartError(ReconnectError):
    """A chart is not usable: `file`, `row` (as `transitions[3]`, or None), `problem`, `remedy`."""

    def __init__(self, problem: str, *, file: Path | str, row: str | None = None, remedy: str = "") -> None:
        self.file, self.row, self.problem, self.remedy = str(file), row, problem, remedy
        place = f"{self.file}, {row}" if row else self.file
        super().__init__(f"{place}: {problem}" + (f"; {remedy}" if remedy else ""))


class ChartUnreadable(ChartError):
    """The file cannot be read, is not TOML, or a key is unknown, missing or of the wrong type."""


class UnknownTarget(ChartError):
    """A row, a timer or an `initial` names a state or an event that the chart does not have."""


class UnreachableState(ChartError):
    """No sequence of events leads from the initial state to this one."""


class UndecidedPair(ChartError):
    """A (state, event) pair is neither a row nor an ignore nor a refusal."""


class DuplicateRow(ChartError):
    """A (state, event) pair is decided twice, or two events mean the same."""


class UnknownAction(ChartError):
    """An effect that the chart does not declare under `[actions]`, or that no code performs."""


class OwnDescendant(ChartError):
    """A transition from a state into its own descendant, which SCXML and `transitions` read differently."""


class UnreadyTwins(ChartError):
    """Twin states whose rows differ where `[[twins]]` does not allow it."""


class UnmetTells(ChartError):
    """A row tells something, and what it enters asks for `notify` not exactly once."""


class UnfitTimer(ChartError):
    """A timer's event is not of the kind timer, or its duration comes from nowhere."""


class UnusedName(ChartError):
    """An action or a timer is declared, and no state and no row asks for it."""


class CrowdedLevel(ChartError):
    """More states stand beside each other than a reader can hold."""


class ChartUnfit(ChartError):
    """The chart is sound, but the machine that should run on it needs something that it lacks."""


class IllegalTransition(ReconnectError):
    """The chart refuses `event` in `state`; nothing was changed."""

    def __init__(self, *, chart: str, state: str, event: str) -> None:
        self.chart, self.state, self.event = chart, state, event
        super().__init__(f"{chart} does not take {event} in state {state}")


class BadArgument(ReconnectError, ValueError):
    """A value that the caller gave is not usable."""


class BadSignal(BadArgument):
    """The type, data, address or ttl of a signal is outside the limits; `code` is what a hub would have answered."""

    def __init__(self, sentence: str, *, code: RejectCode) -> None:
        self.code = code
        super().__init__(sentence)


class BadUrl(BadArgument):
    """The address is not a WebSocket address."""

    def __init__(self, url: str, problem: str) -> None:
        self.url = shown_url(url)
        super().__init__(f"{self.url!r} is not usable: {problem}; write it as ws://host:port or wss://host")


class UnknownEventName(BadArgument):
    """No event has this name."""

    def __init__(self, name: str, known: list[str], nearest: str | None = None) -> None:
        self.name, self.known, self.nearest = name, known, nearest
        hint = f"did you mean {nearest!r}?" if nearest else f"there are: {', '.join(known)}"
        super().__init__(f"there is no event named {name!r}; {hint}")


class NotConnected(ReconnectError):
    """The call needs a session that is connected or on its way back; `state` says where it is."""

    def __init__(self, call: str, state: str) -> None:
        self.call, self.state = call, state
        super().__init__(f"{call} needs a connected session, and this one is {state}; await session.connect() first")


class WrongLoop(ReconnectError, RuntimeError):
    """The call came from another thread, or on another event loop, than the one that the session runs on."""

    def __init__(self, call: str) -> None:
        self.call = call
        super().__init__(
            f"{call} was called outside the event loop that the session runs on; "
            "keep a session within one asyncio.run(), and from another thread use "
            "loop.call_soon_threadsafe() or asyncio.run_coroutine_threadsafe()"
        )


class OutboxFull(ReconnectError):
    """The outbox holds `signals` signals and `size` bytes and takes no more."""

    def __init__(self, *, signals: int, size: int, limit: str) -> None:
        self.signals, self.size, self.limit = signals, size, limit
        super().__init__(
            f"the outbox is full ({limit}): it holds {signals} signals, {size} bytes; "
            "await session.wait_room(), raise its bounds, or choose overflow='drop_oldest'"
        )


class OutboxFailed(ReconnectError):
    """The file `path` of an outbox cannot be used, or did not take signals: `serials` are those that were not kept.

    `certain` is False where the disk failed in such a way that it may have kept them all the same.
    """

    def __init__(
        self, path: Path | str, problem: str, remedy: str, *, serials: tuple[int, ...] = (), certain: bool = True
    ) -> None:
        self.path, self.problem, self.remedy = str(path), problem, remedy
        self.serials, self.certain = serials, certain
        super().__init__(f"outbox file {self.path}: {problem}; {remedy}")

    def about(self, serials: tuple[int, ...]) -> OutboxFailed:
        """Return the same error about these signals."""
        return type(self)(self.path, self.problem, self.remedy, serials=serials, certain=self.certain)


class OutboxInUse(OutboxFailed):
    """Another program, or another Outbox of this one, has the file open; that one is not disturbed."""


class OutboxUnreadable(OutboxFailed):
    """The file is damaged beyond reading, was written by a newer version, or is no outbox at all. It was not changed."""


class ConnectFailed(ReconnectError):
    """connect() did not reach `connected`; `cause` says why and `reason` names it."""

    def __init__(self, cause: Cause, url: str) -> None:
        self.cause, self.reason, self.url = cause, cause.reason, shown_url(url)
        detail = f": {cause.detail}" if cause.detail else ""
        remedy = remedy_for(cause)
        super().__init__(f"could not connect to {self.url} ({cause.reason}){detail}" + (f"; {remedy}" if remedy else ""))


class RequestFailed(ReconnectError):
    """A request did not succeed: `code` is the hub's answer, or None where the link dropped before it came."""

    def __init__(self, request: str, *, code: RejectCode | Reason | None, detail: str = "", possibly_sent: bool = False) -> None:
        self.request, self.code, self.possibly_sent = request, code, possibly_sent
        meaning, remedy = ANSWERS.get(code, ENDED) if code else ("the connection dropped before the answer", "")
        done = " (it may have been done)" if possibly_sent else ""
        named = "" if detail or not code else f" ({code})"
        more = f"; {remedy}" if remedy and "; " not in detail else ""
        super().__init__(f"{request} failed{named}: {detail or meaning}{done}{more}")


class RequestTimedOut(RequestFailed, TimeoutError):
    """No answer to a request came within `seconds`."""

    def __init__(self, request: str, *, seconds: float, possibly_sent: bool) -> None:
        self.seconds = seconds
        super().__init__(request, code=None, detail=f"no answer came within {seconds:g} s", possibly_sent=possibly_sent)


class AnswerFailed(RequestFailed):
    """The member that was asked has no answer, and says why in `detail`; whoever answers raises it with that sentence."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__("request()", code=None, detail=detail)


class DrainTimedOut(ReconnectError, TimeoutError):
    """drain() waited `seconds`, and `pending` signals have no outcome yet; they stay in the outbox."""

    def __init__(self, *, pending: int, seconds: float) -> None:
        self.pending, self.seconds = pending, seconds
        super().__init__(f"drain() waited {seconds:g} s, and {pending} signals have no outcome yet; they stay in the outbox")


class TransportFailed(ReconnectError):
    """A transport could not be opened, or ended; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        self.cause = cause
        super().__init__(f"{cause.reason}" + (f": {cause.detail}" if cause.detail else ""))


class MalformedMessage(ReconnectError):
    """What arrived does not follow the wire format."""


class TokenRejected(ReconnectError):
    """A token cannot be accepted; `reason` says which rule it breaks."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        super().__init__(detail)


class AuditFailed(ReconnectError):
    """An audit file cannot be written or read; `path` and `problem` say which and why."""

    def __init__(self, path: Path | str, problem: str, remedy: str) -> None:
        self.path, self.problem = str(path), problem
        super().__init__(f"audit file {self.path}: {problem}; {remedy}")


class HubClosed(ReconnectError):
    """The hub is not serving."""


class ListenFailed(ReconnectError, OSError):
    """Nothing can listen at `host` and `port`; `errno` says why, as for the error of the system that is its `__cause__`."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        # A resolver's numbers are negative, and its own words are plain; asyncio's repeat the address.
        problem = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        remedy = LISTENING.get(error.errno, "host must be an address of this machine, as 127.0.0.1 or 0.0.0.0")
        super().__init__(f"cannot listen on {host}, port {port}: {problem}; {remedy}")
        self.host, self.port = host, port
        self.errno, self.strerror = error.errno, problem  # which OSError would put together to a sentence of its own

    def __str__(self) -> str:
        return str(self.args[0])


class DrawingUnavailable(ReconnectError):
    """A picture cannot be laid out here; `problem` says what of the extra `diagrams` is missing."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        super().__init__(f"a picture cannot be drawn: {problem}; {remedy}")
