"""The file of an outbox: who may read it, which promise it keeps, how large it grows, and what becomes of a damaged one."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconnect.errors import BadArgument, OutboxFailed, OutboxInUse, OutboxUnreadable
from reconnect.store import Durability, places
from reconnect.store.durability import SYNCHRONOUS
from reconnect.store.failing import translated
from reconnect.store.file import SERIALS_WEAK, OutboxFile, file_size
from reconnect.store.layout import PAGE, SERIALS_APART
from tests.store_bench import SENDER, filled, opened, settings, stored_row

FLIPS = 1_500


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def serials(path: Path) -> list[int]:
    file = opened(path)
    try:
        return [serial for serial, _ in file.take_rows()]
    finally:
        file.close()


def change(path: Path, statement: str, *values: Any) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


# -- what it is ----------------------------------------------------------------------------------------------------------------


def test_only_its_owner_reads_it(path: Path) -> None:
    """Also a file that was there before, and what stands beside it while it is open."""
    for name in (path, path.with_name("outbox.db-mark")):
        name.touch(mode=0o644)
        os.chmod(name, 0o644)
    file = opened(path)
    file.commit([(1, stored_row(1))], ())
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes == {f"outbox.db{side}": 0o600 for side in ("", "-wal", "-mark", "-lock")}
    file.close()
    assert {entry.name for entry in path.parent.iterdir()} == {"outbox.db", "outbox.db-mark"}


@pytest.mark.parametrize("durability", [Durability.FULL, Durability.PROCESS])
def test_the_promise_is_what_sqlite_was_set_to(path: Path, durability: Durability) -> None:
    file = opened(path, durability=durability)
    for name, value in (("synchronous", SYNCHRONOUS[durability]), ("journal_mode", "wal"), ("locking_mode", "exclusive")):
        assert file._connection.execute(f"PRAGMA {name}").fetchone() == (value,)
    file.close()


def test_a_setting_that_does_not_take_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weaker promise is never given in silence."""
    monkeypatch.setitem(SYNCHRONOUS, Durability.FULL, 9)
    with pytest.raises(OutboxFailed, match=r"SQLite keeps synchronous at 1 where 9 was asked for, so nothing could be promised"):
        opened(path)


def test_after_a_weaker_promise_and_no_proper_end_serials_are_far_above(path: Path) -> None:
    """A power cut may have taken rows whose serials a hub has seen."""
    file = opened(path, durability=Durability.PROCESS)
    file.commit([(1, stored_row(1))], ())
    file.abandon()
    later = opened(path)
    assert later.next_serial == 2 + SERIALS_WEAK
    later.close()
    again = opened(path)
    assert again.next_serial == 2 + SERIALS_WEAK, "once, and not again"
    again.close()


def test_it_does_not_grow_beyond_its_bound(path: Path) -> None:
    """A37: the file, free pages and all; what is free is used again, and given back at the end."""
    file = opened(path, signals=100, size=100_000)
    serial = 0
    with pytest.raises(OutboxFailed, match=r"no space is left for it"):  # noqa: PT012  # the last of many
        while True:
            serial += 1
            file.commit([(serial, stored_row(serial, 1_000))], ())
    assert 100 < serial < 1_000
    file.abandon()
    assert path.stat().st_size <= file_size(100, 100_000) + PAGE
    file = opened(path, signals=100, size=100_000)
    file.commit((), range(1, serial + 1))
    file.close()
    assert path.stat().st_size <= 8 * PAGE


# -- who is refused --------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_open_elsewhere_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A35: by the lock in the file as well, which is what another process meets."""
    monkeypatch.setattr("reconnect.limits.STORE_LOCK_SECONDS", 0.01)
    first = opened(path)
    monkeypatch.setattr(places, "_open", set())
    with pytest.raises(OutboxInUse) as refused:
        opened(path)
    assert str(refused.value) == (
        f"outbox file {os.path.realpath(path)}: it is open in another program, or in another Outbox of this one; "
        "close that one first"
    )
    first.commit([(1, stored_row(1))], ())
    first.close()
    assert serials(path) == [1]


def test_a_newer_file_is_refused_and_not_changed(path: Path) -> None:
    """A38: nobody guesses what a later release wrote."""
    filled(path, [1])
    change(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(OutboxUnreadable, match=r"it has version 2, and this release reads 1 at most; use the release"):
        opened(path)
    assert path.read_bytes() == before
    change(path, "PRAGMA user_version = 0")
    with pytest.raises(OutboxUnreadable, match=r"it has version 0, which never was"):
        opened(path)


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 2", "PRAGMA application_id = 7"])
def test_a_killed_file_that_is_refused_is_not_changed(path: Path, statement: str) -> None:
    """A38: SQLite would bring its log into it, and delete that, when it closes the file that it was asked to look at."""
    file = opened(path)
    file.commit([(1, stored_row(1))], ())
    file._connection.execute(statement)
    names = ("outbox.db", "outbox.db-wal", "outbox.db-mark")
    before = {name: path.with_name(name).read_bytes() for name in names}
    file.abandon()
    for name, content in before.items():
        path.with_name(name).write_bytes(content)
    with pytest.raises(OutboxUnreadable):
        opened(path)
    assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == before


def test_what_is_no_outbox_is_refused(path: Path) -> None:
    change(path, "CREATE TABLE things (name TEXT)")
    with pytest.raises(OutboxUnreadable, match=r"it is no outbox; name another file; nothing in this one was changed"):
        opened(path)
    path.write_bytes(b"a letter to my grandmother, longer than any header of a file, " * 20)
    with pytest.raises(OutboxUnreadable, match=r"it is damaged"):
        opened(path)


@pytest.mark.parametrize("what", ["page", "database"])
def test_a_file_that_was_named_by_mistake_keeps_its_mode(path: Path, what: str) -> None:
    """Whoever reads it may be another user."""
    if what == "page":
        path.write_bytes(b"<html>" * 2_000)
    else:
        change(path, "CREATE TABLE things (name TEXT)")
    os.chmod(path, 0o644)
    before = path.read_bytes()
    with pytest.raises(OutboxUnreadable):
        opened(path)
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (0o644, before)
    assert [entry.name for entry in path.parent.iterdir()] == ["outbox.db"]


def test_what_is_no_regular_file_is_not_opened(path: Path) -> None:
    """To open a pipe is to wait for whoever writes to it."""
    os.mkfifo(path, 0o644)
    with pytest.raises(OutboxFailed, match=r"it is no regular file; name a file on a disk, as 'outbox.db'"):
        opened(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_second_name_of_an_outbox_is_refused(path: Path) -> None:
    """Its log stands beside the first one, and it would look as if nothing was stored."""
    file = opened(path)
    file.commit([(1, stored_row(1))], ())
    file.abandon()
    other = path.with_name("other.db")
    os.link(path, other)
    before = {entry.name for entry in path.parent.iterdir()}
    with pytest.raises(OutboxUnreadable, match=r"it has another name, and its log may stand beside that one; open it by"):
        opened(other)
    assert {entry.name for entry in path.parent.iterdir()} == before
    assert serials(path) == [1]


# -- a file that is gone --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["nothing", "no byte", "a new database"])
def test_a_file_that_is_gone_beside_its_mark_is_no_new_outbox(path: Path, left: str) -> None:
    """A33: what was acknowledged is not lost in silence, and the log is not deleted."""
    filled(path, range(1, 4))
    file = opened(path)
    file.commit([(4, stored_row(4))], (1,))
    whole, log = path.read_bytes(), path.with_name("outbox.db-wal").read_bytes()
    file.abandon()
    path.with_name("outbox.db-wal").write_bytes(log)
    path.unlink()
    if left == "no byte":
        path.touch()
    elif left == "a new database":
        change(path, "PRAGMA journal_mode = wal")
        path.with_name("outbox.db-wal").unlink(missing_ok=True)
    before = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()}
    for _ in range(2):
        with pytest.raises(OutboxUnreadable) as refused:
            opened(path)
        assert refused.value.problem == "it is gone or empty, and by its mark there are signals in it"
        assert refused.value.remedy == (
            f"put the file back, or remove {os.path.realpath(path)}-mark to begin a new outbox; nothing was deleted"
        )
        assert {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} == before
    path.write_bytes(whole)
    assert serials(path) == ([1, 2, 3] if left == "a new database" else [2, 3, 4]), "with its log, if that is there"
    path.unlink()
    path.with_name("outbox.db-mark").unlink()
    assert serials(path) == []


def test_a_file_that_is_gone_comes_back_where_its_log_has_all_of_it(path: Path) -> None:
    """A33: each page of it was written since the log was begun."""
    file = opened(path)
    file.commit([(serial, stored_row(serial, 300)) for serial in range(1, 60)], ())
    for serial in range(1, 20):
        file.commit((), (serial,))
    log = path.with_name("outbox.db-wal").read_bytes()
    file.abandon()
    path.with_name("outbox.db-wal").write_bytes(log)
    path.write_bytes(b"")
    later = opened(path)
    assert [serial for serial, _ in later.take_rows()] == list(range(20, 60))
    assert (later.sender, later.found is not None) == (SENDER, True)
    later.close()


@pytest.mark.parametrize("left", [b"", None])
def test_a_file_that_is_gone_and_held_nothing_begins_anew(path: Path, left: bytes | None) -> None:
    filled(path, range(1, 4))
    file = opened(path)
    file.commit((), range(1, 4))
    file.close()
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    assert serials(path) == []


def test_a_place_where_no_file_can_be(path: Path) -> None:
    with pytest.raises(OutboxFailed, match=r"it is a folder; name a file in it"):
        opened(path.parent)
    with pytest.raises(OutboxFailed, match=r"no such file or directory; name a file in a folder that exists"):
        opened(path.parent / "nowhere" / "outbox.db")


def test_a_file_that_may_only_be_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before SQLite opens it to read alone, and takes the lock that it is refused for a failing disk."""
    filled(path, [1])
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anything
    with pytest.raises(OutboxFailed, match=r"permission denied; give this user the right to write the file and its folder"):
        opened(path)


def test_what_the_operating_system_says_comes_with_what_to_do() -> None:
    assert "no space left on device; make room" in str(translated("outbox.db", OSError(errno.ENOSPC, "")))


@pytest.mark.parametrize("wrong", ["", 5, b"outbox.db", "a\0b"])
def test_a_path_that_is_none(wrong: Any) -> None:
    with pytest.raises(BadArgument, match=r"path is the file of the outbox, as 'outbox.db', and this is"):
        places.absolute(wrong)


def test_an_error_that_nobody_foresaw_is_translated() -> None:
    error = translated("outbox.db", sqlite3.IntegrityError("serial is not unique"), serials=(3,))
    assert (error.certain, error.serials) == (True, (3,))
    assert "SQLite failed (serial is not unique)" in str(error)


# -- damage ----------------------------------------------------------------------------------------------------------------------


def test_a_damaged_row_is_set_aside_and_the_others_go_on(path: Path) -> None:
    """A33 Q20: the file as it was is kept under another name, for whoever wants to look at it."""
    filled(path, range(1, 6))
    change(path, "UPDATE signals SET body = x'00' WHERE serial = 3")
    before = path.read_bytes()
    file = opened(path)
    assert file.found is not None
    aside = f"{os.path.realpath(path)}.damaged-1"
    assert str(file.found) == (
        "the outbox file was damaged: 1 damaged signals were set aside, none is missing; "
        f"the damaged file is {aside} (rows do not match their checksums)"
    )
    assert ([serial for serial, _ in file.take_rows()], file.sender, file.next_serial) == ([1, 2, 4, 5], SENDER, 6)
    file.close()
    assert Path(aside).read_bytes()[PAGE:] == before[PAGE:]
    assert stat.S_IMODE(os.stat(aside).st_mode) == 0o600


def test_what_was_found_stands_in_the_file_until_it_was_told(path: Path) -> None:
    """A33: nobody who opens it meanwhile, or is killed before, keeps it from whoever comes next."""
    filled(path, range(1, 6))
    change(path, "UPDATE signals SET body = x'00' WHERE serial = 3")
    file = opened(path)
    first = file.found
    assert first is not None
    file.close()
    file = opened(path)
    assert file.found == first
    file.abandon()
    change(path, "DELETE FROM signals WHERE serial = 4")
    file = opened(path)
    both = file.found
    assert both is not None
    assert (both.serials, both.aside) == ((3,), f"{os.path.realpath(path)}.damaged-2")
    assert both.missing > first.missing
    assert both.lost == both.missing + 1
    assert set(first.flaws) < set(both.flaws)
    file.told(first)
    file.commit((), ())
    file.close()
    file = opened(path)
    assert file.found == both, "another one was told"
    file.told(both)
    file.commit((), ())
    file.abandon()
    file = opened(path)
    assert file.found is None
    file.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM signals WHERE serial = 2",
        "INSERT INTO signals SELECT 9, checksum, body FROM signals WHERE serial = 2",
        "UPDATE signals SET serial = 9 WHERE serial = 2",
        "UPDATE signals SET checksum = checksum + 1 WHERE serial = 2",
        "UPDATE signals SET body = CAST(x'ff00fe41' AS TEXT) WHERE serial = 2",
        "UPDATE account SET body = x'00000000'",
        "UPDATE spare SET body = 5",
        "DELETE FROM account",
        "CREATE TABLE guest (id)",
    ],
)
def test_a_file_that_does_not_add_up_is_told(path: Path, statement: str) -> None:
    """A33: a row that is hidden, doubled or brought back is as bad as one that is changed."""
    filled(path, range(1, 4))
    change(path, statement)
    file = opened(path)
    assert file.found is not None
    assert {serial for serial, _ in file.take_rows()} >= {1, 3}
    file.close()


def test_a_row_to_which_a_page_leads_twice_is_taken_once(path: Path) -> None:
    """A33: the row that is hidden by it is missing, and the others go on."""
    filled(path, range(1, 4))
    damaged = bytearray(path.read_bytes())
    leaf = next(at for at in range(PAGE, len(damaged), PAGE) if damaged[at] == 13 and damaged[at + 3 : at + 5] == b"\0\3")
    damaged[leaf + 10 : leaf + 12] = damaged[leaf + 8 : leaf + 10]  # the second cell is the first one again
    path.write_bytes(damaged)
    file = opened(path)
    assert file.found is not None
    assert ([serial for serial, _ in file.take_rows()], file.found.missing) == ([1, 3], 1)
    assert "a row is there twice" in file.found.flaws
    file.close()


def test_a_header_that_is_damaged_is_damage(path: Path) -> None:
    """A33: SQLite has no code for this one, and it is no failing of SQLite."""
    filled(path, range(1, 4))
    whole = path.read_bytes()
    path.write_bytes(whole[:47] + b"\x09" + whole[48:])
    with pytest.raises(OutboxUnreadable, match=r"it is damaged \(unsupported file format\)"):
        opened(path)


def test_an_account_that_is_lost_is_made_good_from_its_copy(path: Path) -> None:
    """The sender stays, and no serial is used again."""
    filled(path, range(1, 4))
    change(path, "UPDATE account SET body = x'00000000'")
    file = opened(path)
    assert (file.sender, file.next_serial) == (SENDER, 4 + SERIALS_APART)
    file.close()
    change(path, "UPDATE account SET body = x'00000000'")
    change(path, "UPDATE spare SET body = x'0000000000'")
    with pytest.raises(OutboxUnreadable, match=r"does not say any more whose signals it holds"):
        opened(path)


@pytest.mark.parametrize("done", ["new file whole", "old file linked", "log moved"])
def test_a_power_cut_while_a_file_is_set_aside(path: Path, done: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens it next brings to an end what was begun."""

    class Cut(Exception):
        pass

    def cut(*_: Any) -> None:
        raise Cut

    filled(path, range(1, 6))
    change(path, "UPDATE signals SET body = x'00' WHERE serial = 3")
    with monkeypatch.context() as patch:
        if done == "new file whole":
            patch.setattr(places, "finish", lambda path: cut() if os.path.exists(path + ".salvaged") else "")
        elif done == "old file linked":
            patch.setattr(places, "SIDES", _Raising(cut))
        else:
            replace = os.replace
            patch.setattr(os, "replace", lambda old, new: cut() if old.endswith(".salvaged") else replace(old, new))
        with pytest.raises(Cut):
            opened(path)
    assert serials(path) == [1, 2, 4, 5]
    assert not (path.parent / "outbox.db.salvaged").exists()


class _Raising(tuple[str, ...]):
    """Sides of a file that nobody gets to see, but for the first time."""

    def __new__(cls, cut: Any) -> _Raising:
        made = super().__new__(cls, ("-wal",))
        made.cut, made.asked = cut, 0
        return made

    cut: Any
    asked: int

    def __iter__(self) -> Any:
        self.asked += 1
        if self.asked > 2:
            self.cut()
        return super().__iter__()


def test_no_flipped_bit_stays_unnoticed(path: Path) -> None:
    """A33: each flip is harmless, or refused, or told with everything else going on; no wrong payload is ever handed out."""
    held = {serial: stored_row(serial, 60 + serial % 900) for serial in range(1, 201)}
    file = opened(path)
    file.commit(list(held.items()), ())
    file.commit((), range(20, 60))
    file.close()
    for gone in range(20, 60):
        del held[gone]
    whole, random = path.read_bytes(), Random(33)
    told = refused = lost = 0
    for _ in range(FLIPS):
        for entry in path.parent.iterdir():
            entry.unlink()
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        path.write_bytes(damaged)
        try:
            file = OutboxFile(os.path.realpath(path), settings())
        except OutboxFailed:
            refused += 1
            continue
        got = dict(file.take_rows())
        found = file.found
        file.abandon()
        assert all(held[serial] == row for serial, row in got.items()), "a wrong payload"
        if found is None:
            assert got.keys() == held.keys(), "a silent loss"
        else:
            told += 1
            lost += len(held) - len(got)
    assert told > 100
    assert refused < told
