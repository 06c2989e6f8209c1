"""The hub's core: what happened comes in, what to do comes out.

Theory of operation
-------------------
The core is a value machine, as the session's is. `feed(input)` takes one thing that happened, with its instant, and returns the
effects in the order in which they are to be performed. It reads no clock, draws no number, opens nothing and never waits; ids,
secrets and delays that need chance come in with the inputs.

1. *A session is a log, a member is an index into it.* Signals and what happens to members become entries. An entry counts when
   the log has it, and not before: the core asks for `Append` and goes on when `Appended` comes, in the same turn or much later.
2. *The chart decides about members.* `members.step` runs `statecharts/member.toml` and performs the actions that it names. No
   chart step is run for a signal.
3. *A link is only a link.* Whatever a member keeps beyond it stands in its record; whatever a link needs dies with it. A link
   that is fenced is `deaf`: nothing from it is read, its end means nothing.
4. *Deadlines are one instant.* `wake_at()` is the earliest of all. What is due happens before anything that arrives later is
   looked at, so a resume that comes an instant after the grace is refused, whether or not `Woke` was fed in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from reconnect import limits
from reconnect.chart.model import Statechart
from reconnect.core.frames import GoingAway
from reconnect.core.hub import answers, inputs, joining, requests, wants
from reconnect.core.hub.effects import Answer, HubEffect, News
from reconnect.core.hub.links import Link
from reconnect.core.hub.members import ACTIONS, Occasion, lose, step
from reconnect.core.hub.queue import After, BarrierItem, ServerItem
from reconnect.core.hub.reading import break_off, read
from reconnect.core.hub.records import MemberRecord
from reconnect.core.hub.settings import HubSettings, check_member_chart
from reconnect.core.hub.signals import problem_of
from reconnect.core.hub.state import HubState
from reconnect.core.hub.statistics import HubStatistics, statistics
from reconnect.core.hub.upkeep import sweep
from reconnect.reasons import CloseCode, Reason, RejectCode

PERFORMED: Final = frozenset(ACTIONS)


class HubCore:
    """All sessions of one hub, without I/O."""

    def __init__(self, settings: HubSettings, chart: Statechart) -> None:
        check_member_chart(chart, settings, PERFORMED)
        self._hub = HubState(settings, chart)
        self._kinds: dict[type[inputs.HubInput], Callable[[Any], None]] = {
            inputs.LinkOpened: self._on_opened,
            inputs.FramesReceived: self._on_frames,
            inputs.MessageRefused: self._on_refused_message,
            inputs.LinkEnded: self._on_ended,
            inputs.Authenticated: self._on_authenticated,
            inputs.AuthenticationFailed: self._on_not_authenticated,
            inputs.Appended: self._on_appended,
            inputs.AppendFailed: self._on_append_failed,
            inputs.ServerSignal: self._on_server_signal,
            inputs.ServerKick: self._on_server_kick,
            inputs.DrainRequested: self._on_drain,
            inputs.Woke: lambda _: None,
        }

    def __repr__(self) -> str:
        hub = self._hub
        return f"<HubCore sessions={len(hub.sessions)} members={len(hub.homes)} links={len(hub.links)}>"

    # -- asking ----------------------------------------------------------------------------------------------------------------

    def wake_at(self) -> float | None:
        """Return the instant at which `Woke` is due, None if there is none."""
        return self._hub.wake_at()

    def statistics(self) -> HubStatistics:
        """Return what there is and what there was, in numbers."""
        return statistics(self._hub)

    def record(self, connection: str) -> MemberRecord | None:
        """Return what is known of this connection, None if nothing is kept of it."""
        session = self._hub.homes.get(connection)
        return session.members[connection] if session is not None else None

    # -- feeding ---------------------------------------------------------------------------------------------------------------

    def feed(self, happened: inputs.HubInput) -> list[HubEffect]:
        """Take one input and return what to do, in order."""
        hub, at = self._hub, happened.at
        first = hub.wake_at()
        if first is not None and first <= at:
            self._wake(at, first)
        self._kinds[type(happened)](happened)
        answers.flush(hub, at)
        effects, hub.effects = hub.effects, []
        return effects

    def relay(self, link: int, number: int, at: float) -> tuple[int, ...]:
        """Return the links that take a frame of this stream from this link; the payload never comes in here."""
        hub, source = self._hub, self._hub.links.get(link)
        if source is None or source.deaf or source.session is None or at >= source.expires:
            hub.counts["unknown_streams"] += 1
            return ()
        hub.heard(source, at)
        targets = wants.route(source.session, source.connection, number)
        if targets is None:
            hub.counts["unknown_streams"] += 1
            return ()
        if wants.is_muted(source.session, number):
            hub.counts["frames_muted"] += 1
            return ()
        hub.counts["frames_relayed"] += len(targets)
        return targets

    def dropped(self, frames: int) -> None:
        """So many relayed frames met an outlet without room."""
        self._hub.counts["frames_dropped"] += frames

    # -- links -----------------------------------------------------------------------------------------------------------------

    def _on_opened(self, happened: inputs.LinkOpened) -> None:
        self._hub.links[happened.link] = Link(happened.link)
        self._hub.joins.start(happened.link, happened.at)

    def _on_frames(self, happened: inputs.FramesReceived) -> None:
        hub, link = self._hub, self._hub.links.get(happened.link)
        if link is None or link.deaf:
            return
        if happened.at >= link.expires:
            hub.close(link, happened.at, CloseCode.TOKEN_EXPIRED, Reason.TOKEN_EXPIRED, "the token has expired")
            lose(hub, link, happened.at, Reason.TOKEN_EXPIRED)
            return
        hub.heard(link, happened.at)
        read(hub, link, happened.frames, happened.at)

    def _on_refused_message(self, happened: inputs.MessageRefused) -> None:
        link = self._hub.links.get(happened.link)
        if link is not None and not link.deaf:
            break_off(self._hub, link, happened.at, happened.detail)

    def _on_ended(self, happened: inputs.LinkEnded) -> None:
        link = self._hub.links.pop(happened.link, None)
        if link is not None:
            # The hub's own end of a link that still serves a member is that of a drain.
            lose(self._hub, link, happened.at, Reason.GOING_AWAY if link.closed else happened.cause.reason)
            link.closed = True

    def _on_authenticated(self, happened: inputs.Authenticated) -> None:
        hub, link = self._hub, self._hub.links.get(happened.link)
        if link is None or link.deaf:
            return
        if happened.request is not None:
            if link.session is not None:
                requests.renewed(hub, link.session, link, happened.request, happened)
            return
        join, link.asked = link.asked, None
        if join is not None:
            joining.admit(hub, link, join, happened)
            early, link.early = link.early, []
            if early and not link.deaf:
                read(hub, link, early, happened.at)

    def _on_not_authenticated(self, happened: inputs.AuthenticationFailed) -> None:
        link = self._hub.links.get(happened.link)
        if link is None or link.deaf:
            return
        if happened.request is not None:
            requests.not_renewed(self._hub, link, happened.request, happened)
        else:
            joining.failed(self._hub, link, happened)

    # -- the log ---------------------------------------------------------------------------------------------------------------

    def _on_appended(self, happened: inputs.Appended) -> None:
        answers.appended(self._hub, self._hub.sessions[happened.session], happened)

    def _on_append_failed(self, happened: inputs.AppendFailed) -> None:
        answers.append_failed(self._hub, self._hub.sessions[happened.session], happened)

    # -- the application -------------------------------------------------------------------------------------------------------

    def _on_server_signal(self, happened: inputs.ServerSignal) -> None:
        hub, session = self._hub, self._hub.sessions.get(happened.session)
        if session is None or not session.epoch:
            detail = "nobody has joined this session"
            hub.emit(Answer(ticket=happened.ticket, code=RejectCode.NO_SUCH_CONNECTION, detail=detail))
            return
        problem = problem_of(hub, session, happened.signal)
        if problem is not None:
            hub.emit(Answer(ticket=happened.ticket, code=problem[0], detail=problem[1]))
            return
        hub.put(session, ServerItem(entries=(happened.signal,), ticket=happened.ticket))

    def _on_server_kick(self, happened: inputs.ServerKick) -> None:
        session = self._hub.homes.get(happened.connection)
        if session is None:
            detail = "there is no such connection"
            self._hub.emit(Answer(ticket=happened.ticket, code=RejectCode.NO_SUCH_CONNECTION, detail=detail))
            return
        requests.kick(self._hub, session, happened.connection, happened.at, "the server removed this member")
        self._hub.emit(Answer(ticket=happened.ticket))

    def _on_drain(self, happened: inputs.DrainRequested) -> None:
        hub = self._hub
        hub.draining, hub.going_to = True, happened.url
        hub.announce(happened.at, News.DRAINING)
        delays = dict(happened.delays)
        for link in [link for link in hub.links.values() if not link.deaf]:
            link.retry_after = delays.get(link.number, happened.seconds)
            hub.deafen(link)
            if link.session is not None:
                hub.put(link.session, BarrierItem(link=link.number, then=After.GOING_AWAY))
            else:
                hub.send(link, GoingAway(retry_after=link.retry_after, url=happened.url))
                hub.end(link, CloseCode.GOING_AWAY, "the hub is going away")

    # -- time ------------------------------------------------------------------------------------------------------------------

    def _wake(self, at: float, first: float) -> None:
        hub = self._hub
        if at - first > limits.SLEEP_NOTICED_SECONDS:
            # The machine was suspended: what arrived meanwhile waits to be read, so silence proves nothing yet.
            hub.announce(at, News.SLEPT, detail=f"{at - first:.3f} s")
            for deadlines in (hub.joins, *hub.silences.values()):
                deadlines.restart_all(at)
        for number in hub.joins.due(at):
            self._end_link(number, at, CloseCode.JOIN_DEADLINE, Reason.DEADLINE, "no join within the deadline", abort=False)
        for silences in hub.silences.values():
            for number in silences.due(at):
                self._end_link(number, at, CloseCode.SILENT, Reason.SILENT, "nothing was heard until the deadline", abort=True)
        self._wake_members(at)
        for session, connection in hub.tombstones.due(at):
            del hub.sessions[session].tombstones[connection]
        for session in hub.retries.due(at):
            hub.sessions[session].queue.blocked = False
            hub.dirty[session] = hub.sessions[session]
        for session in hub.sweeps.due(at):
            sweep(hub, hub.sessions[session], at)

    def _wake_members(self, at: float) -> None:
        hub = self._hub
        for name, deadlines in hub.timers.items():
            event = hub.chart.events[hub.chart.timers[name].event].means
            for connection in deadlines.due(at):
                step(hub, hub.homes[connection], connection, event, Occasion(at=at, reason=Reason.NETWORK_DISCONNECTED))

    def _end_link(self, number: int, at: float, code: int, reason: Reason, detail: str, *, abort: bool) -> None:
        link = self._hub.links[number]
        self._hub.close(link, at, code, reason, detail, abort=abort)
        lose(self._hub, link, at, reason)
