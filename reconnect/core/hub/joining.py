"""From a link's first frame to its place: ask who it is, judge, and perform the ruling.

No state is touched before the authenticator answered. Frames that came behind the join in the same message wait for that: a
goodbye right behind a join must end the place that the join got.
"""

from __future__ import annotations

from msgspec.structs import replace

from reconnect import limits
from reconnect.core.frames import NO_ECHO, Join
from reconnect.core.hub import wants
from reconnect.core.hub.effects import Authenticate, News
from reconnect.core.hub.inputs import Authenticated, AuthenticationFailed, Bearer, Fresh
from reconnect.core.hub.judging import Ruling, Verdict, judge
from reconnect.core.hub.links import Link
from reconnect.core.hub.members import Occasion, step
from reconnect.core.hub.records import MemberRecord, Secrets, digest
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.reasons import CloseCode, Reason

CODES = {
    Reason.DENIED: CloseCode.DENIED,
    Reason.WRONG_SESSION: CloseCode.WRONG_SESSION,
    Reason.TOKEN_EXPIRED: CloseCode.TOKEN_EXPIRED,
    Reason.UNSUPPORTED: CloseCode.UNSUPPORTED,
    Reason.OVERLOADED: CloseCode.OVERLOADED,
}


def problem_of(join: Join) -> str | None:
    """Return what is wrong with a join's form, None if nothing is."""
    for name, value in (("session", join.session), ("sender", join.sender)):
        if not 0 < len(value) <= limits.NAME_CHARACTERS:
            return f"the {name} of a join has 1 to {limits.NAME_CHARACTERS} characters"
    return None


def ask(hub: HubState, link: Link, join: Join) -> None:
    """Ask who wants to join."""
    link.asked = join
    hub.emit(Authenticate(link=link.number, join=join))


def refuse(
    hub: HubState, link: Link, at: float, reason: Reason, code: int, detail: str, retry_after: float | None = None
) -> None:
    """Do not take whoever asked."""
    hub.announce(at, News.REFUSED, link=link, reason=reason, detail=detail)
    hub.close(link, at, code, reason, detail, retry_after=retry_after)


def failed(hub: HubState, link: Link, answer: AuthenticationFailed) -> None:
    """The token is not good, or nobody could tell."""
    refuse(hub, link, answer.at, answer.reason, CODES.get(answer.reason, CloseCode.HUB_ERROR), answer.detail)


def admit(hub: HubState, link: Link, join: Join, answer: Authenticated) -> None:
    """Judge an authenticated join, and perform the ruling."""
    session = hub.sessions.get(join.session)
    ruling = judge(hub, session, join, answer.bearer)
    _announce(hub, link, join, ruling, answer.at, session)
    if ruling.verdict is Verdict.REFUSE:
        spread = ruling.spread * (1.0 + answer.fresh.draw) if ruling.spread is not None else None
        refuse(hub, link, answer.at, ruling.reason, ruling.code, ruling.detail, spread)
    elif ruling.verdict is Verdict.RESUME and session is not None:
        _resume(hub, session, link, join, answer)
    else:
        _begin(hub, session or _open(hub, join.session, answer.at), link, join, answer, ruling)


def _announce(hub: HubState, link: Link, join: Join, ruling: Ruling, at: float, session: HubSession | None) -> None:
    claimed = join.resume.connection if join.resume is not None else None
    if ruling.superseded:
        hub.announce(at, News.SUPERSEDED_SECRET, session=session, connection=claimed, link=link)
    if ruling.not_resumed is not None:
        hub.announce(at, News.NOT_RESUMED, session=session, connection=claimed, link=link, reason=ruling.not_resumed)


def _open(hub: HubState, session: str, at: float) -> HubSession:
    opened = hub.sessions[session] = HubSession(session, hub.settings)
    hub.sweeps.start(session, at)
    return opened


def _resume(hub: HubState, session: HubSession, link: Link, join: Join, answer: Authenticated) -> None:
    claim = join.resume
    assert claim is not None, "only a claim is resumed"
    record = session.members[claim.connection]
    secrets = record.secrets.rotated(claim.secret, answer.fresh.secret)
    session.keep(replace(record, secrets=secrets, role=answer.bearer.role, expires=_expires(answer.bearer, answer.at)))
    _attach(session, link, record.connection, record.sender, join, answer.fresh)
    link.claimed, link.is_known = claim.position, True
    hub.counts["resumed"] += 1
    # What it gave up ends before it is back, so that nobody sees it restored for a moment.
    wants.keep_only(hub, session, record.connection, join.wants)
    detail = "this connection was resumed on another transport"
    step(hub, session, record.connection, "resumed", Occasion(at=answer.at, reason=None, detail=detail, link=link))


def _begin(hub: HubState, session: HubSession, link: Link, join: Join, answer: Authenticated, ruling: Ruling) -> None:
    muted: tuple[str, ...] = ()
    if ruling.replaced is not None:
        # A new connection is no way out of a mute.
        muted = session.members[ruling.replaced].muted
        occasion = Occasion(at=answer.at, reason=Reason.REPLACED, detail="the same sender joined anew")
        step(hub, session, ruling.replaced, "replaced", occasion)
    bearer, fresh = answer.bearer, answer.fresh
    record = MemberRecord(
        session=session.id,
        connection=fresh.connection,
        client_id=bearer.client_id,
        role=bearer.role,
        sender=join.sender,
        state=hub.chart.initial,
        secrets=Secrets(pending=digest(fresh.secret)),
        data=bearer.data,
        muted=muted,
        expires=_expires(bearer, answer.at),
    )
    link.is_known = join.sender in session.ledgers
    session.keep(record)
    hub.homes[record.connection] = session
    _attach(session, link, record.connection, record.sender, join, fresh)
    link.not_resumed = ruling.not_resumed
    session.links[record.connection] = link
    step(hub, session, record.connection, "admitted", Occasion(at=answer.at, reason=None, link=link))


def _attach(session: HubSession, link: Link, connection: str, sender: str, join: Join, fresh: Fresh) -> None:
    link.session, link.connection, link.secret = session, connection, fresh.secret
    link.ledger, link.wants = session.ledger(sender), join.wants
    link.ledger.settle(join.settled)
    link.echo = NO_ECHO not in join.features


def _expires(bearer: Bearer, at: float) -> float | None:
    return at + bearer.expires_in if bearer.expires_in is not None else None
