"""`wire.md`: the hub dialect, frame by frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import UnionType
from typing import get_args

import msgspec

from docs.generate.source import code, doc, fields, members, page, sentence, table
from reconnect import limits, reasons
from reconnect.core import frames
from reconnect.record import Record
from reconnect.wire import SUBPROTOCOL, HubDialect, pack_stream_frame

SECRET = "..."  # noqa: S105  # in place of one

WORDS = {
    "str": "string",
    "bool": "true or false",
    "float": "number",
    "int": "number",
    "Count": "whole number",
    "StreamNumber": "stream number",
    "msgspec.Raw": "any JSON",
}

INTRODUCTION = f"""
A member and a hub talk over one WebSocket with the subprotocol `{SUBPROTOCOL}`. The addresses begin with `ws://` or
`wss://`.

A text message is JSON: one frame, an object whose field `frame` names its kind, or an array of frames, which are read in
order. Senders put into one message what one turn of their loop produced, and keep it below the announced limit. A binary
message is one frame of a stream: four bytes of stream number, most significant first, then the payload, untouched.

Unknown fields are ignored, unknown kinds of frames are ignored and counted. A field that has its default is left out.
Instants never travel: durations are in seconds. Positions count the entries of one session's log and mean something only
together with their epoch.
"""

NUMBERS = f"""
Serials, positions, request ids and sizes are whole numbers from 0 to 2^53 - 1, stream numbers from 0 to 2^32 - 1. A message
has at most {limits.MESSAGE_BYTES:,} bytes unless the welcome says otherwise, the data of a signal at most
{limits.DATA_BYTES:,}.
"""

RULES = """
- The first frame of a member is `join`, the answer is `welcome` or `refused`. Nothing of a member counts before the hub
  knows who it is.
- Serials of a sender ascend; holes are allowed. `accepted` judges all serials up to one number: those in `rejected` were
  refused, the others are in the log.
- A signal's `accepted` is written before the signal's own `entry` comes back to its sender.
- `after` of an entry is the position of the previous entry for this member. A member that finds it above what it has
  received has found a hole, drops the transport, and comes back.
- `handled` is credit: the hub sends at most `window` entries beyond it.
- Control frames go before signals, and signals before frames of streams, at both ends.
- `going_away` is the hub's last frame, after the `accepted` of all that it has read.
- Members ask each other with signals to one connection, which are signals like any other to the hub. A request has the type
  `~request` or `~request.TYPE`; the answer goes to the connection that asked, has the type `~reply` and the data
  `{"serial": N, "value": ...}` or `{"serial": N, "error": "..."}`, where `N` is the serial of the request. Both types are
  reserved for this.
- A member says `goodbye` after its last signal; the hub answers with the same after all that it read before.
"""


def wire_page() -> str:
    """Return the page."""
    return page(
        "Wire",
        INTRODUCTION,
        "## Rules",
        RULES,
        "## Frames of a member",
        *_frames(frames.FromMember, not_in=frames.FromHub),
        "## Frames of the hub",
        *_frames(frames.FromHub, not_in=frames.FromMember),
        "## Frames of either side",
        *(part for kind in get_args(frames.FromMember) if kind in get_args(frames.FromHub) for part in _frame(kind)),
        "## What frames are made of",
        *(part for kind in _parts() for part in (f"### {kind.__name__}", doc(kind), _fields(kind))),
        "## Kinds of entries",
        table(["`what`", "meaning"], _kinds()),
        "## Numbers",
        NUMBERS,
        "## A conversation",
        f"```text\n{_conversation()}\n```",
    )


def _frames(kinds: UnionType, *, not_in: UnionType) -> Iterator[str]:
    for kind in get_args(kinds):
        if kind not in get_args(not_in):
            yield from _frame(kind)


def tag(kind: type[frames.Frame]) -> str:
    """Return the name that a kind of frame has on the wire."""
    return str(kind.__struct_config__.tag)


def _frame(kind: type[frames.Frame]) -> Iterator[str]:
    yield f"### `{tag(kind)}`"
    yield doc(kind)
    if kind.__struct_fields__:
        yield _fields(kind)


def _fields(kind: type) -> str:
    defaults = {field.encode_name: "" if field.required else _json(field.default) for field in msgspec.structs.fields(kind)}
    rows = ([code(name), words(declared), code(defaults[name])] for name, declared, _, _ in fields(kind))
    return table(["field", "type", "default"], rows)


def _json(default: object) -> str:
    return msgspec.json.encode(default).decode()


def words(declared: str) -> str:
    """Return a type in JSON's words."""
    if declared.endswith(" | None"):
        return words(declared.removesuffix(" | None")) + " or null"
    if match := re.fullmatch(r"tuple\[(\w+), \.\.\.\]", declared):
        return f"array of {words(match[1])}"
    return WORDS.get(declared) or f"[{declared}]({_place(declared)})"


def _place(name: str) -> str:
    """Return where a closed list or a part of frames is described."""
    if name == frames.EntryKind.__name__:
        return "#kinds-of-entries"
    return "reasons.md" if hasattr(reasons, name) else f"#{name.lower()}"


def _parts() -> Iterator[type[Record]]:
    """Yield the records that stand in fields of frames, in the order of the module."""
    for value in vars(frames).values():
        ours = isinstance(value, type) and issubclass(value, Record) and value.__module__ == frames.__name__
        if ours and not issubclass(value, frames.Frame) and value is not frames.Capabilities:
            yield value


def _kinds() -> Iterator[list[str]]:
    meanings = members(frames.EntryKind)
    for kind in frames.EntryKind:
        yield [code(kind.value), sentence(meanings[kind.name])]


def _conversation() -> str:
    """Return a join, a signal and a stream frame as they travel."""
    member, hub = HubDialect("member"), HubDialect("hub")
    heartbeat = frames.Heartbeat(ping=limits.PING_SECONDS, silence=limits.SILENCE_SECONDS)
    bounds = frames.Limits(message_bytes=limits.MESSAGE_BYTES, data_bytes=limits.DATA_BYTES, window=limits.WINDOW_ENTRIES)
    joined = frames.Welcome(
        connection="c1",
        secret=SECRET,
        epoch="e1",
        position=0,
        resumed=False,
        grace=limits.GRACE_SECONDS,
        heartbeat=heartbeat,
        limits=bounds,
        snapshot_pages=1,
    )
    said = frames.SendSignal(serial=1, type="chat", data=msgspec.Raw(b'"hello"'))
    heard = frames.Entry(
        position=1, after=0, what=frames.EntryKind.SIGNAL, connection="c1", sender="s1", serial=1, type=said.type, data=said.data
    )
    lines = [
        ("member", member, (frames.Join(token=SECRET, session="room-1", sender="s1"),)),
        ("hub", hub, (joined, frames.Snapshot(page=0))),
        ("member", member, (said,)),
        ("hub", hub, (frames.Accepted(serial=1, position=0), heard)),
        ("member", member, (frames.Handled(position=1, settled=1),)),
        ("member", member, (frames.Goodbye(),)),
        ("hub", hub, (frames.Goodbye(),)),
    ]
    told = [f"{who:<7} {text}" for who, dialect, sent in lines for text in dialect.encode(sent, limits.MESSAGE_BYTES)]
    return "\n".join([*told, f"member  {pack_stream_frame(7, b'frame')!r}  (a frame of stream 7)"])
