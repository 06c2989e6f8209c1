"""The thread on which an outbox file is written, so that a slow disk never holds up the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol


class Worker(Protocol):
    """Runs one piece of work again and again, never twice at a time."""

    def wake(self) -> None:
        """Let the work be done, after what is under way."""

    def stop(self) -> None:
        """Return once nothing runs any more; what was asked for before is done first."""


class WorkerThread:
    """A Worker on a thread of its own, which starts at the first call and does not keep the interpreter from ending.

    `work` returns after how many seconds it is to be called again by itself, None if only when it is woken.
    """

    def __init__(self, work: Callable[[], float | None], name: str) -> None:
        self._work = work
        self._name = name
        self._changed = threading.Condition()
        self._due = self._stopping = False
        self._again: float | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<WorkerThread {self._name}{' due' if self._due else ''}{' stopping' if self._stopping else ''}>"

    def wake(self) -> None:
        """Let the work be done, after what is under way."""
        with self._changed:
            self._due = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()

    def stop(self) -> None:
        """Return once the thread has ended; what was asked for before is done first."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._stopping, timeout=self._again)
                if self._stopping and not self._due:
                    return
                self._due = False
            self._again = self._work()
