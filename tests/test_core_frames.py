"""The meanings that travel: what a person may see of them."""

from __future__ import annotations

from reconnect.core.frames import Heartbeat, Join, Limits, RenewToken, ResumeClaim, Welcome


def test_no_repr_shows_a_token_or_a_secret() -> None:
    """U08: whatever prints a frame, a traceback or a log, prints no secret of it."""
    claim = ResumeClaim(connection="c1", secret="SESAME", epoch="e1", position=7)
    join = Join(token="SESAME", session="room", sender="me", resume=claim)
    welcome = Welcome(
        connection="c1",
        secret="SESAME",
        epoch="e1",
        position=0,
        resumed=False,
        grace=60.0,
        heartbeat=Heartbeat(ping=2.0, silence=6.0),
        limits=Limits(message_bytes=1, data_bytes=1, window=1),
    )
    for frame in (claim, join, welcome, RenewToken(request=1, token="SESAME")):
        assert "SESAME" not in repr(frame)
        assert "..." in repr(frame)
    assert repr(claim) == "ResumeClaim(connection='c1', secret=..., epoch='e1', position=7)"
