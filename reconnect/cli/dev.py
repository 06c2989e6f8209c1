"""What `reconnect serve --dev` adds for a newcomer: a secret that nobody keeps, tokens, and the lines to paste."""

from __future__ import annotations

import ipaddress
import secrets
import shlex
import sys
from pathlib import Path
from typing import Final

from reconnect.auth import make_token
from reconnect.cli.durations import in_words
from reconnect.cli.lines import Lines, called_as
from reconnect.cli.secret import VARIABLE
from reconnect.errors import BadArgument
from reconnect.limits import SECRET_BYTES

SESSION: Final = "room-1"
LIFETIME_SECONDS: Final = 86_400.0  # a day: who tries things out should not meet an expired token
MEMBERS: Final = {
    "publisher": ("anna", "sends signals and publishes streams"),
    "subscriber": ("bob", "receives, and sends nothing"),
    "moderator": ("mia", "a publisher who may also remove members and mute streams"),
}


def check_host(host: str) -> None:
    """Raise BadArgument where tokens that are printed would let in more than this machine."""
    if not is_loopback(host):
        raise BadArgument(
            f"--dev prints tokens, so it listens on this machine only, and others can reach {host}; "
            f"leave --host out, or leave --dev out and give the hub a secret of its own in {VARIABLE}"
        )


def is_loopback(host: str) -> bool:
    """True if only this machine can reach what listens on this host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def make_secret() -> str:
    """Return a secret that nobody keeps."""
    return secrets.token_urlsafe(SECRET_BYTES)


def make_tokens(secret: str) -> dict[str, str]:
    """Return a token for each role, for the session that newcomers try."""
    return {
        role: make_token(secret, session=SESSION, role=role, client_id=name, lifetime_seconds=LIFETIME_SECONDS)
        for role, (name, _) in MEMBERS.items()
    }


def show(lines: Lines, url: str, secret: str, *, made: bool, file: Path | None = None) -> None:
    """Print a token for each role, as the line to paste.

    The secret was `made`, and is gone with this hub, or was read from `file`, or else from the environment.
    """
    command = called_as(sys.argv[0])
    lines.say("A hub to try things with, for this machine only. Paste one of these lines into another terminal:")
    for role, token in make_tokens(secret).items():
        name, may = MEMBERS[role]
        lines.say()
        lines.say(f"{name}, {role}: {may}")
        lines.paste(f"{command} join {url} --session {SESSION} --token {token}")
    lines.say()
    where = given = option = ""
    if made:
        end, given = "at most until this hub stops", f"{VARIABLE}={secret} "
    elif file is not None:
        end, option = f"as long as the secret in {file} stays the same", f" --secret-file {shlex.quote(str(file.absolute()))}"
    else:
        end, where = f"as long as {VARIABLE} stays the same", f", in a terminal where {VARIABLE} is set as it is here"
    lines.say(f"The tokens are good for {in_words(LIFETIME_SECONDS)}, {end}. To make one with another name{where}:")
    lines.paste(f"{given}{command} token --session {SESSION} --name carl{option}")
    lines.say()
