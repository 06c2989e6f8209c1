"""The report as one page that needs nothing else: no network, no font, no script but its own.

Rules: what came from the journal goes through `html` or, as numbers for the script, into a data block that no word of it can
leave. The page's own style and script are named to the browser by their hashes, so that nothing else runs in it, whatever it
says. What is left out for want of room is said, with where it stands.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from reconnect.chart import Statechart
from reconnect.evidence import page_chart, page_tables
from reconnect.evidence.gathering import Gathered
from reconnect.evidence.objections import Objection
from reconnect.evidence.page_tables import shown_time
from reconnect.evidence.page_timeline import Timelines
from reconnect.evidence.printable import html
from reconnect.evidence.verify import Verified
from reconnect.version import __version__

SECTIONS: Final = {"timeline": "Timeline", "outages": "Outages", "signals": "Signals", "charts": "Charts", "records": "Records"}

OBJECTIONS: Final = 10  # that are listed at once; the first is the one that matters


class Page:
    """One report. `unavailable` says why there are no pictures, and is empty where there are."""

    def __init__(
        self,
        verified: Verified,
        gathered: Gathered,
        charts: Mapping[str, Statechart],
        pictures: Mapping[str, str],
        unavailable: str,
    ) -> None:
        self._verified, self._gathered = verified, gathered
        self._charts, self._pictures, self._unavailable = charts, pictures, unavailable
        self._timelines = Timelines(gathered, charts)
        self._shown = frozenset(raw.entry for raw in gathered.raw)

    def html(self) -> str:
        """Return the page."""
        own = files("reconnect.evidence")
        style, script = (own.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
        ours = f"style-src '{_hash(style)}'; script-src '{_hash(script)}'"
        policy = f"default-src 'none'; img-src data:; {ours}; base-uri 'none'; form-action 'none'"
        title = html(f"Audit of {self._name}")
        parts = [
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">',
            f'<link rel="icon" href="data:,"><style>{style}</style></head><body>',
            *self._body(),
            f'<script type="application/json" id="timeline-data">{_data(self._timelines.data)}</script>',
            f"<script>{script}</script></body></html>\n",
        ]
        return "\n".join(parts)

    @property
    def _name(self) -> str:
        return ", ".join(self._gathered.sessions) or Path(self._verified.files[-1]).name

    def _body(self) -> Iterator[str]:
        yield '<a class="skip" href="#verdict">To the verdict</a>'
        yield f"<header><h1>Audit of {html(self._name)}</h1>{''.join(self._nav())}</header><main>"
        yield from self._verdict()
        yield from self._facts()
        for name, content in (
            ("timeline", self._timeline()),
            ("outages", page_tables.outages(self._gathered, self._shown)),
            ("signals", page_tables.ledger(self._gathered, self._shown)),
            ("charts", self._chart_section()),
            ("records", self._records()),
        ):
            yield f'<section id="{name}"><h2>{SECTIONS[name]}</h2>'
            yield from content
            yield "</section>"
        names = ", ".join(Path(file).name for file in self._verified.files)
        yield f"</main><footer>Written by reconnect {__version__} from {html(names)}.</footer>"

    def _nav(self) -> Iterator[str]:
        yield '<nav aria-label="Sections"><ul>'
        for name, title in SECTIONS.items():
            yield f'<li><a href="#{name}">{title}</a></li>'
        yield "</ul></nav>"

    # -- verdict and summary -----------------------------------------------------------------------------------------------------

    def _verdict(self) -> Iterator[str]:
        one = self._verified
        yield f'<section id="verdict" class="verdict {"holds" if one.holds else "fails"}">'
        if one.holds:
            words = "The chain is whole, every step followed its chart, and every signal is accounted for."
            yield f"<strong>The journal holds.</strong> <p>{words}</p>"
        else:
            total = sum(one.counts.values())
            by_rule = ", ".join(f"{count:,} of {rule}" for rule, count in one.counts.items())
            counts = f"{total:,} objections ({html(by_rule)}); the first is the one that matters:"
            yield f"<strong>The journal does not hold.</strong> <p>{counts}</p><ul>"
            yield from self._objections(one.objections[:OBJECTIONS])
            yield "</ul>"
            if rest := one.objections[OBJECTIONS:]:
                yield f"<details><summary>{len(rest)} more</summary><ul>"
                yield from self._objections(rest)
                yield "</ul></details>"
            if total > len(one.objections):
                yield f'<p class="left-out">{total - len(one.objections):,} later ones are counted and not listed.</p>'
        if one.remarks:
            yield f"<ul>{''.join(f'<li>Remark: {html(remark)}</li>' for remark in one.remarks)}</ul>"
        yield f"<p>Head: <code>{html(one.head)}</code></p></section>"

    def _objections(self, objections: Iterable[Objection]) -> Iterator[str]:
        for objection in objections:
            yield f'<li class="objection">{html(objection)}{self._behind(objection.entry)}</li>'

    def _behind(self, entry: int | None) -> str:
        return f' <a href="#entry-{entry}">entry {entry}</a>' if entry in self._shown else ""

    def _facts(self) -> Iterator[str]:
        one, gathered = self._verified, self._gathered
        ended = ", ".join(f"{count:,} {status}" for status, count in sorted(one.outcomes.items())) or "no signal ended"
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in gathered.kinds.most_common())
        facts = {
            "time (UTC)": ("", f"{shown_time(one.first_wall)} to {shown_time(one.last_wall)}"),
            "records": (f"{one.entries:,}", f"in {len(one.files)} file{'' if len(one.files) == 1 else 's'}: {kinds}"),
            "outages": (f"{one.outages:,}", f"the longest {one.longest_outage:,.3f} s; {one.seconds_away:,.3f} s in all"),
            "attempts": (f"{one.attempts:,}", f"dialed; {one.questions:,} retry questions, {one.recomputed:,} computed anew"),
            "signals": (f"{one.submitted:,}", f"submitted, {one.pending:,} pending; {ended}"),
            "written by": ("", ", ".join(gathered.libraries)),
        }
        if gathered.hosts:
            facts["at"] = ("", ", ".join(gathered.hosts))
        yield '<dl class="facts">'
        for name, (number, words) in facts.items():
            yield f"<div><dt>{name}</dt><dd>{f'<b>{html(number)}</b> ' if number else ''}{html(words)}</dd></div>"
        yield "</dl>"

    # -- sections ----------------------------------------------------------------------------------------------------------------

    def _timeline(self) -> Iterator[str]:
        if not self._timelines:
            yield "<p>No step of a chart is in this journal.</p>"
            return
        words = "Each lane is a state, to scale in time. A shaded stretch is an outage, with its number below."
        yield f'<p class="pale">{words}</p>'
        yield '<div class="tools" hidden>'
        for action, words, label in _TOOLS:
            yield f'<button type="button" data-do="{action}" aria-label="{label}">{words}</button>'
        yield '<span class="window" id="window"></span></div>'
        yield '<output class="detail tools" id="detail" aria-live="polite" hidden>Choose a bar to see what led there.</output>'
        yield from self._timelines.svgs()
        yield (
            '<p class="pale tools" hidden>Keys, on a timeline: left and right arrow choose a stay, + and - zoom, page up and '
            "page down move, 0 shows all. Ctrl with the wheel zooms at the pointer; drag to move.</p>"
        )

    def _chart_section(self) -> Iterator[str]:
        if self._unavailable:
            yield f'<p class="left-out">There are no pictures here: {html(self._unavailable)}. The tables have every row.</p>'
        taken = {name: self._taken(name) for name in self._charts}
        for number, (name, chart) in enumerate(self._charts.items()):
            if not taken[name]:
                continue
            yield f"<h3>{html(page_chart.heading(chart, taken[name]))}</h3>"
            yield f'<p class="pale">SHA-256 <code>{html(chart.sha256)}</code></p>'
            if name in self._pictures:
                yield from self._picture(f"picture-{number}", name)
            yield "<details><summary>Each row, and how often it was taken</summary>"
            yield from page_chart.rows(chart, taken[name])
            yield "</details>"
        idle = [name for name in self._charts if not taken[name]]
        if idle:
            yield f'<p class="pale">In force, and not walked: {html(", ".join(idle))}.</p>'

    def _picture(self, place: str, name: str) -> Iterator[str]:
        button = f'<button type="button" data-fit="{place}" aria-pressed="false">Fit the width</button>'
        yield f'<div class="tools" hidden>{button}</div>'
        label = html(f"Picture of the chart {name}")
        yield f'<div class="picture" id="{place}" tabindex="0" role="region" aria-label="{label}">{self._pictures[name]}</div>'

    def _taken(self, name: str) -> dict[tuple[int, str], int]:
        return {(row, before): count for (chart, row, before), count in self._gathered.taken.items() if chart == name}

    def _records(self) -> Iterator[str]:
        yield "<details><summary>The records as they stand in the journal</summary>"
        yield from page_tables.records(self._gathered)
        yield "</details>"


_TOOLS: Final = (
    ("in", "+", "Zoom in"), ("out", "\u2212", "Zoom out"), ("whole", "All", "Show all"), ("left", "\u25c0", "Move left"),
    ("right", "\u25b6", "Move right"), ("previous", "Previous", "Previous stay"), ("next", "Next", "Next stay"),
)  # fmt: skip


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _data(value: object) -> str:
    """Return JSON that may stand in a script element: nothing in it can end that."""
    return "".join(_ESCAPES.get(char, char) for char in msgspec.json.encode(value).decode())


_ESCAPES: Final = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
