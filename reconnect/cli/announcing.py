"""What a hub announces, for whoever runs it: one line an event in words, or the same as JSON lines.

It is an audit sink, so it sees what an audit sees: neither tokens nor secrets nor payloads. Steps of charts are not shown; of two
announcements that say the same, one is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol, TextIO

from reconnect.cli.lines import Lines, print_json, printable, time_of_day, utc_now
from reconnect.cli.output import PrintFailed, forget_stdout

STYLES: Final = {
    "listening": "bold green",
    "joined": "green",
    "returned": "green",
    "dropped": "yellow",
    "expired": "red",
    "kicked": "red",
    "refused": "red",
    "not_resumed": "yellow",
    "superseded_secret": "red",
    "log_failed": "bold red",
    "log_recovered": "green",
    "draining": "bold",
    "stopped": "bold",
    "warning": "yellow",
}
LEFT: Final = {
    "client_disconnected": "left {}",
    "replaced": "joined {} anew, and its old place ended",
}
FIELDS: Final = ("session", "connection", "client_id", "role", "link", "reason", "detail")


def words(record: dict[str, Any]) -> str:
    """Return what an announcement means, in a sentence."""
    what, reason, detail = record["what"], record.get("reason"), record.get("detail") or ""
    where = record.get("session")
    match what:
        case "joined":
            return f"joined {where} as a {record.get('role')}"
        case "dropped" if reason == "going_away":
            return f"was sent away from {where}: this hub stops"
        case "dropped":
            return f"lost its link to {where} ({reason}); its place is kept"
        case "returned":
            return f"is back in {where}, on the same connection"
        case "left":
            return LEFT.get(str(reason), f"left {{}} ({reason})").format(where)
        case "expired":
            return f"did not come back to {where} in time; its place is given up"
        case "kicked":
            return f"was removed from {where}"
        case "not_resumed":
            return f"asked for its old connection, and gets a new one ({reason})"
        case "superseded_secret":
            return f"a secret of the past was presented for a connection of {where}"
        case "muted":
            return f"a moderator changed a stream in {where}: {detail}"
        case "refused" | "link_closed":
            return f"{detail or reason} ({reason})"
        case "log_failed":
            return f"the log of {where} cannot be written ({detail})"
        case "log_recovered":
            return f"the log of {where} can be written again"
        case "log_restarted":
            return f"the log of {where} began anew; members are told that there is a gap"
        case "session_forgotten":
            return f"{where} is over: nobody is in it any more"
        case "slept":
            return f"this machine slept for {detail}"
        case _:
            return str(detail)


class Journal(Protocol):
    """Where a hub's events go: an audit sink that also takes the events of the command itself."""

    def tell(self, what: str, sentence: str, **facts: Any) -> None: ...
    def write(self, record: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class UnbrokenJournal:
    """Another journal, until nobody reads it any more: a hub goes on without being watched.

    What cannot be printed is tried anew with each event, and `warn` is told once. Where not even the first event of the command
    itself can be told, PrintFailed is raised: a hub of which nobody heard where it listens is of no use.
    """

    def __init__(self, journal: Journal, warn: Callable[[str], None]) -> None:
        self._journal: Journal | None = journal
        self._warn = warn
        self._heard = self._warned = False

    def tell(self, what: str, sentence: str, **facts: Any) -> None:
        """Pass on an event of the command itself."""
        self._each(lambda journal: journal.tell(what, sentence, **facts), first=not self._heard)
        self._heard = True

    def write(self, record: dict[str, Any]) -> None:
        """Pass on an announcement of the hub."""
        self._each(lambda journal: journal.write(record))

    def close(self) -> None:
        """Do nothing: stdout is not ours to close."""

    def _each(self, do: Callable[[Journal], None], *, first: bool = False) -> None:
        if self._journal is None:
            return
        try:
            do(self._journal)
        except PrintFailed as failure:
            if first:
                self._journal = None  # what ends with the hub is not told either
                raise
            if failure.unheard:
                forget_stdout()
                self._journal = None
            elif not self._warned:
                self._warned = True
                self._warn(f"{failure}; the hub goes on, and what happens to it is not shown meanwhile")


class JsonJournal:
    """Prints each event as one JSON object on a line of its own."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def tell(self, what: str, sentence: str, **facts: Any) -> None:
        """Print an event of the command itself; the sentence is for people."""
        print_json(self._out, {"at": utc_now(), "event": what, **facts})

    def write(self, record: dict[str, Any]) -> None:
        """Print an announcement of the hub."""
        if is_news(record):
            facts = {name: record[name] for name in FIELDS if record.get(name) not in (None, "")}
            print_json(self._out, {"at": record["wall"], "event": record["what"], **facts})

    def close(self) -> None:
        """Do nothing: stdout is not ours to close."""


class TerminalJournal:
    """Prints each event as one aligned line."""

    def __init__(self, lines: Lines | None = None) -> None:
        self.lines = lines or Lines()
        self._refused: int | None = None

    def tell(self, what: str, sentence: str, **facts: Any) -> None:
        """Print an event of the command itself."""
        if what == "stopping":
            self.lines.break_line()
        self.lines.put(time_of_day(), "hub", what, sentence, style=STYLES.get(what, ""))

    def write(self, record: dict[str, Any]) -> None:
        """Print an announcement of the hub."""
        if not is_news(record) or self._is_told_otherwise(record):
            return
        what, who = record["what"], record.get("client_id")
        at = time_of_day(datetime.fromisoformat(record["wall"]))
        name, sentence = what.replace("_", " "), printable(words(record))
        if who is None and record.get("link") is not None:
            who = f"link {record['link']}"
        self.lines.put(at, printable(who or "hub"), name, sentence, style=STYLES.get(what, ""))

    def close(self) -> None:
        """Do nothing: the terminal is not ours to close."""

    def _is_told_otherwise(self, record: dict[str, Any]) -> bool:
        """True for what another announcement of the same event says better."""
        match record["what"]:
            case "left":
                return record.get("reason") in ("kicked", "network_disconnected")  # `kicked` and `expired` follow
            case "refused":
                self._refused = record.get("link")
            case "link_closed":
                # Of a member, the loss itself is announced; of one that was refused, the refusal.
                return record.get("client_id") is not None or record.get("link") == self._refused
            case "draining":
                return True  # it was we who asked
        return False


def is_news(record: dict[str, Any]) -> bool:
    """True for what happened to members and links; False for steps, and for what heads and ends an audit."""
    return record.get("record") == "note" and "what" in record
