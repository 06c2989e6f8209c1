"""The roster: members and streams as the log and its snapshots tell them; each coming, drop, return and end is told once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reconnect.chart import load_chart
from reconnect.core.effects import Effect, Notify
from reconnect.core.frames import Entry, EntryKind, Member, Stream, Want, WantAnswer
from reconnect.core.notices import Notice, PublicationNotice
from reconnect.core.roster import Roster
from reconnect.core.wants import Wants
from reconnect.reasons import Reason

ANN = Member(connection="c-ann", client_id="ann")
BOB = Member(connection="c-bob", client_id="bob")
CAMERA = Stream(id="c-ann.1", number=1, name="camera", connection="c-ann")
SCREEN = Stream(id="c-ann.2", number=2, name="screen", connection="c-ann")
FILM = Stream(id="c-bob.3", number=3, name="film", connection="c-bob")
DROPPED = [
    "connection_interrupted ann", "stream_interrupted camera", "subscription disconnected camera", "stream_interrupted screen",
]  # fmt: skip
RETURNED = [
    "connection_restored ann", "stream_restored camera", "subscription connected camera", "stream_restored screen",
]  # fmt: skip


class Hall:
    """A roster with one subscription, to Ann's camera."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wants = Wants(load_chart("publisher"), load_chart("subscriber"))
        self.roster = Roster(self.wants, self.counts)
        self.notices: list[Notice] = []
        self.wants.restore_own(0.0)
        self.wants.add(Want(key="camera", subscribe=CAMERA.id), request=1)
        self.wants.answer(WantAnswer(key="camera", stream=CAMERA), 0.0)

    def tell(self, what: EntryKind, **fields: Any) -> list[str]:
        """Follow one entry; return what was told."""
        return self.told(self.roster.apply(Entry(position=1, after=0, what=what, **fields), 1.0))

    def snapshot(self, members: tuple[Member, ...] = (), streams: tuple[Stream, ...] = ()) -> list[str]:
        """Follow a snapshot; return what was told."""
        return self.told(self.roster.reconcile(members, streams, 1.0))

    def told(self, effects: list[Effect]) -> list[str]:
        """Keep what was told, and return it in words."""
        notices = [effect.notice for effect in effects if isinstance(effect, Notify)]
        self.notices += notices
        return [self.words(notice) for notice in notices]

    def words(self, notice: Notice) -> str:
        whom = getattr(notice, "stream", None) or getattr(notice, "member", None)
        name = f"subscription {notice.name}" if isinstance(notice, PublicationNotice) else notice.name
        return f"{name} {getattr(whom, 'name', None) or getattr(whom, 'client_id', None)}"

    def with_ann(self, *streams: Stream) -> Hall:
        """Let Ann be there with her streams."""
        self.tell(EntryKind.JOINED, member=ANN)
        for stream in streams:
            self.tell(EntryKind.PUBLISHED, stream=stream)
        return self


def test_members_and_streams_come_and_go() -> None:
    """Each is told once; what ends with its member is told before it."""
    hall = Hall()
    assert hall.tell(EntryKind.JOINED, member=ANN) == ["connection_created ann"]
    assert hall.tell(EntryKind.JOINED, member=ANN) == []
    assert hall.tell(EntryKind.PUBLISHED, stream=CAMERA) == ["stream_created camera"]
    assert hall.tell(EntryKind.PUBLISHED, stream=CAMERA) == []
    assert hall.tell(EntryKind.PUBLISHED, stream=SCREEN) == ["stream_created screen"]
    assert hall.tell(EntryKind.UNPUBLISHED, stream=SCREEN) == ["stream_destroyed screen"]
    assert hall.notices[-1].reason is Reason.UNPUBLISHED  # type: ignore[attr-defined]  # it has one
    assert hall.tell(EntryKind.LEFT, connection="c-ann", reason=Reason.KICKED) == [
        "stream_destroyed camera", "subscription destroyed camera", "connection_destroyed ann",
    ]  # fmt: skip
    assert {getattr(notice, "reason", None) for notice in hall.notices[-3:]} == {Reason.KICKED}
    assert (hall.roster.members, hall.roster.streams) == ({}, {})


def test_p01_a_members_drop_and_return_speak_for_its_streams() -> None:
    """P01 (the subscriber's side): each told once, and nothing created or destroyed."""
    hall = Hall().with_ann(CAMERA, SCREEN)
    assert not hall.roster.is_away(CAMERA)
    assert hall.tell(EntryKind.DROPPED, connection="c-ann", reason=Reason.SILENT) == DROPPED
    assert {getattr(notice, "reason", None) for notice in hall.notices[-4:]} == {Reason.SILENT}
    assert hall.roster.is_away(CAMERA)
    assert hall.tell(EntryKind.DROPPED, connection="c-ann") == []
    assert hall.tell(EntryKind.RETURNED, connection="c-ann") == RETURNED
    assert hall.tell(EntryKind.RETURNED, connection="c-ann") == []


def test_p07_a_late_word_about_an_old_connection_is_ignored() -> None:
    """P07: Ann is back under another connection; the end of the old one cannot hit her."""
    hall = Hall().with_ann(CAMERA)
    hall.tell(EntryKind.LEFT, connection="c-ann")
    again = Member(connection="c-ann-2", client_id="ann")
    stream = Stream(id="c-ann-2.9", number=9, name="camera", connection="c-ann-2")
    hall.tell(EntryKind.JOINED, member=again)
    hall.tell(EntryKind.PUBLISHED, stream=stream)
    assert hall.tell(EntryKind.LEFT, connection="c-ann") == []
    assert hall.tell(EntryKind.DROPPED, connection="c-ann") == []
    assert hall.tell(EntryKind.RETURNED, connection="c-ann") == []
    assert hall.tell(EntryKind.UNPUBLISHED, stream=CAMERA) == []
    assert hall.roster.streams == {stream.id: stream}


def test_a_stream_that_is_muted_is_told() -> None:
    """It replaces what the roster and the subscription know; of an own stream, which is not listed, it is told as well."""
    hall = Hall().with_ann(CAMERA)
    muted = Stream(id=CAMERA.id, number=1, name="camera", connection="c-ann", muted=True)
    assert hall.tell(EntryKind.MUTED, stream=muted) == ["stream_updated camera"]
    assert hall.roster.streams[CAMERA.id].muted
    assert hall.wants["camera"].stream == muted
    assert hall.tell(EntryKind.MUTED, stream=FILM) == ["stream_updated film"]
    assert FILM.id not in hall.roster.streams


def test_an_entry_without_what_it_is_about_is_counted() -> None:
    hall = Hall()
    for what in EntryKind:
        assert hall.tell(what) == []
    assert hall.counts == {"incomplete_entries": len(EntryKind)}


def test_p05_a_snapshot_tells_only_what_differs() -> None:
    """P05: vanished streams and members are destroyed first, newcomers created; survivors are not told again."""
    hall = Hall().with_ann(CAMERA, SCREEN)
    news = ["stream_destroyed screen", "connection_created bob", "stream_created film"]
    assert hall.snapshot((ANN, BOB), (CAMERA, FILM)) == news
    assert hall.snapshot((ANN, BOB), (CAMERA, FILM)) == []
    ends = ["stream_destroyed camera", "subscription destroyed camera", "connection_destroyed ann"]
    assert hall.snapshot((BOB,), (FILM,)) == ends
    assert {getattr(notice, "reason", None) for notice in hall.notices[-3:]} == {Reason.NETWORK_DISCONNECTED}
    assert hall.snapshot() == ["stream_destroyed film", "connection_destroyed bob"]


def test_p05_who_dropped_or_returned_meanwhile_is_told_so() -> None:
    """P05: a snapshot says who is away."""
    hall = Hall().with_ann(CAMERA)
    away = Member(connection="c-ann", client_id="ann", away=True)
    assert hall.snapshot((away,), (CAMERA, SCREEN)) == ["stream_created screen", *DROPPED]
    assert hall.snapshot((away,), (CAMERA, SCREEN)) == []
    assert hall.snapshot((ANN,), (CAMERA, SCREEN)) == RETURNED


def test_newcomers_that_are_away_are_told_in_pairs() -> None:
    """Who is told as restored later was told as interrupted before, also where one met him away."""
    hall = Hall()
    away = Member(connection="c-bob", client_id="bob", away=True)
    assert hall.snapshot((away,), (FILM,)) == [
        "connection_created bob", "stream_created film", "connection_interrupted bob", "stream_interrupted film",
    ]  # fmt: skip
    assert hall.roster.members["c-bob"].away
    assert hall.tell(EntryKind.RETURNED, connection="c-bob") == ["connection_restored bob", "stream_restored film"]


def test_a_stream_that_is_new_of_one_who_is_still_away_is_interrupted() -> None:
    """It came, published and dropped again while nobody was looking."""
    hall = Hall().with_ann(CAMERA)
    away = Member(connection="c-ann", client_id="ann", away=True)
    hall.snapshot((away,), (CAMERA,))
    assert hall.snapshot((away,), (CAMERA, SCREEN)) == ["stream_created screen", "stream_interrupted screen"]


def test_a_stream_muted_meanwhile_is_told() -> None:
    hall = Hall().with_ann(CAMERA)
    muted = Stream(id=CAMERA.id, number=1, name="camera", connection="c-ann", muted=True)
    assert hall.snapshot((ANN,), (muted,)) == ["stream_updated camera"]
    assert hall.wants["camera"].stream == muted


def test_at_the_end_nothing_is_known_any_more() -> None:
    hall = Hall().with_ann(CAMERA)
    hall.roster.clear()
    assert (hall.roster.members, hall.roster.streams) == ({}, {})
