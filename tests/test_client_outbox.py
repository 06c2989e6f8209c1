"""The user's side of an outbox: what it may be made of, and that two sessions never share one."""

from __future__ import annotations

from typing import Any

import pytest

from reconnect import limits
from reconnect.client import Outbox
from reconnect.core.bounds import Overflow
from reconnect.errors import BadArgument
from reconnect.store import MemoryOutboxStore


def test_what_it_is_made_of_by_default() -> None:
    box = Outbox(sender="0123456789abcdef")
    assert repr(box) == "<Outbox 01234567 max_signals=1000 overflow=raise>"
    assert (box.bounds.signals, box.bounds.size) == (limits.OUTBOX_SIGNALS, limits.OUTBOX_BYTES)
    assert (box.bounds.in_flight, box.bounds.overflow) == (limits.IN_FLIGHT, Overflow.RAISE)
    assert isinstance(box.store, MemoryOutboxStore)


def test_each_has_a_random_sender_unless_one_is_given() -> None:
    senders = {Outbox().sender for _ in range(10)}
    assert len(senders) == 10
    assert all(len(sender) == 32 for sender in senders)
    assert Outbox(sender="mine").sender == "mine"


@pytest.mark.parametrize("overflow", ["raise", "drop_oldest", "drop_newest", "wait", Overflow.WAIT])
def test_every_policy_is_taken(overflow: str) -> None:
    assert Outbox(overflow=overflow).bounds.overflow == overflow


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"overflow": "block"}, "overflow 'block' is no policy; use one of raise, drop_oldest, drop_newest, wait"),
        ({"overflow": None}, "overflow None is no policy; use one of raise, drop_oldest, drop_newest, wait"),
        ({"max_signals": 0}, "max_signals is 0; give a whole number, at least 1"),
        ({"max_signals": 2.5}, "max_signals is 2.5; give a whole number, at least 1"),
        ({"max_bytes": -1}, "max_bytes is -1; give a whole number, at least 1"),
        ({"max_bytes": "8 MiB"}, "max_bytes is '8 MiB'; give a whole number, at least 1"),
        ({"in_flight": 0}, "in_flight is 0; give a whole number, at least 1"),
        ({"in_flight": True}, "in_flight is True; give a whole number, at least 1"),
        ({"sender": ""}, "sender is the id of this outbox, a string that is not empty, and this is ''"),
        ({"sender": 5}, "sender is the id of this outbox, a string that is not empty, and this is 5"),
        ({"sender": "x" * 257}, "sender is the id of this outbox, of at most 256 characters, and this has 257"),
    ],
)
def test_what_it_cannot_be_made_of(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument) as refused:
        Outbox(**options)
    assert str(refused.value) == sentence


def test_it_belongs_to_one_session() -> None:
    box = Outbox()
    box._take()
    with pytest.raises(BadArgument) as refused:
        box._take()
    assert str(refused.value) == "this Outbox belongs to another Session; make one Outbox for each Session"
