"""The tables of a report: the outages, the ledger of the signals, and the raw records, each with what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from reconnect.evidence.gathering import Gathered, Raw
from reconnect.evidence.outages import Outage
from reconnect.evidence.printable import html, printable
from reconnect.limits import REPORT_LEDGER_ROWS
from reconnect.reasons import OutcomeStatus

_ENDS = {"reconnected": "came back", "disconnected": "left", None: "not over here"}


def entry_link(entry: int, shown: Collection[int]) -> str:
    """Return a link to a raw record, or its number where that is left out."""
    return f'<a href="#entry-{entry}">{entry}</a>' if entry in shown else str(entry)


def outages(gathered: Gathered, shown: Collection[int]) -> Iterator[str]:
    """Yield the table of outages."""
    if not gathered.outages:
        yield "<p>None: no session that was connected lost its hub.</p>"
        return
    heads = ("", "session", "began (UTC)", "lasted", "why", "attempts", "end", "signals held", "ended meanwhile", "entry")
    numbers = {3, 5, 7, 9}
    cells = "".join(f"<th{' class=number' if place in numbers else ''}>{head}</th>" for place, head in enumerate(heads))
    yield f'<div class="table"><table><thead><tr>{cells}</tr></thead><tbody>'
    for outage in gathered.outages[:REPORT_LEDGER_ROWS]:
        yield _outage(outage, shown)
    yield "</tbody></table></div>"
    left_out = len(gathered.outages) - REPORT_LEDGER_ROWS
    if left_out > 0:
        yield _left_out(f"{left_out:,} later outages are left out of this page", "reconnect audit show FILE --outage N")


def _outage(outage: Outage, shown: Collection[int]) -> str:
    end = _ENDS.get(outage.end, str(outage.end))
    if outage.resumed is not None:
        end += ", same connection" if outage.resumed else ", new connection"
    ended = ", ".join(f"{count:,} {printable(status)}" for status, count in outage.outcomes.items())
    why = f"{outage.reason}: {outage.detail}" if outage.detail else outage.reason
    return (
        f'<tr id="outage-{outage.number}"><td><a href="#timeline" data-outage="{outage.number}" '
        f'aria-label="Show outage {outage.number} on the timeline">{outage.number}</a></td>'
        f'<td>{html(outage.session)}</td><td class="when">{html(shown_time(outage.wall))}</td>'
        f'<td class="number">{outage.seconds:,.3f} s</td><td class="why">{html(why)}</td>'
        f'<td class="number">{outage.attempts}</td>'
        f'<td>{html(end)}</td><td class="number">{outage.held:,}</td><td>{html(ended)}</td>'
        f'<td class="number">{entry_link(outage.entry, shown)}</td></tr>'
    )


def ledger(gathered: Gathered, shown: Collection[int]) -> Iterator[str]:
    """Yield the ledger of the signals: the account of each source, and what was not simply delivered."""
    if not gathered.accounts:
        yield "<p>No signal was submitted.</p>"
        return
    heads = ("session", "sender", "submitted", *(status.value for status in OutcomeStatus), "pending")
    cells = "".join(f"<th{' class=number' if place > 1 else ''}>{head}</th>" for place, head in enumerate(heads))
    yield f'<div class="table"><table><thead><tr>{cells}</tr></thead><tbody>'
    for account in gathered.accounts.values():
        numbers = [account.submitted, *(account.outcomes[status.value] for status in OutcomeStatus), len(account.pending)]
        told = "".join(f'<td class="number">{number:,}</td>' for number in numbers)
        yield f"<tr><td>{html(account.session)}</td><td><code>{html(account.source)}</code></td>{told}</tr>"
    yield "</tbody></table></div>"
    if gathered.settled:
        yield "<h3>Signals that were not simply delivered</h3>"
        yield from _settled(gathered, shown)


def _settled(gathered: Gathered, shown: Collection[int]) -> Iterator[str]:
    heads = ("when (UTC)", "ended", "serials", "why", "may have been sent", "in outage", "entry")
    yield f'<div class="table"><table><thead><tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr></thead><tbody>'
    for one in gathered.settled:
        serials = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in one.serials)
        outage = "" if one.outage is None else f'<a href="#outage-{one.outage}">{one.outage}</a>'
        why = ", ".join(part for part in (one.reason, one.code) if part)
        yield (
            f'<tr><td class="when">{html(shown_time(one.wall))}</td><td>{html(one.status)}</td>'
            f'<td class="serials">{html(serials)}</td><td class="why">{html(why)}</td>'
            f"<td>{'yes' if one.possibly_sent else 'no'}</td><td>{outage}</td>"
            f'<td class="number">{entry_link(one.entry, shown)}</td></tr>'
        )
    yield "</tbody></table></div>"
    if gathered.settled_left_out:
        words = f"{gathered.settled_left_out:,} later records of such signals are left out of this page"
        yield _left_out(words, "reconnect audit show FILE")


def records(gathered: Gathered) -> Iterator[str]:
    """Yield the raw records, and at each place where some are left out, which they are and where they stand."""
    total, kept = gathered.entries, len(gathered.raw)
    if kept < sum(gathered.kinds.values()):
        words = f"{kept:,} of {total:,} records are in this page, those that matter most: "
        yield f'<p class="left-out">{words}where others are left out it says which, and in which file they stand.</p>'
    yield '<ol class="raw">'
    before: Raw | None = None
    for raw in gathered.raw:
        if raw.entry > (before.entry if before else 0) + 1:
            yield _gap(before, raw)
        number = f"<b>{raw.entry}</b> " if raw.kind != "unreadable" else f"<b>line {raw.line}, unreadable</b> "
        yield f'<li id="entry-{raw.entry}">{number}<code>{html(raw.text)}</code></li>'
        before = raw
    if before is not None and before.entry < total:
        yield _gap(before, None, total)
    yield "</ol>"


def _gap(before: Raw | None, after: Raw | None, last: int = 0) -> str:
    """Say which records stand between two, and where."""
    first = before.entry + 1 if before else 1
    final = after.entry - 1 if after else last
    some = before or after
    assert some is not None, "there is one at either side"
    if before and after and before.file == after.file:
        place = f"{Path(after.file).name}, lines {before.line + 1} to {after.line - 1}"
    else:
        ends = [Path(one.file).name for one in (before, after) if one]
        place = " to ".join(dict.fromkeys(ends))
    entries = f"Entry {first} is" if first == final else f"Entries {first:,} to {final:,} are"
    return f'<li class="left-out">{html(f"{entries} left out: {place}")}</li>'


def _left_out(words: str, command: str) -> str:
    return f'<p class="left-out">{words}; <code>{command}</code> shows them.</p>'


def shown_time(wall: str) -> str:
    """Return the time of day in a record as a page shows it."""
    return wall.replace("T", " ").removesuffix("Z")
