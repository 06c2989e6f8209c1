"""SIGKILL under traffic: the field device of the examples, killed at random moments, again and again."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import reconnect
from tests.conftest import Runner

ROOT = Path(__file__).resolve().parent.parent.parent
DEVICE = ROOT / "examples" / "field_device.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
DEVICES = 2  # at a time, each with a file of its own
KILLS, KILLS_IN_FULL = 30, 200
LONGEST_LIFE_SECONDS = 0.3  # from its first reading on; most of a life is the start of an interpreter

Reading = tuple[int, int]


async def until(holds: Callable[[], bool]) -> None:
    """Return once something holds; what it depends on comes over sockets."""
    async with asyncio.timeout(20.0):
        while not holds():  # noqa: ASYNC110  # nobody tells when it changes
            await asyncio.sleep(0.01)


async def live(url: str, token: str, file: Path, seconds: float) -> list[Reading]:
    """Let the device run and kill it so long after its first reading; return what it said was stored."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(DEVICE), url, token, str(file), stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline()]
    killing = asyncio.get_running_loop().call_later(seconds, process.kill)
    lines += (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -9, "it ended by itself"
    killing.cancel()
    # The last line may be cut: what was not said to its end was not said.
    return [(int(life), int(number)) for life, number in (line.split() for line in lines if line.endswith(b"\n"))]


class Plant:
    """A hub, a listener, and what each device said and what of it arrived."""

    def __init__(self, kills: int, folder: Path, random: Random) -> None:
        self.kills, self.folder, self.random = kills, folder, random
        self.stored: dict[str, list[Reading]] = {}
        self.arrived: dict[str, list[Reading]] = {}

    def hear(self, event: reconnect.SignalReceived) -> None:
        """Note what arrived from which outbox."""
        data = event.signal.data
        self.arrived.setdefault(event.signal.sender, []).append((data["life"], data["number"]))

    async def kill_again_and_again(self, url: str, token: str, name: str) -> None:
        """Kill one device as often as is its share, then take the rest of its file to the hub."""
        file = self.folder / f"{name}.db"
        said: list[Reading] = []
        for _ in range(self.kills // DEVICES):
            said += await live(url, token, file, self.random.uniform(0.0, LONGEST_LIFE_SECONDS))
        with reconnect.Outbox(file) as outbox:
            self.stored[outbox.sender] = said
            async with reconnect.connect(url, session="plant", token=token, outbox=outbox) as session:
                await until(lambda: session.statistics().pending == 0)
            assert outbox.pending() == ()

    async def run(self) -> None:
        """Run all devices beside each other."""
        secret = secrets.token_urlsafe(32)
        async with reconnect.Hub(secret).serve() as hub:
            listener = reconnect.make_token(secret, session="plant", client_id="listener")
            async with reconnect.connect(hub.url, session="plant", token=listener) as session:
                session.on("signal:reading", self.hear)
                async with asyncio.TaskGroup() as devices:
                    for number in range(DEVICES):
                        token = reconnect.make_token(secret, session="plant", client_id=f"device {number}")
                        devices.create_task(self.kill_again_and_again(hub.url, token, f"device-{number}"))
                await until(lambda: all(set(said) <= set(self.arrived[sender]) for sender, said in self.stored.items()))


def test_a_device_is_killed_again_and_again(run: Runner, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """A23 Q20: what it said was stored arrives once and in order, whenever it was killed."""
    kills = KILLS_IN_FULL if request.config.getoption("--full") else KILLS
    plant = Plant(kills, tmp_path, Random(23))
    run(plant.run(), seconds=5.0 * kills)
    assert sum(map(len, plant.stored.values())) > 5 * kills, "it was under traffic"
    for sender, said in plant.stored.items():
        arrived = plant.arrived[sender]
        assert said == sorted(said)
        assert len(arrived) == len(set(arrived)), "nothing twice"
        assert arrived == sorted(arrived), "nothing out of order"
        assert set(said) <= set(arrived), "nothing lost"
