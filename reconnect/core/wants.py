"""Publications and subscriptions: what a member wants, and what interrupts each.

Each want keeps the *set* of what interrupts it (the own link, the publisher being away). Its chart (`statecharts/publisher.toml`,
`subscriber.toml`) hears only `interrupted`, when the set became non-empty, and `restored`, when it became empty. A want is told
from its answer on. Wants survive an outage, not `disconnected`.

Methods return effects; instants are the session's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from reconnect.chart import Statechart, Step, StepVerdict, runner_for
from reconnect.core.effects import Answer, Effect, Note, Notify
from reconnect.core.fitness import Needs, check_chart
from reconnect.core.frames import Stream, Want, WantAnswer
from reconnect.core.notices import (
    PUBLISHER_NOTICES,
    SUBSCRIBER_NOTICES,
    Notice,
    PublicationNotice,
    PublisherEnded,
    SubscriberDestroyed,
)
from reconnect.errors import RequestFailed
from reconnect.reasons import Reason, RejectCode

_ROLES = frozenset({"asked", "live", "interrupted", "ended"})
_MEANINGS = frozenset({"answered", "refused", "interrupted", "restored", "ended"})
_ACTIONS = frozenset({"adopt_stream", "forget_stream", "notify"})


class Interruption(StrEnum):
    """What may stand between a publication or subscription and its stream."""

    OWN_LINK = "own_link"
    PUBLISHER_AWAY = "publisher_away"


@dataclass(slots=True)
class Wanted:
    """One want with its state. `number` is the stream's, 0 while there is none."""

    want: Want
    chart: Statechart
    state: str
    stream: Stream | None = None
    interruptions: set[Interruption] = field(default_factory=set)
    requests: list[int] = field(default_factory=list)

    @property
    def role(self) -> str:
        """The role of its state: offline, asked, live, interrupted, ended."""
        return self.chart.role(self.state)


class Wants:
    """All wants of one session, by key."""

    def __init__(self, publisher: Statechart, subscriber: Statechart) -> None:
        check_stream_chart(publisher, "publication", PUBLISHER_NOTICES, _MEANINGS | {"wanted"})
        check_stream_chart(subscriber, "subscription", SUBSCRIBER_NOTICES, _MEANINGS)
        self._publisher, self._subscriber = publisher, subscriber
        self._own_link: Reason | None = Reason.CLIENT_DISCONNECTED
        self._all: dict[str, Wanted] = {}
        self._numbers: dict[int, str] = {}

    def __getitem__(self, key: str) -> Wanted:
        return self._all[key]

    @property
    def all(self) -> tuple[Wanted, ...]:
        """All wants, in the order in which they were added."""
        return tuple(self._all.values())

    def __contains__(self, key: object) -> bool:
        return key in self._all

    def subscribed(self, number: int) -> str | None:
        """Return the key of the subscription to the stream with this number."""
        return self._numbers.get(number)

    # -- asking ----------------------------------------------------------------------------------------------------------------

    def add(self, want: Want, request: int) -> None:
        """Remember a want; the answer to `request` is owed from its answer on."""
        chart = self._publisher if want.publish is not None else self._subscriber
        wanted = Wanted(want=want, chart=chart, state=chart.initial, requests=[request])
        if self._own_link is not None:
            wanted.interruptions.add(Interruption.OWN_LINK)
        self._all[want.key] = wanted

    def ask(self, key: str, at: float) -> list[Effect]:
        """The want goes out with a request of its own."""
        wanted = self._all[key]
        return [] if wanted.want.publish is None else self._feed(wanted, "wanted", at)

    def for_join(self, at: float) -> tuple[tuple[Want, ...], list[Effect]]:
        """Return all wants, for a join to carry."""
        effects: list[Effect] = []
        for key in self._all:
            effects += self.ask(key, at)
        return tuple(wanted.want for wanted in self._all.values()), effects

    # -- answers ---------------------------------------------------------------------------------------------------------------

    def answer(self, answer: WantAnswer, at: float, *, away: bool = False) -> list[Effect]:
        """The hub answered a want. `away` says that the stream's publisher is away at present."""
        wanted = self._all.get(answer.key)
        if wanted is None:
            return [Note(at=at, what="late_answer", machine=answer.key)]
        if answer.stream is None:
            code = answer.code or RejectCode.INVALID
            return self._feed(wanted, "refused", at, code=code, detail=answer.detail)
        asked = wanted.role == "asked"
        effects = self._feed(wanted, "answered", at, stream=answer.stream)
        for request in wanted.requests:
            effects.append(Answer(request=request, value=answer.key))
        wanted.requests.clear()
        if away and wanted.want.subscribe is not None:
            effects += self._interrupt(wanted, Interruption.PUBLISHER_AWAY, Reason.NETWORK_DISCONNECTED, at)
        if asked and wanted.interruptions and wanted.role == "live":
            effects += self._feed(wanted, "interrupted", at, reason=self._own_link or Reason.NETWORK_DISCONNECTED)
        return effects

    def is_asked(self, key: str) -> bool:
        """True for a want that nobody was told of yet."""
        wanted = self._all.get(key)
        return wanted is not None and wanted.role == "asked"

    # -- interruptions ---------------------------------------------------------------------------------------------------------

    def interrupt_own(self, reason: Reason, at: float) -> list[Effect]:
        """The own link dropped."""
        self._own_link = reason
        effects: list[Effect] = []
        for wanted in list(self._all.values()):
            effects += self._interrupt(wanted, Interruption.OWN_LINK, reason, at)
        return effects

    def restore_own(self, at: float) -> list[Effect]:
        """The own link is back and the replay has reached the welcome."""
        self._own_link = None
        effects: list[Effect] = []
        for wanted in list(self._all.values()):
            effects += self._restore(wanted, Interruption.OWN_LINK, at)
        return effects

    def publisher_away(self, stream: Stream, reason: Reason, at: float) -> list[Effect]:
        """The publisher of this stream dropped."""
        wanted = self._subscription(stream.id)
        return self._interrupt(wanted, Interruption.PUBLISHER_AWAY, reason, at) if wanted else []

    def publisher_back(self, stream: Stream, at: float) -> list[Effect]:
        """The publisher of this stream returned."""
        wanted = self._subscription(stream.id)
        return self._restore(wanted, Interruption.PUBLISHER_AWAY, at) if wanted else []

    def update_stream(self, stream: Stream) -> None:
        """A stream's `muted` changed."""
        for wanted in self._all.values():
            if wanted.stream is not None and wanted.stream.id == stream.id:
                wanted.stream = stream

    # -- ends ------------------------------------------------------------------------------------------------------------------

    def stream_gone(self, stream: Stream, reason: Reason, at: float) -> list[Effect]:
        """A stream ended for good."""
        wanted = self._subscription(stream.id)
        return self._feed(wanted, "ended", at, reason=reason) if wanted else []

    def drop(self, key: str, reason: Reason, at: float) -> list[Effect]:
        """unpublish() or unsubscribe(); the log tells a member nothing of its own streams, so a subscription to one ends here."""
        wanted = self._all[key]
        effects = self._feed(wanted, "ended", at, reason=reason)
        if wanted.want.publish is not None and wanted.stream is not None:
            effects += self.stream_gone(wanted.stream, reason, at)
        return effects

    def end_all(self, reason: Reason, at: float) -> list[Effect]:
        """The session is over: publications end first, then subscriptions."""
        self._own_link = reason
        effects: list[Effect] = []
        for wanted in sorted(self._all.values(), key=lambda one: one.want.publish is None):
            effects += self._feed(wanted, "ended", at, reason=reason)
        return effects

    # -- the machine -------------------------------------------------------------------------------------------------------------

    def _subscription(self, stream_id: str) -> Wanted | None:
        for wanted in self._all.values():
            if wanted.want.subscribe == stream_id:
                return wanted
        return None

    def _interrupt(self, wanted: Wanted, what: Interruption, reason: Reason, at: float) -> list[Effect]:
        before = bool(wanted.interruptions)
        wanted.interruptions.add(what)
        return [] if before else self._feed(wanted, "interrupted", at, reason=reason)

    def _restore(self, wanted: Wanted, what: Interruption, at: float) -> list[Effect]:
        before = bool(wanted.interruptions)
        wanted.interruptions.discard(what)
        return self._feed(wanted, "restored", at) if before and not wanted.interruptions else []

    def _feed(
        self,
        wanted: Wanted,
        meaning: str,
        at: float,
        *,
        reason: Reason | None = None,
        code: RejectCode | None = None,
        detail: str = "",
        stream: Stream | None = None,
    ) -> list[Effect]:
        step = runner_for(wanted.chart).step(wanted.state, wanted.chart.event_for(meaning))
        effects: list[Effect] = [Note(at=at, what="step", machine=wanted.want.key, step=step, reason=reason)]
        if step.verdict is not StepVerdict.TAKEN:
            return effects
        wanted.state = step.after
        for action in step.actions:
            if action == "adopt_stream":
                self._adopt(wanted, stream)
            elif action == "forget_stream":
                effects += self._forget(wanted, code or reason, detail)
            elif step.tells is not None:
                effects.append(Notify(notice=_notice(wanted, step, at, reason, code)))
        return effects

    def _adopt(self, wanted: Wanted, stream: Stream | None) -> None:
        self._unnumber(wanted)
        wanted.stream = stream
        if stream is not None and wanted.want.subscribe is not None:
            self._numbers[stream.number] = wanted.want.key

    def _unnumber(self, wanted: Wanted) -> None:
        # In another life of the log its number may be another subscription's by now.
        if wanted.stream is not None and self._numbers.get(wanted.stream.number) == wanted.want.key:
            del self._numbers[wanted.stream.number]

    def _forget(self, wanted: Wanted, code: RejectCode | Reason | None, detail: str) -> list[Effect]:
        self._unnumber(wanted)
        del self._all[wanted.want.key]
        verb = "subscribe" if wanted.want.publish is None else "publish"
        target = wanted.want.publish or wanted.want.subscribe
        error = RequestFailed(f"{verb} {target!r}", code=code, detail=detail)
        return [Answer(request=request, error=error) for request in wanted.requests]


_NOTICES: dict[tuple[bool, str], type[PublicationNotice]] = {
    **{(True, kind.name): kind for kind in PUBLISHER_NOTICES if issubclass(kind, PublicationNotice)},
    **{(False, kind.name): kind for kind in SUBSCRIBER_NOTICES if issubclass(kind, PublicationNotice)},
}


def _notice(wanted: Wanted, step: Step, at: float, reason: Reason | None, code: RejectCode | None) -> PublicationNotice:
    kind = _NOTICES[wanted.want.publish is not None, step.tells or ""]
    values: dict[str, object] = {"at": at, "key": wanted.want.key, "stream": wanted.stream}
    if "reason" in kind.__struct_fields__:
        values["reason"] = reason or (Reason.NO_SUCH_STREAM if code is RejectCode.NO_SUCH_STREAM else Reason.DENIED)
    if kind in (PublisherEnded, SubscriberDestroyed):
        values["code"] = code
    return kind(**values)  # type: ignore[arg-type]  # the fields were chosen from the kind's own list


@lru_cache(maxsize=64)  # a thousand sessions run on one chart
def check_stream_chart(chart: Statechart, who: str, notices: tuple[type[Notice], ...], meanings: frozenset[str]) -> None:
    """Raise where a publication or a subscription could not run on this chart."""
    tells = frozenset(kind.name for kind in notices)
    check_chart(chart, Needs(who=who, roles=_ROLES, meanings=meanings, actions=_ACTIONS, tells=tells))
