"""The hub's turns: feeds the core what happens, and performs what it decides.

A turn is one input and its effects, performed in order; what an effect reports at once (a memory log answers in the same turn)
is the next turn. There is one timer, armed for the earliest of all deadlines. Ids and secrets are drawn here.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from reconnect.audit import Auditor
from reconnect.core.hub import HubCore, inputs
from reconnect.core.hub import effects as do
from reconnect.errors import HubClosed, RequestFailed
from reconnect.hub.attending import Attendance
from reconnect.ports import Appended, Clock, Principal, SessionLog, TimerHandle

CONNECTION_BYTES: Final = 16  # 128 random bits: never met twice
SECRET_BYTES: Final = 32  # 256 random bits: never guessed

# What an application asked the hub for is answered with a position, or with None.
Answer = asyncio.Future[int | None]


class Shell:
    """Runs one hub's core on asyncio; `attended` are the transports that it serves."""

    def __init__(self, core: HubCore, *, log: SessionLog, clock: Clock, random: Random, auditor: Auditor) -> None:
        self.core = core
        self.attended: dict[int, Attendance] = {}
        self._log, self._clock, self._random, self._auditor = log, clock, random, auditor
        self._tickets = 0
        self._pending: dict[int, tuple[str, Answer]] = {}
        self._inputs: deque[inputs.HubInput] = deque()
        self._feeding = self._stopped = False
        self._timer: TimerHandle | None = None
        self._armed_for: float | None = None
        self._perform: dict[type[do.HubEffect], Callable[[Any], None]] = {
            do.Authenticate: self._authenticate,
            do.SendTo: self._send,
            do.SendEntries: self._send_entries,
            do.CloseLink: self._close_link,
            do.Append: self._append,
            do.ForgetLog: self._forget_log,
            do.Answer: self._answer,
            do.Announce: self._auditor.announce,
        }

    def __repr__(self) -> str:
        return f"<Shell {self.core!r} attended={len(self.attended)} pending={len(self._pending)}>"

    # -- turns -----------------------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the present instant on the hub's clock."""
        return self._clock.now()

    def feed(self, happened: inputs.HubInput) -> None:
        """Take a turn, and those that follow from it at once; what comes in between waits for its own."""
        self._inputs.append(happened)
        if self._feeding or self._stopped:
            return
        self._feeding = True
        try:
            while self._inputs:
                for effect in self.core.feed(self._inputs.popleft()):
                    self._perform[type(effect)](effect)
        finally:
            self._feeding = False
        self._arm()

    def request(self, what: str, happened: Callable[[int], inputs.HubInput]) -> Answer:
        """Feed what the application asks for under a ticket of its own; return its answer to come."""
        self._tickets += 1
        answer: Answer = asyncio.get_running_loop().create_future()
        # Whoever does not ask for the answer need not be told that it was an error.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._pending[self._tickets] = what, answer
        self.feed(happened(self._tickets))
        return answer

    def stop(self) -> None:
        """Take no turn any more; whatever was not answered raises HubClosed."""
        self._stopped = True
        self._disarm()
        for _, answer in self._pending.values():
            if not answer.done():
                answer.set_exception(HubClosed("the hub was closed before it could answer"))
        self._pending.clear()

    def relay(self, link: int, number: int, message: bytes) -> None:
        """Pass a stream frame on as it came, to whoever has room for it."""
        targets = self.core.relay(link, number, self.now())
        taken = sum(self.attended[target].outlet.relay(message) for target in targets)
        self.core.dropped(len(targets) - taken)

    def bearer(self, principal: Principal) -> inputs.Bearer:
        """Return what the core may know of a principal: no time of day."""
        expires_in = None if principal.expires_at is None else principal.expires_at - self._clock.wall()
        return inputs.Bearer(
            client_id=principal.client_id,
            session=principal.session,
            role=principal.role,
            data=principal.data,
            expires_in=expires_in,
            expired=principal.expired,
        )

    def fresh(self) -> inputs.Fresh:
        """Draw what a join may need of chance."""
        return inputs.Fresh(connection=self._draw(CONNECTION_BYTES), secret=self._draw(SECRET_BYTES), draw=self._random.random())

    def _draw(self, size: int) -> str:
        return urlsafe_b64encode(self._random.randbytes(size)).rstrip(b"=").decode()

    def _arm(self) -> None:
        """Arm the one timer; an earlier one may stand, it finds nothing to do and arms anew."""
        due = self.core.wake_at()
        if due is None:
            self._disarm()
        elif self._armed_for is None or due < self._armed_for:
            self._disarm()
            self._armed_for = due
            self._timer = self._clock.call_at(due, self._woke)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_for = None

    def _woke(self) -> None:
        self._timer = self._armed_for = None
        self.feed(inputs.Woke(at=self.now()))

    # -- performing ------------------------------------------------------------------------------------------------------------

    def _authenticate(self, effect: do.Authenticate) -> None:
        # Whatever an authenticator says of a join, the audit does not repeat what only the member may know.
        self._auditor.conceal(effect.join.token)
        self._auditor.conceal(effect.join.resume.secret if effect.join.resume else "")
        self.attended[effect.link].ask(effect)

    def _send(self, effect: do.SendTo) -> None:
        self.attended[effect.link].outlet.control(effect.frames)

    def _send_entries(self, effect: do.SendEntries) -> None:
        for link in effect.links:
            self.attended[link].outlet.entries(effect.run)

    def _close_link(self, effect: do.CloseLink) -> None:
        self.attended[effect.link].close(effect.code, effect.detail, abort=effect.abort)

    def _append(self, effect: do.Append) -> None:
        def done(answer: Appended | Exception) -> None:
            at, session = self.now(), effect.session
            if isinstance(answer, Appended):
                self.feed(inputs.Appended(at=at, session=session, epoch=answer.epoch, entries=answer.entries))
            else:
                self.feed(inputs.AppendFailed(at=at, session=session, detail=type(answer).__name__))

        try:
            self._log.append(effect.session, effect.entries, done)
        except Exception as error:
            done(error)

    def _forget_log(self, effect: do.ForgetLog) -> None:
        self._log.forget(effect.session)

    def _answer(self, effect: do.Answer) -> None:
        what, answer = self._pending.pop(effect.ticket)
        if answer.done():
            return
        if effect.code is None:
            answer.set_result(effect.position)
        else:
            answer.set_exception(RequestFailed(what, code=effect.code, detail=effect.detail))
