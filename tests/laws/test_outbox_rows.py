"""The law of the rows, for the outbox: its chart is what its file lives by. Tamper with it, and a behaviour changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec.structs import replace

from reconnect.chart import Statechart, load_chart
from reconnect.errors import ChartUnfit, IllegalTransition, OutboxFailed, OutboxInUse, UnknownAction
from reconnect.store.life import ACTIONS
from reconnect.store.sqlite import SqliteOutboxStore
from tests.laws.tampering import without
from tests.store_bench import StoreBench, break_commit, row

CHART = load_chart("outbox")
FULL = OutboxFailed("outbox.db", "no space is left for it", "make room")

Behaviour = Callable[[Statechart, Path], None]


def never() -> None:
    raise FULL


def it_keeps_and_hands_on(chart: Statechart, path: Path) -> None:
    """Open, a file is written and is nobody else's; closed, the next one has it."""
    bench = StoreBench(path, chart=chart)
    assert (bench.store.state, bench.put(1), len(bench.store.news)) == ("open", 1, 1)
    with pytest.raises(OutboxInUse):
        SqliteOutboxStore(path)
    bench.store.close()
    assert bench.store.state == "closed"
    assert isinstance(bench.put(2), OutboxFailed)
    later = StoreBench(path)
    assert later.pending() == [1]
    later.store.close()


def it_is_not_believed_after_a_failure(chart: Statechart, path: Path) -> None:
    """What failed is refused at once, the file is left alone, and trusted again when it was opened and checked anew."""
    bench = StoreBench(path, chart=chart)
    bench.put(1)
    broken = bench.store._file
    break_commit(bench.store)
    refused = bench.put(2)
    assert isinstance(refused, OutboxFailed)
    assert (refused.serials, bench.store.state, bench.store.fault is not None) == ((2,), "faulty", True)
    assert bench.store._file is None
    assert broken is not None
    with pytest.raises(OutboxFailed, match="closed database"):
        broken.rows()
    opening, bench.store._open = bench.store._open, never  # type: ignore[assignment,method-assign]
    assert isinstance(bench.put(3), OutboxFailed)
    assert bench.store.state == "faulty"
    bench.store._open = opening  # type: ignore[method-assign]
    assert (bench.put(4), bench.store.state, bench.pending()) == (4, "open", [1, 4])
    bench.store.close()


def it_can_be_closed_while_it_is_faulty(chart: Statechart, path: Path) -> None:
    """Whoever waits is told, and the rows stay for the next one."""
    bench = StoreBench(path, chart=chart)
    bench.put(1)
    break_commit(bench.store)
    bench.put(2)
    bench.store._open = never  # type: ignore[assignment,method-assign]
    bench.worker.held = True
    bench.store.put([row(3)], bench.answers.append)
    with pytest.raises(OutboxFailed):
        bench.store.close()
    assert bench.store.state == "closed"
    assert [isinstance(answer, OutboxFailed) for answer in bench.answers] == [False, True, True]
    later = StoreBench(path)
    assert later.pending() == [1]
    later.store.close()


BEHAVIOURS: tuple[Behaviour, ...] = (
    it_keeps_and_hands_on,
    it_is_not_believed_after_a_failure,
    it_can_be_closed_while_it_is_faulty,
)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_the_chart_as_shipped(behaviour: Behaviour, tmp_path: Path) -> None:
    """A30, A31, A35."""
    behaviour(CHART, tmp_path / "outbox.db")


def tampered() -> Iterator[tuple[str, Statechart]]:
    """Yield every chart in which one row is ignored or leads somewhere else, or one state lacks one of its actions."""
    for number, one in enumerate(CHART.transitions):
        for source in one.sources:
            yield f"{one.on} from {source}, ignored", without(CHART, number, source)
            for leaf in CHART.leaves:
                if leaf != one.to:
                    yield (
                        f"{one.on} from {source}, to {leaf}",
                        without(CHART, number, source, replace(one, sources=(source,), to=leaf)),
                    )
    for place, state in enumerate(CHART.states):
        for action in state.entry:
            poorer = replace(state, entry=tuple(other for other in state.entry if other != action))
            every = (*CHART.states[:place], poorer, *CHART.states[place + 1 :])
            yield f"{state.name} without {action}", replace(CHART, states=every, sha256=f"{state.name} {action}")


def survives(chart: Statechart) -> bool:
    """True if no behaviour notices."""
    for behaviour in BEHAVIOURS:
        with TemporaryDirectory() as folder:
            try:
                behaviour(chart, Path(folder) / "outbox.db")
            except Exception:
                return False
    return True


@pytest.mark.parametrize("name", TAMPERED := dict(tampered()))
def test_whoever_tampers_with_the_chart_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconnect.store.places._open", set())
    monkeypatch.setattr("reconnect.limits.STORE_LOCK_SECONDS", 0.01)
    assert not survives(TAMPERED[name])


def test_what_the_chart_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "outbox.db")
    with pytest.raises(IllegalTransition):
        bench.store._life.take("opened", FULL)
    bench.store.close()


def test_what_a_chart_may_ask_for_is_what_an_outbox_performs(tmp_path: Path) -> None:
    bench = StoreBench(tmp_path / "outbox.db")
    assert bench.store._life._actions.keys() == ACTIONS
    bench.store.close()


def test_a_chart_that_no_outbox_can_live_by(tmp_path: Path) -> None:
    with pytest.raises(UnknownAction, match="no outbox performs 'pray'"):
        StoreBench(tmp_path / "outbox.db", chart=replace(CHART, actions={**CHART.actions, "pray": "hope for the best"}))
    states = tuple(replace(state, role="broken") if state.name == "faulty" else state for state in CHART.states)
    with pytest.raises(ChartUnfit, match="nothing is faulty; an outbox needs each of these"):
        StoreBench(tmp_path / "outbox.db", chart=replace(CHART, states=states, sha256="renamed"))
