"""What `reconnect.testing` offers: every name is there, listed, explained, and on the reference page."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import reconnect.testing
from docs.generate.api import ELSEWHERE

ROOT = Path(__file__).resolve().parent.parent
NO_PAGE = {"TRANSPORT_CHECKS"}  # a table: the page has signatures and docstrings


def test_every_public_name_is_there_listed_and_on_the_reference_page() -> None:
    assert len(set(reconnect.testing.__all__)) == len(reconnect.testing.__all__)
    for name in reconnect.testing.__all__:
        assert getattr(reconnect.testing, name) is not None
    assert set(reconnect.testing.__all__) <= set(dir(reconnect.testing))
    assert set(reconnect.testing.__all__) == {*ELSEWHERE["reconnect.testing"], *NO_PAGE}


def test_type_checkers_and_readers_of_the_list_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "reconnect" / "testing" / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reconnect.")
        for alias in node.names
    }
    assert seen == set(reconnect.testing.__all__)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'reconnect\.testing' has no attribute 'nonsense'"):
        _ = reconnect.testing.nonsense


def test_everything_public_explains_itself() -> None:
    silent = []
    for name in set(reconnect.testing.__all__) - NO_PAGE:
        value = getattr(reconnect.testing, name)
        if not inspect.getdoc(value):
            silent.append(name)
        if inspect.isclass(value):
            members = {part: member for part, member in vars(value).items() if not part.startswith("_")}
            silent += [
                f"{name}.{part}"
                for part, member in members.items()
                if (inspect.isfunction(member) or isinstance(member, property)) and not inspect.getdoc(member)
            ]
    assert silent == []
