"""The timelines of a report: for each machine a lane for each state that it was in, to scale. Drawn here in full, for paper and
for readers without scripts; the page's script draws them anew at every zoom, from the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconnect.chart import Statechart, StepVerdict
from reconnect.chart.dot import colours
from reconnect.evidence.gathering import Gathered, Track
from reconnect.evidence.printable import html, printable

LANE, TOP, BAR, FOOT = 30, 18, 12, 18  # pixels; the page's script has the same
HAIR: Final = 0.0015  # the narrowest bar, as a part of the width
PALE: Final = "#78909c"
SESSION: Final = "session"
_LEAST_SECONDS: Final = 1e-3  # a journal of one instant has some width, too

Charts = Mapping[str, Statechart]


class Timelines:
    """The timelines of one report. `data` is what the page's script draws from."""

    def __init__(self, gathered: Gathered, charts: Charts) -> None:
        self._gathered, self._charts = gathered, charts
        self._tracks = list(gathered.tracks.values())
        self._origin = min((track.stays[0].at for track in self._tracks), default=0.0)
        sessions = {track.source: track.end for track in self._tracks if track.machine == SESSION}
        self._ends = [max(track.end, sessions.get(track.source, 0.0)) for track in self._tracks]
        self._seconds = max([_LEAST_SECONDS, *(end - self._origin for end in self._ends)])
        self._lanes = [_lanes(track, charts.get(track.chart)) for track in self._tracks]
        self._bands = [self._bands_of(track) for track in self._tracks]

    def __bool__(self) -> bool:
        return bool(self._tracks)

    @property
    def data(self) -> dict[str, Any]:
        """Return the numbers behind the timelines, as JSON values; instants are seconds from `origin`."""
        events: dict[str, int] = {}
        return {
            "origin": self._origin,
            "from": 0.0,
            "to": round(self._seconds, 6),
            "tracks": [self._data(number, events) for number in range(len(self._tracks))],
            "events": [printable(event) for event in events],
            "rows": {name: rows_in_words(chart) for name, chart in self._charts.items()},
        }

    def svgs(self) -> Iterator[str]:
        """Yield each timeline with its heading."""
        for number, track in enumerate(self._tracks):
            yield f"<h3>{html(_name(track))}</h3>"
            if track.left_out:
                words = f"The first {len(track.stays):,} stays are drawn; {track.left_out:,} later ones are left out of this page"
                yield f'<p class="left-out">{words}, and stand in the journal.</p>'
            yield f'<div class="track">{"".join(self._svg(number))}</div>'
            chart = self._charts.get(track.chart)
            never = [] if chart is None else [leaf for leaf in chart.leaves if leaf not in self._lanes[number]]
            if never:
                yield f'<p class="pale">Never entered: {html(", ".join(never))}.</p>'
        if left_out := self._gathered.tracks_left_out:
            words = f"{left_out:,} steps are of other machines, for which there is no room here; they stand in the journal"
            yield f'<p class="left-out">{words}.</p>'

    # -- drawing -----------------------------------------------------------------------------------------------------------------

    def _svg(self, number: int) -> Iterator[str]:
        lanes = self._lanes[number]
        paints, height = list(lanes.values()), TOP + LANE * len(lanes) + FOOT
        label = f"Timeline of {_name(self._tracks[number])}: arrow keys choose a stay, plus and minus zoom, 0 shows all"
        yield f'<svg id="track-{number}" height="{height}" tabindex="0" role="group" aria-label="{html(label)}">'
        for outage, began, ended in self._bands[number]:
            left = began / self._seconds
            width = max(HAIR, ended / self._seconds - left)
            yield f'<rect class="band" x="{_percent(left)}" width="{_percent(width)}" y="{TOP}" height="{height - TOP}"/>'
            yield f'<text class="pale" x="{_percent(left)}" dx="2" y="{height - 5}">{outage}</text>'
        for lane, left, right in self._bars(number):
            place = f'x="{_percent(left)}" width="{_percent(right - left)}" y="{TOP + LANE * lane + 15}" height="{BAR}"'
            yield f'<rect class="stay" fill="{paints[lane]}" {place}/>'
        for lane, name in enumerate(lanes):
            yield f'<text x="4" y="{TOP + LANE * lane + 11}">{html(name)}</text>'
        yield "</svg>"

    def _bars(self, number: int) -> Iterator[tuple[int, float, float]]:
        """Yield lane, left and right of each bar; bars that would touch are one."""
        track = self._tracks[number]
        places = {name: lane for lane, name in enumerate(self._lanes[number])}
        ends = [*(stay.at for stay in track.stays[1:]), self._ends[number]]
        open_: dict[int, tuple[float, float]] = {}
        for stay, end in zip(track.stays, ends, strict=True):
            lane, left = places[stay.state], (stay.at - self._origin) / self._seconds
            right = max(left + HAIR, (end - self._origin) / self._seconds)
            before = open_.get(lane)
            if before is not None and left <= before[1]:
                open_[lane] = before[0], max(before[1], right)
                continue
            if before is not None:
                yield lane, *before
            open_[lane] = left, right
        for lane, bar in open_.items():
            yield lane, *bar

    # -- numbers -----------------------------------------------------------------------------------------------------------------

    def _data(self, number: int, events: dict[str, int]) -> dict[str, Any]:
        track, lanes = self._tracks[number], self._lanes[number]
        places = {name: lane for lane, name in enumerate(lanes)}
        stays = []
        for stay in track.stays:
            event = events.setdefault(stay.event, len(events)) if stay.event else -1
            stays.append([places[stay.state], round(stay.at - self._origin, 6), stay.entry, event, stay.row])
        return {
            "name": printable(_name(track)),
            "chart": printable(track.chart),
            "lanes": [[printable(name), colour] for name, colour in lanes.items()],
            "stays": stays,
            "end": round(self._ends[number] - self._origin, 6),
            "bands": self._bands[number],
        }

    def _bands_of(self, track: Track) -> list[tuple[int, float, float]]:
        """Return the outages of a track's session: number, beginning and end."""
        began = {one.number: self._gathered.began[one.number] - self._origin for one in self._gathered.outages}
        own = (one for one in self._gathered.outages if one.source == track.source)
        return [(one.number, round(began[one.number], 6), round(began[one.number] + one.seconds, 6)) for one in own]


def rows_in_words(chart: Statechart) -> list[str]:
    """Return each row of a chart with its why."""
    return [printable(f"{chart.row_name(StepVerdict.TAKEN, row)}: {said.why}") for row, said in enumerate(chart.transitions)]


def _name(track: Track) -> str:
    name = f"session {track.session}" if track.machine == SESSION else f"{track.machine}, session {track.session}"
    return f"{name} ({track.source[:8]})"


def _lanes(track: Track, chart: Statechart | None) -> dict[str, str]:
    """Return the states that a machine was in, in the chart's order, with the colour of each."""
    visited = dict.fromkeys((stay.state for stay in track.stays), PALE)
    if chart is None:
        return visited
    paints = colours(chart)
    known = {leaf: paints[chart.role(leaf)][1] for leaf in chart.leaves if leaf in visited}
    return {**known, **{name: paint for name, paint in visited.items() if name not in known}}


def _percent(part: float) -> str:
    return f"{100 * part:.4f}%"
