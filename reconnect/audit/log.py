"""The audit as log lines: structlog over a private standard logger. The only room of structlog.

Rules: nothing is configured globally, neither in structlog nor in logging, and an application's structlog configuration changes
nothing here. Without a logging configuration of the application only errors are printed, by logging's own last resort: an
observer that fails is not silent. A record whose level is off costs one question; structlog is loaded by the first that is on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

LOGGER: Final = "reconnect"
_AT_INFO: Final = frozenset({"start", "stop"})


class LogSink:
    """Logs transitions at INFO and details at DEBUG, as `step session='room-1' from='connected' ...`.

    The record itself goes along as the attribute `reconnect` of the log record, for formatters that write structured logs;
    `as_json` makes the message itself JSON.
    """

    def __init__(self, name: str = LOGGER, *, as_json: bool = False) -> None:
        self._log = logging.getLogger(name)
        self._as_json = as_json
        self._bound: BoundLogger | None = None

    def __repr__(self) -> str:
        return f"<LogSink {self._log.name}>"

    def write(self, record: dict[str, Any]) -> None:
        """Log the record, if its level is on."""
        level = level_of(record)
        if self._log.isEnabledFor(level):
            # As one value: a record's own names, `event` among them, must not meet those of structlog.
            fields = {key: value for key, value in record.items() if key != "record"}
            self._logger().log(level, str(record.get("record", "record")), fields=fields)

    def close(self) -> None:
        """Do nothing: handlers are the application's."""

    def _logger(self) -> BoundLogger:
        if self._bound is None:
            import structlog

            # Every option is given: one that is left out would be taken from the application's configuration of structlog.
            self._bound = structlog.wrap_logger(
                self._log,
                processors=[_as_json if self._as_json else _as_pairs],
                wrapper_class=structlog.stdlib.BoundLogger,
                context_class=dict,
                cache_logger_on_first_use=True,
            )
        return self._bound


def level_of(record: dict[str, Any]) -> int:
    """Return the level of a record: INFO for what changed a state and for the log's own start and stop, else DEBUG."""
    changed = record.get("record") == "step" and record.get("verdict") == "taken"
    return logging.INFO if changed or record.get("record") in _AT_INFO else logging.DEBUG


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
