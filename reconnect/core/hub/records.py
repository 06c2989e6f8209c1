"""What a hub knows of one member: one frozen record, complete, so that another node could take the member over.

Of secrets only digests are kept. A member has a current secret, which it proved to have, and a pending one, which it was given in
its last welcome and may never have received. Either resumes; the pending one becomes current when it is proven. Digests of
secrets of the past are kept for a while, so that their use is recognised for what it is.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest

from msgspec.structs import replace

from reconnect import limits
from reconnect.core.frames import Member, Stream, Want
from reconnect.record import Record


class Secrets(Record, kw_only=True):
    """The digests of a member's secrets; empty where there is none."""

    current: bytes = b""
    pending: bytes = b""
    superseded: tuple[bytes, ...] = ()

    def accepts(self, secret: str) -> bool:
        """True if this secret takes the connection back; compares in constant time."""
        presented = digest(secret)
        # Both are always compared, so that the time does not tell which one was near.
        return compare_digest(presented, self.current) | compare_digest(presented, self.pending)

    def knows(self, secret: str) -> bool:
        """True if this secret was good once and is not any more."""
        presented = digest(secret)
        return any(compare_digest(presented, old) for old in self.superseded)

    def proven(self) -> Secrets:
        """The member showed that it has the pending secret: the current one is over."""
        return self._moved(current=self.pending, pending=b"")

    def rotated(self, presented: str, fresh: str) -> Secrets:
        """The member resumed with `presented` and is given `fresh`."""
        return self._moved(current=digest(presented), pending=digest(fresh))

    def _moved(self, *, current: bytes, pending: bytes) -> Secrets:
        over = [old for old in (self.current, self.pending) if old and old not in (current, pending)]
        return Secrets(current=current, pending=pending, superseded=(*self.superseded, *over)[-limits.SUPERSEDED_SECRETS :])


def digest(secret: str) -> bytes:
    """Return what is kept of a secret. It has 256 random bits, so neither salt nor work is needed against guessing."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Role(StrEnum):
    """What a token allows."""

    SUBSCRIBER = "subscriber"
    PUBLISHER = "publisher"
    MODERATOR = "moderator"


SPEAKERS = frozenset({Role.PUBLISHER, Role.MODERATOR})


class HeldWant(Record, kw_only=True):
    """A want that was granted: the stream that it publishes, or the id of the one that it subscribes to."""

    want: Want
    stream: Stream | None = None


class MemberRecord(Record, kw_only=True):
    """One member, whatever its link does.

    `state` is a leaf of the member's chart. `grace_end` is the instant at which an away member is given up; `position` up to
    where it had handled the log, and `settled` its own serial up to which it knew outcomes, when its link was lost. `muted` are
    the names of its publications that a moderator muted. `expires` is the instant at which its token runs out.
    """

    session: str
    connection: str
    client_id: str
    role: str
    sender: str
    state: str
    secrets: Secrets
    data: str = ""
    wants: tuple[HeldWant, ...] = ()
    muted: tuple[str, ...] = ()
    grace_end: float | None = None
    position: int = 0
    settled: int = 0
    expires: float | None = None

    @property
    def member(self) -> Member:
        """What the others are told when it joins."""
        return Member(connection=self.connection, client_id=self.client_id, role=self.role, data=self.data)

    @property
    def streams(self) -> list[Stream]:
        """What it publishes."""
        return [held.stream for held in self.wants if held.stream is not None]

    def held(self, key: str) -> HeldWant | None:
        """Return the want under this key."""
        return next((held for held in self.wants if held.want.key == key), None)

    def without(self, key: str) -> MemberRecord:
        """Return the record with this want given up."""
        return replace(self, wants=tuple(held for held in self.wants if held.want.key != key))
