"""What a member's frames mean: the first is a join, then nothing but a goodbye or a ping until the welcome, then everything.

A frame that cannot come now, or says what cannot be, breaks the protocol and ends the link. A frame kind that is not known is
ignored and counted. Nothing is read behind a goodbye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from msgspec.structs import replace

from reconnect.core.frames import Frame, Goodbye, Handled, Join, Ping, Pong, SendSignal, Unknown
from reconnect.core.hub import joining
from reconnect.core.hub.flow import pump
from reconnect.core.hub.links import Link
from reconnect.core.hub.members import Occasion, lose, step
from reconnect.core.hub.requests import REQUESTS
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.signals import take_signals
from reconnect.core.hub.state import HubState
from reconnect.reasons import CloseCode, Reason

_SIGNALS: Final = {SendSignal}


def read(hub: HubState, link: Link, frames: Sequence[Frame], at: float) -> None:
    """Read the frames of one message; signals in a row travel to the log as one item."""
    if link.asked is not None:
        link.early.extend(frames)
        return
    if link.unproven and link.session is not None:
        _prove(link.session, link)
    if link.welcomed and link.session is not None and set(map(type, frames)) == _SIGNALS:  # as most messages are
        take_signals(hub, link.session, link, cast(Sequence[SendSignal], frames))
        return
    run: list[SendSignal] = []
    for index, frame in enumerate(frames):
        if type(frame) is SendSignal and link.welcomed:
            run.append(frame)
            continue
        if run and link.session is not None:
            take_signals(hub, link.session, link, run)
            run = []
        _read_one(hub, link, frame, at)
        if link.deaf:
            return
        if link.asked is not None:
            link.early.extend(frames[index + 1 :])
            return
    if run and link.session is not None:
        take_signals(hub, link.session, link, run)


def break_off(hub: HubState, link: Link, at: float, detail: str) -> None:
    """The member broke the protocol."""
    hub.close(link, at, CloseCode.PROTOCOL_ERROR, Reason.PROTOCOL_ERROR, detail)
    lose(hub, link, at, Reason.PROTOCOL_ERROR)


def _prove(session: HubSession, link: Link) -> None:
    """Whoever speaks after the welcome has read it: the new secret is the current one."""
    link.unproven = False
    record = session.members[link.connection]
    session.keep(replace(record, secrets=record.secrets.proven()))


def _read_one(hub: HubState, link: Link, frame: Frame, at: float) -> None:
    session = link.session
    if isinstance(frame, Unknown):
        hub.counts["unknown_frames"] += 1
    elif isinstance(frame, Join):
        problem = joining.problem_of(frame) if session is None else "a link carries one join"
        if problem is not None:
            break_off(hub, link, at, problem)
        else:
            joining.ask(hub, link, frame)
    elif session is None:
        break_off(hub, link, at, "the first frame is a join")
    elif isinstance(frame, Goodbye):
        step(hub, session, link.connection, "goodbye", Occasion(at=at, reason=Reason.CLIENT_DISCONNECTED, link=link))
    elif isinstance(frame, Ping):
        hub.send(link, Pong(position=link.last))
    elif not isinstance(frame, Pong):
        _read_accepted(hub, session, link, frame, at)


def _read_accepted(hub: HubState, session: HubSession, link: Link, frame: Frame, at: float) -> None:
    if not link.welcomed:
        break_off(hub, link, at, f"{frame.__struct_config__.tag} cannot come before the welcome")
    elif isinstance(frame, Handled):
        _on_handled(hub, session, link, frame, at)
    elif (perform := REQUESTS.get(type(frame))) is not None:
        perform(hub, session, link, frame, at)
    else:
        break_off(hub, link, at, f"{frame.__struct_config__.tag} is not for a hub to read")


def _on_handled(hub: HubState, session: HubSession, link: Link, frame: Handled, at: float) -> None:
    if frame.position > link.told:
        break_off(hub, link, at, f"handled up to {frame.position}, and {link.told} is as far as anything was sent")
        return
    assert link.ledger is not None, "whoever was welcomed has a ledger"
    link.handle(frame.position)
    link.ledger.settle(frame.settled)
    pump(hub, session, link)
