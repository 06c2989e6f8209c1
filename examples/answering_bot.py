"""A bot that answers signals, and whose link breaks in the middle of its work.

A guest asks five questions, one after another, without waiting for the answers. The bot's link is cut after the first answer and
works again a little later. Nothing in the bot's code knows of that: what was asked meanwhile is handed over when it is back, in
order, each question once.

Look at the order of the lines: the questions go on while the bot is away, and every one gets its answer. Answers are addressed
(`to=question.connection`), so that only the guest gets them, and each is awaited: `delivered` means that the hub has it in its
log, and keeps it for the guest even if the guest should be away at that moment.

    python examples/answering_bot.py
"""

from __future__ import annotations

import asyncio
import secrets

import reconnect
from reconnect.retry import full_jitter
from reconnect.testing import Proxy

CAPITALS = {"Norway": "Oslo", "Chile": "Santiago", "Kenya": "Nairobi", "Japan": "Tokyo"}
QUESTIONS = [*CAPITALS, "Atlantis"]
BRISK = reconnect.RetryPolicy(wait=full_jitter(initial=0.3, maximum=1.0))


async def answer_questions(session: reconnect.Session) -> None:
    """Answer whoever asks, until the session is over."""
    session.on("reconnecting", lambda event: print(f"bot    away ({event.reason})", flush=True))
    session.on("reconnected", lambda event: print(f"bot    back after {event.elapsed:.1f} s", flush=True))
    async for question in session.signals("ask"):
        answer = CAPITALS.get(question.data, "I do not know")
        receipt = session.signal([question.data, answer], type="answer", to=question.connection)
        outcome = await receipt
        print(f"bot    {question.data}: {answer} ({outcome.status})", flush=True)


class Guest:
    """Asks, and keeps the answers."""

    def __init__(self, session: reconnect.Session) -> None:
        self.session = session
        self.answers: dict[str, str] = {}
        self.changed = asyncio.Event()
        session.on("signal:answer", self.take)

    def take(self, event: reconnect.SignalReceived) -> None:
        """Note an answer."""
        question, answer = event.signal.data
        self.answers[question] = answer
        self.changed.set()

    async def wait_answers(self, count: int) -> None:
        """Return once so many are there."""
        while len(self.answers) < count:
            self.changed.clear()
            await self.changed.wait()

    async def ask(self, question: str) -> None:
        """Put a question into the session."""
        outcome = await self.session.signal(question, type="ask")
        print(f"guest  {question}? ({outcome.status})", flush=True)


async def main() -> None:
    """Serve a hub on loopback; let the guest ask, and the bot's link break."""
    secret = secrets.token_urlsafe(32)
    async with reconnect.Hub(secret).serve() as hub, Proxy(hub.host, hub.port) as link:
        tokens = {name: reconnect.make_token(secret, session="quiz", client_id=name) for name in ("bot", "guest")}
        bot_url = f"ws://127.0.0.1:{link.port}"
        async with asyncio.TaskGroup() as tasks, reconnect.connect(hub.url, session="quiz", token=tokens["guest"]) as session:
            guest = Guest(session)
            async with reconnect.connect(bot_url, session="quiz", token=tokens["bot"], retry=BRISK) as bot:
                tasks.create_task(answer_questions(bot))
                await guest.ask(QUESTIONS[0])
                await guest.wait_answers(1)
                link.cut()
                for question in QUESTIONS[1:]:
                    await guest.ask(question)
                link.restore()
                await guest.wait_answers(len(QUESTIONS))
        print(f"guest  has {len(guest.answers)} answers to {len(QUESTIONS)} questions")


if __name__ == "__main__":
    asyncio.run(main())
