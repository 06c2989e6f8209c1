"""Refused cleanly to the caller: signals that the platform's limits do not allow. Nothing was sent, and nothing is pending."""

from __future__ import annotations

from typing import Any

import pytest

from reconnect import BadSignal, RejectCode
from tests.stories.stage import Stage, story

BAD_TYPES: dict[str, tuple[Any, str]] = {
    "too long": ("x" * 129, "the type has 129 characters; at most 128 are allowed"),
    "a space": ("two words", "the type 'two words' has other characters than A-Z a-z 0-9 - _ ~ ."),
    "an umlaut": ("f\u00fcr", "has other characters than A-Z a-z 0-9 - _ ~ ."),
    "no string": (5, "the type of a signal is a string, and this is int"),
}
BAD_DATA: dict[str, tuple[Any, str, RejectCode]] = {
    "too large": ("x" * 8_191, "the data has 8,193 bytes as JSON; at most 8,192 are allowed", RejectCode.TOO_LARGE),
    "bytes": (b"raw", "bytes is no JSON value; use strings, numbers, booleans, None, lists and dicts", RejectCode.INVALID),
    "an object": (object(), "object is no JSON value", RejectCode.INVALID),
    "not a number": (float("nan"), "nan is no JSON number", RejectCode.INVALID),
    "a key": ({1: "one"}, "the key 1 of a JSON object is no string", RejectCode.INVALID),
    "a huge number": (2**64, "the number 18446744073709551616 does not fit into 64 bits", RejectCode.INVALID),
    "too deep": ([[]] * 1, "", RejectCode.INVALID),
}


@story(Stage)
@pytest.mark.parametrize(("kind", "sentence"), BAD_TYPES.values(), ids=BAD_TYPES)
async def test_a_signal_with_a_bad_type(stage: Stage, kind: Any, sentence: str) -> None:
    """The platform's limits, told to the caller: nothing was sent and nothing is pending."""
    anna = await stage.enter("anna")
    with pytest.raises(BadSignal) as caught:
        anna.session.signal("hello", type=kind)
    assert sentence in str(caught.value)
    assert caught.value.code is RejectCode.INVALID
    assert anna.session.statistics().submitted == 0
    assert (await anna.signal("hello", type="x" * 128)).delivered


@story(Stage)
@pytest.mark.parametrize(("value", "sentence", "code"), BAD_DATA.values(), ids=BAD_DATA)
async def test_a_signal_with_bad_data(stage: Stage, value: Any, sentence: str, code: RejectCode) -> None:
    """Nothing is converted silently; what is just within the limit is taken."""
    if not sentence:
        for _ in range(101):
            value = [value]
        sentence = "the data is nested deeper than 100 levels"
    anna = await stage.enter("anna")
    with pytest.raises(BadSignal) as caught:
        anna.session.signal(value)
    assert sentence in str(caught.value)
    assert caught.value.code is code
    assert anna.session.statistics().submitted == 0
    assert (await anna.signal("x" * 8_190)).delivered


@story(Stage)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"to": 5}, "`to` is a connection id or a Member, and this is 5"),
        ({"to": ""}, "`to` is a connection id or a Member, and this is ''"),
        ({"ttl": 0}, "ttl is a positive number of seconds, and this is 0"),
        ({"ttl": -1.0}, "ttl is a positive number of seconds, and this is -1.0"),
        ({"ttl": "soon"}, "ttl is a positive number of seconds, and this is 'soon'"),
    ],
    ids=["no address", "empty address", "no time", "negative time", "no number"],
)
async def test_a_signal_with_a_bad_address_or_ttl(stage: Stage, options: dict[str, Any], sentence: str) -> None:
    """Told to the caller; nothing was sent."""
    anna = await stage.enter("anna")
    with pytest.raises(BadSignal) as caught:
        anna.session.signal("hello", **options)
    assert sentence in str(caught.value)
