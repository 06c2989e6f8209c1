"""`limits.md`: every limit and default, with where to set it and its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import reconnect
from docs.generate.api import ELSEWHERE
from docs.generate.source import Beside, code, groups, page, sentence, table
from reconnect import limits

PACKAGE = Path(str(reconnect.__file__)).parent
INSIDE = ("cli", "testing")  # whose numbers are about the demo and about tests
NO_LIMITS = ("FORMAT", "NORMAL_CLOSURE")  # names of things that happen to be numbers
PUBLIC = {*reconnect.__all__, *(name for names in ELSEWHERE.values() for name in names)}

INTRODUCTION = """
Durations are in seconds, sizes in bytes. *Set by* names the argument whose default a limit is; where it is empty, the limit
is fixed. The names are those of `reconnect.limits`.
"""

SINGLE = """
Numbers that matter to one module only, and are of no use to anyone who sets them.
"""


def limits_page() -> str:
    """Return the page."""
    arguments = set_by()
    parts = []
    for title, names in groups(limits).items():
        rows = ([code(name), amount(name), ", ".join(arguments.get(name, ())), sentence(why)] for name, why in names)
        parts += [f"## {sentence(title)}", table(["limit", "default", "set by", "why"], rows)]
    return page(
        "Limits and defaults",
        INTRODUCTION,
        *parts,
        "## Of single modules",
        SINGLE,
        table(["constant", "value", "of", "why"], single()),
    )


def amount(name: str) -> str:
    """Return a limit's value with its unit, which its name says."""
    value = getattr(limits, name)
    if name.endswith("_SECONDS"):
        return f"{value:,g} s"
    if name.endswith("_BYTES"):
        return size(value)
    if name.endswith("_CHARACTERS"):
        return f"{value:,} characters"
    return f"{value:,}"


def size(value: int) -> str:
    """Return a number of bytes in the largest unit that it fills."""
    for unit, factor, least in (("MiB", 1024 * 1024, 1), ("KiB", 1024, 16)):
        if value >= least * factor and value % factor == 0:
            return f"{value // factor:,} {unit}"
    return f"{value:,} bytes"


# -- where a limit is a default ------------------------------------------------------------------------------------------------


def set_by() -> Mapping[str, list[str]]:
    """Return for each limit the arguments whose default it is, as `Hub(grace_seconds=)`."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for place, argument, limit in _defaults(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(limit, []).append(f"`{place}({argument}=)`")
    return found


def _defaults(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yield who takes which argument with which limit as its default."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in PUBLIC:
            yield from _of_function(node.name, node)
        if isinstance(node, ast.ClassDef) and node.name in PUBLIC:
            for child in node.body:
                if isinstance(child, ast.FunctionDef) and child.name == "__init__":
                    yield from _of_function(node.name, child)
                if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name) and (limit := _limit(child.value)):
                    yield node.name, child.target.id, limit


def _of_function(place: str, node: ast.FunctionDef) -> Iterator[tuple[str, str, str]]:
    named = [*node.args.posonlyargs, *node.args.args]
    pairs = [*zip(named[len(named) - len(node.args.defaults) :], node.args.defaults, strict=True)]
    keyed = [(one, default) for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default]
    for argument, default in [*pairs, *keyed]:
        if limit := _limit(default):
            yield place, argument.arg, limit


def _limit(default: ast.expr | None) -> str | None:
    name = default.attr if isinstance(default, ast.Attribute) else default.id if isinstance(default, ast.Name) else ""
    return name if name.isupper() and hasattr(limits, name) else None


# -- the rest ------------------------------------------------------------------------------------------------------------------


def single() -> Iterator[list[str]]:
    """Yield the public numbers that stand in other modules."""
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] in INSIDE or place.name == "limits.py":
            continue
        module = Beside(path)
        numbers = {node.lineno for node in module.tree.body if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_number(node)}
        for name, line, why in module.names(module.tree.body):
            if line in numbers and name.isupper() and not name.startswith("_") and name not in NO_LIMITS:
                value = module.lines[line - 1].partition(" = ")[2].partition("  #")[0]
                yield [code(name), code(value), code(".".join(("reconnect", *place.with_suffix("").parts))), sentence(why)]


def _is_number(node: ast.Assign | ast.AnnAssign) -> bool:
    return node.value is not None and all(
        isinstance(part, (ast.BinOp, ast.operator, ast.Name, ast.Load))
        or (isinstance(part, ast.Constant) and type(part.value) in (int, float))
        for part in ast.walk(node.value)
    )
