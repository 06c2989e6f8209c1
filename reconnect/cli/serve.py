"""`reconnect serve`: a hub in the foreground, and one line for each thing that happens to it.

With `--dev` it makes a secret, which is gone when it stops, and every token with it. Otherwise it wants one that it was given: a
hub that made itself a new one at each start could not take anybody back.
"""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reconnect.cli import dev as for_newcomers
from reconnect.cli.announcing import Journal, JsonJournal, TerminalJournal, UnbrokenJournal
from reconnect.cli.durations import counted, in_words
from reconnect.cli.lines import Lines
from reconnect.cli.options import USAGE, Json, SecretFile, duration, fail, warn
from reconnect.cli.secret import HOW_TO_MAKE_ONE, find_secret, need_secret
from reconnect.cli.stopping import stop_requests
from reconnect.errors import AuditFailed, BadArgument
from reconnect.record import Record

PORT: Final = 8470
WITHOUT_SECRET: Final = (
    f"a hub needs a secret, of which tokens are made; make one, and keep it: {HOW_TO_MAKE_ONE} "
    "(or name its file with --secret-file, or try things with --dev)"
)


class NotListening(Exception):
    """Nothing can listen where it should; the sentence says why, and what to do."""


class Serving(Record, kw_only=True):
    """What a hub is run with; its secret was `made` for this run, or read from `secret_file`, or else from the environment."""

    host: str
    port: int
    secret: str
    grace_seconds: float
    dev: bool
    made: bool
    secret_file: Path | None = None
    audit: Path | None = None


def serve(
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Address to listen on; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, metavar="PORT", help="Port to listen on; 0 takes a free one.")] = PORT,
    dev: Annotated[bool, typer.Option("--dev", help="Make a secret, and print tokens and the lines to paste for join.")] = False,
    secret_file: SecretFile = None,
    grace: Annotated[str, typer.Option(metavar="DURATION", help="How long a member that dropped keeps its place.")] = "60s",
    audit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every step and decision of the hub to this file as well.")
    ] = None,
    json_: Json = False,
) -> None:
    """Run a hub, and say what happens to it.

    A hub keeps the sessions: who is in them, what was said, and the place of a member whose link dropped. It prints one line for
    each member that joins, drops, returns or leaves. Ctrl-C or SIGTERM stop it, and so does a terminal that is closed: all
    members are told to come back later.

    To try things on this machine, with tokens and the lines to paste:

        reconnect serve --dev

    In earnest it needs a secret, of which the tokens are made:

        export RECONNECT_SECRET=$(openssl rand -hex 32)
        reconnect serve --host 0.0.0.0

    It speaks ws://; let a proxy in front of it speak wss:// where strangers can listen.
    """
    grace_seconds = duration(grace, "--grace")
    try:
        if dev:
            for_newcomers.check_host(host)
            given = find_secret(secret_file, warn)
        else:
            given = need_secret(secret_file, warn, without=WITHOUT_SECRET)
    except BadArgument as error:
        fail(str(error), USAGE)
    secret = given or for_newcomers.make_secret()
    serving = Serving(
        host=host,
        port=port,
        secret=secret,
        grace_seconds=grace_seconds,
        dev=dev,
        made=given is None,
        secret_file=secret_file,
        audit=audit,
    )
    lines = None if json_ else Lines()
    try:
        asyncio.run(run_hub(serving, UnbrokenJournal(TerminalJournal(lines) if lines else JsonJournal(), warn), lines))
    except NotListening as error:
        fail(str(error))
    except AuditFailed as error:
        fail(str(error))


async def run_hub(serving: Serving, journal: Journal, lines: Lines | None) -> None:
    """Serve until asked to stop, then send everybody away; `lines` is the terminal that a person looks at.

    Raises NotListening, AuditFailed, and PrintFailed where not even its first line can be printed.
    """
    from reconnect import audit
    from reconnect.hub import Hub

    sink = audit.TeeSink(journal, audit.Journal(serving.audit)) if serving.audit else journal
    hub = Hub(serving.secret, grace_seconds=serving.grace_seconds, audit=sink)
    try:
        with stop_requests() as asked:
            async with AsyncExitStack() as stack:
                try:
                    listener = await stack.enter_async_context(hub.serve(serving.host, serving.port))
                except OSError as error:
                    raise NotListening(cannot_listen(error, serving.host, serving.port)) from error
                _tell_listening(journal, serving, listener.url, listener.port, lines)
                await asked.wait()
                members = hub.statistics().members
                journal.tell("stopping", f"telling {counted(members, 'member')} to come back later", members=members)
        numbers = hub.statistics()
        facts = {"joined": numbers.joined, "resumed": numbers.resumed, "signals": numbers.signals_appended}
        joined, signals = counted(numbers.joined, "member"), counted(numbers.signals_appended, "signal")
        journal.tell("stopped", f"{joined} joined, {counted(numbers.resumed, 'return')}, {signals}", **facts)
    finally:
        sink.close()


def _tell_listening(journal: Journal, serving: Serving, url: str, port: int, lines: Lines | None) -> None:
    facts: dict[str, Any] = {"url": url, "port": port, "grace_seconds": serving.grace_seconds}
    if serving.dev and lines is not None:
        for_newcomers.show(lines, url, serving.secret, made=serving.made, file=serving.secret_file)
    elif serving.dev:
        facts |= {"session": for_newcomers.SESSION, "tokens": for_newcomers.make_tokens(serving.secret)}
    sentence = f"{url}, keeps places for {in_words(serving.grace_seconds)}; Ctrl-C stops it"
    journal.tell("listening", sentence, **facts)


def cannot_listen(error: OSError, host: str, port: int) -> str:
    """Return why nothing can listen there, and what to do."""
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < 65_535 else port - 1
        return (
            f"port {port} on {host} is in use, perhaps by another hub; stop that one, or choose another port "
            f"with --port {other}, or a free one with --port 0"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} needs special rights; choose one from 1024 on, as --port {PORT}"
    number = error.errno or 0
    reason = os.strerror(number) if number > 0 else error.strerror or str(error)  # a resolver's numbers are negative
    return f"cannot listen on {host}: {reason}; --host takes an address of this machine, as 127.0.0.1 or 0.0.0.0"
