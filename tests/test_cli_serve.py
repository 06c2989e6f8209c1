"""`reconnect serve`: the secret that it wants, what it prints, how it stops, and the sentences for what keeps it from running."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

import reconnect
from reconnect.auth import peek
from reconnect.cli import dev, secret, serve
from reconnect.cli.announcing import JsonJournal, TerminalJournal, UnbrokenJournal, words
from reconnect.cli.app import app
from reconnect.cli.durations import counted, in_words, seconds_of
from reconnect.cli.lines import Lines, called_as, clipped, printable
from reconnect.cli.output import PrintFailed
from reconnect.cli.stopping import first_of, stop_requests
from reconnect.errors import BadArgument
from tests.conftest import Runner
from tests.terminals import SECRET, Command, paper, without_styles

ADDRESSES = "--host takes an address of this machine, as 127.0.0.1 or 0.0.0.0"
HOW = "export RECONNECT_SECRET=$(openssl rand -hex 32)"


def no_warning(sentence: str) -> None:
    pytest.fail(f"warned: {sentence}")


def refusal(*arguments: str, **variables: str | None) -> tuple[int, str]:
    """Return how a command ended that could not run, and what it said."""
    done = CliRunner().invoke(app, list(arguments), env={"RECONNECT_SECRET": None, "RECONNECT_TOKEN": None, **variables})
    return done.exit_code, " ".join(done.output.split())


# -- durations, and lines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        ("0.5", 0.5),
        ("15m", 900.0),
        ("1h", 3_600.0),
        ("1h30m", 5_400.0),
        ("7D", 604_800.0),
        ("1.5h", 5_400.0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1 hour", "h", "-5", "5x", "1h 30m", "1hh", "1.2.3"])
def test_what_is_no_duration_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write it as 90s, 15m, 1h, 1h30m or 7d"):
        seconds_of(text)


@pytest.mark.parametrize("text", ["0", "0s", "9" * 400])
def test_a_duration_is_more_than_nothing_and_less_than_for_ever(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: it must be more than nothing"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (604_800.0, "7 days"),
        (86_400.0, "24 h"),
        (3_600.0, "1 h"),
        (900.0, "15 min"),
        (60.0, "60 s"),
        (90.0, "90 s"),
        (0.5, "0.5 s"),
        (100.0, "100 s"),
        (99_999_999.0, "99999999 s"),
        (0.00001, "0.00001 s"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert in_words(seconds) == said


def test_one_is_not_many() -> None:
    assert [counted(number, "signal") for number in (0, 1, 2)] == ["0 signals", "1 signal", "2 signals"]


def test_what_others_said_cannot_move_the_cursor() -> None:
    assert printable("caf\u00e9 \x1b[31m\r\n\u202e\ud800") == "caf\u00e9 \\x1b[31m\\r\\n\\u202e\\ud800"


def test_a_long_name_leaves_a_gap() -> None:
    assert (clipped("anna", 11), clipped("a" * 10, 11), clipped("a" * 11, 11)) == ("anna", "a" * 10, "aaaaaaaaa… ")


def test_what_an_encoding_lacks_is_written_as_python_writes_it_and_columns_stay_below_each_other() -> None:
    out = TextIOWrapper(BytesIO(), encoding="ascii")
    lines = Lines(Console(file=out, width=200, no_color=True, highlight=False))
    lines.put("12:00:00", "gr\u00fc\u00dfe an alle", "signal", "gr\u00fc\u00dfe")
    lines.put("12:00:00", "anna", "signal", "hello")
    out.seek(0)
    assert out.read().splitlines() == [
        "12:00:00  gr\\xfc\\xd~ signal               gr\\xfc\\xdfe",
        "12:00:00  anna       signal               hello",
    ]


def test_in_a_terminal_a_long_sentence_goes_on_below_itself() -> None:
    lines, out = paper(70, terminal=True)
    lines.put("12:00:00", "anna", "signal", "a sentence that is longer than the room\nand a second row")
    printed = without_styles(out.getvalue())
    assert [row.strip() for row in printed] == [
        "12:00:00  anna       signal               a sentence that is longer",
        "than the room",
        "and a second row",
    ]
    assert all(len(row) <= 70 and row == row.rstrip() for row in printed)
    assert printed[1].index("than") == printed[0].index("a sentence") == 42


def test_in_a_pipe_or_a_narrow_terminal_an_event_is_one_line() -> None:
    sentence = "a sentence that is longer than the room that there is for it in so narrow a terminal as this one"
    for lines, out in (paper(80), paper(50, terminal=True)):
        lines.put("12:00:00", "anna", "signal", sentence)
        assert without_styles(out.getvalue()) == [f"12:00:00  anna       signal               {sentence}"]


def test_a_line_to_paste_is_never_broken() -> None:
    lines, out = paper(40, terminal=True)
    lines.paste("x" * 100)
    lines.break_line()
    assert without_styles(out.getvalue()) == ["x" * 100, ""]
    lines, out = paper(40)
    lines.break_line()
    assert out.getvalue() == ""


# -- the secret ----------------------------------------------------------------------------------------------------------------


def test_a_secret_comes_from_the_environment_or_from_a_file_which_wins(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{'f' * 32}\n")
    file.chmod(0o600)
    given = {"RECONNECT_SECRET": "e" * 32}
    assert secret.find_secret(None, no_warning, given) == "e" * 32
    assert secret.find_secret(file, no_warning, given) == "f" * 32
    assert secret.find_secret(None, no_warning, {}) is None


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("f" * 32)
    file.chmod(0o640)
    warnings: list[str] = []
    assert secret.find_secret(file, warnings.append, {}) == "f" * 32
    assert warnings == [f"others on this machine can read the secret in {file}; close it with: chmod 600 {file}"]


def test_a_secret_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("short\n")
    (tmp_path / "binary").write_bytes(b"\xff" * 40)
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    cases: dict[str, tuple[Path | None, dict[str, str]]] = {
        f"the secret in RECONNECT_SECRET has 5 bytes and needs at least 32; make one with: {HOW}": (
            None,
            {"RECONNECT_SECRET": "short"},
        ),
        f"the secret in {tmp_path / 'short'} has 5 bytes and needs at least 32; make one with: {HOW}": (tmp_path / "short", {}),
        f"the secret file {tmp_path / 'binary'} is no text; write the secret into it as one line": (tmp_path / "binary", {}),
        f"the secret file {tmp_path / 'none'} cannot be read: No such file or directory": (tmp_path / "none", {}),
    }
    for sentence, (path, given) in cases.items():
        with pytest.raises(BadArgument) as refused:
            secret.find_secret(path, no_warning, given)
        assert str(refused.value) == sentence


# -- newcomers -----------------------------------------------------------------------------------------------------------------


def test_dev_is_for_this_machine_only() -> None:
    for host in ("127.0.0.1", "127.8.0.9", "::1", "localhost"):
        dev.check_host(host)
    for host in ("0.0.0.0", "::", "192.168.1.5", "hub.example"):
        with pytest.raises(
            BadArgument, match=f"--dev prints tokens, so it listens on this machine only, and others can reach {host}"
        ):
            dev.check_host(host)


def test_dev_prints_for_each_role_the_line_to_paste(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = tmp_path / "reconnect"
    command.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(command), "serve"])
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    made = dev.make_secret()
    lines, out = paper(60, terminal=True)
    dev.show(lines, "ws://127.0.0.1:8470", made, made=True)
    printed = without_styles(out.getvalue())
    pasted = [row for row in printed if row.startswith("reconnect join ")]
    claims = [peek(row.rpartition(" ")[2]) for row in pasted]
    assert [(claim.sub, claim.role, claim.session) for claim in claims if claim] == [
        ("anna", "publisher", "room-1"),
        ("bob", "subscriber", "room-1"),
        ("mia", "moderator", "room-1"),
    ]
    assert all(row.startswith("reconnect join ws://127.0.0.1:8470 --session room-1 --token ") for row in pasted)
    assert f"RECONNECT_SECRET={made} reconnect token --session room-1 --name carl" in printed


def test_dev_with_a_given_secret_does_not_print_it() -> None:
    lines, out = paper()
    dev.show(lines, "ws://127.0.0.1:8470", SECRET, made=False)
    assert SECRET not in out.getvalue()
    assert "as long as RECONNECT_SECRET stays the same. To make one with another name, in a terminal where" in out.getvalue()


def test_dev_with_a_secret_from_a_file_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is printed works from any folder, when it is pasted."""
    (tmp_path / "a secret").write_text(SECRET)
    (tmp_path / "a secret").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    lines, out = paper()
    dev.show(lines, "ws://127.0.0.1:8470", SECRET, made=False, file=Path("a secret"))
    assert "as long as the secret in a secret stays the same. To make one with another name:\n" in out.getvalue()
    assert (SECRET in out.getvalue(), "RECONNECT_SECRET" in out.getvalue()) == (False, False)
    (pasted,) = [row for row in out.getvalue().splitlines() if " token --session " in row]
    words = shlex.split(pasted)
    monkeypatch.chdir("/")
    done = CliRunner().invoke(app, words[words.index("token") :], env={"RECONNECT_SECRET": None})
    assert done.exit_code == 0
    claims = peek(done.output.strip())
    assert claims is not None
    assert claims.sub == "carl"


def test_the_hub_tells_dev_where_its_secret_came_from(run: Runner, tmp_path: Path) -> None:
    async def story(**options: Any) -> str:
        lines, out = paper()
        journal = Watched()
        hub = asyncio.create_task(serve.run_hub(serving(dev=True, **options), journal, lines))
        await journal.until("listening")
        os.kill(os.getpid(), signal.SIGTERM)
        await hub
        return out.getvalue()

    assert f"as long as the secret in {tmp_path} stays the same" in run(story(secret_file=tmp_path))
    assert "as long as RECONNECT_SECRET stays the same" in run(story())
    assert "at most until this hub stops" in run(story(made=True))


def test_the_line_to_paste_calls_what_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, other = tmp_path / "bin" / "reconnect", tmp_path / "a b" / "reconnect"
    for each in (found, other):
        each.parent.mkdir()
        each.touch(mode=0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(found))
    assert called_as(str(found)) == "reconnect"
    assert called_as(str(other)) == f"'{other}'"
    assert called_as("/somewhere/reconnect/__main__.py") == f"{sys.executable} -m reconnect"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert called_as(str(found)) == str(found)


# -- what is announced ---------------------------------------------------------------------------------------------------------


def record(what: str, **facts: Any) -> dict[str, Any]:
    usual = {"record": "note", "wall": "2026-01-02T03:04:05.678Z", "session": "room-1", "what": what}
    return usual | {"connection": "c1", "client_id": "anna", "role": "publisher"} | facts


NOBODY: dict[str, Any] = {"session": "hub", "connection": None, "client_id": None, "role": None}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (record("joined"), "joined room-1 as a publisher"),
        (record("dropped", reason="silent"), "lost its link to room-1 (silent); its place is kept"),
        (record("dropped", reason="going_away"), "was sent away from room-1: this hub stops"),
        (record("returned"), "is back in room-1, on the same connection"),
        (record("left", reason="client_disconnected"), "left room-1"),
        (record("left", reason="replaced"), "joined room-1 anew, and its old place ended"),
        (record("left", reason="odd"), "left room-1 (odd)"),
        (record("expired"), "did not come back to room-1 in time; its place is given up"),
        (record("kicked"), "was removed from room-1"),
        (record("not_resumed", reason="wrong_secret"), "asked for its old connection, and gets a new one (wrong_secret)"),
        (record("superseded_secret"), "a secret of the past was presented for a connection of room-1"),
        (record("muted", detail="s1 muted=True"), "a moderator changed a stream in room-1: s1 muted=True"),
        (record("refused", reason="denied", detail="no such token", **NOBODY), "no such token (denied)"),
        (record("link_closed", reason="protocol_error", **NOBODY), "protocol_error (protocol_error)"),
        (record("log_failed", detail="OSError"), "the log of room-1 cannot be written (OSError)"),
        (record("log_recovered"), "the log of room-1 can be written again"),
        (record("log_restarted"), "the log of room-1 began anew; members are told that there is a gap"),
        (record("session_forgotten"), "room-1 is over: nobody is in it any more"),
        (record("slept", detail="7.000 s", **NOBODY), "this machine slept for 7.000 s"),
        (record("something new", detail="of a later version"), "of a later version"),
    ],
)
def test_each_announcement_is_told_in_words(told: dict[str, Any], sentence: str) -> None:
    assert words(told) == sentence


def test_every_announcement_of_a_hub_has_words_of_its_own() -> None:
    from reconnect.core.hub.effects import News

    untold = [news for news in News if words(record(news, reason="because", detail="")) == ""]
    assert untold == [News.STEP, News.DRAINING], "steps are not shown, and draining is told by the command itself"


def shown(*records: dict[str, Any]) -> list[tuple[str, str]]:
    """Return who is told to have done what."""
    lines, out = paper(200)
    journal = TerminalJournal(lines)
    for each in records:
        journal.write(each)
    journal.close()
    return [(row[10:21].strip(), row[21:42].strip()) for row in without_styles(out.getvalue())]


def test_of_two_announcements_that_say_the_same_one_is_shown() -> None:
    assert shown(record("left", reason="kicked"), record("kicked"), record("link_closed", link=3, reason="kicked")) == [
        ("anna", "kicked")
    ]
    assert shown(record("left", reason="network_disconnected"), record("expired")) == [("anna", "expired")]
    refused = [record(what, link=4, reason="denied", detail="no", **NOBODY) for what in ("refused", "link_closed")]
    assert shown(*refused) == [("link 4", "refused")]
    assert shown(record("link_closed", link=5, reason="protocol_error", **NOBODY)) == [("link 5", "link closed")]
    assert shown(record("draining", **NOBODY), record("slept", **NOBODY)) == [("hub", "slept")]


def test_what_the_command_itself_does_is_shown_as_well() -> None:
    lines, out = paper(100, terminal=True)
    journal = TerminalJournal(lines)
    journal.tell("listening", "ws://127.0.0.1:8470", port=8470)
    journal.tell("stopping", "telling 1 member to come back later", members=1)
    listening, space, stopping = without_styles(out.getvalue())
    assert listening[10:] == "hub        listening            ws://127.0.0.1:8470"
    assert space == "", "a terminal may have written ^C there"
    assert stopping[10:] == "hub        stopping             telling 1 member to come back later"


def test_steps_and_what_heads_an_audit_are_not_shown() -> None:
    assert shown({"record": "start", "format": 1}, record("step") | {"record": "step"}) == []


def test_json_lines_have_what_is_there_and_nothing_else() -> None:
    out = StringIO()
    journal = JsonJournal(out)
    journal.write(record("dropped", reason="closed", link=None, detail=""))
    journal.write({"record": "chart"})
    journal.tell("listening", "for people", port=5)
    journal.close()
    first, second = map(json.loads, out.getvalue().splitlines())
    assert first == {
        "at": "2026-01-02T03:04:05.678Z", "event": "dropped", "session": "room-1", "connection": "c1", "client_id": "anna",
        "role": "publisher", "reason": "closed",
    }  # fmt: skip
    assert second.pop("at").endswith("Z")
    assert second == {"event": "listening", "port": 5}


class Faulty(StringIO):
    """A stdout that fails while `failure` is set."""

    failure: PrintFailed | None = None

    def write(self, text: str) -> int:
        if self.failure is not None:
            raise self.failure
        return super().write(text)


UNHEARD, FULL = PrintFailed("Broken pipe", unheard=True), PrintFailed("No space left on device", unheard=False)


def test_a_hub_goes_on_when_nobody_reads_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[bool] = []
    monkeypatch.setattr("reconnect.cli.announcing.forget_stdout", lambda: forgotten.append(True))
    out = Faulty()
    journal = UnbrokenJournal(JsonJournal(out), no_warning)
    journal.tell("listening", "")
    out.failure = UNHEARD
    journal.write(record("joined"))
    journal.tell("stopped", "")
    journal.close()
    assert forgotten == [True]


def test_a_hub_goes_on_where_its_log_is_full_and_says_so_once() -> None:
    """The log goes on as soon as there is room, with what happens then, each event once."""
    out, warnings = Faulty(), list[str]()
    journal = UnbrokenJournal(TerminalJournal(Lines(Console(file=out, width=200, no_color=True))), warnings.append)
    journal.tell("listening", "")
    out.failure = FULL
    journal.write(record("joined"))
    journal.write(record("dropped", reason="closed"))
    out.failure = None
    journal.write(record("returned"))
    assert warnings == [f"{FULL}; the hub goes on, and what happens to it is not shown meanwhile"]
    assert [row[21:42].strip() for row in out.getvalue().splitlines()] == ["listening", "returned"]


@pytest.mark.parametrize("failure", [UNHEARD, FULL])
def test_a_hub_of_which_nobody_heard_where_it_listens_is_of_no_use(failure: PrintFailed) -> None:
    out = Faulty()
    out.failure = failure
    journal = UnbrokenJournal(JsonJournal(out), no_warning)
    journal.write({"record": "start"})
    with pytest.raises(PrintFailed):
        journal.tell("listening", "")
    journal.write(record("draining", **NOBODY))


# -- running -------------------------------------------------------------------------------------------------------------------


class Watched:
    """A journal that remembers, and says when something was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.facts: dict[str, Any] = {}
        self._changed = asyncio.Event()

    def tell(self, what: str, sentence: str, **facts: Any) -> None:
        self.told.append(f"{what}: {sentence}")
        self.facts[what] = facts
        self._changed.set()

    def write(self, record: dict[str, Any]) -> None:
        if record.get("record") == "note":
            self.tell(record["what"], "")

    def close(self) -> None:
        self.told.append("closed")

    async def until(self, what: str) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while what not in self.facts:
                self._changed.clear()
                await self._changed.wait()
        return dict(self.facts[what])


def serving(**options: Any) -> serve.Serving:
    usual: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "secret": SECRET, "grace_seconds": 60.0, "dev": False, "made": False}
    return serve.Serving(**usual | options)


@pytest.fixture
def hangup() -> Iterator[None]:
    """Let hangups have their usual effect, however the tests were started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_when_asked_and_sends_everybody_away(run: Runner, number: signal.Signals, tmp_path: Path) -> None:
    journal = Watched()

    async def story() -> None:
        hub = asyncio.create_task(serve.run_hub(serving(audit=tmp_path / "hub.jsonl"), journal, None))
        listening = await journal.until("listening")
        token = reconnect.make_token(SECRET, session="room-1", client_id="anna")
        session = reconnect.Session(listening["url"], session="room-1", token=token, retry=reconnect.RetryPolicy.none())
        over: asyncio.Future[reconnect.Disconnected] = asyncio.get_running_loop().create_future()
        await session.connect()
        session.on("disconnected", over.set_result)
        await journal.until("joined")
        os.kill(os.getpid(), number)
        await hub
        assert (await over).reason == "going_away"
        await session.disconnect()

    run(story())
    assert journal.told[-4:] == [
        "draining: ", "dropped: ", "stopped: 1 member joined, 0 returns, 0 signals", "closed",
    ]  # fmt: skip
    assert journal.facts["stopping"] == {"members": 1}
    assert journal.facts["stopped"] == {"joined": 1, "resumed": 0, "signals": 0}
    assert '"what":"joined"' in (tmp_path / "hub.jsonl").read_text().replace(" ", "")


def test_dev_shows_tokens_to_people_and_hands_them_to_programs(run: Runner) -> None:
    async def story(lines: Any, dev: bool = True) -> Watched:
        journal = Watched()
        hub = asyncio.create_task(serve.run_hub(serving(dev=dev, made=True), journal, lines))
        await journal.until("listening")
        os.kill(os.getpid(), signal.SIGTERM)
        await hub
        return journal

    facts = run(story(None)).facts["listening"]
    assert (facts["session"], sorted(facts["tokens"])) == ("room-1", ["moderator", "publisher", "subscriber"])
    lines, out = paper()
    assert "tokens" not in run(story(lines)).facts["listening"]
    assert out.getvalue().count(" join ws://127.0.0.1:") == 3
    lines, out = paper()
    run(story(lines, dev=False))
    assert out.getvalue() == ""


def test_the_second_request_to_stop_has_its_usual_effect(run: Runner) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def story() -> None:
        with stop_requests() as asked:
            assert signal.getsignal(signal.SIGTERM) is not before
            os.kill(os.getpid(), signal.SIGTERM)
            await asked.wait()
            assert signal.getsignal(signal.SIGTERM) is before

    run(story())


@pytest.mark.usefixtures("hangup")
def test_a_terminal_that_is_closed_may_say_so_twice(run: Runner) -> None:
    async def story() -> None:
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
            await asked.wait()
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL, "the next one would end it before its goodbye"
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL

    run(story())


@pytest.mark.usefixtures("hangup")
def test_where_hangups_are_ignored_they_stay_ignored(run: Runner) -> None:
    """As under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def story() -> None:
        with stop_requests():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    run(story())


def test_where_signals_cannot_be_handled_nothing_is_asked(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        def cannot(number: int, callback: object) -> None:
            raise NotImplementedError

        monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", cannot)
        with stop_requests() as asked:
            assert not asked.is_set()

    run(story())


def test_the_first_to_be_done_ends_the_others(run: Runner) -> None:
    async def fails() -> None:
        raise KeyError("first")

    async def story() -> None:
        await first_of(asyncio.sleep(0), asyncio.Event().wait())
        with pytest.raises(KeyError):
            await first_of(fails(), asyncio.Event().wait())

    run(story())


# -- what keeps it from running --------------------------------------------------------------------------------------------------


def test_without_a_secret_it_says_how_to_make_one() -> None:
    code, said = refusal("serve")
    assert code == 2
    assert said == (
        f"error: a hub needs a secret, of which tokens are made; make one, and keep it: {HOW} "
        "(or name its file with --secret-file, or try things with --dev)"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--dev", "--host", "0.0.0.0"], 2, "--dev prints tokens, so it listens on this machine only"),
        (["--secret-file", "/no/such/file"], 2, "the secret file /no/such/file cannot be read: No such file or directory"),
        (["--dev", "--grace", "soon"], 2, "--grace: 'soon' is no duration; write it as 90s, 15m, 1h, 1h30m or 7d"),
        (["--dev", "--port", "70000"], 2, "--port"),
        (["--dev", "--no-such-option"], 2, "--no-such-option"),
        (["--dev", "--port", "0", "--audit", "/no/such/folder/a.jsonl"], 1, "audit file /no/such/folder/a.jsonl: No such file"),
    ],
)
def test_what_is_not_usable_is_a_sentence(arguments: list[str], code: int, words: str) -> None:
    done, said = refusal("serve", *arguments)
    assert (done, words in said) == (code, True), said


def test_a_port_in_use_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = refusal("serve", "--port", str(port), RECONNECT_SECRET=SECRET)
    assert code == 1
    assert said.startswith(f"error: port {port} on 127.0.0.1 is in use, perhaps by another hub; stop that one, or choose another")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.EADDRINUSE, "x"),
            "port 65535 on hub is in use, perhaps by another hub; stop that one, or choose another port "
            "with --port 65534, or a free one with --port 0",
        ),
        (OSError(errno.EACCES, "x"), "port 65535 needs special rights; choose one from 1024 on, as --port 8470"),
        (OSError(errno.EADDRNOTAVAIL, "x"), f"cannot listen on hub: {os.strerror(errno.EADDRNOTAVAIL)}; {ADDRESSES}"),
        (socket.gaierror(-2, "Name or service not known"), f"cannot listen on hub: Name or service not known; {ADDRESSES}"),
        (OSError("odd"), f"cannot listen on hub: odd; {ADDRESSES}"),
    ],
)
def test_why_nothing_can_listen_there(error: OSError, sentence: str) -> None:
    assert serve.cannot_listen(error, "hub", 65_535) == sentence


# -- as a process of its own -----------------------------------------------------------------------------------------------------


def test_a_hub_from_its_first_line_to_its_last() -> None:
    with Command("serve", "--dev", "--port", "0", "--json") as hub:
        listening = hub.entry("listening")
        assert listening["url"] == f"ws://127.0.0.1:{listening['port']}"
        with Command("join", listening["url"], "--json", RECONNECT_TOKEN=listening["tokens"]["publisher"]) as anna:
            anna.entry("connected")
            assert hub.entry("joined")["client_id"] == "anna"
            hub.popen.send_signal(signal.SIGTERM)
            assert anna.entry("reconnecting")["reason"] == "going_away"
            assert hub.entry("stopped")["joined"] == 1
            assert hub.end() == 0
            anna.popen.send_signal(signal.SIGTERM)
            assert anna.end() == 0
