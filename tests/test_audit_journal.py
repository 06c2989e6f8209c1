"""The journal as a file: its lines, its chain, its files, and what happens when it cannot be written."""

from __future__ import annotations

import hmac
import json
import os
import stat
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconnect.audit import Head, Journal, LogSink, OnFailure, head_file, head_log, read_records
from reconnect.audit.chain import ROOT, check_key, read_key
from reconnect.audit.rotation import files_of, full_files
from reconnect.errors import AuditFailed, BadArgument

KEY = b"a key of more than sixteen bytes"


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1]


def kinds(path: Path) -> list[str]:
    return [record["record"] for record in read_records(path)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


# -- lines ---------------------------------------------------------------------------------------------------------------------


def test_each_line_carries_the_hash_of_the_line_before(path: Path) -> None:
    journal = Journal(str(path))
    journal.write({"record": "one", "at": 1.5})
    journal.write({"record": "two"})
    lines = lines_of(path)  # at once, nothing is held back
    assert [json.loads(line)["entry"] for line in lines] == [1, 2, 3]
    assert [json.loads(line)["prev"] for line in lines] == [ROOT, *(sha256(line).hexdigest() for line in lines[:-1])]
    assert lines[1] == b'{"prev":"%s","entry":2,"record":"one","at":1.5}' % sha256(lines[0]).hexdigest().encode()
    head = journal.head
    assert (head.file, head.entry, head.sha256, head.path) == (1, 3, sha256(lines[-1]).hexdigest(), str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert repr(journal) == f"<Journal {path} entry=3>"
    journal.close()
    journal.close()
    assert repr(journal) == f"<Journal {path} entry=3 closed>"


def test_the_chain_is_nobody_elses_to_say(path: Path) -> None:
    journal = Journal(path)
    journal.write({"record": "one", "prev": "mine", "entry": 99})
    journal.close()
    _, one = read_records(path)
    assert (one["prev"], one["entry"]) == (sha256(lines_of(path)[0]).hexdigest(), 2)


def test_with_a_key_the_chain_is_an_hmac(path: Path) -> None:
    journal = Journal(path, key=KEY)
    journal.write({"record": "one"})
    journal.close()
    first, second = lines_of(path)
    assert json.loads(first)["chain"] == "hmac-sha256"
    assert json.loads(second)["prev"] == hmac.digest(KEY, first, "sha256").hex()


def test_the_header_says_who_writes_where(path: Path) -> None:
    Journal(path, host="rack 7", hide=["client_id"]).close()
    header = next(read_records(path))
    assert (header["record"], header["format"], header["chain"], header["file"]) == ("journal", 2, "sha256", 1)
    assert (header["host"], header["hidden"], header["library"]) == ("rack 7", ["client_id"], "reconnect")


@pytest.mark.parametrize(
    "text", ["a\nb", "a\r\nb", "\x00\x1b[31m", "a\u2028b", "a\u0085b", "a\x0bb\x0cc\x1cd", "é 日本 🎉", "\u202egpj"]
)
def test_no_character_ends_a_line(path: Path, text: str) -> None:
    """A54: control characters, line separators and bidirectional marks make no line, for any reader, and the chain holds."""
    journal = Journal(path)
    journal.write({"record": "note", "detail": text})
    journal.write({"record": "next"})
    journal.close()
    written = path.read_bytes()
    assert written.isascii()
    assert len(written.decode().splitlines()) == 3
    assert b"\x1b" not in written
    assert [record.get("detail") for record in read_records(path)] == [None, text, None]
    for before, after in pairwise(lines_of(path)):
        assert json.loads(after)["prev"] == sha256(before).hexdigest()


def test_fields_that_the_user_marks_are_concealed(path: Path) -> None:
    """A53: wherever they stand, but not in a chart, whose words they may be."""
    journal = Journal(path, hide={"client_id", "detail", "session"})
    journal.write({"record": "step", "client_id": "anna", "detail": "", "session": "room-1", "at": 1.0})
    journal.write({"record": "input", "input": {"frames": [{"client_id": "ben", "role": "publisher"}]}})
    journal.write({"record": "chart", "sha256": "ab", "definition": {"detail": "a word of the chart"}})
    journal.close()
    _, step, happened, chart = read_records(path)
    assert (step["client_id"], step["detail"], step["session"], step["at"]) == ("[concealed]", "", "[concealed]", 1.0)
    assert happened["input"] == {"frames": [{"client_id": "[concealed]", "role": "publisher"}]}
    assert chart["definition"] == {"detail": "a word of the chart"}


def test_a_charts_definition_stands_in_a_file_once(path: Path) -> None:
    journal = Journal(path)
    chart = {"record": "chart", "sha256": "ab", "definition": {"name": "session"}}
    journal.write(chart)
    journal.write(chart)
    journal.write({**chart, "sha256": "cd"})
    journal.close()
    assert [record.get("definition") for record in read_records(path)][1:] == [{"name": "session"}, None, {"name": "session"}]


def test_a_record_that_is_no_json_is_a_typed_error(path: Path) -> None:
    journal = Journal(path)
    for value in (object(), "\ud800"):
        with pytest.raises(AuditFailed, match="not made of JSON values"):
            journal.write({"record": "note", "value": value})
    journal.write({"record": "next"})
    journal.close()
    assert [record["entry"] for record in read_records(path)] == [1, 2]


# -- going on ------------------------------------------------------------------------------------------------------------------


def test_a_journal_goes_on_where_it_ended(path: Path) -> None:
    first = Journal(path)
    first.write({"record": "one"})
    first.close()
    first.write({"record": "two"})
    first.close()
    second = Journal(path)
    second.write({"record": "three"})
    second.close()
    lines = lines_of(path)
    assert kinds(path) == ["journal", "one", "two", "three"]
    assert [json.loads(line)["prev"] for line in lines[1:]] == [sha256(line).hexdigest() for line in lines[:-1]]


def test_a_journal_goes_on_after_lines_that_are_longer_than_a_block(path: Path) -> None:
    first = Journal(path)
    for size in (10, 200_000, 90_000):
        first.write({"record": "note", "detail": "x" * size})
    first.close()
    second = Journal(path)
    second.write({"record": "next"})
    second.close()
    assert [record["entry"] for record in read_records(path)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("torn", [b"{", b'{"prev":"ab', b'{"record":"whole but for its end"}', b"\x00" * 512, b"\xff"])
def test_a_torn_line_is_taken_off_and_the_journal_says_so(path: Path, torn: bytes) -> None:
    """U06: a killed process leaves at most one torn line; the next one repairs it, and records that."""
    first = Journal(path)
    first.write({"record": "one"})
    first.close()
    with path.open("ab") as file:
        file.write(torn)
    second = Journal(path)
    second.write({"record": "two"})
    second.close()
    *_, repaired, two = read_records(path)
    assert (repaired["record"], repaired["torn_bytes"], two["record"]) == ("repaired", len(torn), "two")
    assert repaired["torn_sha256"] == sha256(torn).hexdigest()
    for before, after in pairwise(lines_of(path)):
        assert json.loads(after)["prev"] == sha256(before).hexdigest()


def test_a_torn_header_is_written_anew(path: Path) -> None:
    path.write_bytes(b'{"prev":"000')
    Journal(path).close()
    assert kinds(path) == ["journal", "repaired"]


def test_two_writers_do_not_share_a_file(path: Path) -> None:
    first = Journal(path)
    with pytest.raises(AuditFailed, match="somebody else is writing to it; give each session a path of its own"):
        Journal(path)
    first.close()
    second = Journal(path)
    with pytest.raises(AuditFailed, match="somebody else"):
        first.write({"record": "one"})
    second.close()
    first.write({"record": "one"})
    first.close()


@pytest.mark.parametrize("content", ["hello\n", '{"record":"step"}\n', "[1]\n", '{"record":"note","chain":"sha256","file":1}\n'])
def test_what_is_no_journal_is_left_alone(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(AuditFailed, match="it is no journal"):
        Journal(path)
    assert path.read_text() == content


def test_a_journal_is_not_continued_with_another_key_or_chain(path: Path) -> None:
    first = Journal(path, key=KEY)
    first.write({"record": "one"})
    first.close()
    with pytest.raises(AuditFailed, match="its chain is hmac-sha256, and this one would be sha256; give the key"):
        Journal(path)
    with pytest.raises(AuditFailed, match="its last line does not continue the line before it"):
        Journal(path, key=b"another key of enough bytes")
    Journal(path, key=KEY).close()


def test_a_journal_whose_last_line_was_changed_is_not_continued(path: Path) -> None:
    first = Journal(path)
    first.write({"record": "one"})
    first.write({"record": "two"})
    first.close()
    path.write_bytes(path.read_bytes().replace(b'"one"', b'"onf"'))
    with pytest.raises(AuditFailed, match="does not continue"):
        Journal(path)


# -- files ---------------------------------------------------------------------------------------------------------------------


def test_a_full_file_is_put_away_and_the_next_one_continues_it(path: Path) -> None:
    journal = Journal(path, file_bytes=600)
    journal.write({"record": "start", "source": "a", "sequence": 1})
    journal.write({"record": "chart", "source": "a", "chart": "session", "sha256": "ab", "definition": {"name": "session"}})
    for number in range(12):
        journal.write({"record": "note", "number": number, "detail": "x" * 100})
    journal.close()
    files = files_of(path)
    names = [f"audit.jsonl.{number}" for number in range(1, len(files))]
    assert [file.name for file in files] == [*names, "audit.jsonl"]
    assert len(files) > 2
    lines = [line for file in files for line in lines_of(file)]
    assert [json.loads(line)["prev"] for line in lines] == [ROOT, *(sha256(line).hexdigest() for line in lines[:-1])]
    assert [json.loads(line)["entry"] for line in lines] == list(range(1, len(lines) + 1))
    for number, file in enumerate(files[1:], 2):
        header, start, chart, *_ = read_records(file)
        assert (header["record"], header["file"]) == ("journal", number)
        assert (start["record"], start["repeated"]) == ("start", True)
        assert (chart["definition"], chart["repeated"]) == ({"name": "session"}, True)
    numbers = [record["number"] for file in files for record in read_records(file) if record["record"] == "note"]
    assert numbers == list(range(12))


def test_what_has_stopped_is_not_repeated(path: Path) -> None:
    journal = Journal(path, file_bytes=300)
    for source in ("a", "b"):
        journal.write({"record": "start", "source": source})
    journal.write({"record": "stop", "source": "a"})
    journal.write({"record": "note", "source": "b"})
    journal.write({"record": "note", "source": "b"})
    journal.close()
    repeated = [record["source"] for record in read_records(path) if record.get("repeated")]
    assert repeated == ["b"]


def test_a_rotated_journal_goes_on_in_another_process_even_without_a_current_file(path: Path) -> None:
    journal = Journal(path, file_bytes=300)
    for _ in range(4):
        journal.write({"record": "note", "detail": "x" * 100})
    journal.close()
    path.unlink()
    full = full_files(path)
    second = Journal(path)
    second.close()
    last = lines_of(full[-1][1])[-1]
    header = next(read_records(path))
    assert (header["prev"], header["file"]) == (sha256(last).hexdigest(), full[-1][0] + 1)


def test_only_so_many_full_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "with [brackets].jsonl"
    (tmp_path / "with [brackets].jsonl.bak").write_text("not ours")
    journal = Journal(path, file_bytes=300, files=2)
    for _ in range(30):
        journal.write({"record": "note", "detail": "x" * 100})
    journal.close()
    assert len(full_files(path)) == 2
    assert (tmp_path / "with [brackets].jsonl.bak").exists()


def test_a_file_that_cannot_be_put_away_is_a_typed_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path, file_bytes=1)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        with pytest.raises(AuditFailed, match="Permission denied"):
            journal.write({"record": "one"})
    journal.write({"record": "two"})
    journal.close()
    assert kinds(path)[-1] == "two"


# -- what cannot be written ----------------------------------------------------------------------------------------------------


def test_a_short_write_is_an_error_and_is_taken_off_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(path)
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[:7]))
        with pytest.raises(AuditFailed, match="only 7 of 101 bytes were written; make room on the disk"):
            journal.write({"record": "one"})
    assert path.read_bytes().endswith(b'\n{"prev"')
    journal.write({"record": "two"})
    journal.close()
    assert kinds(path) == ["journal", "two"]
    assert [record["entry"] for record in read_records(path)] == [1, 2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_typed_error() -> None:
    with pytest.raises(AuditFailed, match="No space left on device; make room on the disk"):
        Journal("/dev/full")


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "such" / "audit.jsonl"
    with pytest.raises(AuditFailed) as caught:
        Journal(missing)
    assert str(caught.value) == (
        f"audit file {missing}: No such file or directory; give a path in a folder that exists and can be written"
    )
    assert (caught.value.path, caught.value.problem) == (str(missing), "No such file or directory")
    with pytest.raises(AuditFailed, match="Is a directory"):
        Journal(tmp_path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"key": "short"}, "the key of a journal has at least 16 bytes"),
        ({"key": 7}, "key is bytes or a string, and this is int"),
        ({"publish": 7}, "publish is a callable that takes a Head"),
        ({"publish": [7]}, "publish is a callable that takes a Head"),
        ({"hide": ["from"]}, r"hide=\['from'\] is not possible: give some of client_id, detail, role, session, url"),
        ({"file_bytes": 0}, "file_bytes is 0; give a positive number of bytes"),
        ({"files": -1}, "files is -1; give how many full files are kept, or None for all"),
        ({"on_failure": "explode"}, "on_failure is 'explode'; give one of continue, stop"),
    ],
)
def test_options_that_cannot_be_are_refused_and_leave_no_file(path: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument, match=sentence):
        Journal(path, **options)
    assert not path.exists()


def test_the_policy_for_failures_is_the_users(path: Path) -> None:
    assert [Journal(path.with_name(f"{value}"), on_failure=value).stops_session for value in OnFailure] == [False, True]


# -- keys ----------------------------------------------------------------------------------------------------------------------


def test_a_key_comes_from_a_file_without_the_space_around_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"  " + KEY + b"\n")
    assert read_key(tmp_path / "key") == KEY
    assert check_key(None) is None
    (tmp_path / "short").write_text("short\n")
    with pytest.raises(BadArgument, match="at least 16 bytes"):
        read_key(tmp_path / "short")
    with pytest.raises(BadArgument, match=r"the key file .*none cannot be read: No such file"):
        read_key(tmp_path / "none")


# -- heads ---------------------------------------------------------------------------------------------------------------------


def test_heads_are_published_at_checkpoints_at_rotations_and_at_the_end(path: Path) -> None:
    heads: list[Head] = []
    journal = Journal(path, publish=heads.append, file_bytes=700, sync=True)
    journal.write({"record": "note"})
    journal.write({"record": "checkpoint", "wall": "2026-01-01T00:00:00.000Z", "detail": "x" * 700})
    journal.write({"record": "note"})
    journal.write({"record": "stop"})
    journal.close()
    hashes = {sha256(line).hexdigest(): json.loads(line) for file in files_of(path) for line in lines_of(file)}
    assert [hashes[head.sha256]["record"] for head in heads] == ["checkpoint", "checkpoint", "stop"]
    assert [(head.file, head.entry) for head in heads] == [(1, 3), (1, 3), (2, 6)]
    assert heads[0].wall == "2026-01-01T00:00:00.000Z"


def test_heads_go_to_a_file_and_to_the_log(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="reconnect")
    journal = Journal(path, publish=[head_file(tmp_path / "heads.jsonl"), head_log(), head_log(LogSink())])
    journal.write({"record": "stop"})
    journal.write({"record": "stop"})
    journal.close()
    told = [msgspec.json.decode(line, type=Head) for line in lines_of(tmp_path / "heads.jsonl")]
    assert [head.sha256 for head in told] == [sha256(line).hexdigest() for line in lines_of(path)[1:]]
    assert stat.S_IMODE((tmp_path / "heads.jsonl").stat().st_mode) == 0o600
    assert [message.split()[0] for message in caplog.messages] == ["head"] * 4
    assert told[-1].sha256 in caplog.messages[-1]


def test_a_publisher_that_fails_stops_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(head: Head) -> None:
        raise OSError("the mailbox is full")

    heads: list[Head] = []
    journal = Journal(path, publish=(refuse, heads.append))
    journal.write({"record": "stop"})
    journal.close()
    assert len(heads) == 1
    assert caplog.messages == [f"the head of {path} could not be published: the mailbox is full"]


# -- reading -------------------------------------------------------------------------------------------------------------------


def test_reading_leaves_out_the_line_that_is_being_written(path: Path) -> None:
    path.write_text('{"record":"one"}\n{"reco')
    assert list(read_records(path)) == [{"record": "one"}]


@pytest.mark.parametrize("line", ["{", "[1]", "", "17"])
def test_reading_names_the_line_that_is_no_record(path: Path, line: str) -> None:
    path.write_text(f'{{"record":"one"}}\n{line}\n')
    with pytest.raises(AuditFailed, match="line 2 is no record"):
        list(read_records(path))


def test_reading_a_file_that_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match="No such file"):
        list(read_records(tmp_path / "none.jsonl"))
