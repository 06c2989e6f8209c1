"""Processes that stories start and kill: a hub, and a member that publishes and sends all the time.

    python -m tests.stories.processes hub
    python -m tests.stories.processes member

The first line of stdin is a JSON object with what the process needs; what it has to report are JSON lines on stdout.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import count
from pathlib import Path
from typing import Any, Final

import reconnect

ROOT: Final = Path(__file__).resolve().parent.parent.parent
START_SECONDS: Final = 30.0  # a busy machine needs a while to start an interpreter


def report(**facts: Any) -> None:
    """Print one line for the story."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


async def run_hub(options: dict[str, Any]) -> None:
    """Serve until killed."""
    async with reconnect.Hub(secret=options["secret"]).serve("127.0.0.1", options["port"]) as server:
        report(port=server.port)
        await asyncio.Event().wait()


async def run_member(options: dict[str, Any]) -> None:
    """Publish a stream and send numbered signals until killed; report each outcome."""
    outbox = reconnect.Outbox(sender=options["sender"])
    async with reconnect.connect(options["url"], session=options["session"], token=options["token"], outbox=outbox) as session:
        await session.publish("camera")
        report(connection=session.connection)
        for number in count(options["first"]):
            outcome = await session.signal(number)
            report(number=number, status=outcome.status)


class Child:
    """A process and what it reported."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.reported: list[dict[str, Any]] = []
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(cls, kind: str, **options: Any) -> Child:
        """Start a process, and return when it has reported for the first time."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.stories.processes", kind, stdin=pipe, stdout=pipe, cwd=ROOT
        )
        child = cls(process)
        assert process.stdin is not None, "started with a pipe"
        process.stdin.write(json.dumps(options).encode() + b"\n")
        async with asyncio.timeout(START_SECONDS):
            while not child.reported:
                assert process.returncode is None, f"the {kind} ended"
                await asyncio.sleep(0.01)
        return child

    async def _read(self) -> None:
        assert self.process.stdout is not None, "started with a pipe"
        while line := await self.process.stdout.readline():
            self.reported.append(json.loads(line))

    async def kill(self) -> None:
        """Kill it (SIGKILL): it has no time to say anything to anybody."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading
        assert self.process.stdin is not None, "started with a pipe"
        self.process.stdin.close()


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    asyncio.run(run_hub(told) if sys.argv[1] == "hub" else run_member(told))
