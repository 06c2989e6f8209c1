"""The hub's core: what is kept of a log, what a gap is, snapshots; and the small parts of which all of it is made."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect import limits
from reconnect.core.frames import Entry, EntryKind, Goodbye, Member, Ping, Rejection, Snapshot, Stream, Want
from reconnect.core.hub.census import Census
from reconnect.core.hub.deadlines import Deadlines
from reconnect.core.hub.ledger import Ledger
from reconnect.core.hub.links import Link
from reconnect.core.hub.queue import After, AppendQueue, BarrierItem, MemberItem
from reconnect.core.hub.records import Secrets, digest
from reconnect.core.hub.sessions import HubSession
from reconnect.core.hub.settings import HubSettings
from reconnect.core.hub.tail import CHUNK, Tail, audiences
from reconnect.errors import BadArgument
from reconnect.reasons import RejectCode
from tests.scripted_hub import ScriptedHub, raw

# -- gaps ----------------------------------------------------------------------------------------------------------------------


def test_a_gap_is_told_exactly_and_everything_behind_it_is_replayed() -> None:
    """R05, A8: first and last of what is gone, the state at its end as a snapshot, then every entry that the hub still has."""
    hub = ScriptedHub(log_signals=10)
    bob, cid, ann = hub.join("bob"), hub.join("cid"), hub.join("ann")
    hub.publish(bob)
    hub.handle(ann)
    seen = hub.position(ann)
    hub.end(ann)
    hub.signal(bob, *range(1, 21))
    hub.end(cid)
    back = hub.return_of(ann)
    welcome = hub.welcome(back)
    assert welcome.resumed
    assert welcome.gap is not None
    assert (welcome.gap.epoch, welcome.gap.first) == ("epoch-1", seen + 1)
    assert hub.serials(back) == list(range(11, 21))
    first = hub.told(back)[0]
    assert welcome.gap.last == first.position - 1, "no silent hole between the gap and the first entry"
    assert hub.entries[back][0][1] == welcome.position == welcome.gap.last
    assert hub.snapshot(back) == (["c1", "c2"], ["c1.1"]), "as of the end of the gap: the drop of cid comes behind"
    assert hub.kinds(back)[-1] is EntryKind.DROPPED


def test_trimmed_entries_for_others_are_no_gap() -> None:
    """There is a gap only if a trimmed entry was for this member; what is told of a member is not for it."""
    hub = ScriptedHub(log_signals=5)
    bob, cid, ann = hub.join("bob"), hub.join("cid"), hub.join("ann")
    hub.publish(ann)
    hub.handle(ann)
    hub.end(ann)
    hub.signal(bob, *range(1, 31), to=hub.connection(cid))
    back = hub.return_of(ann, wants=[Want(key="cam", publish="camera")])
    assert hub.welcome(back).resumed
    assert hub.welcome(back).gap is None
    hub.end(cid)
    returned = hub.return_of(cid, position=hub.welcome(cid).position)
    assert hub.welcome(returned).gap is not None


def test_a_trimmed_entry_for_this_member_alone_is_a_gap_for_nobody_else() -> None:
    hub = ScriptedHub(log_signals=5)
    bob, cid, ann = hub.join("bob"), hub.join("cid"), hub.join("ann")
    for link in (bob, cid, ann):
        hub.handle(link)
    hub.end(ann)
    hub.end(cid)
    hub.signal(bob, 1, to=hub.connection(ann))
    hub.signal(bob, *range(2, 31), to=hub.connection(bob))
    back, cid_back = hub.return_of(ann), hub.return_of(cid)
    gaps = [hub.welcome(link).gap for link in (back, cid_back)]
    assert [gap.last if gap else None for gap in gaps] == [6, None]


def test_the_count_bound_spares_what_a_present_member_was_not_sent() -> None:
    """It holds entries up to the hard bounds; an away member holds nothing."""
    hub = ScriptedHub(log_signals=3, window=2)
    bob, ann = hub.join("bob"), hub.join("ann")
    hub.signal(bob, 1, 2)
    hub.handle(bob)
    hub.signal(bob, *range(3, 13))
    assert hub.core.statistics().log_signals == 10
    for _ in range(6):
        hub.handle(bob)
        hub.handle(ann)
    assert hub.serials(ann) == list(range(1, 13))
    hub.end(ann)
    hub.signal(bob, 13)
    assert hub.core.statistics().log_signals == 3


def test_member_changes_do_not_use_up_the_bound_on_signals() -> None:
    hub = ScriptedHub(log_signals=4)
    bob = hub.join("bob")
    hub.signal(bob, 1, 2, 3, 4)
    links = [hub.join(f"m{number}") for number in range(20)]
    assert hub.core.statistics().log_signals == 4
    hub.handle(bob)
    hub.signal(bob, 5, 6)
    assert hub.core.statistics().log_signals == 4
    for link in links:
        hub.send(link, Goodbye())
    assert hub.core.statistics().log_signals == 4


def test_age_and_bytes_are_hard() -> None:
    """D05: an idle session lets go of old entries without being touched."""
    hub = ScriptedHub(log_seconds=40.0, log_bytes=2_000)
    ann = hub.join("ann")
    for serial in range(1, 6):
        hub.signal(ann, serial, data=raw("x" * 500))
    assert hub.core.statistics().log_bytes <= 2_000
    for serial in (6, 7):
        hub.signal(ann, serial)
        for _ in range(12):
            hub.later(4.0)
            hub.send(ann, Ping())
        assert hub.core.statistics().log_signals == 0, "also after it had been idle"


# -- snapshots -----------------------------------------------------------------------------------------------------------------


def test_a_snapshot_has_all_but_the_member_itself_in_pages() -> None:
    """P05: away members flagged, muted streams flagged; each page is at most half a message."""
    hub = ScriptedHub(message_bytes=2_000)
    links = [hub.join(f"m{number}", data="d" * 100, wants=[Want(key="k", publish="x" * 50)]) for number in range(20)]
    hub.end(links[3])
    ann = hub.join("ann")
    assert hub.welcome(ann).snapshot_pages > 3
    members, streams = hub.snapshot(ann)
    assert members == [("~" if number == 3 else "") + f"c{number + 1}" for number in range(20)]
    assert streams == [f"c{number + 1}.{number + 1}" for number in range(20)]
    back = hub.return_of(links[5], position=0, wants=[Want(key="k", publish="x" * 50)])
    assert hub.sent(back, Snapshot) == []


def test_a_thing_that_is_larger_than_a_page_has_a_page_of_its_own() -> None:
    census = Census()
    for name in "ab":
        member = Member(connection=name, client_id=name, data="d" * 1_000)
        census.apply(Entry(position=1, after=0, what=EntryKind.JOINED, connection=name, member=member))
    pages = census.snapshot("nobody", 100)
    assert [[member.connection for member in page.members] for page in pages] == [["a"], ["b"]]
    assert [page.page for page in Census().snapshot("nobody", 100)] == [0], "an empty one is a page too"


def test_a_census_is_the_log_folded() -> None:
    census = Census()
    stream = Stream(id="s", number=1, name="cam", connection="a")
    muted = Stream(id="s", number=1, name="cam", connection="a", muted=True)
    other = Stream(id="t", number=2, name="mic", connection="b")

    def tell(what: EntryKind, **fields: object) -> None:
        census.apply(Entry(position=1, after=0, what=what, **fields))  # type: ignore[arg-type]  # one entry's own fields

    for name in "ab":
        tell(EntryKind.JOINED, connection=name, member=Member(connection=name, client_id=name))
    tell(EntryKind.PUBLISHED, stream=stream)
    tell(EntryKind.PUBLISHED, stream=other)
    tell(EntryKind.MUTED, stream=muted)
    tell(EntryKind.SIGNAL, connection="a")
    tell(EntryKind.DROPPED, connection="a")
    tell(EntryKind.DROPPED, connection="nobody")
    assert census.members["a"].away
    assert census.streams["s"].muted
    copy = census.copy()
    tell(EntryKind.RETURNED, connection="a")
    tell(EntryKind.UNPUBLISHED, stream=other)
    assert not census.members["a"].away
    tell(EntryKind.LEFT, connection="a")
    assert repr(census) == "<Census members=1 streams=0>"
    assert repr(copy) == "<Census members=2 streams=2>"


# -- the tail, against the plain truth -----------------------------------------------------------------------------------------

ENTRIES = st.lists(
    st.one_of(
        st.tuples(st.just("signal"), st.sampled_from([None, "a", "b"]), st.integers(0, 400)),
        st.tuples(st.just("quiet"), st.sampled_from([None, "a", "b"]), st.integers(0, 400)),
        st.tuples(st.sampled_from(["joined", "published", "muted"]), st.sampled_from(["a", "b", "c"]), st.just(0)),
    ),
    max_size=60,
)


def entry(position: int, kind: str, whom: str | None, size: int) -> Entry:
    """Return an entry of the log."""
    if kind == "signal":
        return Entry(position=position, after=0, what=EntryKind.SIGNAL, to=whom, data=raw("x" * size))
    if kind == "quiet":
        return Entry(position=position, after=0, what=EntryKind.SIGNAL, connection=whom, echo=False, data=raw("x" * size))
    stream = Stream(id="s", number=1, name="n", connection=whom or "")
    if kind == "joined":
        return Entry(position=position, after=0, what=EntryKind.JOINED, connection=whom)
    return Entry(position=position, after=0, what=EntryKind(kind), stream=stream)


def is_for(item: Entry, connection: str) -> bool:
    """Say plainly whether an entry is for a connection."""
    if item.what is EntryKind.SIGNAL:
        return item.to in (None, connection) and (item.echo or connection != item.connection)
    if item.what is EntryKind.MUTED:
        return True
    return connection != (item.stream.connection if item.stream else item.connection)


@given(ENTRIES, st.integers(1, 20), st.integers(1, 4_000), st.integers(1, 10), st.integers(0, 60), st.integers(1, 3))
def test_the_tail_tells_the_truth(
    script: list[tuple[str, str | None, int]], signals: int, size: int, room: int, spared: int, step: int
) -> None:
    """Whatever comes and goes: what is kept is the end of the log, within its bounds; what is gone is known for each member."""
    tail = Tail(HubSettings(log_signals=signals, log_bytes=size, log_seconds=30.0), {"a", "b", "c"})
    log: list[tuple[float, Entry]] = []
    for number, (kind, whom, length) in enumerate(script):
        at = float(number * step)
        item = entry(number + 1, kind, whom, length)
        log.append((at, item))
        tail.add([item], at)
        tail.trim(at, max(0, tail.end - spared))
        kept = [item for _, item in log[tail.start :]]
        gone = [item for _, item in log[: tail.start]]
        assert tail.end == len(log)
        assert tail.head == number + 1
        assert tail.floor == (gone[-1].position if gone else 0)
        assert tail.signals == sum(item.what is EntryKind.SIGNAL for item in kept)
        assert tail.size == sum(len(item.data) + limits.ENTRY_OVERHEAD_BYTES for item in kept) <= size
        assert all(then >= at - 30.0 for then, _ in log[tail.start :])
        assert tail.signals <= max(signals, spared)
        for connection in "abc":
            mine = [item.position for item in gone if is_for(item, connection)]
            assert tail.lost(connection) == (mine[-1] if mine else 0)
            taken, cursor = tail.take(tail.start, connection, room)
            wanted = [item for item in kept if is_for(item, connection)]
            assert taken == wanted[:room]
            rest = [item for item in kept if item.position > tail.before(cursor)]
            assert not rest or is_for(rest[0], connection), "what is not for it is passed over"
            assert tail.last_for(connection, tail.start, 0) == (wanted[-1].position if wanted else 0)
        for position in range(tail.floor, number + 2):
            index = tail.after(position)
            assert tail.before(index) <= position
            assert index == tail.end or log[index][1].position > position


def test_a_long_log_lets_go_of_what_it_trimmed() -> None:
    tail = Tail(HubSettings(log_signals=10), set())
    for position in range(1, 3 * CHUNK):
        tail.add([entry(position, "signal", None, 1)], 0.0)
        assert not tail.trim(0.0, tail.end), "a signal changes no member"
        assert tail.start == max(0, position - 10)
    assert repr(tail).startswith(f"<Tail {3 * CHUNK - 10}..{3 * CHUNK - 1} signals=10")
    assert len(tail._entries) <= CHUNK + 10
    assert [item.position for item in tail.since(tail.end - 2)] == [3 * CHUNK - 2, 3 * CHUNK - 1]


def test_what_was_trimmed_for_one_that_is_gone_is_not_remembered() -> None:
    held = {"a"}
    tail = Tail(HubSettings(log_signals=1), held)
    tail.add([entry(1, "signal", "a", 1), entry(2, "signal", "b", 1), entry(3, "signal", None, 1)], 0.0)
    tail.trim(0.0, 3)
    assert (tail.lost("a"), tail.lost("b")) == (1, 0)
    tail.forget("a")
    assert tail.lost("a") == 0


def test_whom_an_entry_is_for() -> None:
    signal = entry(1, "signal", None, 0)
    unechoed = [msgspec.structs.replace(signal, connection=name, echo=False) for name in ("a", "a", "b", None)]
    signals = [signal, entry(1, "signal", "a", 0), *unechoed]
    assert audiences(signals) == [None, (True, "a"), (False, "a"), (False, "a"), (False, "b"), None]
    assert audiences([entry(1, "muted", "a", 0)]) == [None]
    assert audiences([entry(1, "published", "a", 0)]) == [(False, "a")]
    assert audiences([Entry(position=1, after=0, what=EntryKind.LEFT, connection="a")]) == [(False, "a")]


# -- small parts ---------------------------------------------------------------------------------------------------------------


def test_deadlines_fall_due_in_the_order_in_which_they_were_started() -> None:
    deadlines: Deadlines[str] = Deadlines(10.0)
    for at, key in enumerate("abc"):
        deadlines.start(key, float(at))
    deadlines.start("a", 5.0)
    deadlines.stop("c")
    deadlines.stop("nothing")
    assert repr(deadlines) == "<Deadlines 10 s waiting=2 first=11.0>"
    assert "a" in deadlines
    assert deadlines.due(10.9) == []
    assert deadlines.due(15.0) == ["b", "a"]
    assert (len(deadlines), deadlines.first) == (0, float("inf"))
    deadlines.start("d", 0.0)
    deadlines.restart_all(50.0)
    assert deadlines.first == 60.0


def test_secrets_are_kept_as_digests_and_the_past_is_remembered_for_a_while() -> None:
    """R11: nothing that could be presented is in a record."""
    secrets = Secrets(pending=digest("s0"))
    assert secrets.rotated("s0", "s1").superseded == (), "where there was none, none is over"
    for number in range(1, 12):
        secrets = secrets.proven().rotated(f"s{number - 1}", f"s{number}")
    assert secrets.accepts("s10")
    assert secrets.accepts("s11")
    assert not secrets.accepts("s9")
    assert not secrets.accepts("")
    assert secrets.knows("s9")
    assert not secrets.knows("s0"), "so many are kept, and no more"
    assert not secrets.knows("s11")
    assert len(secrets.superseded) == limits.SUPERSEDED_SECRETS
    assert "s11" not in repr(secrets)


def test_a_ledger_keeps_refusals_until_they_are_settled_and_not_for_ever() -> None:
    ledger = Ledger("box")

    def refused(*serials: int) -> tuple[Rejection, ...]:
        return tuple(Rejection(serial=serial, code=RejectCode.INVALID) for serial in serials)

    ledger.judge(3, refused(1, 3))
    ledger.settle(2)
    ledger.settle(1)
    assert [refusal.serial for refusal in ledger.unheard()] == [3]
    ledger.judge(10, refused(1))
    assert [refusal.serial for refusal in ledger.unheard()] == [3], "what is settled is settled"
    ledger.judge(20_000, refused(*range(100, 100 + limits.REJECTIONS_KEPT)))
    assert len(ledger.rejected) == limits.REJECTIONS_KEPT
    assert repr(ledger) == f"<Ledger judged=20000 taken=0 rejected={limits.REJECTIONS_KEPT} under_way=0>"


def test_a_queue_lets_barriers_pass_when_nothing_is_before_them() -> None:
    queue = AppendQueue()
    barrier = BarrierItem(link=1, then=After.GOODBYE)
    change = MemberItem(entries=(entry(0, "joined", "a", 0),), connection="a")
    queue.put(barrier)
    queue.put(change)
    queue.put(barrier)
    assert queue.barriers() == [barrier]
    assert queue.next() == change.entries
    assert queue.barriers() == []
    assert queue.next() == ()
    assert repr(queue) == "<AppendQueue waiting=0 under_way=2 blocked=False>"
    assert queue.answered() == [change, barrier]
    queue.put_back([change])
    assert queue.next() == ()
    assert queue
    queue.discard("a")
    assert not queue


def test_links_and_sessions_say_what_they_are() -> None:
    """One line each, and no secret in it."""
    link = Link(3)
    link.secret = "canary"
    assert repr(link) == "<Link 3 nobody open cursor=0 unhandled=0>"
    link.session, link.connection, link.deaf = HubSession("room-1", HubSettings()), "c1", True
    assert repr(link) == "<Link 3 room-1 c1 deaf cursor=0 unhandled=0>"
    assert repr(link.session) == "<HubSession room-1 members=0 links=0 streams=0 <Tail 1..0 signals=0 bytes=0>>"


def test_the_end_of_a_connection_does_not_end_its_senders_next_one() -> None:
    """The index by sender may point elsewhere by then."""
    hub = ScriptedHub()
    ann = hub.join("ann")
    record = hub.core.record(hub.connection(ann))
    assert record is not None
    session = HubSession("room-1", HubSettings())
    session.keep(record)
    session.senders[record.sender] = "another"
    session.tail.add([entry(1, "signal", record.connection, 0)], 0.0)
    session.tail.trim(500.0, 1)
    assert session.tail.lost(record.connection) == 1
    session.drop(record)
    assert session.senders == {record.sender: "another"}
    assert session.tail.lost(record.connection) == 0


@pytest.mark.parametrize("name", ["grace_seconds", "window", "log_seconds", "message_bytes"])
def test_settings_that_no_hub_can_work_with(name: str) -> None:
    values: list[Any] = [0, -1, float("nan"), float("inf"), "x"]
    for value in values:
        with pytest.raises(BadArgument, match=f"{name} is .* must be a positive number"):
            HubSettings(**{name: value})
    with pytest.raises(BadArgument, match="silence must be longer"):
        HubSettings(ping_seconds=3.0, silence_seconds=3.0)
