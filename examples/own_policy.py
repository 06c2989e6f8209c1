"""Your own retry policy, and tokens that are fetched anew.

The policy is made of tenacity's parts: how long to wait, when to stop, and what is not worth another attempt. The library asks
it, waits by itself, and tells each answer as `attempt`. The token is an async callable, which is asked at every attempt; this
hub is strict, and ends whoever holds a token that has expired.

Look at the three outages. The token runs out: one renewal, at once, whatever the policy says. The link is cut: the waits are the
policy's, a fixed part and a random one. It is cut for good: the policy stops after the fourth attempt, and the session is over,
with a reason. `connect()` starts anew, with the same observers.

    python examples/own_policy.py
"""

from __future__ import annotations

import asyncio
import secrets

from tenacity import RetryCallState, stop_after_attempt, wait_fixed, wait_random

import reconnect
from reconnect.errors import TransportFailed
from reconnect.testing import Proxy


def is_worth_it(state: RetryCallState) -> bool:
    """Say no where waiting will not help: a certificate does not get better."""
    error = state.outcome.exception() if state.outcome else None
    return not (isinstance(error, TransportFailed) and error.cause.reason is reconnect.Reason.TLS_FAILED)


POLICY = reconnect.RetryPolicy(
    first_try_seconds=None,  # ask `wait` for the first try of an outage as well
    wait=wait_fixed(0.1) + wait_random(0, 0.1),
    stop=stop_after_attempt(4),
    retry=is_worth_it,
)


class TokenService:
    """Stands for the service of yours that knows who may join."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.given = 0

    async def token(self) -> str:
        """Return a new token; one that raises is a failed attempt, and is tried again."""
        await asyncio.sleep(0.01)
        self.given += 1
        print(f"  token {self.given}", flush=True)
        return reconnect.make_token(self._secret, session="desk", client_id="anna", lifetime_seconds=1.0)


async def outages(session: reconnect.Session, link: Proxy) -> None:
    """Live through three of them."""
    print("the token runs out")
    await session.wait_for("reconnecting")
    await session.wait_for("connected")
    print("the link is cut")
    link.cut()
    await session.wait_for("reconnecting")
    await asyncio.sleep(0.5)
    link.restore()
    await session.wait_for("connected")
    print("the link is cut for good")
    link.cut()
    await session.wait_for("disconnected")


async def main() -> None:
    """Serve a hub on loopback, and print what the policy decides."""
    secret = secrets.token_urlsafe(32)
    service = TokenService(secret)
    async with reconnect.Hub(secret, strict_tokens=True).serve() as hub, Proxy(hub.host, hub.port) as link:
        session = reconnect.Session(f"ws://127.0.0.1:{link.port}", session="desk", token=service.token, retry=POLICY)
        session.on("reconnecting", lambda event: print(f"  lost ({event.reason})", flush=True))
        session.on("attempt", lambda event: print(f"  attempt {event.attempt} in {event.retry_in:.2f} s", flush=True))
        session.on("reconnected", lambda event: print(f"  back, resumed={event.resumed}", flush=True))
        session.on("disconnected", lambda event: print(f"  over ({event.reason}): {event.detail or 'left'}", flush=True))
        async with session:
            await outages(session, link)
            link.restore()
            await session.connect()
            print("connected again")


if __name__ == "__main__":
    asyncio.run(main())
