"""Refused cleanly by the hub: what does not follow the protocol, or asks for what cannot be; nobody else notices."""

from __future__ import annotations

import msgspec
import pytest

from reconnect import Reason, RejectCode
from reconnect.core.frames import (
    Accepted,
    AddWant,
    Entry,
    Failed,
    Frame,
    Handled,
    Join,
    Kick,
    Ping,
    Pong,
    Refused,
    ResumeClaim,
    SendSignal,
    Want,
)
from reconnect.testing.scripted import MemberEnd
from tests.stories.sockets import SocketStage
from tests.stories.stage import Member, Stage, story

PROTOCOL_ERROR = 4500


async def is_thrown_out(stage: Stage, mallory: MemberEnd, anna: Member, detail: str) -> None:
    """See that the hub says why, closes for good, and goes on as if nothing had been."""
    refused = await mallory.hear(Refused)
    assert refused.code is Reason.PROTOCOL_ERROR
    assert detail in refused.detail
    cause = await mallory.end()
    assert (cause.code, cause.final) == (PROTOCOL_ERROR, True)
    assert (await anna.signal("all is well")).delivered
    assert anna.tale == ["connected"]
    lines = [line for line in stage.hub_audit.records if line.get("what") == "link_closed"]
    assert [(line["reason"], detail in line["detail"]) for line in lines] == [("protocol_error", True)]


MALFORMED = {
    "no JSON": ("{", "a message is not JSON"),
    "no frame": ("{}", "missing required field `frame`"),
    "a number": ("5", "frame 0: expected `object`, got `int`"),
    "another type": ('{"frame":"ping","position":"one"}', "frame 0 (ping): field position: expected `int`, got `str`"),
    "out of range": ('{"frame":"ping","position":-1}', "frame 0 (ping): field position: expected `int` >= 0"),
    "a hub's frame": ('{"frame":"accepted","serial":1,"position":1}', "frame 0 (accepted): not a frame for a hub to receive"),
    "the second one": ('[{"frame":"ping"},{"frame":"signal"}]', "frame 1 (signal): object missing required field `serial`"),
    "too deep": ('{"frame":"signal","serial":1,"data":' + "[" * 200 + "]" * 200 + "}", "field data: a value that no receiver"),
    "half a surrogate": ('{"frame":"signal","serial":1,"data":"\\ud800"}', "a message is not JSON"),
}


@story(Stage)
@pytest.mark.parametrize(("message", "detail"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_message_to_the_hub(stage: Stage, message: str, detail: str) -> None:
    """Malformed frame: the sentence names the frame and the field, and repeats nothing of what was in them."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say_raw(message)
    await is_thrown_out(stage, mallory, anna, detail)


@story(Stage)
@pytest.mark.parametrize("message", [b"", b"\x00\x00", b"abc"], ids=["empty", "two bytes", "three bytes"])
async def test_a_binary_message_too_short_for_a_frame(stage: Stage, message: bytes) -> None:
    """Binary garbage: no room for a stream number."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say_raw(message)
    await is_thrown_out(stage, mallory, anna, "a binary message needs at least 4 bytes")


@story(Stage)
async def test_binary_messages_of_a_stream_that_is_not_ones_own(stage: Stage) -> None:
    """Binary garbage: unknown numbers, and those of others, are dropped and counted; the link stays."""
    anna, ben = await stage.enter("anna"), await stage.enter("ben")
    publisher = await anna.session.publish("camera")
    subscriber = await ben.session.subscribe((await ben.next("stream_created")).stream)
    assert publisher.stream
    mallory = await stage.raw()
    await mallory.join()
    for number in (0, publisher.stream.number, 2**32 - 1):
        await mallory.say_raw(number.to_bytes(4, "big") + b"not a picture of anna")
    await mallory.say(Ping())
    await mallory.hear(Pong)
    assert stage.hub.statistics().unknown_streams == 3
    assert "waiting=0" in repr(subscriber)


@story(Stage)
async def test_unknown_frames_and_fields(stage: Stage) -> None:
    """Ignored and counted: a newer member may say more than this hub knows."""
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say_raw('[{"frame":"hologram","depth":3},{"frame":"ping","position":0,"mood":"fine"}]')
    await mallory.hear(Pong)
    assert stage.hub.statistics().unknown_frames == 1


ILL_TIMED: dict[str, tuple[Frame, str]] = {
    "before the join": (Ping(), "the first frame is a join"),
    "a signal before the join": (SendSignal(serial=1), "the first frame is a join"),
    "no session": (Join(token="t", session="", sender="s"), "the session of a join has 1 to 256 characters"),
    "a long sender": (Join(token="t", session="room-1", sender="s" * 257), "the sender of a join has 1 to 256 characters"),
}


@story(Stage)
@pytest.mark.parametrize(("frame", "detail"), ILL_TIMED.values(), ids=ILL_TIMED)
async def test_a_first_frame_that_is_no_join(stage: Stage, frame: Frame, detail: str) -> None:
    """Nobody is anybody before the hub has accepted a join."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.say(frame)
    await is_thrown_out(stage, mallory, anna, detail)


@story(Stage)
async def test_a_second_join(stage: Stage) -> None:
    """A link carries one join."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say(Join(token=mallory.token, session="room-1", sender="another"))
    await is_thrown_out(stage, mallory, anna, "a link carries one join")


@story(Stage)
async def test_a_position_that_was_never_sent(stage: Stage) -> None:
    """Wrong position to the hub: it would be credit for what nobody has read."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say(Handled(position=1_000))
    await is_thrown_out(stage, mallory, anna, "handled up to 1000")


@story(Stage)
async def test_a_transport_that_never_joins(stage: Stage) -> None:
    """A deadline of its own: retryable, for it may have been the network."""
    mallory = await stage.raw()
    before = stage.now
    cause = await mallory.end()
    assert (cause.reason, cause.final) == (Reason.DEADLINE, False)
    assert stage.now - before == pytest.approx(10.0)


@story(Stage)
async def test_a_thrown_out_member_is_told_to_the_others(stage: Stage) -> None:
    """Its place is kept for the grace, like that of any other whose link ended: a bug need not be malice."""
    ben = await stage.enter("ben")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say_raw("{")
    await mallory.end()
    await stage.until(lambda: bool(ben.told("connection_interrupted")))
    assert ben.told("connection_interrupted")[0].reason is Reason.PROTOCOL_ERROR


@story(SocketStage, message_bytes=20_000)
async def test_an_oversized_message(stage: SocketStage) -> None:
    """Oversized frame: closed with 1009; a member of ours never sends one, for the limit is in the welcome."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say_raw("x" * 30_000)
    cause = await mallory.end()
    assert cause.code == 1009
    publisher = await anna.session.publish("camera")
    assert publisher.send(b"x" * 30_000) is False
    for number in range(100):
        anna.signal([number, "x" * 1_000])
    await anna.session.drain()
    assert set(anna.outcomes) == {"delivered"}
    assert max(len(message) for message in anna.wire.messages) <= 20_000
    assert anna.tale == ["connected"]


@story(Stage)
async def test_signals_that_a_foreign_member_sends_are_judged_like_any_other(stage: Stage) -> None:
    """The hub goes by the same limits: rejected with a code, and the link stays."""
    mallory = await stage.raw()
    await mallory.join()
    raw = msgspec.Raw(b'"' + b"x" * 8_191 + b'"')
    await mallory.say(
        SendSignal(serial=1, type="two words"),
        SendSignal(serial=2, data=raw),
        SendSignal(serial=3, to="nobody"),
        SendSignal(serial=4, ttl=0.0),
        SendSignal(serial=5),
    )
    judged = await mallory.hear(Accepted)
    assert [(rejection.serial, rejection.code) for rejection in judged.rejected] == [
        (1, RejectCode.INVALID),
        (2, RejectCode.TOO_LARGE),
        (3, RejectCode.NO_SUCH_CONNECTION),
        (4, RejectCode.EXPIRED),
    ]
    assert judged.serial == 5
    assert (await mallory.hear(Entry)).serial == 5


@story(Stage)
async def test_serials_that_were_sent_before(stage: Stage) -> None:
    """Q05: judged again, and never put into the log again, whatever they carry; holes between serials are fine."""
    anna = await stage.enter("anna")
    mallory = await stage.raw()
    await mallory.join()
    await mallory.say(SendSignal(serial=5, type="first"))
    await mallory.say(SendSignal(serial=5, type="again", repeat=True), SendSignal(serial=3, type="late"))
    await mallory.say(SendSignal(serial=9, type="next"))
    judged = [(await mallory.hear(Accepted)).serial for _ in range(3)]
    assert judged == [5, 5, 9]
    await stage.idle()
    assert [(signal.type, signal.serial) for signal in anna.signals] == [("first", 5), ("next", 9)]
    assert stage.hub.statistics().repeats == 2
    assert stage.hub.statistics().signals_appended == 2


@story(Stage)
async def test_wishes_and_requests_of_a_foreign_member(stage: Stage) -> None:
    """Answered with a code and a sentence; the link stays."""
    mallory = await stage.raw()
    await mallory.join()
    wrong: list[tuple[Want, RejectCode]] = [
        (Want(key="k"), RejectCode.INVALID),
        (Want(key="k", publish="a", subscribe="b"), RejectCode.INVALID),
        (Want(key="", publish="a"), RejectCode.INVALID),
        (Want(key="k", publish="a" * 257), RejectCode.INVALID),
        (Want(key="k", publish="a", data="x" * 1_001), RejectCode.TOO_LARGE),
        (Want(key="k", subscribe="nothing"), RejectCode.NO_SUCH_STREAM),
    ]
    for number, (want, code) in enumerate(wrong):
        await mallory.say(AddWant(request=number, want=want))
        failed = await mallory.hear(Failed)
        assert (failed.request, failed.code) == (number, code)
    await mallory.say(Kick(request=99, connection="anybody"))
    assert (await mallory.hear(Failed)).code is RejectCode.FORBIDDEN


@story(Stage)
async def test_a_claim_with_nonsense(stage: Stage) -> None:
    """R15: a claim to a connection that nobody holds is a clean start, and said to be one."""
    mallory = await stage.raw()
    claim = ResumeClaim(connection="x" * 1_000, secret="\u2028", epoch="", position=2**53 - 1)
    welcome = await mallory.join(resume=claim)
    assert (welcome.resumed, welcome.not_resumed) == (False, "unknown_connection")
