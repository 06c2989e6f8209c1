"""What must hold of one member after every turn, whatever happened: its timers, its transport, its delays, its counts.

The watch knows the rules from the design, not from the code: which timer belongs to which state, that an attempt is made when it
was announced for, that a streak ends only with a connection that lasted or with a wait that the hub ordered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconnect.chart import StepVerdict
from reconnect.core import effects as do
from reconnect.core import notices
from reconnect.core.frames import SendSignal
from reconnect.core.question import RetryAnswer, RetryQuestion
from reconnect.limits import LONGEST_WAIT_SECONDS
from reconnect.testing.simulator.quirks import Quirk
from reconnect.testing.simulator.timeline import TICK
from reconnect.testing.violations import Broken

if TYPE_CHECKING:
    from reconnect.testing.simulator.party import Party

# Which timer is armed in the states of each phase or role; `stable` may have fired already.
ARMED: Final = {
    "waiting": {frozenset({"retry"})},
    "dialing": {frozenset({"deadline"})},
    "joining": {frozenset({"deadline"})},
    "closing": {frozenset({"close"})},
    "online": {frozenset({"stable"}), frozenset[str]()},
    "offline": {frozenset[str]()},
}
LATE: Final = 2.0 + 2 * TICK + 0.01  # what a late timer on a coarse clock may cost
NEVER: Final = float("inf")


class Watch:
    """Looks on at one party."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._streaks = {1}  # what the streak may be
        self._online_since = NEVER
        self._slept_at = -NEVER
        self._dial_due: tuple[float, float] | None = None  # from when to when the announced attempt may be made
        self._in_time = True
        self._protocol_errors = 0

    # -- what happens ----------------------------------------------------------------------------------------------------------

    def slept(self) -> None:
        """The machine was suspended: what was due meanwhile comes late."""
        self._slept_at = self._party.world.now

    def hurried(self, *, force: bool) -> None:
        """reconnect_now()."""
        self._dial_due = None
        if force and self._party.core.role == "online":
            self._streaks = {streak + 1 for streak in self._after_a_loss()}

    def _after_a_loss(self) -> set[int]:
        """Return what the streak may be now: a connection that lasted has ended the one before."""
        lasted, stable = self._party.world.now - self._online_since, self._party.world.stable_after
        self._online_since = NEVER
        if lasted >= stable + 2 * LATE and self._slept_at < self._party.world.now - lasted:
            return {0}
        return {0, *self._streaks} if lasted >= stable else self._streaks

    def asked(self, question: RetryQuestion, answer: RetryAnswer) -> None:
        """The policy was asked, and answered."""
        world = self._party.world
        allowed = {streak + 1 for streak in self._after_a_loss()}
        if question.streak not in allowed:
            detail = f"the streak is {question.streak}, and should be {' or '.join(map(str, sorted(allowed)))}"
            world.report(Broken.WRONG_DELAY, self._party.life, detail)
        ordered = question.cause.retry_after is not None and not answer.renewal
        self._streaks = {0 if ordered else question.streak}
        if answer.retry_in is not None and not ordered and not 0.0 <= answer.retry_in <= LONGEST_WAIT_SECONDS:
            world.report(Broken.WRONG_DELAY, self._party.life, f"an attempt in {answer.retry_in!r} s")

    def dialed(self, effect: do.OpenTransport) -> None:
        """A transport is to be opened."""
        party, due = self._party, self._dial_due
        if party.transport is not None:
            detail = f"transport {effect.generation} is opened beside {party.transport}"
            party.world.report(Broken.SECOND_TRANSPORT, party.life, detail)
        if due is not None:
            now = party.world.now
            # A machine that woke tries at once; one that slept tries late.
            if now < due[0] - 1e-6 and self._slept_at < now:
                party.world.report(Broken.WRONG_DELAY, party.life, f"dialed {due[0] - now:.3f} s before it was due")
            elif now > due[1] + LATE and self._slept_at < due[0]:
                party.world.report(Broken.WRONG_DELAY, party.life, f"dialed {now - due[0]:.3f} s after it was due")
        self._dial_due = None

    def sends(self, effect: do.Send) -> None:
        """Frames are handed to a transport."""
        party = self._party
        if effect.generation != party.transport:
            detail = f"frames are written to transport {effect.generation}, and the living one is {party.transport}"
            party.world.report(Broken.SECOND_TRANSPORT, party.life, detail)

    def sends_signal(self, frame: SendSignal) -> None:
        """A signal is among them."""
        party = self._party
        if not party.world.is_stored(party, frame.serial):
            party.world.report(Broken.UNSTORED, party.life, f"signal {frame.serial} was sent before it was stored")

    def noted(self, effect: do.Note) -> None:
        """Something is written into the audit."""
        step = effect.step
        self._party.world.hit_if(Quirk.SHORT_STABLE, step is not None and step.event == "stable")
        if step is not None and step.verdict is StepVerdict.REFUSED and step.event != "connect_requested":
            detail = f"{effect.machine} refused {step.event} in {step.before}"
            self._party.world.report(Broken.REFUSED_REPORT, self._party.life, detail)

    def told(self, notice: notices.Notice) -> None:
        """The user is to be told."""
        now = self._party.world.now
        match notice:
            case notices.Connected() | notices.Reconnected():
                self._online_since = now
            case notices.Attempt():
                self._dial_due = (notice.at + notice.retry_in, notice.at + notice.retry_in)

    # -- what must hold ----------------------------------------------------------------------------------------------------------

    def turn_is_over(self) -> None:
        """Look at the member as it is between two turns."""
        party, core = self._party, self._party.core
        armed = core.at.timers.names
        if armed not in ARMED[core.phase or core.role]:
            detail = f"{core.state} has the timers {', '.join(sorted(armed)) or 'none'}"
            party.world.report(Broken.ORPHAN_TIMER, party.life, detail)
        if core.at.fenced is not (party.transport is None):
            verb = "does not listen" if core.at.fenced else "listens"
            party.world.report(Broken.SECOND_TRANSPORT, party.life, f"{core.state} {verb} to transport {party.transport}")
        outbox = core.at.outbox
        if outbox.submitted != sum(outbox.counts.values()) + outbox.pending:
            detail = f"{outbox.submitted} submitted, {sum(outbox.counts.values())} settled, {outbox.pending} pending"
            party.world.report(Broken.UNBALANCED, party.life, detail)
        if core.role == "offline":
            # Nothing is announced, and the next connect() makes the first try of a streak.
            self._streaks, self._online_since, self._dial_due = {1}, NEVER, None
            # What is on disk may still run out.
            if core.wake_at() is not None and not core.at.settings.durable:
                party.world.report(Broken.ORPHAN_TIMER, party.life, "it is disconnected, and wants to be woken")
        errors = core.counts["protocol_errors"] + core.counts["holes"]
        if errors != self._protocol_errors:
            self._protocol_errors = errors
            party.world.report(Broken.PROTOCOL, party.life, f"the hub made {errors} mistakes, it says")
        if Quirk.COARSE_CLOCK in party.world.quirks:
            party.world.hit(Quirk.COARSE_CLOCK)
