"""What `reconnect serve --dev` adds for a newcomer: a secret that nobody keeps, tokens, and the lines to paste."""

from __future__ import annotations

import ipaddress
import os
import secrets
import shlex
import shutil
import sys
from typing import Final

from reconnect.auth import make_token
from reconnect.cli.durations import in_words
from reconnect.cli.lines import Lines
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


def called_as(argument: str) -> str:
    """Return how to call this command from elsewhere, when `argument` is what it was called as."""
    if os.path.basename(argument) == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m reconnect"
    found = shutil.which("reconnect")
    if found is not None and os.path.realpath(found) == os.path.realpath(argument):
        return "reconnect"
    return shlex.quote(os.path.abspath(argument))


def show(lines: Lines, url: str, secret: str, *, made: bool) -> None:
    """Print a token for each role, as the line to paste; `made` says that the secret is gone with this hub."""
    command = called_as(sys.argv[0])
    lines.say("A hub to try things with, for this machine only. Paste one of these lines into another terminal:")
    for role, token in make_tokens(secret).items():
        name, may = MEMBERS[role]
        lines.say()
        lines.say(f"{name}, {role}: {may}")
        lines.paste(f"{command} join {url} --session {SESSION} --token {token}")
    lines.say()
    end = "at most until this hub stops" if made else f"as long as {VARIABLE} stays the same"
    lines.say(f"The tokens are good for {in_words(LIFETIME_SECONDS)}, {end}. To make one with another name:")
    given = f"{VARIABLE}={secret} " if made else ""
    lines.paste(f"{given}{command} token --session {SESSION} --name carl")
    lines.say()
