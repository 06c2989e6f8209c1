"""What a session may be made of, and the sentence for everything else; one that is refused takes and leaves open nothing."""

from __future__ import annotations

import gc
import math
import os
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import pytest

import reconnect
from reconnect.audit import MemorySink
from reconnect.chart import load_chart
from reconnect.client import Outbox, Session
from reconnect.errors import AuditFailed, BadArgument, BadUrl, ChartError
from reconnect.testing import FakeClock, MemoryNetwork
from reconnect.transport.websocket import WebSocketDialer

URL = "ws://hub.test"
SESSIONS, SMALL_BYTES = 100, 26_000


def make(**options: Any) -> Session:
    return Session(**({"url": URL, "session": "room-1", "token": "token"} | options))


class Policy:
    """A policy of a user's own."""

    stable_after_seconds: Any = 5.0

    def decide(self, question: Any) -> Any: ...


class Unsure(Policy):
    stable_after_seconds = math.nan


def test_what_a_session_is_made_of() -> None:
    session = make()
    assert repr(session) == "<Session room-1 disconnected outbox=0/1000>"
    assert (session.url, session.name, session.state, session.role) == (URL, "room-1", "disconnected", "offline")
    assert (session.connection, session.streams, session.members, session.last_error) == (None, (), (), None)
    assert isinstance(session._driver._dialer, WebSocketDialer)
    settings = session._core.at.settings
    assert (settings.renewable, settings.retry_initial, settings.stable_after) == (False, False, 10.0)
    assert settings.client_version == reconnect.__version__


def test_every_part_may_be_the_users_own() -> None:
    box, clock, policy, network = Outbox(max_signals=3), FakeClock(), Policy(), MemoryNetwork()
    session = make(
        token=lambda: "token",
        outbox=box,
        clock=clock,
        retry=policy,
        transport=network.dial,
        audit=MemorySink(),
        chart=load_chart("session"),
        retry_initial=True,
        attempt_deadline_seconds=3,
        close_timeout_seconds=0.5,
        observer_seconds=None,
        seed=7,
    )
    assert repr(session) == "<Session room-1 disconnected outbox=0/3>"
    settings = session._core.at.settings
    assert (settings.attempt_deadline, settings.close_timeout, settings.stable_after) == (3, 0.5, 5.0)
    assert (settings.renewable, settings.retry_initial, settings.sender) == (True, True, box.sender)


def test_sessions_without_a_seed_share_one_source_of_chance() -> None:
    """It keeps no state: thousands of sessions cost nothing more, and processes that were forked do not draw alike."""
    ann, bob = make(), make()
    chance = ann._driver._random
    assert chance is bob._driver._random
    with pytest.raises(NotImplementedError):
        chance.getstate()
    assert len({chance.random() for _ in range(10)}) == 10


def test_a_seed_is_a_source_of_its_own() -> None:
    ann, bob, alone = make(seed=0)._driver._random, make(seed=0)._driver._random, Random(0)
    for _ in range(10):
        assert ann.random() == bob.random() == alone.random()


def test_a_session_that_does_nothing_is_small() -> None:
    """Programs that hold thousands of them pay this for each; a connected one has its transport and tasks besides."""
    make()  # what all of them share is loaded
    gc.collect()
    tracemalloc.start()
    try:
        sessions = [make() for _ in range(SESSIONS)]
        gc.collect()
        traced, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert traced / len(sessions) < SMALL_BYTES


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"url": 5}, "url is the hub's address, as ws://host:port, and this is 5"),
        ({"session": ""}, "session is the id of the shared place, a string that is not empty, and this is ''"),
        ({"session": None}, "session is the id of the shared place, a string that is not empty, and this is None"),
        ({"session": "x" * 257}, "session is the id of the shared place, of at most 256 characters, and this has 257"),
        (
            {"session": "\ud800"},
            "session is the id of the shared place, and this has a lone surrogate, which cannot be written as UTF-8",
        ),
        ({"token": ""}, "token is a string that is not empty, or a callable that returns one; see reconnect.make_token()"),
        ({"token": None}, "token is a string that is not empty, or a callable that returns one; see reconnect.make_token()"),
        ({"token": b"token"}, "token is a string that is not empty, or a callable that returns one; see reconnect.make_token()"),
        (
            {"token": "\ud800"},
            "token is what make_token() returned, and this has a lone surrogate, which cannot be written as UTF-8",
        ),
        ({"retry": "forever"}, "retry is a RetryPolicy, as reconnect.RetryPolicy.forever(), and this is 'forever'"),
        (
            {"retry": reconnect.RetryPolicy},
            f"retry is a RetryPolicy, as reconnect.RetryPolicy.forever(), and this is {reconnect.RetryPolicy!r}",
        ),
        ({"outbox": 100}, "outbox is a reconnect.Outbox, and this is 100"),
        ({"clock": 5}, "clock is an object with now(), wall() and call_at(), and this is 5"),
        ({"transport": "websocket"}, "transport is an async function that dials a url, and this is 'websocket'"),
        ({"chart": 5}, "chart is a Statechart, or what load_chart() takes, and this is 5"),
        ({"seed": "s"}, "seed is an integer, and this is 's'"),
        ({"attempt_deadline_seconds": 0}, "attempt_deadline_seconds is 0; give a positive number of seconds"),
        ({"attempt_deadline_seconds": math.inf}, "attempt_deadline_seconds is inf; give a positive number of seconds"),
        ({"close_timeout_seconds": -1}, "close_timeout_seconds is -1; give a positive number of seconds"),
        ({"close_timeout_seconds": None}, "close_timeout_seconds is None; give a positive number of seconds"),
        ({"observer_seconds": math.nan}, "observer_seconds is nan; give a positive number of seconds"),
        ({"observer_seconds": True}, "observer_seconds is True; give a positive number of seconds"),
    ],
)
def test_what_a_session_cannot_be_made_of(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadArgument) as refused:
        make(**options)
    assert str(refused.value) == sentence


def test_a_policy_whose_numbers_are_none_is_refused() -> None:
    with pytest.raises(BadArgument, match=r"retry is a RetryPolicy, as reconnect\.RetryPolicy\.forever\(\)"):
        make(retry=Unsure())


@pytest.mark.parametrize("url", ["", "hub.test", "http://hub.test", "ws://", "ws://a b", "ws://u:p@hub.test"])
def test_an_address_that_no_websocket_has(url: str) -> None:
    with pytest.raises(BadUrl):
        make(url=url)
    assert make(url=url, transport=MemoryNetwork().dial).url == url, "another dialer may have addresses of its own"


def test_a_chart_may_be_named_or_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = (Path(__file__).parent.parent / "statecharts" / "session.toml").read_text(encoding="utf-8")
    file.write_text(text.replace('chart = "session"', 'chart = "mine"', 1), encoding="utf-8")
    assert make(chart=file)._core.chart.name == "mine"
    assert make(chart=str(file))._core.chart.name == "mine"
    assert make(chart="session")._core.chart.name == "session"
    with pytest.raises(ChartError):
        make(chart="no such chart")
    with pytest.raises(ChartError):
        make(chart="member")


def test_a_session_that_is_refused_takes_no_outbox() -> None:
    box = Outbox()
    for options in ({"url": "http://hub.test"}, {"chart": "member"}, {"audit": "/no/such/folder/audit.jsonl"}, {"audit": 5}):
        with pytest.raises((BadArgument, ChartError, AuditFailed)):
            make(outbox=box, **options)
    make(outbox=box)


def test_a_session_that_is_refused_leaves_no_file_open(tmp_path: Path) -> None:
    box, open_files = Outbox(), Path("/proc/self/fd")
    make(outbox=box)
    before = len(os.listdir(open_files)) if open_files.is_dir() else 0
    for options in ({"outbox": box}, {"url": "http://hub.test"}, {"chart": "member"}):
        with pytest.raises((BadArgument, ChartError)):
            make(audit=tmp_path / "audit.jsonl", **options)
    assert (len(os.listdir(open_files)) if open_files.is_dir() else 0) == before
