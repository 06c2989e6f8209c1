"""The command line: what it says of itself, and with which exit code it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reconnect import __main__
from reconnect.cli import app as commands
from reconnect.cli.app import app
from reconnect.cli.demo import ProcessFailed
from reconnect.cli.ledger import Ledger
from reconnect.cli.show import JsonShow, TerminalShow
from reconnect.version import __version__

ROOT = Path(__file__).resolve().parent.parent


def call(*words: str) -> Any:
    """Run a command, and return its exit code and what it wrote."""
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}).invoke(app, list(words))


def names() -> list[str]:
    """Return the commands that there are."""
    found = [command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands]
    return [*found, *[str(group.name) for group in app.registered_groups]]


# -- what it says of itself ---------------------------------------------------------------------------------------------------


def test_without_arguments_it_shows_what_there_is() -> None:
    shown = call()
    assert shown.exit_code == 0
    assert "A session that survives the network, and can prove what it did." in shown.output
    for name in names():
        assert f" {name} " in shown.output
    assert call("--help").exit_code == call("-h").exit_code == 0


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(name: str, option: str) -> None:
    shown = call(name, option)
    assert shown.exit_code == 0
    assert f"{name} " in shown.output
    assert "--help" in shown.output


def test_the_demo_is_among_them_and_says_what_its_exit_codes_mean() -> None:
    assert "demo" in names()
    text = " ".join(call("demo", "--help").output.split())
    assert "Exit code 0 only if the ledger balances, 1 if it does not, 2 if the demo could not run." in text
    assert "--json" in text
    assert "--audit" in text


def test_the_version() -> None:
    shown = call("--version")
    assert (shown.exit_code, shown.output) == (0, f"reconnect {__version__}\n")


@pytest.mark.parametrize("words", [["nonsense"], ["--nonsense"], ["demo", "--nonsense"], ["demo", "too", "much"]])
def test_what_is_no_command_is_a_usage_error(words: list[str]) -> None:
    assert call(*words).exit_code == 2


# -- as a program -------------------------------------------------------------------------------------------------------------


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "reconnect", "--version"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == f"reconnect {__version__}\n"


@pytest.fixture
def without_extras(tmp_path: Path) -> dict[str, str]:
    """An environment in which typer cannot be imported."""
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


def test_without_the_extra_it_says_what_to_install(without_extras: dict[str, str]) -> None:
    command = [sys.executable, "-m", "reconnect", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, env=without_extras)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the command line needs the package 'typer': pip install 'reconnect[cli]'\n"


@pytest.mark.parametrize("missing", ["typer", "rich", "click"])
def test_each_package_of_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delitem(sys.modules, "reconnect.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Blind("reconnect.cli.app", missing), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == f"the command line needs the package {missing!r}: pip install 'reconnect[cli]'"


def test_a_package_that_is_missing_for_another_reason_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reconnect.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Blind("reconnect.cli.app", "structlog"), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="structlog"):
        __main__.main()


class Blind:
    """An importer that cannot import one module, for want of another."""

    def __init__(self, module: str, missing: str) -> None:
        self.module, self.missing = module, missing

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self.module:
            raise ModuleNotFoundError(f"No module named {self.missing!r}", name=self.missing)


# -- the demo -----------------------------------------------------------------------------------------------------------------


class ScriptedDemo:
    """A demo that ends as a test wants it to."""

    ended: Ledger | Exception
    made: tuple[Any, ...]

    def __init__(self, show: Any, folder: Path | None) -> None:
        ScriptedDemo.made = show, folder

    async def run(self) -> Ledger:
        if isinstance(self.ended, Exception):
            raise self.ended
        return self.ended


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedDemo]:
    monkeypatch.setattr(commands, "Demo", ScriptedDemo)
    return ScriptedDemo


def ledger(*, balances: bool) -> Ledger:
    one = Ledger(members=("anna",))
    one.note_sent("anna", 0, waits=True, away=False)
    if balances:
        one.note_outcome("anna", 0, "delivered", possibly_sent=False)
        one.note_seen("anna", "anna", 0)
    assert one.balances is balances
    return one


@pytest.mark.parametrize(("balances", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_is_the_ledgers(scripted: type[ScriptedDemo], balances: bool, code: int) -> None:
    scripted.ended = ledger(balances=balances)
    shown = call("demo")
    assert (shown.exit_code, shown.output) == (code, "")
    assert isinstance(scripted.made[0], TerminalShow)
    assert scripted.made[1] is None


@pytest.mark.parametrize(("balances", "code"), [(True, 0), (False, 1)])
def test_json_is_the_ledger_and_nothing_else(scripted: type[ScriptedDemo], tmp_path: Path, balances: bool, code: int) -> None:
    scripted.ended = ledger(balances=balances)
    shown = call("demo", "--json", "--audit", str(tmp_path))
    assert shown.exit_code == code
    printed = json.loads(shown.output)
    wanted = {"sent", "delivered", "dropped", "failed", "lost", "duplicated", "out_of_order", "outages", "events", "audit"}
    assert wanted <= set(printed)
    assert printed == scripted.ended.as_json()
    assert isinstance(scripted.made[0], JsonShow)
    assert scripted.made[1] == tmp_path


@pytest.mark.parametrize("error", [ProcessFailed("hub: no port is free"), OSError("hub: no port is free")])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_demo_that_cannot_run_says_why(
    scripted: type[ScriptedDemo], capsys: pytest.CaptureFixture[str], error: Exception, options: list[str]
) -> None:
    scripted.ended = error
    with pytest.raises(SystemExit) as ended:
        app(["demo", *options])
    assert (ended.value.code, *capsys.readouterr()) == (2, "", "the demo could not run: hub: no port is free\n")


def test_a_folder_that_cannot_be_made_is_told_before_anything_starts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        app(["demo", "--json", "--audit", str(tmp_path / "file" / "folder")])
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (2, "")
    assert shown.err == f"the demo could not run: the folder {tmp_path}/file/folder cannot be made: Not a directory\n"
