"""How inputs of a session's core are written down, so that they can be fed again: the frequent ones as short arrays.

Rules: payloads are left out, tokens, secrets and the data of members, streams and wants are replaced by `[concealed]`; the core
decides nothing by any of them. Everything else that the core looks at is kept. `docs/reference/journal.md` is the reader's side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from reconnect.audit.cleaning import CONCEALED
from reconnect.core import frames, inputs

_SIGNAL: Final = frames.EntryKind.SIGNAL
_SECRET: Final = frozenset({"token", "secret", "data"})
_RUN: Final = 5  # where a run of signals has its count

Item = list[Any]
Text = Callable[[str], str]


def name_of(kind: type[inputs.Input]) -> str:
    """Return how a kind of input is called: `transport_opened`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)[1:]


def short(happened: inputs.Input, text: Text) -> Item | None:
    """Return an input as an array of `traffic`, None where it has a line of its own."""
    kind = type(happened)
    if kind is inputs.Received:
        spelled = spell_frames(happened.frames, text)  # type: ignore[attr-defined]  # by its type
        plain = all(type(frame) is list for frame in spelled)
        return ["received", happened.at, happened.generation, spelled] if plain else None  # type: ignore[attr-defined]
    spell = _SHORT.get(kind)
    return None if spell is None else spell(happened)


_SHORT: Final[dict[type[inputs.Input], Callable[[Any], Item]]] = {
    inputs.Flush: lambda happened: ["flush", happened.at],
    inputs.Stored: lambda happened: ["stored", happened.at, happened.serial],
    inputs.HandledUpTo: lambda happened: ["handled", happened.at, happened.position],
    inputs.Woke: lambda happened: ["woke", happened.at],
}


def whole(happened: inputs.Input, text: Text) -> dict[str, Any]:
    """Return the fields of an input, but for its instant."""
    if isinstance(happened, inputs.Received):
        return {"generation": happened.generation, "frames": spell_frames(happened.frames, text)}
    if isinstance(happened, inputs.RequestMade):
        return {"frame": concealed(msgspec.to_builtins(happened.frame))}
    fields: dict[str, Any] = concealed(msgspec.to_builtins(happened))
    del fields["at"]
    return fields


def spell_frames(arrived: Sequence[frames.Frame], text: Text) -> list[Any]:
    """Return the frames of a message, runs of signals as one array each."""
    spelled: list[Any] = []
    run: Item | None = None
    for frame in arrived:
        if type(frame) is frames.Entry and frame.what is _SIGNAL:
            if run is not None and _continues(run, frame):
                run[_RUN] += 1
                continue
            sender = None if frame.sender is None else text(frame.sender)
            run = ["signal", sender, frame.serial, frame.position, frame.after, 1]
            spelled.append(run)
        else:
            run = None
            spelled.append(_spell_frame(frame))
    return spelled


def _continues(run: Item, frame: frames.Entry) -> bool:
    """True if this entry is the next of a run: by the same sender, one on in serial and position."""
    _, sender, serial, position, _, count = run
    following = position + count
    return (
        frame.position == following
        and frame.after == following - 1
        and frame.sender == sender
        and (sender is None or frame.serial == serial + count)  # the server's own have none
    )


def _spell_frame(frame: frames.Frame) -> Any:
    kind = type(frame)
    if kind is frames.Accepted:
        spelled = ["accepted", frame.serial, frame.position]  # type: ignore[attr-defined]  # by its type
        if frame.rejected:  # type: ignore[attr-defined]
            spelled.append([[rejection.serial, rejection.code] for rejection in frame.rejected])  # type: ignore[attr-defined]
        return spelled
    if kind is frames.Ping or kind is frames.Pong:
        return [str(frame.__struct_config__.tag), frame.position]  # type: ignore[attr-defined]
    if isinstance(frame, frames.Unknown):
        return {"frame": "unknown", "kind": frame.kind}
    return concealed(msgspec.to_builtins(frame))


def concealed(value: Any) -> Any:
    """Return JSON values with what is secret replaced: tokens, resume secrets, and the data of whatever has any."""
    if isinstance(value, dict):
        return {key: CONCEALED if key in _SECRET and item else concealed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [concealed(item) for item in value]
    return value
