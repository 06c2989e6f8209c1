"""Every input that a session's core can be fed, sensible or not, as Hypothesis strategies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from hypothesis import strategies as st

from reconnect.core import inputs
from reconnect.core.frames import (
    Accepted,
    Done,
    Entry,
    EntryKind,
    Failed,
    Frame,
    Gap,
    GoingAway,
    Goodbye,
    Heartbeat,
    Kick,
    Member,
    Ping,
    Pong,
    Refused,
    Rejection,
    RenewToken,
    Snapshot,
    Stream,
    Unknown,
    WantAnswer,
)  # fmt: skip
from reconnect.errors import IllegalTransition, NotConnected, OutboxFull
from reconnect.reasons import Cause, Reason, RejectCode
from tests.core_world import CoreWorld, raw, welcome

Move = Callable[[CoreWorld], object]

MEMBER: Final = Member(connection="c-ann", client_id="ann")
STREAMS: Final = tuple(Stream(id=f"s-{number}", number=number, name="n", connection="c-ann") for number in range(3))

REASONS: Final = (Reason.CLOSED, Reason.SILENT, Reason.TOKEN_EXPIRED, Reason.OVERLOADED, Reason.PROTOCOL_ERROR)
CAUSES: Final = st.builds(
    Cause,
    reason=st.sampled_from(REASONS),
    final=st.sampled_from([False, False, False, True]),
    retry_after=st.sampled_from([None, None, 0.0, 3.0, -1.0]),
    url=st.sampled_from([None, "ws://two"]),
)
ANSWERS: Final = st.sampled_from([0.0, 0.5, 2.0, 2.0, 30.0, float("nan"), -1.0, Reason.GAVE_UP])
SMALL: Final = st.integers(0, 12)


def entries() -> st.SearchStrategy[Frame]:
    """Entries that follow the last one, or do not, about anything."""
    return st.builds(
        Entry,
        position=SMALL,
        after=SMALL,
        what=st.sampled_from(EntryKind),
        connection=st.sampled_from(["c-ann", "c1", None]),
        sender=st.sampled_from(["ann", "me", None]),
        serial=SMALL,
        data=st.sampled_from([raw("x")] * 9 + [msgspec.Raw(b"{")]),
        member=st.sampled_from([MEMBER, None]),
        stream=st.sampled_from([*STREAMS, None]),
        reason=st.sampled_from([Reason.SILENT, None]),
    )


def answers() -> st.SearchStrategy[WantAnswer]:
    """Answers to wants that are there, or are not."""
    return st.builds(
        WantAnswer,
        key=st.sampled_from(["publish:camera", "subscribe:s-1", "never there"]),
        stream=st.sampled_from([*STREAMS, None]),
        code=st.sampled_from([None, RejectCode.NO_SUCH_STREAM]),
    )


def rejections() -> st.SearchStrategy[tuple[Rejection, ...]]:
    return st.lists(st.builds(Rejection, serial=SMALL, code=st.just(RejectCode.FORBIDDEN)), max_size=2).map(tuple)


def welcomes() -> st.SearchStrategy[Frame]:
    """Welcomes of every kind, most of them from a hub that knows what it says."""
    return st.builds(
        welcome,
        connection=st.sampled_from(["c1", "c1", "c1", "c2"]),
        epoch=st.sampled_from(["e1", "e1", "e1", "e2"]),
        position=SMALL,
        resumed=st.booleans(),
        gap=st.sampled_from([None, None, Gap(epoch="e1", first=1, last=4), Gap(epoch="e1", first=2)]),
        accepted=st.none() | st.integers(0, 4),
        rejected=rejections(),
        answers=st.lists(answers(), max_size=2).map(tuple),
        snapshot_pages=st.sampled_from([0, 0, 1, 2]),
        heartbeat=st.sampled_from([Heartbeat(ping=2.0, silence=6.0)] * 5 + [Heartbeat(ping=9.0, silence=3.0)]),
    )


FRAMES: Final = st.one_of(
    entries(),
    welcomes(),
    st.builds(Accepted, serial=st.integers(0, 6), position=SMALL, rejected=rejections()),
    st.builds(Done, request=st.integers(1, 9), answer=st.none() | answers()),
    st.builds(Failed, request=st.integers(1, 9), code=st.just(RejectCode.FORBIDDEN)),
    st.builds(
        Snapshot,
        page=st.integers(0, 2),
        members=st.sampled_from([(), (MEMBER,), (Member(connection="c-ann", client_id="ann", away=True),)]),
        streams=st.sampled_from([(), STREAMS[:1], STREAMS]),
    ),
    st.builds(Refused, code=st.sampled_from([*REASONS, Reason.KICKED]), retry_after=st.sampled_from([None, 1.0])),
    st.builds(GoingAway, retry_after=st.sampled_from([0.0, 2.0, -1.0])),
    st.sampled_from([Ping(position=3), Pong(position=2), Pong(position=30), Goodbye(), Unknown(kind="x")]),
)


def get_on(world: CoreWorld) -> None:
    """Let what is under way succeed: the wait ends, the dial opens, the hub accepts or resumes, what is due is done."""
    at = world.core.at
    if world.role == "offline":
        world.connect()
    elif world.core.phase == "dialing":
        world.opened()
    elif world.core.phase == "joining":
        seen = [serial for serial in world.outcomes if serial]
        known = {"connection": at.connection, "epoch": at.inbox.epoch, "resumed": True} if at.connection else {}
        judged = max(seen, default=0) if at.outbox.can_be_judged(max(seen, default=0)) else 0
        world.accept(position=at.inbox.received, accepted=judged, **known)
    elif world.core.wake_at() is not None:
        world.wake()


def report(world: CoreWorld, age: int, kind: str, cause: Cause) -> None:
    """A transport of some generation opened or ended."""
    generation = max(0, world.core.at.generation + age)
    if kind == "ended":
        world.lose(cause, generation=generation)
    elif age == 0 and world.core.phase == "dialing":
        world.opened()
    else:
        world.opened(generation)


def submit(world: CoreWorld, keep: bool, ttl: float | None, flush: bool) -> None:
    with suppress(NotConnected, OutboxFull):
        world.submit(keep=keep, ttl=ttl, flush=flush)


def call(world: CoreWorld, kind: str) -> None:
    """The user calls something."""
    request, now = next(world.requests), world.now
    match kind:
        case "publish":
            if "publish:camera" not in world.core.at.wants:
                world.publish(request)
        case "subscribe":
            if "subscribe:s-1" not in world.core.at.wants:
                world.subscribe(request, "s-1")
        case "unpublish":
            world.feed(inputs.WantDropped(at=now, request=request, key="publish:camera"))
        case "kick":
            world.feed(inputs.RequestMade(at=now, frame=Kick(request=request, connection="c-ann")))
        case "token":
            world.feed(inputs.RequestMade(at=now, frame=RenewToken(request=request, token="t")))
        case "disconnect":
            world.disconnect()
        case _:
            try:
                world.connect()
            except IllegalTransition:
                assert world.role == "closing"


def moves() -> st.SearchStrategy[Move]:
    """Every input there is."""
    m: list[st.SearchStrategy[Move]] = [
        st.just(get_on),
        st.just(get_on),
        st.just(get_on),
        st.builds(lambda *a: lambda w: w.receive(*a[0]), st.lists(FRAMES, min_size=1, max_size=3)),
        st.builds(lambda g, f: lambda w: w.receive(f, generation=max(0, w.core.at.generation + g)), st.integers(-2, 1), FRAMES),
        st.builds(
            lambda g, k, c: lambda w: report(w, g, k, c),
            st.sampled_from([0, 0, -1, 1]),
            st.sampled_from(["opened", "ended"]),
            CAUSES,
        ),
        st.builds(lambda k, t, f: lambda w: submit(w, k, t, f), st.booleans(), st.sampled_from([None, 0.4]), st.booleans()),
        st.builds(
            lambda k: lambda w: call(w, k),
            st.sampled_from(["publish", "subscribe", "unpublish", "kick", "token", "disconnect", "connect"]),
        ),
        st.builds(lambda f: lambda w: w.retry(force=f), st.booleans()),
        st.builds(lambda s: lambda w: w.advance(s), st.sampled_from([0.1, 1.0, 7.0])),
        st.builds(lambda s: lambda w: w.oversleep(s), st.sampled_from([0.1, 3.0, 40.0])),
        st.builds(lambda s: lambda w: w.feed(inputs.Slept(at=w.now, seconds=s)), st.sampled_from([6.0, 60.0])),
        st.builds(lambda s: lambda w: w.feed(inputs.Stored(at=w.now, serial=s)), SMALL),
        st.builds(lambda p: lambda w: w.feed(inputs.HandledUpTo(at=w.now, position=p)), SMALL),
        st.builds(lambda s: lambda w: w.perform(w.core.cancel(s)), SMALL),
        st.builds(lambda a: lambda w: w.script.answers.append(a), ANSWERS),
        st.builds(lambda g: lambda w: w.core.heard(w.core.at.generation + g, w.now), st.integers(-1, 1)),
    ]
    return st.one_of(m)
