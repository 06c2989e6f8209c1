"""What arrives from the hub, frame by frame: what each means to the session in the phase that it is in.

A frame that cannot come now, or says what cannot be, is a protocol error: the transport is dropped, retryably, and audited. A
frame kind that is not known is ignored and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from reconnect.chart import Step
from reconnect.core import frames
from reconnect.core.actions import Moment
from reconnect.core.effects import Answer, Note, Notify
from reconnect.core.notices import Signal, SignalReceived, Updated, UpdateKind
from reconnect.core.situation import Situation
from reconnect.reasons import FINAL, Cause, Reason

_SIGNAL: Final = frames.EntryKind.SIGNAL
_decode: Final = msgspec.json.Decoder().decode


class Lose(Protocol):
    """The present transport is over."""

    def __call__(self, cause: Cause, at: float, /) -> None: ...


class Arrivals:
    """Reads frames for one session's core."""

    def __init__(self, at: Situation, *, lose: Lose, take: Callable[[str, Moment], Step]) -> None:
        self._at = at
        self._lose = lose
        self._take = take
        self._welcome: frames.Welcome | None = None
        self._pages: list[frames.Snapshot] = []
        self._pages_of = 0  # the generation that the two above belong to
        self._joining: dict[type[frames.Frame], Callable[[Any, float], None]] = {
            frames.Welcome: self._on_welcome,
            frames.Snapshot: self._on_snapshot,
            frames.Refused: self._on_refused,
            frames.GoingAway: self._on_going_away,
            frames.Ping: self._on_ping,
        }
        self._accepted: dict[type[frames.Frame], Callable[[Any, float], None]] = {
            frames.Entry: self.take_entry,
            frames.Accepted: self._on_accepted,
            frames.Done: self._on_done,
            frames.Failed: self._on_failed,
            frames.Ping: self._on_ping,
            frames.Pong: self._on_pong,
            frames.GoingAway: self._on_going_away,
            frames.Refused: self._on_refused,
            frames.Goodbye: self._on_goodbye,
        }
        self._closing = False

    def take_in(self, frame: frames.Frame, at: float, role: str, phase: str | None) -> None:
        """Read one frame."""
        if isinstance(frame, frames.Unknown):
            self._at.counts["unknown_frames"] += 1
            self._at.do(Note(at=at, what="unknown_frame", detail=frame.kind))
            return
        self._closing = role == "closing"
        table = self._joining if phase == "joining" else self._accepted if role in ("online", "closing") else {}
        read = table.get(type(frame))
        if read is None:
            self._broken(f"{frame.__struct_config__.tag} cannot come while {phase or role}", at)
        else:
            read(frame, at)

    def _broken(self, detail: str, at: float) -> None:
        self._at.counts["protocol_errors"] += 1
        self._lose(Cause(reason=Reason.PROTOCOL_ERROR, detail=detail), at)

    # -- joining -----------------------------------------------------------------------------------------------------------------

    def _on_welcome(self, welcome: frames.Welcome, at: float) -> None:
        claimed = self._at.connection
        if welcome.resumed and (claimed is None or claimed != welcome.connection or welcome.epoch != self._at.inbox.epoch):
            self._broken("the hub resumed a connection that was not claimed", at)
        elif self._pending() is not None:
            self._broken("a second welcome", at)
        elif welcome.accepted is not None and not self._at.outbox.can_be_judged(welcome.accepted):
            self._broken(f"the hub judged serial {welcome.accepted}, which was never sent", at)
        elif not _is_sound(welcome):
            self._broken("a welcome that nobody can live with", at)
        else:
            self._welcome, self._pages, self._pages_of = welcome, [], self._at.generation
            self._admit_if_complete(welcome, at)

    def _pending(self) -> frames.Welcome | None:
        """Return the welcome of this transport whose snapshot is still arriving."""
        return self._welcome if self._pages_of == self._at.generation else None

    def _on_snapshot(self, page: frames.Snapshot, at: float) -> None:
        welcome = self._pending()
        if welcome is None or page.page != len(self._pages):
            self._broken("a snapshot page out of order", at)
            return
        self._pages.append(page)
        self._admit_if_complete(welcome, at)

    def _admit_if_complete(self, welcome: frames.Welcome, at: float) -> None:
        if len(self._pages) < welcome.snapshot_pages:
            return
        moment = Moment(
            at=at,
            welcome=welcome,
            members=tuple(member for page in self._pages for member in page.members),
            streams=tuple(stream for page in self._pages for stream in page.streams),
        )
        self._welcome, self._pages = None, []
        self._take("resumed" if welcome.resumed else "joined", moment)

    # -- verdicts of the hub -----------------------------------------------------------------------------------------------------

    def _on_refused(self, refused: frames.Refused, at: float) -> None:
        cause = Cause(
            reason=refused.code,
            final=refused.code in FINAL,
            detail=refused.detail,
            retry_after=refused.retry_after,
            url=refused.url,
        )
        self._lose(cause, at)

    def _on_going_away(self, frame: frames.GoingAway, at: float) -> None:
        self._lose(Cause(reason=Reason.GOING_AWAY, retry_after=frame.retry_after, url=frame.url), at)

    def _on_goodbye(self, frame: frames.Goodbye, at: float) -> None:
        if self._closing:
            self._take("goodbye_answered", Moment(at=at))
        else:
            self._lose(Cause(reason=Reason.SESSION_ENDED, final=True, detail="the hub said goodbye"), at)

    # -- the log -----------------------------------------------------------------------------------------------------------------

    def take_entry(self, entry: frames.Entry, at: float) -> None:
        """Read one entry of the log; most of what arrives is that."""
        situation = self._at
        inbox = situation.inbox
        if entry.after > inbox.received:
            self._hole(f"entry {entry.position} follows {entry.after}, and {inbox.received} was the last to arrive", at)
            return
        if not inbox.take(entry):
            situation.counts["repeated_entries"] += 1
            return
        if entry.what is _SIGNAL:
            self._on_signal(entry, at)
        else:
            situation.do(*situation.roster.apply(entry, at))
        if situation.replay_to is not None and not situation.fenced:
            situation.restore_if_replayed(at)

    def _on_signal(self, entry: frames.Entry, at: float) -> None:
        if entry.sender is not None and self._at.inbox.is_repeat(entry.sender, entry.serial):
            self._at.counts["repeated_signals"] += 1
            self._at.do(Note(at=at, what="repeated_signal", detail=f"{entry.sender} {entry.serial}"))
            return
        try:
            data = _decode(entry.data)
        except (msgspec.DecodeError, RecursionError):
            self._broken(f"the data of entry {entry.position} is not JSON", at)
            return
        signal = Signal(
            type=entry.type,
            data=data,
            sender=entry.sender or "",
            serial=entry.serial,
            position=entry.position,
            connection=entry.connection,
            repeat=entry.repeat,
        )
        self._at.do(Notify(notice=SignalReceived(at=at, signal=signal)))

    def _hole(self, detail: str, at: float) -> None:
        if not self._closing:
            self._at.counts["holes"] += 1
            self._lose(Cause(reason=Reason.HOLE, detail=detail), at)

    # -- answers -----------------------------------------------------------------------------------------------------------------

    def _on_accepted(self, accepted: frames.Accepted, at: float) -> None:
        effects = self._at.outbox.judge(accepted.serial, accepted.rejected)
        if effects is None:
            self._broken(f"the hub judged serial {accepted.serial}, which was not sent on this connection", at)
            return
        self._at.do(*effects)
        self._check_position(accepted.position, at)

    def _on_pong(self, pong: frames.Pong, at: float) -> None:
        self._check_position(pong.position, at)

    def _check_position(self, position: int, at: float) -> None:
        if position > self._at.inbox.received:
            self._hole(f"everything up to {position} was sent, and {self._at.inbox.received} was the last to arrive", at)

    def _on_ping(self, ping: frames.Ping, at: float) -> None:
        self._at.send(at, frames.Pong(position=self._at.inbox.received))

    def _on_done(self, done: frames.Done, at: float) -> None:
        name = self._at.requests.pop(done.request, None)
        key = self._at.want_requests.pop(done.request, None)
        if key is not None and done.answer is not None:
            self._at.do(*self._at.answer_want(done.answer, at))
        elif key is not None:
            self._broken("a want is granted without a stream", at)  # the next join asks for it again
        elif name:
            self._at.do(Answer(request=done.request, value=done.answer))
            if name == frames.RenewToken.__struct_config__.tag:
                self._at.do(Notify(notice=Updated(at=at, what=UpdateKind.TOKEN)))
        elif name is None:
            self._at.counts["late_answers"] += 1

    def _on_failed(self, failed: frames.Failed, at: float) -> None:
        name = self._at.requests.pop(failed.request, None)
        key = self._at.want_requests.pop(failed.request, None)
        if key is not None:
            answer = frames.WantAnswer(key=key, code=failed.code, detail=failed.detail)
            self._at.do(*self._at.answer_want(answer, at))
        elif name:
            self._at.fail_request(failed.request, name, code=failed.code, possibly_sent=False, detail=failed.detail)
        elif name is None:
            self._at.counts["late_answers"] += 1


def _is_sound(welcome: frames.Welcome) -> bool:
    """True if the numbers of a welcome can be lived with."""
    heartbeat, limits = welcome.heartbeat, welcome.limits
    finite = all(0.0 < value < 86_400.0 for value in (heartbeat.ping, heartbeat.silence)) and heartbeat.silence > heartbeat.ping
    window = 0.0 <= welcome.first_try_window <= 86_400.0
    told = welcome.gap is None or not welcome.resumed or welcome.snapshot_pages > 0  # else the gap could never be closed
    return finite and window and told and limits.window > 0 and limits.message_bytes > 0
