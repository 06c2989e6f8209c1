"""What arrives from the hub, frame by frame: what each means to the session in the phase that it is in.

A frame that cannot come now, or says what cannot be, is a protocol error: the transport is dropped, retryably, and audited. A
frame kind that is not known is ignored and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from reconnect.chart import Step
from reconnect.core import frames
from reconnect.core.actions import Moment
from reconnect.core.effects import Answer, Deliver, Note, Notify
from reconnect.core.notices import Updated, UpdateKind
from reconnect.core.situation import Situation
from reconnect.reasons import FINAL, Cause, Reason

_SIGNAL: Final = frames.EntryKind.SIGNAL
_decode: Final = msgspec.json.Decoder().decode
_UNREADABLE: Final = object()


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
            frames.Entry: lambda entry, at: self.take_entries((entry,), at),
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

    def take_entries(self, entries: Sequence[frames.Entry], at: float) -> None:
        """Read entries of the log, which is most of what arrives; signals in a row are told in one effect."""
        situation, (values, readable) = self._at, _values(entries)
        inbox, counts = situation.inbox, situation.counts
        plain = inbox.go_on(entries) if readable and situation.replay_to is None else 0
        fresh, fresh_values = [*entries[:plain]], values[:plain]
        for index in range(plain, len(entries)):
            entry, value = entries[index], values[index]
            position = entry.position
            if entry.after > inbox.received:
                self._deliver(fresh, fresh_values, at)
                self._hole(f"entry {position} follows {entry.after}, and {inbox.received} was the last to arrive", at)
                return
            if position <= inbox.received:
                counts["repeated_entries"] += 1
                continue
            inbox.received = position
            if entry.what is not _SIGNAL:
                self._deliver(fresh, fresh_values, at)
                situation.do(*situation.roster.apply(entry, at))
            elif entry.sender is not None and inbox.is_repeat(entry.sender, entry.serial, entry.repeat):
                counts["repeated_signals"] += 1
                situation.do(Note(at=at, what="repeated_signal", detail=f"{entry.sender} {entry.serial}"))
            elif value is _UNREADABLE:
                self._deliver(fresh, fresh_values, at)
                self._broken(f"the data of entry {position} is not JSON", at)
                return
            else:
                fresh.append(entry)
                fresh_values.append(value)
            if situation.replay_to is not None and position >= situation.replay_to:
                self._deliver(fresh, fresh_values, at)
                situation.restore_if_replayed(at)
        self._deliver(fresh, fresh_values, at)

    def _deliver(self, entries: list[frames.Entry], values: list[Any], at: float) -> None:
        if entries:
            self._at.do(Deliver(at=at, entries=tuple(entries), values=tuple(values)))
            entries.clear()
            values.clear()

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
        self._at.outbox.prove()
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


def _values(entries: Sequence[frames.Entry]) -> tuple[list[Any], bool]:
    """Return the values of what entries carry as data, read in one call if all of them can be; and whether they can."""
    try:
        values: list[Any] = _decode(b"[%b]" % b",".join([entry.data for entry in entries]))
    except (msgspec.DecodeError, RecursionError):
        values = []
    return (values, True) if len(values) == len(entries) else ([_value(entry) for entry in entries], False)


def _value(entry: frames.Entry) -> Any:
    try:
        return _decode(entry.data)
    except (msgspec.DecodeError, RecursionError):
        return _UNREADABLE


def _is_sound(welcome: frames.Welcome) -> bool:
    """True if the numbers of a welcome can be lived with."""
    heartbeat, limits = welcome.heartbeat, welcome.limits
    finite = all(0.0 < value < 86_400.0 for value in (heartbeat.ping, heartbeat.silence)) and heartbeat.silence > heartbeat.ping
    window = 0.0 <= welcome.first_try_window <= 86_400.0
    told = welcome.gap is None or not welcome.resumed or welcome.snapshot_pages > 0  # else the gap could never be closed
    return finite and window and told and limits.window > 0 and limits.message_bytes > 0
