"""Which addresses can be dialed, told before anything is opened."""

from __future__ import annotations

from urllib.parse import urlsplit

from reconnect.errors import BadUrl


def check_url(url: str) -> None:
    """Raise BadUrl, with a sentence that says what is wrong, unless `url` is a WebSocket address."""
    problem = _problem(url)
    if problem:
        raise BadUrl(url, problem)


def _problem(url: str) -> str | None:
    if any(character.isspace() or not character.isprintable() for character in url):
        return "it contains a space or a character that cannot be printed"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port cannot be read; a port is a number from 1 to 65535"
    if parts.scheme not in ("ws", "wss"):
        return f"its scheme is {parts.scheme!r}" if "://" in url else "it has no scheme"
    if parts.username is not None or parts.password is not None:
        return "it contains credentials, which would end up in logs; pass a token instead"
    if not parts.hostname:
        return "it has no host"
    if port == 0:
        return "its port is 0"
    if parts.fragment or url.endswith("#"):
        return "it has a fragment, which a WebSocket address cannot have (RFC 6455, section 3)"
    return None if _is_name(parts.hostname) else "its host name cannot be looked up"


def _is_name(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True
