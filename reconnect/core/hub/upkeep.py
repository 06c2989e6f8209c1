"""What keeps a session's memory within its bounds, and lets go of sessions that are over."""

from __future__ import annotations

from reconnect.core.hub.effects import ForgetLog, News
from reconnect.core.hub.flow import trim, unsent
from reconnect.core.hub.members import lose
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.reasons import CloseCode, Reason


def tidy(hub: HubState, session: HubSession, at: float, lowest: int) -> None:
    """Trim the tail; who was left behind comes back with a gap. `lowest` is what somebody present has still to be sent."""
    for link in trim(session, at, lowest):
        hub.close(link, at, CloseCode.SLOW, Reason.SLOW, "the member read too slowly and fell out of the log")
        lose(hub, link, at, Reason.SLOW)


def sweep(hub: HubState, session: HubSession, at: float) -> None:
    """Look after a session to which nothing happens: old entries go, and at last the session itself."""
    tidy(hub, session, at, unsent(session))
    if session.is_over:
        del hub.sessions[session.id]
        hub.announce(at, News.SESSION_FORGOTTEN, session=session)
        hub.emit(ForgetLog(session=session.id))
    elif not (session.members and session.tail.start == session.tail.end):
        hub.sweeps.start(session.id, at)
