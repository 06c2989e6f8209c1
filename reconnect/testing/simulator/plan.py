"""The plan of a run: what is done to whom and when, drawn from the seed before anything happens.

A plan does not depend on how the run goes, so its first steps are the same whether or not the others follow: that is what makes
the shortest prefix that shows a violation mean something.
"""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Final

from reconnect.record import Record

STEPS: Final = 160  # of a plan, unless it is asked for fewer


class Act(StrEnum):
    """What a step does."""

    # Load.
    SIGNALS = "signals"  # a few signals of one member
    FLOOD = "flood"  # more than a small log keeps
    WHISPER = "whisper"  # a signal for one connection only
    SERVER_SIGNAL = "server_signal"
    CANCEL = "cancel"
    PUBLISH = "publish"
    UNPUBLISH = "unpublish"
    MUTE = "mute"
    LEAVE = "leave"
    CONNECT = "connect"
    HURRY = "hurry"  # reconnect_now()
    FORCE = "force"  # reconnect_now(force=True)
    KICK = "kick"
    # The network.
    CUT = "cut"  # both ends hear of it
    FUSE = "fuse"  # cut behind the n-th frame from now on, in one direction
    HALF_OPEN = "half_open"  # nothing passes any more, and nobody is told
    DEAF = "deaf"  # what the member sends is lost from here on
    MUTED = "muted"  # what the hub sends is lost from here on: acknowledgements among it
    SLOW = "slow"  # everything takes a while longer
    STALL = "stall"  # nothing passes for a while, and then all of it does
    REFUSE = "refuse"  # dials fail at once
    HANG = "hang"  # dials neither succeed nor fail
    CLEAR = "clear"  # the member's network is well again
    SWIZZLE = "swizzle"  # stop a random subset one by one, and restore it in another order
    BLACKOUT = "blackout"  # nobody reaches the hub
    # Machines.
    SLEEP = "sleep"  # a member's machine is suspended
    CRASH = "crash"  # a member's process is killed, and starts again with nothing
    HUB_PAUSE = "hub_pause"  # the hub stands still
    HUB_CUT = "hub_cut"  # every link is reset, and the hub remembers
    HUB_RESTART = "hub_restart"  # the hub forgets all; its log too, or not
    HUB_DRAIN = "hub_drain"  # it sends everybody away first
    WALL_STEP = "wall_step"  # the time of day jumps


# How often each is drawn, relative to the others.
_WEIGHTS: Final = {
    Act.SIGNALS: 50, Act.FLOOD: 3, Act.WHISPER: 8, Act.SERVER_SIGNAL: 3, Act.CANCEL: 3, Act.PUBLISH: 6, Act.UNPUBLISH: 3,
    Act.MUTE: 2, Act.LEAVE: 5, Act.CONNECT: 8, Act.HURRY: 8, Act.FORCE: 6, Act.KICK: 1, Act.CUT: 60, Act.FUSE: 40,
    Act.HALF_OPEN: 8, Act.DEAF: 6, Act.MUTED: 10, Act.SLOW: 6, Act.STALL: 8, Act.REFUSE: 8, Act.HANG: 5, Act.CLEAR: 25,
    Act.SWIZZLE: 4, Act.BLACKOUT: 3, Act.SLEEP: 6, Act.CRASH: 4, Act.HUB_PAUSE: 3, Act.HUB_CUT: 5, Act.HUB_RESTART: 4,
    Act.HUB_DRAIN: 2, Act.WALL_STEP: 4,
}  # fmt: skip

# Short waits let faults meet in the middle of a join; long ones let a silence, a grace and a back-off run out.
_WAITS: Final = (0.0, 0.0, 0.004, 0.01, 0.016, 0.022, 0.03, 0.06, 0.2, 0.2, 0.7, 0.7, 1.5, 1.5, 3.0, 3.0, 7.0, 12.0)
_LONG_WAITS: Final = (25.0, 70.0)


class Step(Record, kw_only=True):
    """After `wait` seconds do this to the member with number `who`; `amount` (0 to 1) and `count` mean what the act says."""

    wait: float
    act: Act
    who: int
    amount: float
    count: int


def draw_plan(chance: Random, members: int, steps: int = STEPS) -> tuple[Step, ...]:
    """Return a plan; one with fewer steps is the beginning of one with more."""
    acts, weights = list(_WEIGHTS), list(_WEIGHTS.values())
    plan = []
    for _ in range(steps):
        waits = _LONG_WAITS if chance.random() < 0.02 else _WAITS
        act = chance.choices(acts, weights)[0]
        plan.append(
            Step(
                wait=chance.choice(waits),
                act=act,
                who=chance.randrange(members),
                amount=chance.random(),
                count=chance.randrange(12),
            )
        )
    return tuple(plan)
