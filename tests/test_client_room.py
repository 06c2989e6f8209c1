"""The line of callers that wait for room in an outbox; its stories are in tests/stories/test_back_pressure.py."""

from __future__ import annotations

import asyncio

import pytest

from reconnect.client.receipt import Receipt
from reconnect.client.room import Room
from reconnect.errors import NotConnected
from reconnect.testing import run
from tests.core_world import CoreWorld


def test_whoever_needs_no_room_goes_at_once_and_leaves_no_trace() -> None:
    async def story() -> None:
        world = CoreWorld().online()
        room = Room(world.core)
        receipt = Receipt(1, lambda: None)
        assert await room.submit(lambda: receipt, 5, keep=True) is receipt
        assert repr(room) == "<Room waiting=0>"

    run(story())


def test_the_line_is_woken_when_the_session_is_over() -> None:
    async def story() -> None:
        world = CoreWorld().online()
        room = Room(world.core)
        too_much = world.core.at.outbox.bounds.size + 1  # no room will ever be enough

        def refuse() -> Receipt:
            raise NotConnected("signal()", world.core.state)

        waiting = [asyncio.ensure_future(room.submit(refuse, too_much, keep=True)) for _ in range(2)]
        await asyncio.sleep(1.0)
        room.check()
        assert repr(room) == "<Room waiting=2>"
        world.disconnect()
        room.check()
        room.check()
        for task in waiting:
            with pytest.raises(NotConnected):
                await task
        assert repr(room) == "<Room waiting=0>"

    run(story())
