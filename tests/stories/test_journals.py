"""Every day that a session can have leaves a journal that holds; and what happens when it cannot be written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconnect import ConnectFailed, Reason
from reconnect.audit import Journal, read_records
from reconnect.errors import AuditFailed, NotConnected, RequestFailed
from reconnect.evidence.verify import verify
from tests.stories.stage import Member, Stage, story

DAYS = 40
TURNS = 40
ODD = "e\u0301\u202e\u2028\x1b[31m\r\n\x00\u0085\ufeff"  # what a name may be, and a reader may stumble over


# -- any day -------------------------------------------------------------------------------------------------------------------


async def turn(stage: Stage, anna: Member, chance: Random) -> None:
    """Let one thing happen."""
    session, network = anna.session, stage.network
    online, offline = session.role == "online", session.role == "offline"
    match chance.randrange(14):
        case 0 | 1 | 2 if not offline and session.role != "closing":
            ttl = chance.choice((None, None, 0.5, 5.0))
            for _ in range(chance.choice((1, 1, 40))):
                receipt = session.signal("x" * chance.randrange(9), ttl=ttl, retry_after_reconnect=chance.random() < 0.7)
            if chance.random() < 0.3:
                receipt.cancel()
        case 3 if online:
            await session.signal("hello", to=chance.choice((None, "nobody")))
        case 4:
            network.cut("anna")
        case 5:
            network.refuse("anna")
        case 6:
            network.restore("anna")
        case 7:
            session.reconnect_now(force=chance.random() < 0.3)
        case 8 if online:
            with suppress(RequestFailed):  # the link may be lost for good meanwhile
                await session.publish(f"camera-{chance.getrandbits(32)}")
        case 9 if chance.random() < 0.3:
            await session.disconnect()
        case 10 if offline:
            network.restore("anna")
            await session.connect()
        case 11 if stage.members[1].session.role == "online":
            stage.members[1].session.signal("from ben")
        case _:
            await asyncio.sleep(chance.choice((0.0, 0.1, 0.4, 3.0, 12.0)))


@pytest.mark.parametrize("day", range(DAYS))
def test_law_any_day_leaves_a_journal_that_holds(day: int, tmp_path: Path) -> None:
    """U06: whatever happens, the table accepts it, every signal is accounted for, and the counters are the session's own."""
    path, chance, stage = tmp_path / "audit.jsonl", Random(day), Stage()

    async def play() -> None:
        anna = await stage.enter("anna", audit=Journal(path, file_bytes=chance.choice((20_000, 60_000, 10**9))))
        await stage.enter("ben")
        for _ in range(TURNS):
            await turn(stage, anna, chance)
        stage.network.restore("anna")
        await anna.session.disconnect()

    stage.run(stage.tell(play))
    (found,) = verify([path])
    assert found.holds, found.objections[:3]
    statistics = stage.members[0].session.statistics()
    assert (found.submitted, found.pending) == (statistics.submitted, 0)
    assert found.outcomes == {status.value: count for status, count in statistics.outcomes.items() if count}
    assert found.recomputed == found.questions


@story(Stage)
async def test_odd_names_and_signals_make_no_lines_and_break_no_chain(stage: Stage, tmp_path: Path) -> None:
    """A54: one record for each event, whatever is in a name, a key, a type or the data."""
    path = tmp_path / "audit.jsonl"
    anna = await stage.enter("anna", audit=path)
    ben = await stage.enter("ben")
    publisher = await anna.session.publish(ODD, data=ODD)
    assert (await anna.session.signal({ODD: ODD})).delivered
    assert (await anna.session.signal(ODD, to=ODD)).code is not None
    assert publisher.name == ODD
    await stage.until(lambda: len(ben.heard) == 1)
    await anna.session.disconnect()
    (found,) = verify([path])
    assert found.holds, found.objections
    written = path.read_bytes()
    assert written.isascii()
    assert not {byte for byte in written if byte < 32} - {10}
    assert len(written.decode().splitlines()) == len(list(read_records(path))) == found.entries
    keys = {record["machine"] for record in read_records(path) if record["record"] == "step"}
    assert keys == {"session", f"publish:{ODD}"}


def test_a_hubs_journal_holds(tmp_path: Path) -> None:
    """U06: each member's chart, for every connection."""
    path = tmp_path / "hub.jsonl"
    stage = Stage(audit=Journal(path))

    async def play() -> None:
        anna = await stage.enter("anna")
        await stage.enter("ben")
        stage.network.cut("anna")
        await anna.back()
        await anna.session.disconnect()

    stage.run(stage.tell(play))
    (found,) = verify([path])
    assert (found.holds, found.sources, set(found.charts)) == (True, 1, {"member"}), found.objections
    assert found.charts["member"].visited["away"] == 1


# -- what cannot be written ----------------------------------------------------------------------------------------------------


class Disk(Journal):
    """A journal on a disk that is full while it is told to be."""

    full = False

    def write(self, record: dict[str, Any]) -> None:
        if self.full:
            raise AuditFailed(self.path, "No space left on device", "make room on the disk")
        super().write(record)


@story(Stage)
async def test_a_session_goes_on_with_a_gap_that_is_recorded(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """U01: loud, counted, and told by the journal itself; the next checkpoint is believed again."""
    disk = Disk(tmp_path / "audit.jsonl")
    anna = await stage.enter("anna", audit=disk)
    assert (await anna.session.signal("hello")).delivered
    disk.full = True
    stage.network.cut("anna")
    await anna.back()
    assert (await anna.session.signal("nobody writes this down")).delivered
    disk.full = False
    await anna.session.disconnect()
    gaps = [record for record in read_records(disk.path) if record["record"] == "gap"]
    assert len(gaps) == 1
    assert gaps[0]["lost"] > 5
    assert "No space left on device" in gaps[0]["problem"]
    assert [message for message in caplog.messages if "loses records" in message] != []
    (found,) = verify([disk.path])
    assert found.counts == {"gap": 1}, found.objections
    disk.close()


@pytest.mark.parametrize("moment", ["online", "waiting", "dialing"])
@story(Stage)
async def test_a_session_ends_where_it_is_not_to_go_on_without_its_journal(stage: Stage, tmp_path: Path, moment: str) -> None:
    """The user's policy: no signal is sent that nobody can account for."""
    disk = Disk(tmp_path / "audit.jsonl", on_failure="stop")
    anna = await stage.enter("anna", audit=disk)
    if moment != "online":
        stage.network.refuse("anna")
        stage.network.cut("anna")
        await anna.next("reconnecting")
    disk.full = True
    failing: dict[str, Callable[[], object]] = {
        "online": lambda: stage.network.cut("anna"),
        "waiting": lambda: anna.session.signal("hello", retry_after_reconnect=False),
        "dialing": lambda: anna.session.reconnect_now(),
    }
    failing[moment]()
    await anna.next("disconnected")
    (end,) = anna.told("disconnected")
    assert (end.reason, end.detail) == (
        Reason.AUDIT_FAILED,
        f"audit file {disk.path}: No space left on device; make room on the disk",
    )
    with pytest.raises(NotConnected):
        anna.session.signal("hello")
    disk.full = False
    await anna.session.disconnect()
    disk.close()


@story(Stage)
async def test_a_session_whose_journal_is_full_from_the_start_is_not_connected(stage: Stage, tmp_path: Path) -> None:
    disk = Disk(tmp_path / "audit.jsonl", on_failure="stop")
    disk.full = True
    anna = stage.member("anna", audit=disk)
    with pytest.raises(ConnectFailed, match="audit_failed"):
        await anna.session.connect()
    disk.close()
