"""Everything a session's core remembers beside its state, and the few things that several of its parts do with it.

Effects are collected here in order; `take_effects` hands them over.
"""

from __future__ import annotations

from collections import Counter

from reconnect import limits
from reconnect.chart import Statechart
from reconnect.core.durable import DurableOutbox
from reconnect.core.effects import Answer, Effect, Send
from reconnect.core.episode import Episode
from reconnect.core.frames import AddWant, DropWant, Frame, Goodbye, Handled, Limits, Ping, ResumeClaim, Want, WantAnswer
from reconnect.core.inbox import Inbox
from reconnect.core.inputs import StoreFailed, StoreRecovered, WantAdded, WantDropped
from reconnect.core.liveness import Liveness
from reconnect.core.outbox import Outbox
from reconnect.core.roster import Roster
from reconnect.core.settings import SessionSettings
from reconnect.core.timers import Timers
from reconnect.core.wants import Wants
from reconnect.errors import OutboxFailed, RequestFailed
from reconnect.reasons import Reason, RejectCode


class Situation:
    """The memory of one session's core."""

    def __init__(self, settings: SessionSettings, *, publisher: Statechart, subscriber: Statechart) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self.outbox = (DurableOutbox if settings.durable else Outbox)(
            bounds=settings.bounds, acknowledged=settings.capabilities.acknowledges, first_serial=settings.first_serial
        )
        self.wants = Wants(publisher, subscriber)
        self.roster = Roster(self.wants, self.counts)
        self.inbox = Inbox()
        self.timers = Timers()
        self.episode = Episode()
        self.liveness: Liveness | None = None
        self.generation = 0
        self.fenced = True
        self.attempt_began_at = 0.0
        self.goodbye_owed = False
        self.next_url: str | None = None
        self.connection: str | None = None
        self.secret = ""
        self.limits = Limits(message_bytes=limits.MESSAGE_BYTES, data_bytes=limits.DATA_BYTES, window=limits.WINDOW_ENTRIES)
        self.first_try_window: float | None = None
        self.replay_to: int | None = None
        self.requests: dict[int, str] = {}
        self.want_requests: dict[int, str] = {}
        self.owed: list[AddWant | DropWant] = []  # what the join that is out does not say
        self._effects: list[Effect] = []

    # -- effects -----------------------------------------------------------------------------------------------------------------

    def do(self, *effects: Effect) -> None:
        """Ask for these effects, after those asked for before."""
        self._effects.extend(effects)

    def take_effects(self) -> list[Effect]:
        """Hand over what was asked for."""
        effects, self._effects = self._effects, []
        return effects

    def send(self, at: float, *frames: Frame) -> None:
        """Hand frames to the present transport."""
        if self.liveness is not None:
            self.liveness.sent(at)
        self.do(Send(generation=self.generation, frames=frames))

    def ping(self, at: float) -> None:
        """Ask the hub whether it is there; what was handled since the last credit goes along."""
        frames: list[Frame] = [Ping(position=self.inbox.received)]
        if self.inbox.handled > self.inbox.credited:
            frames.insert(0, self._credit())
        self.send(at, *frames)
        assert self.liveness is not None, "only an accepted link is asked"
        self.liveness.pinged(at)

    # -- signals -----------------------------------------------------------------------------------------------------------------

    def release(self, at: float) -> None:
        """Send what waits, as far as the window and the store allow; then goodbye, if it is owed and nothing waits any more."""
        if self.outbox.wants_proof:
            self.ping(at)
        frames, effects = self.outbox.release(at)
        if frames:
            self.send(at, *frames)
        self.do(*effects)
        if self.goodbye_owed and not self.outbox.is_waiting:
            self.goodbye_owed = False
            self.send(at, Goodbye())

    def store_failed(self, failed: StoreFailed) -> None:
        """The store cannot keep anything: what it did not keep has failed, and nothing more is taken."""
        assert isinstance(self.outbox, DurableOutbox), "memory does not fail"
        self.outbox.fault = OutboxFailed(failed.path, failed.problem, failed.remedy, certain=failed.certain)
        self.do(*self.outbox.unkept(failed.serials, certain=failed.certain))

    def store_recovered(self, recovered: StoreRecovered) -> None:
        """The store keeps signals again."""
        assert isinstance(self.outbox, DurableOutbox), "memory does not fail"
        self.outbox.fault = None

    def handled(self, position: int, at: float, *, online: bool) -> None:
        """The application took over everything up to `position`; tell the hub once that is worth a frame."""
        self.inbox.handled = max(self.inbox.handled, min(position, self.inbox.received))
        if online and self.inbox.handled - self.inbox.credited >= max(1, self.limits.window // 4):
            self.send(at, self._credit())

    def _credit(self) -> Handled:
        self.inbox.credited = self.inbox.handled
        return Handled(position=self.inbox.handled, settled=self.outbox.settled_up_to)

    def claim(self) -> ResumeClaim | None:
        """Return the claim to the connection that was lost, None where there is none."""
        if self.connection is None:
            return None
        return ResumeClaim(connection=self.connection, secret=self.secret, epoch=self.inbox.epoch, position=self.inbox.handled)

    # -- requests ----------------------------------------------------------------------------------------------------------------

    def add_want(self, asked: WantAdded) -> AddWant:
        """Remember a want and return the frame that asks for it."""
        want = Want(key=asked.key, publish=asked.publish, subscribe=asked.subscribe, data=asked.data)
        self.wants.add(want, asked.request)
        return AddWant(request=asked.request, want=want)

    def drop_want(self, asked: WantDropped) -> DropWant:
        """Forget a want and return the frame that says so; the caller need not wait, for the next join would say it as well."""
        if asked.key in self.wants:
            self.do(*self.wants.drop(asked.key, Reason.UNPUBLISHED, asked.at))
        self.do(Answer(request=asked.request))
        return DropWant(request=asked.request, key=asked.key)

    def ask(self, frame: AddWant | DropWant, at: float) -> None:
        """Ask the hub for a want, or give one up: an answer to an earlier request for it then means nothing any more."""
        if isinstance(frame, AddWant):
            self.want_requests[frame.request] = frame.want.key
            if frame.want.key in self.wants:
                self.do(*self.wants.ask(frame.want.key, at))
        else:
            self.want_requests = {request: key for request, key in self.want_requests.items() if key != frame.key}
            self.requests[frame.request] = ""  # nobody waits for it
        self.send(at, frame)

    def ask_owed(self, at: float) -> None:
        """Ask for what was wanted or given up since the join went out."""
        for frame in self.owed:
            self.ask(frame, at)
        self.owed.clear()

    def is_overtaken(self, answer: WantAnswer) -> bool:
        """True if the user has changed its mind about this want since the join went out."""
        return any(answer.key == (frame.want.key if isinstance(frame, AddWant) else frame.key) for frame in self.owed)

    def answer_want(self, answer: WantAnswer, at: float) -> list[Effect]:
        """The hub answered a want."""
        away = answer.stream is not None and self.roster.is_away(answer.stream)
        return self.wants.answer(answer, at, away=away)

    def restore_if_replayed(self, at: float) -> None:
        """Once the replay has reached the welcome's position, the own link interrupts nothing any more."""
        if self.replay_to is not None and self.inbox.received >= self.replay_to:
            self.replay_to = None
            self.do(*self.wants.restore_own(at))

    def fail_request(
        self, request: int, name: str, *, code: Reason | RejectCode | None, possibly_sent: bool, detail: str = ""
    ) -> None:
        """Tell the caller that its request did not succeed."""
        self.do(Answer(request=request, error=RequestFailed(name, code=code, possibly_sent=possibly_sent, detail=detail)))

    def fail_requests(self, code: Reason | None) -> None:
        """The link dropped: what was asked and is no want may or may not have been done."""
        for request, name in self.requests.items():
            if name:
                self.fail_request(request, name, code=code, possibly_sent=True)
        self.requests.clear()
        self.want_requests.clear()
