"""The token that a session joins with: a string, or a callable that is asked at each attempt.

White space around a token is never meant, and a newline is what a file ends with; it is left out. What a callable raised is kept
until it is asked again, so that whoever waits for connect() can be shown it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from reconnect.errors import TokenRejected
from reconnect.ports import TokenSource
from reconnect.reasons import Reason


class Credentials:
    """Asks a callable of the user's for a token, as the callable itself would be asked."""

    def __init__(self, source: Callable[[], Any]) -> None:
        self._source = source
        self._raised: Exception | None = None

    def __repr__(self) -> str:
        return f"<Credentials {'failed' if self._raised else 'asked when needed'}>"

    def __call__(self) -> Any:
        """Return a token, or what is to be awaited for it."""
        self._raised = None
        try:
            token = self._source()
        except Exception as error:
            self._raised = error
            raise
        return self._awaited(token) if inspect.isawaitable(token) else stripped(token)

    async def _awaited(self, token: Awaitable[Any]) -> object:
        try:
            return stripped(await token)
        except Exception as error:
            self._raised = error
            raise

    def why(self, reason: Reason) -> Exception | None:
        """Return what the callable raised, where an attempt failed for that reason."""
        refused = self._raised.reason if isinstance(self._raised, TokenRejected) else Reason.TOKEN_UNAVAILABLE
        return self._raised if refused is reason else None


def stripped(token: object) -> object:
    """Return a token without white space around it, and what is no token as it is."""
    return token.strip() if isinstance(token, str) else token


def asked(token: TokenSource) -> str | Credentials:
    """Return the token, or what asks for it at each attempt."""
    return token.strip() if isinstance(token, str) else Credentials(token)
