"""What may stand in a record: JSON values, texts that are cut, and nothing secret.

Rules: a text that came from elsewhere is cut, cleared of every secret that was concealed, and made writable as UTF-8. An object
is let through only where the library itself made it; of anything else that is no JSON value the name of its type is written.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from reconnect.limits import AUDIT_SECRETS, AUDIT_TEXT_CHARACTERS

CONCEALED: Final = "[concealed]"


class Cleaner:
    """Knows the secrets of one session."""

    def __init__(self) -> None:
        self._secrets: deque[str] = deque(maxlen=AUDIT_SECRETS)

    def conceal(self, secret: str) -> None:
        """Keep this token or secret out of every text from now on."""
        if secret and secret not in self._secrets:
            self._secrets.append(secret)

    def value(self, value: Any) -> Any:
        """Return a JSON value that may be written: an enumeration's value, the type's name of what is no JSON."""
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return type(value).__name__

    def tree(self, value: Any) -> Any:
        """Return what the library itself made of objects, arrays and texts, with every text in it cleaned."""
        if isinstance(value, dict):
            return {key: self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return self.value(value)

    def text(self, text: str) -> str:
        """Return a text cut and without secrets; lone surrogates, which no JSON has, are spelled out."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, CONCEALED)
        if len(text) > AUDIT_TEXT_CHARACTERS:
            text = text[: AUDIT_TEXT_CHARACTERS - 3] + "..."
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
