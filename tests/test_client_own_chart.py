"""A session on a chart of its user's own: what it is made with, what the user may feed, and what observers are told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import reconnect
from reconnect.audit import MemorySink
from reconnect.client import Session
from reconnect.errors import BadArgument, ChartError, IllegalTransition, UnknownEventName, WrongLoop
from reconnect.reasons import Reason
from reconnect.testing import FakeClock
from tests.derived_charts import SUSPENDING, derived, derived_text
from tests.stories.stage import ROOM, Stage, story

CHART = derived("session", SUSPENDING)
DURATIONS = {"suspension": 45.0}
# As the derived chart, but waking is refused while it is awake.
AWAKE = 'on = "wake_requested"\nin = "connected"'
STRICT = derived("session", SUSPENDING.replace(f"[[ignores]]\n{AWAKE}", f"[[refuses]]\n{AWAKE}"))


def make(**options: Any) -> Session:
    return Session(**({"url": "ws://hub.test", "session": "room-1", "token": "token"} | options))


def on_stage(stage: Stage, **options: Any) -> Session:
    """Make a session on a derived chart that can reach the stage's hub."""
    usual: dict[str, Any] = {"chart": CHART, "durations": DURATIONS, "clock": stage.clock}
    return Session(
        stage.url, session=ROOM, token=stage.token("anna"), transport=stage.network.dialer("anna"), **(usual | options)
    )


# -- what it is made with ------------------------------------------------------------------------------------------------------


def test_the_chart_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my_session.toml"
    path.write_text(derived_text("session", SUSPENDING), encoding="utf-8")
    for given in (path, str(path), reconnect.load_chart(path)):
        session = make(chart=given, durations=DURATIONS)
        assert session._core.chart.sha256 == CHART.sha256
        assert session._core.at.settings.durations == DURATIONS


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"chart": CHART}, ChartError, "my_session.toml, timers.suspension: no duration 'suspension' is given; say how long, "
         "as Session(..., durations={'suspension': 60.0})"),
        ({"chart": CHART, "durations": {**DURATIONS, "nap": 1.0}}, BadArgument,
         "durations gives 'nap', and no timer of my_session.toml has seconds = 'given.nap'"),
        ({"durations": DURATIONS}, BadArgument, "durations gives 'suspension', and no timer of "),
        ({"chart": CHART, "durations": {"suspension": -1.0}}, BadArgument,
         "suspension is -1.0; give a positive number of seconds"),
        ({"chart": CHART, "durations": {"suspension": "long"}}, BadArgument,
         "suspension is 'long'; give a positive number of seconds"),
        ({"chart": CHART, "durations": 45.0}, BadArgument,
         "durations is a mapping from the names in the chart to seconds, as {'suspension': 60.0}, and this is 45.0"),
        ({"chart": CHART, "durations": {1: 45.0}}, BadArgument,
         "durations is a mapping from the names in the chart to seconds, as {'suspension': 60.0}, and this is {1: 45.0}"),
    ],
)  # fmt: skip
def test_durations_that_do_not_fit(options: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as refused:
        make(**options)
    assert str(refused.value).startswith(sentence)


# -- what the user feeds -------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_suspended_session_comes_back(stage: Stage) -> None:
    session = on_stage(stage)
    told: list[Any] = []
    for name in ("connected", "suspended", "reconnecting", "reconnected", "disconnected"):
        session.on(name, told.append)
    await session.connect()
    session.feed("suspend_requested")
    assert (session.state, session.role) == ("suspended", "recovering")
    receipt = session.signal("while away")
    await stage.later(20.0)
    assert receipt.outcome is None
    session.feed("wake_requested")
    assert (await receipt).delivered
    await session.disconnect()
    assert [event.name for event in told] == ["connected", "suspended", "reconnected", "disconnected"]
    assert isinstance(told[1], reconnect.Told)
    assert (told[1].state, told[1].reason) == ("suspended", Reason.OWN_CHART)
    assert (told[2].resumed, told[2].elapsed) == (True, 20.0)


@story(Stage)
async def test_a_suspension_that_lasts_too_long_is_the_end(stage: Stage) -> None:
    session = on_stage(stage)
    told: list[Any] = []
    session.on("disconnected", told.append)
    await session.connect()
    session.feed("suspend_requested")
    await stage.later(45.0)
    assert (session.role, [event.reason for event in told]) == ("offline", [Reason.OWN_CHART])
    await session.disconnect()


@story(Stage)
async def test_what_the_chart_refuses_raises_to_the_caller(stage: Stage) -> None:
    session = on_stage(stage, chart=STRICT)
    await session.connect()
    with pytest.raises(IllegalTransition) as refused:
        session.feed("wake_requested")
    assert (refused.value.state, refused.value.event) == ("connected", "wake_requested")
    assert session.role == "online"
    await session.disconnect()


def test_feeding_while_disconnected_is_noted_and_the_audit_is_over_as_before() -> None:
    audit = MemorySink()
    session = make(chart=CHART, durations=DURATIONS, audit=audit, clock=FakeClock())
    session.feed("wake_requested")
    assert session.role == "offline"
    (step,) = [line for line in audit.records if line["record"] == "step"]
    assert (step["event"], step["verdict"]) == ("wake_requested", "ignored")
    assert audit.records[-1]["record"] == "stop"


@pytest.mark.parametrize("event", ["suspend_reqested", "nonsense"])
def test_an_event_that_the_chart_does_not_have(event: str) -> None:
    with pytest.raises(UnknownEventName, match=f"there is no event named '{event}'"):
        make(chart=CHART, durations=DURATIONS).feed(event)


def test_the_librarys_own_chart_has_nothing_to_feed() -> None:
    with pytest.raises(BadArgument, match=r"session\.toml has none of the kind 'call' but ours"):
        make().feed("suspend_requested")


@pytest.mark.parametrize("event", ["connect_requested", "transport_lost", "suspension_over"])
def test_an_event_that_is_not_the_users_to_feed(event: str) -> None:
    session = make(chart=CHART, durations=DURATIONS)
    with pytest.raises(BadArgument, match=f"the session itself feeds '{event}'; feed\\(\\) is for events of the chart's own"):
        session.feed(event)
    with pytest.raises(BadArgument, match="feed\\(\\) takes the name of an event of the session's chart, and this is None"):
        session.feed(None)  # type: ignore[arg-type]  # the mistake that is tested


@story(Stage)
async def test_it_is_fed_from_its_own_loop_alone(stage: Stage) -> None:
    session = on_stage(stage)
    await session.connect()
    errors: list[WrongLoop] = []

    def elsewhere() -> None:
        try:
            session.feed("suspend_requested")
        except WrongLoop as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert [str(error).partition(" ")[0] for error in errors] == ["feed()"]
    assert session.role == "online"
    await session.disconnect()


# -- what observers are told ---------------------------------------------------------------------------------------------------


def test_on_takes_the_names_that_the_chart_declares_and_no_others() -> None:
    session = make(chart=CHART, durations=DURATIONS)
    session.on("suspended", print)
    session.on("sessionReconnecting", print)
    with pytest.raises(UnknownEventName, match="did you mean 'suspended'"):
        session.on("suspend", print)
    with pytest.raises(UnknownEventName):
        make().on("suspended", print)
