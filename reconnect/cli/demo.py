"""`reconnect demo`: real processes, real WebSockets, real outages, and a ledger at the end.

The demo itself is the network: it carries both members' links through proxies and breaks them, scene by scene. All that it
knows of the members is what they report on their stdout.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol

from reconnect.auth import make_token
from reconnect.cli.ledger import NOT_SEEN, Ledger
from reconnect.cli.output import PrintFailed
from reconnect.testing.proxy import Proxy

MEMBERS: Final = ("publisher", "subscriber")
SESSION: Final = "demo"
CALM_SECONDS: Final = 0.8
CUT_SECONDS: Final = 1.2
FLAPS, FLAP_DOWN_SECONDS, FLAP_UP_SECONDS = 3, 0.3, 0.7
PATIENCE_SECONDS: Final = 20.0
ENDING_SECONDS: Final = 8.0  # for a process to leave by itself, goodbye and all


class ProcessFailed(Exception):
    """A process of the demo did not do its part."""


class Show(Protocol):
    """How the demo is shown."""

    def begin(self) -> None: ...
    def event(self, entry: dict[str, Any]) -> None: ...
    def end(self, ledger: Ledger) -> None: ...


Report = Callable[[str, dict[str, Any]], None]


class Child:
    """A process of the demo and what it reports."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, report: Report) -> None:
        self.name = name
        self.process = process
        self._report = report
        self._errors = bytearray()
        self._reader = asyncio.create_task(self._read())
        self._complaints = asyncio.create_task(self._read_errors())

    @classmethod
    async def start(cls, name: str, kind: str, options: dict[str, str], report: Report) -> Child:
        """Start a process and hand it its options."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "reconnect.cli.demo_processes", kind, stdin=pipe, stdout=pipe, stderr=pipe
        )
        child = cls(name, process, report)
        child.say(json.dumps(options))
        return child

    def say(self, word: str) -> None:
        """Write one line to the process."""
        assert self.process.stdin is not None, "started with a pipe"
        self.process.stdin.write(word.encode() + b"\n")

    async def _read(self) -> None:
        """Pass on what the process reports, and at last that it ended."""
        assert self.process.stdout is not None, "started with a pipe"
        try:
            while line := await self.process.stdout.readline():
                self._report(self.name, json.loads(line))
        except Exception as error:  # whatever is wrong with a report, the demo is over, and says so
            detail = f"what it reports cannot be read ({type(error).__name__}: {error})"
            self._report(self.name, {"what": "failed", "detail": detail})
        await self._complaints
        last = self._errors.decode(errors="replace").strip().splitlines()[-1:]
        self._report(self.name, {"what": "ended", "detail": last[0] if last else "it ended"})

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None, "started with a pipe"
        while chunk := await self.process.stderr.read(4_096):
            self._errors += chunk

    async def end(self) -> None:
        """Let the process end by itself, and see to it that it does."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), ENDING_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self._reader


class Demo:
    """One run."""

    def __init__(self, show: Show, folder: Path | None) -> None:
        self.show = show
        self.folder = folder
        self.ledger = Ledger(members=MEMBERS)
        self.children: dict[str, Child] = {}
        self.proxies: dict[str, Proxy] = {}
        self.hub_port = 0
        self.settled: set[str] = set()
        self.reconnected = dict.fromkeys(MEMBERS, 0)
        self.online: set[str] = set()
        self.playing: set[str] = set()
        self.sent_at: dict[tuple[str, int], float] = {}
        self.back_at: dict[str, float] = {}
        self.caught_up = dict.fromkeys(MEMBERS, 0)
        self.held: dict[str, set[int]] = {name: set() for name in MEMBERS}
        self.dropped = dict.fromkeys(MEMBERS, 0)
        self.leaving = False
        self.failure: ProcessFailed | PrintFailed | None = None
        self._began = time.monotonic()
        self._changed = asyncio.Event()

    # -- the whole ------------------------------------------------------------------------------------------------------------

    async def run(self) -> Ledger:
        """Play all scenes and return the ledger. Raises ProcessFailed and PrintFailed."""
        folder = self.folder or Path(tempfile.mkdtemp(prefix="reconnect-demo-"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProcessFailed(f"the folder {folder} cannot be made: {error.strerror}") from error
        self.ledger.audits = [str(folder / f"{name}.jsonl") for name in MEMBERS]
        self.show.begin()
        try:
            await self._play(folder)
        finally:
            self.leaving = True
            for child in reversed(self.children.values()):
                await child.end()
        self.show.end(self.ledger)
        return self.ledger

    async def _play(self, folder: Path) -> None:
        secret = secrets.token_urlsafe(32)
        self.children["hub"] = await Child.start("hub", "hub", {"secret": secret}, self._take)
        await self._until(lambda: self.hub_port > 0, "the hub did not listen")
        async with Proxy("127.0.0.1", self.hub_port) as near, Proxy("127.0.0.1", self.hub_port) as far:
            self.proxies = {"publisher": near, "subscriber": far}
            for name in MEMBERS:
                await self._join(name, secret, folder)
            await self._until(lambda: {"publisher", "subscriber"} <= self.playing, "the stream did not start")
            # From here on both are there, so each signal is owed to both.
            for name in MEMBERS:
                self.children[name].say("begin")
            await self._scenes()
            await self._finish()

    async def _join(self, name: str, secret: str, folder: Path) -> None:
        token = make_token(secret, session=SESSION, role="publisher", client_id=name)
        url = f"ws://127.0.0.1:{self.proxies[name].port}"
        options = {"name": name, "url": url, "session": SESSION, "token": token, "audit": str(folder / f"{name}.jsonl")}
        self.children[name] = await Child.start(name, "member", options, self._take)

    async def _finish(self) -> None:
        for name in MEMBERS:
            self.children[name].say("stop")
        await self._until(lambda: self.settled >= set(MEMBERS), "some signals have no outcome")
        await self._until(lambda: not self.ledger.missing, None)
        self.leaving = True
        for name in reversed(MEMBERS):
            self.children[name].say("leave")
            await self.children[name].end()

    # -- the scenes -----------------------------------------------------------------------------------------------------------

    async def _scenes(self) -> None:
        await asyncio.sleep(CALM_SECONDS)
        await self._scene("publisher", "the publisher's link is reset, and stays away for a while", self._cut)
        await self._scene("publisher", "the publisher's link goes dead, and still looks open", self._freeze)
        await self._scene("publisher", "the publisher's link flaps", self._flap)
        await self._scene("subscriber", "the subscriber's link is cut", self._cut)

    async def _scene(self, name: str, words: str, breaks: Callable[[str], Awaitable[None]]) -> None:
        before = self.reconnected[name]
        self.caught_up = dict.fromkeys(MEMBERS, 0)
        self._tell("network", "breaks", words=words)
        await breaks(name)
        await self._until(lambda: self.reconnected[name] > before and name in self.online, f"the {name} did not come back")
        await self._until(lambda: {"publisher", "subscriber"} <= self.playing, "the stream did not come back")
        await asyncio.sleep(CALM_SECONDS)
        self._tell(name, "caught_up", signals=self.caught_up[name])

    async def _cut(self, name: str) -> None:
        proxy = self.proxies[name]
        proxy.cut()
        await asyncio.sleep(CUT_SECONDS)
        proxy.restore()
        self._tell("network", "restored")

    async def _freeze(self, name: str) -> None:
        proxy, before = self.proxies[name], self.ledger.outages
        proxy.freeze()
        await self._until(lambda: self.ledger.outages > before, f"the {name} did not notice that its link is dead")
        proxy.restore()
        self._tell("network", "restored")

    async def _flap(self, name: str) -> None:
        proxy = self.proxies[name]
        for turn in range(FLAPS):
            proxy.cut()
            await asyncio.sleep(FLAP_DOWN_SECONDS)
            proxy.restore()
            if turn < FLAPS - 1:
                await asyncio.sleep(FLAP_UP_SECONDS)
        self._tell("network", "restored")

    # -- what the processes report --------------------------------------------------------------------------------------------

    def _take(self, name: str, entry: dict[str, Any]) -> None:
        getattr(self, f"_take_{entry.pop('what')}")(name, entry)
        self._changed.set()

    def _take_listening(self, name: str, entry: dict[str, Any]) -> None:
        self.hub_port = entry["port"]

    def _take_failed(self, name: str, entry: dict[str, Any]) -> None:
        self.failure = self.failure or ProcessFailed(f"{name}: {entry['detail']}")

    def _take_ended(self, name: str, entry: dict[str, Any]) -> None:
        if not self.leaving:
            self._take_failed(name, entry)

    def _take_sent(self, name: str, entry: dict[str, Any]) -> None:
        self.ledger.note_sent(name, entry["n"], waits=entry["waits"], away=entry["away"])
        self.sent_at[name, entry["n"]] = time.monotonic()
        if entry["away"] and entry["waits"]:
            self.held[name].add(entry["n"])

    def _take_outcome(self, name: str, entry: dict[str, Any]) -> None:
        self.ledger.note_outcome(name, entry["n"], entry["status"], possibly_sent=entry["possibly_sent"])
        if entry["status"] in NOT_SEEN:
            self.held[name].discard(entry["n"])
        self.dropped[name] += entry["status"] == "dropped"

    def _take_seen(self, name: str, entry: dict[str, Any]) -> None:
        self.ledger.note_seen(name, entry["sender"], entry["n"])
        sent_at = self.sent_at.get((entry["sender"], entry["n"]), 0.0)
        if entry["sender"] != name and sent_at < self.back_at.get(name, 0.0):
            self.caught_up[name] += 1

    def _take_settled(self, name: str, entry: dict[str, Any]) -> None:
        self.settled.add(name)

    def _take_frames(self, name: str, entry: dict[str, Any]) -> None:
        self.ledger.frames_sent += entry.get("sent", 0)
        self.ledger.frames_refused += entry.get("refused", 0)
        self.ledger.frames_seen += entry.get("seen", 0)

    def _take_event(self, name: str, entry: dict[str, Any]) -> None:
        event = entry.pop("event")
        if event == "reconnecting":
            self.ledger.outages += 1
            self.online.discard(name)
            self.held[name].clear()
            self.dropped[name] = 0
        elif event in ("connected", "reconnected"):
            self.online.add(name)
            self.back_at[name] = time.monotonic()
            self.reconnected[name] += event == "reconnected"
            entry["held"], entry["dropped"] = len(self.held[name]), self.dropped[name]
        side, _, change = event.partition(".")
        if change in ("live", "connected"):
            self.playing.add(side)
        elif change:
            self.playing.discard(side)
        self._tell(name, event, **entry)

    def _tell(self, who: str, event: str, **facts: Any) -> None:
        entry = {"at": round(time.monotonic() - self._began, 3), "who": who, "event": event, **facts}
        self.ledger.events.append(entry)
        try:
            self.show.event(entry)
        except PrintFailed as failure:  # in the middle of a report, which is not to blame
            self.failure = failure

    # -- waiting --------------------------------------------------------------------------------------------------------------

    async def _until(self, holds: Callable[[], bool], otherwise: str | None) -> None:
        """Return once it holds; raise what went wrong after PATIENCE_SECONDS, or go on where that is for the ledger to say."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not holds():
                    if self.failure is not None:
                        raise self.failure
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            if otherwise is not None:
                raise ProcessFailed(otherwise) from None
