"""What an auditor finds: every transition and every outcome of a story, in its file and in the log, and nothing secret."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reconnect import Reason
from reconnect.audit import read_records
from reconnect.chart import load_chart, runner_for
from reconnect.core.frames import Join
from reconnect.errors import TokenRejected
from reconnect.ports import Principal
from tests.renamed import named
from tests.stories.stage import Member, Stage, story

CANARY = "a-canary-that-nobody-may-ever-see"


async def a_day(stage: Stage, **options: Any) -> Member:
    """Let signals end in every way, in two outages, with canaries in everything that is secret."""
    anna = await stage.enter("anna", token=stage.token("anna", data=CANARY), **options)
    await stage.enter("ben")
    publisher = await anna.session.publish("camera", data=CANARY)
    publisher.send(CANARY.encode())
    await anna.signal(CANARY, type="delivered")
    await anna.signal(CANARY, to=CANARY)
    stage.network.cut("anna")
    stage.network.refuse("anna")
    await anna.next("reconnecting")
    anna.signal({CANARY: CANARY})
    anna.signal(CANARY, retry_after_reconnect=False)
    anna.signal(CANARY).cancel()
    await anna.signal(CANARY, ttl=3.0)
    stage.network.restore("anna")
    await anna.back()
    stage.network.cut("anna")
    await anna.next("reconnecting")
    await anna.back()
    await anna.session.drain()
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.signal(CANARY)
    await anna.session.disconnect()
    return anna


def secrets_of(member: Member) -> list[str]:
    """Return what must not be found: tokens, secrets of the connection, and payloads."""
    return [CANARY, *{join.token for join in member.wire.joins}, *{welcome.secret for welcome in member.wire.welcomes}]


@story(Stage)
async def test_the_file_has_every_transition_and_every_outcome(stage: Stage, tmp_path: Path) -> None:
    """U06 U08 Q09: sequence without holes; the steps lead from state to state; the outcomes add up to what was submitted."""
    path = tmp_path / "audit.jsonl"
    anna = await a_day(stage, audit=path)
    header, *records = read_records(path)
    assert (header["record"], header["entry"]) == ("journal", 1)
    assert [line["sequence"] for line in records] == list(range(1, len(records) + 1))
    assert (records[0]["record"], records[-1]["record"], records[-1]["lost"]) == ("start", "stop", 0)

    steps = [line for line in records if line["record"] == "step" and line["chart"] == "session"]
    state, chart = named("disconnected"), load_chart("session")
    for line in steps:
        assert line["from"] == state
        walked = runner_for(chart).step(state, line["event"])
        assert (walked.after, walked.verdict, list(walked.actions)) == (line["to"], line["verdict"], line["actions"])
        assert chart.sha256.startswith(line["chart_sha256"])
        state = line["to"]
    assert state == anna.session.state
    told = [line["tells"] for line in steps if line["tells"]]
    assert told == anna.tale == ["connected", *["reconnecting", "reconnected"] * 2, "reconnecting", "disconnected"]

    ended: Counter[str] = Counter()
    serials: list[int] = []
    for line in records:
        if line["record"] == "outcomes":
            for first, last in line["serials"]:
                serials += range(first, last + 1)
                ended[line["status"]] += last - first + 1
    assert sorted(serials) == list(range(1, len(anna.receipts) + 1)), "each serial exactly once"
    assert ended == {"delivered": 2, "rejected": 1, "dropped": 1, "cancelled": 1, "expired": 1, "failed": 1}
    statistics = anna.session.statistics()
    assert ended == {status.value: count for status, count in statistics.outcomes.items() if count}
    publications = [line for line in records if line["record"] == "step" and line["machine"] == "publish:camera"]
    assert [line["tells"] for line in publications if line["tells"]] == [
        "live", "interrupted", "live", "interrupted", "live", "interrupted", "ended",
    ]  # fmt: skip


@story(Stage)
async def test_every_record_says_when_where_and_why(stage: Stage, tmp_path: Path) -> None:
    """U08: monotonic and wall time, state before and after, reason, attempt, delay, generation, connection, outbox."""
    path = tmp_path / "audit.jsonl"
    anna = await a_day(stage, audit=path)
    _, *records = read_records(path)
    assert all({"record", "sequence", "at", "wall", "session", "source"} <= line.keys() for line in records)
    assert [line["at"] for line in records] == sorted(line["at"] for line in records)
    (lost, *_) = [line for line in records if line.get("event") == named("transport_lost")]
    event = anna.told("reconnecting")[0]
    assert (lost["reason"], lost["attempt"], lost["retry_in"], lost["at"]) == ("closed", 1, event.retry_in, event.at)
    assert lost["connection"] == anna.told("connected")[0].connection
    assert lost["generation"] == 1
    generations = [line["generation"] for line in records if line.get("event") in (named("joined"), named("resumed"))]
    assert generations == sorted(set(generations))
    outcomes = [line for line in records if line["record"] == "outcomes" and line["status"] != "delivered"]
    assert all(isinstance(line["outbox"], int) and line["outbox"] >= 0 for line in outcomes)


@story(Stage)
async def test_nothing_secret_is_written(stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A53 U08: no token, no secret, no payload: neither in the files nor in a log line, a repr or statistics."""
    path = tmp_path / "audit.jsonl"
    with caplog.at_level(logging.DEBUG):
        anna = await a_day(stage, audit=path)
    written = {
        "the file": path.read_text(),
        "the hub's audit": json.dumps(stage.hub_audit.records),
        "the log": "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("reconnect")),
        "repr": "".join(map(repr, (anna.session, stage.hub, anna.session.statistics(), stage.hub.statistics()))),
    }
    assert all(written.values())
    for where, text in written.items():
        assert [secret for secret in secrets_of(anna) if secret in text] == [], where


async def gossip(join: Join) -> Principal:
    """Know everybody but repeat, in a refusal, what should never be repeated (ports.Authenticator)."""
    if join.resume is None:
        return Principal(client_id="anna", session=join.session, role="publisher")
    raise TokenRejected(Reason.DENIED, f"nobody may come back, not even with {join.token} and {join.resume.secret}")


@story(Stage, authenticator=gossip)
async def test_what_others_say_is_cleared_of_secrets(stage: Stage, tmp_path: Path) -> None:
    """U08: a refusal that quotes the token and the secret is written down without them."""
    path = tmp_path / "audit.jsonl"
    anna = await stage.enter("anna", token="the-token-of-anna", audit=path)
    stage.network.cut("anna")
    await anna.next("disconnected")
    assert [secret for secret in ("the-token-of-anna", anna.wire.welcomes[0].secret) if secret in path.read_text()] == []
    assert "nobody may come back, not even with [concealed] and [concealed]" in path.read_text()


@story(Stage, authenticator=gossip)
async def test_what_an_authenticator_says_is_cleared_of_secrets_at_the_hub(stage: Stage) -> None:
    """U08: the hub's own audit keeps the same rule."""
    anna = await stage.enter("anna", token="the-token-of-anna")
    stage.network.cut("anna")
    await anna.next("disconnected")
    written = json.dumps(stage.hub_audit.records)
    assert [secret for secret in ("the-token-of-anna", anna.wire.welcomes[0].secret) if secret in written] == []


@story(Stage)
async def test_every_transition_is_a_line_of_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """U08: with the application's logging on, the audit speaks there as well, and loses nothing."""
    with caplog.at_level(logging.INFO, logger="reconnect"):
        anna = await stage.enter("anna", audit=None)
        stage.network.cut("anna")
        await anna.back()
        await anna.session.disconnect()
    lines = [record.getMessage() for record in caplog.records if record.name == "reconnect"]
    assert [line for line in lines if "loses records" in line] == []
    steps = [line for line in lines if line.startswith("step ")]
    assert any(f"from={named('connected')!r} to={named('reconnecting.waiting')!r}" in line for line in steps), lines
    assert any(f"to={named('disconnected')!r}" in line for line in steps)


@story(Stage)
async def test_an_audit_that_cannot_be_written(stage: Stage) -> None:
    """U01: a sink that raises stops nothing; the loss is counted and told by the last record that can be written."""

    class Full:
        """A sink without room (ports.AuditSink)."""

        def __init__(self) -> None:
            self.room, self.records = 3, list[dict[str, Any]]()

        def write(self, record: dict[str, Any]) -> None:
            if self.room == 0:
                raise OSError("no space left on device")
            self.room -= 1
            self.records.append(record)

        def close(self) -> None: ...

    sink = Full()
    anna = await stage.enter("anna", audit=sink)
    assert (await anna.signal("hello")).delivered
    stage.network.cut("anna")
    await anna.back()
    sink.room = 100
    await anna.session.disconnect()
    assert sink.records[-1]["record"] == "stop"
    assert sink.records[-1]["lost"] > 5
    assert anna.tale == ["connected", "reconnecting", "reconnected", "disconnected"]


def test_the_same_story_gives_the_same_audit(tmp_path: Path) -> None:
    """U07: same seed, same script, virtual time: the same bytes, but for random ids and hashes of lines with them."""
    texts = []
    for number in range(2):
        stage, path = Stage(), tmp_path / f"{number}.jsonl"

        async def play(stage: Stage = stage, path: Path = path) -> None:
            await a_day(stage, audit=path)

        stage.run(stage.tell(play))
        text = re.sub(r'"prev":"\w+"', '"prev":""', path.read_text())
        for random in (*(member.sender for member in stage.members), stage.members[0].wire.welcomes[0].epoch):
            text = text.replace(random, "random")
        texts.append(text)
    assert texts[0] == texts[1]
