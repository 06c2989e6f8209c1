"""The hub dialect: what is written is read again, and whatever else arrives is refused by name, without repeating it."""

from __future__ import annotations

import enum
import types
import typing
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect import limits
from reconnect.core.frames import (
    NULL,
    Accepted,
    Count,
    Entry,
    EntryKind,
    Frame,
    FromHub,
    FromMember,
    Goodbye,
    Join,
    Ping,
    Pong,
    SendSignal,
    StreamNumber,
    Unknown,
    Welcome,
)
from reconnect.core.nesting import too_deep
from reconnect.core.runs import Run
from reconnect.errors import MalformedMessage
from reconnect.ports import Dialect
from reconnect.reasons import Reason
from reconnect.wire import SUBPROTOCOL, HubDialect, pack_stream_frame, unpack_stream_frame

MEMBER, HUB = HubDialect("member"), HubDialect("hub")
MANY = 1_000_000

# -- every frame, drawn from its own definition ----------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a field's type."""
    simple = {str: TEXT, bool: st.booleans(), type(None): st.none(), float: st.floats(allow_nan=False, allow_infinity=False)}
    if kind is msgspec.Raw:
        return JSON.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))
    if kind in (Count, StreamNumber):
        return st.integers(0, next(meta.le for meta in kind.__metadata__))
    if kind in simple:
        return simple[kind]
    if typing.get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=2).map(tuple)
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return st.one_of(*map(values, get_args(kind)))
    if issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    return records(kind)


def records(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Return a strategy for a whole record."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in msgspec.structs.fields(kind)})


def frames_of(union: Any) -> st.SearchStrategy[list[Frame]]:
    return st.lists(st.one_of(*map(records, get_args(union))), min_size=1, max_size=4)


def spelled(frames: Any) -> bytes:
    """Return frames in a form that can be compared: msgspec.Raw cannot."""
    return msgspec.json.encode(list(frames))


@pytest.mark.parametrize("kind", get_args(FromMember), ids=lambda kind: kind.__name__)
def test_what_a_member_writes_a_hub_reads(kind: type[Frame]) -> None:
    @given(records(kind))
    def law(frame: Frame) -> None:
        (message,) = MEMBER.encode([frame], MANY)
        (read,) = HUB.decode(message)
        assert type(read) is kind
        assert spelled([read]) == spelled([frame])

    law()


@pytest.mark.parametrize("kind", get_args(FromHub), ids=lambda kind: kind.__name__)
def test_what_a_hub_writes_a_member_reads(kind: type[Frame]) -> None:
    @given(records(kind))
    def law(frame: Frame) -> None:
        (message,) = HUB.encode([frame], MANY)
        (read,) = MEMBER.decode(message)
        assert type(read) is kind
        assert spelled([read]) == spelled([frame])

    law()


@given(frames_of(FromMember), st.integers(40, 400))
def test_messages_keep_their_limit_and_their_order(frames: list[Frame], size: int) -> None:
    """In the order given, whatever has to be split."""
    messages = MEMBER.encode(frames, size)
    read = [frame for message in messages for frame in HUB.decode(message)]
    assert spelled(read) == spelled(frames)
    for message in messages:
        assert len(message.encode()) <= size or len(HUB.decode(message)) == 1


# -- writing -------------------------------------------------------------------------------------------------------------------


def test_one_frame_is_an_object_and_several_are_an_array() -> None:
    assert MEMBER.encode([Ping(position=3)], MANY) == ['{"frame":"ping","position":3}']
    assert MEMBER.encode([Ping(), Pong()], MANY) == ['[{"frame":"ping"},{"frame":"pong"}]']
    assert MEMBER.encode([], MANY) == []


def test_no_message_is_longer_than_its_limit() -> None:
    """Whatever the first frame makes one expect of the others."""
    short, long = SendSignal(serial=1), SendSignal(serial=2, data=msgspec.Raw(b'"' + b"x" * 90 + b'"'))
    for limit in range(150, 600):
        for frames in ([short] * 9 + [long] * 9, [long] * 9 + [short] * 9, [Ping()] * 30):
            messages = MEMBER.encode(frames, limit)
            assert all(len(message) <= limit for message in messages)
            assert [frame for message in messages for frame in HUB.decode(message)] == frames
            assert len(messages) <= 2 * sum(len(message) for message in messages) / limit + 2


def test_a_frame_that_is_too_large_by_itself_travels_alone() -> None:
    large = SendSignal(serial=2, data=msgspec.Raw(b'"' + b"x" * 100 + b'"'))
    messages = MEMBER.encode([SendSignal(serial=1), large, SendSignal(serial=3)], 60)
    assert [[frame.serial for frame in HUB.decode(message)] for message in messages] == [[1], [2], [3]]  # type: ignore[attr-defined]  # signals


def test_sizes_are_of_bytes_and_not_of_characters() -> None:
    data = msgspec.Raw('"ééééééééééééééé"'.encode())
    messages = MEMBER.encode([SendSignal(serial=1, data=data), SendSignal(serial=2, data=data)], 130)
    assert len(messages) == 2
    assert all(len(message.encode()) <= 130 for message in messages)


def entry(position: int, data: bytes = b'"hello"', **more: Any) -> Entry:
    return Entry(position=position, after=position - 1, what=EntryKind.SIGNAL, data=msgspec.Raw(data), **more)


def test_entries_carry_the_after_of_their_member() -> None:
    entries = [entry(7), entry(9, data=b'"\xc3\xa9"', type="chat"), entry(1000)]
    for runs, afters in (
        ([Run(after=6, entries=tuple(entries))], [6, 7, 9]),
        ([Run(after=6, entries=tuple(entries[:1])), Run(after=8, entries=tuple(entries[1:]))], [6, 8, 9]),
        ([Run(after=0, entries=(item,)) for item in entries], [0, 0, 0]),
    ):
        (message,) = HUB.encode_entries(runs, MANY)
        wanted = [msgspec.structs.replace(e, after=after) for e, after in zip(entries, afters, strict=True)]
        assert spelled(MEMBER.decode(message)) == spelled(wanted)
    assert HUB.encode_entries([], MANY) == []


def test_what_many_members_get_is_encoded_once() -> None:
    """A turn's fan-out costs one encoding; other runs, and another limit, cost their own."""
    dialect = HubDialect("hub")
    first, second = Run(after=0, entries=(entry(1),)), Run(after=1, entries=(entry(2),))
    messages = dialect.encode_entries([first, second], MANY)
    assert dialect.encode_entries([first, second], MANY) is messages
    assert len(dialect.encode_entries([first, second], 40)) == 2
    assert spelled(MEMBER.decode(dialect.encode_entries([first], MANY)[0])) == spelled(first.entries)
    assert spelled(MEMBER.decode(dialect.encode_entries([second], MANY)[0])) == spelled(second.entries)
    assert dialect.encode_entries([second, first], MANY) != messages


def test_repr_and_port() -> None:
    dialect: Dialect = HUB
    assert dialect.capabilities.resumes
    assert repr(dialect) == "<HubDialect reconnect.v1 hub>"
    assert SUBPROTOCOL == "reconnect.v1"


# -- reading -------------------------------------------------------------------------------------------------------------------


def test_unknown_kinds_are_told_and_the_frames_around_them_are_read() -> None:
    read = HUB.decode('[{"frame":"ping"},{"frame":"hologram","x":[1]},{"frame":"signal","serial":1}]')
    assert [type(frame) for frame in read] == [Ping, Unknown, SendSignal]
    assert read[1] == Unknown(kind="hologram")
    assert HUB.decode('  {"frame":"hologram"}') == (Unknown(kind="hologram"),)
    assert HUB.decode('{"frame":"unknown"}') == (Unknown(kind="unknown"),)


@pytest.mark.parametrize("kind", ["a\\nb", "\\u202e", "x" * 65, ""])
def test_the_name_of_an_unknown_kind_is_fit_to_be_written_down(kind: str) -> None:
    assert HUB.decode(f'{{"frame":"{kind}"}}') == (Unknown(kind="unprintable"),)


def test_unknown_fields_are_ignored() -> None:
    assert HUB.decode('{"frame":"ping","position":1,"colour":"red"}') == (Ping(position=1),)


def test_bytes_are_read_as_text() -> None:
    assert HUB.decode(b'{"frame":"ping"}') == (Ping(),)


def test_an_empty_array_is_no_frames() -> None:
    assert HUB.decode("[]") == ()


SECRET = "s3cr3t-canary"
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "a message is not JSON: input data was truncated"),
    "text": (SECRET, "a message is not JSON"),
    "garbage": (b"\x00\xff\x80\x13" * 9, "a message is not valid UTF-8"),
    "surrogate": ('{"frame":"ping","x":"\ud800"}', "a message is not valid UTF-8"),
    "truncated": ('{"frame":"ping"', "a message is not JSON"),
    "trailing": ('{"frame":"ping"} {}', "a message is not JSON"),
    "nan": ('{"frame":"signal","serial":1,"ttl":NaN}', "a message is not JSON"),
    "number": ("17", "frame 0: expected `object`, got `int`"),
    "null": ("null", "frame 0: expected `object`, got `null`"),
    "in an array": ('[{"frame":"ping"},17]', "frame 1: expected `object`, got `int`"),
    "array in array": ('[[{"frame":"ping"}]]', "frame 0: expected `object`, got `array`"),
    "no kind": ('{"position":1}', "frame 0: object missing required field `frame`"),
    "kind of wrong type": ('{"frame":3}', "frame 0: field frame: expected `str`, got `int`"),
    "two kinds": ('{"frame":"ping","frame":"pong"}', "frame 0 (pong): field frame: not one of the known values"),
    "wrong type": (f'{{"frame":"ping","position":"{SECRET}"}}', "frame 0 (ping): field position: expected `int`, got `str`"),
    "boolean": ('{"frame":"signal","serial":true}', "frame 0 (signal): field serial: expected `int`, got `bool`"),
    "missing": ('[{"frame":"ping"},{"frame":"signal"}]', "frame 1 (signal): object missing required field `serial`"),
    "not in the list": (f'{{"frame":"goodbye","reason":"{SECRET}"}}', "frame 0 (goodbye): field reason: not one of the known"),
    "deep field": (
        '{"frame":"join","token":"t","session":"s","sender":"x","wants":[{"key":1}]}',
        "frame 0 (join): field wants[0].key: expected `str`, got `int`",
    ),
    "negative": ('{"frame":"signal","serial":-1}', "frame 0 (signal): field serial: expected `int` >= 0"),
    "huge": ('{"frame":"signal","serial":9007199254740992}', "frame 0 (signal): field serial: expected `int` <="),
    "huger": (f'{{"frame":"signal","serial":{"9" * 5000}}}', "frame 0 (signal): field serial: "),
    "infinite": ('{"frame":"signal","serial":1,"ttl":1e999}', "frame 0 (signal): field ttl: number out of range"),
    "from the wrong side": (
        '{"frame":"accepted","serial":1,"position":1}',
        "frame 0 (accepted): not a frame for a hub to receive",
    ),
    "recursion": ("[" * 50_000 + "]" * 50_000, "a message is nested too deeply"),
    "recursion in a frame": ('{"frame":"ping","x":' + "[" * 50_000 + "]" * 50_000 + "}", "a message is nested too deeply"),
    "unreadable number": ('{"frame":"signal","serial":1,"data":1e999}', "frame 0 (signal): field data: a value that no receiver"),
    "unreadable digits": (f'{{"frame":"signal","serial":1,"data":{"1" * 5000}}}', "field data: a value that no receiver"),
    "unreadable depth": (
        '[{"frame":"ping"},{"frame":"signal","serial":1,"data":' + "[" * 101 + "]" * 101 + "}]",
        "frame 1 (signal): field data: a value that no receiver could read",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_frame_is_refused_by_name(case: str) -> None:
    """A53: the sentence says where and what, and never what was there."""
    message, sentence = REFUSED[case]
    with pytest.raises(MalformedMessage) as caught:
        HUB.decode(message)
    assert str(caught.value).startswith(sentence) or sentence in str(caught.value)
    assert SECRET not in str(caught.value)
    told = caught.value
    assert told.__cause__ is None
    assert told.__suppress_context__ or told.__context__ is None  # what msgspec said may quote a value


def test_data_of_an_entry_is_for_its_reader_to_read() -> None:
    """A member reads data at once, and once; what it cannot read is its core's to tell."""
    (read,) = MEMBER.decode('{"frame":"entry","position":1,"after":0,"what":"signal","data":[1e999]}')
    assert isinstance(read, Entry)
    assert bytes(read.data) == b"[1e999]"


def test_data_may_be_nested_as_deep_as_the_limit() -> None:
    data = "[" * limits.DATA_DEPTH + '"]]]]"' + "]" * limits.DATA_DEPTH
    (signal,) = HUB.decode(f'{{"frame":"signal","serial":1,"data":{data}}}')
    assert isinstance(signal, SendSignal)
    assert bytes(signal.data) == data.encode()


@given(JSON, st.integers(1, 4))
def test_depth_is_counted_as_it_stands(value: Any, depth: int) -> None:
    def height(node: Any) -> int:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else None
        return 0 if inner is None else 1 + max(map(height, inner), default=0)

    assert too_deep(msgspec.json.encode(value), depth) is (height(value) > depth)


def test_what_was_closed_is_no_longer_depth() -> None:
    closed = b"[]," * 200
    assert not too_deep(b"[" + closed + b"[" * 99 + b"]" * 99 + b"]")
    assert too_deep(b"[" + closed + b"[" * 100 + b"]" * 100 + b"]")


def test_brackets_in_strings_are_not_depth() -> None:
    assert not too_deep(b'["' + b"[{" * 500 + b'\\"[",' + b'"]"]')


def test_no_data_is_the_shared_null() -> None:
    (signal,) = HUB.decode('{"frame":"signal","serial":1}')
    assert isinstance(signal, SendSignal)
    assert signal.data is NULL


@given(st.text() | st.binary())
def test_whatever_arrives_is_read_or_refused(message: str | bytes) -> None:
    """A57: nothing but MalformedMessage escapes."""
    for dialect in (MEMBER, HUB):
        with suppress(MalformedMessage):
            dialect.decode(message)


FIELDS = st.sampled_from(sorted({field for kind in get_args(FromMember) + get_args(FromHub) for field in kind.__struct_fields__}))
TAGS = [kind.__struct_config__.tag for kind in get_args(FromMember) + get_args(FromHub)] + ["hologram", "unknown", ""]
ODD = JSON | st.sampled_from([2**53, 2**64, -1, 1e308, "", "\x00", "left", "client_disconnected", [[[]]], {"key": {}}])


@given(st.lists(st.dictionaries(FIELDS, ODD, max_size=6), max_size=3), st.lists(st.sampled_from(TAGS), min_size=3, max_size=3))
def test_valid_shapes_with_odd_values_are_read_or_refused(objects: list[dict[str, Any]], tags: list[str]) -> None:
    """A57: structure-aware; what is read can be written again."""
    message = msgspec.json.encode([{"frame": tag} | found for tag, found in zip(tags, objects, strict=False)]).decode()
    for dialect in (MEMBER, HUB):
        try:
            read = dialect.decode(message)
        except MalformedMessage:
            continue
        assert len(read) == len(objects)
        spelled(read)


@given(records(Join) | records(SendSignal) | records(Goodbye), st.integers(0), st.sampled_from('{}[]",:0\\x\x00é'))
def test_a_damaged_frame_is_read_or_refused(frame: Frame, place: int, damage: str) -> None:
    """A57: one character of a valid message replaced."""
    (message,) = MEMBER.encode([frame], MANY)
    place %= len(message)
    with suppress(MalformedMessage):
        HUB.decode(message[:place] + damage + message[place + 1 :])


@given(records(Welcome) | records(Accepted))
def test_every_prefix_of_a_message_is_refused(frame: Frame) -> None:
    (message,) = HUB.encode([frame], MANY)
    for end in range(0, len(message), 7):
        with pytest.raises(MalformedMessage):
            MEMBER.decode(message[:end])


# -- stream frames -------------------------------------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.binary(max_size=64))
def test_a_stream_frame_is_read_again(number: int, payload: bytes) -> None:
    message = pack_stream_frame(number, payload)
    assert len(message) == 4 + len(payload)
    read, view = unpack_stream_frame(message)
    assert (read, bytes(view)) == (number, payload)
    assert pack_stream_frame(read, view) == message


def test_the_number_comes_first_and_its_high_byte_before_the_others() -> None:
    assert pack_stream_frame(258, b"x") == b"\x00\x00\x01\x02x"


@pytest.mark.parametrize("message", [b"", b"\x00", b"\x00\x00\x01"])
def test_a_stream_frame_without_a_whole_number_is_refused(message: bytes) -> None:
    with pytest.raises(MalformedMessage, match=f"needs at least 4 bytes, and this one has {len(message)}"):
        unpack_stream_frame(message)


def test_reasons_of_the_wire_are_the_closed_list() -> None:
    (message,) = HUB.encode([Goodbye(reason=Reason.KICKED)], MANY)
    assert message == '{"frame":"goodbye","reason":"kicked"}'
