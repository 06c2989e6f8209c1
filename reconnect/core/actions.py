"""What the names in `statecharts/session.toml` stand for: each action of the chart is one method here.

`Actions.names()` is the binding of the chart to the code; a session refuses a chart that names an action which is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from reconnect.chart import Statechart, Step
from reconnect.chart.rows import CANCEL, START
from reconnect.core.effects import CloseTransport, Notify, OpenTransport
from reconnect.core.frames import NO_ECHO, Gap, Goodbye, Join, Member, Program, Stream, WantAnswer, Welcome
from reconnect.core.liveness import Liveness
from reconnect.core.notices import Attempt, Connected, Disconnected, Notice, Reconnected, Reconnecting, Told, Updated, UpdateKind
from reconnect.core.settings import GIVEN
from reconnect.core.situation import Situation
from reconnect.reasons import Cause, Reason

BLAMELESS = frozenset({
    Reason.SILENT, Reason.FORCED, Reason.OWN_CHART, Reason.GOING_AWAY, Reason.SLOW, Reason.HOLE, Reason.OVERLOADED,
})  # fmt: skip


@dataclass(slots=True)
class Moment:
    """What came with the event of one step."""

    at: float
    cause: Cause | None = None
    reason: Reason | None = None
    attempt: int | None = None
    retry_in: float | None = None
    detail: str = ""
    welcome: Welcome | None = None
    members: tuple[Member, ...] = ()
    streams: tuple[Stream, ...] = ()
    reconciles: bool = False  # the snapshot is news
    gap: Gap | None = None
    refused: list[WantAnswer] = field(default_factory=list)  # answers that nobody may be told of before the acceptance
    granted: list[WantAnswer] = field(default_factory=list)  # and those that are told for the first time
    has_other_limits: bool = False
    lost_connection: bool = False  # there was one, and this is another


class Actions:
    """Performs the chart's actions on a situation."""

    def __init__(self, at: Situation, chart: Statechart) -> None:
        self._at = at
        self._chart = chart

    @staticmethod
    def names() -> frozenset[str]:
        """Return the actions that a session performs, beside `start:NAME` and `cancel:NAME`."""
        return frozenset({
            "begin_episode", "begin_outage", "open_transport", "send_join", "abort_transport", "close_transport", "send_goodbye",
            "announce_attempt", "adopt_connection", "replace_connection", "settle_judged", "release_held", "hold_outbox",
            "drop_opted_out", "settle_all", "forget_connection", "interrupt_streams", "end_streams", "hand_over_missed",
            "reset_streak", "notify",
        })  # fmt: skip

    def perform(self, action: str, moment: Moment, step: Step) -> None:
        """Perform one action of a step."""
        if action.startswith(START):
            self._start(action.removeprefix(START), moment)
        elif action.startswith(CANCEL):
            self._at.timers.cancel(action.removeprefix(CANCEL))
        else:
            getattr(self, f"_{action}")(moment, step)  # looked up for each: a table of methods is 2 KB in every session

    def _start(self, name: str, moment: Moment) -> None:
        source, attribute = self._chart.timers[name].seconds.split(".")
        if source == "attempt":
            seconds = self._at.attempt_began_at + self._at.settings.attempt_deadline - moment.at
        elif source == GIVEN:
            seconds = self._at.settings.durations[attribute]
        else:
            seconds = getattr(moment if source == "event" else self._at.settings, attribute)
        assert seconds is not None, f"the event that starts {name} brings no {attribute}"
        self._at.timers.start(name, moment.at + seconds)

    # -- attempts and transports -------------------------------------------------------------------------------------------------

    def _begin_episode(self, moment: Moment, step: Step) -> None:
        self._at.episode.begin(moment.at)

    def _begin_outage(self, moment: Moment, step: Step) -> None:
        assert moment.cause is not None, "an outage has a cause"
        self._at.episode.begin_outage(moment.at, moment.cause.reason)

    def _open_transport(self, moment: Moment, step: Step) -> None:
        self._at.generation += 1
        self._at.fenced = False
        self._at.attempt_began_at = moment.at
        self._at.episode.attempt = max(1, self._at.episode.attempt)  # one that no policy was asked for is the first
        self._at.do(OpenTransport(generation=self._at.generation, url=self._at.next_url))
        self._at.next_url = None

    def _send_join(self, moment: Moment, step: Step) -> None:
        at, settings = self._at, self._at.settings
        wants, effects = at.wants.for_join(moment.at)
        at.do(*effects)
        at.want_requests.clear()
        at.owed.clear()
        client = Program(name=settings.client_name, version=settings.client_version)
        settled = at.outbox.settled_up_to
        at.send(
            moment.at,
            Join(
                token="",
                session=settings.session,
                sender=settings.sender,
                settled=settled,
                resume=at.claim(),
                wants=wants,
                client=client,
                features=() if settings.echo else (NO_ECHO,),
            ),
        )

    def _abort_transport(self, moment: Moment, step: Step) -> None:
        self._end_transport(abort=True)

    def _close_transport(self, moment: Moment, step: Step) -> None:
        self._end_transport(abort=False)

    def _end_transport(self, *, abort: bool) -> None:
        self._at.fenced = True
        self._at.goodbye_owed = False
        self._at.liveness = None
        self._at.do(CloseTransport(generation=self._at.generation, abort=abort, code=1000))

    def _send_goodbye(self, moment: Moment, step: Step) -> None:
        if self._chart.role(step.after) == "closing":
            self._at.goodbye_owed = True
            self._at.release(moment.at)
        else:
            self._at.send(moment.at, Goodbye())  # on the way out of a join, where nothing was released

    def _announce_attempt(self, moment: Moment, step: Step) -> None:
        episode = self._at.episode
        assert moment.attempt is not None, "an attempt that is scheduled has a number"
        assert moment.retry_in is not None, "an attempt that is scheduled has a delay"
        episode.attempt = moment.attempt
        self._at.do(
            Notify(
                notice=Attempt(
                    at=moment.at,
                    reason=moment.cause.reason if moment.cause else episode.reason,
                    attempt=moment.attempt,
                    retry_in=moment.retry_in,
                    elapsed=episode.elapsed(moment.at),
                    initial=episode.initial,
                )
            )
        )

    def _reset_streak(self, moment: Moment, step: Step) -> None:
        self._at.episode.streak = 0

    # -- the connection ----------------------------------------------------------------------------------------------------------

    def _adopt_connection(self, moment: Moment, step: Step) -> None:
        inbox = self._at.inbox
        welcome = self._admit(moment)
        # The hub counts from what was handled. What arrived beyond that is neither missed nor told again by the snapshot, and a
        # snapshot from before it would only undo it.
        moment.reconciles = welcome.snapshot_pages > 0 and welcome.position > inbox.received
        if moment.reconciles:
            moment.gap = _beyond(inbox.received, welcome.gap)
            inbox.skip_to(welcome.position)

    def _replace_connection(self, moment: Moment, step: Step) -> None:
        at, inbox = self._at, self._at.inbox
        welcome = self._admit(moment)
        moment.reconciles = True
        moment.lost_connection = at.connection is not None
        if at.connection is not None:
            at.episode.last_error = Cause(reason=Reason.NOT_RESUMED, detail=str(welcome.not_resumed or ""))
            if inbox.epoch != welcome.epoch:
                moment.gap = Gap(epoch=inbox.epoch, first=inbox.received + 1)
            elif welcome.position > inbox.received:
                moment.gap = Gap(epoch=inbox.epoch, first=inbox.received + 1, last=welcome.position)
        at.connection = welcome.connection
        inbox.restart(welcome.epoch, welcome.position)

    def _admit(self, moment: Moment) -> Welcome:
        at, welcome = self._at, moment.welcome
        assert welcome is not None, "only a welcome admits"
        moment.has_other_limits = at.connection is not None and at.limits != welcome.limits
        at.secret = welcome.secret
        at.limits = welcome.limits
        at.first_try_window = welcome.first_try_window
        at.liveness = Liveness(welcome.heartbeat, moment.at)
        at.replay_to = welcome.position
        at.episode.accepted()
        for answer in welcome.answers:
            if at.is_overtaken(answer):
                continue
            if answer.stream is None:
                moment.refused.append(answer)
            elif at.wants.is_asked(answer.key):
                moment.granted.append(answer)
            else:
                at.do(*at.wants.answer(answer, moment.at))
        return welcome

    def _forget_connection(self, moment: Moment, step: Step) -> None:
        at = self._at
        at.fail_requests(self._reason(moment))
        at.connection, at.secret, at.replay_to, at.liveness = None, "", None, None
        at.first_try_window = at.next_url = None
        at.inbox.restart("", 0)

    # -- signals -----------------------------------------------------------------------------------------------------------------

    def _settle_judged(self, moment: Moment, step: Step) -> None:
        welcome = moment.welcome
        assert welcome is not None, "only a welcome judges"
        effects = self._at.outbox.resume(
            welcome.accepted, welcome.rejected, moment.at, resumed=welcome.resumed, lost=moment.lost_connection
        )
        assert effects is not None, "an impossible judgement is refused before the step"
        self._at.do(*effects)

    def _release_held(self, moment: Moment, step: Step) -> None:
        self._at.release(moment.at)

    def _hold_outbox(self, moment: Moment, step: Step) -> None:
        blameable = moment.cause is not None and moment.cause.reason not in BLAMELESS
        self._at.do(*self._at.outbox.hold(moment.at, blameable=blameable))
        self._at.fail_requests(None)

    def _drop_opted_out(self, moment: Moment, step: Step) -> None:
        self._at.do(*self._at.outbox.drop_opted_out())

    def _settle_all(self, moment: Moment, step: Step) -> None:
        self._at.do(*self._at.outbox.end(self._reason(moment)))

    # -- streams -----------------------------------------------------------------------------------------------------------------

    def _interrupt_streams(self, moment: Moment, step: Step) -> None:
        reason = moment.cause.reason if moment.cause else Reason.CLOSED
        self._at.do(*self._at.wants.interrupt_own(reason, moment.at))

    def _end_streams(self, moment: Moment, step: Step) -> None:
        self._at.do(*self._at.wants.end_all(self._reason(moment), moment.at))
        self._at.roster.clear()

    def _hand_over_missed(self, moment: Moment, step: Step) -> None:
        at = self._at
        if moment.has_other_limits:
            at.do(Notify(notice=Updated(at=moment.at, what=UpdateKind.LIMITS)))
        if moment.reconciles:
            at.do(*at.roster.reconcile(moment.members, moment.streams, moment.at))
        for answer in moment.refused:
            at.do(*at.answer_want(answer, moment.at))
        at.restore_if_replayed(moment.at)
        for answer in moment.granted:
            at.do(*at.answer_want(answer, moment.at))
        at.ask_owed(moment.at)

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def _reason(self, moment: Moment) -> Reason:
        """Return why the session ends; who was leaving is asked for no other reason."""
        return moment.reason or Reason.CLIENT_DISCONNECTED

    def _notify(self, moment: Moment, step: Step) -> None:
        if step.tells is not None:
            self._at.do(Notify(notice=self._notice(step.tells, moment, step)))

    def _notice(self, name: str, moment: Moment, step: Step) -> Notice:
        at, episode = moment.at, self._at.episode
        connection = self._at.connection or ""
        if name == Connected.name:
            return Connected(at=at, connection=connection)
        if name == Reconnecting.name:
            assert moment.attempt is not None, "a reconnection has a first attempt"
            assert moment.retry_in is not None, "a first attempt has a delay"
            return Reconnecting(
                at=at,
                reason=episode.reason,
                attempt=moment.attempt,
                retry_in=moment.retry_in,
                detail=moment.cause.detail if moment.cause else "",
            )
        if name == Reconnected.name:
            assert moment.welcome is not None, "only a welcome reconnects"
            return Reconnected(
                at=at,
                reason=episode.reason,
                attempt=episode.attempt,
                elapsed=episode.elapsed(at),
                resumed=moment.welcome.resumed,
                connection=connection,
                gap=moment.gap,
                not_resumed=moment.welcome.not_resumed,
            )
        if name != Disconnected.name:
            cause = moment.cause
            assert cause is not None, "only an event with a cause tells the chart's own words"
            return Told(at=at, name=name, state=step.after, reason=cause.reason, detail=cause.detail)
        away = self._chart.role(step.before) == "recovering"
        return Disconnected(
            at=at,
            reason=self._reason(moment),
            attempt=episode.attempt if away else 0,
            elapsed=episode.elapsed(at) if away else 0.0,
            detail=moment.detail,
        )


def _beyond(received: int, gap: Gap | None) -> Gap | None:
    """Return what of a gap had not arrived."""
    if gap is None or (gap.last is not None and gap.last <= received):
        return None
    return replace(gap, first=max(gap.first, received + 1))
