"""How the demo looks in a terminal: one aligned line for each event, in words for a newcomer, and the ledger as a table."""

from __future__ import annotations

import shlex
import sys
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from reconnect.cli.durations import counted
from reconnect.cli.ledger import STATUSES, Ledger
from reconnect.cli.lines import Lines, called_as

WHO: Final = {"network": "bold", "publisher": "cyan", "subscriber": "magenta", "hub": "white"}
STYLES: Final = {
    "breaks": "bold red",
    "restored": "bold green",
    "reconnecting": "yellow",
    "attempt": "yellow",
    "reconnected": "green",
    "connected": "green",
    "interrupted": "yellow",
    "live": "green",
    "disconnected": "yellow",
    "destroyed": "dim",
    "ended": "dim",
}
MEANING: Final = {
    "delivered": "in the session's log",
    "rejected": "the hub refused it: it was for somebody not there",
    "expired": "its time to live ran out while it waited",
    "dropped": "worthless if late, and there was an outage",
    "cancelled": "taken back before it was sent",
    "failed": "not delivered as far as anyone knows",
    "written": "handed to a transport that cannot confirm",
}


def words(entry: dict[str, Any]) -> str:
    """Return what an event means, in a sentence."""
    event, reason = entry["event"], entry.get("reason")
    match event:
        case "breaks":
            return str(entry["words"])
        case "restored":
            return "the link works again"
        case "connected":
            return "in the session"
        case "reconnecting":
            return f"lost the hub ({reason}); attempt {entry['attempt']} in {entry['retry_in']:.1f} s"
        case "attempt":
            return f"not yet ({reason}); attempt {entry['attempt']} in {entry['retry_in']:.1f} s"
        case "reconnected":
            kept = "same connection" if entry["resumed"] else "new connection"
            held = counted(entry["held"], "signal")
            return f"back after {entry['elapsed']:.1f} s, {kept}; {held} held and sent, {entry['dropped']} dropped"
        case "disconnected":
            return f"left the session ({reason})"
        case "caught_up":
            return f"received {counted(entry['signals'], 'signal')} that others had sent meanwhile"
        case "publisher.interrupted":
            return "its stream is interrupted; frames are not sent"
        case "publisher.live":
            return "its stream is live"
        case "publisher.ended":
            return "its stream is over"
        case "subscriber.connected":
            return "the stream plays"
        case "subscriber.disconnected":
            return f"the stream stands still ({reason})"
        case "subscriber.destroyed":
            return f"the stream is gone ({reason})"
        case _:
            return str(reason or "")


class JsonShow:
    """Shows nothing: the ledger is printed at the end."""

    def begin(self) -> None:
        """Say nothing."""

    def event(self, entry: dict[str, Any]) -> None:
        """Say nothing."""

    def end(self, ledger: Ledger) -> None:
        """Say nothing."""


class TerminalShow:
    """Shows the demo to a person."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._lines = Lines(self.console)

    def begin(self) -> None:
        """Say what will be seen."""
        self.console.print("[bold]reconnect demo[/bold]: a hub, a publisher and a subscriber, and a network that breaks")
        self.console.print(
            "[dim]Both members send 20 signals a second; every fourth is worthless if late. The publisher streams frames. "
            "To keep it short, this hub gives up a silent link after 1.5 s (6 by default), and members try again within 1 s "
            "(30 by default).[/dim]\n"
        )

    def event(self, entry: dict[str, Any]) -> None:
        """Show one event as a line."""
        _, dot, name = str(entry["event"]).rpartition(".")
        shown = f"stream {name}" if dot else name.replace("_", " ")
        at, who = f"{entry['at']:6.2f}", entry["who"]
        self._lines.put(at, who, shown, words(entry), who_style=WHO.get(who, ""), style=STYLES.get(name, ""))

    def end(self, ledger: Ledger) -> None:
        """Show the ledger."""
        self.console.print("\n[bold]The ledger[/bold]: what the receipts said against what the receivers saw")
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("")
        table.add_column("signals", justify="right")
        table.add_column("meaning", style="dim")
        table.add_row("sent", str(len(ledger.sent)), f"through {ledger.outages} outages", style="bold")
        for status in STATUSES:
            count = ledger.by_status[status]
            table.add_row(f"  {status}", str(count), MEANING[status], style="" if count else "dim")
        for name, count, meaning in (
            ("lost", ledger.lost, "promised, and not seen by every receiver"),
            ("duplicated", ledger.duplicated, "seen more than once"),
            ("out of order", ledger.out_of_order, "seen after a later one of its sender"),
            ("phantoms", ledger.phantoms, "seen, though the receipt says it was not sent"),
            ("unaccounted", ledger.unaccounted, "worthless if late, sent during an outage, and not dropped"),
            ("contradictions", len(ledger.contradictions), "outcomes that cannot be true"),
        ):
            table.add_row(name, str(count), meaning, style="bold red" if count else "green")
        self.console.print(table)
        verdict = "[bold green]The ledger balances.[/]" if ledger.balances else "[bold red]The ledger does not balance.[/]"
        self.console.print(f"\n{verdict} The audit of both members, for you to read:")
        for path in ledger.audits:
            self.console.print(f"  {path}", soft_wrap=True)
        if ledger.audits:
            self.console.print("To check that nothing in it was changed, and that every step followed the chart:")
            self.console.print(Text(f"  {called_as(sys.argv[0])} audit verify {shlex.join(ledger.audits)}"), soft_wrap=True)
