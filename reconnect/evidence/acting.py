"""What the actions of a session's chart do to its surroundings: the model of `reconnect.core.actions`.

Actions on signals, streams and counters change nothing that is explored here; they are listed, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from reconnect.chart import Decision, Statechart
from reconnect.chart.rows import CANCEL, START
from reconnect.evidence.findings import Property
from reconnect.evidence.scene import Flaw, Link, Scene, Told

UNSEEN: Final = frozenset({
    "begin_episode", "begin_outage", "announce_attempt", "settle_judged", "release_held", "hold_outbox", "drop_opted_out",
    "settle_all", "interrupt_streams", "end_streams", "hand_over_missed", "reset_streak",
})  # fmt: skip
_AFTER: Final = {
    "connected": ((Told.NOTHING,), Told.CONNECTED),
    "reconnecting": ((Told.CONNECTED,), Told.AWAY),
    "reconnected": ((Told.AWAY,), Told.CONNECTED),
    "disconnected": ((Told.CONNECTED, Told.AWAY), Told.NOTHING),
}
_SAID: Final = {
    Told.NOTHING: "of no connection",
    Told.CONNECTED: "that the session is connected",
    Told.AWAY: "that it is coming back",
}


class Acting:
    """Performs the actions of one decision: of any chart, those on timers."""

    def __init__(self, chart: Statechart, scene: Scene, decision: Decision) -> None:
        self.chart, self.decision = chart, decision
        self.scene = scene
        self.opens = False
        self.flaws: list[Flaw] = []

    def perform(self) -> None:
        """Be in the state that the decision leads to, and do what it asks for, in its order."""
        self.change(leaf=self.decision.target)
        if not self.decision.internal:
            self.change(fired=frozenset())
        for action in self.decision.actions:
            if action.startswith(START):
                self._start(action.removeprefix(START))
            elif action.startswith(CANCEL):
                self._cancel(action.removeprefix(CANCEL))
            else:
                self.act(action)

    def act(self, action: str) -> None:
        """Perform one action that is not on a timer."""

    def change(self, **values: object) -> None:
        """Change the scene."""
        self.scene = replace(self.scene, **values)

    def _start(self, name: str) -> None:
        self._cancel(name)
        self.change(armed=self.scene.armed | {name}, fired=self.scene.fired - {name})

    def _cancel(self, name: str) -> None:
        if name in self.scene.armed:
            self.change(armed=self.scene.armed - {name}, cancelled=self.scene.cancelled | {name})


class SessionActing(Acting):
    """Performs the actions of one decision of a session's chart."""

    def __init__(self, chart: Statechart, scene: Scene, decision: Decision) -> None:
        super().__init__(chart, scene, decision)
        self._table: dict[str, Callable[[], None]] = {
            "open_transport": self._open_transport,
            "send_join": self._send_join,
            "abort_transport": self._end_transport,
            "close_transport": self._end_transport,
            "send_goodbye": self._send_goodbye,
            "adopt_connection": lambda: self.change(claim=True),
            "replace_connection": lambda: self.change(claim=True),
            "forget_connection": lambda: self.change(claim=False),
            "notify": self._notify,
            **dict.fromkeys(UNSEEN, lambda: None),
        }

    @property
    def names(self) -> frozenset[str]:
        """The actions that the model knows, beside `start:NAME` and `cancel:NAME`."""
        return frozenset(self._table)

    def act(self, action: str) -> None:
        """Perform one action that is not on a timer."""
        self._table[action]()

    def _wrong(self, property: Property, cause: str, words: str, remedy: str) -> None:
        self.flaws.append(Flaw(property=property, cause=cause, words=words, remedy=remedy))

    # -- transports --------------------------------------------------------------------------------------------------------------

    def _open_transport(self) -> None:
        if self.scene.link.is_open:
            words = f"a second transport is opened on the way to {self.scene.leaf}, and the first one is open still"
            self._wrong(Property.ONE_TRANSPORT, "second_transport", words, "let the row ask for abort_transport first")
        self.opens = True
        self.change(link=Link.DIALING, fenced=False, given_up=self.scene.given_up or self.scene.link is not Link.NONE)

    def _send_join(self) -> None:
        if self.scene.link is Link.OPEN:
            self.change(link=Link.JOINING)
        else:
            words = f"{self.scene.leaf} asks the hub to be let in, and no socket has just opened"
            self._wrong(Property.ONE_TRANSPORT, "join_without_socket", words, "lead there by transport_opened alone")

    def _end_transport(self) -> None:
        given_up = self.scene.given_up or self.scene.link is not Link.NONE
        self.change(link=Link.NONE, fenced=True, given_up=given_up)

    def _send_goodbye(self) -> None:
        if self.scene.link not in (Link.OPEN, Link.JOINING, Link.ACCEPTED) or self.scene.fenced:
            words = f"goodbye is said on the way to {self.scene.leaf}, and no hub is there to hear it"
            self._wrong(Property.ONE_TRANSPORT, "goodbye_without_transport", words, "ask for send_goodbye where a socket is open")
        elif self.chart.role(self.scene.leaf) == "closing":
            self.change(link=Link.LEAVING)

    # -- telling -----------------------------------------------------------------------------------------------------------------

    def _notify(self) -> None:
        name, told = self.decision.tells, self.scene.told
        if name is None:
            return
        if name in _AFTER:
            before, after = _AFTER[name]
            if told not in before:
                words = f"{name!r} is told to one who was told {_SAID[told]}"
                self._wrong(Property.TOLD_ONCE, "told_out_of_turn", words, "let the row tell nothing, or what did happen")
            self.change(told=after)
        elif told is Told.CONNECTED and self.chart.role(self.scene.leaf) == "recovering":
            self.change(told=Told.AWAY)  # the chart's own word for it
