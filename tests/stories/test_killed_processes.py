"""SIGKILL, with real processes and real sockets: of the hub, and of a member. Nobody had the time to say a word."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from reconnect import OutcomeStatus, Reason, Reconnected, ResumeRefusal, StreamCreated
from tests.stories.processes import Child
from tests.stories.sockets import SocketStage, brisk
from tests.stories.stage import ROOM, SECRET, Member, names, record, story


class ProcessStage(SocketStage):
    """The stage with its hub in a process of its own."""

    async def open(self) -> None:
        """Start the hub process, on the same port as before where there was one."""
        self.child = await Child.start("hub", secret=SECRET, port=self.port)
        self.port = self.child.reported[0]["port"]

    async def kill_hub(self) -> None:
        """Kill the hub process."""
        await self.child.kill()

    async def close(self) -> None:
        """Let everybody leave, then kill the hub."""
        await super().close()
        await self.child.kill()

    def _url_for(self, name: str) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def enter(self, name: str, **options: Any) -> Member:
        """Make a member that dials the hub itself, and let it connect."""
        member = self.member(name, **options)
        await member.session.connect()
        return member


@story(ProcessStage)
async def test_the_hub_is_killed_and_restarted(stage: ProcessStage) -> None:
    """R03 R16 Q05 P06: all come back with `resumed=False`, learn the gap, and publish again; no receipt is pending."""
    anna, ben = await stage.enter("anna", retry=brisk()), await stage.enter("ben", retry=brisk())
    publisher = await anna.session.publish("camera")
    watched: list[Any] = []

    async def watch(event: StreamCreated) -> None:
        watched.append(record(await ben.session.subscribe(event.stream)))

    await watch(await ben.next("stream_created"))
    ben.session.on("stream_created", watch)
    his, hers = watched[0], record(publisher)
    first, before = publisher.stream, anna.session.connection
    await anna.signal("before")
    await stage.until(lambda: ben.heard == ["before"])

    # The hub dies with signals of both kinds on their way to it.
    under_way = anna.signal("under way")
    worthless = anna.signal("worthless if late", retry_after_reconnect=False)
    await stage.kill_hub()
    for member in (anna, ben):
        assert (await member.next("reconnecting")).reason is Reason.CLOSED
    held = [anna.signal(number) for number in range(3)]
    dropped = ben.signal("dropped", retry_after_reconnect=False)
    await stage.until(lambda: names(his) == ["disconnected"])

    # Another one takes its place. It knows nothing.
    await stage.open()
    for member in (anna, ben):
        back: Reconnected = await member.back()
        assert (back.resumed, back.not_resumed) == (False, ResumeRefusal.UNKNOWN_CONNECTION)
        assert back.gap is not None
        assert back.gap.last is None
    assert anna.session.connection != before

    # Nothing is pending, and what was said of each signal is true.
    await anna.session.drain()
    assert [(await receipt).status for receipt in held] == [OutcomeStatus.DELIVERED] * 3
    assert (await dropped).status is OutcomeStatus.DROPPED
    assert (await under_way).delivered
    assert (await worthless).status in (OutcomeStatus.DELIVERED, OutcomeStatus.FAILED)
    await stage.until(lambda: anna.heard[-4:] == ["under way", 0, 1, 2])
    for member in (anna, ben):
        assert len(member.heard) == len(set(member.heard)), "nothing twice, though it was sent twice"
        assert "dropped" not in member.heard

    # The stream lives on as another one under the same Publisher; who watched the old one is told, and finds the new one.
    await stage.until(lambda: names(hers) == ["interrupted", "live"])
    await stage.until(lambda: names(his) == ["disconnected", "destroyed"])
    await stage.until(lambda: len(watched) == 2)
    assert publisher.stream != first
    assert [stream.id for stream in ben.session.streams] == [publisher.stream.id if publisher.stream else ""]
    assert publisher.send(b"a frame") is True


@story(SocketStage)
@pytest.mark.parametrize("same_sender", [True, False], ids=["same sender", "new sender"])
async def test_a_member_is_killed_and_restarted(stage: SocketStage, same_sender: bool) -> None:
    """P05 P07 Q05: no ghost beside the new one, nothing heard twice, and no `delivered` for what nobody heard."""
    ben = await stage.enter("ben")
    url, sender = f"ws://127.0.0.1:{stage.port}", secrets.token_hex(16)
    lives: list[Child] = []
    try:
        for life in range(2):
            options = {"url": url, "session": ROOM, "token": stage.token("anna"), "first": 1_000 * life}
            lives.append(await Child.start("member", sender=sender if same_sender else secrets.token_hex(16), **options))
            await stage.until(lambda: len(lives[-1].reported) > 20)
            await stage.until(lambda: len(ben.session.streams) > 0)
            if life == 0:
                await lives[0].kill()
                await stage.until(lambda: bool(ben.told("connection_interrupted")))
                assert names(ben.told("stream_interrupted")) == ["stream_interrupted"]
        reported = [line for life in lives for line in life.reported if "number" in line]
        delivered = [line["number"] for line in reported if line["status"] == "delivered"]
        await stage.until(lambda: set(delivered) <= set(ben.heard), "delivered is not true")
        assert ben.heard == sorted(set(ben.heard)), "each once, in order"

        present = [member.connection for member in ben.session.members if not member.away]
        assert present == [lives[1].reported[0]["connection"]]
        if same_sender:
            assert len(ben.session.members) == 1, "no ghost: the old connection was replaced"
            assert [stream.connection for stream in ben.session.streams] == present
            assert ben.told("connection_destroyed")[0].reason is Reason.REPLACED
        else:
            assert len(ben.session.members) == 2, "another sender is another member; the first one is away within its grace"
    finally:
        for life_ in lives:
            await life_.kill()
