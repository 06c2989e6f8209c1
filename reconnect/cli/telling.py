"""What a terminal member is told, in words or as JSON lines: one line for each event.

An entry is a mapping of JSON values: `at` (when, in UTC), `who` (a name, `hub` or `network`), `event`, and what belongs to it.
What the demo tells of its members is told in the same words here.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any, Final, Protocol, TextIO

from reconnect.cli.durations import counted
from reconnect.cli.lines import Lines, print_json, printable, time_of_day
from reconnect.cli.show import STYLES as DEMO_STYLES
from reconnect.cli.show import words as demo_words

EVENT_COLUMNS: Final = 23
STYLES: Final = DEMO_STYLES | {
    "error": "bold red",
    "not delivered": "bold red",
    "held": "yellow",
    "connection_created": "green",
    "connection_interrupted": "yellow",
    "connection_restored": "green",
    "connection_destroyed": "dim",
    "stream_created": "green",
    "stream_interrupted": "yellow",
    "stream_restored": "green",
    "stream_destroyed": "dim",
}
WHY: Final = {
    "opted_out": "worthless if late, and the link was away",
    "client_disconnected": "you left before it was sent",
    "gave_up": "the hub could not be reached again",
    "kicked": "you were removed from the session",
    "forbidden": "this token lets you receive only; a publisher's lets you send",
    "no_such_connection": "who it was for is not in the session",
    "expired": "its time to live ran out",
    "log_failed": "the hub could not store it; try again",
    "limit": "the hub has no room for more of them",
}


WHAT_TO_DO: Final = {
    "denied": "the hub may run with another secret by now; join again with a token of this one, as `reconnect serve --dev` "
    "prints, and `reconnect token` makes",
    "wrong_session": "join the session that the token is for, or make a token for this one with `reconnect token`",
    "token_expired": "make a new token with `reconnect token`, and join again",
    "taken_over": "somebody else came with this token's place; join again for a place of your own",
    "gave_up": "see that the hub runs, and join again",
}


class Show(Protocol):
    """Where the entries go."""

    def event(self, entry: dict[str, Any]) -> None: ...


class JsonLines:
    """Prints each entry as one JSON object on a line of its own."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def event(self, entry: dict[str, Any]) -> None:
        """Print an entry."""
        print_json(self._out, entry)


class TerminalLines:
    """Prints each entry as one aligned line; a delivered signal is not told, for it comes back to its sender as well."""

    def __init__(self, me: str, lines: Lines | None = None) -> None:
        self._me = me
        self.lines = lines or Lines(event_columns=EVENT_COLUMNS)

    def event(self, entry: dict[str, Any]) -> None:
        """Print an entry."""
        event, who = str(entry["event"]), str(entry["who"])
        if event == "help":
            for command, meaning in entry["commands"].items():
                self.lines.say(f"  {command:<21}{meaning}")
            return
        if event == "outcome":
            if entry["status"] == "delivered":
                return
            event = "not delivered"
        _, dot, name = event.rpartition(".")
        self.lines.put(
            time_of_day(datetime.fromisoformat(entry["at"])),
            printable(who),
            f"stream {name}" if dot else event.replace("_", " "),
            "\n".join(printable(row) for row in words(entry).split("\n")),
            who_style="bold" if who == "network" else "cyan" if who == self._me else "magenta",
            style=STYLES.get(name, ""),
        )


def words(entry: dict[str, Any]) -> str:
    """Return what an entry means, in a sentence; lists have a line for each item."""
    event, reason = entry["event"], entry.get("reason")
    match event:
        case "signal":
            return _signal(entry)
        case "outcome":
            return _outcome(entry)
        case "held":
            return f"sent when the link is back: {_one_line(entry['text'])}"
        case "error":
            return str(entry["sentence"])
        case "connection_created":
            return f"is in the session, as a {entry['role']}"
        case "connection_interrupted" if reason == "going_away":
            return "was sent away: the hub stops"
        case "connection_interrupted":
            return f"lost its link ({reason}); its place is kept"
        case "connection_restored":
            return "is back"
        case "connection_destroyed":
            return f"is gone ({reason})"
        case "members":
            return "\n".join(_member(member) for member in entry["members"])
        case "streams":
            return "\n".join(_stream(stream) for stream in entry["streams"]) or "nobody publishes a stream"
        case "statistics":
            return _statistics(entry)
        case _ if "stream" in entry:
            return _of_stream(entry)
        case "disconnected" if reason == "client_disconnected":
            return "left the session"
        case "disconnected":
            detail, remedy = entry.get("detail"), WHAT_TO_DO.get(str(reason))
            return f"out of the session ({reason}{f': {detail}' if detail else ''}){f'; {remedy}' if remedy else ''}"
        case "updated":
            return f"this machine slept for {entry['seconds']:.0f} s" if entry["what"] == "slept" else f"new {entry['what']}"
        case _:
            return demo_words(entry)


def _one_line(text: str) -> str:
    """A line break in what was said is no new row of ours."""
    return text.replace("\n", "\\n")


def _signal(entry: dict[str, Any]) -> str:
    data = entry["data"]
    text = _one_line(data) if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    kind = "" if entry["type"] == "chat" else f"{entry['type'] or 'no type'}: "
    return f"{kind}{text}{' (possibly a repeat)' if entry['repeat'] else ''}"


def _outcome(entry: dict[str, Any]) -> str:
    cause = entry["code"] or entry["reason"] or ""
    why = WHY.get(cause, cause)
    maybe = "; it may have been sent" if entry["possibly_sent"] else ""
    return f"{entry['status']} ({why}{maybe}): {_one_line(entry['text'])}"


def _member(member: dict[str, Any]) -> str:
    marks = [word for word, holds in (("you", member["you"]), ("away", member["away"])) if holds]
    return f"{_one_line(member['name'])}, {member['role']}{''.join(f', {mark}' for mark in marks)}"


def _stream(stream: dict[str, Any]) -> str:
    marks = "".join(f", {word}" for word in ("away", "muted", "subscribed") if stream[word])
    return f"{stream['number']}  {_one_line(stream['stream'])} of {_one_line(stream['by'])}{marks}"


def _statistics(entry: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count} {status}" for status, count in entry["outcomes"].items() if count) or "none ended yet"
    return (
        f"{counted(entry['submitted'], 'signal')} sent: {outcomes}, {entry['pending']} pending\n"
        f"{counted(entry['received'], 'signal')} and {counted(entry['frames'], 'stream frame')} received\n"
        f"{counted(entry['outages'], 'outage')}, now {entry['state']}"
    )


def _of_stream(entry: dict[str, Any]) -> str:
    stream, reason = _one_line(entry["stream"]), entry.get("reason")
    match entry["event"]:
        case "stream_created":
            return f"publishes {stream}; /subscribe {entry['number']} to receive it"
        case "stream_interrupted":
            return f"{stream} stands still ({reason})"
        case "stream_restored":
            return f"{stream} plays again"
        case "stream_destroyed":
            return f"{stream} is over ({reason})"
        case "stream_updated":
            return f"{stream} is {'muted' if entry['muted'] else 'not muted any more'}"
        case _:
            return f"{stream}: {demo_words(entry)}"
