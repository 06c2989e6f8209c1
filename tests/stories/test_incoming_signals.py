"""What others sent while one was away: delivered after `reconnected`, in order, once; and where it cannot be, said so first."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from reconnect.core import frames
from reconnect.core.frames import Entry, EntryKind, Handled, Welcome
from reconnect.testing.scripted import HubEnd
from tests.stories.stage import Stage, story


@story(Stage)
async def test_what_was_missed_comes_after_reconnected_in_order_and_once(stage: Stage) -> None:
    """R02 R07: it comes in order, before anything newer."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    await ben.signal("before")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in range(5):
        await ben.signal(number)
    assert anna.heard == ["before"]
    anna.session.on("reconnected", lambda event: ben.signal("newer") and None)
    back = await anna.back()
    assert (back.resumed, back.gap) == (True, None)
    await stage.until(lambda: len(anna.heard) == 7)
    assert anna.heard == ["before", 0, 1, 2, 3, 4, "newer"]
    order = [event.name for event in anna.told("reconnected", "signal")]
    assert order == ["signal", "reconnected", *["signal"] * 6]


@story(Stage)
async def test_own_signals_come_back_to_the_sender_once(stage: Stage) -> None:
    """Q05 R06: a signal that was resent is heard once, by its sender too."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    anna.wire.lose_received(frames.Accepted)
    receipt = anna.signal("mine")
    await ben.signal("his")
    await anna.back()
    await receipt
    await stage.idle()
    assert sorted(anna.heard) == sorted(ben.heard) == ["his", "mine"]


@story(Stage)
async def test_several_outages_in_a_row_lose_and_double_nothing(stage: Stage) -> None:
    """R07 Q04: ten outages, each at another moment of the traffic."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    for number in range(10):
        for turn in range(number + 1):
            anna.signal(f"anna {number} {turn}")
            ben.signal(f"ben {number} {turn}")
        stage.network.cut(("anna", "ben")[number % 2])
        anna.signal(f"anna {number} in between")
        await (anna, ben)[number % 2].back()
    await anna.session.drain()
    await ben.session.drain()
    await stage.idle()
    assert anna.heard == ben.heard, "everybody hears the same in the same order"
    assert len(anna.heard) == len(set(anna.heard)) == 120
    assert set(anna.outcomes + ben.outcomes) == {"delivered"}
    for member in (anna, ben):
        assert anna.heard_from(member) == [data for data in anna.heard if data.startswith(member.name)]
        assert [signal.serial for signal in anna.signals if signal.sender == member.sender] == list(
            range(1, len(member.receipts) + 1)
        )


# -- two marks -------------------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_two_marks(stage: Stage) -> None:
    """R01 R06: a resume claims what was *handled*; what was received beyond it comes again and is not delivered twice."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    reading = anna.session.signals()  # an application that takes over nothing: its signals wait
    for number in range(300):
        ben.signal(number)
    await stage.until(lambda: len(anna.heard) >= 256)
    received = anna.signals[-1].position
    handled_before = anna.wire.all_sent(Handled)[-1].position if anna.wire.all_sent(Handled) else 0

    stage.network.cut("anna")
    await anna.back()
    claim = anna.wire.joins[-1].resume
    assert claim is not None
    assert handled_before <= claim.position < received, "what waits in an iterator was not taken over"
    got = [(await anext(reading)).data for _ in range(300)]
    assert got == list(range(300)), "each once, in order, though some were sent twice"
    assert anna.heard == list(range(300))
    assert anna.session.statistics().counts["repeated_entries"] > 0


@story(Stage)
async def test_a_message_heard_twice_is_delivered_once(stage: Stage) -> None:
    """R06: an entry at or below the mark is dropped and counted, and the link stays."""

    async def hub(end: HubEnd) -> None:
        await end.welcome(position=4)
        hello = Entry(position=5, after=4, what=EntryKind.SIGNAL, sender="someone", serial=1, data=Raw(b'"hello"'))
        await end.say(hello, hello)
        await end.say(Entry(position=6, after=5, what=EntryKind.SIGNAL, sender="someone", serial=2))
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    await stage.until(lambda: anna.heard == ["hello", None])
    assert anna.session.statistics().counts["repeated_entries"] == 1
    await anna.session.disconnect()


@story(Stage)
async def test_a_repeat_under_a_new_position_is_recognised_by_its_serial(stage: Stage) -> None:
    """Q05: sender and serial identify a signal for ever, also where a new hub put it into its log anew."""

    async def hub(end: HubEnd) -> None:
        await end.welcome()
        for position in (1, 2):
            await end.say(
                Entry(position=position, after=position - 1, what=EntryKind.SIGNAL, sender="ben", serial=7, repeat=position > 1)
            )
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    await stage.until(lambda: anna.session.statistics().counts.get("repeated_signals") == 1)
    assert len(anna.signals) == 1


# -- gaps ------------------------------------------------------------------------------------------------------------------------


@story(Stage, log_signals=10)
async def test_resumed_with_a_gap(stage: Stage) -> None:
    """R05: the log no longer reaches back: said with `reconnected`, before anything newer; the connection is kept."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    before = anna.session.connection
    await ben.signal("heard")
    handled = anna.wire.welcomes[-1].position
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in range(30):
        await ben.signal(number)
    back = await anna.back()
    assert back.resumed
    assert anna.session.connection == before
    assert back.gap is not None
    assert handled < back.gap.first <= back.gap.last
    await stage.until(lambda: anna.heard[-1] == 29)
    assert anna.heard == ["heard", *range(20, 30)], "what the log still had came, in order"
    replayed = [signal.position for signal in anna.signals[1:]]
    assert replayed == list(range(back.gap.last + 1, back.gap.last + 11)), "exactly what the gap does not name"


@story(Stage, log_signals=10)
async def test_a_gap_comes_with_a_snapshot(stage: Stage) -> None:
    """R05 P05: what changed among members and streams behind the gap is told, once each, and no ghost stays."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    carla = await stage.enter("carla")
    await carla.session.publish("hers")
    await ben.session.publish("his")
    await stage.until(lambda: len(anna.session.streams) == 2)
    seen = len(anna.told())

    stage.network.cut("anna")
    await anna.next("reconnecting")
    await carla.session.disconnect()
    dora = await stage.enter("dora")
    await dora.session.publish("new")
    for number in range(30):
        await ben.signal(number)
    back = await anna.back()
    assert back.gap is not None
    await stage.until(lambda: anna.heard == list(range(20, 30)))
    changes = [event for event in anna.told()[seen:] if event.name.endswith(("created", "destroyed"))]
    assert [(event.name, event.stream.name if "stream" in event.name else event.member.client_id) for event in changes] == [
        ("stream_destroyed", "hers"),
        ("connection_destroyed", "carla"),
        ("connection_created", "dora"),
        ("stream_created", "new"),
    ]
    assert sorted(stream.name for stream in anna.session.streams) == ["his", "new"]


@story(Stage, log_signals=10)
async def test_no_gap_where_only_others_signals_were_trimmed(stage: Stage) -> None:
    """R05: there is a gap only if a trimmed entry was for this member."""
    anna, ben, carla = await stage.enter("anna"), await stage.enter("ben"), await stage.enter("carla")
    assert carla.session.connection
    stage.network.cut("anna")
    await anna.next("reconnecting")
    for number in range(30):
        await ben.signal(number, to=carla.session.connection)
    await ben.signal("for all")
    back = await anna.back()
    assert (back.resumed, back.gap) == (True, None)
    await stage.until(lambda: anna.heard == ["for all"])


@story(Stage)
async def test_a_hole_is_never_silent(stage: Stage) -> None:
    """R04: a member that finds entries missing drops the transport, and asks for them again."""
    stage.allowed.add("holes")
    joins: list[frames.Join] = []

    async def hub(end: HubEnd) -> None:
        joins.append(await end.welcome(resumed=len(joins) > 0, position=3 if joins else 0))
        first = len(joins) == 1
        for position in (1, 3) if first else (2, 3):
            await end.say(
                Entry(
                    position=position,
                    after=2 if position == 3 else position - 1,
                    what=EntryKind.SIGNAL,
                    sender="s",
                    serial=position,
                )
            )
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    assert (await anna.next("reconnecting")).reason == "hole"
    await anna.back()
    assert joins[1].resume
    assert joins[1].resume.position == 1
    await stage.until(lambda: [signal.serial for signal in anna.signals] == [1, 2, 3])


@story(Stage)
async def test_a_hole_at_the_end_is_noticed_by_the_next_pong(stage: Stage) -> None:
    """R04: nothing follows the entry that got lost; the pong's position tells."""
    stage.allowed.add("holes")

    async def hub(end: HubEnd) -> None:
        await end.welcome()
        await end.hear(frames.Ping)
        await end.say(frames.Pong(position=1))
        await end.end()

    anna = await stage.enter("anna", url=stage.script(hub))
    assert (await anna.next("reconnecting")).reason == "hole"


# -- to one connection -----------------------------------------------------------------------------------------------------------


@story(Stage)
async def test_a_signal_to_one_connection_is_heard_by_it_alone(stage: Stage) -> None:
    """Not by the sender and not by others, and it waits for the addressee while that is away."""
    anna, ben, carla = await stage.enter("anna"), await stage.enter("ben"), await stage.enter("carla")
    (member,) = [member for member in anna.session.members if member.client_id == "ben"]
    await anna.signal("for ben", to=member)
    await stage.until(lambda: ben.heard == ["for ben"])
    stage.network.cut("ben")
    await ben.next("reconnecting")
    assert (await anna.signal("for ben, who is away", to=member.connection)).delivered
    await ben.back()
    await stage.until(lambda: ben.heard == ["for ben", "for ben, who is away"])
    await anna.signal("for all")
    await stage.until(lambda: carla.heard == ["for all"])
    assert anna.heard == ["for all"]
    assert ben.heard[-1] == "for all"


@story(Stage)
async def test_what_a_signal_carries(stage: Stage) -> None:
    """Type, data, sender, serial, position and the sending connection; any JSON value."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    values: list[Any] = [None, True, 0, -1.5, "text \u2028 \U0001f600", [1, [2]], {"key": {"deep": []}}, "x" * 8_000]
    for value in values:
        await anna.signal(value, type="a-b_c~d.1")
    await stage.until(lambda: len(ben.heard) == len(values))
    assert ben.heard == values
    assert {(signal.type, signal.sender, signal.connection, signal.repeat) for signal in ben.signals} == {
        ("a-b_c~d.1", anna.sender, anna.session.connection, False)
    }
    assert [signal.serial for signal in ben.signals] == list(range(1, len(values) + 1))
    assert all(later.position > sooner.position for sooner, later in zip(ben.signals, ben.signals[1:], strict=False))
    assert ben.wire.all_received(Welcome)[0].position < ben.signals[0].position


@story(Stage, grace_seconds=5.0)
async def test_a_gap_of_a_new_connection_is_told_with_what_it_hides(stage: Stage) -> None:
    """R03 R05 P05: told once, with its epoch, its first and last position, before the next signal; ghosts end, survivors stay."""
    anna, ben, carla = await stage.enter("anna"), await stage.enter("ben"), await stage.enter("carla")
    await carla.session.publish("hers")
    await ben.session.publish("his")
    await ben.signal("heard")
    await stage.until(lambda: len(anna.session.streams) == 2 and anna.heard == ["heard"])
    seen, epoch, last = len(anna.told()), anna.wire.welcomes[-1].epoch, anna.signals[-1].position
    stage.network.refuse("anna")
    stage.network.cut("anna")
    await anna.next("reconnecting")
    await carla.session.disconnect()
    dora = await stage.enter("dora")
    await dora.session.publish("new")
    for number in range(3):
        await ben.signal(number)
    await stage.later(6.0)
    stage.network.restore("anna")
    back = await anna.back()
    assert (back.resumed, back.not_resumed) == (False, "unknown_connection")
    assert (back.gap.epoch, back.gap.first, back.gap.last) == (epoch, last + 1, anna.wire.welcomes[-1].position)
    await ben.signal("after")
    await stage.until(lambda: anna.heard == ["heard", "after"])
    news = [event for event in anna.told()[seen:] if event.name not in ("reconnecting", "attempt")]
    order = [event.name for event in news]
    assert (order[0], order[-1], order.count("reconnected")) == ("reconnected", "signal", 1), "the gap is told first"
    assert [(event.name, event.stream.name if "stream" in event.name else event.member.client_id) for event in news[1:-1]] == [
        ("stream_destroyed", "hers"),
        ("connection_destroyed", "carla"),
        ("connection_created", "dora"),
        ("stream_created", "new"),
    ]
    stage.network.cut("anna")
    await anna.next("reconnecting")
    anna.session.reconnect_now()
    assert (await anna.back()).gap is None, "it is told once"
