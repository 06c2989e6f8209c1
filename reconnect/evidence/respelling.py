"""Reads inputs of a session's core back from a journal, so that a fresh core can be fed them.

It is the other side of `reconnect.audit.spelling`. What was left out there stays out: payloads are as long as they were, and
empty of meaning. A journal can say anything, so whatever is no input raises Unfit with the reason, and no number in it is
believed that would have us make more than a session can hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec

from reconnect.audit.entries import Input, Traffic
from reconnect.audit.spelling import name_of
from reconnect.core import frames, inputs
from reconnect.record import Record

MOST: Final = 1_000_000  # signals of one run: far more than a message or an outbox holds; a larger number is none of ours


class Unfit(Exception):
    """This is no input of a session's core."""


class Submitted(Record, kw_only=True):
    """Signals `first` to `last` were submitted, with `weight` bytes in all."""

    at: float
    first: int
    last: int
    weight: int
    ttl: float | None
    keep: bool
    session_only: bool = False


class Cancelled(Record, kw_only=True):
    """A receipt was cancelled in time."""

    at: float
    serial: int


class Heard(Record, kw_only=True):
    """A stream frame arrived on the present transport."""

    at: float


Fed = inputs.Input | Submitted | Cancelled | Heard

_KINDS: Final = {name_of(kind): kind for kind in inputs.Input.__subclasses__()}
_Count = Annotated[int, msgspec.Meta(ge=0)]
_SUBMIT: Final = tuple[str, float, _Count, _Count, _Count, float | None, bool]
_SIGNAL: Final = tuple[str, str | None, _Count, _Count, _Count, _Count]
_ACCEPTED: Final = tuple[str, _Count, _Count, list[tuple[_Count, str]]]


def inputs_of(entry: Input | Traffic) -> Iterator[Fed]:
    """Yield what the core was fed, in the order in which it was; raise Unfit for what it cannot have been."""
    try:
        if isinstance(entry, Input):
            yield _whole(entry)
        else:
            for item in entry.inputs:
                yield _short(item)
    except (msgspec.ValidationError, KeyError, IndexError, TypeError) as error:
        raise Unfit(f"this is no input of a session: {error}") from error


def signals_of(entry: Traffic) -> Iterator[Submitted | Cancelled]:
    """Yield what was submitted and cancelled, for those who only tell of it; what is neither is passed over."""
    for item in entry.inputs:
        if item and item[0] in ("submit", "cancel"):
            with suppress(msgspec.ValidationError, Unfit):
                fed = _short(item)
                assert isinstance(fed, Submitted | Cancelled), "by its name"
                yield fed


def pairs_of(ranges: Iterable[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    """Return ranges of serials as pairs; what is none is passed over."""
    return tuple((one[0], one[1]) for one in ranges if len(one) == 2 and one[0] <= one[1])


def counted(ranges: Iterable[Sequence[int]]) -> int:
    """Return how many serials there are in ranges."""
    return sum(last - first + 1 for first, last in pairs_of(ranges))


def _whole(entry: Input) -> inputs.Input:
    told = {**entry.input, "at": entry.at}
    kind = _KINDS[entry.what]
    if kind is inputs.Received:
        return _received(entry.at, told["generation"], told["frames"])
    if kind is inputs.RequestMade:
        return inputs.RequestMade(at=entry.at, frame=msgspec.convert(told["frame"], frames.FromMember))
    return msgspec.convert(told, kind)


def _short(item: list[Any]) -> Fed:
    match item:
        case ["submit", *_]:
            _, at, first, last, weight, ttl, keep = msgspec.convert(item[:7], _SUBMIT)
            if item[7:] not in ([], [True]):
                raise Unfit(f"a submission says {item[7:]} behind what it has to")
            if not 0 <= last - first < MOST:
                raise Unfit(f"signals {first} to {last} are not what an outbox can hold")
            return Submitted(at=at, first=first, last=last, weight=weight, ttl=ttl, keep=keep, session_only=len(item) > 7)
        case ["cancel", at, serial]:
            return msgspec.convert({"at": at, "serial": serial}, Cancelled)
        case ["heard", at]:
            return msgspec.convert({"at": at}, Heard)
        case ["flush", at]:
            return msgspec.convert({"at": at}, inputs.Flush)
        case ["woke", at]:
            return msgspec.convert({"at": at}, inputs.Woke)
        case ["stored", at, serial]:
            return msgspec.convert({"at": at, "serial": serial}, inputs.Stored)
        case ["handled", at, position]:
            return msgspec.convert({"at": at, "position": position}, inputs.HandledUpTo)
        case ["received", at, generation, told]:
            return _received(at, generation, told)
    raise Unfit(f"this is no input of a session: {str(item)[:100]}")


def _received(at: object, generation: object, told: list[Any]) -> inputs.Received:
    arrived = tuple(frame for spelled in told for frame in _frames(spelled))
    return inputs.Received(at=msgspec.convert(at, float), generation=msgspec.convert(generation, int), frames=arrived)


def _frames(spelled: Any) -> Iterator[frames.Frame]:
    match spelled:
        case ["signal", *_]:
            yield from _signals(*msgspec.convert(spelled, _SIGNAL)[1:])
        case ["accepted", _, _] | ["accepted", _, _, _]:
            _, serial, position, refused = msgspec.convert([*spelled, []][:4], _ACCEPTED)
            told = [{"serial": one, "code": code} for one, code in refused]
            whole = {"frame": "accepted", "serial": serial, "position": position, "rejected": told}
            yield msgspec.convert(whole, frames.Accepted)
        case ["ping" | "pong" as kind, position]:
            yield msgspec.convert({"frame": kind, "position": position}, frames.Ping if kind == "ping" else frames.Pong)
        case {"frame": "unknown", "kind": str(kind)}:
            yield frames.Unknown(kind=kind)
        case {"frame": _}:
            yield msgspec.convert(spelled, frames.FromHub)
        case _:
            raise Unfit(f"this is no frame: {str(spelled)[:100]}")


def _signals(sender: str | None, serial: int, position: int, after: int, count: int) -> Iterator[frames.Entry]:
    """Yield a run of entries: positions ascend by one, and serials where they have a sender."""
    if count > MOST:
        raise Unfit(f"{count} signals are more than a message can hold")
    for number in range(count):
        yield frames.Entry(
            position=position + number,
            after=position + number - 1 if number else after,
            what=frames.EntryKind.SIGNAL,
            sender=sender,
            serial=serial if sender is None else serial + number,
        )
