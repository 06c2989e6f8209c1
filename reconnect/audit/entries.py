"""What a journal's entries are: one record for each kind of line, with every field that it may have.

`docs/reference/journal.md` explains the fields; a test holds the two together. Whoever writes does so as flat JSON objects; these
records are for those who read. A field that is not known is passed over, so that an older reader can read what a newer one wrote.
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

FORMAT: Final = 2  # of the records; raised when a field changes its meaning
SHORT_SHA256: Final = 12  # characters of a chart's hash that a step carries; the `chart` records have the whole


class Entry(msgspec.Struct, tag_field="record", kw_only=True, gc=False):
    """What every line of a journal has: `prev` chains it to the line before, `entry` counts the lines of all its files."""

    prev: str = ""
    entry: int = 0
    sequence: int = 0
    at: float = 0.0
    wall: str = ""
    session: str = ""
    source: str = ""


class Header(Entry, tag="journal", kw_only=True):
    """The first line of each file."""

    format: int = 0
    library: str = ""
    version: str = ""
    python: str = ""
    chain: str = "sha256"
    file: int = 1
    host: str | None = None
    hidden: list[str] = []


class Repaired(Entry, tag="repaired", kw_only=True):
    """A line that a killed process left unfinished was taken off."""

    torn_bytes: int = 0
    torn_sha256: str = ""


class Start(Entry, tag="start", kw_only=True):
    """A connect(), or a hub that begins to serve."""

    format: int = 0
    library: str = ""
    version: str = ""
    python: str = ""
    run: int = 1
    clock: str = ""
    sender: str | None = None
    settings: dict[str, Any] | None = None
    repeated: bool = False
    state: str | None = None
    generation: int | None = None
    submitted: int | None = None
    pending: list[list[int]] | None = None
    outcomes: dict[str, int] | None = None


class Chart(Entry, tag="chart", kw_only=True):
    """A chart that is in force from here on."""

    chart: str = ""
    version: int = 0
    sha256: str = ""
    definition: dict[str, Any] | None = None
    repeated: bool = False


class Policy(Entry, tag="policy", kw_only=True):
    """What the retry policy says of itself, and where its chance comes from."""

    policy: str = ""
    wait: str | None = None
    stop: str | None = None
    retry: str | None = None
    first_try_seconds: float | None = None
    give_up_after_seconds: float | None = None
    stable_after_seconds: float | None = None
    max_wait_seconds: float | None = None
    seed: int | None = None
    drawn: int = 0
    repeated: bool = False


class Input(Entry, tag="input", kw_only=True):
    """One thing that happened, as the core was fed it."""

    what: str = ""
    input: dict[str, Any] = {}


class Traffic(Entry, tag="traffic", kw_only=True):
    """What happened on the signals' path since the last line, in short."""

    inputs: list[list[Any]] = []


class StepEntry(Entry, tag="step", kw_only=True):
    """One turn of a chart."""

    machine: str = ""
    chart: str = ""
    chart_sha256: str | None = None
    event: str = ""
    before: str = msgspec.field(name="from", default="")
    to: str = ""
    verdict: str = ""
    row: int | None = None
    tells: str | None = None
    actions: list[str] = []
    reason: str | None = None
    attempt: int | None = None
    retry_in: float | None = None
    generation: int | None = None
    outbox: int | None = None
    detail: str | None = None
    connection: str | None = None
    client_id: str | None = None
    role: str | None = None
    what: str | None = None
    link: int | None = None


class NoteEntry(Entry, tag="note", kw_only=True):
    """Something that was ignored, counted or noticed, and changed no state."""

    what: str = ""
    machine: str = ""
    reason: str | None = None
    attempt: int | None = None
    retry_in: float | None = None
    generation: int | None = None
    outbox: int | None = None
    detail: str | None = None
    connection: str | None = None
    client_id: str | None = None
    role: str | None = None
    link: int | None = None


class Outcomes(Entry, tag="outcomes", kw_only=True):
    """How signals ended."""

    status: str = ""
    reason: str | None = None
    code: str | None = None
    possibly_sent: bool = False
    stored: bool = False
    serials: list[list[int]] = []
    outbox: int | None = None
    connection: str | None = None


class Checkpoint(Entry, tag="checkpoint", kw_only=True):
    """The ledger of a session at one moment; the hash of this line is a head worth publishing."""

    state: str = ""
    generation: int = 0
    submitted: int = 0
    pending: list[list[int]] = []
    outcomes: dict[str, int] = {}


class Gap(Entry, tag="gap", kw_only=True):
    """Records were lost here, because they could not be written."""

    lost: int = 0
    problem: str = ""


class Stop(Entry, tag="stop", kw_only=True):
    """disconnect(), a failed connect(), or a hub that serves no more."""

    lost: int = 0
    reason: str | None = None
    state: str | None = None
    generation: int | None = None
    submitted: int | None = None
    pending: list[list[int]] | None = None
    outcomes: dict[str, int] | None = None


AnyEntry = (
    Header | Repaired | Start | Chart | Policy | Input | Traffic | StepEntry | NoteEntry | Outcomes | Checkpoint | Gap | Stop
)
KINDS: Final[dict[str, type[Entry]]] = {kind.__struct_config__.tag: kind for kind in get_args(AnyEntry)}
