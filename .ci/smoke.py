"""The installed package, looked at from a folder without its source: charts, types, and a session that really connects."""

from __future__ import annotations

import asyncio
import sys
from importlib.resources import files

import reconnect
from reconnect.chart.load import chart_names

SECRET = "a secret of at least thirty-two bytes, for a hub on loopback"  # noqa: S105


async def talk() -> str:
    """Join a hub over a real socket, send one signal, and return how it ended."""
    hub = reconnect.Hub(secret=SECRET)
    async with hub.serve("127.0.0.1", 0) as server:
        token = reconnect.make_token(SECRET, session="smoke", role="publisher", client_id="smoke")
        async with reconnect.connect(server.url, session="smoke", token=token) as session:
            outcome = await session.signal("hello", type="chat")
    return str(outcome.status)


def main() -> None:
    """Look, and fail at the first thing that is not as promised."""
    charts = [reconnect.load_chart(name) for name in chart_names()]
    assert len(charts) == 6, charts
    assert (files("reconnect") / "py.typed").is_file()
    for name in ("page.css", "page.js"):
        assert (files("reconnect.evidence") / name).is_file(), name
    for name in reconnect.__all__:
        getattr(reconnect, name)
    status = asyncio.run(asyncio.wait_for(talk(), 30))
    assert status == "delivered", status
    print(f"reconnect {reconnect.__version__} on Python {sys.version.split()[0]}: {len(charts)} charts, a signal {status}")


if __name__ == "__main__":
    main()
