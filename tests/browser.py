"""A real browser for tests of pages: Chromium without a window, driven over its debugging protocol.

It is started on a page of this machine, with a folder of its own for its profile and a port that it chooses itself. What it logs
and what it fetches is collected, so that a test can say that there was none. Where no browser is installed, tests are skipped.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

LIMIT_SECONDS = 60.0  # far above what anything takes: it only catches a hang
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--mute-audio",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--force-color-profile=srgb",
)  # fmt: skip


def browser_path() -> str:
    """Return where a browser is, or skip the test."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed here (Debian: apt-get install chromium)")
    return found


class Tab:
    """One page in the browser. `problems` are its errors and warnings, `requests` the addresses that it asked for."""

    def __init__(self, connection: ClientConnection) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._connection = connection
        self._number = 0
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its answer; what the browser tells meanwhile is collected."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._connection.recv(timeout=LIMIT_SECONDS))
        told, method = message.get("params", {}), message.get("method")
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.problems.append(f"{told['type']}: {told['args']}")
        elif method == "Log.entryAdded":
            self.problems.append(f"{told['entry']['level']}: {told['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        return message

    def open(self, path: Path, *, width: int = 1280, height: int = 900) -> None:
        """Open a page of this machine and wait until it is there."""
        self.size(width, height)
        self.run("window.left = true")  # the page before may be the same one, and answers for a moment more
        self.call("Page.navigate", url=path.resolve().as_uri())
        while self.run("window.left ? 'left' : document.readyState + location.protocol") != "completefile:":
            pass  # each question is a round trip to the browser

    def size(self, width: int, height: int) -> None:
        """Let the page be so large."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """Run a script in the page and return its value."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click into the middle of the first element of a selector, as a hand would."""
        middle = (
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.scrollIntoView({{block: 'center'}});"
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        x, y = self.run(middle)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, text: str = "") -> None:
        """Press a key."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def emulate(self, *, media: str = "", scheme: str = "light") -> None:
        """Look at the page on paper, or in the dark."""
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write a picture of what is seen, or of the whole page."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))


@contextmanager
def tab() -> Iterator[Tab]:
    """Start a browser and hand out a page of it; ends it, and whatever it started, behind the test."""
    path = browser_path()
    with TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        popen = subprocess.Popen(
            [path, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "HOME": profile},
        )
        try:
            with connect(_address(popen), max_size=None, open_timeout=LIMIT_SECONDS) as connection:
                yield Tab(connection)
        finally:
            os.killpg(popen.pid, signal.SIGKILL)
            popen.communicate()


def _address(popen: subprocess.Popen[str]) -> str:
    """Return the address of the one page, by what the browser says on stderr and then by its list."""
    from urllib.request import urlopen

    assert popen.stderr is not None
    said = []
    for line in popen.stderr:
        said.append(line)
        if found := re.search(r"DevTools listening on ws://(127\.0\.0\.1:\d+)/", line):
            with urlopen(f"http://{found[1]}/json/list", timeout=LIMIT_SECONDS) as answer:
                pages = [one for one in json.load(answer) if one["type"] == "page"]
            return str(pages[0]["webSocketDebuggerUrl"])
    pytest.skip(f"the browser {popen.args!r} does not start here: {''.join(said)[-500:]}")
