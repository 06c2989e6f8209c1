"""What is written down: effects of a core, turned into flat records.

Rules: `sequence` counts the records of one Auditor without holes, so a hole in a journal is a record that was lost. `at` is the
instant on the session's clock at which it happened, `wall` the time of day when it was written; the `start` record has both of
the same moment. No field holds a payload, and a text that came from elsewhere is cut and cleared of every secret that was
concealed. An audit that cannot be written never stops a session: the loss is counted, logged, and told by the `stop` record.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from reconnect.audit.log import LOGGER
from reconnect.limits import AUDIT_SECRETS, AUDIT_TEXT_CHARACTERS
from reconnect.version import __version__

if TYPE_CHECKING:
    from reconnect.chart.model import Statechart
    from reconnect.chart.run import Step
    from reconnect.core.effects import Note, Settle
    from reconnect.core.hub.effects import Announce
    from reconnect.ports import AuditSink, Clock

FORMAT: Final = 1  # of the records; raised when a field changes its meaning
SHORT_SHA256: Final = 12  # characters; the `chart` records at the start have the whole
_CONCEALED: Final = "[concealed]"
_PYTHON: Final = ".".join(map(str, sys.version_info[:3]))


class Auditor:
    """Writes the records of one session (or hub) to a sink."""

    def __init__(self, sink: AuditSink, clock: Clock, *, session: str, charts: Iterable[Statechart] = ()) -> None:
        self.sequence = 0
        self.lost = 0
        self._sink, self._clock, self._session = sink, clock, session
        self._charts = {chart.name: chart for chart in charts}
        self._secrets: deque[str] = deque(maxlen=AUDIT_SECRETS)
        self._failing = False
        self._stopped = False

    def __repr__(self) -> str:
        return f"<Auditor {self._session} sequence={self.sequence} lost={self.lost}>"

    def conceal(self, secret: str) -> None:
        """Keep this token or secret out of every text from now on."""
        if secret and secret not in self._secrets:
            self._secrets.append(secret)

    def start(self, *, policy: object = None, **facts: Any) -> None:
        """Write the header: one `start` record, one `chart` record for each chart, and what the retry policy says of itself."""
        self.write("start", format=FORMAT, library="reconnect", version=__version__, python=_PYTHON, **facts)
        for chart in self._charts.values():
            self.write("chart", chart=chart.name, version=chart.version, sha256=chart.sha256)
        if policy is not None:
            self.write("policy", policy=type(policy).__qualname__, **_described(policy))

    def stop(self, **facts: Any) -> None:
        """Write the last record and close the sink, once; `lost` says how many could not be written.

        A record after it begins anew: a session that was left may be connected again.
        """
        if self._stopped:
            return
        self.write("stop", lost=self.lost, **facts)
        self._stopped = True
        try:
            self._sink.close()
        except Exception as error:
            logging.getLogger(LOGGER).error("the audit of session %s could not be closed: %s", self._session, error)

    def note(self, effect: Note, *, connection: str | None = None, outbox: int | None = None) -> None:
        """Write a step of a chart, or what was ignored, counted or noticed."""
        step = effect.step
        where: dict[str, Any] = {"what": effect.what} if step is None else self._walked(step)
        self.write(
            "note" if step is None else "step",
            at=effect.at,
            connection=connection,
            machine=effect.machine,
            **where,
            reason=effect.reason,
            attempt=effect.attempt,
            retry_in=effect.retry_in,
            generation=effect.generation,
            outbox=outbox,
            detail=effect.detail,
        )

    def announce(self, effect: Announce) -> None:
        """Write what a hub announces, in the session that it is about."""
        where: dict[str, Any] = {} if effect.step is None else self._walked(effect.step)
        self.write(
            "note" if effect.step is None else "step",
            at=effect.at,
            session=effect.session or self._session,
            connection=effect.connection,
            client_id=effect.client_id,
            role=effect.role,
            what=effect.what,
            **where,
            link=effect.link,
            reason=effect.reason,
            detail=effect.detail,
        )

    def outcomes(self, effect: Settle, *, connection: str | None = None, outbox: int | None = None) -> None:
        """Write how signals ended; the serials as ranges, both ends included."""
        outcome = effect.outcome
        self.write(
            "outcomes",
            connection=connection,
            status=outcome.status,
            reason=outcome.reason,
            code=outcome.code,
            possibly_sent=outcome.possibly_sent,
            serials=ranges(effect.serials),
            outbox=outbox,
        )

    def write(self, record: str, *, at: float | None = None, **fields: Any) -> None:
        """Write any record; `fields` are JSON values. Never raises what a sink raises."""
        self.sequence += 1
        self._stopped = False
        whole: dict[str, Any] = {
            "record": record,
            "sequence": self.sequence,
            "at": self._clock.now() if at is None else at,
            "wall": _iso(self._clock.wall()),
            "session": self._session,
        }
        whole.update((name, self._clean(value)) for name, value in fields.items())
        try:
            self._sink.write(whole)
        except Exception as error:
            self._note_loss(error)
        else:
            self._failing = False

    def _walked(self, step: Step) -> dict[str, Any]:
        chart = self._charts.get(step.chart)
        return {
            "chart": step.chart,
            "chart_sha256": None if chart is None else chart.sha256[:SHORT_SHA256],
            "event": step.event,
            "from": step.before,
            "to": step.after,
            "verdict": step.verdict,
            "row": step.row,
            "tells": step.tells,
            "actions": step.actions,
        }

    def _clean(self, value: Any) -> Any:
        """Return a JSON value: a text cut and without secrets, an enumeration's value, the type's name of what is no JSON."""
        if isinstance(value, str):
            return self._clean_text(str.__str__(value))
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, (list, tuple)):
            return [self._clean(item) for item in value]
        return type(value).__name__

    def _clean_text(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, _CONCEALED)
        if len(text) > AUDIT_TEXT_CHARACTERS:
            text = text[: AUDIT_TEXT_CHARACTERS - 3] + "..."
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()  # lone surrogates are no JSON

    def _note_loss(self, error: Exception) -> None:
        self.lost += 1
        if not self._failing:  # once for each run of losses
            logging.getLogger(LOGGER).error("the audit of session %s loses records: %s", self._session, error)
        self._failing = True


def ranges(serials: Sequence[int]) -> list[list[int]]:
    """Return the serials as [first, last] pairs, ascending: (5, 6, 7, 11) is [[5, 7], [11, 11]]."""
    found: list[list[int]] = []
    for serial in sorted(serials):
        if found and serial <= found[-1][1] + 1:
            found[-1][1] = serial
        else:
            found.append([serial, serial])
    return found


def _iso(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _described(policy: object) -> Mapping[str, Any]:
    """Return what a policy says of itself; one of a user's own need not be able to."""
    describe = getattr(policy, "describe", None)
    try:
        told = describe() if callable(describe) else {}
        return {str(name): value for name, value in told.items() if str(name) not in _RESERVED}
    except Exception:  # a policy that cannot describe itself can still decide
        return {}


_RESERVED: Final = frozenset({"record", "sequence", "at", "wall", "session", "policy", "self"})
