"""The hub dialect: how frames look on the wire (subprotocol `reconnect.v1`).

A text message is one frame, a JSON object whose field `frame` names its kind, or an array of them. A binary message is a stream
frame: four bytes of stream number, most significant first, then the payload, untouched.

The rules that this module keeps:

- `decode` returns frames or raises MalformedMessage, whatever arrives; its sentence names the frame and the field and never
  repeats what was in them. Unknown fields are ignored, unknown frame kinds become `Unknown`.
- Numbers that count stay within what JSON carries exactly, and the data of a signal that gets into a hub can be read by every
  receiver: no number beyond a double, no lone surrogate, nothing nested deeper than DATA_DEPTH.
- What goes to many members in one turn is encoded once, and many frames in one call.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from operator import is_
from typing import Any, Final, Literal, get_args

import msgspec

from reconnect.core.frames import Capabilities, Frame, FromHub, FromMember, SendSignal, Unknown
from reconnect.core.nesting import too_deep
from reconnect.core.runs import Run
from reconnect.errors import MalformedMessage
from reconnect.limits import DATA_DEPTH

SUBPROTOCOL: Final = "reconnect.v1"

_FILLED: Final = 0.9  # of a message: frames are rarely all as long as the first of them
_NUMBER: Final = struct.Struct(">I")
_FIELD: Final = re.compile(r" - at `\$(?:\[(?P<index>\d+|\.\.\.)\])?\.?(?P<field>[^`]*)`$")
_KIND: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class HubDialect:
    """Speaks the hub dialect for one side: `member` reads what a hub sends, `hub` reads what a member sends."""

    capabilities: Final = Capabilities()

    def __init__(self, side: Literal["member", "hub"]) -> None:
        read, sent = (FromHub, FromMember) if side == "member" else (FromMember, FromHub)
        self.side = side
        self._fast: msgspec.json.Decoder[Any] = msgspec.json.Decoder(read | tuple[read, ...])  # type: ignore[valid-type]  # a value
        self._kinds = {_tag(kind): msgspec.json.Decoder(kind) for kind in get_args(read)}
        self._misplaced = {_tag(kind) for kind in get_args(sent)} - self._kinds.keys()
        self._encoder = msgspec.json.Encoder()
        self._latest: tuple[Sequence[Run], int, list[str]] = ((), 0, [])

    def __repr__(self) -> str:
        return f"<HubDialect {SUBPROTOCOL} {self.side}>"

    # -- out -----------------------------------------------------------------------------------------------------------------

    def encode(self, frames: Sequence[Frame], message_bytes: int) -> list[str]:
        """Return the messages for these frames; a frame that is longer than `message_bytes` by itself travels alone."""
        return self._encode(frames, message_bytes)

    def encode_entries(self, runs: Sequence[Run], message_bytes: int) -> list[str]:
        """Return the messages for entries of a log.

        What went to one member in this turn goes to others next: the same runs again give the same messages.
        """
        latest, size, messages = self._latest
        if size != message_bytes or len(latest) != len(runs) or not all(map(is_, latest, runs)):
            entries = [entry for run in runs for entry in run.frames()]
            messages = self._encode(entries, message_bytes)
            self._latest = runs, message_bytes, messages
        return messages

    def _encode(self, frames: Sequence[Frame], message_bytes: int) -> list[str]:
        """Encode at once as many frames as will probably fit into one message, and one by one only where they do not."""
        messages: list[str] = []
        encode, start = self._encoder.encode, 0
        while start < len(frames):
            first = encode(frames[start])
            some = frames[start : start + max(1, int(_FILLED * message_bytes / len(first)))]
            start += len(some)
            whole = first if len(some) == 1 else encode(some)
            if len(some) == 1 or len(whole) <= message_bytes:
                messages.append(whole.decode())
            else:
                messages += _pack([encode(frame) for frame in some], message_bytes)
        return messages

    # -- in ------------------------------------------------------------------------------------------------------------------

    def decode(self, message: str | bytes) -> tuple[Frame, ...]:
        """Return the frames of a text message; raise MalformedMessage."""
        try:
            frames = self._read(message if isinstance(message, str) else message.decode())
        except msgspec.DecodeError as error:
            raise MalformedMessage(f"a message is not JSON: {_plain(error)}") from None
        except RecursionError:
            raise MalformedMessage("a message is nested too deeply") from None
        except UnicodeError:
            raise MalformedMessage("a message is not valid UTF-8") from None
        if self.side == "hub":  # a member reads what it gets, a hub hands it on
            _check_data(frames)
        return frames

    def _read(self, text: str) -> tuple[Frame, ...]:
        try:
            read = self._fast.decode(text)
        except msgspec.ValidationError:
            pass  # some frame is unknown or malformed; what is wrong is found, and told, frame by frame
        else:
            return read if isinstance(read, tuple) else (read,)
        if text.lstrip()[:1] != "[":
            return (self._decode_frame(text, 0),)
        return tuple(self._decode_frame(piece, index) for index, piece in enumerate(_PIECES.decode(text)))

    def _decode_frame(self, text: str | msgspec.Raw, index: int) -> Frame:
        try:
            kind = _TAGGED.decode(text).frame
        except msgspec.ValidationError as error:
            raise MalformedMessage(f"frame {index}: {_plain(error)}") from None
        if kind in self._misplaced:
            raise MalformedMessage(f"frame {index} ({kind}): not a frame for a {self.side} to receive")
        if kind not in self._kinds:
            return Unknown(kind=kind if _KIND.fullmatch(kind) else "unprintable")
        try:
            frame: Frame = self._kinds[kind].decode(text)
        except msgspec.ValidationError as error:
            raise MalformedMessage(f"frame {index} ({kind}): {_plain(error)}") from None
        return frame


# -- stream frames -------------------------------------------------------------------------------------------------------------


def pack_stream_frame(number: int, payload: bytes | memoryview) -> bytes:
    """Return the binary message for a frame of the stream with this number."""
    return b"".join((_NUMBER.pack(number), payload))


def unpack_stream_frame(message: bytes) -> tuple[int, memoryview]:
    """Return the stream number and the payload of a binary message; raise MalformedMessage."""
    if len(message) < _NUMBER.size:
        raise MalformedMessage(f"a binary message needs at least {_NUMBER.size} bytes, and this one has {len(message)}")
    return _NUMBER.unpack_from(message)[0], memoryview(message)[_NUMBER.size :]


# -- parts ---------------------------------------------------------------------------------------------------------------------


class _Tagged(msgspec.Struct):
    frame: str


_TAGGED: Final = msgspec.json.Decoder(_Tagged)
_PIECES: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ANYTHING: Final = msgspec.json.Decoder()


def _tag(kind: type[Frame]) -> str:
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def _pack(pieces: Sequence[bytes], message_bytes: int) -> list[str]:
    """Fill messages with as many frames as fit, in order."""
    messages: list[str] = []
    batch: list[bytes] = []
    size = 1  # the opening bracket; each piece is followed by a comma or the closing one
    for piece in pieces:
        if batch and size + len(piece) + 1 > message_bytes:
            messages.append(_join(batch))
            batch, size = [], 1
        batch.append(piece)
        size += len(piece) + 1
    if batch:
        messages.append(_join(batch))
    return messages


def _join(batch: list[bytes]) -> str:
    return batch[0].decode() if len(batch) == 1 else (b"[" + b",".join(batch) + b"]").decode()


def _check_data(frames: Sequence[Frame]) -> None:
    """Make sure that whoever gets the data of these signals can read it."""
    data = [frame.data for frame in frames if isinstance(frame, SendSignal)]
    if not _is_readable(b"[%b]" % b",".join(data), DATA_DEPTH + 1):
        for index, frame in enumerate(frames):
            if isinstance(frame, SendSignal) and not _is_readable(bytes(frame.data), DATA_DEPTH):
                raise MalformedMessage(f"frame {index} (signal): field data: a value that no receiver could read")


def _is_readable(json: bytes, depth: int) -> bool:
    try:
        _ANYTHING.decode(json)
        return not too_deep(json, depth)
    except (msgspec.DecodeError, RecursionError):
        return False


def _plain(error: msgspec.DecodeError) -> str:
    """Return what is wrong and where, without the value that msgspec quotes."""
    sentence = str(error)
    place = _FIELD.search(sentence)
    problem = sentence[: place.start()] if place else sentence
    if problem.startswith(("Invalid enum value", "Invalid value")):
        problem = "not one of the known values"
    if not problem.startswith("JSON"):
        problem = problem[:1].lower() + problem[1:]
    field = place["field"] if place else ""
    return f"field {field}: {problem}" if field else problem
