"""The commands. Each says what it did, exits non-zero on failure, and offers `--json` where it prints a result."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from reconnect.cli.audit import audit
from reconnect.cli.charts import charts
from reconnect.cli.demo import Demo, ProcessFailed
from reconnect.cli.join import join
from reconnect.cli.options import add_command, reflowed
from reconnect.cli.serve import serve
from reconnect.cli.show import JsonShow, TerminalShow
from reconnect.cli.simulate import simulate
from reconnect.cli.token import token
from reconnect.version import __version__

ABOUT = """A session that survives the network, and can prove what it did.

See it break and recover, with nothing to set up:

    reconnect demo

Try it yourself: run a hub in one terminal, and paste the lines that it prints into others:

    reconnect serve --dev

Each command explains itself with --help. --install-completion teaches your shell to complete them.
"""

_UNHEARD = logging.NullHandler()

app = typer.Typer(
    name="reconnect",
    help=reflowed(ABOUT),
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"reconnect {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, help=reflowed(ABOUT))
def main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Show what there is, where no command is given."""
    # A command says in words of its own what fails; the library's log would say it a second time, on stderr.
    logging.getLogger("reconnect").addHandler(_UNHEARD)
    if context.invoked_subcommand is None:
        print(context.get_help())


def demo(
    json_: Annotated[bool, typer.Option("--json", help="Print the ledger as one JSON object, and nothing else.")] = False,
    audit: Annotated[Path | None, typer.Option(help="Folder for the audit files; a new one by default.")] = None,
) -> None:
    """Break a real link in four ways, and account for every signal.

    A hub, a publisher and a subscriber run as processes of their own and talk over WebSockets on loopback, through proxies that
    reset the link, leave it silently dead, flap it, and cut the other side's. Both sides send signals all the time.

    Takes less than 30 seconds. Exit code 0 only if the ledger balances, 1 if it does not, 2 if the demo could not run.
    """
    show = JsonShow() if json_ else TerminalShow()
    try:
        ledger = asyncio.run(Demo(show, audit).run())
    except (ProcessFailed, OSError) as failure:
        print(f"the demo could not run: {failure}", file=sys.stderr)
        raise typer.Exit(2) from failure
    if json_:
        json.dump(ledger.as_json(), sys.stdout, indent=2)
        sys.stdout.write("\n")
    raise typer.Exit(0 if ledger.balances else 1)


for command in (demo, serve, join, token, simulate):
    add_command(app, command)
app.add_typer(audit, name="audit")
app.add_typer(charts, name="charts")
