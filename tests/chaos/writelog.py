"""The log of everything that a writer did to its disk, and the disks that a crash at any moment can leave.

The log is taken by strace from a writer that works on one thread, so that it has one order; what the writer said stands in it at
its place. A disk keeps of each file what was flushed, and of the writes since then whatever a crash lets through: none of them,
all, all but a torn last one, or any of them, torn at 512 bytes, in any order.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.disks import PATIENCE_SECONDS, ROOT, Said, command

SECTOR = 512
CRASHES = ("dropped", "kept", "torn", "reordered")

_CALL = re.compile(r"(\w+)\((.*)\) = (\d+)")
_FILE = re.compile(r"\d+<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Move:
    """One thing that the writer did: to a file (wrote, cut, flushed, removed), to its folder (named), or it said something."""

    what: str
    name: str = ""
    at: int = 0
    data: bytes = b""


def recorded(folder: Path, **options: Any) -> list[Move]:
    """Run a writer on `folder`/outbox.db, and return what it did, in order."""
    log = folder.parent / f"{folder.name}.strace"
    calls = "pwrite64,write,ftruncate,fdatasync,fsync,unlink"
    strace = ["strace", "-qq", "-y", "-xx", "-s", "16384", "-o", str(log), "-e", f"trace={calls}"]
    done = subprocess.run(
        [*strace, *command(folder / "outbox.db", thread=False, **options)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("closed\n")
    with log.open(encoding="utf-8") as lines:
        return [move for line in lines if (move := _parsed(line, str(folder))) is not None]


def _parsed(line: str, folder: str) -> Move | None:
    match = _CALL.match(line)
    if match is None:
        return None
    call, arguments, _ = match.groups()
    texts = [bytes.fromhex(text.replace("\\x", "")) for text in _TEXT.findall(arguments)]
    if call == "write" and arguments.startswith("1<"):
        return Move("said", data=texts[0])
    name = os.fsdecode(texts[0]) if call == "unlink" else _decoded(arguments)
    if name == folder:
        return Move("named")
    if not name.startswith(folder + "/"):
        return None
    name = os.path.basename(name)
    if call == "pwrite64":
        return Move("wrote", name, int(arguments.rpartition(", ")[2]), texts[-1])
    if call == "ftruncate":
        return Move("cut", name, int(arguments.rpartition(", ")[2]))
    assert call in ("fdatasync", "fsync", "unlink"), f"{call} of {name}, which nobody replays"
    return Move("removed" if call == "unlink" else "flushed", name)


def _decoded(arguments: str) -> str:
    match = _FILE.match(arguments)
    name = match[1] if match else ""
    return os.fsdecode(bytes.fromhex(name.replace("\\x", ""))) if name.startswith("\\x") else name


@dataclass
class Disk:
    """A disk in the middle of a run: what is on it for certain, and what was written and not flushed."""

    flushed: dict[str, bytearray] = field(default_factory=lambda: {"outbox.db": bytearray()})
    unflushed: dict[str, list[Move]] = field(default_factory=dict)
    named: set[str] = field(default_factory=lambda: {"outbox.db"})  # files whose names are on the disk
    said: Said = field(default_factory=Said)

    def take(self, move: Move) -> None:
        """Do what the writer did."""
        if move.what == "said":
            self.said.take(move.data.decode())
        elif move.what == "named":
            for name in {*self.flushed, *self.unflushed}:
                self._name(name)
        elif move.what == "flushed":
            content = self.flushed.setdefault(move.name, bytearray())
            for pending in self.unflushed.pop(move.name, []):
                assert pending.what != "removed", "a file that was made anew is opened by its name, which nobody replays"
                _apply(content, pending)
        else:
            self.unflushed.setdefault(move.name, []).append(move)

    def _name(self, name: str) -> None:
        """The name of a file, or that it has none any more, is on the disk."""
        if any(move.what == "removed" for move in self.unflushed.get(name, [])):
            self.flushed.pop(name, None)
            self.unflushed.pop(name, None)
            self.named.discard(name)
        else:
            self.named.add(name)

    def crashed(self, how: str, random: Random) -> dict[str, bytes]:
        """Return the files that a crash leaves."""
        left: dict[str, bytes] = {}
        for name in {*self.flushed, *self.unflushed}:
            content = bytearray(self.flushed.get(name, b""))
            there = name in self.named or how in ("kept", "torn") or (how == "reordered" and random.random() < 0.5)
            for move in _survivors(self.unflushed.get(name, []), how, random):
                there = there and move.what != "removed"
                _apply(content, move)
            if there:
                left[name] = bytes(content)
        return left


def _survivors(moves: list[Move], how: str, random: Random) -> Iterator[Move]:
    if how == "kept" or how == "torn":
        yield from moves[:-1]
        if moves:
            yield moves[-1] if how == "kept" else _torn(moves[-1], random)
    elif how == "reordered":
        some = [move for move in moves if random.random() < 0.5]
        random.shuffle(some)
        for move in some:
            yield _torn(move, random) if random.random() < 0.3 else move


def _torn(move: Move, random: Random) -> Move:
    """Return a write of which only the first sectors came through."""
    sectors = random.randrange(len(move.data) // SECTOR + 1)
    return Move(move.what, move.name, move.at, move.data[: sectors * SECTOR])


def _apply(content: bytearray, move: Move) -> None:
    if move.what == "cut":
        del content[move.at :]
        content.extend(bytes(move.at - len(content)))
    elif move.what == "wrote":
        content.extend(bytes(max(0, move.at - len(content))))
        content[move.at : move.at + len(move.data)] = move.data
