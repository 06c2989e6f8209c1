"""What may be sent, and the sentence for everything that may not: nothing is converted silently."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from reconnect.core.frames import Member
from reconnect.core.submission import check_text, check_to, check_ttl, check_type, encode_data
from reconnect.errors import BadArgument, BadSignal
from reconnect.reasons import RejectCode


def nested(depth: int, made: Callable[[Any], Any] = lambda inner: [inner]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = made(value)
    return value


def refusal(call: Callable[[Any], object], value: Any) -> BadSignal:
    with pytest.raises(BadSignal) as refused:
        call(value)
    return refused.value


@pytest.mark.parametrize("type", ["", "chat", "A-Z_a~z.0-9", "x" * 128])
def test_types_that_are_taken(type: str) -> None:
    assert check_type(type) == type


@pytest.mark.parametrize(
    ("type", "sentence"),
    [
        (None, "the type of a signal is a string, and this is NoneType"),
        (5, "the type of a signal is a string, and this is int"),
        (b"chat", "the type of a signal is a string, and this is bytes"),
        ("x" * 129, "the type has 129 characters; at most 128 are allowed"),
        ("a b", "the type 'a b' has other characters than A-Z a-z 0-9 - _ ~ ."),
        ("grün", "the type 'grün' has other characters than A-Z a-z 0-9 - _ ~ ."),
        ("chat\n", "the type 'chat\\n' has other characters than A-Z a-z 0-9 - _ ~ ."),
    ],
)
def test_types_that_are_refused(type: Any, sentence: str) -> None:
    error = refusal(check_type, type)
    assert (str(error), error.code) == (sentence, RejectCode.INVALID)


def test_whom_a_signal_is_for() -> None:
    assert check_to(None) is None
    assert check_to("c1") == "c1"
    assert check_to(Member(connection="c2", client_id="ben")) == "c2"


@pytest.mark.parametrize("to", ["", 5, b"c1", ["c1"], "\ud800"])
def test_whom_it_cannot_be_for(to: Any) -> None:
    error = refusal(check_to, to)
    assert (str(error), error.code) == (f"`to` is a connection id or a Member, and this is {to!r}", RejectCode.INVALID)


def test_how_long_a_signal_may_wait() -> None:
    assert check_ttl(None) is None
    assert check_ttl(2) == 2.0
    assert isinstance(check_ttl(2), float)
    assert check_ttl(0.001) == 0.001


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, True, "5", [5]])
def test_how_long_it_cannot(ttl: Any) -> None:
    error = refusal(check_ttl, ttl)
    assert (str(error), error.code) == (f"ttl is a positive number of seconds, and this is {ttl!r}", RejectCode.INVALID)


@pytest.mark.parametrize(
    "data",
    [
        None,
        True,
        "text",
        "grün \u2028",
        0,
        -(2**63),
        2**64 - 1,
        1.5,
        [],
        (1, "a"),
        {"a": {"b": [None]}},
        nested(100),
        "x" * 8_190,
    ],
)
def test_data_that_is_taken(data: Any) -> None:
    decoded = msgspec.json.decode(encode_data(data))
    assert decoded == (list(data) if isinstance(data, tuple) else data)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"bytes", "bytes is no JSON value; use strings, numbers, booleans, None, lists and dicts"),
        ({1, 2}, "set is no JSON value; use strings, numbers, booleans, None, lists and dicts"),
        (object, "type is no JSON value; use strings, numbers, booleans, None, lists and dicts"),
        (Member(connection="c", client_id="x"), "Member is no JSON value; use strings, numbers, booleans, None, lists and dicts"),
        ([1, {"a": 1j}], "complex is no JSON value; use strings, numbers, booleans, None, lists and dicts"),
        ({1: "a"}, "the key 1 of a JSON object is no string"),
        ({None: "a"}, "the key None of a JSON object is no string"),
        (math.nan, "nan is no JSON number"),
        ([-math.inf], "-inf is no JSON number"),
        (2**64, "the number 18446744073709551616 does not fit into 64 bits"),
        (-(2**63) - 1, "the number -9223372036854775809 does not fit into 64 bits"),
        (nested(101), "the data is nested deeper than 100 levels"),
        (nested(101, lambda inner: {"a": inner}), "the data is nested deeper than 100 levels"),
    ],
)
def test_data_that_is_refused(data: Any, sentence: str) -> None:
    error = refusal(encode_data, data)
    assert (str(error), error.code) == (sentence, RejectCode.INVALID)


def test_a_lone_surrogate_cannot_be_written() -> None:
    error = refusal(encode_data, "\ud800")
    assert str(error).startswith("the data cannot be written as JSON: 'utf-8' codec can't encode character")
    assert error.code is RejectCode.INVALID


def test_the_size_is_that_of_the_json() -> None:
    for data in ("x" * 8_191, ["x" * 8_189], "ü" * 4_096):
        error = refusal(encode_data, data)
        assert error.code is RejectCode.TOO_LARGE
        assert str(error) in [
            f"the data has {size} bytes as JSON; at most 8,192 are allowed: send it in parts, or as frames of a stream"
            for size in ("8,193", "8,194")
        ]


def test_a_list_that_holds_itself_is_too_deep() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert str(refusal(encode_data, loop)) == "the data is nested deeper than 100 levels"


def test_texts_that_travel() -> None:
    assert check_text("grün", "name", "that of a stream", 4) == "grün"
    assert check_text("x" * 5_000, "token", "what make_token() returned") == "x" * 5_000


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "name is that of a stream, a string that is not empty, and this is ''"),
        (None, "name is that of a stream, a string that is not empty, and this is None"),
        ("12345", "name is that of a stream, of at most 4 characters, and this has 5"),
        ("\udfff", "name is that of a stream, and this has a lone surrogate, which cannot be written as UTF-8"),
    ],
)
def test_texts_that_do_not(text: Any, sentence: str) -> None:
    with pytest.raises(BadArgument) as refused:
        check_text(text, "name", "that of a stream", 4)
    assert str(refused.value) == sentence
