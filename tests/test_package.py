"""The package from outside: what importing it loads, what it names, and that its lists are those of the tree."""

from __future__ import annotations

import ast
import importlib
import inspect
import pydoc
import subprocess
import sys
from configparser import RawConfigParser
from importlib.resources import files
from pathlib import Path
from pkgutil import walk_packages

import pytest

import reconnect
from reconnect.chart import load_chart
from reconnect.chart.load import chart_names
from reconnect.record import Record
from reconnect.version import __version__

ROOT = Path(__file__).resolve().parent.parent


def setup() -> RawConfigParser:
    parser = RawConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def fresh(program: str) -> str:
    """Run a program in an interpreter of its own and return what it prints."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.strip()


LATE = ["PyJWT", "jwt", "msgspec", "rich", "structlog", "tenacity", "transitions", "typer", "websockets"]


def test_importing_the_package_loads_no_room_and_no_server() -> None:
    loaded = fresh("import sys, reconnect; print(*sorted(sys.modules))").split()
    assert [name for name in LATE if name in loaded] == []
    assert [name for name in loaded if name.startswith("reconnect.")] == ["reconnect.version"]
    assert "asyncio" not in loaded


def test_a_client_is_made_without_the_libraries_that_it_may_never_need() -> None:
    """structlog, tenacity, transitions, PyJWT and websockets load at first use."""
    loaded = fresh("import sys, reconnect; reconnect.Session, reconnect.RetryPolicy(); print(*sorted(sys.modules))").split()
    assert [name for name in ("structlog", "tenacity", "transitions", "jwt", "websockets") if name in loaded] == []
    assert [name for name in loaded if name.startswith("reconnect.hub") or name == "reconnect.core.hub"] == []


def test_every_public_name_is_there_and_listed() -> None:
    assert sorted(set(reconnect.__all__)) == sorted(reconnect.__all__)
    for name in reconnect.__all__:
        assert getattr(reconnect, name) is not None
    assert set(reconnect.__all__) <= set(dir(reconnect))


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = reconnect.nonsense


def test_type_checkers_and_readers_of_the_list_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "reconnect" / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reconnect.")
        for alias in node.names
    }
    assert seen == set(reconnect.__all__)


def test_the_version_stands_twice_and_is_one() -> None:
    assert setup()["metadata"]["version"] == __version__ == reconnect.__version__


def test_the_list_of_packages_is_the_tree() -> None:
    listed = set(setup()["options"]["packages"].split())
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "reconnect").rglob("__init__.py")}
    assert listed == found | {"reconnect.statecharts"}
    modules = {path.parent for path in (ROOT / "reconnect").rglob("*.py")}
    assert {folder for folder in modules if not (folder / "__init__.py").is_file()} == set()


def test_the_charts_are_found_beside_the_package() -> None:
    names = {path.stem for path in (ROOT / "statecharts").glob("*.toml")}
    assert set(chart_names()) == names
    assert {load_chart(name).name for name in names} == names


def test_the_package_is_typed() -> None:
    assert (files("reconnect") / "py.typed").is_file()


def test_no_module_is_larger_than_a_reader_can_take() -> None:
    """STYLE: ask yourself at 300 lines, stop at 400; no function above 70."""
    too_long = []
    for path in sorted((ROOT / "reconnect").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            too_long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and (node.end_lineno or 0) - node.lineno > 70:
                too_long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert too_long == []


def test_everything_public_explains_itself() -> None:
    """What `help()` shows: no name, method or property without a docstring."""
    silent = []
    for name in reconnect.__all__:
        value = getattr(reconnect, name)
        if isinstance(value, str):
            continue
        if not inspect.getdoc(value):
            silent.append(name)
        if inspect.isclass(value):
            members = {part: member for part, member in vars(value).items() if not part.startswith("_")}
            explained = (property, staticmethod, classmethod)
            silent += [
                f"{name}.{part}"
                for part, member in members.items()
                if (inspect.isfunction(member) or isinstance(member, explained)) and not inspect.getdoc(member)
            ]
    assert silent == []


def test_a_session_shows_what_is_meant_for_its_user_and_nothing_else() -> None:
    shown = {name for name in dir(reconnect.Session) if not name.startswith("_")}
    assert shown == {
        "connect", "connection", "disconnect", "drain", "feed", "kick", "last_error", "members", "mute", "off", "off_request",
        "on", "on_request", "publish", "reconnect_now", "renew_token", "request", "role", "signal", "signal_when_room", "signals",
        "state", "statistics", "streams", "subscribe", "wait_for", "wait_room",
    }  # fmt: skip
    for kind, more in (
        (reconnect.Publisher, {"send", "unpublish"}),
        (reconnect.Subscriber, {"unsubscribe"}),
    ):
        assert {name for name in dir(kind) if not name.startswith("_")} == {"off", "on", "state", "stream"} | more
    assert {name for name in dir(reconnect.AckStream) if not name.startswith("_")} == {"close", "unacknowledged"}
    assert {name for name in dir(reconnect.SignalStream) if not name.startswith("_")} == {"close", "is_behind"}
    assert {name for name in dir(reconnect.Receipt) if not name.startswith("_")} == {"cancel", "outcome", "serial", "stored"}


def test_help_shows_the_package_with_all_its_names() -> None:
    text = pydoc.plain(pydoc.render_doc(reconnect))
    assert "A session that survives the network, and can prove what it did." in text
    assert [name for name in reconnect.__all__ if name not in text] == ["__version__"]  # shown as VERSION


def test_every_record_is_made_with_named_values_only() -> None:
    """`kw_only` is said by each class for itself, and forgotten easily."""
    for module in walk_packages(reconnect.__path__, "reconnect."):
        if module.name != "reconnect.__main__":
            importlib.import_module(module.name)
    kinds = list(Record.__subclasses__())
    for kind in kinds:
        kinds += [below for below in kind.__subclasses__() if below not in kinds]
    wrong = [
        kind.__name__
        for kind in kinds
        if kind.__module__.startswith("reconnect.")
        and any(one.kind is not one.KEYWORD_ONLY for one in inspect.signature(kind).parameters.values())
    ]
    assert len(kinds) > 100
    assert wrong == []
