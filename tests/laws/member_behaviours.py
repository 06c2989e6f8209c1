"""What a hub does with its members, as plain functions of their chart.

Each behaviour takes the chart, plays one story on it and asserts what must come of it. They are called with the chart as shipped,
and by the law of the rows with charts in which one thing was tampered with: then at least one of them must fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconnect.chart import Statechart
from reconnect.core.frames import Accepted, EntryKind, Goodbye, Kick, Ping, Refused, Want
from reconnect.core.hub.effects import News
from reconnect.core.hub.inputs import DrainRequested
from reconnect.reasons import CloseCode, Reason
from tests.scripted_hub import ScriptedHub

Behaviour = Callable[[Statechart], None]

JOINED, DROPPED, RETURNED, LEFT = EntryKind.JOINED, EntryKind.DROPPED, EntryKind.RETURNED, EntryKind.LEFT


def witnessed(chart: Statechart) -> tuple[ScriptedHub, int]:
    """Return a hub with one member that looks on, and its link."""
    hub = ScriptedHub(chart, grace_seconds=30.0)
    return hub, hub.join("bob", role="moderator")


def in_joining(chart: Statechart) -> tuple[ScriptedHub, int, int]:
    """Return a hub whose log has not yet answered to a joining: its witness, and the link that joins."""
    hub, bob = witnessed(chart)
    hub.holding = True
    return hub, bob, hub.join("ann")


def wait(hub: ScriptedHub, bob: int, seconds: float) -> None:
    """Let time pass, the witness pinging."""
    for _ in range(int(seconds / 2)):
        hub.later(2.0)
        hub.send(bob, Ping())


def answer(hub: ScriptedHub) -> None:
    """Let the log answer to everything that waits."""
    while hub.appends:
        hub.log()


def is_gone(hub: ScriptedHub, bob: int, ann: int, reason: Reason) -> None:
    """Nothing is kept of the member, and the witness was told why, once."""
    assert hub.core.statistics().members == 1
    left = [entry for entry in hub.told(bob) if entry.what is LEFT]
    assert [entry.reason for entry in left] == [reason]
    assert hub.core.statistics().streams == 0
    wait(hub, bob, 60.0)
    assert hub.kinds(bob)[-1] is LEFT


# -- joining -------------------------------------------------------------------------------------------------------------------


def a_member_joins(chart: Statechart) -> None:
    hub, bob, ann = in_joining(chart)
    assert hub.frames[ann] == []
    answer(hub)
    assert hub.kinds(bob) == [JOINED]
    assert not hub.welcome(ann).resumed
    hub.signal(ann, 1)
    answer(hub)
    assert hub.last(ann, Accepted).serial == 1
    assert hub.serials(ann) == hub.serials(bob) == [1]


def a_joining_that_the_log_refuses(chart: Statechart) -> None:
    hub, bob, ann = in_joining(chart)
    hub.fail_log()
    assert hub.closed[ann].code == CloseCode.HUB_ERROR
    assert hub.core.statistics().members == 1
    wait(hub, bob, 60.0)
    assert hub.kinds(bob) == []
    assert hub.appends == []


def a_member_is_lost_while_it_joins(chart: Statechart) -> None:
    hub, bob, ann = in_joining(chart)
    hub.end(ann)
    answer(hub)
    assert hub.kinds(bob) == [JOINED, LEFT]
    is_gone(hub, bob, ann, Reason.CLOSED)


def a_member_leaves_while_it_joins(chart: Statechart) -> None:
    hub, bob, ann = in_joining(chart)
    hub.send(ann, Goodbye())
    answer(hub)
    assert hub.kinds(bob) == [JOINED, LEFT]
    assert hub.closed[ann].code == 1000
    is_gone(hub, bob, ann, Reason.CLIENT_DISCONNECTED)


def a_member_is_kicked_while_it_joins(chart: Statechart) -> None:
    hub, bob, ann = in_joining(chart)
    hub.send(bob, Kick(request=1, connection="c2"))
    assert hub.closed[ann].code == CloseCode.KICKED
    answer(hub)
    assert hub.kinds(bob) == [JOINED, LEFT]
    assert hub.closed[hub.join("ann")].code == CloseCode.KICKED
    is_gone(hub, bob, ann, Reason.KICKED)


def a_member_is_replaced_while_it_joins(chart: Statechart) -> None:
    hub, bob, ann = in_joining(chart)
    new = hub.join("ann")
    assert hub.closed[ann].code == CloseCode.TAKEN_OVER
    answer(hub)
    assert hub.kinds(bob) == [JOINED, LEFT, JOINED]
    assert hub.told(bob)[1].reason is Reason.REPLACED
    assert hub.welcome(new).connection == "c3"
    assert hub.core.statistics().members == 2


# -- present and away ----------------------------------------------------------------------------------------------------------


def a_member_drops_and_returns(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    hub.publish(ann)
    hub.end(ann)
    assert hub.kinds(bob)[2:] == [DROPPED]
    assert hub.core.statistics().away == 1
    hub.signal(bob, 1)
    wait(hub, bob, 20.0)
    back = hub.return_of(ann, wants=[Want(key="cam", publish="camera")])
    assert hub.welcome(back).resumed
    assert hub.serials(back) == [1]
    assert hub.kinds(bob)[2:] == [DROPPED, EntryKind.SIGNAL, RETURNED]
    for _ in range(10):
        wait(hub, bob, 4.0)
        hub.send(back, Ping())
    assert hub.core.statistics().away == 0, "the grace is over, and it is here"
    hub.signal(bob, 2)
    assert hub.serials(back) == [1, 2]
    hub.end(back)
    assert hub.kinds(bob)[-1] is DROPPED


def a_member_drops_for_good(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    hub.publish(ann)
    hub.end(ann)
    wait(hub, bob, 28.0)
    assert hub.kinds(bob)[2:] == [DROPPED]
    wait(hub, bob, 4.0)
    assert hub.kinds(bob)[2:] == [DROPPED, LEFT]
    assert len(hub.announced(News.EXPIRED)) == 1
    assert hub.core.statistics().members == 1
    assert hub.core.statistics().streams == 0
    assert hub.welcome(hub.return_of(ann)).not_resumed == "unknown_connection"
    assert hub.core.statistics().members == 2


def a_member_resumes_before_its_loss_is_noticed(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    back = hub.return_of(ann)
    assert hub.closed[ann].code == CloseCode.TAKEN_OVER
    assert hub.welcome(back).resumed
    hub.end(ann)
    hub.signal(bob, 1)
    assert hub.serials(back) == [1]
    assert hub.kinds(bob) == [JOINED, EntryKind.SIGNAL]
    assert hub.core.statistics().away == 0


def a_member_leaves(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    hub.publish(ann)
    hub.send(ann, Goodbye())
    assert hub.sent(ann, Goodbye)
    assert hub.closed[ann].code == 1000
    assert hub.kinds(bob)[2:] == [LEFT]
    is_gone(hub, bob, ann, Reason.CLIENT_DISCONNECTED)
    assert hub.announced(News.EXPIRED) == []


def a_member_is_kicked(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    hub.publish(ann)
    hub.send(bob, Kick(request=1, connection="c2"))
    assert hub.last(ann, Refused).code is Reason.KICKED
    assert hub.closed[ann].code == CloseCode.KICKED
    assert hub.closed[hub.join("ann")].code == CloseCode.KICKED
    is_gone(hub, bob, ann, Reason.KICKED)
    assert hub.announced(News.EXPIRED) == []


def a_member_is_kicked_while_it_is_away(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    hub.end(ann)
    hub.send(bob, Kick(request=1, connection="c2"))
    assert hub.closed[hub.return_of(ann)].code == CloseCode.KICKED
    is_gone(hub, bob, ann, Reason.KICKED)
    assert hub.announced(News.EXPIRED) == []


def a_member_is_replaced(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    new = hub.join("ann")
    assert hub.closed[ann].code == CloseCode.TAKEN_OVER
    assert hub.kinds(bob) == [JOINED, LEFT, JOINED]
    assert hub.told(bob)[1].reason is Reason.REPLACED
    assert hub.core.statistics().members == 2
    hub.signal(bob, 1)
    assert hub.serials(new) == [1]


def a_member_is_replaced_while_it_is_away(chart: Statechart) -> None:
    hub, bob = witnessed(chart)
    ann = hub.join("ann")
    hub.end(ann)
    new = hub.join("ann")
    assert hub.kinds(bob) == [JOINED, DROPPED, LEFT, JOINED]
    assert hub.core.statistics().members == 2
    for _ in range(10):
        wait(hub, bob, 4.0)
        hub.send(new, Ping())
    assert hub.kinds(bob) == [JOINED, DROPPED, LEFT, JOINED]


def a_member_is_sent_away(chart: Statechart) -> None:
    hub = witnessed(chart)[0]
    ann = hub.join("ann")
    hub.feed(DrainRequested(at=hub.now, seconds=1.0))
    assert hub.closed[ann].code == CloseCode.GOING_AWAY
    hub.end(ann)
    assert hub.core.statistics().away == 1
    assert hub.core.record("c1") is not None


BEHAVIOURS: Final[tuple[Behaviour, ...]] = (
    a_member_joins,
    a_joining_that_the_log_refuses,
    a_member_is_lost_while_it_joins,
    a_member_leaves_while_it_joins,
    a_member_is_kicked_while_it_joins,
    a_member_is_replaced_while_it_joins,
    a_member_drops_and_returns,
    a_member_drops_for_good,
    a_member_resumes_before_its_loss_is_noticed,
    a_member_leaves,
    a_member_is_kicked,
    a_member_is_kicked_while_it_is_away,
    a_member_is_replaced,
    a_member_is_replaced_while_it_is_away,
    a_member_is_sent_away,
)
