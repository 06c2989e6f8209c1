"""What a member asks for and is answered with done or failed: wants, kicks, mutes, a newer token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from reconnect.core.frames import AddWant, Done, DropWant, Failed, Frame, Join, Kick, Mute, RenewToken
from reconnect.core.hub import wants
from reconnect.core.hub.effects import Authenticate, News
from reconnect.core.hub.inputs import Authenticated, AuthenticationFailed
from reconnect.core.hub.links import Link
from reconnect.core.hub.members import Occasion, step
from reconnect.core.hub.records import MemberRecord, Role
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.reasons import Reason, RejectCode


def add_want(hub: HubState, session: HubSession, link: Link, frame: AddWant, at: float) -> None:
    """Grant a want."""
    answer = wants.grant(hub, session, link.connection, frame.want)
    if answer.code is None:
        hub.send(link, Done(request=frame.request, answer=answer))
    else:
        hub.send(link, Failed(request=frame.request, code=answer.code, detail=answer.detail))


def drop_want(hub: HubState, session: HubSession, link: Link, frame: DropWant, at: float) -> None:
    """Give a want up; one that is not there is given up already."""
    wants.give_up(hub, session, link.connection, frame.key)
    hub.send(link, Done(request=frame.request))


def ask_kick(hub: HubState, session: HubSession, link: Link, frame: Kick, at: float) -> None:
    """A moderator removes a connection."""
    if not _may(hub, session, link, frame.request, "kick"):
        return
    if frame.connection not in session.members:
        hub.send(link, Failed(request=frame.request, code=RejectCode.NO_SUCH_CONNECTION, detail="there is no such connection"))
        return
    # Answered first: it may be the moderator's own connection.
    hub.send(link, Done(request=frame.request))
    kick(hub, session, frame.connection, at, "a moderator removed this member")


def kick(hub: HubState, session: HubSession, connection: str, at: float, detail: str) -> None:
    """Remove a connection, and keep its automatic return out."""
    step(hub, session, connection, "kicked", Occasion(at=at, reason=Reason.KICKED, detail=detail))


def ask_mute(hub: HubState, session: HubSession, link: Link, frame: Mute, at: float) -> None:
    """A moderator mutes a stream, or lets it speak again."""
    if not _may(hub, session, link, frame.request, "mute"):
        return
    stream = session.streams.get(frame.stream)
    if stream is None:
        hub.send(link, Failed(request=frame.request, code=RejectCode.NO_SUCH_STREAM, detail="there is no such stream"))
        return
    if stream.muted is not frame.muted:
        hub.announce(at, News.MUTED, session=session, connection=stream.connection, detail=f"{stream.id} muted={frame.muted}")
        wants.mute(hub, session, stream, frame.muted)
    hub.send(link, Done(request=frame.request))


def ask_renewal(hub: HubState, session: HubSession, link: Link, frame: RenewToken, at: float) -> None:
    """A newer token: ask whom it speaks for, one at a time."""
    if link.renewing:
        hub.send(link, Failed(request=frame.request, code=RejectCode.LIMIT, detail="another token is being looked at"))
        return
    link.renewing = True
    sender = session.members[link.connection].sender
    join = Join(token=frame.token, session=session.id, sender=sender)
    hub.emit(Authenticate(link=link.number, join=join, request=frame.request))


def renewed(hub: HubState, session: HubSession, link: Link, request: int, answer: Authenticated) -> None:
    """The newer token is good; it must speak for the same principal."""
    link.renewing = False
    record: MemberRecord = session.members[link.connection]
    bearer = answer.bearer
    if bearer.expired or (bearer.client_id, bearer.session) != (record.client_id, session.id):
        hub.send(link, Failed(request=request, code=RejectCode.FORBIDDEN, detail="the token has expired or is another member's"))
        return
    expires = answer.at + bearer.expires_in if bearer.expires_in is not None else None
    session.keep(replace(record, role=bearer.role, expires=expires))
    if hub.settings.strict_tokens:
        link.expires = expires if expires is not None else float("inf")
    hub.send(link, Done(request=request))


def not_renewed(hub: HubState, link: Link, request: int, answer: AuthenticationFailed) -> None:
    """The newer token is not good; the member keeps what it has."""
    link.renewing = False
    hub.send(link, Failed(request=request, code=RejectCode.FORBIDDEN, detail=answer.detail))


def _may(hub: HubState, session: HubSession, link: Link, request: int, what: str) -> bool:
    role = session.members[link.connection].role
    if role == Role.MODERATOR:
        return True
    hub.send(link, Failed(request=request, code=RejectCode.FORBIDDEN, detail=f"a {role} may not {what}; moderators may"))
    return False


REQUESTS: Final[dict[type[Frame], Callable[[HubState, HubSession, Link, Any, float], None]]] = {
    AddWant: add_want,
    DropWant: drop_want,
    Kick: ask_kick,
    Mute: ask_mute,
    RenewToken: ask_renewal,
}
