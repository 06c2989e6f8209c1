"""The demo itself, with a cast that plays the processes by hand in virtual time; and once for real."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from reconnect.__main__ import main
from reconnect.audit import read_records
from reconnect.cli import demo
from reconnect.cli.demo import MEMBERS, Child, Demo, ProcessFailed
from reconnect.cli.ledger import Ledger
from reconnect.cli.output import PrintFailed
from reconnect.evidence.report import report
from reconnect.evidence.verify import verify
from reconnect.testing import FakeClock, assert_replays, run

Report = Callable[[str, dict[str, Any]], None]


class FakeProxy:
    """A link that an actor feels."""

    ports = count(10_000)

    def __init__(self, host: str, port: int) -> None:
        self.port = next(self.ports)
        self.target = host, port
        self.feel: Callable[[str], None] = lambda what: None
        stage.proxies[self.port] = self

    async def __aenter__(self) -> FakeProxy:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        stage.closed.append(self.port)

    def cut(self) -> None:
        self.feel("cut")

    def freeze(self) -> None:
        self.feel("freeze")

    def restore(self) -> None:
        self.feel("restore")


class Actor:
    """Plays one process: says what a script makes it say."""

    def __init__(self, name: str, options: dict[str, str], report: Report) -> None:
        self.name, self.options, self._report = name, options, report
        self.said: list[str] = []
        self.ended = 0
        self.numbers = count()
        self.away = False
        if name != "hub":
            stage.proxies[int(options["url"].rpartition(":")[2])].feel = self.feel
        self.later(0.1, lambda: stage.enter(self))

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_later(seconds, call)

    def report(self, what: str, **facts: Any) -> None:
        self._report(self.name, {"what": what, **facts})

    def event(self, event: str, **facts: Any) -> None:
        self.report("event", event=event, outbox=0, gap=False, **facts)

    def say(self, word: str) -> None:
        self.said.append(word)
        stage.hear(self, word)

    async def end(self) -> None:
        self.ended += 1

    def send(self, *, waits: bool = True, status: str | None = "delivered", seen_by: tuple[str, ...] = MEMBERS) -> int:
        number = next(self.numbers)
        self.report("sent", n=number, waits=waits, away=self.away)
        if status is not None:
            self.report("outcome", n=number, status=status, reason=None, possibly_sent=False)
        if status == "delivered":
            for name in seen_by:
                stage.cast[name].report("seen", sender=self.name, n=number)
        return number

    def feel(self, what: str) -> None:
        """The link is lost, or works again."""
        if what == "restore":
            self.later(0.2, self.come_back)
        elif not self.away:
            self.away = True
            self.event("reconnecting", reason="closed", attempt=1, retry_in=0.1, elapsed=0.0)
            self.event(f"{self.name}.{'interrupted' if self.name == 'publisher' else 'disconnected'}", reason="closed")
            self.send(waits=False, status="dropped")
            self.send(status="expired")
            held = self.send(status=None)
            self.later(0.1, lambda: self.report("outcome", n=held, status="delivered", reason=None, possibly_sent=False))
            for name in MEMBERS:
                stage.cast[name].report("seen", sender=self.name, n=held)

    def come_back(self) -> None:
        if self.away:
            self.away = False
            self.event("reconnected", reason="closed", attempt=1, elapsed=0.3, resumed=True)
            self.event(f"{self.name}.{'live' if self.name == 'publisher' else 'connected'}", reason=None)


class Stage:
    """The cast of one demo, and what a test makes of its play."""

    def __init__(self) -> None:
        self.cast: dict[str, Actor] = {}
        self.proxies: dict[int, FakeProxy] = {}
        self.closed: list[int] = []
        self.shown: list[str] = []

    async def start(self, name: str, kind: str, options: dict[str, str], report: Report) -> Actor:
        self.cast[name] = Actor(name, options, report)
        return self.cast[name]

    def enter(self, actor: Actor) -> None:
        """A process has started."""
        if actor.name == "hub":
            actor.report("listening", port=4_711)
        else:
            actor.event("connected")
            actor.event(f"{actor.name}.{'live' if actor.name == 'publisher' else 'connected'}", reason=None)

    def hear(self, actor: Actor, word: str) -> None:
        """A process was told something."""
        if word == "begin":
            actor.later(0.1, actor.send)
        elif word == "stop":
            actor.report("frames", sent=3, refused=1) if actor.name == "publisher" else actor.report("frames", seen=3)
            actor.report("settled")

    # -- demo.Show ------------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.shown.append("begin")

    def event(self, entry: dict[str, Any]) -> None:
        self.shown.append(entry["event"])

    def end(self, ledger: Ledger) -> None:
        self.shown.append("end")


stage: Stage


@pytest.fixture(autouse=True)
def _cast(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    global stage
    stage = Stage()
    if "real" in request.node.name:
        return
    monkeypatch.setattr(demo, "Proxy", FakeProxy)
    monkeypatch.setattr(Child, "start", lambda *facts: stage.start(*facts))


def play(folder: Path) -> Demo:
    """Play the demo, and see that every process was ended and both links closed."""
    clock = FakeClock()
    one = Demo(stage, folder)

    async def whole() -> None:
        try:
            await one.run()
        finally:
            assert all(actor.ended for actor in stage.cast.values())
            assert sorted(stage.closed) == sorted(stage.proxies)

    run(whole(), clock)
    return one


def test_the_whole_play(tmp_path: Path) -> None:
    ledger = play(tmp_path / "new" / "folder").ledger
    assert ledger.balances
    assert ledger.outages == 6, "one cut, one freeze, three flaps, one cut"
    assert ledger.by_status == {"delivered": 8, "dropped": 6, "expired": 6}
    assert (ledger.frames_sent, ledger.frames_refused, ledger.frames_seen) == (3, 1, 3)
    assert ledger.audits == [str(tmp_path / "new" / "folder" / f"{name}.jsonl") for name in MEMBERS]
    assert (tmp_path / "new" / "folder").is_dir()
    assert (stage.shown[0], stage.shown[-1]) == ("begin", "end")
    assert stage.shown.count("breaks") == stage.shown.count("restored") == 4
    assert [entry["words"] for entry in ledger.events if entry["event"] == "breaks"] == [
        "the publisher's link is reset, and stays away for a while",
        "the publisher's link goes dead, and still looks open",
        "the publisher's link flaps",
        "the subscriber's link is cut",
    ]
    assert [actor.said for actor in stage.cast.values()] == [[], ["begin", "stop", "leave"], ["begin", "stop", "leave"]]
    secret = stage.cast["hub"].options["secret"]
    assert len(secret) >= 32
    for name in MEMBERS:
        options = stage.cast[name].options
        assert set(options) == {"name", "url", "session", "token", "audit"}
        assert secret not in str(options)


def test_what_is_told_of_a_return(tmp_path: Path) -> None:
    ledger = play(tmp_path).ledger
    back = [entry for entry in ledger.events if entry["event"] == "reconnected"]
    assert [(entry["who"], entry["held"], entry["dropped"]) for entry in back] == [("publisher", 1, 1)] * 5 + [
        ("subscriber", 1, 1)
    ]
    times = [entry["at"] for entry in ledger.events]
    assert times == sorted(times)
    caught = [entry for entry in ledger.events if entry["event"] == "caught_up"]
    assert [entry["who"] for entry in caught] == ["publisher"] * 3 + ["subscriber"]


def test_signals_of_others_that_were_sent_meanwhile_are_counted(tmp_path: Path) -> None:
    class Meanwhile(Stage):
        def event(self, entry: dict[str, Any]) -> None:
            super().event(entry)
            if (entry["event"], entry["who"]) == ("reconnecting", "subscriber"):
                number = self.cast["publisher"].send(seen_by=("publisher",))
                self.cast["subscriber"].later(1.6, lambda: self.cast["subscriber"].report("seen", sender="publisher", n=number))

    global stage
    stage = Meanwhile()
    ledger = play(tmp_path).ledger
    assert ledger.balances
    assert [entry["signals"] for entry in ledger.events if entry["event"] == "caught_up"][-1] == 1


def test_what_arrives_late_is_waited_for_and_what_never_does_is_lost(tmp_path: Path) -> None:
    class Loses(Stage):
        def hear(self, actor: Actor, word: str) -> None:
            if (actor.name, word) == ("publisher", "stop"):
                actor.send(seen_by=("publisher",))
            super().hear(actor, word)

    global stage
    stage = Loses()
    ledger = play(tmp_path).ledger
    assert (ledger.lost, ledger.balances) == (1, False)


def test_a_folder_is_made_where_none_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path / f"{prefix}1"))
    one = Demo(stage, None)
    run(one.run(), FakeClock())
    assert one.ledger.audits[0] == str(tmp_path / "reconnect-demo-1" / "publisher.jsonl")


# -- what goes wrong ----------------------------------------------------------------------------------------------------------


def failure(folder: Path) -> str:
    with pytest.raises(ProcessFailed) as failed:
        play(folder)
    return str(failed.value)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert failure(tmp_path / "file" / "folder") == f"the folder {tmp_path}/file/folder cannot be made: Not a directory"
    assert stage.cast == {}


@pytest.mark.parametrize(
    ("who", "what", "facts", "sentence"),
    [
        ("hub", "failed", {"detail": "no port is free"}, "hub: no port is free"),
        ("hub", "ended", {"detail": "ImportError: no"}, "hub: ImportError: no"),
        ("publisher", "failed", {"detail": "could not connect"}, "publisher: could not connect"),
        ("subscriber", "ended", {"detail": "it ended"}, "subscriber: it ended"),
    ],
)
def test_a_process_that_fails_ends_the_demo_at_once(
    tmp_path: Path, who: str, what: str, facts: dict[str, Any], sentence: str
) -> None:
    class Fails(Stage):
        def enter(self, actor: Actor) -> None:
            if actor.name == who:
                actor.report(what, **facts)
                actor.report("ended", detail="and then it ended")
            else:
                super().enter(actor)

    global stage
    stage = Fails()
    assert failure(tmp_path) == sentence


def test_a_process_that_dies_in_a_scene(tmp_path: Path) -> None:
    class Dies(Stage):
        def event(self, entry: dict[str, Any]) -> None:
            super().event(entry)
            if entry["event"] == "breaks":
                self.cast["subscriber"].report("ended", detail="MemoryError")

    global stage
    stage = Dies()
    assert failure(tmp_path) == "subscriber: MemoryError"


def test_a_terminal_that_takes_no_more_ends_the_demo_and_no_process_is_blamed(tmp_path: Path) -> None:
    class Full(Stage):
        def event(self, entry: dict[str, Any]) -> None:
            super().event(entry)
            if entry["event"] == "reconnecting":
                raise PrintFailed("No space left on device", unheard=False)

    global stage
    stage = Full()
    with pytest.raises(PrintFailed, match="No space left on device"):
        play(tmp_path)


class Mute(Stage):
    """Processes that do not do their part, each in its own way."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part

    def enter(self, actor: Actor) -> None:
        if self.part == "listen" and actor.name == "hub":
            return
        if self.part == "play" and actor.name != "hub":
            actor.event("connected")
            return
        super().enter(actor)
        if self.part == "notice" and actor.name == "publisher":
            feel = actor.feel
            stage.proxies[int(actor.options["url"].rpartition(":")[2])].feel = lambda what: (
                None if what == "freeze" else feel(what)
            )
        elif self.part == "come back" and actor.name == "publisher":
            actor.come_back = lambda: None  # type: ignore[method-assign]  # it stays away
        elif self.part == "play again" and actor.name == "subscriber":
            actor.come_back = lambda: actor.event(  # type: ignore[method-assign]  # it comes back without its stream
                "reconnected", reason="closed", attempt=1, elapsed=0.1, resumed=True
            )

    def hear(self, actor: Actor, word: str) -> None:
        if self.part == "settle" and word == "stop":
            return
        super().hear(actor, word)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("listen", "the hub did not listen"),
        ("play", "the stream did not start"),
        ("notice", "the publisher did not notice that its link is dead"),
        ("come back", "the publisher did not come back"),
        ("play again", "the stream did not come back"),
        ("settle", "some signals have no outcome"),
    ],
)
def test_a_process_that_does_not_do_its_part(tmp_path: Path, part: str, sentence: str) -> None:
    global stage
    stage = Mute(part)
    assert failure(tmp_path) == sentence


# -- a process and its pipes --------------------------------------------------------------------------------------------------


class FakeProcess:
    """A process whose pipes a test writes."""

    def __init__(self) -> None:
        self.stdout, self.stderr = asyncio.StreamReader(), asyncio.StreamReader()
        self.written: list[bytes] = []
        self.killed = False
        self.stdin: Any = self
        self._over = asyncio.Event()

    def write(self, line: bytes) -> None:
        self.written.append(line)

    def close(self) -> None:
        self.written.append(b"<end>")

    def kill(self) -> None:
        self.killed = True
        self.exit()

    def exit(self) -> None:
        self.stdout.feed_eof()
        self.stderr.feed_eof()
        self._over.set()

    async def wait(self) -> int:
        await self._over.wait()
        return 0


def on_pipes(test: Callable[[Child, Any, list[Any]], Coroutine[Any, Any, None]]) -> None:
    """Play with a child whose process is a fake; see that nothing is left."""

    async def whole() -> None:
        reports: list[Any] = []
        process: Any = FakeProcess()
        child = Child("anna", process, lambda name, entry: reports.append((name, entry)))
        await test(child, process, reports)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(whole(), FakeClock())


def test_a_child_passes_on_what_its_process_reports() -> None:
    async def test(child: Child, process: Any, reports: list[Any]) -> None:
        child.say("begin")
        process.stdout.feed_data(b'{"what": "settled"}\n{"what": "frames", "seen": 3}\n')
        await asyncio.sleep(1)
        assert reports == [("anna", {"what": "settled"}), ("anna", {"what": "frames", "seen": 3})]
        process.exit()
        await child.end()
        assert (process.written, process.killed) == ([b"begin\n", b"<end>"], False)
        assert reports[2:] == [("anna", {"what": "ended", "detail": "it ended"})]
        await child.end()

    on_pipes(test)


def test_the_last_words_of_a_process_are_told() -> None:
    async def test(child: Child, process: Any, reports: list[Any]) -> None:
        process.stderr.feed_data(b"Traceback ...\n  File ...\nAuditFailed: the disk is full\n\n")
        process.exit()
        await asyncio.sleep(1)
        assert reports == [("anna", {"what": "ended", "detail": "AuditFailed: the disk is full"})]

    on_pipes(test)


def test_a_process_that_does_not_leave_is_killed() -> None:
    async def test(child: Child, process: Any, reports: list[Any]) -> None:
        await child.end()
        assert process.killed

    on_pipes(test)


def test_a_process_without_a_pipe_is_ended_too() -> None:
    async def test(child: Child, process: Any, reports: list[Any]) -> None:
        process.stdin = None
        process.exit()
        await child.end()
        assert process.written == []

    on_pipes(test)


def test_a_report_that_is_none_is_a_failure() -> None:
    async def test(child: Child, process: Any, reports: list[Any]) -> None:
        process.stdout.feed_data(b"Warning: something\n")
        await asyncio.sleep(1)
        ((name, entry),) = reports
        assert (name, entry["what"]) == ("anna", "failed")
        assert entry["detail"].startswith("what it reports cannot be read (JSONDecodeError: ")
        process.exit()
        await child.end()

    on_pipes(test)


def test_a_real_process_gets_its_options_and_says_what_is_wrong_with_them() -> None:
    reports: list[Any] = []

    async def whole() -> None:
        reported = asyncio.Event()

        def report(name: str, entry: dict[str, Any]) -> None:
            reports.append((name, entry))
            reported.set()

        async with asyncio.timeout(60):
            child = await Child.start("anna", "member", {"name": "anna"}, report)
            await reported.wait()
            await child.end()

    asyncio.run(whole())
    assert reports == [("anna", {"what": "ended", "detail": "KeyError: 'url'"})]


# -- once for real ------------------------------------------------------------------------------------------------------------


def test_the_real_demo_balances_its_ledger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Real processes, real sockets, four kinds of outages: nothing lost, doubled or reordered, every signal accounted for.

    U06: both members' journals hold, and say what the ledger says, which knows nothing of them.
    """
    monkeypatch.setattr(sys, "argv", ["reconnect", "demo", "--json", "--audit", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    ledger = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0, {name: value for name, value in ledger.items() if name != "events"}
    statuses = ("delivered", "rejected", "expired", "dropped", "cancelled", "failed", "written")
    assert ledger["balances"] is True
    assert [ledger[name] for name in ("lost", "duplicated", "out_of_order", "phantoms", "opted_out_unaccounted")] == [0] * 5
    assert ledger["contradictions"] == []
    assert ledger["outages"] >= 4
    assert ledger["sent"] == sum(ledger[status] for status in statuses)
    assert ledger["dropped"] > 0
    assert ledger["opted_out_while_away"] > 0
    assert ledger["frames"]["seen"] > 0
    told = {entry["event"] for entry in ledger["events"]}
    assert {"breaks", "restored", "reconnecting", "reconnected", "subscriber.disconnected", "subscriber.connected"} <= told
    assert ledger["audit"] == str(tmp_path / "publisher.jsonl")
    for path in ledger["audits"]:
        records = list(read_records(path))
        assert (records[0]["record"], records[-1]["record"]) == ("journal", "stop")
        assert {"chart", "policy", "step", "outcomes"} <= {record["record"] for record in records}
    audits = verify(ledger["audits"])
    for audit in audits:
        assert audit.holds, audit.objections[:3]
    assert sum(audit.submitted for audit in audits) == ledger["sent"]
    assert sum(audit.outages for audit in audits) == ledger["outages"]
    assert sum(audit.outcomes.get("dropped", 0) for audit in audits) == ledger["dropped"]
    for path in ledger["audits"]:
        assert assert_replays(path).compared["steps"] > 0
        assert "<strong>The journal holds.</strong>" in report(path).page
