"""What to do about it: every reason and code has a sentence, or a reason to have none."""

from __future__ import annotations

import pytest

from reconnect.errors import ConnectFailed, RequestFailed
from reconnect.reasons import Cause, Reason, RejectCode
from reconnect.remedies import ANSWERS, remedy_for

# Never why a connect() failed: what ends signals, streams and living transports only, and what a caller did on purpose.
NOT_OF_A_CONNECT = {
    Reason.SLOW, Reason.HOLE, Reason.FORCED, Reason.OWN_CHART, Reason.CLIENT_DISCONNECTED, Reason.NETWORK_DISCONNECTED,
    Reason.UNPUBLISHED, Reason.NO_SUCH_STREAM, Reason.REPLACED, Reason.POISON, Reason.OPTED_OUT, Reason.SESSION_LOST,
    Reason.OVERFLOW, Reason.TTL, Reason.CANCELLED, Reason.NOT_RESUMED, Reason.STORE_FAILED,
}  # fmt: skip


@pytest.mark.parametrize("reason", Reason)
def test_a_connect_that_failed_says_what_to_do(reason: Reason) -> None:
    assert bool(remedy_for(Cause(reason=reason))) is (reason not in NOT_OF_A_CONNECT)


def test_a_detail_that_says_what_to_do_is_enough() -> None:
    assert str(ConnectFailed(Cause(reason=Reason.DENIED, detail="not you; ask anna"), "ws://hub")).endswith("not you; ask anna")


@pytest.mark.parametrize("code", RejectCode)
def test_every_code_of_a_hub_is_explained(code: RejectCode) -> None:
    meaning, remedy = ANSWERS[code]
    assert str(RequestFailed("request()", code=code)) == f"request() failed ({code}): {meaning}; {remedy}"
    assert str(RequestFailed("kick", code=code, detail="the hub's words")) == f"kick failed: the hub's words; {remedy}"
    assert str(RequestFailed("kick", code=code, detail="no; do this")) == "kick failed: no; do this"


def test_a_request_that_the_end_of_a_session_took_along() -> None:
    """As `denied` by a hub that came back with another secret."""
    assert str(RequestFailed("request()", code=Reason.DENIED, possibly_sent=True)) == (
        "request() failed (denied): the session ended meanwhile (it may have been done); "
        "await session.connect() before you try again"
    )
    assert str(RequestFailed("kick", code=None)) == "kick failed: the connection dropped before the answer"
