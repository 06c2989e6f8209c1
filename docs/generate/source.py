"""What the source says about itself: docstrings, signatures, fields, and the comments beside a name.

A comment belongs to the name that is assigned on its line; where there is none, to the one below it. `noqa` is for tools and is
left out. Everything returns Markdown.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import msgspec

GENERATED = "Made from the code by `python -m docs.generate`; a test compares. Change the code, not this page."
LONGEST_LINE = 100  # of a signature
# What one part of the library calls of another, and nobody else.
INTERNAL = (
    "MemoryNetwork.forget",
    "MemoryNetwork.unlisten",
    "Statechart.claims",
    "Statechart.twins_name",
    "Statechart.wrong",
)


def page(title: str, *parts: str) -> str:
    """Return a page: title, where it comes from, parts."""
    return "\n\n".join([f"# {title}", *(part.strip("\n") for part in parts if part), f"*{GENERATED}*"]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a bar within a cell is escaped."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *lines])


def code(text: object) -> str:
    """Return text as code, nothing for nothing."""
    return f"`{text}`" if text not in (None, "") else ""


def sentence(text: str) -> str:
    """Return a comment as a cell of a table begins and ends: with a capital, without a full stop."""
    return text[:1].upper() + text[1:].rstrip(".")


def doc(thing: object) -> str:
    """Return the docstring as paragraphs, each on one line; indented blocks stay as they are."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    blocks = text.split("\n\n")
    return "\n\n".join(block if block.startswith(("    ", "-")) else " ".join(block.split()) for block in blocks)


# -- comments ------------------------------------------------------------------------------------------------------------------


class Beside:
    """The comments of one module, by line, and the names assigned in it."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(text)
        self.lines = text.splitlines()
        self.comments = {
            token.start[0]: _plain(token.string)
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT
        }

    def names(self, body: list[ast.stmt]) -> Iterator[tuple[str, int, str]]:
        """Yield name, first line and comment of each assignment of one simple name."""
        for node in body:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and isinstance(node, (ast.Assign, ast.AnnAssign)):
                yield target.id, node.lineno, self.comments.get(node.end_lineno or node.lineno) or self._above(node.lineno)

    def heading(self, line: int) -> str:
        """Return the nearest comment above a line that has a line to itself."""
        for above in range(line - 1, 0, -1):
            if self._is_alone(above):
                return self.comments[above]
        return ""

    def in_class(self, name: str) -> ast.ClassDef:
        """Return the class of this name."""
        return next(node for node in self.tree.body if isinstance(node, ast.ClassDef) and node.name == name)

    def _above(self, line: int) -> str:
        lines = []
        while self._is_alone(line - 1):
            line -= 1
            lines.append(self.comments[line])
        return " ".join(reversed(lines))

    def _is_alone(self, line: int) -> bool:
        return line in self.comments and self.lines[line - 1].lstrip().startswith("#")


def _plain(comment: str) -> str:
    return re.sub(r"\s*#?\s*noqa\b.*", "", comment.lstrip("# ")).strip()


@cache
def beside(module: ModuleType) -> Beside:
    """Return the comments of a module."""
    return Beside(Path(str(module.__file__)))


def members(enum: type[Enum]) -> dict[str, str]:
    """Return the comment beside each member of a closed list."""
    module = beside(sys.modules[enum.__module__])
    return {name: text for name, _, text in module.names(module.in_class(enum.__name__).body)}


def fields(record: type) -> list[tuple[str, str, str, str]]:
    """Return name, type, default and meaning of each field of a Record, inherited ones too."""
    types: dict[str, str] = {}
    meanings: dict[str, str] = {}
    for kind in reversed(record.__mro__):
        if not kind.__module__.startswith("reconnect."):
            continue
        types |= inspect.get_annotations(kind)
        own = beside(sys.modules[kind.__module__])
        meanings |= {name: text for name, _, text in own.names(own.in_class(kind.__name__).body)}
    return [
        (field.name, types[field.name], _default(field), meanings.get(field.name, ""))
        for field in msgspec.structs.fields(record)
        if not field.name.startswith("_")
    ]


def _default(field: msgspec.structs.FieldInfo) -> str:
    return "" if field.required else shown(field.default)


def shown(value: Any) -> str:
    """Return a default as it is written."""
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    if value is ...:
        return "..."
    return repr(value.value) if isinstance(value, Enum) else repr(value)


def typed(annotation: Any) -> str:
    """Return a type as it is written."""
    return annotation if isinstance(annotation, str) else annotation.__name__


# -- signatures ----------------------------------------------------------------------------------------------------------------


def signature(thing: Any, name: str, *, bound: bool = False, longest: int | None = LONGEST_LINE) -> str:
    """Return a call as it is written, over several lines where it is longer; `bound` leaves out the first parameter."""
    called = inspect.signature(thing)
    parameters = list(called.parameters.values())[1 if bound else 0 :]
    pieces = list(_parameters(parameters))
    result = "" if called.return_annotation in (called.empty, "None", None) else f" -> {typed(called.return_annotation)}"
    written = inspect.unwrap(thing)
    word = "async " if inspect.iscoroutinefunction(written) else ""
    block = " -> AsyncIterator[" if inspect.isasyncgenfunction(written) else " -> AbstractAsyncContextManager["
    if result.startswith(block):
        word, result = "async with ", f" as {result[len(block) : -1]}"
    line = f"{word}{name}({', '.join(pieces)}){result}"
    if longest is None or len(line) <= longest:
        return line
    return "\n".join([f"{word}{name}(", *(f"    {piece}," for piece in pieces), f"){result}"])


def _parameters(parameters: Sequence[inspect.Parameter]) -> Iterator[str]:
    starred = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        starred |= parameter.kind is parameter.VAR_POSITIONAL
        stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
        declared = "" if parameter.annotation is parameter.empty else f": {typed(parameter.annotation)}"
        given = "" if parameter.default is parameter.empty else f" = {shown(parameter.default)}"
        yield stars + parameter.name + declared + given


def block(text: str) -> str:
    """Return a block of code that is shown, not run."""
    return f"```py\n{text}\n```"


def public(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield what a class lets its users call and read, inherited members of this library too, in their order."""
    seen: dict[str, Any] = {}
    for base in reversed([base for base in kind.__mro__ if base.__module__.startswith("reconnect.")]):
        for name, value in base.__dict__.items():
            if (name == "__call__" or not name.startswith("_")) and isinstance(value, (FunctionType, property, classmethod)):
                seen[name] = value
    yield from ((name, value) for name, value in seen.items() if f"{kind.__name__}.{name}" not in INTERNAL)


def groups(module: ModuleType) -> Mapping[str, list[tuple[str, str]]]:
    """Return the names of a module under its ruled headings (`# -- title ----`), each with its comment."""
    own = beside(module)
    titles = {line: match[1].strip() for line, text in enumerate(own.lines, 1) if (match := re.match(r"# -- (.*?) -*$", text))}
    found: dict[str, list[tuple[str, str]]] = {}
    for name, line, text in own.names(own.tree.body):
        above = [titles[number] for number in titles if number < line]
        if above and name.isupper():
            found.setdefault(above[-1], []).append((name, text))
    return found
