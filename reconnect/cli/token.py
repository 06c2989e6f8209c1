"""`reconnect token`: a token for one client of one session, alone on stdout, so that it can stand in $(...)."""

from __future__ import annotations

import json
import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import typer

from reconnect.auth import make_token
from reconnect.cli.durations import in_words
from reconnect.cli.options import USAGE, Json, SecretFile, chosen, duration, fail, remark, warn
from reconnect.cli.secret import VARIABLE, need_secret
from reconnect.core.hub.records import Role
from reconnect.errors import BadArgument

WITHOUT_SECRET: Final = (
    f"a token is signed with the hub's secret, and there is none here; put it into {VARIABLE}, "
    "or name its file with --secret-file"
)


def token(
    session: Annotated[str, typer.Option(metavar="ID", help="Id of the session that it lets in to.")],
    role: Annotated[
        str,
        typer.Option(
            metavar="ROLE",
            help="subscriber (receives), publisher (also sends), moderator (also removes, mutes).",
            autocompletion=lambda: [*map(str, Role)],
        ),
    ] = str(Role.PUBLISHER),
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The client's id, which the others see; random by default.")
    ] = None,
    lifetime: Annotated[str, typer.Option(metavar="DURATION", help="How long it is good for, as 90s, 15m, 1h or 7d.")] = "1h",
    data: Annotated[str, typer.Option(metavar="TEXT", help="A text that the others see beside the name.")] = "",
    secret_file: SecretFile = None,
    json_: Json = False,
) -> None:
    """Make a token: what a client shows a hub to be let in.

    It is signed with the hub's secret, which is read from RECONNECT_SECRET or a file, and names one client and one session. The
    token alone goes to stdout, so that it can be used in another command:

        export RECONNECT_TOKEN=$(reconnect token --session room-1 --name anna)
        reconnect join ws://127.0.0.1:8470 --session room-1

    Who has the token can join until it expires, so hand it over as you would a password.
    """
    seconds, may = duration(lifetime, "--lifetime"), chosen(Role, role, "--role")
    try:
        secret = need_secret(secret_file, warn, without=WITHOUT_SECRET)
        facts = token_facts(secret, session=session, role=may, name=name, data=data, lifetime_seconds=seconds)
    except BadArgument as error:
        fail(str(error), USAGE)
    sys.stdout.write((json.dumps(facts) if json_ else facts["token"]) + "\n")
    if not json_:
        remark(in_a_sentence(facts))


def token_facts(secret: str, *, session: str, role: str, name: str | None, data: str, lifetime_seconds: float) -> dict[str, Any]:
    """Return a token and what it says. Raises BadArgument."""
    name = secrets.token_hex(8) if name is None else name
    now = datetime.now(UTC)
    made = make_token(
        secret,
        session=session,
        role=str(role),
        client_id=name,
        data=data,
        lifetime_seconds=lifetime_seconds,
        now=now.timestamp(),
    )
    return {
        "token": made,
        "session": session,
        "role": str(role),
        "client_id": name,
        "data": data,
        "lifetime_seconds": lifetime_seconds,
        "expires_at": (now + timedelta(seconds=lifetime_seconds)).isoformat(timespec="seconds"),
    }


def in_a_sentence(facts: dict[str, Any]) -> str:
    """Return what a token is good for, for the person who made it."""
    until = datetime.fromisoformat(facts["expires_at"]).astimezone()
    return (
        f"{facts['client_id']}, {facts['role']} of session {facts['session']}, "
        f"good for {in_words(facts['lifetime_seconds'])}, until {until:%Y-%m-%d %H:%M:%S}"
    )
