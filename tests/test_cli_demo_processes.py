"""The processes of the demo, played in this one: a real hub and real members over a network in memory, in virtual time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import reconnect
from reconnect.cli import demo_processes
from reconnect.cli.demo_processes import Member, brisk_policy, opened_stdin, read_words, report, run_hub, run_member
from reconnect.client import Session
from reconnect.testing import FakeClock, MemoryNetwork, run

SECRET = "a secret that only this demo and its hub know"
URL = "ws://hub.test"


class Play:
    """A hub, two members, and the lines that they write."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.clock = FakeClock()
        self.network = MemoryNetwork()
        self.folder, self._capsys = folder, capsys
        self.lines: list[dict[str, Any]] = []
        self.stdin: dict[str, asyncio.StreamReader] = {}
        self.running: dict[str, asyncio.Task[None]] = {}
        self.members: dict[str, Member] = {}

    def read(self) -> list[dict[str, Any]]:
        """Return everything that was reported so far."""
        self.lines += [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return self.lines

    def reports(self, what: str) -> list[dict[str, Any]]:
        """Return the reports of this kind."""
        return [line for line in self.read() if line["what"] == what]

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return the reports of these events."""
        return [line for line in self.reports("event") if line["event"] in names]

    def start(self, name: str, **options: str) -> None:
        """Start a member."""
        token = reconnect.make_token(SECRET, session="demo", role="publisher", client_id=name, now=self.clock.wall())
        usual = {"name": name, "url": URL, "session": "demo", "token": token, "audit": str(self.folder / f"{name}.jsonl")}
        member = Member(usual | options)
        member.session._driver._dialer = self.network.dialer(name)
        self.members[name], self.stdin[name] = member, asyncio.StreamReader()
        self.running[name] = asyncio.ensure_future(member.run(self.stdin[name]))

    def say(self, word: str, *names: str) -> None:
        """Write a word to members."""
        for name in names or self.stdin:
            self.stdin[name].feed_data(word.encode() + b"\n")

    async def leave(self) -> None:
        """End all members' stdin, and wait for them."""
        for name, reader in self.stdin.items():
            reader.feed_eof()
            await self.running[name]


@pytest.fixture
def play(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Play]:
    """Play a story with a hub on the network, and see that nothing is left."""
    one = Play(tmp_path, capsys)
    monkeypatch.setattr(reconnect, "Session", partial(Session, clock=one.clock, seed=1))

    def begin(story: Any) -> Play:
        async def whole() -> None:
            hub = reconnect.Hub(SECRET, clock=one.clock, ping_seconds=0.5, silence_seconds=1.5)
            async with one.network.listen(URL, hub.attend):
                await story(one)
                await one.leave()
                await hub.close()
            await one.clock.idle()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(whole(), one.clock)
        return one

    return begin


def test_both_members_send_see_and_settle(play: Callable[[Any], Play]) -> None:
    async def story(one: Play) -> None:
        one.start("subscriber")
        one.start("publisher")
        await one.clock.advance(1)
        assert [line["event"] for line in one.events("publisher.live", "subscriber.connected")] == [
            "publisher.live", "subscriber.connected",
        ]  # fmt: skip
        assert one.reports("sent") == [], "nobody sends before `begin`"
        one.say("begin")
        await one.clock.advance(2)
        one.say("nonsense")
        one.say("stop")
        await one.clock.advance(2)
        assert len(one.reports("settled")) == 2
        sent = one.reports("sent")
        assert len(sent) in range(76, 88), "twenty a second, from both"
        assert {line["waits"] for line in sent} == {True, False}
        assert len(one.reports("outcome")) == len(sent)
        assert {line["status"] for line in one.reports("outcome")} == {"delivered"}
        assert len(one.reports("seen")) == 2 * len(sent), "seen by both"
        frames = one.reports("frames")
        assert frames[-1].get("sent", 0) + frames[0].get("sent", 0) > 90
        one.say("leave")

    one = play(story)
    assert [line["event"] for line in one.events("disconnected")] == ["disconnected"] * 2
    assert all(task.done() for task in one.running.values())


def test_an_outage_and_the_odd_signals_of_the_first_one(play: Callable[[Any], Play]) -> None:
    async def story(one: Play) -> None:
        one.start("publisher")
        one.start("subscriber")
        await one.clock.advance(1)
        one.say("begin")
        await one.clock.advance(0.5)
        for _ in range(2):
            one.network.refuse("publisher")
            one.network.cut("publisher")
            await one.clock.advance(2)
            one.network.restore("publisher")
            await one.clock.advance(2)
        one.say("stop")
        await one.clock.advance(2)

    one = play(story)
    ends = [line["status"] for line in one.reports("outcome")]
    assert (ends.count("expired"), ends.count("cancelled"), ends.count("rejected")) == (1, 1, 1)
    assert ends.count("dropped") > 10
    first = one.events("reconnecting")[0]
    assert (first["reason"], first["attempt"], first["elapsed"]) == ("closed", 1, 0.0)
    attempts = one.events("attempt")
    assert attempts
    assert all(line["attempt"] > 1 for line in attempts), "the first is told as `reconnecting`"
    back = one.events("reconnected")
    assert [(line["resumed"], line["gap"]) for line in back] == [(True, False)] * 2
    assert [line["event"] for line in one.events("publisher.interrupted", "publisher.live")] == [
        "publisher.live", "publisher.interrupted", "publisher.live", "publisher.interrupted", "publisher.live",
    ]  # fmt: skip
    assert [line["reason"] for line in one.events("subscriber.disconnected")] == ["closed"] * 2
    refused = [line["refused"] for line in one.reports("frames") if "refused" in line]
    assert refused[0] > 50


def test_a_member_that_cannot_connect_says_so(play: Callable[[Any], Play]) -> None:
    async def story(one: Play) -> None:
        one.network.refuse("publisher")
        one.start("publisher")
        await one.running["publisher"]
        await one.clock.idle()

    one = play(story)
    (line,) = one.read()
    assert (line["what"], line["detail"].partition(":")[0]) == ("failed", "could not connect to ws")


def test_a_stream_that_ends_is_told(play: Callable[[Any], Play]) -> None:
    async def story(one: Play) -> None:
        one.start("publisher")
        one.start("subscriber")
        await one.clock.advance(1)
        one.say("stop", "publisher")
        one.say("begin", "publisher")
        one.say("leave", "publisher")
        await one.clock.advance(2)

    one = play(story)
    assert one.events("subscriber.destroyed")
    assert one.events("publisher.ended")
    assert next(line["seen"] for line in one.reports("frames") if "seen" in line) > 10


def test_the_policy_is_brisk() -> None:
    policy = brisk_policy()
    assert (policy.first_try_seconds, policy.stable_after_seconds) == (0.3, 0.5)


def test_words_set_their_events_and_the_end_sets_all() -> None:
    async def story() -> None:
        words = {"begin": asyncio.Event(), "stop": asyncio.Event()}
        reader = asyncio.StreamReader()
        reading = asyncio.ensure_future(read_words(reader, words))
        reader.feed_data(b"begin\nnonsense\n")
        await asyncio.sleep(1)
        assert [event.is_set() for event in words.values()] == [True, False]
        reader.feed_eof()
        await reading
        assert [event.is_set() for event in words.values()] == [True, True]

    run(story())


def test_a_report_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report("seen", sender="anna", n=1)
    report("outcome", status=reconnect.OutcomeStatus.DELIVERED)
    assert capsys.readouterr().out == '{"what": "seen", "sender": "anna", "n": 1}\n{"what": "outcome", "status": "delivered"}\n'


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A pipe that is stdin here."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as ours:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ours


def test_options_come_through_stdin(pipe: Any) -> None:
    async def story() -> None:
        async with asyncio.timeout(30):
            pipe.write(b'{"secret": "s"}\nbegin\n')
            async with opened_stdin() as (reader, options):
                assert options == {"secret": "s"}
                assert await reader.readline() == b"begin\n"

    asyncio.run(story())


def test_the_hub_listens_until_stdin_ends(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real socket: a member joins it."""
    reports: list[dict[str, Any]] = []

    async def story() -> None:
        listening = asyncio.Event()

        def take(what: str, **facts: Any) -> None:
            reports.append({"what": what, **facts})
            listening.set()

        monkeypatch.setattr(demo_processes, "report", take)
        async with asyncio.timeout(60):
            pipe.write(json.dumps({"secret": SECRET}).encode() + b"\n")
            serving = asyncio.ensure_future(run_hub())
            await listening.wait()
            token = reconnect.make_token(SECRET, session="demo", role="publisher", client_id="anna")
            async with reconnect.connect(f"ws://127.0.0.1:{reports[0]['port']}", session="demo", token=token) as session:
                assert (await session.signal("hello")).delivered
            pipe.close()
            await serving

    asyncio.run(story())
    assert [line["what"] for line in reports] == ["listening"]


def test_a_member_process_takes_its_options_and_runs(
    pipe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {"name": "anna", "url": URL, "session": "demo", "token": "t", "audit": str(tmp_path / "anna.jsonl")}
    monkeypatch.setattr(reconnect, "Session", partial(Session, transport=MemoryNetwork().dial))

    async def story() -> None:
        async with asyncio.timeout(30):
            pipe.write(json.dumps(options).encode() + b"\n")
            await run_member()

    asyncio.run(story())
    assert json.loads(capsys.readouterr().out)["what"] == "failed"
