"""Where a replayed machine stands: what one would look at in a debugger, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping

from reconnect.evidence.machines import ChartReplay, CoreReplay
from reconnect.record import Record


class Standing(Record, kw_only=True):
    """One source at one moment; of a session of which only the charts were stepped, the states alone."""

    source: str
    session: str
    state: str | None = None
    role: str | None = None
    generation: int | None = None
    connection: str | None = None
    attempt: int | None = None
    streak: int | None = None
    timers: Mapping[str, float] | None = None  # what is armed, and the instant at which it is due
    wake_at: float | None = None
    submitted: int | None = None
    pending: int | None = None
    outcomes: Mapping[str, int] | None = None
    epoch: str | None = None
    received: int | None = None  # positions in the session's log
    handled: int | None = None
    machines: Mapping[str, str] = {}  # streams, or members, with the state of each
    counts: Mapping[str, int] = {}  # what changed nothing


def standing_of(source: str, session: str, machine: CoreReplay | ChartReplay) -> Standing:
    """Return where a machine stands."""
    if isinstance(machine, ChartReplay):
        states = {" ".join(part for part in key if part): state for key, state in machine.states.items()}
        return Standing(source=source, session=session, machines=states)
    core, at = machine.core, machine.core.at
    return Standing(
        source=source,
        session=session,
        state=core.state,
        role=core.role,
        generation=at.generation,
        connection=at.connection,
        attempt=at.episode.attempt,
        streak=at.episode.streak,
        timers={timer.name: timer.due_at for timer in at.timers.due(math.inf)},
        wake_at=core.wake_at(),
        submitted=at.outbox.submitted,
        pending=at.outbox.pending,
        outcomes={status.value: count for status, count in at.outbox.counts.items()},
        epoch=at.inbox.epoch,
        received=at.inbox.received,
        handled=at.inbox.handled,
        machines={wanted.want.key: wanted.state for wanted in at.wants.all},
        counts=dict(core.counts),
    )
