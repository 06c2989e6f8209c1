"""What is printed: whatever the encoding, every character; and of a print that fails it is known that it was one."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconnect import make_token
from reconnect.cli.output import Output, PrintFailed, forget_stdout, opened_output, run
from tests.terminals import LIMIT_SECONDS, SECRET, Command, environment

FULL = Path("/dev/full")
NO_ROOM = "error: what is printed cannot be written: No space left on device; make room there, or let stdout go elsewhere\n"
COMMANDS = (
    ["--version"],
    ["charts", "list"],
    ["serve", "--port", "0"],
    ["serve", "--port", "0", "--json"],
    ["serve", "--port", "0", "--dev"],
)


class Raw(io.RawIOBase):
    """A file that takes what it is given, until it fails."""

    def __init__(self, *, tty: bool = False) -> None:
        self.taken, self.error, self._tty = b"", 0, tty

    def isatty(self) -> bool:
        return self._tty

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        self.taken += bytes(chunk)
        return len(chunk)


def stdout(raw: Raw, encoding: str = "ascii") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding)


# -- characters ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", rb"gr\xfc\u2026\udcff"), ("latin-1", b"gr\xfc\\u2026\\udcff"), ("utf-8", b"gr\xc3\xbc\xe2\x80\xa6\\udcff")],
)
def test_every_character_can_be_printed(encoding: str, written: bytes) -> None:
    raw = Raw()
    former = stdout(raw, encoding)
    print("gr\u00fc\u2026\udcff", end="", file=Output(former), flush=True)
    assert raw.taken == written


def test_a_member_at_a_terminal_of_few_characters_sees_every_line() -> None:
    with Command("serve", "--port", "0", "--json", RECONNECT_SECRET=SECRET) as hub:
        token = make_token(SECRET, session="room-1", client_id="\u00e4nne")
        done = subprocess.run(
            [sys.executable, "-m", "reconnect", "join", hub.entry("listening")["url"]],
            input="gr\u00fc\u00dfe\ndef\n".encode(),
            capture_output=True,
            env=environment(RECONNECT_TOKEN=token, PYTHONIOENCODING="ascii"),
            timeout=LIMIT_SECONDS,
            check=False,
        )
        hub.popen.send_signal(signal.SIGTERM)
        assert hub.end() == 0
    shown = [line[10:] for line in done.stdout.decode("ascii").splitlines()]
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown == [
        r"\xe4nne    connected              in the session",
        r"\xe4nne    signal                 gr\xfc\xdfe",
        r"\xe4nne    signal                 def",
        r"\xe4nne    disconnected           left the session",
    ]


def test_no_name_silences_a_hub() -> None:
    with Command("serve", "--port", "0", RECONNECT_SECRET=SECRET, PYTHONIOENCODING="latin-1") as hub:
        url = hub.until("listening").split()[3].rstrip(",")
        for name in ("a name of more than ten characters", "\u4e2d\u6587", "bob"):
            token = make_token(SECRET, session="room-1", client_id=name)
            with Command("join", url, "--json", RECONNECT_TOKEN=token) as member:
                assert member.end() == 0
        assert hub.until("bob        joined").endswith("joined room-1 as a publisher")
        hub.popen.send_signal(signal.SIGTERM)
        assert hub.end() == 0
        assert hub.seen[-1].endswith("3 members joined, 0 returns, 0 signals")
    joined = [line[10:] for line in hub.seen if " joined room-1" in line]
    assert joined[0].startswith("a name of~ joined ")
    assert joined[1].startswith(r"\u4e2d\u6~ joined ")


# -- prints that fail ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "tty", "unheard"),
    [(errno.EPIPE, False, True), (errno.ENOSPC, False, False), (errno.EIO, False, False), (errno.EIO, True, True)],
)
def test_a_print_that_fails_says_whether_somebody_is_missing(error: int, tty: bool, unheard: bool) -> None:
    raw = Raw(tty=tty)
    former = stdout(raw)
    output = Output(former)
    raw.error = error
    with pytest.raises(PrintFailed, match=os.strerror(error)) as failed:
        print("x", file=output, flush=True)
    assert failed.value.unheard is unheard
    raw.error = 0
    former.close()


def test_stdout_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = Raw()
    former = stdout(raw)
    monkeypatch.setattr(sys, "stdout", former)
    with opened_output():
        print("\u00fc")
    print("after", flush=True)
    assert (sys.stdout, raw.taken) == (former, b"\\xfc\nafter\n")


@pytest.mark.parametrize("other", [None, io.StringIO()])
def test_a_stdout_of_another_kind_is_printed_to_as_well(monkeypatch: pytest.MonkeyPatch, other: io.StringIO | None) -> None:
    monkeypatch.setattr(sys, "stdout", other)
    with opened_output():
        print("heard")
    assert sys.stdout is other
    assert other is None or other.getvalue() == "heard\n"


def test_a_stdout_that_is_no_file_is_forgotten_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    forget_stdout()


@pytest.mark.parametrize(("error", "said"), [(errno.EPIPE, ""), (errno.ENOSPC, NO_ROOM)])
def test_what_was_printed_last_is_looked_after_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: int, said: str
) -> None:
    """It stands in a buffer until the end."""
    raw = Raw()
    former = stdout(raw)
    monkeypatch.setattr(sys, "stdout", former)
    monkeypatch.setattr("reconnect.cli.output.forget_stdout", lambda: setattr(raw, "error", 0))

    def app() -> None:
        print("x")
        raw.error = error
        raise SystemExit(0)

    with pytest.raises(SystemExit) as ended:
        run(app)
    assert (ended.value.code, capsys.readouterr().err) == (1, said)


def ended(arguments: list[str], out: Any) -> tuple[int, str]:
    """Return how a command ended whose stdout goes there, and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "reconnect", *arguments],
        stdout=out,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(RECONNECT_SECRET=SECRET),
        timeout=LIMIT_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_device_says_what_it_is(arguments: list[str]) -> None:
    with FULL.open("w") as full:
        assert ended(arguments, full) == (1, NO_ROOM)


@pytest.mark.parametrize("arguments", [COMMANDS[1], COMMANDS[-1]], ids=" ".join)
def test_a_closed_pipe_ends_a_command_quietly(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert ended(arguments, writing) == (1, "")
    finally:
        os.close(writing)


def test_a_member_that_nobody_reads_leaves() -> None:
    with Command("serve", "--port", "0", "--json", RECONNECT_SECRET=SECRET) as hub:
        url = hub.entry("listening")["url"]
        reading, writing = os.pipe()
        os.close(reading)
        try:
            assert ended(["join", url, "--token", make_token(SECRET, session="room-1")], writing) == (1, "")
        finally:
            os.close(writing)
        assert json.loads(hub.until('"event": "left"'))["reason"] == "client_disconnected"
