"""A TCP proxy that breaks the link it carries, on loopback, with real sockets: reset, refuse, half-open.

    async with Proxy("127.0.0.1", hub_port) as proxy:
        session = reconnect.connect(f"ws://127.0.0.1:{proxy.port}", ...)
        proxy.cut()      # every link is reset, new ones are refused
        proxy.restore()
        proxy.freeze()   # links look open, and nothing passes

What was in transit when a link breaks is lost, as in life: the proxy keeps nothing back and replays nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any, Final

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What the proxy does with bytes and with new links."""

    PASS = "pass"  # noqa: S105  # no password: bytes pass
    REFUSE = "refuse"
    FREEZE = "freeze"


class _Link:
    """One carried link: a socket on each side."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self.writers = writers
        self.frozen = False
        self.cut = False

    def reset(self) -> None:
        """End it as a line that breaks does: both sides see a reset."""
        self.cut = True
        for writer in self.writers:
            with contextlib.suppress(OSError):  # a socket that is closed already
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Carries TCP links to one target and breaks them on demand."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.mode = Mode.PASS
        self.accepted = 0
        self.port = 0

    def __repr__(self) -> str:
        return f"<Proxy {self.port} to {self._target[1]} {self.mode} links={len(self._links)}>"

    @property
    def links(self) -> int:
        """How many links are carried now."""
        return len(self._links)

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    # -- breaking ----------------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset every link and refuse new ones until `restore()`."""
        self.mode = Mode.REFUSE
        self.reset()

    def reset(self) -> None:
        """Reset every link; new ones are carried or not, as before."""
        for link in tuple(self._links):
            link.reset()

    def freeze(self) -> None:
        """Let nothing pass, and let every link look open: a dead line."""
        self.mode = Mode.FREEZE
        for link in self._links:
            link.frozen = True

    def restore(self) -> None:
        """Carry new links again. Those that were frozen stay dead, since bytes of theirs are lost."""
        self.mode = Mode.PASS

    def retarget(self, port: int) -> None:
        """Carry new links to another port."""
        self._target = self._target[0], port

    # -- carrying ----------------------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None, "a server attends to each link in a task"
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except OSError:  # nobody is at the target
            _Link((writer,)).reset()
        except asyncio.CancelledError:
            pass  # by __aexit__, which waits for this task; asyncio would report a server's task that ends as cancelled
        finally:
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = _Link((writer,))
        if self.mode is Mode.REFUSE:
            near.reset()
            return
        near.frozen = self.mode is Mode.FREEZE
        self._links.add(near)  # so that it can be cut or frozen while the target is dialed
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        finally:
            self._links.discard(near)
        link = _Link((writer, far_writer))
        if near.cut:
            link.reset()
            return
        link.frozen = near.frozen
        self._links.add(link)
        there = self._spawn(self._copy(reader, far_writer, link))
        back = self._spawn(self._copy(far_reader, writer, link))
        try:
            await asyncio.wait((there, back))
        finally:
            self._links.discard(link)
            for end in link.writers:
                end.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if not link.frozen:
                    writer.write(chunk)
                    await writer.drain()
        if not link.frozen:
            # The end of one side is the end of the link, but for a dead line, which tells nobody.
            writer.close()
