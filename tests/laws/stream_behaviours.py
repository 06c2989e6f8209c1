"""What a publication and a subscription do, as plain functions of their charts; see `behaviours.py` for what they are for."""

from __future__ import annotations

from typing import Any, Final

from reconnect.core.effects import Answer, Effect, Notify
from reconnect.core.frames import Stream, Want, WantAnswer
from reconnect.core.notices import PublicationNotice
from reconnect.core.wants import Wants
from reconnect.errors import RequestFailed
from reconnect.reasons import Reason, RejectCode
from tests.core_world import START, Charts
from tests.laws.behaviours import Behaviour

CAMERA: Final = Want(key="mine", publish="camera")
SCREEN: Final = Want(key="theirs", subscribe="s-peer.1")
FIRST: Final = Stream(id="s-peer.1", number=1, name="screen", connection="c-peer")
SECOND: Final = Stream(id="s-peer.1", number=2, name="screen", connection="c-peer")


class Ends:
    """The wants of a session whose link is up, and what they told."""

    def __init__(self, charts: Charts) -> None:
        self.wants = Wants(charts["publisher"], charts["subscriber"])
        self.told: list[str] = []
        self.notices: list[PublicationNotice] = []
        self.answers: dict[int, Answer] = {}
        self.take(self.wants.restore_own(START))

    def take(self, effects: list[Effect]) -> None:
        """Keep what came of a call."""
        for effect in effects:
            if isinstance(effect, Notify):
                assert isinstance(effect.notice, PublicationNotice)
                self.notices.append(effect.notice)
                self.told.append(f"{effect.notice.key} {effect.notice.name}")
            elif isinstance(effect, Answer):
                assert effect.request not in self.answers
                self.answers[effect.request] = effect

    def add(self, want: Want, *, asked: bool = True) -> str:
        """The user wants something, and it is asked for; return what it is for at present."""
        self.wants.add(want, request=len(self.answers) + 1)
        if asked:
            self.take(self.wants.ask(want.key, START))
        return self.wants[want.key].role

    def answer(self, want: Want, stream: Stream | None = FIRST, **fields: Any) -> None:
        """The hub answers."""
        self.take(self.wants.answer(WantAnswer(key=want.key, stream=stream, **fields), START))

    def refuse(self, want: Want) -> None:
        """The hub says no."""
        self.answer(want, None, code=RejectCode.FORBIDDEN, detail="not yours")

    def lose(self) -> None:
        """The own link is lost."""
        self.take(self.wants.interrupt_own(Reason.SILENT, START))

    def restore(self) -> None:
        """The own link is back."""
        self.take(self.wants.restore_own(START))


def reach(charts: Charts, want: Want, role: str) -> Ends:
    """Bring a new want into a role, by the shortest way."""
    ends = Ends(charts)
    ends.add(want, asked=role != "offline")
    if role in ("live", "interrupted"):
        ends.answer(want)
    if role == "interrupted":
        ends.lose()
    assert ends.wants[want.key].role == role
    ends.told.clear()
    return ends


def behaviour_a_publication_is_told_from_its_answer_on(charts: Charts) -> None:
    ends = Ends(charts)
    assert ends.add(CAMERA, asked=False) == "offline"
    ends.lose()
    ends.restore()
    ends.take(ends.wants.ask("mine", START))
    assert ends.wants["mine"].role == "asked"
    ends.lose()
    ends.restore()
    ends.take(ends.wants.ask("mine", START))
    assert ends.told == []
    ends.answer(CAMERA)
    assert ends.wants["mine"].role == "live"
    assert ends.told == ["mine live"]
    assert ends.wants["mine"].stream == FIRST
    assert ends.answers[1].value == "mine"


def behaviour_a_subscription_is_told_from_its_answer_on(charts: Charts) -> None:
    ends = Ends(charts)
    assert ends.add(SCREEN) == "asked"
    ends.lose()
    ends.restore()
    assert ends.told == []
    assert ends.wants.subscribed(1) is None
    ends.answer(SCREEN)
    assert ends.wants["theirs"].role == "live"
    assert ends.told == ["theirs connected"]
    assert ends.wants.subscribed(1) == "theirs"
    assert ends.answers[1].value == "theirs"


def behaviour_what_interrupts_and_restores_is_told_once(charts: Charts) -> None:
    for want, gone, back in ((CAMERA, "mine interrupted", "mine live"), (SCREEN, "theirs disconnected", "theirs connected")):
        ends = reach(charts, want, "live")
        ends.lose()
        ends.lose()
        assert (ends.told, ends.wants[want.key].role) == ([gone], "interrupted")
        assert getattr(ends.notices[-1], "reason", None) is Reason.SILENT
        ends.take(ends.wants.ask(want.key, START))
        ends.restore()
        assert (ends.told, ends.wants[want.key].role) == ([gone, back], "live")


def behaviour_another_stream_under_the_same_key_is_adopted_silently(charts: Charts) -> None:
    for want in (CAMERA, SCREEN):
        for role in ("live", "interrupted"):
            ends = reach(charts, want, role)
            ends.answer(want, SECOND)
            assert (ends.told, ends.wants[want.key].role) == ([], role)
            assert ends.wants[want.key].stream == SECOND
            assert ends.wants.subscribed(1) is None
            assert ends.wants.subscribed(2) == (want.key if want is SCREEN else None)


def behaviour_a_refused_want_is_over(charts: Charts) -> None:
    for want, told in ((CAMERA, ["mine ended"]), (SCREEN, ["theirs destroyed"])):
        for role in ("asked", "live", "interrupted"):
            ends = reach(charts, want, role)
            ends.refuse(want)
            assert ends.told == told
            assert want.key not in ends.wants
            assert ends.wants.subscribed(1) is None
            assert getattr(ends.notices[-1], "code", None) is RejectCode.FORBIDDEN
            error = ends.answers[1].error
            assert isinstance(error, RequestFailed) is (role == "asked")


def behaviour_a_want_that_ends_is_over_from_every_state(charts: Charts) -> None:
    for want, told in ((CAMERA, ["mine ended"]), (SCREEN, ["theirs destroyed"])):
        for role in ("offline", "asked", "live", "interrupted"):
            if want is SCREEN and role == "offline":
                continue
            ends = reach(charts, want, role)
            ends.take(ends.wants.drop(want.key, Reason.UNPUBLISHED, START))
            assert ends.told == told
            assert want.key not in ends.wants
            assert ends.wants.subscribed(1) is None
            assert getattr(ends.notices[-1], "reason", None) is Reason.UNPUBLISHED


STREAM_BEHAVIOURS: Final[tuple[Behaviour, ...]] = tuple(
    value for name, value in sorted(globals().items()) if name.startswith("behaviour_")
)
