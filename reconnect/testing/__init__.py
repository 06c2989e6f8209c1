"""What tests of sessions need, ours and yours: time that jumps, a network whose weather is made, hubs and transports that follow
a script, a kit that checks a transport, and worlds that go through thousands of outages.

Everything public is named in `__all__` and loaded at first use: the pytest plugin lives here, and pytest loads it always.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconnect.testing.checking import check_history
    from reconnect.testing.clock import Deadlock, FakeClock, run
    from reconnect.testing.conformance import TRANSPORT_CHECKS, Finding, NotATransport, check_transport
    from reconnect.testing.driven import DriverRun, simulate_driver
    from reconnect.testing.history import History
    from reconnect.testing.hubs import MemoryHub
    from reconnect.testing.network import MemoryNetwork
    from reconnect.testing.proxy import Proxy
    from reconnect.testing.replaying import assert_replays
    from reconnect.testing.scripted import HubEnd, MemberEnd, ScriptedDialer, ScriptedTransport, follow
    from reconnect.testing.simulator import Simulation, simulate
    from reconnect.testing.violations import Broken, Violation
    from reconnect.testing.weather import Direction, Weather

_HOMES = {
    "reconnect.testing.checking": ("check_history",),
    "reconnect.testing.clock": ("Deadlock", "FakeClock", "run"),
    "reconnect.testing.conformance": ("TRANSPORT_CHECKS", "Finding", "NotATransport", "check_transport"),
    "reconnect.testing.driven": ("DriverRun", "simulate_driver"),
    "reconnect.testing.history": ("History",),
    "reconnect.testing.hubs": ("MemoryHub",),
    "reconnect.testing.network": ("MemoryNetwork",),
    "reconnect.testing.proxy": ("Proxy",),
    "reconnect.testing.replaying": ("assert_replays",),
    "reconnect.testing.scripted": ("HubEnd", "MemberEnd", "ScriptedDialer", "ScriptedTransport", "follow"),
    "reconnect.testing.simulator": ("Simulation", "simulate"),
    "reconnect.testing.violations": ("Broken", "Violation"),
    "reconnect.testing.weather": ("Direction", "Weather"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "TRANSPORT_CHECKS",
    "Broken",
    "Deadlock",
    "Direction",
    "DriverRun",
    "FakeClock",
    "Finding",
    "History",
    "HubEnd",
    "MemberEnd",
    "MemoryHub",
    "MemoryNetwork",
    "NotATransport",
    "Proxy",
    "ScriptedDialer",
    "ScriptedTransport",
    "Simulation",
    "Violation",
    "Weather",
    "assert_replays",
    "check_history",
    "check_transport",
    "follow",
    "run",
    "simulate",
    "simulate_driver",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
