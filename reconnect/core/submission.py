"""What may be sent: the platform's limits on the type and the data of a signal, checked where the caller can still be told."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

from reconnect import limits
from reconnect.core.frames import Member
from reconnect.errors import BadArgument, BadSignal
from reconnect.reasons import RejectCode

TYPE: Final = re.compile(r"[A-Za-z0-9\-_~.]*")

_encode: Final = msgspec.json.Encoder().encode


def check_text(value: object, name: str, meaning: str, most: int | None = None) -> str:
    """Return a text that can travel, or raise BadArgument: no empty one, none that is too long, none that is no Unicode."""
    if not isinstance(value, str) or not value:
        raise BadArgument(f"{name} is {meaning}, a string that is not empty, and this is {value!r}")
    if most is not None and len(value) > most:
        raise BadArgument(f"{name} is {meaning}, of at most {most} characters, and this has {len(value)}")
    if not _is_unicode(value):
        raise BadArgument(f"{name} is {meaning}, and this has a lone surrogate, which cannot be written as UTF-8")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_type(type: str) -> bool:
    """True if a signal may have this type."""
    return len(type) <= limits.TYPE_CHARACTERS and TYPE.fullmatch(type) is not None


def check_type(type: object) -> str:
    """Return the type of a signal, or raise BadSignal."""
    if not isinstance(type, str):
        raise BadSignal(f"the type of a signal is a string, and this is {type.__class__.__name__}", code=RejectCode.INVALID)
    if len(type) > limits.TYPE_CHARACTERS:
        problem = f"the type has {len(type)} characters; at most {limits.TYPE_CHARACTERS} are allowed"
        raise BadSignal(problem, code=RejectCode.INVALID)
    if TYPE.fullmatch(type) is None:
        raise BadSignal(f"the type {type!r} has other characters than A-Z a-z 0-9 - _ ~ .", code=RejectCode.INVALID)
    return type


def check_to(to: object) -> str | None:
    """Return the connection id that a signal is for, None for everyone, or raise BadSignal."""
    if isinstance(to, Member):
        return to.connection
    if to is None or (isinstance(to, str) and to and _is_unicode(to)):
        return to
    raise BadSignal(f"`to` is a connection id or a Member, and this is {to!r}", code=RejectCode.INVALID)


def check_ttl(ttl: object) -> float | None:
    """Return the seconds that a signal may wait, None for ever, or raise BadSignal."""
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not math.isfinite(ttl) or ttl <= 0:
        raise BadSignal(f"ttl is a positive number of seconds, and this is {ttl!r}", code=RejectCode.INVALID)
    return float(ttl)


def encode_data(data: Any) -> bytes:
    """Return a JSON value as bytes, or raise BadSignal: nothing is converted silently."""
    if type(data) is not str:
        _check_json(data, limits.DATA_DEPTH)
    try:
        encoded = _encode(data)
    except (UnicodeEncodeError, OverflowError) as error:
        raise BadSignal(f"the data cannot be written as JSON: {error}", code=RejectCode.INVALID) from error
    if len(encoded) > limits.DATA_BYTES:
        raise BadSignal(
            f"the data has {len(encoded):,} bytes as JSON; at most {limits.DATA_BYTES:,} are allowed: "
            "send it in parts, or as frames of a stream",
            code=RejectCode.TOO_LARGE,
        )
    return encoded


def _check_json(value: Any, depth: int) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise BadSignal(f"the number {value} does not fit into 64 bits", code=RejectCode.INVALID)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadSignal(f"{value} is no JSON number", code=RejectCode.INVALID)
    elif depth == 0:
        raise BadSignal(f"the data is nested deeper than {limits.DATA_DEPTH} levels", code=RejectCode.INVALID)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_json(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadSignal(f"the key {key!r} of a JSON object is no string", code=RejectCode.INVALID)
            _check_json(item, depth - 1)
    else:
        problem = f"{value.__class__.__name__} is no JSON value; use strings, numbers, booleans, None, lists and dicts"
        raise BadSignal(problem, code=RejectCode.INVALID)
