"""Judges a join, in one step and without touching anything: this connection again, a new one, or neither.

A claim is good if the connection's place is kept, the principal and the sender are its own, the secret is its current or
pending one, and epoch and position are of this log. A claim that is not good asks for a new connection, with the reason told. A
new one takes the place of what the same sender of the same principal still holds; but a secret of the past never harms a living
connection: whoever presents one was taken over, and is told so.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from reconnect import limits
from reconnect.core.frames import Join, ResumeClaim
from reconnect.core.hub.inputs import Bearer
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.state import HubState
from reconnect.reasons import CloseCode, Reason, ResumeRefusal
from reconnect.record import Record


class Verdict(StrEnum):
    """What becomes of a join."""

    RESUME = "resume"
    NEW = "new"
    REFUSE = "refuse"


class Ruling(Record, kw_only=True):
    """The answer to a join.

    RESUME: take `connection` back. NEW: a new connection; `replaced` is the one that ends for it, `not_resumed` says what was
    wrong with the claim, `superseded` that its secret was one of the past. REFUSE: with `reason`, `code` and, it may be,
    `spread`: how long to stay away, drawn from one to two times this.
    """

    verdict: Verdict
    connection: str = ""
    replaced: str | None = None
    not_resumed: ResumeRefusal | None = None
    superseded: bool = False
    reason: Reason = Reason.DENIED
    code: int = CloseCode.DENIED
    detail: str = ""
    spread: float | None = None


def judge(hub: HubState, session: HubSession | None, join: Join, bearer: Bearer) -> Ruling:
    """Return what becomes of an authenticated join to this session, which may not be there yet."""
    if hub.draining:
        return _refusal(Reason.GOING_AWAY, CloseCode.GOING_AWAY, "the hub is going away", limits.OVERLOADED_SECONDS)
    if bearer.session != join.session:
        return _refusal(Reason.WRONG_SESSION, CloseCode.WRONG_SESSION, "the token is for another session")
    if session is not None and _is_kicked(session, join):
        return _refusal(Reason.KICKED, CloseCode.KICKED, "this member was removed a short while ago")
    claim = join.resume
    wrong = _claim(hub, session, join, claim, bearer) if claim is not None else None
    if bearer.expired and (claim is None or wrong is not None or hub.settings.strict_tokens):
        return _refusal(Reason.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED, "the token has expired")
    if claim is not None and wrong is None:
        return Ruling(verdict=Verdict.RESUME, connection=claim.connection)
    return _new(hub, session, join, bearer, wrong)


def _new(hub: HubState, session: HubSession | None, join: Join, bearer: Bearer, wrong: ResumeRefusal | None) -> Ruling:
    held = session.members.get(session.senders.get(join.sender, "")) if session is not None else None
    superseded = session is not None and join.resume is not None and _is_superseded(session, join.resume)
    if held is not None and held.client_id != bearer.client_id:
        return _refusal(
            Reason.DENIED, CloseCode.DENIED, "the sender belongs to another member; give each client an Outbox of its own"
        )
    if held is not None and superseded and hub.chart.role(held.state) == "present":
        detail = "another client took this connection over and holds it"
        return replace(_refusal(Reason.TAKEN_OVER, CloseCode.TAKEN_OVER, detail), superseded=True)
    if session is None and len(hub.sessions) >= hub.settings.sessions:
        return _overloaded("the hub has no room for another session")
    if session is not None and held is None and len(session.members) >= hub.settings.members_per_session:
        return _overloaded("the session has no room for another member")
    replaced = held.connection if held is not None else None
    return Ruling(verdict=Verdict.NEW, replaced=replaced, not_resumed=wrong, superseded=superseded)


def _claim(hub: HubState, session: HubSession | None, join: Join, claim: ResumeClaim, bearer: Bearer) -> ResumeRefusal | None:
    """Return what is wrong with a claim, None if it is good."""
    record = session.members.get(claim.connection) if session is not None else None
    if session is None or record is None or hub.chart.role(record.state) not in ("present", "away"):
        return ResumeRefusal.UNKNOWN_CONNECTION
    if record.client_id != bearer.client_id:
        return ResumeRefusal.WRONG_PRINCIPAL
    if not record.secrets.accepts(claim.secret):
        return ResumeRefusal.WRONG_SECRET
    if record.sender != join.sender:
        return ResumeRefusal.WRONG_PRINCIPAL
    if claim.epoch != session.epoch:
        return ResumeRefusal.WRONG_EPOCH
    if not 0 <= claim.position <= session.tail.head:
        return ResumeRefusal.WRONG_POSITION
    return None


def _is_kicked(session: HubSession, join: Join) -> bool:
    if join.resume is not None and join.resume.connection in session.tombstones:
        return True
    return join.sender in session.tombstones.values()


def _is_superseded(session: HubSession, claim: ResumeClaim) -> bool:
    record = session.members.get(claim.connection)
    return record is not None and record.secrets.knows(claim.secret)


def _overloaded(detail: str) -> Ruling:
    return _refusal(Reason.OVERLOADED, CloseCode.OVERLOADED, detail, limits.OVERLOADED_SECONDS)


def _refusal(reason: Reason, code: CloseCode, detail: str, spread: float | None = None) -> Ruling:
    return Ruling(verdict=Verdict.REFUSE, reason=reason, code=code, detail=detail, spread=spread)
