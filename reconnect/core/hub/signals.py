"""Signals on their way in: what one message carries is checked, deduplicated and handed to the log as one item.

A signal that cannot be taken is refused, which is a judgement like any other; it never ends the link. This is the hub's busiest
path, so a signal that is in order costs one entry. Its data is never looked into; what goes to the log is copied out of its
message, so that one small signal does not keep a large message alive.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from reconnect import limits
from reconnect.core.frames import Entry, Rejection, SendSignal
from reconnect.core.hub.links import Link
from reconnect.core.hub.queue import SignalItem
from reconnect.core.hub.records import SPEAKERS
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.core.submission import is_type
from reconnect.reasons import RejectCode


def take_signals(hub: HubState, session: HubSession, link: Link, frames: Sequence[SendSignal]) -> None:
    """Put the signals of one message on their way to the log."""
    ledger, template = link.ledger, link.template
    assert ledger is not None, "only a member signals"
    assert template is not None, "only a welcomed link signals"
    entries: list[Entry] = []
    rejected: list[Rejection] = []
    repeats: list[int] = []
    may = session.members[link.connection].role in SPEAKERS
    room = hub.settings.under_way - ledger.under_way
    most, taken = hub.settings.data_bytes, ledger.taken
    for frame in frames:
        serial = frame.serial
        if serial <= taken:
            repeats.append(serial)
            continue
        taken = serial
        if frame.type != template.type and is_type(frame.type):
            template = replace(template, type=frame.type)  # what is typed alike comes in a row
        plain = frame.type == template.type and frame.to is None and frame.ttl is None and len(frame.data) <= most
        if plain and may and room > 0:
            room -= 1
            entries.append(replace(template, serial=serial, data=frame.data.copy(), repeat=frame.repeat))
        elif (problem := _problem(hub, session, frame, may, room)) is not None:
            rejected.append(Rejection(serial=serial, code=problem[0], detail=problem[1]))
        else:
            room -= 1
            data = frame.data.copy()
            entries.append(replace(template, serial=serial, type=frame.type, data=data, repeat=frame.repeat, to=frame.to))
    ledger.taken = taken
    ledger.under_way += len(frames)
    hub.counts["repeats"] += len(repeats)
    item = SignalItem(
        entries=tuple(entries),
        link=link.number,
        sender=ledger.sender,
        high=taken,
        count=len(frames),
        rejected=tuple(rejected),
        repeats=tuple(repeats),
    )
    hub.put(session, item)


def problem_of(hub: HubState, session: HubSession, signal: Entry | SendSignal) -> tuple[RejectCode, str] | None:
    """Return what is wrong with a signal's own form and address, None if nothing is."""
    if not is_type(signal.type):
        return RejectCode.INVALID, f"a type has at most {limits.TYPE_CHARACTERS} characters of A-Z a-z 0-9 - _ ~ ."
    if len(signal.data) > hub.settings.data_bytes:
        return RejectCode.TOO_LARGE, f"the data of a signal has at most {hub.settings.data_bytes} bytes as JSON"
    if signal.to is not None and signal.to not in session.members:
        return RejectCode.NO_SUCH_CONNECTION, "there is no such connection in the session"
    return None


def _problem(hub: HubState, session: HubSession, frame: SendSignal, may: bool, room: int) -> tuple[RejectCode, str] | None:
    if not may:
        return RejectCode.FORBIDDEN, "a subscriber may not signal"
    if frame.ttl is not None and not frame.ttl > 0:
        return RejectCode.EXPIRED, "its time to live ran out on the way"
    if room <= 0:
        return RejectCode.LIMIT, "too many signals of this sender wait for the log"
    return problem_of(hub, session, frame)
