"""How the demo looks: a line for each event, the ledger as a table, and nothing at all for machines."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from reconnect.cli.ledger import STATUSES, Ledger
from reconnect.cli.show import MEANING, STYLES, WHO, JsonShow, TerminalShow, words


def terminal(width: int = 100) -> tuple[TerminalShow, io.StringIO]:
    written = io.StringIO()
    return TerminalShow(Console(file=written, width=width, highlight=False)), written


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ({"event": "breaks", "words": "the link is reset"}, "the link is reset"),
        ({"event": "restored"}, "the link works again"),
        ({"event": "connected"}, "in the session"),
        (
            {"event": "reconnecting", "reason": "closed", "attempt": 1, "retry_in": 0.25},
            "lost the hub (closed); attempt 1 in 0.2 s",
        ),
        (
            {"event": "attempt", "reason": "unreachable", "attempt": 2, "retry_in": 1.0},
            "not yet (unreachable); attempt 2 in 1.0 s",
        ),
        (
            {"event": "reconnected", "resumed": True, "elapsed": 1.25, "held": 9, "dropped": 3},
            "back after 1.2 s, same connection; 9 signals held and sent, 3 dropped",
        ),
        (
            {"event": "reconnected", "resumed": False, "elapsed": 61.0, "held": 0, "dropped": 0},
            "back after 61.0 s, new connection; 0 signals held and sent, 0 dropped",
        ),
        ({"event": "disconnected", "reason": "client_disconnected"}, "left the session (client_disconnected)"),
        ({"event": "caught_up", "signals": 12}, "received 12 signals that others had sent meanwhile"),
        ({"event": "publisher.interrupted", "reason": "closed"}, "its stream is interrupted; frames are not sent"),
        ({"event": "publisher.live"}, "its stream is live"),
        ({"event": "publisher.ended"}, "its stream is over"),
        ({"event": "subscriber.connected"}, "the stream plays"),
        ({"event": "subscriber.disconnected", "reason": "silent"}, "the stream stands still (silent)"),
        ({"event": "subscriber.destroyed", "reason": "unpublished"}, "the stream is gone (unpublished)"),
        ({"event": "something_new", "reason": "because"}, "because"),
        ({"event": "something_new"}, ""),
    ],
)
def test_every_event_has_a_sentence_and_a_line(entry: dict[str, Any], line: str) -> None:
    assert words(entry) == line
    show, written = terminal()
    show.event({"at": 1.5, "who": "publisher", **entry})
    shown = written.getvalue()
    assert shown.startswith("  1.50  publisher  ")
    assert shown.rstrip("\n").endswith(line)
    assert shown.count("\n") == 1


def test_lines_are_aligned() -> None:
    show, written = terminal()
    show.event({"at": 0.25, "who": "network", "event": "breaks", "words": "WORDS"})
    show.event({"at": 12.0, "who": "subscriber", "event": "subscriber.disconnected", "reason": "closed"})
    show.event({"at": 12.0, "who": "subscriber", "event": "caught_up", "signals": 1})
    show.event({"at": 12.0, "who": "somebody", "event": "connected"})
    lines = written.getvalue().splitlines()
    assert [line.index(word) for line, word in zip(lines, ("WORDS", "the stream", "received", "in the"), strict=True)] == [40] * 4
    assert lines[1] == " 12.00  subscriber stream disconnected  the stream stands still (closed)"
    assert "caught up" in lines[2]


def test_a_long_line_is_not_broken() -> None:
    show, written = terminal(width=20)
    show.event({"at": 0.0, "who": "network", "event": "breaks", "words": "w" * 100})
    assert written.getvalue().count("\n") == 1


def test_everything_that_is_shown_has_a_style_and_every_status_a_meaning() -> None:
    assert {"network", "publisher", "subscriber"} <= set(WHO)
    assert {"breaks", "restored", "reconnecting", "reconnected", "disconnected"} <= set(STYLES)
    assert set(MEANING) == set(STATUSES)


def test_the_beginning_says_what_will_be_seen() -> None:
    show, written = terminal()
    show.begin()
    assert written.getvalue().startswith("reconnect demo: a hub, a publisher and a subscriber, and a network that breaks\n")
    assert "gives up a silent link after 1.5 s" in " ".join(written.getvalue().split())


def some_ledger() -> Ledger:
    ledger = Ledger(members=("publisher",), outages=6, audits=["/tmp/demo/publisher.jsonl", "/tmp/demo/subscriber.jsonl"])
    ledger.note_sent("publisher", 0, waits=True, away=False)
    ledger.note_outcome("publisher", 0, "delivered", possibly_sent=False)
    ledger.note_seen("publisher", "publisher", 0)
    return ledger


def test_the_ledger_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/some where/bin/reconnect", "demo"])
    show, written = terminal()
    show.end(some_ledger())
    text = written.getvalue()
    rows = {line.split("  ")[0].strip() or line.split("  ")[1].strip(): line for line in text.splitlines() if line.strip()}
    assert "through 6 outages" in rows["sent"]
    for status in STATUSES:
        assert MEANING[status] in rows[status]
    for name in ("lost", "duplicated", "out of order", "phantoms", "unaccounted", "contradictions"):
        assert " 0 " in rows[name]
    assert "The ledger balances. The audit of both members, for you to read:" in text
    assert "  /tmp/demo/publisher.jsonl\n  /tmp/demo/subscriber.jsonl\nTo check" in text
    assert text.endswith("\n  '/some where/bin/reconnect' audit verify /tmp/demo/publisher.jsonl /tmp/demo/subscriber.jsonl\n")


def test_a_ledger_that_does_not_balance_says_why() -> None:
    show, written = terminal()
    ledger = some_ledger()
    ledger.note_outcome("publisher", 0, "expired", possibly_sent=False)
    ledger.note_sent("publisher", 1, waits=False, away=True)
    show.end(ledger)
    lines = written.getvalue().splitlines()
    found = {name: next(line for line in lines if line.startswith(name)) for name in ("contradictions", "unaccounted", "lost")}
    assert all(" 1 " in line for line in found.values())
    assert any("The ledger does not balance." in line for line in lines)


def test_it_writes_to_the_terminal_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    TerminalShow().event({"at": 0.0, "who": "network", "event": "restored"})
    assert "the link works again" in capsys.readouterr().out


def test_machines_are_shown_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show = JsonShow()
    show.begin()
    show.event({"at": 0.0, "who": "network", "event": "restored"})
    show.end(some_ledger())
    assert capsys.readouterr().out == ""
