"""The platform's sample application in Python: two people in a call, and a network that drops one of them.

Anna publishes her camera, Ben watches it. Each has a status line, and an overlay lies over Ben's picture while it stands
still. Anna's link goes through a proxy, so that the program can break it.

Look at what is printed while her link is away: she is told at once, with the delay until the next attempt, and so is Ben, by
the overlay. Of her two signals the first waits and arrives; the second said `retry_after_reconnect=False` and is dropped.
What Ben says meanwhile reaches her afterwards.

    python examples/sample_app.py
"""

from __future__ import annotations

import asyncio
import secrets

import reconnect
from reconnect.retry import full_jitter
from reconnect.testing import Proxy

# A short scale, so that the program ends soon. The default waits longer: it keeps a fleet from returning all at once.
BRISK = reconnect.RetryPolicy(wait=full_jitter(initial=0.3, maximum=1.0))


class Page:
    """What one person has on the screen."""

    def __init__(self, name: str, session: reconnect.Session) -> None:
        self.name, self.session = name, session
        self.playing, self.still = asyncio.Event(), asyncio.Event()
        session.on("connected", lambda event: self.show("status", "connected"))
        session.on("reconnecting", lambda event: self.show("status", f"connection lost, trying again in {event.retry_in:.1f} s"))
        session.on("reconnected", lambda event: self.show("status", f"connected again after {event.elapsed:.1f} s"))
        session.on("disconnected", lambda event: self.show("status", f"left ({event.reason})"))
        session.on("signal:chat", lambda event: self.show("chat", event.signal.data))
        session.on("stream_created", self.watch)

    async def watch(self, event: reconnect.StreamCreated) -> None:
        """Subscribe to what the other one publishes, and lay a text over the picture while it stands still."""
        picture = await self.session.subscribe(event.stream)
        picture.on("disconnected", lambda event: self.lay("the other side has lost its connection"))
        picture.on("connected", lambda event: self.show("overlay", "(none)"))
        picture.on("destroyed", lambda event: self.show("picture", f"over ({event.reason})"))
        self.show("picture", "playing")
        self.playing.set()

    def lay(self, text: str) -> None:
        """Show the overlay."""
        self.show("overlay", text)
        self.still.set()

    def show(self, place: str, text: str) -> None:
        """Print one change of the screen."""
        print(f"{self.name:<5} {place:<8} {text}", flush=True)


async def call(anna: reconnect.Session, ben: reconnect.Session, link: Proxy) -> None:
    """Let them meet, lose each other, and meet again."""
    hers, his = Page("Anna", anna), Page("Ben", ben)
    async with ben, anna:
        camera = await anna.publish("camera")
        await his.playing.wait()
        hers.show("camera", f"frame sent: {camera.send(b'a picture')}")

        link.cut()
        await asyncio.gather(his.still.wait(), anna.wait_for("reconnecting"))
        hers.show("camera", f"frame sent: {camera.send(b'another picture')}")
        patient = anna.signal("are you still there?", type="chat")
        hasty = anna.signal("I am at the door", type="chat", retry_after_reconnect=False)
        hers.show("signal", f"with retry: {'waits' if patient.outcome is None else 'over'}; without: {(await hasty).status}")
        await ben.signal("Anna? Your picture stands still.", type="chat")

        link.restore()
        hers.show("signal", f"with retry: {(await patient).status}")


async def main() -> None:
    """Serve a hub on loopback, and let the call happen."""
    secret = secrets.token_urlsafe(32)
    async with reconnect.Hub(secret).serve() as hub, Proxy(hub.host, hub.port) as link:
        urls = {"anna": f"ws://127.0.0.1:{link.port}", "ben": hub.url}
        tokens = {name: reconnect.make_token(secret, session="sample", client_id=name) for name in urls}
        anna, ben = (reconnect.Session(urls[name], session="sample", token=tokens[name], retry=BRISK) for name in urls)
        await call(anna, ben, link)


if __name__ == "__main__":
    asyncio.run(main())
