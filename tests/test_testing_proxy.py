"""The proxy that breaks real links: what it carries, what each break looks like from both ends, and that nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from reconnect.testing import Proxy
from reconnect.testing.proxy import Mode

PATIENCE = 30.0  # only catches a hang


class Echo:
    """A server that sends back what it gets, and notes how each of its links ended."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.ends: list[str] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self.tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.close()
        await until(lambda: not self.tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.writers.append(writer)
        try:
            writer.write(self.greeting)
            while chunk := await reader.read(1_000):
                writer.write(chunk)
            self.ends.append("closed")
        except OSError:
            self.ends.append("reset")
        finally:
            writer.close()
            self.tasks.discard(task)


async def until(holds: Callable[[], bool]) -> None:
    """Return when it holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  # real sockets announce nothing
            await asyncio.sleep(0.001)


async def soon(work: Awaitable[Any]) -> Any:
    """Return what is awaited, against a hang."""
    return await asyncio.wait_for(work, PATIENCE)


class Client:
    """One TCP link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, port: int) -> Client:
        return cls(*await soon(asyncio.open_connection("127.0.0.1", port)))

    async def says(self, word: bytes) -> bool:
        """Send a word, and return whether it comes back."""
        self.writer.write(word)
        return bool(await soon(self.reader.readexactly(len(word))) == word)

    async def end(self) -> str:
        """Return how the link ends, seen from here."""
        try:
            while await soon(self.reader.read(1_000)):
                pass
        except ConnectionResetError:
            return "reset"
        finally:
            self.writer.close()
        return "closed"


def story(play: Callable[[Proxy, Echo], Coroutine[Any, Any, None]], greeting: bytes = b"") -> None:
    """Play with a proxy in front of an echo; see that no task is left."""

    async def whole() -> None:
        async with Echo(greeting) as echo:
            async with Proxy("127.0.0.1", echo.port) as proxy:
                await play(proxy, echo)
            assert proxy.links == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


def test_links_are_carried_both_ways_and_end_together() -> None:
    async def play(proxy: Proxy, echo: Echo) -> None:
        assert repr(proxy) == f"<Proxy {proxy.port} to {echo.port} pass links=0>"
        one, two = await Client.dial(proxy.port), await Client.dial(proxy.port)
        assert await one.says(b"one")
        assert await two.says(b"x" * 200_000)
        assert (proxy.links, proxy.accepted) == (2, 2)
        one.writer.close()
        await until(lambda: echo.ends == ["closed"])
        await until(lambda: proxy.links == 1)
        echo.writers[1].close()
        assert await two.end() == "closed"
        await until(lambda: proxy.links == 0)

    story(play)


def test_a_cut_resets_both_sides_and_refuses_new_links_until_it_is_restored() -> None:
    async def play(proxy: Proxy, echo: Echo) -> None:
        one = await Client.dial(proxy.port)
        assert await one.says(b"one")
        proxy.cut()
        assert proxy.mode is Mode.REFUSE
        assert await one.end() == "reset"
        await until(lambda: echo.ends == ["reset"])
        refused = await Client.dial(proxy.port)
        assert await refused.end() == "reset"
        assert len(echo.writers) == 1
        proxy.restore()
        again = await Client.dial(proxy.port)
        assert await again.says(b"again")
        again.writer.close()

    story(play)


def test_a_reset_takes_the_links_that_there_are_and_new_ones_are_carried() -> None:
    async def play(proxy: Proxy, echo: Echo) -> None:
        one = await Client.dial(proxy.port)
        assert await one.says(b"one")
        proxy.reset()
        assert await one.end() == "reset"
        two = await Client.dial(proxy.port)
        assert await two.says(b"two")
        two.writer.close()

    story(play)


def test_a_frozen_link_looks_open_and_carries_nothing_ever_again() -> None:
    async def play(proxy: Proxy, echo: Echo) -> None:
        one = await Client.dial(proxy.port)
        assert await one.says(b"one")
        proxy.freeze()
        one.writer.write(b"lost")
        late = await Client.dial(proxy.port)
        late.writer.write(b"lost as well")
        await until(lambda: proxy.links == 2)
        proxy.restore()
        one.writer.write(b"lost for good")
        two = await Client.dial(proxy.port)
        assert await two.says(b"two"), "a new link is carried"
        for dead in (one, late):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await dead.reader.read(1)
        echo.writers[0].close()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await one.reader.read(1)
        proxy.cut()
        assert await one.end() == "reset"
        assert await late.end() == "reset"
        assert await two.end() == "reset"

    story(play)


def test_nobody_at_the_target_is_a_reset() -> None:
    async def play(proxy: Proxy, echo: Echo) -> None:
        async with Echo() as gone:
            port = gone.port
        proxy.retarget(port)
        assert await (await Client.dial(proxy.port)).end() == "reset"
        proxy.retarget(echo.port)
        back = await Client.dial(proxy.port)
        assert await back.says(b"back")
        back.writer.close()

    story(play)


@pytest.mark.parametrize("end", ["cut", "exit"])
def test_a_link_whose_target_is_still_dialed_is_cut_too(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """What is accepted and not connected yet must not come alive after the cut."""
    dialing, go = asyncio.Event(), asyncio.Event()
    dial = asyncio.open_connection

    async def slow(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialing.set()
        await go.wait()
        return await dial(host, port)

    async def play(proxy: Proxy, echo: Echo) -> None:
        client = await Client.dial(proxy.port)
        monkeypatch.setattr(asyncio, "open_connection", slow)
        await until(dialing.is_set)
        assert proxy.links == 1
        if end == "cut":
            proxy.cut()
            go.set()
        else:
            await proxy.__aexit__(None, None, None)
        assert await client.end() == "reset"
        monkeypatch.undo()
        await until(lambda: proxy.links == 0)
        if end == "cut":
            await until(lambda: echo.ends in (["reset"], ["closed"]))

    monkeypatch.setattr(asyncio, "open_connection", slow)
    monkeypatch.setattr(Client, "dial", classmethod(lambda cls, port: plain(cls, dial, port)))
    story(play)


async def plain(kind: type[Client], dial: Callable[..., Awaitable[Any]], port: int) -> Client:
    return kind(*await dial("127.0.0.1", port))


def test_a_link_whose_target_is_still_dialed_is_frozen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    dialing, go = asyncio.Event(), asyncio.Event()
    dial = asyncio.open_connection

    async def slow(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialing.set()
        await go.wait()
        return await dial(host, port)

    async def play(proxy: Proxy, echo: Echo) -> None:
        client = await plain(Client, dial, proxy.port)
        await until(dialing.is_set)
        proxy.freeze()
        proxy.restore()
        go.set()
        await until(lambda: len(echo.writers) == 1)
        client.writer.write(b"lost")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.reader.read(1)
        proxy.cut()
        assert await client.end() == "reset"

    monkeypatch.setattr(asyncio, "open_connection", slow)
    story(play)


def test_leaving_ends_the_links_that_are_open() -> None:
    async def whole() -> None:
        async with Echo(b"hello") as echo:
            async with Proxy("127.0.0.1", echo.port) as proxy:
                client = await Client.dial(proxy.port)
                assert await soon(client.reader.readexactly(5)) == b"hello"
            assert await client.end() == "reset"
            with pytest.raises(OSError, match=r"."):
                await Client.dial(proxy.port)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


def test_one_that_was_never_entered_has_nothing_to_end() -> None:
    asyncio.run(Proxy("127.0.0.1", 1).__aexit__(None, None, None))
