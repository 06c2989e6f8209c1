"""The outlet: everything that goes out on one transport, written by one task.

The rules that it keeps:

- Three lanes: control frames first, then signals and entries in the order given, then stream frames. What one loop turn produced
  travels together; signals and entries travel in messages of at most BATCH_BYTES, so that control frames find their turn, and in
  larger ones, up to MOST_BATCH_BYTES, while the line takes them at once.
- A frame that overtakes must not lie. `Accepted` and `Pong` carry the position up to which everything was sent: written ahead of
  entries that still wait, they claim no more than was written. `Goodbye` and `GoingAway` come last and overtake nothing.
- Stream frames are never queued beyond FRAME_BACKLOG_BYTES: a frame that is late is worth nothing. Control frames are never
  dropped: a peer that lets CONTROL_BACKLOG_BYTES of them pile up is not reading, and the transport ends.
- A writer that fails says why once, through `on_ended`, and not at all after `close()` or `abort()`. It aborts the transport: the
  reader finds the end behind what had arrived before it, and is the one to act on it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, groupby
from typing import Final, Protocol, cast

import msgspec

from reconnect.core.frames import Accepted, Frame, GoingAway, Goodbye, Pong
from reconnect.core.runs import Run
from reconnect.errors import TransportFailed
from reconnect.limits import (
    BATCH_BYTES,
    CLOSE_TIMEOUT_SECONDS,
    CONTROL_BACKLOG_BYTES,
    FRAME_BACKLOG_BYTES,
    MOST_BATCH_BYTES,
    PROMPT_BYTES,
    PROMPT_SECONDS,
)
from reconnect.ports import Dialect, Transport
from reconnect.reasons import Cause, Reason
from reconnect.wire import pack_stream_frame

_STALLED: Final = 256  # control frames that wait before their size is looked at; a writer that moves never lets so many wait


class EntryDialect(Dialect, Protocol):
    """A dialect that writes a log's entries for many members."""

    def encode_entries(self, runs: Sequence[Run], message_bytes: int) -> list[str]: ...


class Lane:
    """Messages that wait for their turn, and how many bytes of them are not written yet."""

    def __init__(self) -> None:
        self.messages: deque[str | bytes] = deque()
        self.unwritten = 0

    def put(self, messages: Sequence[str | bytes]) -> None:
        """Append messages."""
        self.messages.extend(messages)
        self.unwritten += sum(map(len, messages))

    def clear(self) -> None:
        """Forget all."""
        self.messages.clear()
        self.unwritten = 0


class Outlet:
    """Writes frames to one transport; `run()` is its only task. `message_bytes` is what the peer takes, and may change."""

    def __init__(self, transport: Transport, dialect: Dialect, *, message_bytes: int, on_ended: Callable[[Cause], None]) -> None:
        self._transport = transport
        self._dialect = dialect
        self.message_bytes = message_bytes
        self._on_ended: Callable[[Cause], None] | None = on_ended
        self._control_frames: list[Frame] = []
        self._waiting: list[Sequence[Frame] | Run] = []
        self._control, self._batches, self._stream = Lane(), Lane(), Lane()
        self._written_up_to: int | None = None  # while entries wait: the position of the last one that was written
        self._closing: tuple[int, str] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ended = False
        self._batch_bytes, self._taken_at_once = BATCH_BYTES, 0
        self._work = asyncio.Event()

    def __repr__(self) -> str:
        state = "ended" if self._ended else "closing" if self._closing else "open"
        waiting = sum(len(some.entries if isinstance(some, Run) else some) for some in self._waiting)
        return f"<Outlet {state} control={self.control_backlog} waiting={waiting} stream={self.stream_backlog}>"

    @property
    def control_backlog(self) -> int:
        """Bytes of control frames that are not written; what this loop turn produced is not counted yet."""
        return self._control.unwritten

    @property
    def stream_backlog(self) -> int:
        """Bytes of stream frames that are not written."""
        return self._stream.unwritten

    # -- what goes out -------------------------------------------------------------------------------------------------------

    def control(self, frames: Sequence[Frame]) -> None:
        """Write frames ahead of signals, entries and stream frames."""
        if self._ended or self._closing:
            return
        for frame in frames:
            if isinstance(frame, Goodbye | GoingAway):
                self._waiting.append((frame,))
            else:
                self._control_frames.append(frame)
        if len(self._control_frames) >= _STALLED:
            self._encode_control()
            if self._control.unwritten > CONTROL_BACKLOG_BYTES:
                self._give_up()
        self._work.set()

    def signals(self, frames: Sequence[Frame]) -> None:
        """Write frames in the order given, among signals and entries."""
        if frames and not (self._ended or self._closing):
            self._waiting.append(tuple(frames))
            self._work.set()

    def entries(self, run: Run) -> None:
        """Write entries of a log; the dialect must know how. The same run is encoded once, for all outlets that it is for."""
        if run.entries and not (self._ended or self._closing):
            if self._written_up_to is None:
                self._written_up_to = run.after
            self._waiting.append(run)
            self._work.set()

    def stream_frame(self, number: int, payload: bytes | memoryview) -> bool:
        """Write a stream frame, or return False: there is no room, it is too large, or the transport has ended."""
        return self.relay(pack_stream_frame(number, payload))

    def relay(self, message: bytes) -> bool:
        """Write a stream frame that is packed already, as `stream_frame` does; one message may go to many outlets."""
        backlog = self._stream.unwritten
        # A frame larger than the whole backlog may still travel when nothing is before it.
        full = backlog > 0 and backlog + len(message) > FRAME_BACKLOG_BYTES
        if self._ended or self._closing or full or len(message) > self.message_bytes:
            return False
        self._stream.put([message])
        self._work.set()
        return True

    # -- the end -------------------------------------------------------------------------------------------------------------

    def close(self, code: int, detail: str) -> None:
        """Write what was given so far, then end the transport politely; after CLOSE_TIMEOUT_SECONDS end it anyway."""
        if not (self._ended or self._closing):
            self._closing = code, detail
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_SECONDS, self.abort)
            self._work.set()

    def abort(self) -> None:
        """End the transport at once; nothing that waits is written."""
        self._on_ended = None
        self._end()

    def _end(self, *, politely: bool = False) -> None:
        if self._deadline:
            self._deadline.cancel()
        if self._ended:
            return
        self._ended = True
        self._control_frames.clear()
        self._waiting.clear()
        for lane in (self._control, self._batches, self._stream):
            lane.clear()
        if not politely:
            self._transport.abort()
        self._work.set()

    def _give_up(self) -> None:
        detail = f"the peer left {self._control.unwritten} bytes of control frames unread"
        self._tell(Cause(reason=Reason.SLOW, detail=detail))
        self._end()

    def _tell(self, cause: Cause) -> None:
        told, self._on_ended = self._on_ended, None
        if told and not self._closing:
            told(cause)

    # -- the writer ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write until the transport ends or is closed."""
        try:
            await self._write_all()
        except TransportFailed as failure:
            self._tell(failure.cause)
        except Exception as mistake:
            self._tell(Cause(reason=Reason.CLOSED, detail=f"writing failed: {type(mistake).__name__}"))
            raise

    async def _write_all(self) -> None:
        try:
            while not self._ended:
                await self._write_one()
        finally:
            self._end()

    async def _write_one(self) -> None:
        lane = self._next_lane()
        if lane:
            message = lane.messages.popleft()
            began = asyncio.get_running_loop().time()
            await self._transport.send(message)
            if lane is self._batches:
                self._fit(len(message), asyncio.get_running_loop().time() - began)
            lane.unwritten = max(0, lane.unwritten - len(message))  # an abort meanwhile has emptied the lane
            if lane is self._batches and not lane.messages:
                self._written_up_to = next((some.after for some in self._waiting if isinstance(some, Run)), None)
        elif self._closing:
            await self._transport.close(*self._closing)
            self._end(politely=True)
        else:
            self._work.clear()
            await self._work.wait()

    def _fit(self, size: int, seconds: float) -> None:
        """Let a line that takes bulk at once have more of it in one message; one that made us wait gets the least again."""
        self._taken_at_once += size
        if seconds > PROMPT_SECONDS:
            self._batch_bytes, self._taken_at_once = BATCH_BYTES, 0
        elif self._taken_at_once >= PROMPT_BYTES:
            self._batch_bytes, self._taken_at_once = min(2 * self._batch_bytes, MOST_BATCH_BYTES), 0

    def _next_lane(self) -> Lane | None:
        self._encode_control()
        if self._control.messages:
            return self._control
        if self._waiting and not self._batches.messages:
            self._encode_waiting()
        if self._batches.messages:
            return self._batches
        return self._stream if self._stream.messages else None

    def _encode_control(self) -> None:
        if self._control_frames:
            frames = [self._honest(frame) for frame in self._control_frames]
            self._control_frames.clear()
            self._control.put(self._dialect.encode(frames, self.message_bytes))

    def _honest(self, frame: Frame) -> Frame:
        """Return the frame with a claim about what was sent that holds although it overtakes what waits."""
        written = self._written_up_to
        if written is not None and isinstance(frame, Accepted | Pong) and frame.position > written:
            return msgspec.structs.replace(frame, position=written)
        return frame

    def _encode_waiting(self) -> None:
        size = min(self._batch_bytes, self.message_bytes)
        for are_entries, parcels in groupby(self._waiting, lambda parcel: isinstance(parcel, Run)):
            if are_entries:
                dialect = cast(EntryDialect, self._dialect)
                self._batches.put(dialect.encode_entries(cast(list[Run], list(parcels)), size))
            else:
                frames = chain.from_iterable(cast(Iterable[Sequence[Frame]], parcels))
                self._batches.put(self._dialect.encode(list(frames), size))
        self._waiting.clear()
