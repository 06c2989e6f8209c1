"""`reconnect join`: a member in a terminal, or at the end of a pipe.

The exit code is 0 only if everything that was typed or piped in was delivered, or done, and the session was not ended by others.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Final

import typer

from reconnect.auth import peek
from reconnect.cli.cutting import CuttableDialer
from reconnect.cli.member import Member
from reconnect.cli.options import FAILED, USAGE, Json, fail
from reconnect.cli.stdin import stdin_reader, typed_lines
from reconnect.cli.stopping import first_of, stop_requests
from reconnect.cli.telling import JsonLines, Show, TerminalLines
from reconnect.cli.typed import Typed
from reconnect.errors import BadArgument, ConnectFailed

WITHOUT_ONE: Final = (
    "a hub lets nobody in without a token; give one with --token or in RECONNECT_TOKEN: `reconnect serve --dev` prints some, "
    "and `reconnect token --session {session}` makes one with the hub's secret"
)


def join(
    url: Annotated[str, typer.Argument(metavar="URL", help="The hub's address, as ws://127.0.0.1:8470.", show_default=False)],
    session: Annotated[
        str | None, typer.Option(metavar="ID", help="Id of the session; by default the one that the token is for.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="RECONNECT_TOKEN", metavar="TOKEN", help="The token that lets you in.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What to call you on this screen; the others see the token's name.")
    ] = None,
    json_: Json = False,
) -> None:
    """Join a session from a terminal: see what happens, and send what you type.

    A line that you type is sent to everyone, yourself included, as a signal of type chat. While the link is away it is held, and
    sent when the link is back. Lines that begin with a slash are commands; /help lists them. To see a session survive, cut your
    own link for three seconds, and type on:

        reconnect serve --dev
        reconnect join ws://127.0.0.1:8470 --session room-1 --token ...
        /drop 3

    It works in a pipe as well: all lines are sent, and their outcomes waited for. The exit code is 0 only if all were delivered:

        dmesg | reconnect join ws://127.0.0.1:8470 --session room-1

    Others on this machine can read a command line, and so a --token; the environment variable RECONNECT_TOKEN is for you alone.
    """
    claims = peek(token) if token else None
    session = session or (claims.session if claims else None)
    if not token:
        fail(WITHOUT_ONE.format(session=session or "room-1"), USAGE)
    if not session:
        fail("the token does not say which session it is for; name it with --session", USAGE)
    me = name or (claims.sub if claims else "you")
    show: Show = JsonLines() if json_ else TerminalLines(me)
    try:
        joined = asyncio.run(run_member(url, session, token, me=me, role=claims.role if claims else "member", show=show))
    except BadArgument as error:
        fail(str(error), USAGE)
    except ConnectFailed as error:
        fail(str(error))
    raise typer.Exit(0 if joined else FAILED)


async def run_member(url: str, session: str, token: str, *, me: str, role: str, show: Show) -> bool:
    """Be a member until told to leave; True if all went well. Raises BadArgument, ConnectFailed and PrintFailed."""
    from reconnect.client import Session
    from reconnect.transport.websocket import WebSocketDialer, check_url

    check_url(url)
    link = CuttableDialer(WebSocketDialer())
    member = Member(Session(url, session=session, token=token, transport=link), link, show, name=me, role=role)
    with stop_requests() as asked:
        try:
            await first_of(member.session.connect(), asked.wait())
            if member.session.role == "connecting":
                if isinstance(show, TerminalLines):
                    show.lines.break_line()
                member.complain("told to leave before it was in the session")
                return False
            if isinstance(show, TerminalLines) and sys.stdin is not None and sys.stdin.isatty():
                show.lines.say("Type a line to send it to all; /help lists what else there is, /quit leaves.", style="dim")
            await first_of(_take_lines(member), asked.wait(), member.unheard.wait(), member.session.wait_for("offline"))
            ended_by_others = member.session.role == "offline"
            if asked.is_set() and isinstance(show, TerminalLines):
                show.lines.break_line()
        finally:
            await member.leave()
    if member.unprinted is not None:
        raise member.unprinted
    return not (member.failures or ended_by_others)


async def _take_lines(member: Member) -> None:
    """Do what is typed until told to leave; at the end of a pipe wait for what it was about."""
    typed = Typed(member)
    async for line in typed_lines(stdin_reader()):
        if not await typed.take(line):
            return
    if sys.stdin is None or not sys.stdin.isatty():
        await typed.answered()
        await member.session.drain()
