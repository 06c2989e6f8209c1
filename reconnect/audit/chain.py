"""The chain of a journal: each line carries the hash of the line before it, and a head vouches for all that came before.

Rules: what is hashed are the bytes of a line as they stand in the file, without its line feed. The first line carries ROOT. With
a key the hash is an HMAC, which nobody can compute anew who does not have the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from reconnect.errors import BadArgument
from reconnect.record import Record

ROOT: Final = "0" * 64
SHA256: Final = "sha256"
HMAC_SHA256: Final = "hmac-sha256"
KEY_BYTES: Final = 16  # a key that can be guessed protects nothing

Hash = Callable[[bytes], str]


class Head(Record, kw_only=True):
    """The hash of one line, which vouches for every line up to it: to be kept where the writer of the journal cannot reach it."""

    path: str  # of the file that the line stands in
    file: int  # its number within the journal
    entry: int  # the number of the line
    sha256: str  # the hash
    wall: str  # when the line was written


def check_key(key: bytes | str | None) -> bytes | None:
    """Return a key as bytes, or raise BadArgument where it is none that protects anything."""
    if key is None:
        return None
    if not isinstance(key, bytes | str):
        raise BadArgument(f"key is bytes or a string, and this is {type(key).__name__}")
    raw = key.encode() if isinstance(key, str) else key
    if len(raw) < KEY_BYTES:
        raise BadArgument(
            f"the key of a journal has at least {KEY_BYTES} bytes, as secrets.token_hex() gives, and this has {len(raw)}"
        )
    return raw


def read_key(path: str | Path) -> bytes:
    """Return the key in a file, without the white space around it; raise BadArgument where there is none."""
    try:
        content = Path(path).read_bytes().strip()
    except OSError as error:
        raise BadArgument(f"the key file {path} cannot be read: {error.strerror or error}") from error
    key = check_key(content)
    assert key is not None, "a key was given"
    return key


def hash_of(key: bytes | None) -> Hash:
    """Return what computes the hash of a line."""
    if key is None:
        return lambda line: sha256(line).hexdigest()
    return lambda line: hmac.digest(key, line, "sha256").hex()


def kind_of(key: bytes | None) -> str:
    """Return what a journal's header calls its chain."""
    return SHA256 if key is None else HMAC_SHA256
