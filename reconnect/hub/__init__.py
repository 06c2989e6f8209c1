"""The hub on asyncio: it listens, serves members, and sends them away in order."""

from reconnect.hub.hub import Hub

__all__ = ["Hub"]
