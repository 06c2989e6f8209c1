"""The audit as log events: structlog, bound to the session, in the application's own configuration. The only room of structlog.

Rules: nothing is configured globally, neither in structlog nor in logging, and no record is printed where the application
configured neither. What a person must see all the same, as an observer that failed, the library logs as an error, and errors the
standard library prints on stderr where nobody configured it. Where the application configured structlog, its processors get
every event, with `session`, `connection` and `attempt` bound; otherwise the events go to the standard logger, which its own
configuration serves. A record whose level is off costs one question; structlog is loaded by the first that is on.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

LOGGER: Final = "reconnect"
BOUND: Final = ("session", "connection", "attempt")
_AT_INFO: Final = frozenset({"start", "stop", "head"})
_AT_WARNING: Final = frozenset({"observer_failed", "effect_failed", "gap", "repaired"})
_NOT_LOGGED: Final = frozenset({"record", "definition", "settings"})  # `settings` and charts are long, and stand in the journal
_HUB: Final = "hub"  # a source that writes about many members: what holds for one record does not for the next
_LEVELS: Final = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning"}


class LogSink:
    """Logs transitions at INFO, what failed at WARNING and details at DEBUG, as `step session='room-1' from='connected' ...`.

    To the standard logger the record goes along as the attribute `reconnect` of the log record, for formatters that write
    structured logs; `as_json` makes the message itself JSON. In structlog's events the chart's event is called `trigger`.
    """

    def __init__(self, name: str = LOGGER, *, as_json: bool = False) -> None:
        self._log = logging.getLogger(name)
        self._as_json = as_json
        self._ours: BoundLogger | None = None
        self._context: dict[str, dict[str, Any]] = {}  # what is bound, for each source

    def __repr__(self) -> str:
        return f"<LogSink {self._log.name}>"

    def write(self, record: dict[str, Any]) -> None:
        """Log the record, if its level is on."""
        level = level_of(record)
        theirs = _is_theirs()
        if not theirs and not (self._log.isEnabledFor(level) and self._log.hasHandlers()):
            return
        context = self._bind(record)
        fields = {key: value for key, value in record.items() if key not in _NOT_LOGGED} | context
        name = str(record.get("record", "record"))
        if theirs:
            self._tell_theirs(level, name, context, fields)
        else:
            # As one value: a record's own names, `event` among them, must not meet those of structlog.
            self._logger().log(level, name, fields=fields)

    def close(self) -> None:
        """Do nothing: handlers are the application's."""

    def _bind(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return what every event of this session carries, brought up to this record."""
        if record.get("source") == _HUB:
            return {key: record[key] for key in BOUND if record.get(key) is not None}
        context = self._context.setdefault(str(record.get("source", "")), {})
        context.update({key: record[key] for key in BOUND if record.get(key) is not None})
        told = dict(context)
        if record.get("tells") in ("connected", "reconnected", "disconnected"):
            context.pop("attempt", None)  # this outage's attempts are over
        if record.get("record") == "stop":
            del self._context[str(record.get("source", ""))]
        return told

    def _tell_theirs(self, level: int, name: str, context: dict[str, Any], fields: dict[str, Any]) -> None:
        """Hand the event to the application's structlog."""
        import structlog

        said = {key: value for key, value in fields.items() if value is not None and key not in context}
        if "event" in said:
            said["trigger"] = said.pop("event")
        getattr(structlog.get_logger(self._log.name).bind(**context), _LEVELS[level])(name, **said)

    def _logger(self) -> BoundLogger:
        if self._ours is None:
            import structlog

            # Every option is given, so that a later configuration of the application's changes nothing here.
            self._ours = structlog.wrap_logger(
                self._log,
                processors=[_as_json if self._as_json else _as_pairs],
                wrapper_class=structlog.stdlib.BoundLogger,
                context_class=dict,
                cache_logger_on_first_use=True,
            )
        return self._ours


def _is_theirs() -> bool:
    """True if the application configured structlog. It must have imported it for that."""
    structlog = sys.modules.get("structlog")
    return structlog is not None and bool(structlog.is_configured())


def level_of(record: dict[str, Any]) -> int:
    """Return the level of a record: INFO for what changed a state and for the log's own start and stop, else DEBUG."""
    kind = record.get("record")
    if kind in _AT_WARNING or record.get("what") in _AT_WARNING:
        return logging.WARNING
    changed = kind == "step" and record.get("verdict") == "taken"
    return logging.INFO if changed or kind in _AT_INFO else logging.DEBUG


Processed = tuple[tuple[str], dict[str, Any]]


def _as_pairs(logger: object, method: str, event: MutableMapping[str, Any]) -> Processed:
    """Render `event key=value`; repr keeps control characters from ending the line."""
    name, fields = event["event"], event["fields"]
    pairs = (f"{key}={value!r}" for key, value in fields.items() if value is not None)
    return (" ".join([name, *pairs]),), _attached(name, fields)


def _as_json(logger: object, method: str, event: MutableMapping[str, Any]) -> Processed:
    attached = _attached(event["event"], event["fields"])
    return (json.dumps(attached["extra"]["reconnect"]),), attached


def _attached(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"extra": {"reconnect": {"record": name, **fields}}}
