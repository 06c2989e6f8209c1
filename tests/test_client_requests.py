"""Requests without a network; their stories are in tests/stories/test_requests.py."""

from __future__ import annotations

from collections import Counter

from msgspec import Raw

from reconnect.client.requests import Requests
from reconnect.core.effects import Deliver
from reconnect.core.frames import Entry, EntryKind
from reconnect.testing import FakeClock, run


def entry(position: int, type: str, *, to: str | None = "c1", connection: str | None = "c2") -> Entry:
    return Entry(
        position=position,
        after=position - 1,
        what=EntryKind.SIGNAL,
        sender="s2",
        serial=position,
        type=type,
        to=to,
        connection=connection,
        data=Raw(b"null"),
    )


def test_requests_and_replies_are_taken_out_of_what_arrived() -> None:
    clock = FakeClock()

    async def story() -> None:
        counts: Counter[str] = Counter()
        requests = Requests(counts, report=lambda name, callback, error: None)
        plain = Deliver(at=0.0, entries=(entry(1, "chat"), entry(2, "~replying")), values=(None, None))
        assert requests.take(plain) is plain
        mixed = Deliver(
            at=0.0, entries=(entry(1, "~reply"), entry(2, "chat"), entry(3, "~request.x")), values=(None, "kept", None)
        )
        rest = requests.take(mixed)
        assert ([one.type for one in rest.entries], rest.values) == (["chat"], ("kept",))
        assert repr(requests) == "<Requests waiting=0 at_work=1>"
        await clock.idle()
        assert repr(requests) == "<Requests waiting=0 at_work=0>", "whose session is gone answers nobody"
        assert counts == {"late_replies": 1}

    run(story(), clock)
