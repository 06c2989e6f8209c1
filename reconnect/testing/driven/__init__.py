"""The thorough simulator: the real client, driver, hub, outbox and audit on an event loop whose order follows a seed."""

from reconnect.testing.driven.quirks import DriverQuirk
from reconnect.testing.driven.running import DriverRun, simulate_driver

__all__ = ["DriverQuirk", "DriverRun", "simulate_driver"]
