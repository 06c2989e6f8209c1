"""The processes of the demo: a hub, and members that send all the time and report everything they see, as JSON lines on stdout.

    python -m reconnect.cli.demo_processes hub
    python -m reconnect.cli.demo_processes member

The first line of stdin is a JSON object with what the process needs, for secrets have no place on a command line. A member then
reads three words: `begin`, `stop` (send no more, wait for every outcome) and `leave`. The end of stdin means all of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import reconnect
from reconnect.retry import full_jitter

SIGNAL_SECONDS: Final = 0.05
FRAME_SECONDS: Final = 0.02
OPT_OUT_EVERY: Final = 4
SHORT_TTL_SECONDS: Final = 0.2
FIRST_TRY_SECONDS, LONGEST_WAIT_SECONDS, STABLE_AFTER_SECONDS = 0.3, 1.0, 0.5
PING_SECONDS, SILENCE_SECONDS = 0.5, 1.5


def report(what: str, **facts: Any) -> None:
    """Print one line for the demo."""
    sys.stdout.write(json.dumps({"what": what, **facts}) + "\n")
    sys.stdout.flush()


@asynccontextmanager
async def opened_stdin() -> AsyncIterator[tuple[asyncio.StreamReader, dict[str, str]]]:
    """Hand out stdin, and the options that its first line holds."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        yield reader, json.loads(await reader.readline())
    finally:
        pipe.close()


async def read_words(reader: asyncio.StreamReader, words: dict[str, asyncio.Event]) -> None:
    """Set the event of each word that arrives; all of them at the end."""
    while line := await reader.readline():
        event = words.get(line.decode().strip())
        if event is not None:
            event.set()
    for event in words.values():
        event.set()


async def run_hub() -> None:
    """Serve on a free port until stdin ends."""
    async with opened_stdin() as (reader, options):
        hub = reconnect.Hub(secret=options["secret"], ping_seconds=PING_SECONDS, silence_seconds=SILENCE_SECONDS)
        async with hub.serve("127.0.0.1", 0) as server:
            report("listening", port=server.port)
            await read_words(reader, {})


def brisk_policy() -> reconnect.RetryPolicy:
    """Return the default policy on a shorter scale, for a demo has only half a minute."""
    return reconnect.RetryPolicy(
        wait=full_jitter(initial=FIRST_TRY_SECONDS, maximum=LONGEST_WAIT_SECONDS),
        first_try_seconds=FIRST_TRY_SECONDS,
        stable_after_seconds=STABLE_AFTER_SECONDS,
    )


class Member:
    """One side of the demo."""

    def __init__(self, options: dict[str, str]) -> None:
        self.name = options["name"]
        self.publishes = options["name"] == "publisher"
        self.numbers = count()
        self.words = {"begin": asyncio.Event(), "stop": asyncio.Event(), "leave": asyncio.Event()}
        self.receipts: set[asyncio.Task[None]] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.tried_while_away = False
        self.session = reconnect.Session(
            options["url"],
            session=options["session"],
            token=options["token"],
            audit=options["audit"],
            retry=brisk_policy(),
        )

    # -- sending -----------------------------------------------------------------------------------------------------------------

    def send(self, **options: Any) -> reconnect.Receipt:
        """Send one numbered signal, and report it and its outcome."""
        number = next(self.numbers)
        receipt = self.session.signal({"from": self.name, "n": number}, type="demo", **options)
        away = self.session.role == "recovering"
        report("sent", n=number, waits=options.get("retry_after_reconnect", True), away=away)
        task = asyncio.get_running_loop().create_task(self.follow(number, receipt))
        self.receipts.add(task)
        task.add_done_callback(self.receipts.discard)
        return receipt

    async def follow(self, number: int, receipt: reconnect.Receipt) -> None:
        """Report how a signal ended."""
        outcome = await receipt
        report("outcome", n=number, status=outcome.status, reason=outcome.reason, possibly_sent=outcome.possibly_sent)

    async def send_signals(self) -> None:
        """Send a signal twenty times a second; every fourth is worthless if late."""
        turns = count()
        while not self.words["stop"].is_set():
            self.send(retry_after_reconnect=next(turns) % OPT_OUT_EVERY != 0)
            await asyncio.sleep(SIGNAL_SECONDS)

    def send_odd_ones(self) -> None:
        """Within the first outage: one that expires, one that is taken back, one for somebody who is not there."""
        if not self.tried_while_away:
            self.tried_while_away = True
            self.send(ttl=SHORT_TTL_SECONDS)
            self.send().cancel()
            self.send(to="nobody")

    # -- streams -----------------------------------------------------------------------------------------------------------------

    async def publish(self) -> None:
        """Publish a stream and send frames, fifty a second."""
        publisher = await self.session.publish("camera")
        for name in ("interrupted", "live", "ended"):
            publisher.on(name, self.tell_stream)
        report("event", event="publisher.live", reason=None)
        sent = refused = 0
        while not self.words["stop"].is_set():
            if publisher.send(b"frame %d" % sent):
                sent += 1
            else:
                refused += 1
            await asyncio.sleep(FRAME_SECONDS)
        report("frames", sent=sent, refused=refused)

    async def subscribe(self, stream: reconnect.Stream) -> None:
        """Subscribe to a stream and count its frames."""
        subscriber = await self.session.subscribe(stream)
        for name in ("connected", "disconnected", "destroyed"):
            subscriber.on(name, self.tell_stream)
        report("event", event="subscriber.connected", reason=None)
        seen = 0
        async for _ in subscriber:
            seen += 1
            if self.words["stop"].is_set():
                break
        report("frames", seen=seen)

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def tell(self, event: Any) -> None:
        """Report an event of the session."""
        fields = ("reason", "attempt", "retry_in", "elapsed", "resumed")
        facts = {name: getattr(event, name) for name in fields if hasattr(event, name)}
        gap = getattr(event, "gap", None)
        report("event", event=event.name, outbox=self.session.statistics().pending, gap=gap is not None, **facts)

    def tell_stream(self, event: Any) -> None:
        """Report an event of a stream."""
        side = "publisher" if self.publishes else "subscriber"
        report("event", event=f"{side}.{event.name}", reason=getattr(event, "reason", None))

    def take(self, event: reconnect.SignalReceived) -> None:
        """Report a signal that arrived."""
        data = event.signal.data
        report("seen", sender=data["from"], n=data["n"])

    # -- the whole ---------------------------------------------------------------------------------------------------------------

    async def run(self, stdin: asyncio.StreamReader) -> None:
        """Connect, send from `begin` until `stop`, wait for every outcome, stay until `leave`."""
        session = self.session
        for name in ("connected", "reconnecting", "reconnected", "disconnected"):
            session.on(name, self.tell)
        session.on("attempt", lambda event: self.tell(event) if event.attempt > 1 else None)
        session.on("reconnecting", lambda event: self.send_odd_ones() if self.publishes else None)
        session.on("signal", self.take)
        session.on("stream_created", lambda event: self.start(self.subscribe(event.stream)))
        words = asyncio.create_task(read_words(stdin, self.words))
        try:
            await self.play()
        except reconnect.ConnectFailed as error:
            report("failed", detail=str(error))
        finally:
            words.cancel()

    async def play(self) -> None:
        """Do what the words say."""
        session = self.session
        await session.connect()
        if self.publishes:
            self.start(self.publish())
        await self.words["begin"].wait()
        self.start(self.send_signals())
        await self.words["stop"].wait()
        await session.drain()
        await asyncio.gather(*self.receipts)
        report("settled")
        await self.words["leave"].wait()
        await session.disconnect()
        await asyncio.gather(*self.tasks)

    def start(self, work: Any) -> None:
        """Run something beside the rest."""
        self.tasks.append(asyncio.get_running_loop().create_task(work))


async def run_member() -> None:
    """Be one side of the demo."""
    async with opened_stdin() as (stdin, options):
        await Member(options).run(stdin)


if __name__ == "__main__":  # pragma: no cover  # in processes of their own, which the real demo starts
    asyncio.run(run_hub() if sys.argv[1] == "hub" else run_member())
