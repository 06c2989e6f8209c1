"""The asyncio driver: performs what a session's core decides and feeds it what happens."""

from reconnect.driver.driver import Driver

__all__ = ["Driver"]
