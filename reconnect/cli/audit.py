"""`reconnect audit`: what a journal says, and whether it is true. Each further command of the group has a module of its own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from reconnect.audit.chain import Head, read_key
from reconnect.cli.audit_replay import replay
from reconnect.cli.audit_report import report
from reconnect.cli.audit_show import show as show_story
from reconnect.cli.audit_verdict import progress, show, show_json
from reconnect.cli.options import FAILED, USAGE, add_command, fail, reflowed
from reconnect.errors import AuditFailed, BadArgument, ChartError
from reconnect.evidence.charts import reviewed_chart
from reconnect.evidence.verify import verify as verify_journals

ABOUT: Final = """Journals: what a session or a hub wrote down, and whether it is true.

A journal is what Session(audit=...), Hub(audit=...) and reconnect serve --audit write.
"""

audit = typer.Typer(name="audit", help=reflowed(ABOUT), no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, for programs.")]

_HASH: Final = re.compile(r"[0-9a-f]{64}")


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Journals; the full files beside one are read first.")],
    chart: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A reviewed chart, in place of the journal's own of that name.")
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="HASH", help="The published hash that the journal must end with.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Published heads, one JSON object a line: each must be in the journal.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the key that the journal was written with.")
    ] = None,
    json_: Json = False,
) -> None:
    """Check journals: that nothing was changed, that every step followed the chart, and that every signal is accounted for.

    Checked are the chain, the order and the times; each transition against the chart in force; reports of old transports and
    timers; delays against the retry policy; the outcome of every signal; and the order in which the user was told events. The
    first thing that is wrong is named with its line. A cut or a journal that was written anew from the start only shows against a
    head that was published, or with the key.

    Exit code 0 only if all of it holds, 1 if something does not, 2 if it could not be checked.
    """
    try:
        charts = [reviewed_chart(path) for path in chart or ()]
        ends, passes = [_hash(text) for text in head or ()], _published(heads)
        secret = None if key is None else read_key(key)
        with progress(files) as told:
            verified = verify_journals(files, charts=charts, heads=ends, passes=passes, key=secret, told=told)
    except (AuditFailed, BadArgument, ChartError) as error:
        fail(str(error), USAGE)
    if json_:
        show_json(verified)
    else:
        show(verified)
    if not all(one.holds for one in verified):
        raise typer.Exit(FAILED)


def _hash(text: str) -> str:
    lowered = text.strip().lower()
    if _HASH.fullmatch(lowered) is None:
        raise BadArgument(f"a head is 64 hexadecimal digits, and this is {text!r}")
    return lowered


def _published(path: Path | None) -> list[Head]:
    """Return the heads in a file that head_file() wrote."""
    if path is None:
        return []
    try:
        lines = path.read_bytes().split(b"\n")
        heads = [msgspec.json.decode(line, type=Head) for line in lines if line.strip()]
        return [msgspec.structs.replace(head, sha256=_hash(head.sha256)) for head in heads]
    except OSError as error:
        raise BadArgument(f"the heads in {path} cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadArgument(f"{path} has a line that is no head: {error}") from error


add_command(audit, verify)
add_command(audit, replay)
add_command(audit, show_story, "show")
add_command(audit, report)
