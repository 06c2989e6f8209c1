"""`reasons.md`, `close-codes.md` and `errors.md`: the closed lists and the tree of errors."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus
from textwrap import dedent

import reconnect
from docs.generate.source import beside, code, doc, members, page, sentence, table
from reconnect import errors
from reconnect.reasons import (
    FINAL,
    STANDARD_CLOSE_CODES,
    Cause,
    CloseCode,
    OutcomeStatus,
    Reason,
    RejectCode,
    ResumeRefusal,
    cause_of_close,
    cause_of_http_status,
)

REASONS = """
These lists are closed: what an event, an outcome, an error or the audit says is one of these words, never free text. Each is
a `StrEnum`, so `event.reason == "silent"` and `event.reason is Reason.SILENT` both work.

*Final* reasons are a hub's answers after which coming back is pointless: the session ends whatever the retry policy would
say. After any other the policy is asked.
"""

OUTCOMES = """
A signal ends in exactly one of these, exactly once. `delivered` says nothing about receivers: the signal is in the session's
log, and reaches whoever is a member, in order.
"""

CLOSE_CODES = """
A close code says whether to come back. Codes from 4000 to 4499 come back, codes from 4500 to 4999 do not; this holds for
codes that are not listed, too. The hub sends the frame `refused` before it closes, so that reason and delay are known, and a
code alone is enough.
"""

HTTP = """
A `Retry-After` header is obeyed. Statuses that are not listed are `upgrade_refused`, and come back: a proxy or a deploy may
pass.
"""

# RFC 6455, section 7.4.1, and the IANA registry of WebSocket close codes.
STANDARD_NAMES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no status received",
    1006: "abnormal closure",
    1007: "invalid frame payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake",
}

ERRORS = """
Every error that this library raises on purpose is a `ReconnectError`. Its sentence says what was wrong and what to do; what
a program needs is in attributes. A caller's mistake is a `BadArgument`, which is a `ValueError` too. What happens to a
signal is never an error: it is the [outcome](reasons.md#outcomes-of-a-signal) that its receipt gives.
"""


def reasons_page() -> str:
    """Return the page of reasons, outcomes and refusals."""
    return page(
        "Reasons",
        REASONS,
        "## Reasons of a loss or an end",
        *_reasons(),
        "## Outcomes of a signal",
        OUTCOMES,
        _listed(OutcomeStatus, "status"),
        "## Codes of a rejection",
        doc(RejectCode),
        _listed(RejectCode, "code"),
        "## Refusals of a resume",
        f"{doc(ResumeRefusal)} It stands in `reconnected.not_resumed`.",
        _listed(ResumeRefusal, "refusal"),
    )


def _reasons() -> Iterator[str]:
    own = beside(sys.modules[Reason.__module__])
    titles: dict[str, list[list[str]]] = {}
    for name, line, text in own.names(own.in_class(Reason.__name__).body):
        reason = Reason[name]
        row = [code(reason.value), "final" if reason in FINAL else "", sentence(text)]
        titles.setdefault(own.heading(line), []).append(row)
    for title, rows in titles.items():
        yield f"### {title.rstrip('.')}"
        yield table(["reason", "", "meaning"], rows)


def _listed(enum: type[Enum], head: str) -> str:
    meanings = members(enum)
    return table([head, "meaning"], ([code(one.value), sentence(meanings[one.name])] for one in enum))


def close_codes_page() -> str:
    """Return the page of close codes and HTTP answers."""
    ours = members(CloseCode)
    return page(
        "Close codes",
        CLOSE_CODES,
        "## Ours",
        table(
            ["code", "name", "reason", "comes back", "meaning"],
            ([code(int(one)), code(one.name), *_verdict(cause_of_close(one)), sentence(ours[one.name])] for one in CloseCode),
        ),
        "## The standard's",
        "From RFC 6455, section 7.4.1, and its registry. A standard code that is not listed counts as `closed`, and comes back.",
        table(
            ["code", "the standard's name", "reason", "comes back"],
            ([code(number), STANDARD_NAMES[number], *_verdict(cause_of_close(number))] for number in STANDARD_CLOSE_CODES),
        ),
        f"A transport that ends without a close frame counts as `{cause_of_close(None).reason}`, and comes back.",
        "## An HTTP answer in place of the WebSocket",
        HTTP,
        table(
            ["status", "the standard's name", "reason", "comes back"],
            ([code(int(status)), status.phrase, *_verdict(cause_of_http_status(status))] for status in _telling_statuses()),
        ),
    )


def _verdict(cause: Cause) -> list[str]:
    return [code(cause.reason), "no" if cause.final else "yes"]


def _telling_statuses() -> Iterator[HTTPStatus]:
    usual = cause_of_http_status(HTTPStatus.NOT_FOUND)
    for status in HTTPStatus:
        cause = cause_of_http_status(status)
        if status >= 400 and (cause.final, cause.reason) != (usual.final, usual.reason):
            yield status


def errors_page() -> str:
    """Return the page of errors."""
    tree = dedent((errors.__doc__ or "").split("\n\n")[1])
    listed = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ReconnectError)]
    public = [kind for kind in listed if kind.__name__ in reconnect.__all__]
    return page(
        "Errors",
        ERRORS,
        "## The tree",
        f"```text\n{tree}\n```",
        "## Public errors",
        "These are names of `reconnect` itself.",
        table(["error", "is a", "attributes", "meaning"], map(_error, public)),
        "## Others",
        "These are names of `reconnect.errors`. The ones below `ChartError` say which rule a chart breaks.",
        table(["error", "is a", "attributes", "meaning"], (_error(kind) for kind in listed if kind not in public)),
    )


def _error(kind: type[errors.ReconnectError]) -> list[str]:
    bases = ", ".join(code(base.__name__) for base in kind.__bases__)
    return [code(kind.__name__), bases, ", ".join(map(code, _attributes(kind))), doc(kind).replace("\n\n", "<br>")]


def _attributes(kind: type[errors.ReconnectError]) -> list[str]:
    """Return the attributes that an error's `__init__` sets, those of its bases included."""
    own = beside(errors)
    bases = [base for base in reversed(kind.__mro__) if issubclass(base, errors.ReconnectError)]
    nodes = (node for base in bases for node in ast.walk(own.in_class(base.__name__)))
    stored = [node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return list(dict.fromkeys(stored))
